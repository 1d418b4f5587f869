/* body.c - `stream` messages whose body comes in pieces. See netproto/conn.h. */
#include "service/conn_private.h"

#include <stdlib.h>

#define BODIES_MAX 16

struct np_body_state {
    np_body_state *next;
    const np_message *message;
    uint64_t total;  /* bytes of body announced */
    uint32_t number; /* the handle's */
    uint32_t head;   /* bytes before the body, id and length prefix included */
    np_buf bytes;    /* the encoded message as far as it has come */
};

static void free_body(np_conn *conn, np_body_state **link)
{
    np_body_state *state = *link;

    *link = state->next;
    np_buf_release(np__loop_pool(conn->group->loop), &state->bytes);
    free(state);
}

void np__conn_free_bodies(np_conn *conn)
{
    while (conn->bodies != NULL) {
        free_body(conn, &conn->bodies);
    }
}

static np_body_state **find_body(np_body body, np_conn **conn)
{
    np_body_state **link = NULL;

    *conn = body.conn != 0 ? np_conn_find(body.loop, body.conn) : NULL;
    if (*conn == NULL) {
        return NULL;
    }
    for (link = &(*conn)->bodies; *link != NULL; link = &(*link)->next) {
        if ((*link)->number == body.number) {
            return link;
        }
    }
    return NULL;
}

/* Writes the id and the fields with an empty body, and then the length that will be true. */
static np_err encode_head(np_conn *conn, np_body_state *state, const void *value, np_fault *fault)
{
    const np_message *message = state->message;
    np_meter meter = {.len = 4, .version = np_conn_version(conn), .fault = fault};
    np_err err = message->codec->measure(&meter, value);
    uint8_t *p = NULL;

    if (err != NP_OK) {
        return err;
    }
    err = np_buf_reserve(np__loop_pool(conn->group->loop), &state->bytes, meter.len);
    if (err != NP_OK) {
        return err;
    }
    p = np_put_u32(state->bytes.data, message->id);
    p = message->codec->put(p, value, meter.version);
    state->bytes.len = (uint32_t)meter.len;
    state->head = state->bytes.len;
    if (np_get_u64(p - 8) != 0) {
        return NP_ERR_ARG; /* the body must be empty: its bytes come by write */
    }
    (void)np_put_u64(p - 8, state->total);
    return NP_OK;
}

static np_err check_begin(const np_conn *conn, const np_message *message, uint64_t total,
                          np_fault *fault)
{
    const np_type *type = message->type;
    const np_field *last = NULL;
    size_t count = 0;

    if (!np_conn_is_open(conn)) {
        return conn->opened ? NP_ERR_CLOSED : NP_ERR_STATE;
    }
    if (message->kind != NP_MESSAGE_STREAM || type->field_count == 0) {
        return NP_ERR_ARG;
    }
    if (message->since > np_conn_version(conn)) {
        return NP_ERR_NEWER;
    }
    last = &type->fields[type->field_count - 1];
    if (total > last->type->max) {
        return np_fault_set(fault, NP_ERR_TOO_LONG, last->where, last->type->rule, 0, total);
    }
    if (total < last->type->min) {
        return np_fault_set(fault, NP_ERR_TOO_SHORT, last->where, last->type->rule, 0, total);
    }
    for (const np_body_state *s = conn->bodies; s != NULL; s = s->next) {
        count++;
    }
    return count < BODIES_MAX ? NP_OK : NP_ERR_LIMIT;
}

np_err np_conn_body_begin(np_conn *conn, const np_message *message, const void *value,
                          uint64_t total, np_body *body, np_fault *fault)
{
    np_err err = check_begin(conn, message, total, fault);
    np_body_state *state = NULL;

    if (err != NP_OK) {
        return err;
    }
    state = calloc(1, sizeof *state);
    if (state == NULL) {
        return NP_ERR_MEMORY;
    }
    state->message = message;
    state->total = total;
    state->number = conn->bodies != NULL ? conn->bodies->number + 1 : 1;
    state->next = conn->bodies;
    conn->bodies = state;
    err = encode_head(conn, state, value, fault);
    if (err != NP_OK) {
        free_body(conn, &conn->bodies);
        return err;
    }
    *body = (np_body){conn->group->loop, conn->id, state->number};
    return NP_OK;
}

np_err np_conn_body_write(np_body body, const void *data, size_t len)
{
    np_conn *conn = NULL;
    np_body_state **link = find_body(body, &conn);
    np_body_state *state = NULL;
    size_t need = 0;

    if (link == NULL) {
        return NP_ERR_CLOSED;
    }
    state = *link;
    if (len == 0) {
        return NP_OK;
    }
    if (len > state->total - (state->bytes.len - state->head)) {
        return NP_ERR_TOO_LONG;
    }
    need = state->bytes.len + len;
    if (need > state->bytes.cap) {
        /* Doubling keeps the copies linear; the announced total bounds it. */
        size_t grown = (size_t)state->bytes.cap * 2;
        size_t all = state->head + (size_t)state->total;
        np_err err = NP_OK;
        need = grown > need ? (grown < all ? grown : all) : need;
        err = np_buf_reserve(np__loop_pool(conn->group->loop), &state->bytes, need);
        if (err != NP_OK) {
            return err;
        }
    }
    memcpy(state->bytes.data + state->bytes.len, data, len);
    state->bytes.len += (uint32_t)len;
    return NP_OK;
}

np_err np_conn_body_end(np_body body)
{
    np_conn *conn = NULL;
    np_body_state **link = find_body(body, &conn);
    np_body_state *state = NULL;
    np_err err = NP_OK;

    if (link == NULL) {
        return NP_ERR_CLOSED;
    }
    state = *link;
    if (state->bytes.len - state->head < state->total) {
        return NP_ERR_TOO_SHORT;
    }
    err = np__conn_room(conn);
    if (err == NP_OK) {
        err =
            np__conn_sent(conn, np_session_send_encoded(&conn->link.session, state->message,
                                                        state->bytes.data, state->bytes.len, NULL));
    }
    if (err != NP_ERR_FULL) {
        free_body(conn, link);
    }
    return err;
}

void np_conn_body_abort(np_body body)
{
    np_conn *conn = NULL;
    np_body_state **link = find_body(body, &conn);

    if (link != NULL) {
        free_body(conn, link);
    }
}
