/* tcp.h - TCP sockets over IPv4 and IPv6. The stream itself is in stream.h. */
#ifndef NP_TRANSPORT_TCP_H
#define NP_TRANSPORT_TCP_H

#include "transport/stream.h"

#include <sys/socket.h>

/* A non-blocking listening socket on sa with SO_REUSEADDR (and SO_REUSEPORT, if several loops
 * share the port). An IPv6 wildcard takes IPv4 too. Errors: NP_ERR_IN_USE, NP_ERR_FILES,
 * NP_ERR_SYSTEM, with *os_error. */
NP_MUST_CHECK np_err np_tcp_listen(const struct sockaddr *sa, socklen_t len, int backlog,
                                   bool reuse_port, int *fd, int *os_error);

/* The error for an errno that socket, bind or listen left. */
np_err np__socket_error(int os_error);

#endif
