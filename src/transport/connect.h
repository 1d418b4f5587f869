/* connect.h - making a connection, by "Happy Eyeballs" (RFC 8305) where a name has several
 * addresses.
 *
 * Both families are looked up at once; if IPv4 answers first, IPv6 gets 50 ms more. Addresses are
 * tried in turn, families interleaved, IPv6 first, each 250 ms after the one before or as soon as
 * that has failed; the first that connects wins. One deadline holds for all of it.
 *
 * When all the addresses that are known have failed, and one family has no answer yet, that answer
 * is waited for until the look-up is 3 s old: a lost packet is asked for again after 2 s, and what
 * comes later than that is not worth keeping the refusal for, which is told then. Where addresses
 * fail in different ways the last failure is told, but one that came from the other side rather
 * than "this machine has no way there".
 *
 * Threads: the loop's.
 */
#ifndef NP_TRANSPORT_CONNECT_H
#define NP_TRANSPORT_CONNECT_H

#include "transport/address.h"
#include "transport/loop_private.h"

#define NP_CONNECT_ATTEMPT_DELAY_MS 250
#define NP_CONNECT_RESOLUTION_DELAY_MS 50
#define NP_CONNECT_LATE_MS 3000

/* How it ended. */
typedef struct np_connected {
    np_err err;      /* NP_OK; NP_ERR_RESOLVE, NP_ERR_CONNECT, NP_ERR_DEADLINE, NP_ERR_FILES,
                      * NP_ERR_MEMORY */
    bool resolving;  /* the failure came before there was an address */
    int os_error;    /* of an attempt that failed, or 0 */
    const char *why; /* static text, or NULL */
    unsigned tried;  /* addresses */
    int fd;          /* NP_OK: non-blocking, close-on-exec, the callee's */
    struct sockaddr_storage peer; /* of the connection, or of the last attempt */
    socklen_t peer_len;
} np_connected;

typedef struct np_connector np_connector;

/* Runs once, never from within np_connector_start; the connector is freed when it returns. */
typedef void np_connector_fn(const np_connected *result, void *user);

/* Connects within timeout_ms; 0: within what the system grants. Errors: NP_ERR_ADDRESS (a wildcard,
 * or port 0), NP_ERR_CONNECT (a zone that is not there), NP_ERR_MEMORY, NP_ERR_RESOLVE; fn does not
 * run then. */
NP_MUST_CHECK np_err np_connector_start(np_connector **out, np_loop *loop,
                                        const np_address *address, uint32_t timeout_ms,
                                        np_connector_fn *fn, void *user);

/* Has fn run when there is an address to try: at once if there is one already. */
typedef void np_connector_resolved_fn(void *user);
void np_connector_when_resolved(np_connector *connector, np_connector_resolved_fn *fn);

/* Gives up; fn will not run. */
void np_connector_cancel(np_connector *connector);

#endif
