/* session_event.c - what a whole payload means; see session.h. */
#include <stdio.h>
#include <string.h>

#include "protocol/negotiate.h"
#include "protocol/session_private.h"

/* What may come ----------------------------------------------------------------------------- */

/* Whether a message of the base protocol may come now, by its id alone. */
static np_err np_session_judge_base(const np_session *s, uint32_t id, const np_message *message,
                                    np_fault *fault)
{
    bool allowed = true;

    switch (id) {
    case BASE_HELLO_ID:
        allowed = s->phase == NP_PHASE_HELLO && s->role == NP_SESSION_SERVER && s->secure == NULL;
        break;
    case BASE_WELCOME_ID:
        allowed = s->phase == NP_PHASE_HELLO && s->role == NP_SESSION_CLIENT &&
                  (s->secure == NULL || np__session_is_keyed(s));
        break;
    case BASE_SECURE_HANDSHAKE_INIT_ID:
    case BASE_SECURE_HANDSHAKE_RESPONSE_ID:
    case BASE_SECURE_HANDSHAKE_CONFIRM_ID:
        allowed = np__session_secure_expects(s, id);
        break;
    case BASE_ERROR_ID:
        break;
    case BASE_DISCONNECT_ID:
        allowed = s->secure == NULL || np__session_is_keyed(s);
        break;
    default:
        allowed = s->phase == NP_PHASE_OPEN;
        break;
    }
    if (np__session_is_keyed(s) && np__session_is_unverified(s)) {
        allowed = id == BASE_ERROR_ID; /* a server that came to no keys */
    }
    return allowed ? NP_OK
                   : np_fault_set(fault, NP_ERR_UNEXPECTED,
                                  message != NULL ? message->name : "base", NULL, 0, id);
}

/* The bound of a message that is put together only to be thrown away. */
static uint32_t np_session_bound(const np_session *s, size_t len)
{
    return (uint32_t)(len < s->options->message_max ? len : s->options->message_max);
}

static np_err np_session_judge_id(const np_session *s, const np_framing_head *head, uint32_t id,
                                  uint32_t *bound, np_fault *fault)
{
    const np_message *message = np__session_message(s, id);
    bool request = head->kind == NP_FRAMING_REQUEST;

    if (s->phase == NP_PHASE_HELLO && id >= 256) {
        return np_fault_set(fault, NP_ERR_UNEXPECTED, "a message", "before base.Hello", 0, id);
    }
    if (np_unlikely(id < 256)) {
        np_err err = np_session_judge_base(s, id, message, fault);
        if (err != NP_OK) {
            return err;
        }
    }
    if (np_unlikely(message == NULL)) {
        /* It will be told as unknown; but nobody pays for a large one. */
        *bound = np_session_bound(s, NP_FRAMING_FRAGMENT_MAX);
        return head->body_len <= *bound && !head->more
                   ? NP_OK
                   : np_fault_set(fault, NP_ERR_UNKNOWN_MESSAGE, s->options->protocol->name, NULL,
                                  0, id);
    }
    if (head->kind == NP_FRAMING_RESPONSE) {
        if (np_unlikely(message->kind != NP_MESSAGE_REQUEST)) {
            return np_fault_set(fault, NP_ERR_STREAM, message->name, "no request, no response", 0,
                                id);
        }
        *bound = np_session_bound(s, message->reply_max_len);
        return NP_OK;
    }
    if (np_unlikely((message->kind == NP_MESSAGE_REQUEST) != request)) {
        return np_fault_set(fault, NP_ERR_STREAM, message->name,
                            request ? "no request" : "a request has a stream", 0, id);
    }
    *bound = np_session_bound(s, message->max_len);
    return NP_OK;
}

np_err np__session_judge(const np_session *s, const np_framing_head *head, const uint8_t *id,
                         uint32_t *bound, np_fault *fault)
{
    bool ours = (head->stream & 1) == np__session_parity(s);
    bool wants_ours = head->kind == NP_FRAMING_RESPONSE || head->kind == NP_FRAMING_ERROR;

    *bound = np_session_bound(s, NP_FRAMING_PAYLOAD_MAX);
    if (head->kind != NP_FRAMING_NO_STREAM) {
        if (np_unlikely(head->kind == NP_FRAMING_WINDOW)) {
            return np_fault_set(fault, NP_ERR_STREAM, "base.stream_header.kind", "not agreed on",
                                NP_FRAMING_HEADER_LEN + 4, head->kind);
        }
        if (np_unlikely(ours != wants_ours)) {
            return np_fault_set(fault, NP_ERR_STREAM, "base.stream_header.stream",
                                "odd for the connecting side, even for the accepting one",
                                NP_FRAMING_HEADER_LEN, head->stream);
        }
        if (np_unlikely(ours && !np__session_has_opened(s, head->stream))) {
            return np_fault_set(fault, NP_ERR_STREAM, "base.stream_header.stream",
                                "one that was asked on", NP_FRAMING_HEADER_LEN, head->stream);
        }
        if (head->kind == NP_FRAMING_CANCEL) {
            *bound = 0;
            return NP_OK;
        }
        if (head->kind == NP_FRAMING_ERROR) {
            *bound = NP_SESSION_FAILURE_MAX;
            return NP_OK;
        }
    }
    return id != NULL ? np_session_judge_id(s, head, np_get_u32(id), bound, fault) : NP_OK;
}

/* The base protocol ------------------------------------------------------------------------- */

static np__session_step np_session_failed(np_session *s, np_err err, np_session_stage stage,
                                          const np_fault *fault)
{
    np__session_fail(s, err, stage, fault);
    return NP_STEP_ENDED;
}

np__session_step np__session_opened(np_session *s, uint32_t version, uint8_t compression,
                                    np_session_event *event)
{
    s->version = (uint16_t)version; /* a schema's is no larger */
    np__session_set_compression(s, (np_compression)compression);
    s->phase = NP_PHASE_OPEN;
    s->phase_deadline = NP_TIME_NEVER;
    np__session_converse_start(s);
    s->idle_from = s->now_ms;
    event->kind = NP_SESSION_EVENT_OPEN;
    event->version = version;
    return NP_STEP_EVENT;
}

static np_negotiate_side np_session_side(const np_session *s)
{
    np_negotiate_side mine;
    np_err err = np__session_side_make(&mine, s->options);
    (void)err; /* np_session_init has checked it */
    return mine;
}

static np__session_step np_session_take_hello(np_session *s, const uint8_t *payload, size_t len,
                                              np_session_event *event)
{
    np_negotiate_side mine = np_session_side(s);
    base_hello hello;
    base_welcome welcome;
    np_fault fault;
    np_err err = base_hello_decode(&hello, payload, len, &fault);

    if (err != NP_OK) {
        return np_session_failed(s, err, NP_SESSION_STAGE_NEGOTIATE, &fault);
    }
    err = np_negotiate_choose(&welcome.choice, &mine, &hello.offer, &fault);
    if (err != NP_OK) {
        (void)np_session_failed(s, err, NP_SESSION_STAGE_NEGOTIATE, &fault);
        np__session_disagree_offer(s, &hello.offer, false);
        return NP_STEP_ENDED;
    }
    err = np__session_emit_base(s, BASE_WELCOME_ID, &welcome);
    if (err != NP_OK) {
        return np_session_failed(s, err, NP_SESSION_STAGE_LOCAL, NULL);
    }
    return np__session_opened(s, welcome.choice.version, welcome.choice.compression, event);
}

/* Whether the Welcome of a secure session chooses what the handshake has chosen. */
static np_err np_session_judge_welcome(const np_handshake *handshake, const base_choice *choice,
                                       np_fault *fault)
{
    if (choice->version != handshake->version) {
        return np_fault_set(fault, NP_ERR_VERSION, "base.Welcome.choice.version",
                            "that of the handshake", 4, choice->version);
    }
    if (choice->compression != handshake->compression) {
        return np_fault_set(fault, NP_ERR_VERSION, "base.Welcome.choice.compression",
                            "that of the handshake", 41, choice->compression);
    }
    return NP_OK;
}

static np__session_step np_session_take_welcome(np_session *s, const uint8_t *payload, size_t len,
                                                np_session_event *event)
{
    np_negotiate_side mine = np_session_side(s);
    base_welcome welcome;
    np_fault fault;
    np_err err = base_welcome_decode(&welcome, payload, len, &fault);

    if (err == NP_OK) {
        err = np_negotiate_check(s->secure != NULL ? &s->secure->side.speaks : &mine,
                                 &welcome.choice, &fault);
    }
    if (err == NP_OK && s->secure != NULL) {
        err = np_session_judge_welcome(s->secure->handshake, &welcome.choice, &fault);
    }
    if (err != NP_OK) {
        (void)np_session_failed(s, err, NP_SESSION_STAGE_NEGOTIATE, &fault);
        if (err == NP_ERR_VERSION && strcmp(fault.where, NP_NEGOTIATE_DIGEST) == 0) {
            np__session_disagree_digest(s, welcome.choice.version, welcome.choice.digest);
        }
        return NP_STEP_ENDED;
    }
    return s->secure != NULL
               ? np__session_secure_opened(s, event)
               : np__session_opened(s, welcome.choice.version, welcome.choice.compression, event);
}

/* What the words of an Error are. In the clear anybody may have written it: then its number, and
 * the clock where that is the reason, is all that is told of it, and no words of ours that would
 * look like the peer's. */
static np_str np_session_error_text(const np_session *s, const base_error *error)
{
    if (np__session_is_unverified(s)) {
        return np_str_from("");
    }
    return error->text.len > 0 ? error->text : error->where;
}

/* An Error about the version says more by the offer in it than by its words. In the clear there is
 * none, or none to believe; a server remembers what its client offered before. */
static void np_session_disagree_error(np_session *s, const base_error *error)
{
    if (np__session_is_unverified(s)) {
        np__session_disagree_kept(s, true);
    } else if (error->offer.has) {
        np__session_disagree_offer(s, &error->offer.value, false);
    }
}

/* The peer's Error: it closes after it, and so do we, without another word. */
static np__session_step np_session_take_error(np_session *s, const uint8_t *payload, size_t len)
{
    base_error error;
    np_fault fault;
    np_err err = base_error_decode(&error, payload, len, &fault);

    if (err != NP_OK) {
        return np_session_failed(s, err, NP_SESSION_STAGE_DECODE, &fault);
    }
    err = np__session_reason_err(error.reason);
    if (error.reason == BASE_REASON_CLOCK && error.clock_ms.has) {
        (void)np_fault_set(&fault, err, "base.Error.clock_ms", "ours, more or less", 0,
                           error.clock_ms.value);
    }
    np__session_cause(s, err,
                      err == NP_ERR_VERSION ? NP_SESSION_STAGE_NEGOTIATE : NP_SESSION_STAGE_PEER,
                      true, error.reason, err == NP_ERR_CLOCK && error.clock_ms.has ? &fault : NULL,
                      np_session_error_text(s, &error));
    s->unverified = np__session_is_unverified(s);
    if (err == NP_ERR_VERSION) {
        np_session_disagree_error(s, &error);
    }
    s->peer_ended = true;
    np__session_closed(s);
    return NP_STEP_ENDED;
}

/* The peer's Disconnect: what is queued still goes out, and our own Disconnect behind it. */
static np__session_step np_session_take_disconnect(np_session *s, const uint8_t *payload,
                                                   size_t len)
{
    base_disconnect bye;
    base_disconnect answer;
    np_fault fault;
    np_err err = base_disconnect_decode(&bye, payload, len, &fault);
    uint32_t reason;

    if (err != NP_OK) {
        return np_session_failed(s, err, NP_SESSION_STAGE_DECODE, &fault);
    }
    reason = bye.reason.has ? (uint32_t)bye.reason.value : NP_SESSION_NO_REASON;
    if (s->phase == NP_PHASE_HELLO) {
        /* Whoever waits for the opening needs an error. */
        err = bye.reason.has ? np__session_reason_err(reason) : NP_ERR_CLOSED;
    }
    memset(&answer, 0, sizeof answer);
    np__session_cause(s, err, err == NP_OK ? NP_SESSION_STAGE_NONE : NP_SESSION_STAGE_PEER, true,
                      reason, NULL, bye.text);
    err = np__session_emit_base(s, BASE_DISCONNECT_ID, &answer);
    (void)err; /* without memory the peer, which has ended, sees the end only */
    s->peer_bye = true;
    s->peer_ended = s->secure == NULL; /* else by its Close */
    np__session_closing(s);
    return NP_STEP_ENDED;
}

static np__session_step np_session_take_ping(np_session *s, const uint8_t *payload, size_t len)
{
    base_ping ping;
    base_pong pong;
    np_fault fault;
    np_err err;

    err = base_ping_decode(&ping, payload, len, &fault);
    if (err != NP_OK) {
        return np_session_failed(s, err, NP_SESSION_STAGE_DECODE, &fault);
    }
    if (!np__session_may_pong(s)) {
        return NP_STEP_AGAIN;
    }
    pong.token = ping.token;
    err = np__session_emit_base(s, BASE_PONG_ID, &pong);
    return err == NP_OK ? NP_STEP_AGAIN : np_session_failed(s, err, NP_SESSION_STAGE_LOCAL, NULL);
}

/* The keepalive's own Pong ends here; the others are for who sent the Ping. */
static bool np_session_own_pong(const uint8_t *payload, size_t len)
{
    return len == BASE_PONG_MAX_LEN && np_get_u64(payload + 4) == NP_SESSION_IDLE_TOKEN;
}

/* Messages ---------------------------------------------------------------------------------- */

static np__session_step np_session_unknown(uint32_t id, size_t len, np_session_event *event)
{
    event->kind = NP_SESSION_EVENT_UNKNOWN;
    event->id = id;
    event->len = len;
    return NP_STEP_EVENT;
}

static np__session_step np_session_take_message(np_session *s, const uint8_t *payload, size_t len,
                                                np_session_event *event)
{
    uint32_t id = np_get_u32(payload);
    const np_message *message = np__session_message(s, id);
    np_fault fault;
    np_err err;
    int place = 0;

    switch (id) {
    case BASE_SECURE_HANDSHAKE_INIT_ID:
    case BASE_SECURE_HANDSHAKE_RESPONSE_ID:
    case BASE_SECURE_HANDSHAKE_CONFIRM_ID:
        return np__session_secure_take(s, payload, len, event); /* it was expected */
    case BASE_PING_ID:
        return np_session_take_ping(s, payload, len);
    case BASE_PONG_ID:
        if (np_session_own_pong(payload, len)) {
            return NP_STEP_AGAIN;
        }
        break;
    case BASE_HELLO_ID:
        return np_session_take_hello(s, payload, len, event);
    case BASE_WELCOME_ID:
        return np_session_take_welcome(s, payload, len, event);
    case BASE_ERROR_ID:
        return np_session_take_error(s, payload, len);
    case BASE_DISCONNECT_ID:
        return np_session_take_disconnect(s, payload, len);
    default:
        break;
    }
    if (np_unlikely(message == NULL)) {
        return np_session_unknown(id, len, event);
    }
    if (np_unlikely(id != BASE_PONG_ID && np__session_must_wait(s, NP_PACE_MESSAGE))) {
        return np__session_pause(s, NP_PACE_MESSAGE);
    }
    err = np__session_converse(s, message, true, &place, &fault);
    if (np_unlikely(err != NP_OK)) {
        return np_session_failed(s, err, NP_SESSION_STAGE_CONVERSATION, &fault);
    }
    np__session_converse_move(s, place);
    return np__session_deliver(s, NP_SESSION_EVENT_MESSAGE, message, 0, payload, len, event);
}

/* A request for which there is no message at this version. */
static np__session_step np_session_refuse_unknown(np_session *s, np_call_entry *entry, uint32_t id,
                                                  size_t len, np_session_event *event)
{
    const np_str none = {NULL, 0};
    np_err err = NP_OK;

    if (np__session_refuses(s)) {
        np__session_refuse_later(s, entry);
    } else {
        err =
            np__session_emit_failure(s, entry->stream, BASE_REASON_UNKNOWN_MESSAGE, 0, none, true);
    }
    return err == NP_OK ? np_session_unknown(id, len, event)
                        : np_session_failed(s, err, NP_SESSION_STAGE_LOCAL, NULL);
}

/* A request beyond serve_max, or beyond what there is memory for. */
static np__session_step np_session_refuse_busy(np_session *s, const np_call_entry *entry)
{
    const np_str none = {NULL, 0};
    np_err err = np__session_emit_failure(s, entry->stream, BASE_REASON_BUSY, 0, none, true);

    if (err != NP_OK) {
        return np_session_failed(s, err, NP_SESSION_STAGE_LOCAL, NULL);
    }
    if (entry->moves) {
        np__session_converse_answer(s, entry->message, false, NP_CONVERSATION_REFUSED);
    }
    return NP_STEP_AGAIN;
}

static np__session_step np_session_take_request(np_session *s, uint32_t stream,
                                                const uint8_t *payload, size_t len,
                                                np_session_event *event)
{
    uint32_t id = np_get_u32(payload);
    const np_message *message = np__session_message(s, id);
    np_call_entry entry = {.stream = stream, .message = message, .deadline_ms = NP_TIME_NEVER};
    np_fault fault;
    np_err err = NP_OK;
    int place = 0;

    if (np__session_must_wait(s, NP_PACE_REQUEST)) {
        return np__session_pause(s, NP_PACE_REQUEST);
    }
    if (np_calls_find(s->calls, stream) != NULL || np_bodies_find(s->bodies, stream) != NULL) {
        err = np_fault_set(&fault, NP_ERR_STREAM, "base.stream_header.stream",
                           "not one that is in use", NP_FRAMING_HEADER_LEN, stream);
        return np_session_failed(s, err, NP_SESSION_STAGE_FRAME, &fault);
    }
    if (np__session_refuses(s)) {
        err = np_calls_reserve(&s->calls, &s->account);
        if (err != NP_OK) {
            return np_session_failed(s, err, NP_SESSION_STAGE_LOCAL, NULL);
        }
    }
    if (message == NULL) {
        return np_session_refuse_unknown(s, &entry, id, len, event);
    }
    err = np__session_converse(s, message, true, &place, &fault);
    if (err != NP_OK) {
        return np_session_failed(s, err, NP_SESSION_STAGE_CONVERSATION, &fault);
    }
    np__session_converse_move(s, place);
    entry.moves = np__session_converse_waits(s, message, true);
    if (np__session_refuses(s)) {
        np__session_refuse_later(s, &entry);
        return NP_STEP_AGAIN;
    }
    if (np_calls_served(s->calls, stream & 1) >= s->options->serve_max ||
        np_calls_reserve(&s->calls, &s->account) != NP_OK) {
        return np_session_refuse_busy(s, &entry);
    }
    event->serial = np_session_next_serial(s);
    entry.serial = (uint32_t)event->serial;
    np_calls_add(s->calls, &entry);
    return np__session_deliver(s, NP_SESSION_EVENT_REQUEST, message, stream, payload, len, event);
}

/* A request of ours is answered. Whether anybody is to be told: a conversation that moves does so
 * also where its caller has given up. */
static bool np_session_heard(np_session *s, np_call_entry *entry, np_conversation_letter letter,
                             np_session_event *event)
{
    np_call_entry heard = *entry;

    np_calls_remove(&s->calls, &s->account, entry);
    if (heard.moves) {
        np__session_converse_answer(s, heard.message, true, letter);
    }
    if (heard.state == NP_CALL_GIVEN_UP) {
        return false;
    }
    event->message = heard.message;
    event->user = heard.user;
    return true;
}

static np__session_step np_session_take_response(np_session *s, uint32_t stream,
                                                 const uint8_t *payload, size_t len,
                                                 np_session_event *event)
{
    np_call_entry *entry = np_calls_find(s->calls, stream);
    const np_message *message;
    np_fault fault;
    np_err err;

    if (entry == NULL) {
        return NP_STEP_AGAIN; /* canceled, or too late */
    }
    message = entry->message;
    if (np_unlikely(np_get_u32(payload) != message->id)) {
        err = np_fault_set(&fault, NP_ERR_STREAM, message->name, "the request's id", 0,
                           np_get_u32(payload));
        return np_session_failed(s, err, NP_SESSION_STAGE_FRAME, &fault);
    }
    np_cancels_give(&s->cancels_sent, s->now_ms);
    if (!np_session_heard(s, entry, NP_CONVERSATION_ANSWERED, event)) {
        return NP_STEP_AGAIN;
    }
    return np__session_deliver(s, NP_SESSION_EVENT_RESPONSE, message, stream, payload, len, event);
}

static np__session_step np_session_take_failure(np_session *s, uint32_t stream,
                                                const uint8_t *payload, size_t len,
                                                np_session_event *event)
{
    np_call_entry *entry = np_calls_find(s->calls, stream);
    base_failure failure;
    np_fault fault;
    np_err err = base_failure_decode(&failure, payload, len, &fault);

    if (err != NP_OK) {
        return np_session_failed(s, err, NP_SESSION_STAGE_DECODE, &fault);
    }
    /* What was refused before anybody worked on it is worth no cancel. */
    if (entry != NULL && failure.reason != BASE_REASON_BUSY &&
        failure.reason != BASE_REASON_UNKNOWN_MESSAGE) {
        np_cancels_give(&s->cancels_sent, s->now_ms);
    }
    if (entry == NULL || !np_session_heard(s, entry, NP_CONVERSATION_REFUSED, event)) {
        return NP_STEP_AGAIN;
    }
    event->kind = NP_SESSION_EVENT_FAILURE;
    event->stream = stream;
    event->id = event->message->id;
    event->err = np__session_reason_err(failure.reason);
    if (event->err == NP_ERR_VERSION) {
        event->err = NP_ERR_FAILED; /* of a request, that is no more than another failure */
    }
    event->reason = failure.reason;
    event->code = failure.code;
    event->text = failure.text;
    return NP_STEP_EVENT;
}

static np__session_step np_session_take_cancel(np_session *s, uint32_t stream,
                                               np_session_event *event)
{
    np_call_entry *entry = np_calls_find(s->calls, stream);
    np_body_entry *body = np_bodies_find(s->bodies, stream);
    np_fault fault;

    if (body != NULL) {
        return np__session_body_canceled(s, body, event);
    }
    if (!np_cancels_take(&s->cancels_taken, NP_CANCELS_TAKEN_MAX, s->now_ms)) {
        return np__session_pause(s, NP_PACE_CANCEL);
    }
    if (entry == NULL) {
        return NP_STEP_AGAIN; /* answered meanwhile */
    }
    if (entry->moves) {
        np_err err = np_fault_set(&fault, NP_ERR_STREAM, "base.stream_header.kind",
                                  "no cancel where the answer moves the conversation",
                                  NP_FRAMING_HEADER_LEN + 4, NP_FRAMING_CANCEL);
        return np_session_failed(s, err, NP_SESSION_STAGE_FRAME, &fault);
    }
    if (entry->state == NP_CALL_REFUSED) {
        np_calls_remove(&s->calls, &s->account, entry);
        return NP_STEP_AGAIN;
    }
    event->kind = NP_SESSION_EVENT_CANCEL;
    event->stream = stream;
    event->serial = entry->serial;
    event->message = entry->message;
    event->id = entry->message->id;
    event->user = entry->user;
    np_calls_cancel(s->calls, entry, np__session_after(s, NP_SESSION_CANCELED_MS));
    return NP_STEP_EVENT;
}

np__session_step np__session_take(np_session *s, uint8_t kind, uint32_t stream,
                                  const uint8_t *payload, size_t len, np_session_event *event)
{
    np_fault fault;

    if (kind == NP_FRAMING_CANCEL) {
        return np_session_take_cancel(s, stream, event);
    }
    if (kind == NP_FRAMING_ERROR) {
        return np_session_take_failure(s, stream, payload, len, event);
    }
    if (np_unlikely(len < 4)) {
        np_err err = np_fault_set(&fault, NP_ERR_TRUNCATED, "message id", NULL, len, len);
        fault.got_kind = NP_GOT_NOTHING;
        return np_session_failed(s, err, NP_SESSION_STAGE_DECODE, &fault);
    }
    switch (kind) {
    case NP_FRAMING_REQUEST:
        return np_session_take_request(s, stream, payload, len, event);
    case NP_FRAMING_RESPONSE:
        return np_session_take_response(s, stream, payload, len, event);
    default:
        return np_session_take_message(s, payload, len, event);
    }
}
