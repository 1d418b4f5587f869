/* resolve.h - host names to addresses, by c-ares on the loop.
 *
 * /etc/hosts is asked first, then DNS; the two families are asked at the same time and answered
 * apart, so that a connection can be tried with the first (RFC 8305, section 3). A numeric host
 * needs no look-up: see np_address_numeric.
 *
 * Threads: the loop's.
 */
#ifndef NP_TRANSPORT_RESOLVE_H
#define NP_TRANSPORT_RESOLVE_H

#include "transport/loop_private.h"

#include <netinet/in.h>
#include <sys/socket.h>

/* Addresses of one family that are kept. */
#define NP_RESOLVE_MAX 8

typedef union np_sockaddr {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
} np_sockaddr;

/* What became of one family. */
typedef struct np_resolved {
    int family;      /* AF_INET6 or AF_INET */
    np_err err;      /* NP_OK with at least one address; NP_ERR_RESOLVE, NP_ERR_DEADLINE */
    const char *why; /* static text, or NULL */
    size_t count;
    np_sockaddr addresses[NP_RESOLVE_MAX]; /* best first, port included */
} np_resolved;

typedef struct np_resolve np_resolve;

/* Runs once for each family, never from within np_resolve_start; may free the look-up. */
typedef void np_resolve_fn(np_resolve *resolve, const np_resolved *result, void *user);

/* Looks a name up. Errors: NP_ERR_MEMORY, NP_ERR_RESOLVE (the resolver cannot be set up). */
NP_MUST_CHECK np_err np_resolve_start(np_resolve **out, np_loop *loop, const char *host,
                                      uint16_t port, uint32_t timeout_ms, np_resolve_fn *fn,
                                      void *user);

/* Ends a look-up, whether answered or not. NULL is allowed. */
void np_resolve_free(np_resolve *resolve);

#endif
