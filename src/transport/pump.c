/* pump.c - between a stream, a session and the loop. See pump.h. */
#define _GNU_SOURCE
#include "transport/pump.h"

#include <assert.h>
#include <errno.h>

/* Pieces of one gathered write, and writes of one turn while the system takes everything. */
#define IOV_MAX_PIECES 64
#define WRITES_MAX 4

/* A timer that is late by so much tells that the loop was held up: by a handler, or since the
 * process or the machine stood still. What the peers have sent or taken meanwhile lies in the
 * kernel, so deadlines wait until the loop has had time to look, once. */
#define LATE_MS 100
#define LOOK_MS 500

static const np_link_ops *ops_of(const np_link *link)
{
    return &np_container_of(link->session.options, const np_links, session)->ops;
}

static np_time now_of(const np_link *link)
{
    return np_loop_now(ops_of(link)->loop);
}

static np_err io_error(int os_error)
{
    switch (os_error) {
    case ECONNRESET:
    case EPIPE:
    case ETIMEDOUT:
    case ECONNABORTED:
    case EHOSTUNREACH:
    case ENETUNREACH:
    case ENETDOWN:
        return NP_ERR_RESET;
    case ENOMEM:
    case ENOBUFS:
        return NP_ERR_MEMORY;
    default:
        return NP_ERR_IO;
    }
}

static void lose(np_link *link, int os_error, bool writing)
{
    link->os_error = (int16_t)os_error;
    link->write_failed = writing;
    np_session_lost(&link->session, io_error(os_error), now_of(link));
}

/* One read, if the session wants one. */
static void read_some(np_link *link)
{
    uint8_t *place = NULL;
    size_t len = 0;
    size_t count = 0;
    int os_error = 0;

    if (link->eof) {
        return;
    }
    switch (np_session_want(&link->session, &place, &len)) {
    case NP_WANT_NOTHING:
        return;
    case NP_WANT_SHARED:
        place = np__loop_buffer(ops_of(link)->loop);
        len = NP_LOOP_BUFFER_LEN;
        break;
    case NP_WANT_PLACE:
        break;
    }
    link->read_needs_write = false;
    switch (link->stream.ops->read(&link->stream, place, len, &count, &os_error)) {
    case NP_IO_OK:
        np_session_recv(&link->session, place, count, now_of(link));
        break;
    case NP_IO_WAIT_READ:
        break;
    case NP_IO_WAIT_WRITE:
        link->read_needs_write = true;
        break;
    case NP_IO_EOF:
        link->eof = true;
        np_session_recv_end(&link->session, now_of(link));
        break;
    case NP_IO_ERROR:
        link->eof = true;
        lose(link, os_error, false);
        break;
    }
}

/* What the events of this link have queued and the peer has not taken is the measure of whether to
 * read on. Output that came from elsewhere does not count: if it did, two peers who both send much
 * would wait for each other to read. */
static inline void weigh(np_link *link, size_t before)
{
    size_t after = np_session_queued(&link->session);
    size_t bound = link->session.options->queue_max / NP_LINK_REPLIES_PART;
    bool back = false;

    if (after > before) {
        link->replies += (uint32_t)(after - before);
    }
    if (link->replies > after) {
        link->replies = (uint32_t)after;
    }
    back = link->replies > bound;
    if (back != link->throttled) {
        link->throttled = back;
        np_session_throttle(&link->session, back, now_of(link));
    }
}

/* Of what leaves, answers are as much as they were of what was queued. */
static void note_written(np_link *link, size_t count)
{
    size_t queued = np_session_queued(&link->session);

    if (count > 0 && link->replies > 0) {
        link->replies -=
            count < queued ? (uint32_t)((uint64_t)link->replies * count / queued) : link->replies;
    }
}

/* Whether what an event's handler sends is an answer to input. Answers to requests of ours are
 * none: they come whether the link is throttled or not. */
static bool is_input(const np_session_event *event)
{
    const unsigned input = 1u << NP_SESSION_EVENT_MESSAGE | 1u << NP_SESSION_EVENT_REQUEST |
                           1u << NP_SESSION_EVENT_BODY_BEGIN | 1u << NP_SESSION_EVENT_BODY_DATA |
                           1u << NP_SESSION_EVENT_BODY_END;

    return (input >> event->kind & 1) != 0;
}

/* Hands out events, as many as the link may have of a turn. */
static void drain(np_link *link)
{
    np_session_event event;
    size_t events = 0;
    size_t bytes = 0;

    while (!link->closed && events < NP_LINK_EVENTS_MAX && bytes < NP_LINK_BYTES_MAX) {
        if (link->abort_due) {
            link->abort_due = false;
            link->aborted = true;
            np_session_lost(&link->session, NP_ERR_CANCELED, now_of(link));
        }
        if (link->shed_due) {
            link->shed_due = false;
            np_session_shed(&link->session, 0, now_of(link));
        }
        if (!np_session_next_event(&link->session, &event)) {
            break;
        }
        events++;
        bytes += event.len;
        if (event.kind == NP_SESSION_EVENT_CLOSED) {
            link->closed = true;
            ops_of(link)->on_closed(link, &event);
        } else if (is_input(&event)) {
            size_t before = np_session_queued(&link->session);
            link->in_input = true;
            ops_of(link)->on_event(link, &event);
            link->in_input = false;
            weigh(link, before);
        } else {
            ops_of(link)->on_event(link, &event);
        }
    }
    if (!link->closed) {
        np_session_park(&link->session);
    }
}

/* The write failed. What the peer said before it left may still be here, and tells why. */
static void on_write_error(np_link *link, int os_error)
{
    read_some(link);
    drain(link);
    if (!link->closed && link->os_error == 0) {
        lose(link, os_error, true);
    }
}

/* Writes what is queued; false when nothing more can be written now. */
static bool write_some(np_link *link)
{
    struct iovec iov[IOV_MAX_PIECES];
    size_t pieces = 0;
    size_t total = 0;
    size_t count = 0;
    int os_error = 0;

    if (link->shed_due) {
        return false; /* its queue may have a gap */
    }
    pieces = np_session_output(&link->session, iov, IOV_MAX_PIECES, now_of(link));
    if (pieces == 0) {
        return false;
    }
    for (size_t i = 0; i < pieces; i++) {
        total += iov[i].iov_len;
    }
    link->write_needs_read = false;
    switch (link->stream.ops->writev(&link->stream, iov, (int)pieces, &count, &os_error)) {
    case NP_IO_OK:
        note_written(link, count);
        np_session_output_done(&link->session, count, now_of(link));
        link->blocked = count < total;
        break;
    case NP_IO_WAIT_READ:
        link->write_needs_read = true;
        link->blocked = true;
        np_session_output_done(&link->session, 0, now_of(link));
        break;
    case NP_IO_WAIT_WRITE:
    case NP_IO_EOF:
        link->blocked = true;
        np_session_output_done(&link->session, 0, now_of(link));
        break;
    case NP_IO_ERROR:
        np_session_output_done(&link->session, 0, now_of(link));
        on_write_error(link, os_error);
        return false;
    }
    return !link->blocked;
}

static void flush(np_link *link)
{
    size_t before = np_session_queued(&link->session);

    for (int i = 0; i < WRITES_MAX && write_some(link); i++) {
    }
    if (link->closed) {
        return;
    }
    if (!link->shut && np_session_output_ended(&link->session)) {
        link->shut = true;
        link->stream.ops->shutdown(&link->stream);
    }
    weigh(link, SIZE_MAX);
    if (np_session_queued(&link->session) < before) {
        ops_of(link)->on_drained(link);
    }
}

/* Whether what a turn of this link has queued may wait for the end of the loop's turn, to leave
 * with what others say to it until then. Where many links are ready it may not: all of their blocks
 * would be out at once, and beyond what the pool keeps each would be the heap's, for one message.
 * Nor if it is much already, or if the link's share was used up: there is little left to gain then.
 */
static bool may_wait(const np_link *link)
{
    return np_session_queued(&link->session) < NP_LINK_WAIT_BYTES &&
           np__loop_flushes(ops_of(link)->loop) < NP_LINK_WAITING_MAX &&
           !np_session_pending(&link->session);
}

static void watch(np_link *link, unsigned events)
{
    if (link->stream.ops->watch != NULL) {
        link->stream.ops->watch(&link->stream, &link->watch, events);
    } else {
        np__watch_set(ops_of(link)->loop, &link->watch, events);
    }
}

static void finish(np_link *link)
{
    watch(link, NP_WATCH_NONE);
    np_timer_stop(ops_of(link)->loop, &link->timer);
    np__task_cancel(ops_of(link)->loop, &link->task);
    link->stream.ops->close(&link->stream, link->aborted);
    np_session_fini(&link->session);
    ops_of(link)->release(link);
}

static bool stream_pending(const np_link *link)
{
    return link->stream.ops->pending != NULL && !link->eof &&
           link->stream.ops->pending(&link->stream);
}

/* The end of a link's turn: what to wait for. The link may be gone afterwards. */
static void settle(np_link *link)
{
    bool more = false;
    bool wants = false;
    unsigned events = NP_WATCH_NONE;
    uint64_t deadline = 0;
    uint8_t *place = NULL;
    size_t len = 0;

    link->in_turn = false;
    if (link->closed) {
        finish(link);
        return;
    }
    more = np_session_pending(&link->session) || link->abort_due || link->shed_due;
    wants = !link->eof && np_session_want(&link->session, &place, &len) != NP_WANT_NOTHING;
    if (more || (wants && stream_pending(link))) {
        np__loop_defer(ops_of(link)->loop, &link->task);
    } else if (!link->blocked && (np_session_queued(&link->session) > 0 ||
                                  (!link->shut && np_session_output_ended(&link->session)))) {
        np__loop_flush(ops_of(link)->loop, &link->task);
        return; /* it is settled after that, before the loop waits for anything */
    }
    /* While undrained input waits for the next turn the watch stays as it is: changing it back and
     * forth would cost two system calls. */
    if (wants || (more && !link->eof)) {
        events |= link->read_needs_write ? NP_WATCH_WRITE : NP_WATCH_READ;
    }
    if (link->blocked) {
        events |= link->write_needs_read ? NP_WATCH_READ : NP_WATCH_WRITE;
    }
    watch(link, events);
    deadline = np_session_deadline(&link->session);
    /* A timer that fires too early finds that out; moving it for every message would cost more. */
    if (deadline != NP_TIME_NEVER &&
        (!np_timer_active(&link->timer) || (deadline < link->timer.at_ms && !link->late))) {
        np_timer_start_at(ops_of(link)->loop, &link->timer, deadline);
    }
}

/* The end of a turn in which the link was read from, or looked at its deadlines. */
static void conclude(np_link *link)
{
    if (!link->closed && !link->blocked && np_session_queued(&link->session) > 0 &&
        !may_wait(link)) {
        flush(link);
    }
    settle(link);
}

static void on_io(np_watch *w, unsigned events)
{
    np_link *link = np_container_of(w, np_link, watch);

    link->in_turn = true;
    if ((events & NP_WATCH_WRITE) != 0 || link->write_needs_read) {
        link->blocked = false;
    }
    /* What waits for its turn comes before new input. */
    if (!np_session_pending(&link->session)) {
        if ((events & NP_WATCH_READ) != 0 || link->read_needs_write) {
            read_some(link);
        }
        drain(link);
    }
    conclude(link);
}

/* Reads and writes as if the descriptor were ready, and puts the deadlines off. */
static void look_first(np_link *link, uint64_t now_ms)
{
    link->late = true;
    np_timer_start_at(ops_of(link)->loop, &link->timer, now_ms + LOOK_MS);
    link->blocked = false;
    if (!np_session_pending(&link->session)) {
        read_some(link);
    }
    drain(link);
}

static void on_timer(np_loop *loop, np_timer *timer)
{
    np_link *link = np_container_of(timer, np_link, timer);
    uint64_t now_ms = np_loop_now(loop).mono_ms;

    link->in_turn = true;
    if (!link->late && now_ms >= timer->at_ms + LATE_MS) {
        look_first(link, now_ms);
    } else {
        link->late = false;
        if (link->blocked) {
            /* The system says that there is room when much of its buffer is free. A peer that reads
             * slowly gets there late, and has taken some meanwhile. */
            link->blocked = false;
            flush(link);
        }
        if (!link->closed) {
            np_session_tick(&link->session, now_of(link));
            drain(link);
        }
    }
    conclude(link);
}

static void on_task(np_loop *loop, np_task *task)
{
    np_link *link = np_container_of(task, np_link, task);

    (void)loop;
    link->in_turn = true;
    if (!np_session_pending(&link->session) && stream_pending(link)) {
        read_some(link);
    }
    /* Most tasks only write what the turn before has queued. */
    if (link->abort_due || link->shed_due || !np_session_is_open(&link->session) ||
        np_session_pending(&link->session)) {
        drain(link);
    }
    if (!link->closed && !link->blocked) {
        flush(link);
    }
    settle(link);
}

/* np_pool_evict_fn of all loops: whoever takes memory of theirs is a link. */
static bool shed(np_account *account, size_t need)
{
    np_link *link = np_container_of(account, np_link, session.account);

    if (link->in_turn) {
        link->shed_due = true;
        return np_session_shed_output(&link->session);
    }
    np_session_shed(&link->session, need, now_of(link));
    np__loop_defer(ops_of(link)->loop, &link->task);
    return true;
}

np_err np_link_start(np_link *link, const np_links *links, const np_stream *stream,
                     np_session_role role, np_holder *holder)
{
    np_loop *loop = links->ops.loop;
    np_err err = NP_OK;

    memset(link, 0, sizeof *link);
    link->in_turn = true; /* it cannot be shed while it is made */
    holder->pool->evict = shed;
    err = np__watch_room(loop, stream->fd);
    if (err != NP_OK) {
        return err;
    }
    err = np_session_init(&link->session, &links->session, np__loop_pool(loop), role,
                          np_loop_now(loop));
    if (err != NP_OK) {
        return err;
    }
    np_account_move(&link->session.account, holder);
    link->stream = *stream;
    np__watch_init(&link->watch, stream->fd, on_io);
    np_timer_init(&link->timer, on_timer);
    np__task_init(&link->task, on_task);
    settle(link);
    return NP_OK;
}

void np_link_touch(np_link *link)
{
    if (!link->in_turn) {
        np__loop_flush(ops_of(link)->loop, &link->task);
    }
}

void np_link_replied(np_link *link, size_t before)
{
    if (!link->in_input) { /* else all that the event has queued is weighed after it */
        weigh(link, before);
    }
}

void np_link_close(np_link *link, uint32_t reason, np_str text)
{
    np_session_close(&link->session, reason, text, now_of(link));
    np_link_touch(link);
}

void np_link_fail(np_link *link, np_err err, np_session_stage stage, const np_fault *fault)
{
    np_session_fail(&link->session, err, stage, fault, now_of(link));
    np_link_touch(link);
}

void np_link_abort(np_link *link)
{
    link->abort_due = true;
    if (!link->in_turn) {
        np__loop_defer(ops_of(link)->loop, &link->task);
    }
}

void np_link_destroy(np_link *link)
{
    assert(!link->in_turn);
    link->in_turn = true;
    link->abort_due = true;
    while (!link->closed) {
        drain(link);
    }
    settle(link);
}

void np_link_dismiss(np_link *link, np_err err, const np_fault *fault)
{
    assert(!link->in_turn);
    np_session_fail(&link->session, err, NP_SESSION_STAGE_LOCAL, fault, now_of(link));
    link->in_turn = true;
    if (!link->blocked) {
        flush(link);
    }
    np_session_lost(&link->session, err, now_of(link));
    while (!link->closed) {
        drain(link);
    }
    settle(link);
}

void np_link_hold(np_link *link, bool on)
{
    np_session_hold(&link->session, on, now_of(link));
    if (!link->in_turn) {
        /* Not settled here: letting go may make input pending, which is a task's work. */
        np__loop_defer(ops_of(link)->loop, &link->task);
    }
}
