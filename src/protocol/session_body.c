/* session_body.c - bodies of ours, from the caller's bytes to pieces; see session.h and bodies.h.
 *
 * A piece is made straight in the output queue, of what waits from before and what is being
 * written. Only bytes that are too few for a piece wait.
 */
#include <string.h>

#include "core/parser_head.h"
#include "protocol/session_private.h"

/* Beginning --------------------------------------------------------------------------------- */

static const np_field *np_session_body_field(const np_message *message)
{
    return &message->type->fields[message->type->field_count - 1];
}

/* Checks the fields and tells how many bytes they take at most. That the body is empty does not
 * count: it will not be, and its length is checked by who knows it. */
static np_err np_session_body_measure(const np_message *message, const void *value,
                                      uint32_t version, size_t *most, np_fault *fault)
{
    const np_field *field = np_session_body_field(message);
    np_fault found = {.err = NP_OK};
    np_meter meter = {.len = 4, .version = version, .fault = &found};
    np_err err = message->codec->measure(&meter, value);

    *most = meter.len;
    if (err == NP_ERR_TOO_SHORT && strcmp(found.where, field->where) == 0) {
        /* All fields before it are right, since it comes last; but a meter that has failed does
         * not tell the length. */
        *most = message->max_len - field->type->max;
        return NP_OK;
    }
    if (err != NP_OK && fault != NULL) {
        *fault = found;
    }
    return err;
}

/* Whether the length announced is within the schema's bounds; it stands at `offset`. */
static np_err np_session_body_check_total(const np_message *message, uint64_t total, size_t offset,
                                          np_fault *fault)
{
    const np_field *field = np_session_body_field(message);

    if (total > field->type->max) {
        return np_fault_set(fault, NP_ERR_TOO_LONG, field->where, field->type->rule, offset, total);
    }
    if (total < field->type->min) {
        return np_fault_set(fault, NP_ERR_TOO_SHORT, field->where, field->type->rule, offset,
                            total);
    }
    return NP_OK;
}

/* Whether the bytes are a head and nothing behind it: with a body in the value they are not. */
static np_err np_session_body_check(np_session *s, const np_message *message, const np_buf *head,
                                    uint32_t version)
{
    const np_protocol *protocol = message->id < 256 ? &base_protocol : s->options->protocol;
    size_t size = np__parser_size(protocol);
    void *memory = NULL;
    size_t cap = 0;
    size_t taken = 0;
    uint64_t total = 0;
    np_parse result;
    np_err err = np_pool_take(&s->account, size, &memory, &cap);

    if (err != NP_OK) {
        return err;
    }
    memset(memory, 0, size);
    result = np__parser_head(np__parser_place(memory, protocol, version, false), head->data,
                             head->len, &taken, &total);
    np_pool_give(&s->account, memory, cap);
    return result == NP_PARSE_DONE && taken == head->len ? NP_OK : NP_ERR_ARG;
}

/* The head, with the length that the body will have. *out is to be released, whatever comes. */
static np_err np_session_body_encode(np_session *s, const np_message *message, const void *value,
                                     uint64_t total, uint32_t version, np_buf *out, np_fault *fault)
{
    uint8_t *p = NULL;
    size_t most = 0;
    np_err err = np_session_body_measure(message, value, version, &most, fault);

    if (err == NP_OK) {
        err = np_buf_reserve(&s->account, out, most);
    }
    if (err != NP_OK) {
        return err;
    }
    p = message->codec->put(np_put_u32(out->data, message->id), value, version);
    out->len = (uint32_t)(p - out->data);
    err = np_session_body_check_total(message, total, out->len - 8, fault);
    if (err != NP_OK) {
        return err;
    }
    np_put_u64(p - 8, total);
    return np_session_body_check(s, message, out, version);
}

np_err np_session_body_begin(np_session *s, const np_message *message, const void *value,
                             uint64_t total, uint64_t *serial, np_fault *fault)
{
    np_body_entry *body = NULL;
    np_buf head = {NULL, 0, 0};
    uint32_t version = 0;
    int place = 0;
    np_err err = np__session_may_send(s, message, false, &version);

    if (err == NP_OK && message->kind != NP_MESSAGE_STREAM) {
        err = NP_ERR_ARG;
    }
    if (err == NP_OK && np_bodies_count(s->bodies, true) >= s->options->bodies_max) {
        err = np_fault_set(fault, NP_ERR_LIMIT, "session.bodies_max", NULL, 0,
                           s->options->bodies_max);
    }
    if (err == NP_OK) {
        err = np__session_converse(s, message, false, &place, fault);
    }
    if (err == NP_OK) {
        err = np_session_body_encode(s, message, value, total, version, &head, fault);
    }
    if (err == NP_OK) {
        err = np__session_add_body(s, &body);
    }
    if (err != NP_OK) {
        np_buf_release(&s->account, &head);
        return err;
    }
    body->state = NP_BODY_OURS;
    body->message = message;
    body->left = total;
    body->bytes = head;
    body->head_left = head.len;
    *serial = body->serial;
    return NP_OK;
}

/* Pieces ------------------------------------------------------------------------------------ */

static np_err np_session_body_ours(const np_session *s, uint64_t serial, np_body_entry **body)
{
    *body = NULL;
    if (s->phase != NP_PHASE_OPEN) {
        return s->phase == NP_PHASE_HELLO ? NP_ERR_STATE : NP_ERR_CLOSED;
    }
    *body = np_bodies_find_serial(s->bodies, serial);
    return *body != NULL && (*body)->state == NP_BODY_OURS ? NP_OK : NP_ERR_CLOSED;
}

/* How many bytes, of n, a piece may have now: as much as bodies' part of the queue has room; and
 * where messages keep the queue fuller than that, what none of that part holds, once all pieces
 * from before have left. An empty queue takes the least piece at least. */
static size_t np_session_body_room(const np_session *s, size_t n)
{
    size_t bound = np__session_body_bound(s);
    size_t room = bound > s->out.queued ? bound - s->out.queued : 0;

    if (!np__session_congested(s) && bound > s->bodies->queued) {
        size_t part = bound - s->bodies->queued;
        size_t least = s->bodies->queued == 0 ? NP_FRAMING_FRAGMENT_MIN + NP_FRAMING_HEAD_MAX : 0;
        part = part > least ? part : least;
        room = room > part ? room : part;
    }
    room = room > NP_FRAMING_HEAD_MAX ? room - NP_FRAMING_HEAD_MAX : 0;
    if (s->out.queued == 0 && room < NP_FRAMING_FRAGMENT_MIN) {
        room = NP_FRAMING_FRAGMENT_MIN;
    }
    room = room < NP_FRAMING_FRAGMENT_MAX ? room : NP_FRAMING_FRAGMENT_MAX;
    return n < room ? n : room;
}

/* Queues a piece of n bytes: those that wait, as far as it takes them, and then some of data. */
static np_err np_session_body_emit(np_session *s, np_body_entry *body, const uint8_t *data,
                                   size_t n, bool more)
{
    size_t waiting = body->bytes.len < n ? body->bytes.len : n;
    size_t wire = n + NP_FRAMING_HEAD_MAX;
    bool completes = body->head_left > 0 && n >= body->head_left;
    np__session_outgoing out = {
        .kind = NP_FRAMING_DATA,
        .urgent = true, /* there is room */
        .more = more,
        .packable = !body->message->secret,
        .encoded = body->bytes.data,
        .encoded_len = waiting,
        .rest = data,
        .rest_len = n - waiting,
    };
    uint32_t opened = s->opened;
    int place = 0;
    np_err err = NP_OK;

    /* Ids go up on the wire: a request that was said since the beginning has a lower one. */
    out.stream = body->begun ? body->stream : np__session_next_stream(s, &opened);
    if (completes) {
        err = np__session_converse(s, body->message, false, &place, NULL);
    }
    if (err == NP_OK) {
        err = np__session_emit(s, &out, NULL);
    }
    if (err != NP_OK) {
        return err;
    }
    if (completes) {
        np__session_converse_move(s, place);
    }
    s->bodies->queued += (uint32_t)(wire < UINT32_MAX - s->bodies->queued ? wire : 0);
    s->bodies->queued_left = (uint32_t)s->out.queued;
    body->begun = true;
    body->stream = out.stream;
    s->opened = opened;
    body->head_left -= (uint32_t)(n < body->head_left ? n : body->head_left);
    body->bytes.len -= (uint32_t)waiting;
    if (body->bytes.len == 0) {
        np_buf_release(&s->account, &body->bytes);
    } else {
        memmove(body->bytes.data, body->bytes.data + waiting, body->bytes.len);
    }
    return NP_OK;
}

/* Keeps bytes that are too few for a piece. */
static np_err np_session_body_keep(np_session *s, np_body_entry *body, const uint8_t *data,
                                   size_t len)
{
    size_t cap = (size_t)body->bytes.len + len;
    np_err err = np_buf_reserve(&s->account, &body->bytes,
                                cap < NP_FRAMING_FRAGMENT_MIN ? NP_FRAMING_FRAGMENT_MIN : cap);

    if (err == NP_OK) {
        memcpy(body->bytes.data + body->bytes.len, data, len);
        body->bytes.len += (uint32_t)len;
    }
    return err;
}

static void np_session_body_wait(np_session *s)
{
    s->body_wanted = true;
    s->full = s->out.queued > 0;
}

np_err np_session_body_write(np_session *s, uint64_t serial, const void *data, size_t len,
                             size_t *taken)
{
    const uint8_t *p = data;
    np_body_entry *body = NULL;
    np_err err = np_session_body_ours(s, serial, &body);

    *taken = 0;
    if (err == NP_OK && len > body->left) {
        err = NP_ERR_TOO_LONG;
    }
    while (err == NP_OK && *taken < len) {
        size_t used = len - *taken;
        size_t n = np_session_body_room(s, body->bytes.len + used);

        if (body->bytes.len + used < NP_FRAMING_FRAGMENT_MIN) {
            err = np_session_body_keep(s, body, p + *taken, used);
        } else if (n >= NP_FRAMING_FRAGMENT_MIN) {
            used = n > body->bytes.len ? n - body->bytes.len : 0;
            err = np_session_body_emit(s, body, p + *taken, n, true);
        } else {
            np_session_body_wait(s);
            return *taken > 0 ? NP_OK : NP_ERR_FULL;
        }
        if (err == NP_OK) {
            *taken += used;
            body->left -= used;
        }
    }
    return err;
}

np_err np_session_body_end(np_session *s, uint64_t serial)
{
    np_body_entry *body = NULL;
    np_err err = np_session_body_ours(s, serial, &body);
    bool last = false;

    if (err == NP_OK && body->left > 0) {
        err = NP_ERR_TOO_SHORT;
    }
    while (err == NP_OK && !last) {
        size_t n = np_session_body_room(s, body->bytes.len);

        last = n == body->bytes.len;
        if (!last && n < NP_FRAMING_FRAGMENT_MIN) {
            np_session_body_wait(s);
            return NP_ERR_FULL;
        }
        err = np_session_body_emit(s, body, NULL, n, !last);
    }
    if (err == NP_OK) {
        np_bodies_remove(&s->bodies, &s->account, body);
    }
    return err;
}

void np_session_body_abort(np_session *s, uint64_t serial)
{
    np__session_outgoing out = {.kind = NP_FRAMING_CANCEL, .urgent = true};
    np_body_entry *body = np_bodies_find_serial(s->bodies, serial);
    np_err err = NP_OK;

    if (body == NULL || body->state != NP_BODY_OURS) {
        return;
    }
    out.stream = body->stream;
    if (body->begun && s->phase == NP_PHASE_OPEN) {
        err = np__session_emit(s, &out, NULL);
    }
    np_bodies_remove(&s->bodies, &s->account, body);
    if (err != NP_OK) {
        /* The peer would wait for the rest in vain. */
        np__session_fail(s, err, NP_SESSION_STAGE_LOCAL, NULL);
    }
}
