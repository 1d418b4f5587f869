/* unhandled.c - messages that no handler dealt with well: unknown ones, those without a handler,
 * and those whose handler returned an error. What the peer is told, and what the developer is. */
#include "service/conn_private.h"

#include <base.h>

#include <stdio.h>

/* Said once -------------------------------------------------------------------------------- */

/* Whether the log has not heard of this id on this connection yet; it has then. A peer that makes
 * up more ids than NP_TOLD_MAX gets no more lines. */
static bool first_time(np_conn *conn, uint32_t id)
{
    np_group *group = np__conn_group(conn);

    if (conn->told_count == NP_TOLD_MAX) {
        return false;
    }
    for (uint32_t i = 0; i < NP_TOLD_LAST; i++) {
        if (group->told[i].conn == conn->id && group->told[i].id == id) {
            return false;
        }
    }
    conn->told_count++;
    group->told[group->told_count++ % NP_TOLD_LAST] = (np_told){conn->id, id};
    return true;
}

static void log_message(np_conn *conn, np_log_level level, const char *event, uint32_t id,
                        np_log_field detail, const char *text)
{
    np_loop *loop = np__conn_group(conn)->loop;
    np_log_field fields[4];

    fields[0] = np_log_unsigned("conn", conn->id);
    fields[1] = np_log_unsigned("id", id);
    fields[2] = detail;
    fields[3] = np_log_text("text", text);
    np_log_write(np__loop_log(loop), np_loop_now(loop), level, event, fields, 4);
}

/* The schema has no such message ----------------------------------------------------------- */

void np__conn_unknown(np_conn *conn, const np_session_event *event)
{
    const np_protocol *protocol = np__conn_group(conn)->service.protocol;
    char text[160];

    if (!np_log_wants(np__loop_log(np__conn_group(conn)->loop), NP_LOG_WARN) ||
        !first_time(conn, event->id)) {
        return;
    }
    (void)snprintf(text, sizeof text, "%s version %u has no message %u: the schemas differ",
                   protocol->name, (unsigned)np_conn_version(conn), (unsigned)event->id);
    log_message(conn, NP_LOG_WARN, "conn.unknown_message", event->id,
                np_log_unsigned("len", event->len), text);
}

/* This side has no handler ----------------------------------------------------------------- */

/* The peer may know which message it is, but not how this program is written. */
static void refuse_request(np_conn *conn, const np_session_event *event)
{
    char text[160];
    np_err err = NP_OK;

    (void)snprintf(text, sizeof text, "no handler for %s", event->message->name);
    err = np_session_refuse(&conn->link.session, np_session_event_call(event),
                            BASE_REASON_UNKNOWN_MESSAGE, 0, np_str_from(text));
    if (err != NP_OK && err != NP_ERR_CLOSED) {
        np_link_fail(&conn->link, err, NP_SESSION_STAGE_LOCAL, NULL);
    }
}

static void no_handler(np_conn *conn, const np_session_event *event, const char *what_to_do)
{
    np_fault fault = {.err = NP_OK};
    char text[256];

    if (event->id == BASE_PONG_ID) {
        return; /* it has done its work by arriving */
    }
    if (np_log_wants(np__loop_log(np__conn_group(conn)->loop), NP_LOG_WARN) &&
        first_time(conn, event->id)) {
        (void)snprintf(text, sizeof text, "no handler for %s%s%s", event->message->name,
                       what_to_do != NULL ? ": " : "", what_to_do != NULL ? what_to_do : "");
        log_message(conn, NP_LOG_WARN, "conn.no_handler", event->id,
                    np_log_text("message", event->message->name), text);
    }
    if (event->kind == NP_SESSION_EVENT_REQUEST) {
        refuse_request(conn, event);
        return;
    }
    (void)np_fault_at(&fault, NP_ERR_NO_HANDLER, event->message->name, what_to_do, 0);
    np_link_fail(&conn->link, NP_ERR_NO_HANDLER, NP_SESSION_STAGE_HANDLER, &fault);
}

/* The handler failed ----------------------------------------------------------------------- */

static void handler_failed(np_conn *conn, const np_session_event *event, np_err err)
{
    np_fault fault = {.err = NP_OK};
    char text[256];

    if (!np_session_is_open(&conn->link.session)) {
        return; /* it closed the connection itself, or was told that it has ended */
    }
    (void)snprintf(text, sizeof text, "handler of %s returned %s", event->message->name,
                   np_err_name(err));
    log_message(conn, NP_LOG_ERROR, "conn.handler_failed", event->id, np_log_err("err", err), text);
    (void)np_fault_at(&fault, err, event->message->name, NULL, 0);
    np_link_fail(&conn->link, err, NP_SESSION_STAGE_HANDLER, &fault);
}

void np__conn_dispatch_failed(np_conn *conn, const np_session_event *event, np_err err,
                              const np_fault *fault)
{
    if (err == NP_ERR_NO_HANDLER) {
        no_handler(conn, event, fault->err == err ? fault->rule : NULL);
    } else if (fault->err != NP_OK) {
        np_link_fail(&conn->link, err, NP_SESSION_STAGE_DECODE, fault);
    } else {
        handler_failed(conn, event, err);
    }
}
