/* resolve.h - host names to addresses, by the hosts file, and by c-ares on the loop.
 *
 * A name that stands in /etc/hosts has the addresses that it has there, and no others, whichever
 * families they are of. "localhost" and names that end in ".localhost" are the loopback interface.
 * All others are asked of DNS: the two families at the same time, and answered apart, so that a
 * connection can be tried with the first (RFC 8305, section 3). A numeric host needs no look-up:
 * see np_address_numeric.
 *
 * Each look-up reads /etc/resolv.conf itself, so that the next one sees what has changed there,
 * and takes its questions back when it is freed. A server gets 2 s for the first try, 4 and 8 s for
 * the next.
 *
 * Threads: the loop's.
 */
#ifndef NP_TRANSPORT_RESOLVE_H
#define NP_TRANSPORT_RESOLVE_H

#include "transport/loop_private.h"

#include <netinet/in.h>
#include <sys/socket.h>

/* Addresses of one family that are kept, as netproto/client.h says. */
#define NP_RESOLVE_MAX 64

typedef union np_sockaddr {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
} np_sockaddr;

/* What became of one family. */
typedef struct np_resolved {
    int family;      /* AF_INET6 or AF_INET */
    np_err err;      /* NP_OK with at least one address; NP_ERR_RESOLVE, NP_ERR_DEADLINE,
                      * NP_ERR_MEMORY */
    bool absent;     /* NP_ERR_RESOLVE: an answer came, and it was that there is none */
    const char *why; /* static text, or NULL */
    size_t count;
    np_sockaddr *addresses; /* best first, port included; the look-up's */
} np_resolved;

typedef struct np_resolve np_resolve;

/* Runs once for each family, never from within np_resolve_start; may free the look-up. The
 * addresses live until then. */
typedef void np_resolve_fn(np_resolve *resolve, const np_resolved *result, void *user);

/* Looks a name up. Errors: NP_ERR_MEMORY, NP_ERR_RESOLVE (c-ares cannot be set up). */
NP_MUST_CHECK np_err np_resolve_start(np_resolve **out, np_loop *loop, const char *host,
                                      uint16_t port, uint32_t timeout_ms, np_resolve_fn *fn,
                                      void *user);

/* Ends a look-up, whether answered or not. NULL is allowed. */
void np_resolve_free(np_resolve *resolve);

#endif
