/* body.c - `stream` messages whose body comes in pieces. See netproto/conn.h and service.h. */
#include "service/conn_private.h"

/* Ours ------------------------------------------------------------------------------------- */

static np_conn *conn_of_body(np_body body)
{
    return body.conn != 0 ? np_conn_find(body.loop, body.conn) : NULL;
}

np_err np_conn_body_begin(np_conn *conn, const np_message *message, const void *value,
                          uint64_t total, np_body *body, np_fault *fault)
{
    uint64_t serial = 0;
    np_err err = NP_ERR_STATE;

    if (conn != NULL) {
        err = np_session_body_begin(&conn->link.session, message, value, total, &serial, fault);
    }
    if (err != NP_OK) {
        return np__conn_refused(conn, message, err, fault);
    }
    *body = (np_body){np__conn_group(conn)->loop, conn->id, serial};
    return NP_OK;
}

np_err np_conn_body_write(np_body body, const void *data, size_t len, size_t *taken)
{
    np_conn *conn = conn_of_body(body);
    np_err err = NP_ERR_CLOSED;

    *taken = 0;
    if (conn != NULL) {
        err = np_session_body_write(&conn->link.session, body.serial, data, len, taken);
        np_link_touch(&conn->link);
    }
    return err;
}

np_err np_conn_body_end(np_body body)
{
    np_conn *conn = conn_of_body(body);
    np_err err = NP_ERR_CLOSED;

    if (conn != NULL) {
        err = np_session_body_end(&conn->link.session, body.serial);
        np_link_touch(&conn->link);
    }
    return err;
}

void np_conn_body_abort(np_body body)
{
    np_conn *conn = conn_of_body(body);

    if (conn != NULL) {
        np_session_body_abort(&conn->link.session, body.serial);
        np_link_touch(&conn->link);
    }
}

/* The peer's ------------------------------------------------------------------------------- */

static np_incoming incoming_of(const np_conn *conn, const np_session_event *event)
{
    np_incoming in = {
        .id = event->id,
        .payload = event->payload,
        .len = event->len,
        .version = event->version,
        .kind = event->kind == NP_SESSION_EVENT_BODY_BEGIN  ? NP_INCOMING_BODY_BEGIN
                : event->kind == NP_SESSION_EVENT_BODY_DATA ? NP_INCOMING_BODY_DATA
                                                            : NP_INCOMING_BODY_END,
        .body = {np__conn_group(conn)->loop, conn->id, event->serial},
        .total = event->total,
        .err = event->err,
    };
    return in;
}

void np__conn_on_body(np_conn *conn, const np_session_event *event)
{
    np_session *session = &conn->link.session;
    np_incoming in = incoming_of(conn, event);
    np_fault fault = {.err = NP_OK};
    bool begins = event->kind == NP_SESSION_EVENT_BODY_BEGIN;
    bool whole = false;
    np_err err = NP_OK;

    in.whole = begins ? &whole : NULL;
    err = np__conn_dispatch(conn, &in, &fault);
    if (begins && err != NP_OK) {
        np_session_body_ignore(session, event->serial); /* who refuses it hears no end of it */
    } else if (whole) {
        err = np_session_body_whole(session, event->serial);
        if (err == NP_ERR_TOO_LONG) {
            (void)np_fault_set(&fault, err, event->message->name, "the connection's message_max", 0,
                               event->len + event->total);
        }
    }
    if (err != NP_OK) {
        np__conn_dispatch_failed(conn, event, err, &fault);
    }
}

np_err np_body_deliver(np_conn *conn, const np_incoming *in, np_bytes piece,
                       np_body_data_fn *on_data, np_body_end_fn *on_end, void *user)
{
    np_err err = NP_OK;
    np_err ended = NP_OK;

    if (in->kind == NP_INCOMING_BODY_DATA) {
        piece = (np_bytes){in->payload, in->len};
    }
    if (in->kind != NP_INCOMING_BODY_END && piece.len > 0 && on_data != NULL) {
        err = on_data(conn, in->body, piece, user);
    }
    if (in->kind != NP_INCOMING_BODY_DATA && on_end != NULL) {
        ended = on_end(conn, in->body, err != NP_OK ? err : in->err, user);
    }
    return err != NP_OK ? err : ended;
}

/* What the user keeps with it -------------------------------------------------------------- */

/* Whether it is that of the whole message that is being dispatched. */
static bool is_whole(const np_conn *conn, np_body body)
{
    return conn != NULL && np__conn_group(conn)->whole_body.conn == body.conn &&
           np__conn_group(conn)->whole_body.serial == body.serial;
}

void np_body_set_user(np_body body, void *user)
{
    np_conn *conn = conn_of_body(body);

    if (is_whole(conn, body)) {
        np__conn_group(conn)->whole_user = user;
    } else if (conn != NULL) {
        np_session_body_set_user(&conn->link.session, body.serial, user);
    }
}

void *np_body_user(np_body body)
{
    const np_conn *conn = conn_of_body(body);

    if (is_whole(conn, body)) {
        return np__conn_group(conn)->whole_user;
    }
    return conn != NULL ? np_session_body_user(&conn->link.session, body.serial) : NULL;
}
