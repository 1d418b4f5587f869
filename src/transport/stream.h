/* stream.h - a byte stream as a table of operations, so that TCP, unix sockets, the in-process
 * pair, and later TLS, look the same to the pump.
 *
 * An operation never blocks and never raises SIGPIPE. What it returns says what to wait for: a
 * TLS stream may have to write in order to read.
 *
 * Memory: a stream is a small value inside its owner; `state` is what the kind adds on the heap.
 */
#ifndef NP_TRANSPORT_STREAM_H
#define NP_TRANSPORT_STREAM_H

#include "transport/loop_private.h"

#include <sys/uio.h>

typedef enum np_io {
    NP_IO_OK,         /* *count bytes were moved, at least one */
    NP_IO_WAIT_READ,  /* nothing now; wait until the stream is readable */
    NP_IO_WAIT_WRITE, /* nothing now; wait until it is writable */
    NP_IO_EOF,        /* the peer ended its direction in order */
    NP_IO_ERROR       /* *os_error says why: ECONNRESET, EPIPE, ETIMEDOUT, ... */
} np_io;

typedef struct np_stream np_stream;

typedef struct np_stream_ops {
    const char *name; /* "tcp", "unix", "pair", "tls" */
    np_io (*read)(np_stream *stream, void *data, size_t cap, size_t *count, int *os_error);
    np_io (*readv)(np_stream *stream, const struct iovec *iov, int iov_count, size_t *count,
                   int *os_error);
    np_io (*writev)(np_stream *stream, const struct iovec *iov, int iov_count, size_t *count,
                    int *os_error);
    /* Ends our direction; the peer's stays open. */
    void (*shutdown)(np_stream *stream);
    /* Gives everything back. reset: the peer shall see the connection break. */
    void (*close)(np_stream *stream, bool reset);
    /* Whether bytes wait inside the stream that the descriptor does not announce; NULL: never. */
    bool (*pending)(const np_stream *stream);
    /* For streams without a descriptor: call watch->fn when `events` are possible. NULL for the
     * others, whose descriptor the loop watches. */
    void (*watch)(np_stream *stream, np_watch *watch, unsigned events);
} np_stream_ops;

struct np_stream {
    const np_stream_ops *ops;
    void *state; /* the kind's own; NULL for plain sockets */
    int fd;      /* -1: none */
};

/* A connected TCP socket, from now on the stream's: non-blocking, TCP_NODELAY, keepalive (first
 * probe after 60 s, then 6 every 10 s). */
void np_tcp_stream_init(np_stream *stream, int fd);

/* A connected unix socket, from now on the stream's. Descriptors that a peer attaches are never
 * received: reading passes no room for them, so the kernel drops them. */
void np_unix_stream_init(np_stream *stream, int fd);

/* Two ends of an in-process stream, each direction holding up to cap bytes. Errors:
 * NP_ERR_MEMORY. */
NP_MUST_CHECK np_err np_pair_open(np_loop *loop, size_t cap, np_stream *a, np_stream *b);

/* The operations that every socket shares. */
np_io np__socket_read(np_stream *stream, void *data, size_t cap, size_t *count, int *os_error);
np_io np__socket_readv(np_stream *stream, const struct iovec *iov, int iov_count, size_t *count,
                       int *os_error);
np_io np__socket_writev(np_stream *stream, const struct iovec *iov, int iov_count, size_t *count,
                        int *os_error);
void np__socket_shutdown(np_stream *stream);
void np__socket_close(np_stream *stream, bool reset);

#endif
