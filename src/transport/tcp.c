/* tcp.c - TCP sockets. See tcp.h and stream.h. */
#define _GNU_SOURCE
#include "transport/tcp.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <unistd.h>

static const np_stream_ops tcp_ops = {
    .name = "tcp",
    .read = np__socket_read,
    .readv = np__socket_readv,
    .writev = np__socket_writev,
    .shutdown = np__socket_shutdown,
    .close = np__socket_close,
};

/* An option whose absence nobody would notice but by slowness: its failure is no error. */
static void set_option(int fd, int level, int name, int value)
{
    (void)setsockopt(fd, level, name, &value, sizeof value);
}

void np_tcp_stream_init(np_stream *stream, int fd)
{
    *stream = (np_stream){&tcp_ops, NULL, fd};
    /* Output is gathered per turn, so Nagle's algorithm could only delay it. */
    set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
    set_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, 60);
    set_option(fd, IPPROTO_TCP, TCP_KEEPINTVL, 10);
    set_option(fd, IPPROTO_TCP, TCP_KEEPCNT, 6);
}

np_err np__socket_error(int os_error)
{
    switch (os_error) {
    case EADDRINUSE:
        return NP_ERR_IN_USE;
    case EMFILE:
    case ENFILE:
        return NP_ERR_FILES;
    case ENOMEM:
    case ENOBUFS:
        return NP_ERR_MEMORY;
    default:
        return NP_ERR_SYSTEM;
    }
}

np_err np_tcp_listen(const struct sockaddr *sa, socklen_t len, int backlog, bool reuse_port,
                     int *fd, int *os_error)
{
    int s = socket(sa->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (s < 0) {
        *os_error = errno;
        return np__socket_error(errno);
    }
    set_option(s, SOL_SOCKET, SO_REUSEADDR, 1);
    if (reuse_port) {
        set_option(s, SOL_SOCKET, SO_REUSEPORT, 1);
    }
    if (sa->sa_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)(const void *)sa;
        set_option(s, IPPROTO_IPV6, IPV6_V6ONLY, !IN6_IS_ADDR_UNSPECIFIED(&in6->sin6_addr));
    }
    if (bind(s, sa, len) != 0 || listen(s, backlog) != 0) {
        *os_error = errno;
        (void)close(s);
        return np__socket_error(*os_error);
    }
    *fd = s;
    return NP_OK;
}
