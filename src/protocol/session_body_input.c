/* session_body_input.c - the peer's bodies, from pieces to events; see session.h and bodies.h.
 *
 * The incremental parser judges what stands before the body, from its first byte on. The bytes of
 * the body are counted. Both find what the contiguous decoder would find in the whole message, at
 * the same offset and in the same words.
 */
#include <assert.h>
#include <string.h>

#include "core/parser_head.h"
#include "protocol/session_private.h"

/* From now on it has so long. */
static void np_session_body_expect(np_session *s, np_body_entry *body)
{
    uint32_t ms = s->options->frame_ms;

    np_bodies_expect(s->bodies, body,
                     s->resting && ms > 0 ? ms : np__session_after(s, s->options->frame_ms));
}

/* It may take longer by what so many bytes are allowed. */
static void np_session_body_announced(np_body_entry *body, uint64_t len)
{
    if (body->deadline_ms != NP_TIME_NEVER) {
        body->deadline_ms = np_time_after(body->deadline_ms, np__session_allowance(len));
    }
}

/* The beginning of a body ------------------------------------------------------------------- */

static np__session_step np_session_body_failed(np_session *s, np_session_stage stage,
                                               const np_fault *fault)
{
    np__session_fail(s, fault->err, stage, fault);
    return NP_STEP_ENDED;
}

/* What a frame's head tells. */
static np_err np_session_body_judge_head(const np_session *s, const np_framing_head *head,
                                         bool known, np_fault *fault)
{
    if ((head->stream & 1) == np__session_parity(s)) {
        return np_fault_set(fault, NP_ERR_STREAM, "base.stream_header.stream",
                            "odd for the connecting side, even for the accepting one",
                            NP_FRAMING_HEADER_LEN, head->stream);
    }
    if (head->body_len > NP_FRAMING_FRAGMENT_MAX) {
        return np_fault_set(fault, NP_ERR_FRAGMENT, "base.frame.length",
                            "65536 bytes of a body at most", 6, head->body_len);
    }
    if (!known && np_calls_find(s->calls, head->stream) != NULL) {
        return np_fault_set(fault, NP_ERR_STREAM, "base.stream_header.stream",
                            "not one that is in use", NP_FRAMING_HEADER_LEN, head->stream);
    }
    if (!known && np_bodies_count(s->bodies, false) >= s->options->bodies_max) {
        return np_fault_set(fault, NP_ERR_LIMIT, "session.bodies_max", NULL, 0,
                            s->options->bodies_max);
    }
    return NP_OK;
}

/* What its first four bytes tell. */
static np_err np_session_body_judge_id(const np_session *s, uint32_t id, const np_message **message,
                                       np_fault *fault)
{
    *message = np__session_message(s, id);
    if (*message == NULL) {
        return np_fault_set(fault, NP_ERR_UNKNOWN_MESSAGE,
                            id < 256 ? "base" : s->options->protocol->name, NULL, 0, id);
    }
    if ((*message)->kind != NP_MESSAGE_STREAM) {
        return np_fault_set(fault, NP_ERR_STREAM, (*message)->name,
                            "only stream messages come in pieces", 0, id);
    }
    return NP_OK;
}

static uint32_t np_session_version_of(const np_session *s, const np_message *message)
{
    return message->id < 256 ? BASE_VERSION : s->version;
}

static np_err np_session_body_add(np_session *s, uint32_t stream, const np_message *message)
{
    const np_protocol *protocol = message->id < 256 ? &base_protocol : s->options->protocol;
    np_body_entry *body = NULL;
    size_t size = np__parser_size(protocol);
    void *memory = NULL;
    np_err err = np__session_add_body(s, &body);

    if (err != NP_OK) {
        return err;
    }
    body->stream = stream;
    body->state = NP_BODY_HEAD;
    body->message = message;
    np_session_body_expect(s, body);
    err = np_pool_take(&s->account, size, &memory, &body->parser_cap);
    if (err != NP_OK) {
        np_bodies_remove(&s->bodies, &s->account, body);
        return err;
    }
    memset(memory, 0, size);
    body->parser = np__parser_place(memory, protocol, np_session_version_of(s, message), false);
    return NP_OK;
}

static np__session_step np_session_body_first(np_session *s, const np_framing_head *head,
                                              const uint8_t *id)
{
    const np_message *message = NULL;
    np_fault fault = {NP_ERR_TRUNCATED, NP_GOT_NOTHING, "message id", NULL, head->body_len, 0};
    np_err err;

    if (head->body_len < 4) {
        return np_session_body_failed(s, NP_SESSION_STAGE_DECODE, &fault);
    }
    if (id == NULL) {
        return np__session_starve(s, (size_t)head->head_len + 4);
    }
    err = np_session_body_judge_id(s, np_get_u32(id), &message, &fault);
    if (err != NP_OK) {
        return np_session_body_failed(s,
                                      err == NP_ERR_UNKNOWN_MESSAGE ? NP_SESSION_STAGE_CONVERSATION
                                                                    : NP_SESSION_STAGE_FRAME,
                                      &fault);
    }
    err = np_session_body_add(s, head->stream, message);
    if (err != NP_OK) {
        np__session_fail(s, err, NP_SESSION_STAGE_LOCAL, NULL);
        return NP_STEP_ENDED;
    }
    return NP_STEP_AGAIN;
}

np__session_step np__session_body_frame(np_session *s, const np_framing_head *head,
                                        const uint8_t *id)
{
    bool known = np_bodies_find(s->bodies, head->stream) != NULL;
    np__session_step step = NP_STEP_AGAIN;
    np_fault fault;

    if (np_session_body_judge_head(s, head, known, &fault) != NP_OK) {
        return np_session_body_failed(s, NP_SESSION_STAGE_FRAME, &fault);
    }
    if (!known) {
        step = np_session_body_first(s, head, id);
    }
    if (step == NP_STEP_AGAIN && np_bodies_find(s->bodies, head->stream)->state == NP_BODY_HEAD) {
        np_session_body_announced(np_bodies_find(s->bodies, head->stream), head->body_len);
    }
    if (step == NP_STEP_AGAIN) {
        s->body_frame = true;
        s->body_more = head->more;
        s->body_stream = head->stream;
        s->body_left = head->body_len;
        s->in += head->head_len;
    }
    return step;
}

/* Its bytes --------------------------------------------------------------------------------- */

/* What is there of the current piece, *n bytes: of the window, or of what it was unpacked to. */
static const uint8_t *np_session_body_there(const np_session *s, size_t *n)
{
    const np_bodies *bodies = s->bodies;

    if (bodies->piece.data != NULL) {
        *n = bodies->piece.len - bodies->piece_at;
        return bodies->piece.data + bodies->piece_at;
    }
    *n = (size_t)(s->in_end - s->in);
    *n = *n < s->body_left ? *n : s->body_left;
    return s->in;
}

/* n bytes of it have been dealt with. */
static void np_session_body_took(np_session *s, np_body_entry *body, size_t n)
{
    if (s->bodies->piece.data != NULL) {
        s->bodies->piece_at += (uint32_t)n;
    } else {
        s->in += n;
    }
    s->body_left -= (uint32_t)n;
    if (body->state == NP_BODY_PIECES || body->state == NP_BODY_IGNORE) {
        np_session_body_expect(s, body); /* the others are timed as a whole */
    }
}

/* Keeps n bytes. A head is bounded by the schema, since the parser has checked every
 * length on the way, and so is a whole message. */
static np_err np_session_body_keep(np_session *s, np_body_entry *body, const uint8_t *data,
                                   size_t n)
{
    np_err err = body->state == NP_BODY_HEAD
                     ? np_buf_reserve(&s->account, &body->bytes, body->bytes.len + n)
                     : np__session_grow(s, &body->bytes, n, body->head_len + (size_t)body->total);

    if (err != NP_OK) {
        np__session_fail(s, err, NP_SESSION_STAGE_LOCAL, NULL);
        return err;
    }
    memcpy(body->bytes.data + body->bytes.len, data, n);
    body->bytes.len += (uint32_t)n;
    return NP_OK;
}

/* The head is complete: the message counts from here on. */
static np__session_step np_session_body_begun(np_session *s, np_body_entry *body,
                                              np_session_event *event)
{
    np_fault fault;
    int place = 0;

    if (np__session_converse(s, body->message, true, &place, &fault) != NP_OK) {
        return np_session_body_failed(s, NP_SESSION_STAGE_CONVERSATION, &fault);
    }
    np__session_converse_move(s, place);
    np_pool_give(&s->account, body->parser, body->parser_cap);
    body->parser = NULL;
    body->state = NP_BODY_PIECES;
    body->head_len = body->bytes.len;
    body->left = body->total;
    s->body_given = true; /* the head is released at the next verb */
    event->serial = body->serial;
    event->total = body->total;
    return np__session_deliver(s, NP_SESSION_EVENT_BODY_BEGIN, body->message, body->stream,
                               body->bytes.data, body->bytes.len, event);
}

/* n > 0 bytes, of which some belong to the head. */
static np__session_step np_session_body_head(np_session *s, np_body_entry *body,
                                             const uint8_t *data, size_t n, np_session_event *event)
{
    size_t taken = 0;
    np_parse result = np__parser_head(body->parser, data, n, &taken, &body->total);

    if (result == NP_PARSE_BAD) {
        return np_session_body_failed(s, NP_SESSION_STAGE_DECODE, np_parser_fault(body->parser));
    }
    if (np_session_body_keep(s, body, data, taken) != NP_OK) {
        return NP_STEP_ENDED;
    }
    np_session_body_took(s, body, taken);
    return result == NP_PARSE_DONE ? np_session_body_begun(s, body, event) : NP_STEP_AGAIN;
}

/* n > 0 bytes, all behind the head. */
static np__session_step np_session_body_bytes(np_session *s, np_body_entry *body,
                                              const uint8_t *data, size_t n,
                                              np_session_event *event)
{
    n = n < body->left ? n : (size_t)body->left;
    if (n == 0) {
        np_fault fault = {NP_ERR_TRAILING,
                          NP_GOT_NOTHING,
                          body->message->name,
                          NULL,
                          body->head_len + body->total,
                          0};
        return np_session_body_failed(s, NP_SESSION_STAGE_DECODE, &fault);
    }
    if (body->state == NP_BODY_WHOLE && np_session_body_keep(s, body, data, n) != NP_OK) {
        return NP_STEP_ENDED;
    }
    body->left -= n;
    np_session_body_took(s, body, n);
    if (body->state != NP_BODY_PIECES) {
        return NP_STEP_AGAIN;
    }
    event->serial = body->serial;
    event->user = body->user;
    return np__session_deliver(s, NP_SESSION_EVENT_BODY_DATA, body->message, body->stream, data, n,
                               event);
}

/* Its end ----------------------------------------------------------------------------------- */

/* The last event about a body, whose entry lives until the next verb. */
static np__session_step np_session_body_tell(np_session *s, np_body_entry *body, np_err err,
                                             np_session_event *event)
{
    body->state = NP_BODY_GONE;
    body->deadline_ms = NP_TIME_NEVER;
    s->body_stream = body->stream;
    s->body_given = true;
    event->err = err;
    event->serial = body->serial;
    event->user = body->user;
    return np__session_deliver(s, NP_SESSION_EVENT_BODY_END, body->message, body->stream, NULL, 0,
                               event);
}

/* Behind the last piece. */
static np__session_step np_session_body_ended(np_session *s, np_body_entry *body,
                                              np_session_event *event)
{
    const np_type *type = body->message->type;
    np_fault fault = {NP_ERR_TRUNCATED,
                      NP_GOT_NOTHING,
                      type->fields[type->field_count - 1].where,
                      NULL,
                      body->head_len + body->total - body->left,
                      0};

    if (body->state == NP_BODY_HEAD) {
        np_err err = np_parser_end(body->parser, &fault);
        assert(err != NP_OK);
        (void)err;
        return np_session_body_failed(s, NP_SESSION_STAGE_DECODE, &fault);
    }
    if (body->left > 0) {
        return np_session_body_failed(s, NP_SESSION_STAGE_DECODE, &fault);
    }
    if (body->state == NP_BODY_PIECES) {
        return np_session_body_tell(s, body, NP_OK, event);
    }
    if (body->state == NP_BODY_WHOLE) {
        body->state = NP_BODY_GONE;
        s->body_given = true;
        return np__session_deliver(s, NP_SESSION_EVENT_MESSAGE, body->message, 0, body->bytes.data,
                                   body->bytes.len, event);
    }
    np_bodies_remove(&s->bodies, &s->account, body);
    return NP_STEP_AGAIN;
}

np__session_step np__session_step_body(np_session *s, np_session_event *event)
{
    np_body_entry *body = np_bodies_find(s->bodies, s->body_stream);
    size_t n = 0;
    const uint8_t *data = np_session_body_there(s, &n);

    if (np__session_must_wait(s, NP_PACE_MESSAGE)) {
        return np__session_pause(s, NP_PACE_MESSAGE);
    }
    if (n > 0) {
        return body->state == NP_BODY_HEAD ? np_session_body_head(s, body, data, n, event)
                                           : np_session_body_bytes(s, body, data, n, event);
    }
    if (s->body_left > 0) {
        return np__session_starve(s, 0);
    }
    s->body_frame = false;
    np_buf_release(&s->account, &s->bodies->piece);
    if (!s->whole_busy) {
        s->frame_deadline = NP_TIME_NEVER; /* else it is that of a message between fragments */
    }
    return s->body_more ? NP_STEP_AGAIN : np_session_body_ended(s, body, event);
}

np__session_step np__session_body_canceled(np_session *s, np_body_entry *body,
                                           np_session_event *event)
{
    if (body->state == NP_BODY_PIECES) {
        return np_session_body_tell(s, body, NP_ERR_CANCELED, event);
    }
    np_bodies_remove(&s->bodies, &s->account, body); /* nobody has heard of it */
    return NP_STEP_AGAIN;
}

bool np__session_body_cut_off(np_session *s, np_err err, np_session_event *event)
{
    for (uint32_t i = 0; s->bodies != NULL && i < s->bodies->count; i++) {
        if (s->bodies->entries[i].state == NP_BODY_PIECES) {
            return np_session_body_tell(s, &s->bodies->entries[i], err, event) == NP_STEP_EVENT;
        }
    }
    return false;
}

/* Housekeeping ------------------------------------------------------------------------------ */

void np__session_body_release(np_session *s)
{
    np_body_entry *body = np_bodies_find(s->bodies, s->body_stream);

    if (body == NULL || body->state == NP_BODY_WHOLE) {
        return; /* the head goes on growing */
    }
    if (body->state == NP_BODY_GONE) {
        np_bodies_remove(&s->bodies, &s->account, body);
    } else {
        np_buf_release(&s->account, &body->bytes);
        np_session_body_expect(s, body); /* until here it had what the head was allowed */
    }
}

void np__session_body_drop(np_session *s)
{
    if (s->bodies != NULL) {
        np_buf_release(&s->account, &s->bodies->piece);
    }
    for (uint32_t i = 0; s->bodies != NULL && i < s->bodies->count; i++) {
        np_bodies_drop(&s->account, &s->bodies->entries[i]);
    }
}

/* What the application says about it -------------------------------------------------------- */

/* One of the peer's that the application has been told of. */
static np_body_entry *np_session_body_theirs(const np_session *s, uint64_t serial)
{
    np_body_entry *body = np_bodies_find_serial(s->bodies, serial);

    return body != NULL && (body->state == NP_BODY_PIECES || body->state == NP_BODY_GONE) ? body
                                                                                          : NULL;
}

np_err np_session_body_whole(np_session *s, uint64_t serial)
{
    np_body_entry *body = np_session_body_theirs(s, serial);

    if (body == NULL || body->state == NP_BODY_GONE) {
        return NP_ERR_CLOSED;
    }
    if (!s->body_given || s->body_stream != body->stream || body->left < body->total) {
        return NP_ERR_STATE;
    }
    if (body->head_len + body->total > s->options->message_max) {
        return NP_ERR_TOO_LONG;
    }
    body->state = NP_BODY_WHOLE;
    np_session_body_announced(body, body->total);
    return NP_OK;
}

void np_session_body_ignore(np_session *s, uint64_t serial)
{
    np_body_entry *body = np_session_body_theirs(s, serial);

    if (body != NULL && body->state == NP_BODY_PIECES) {
        body->state = NP_BODY_IGNORE;
    }
}

void np_session_body_set_user(np_session *s, uint64_t serial, void *user)
{
    np_body_entry *body = np_bodies_find_serial(s->bodies, serial);

    if (body != NULL) {
        body->user = user;
    }
}

void *np_session_body_user(const np_session *s, uint64_t serial)
{
    const np_body_entry *body = np_bodies_find_serial(s->bodies, serial);

    return body != NULL ? body->user : NULL;
}
