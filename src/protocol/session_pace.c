/* session_pace.c - when a session does not go on with its input, and what it does instead; see
 * session.h.
 *
 * Taking a request, and most messages, makes output. So where the peer does not take ours, its own
 * is not taken any more; it stays in the kernel's buffers, and in the end with the peer. Two sides
 * that ask each other much would then both wait for the other to read, for ever. So only what makes
 * output waits: answers, failures, cancels, a Pong and the end are taken always. And where a
 * request stands before them and nothing of ours has left for a second, it is refused: the peer
 * hears "busy" once there is room. A message cannot be refused, so it is taken then: its handler
 * may find that what it wants to send does not fit. While a quarter of the queue is free that
 * hardly happens; beyond that, such a message waits for half as long as a peer may stall.
 *
 * Cancels beyond their budget (cancels.h) wait until there is a token, and what stands behind them
 * with them.
 *
 * What is compressed may cost a thousand times as much as its bytes on the wire. So the bytes that
 * it becomes are counted, and a turn and a second have their share of them.
 */
#include "protocol/session_private.h"

/* So long nothing of our output has left before a request is refused; and where one was, until
 * there is room again. Both sides wait like this in turn, so the second is short. */
#define NP_SESSION_STUCK_MS 1000u
#define NP_SESSION_STUCK_AGAIN_MS 20u

/* So many requests may wait to be refused, or serve_max or calls_max where that is more. */
#define NP_SESSION_REFUSALS 1024u

/* So many Pongs are queued beyond the queue's bound; more are left unsaid, for the peer has enough
 * of ours to take that shows it that we live. They are counted and not measured, since one long
 * message alone may go beyond the bound, and the peer's Ping may stand before all that it says. */
#define NP_SESSION_PONGS 128

/* How long a message waits in a full queue where there is no deadline for a stall. */
#define NP_SESSION_STALL_MS 15000u

/* A window of time, of which unpack_rate gives so many bytes. */
#define NP_SESSION_UNPACK_WINDOW_MS 100u

/* A turn's share of bytes that were unpacked. */
#define NP_SESSION_UNPACK_TURN 0x40000u

static uint32_t np_session_patience(const np_session *s)
{
    return s->stuck ? NP_SESSION_STUCK_AGAIN_MS : NP_SESSION_STUCK_MS;
}

/* Whether output waits, and none has left for so long that it may be the peer who waits for us. */
static bool np_session_is_stuck(const np_session *s)
{
    return s->stall_since != NP_TIME_NEVER &&
           s->now_ms >= np_time_after(s->stall_since, np_session_patience(s));
}

/* When a message is taken though what its handler sends has little room. */
static uint64_t np_session_message_at(const np_session *s)
{
    uint32_t wait_ms = NP_SESSION_STUCK_MS;

    if (s->out.queued > s->options->queue_max / 4 * 3) {
        uint32_t half_ms = s->options->stall_ms / 2;
        half_ms = half_ms > 0 ? half_ms : NP_SESSION_STALL_MS;
        wait_ms = wait_ms > half_ms ? wait_ms : half_ms;
    }
    return s->stall_since != NP_TIME_NEVER ? np_time_after(s->stall_since, wait_ms) : NP_TIME_NEVER;
}

static bool np_session_has_room(const np_session *s)
{
    return !s->throttled && !np__session_congested(s);
}

/* The bytes of a window; 0: no bound. */
static uint32_t np_session_unpack_max(const np_session *s)
{
    uint64_t rate = s->options->compression != NULL ? s->options->compression->unpack_rate : 0;
    uint64_t max = rate * NP_SESSION_UNPACK_WINDOW_MS / 1000;

    return rate == 0 ? 0 : max == 0 ? 1 : max < UINT32_MAX ? (uint32_t)max : UINT32_MAX;
}

/* Whether the current window's bytes are used up. */
static bool np_session_has_unpacked(const np_session *s)
{
    uint32_t max = np_session_unpack_max(s);

    return max > 0 && s->unpacked >= max &&
           (uint32_t)s->now_ms - s->unpack_ms < NP_SESSION_UNPACK_WINDOW_MS;
}

/* Requests that wait to be refused have a bound of their own, for those that are served may wait
 * for room as well. Two sides whose calls_max is within it never wait for each other. */
static bool np_session_refuses_enough(const np_session *s)
{
    uint32_t max = s->options->serve_max;

    max = max > s->options->calls_max ? max : s->options->calls_max;
    return np_calls_refused(s->calls) >= (max > NP_SESSION_REFUSALS ? max : NP_SESSION_REFUSALS);
}

bool np__session_must_wait(const np_session *s, np__session_pace pace)
{
    switch (pace) {
    case NP_PACE_REQUEST:
        return !np_session_has_room(s) && (!np_session_is_stuck(s) || np_session_refuses_enough(s));
    case NP_PACE_MESSAGE:
        return s->throttled && s->now_ms < np_session_message_at(s);
    case NP_PACE_UNPACK:
        return np_session_has_unpacked(s);
    case NP_PACE_CANCEL:
        return np_cancels_wait_ms(&s->cancels_taken, NP_CANCELS_TAKEN_MAX, s->now_ms) > 0;
    }
    return false;
}

np__session_step np__session_pause(np_session *s, np__session_pace pace)
{
    s->paused_at = pace & 7u;
    return NP_STEP_PAUSED;
}

uint64_t np__session_pace_deadline(const np_session *s)
{
    uint32_t gone_ms = (uint32_t)s->now_ms - s->unpack_ms;

    if (!s->paused || s->held) {
        return NP_TIME_NEVER;
    }
    switch (s->paused_at) {
    case NP_PACE_REQUEST:
        return s->stall_since != NP_TIME_NEVER && !np_session_refuses_enough(s)
                   ? np_time_after(s->stall_since, np_session_patience(s))
                   : NP_TIME_NEVER;
    case NP_PACE_MESSAGE:
        return np_session_message_at(s);
    case NP_PACE_UNPACK:
        return s->now_ms +
               (gone_ms < NP_SESSION_UNPACK_WINDOW_MS ? NP_SESSION_UNPACK_WINDOW_MS - gone_ms : 0);
    case NP_PACE_CANCEL:
        return s->now_ms + np_cancels_wait_ms(&s->cancels_taken, NP_CANCELS_TAKEN_MAX, s->now_ms);
    default:
        return NP_TIME_NEVER;
    }
}

/* Requests that are refused ----------------------------------------------------------------- */

bool np__session_refuses(const np_session *s)
{
    return !np_session_has_room(s);
}

void np__session_refuse_later(np_session *s, np_call_entry *entry)
{
    s->stuck = true;
    s->refusals = true;
    entry->state = NP_CALL_REFUSED;
    np_calls_add(s->calls, entry);
}

bool np__session_refusals_due(const np_session *s)
{
    return s->refusals && s->phase == NP_PHASE_OPEN && !np__session_congested(s);
}

void np__session_emit_refusals(np_session *s)
{
    np_str none = {NULL, 0};
    np_call_entry refused;
    uint32_t from = 0;

    while (np__session_refusals_due(s)) {
        np_err err = NP_OK;
        if (!np_calls_take_refused(&s->calls, &s->account, &from, &refused)) {
            s->refusals = false;
            return;
        }
        err = np__session_emit_failure(s, refused.stream,
                                       refused.message != NULL ? BASE_REASON_BUSY
                                                               : BASE_REASON_UNKNOWN_MESSAGE,
                                       0, none, true);
        if (err != NP_OK) {
            np__session_fail(s, err, NP_SESSION_STAGE_LOCAL, NULL);
        } else if (refused.moves) {
            np__session_converse_answer(s, refused.message, false, NP_CONVERSATION_REFUSED);
        }
    }
}

bool np__session_may_pong(np_session *s)
{
    if (s->out.queued <= s->options->queue_max) {
        return true;
    }
    if (s->pongs == NP_SESSION_PONGS) {
        return false;
    }
    s->pongs++;
    return true;
}

void np__session_left(np_session *s, size_t n)
{
    s->full = s->full && n == 0 && s->out.queued > 0;
    s->pongs = s->out.queued > s->options->queue_max ? s->pongs : 0;
    s->stuck = s->stuck && !np_session_has_room(s);
    if (np_unlikely(s->bodies != NULL)) {
        size_t left = s->bodies->queued_left;
        left = left > n ? left - n : 0;
        s->bodies->queued_left = (uint32_t)(left < s->out.queued ? left : s->out.queued);
        s->bodies->queued = s->bodies->queued_left > 0 ? s->bodies->queued : 0;
    }
}

void np_session_throttle(np_session *s, bool on, np_time now)
{
    np__session_tell_time(s, now);
    if (s->phase < NP_PHASE_CLOSING) {
        s->throttled = on;
        np__session_left(s, 0);
    }
}

/* Unpacking --------------------------------------------------------------------------------- */

void np__session_unpacked(np_session *s, size_t len)
{
    uint32_t before = s->unpacked;

    if ((uint32_t)s->now_ms - s->unpack_ms >= NP_SESSION_UNPACK_WINDOW_MS) {
        s->unpack_ms = (uint32_t)s->now_ms;
        before = 0;
    }
    s->unpacked = before + (uint32_t)len; /* 64 KiB at most, and a window begins at 0 */
    s->yields =
        s->yields || before / NP_SESSION_UNPACK_TURN != s->unpacked / NP_SESSION_UNPACK_TURN;
}
