/* session_send.c - messages, requests and replies on their way out; see session.h. */
#include <string.h>

#include "protocol/session_private.h"

void np__session_write(uint8_t *p, const np__session_outgoing *out)
{
    if (out->codec == NULL) {
        p = np_put_raw(p, out->encoded, out->encoded_len);
        np_put_raw(p, out->rest, out->rest_len);
        return;
    }
    if (out->has_id) {
        p = np_put_u32(p, out->id);
    }
    out->codec->put(p, out->value, out->version);
}

/* One frame. */
static np_err np_session_emit_whole(np_session *s, const np__session_outgoing *out, size_t len)
{
    size_t wire = len + (out->kind == NP_FRAMING_NO_STREAM ? (size_t)NP_FRAMING_HEADER_LEN
                                                           : (size_t)NP_FRAMING_HEAD_MAX);
    uint8_t *p = NULL;
    np_err err = np_outq_reserve(&s->out, &s->account, wire, &p);

    if (np_unlikely(err != NP_OK)) {
        return err;
    }
    if (np_likely(np__session_is_bare(out))) {
        p = np_framing_put_plain(p, (uint32_t)len);
    } else {
        np_framing_head head = np_framing_make(out->kind, out->stream, len, out->more);
        head.compression = out->compression;
        p = np_framing_put(p, &head);
    }
    np__session_write(p, out);
    np_outq_commit(&s->out, wire);
    return NP_OK;
}

/* Several frames: the payload lies in one piece, and the heads are gathered in between. */
static np_err np_session_emit_pieces(np_session *s, const np__session_outgoing *out, size_t len)
{
    np_framing_head head = np_framing_make(out->kind, out->stream, 0, false);
    uint8_t *heads = NULL;
    uint8_t *body = NULL;
    np_err err = np_outq_reserve_pieces(&s->out, &s->account, head.head_len,
                                        NP_FRAMING_FRAGMENT_MAX, len, &heads, &body);

    if (err != NP_OK) {
        return err;
    }
    np__session_write(body, out);
    while (len > 0) {
        size_t piece = len < NP_FRAMING_FRAGMENT_MAX ? len : NP_FRAMING_FRAGMENT_MAX;
        len -= piece;
        head = np_framing_make(out->kind, out->stream, piece, len > 0);
        heads = np_framing_put(heads, &head);
    }
    np_outq_commit_pieces(&s->out);
    return NP_OK;
}

np_err np__session_emit_frame(np_session *s, const np__session_outgoing *out, size_t len)
{
    return np__session_is_keyed(s) ? np__session_emit_entry(s, out, len)
                                   : np_session_emit_whole(s, out, len);
}

/* Whether so many bytes have to wait, and then for what: some of the queue has to leave before it
 * is worth another try, even where more than half of it is free. Requests leave half of the queue
 * to what answers the peer. */
static bool np_session_is_full(np_session *s, const np__session_outgoing *out, size_t wire)
{
    bool full = s->out.queued > 0 && (s->out.queued > s->options->queue_max ||
                                      wire > s->options->queue_max - s->out.queued);
    bool asked = s->out.queued > 0 && out->kind == NP_FRAMING_REQUEST &&
                 (np__session_is_asked(s) || np__session_congested(s));

    if (np_likely(!full && !asked)) {
        return false;
    }
    s->full = s->full || full;
    s->writable_wanted = true;
    return true;
}

np_err np__session_emit(np_session *s, const np__session_outgoing *out, np_fault *fault)
{
    size_t len = out->encoded_len + out->rest_len;
    size_t wire;

    if (out->codec != NULL) {
        np_meter meter = {out->has_id ? 4 : 0, out->version, 0, fault};
        np_err err = out->codec->measure(&meter, out->value);
        if (np_unlikely(err != NP_OK)) {
            return err;
        }
        len = meter.len;
    }
    if (np_unlikely(len > NP_FRAMING_PAYLOAD_MAX)) {
        return np_fault_set(fault, NP_ERR_TOO_LONG, "base.frame.length", "max 16777216", 0, len);
    }
    wire = len + (len / NP_FRAMING_FRAGMENT_MAX + 1) * NP_FRAMING_HEAD_MAX;
    if (np_unlikely(!out->urgent && np_session_is_full(s, out, wire))) {
        return NP_ERR_FULL;
    }
    if (np_unlikely(np__session_packs(s, out, len))) {
        return np__session_emit_packed(s, out, len);
    }
    if (np_likely(len <= NP_FRAMING_FRAGMENT_MAX)) {
        return np__session_emit_frame(s, out, len);
    }
    return np__session_is_keyed(s) ? np__session_emit_entries(s, out, len)
                                   : np_session_emit_pieces(s, out, len);
}

np_err np__session_emit_base(np_session *s, uint32_t id, const void *value)
{
    const np_message *message = np_protocol_message(&base_protocol, id);
    np__session_outgoing out = {
        .kind = NP_FRAMING_NO_STREAM,
        .urgent = true,
        .has_id = true,
        .id = id,
        .version = BASE_VERSION,
        .codec = message->codec,
        .value = value,
    };
    return np__session_emit(s, &out, NULL);
}

np_err np__session_emit_failure(np_session *s, uint32_t stream, uint32_t reason, uint32_t code,
                                np_str text, bool urgent)
{
    base_failure failure = {(base_reason)reason, code, text};
    np__session_outgoing out = {
        .kind = NP_FRAMING_ERROR,
        .urgent = urgent,
        .stream = stream,
        .version = BASE_VERSION,
        .codec = &base_failure_codec,
        .value = &failure,
    };
    return np__session_emit(s, &out, NULL);
}

/* Only a courtesy: an answer that comes nevertheless is dropped. So it stays unsaid where there is
 * no room, or where the peer would take so many for an attack. */
void np__session_emit_cancel(np_session *s, uint32_t stream)
{
    np__session_outgoing out = {.kind = NP_FRAMING_CANCEL, .stream = stream};
    const bool wanted = s->writable_wanted;
    const bool full = s->full;

    if (np_cancels_wait_ms(&s->cancels_sent, NP_CANCELS_SENT_MAX, s->now_ms) > 0) {
        return;
    }
    if (np__session_emit(s, &out, NULL) == NP_OK) {
        (void)np_cancels_take(&s->cancels_sent, NP_CANCELS_SENT_MAX, s->now_ms);
    }
    s->writable_wanted = wanted;
    s->full = full;
}

static np_err np_session_send_any(np_session *s, const np_message *message,
                                  np__session_outgoing *out, np_fault *fault)
{
    np_err err = np__session_may_send(s, message, false, &out->version);
    int place = 0;

    if (err == NP_OK) {
        err = np__session_converse(s, message, false, &place, fault);
    }
    if (np_unlikely(err != NP_OK)) {
        return err;
    }
    out->kind = NP_FRAMING_NO_STREAM;
    out->has_id = true;
    out->packable = !message->secret;
    out->id = message->id;
    err = np__session_emit(s, out, fault);
    if (np_likely(err == NP_OK)) {
        np__session_converse_move(s, place);
    }
    return err;
}

np_err np_session_send(np_session *s, const np_message *message, const void *value, np_fault *fault)
{
    np__session_outgoing out = {.codec = message->codec, .value = value};
    return np_session_send_any(s, message, &out, fault);
}

np_err np_session_send_encoded(np_session *s, const np_message *message, const uint8_t *payload,
                               size_t len, np_fault *fault)
{
    np__session_outgoing out = {.encoded = payload, .encoded_len = len};
    return np_session_send_any(s, message, &out, fault);
}

np_err np_session_ping(np_session *s, uint64_t token)
{
    base_ping ping = {token};

    if (token == NP_SESSION_IDLE_TOKEN) {
        return NP_ERR_ARG;
    }
    return np_session_send(s, np_protocol_message(&base_protocol, BASE_PING_ID), &ping, NULL);
}

/* Requests ---------------------------------------------------------------------------------- */

/* Ids go round after 2^31 streams; one that is still in use then is left out. */
uint32_t np__session_next_stream(const np_session *s, uint32_t *opened)
{
    uint32_t stream = 0;

    *opened = s->opened;
    do {
        stream = np__session_first_stream(s) + 2 * *opened;
        *opened = (*opened + 1) | (*opened & NP_SESSION_ALL_OPENED);
    } while (stream == 0 || np_calls_find(s->calls, stream) != NULL ||
             np_bodies_find(s->bodies, stream) != NULL);
    return stream;
}

static np_err np_session_request_any(np_session *s, const np_message *message,
                                     np__session_outgoing *out, np_call_entry *entry,
                                     uint32_t *stream, np_fault *fault)
{
    np_err err = np__session_may_send(s, message, true, &out->version);
    uint32_t opened = 0;
    int place = 0;

    if (err == NP_OK && np_calls_count(s->calls, np__session_parity(s)) >= s->options->calls_max) {
        err =
            np_fault_set(fault, NP_ERR_LIMIT, "session.calls_max", NULL, 0, s->options->calls_max);
    }
    if (err == NP_OK) {
        err = np_calls_reserve(&s->calls, &s->account);
    }
    if (err == NP_OK) {
        err = np__session_converse(s, message, false, &place, fault);
    }
    if (err == NP_OK) {
        out->kind = NP_FRAMING_REQUEST;
        out->has_id = true;
        out->packable = !message->secret;
        out->id = message->id;
        out->stream = np__session_next_stream(s, &opened);
        err = np__session_emit(s, out, fault);
    }
    if (err != NP_OK) {
        np_calls_unreserve(&s->calls, &s->account);
        return err;
    }
    entry->stream = out->stream;
    entry->serial = (uint32_t)np_session_next_serial(s);
    entry->message = message;
    np__session_converse_move(s, place);
    entry->moves = np__session_converse_waits(s, message, false);
    np_calls_add(s->calls, entry);
    s->opened = opened;
    if (stream != NULL) {
        *stream = out->stream;
    }
    return NP_OK;
}

np_err np_session_request(np_session *s, const np_message *message, const void *value,
                          uint64_t deadline_ms, void *user, uint32_t *stream, np_fault *fault)
{
    np__session_outgoing out = {.codec = message->codec, .value = value};
    np_call_entry entry = {.deadline_ms = deadline_ms, .user = user};
    return np_session_request_any(s, message, &out, &entry, stream, fault);
}

np_err np_session_request_encoded(np_session *s, const np_message *message, const uint8_t *payload,
                                  size_t len, uint64_t deadline_ms, void *user, uint32_t *stream,
                                  np_fault *fault)
{
    np__session_outgoing out = {.encoded = payload, .encoded_len = len};
    np_call_entry entry = {.deadline_ms = deadline_ms, .user = user};
    return np_session_request_any(s, message, &out, &entry, stream, fault);
}

void np_session_cancel(np_session *s, uint32_t stream)
{
    np_call_entry *entry = NULL;

    if ((stream & 1) == np__session_parity(s)) {
        entry = np_calls_find(s->calls, stream);
    }
    if (entry == NULL) {
        return;
    }
    if (entry->moves) {
        np_calls_give_up(entry);
        return;
    }
    np_calls_remove(&s->calls, &s->account, entry);
    if (s->phase == NP_PHASE_OPEN) {
        np__session_emit_cancel(s, stream);
    }
}

/* Replies ----------------------------------------------------------------------------------- */

/* A request of the peer's that the application knows of, waiting or canceled; NULL: none. */
static np_call_entry *np_session_served(const np_session *s, np_call_key call)
{
    np_call_entry *entry = s->phase == NP_PHASE_OPEN && (call.stream & 1) != np__session_parity(s)
                               ? np_calls_find_key(s->calls, &call)
                               : NULL;

    return entry != NULL && entry->state != NP_CALL_REFUSED ? entry : NULL;
}

bool np_session_serving(const np_session *s, np_call_key call)
{
    const np_call_entry *entry = np_session_served(s, call);

    return entry != NULL && entry->state == NP_CALL_WAITS;
}

/* It is answered. */
static void np_session_answered(np_session *s, np_call_entry *entry, np_conversation_letter letter)
{
    const np_message *message = entry->message;
    bool moves = entry->moves;

    np_calls_remove(&s->calls, &s->account, entry);
    np_cancels_give(&s->cancels_taken, s->now_ms);
    if (moves) {
        np__session_converse_answer(s, message, false, letter);
    }
}

void np_session_drop(np_session *s, np_call_key call)
{
    np_call_entry *entry = np_session_served(s, call);
    np_str none = {NULL, 0};
    np_err err = NP_OK;

    if (entry == NULL) {
        return;
    }
    if (!entry->moves) {
        np_calls_remove(&s->calls, &s->account, entry);
        return;
    }
    err = np__session_emit_failure(s, entry->stream, BASE_REASON_INTERNAL, 0, none, true);
    if (err == NP_OK) {
        np_session_answered(s, entry, NP_CONVERSATION_REFUSED);
    } else {
        np__session_fail(s, err, NP_SESSION_STAGE_LOCAL, NULL); /* the peer would wait in vain */
    }
}

void np_session_call_set_user(np_session *s, np_call_key call, void *user)
{
    np_call_entry *entry = np_session_served(s, call);

    if (entry != NULL) {
        entry->user = user;
    }
}

void *np_session_call_user(const np_session *s, np_call_key call)
{
    const np_call_entry *entry = np_session_served(s, call);

    return entry != NULL ? entry->user : NULL;
}

/* The entry that is to be answered. Whoever answers a canceled one has let go of it. Errors:
 * NP_ERR_CLOSED, with *fault telling why. */
static np_err np_session_answering(np_session *s, np_call_key call, np_call_entry **entry,
                                   np_fault *fault)
{
    const char *why = "answered or dropped already, or canceled long ago";

    *entry = np_session_served(s, call);
    if (*entry != NULL && (*entry)->state == NP_CALL_WAITS) {
        return NP_OK;
    }
    if (s->phase != NP_PHASE_OPEN) {
        why = "the connection is closing";
    } else if (*entry != NULL) {
        why = "the peer has canceled it";
        np_calls_remove(&s->calls, &s->account, *entry);
    }
    return np_fault_at(fault, NP_ERR_CLOSED, call.message != NULL ? call.message->name : "a call",
                       why, 0);
}

static np_err np_session_reply_any(np_session *s, np_call_key call, const void *answer,
                                   np__session_outgoing *out, np_fault *fault)
{
    np_call_entry *entry = NULL;
    np_err err = np_session_answering(s, call, &entry, fault);

    if (err != NP_OK) {
        return err;
    }
    if (out->encoded == NULL) {
        out->codec = entry->message->reply_codec;
        out->value = answer;
    }
    out->kind = NP_FRAMING_RESPONSE;
    out->has_id = true;
    out->packable = !entry->message->secret;
    out->id = entry->message->id;
    out->stream = entry->stream;
    out->version = s->version;
    err = np__session_emit(s, out, fault);
    if (err == NP_OK) {
        np_session_answered(s, entry, NP_CONVERSATION_ANSWERED);
    }
    return err;
}

np_err np_session_reply(np_session *s, np_call_key call, const void *answer, np_fault *fault)
{
    np__session_outgoing out = {.codec = NULL};
    return np_session_reply_any(s, call, answer, &out, fault);
}

np_err np_session_reply_encoded(np_session *s, np_call_key call, const uint8_t *payload, size_t len,
                                np_fault *fault)
{
    np__session_outgoing out = {.encoded = payload, .encoded_len = len};
    return np_session_reply_any(s, call, NULL, &out, fault);
}

np_err np_session_refuse(np_session *s, np_call_key call, uint32_t reason, uint32_t code,
                         np_str text)
{
    np_call_entry *entry = NULL;
    np_err err = np_session_answering(s, call, &entry, NULL);

    if (err != NP_OK) {
        return err;
    }
    text.len = np__session_cut(text.data, text.len, NP_SESSION_TEXT_MAX);
    err = np__session_emit_failure(s, entry->stream, reason, code, text, false);
    if (err == NP_OK) {
        np_session_answered(s, entry, NP_CONVERSATION_REFUSED);
    }
    return err;
}
