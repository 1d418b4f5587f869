/* call.c - requests, ours and the peer's. See netproto/service.h and netproto/conn.h. */
#include "service/conn_private.h"

#include <base.h>

#include <stdlib.h>

/* Requests of the peer's ------------------------------------------------------------------- */

static np_conn *conn_of_call(np_call call)
{
    return call.conn != 0 ? np_conn_find(call.loop, call.conn) : NULL;
}

static np_call_key key_of(np_call call)
{
    return (np_call_key){call.message, call.stream, call.serial};
}

/* The connection of a call that is to be answered. */
static np_err answering(np_call call, np_conn **conn, np_fault *fault)
{
    *conn = conn_of_call(call);
    if (call.conn == 0) {
        return np_fault_at(fault, NP_ERR_ARG, "no call", "only a request is answered", 0);
    }
    return *conn != NULL ? NP_OK
                         : np_fault_at(fault, NP_ERR_CLOSED, call.message->name,
                                       "the connection has ended; on_close told why", 0);
}

bool np_call_alive(np_call call)
{
    const np_conn *conn = conn_of_call(call);

    return conn != NULL && np_session_serving(&conn->link.session, key_of(call));
}

np_err np_call_reply(np_call call, const void *answer, np_fault *fault)
{
    np_conn *conn = NULL;
    np_err err = answering(call, &conn, fault);
    size_t before = 0;

    if (err != NP_OK) {
        return err;
    }
    before = np_session_queued(&conn->link.session);
    err = np_session_reply(&conn->link.session, key_of(call), answer, fault);
    np_link_replied(&conn->link, before);
    return np__conn_sent(conn, err);
}

np_err np_call_fail(np_call call, uint32_t reason, uint32_t code, np_str text)
{
    np_conn *conn = NULL;
    np_err err = answering(call, &conn, NULL);
    size_t before = 0;

    if (err != NP_OK) {
        return err;
    }
    before = np_session_queued(&conn->link.session);
    err = np_session_refuse(&conn->link.session, key_of(call), reason, code, text);
    np_link_replied(&conn->link, before);
    return np__conn_sent(conn, err);
}

void np_call_drop(np_call call)
{
    np_conn *conn = conn_of_call(call);

    if (conn != NULL) {
        np_session_drop(&conn->link.session, key_of(call));
        np_link_touch(&conn->link);
    }
}

void np_call_set_user(np_call call, void *user)
{
    np_conn *conn = conn_of_call(call);

    if (conn != NULL) {
        np_session_call_set_user(&conn->link.session, key_of(call), user);
    }
}

void *np_call_user(np_call call)
{
    const np_conn *conn = conn_of_call(call);

    return conn != NULL ? np_session_call_user(&conn->link.session, key_of(call)) : NULL;
}

void np__conn_on_cancel(np_conn *conn, const np_session_event *event)
{
    const np_conn_handlers *handlers = &np__conn_group(conn)->handlers;

    if (handlers->on_cancel != NULL) {
        handlers->on_cancel(conn, np__conn_call_of(conn, event), handlers->user);
    }
}

/* Requests of ours ------------------------------------------------------------------------- */

/* Calls come and go with every message, so what was used once is kept. */
static np_pending *take_pending(np_group *group)
{
    np_pending *pending = group->spare;

    if (pending != NULL) {
        group->spare = pending->next;
        return pending;
    }
    return malloc(sizeof *pending);
}

static void give_pending(np_group *group, np_pending *pending)
{
    pending->next = group->spare;
    group->spare = pending;
}

void np__group_free_pending(np_group *group)
{
    while (group->spare != NULL) {
        np_pending *next = group->spare->next;
        free(group->spare);
        group->spare = next;
    }
}

np_err np__conn_call(np_conn *conn, const np_message *message, const void *value,
                     uint32_t timeout_ms, const np_pending *pending, np_fault *fault)
{
    np_group *group = conn != NULL ? np__conn_group(conn) : NULL;
    uint64_t deadline = NP_TIME_NEVER;
    np_pending *kept = NULL;
    np_err err = conn != NULL ? np__conn_room(conn) : NP_ERR_STATE;

    if (err != NP_OK) {
        return np__conn_refused(conn, message, err, fault);
    }
    if (timeout_ms == 0) {
        timeout_ms = message->timeout_ms != 0 ? message->timeout_ms : group->call_timeout_ms;
    }
    if (timeout_ms != 0) {
        deadline = np_time_after(np_loop_now(group->loop).mono_ms, timeout_ms);
    }
    kept = take_pending(group);
    if (kept == NULL) {
        return NP_ERR_MEMORY;
    }
    *kept = *pending;
    err = np_session_request(&conn->link.session, message, value, deadline, kept, NULL, fault);
    if (err != NP_OK) {
        give_pending(group, kept);
        return np__conn_refused(conn, message, np__conn_sent(conn, err), fault);
    }
    return np__conn_sent(conn, err);
}

np_err np_conn_call(np_conn *conn, const np_message *message, const void *value,
                    np_conn_call_done_fn *done, void *user, np_fault *fault)
{
    np_pending pending = {.conn_done = done, .user = user};

    return np__conn_call(conn, message, value, 0, &pending, fault);
}

np_err np_conn_call_typed(np_conn *conn, const np_message *message, const void *value,
                          np_conn_take_fn *take, np_any_fn *done, void *user, np_fault *fault)
{
    np_pending pending = {.take = take, .done = done, .user = user};

    return np__conn_call(conn, message, value, 0, &pending, fault);
}

/* A typed answer that does not decode breaks the protocol, as any message does. */
static void take_answer(np_conn *conn, const np_pending *pending, np_err err,
                        const np_session_event *event, np_fault *fault)
{
    np_incoming in = {
        .id = event->id, .payload = event->payload, .len = event->len, .version = event->version};
    np_err taken =
        pending->take(conn, err, err == NP_OK ? &in : NULL, pending->done, pending->user, fault);

    if (err == NP_OK && taken != NP_OK) {
        np_session_fail(&conn->link.session, taken, NP_SESSION_STAGE_DECODE, fault,
                        np_loop_now(np__conn_group(conn)->loop));
    }
}

static void tell_answer(np_conn *conn, const np_session_event *event)
{
    np_group *group = np__conn_group(conn);
    np_pending *kept = event->user;
    np_pending pending = *kept;
    bool answered = event->kind == NP_SESSION_EVENT_RESPONSE;
    np_err err = answered ? NP_OK : event->err;
    np_fault fault = {.err = err};
    np_call_failure failure = {event->reason, event->code, event->text};
    const np_call_failure *before = group->call_failure;

    give_pending(group, kept);
    /* Not by the error: what ended the connection is also the error of its calls. */
    group->call_failure = !answered && event->reason != NP_SESSION_NO_REASON ? &failure : NULL;
    group->telling++;
    if (pending.take != NULL) {
        take_answer(conn, &pending, err, event, &fault);
    } else if (pending.conn_done != NULL) {
        pending.conn_done(conn, err, answered ? event->payload : NULL, answered ? event->len : 0,
                          event->version, pending.user, &fault);
    } else if (pending.client_done != NULL) {
        pending.client_done(group->client, err, answered ? event->payload : NULL,
                            answered ? event->len : 0, event->version, pending.user, &fault);
    }
    group->telling--;
    group->call_failure = before;
}

void np__conn_answered(np_conn *conn, const np_session_event *event)
{
    np_poison *poison = np__conn_group(conn)->poison;
    np_session_event lent = *event;
    uint8_t *payload = NULL;
    uint8_t *text = NULL;

    if (np_likely(poison == NULL)) {
        tell_answer(conn, event);
        return;
    }
    payload = np__poison_lend(event->payload, event->len);
    text = np__poison_lend(event->text.data, event->text.len);
    lent.payload = payload != NULL ? payload : event->payload;
    lent.text.data = text != NULL ? (const char *)text : event->text.data;
    tell_answer(conn, &lent);
    np__poison_spoil(poison, payload, event->len);
    np__poison_spoil(poison, text, event->text.len);
}

const np_call_failure *np_conn_call_failure(const np_conn *conn)
{
    return conn != NULL ? np__conn_group(conn)->call_failure : NULL;
}
