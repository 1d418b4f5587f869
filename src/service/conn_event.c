/* conn_event.c - what happens to a connection, from its opening to its end, told to its owner and
 * to the application. */
#include "service/conn_private.h"

#include <stdlib.h>

static np_conn *conn_of(np_link *link)
{
    return np_container_of(link, np_conn, link);
}

/* A whole message. Member by member: clearing it first would cost as much as all the rest. */
static void fill_incoming(np_incoming *in, const np_session_event *event)
{
    in->id = event->id;
    in->payload = event->payload;
    in->len = event->len;
    in->version = event->version;
    in->call.loop = NULL;
    in->call.conn = 0;
    in->call.message = NULL;
    in->call.stream = 0;
    in->call.serial = 0;
    in->kind = NP_INCOMING_MESSAGE;
    in->body.loop = NULL;
    in->body.conn = 0;
    in->body.serial = 0;
    in->total = 0;
    in->err = NP_OK;
    in->whole = NULL;
}

/* The body of a message that came whole has a handle, too, for as long as the message is
 * dispatched: its handlers are those of one that comes in pieces. */
static np_err dispatch_whole(np_conn *conn, np_incoming *in, np_fault *fault)
{
    np_group *group = np__conn_group(conn);
    np_err err = NP_OK;

    in->body = (np_body){group->loop, conn->id, np_session_next_serial(&conn->link.session)};
    group->whole_body = in->body;
    group->whole_user = NULL;
    err = np__conn_dispatch(conn, in, fault);
    group->whole_body = (np_body){NULL, 0, 0};
    return err;
}

static void on_message(np_conn *conn, const np_session_event *event)
{
    np_incoming in;
    np_fault fault;
    np_err err = NP_OK;

    fault.err = NP_OK;
    fill_incoming(&in, event);
    if (event->kind == NP_SESSION_EVENT_REQUEST) {
        in.call = np__conn_call_of(conn, event);
    }
    err = np_unlikely(event->message->kind == NP_MESSAGE_STREAM)
              ? dispatch_whole(conn, &in, &fault)
              : np__conn_dispatch(conn, &in, &fault);
    if (np_unlikely(err != NP_OK)) {
        np__conn_dispatch_failed(conn, event, err, &fault);
    }
}

static void on_open(np_conn *conn)
{
    np_group *group = np__conn_group(conn);

    if (!np__guard_is_fresh(&group->guard, &conn->link.session)) {
        np_link_fail(&conn->link, NP_ERR_REFUSED, NP_SESSION_STAGE_NEGOTIATE, NULL);
        return;
    }
    if (!conn->sourced) {
        np_members_remove(&group->half_open, &conn->member);
    }
    group->half_open_count--;
    group->open_count++;
    conn->opened = true;
    conn->user = NULL;
    if (group->on_opened == NULL || !group->on_opened(group, conn)) {
        np_members_add(&group->open, &conn->member);
    }
    if (group->handlers.on_open != NULL) {
        group->handlers.on_open(conn, group->handlers.user);
    }
}

static void on_writable(np_conn *conn)
{
    np_group *group = np__conn_group(conn);

    conn->want_writable = false;
    if (group->handlers.on_writable != NULL) {
        group->handlers.on_writable(conn, group->handlers.user);
    }
}

static void on_event(np_link *link, const np_session_event *event)
{
    np_conn *conn = conn_of(link);

    switch (event->kind) {
    case NP_SESSION_EVENT_PEER_KEY:
        if (np__conn_group(conn)->on_peer_key != NULL) {
            np__conn_group(conn)->on_peer_key(np__conn_group(conn));
        }
        conn->listed =
            np__guard_judge(&np__conn_group(conn)->guard, &link->session, event->payload);
        break;
    case NP_SESSION_EVENT_OPEN:
        on_open(conn);
        break;
    case NP_SESSION_EVENT_MESSAGE:
    case NP_SESSION_EVENT_REQUEST:
        on_message(conn, event);
        break;
    case NP_SESSION_EVENT_BODY_BEGIN:
    case NP_SESSION_EVENT_BODY_DATA:
    case NP_SESSION_EVENT_BODY_END:
        np__conn_on_body(conn, event);
        break;
    case NP_SESSION_EVENT_RESPONSE:
    case NP_SESSION_EVENT_FAILURE:
        conn->dispatching = true;
        np__conn_answered(conn, event);
        conn->dispatching = false;
        break;
    case NP_SESSION_EVENT_UNKNOWN:
        np__conn_unknown(conn, event);
        break;
    case NP_SESSION_EVENT_WRITABLE:
        on_writable(conn);
        break;
    case NP_SESSION_EVENT_CANCEL:
        np__conn_on_cancel(conn, event);
        break;
    case NP_SESSION_EVENT_CLOSED: /* told by on_closed */
        break;
    }
}

/* Sends from outside of handlers were refused at half of the bound; a quarter is the sign. */
static void on_drained(np_link *link)
{
    np_conn *conn = conn_of(link);
    size_t low = np__conn_group(conn)->links.session.queue_max / 4;

    if (conn->want_writable && np_session_queued(&link->session) <= low) {
        on_writable(conn);
    }
}

static void on_closed(np_link *link, const np_session_event *event)
{
    np_conn *conn = conn_of(link);
    np_group *group = np__conn_group(conn);
    np_failure failure;

    np__failure_from_event(&failure, conn, event);
    conn->ended = true;
    if (conn->opened && group->handlers.on_close != NULL) {
        group->handlers.on_close(conn, &failure, group->handlers.user);
    }
    group->on_end(group, conn, &failure);
}

static void release(np_link *link)
{
    np_conn *conn = conn_of(link);
    np_group *group = np__conn_group(conn);

    *(conn->opened ? &group->open_count : &group->half_open_count) -= 1;
    if (!conn->sourced || (conn->opened && conn->listed)) { /* else its site's owner sees to it */
        np_members_remove(conn->opened ? &group->open : &group->half_open, &conn->member);
    }
    np__loop_unregister(group->loop, conn->id);
    group->on_gone(group, conn);
    free(conn);
}

np_err np__conn_admit(np_session *session)
{
    np_conn *conn = np_container_of(session, np_conn, link.session);
    np_group *group = np__conn_group(conn);

    return group->on_greeting != NULL ? group->on_greeting(group, conn) : NP_OK;
}

const np_link_ops np__conn_link_ops = {
    .on_event = on_event,
    .on_drained = on_drained,
    .on_closed = on_closed,
    .release = release,
};
