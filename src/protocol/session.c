/* session.c - a session's life; see session.h. */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "protocol/negotiate.h"
#include "protocol/session_private.h"

_Static_assert(sizeof(np_session) <= 256, "an idle connection must stay small");
_Static_assert(sizeof(np_session_end) <= NP_POOL_MIN, "the cause fits the smallest block");

np_session_options np_session_options_default(const np_protocol *protocol)
{
    np_session_options options = {
        .protocol = protocol,
        .queue_max = (size_t)1024 * 1024,
        .message_max = NP_FRAMING_PAYLOAD_MAX,
        .calls_max = 1024,
        .serve_max = 1024,
        .bodies_max = 16,
        .hello_ms = 5000,
        .frame_ms = 30000,
        .stall_ms = 30000,
        .close_ms = 5000,
        .fail_ms = 5000,
    };
    return options;
}

const char *np_session_stage_name(np_session_stage stage)
{
    static const char *const names[] = {"none",     "negotiate", "frame", "decode", "conversation",
                                        "deadline", "peer",      "io",    "local",  "handler"};
    return (unsigned)stage < sizeof names / sizeof names[0] ? names[stage] : "?";
}

np_err np__session_side_make(np_negotiate_side *out, const np_session_options *options)
{
    np_err err =
        np_negotiate_side_make(out, options->protocol, options->version_min, options->version_max);

    if (options->compression != NULL) {
        out->compressions = options->compression->kinds;
        out->compression_count = options->compression->kind_count;
    }
    return err;
}

np_err np_session_init(np_session *s, const np_session_options *options, np_pool *pool,
                       np_session_role role, np_time now)
{
    const np_protocol *protocol = options->protocol;
    np_negotiate_side mine;
    base_hello hello;
    np_err err;

    if (protocol == NULL || (protocol != &base_protocol && protocol->message_count > 0 &&
                             protocol->messages[0].id < 256)) {
        return NP_ERR_ARG;
    }
    err = np__session_side_make(&mine, options);
    if (err != NP_OK) {
        return err;
    }
    memset(s, 0, sizeof *s);
    s->options = options;
    np_account_init(&s->account, &pool->own);
    np__session_tell_time(s, now);
    s->cancels_taken.full_ms = (uint32_t)now.mono_ms;
    s->cancels_sent.full_ms = (uint32_t)now.mono_ms;
    s->role = role == NP_SESSION_SERVER ? 1 : 0;
    s->phase = NP_PHASE_HELLO;
    s->phase_deadline = np__session_after(s, options->hello_ms);
    s->frame_deadline = NP_TIME_NEVER;
    s->stall_since = NP_TIME_NEVER;
    s->idle_from = NP_TIME_NEVER;
    if (options->security != NULL) {
        err = np__session_secure_init(s, now);
    } else if (role == NP_SESSION_CLIENT) {
        hello.offer = np_negotiate_offer(&mine);
        err = np__session_emit_base(s, BASE_HELLO_ID, &hello);
    }
    if (err != NP_OK) {
        np_session_fini(s);
    }
    return err;
}

void np_session_fini(np_session *s)
{
    np__session_drop_input(s);
    np_outq_clear(&s->out, &s->account);
    np_calls_clear(&s->calls, &s->account);
    np_bodies_clear(&s->bodies, &s->account);
    np__session_secure_fini(s);
    if (s->end != NULL) {
        np_pool_give(&s->account, s->end, s->end->cap);
        s->end = NULL;
    }
    s->phase = NP_PHASE_CLOSED;
    s->closed_due = false;
}

bool np_session_is_open(const np_session *s)
{
    return s->phase == NP_PHASE_OPEN;
}

/* The end ----------------------------------------------------------------------------------- */

size_t np__session_cut(const char *text, size_t len, size_t max)
{
    if (len <= max) {
        return len;
    }
    /* Back to where a character begins: no continuation byte stands there. */
    while (max > 0 && ((uint8_t)text[max] & 0xC0) == 0x80) {
        max--;
    }
    return max;
}

base_reason np__session_reason(np_err err)
{
    switch (err) {
    case NP_ERR_VERSION:
        return BASE_REASON_VERSION;
    case NP_ERR_UNEXPECTED:
        return BASE_REASON_UNEXPECTED;
    case NP_ERR_UNKNOWN_MESSAGE:
    case NP_ERR_NO_HANDLER:
        return BASE_REASON_UNKNOWN_MESSAGE;
    case NP_ERR_DEADLINE:
        return BASE_REASON_TIMEOUT;
    case NP_ERR_FULL:
    case NP_ERR_LIMIT:
        return BASE_REASON_LIMIT;
    case NP_ERR_MEMORY:
    case NP_ERR_FILES:
    case NP_ERR_BUSY:
        return BASE_REASON_BUSY;
    case NP_ERR_REFUSED:
        return BASE_REASON_REFUSED;
    case NP_ERR_CLOCK:
        return BASE_REASON_CLOCK;
    default:
        return np_err_class_of(err) == NP_CLASS_PROTO || np_err_class_of(err) == NP_CLASS_CRYPTO
                   ? BASE_REASON_MALFORMED
                   : BASE_REASON_INTERNAL;
    }
}

np_err np__session_reason_err(uint32_t reason)
{
    switch (reason) {
    case BASE_REASON_VERSION:
        return NP_ERR_VERSION;
    case BASE_REASON_BUSY:
        return NP_ERR_BUSY;
    case BASE_REASON_REFUSED:
        return NP_ERR_REFUSED;
    case BASE_REASON_CLOCK:
        return NP_ERR_CLOCK;
    default:
        return NP_ERR_FAILED;
    }
}

void np__session_cause(np_session *s, np_err err, np_session_stage stage, bool by_peer,
                       uint32_t reason, const np_fault *fault, np_str text)
{
    void *block = NULL;
    size_t cap = 0;

    if (s->phase >= NP_PHASE_CLOSING) {
        return;
    }
    s->end_err = np__session_end_err(err);
    s->end_stage = stage & 31u;
    s->by_peer = by_peer;
    /* Without memory the cause goes without its detail. */
    if (np_pool_take(&s->account, sizeof *s->end, &block, &cap) != NP_OK) {
        return;
    }
    memset(block, 0, sizeof *s->end);
    s->end = block;
    s->end->cap = cap;
    s->end->reason = reason;
    if (fault != NULL) {
        s->end->has_fault = true;
        s->end->fault = *fault;
    }
    s->end->text_len = np__session_cut(text.data, text.len, NP_SESSION_TEXT_MAX);
    if (s->end->text_len > 0) {
        memcpy(s->end->text, text.data, s->end->text_len);
    }
}

void np__session_closing(np_session *s)
{
    bool stranger = s->phase == NP_PHASE_HELLO;

    s->parting = s->phase == NP_PHASE_OPEN && s->end_err == NP_OK;
    s->phase = NP_PHASE_CLOSING;
    s->phase_deadline = np__session_after(s, s->options->close_ms);
    if (s->end_err != NP_OK) {
        s->phase_deadline =
            np_time_earlier(s->phase_deadline, np__session_after(s, s->options->fail_ms));
    }
    if (stranger) {
        s->phase_deadline =
            np_time_earlier(s->phase_deadline, np__session_after(s, NP_SESSION_STRANGER_LEAVE_MS));
        np__session_secure_refused(s);
    }
    s->frame_deadline = NP_TIME_NEVER;
    s->idle_from = NP_TIME_NEVER;
    s->writable_wanted = false;
    s->body_wanted = false;
    s->calls_due = false;
    s->paused = false;
    s->resting = false;
    if (np__session_is_keyed(s)) {
        np__session_emit_close(s);
        s->close_queued = true;
    }
    np__session_settle(s);
}

void np__session_closed(np_session *s)
{
    if (s->phase == NP_PHASE_CLOSED) {
        return;
    }
    s->phase = NP_PHASE_CLOSED;
    s->parting = false;
    s->closed_due = true;
    s->calls_due = false;
    s->phase_deadline = NP_TIME_NEVER;
    s->resting = false;
    s->frame_deadline = NP_TIME_NEVER;
    s->stall_since = NP_TIME_NEVER;
    s->idle_from = NP_TIME_NEVER;
    np_outq_clear(&s->out, &s->account);
    np__session_secure_forget(s);
}

void np__session_settle(np_session *s)
{
    if (s->phase == NP_PHASE_CLOSING && s->out.queued == 0 && !s->parting &&
        (s->eof || s->peer_bye)) {
        np__session_closed(s);
    }
}

/* In the clear, to somebody unknown: no more than which of four reasons it is. */
static void np_session_tell_stranger(np_session *s, base_error *error)
{
    np_err sent;

    switch (error->reason) {
    case BASE_REASON_VERSION:
    case BASE_REASON_BUSY:
        break;
    case BASE_REASON_CLOCK:
        error->clock_ms.has = true;
        error->clock_ms.value = s->secure->now.wall_ms;
        break;
    default:
        error->reason = BASE_REASON_REFUSED;
        break;
    }
    sent = np__session_emit_base(s, BASE_ERROR_ID, error);
    (void)sent;
}

/* A handler's error says nothing about what the peer did, whatever its class. */
static base_reason np_session_reason_at(np_err err, np_session_stage stage)
{
    return stage == NP_SESSION_STAGE_HANDLER && err != NP_ERR_NO_HANDLER ? BASE_REASON_INTERNAL
                                                                         : np__session_reason(err);
}

/* Tells the peer why; where there is no memory for it, it stays untold. */
static void np_session_tell(np_session *s, np_err err, np_session_stage stage,
                            const np_fault *fault)
{
    base_error error;
    np_negotiate_side mine;
    char text[NP_SESSION_TEXT_MAX];
    np_err sent;

    memset(&error, 0, sizeof error);
    error.reason = np_session_reason_at(err, stage);
    if (s->secure != NULL && !np__session_is_keyed(s)) {
        np_session_tell_stranger(s, &error);
        return;
    }
    if (err == NP_ERR_NO_HANDLER) {
        snprintf(text, sizeof text, "no handler for %s", fault != NULL ? fault->where : "it");
        error.text = np_str_from(text);
    } else if (err == NP_ERR_DEADLINE && stage != NP_SESSION_STAGE_HANDLER && fault != NULL) {
        error.text = np_str_from(np_fault_format(fault, text, sizeof text));
    } else if (np_err_class_of(err) == NP_CLASS_PROTO && stage != NP_SESSION_STAGE_HANDLER) {
        error.text = np_str_from(np_err_text(err));
        if (fault != NULL) {
            error.where = np_str_from(fault->where);
            error.where.len = np__session_cut(error.where.data, error.where.len, 128);
            error.offset = fault->offset;
            error.text = np_str_from(np_fault_format(fault, text, sizeof text));
        }
    }
    if (error.reason == BASE_REASON_VERSION && np__session_side_make(&mine, s->options) == NP_OK) {
        error.offer.has = true;
        error.offer.value = np_negotiate_offer(&mine);
    }
    sent = np__session_emit_base(s, BASE_ERROR_ID, &error);
    (void)sent;
}

void np__session_fail(np_session *s, np_err err, np_session_stage stage, const np_fault *fault)
{
    np_str none = {NULL, 0};
    np_fault memory;

    assert(err != NP_OK);
    if (s->phase >= NP_PHASE_CLOSING) {
        return;
    }
    if (err == NP_ERR_LIMIT && fault == NULL) {
        np__session_memory_fault(s, &memory);
        fault = &memory;
    }
    np__session_cause(s, err, stage, false, np_session_reason_at(err, stage), fault, none);
    np_session_tell(s, err, stage, fault);
    np__session_closing(s);
}

void np_session_fail(np_session *s, np_err err, np_session_stage stage, const np_fault *fault,
                     np_time now)
{
    np__session_tell_time(s, now);
    np__session_fail(s, err, stage, fault);
}

/* A close before there are keys. A client just goes; a server's last word is in the clear. */
static void np_session_leave_stranger(np_session *s, uint32_t reason)
{
    base_error error = {.reason = reason == NP_SESSION_NO_REASON ? BASE_REASON_BUSY
                                                                 : (base_reason)reason};
    np_str none = {NULL, 0};

    if (s->role == NP_SESSION_SERVER) {
        np_session_tell_stranger(s, &error);
    }
    np__session_cause(s, NP_OK, NP_SESSION_STAGE_NONE, false, reason, NULL, none);
    np__session_closing(s);
}

void np_session_close(np_session *s, uint32_t reason, np_str text, np_time now)
{
    base_disconnect bye;
    np_err err;

    np__session_tell_time(s, now);
    if (s->phase >= NP_PHASE_CLOSING) {
        return;
    }
    if (s->secure != NULL && !np__session_is_keyed(s)) {
        np_session_leave_stranger(s, reason);
        return;
    }
    memset(&bye, 0, sizeof bye);
    bye.reason.has = reason != NP_SESSION_NO_REASON;
    bye.reason.value = bye.reason.has ? (base_reason)reason : BASE_REASON_VERSION;
    bye.text = text;
    bye.text.len = np__session_cut(text.data, text.len, NP_SESSION_TEXT_MAX);
    err = np__session_emit_base(s, BASE_DISCONNECT_ID, &bye);
    if (err != NP_OK && np_err_class_of(err) == NP_CLASS_PROTO) {
        memset(&bye, 0, sizeof bye);
        reason = NP_SESSION_NO_REASON;
        err = np__session_emit_base(s, BASE_DISCONNECT_ID, &bye);
    }
    (void)err; /* without memory the peer sees an end without a Disconnect */
    np__session_cause(s, NP_OK, NP_SESSION_STAGE_NONE, false, reason, NULL, bye.text);
    np__session_closing(s);
}

void np_session_lost(np_session *s, np_err err, np_time now)
{
    np_str none = {NULL, 0};

    np__session_tell_time(s, now);
    if (s->phase == NP_PHASE_CLOSED) {
        return;
    }
    np__session_cause(s, err, NP_SESSION_STAGE_IO, false, NP_SESSION_NO_REASON, NULL, none);
    np__session_cut_short(s, err, NP_SESSION_STAGE_IO, NULL);
}

/* Output ------------------------------------------------------------------------------------ */

size_t np_session_output(np_session *s, struct iovec *iov, size_t max, np_time now)
{
    size_t count;

    np__session_tell_time(s, now);
    if (np__session_is_keyed(s)) {
        np__session_seal(s);
    }
    count = np_outq_gather(&s->out, iov, max);
    if (count > 0 && s->stall_since == NP_TIME_NEVER) {
        s->stall_since = s->now_ms;
    }
    return count;
}

void np_session_output_done(np_session *s, size_t n, np_time now)
{
    np__session_tell_time(s, now);
    if (n > s->out.queued) {
        n = s->out.queued; /* the queue was dropped while the write was under way */
    }
    np_outq_drop(&s->out, &s->account, n);
    np__session_left(s, n);
    if (s->out.queued == 0) {
        s->stall_since = NP_TIME_NEVER;
        np__session_settle(s);
    } else if (n > 0) {
        s->stall_since = s->now_ms;
    }
}

bool np_session_output_ended(const np_session *s)
{
    return s->phase >= NP_PHASE_CLOSING && s->out.queued == 0;
}

/* Time -------------------------------------------------------------------------------------- */

/* When the peer has taken nothing of what is queued for too long. */
static uint64_t np_session_stall_deadline(const np_session *s)
{
    return s->stall_since != NP_TIME_NEVER && s->options->stall_ms > 0
               ? np_time_after(s->stall_since, s->options->stall_ms)
               : NP_TIME_NEVER;
}

/* When the peer has been silent for so long that it is asked for a sign of life, or given up. */
static uint64_t np_session_idle_deadline(const np_session *s)
{
    return s->idle_from != NP_TIME_NEVER && s->options->idle_ms > 0
               ? np_time_after(s->idle_from, s->options->idle_ms)
               : NP_TIME_NEVER;
}

uint64_t np_session_deadline(const np_session *s)
{
    uint64_t deadline = NP_TIME_NEVER;

    if (!np__session_phase_rests(s)) {
        deadline = s->phase_deadline;
    }
    if (!s->resting) {
        deadline = np_time_earlier(deadline, s->frame_deadline);
    }
    deadline = np_time_earlier(deadline, np_session_stall_deadline(s));
    deadline = np_time_earlier(deadline, np_session_idle_deadline(s));
    deadline = np_time_earlier(deadline, np__session_pace_deadline(s));
    if (s->phase == NP_PHASE_OPEN && !s->calls_due) {
        deadline = np_time_earlier(deadline, np_calls_deadline(s->calls));
    }
    if (np__session_bodies_timed(s)) {
        deadline = np_time_earlier(deadline, s->bodies->deadline_ms);
    }
    return deadline;
}

/* A deadline has passed; `name` is the option of np_conn_options that set it. */
static np_fault np_session_late(const char *name, uint32_t limit_ms)
{
    np_fault fault = {
        .err = NP_ERR_DEADLINE, .got_kind = NP_GOT_UNSIGNED, .where = name, .got = limit_ms};
    return fault;
}

static void np_session_tick_idle(np_session *s)
{
    base_ping ping = {NP_SESSION_IDLE_TOKEN};
    base_pong pong = {NP_SESSION_IDLE_TOKEN};
    np_fault fault = np_session_late("idle_timeout_ms", s->options->idle_ms);

    s->idle_from = s->now_ms;
    if (s->held || s->paused) {
        /* It is we who do not read. The peer's Ping may lie there unread, so it gets a Pong
         * unasked, which needs no answer; but none that would wait for it to read. */
        if (s->out.queued == 0) {
            (void)!np__session_emit_base(s, BASE_PONG_ID, &pong);
        }
        return;
    }
    if (s->pinged) {
        np__session_fail(s, NP_ERR_DEADLINE, NP_SESSION_STAGE_DEADLINE, &fault);
        return;
    }
    s->pinged = np__session_emit_base(s, BASE_PING_ID, &ping) == NP_OK;
}

void np_session_tick(np_session *s, np_time now)
{
    np_str none = {NULL, 0};
    np_fault fault;

    np__session_tell_time(s, now);
    if (now.mono_ms >= np_session_stall_deadline(s)) {
        /* What is queued is stuck, so an Error behind it would be too. */
        fault = np_session_late("stall_timeout_ms", s->options->stall_ms);
        np__session_cause(s, NP_ERR_DEADLINE, NP_SESSION_STAGE_DEADLINE, false,
                          NP_SESSION_NO_REASON, &fault, none);
        np__session_cut_short(s, NP_ERR_DEADLINE, NP_SESSION_STAGE_DEADLINE, &fault);
    }
    if (!np__session_phase_rests(s) && now.mono_ms >= s->phase_deadline) {
        if (s->phase == NP_PHASE_HELLO) {
            fault = np_session_late("hello_timeout_ms", s->options->hello_ms);
            np__session_fail(s, NP_ERR_DEADLINE, NP_SESSION_STAGE_DEADLINE, &fault);
        } else if (s->phase == NP_PHASE_OPEN) {
            const np_conversation_state *state = np__session_converse_state(s);
            fault = np_session_late(s->options->conversation->name, state->within_ms);
            fault.rule = state->name;
            np__session_fail(s, NP_ERR_DEADLINE, NP_SESSION_STAGE_CONVERSATION, &fault);
        } else {
            fault = np_session_late(NP_SESSION_LATE_CLOSE, s->options->close_ms);
            np__session_cut_short(s, NP_ERR_DEADLINE, NP_SESSION_STAGE_DEADLINE, &fault);
        }
    }
    if ((now.mono_ms >= s->frame_deadline && !s->resting) ||
        (np__session_bodies_timed(s) && now.mono_ms >= s->bodies->deadline_ms &&
         np_bodies_late(s->bodies, now.mono_ms))) {
        fault = np_session_late("frame_timeout_ms", s->options->frame_ms);
        np__session_fail(s, NP_ERR_DEADLINE, NP_SESSION_STAGE_DEADLINE, &fault);
    }
    if (now.mono_ms >= np_session_idle_deadline(s)) {
        np_session_tick_idle(s);
    }
    if (s->phase == NP_PHASE_OPEN && now.mono_ms >= np_calls_deadline(s->calls)) {
        np_calls_forget(&s->calls, &s->account, now.mono_ms);
        s->calls_due = true;
    }
}

void np_session_hold(np_session *s, bool hold, np_time now)
{
    np__session_tell_time(s, now);
    if (s->held == hold || s->phase >= NP_PHASE_CLOSING) {
        return;
    }
    s->held = hold;
    s->paused = false; /* what it waited for is looked at afresh when it is let go */
    np__session_rest(s, hold);
    if (s->phase == NP_PHASE_OPEN && s->phase_deadline != NP_TIME_NEVER) {
        s->phase_deadline = hold ? np_time_left(s->phase_deadline, s->now_ms)
                                 : np_time_after(s->now_ms, s->phase_deadline);
    }
    if (s->phase == NP_PHASE_OPEN) {
        s->idle_from = s->now_ms;
        s->pinged = false;
    }
}
