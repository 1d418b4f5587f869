/* stream.c - what all sockets share. See stream.h. */
#define _GNU_SOURCE
#include "transport/stream.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

/* Sorts the outcome of a system call; EINTR is the callers' loop. */
static np_io outcome(ssize_t got, np_io wait, size_t *count, int *os_error)
{
    if (got > 0) {
        *count = (size_t)got;
        return NP_IO_OK;
    }
    if (errno == EAGAIN || errno == EWOULDBLOCK) {
        return wait;
    }
    *os_error = errno;
    return NP_IO_ERROR;
}

np_io np__socket_read(np_stream *stream, void *data, size_t cap, size_t *count, int *os_error)
{
    ssize_t got = 0;

    do {
        got = recv(stream->fd, data, cap, 0);
    } while (got < 0 && errno == EINTR);
    if (got == 0) {
        return NP_IO_EOF;
    }
    return outcome(got, NP_IO_WAIT_READ, count, os_error);
}

np_io np__socket_readv(np_stream *stream, const struct iovec *iov, int iov_count, size_t *count,
                       int *os_error)
{
    ssize_t got = 0;

    do {
        got = readv(stream->fd, iov, iov_count);
    } while (got < 0 && errno == EINTR);
    if (got == 0) {
        return NP_IO_EOF;
    }
    return outcome(got, NP_IO_WAIT_READ, count, os_error);
}

np_io np__socket_writev(np_stream *stream, const struct iovec *iov, int iov_count, size_t *count,
                        int *os_error)
{
    ssize_t put = 0;

    /* send and sendmsg take MSG_NOSIGNAL, which write and writev do not know. */
    do {
        if (iov_count == 1) {
            put = send(stream->fd, iov->iov_base, iov->iov_len, MSG_NOSIGNAL);
        } else {
            struct msghdr msg = {.msg_iov = (struct iovec *)(uintptr_t)iov,
                                 .msg_iovlen = (size_t)iov_count};
            put = sendmsg(stream->fd, &msg, MSG_NOSIGNAL);
        }
    } while (put < 0 && errno == EINTR);
    if (put == 0) {
        return NP_IO_WAIT_WRITE; /* only for an empty message, which no caller sends */
    }
    return outcome(put, NP_IO_WAIT_WRITE, count, os_error);
}

void np__socket_shutdown(np_stream *stream)
{
    (void)shutdown(stream->fd, SHUT_WR);
}

void np__socket_close(np_stream *stream, bool reset)
{
    if (stream->fd < 0) {
        return;
    }
    if (reset) {
        struct linger linger = {.l_onoff = 1, .l_linger = 0};
        (void)setsockopt(stream->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
    }
    (void)close(stream->fd);
    stream->fd = -1;
}
