/* session_input.c - from bytes to whole payloads; see session.h.
 *
 * Whole frames are taken where they lie. The tail of a split one moves into `carry`, and the next
 * read lands behind it. The body of a large split frame, and of every fragment, moves into `whole`
 * instead, and reads go straight there; so a large body is copied once at most, and `carry` holds
 * no more than a head and a small body that is incomplete. Frames with a piece of a stream's body
 * are handed on as their bytes come; see session_body_input.c.
 */
#include <assert.h>
#include <string.h>

#include "protocol/session_private.h"

/* A split body of more than this is read into `whole`. */
#define NP_SESSION_DIRECT_MIN 4096u

/* The greatest carry buffer for a split frame. */
#define NP_SESSION_CARRY_MAX NP_POOL_TOP

void np__session_drop_messages(np_session *s)
{
    np_buf_release(&s->account, &s->whole);
    s->whole_busy = false;
    s->whole_body = false;
    s->whole_given = false;
    s->whole_left = 0;
    s->body_frame = false;
    s->body_left = 0;
    np__session_body_drop(s);
}

void np__session_drop_input(np_session *s)
{
    np__session_drop_messages(s);
    np_buf_release(&s->account, &s->carry);
    s->in = NULL;
    s->in_end = NULL;
    s->in_carry = false;
}

/* The last event's payload is not needed any more. */
static void np_session_release_given(np_session *s)
{
    if (s->whole_given) {
        s->whole_given = false;
        np_buf_release(&s->account, &s->whole);
    }
    if (s->body_given) {
        s->body_given = false;
        np__session_body_release(s);
    }
}

/* Whether the rest of the current body is read straight into `whole`. */
static bool np_session_direct(const np_session *s)
{
    return s->whole_body && s->whole_left >= NP_SESSION_DIRECT_MIN && s->in == s->in_end;
}

np_want np_session_want(const np_session *s, uint8_t **place, size_t *len)
{
    size_t room;

    if (s->phase == NP_PHASE_CLOSED || s->eof) {
        return NP_WANT_NOTHING;
    }
    if (s->phase == NP_PHASE_CLOSING && !s->parting) {
        return NP_WANT_SHARED;
    }
    if (!s->parting && (s->held || s->paused)) {
        return NP_WANT_NOTHING;
    }
    if (np_session_direct(s) && np_buf_room(&s->whole) > 0) {
        room = np_buf_room(&s->whole);
        *place = s->whole.data + s->whole.len;
        *len = room < s->whole_left ? room : s->whole_left;
        return NP_WANT_PLACE;
    }
    if (s->in == s->in_end) {
        return NP_WANT_SHARED;
    }
    if (!s->starved || !s->in_carry) {
        return NP_WANT_NOTHING;
    }
    *place = s->carry.data + s->carry.len;
    *len = np_buf_room(&s->carry);
    return NP_WANT_PLACE;
}

void np_session_recv(np_session *s, uint8_t *data, size_t len, np_time now)
{
    np__session_tell_time(s, now);
    if (len == 0 || (s->phase >= NP_PHASE_CLOSING && !s->parting)) {
        return;
    }
    np_session_release_given(s);
    if (s->phase == NP_PHASE_OPEN) {
        s->idle_from = s->now_ms;
        s->pinged = false;
    }
    s->recv_len = len < UINT32_MAX ? (uint32_t)len : UINT32_MAX;
    s->starved = false;
    if (np_session_direct(s) && data == s->whole.data + s->whole.len) {
        assert(len <= s->whole_left && len <= np_buf_room(&s->whole));
        s->whole.len += (uint32_t)len;
        s->whole_left -= (uint32_t)len;
    } else if (s->in != s->in_end) {
        assert(s->in_carry && data == s->carry.data + s->carry.len);
        assert(len <= np_buf_room(&s->carry));
        s->carry.len += (uint32_t)len;
        s->in_end += len;
    } else {
        s->in = data;
        s->in_end = data + len;
        s->in_carry = false;
    }
}

void np_session_recv_end(np_session *s, np_time now)
{
    np__session_tell_time(s, now);
    s->eof = true;
    s->starved = false;
    np__session_settle(s);
}

/* Parking ----------------------------------------------------------------------------------- */

/* Makes room for the reads that follow behind the first n bytes of the window: as much as the
 * next step needs, and as much again as the peer has just sent, so that memory follows the bytes
 * that came. */
static size_t np_session_carry_cap(const np_session *s, size_t n)
{
    size_t cap = n + (s->recv_len < NP_SESSION_CARRY_MAX / 2 ? 2 * (size_t)s->recv_len
                                                             : NP_SESSION_CARRY_MAX);

    cap = cap < NP_SESSION_CARRY_MAX ? cap : NP_SESSION_CARRY_MAX;
    cap = cap > s->in_need ? cap : s->in_need;
    return cap > n ? cap : n + 1;
}

static np_err np_session_park_window(np_session *s)
{
    size_t n = (size_t)(s->in_end - s->in);
    np_err err;

    if (!s->in_carry) {
        np_buf fresh = {NULL, 0, 0};
        err = np_buf_reserve(&s->account, &fresh, s->starved ? np_session_carry_cap(s, n) : n);
        if (err != NP_OK) {
            return err;
        }
        memcpy(fresh.data, s->in, n);
        np_buf_release(&s->account, &s->carry);
        s->carry = fresh;
    } else if (s->starved) {
        memmove(s->carry.data, s->in, n);
        s->carry.len = (uint32_t)n;
        err = np_buf_reserve(&s->account, &s->carry, np_session_carry_cap(s, n));
        s->in = s->carry.data;
        s->in_end = s->in + n;
        if (err != NP_OK) {
            return err;
        }
    } else {
        return NP_OK; /* whole frames that wait: they stay where they are */
    }
    s->carry.len = (uint32_t)n;
    s->in = s->carry.data;
    s->in_end = s->in + n;
    s->in_carry = true;
    return NP_OK;
}

np_err np__session_grow(np_session *s, np_buf *buf, size_t more, size_t most)
{
    size_t need = buf->len + more;
    size_t cap = need < NP_SESSION_DIRECT_MIN ? 2 * NP_SESSION_DIRECT_MIN : 2 * need;

    if (need <= buf->cap) {
        return NP_OK;
    }
    cap = cap < most ? cap : most;
    return np_buf_reserve(&s->account, buf, cap > need ? cap : need);
}

/* Room in `whole`, within what the current message may still bring. */
static np_err np_session_whole_reserve(np_session *s, size_t more)
{
    size_t most = s->whole_more ? s->whole_max : (size_t)s->whole.len + s->whole_left;

    return np__session_grow(s, &s->whole, more, most);
}

void np_session_park(np_session *s)
{
    np_err err = NP_OK;

    np_session_release_given(s);
    if (s->phase >= NP_PHASE_CLOSING && !s->parting) {
        np__session_drop_input(s);
        return;
    }
    if (s->in != s->in_end) {
        err = np_session_park_window(s);
    } else {
        np_buf_release(&s->account, &s->carry);
        s->in = NULL;
        s->in_end = NULL;
        s->in_carry = false;
        if (np_session_direct(s) && np_buf_room(&s->whole) == 0) {
            err = np_session_whole_reserve(s, 1);
        }
    }
    if (err != NP_OK) {
        np__session_fail(s, err, NP_SESSION_STAGE_LOCAL, NULL);
        s->parting = false; /* nobody waits for what would have come */
        np__session_drop_input(s);
    }
}

/* Frames ------------------------------------------------------------------------------------ */

np__session_step np__session_refused(np_session *s, np_err err, const np_fault *fault)
{
    np_session_stage stage = NP_SESSION_STAGE_FRAME;

    if (err == NP_ERR_UNEXPECTED || err == NP_ERR_UNKNOWN_MESSAGE) {
        stage = NP_SESSION_STAGE_CONVERSATION;
    } else if (err == NP_ERR_MEMORY || (err == NP_ERR_LIMIT && fault == NULL)) {
        stage = NP_SESSION_STAGE_LOCAL; /* the pool's; a limit of the peer's has a fault */
    }
    if (s->phase == NP_PHASE_CLOSING) {
        np__session_spoil(s, err, stage, fault);
    } else {
        np__session_fail(s, err, stage, fault);
    }
    return NP_STEP_ENDED;
}

np__session_step np__session_starve(np_session *s, size_t need)
{
    s->starved = true;
    s->in_need = (uint32_t)need;
    if (s->frame_deadline == NP_TIME_NEVER && s->phase < NP_PHASE_CLOSING &&
        (s->in != s->in_end || s->whole_busy || s->body_frame)) {
        s->frame_deadline = np__session_after(s, s->options->frame_ms);
    }
    return NP_STEP_STARVED;
}

/* The next part of a body that goes to `whole`; the event, once the message is complete. */
static np__session_step np_session_step_whole(np_session *s, np_session_event *event)
{
    size_t n = (size_t)(s->in_end - s->in);
    np__session_step step;
    np_err err;

    n = n < s->whole_left ? n : s->whole_left;
    if (n > 0) {
        err = np_session_whole_reserve(s, n);
        if (err != NP_OK) {
            return np__session_refused(s, err, NULL);
        }
        memcpy(s->whole.data + s->whole.len, s->in, n);
        s->whole.len += (uint32_t)n;
        s->whole_left -= (uint32_t)n;
        s->in += n;
    }
    if (s->whole_left > 0) {
        return np__session_starve(s, 0);
    }
    if (s->whole_more) {
        s->whole_body = false;
        return NP_STEP_AGAIN;
    }
    s->frame_deadline = NP_TIME_NEVER;
    step = np__session_take(s, s->whole_kind, s->whole_stream, s->whole.data, s->whole.len, event);
    if (step == NP_STEP_PAUSED) {
        return step;
    }
    s->whole_body = false;
    s->whole_busy = false;
    s->whole_given = true; /* released at the next verb, whoever looks at it until then */
    return step;
}

/* A frame that continues a message: it must be of the same one, and within its bound. */
static np_err np_session_judge_next(const np_session *s, const np_framing_head *head,
                                    np_fault *fault)
{
    if (head->kind != s->whole_kind || head->stream != s->whole_stream) {
        return np_fault_set(fault, NP_ERR_FRAGMENT, "base.frame",
                            "the fragments of a message follow each other", 0, head->stream);
    }
    if (head->body_len > s->whole_max - s->whole.len) {
        return np_fault_set(fault, NP_ERR_TOO_LONG, "base.frame.length",
                            "the message's greatest size", 6,
                            (uint64_t)s->whole.len + head->body_len);
    }
    return NP_OK;
}

/* The first frame of a message: what can be told before its body is there. */
static np_err np_session_judge_first(np_session *s, const np_framing_head *head, const uint8_t *id,
                                     np_fault *fault)
{
    uint32_t bound = 0;
    np_err err = np__session_judge(s, head, id, &bound, fault);

    if (err != NP_OK) {
        return err;
    }
    if (head->body_len > bound) {
        return np_fault_set(fault, NP_ERR_TOO_LONG, "base.frame.length",
                            "the message's greatest size", 6, head->body_len);
    }
    s->whole_max = bound;
    return NP_OK;
}

np_err np__session_judge_frame(np_session *s, const np_framing_head *head, const uint8_t *id,
                               np_fault *fault)
{
    return np_unlikely(s->whole_busy) ? np_session_judge_next(s, head, fault)
                                      : np_session_judge_first(s, head, id, fault);
}

void np__session_begin_whole(np_session *s, const np_framing_head *head, uint32_t left)
{
    s->whole_busy = true;
    s->whole_body = true;
    s->whole_more = head->more;
    s->whole_kind = head->kind;
    s->whole_stream = head->stream;
    s->whole_left = left;
    s->in += head->head_len;
    np__session_announced(s, head->body_len);
}

np__session_step np__session_step_head(np_session *s, const np_framing_head *head, size_t there,
                                       np_session_event *event)
{
    bool id_there = there >= 4 && head->body_len >= 4; /* what lies behind is the next frame's */
    const uint8_t *id = id_there ? s->in + head->head_len : NULL;
    np_fault fault;
    np_err err;

    if (np_unlikely(s->phase == NP_PHASE_CLOSING)) {
        return np__session_pass_over(s, head, there);
    }
    /* In the clear the frame's rules say so; a record's entries know no such rule. */
    if (np_unlikely(s->phase == NP_PHASE_HELLO && head->kind != NP_FRAMING_NO_STREAM)) {
        err = np_fault_set(&fault, NP_ERR_UNEXPECTED, "a stream", "before base.Welcome", 0,
                           head->stream);
        return np__session_refused(s, err, &fault);
    }
    if (np_unlikely(head->compression != 0)) {
        return np__session_step_packed(s, head, there);
    }
    if (np_unlikely(head->kind == NP_FRAMING_DATA)) {
        return np__session_body_frame(s, head, id);
    }
    err = np__session_judge_frame(s, head, id, &fault);
    if (np_unlikely(err != NP_OK)) {
        return np__session_refused(s, err, &fault);
    }
    if (np_likely(there >= head->body_len && !head->more && !s->whole_busy)) {
        np__session_step step = np__session_take(s, head->kind, head->stream,
                                                 s->in + head->head_len, head->body_len, event);
        if (np_likely(step != NP_STEP_PAUSED)) {
            s->in += head->head_len + head->body_len;
            s->frame_deadline = NP_TIME_NEVER;
        }
        return step;
    }
    if (!head->more && !s->whole_busy && (head->body_len < NP_SESSION_DIRECT_MIN || there < 4)) {
        return np__session_starve(
            s,
            head->head_len + (head->body_len < NP_SESSION_DIRECT_MIN ? (size_t)head->body_len : 4));
    }
    if (!s->whole_busy && there < 4) {
        return np__session_starve(s, head->head_len + 4); /* a first fragment: its id decides */
    }
    np__session_begin_whole(s, head, head->body_len);
    return NP_STEP_AGAIN;
}

/* A stranger needs room for a handshake, and a plain peer that does not get on with us for its
 * Error, which says why. */
static uint32_t np_session_payload_max(const np_session *s)
{
    if (s->phase != NP_PHASE_HELLO) {
        return NP_FRAMING_PAYLOAD_MAX;
    }
    return s->secure != NULL ? NP_HANDSHAKE_FRAME_MAX - NP_FRAMING_HEADER_LEN : BASE_ERROR_MAX_LEN;
}

np__session_step np__session_step_frame(np_session *s, np_session_event *event)
{
    np_framing_rules rules = {
        .payload_max = np_session_payload_max(s),
        .compressions = np__session_compressions(s),
        .bare = s->phase == NP_PHASE_HELLO,
    };
    size_t n = (size_t)(s->in_end - s->in);
    np_framing_head head;
    np_fault fault;
    size_t need = 0;
    bool done = false;
    np_err err = np_framing_read(&head, s->in, n, &rules, &done, &need, &fault);

    if (np_unlikely(err != NP_OK)) {
        return np__session_refused(s, err, &fault);
    }
    if (np_unlikely(!done)) {
        return np__session_starve(s, need);
    }
    return np__session_step_head(s, &head, n - head.head_len, event);
}

/* The next step of the input. */
static np__session_step np_session_step(np_session *s, np_session_event *event)
{
    if (s->whole_body) {
        return np_session_step_whole(s, event);
    }
    if (s->body_frame) {
        return np__session_step_body(s, event);
    }
    if (s->secure == NULL) {
        return np__session_step_frame(s, event);
    }
    if (s->secure->asked || s->secure->answered) {
        return np__session_secure_resume(s, event);
    }
    return np__session_is_keyed(s) ? np__session_step_record(s, event)
                                   : np__session_step_frame(s, event);
}

/* Events ------------------------------------------------------------------------------------ */

static bool np_session_event_failure(np_session *s, uint64_t now_ms, np_err err,
                                     np_session_event *event)
{
    np_call_entry entry;

    if (!np_calls_expire(&s->calls, &s->account, np__session_parity(s), now_ms, &entry)) {
        return false;
    }
    event->kind = NP_SESSION_EVENT_FAILURE;
    event->stream = entry.stream;
    event->user = entry.user;
    event->message = entry.message;
    event->id = entry.message->id;
    event->err = err;
    return true;
}

static bool np_session_event_closed(np_session *s, np_session_event *event)
{
    np_err err = (np_err)s->end_err;

    if (!s->closed_due) {
        return false;
    }
    if (np_session_event_failure(s, NP_TIME_NEVER, err != NP_OK ? err : NP_ERR_CLOSED, event) ||
        np__session_body_cut_off(s, err != NP_OK ? err : NP_ERR_CLOSED, event)) {
        return true;
    }
    s->closed_due = false;
    event->kind = NP_SESSION_EVENT_CLOSED;
    event->err = err;
    event->stage = (np_session_stage)s->end_stage;
    event->by_peer = s->by_peer;
    event->unverified = s->unverified;
    event->disagreement = NP_DISAGREE_NONE;
    event->offers = (np_str){NULL, 0};
    if (s->end != NULL) {
        event->reason = s->end->reason;
        event->fault = s->end->has_fault ? &s->end->fault : NULL;
        event->disagreement = s->end->disagreement;
        *(s->end->disagreement != NP_DISAGREE_NONE ? &event->offers : &event->text) =
            (np_str){s->end->text, s->end->text_len};
    }
    return true;
}

/* Events that need no input. */
static bool np_session_event_due(np_session *s, np_session_event *event)
{
    if (np__session_refusals_due(s)) {
        np__session_emit_refusals(s);
    }
    if (s->calls_due) {
        if (np_session_event_failure(s, s->now_ms, NP_ERR_DEADLINE, event)) {
            if (np_calls_find(s->calls, event->stream) == NULL) { /* else it is waited for still */
                np__session_emit_cancel(s, event->stream);
            }
            return true;
        }
        s->calls_due = false;
    }
    if (np__session_writable(s)) {
        s->writable_wanted = s->writable_wanted && (s->full || np__session_congested(s));
        s->answer_came = false;
        s->body_wanted = s->body_wanted && (s->full || !np__session_body_goes_on(s));
        event->kind = NP_SESSION_EVENT_WRITABLE;
        return true;
    }
    return false;
}

/* The end of the peer's bytes, after all that came before it. */
static void np_session_input_ended(np_session *s)
{
    np_session_stage stage =
        s->phase == NP_PHASE_HELLO ? NP_SESSION_STAGE_NEGOTIATE : NP_SESSION_STAGE_FRAME;
    np_str none = {NULL, 0};

    if (s->secure != NULL && s->secure->step == NP_SECURE_CONFIRM &&
        !s->secure->handshake->agreed) {
        /* It has read that there is nothing in common, and left. */
        np__session_cause(s, NP_ERR_VERSION, stage, true, BASE_REASON_VERSION,
                          &s->secure->disagreed, none);
        np__session_disagree_kept(s, false);
    } else {
        np__session_cause(s, NP_ERR_EOF, stage, true, NP_SESSION_NO_REASON, NULL, none);
    }
    np__session_closed(s);
}

/* Steps until there is an event; false if there is none. */
static bool np_session_event_input(np_session *s, np_session_event *event)
{
    while (s->phase < NP_PHASE_CLOSING && !s->held && !s->starved) {
        np__session_step step;
        np__session_rest(s, false);
        step = np_session_step(s, event);
        s->paused = step == NP_STEP_PAUSED;
        if (step == NP_STEP_EVENT) {
            return true;
        }
        if (s->paused) {
            /* Cancels beyond the budget are the peer's doing, and its time goes on meanwhile. */
            np__session_rest(s, s->paused_at != NP_PACE_CANCEL);
            return false;
        }
        if (s->yields) {
            s->yields = false;
            return false;
        }
        if (s->whole_given) {
            np_session_release_given(s);
        }
    }
    if (s->phase < NP_PHASE_CLOSING && s->starved && s->eof) {
        np_session_input_ended(s);
    }
    return false;
}

static bool np_session_event_any(np_session *s, np_session_event *event)
{
    np_session_release_given(s);
    np__session_event_clear(event, s->version);
    if (np_session_event_due(s, event) || np_session_event_input(s, event)) {
        return true;
    }
    if (s->phase == NP_PHASE_CLOSING) {
        np__session_part(s);
    }
    return np_session_event_closed(s, event);
}

/* Messages of the base protocol that mean nothing to a session: they are for the handlers. */
static inline bool np_session_is_application(uint32_t id)
{
    return id >= 256 || id == BASE_ECHO_ID || id == BASE_CUSTOM_ID;
}

/* The payload of the whole frame without flags that the window begins with, or, within a record, of
 * such an entry; NULL if it does not. */
static inline uint8_t *np_session_plain_payload(const np_session *s, uint32_t *len)
{
    size_t there = (size_t)(s->in_end - s->in);

    if (s->secured) {
        return np_entry_is_plain(s->in, s->secure->plain_left, len) ? s->in + NP_ENTRY_HEADER_LEN
                                                                    : NULL;
    }
    return np_framing_is_plain(s->in, there, NP_FRAMING_PAYLOAD_MAX, len) &&
                   *len <= there - NP_FRAMING_HEADER_LEN
               ? s->in + NP_FRAMING_HEADER_LEN
               : NULL;
}

/* The short way, which nearly every message takes: nothing else is due, and the window begins with
 * a whole frame or entry without flags, which holds a message that may come now. It judges what the
 * long way judges; where anything is otherwise, nothing has been touched and the long way finds out
 * what. */
static inline bool np_session_event_plain(np_session *s, np_session_event *event)
{
    const np_message *message;
    uint8_t *payload;
    uint32_t len = 0;
    np_fault fault;
    int place = 0;

    if (s->detours != 0 || s->phase != NP_PHASE_OPEN) {
        return false;
    }
    payload = np_session_plain_payload(s, &len);
    if (payload == NULL || len < 4) {
        return false;
    }
    message = np_session_is_application(np_get_u32(payload))
                  ? np__session_message(s, np_get_u32(payload))
                  : NULL;
    if (message == NULL || message->kind == NP_MESSAGE_REQUEST || len > message->max_len ||
        len > s->options->message_max) {
        return false;
    }
    if (np__session_converse(s, message, true, &place, &fault) != NP_OK) {
        return false;
    }
    np__session_converse_move(s, place);
    if (s->secured) {
        s->secure->plain_left -= NP_ENTRY_HEADER_LEN + len;
    }
    s->in = payload + len;
    s->frame_deadline = NP_TIME_NEVER;
    np__session_event_clear(event, s->version);
    np__session_deliver(s, NP_SESSION_EVENT_MESSAGE, message, 0, payload, len, event);
    return true;
}

/* Whether all input has been taken and nothing else is due: how every turn ends. */
static inline bool np_session_is_drained(const np_session *s)
{
    return s->in == s->in_end && s->detours == 0 && s->phase == NP_PHASE_OPEN && !s->eof;
}

bool np_session_next_event(np_session *s, np_session_event *event)
{
    if (np_likely(np_session_event_plain(s, event))) {
        return true;
    }
    return !np_session_is_drained(s) && np_session_event_any(s, event);
}

bool np_session_pending(const np_session *s)
{
    if (s->closed_due || s->calls_due) {
        return true;
    }
    if (s->phase >= NP_PHASE_CLOSING) {
        return s->parting && (s->eof || (s->in != s->in_end && !s->starved));
    }
    if (np__session_writable(s) || np__session_refusals_due(s)) {
        return true;
    }
    if (s->held || s->starved) {
        return false;
    }
    if (s->paused) {
        return !np__session_must_wait(s, (np__session_pace)s->paused_at);
    }
    return s->in != s->in_end || s->whole_body || s->body_frame || s->eof ||
           (s->secure != NULL && (s->secure->asked || s->secure->answered));
}
