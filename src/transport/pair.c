/* pair.c - an in-process stream without a socket: two rings and two ends. See stream.h.
 *
 * Ends wake each other by tasks of the loop, never by calling, so that neither runs inside the
 * other. They behave like a socket: partial reads and writes, end of input after shutdown, a reset
 * when the other end is gone with bytes unread. */
#include "transport/stream.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

typedef struct pair_end pair_end;
struct pair_end {
    pair_end *other; /* NULL: closed there */
    np_loop *loop;
    np_task wake;
    np_watch *watch;          /* whom to tell, or NULL */
    unsigned events;          /* what they wait for */
    bool ended;               /* the other end has shut its direction */
    bool reset;               /* the other end is gone with bytes unread */
    size_t first, count, cap; /* the ring of bytes to be read here */
    uint8_t bytes[];
};

static unsigned ready(const pair_end *end)
{
    const pair_end *other = end->other;
    unsigned events = NP_WATCH_NONE;

    if (end->count > 0 || end->ended || end->reset || other == NULL) {
        events |= NP_WATCH_READ;
    }
    if (other == NULL || other->count < other->cap) {
        events |= NP_WATCH_WRITE;
    }
    return events & end->events;
}

static void wake(pair_end *end)
{
    if (end != NULL && end->watch != NULL && ready(end) != NP_WATCH_NONE) {
        np__loop_defer(end->loop, &end->wake);
    }
}

static void on_wake(np_loop *loop, np_task *task)
{
    pair_end *end = np_container_of(task, pair_end, wake);
    unsigned events = ready(end);

    (void)loop;
    if (end->watch != NULL && events != NP_WATCH_NONE) {
        /* Level-triggered like a descriptor: ask again in the next turn, unless the callback
         * takes everything; it may also free this end, so nothing is touched afterwards. */
        np__loop_defer(end->loop, &end->wake);
        end->watch->fn(end->watch, events);
    }
}

static np_io pair_readv(np_stream *stream, const struct iovec *iov, int iov_count, size_t *count,
                        int *os_error)
{
    pair_end *end = stream->state;
    size_t total = 0;

    if (end->reset) {
        *os_error = ECONNRESET;
        return NP_IO_ERROR;
    }
    if (end->count == 0) {
        return end->ended || end->other == NULL ? NP_IO_EOF : NP_IO_WAIT_READ;
    }
    for (int i = 0; i < iov_count; i++) {
        uint8_t *to = iov[i].iov_base;
        size_t room = iov[i].iov_len;
        while (room > 0 && end->count > 0) {
            size_t run = end->cap - end->first;
            run = run < end->count ? run : end->count;
            run = run < room ? run : room;
            memcpy(to, end->bytes + end->first, run);
            end->first = (end->first + run) % end->cap;
            end->count -= run;
            to += run;
            room -= run;
            total += run;
        }
    }
    *count = total;
    wake(end->other);
    return NP_IO_OK;
}

static np_io pair_read(np_stream *stream, void *data, size_t cap, size_t *count, int *os_error)
{
    struct iovec iov = {data, cap};

    return pair_readv(stream, &iov, 1, count, os_error);
}

static np_io pair_writev(np_stream *stream, const struct iovec *iov, int iov_count, size_t *count,
                         int *os_error)
{
    pair_end *end = stream->state;
    pair_end *other = end->other;
    size_t total = 0;

    if (other == NULL || other->ended) {
        *os_error = EPIPE;
        return NP_IO_ERROR;
    }
    for (int i = 0; i < iov_count; i++) {
        const uint8_t *from = iov[i].iov_base;
        size_t left = iov[i].iov_len;
        while (left > 0 && other->count < other->cap) {
            size_t at = (other->first + other->count) % other->cap;
            size_t run = other->cap - at;
            run = run < other->cap - other->count ? run : other->cap - other->count;
            run = run < left ? run : left;
            memcpy(other->bytes + at, from, run);
            other->count += run;
            from += run;
            left -= run;
            total += run;
        }
    }
    if (total == 0) {
        return NP_IO_WAIT_WRITE;
    }
    *count = total;
    wake(other);
    return NP_IO_OK;
}

static void pair_shutdown(np_stream *stream)
{
    pair_end *end = stream->state;

    if (end->other != NULL) {
        end->other->ended = true;
        wake(end->other);
    }
}

static void pair_close(np_stream *stream, bool reset)
{
    pair_end *end = stream->state;

    if (end == NULL) {
        return;
    }
    np__task_cancel(end->loop, &end->wake);
    if (end->other != NULL) {
        end->other->other = NULL;
        end->other->ended = true;
        end->other->reset = reset || end->count > 0;
        wake(end->other);
    }
    free(end);
    stream->state = NULL;
}

static void pair_watch(np_stream *stream, np_watch *watch, unsigned events)
{
    pair_end *end = stream->state;

    end->watch = watch;
    end->events = events;
    wake(end);
}

static const np_stream_ops pair_ops = {
    .name = "pair",
    .read = pair_read,
    .readv = pair_readv,
    .writev = pair_writev,
    .shutdown = pair_shutdown,
    .close = pair_close,
    .watch = pair_watch,
};

static pair_end *new_end(np_loop *loop, size_t cap)
{
    pair_end *end = calloc(1, sizeof *end + cap);

    if (end != NULL) {
        end->loop = loop;
        end->cap = cap;
        np__task_init(&end->wake, on_wake);
    }
    return end;
}

np_err np_pair_open(np_loop *loop, size_t cap, np_stream *a, np_stream *b)
{
    pair_end *x = NULL;
    pair_end *y = NULL;

    if (cap == 0) {
        return NP_ERR_ARG;
    }
    x = new_end(loop, cap);
    y = new_end(loop, cap);
    if (x == NULL || y == NULL) {
        free(x);
        free(y);
        return NP_ERR_MEMORY;
    }
    x->other = y;
    y->other = x;
    *a = (np_stream){&pair_ops, x, -1};
    *b = (np_stream){&pair_ops, y, -1};
    return NP_OK;
}
