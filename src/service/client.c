/* client.c - connecting to a daemon and talking to it. See netproto/client.h. */
#include "service/client_private.h"
#include "service/conn_private.h"
#include "service/options.h"
#include "transport/connect.h"

#include <stdlib.h>
#include <string.h>

/* What a _wait function grants beyond the deadlines that end everything anyway. */
#define WAIT_SLACK_MS 2000

/* A peer's words about a call that was waited for; they outlive the message that brought them. */
typedef struct kept_words {
    bool any;
    np_call_failure failure; /* its text lies in `text` */
    char text[256];          /* as much as base.Failure allows */
} kept_words;

struct np_client {
    np_group group;
    np_address address;
    char text[NP_ADDRESS_TEXT_LEN];
    uint32_t connect_timeout_ms;
    void (*on_failed)(np_client *client, const np_failure *failure, void *user);
    void (*on_step)(np_client *client, np_client_step step, void *user);
    void *user;
    np_connector *connector;
    np_conn *conn; /* from the connection's making until it is freed */
    bool idle;     /* neither connector nor conn */
    bool ended;    /* a connection or an attempt has */
    bool settled;  /* idle, or open: what np_client_connect_wait waits for */
    void (*on_open)(np_conn *conn, void *user); /* the user's */
    void *handlers_user;
    void (*on_close)(np_conn *conn, const np_failure *failure, void *user);
    void (*on_writable)(np_conn *conn, void *user);
    void (*on_cancel)(np_conn *conn, np_call call, void *user);
    np_failure failure;
    kept_words words; /* of the last call that was waited for */
};

np_client_options np_client_options_default(void)
{
    np_client_options options = {.connect_timeout_ms = 10000};

    options.security = np_security_default();
    options.conn = np_conn_options_default();
    return options;
}

/* What happens to the connection ----------------------------------------------------------- */

static void on_open(np_conn *conn, void *user)
{
    np_client *client = user;

    client->settled = true;
    if (client->on_open != NULL) {
        client->on_open(conn, client->handlers_user);
    }
}

static void on_close(np_conn *conn, const np_failure *failure, void *user)
{
    np_client *client = user;

    if (client->on_close != NULL) {
        client->on_close(conn, failure, client->handlers_user);
    }
}

static void on_writable(np_conn *conn, void *user)
{
    np_client *client = user;

    if (client->on_writable != NULL) {
        client->on_writable(conn, client->handlers_user);
    }
}

static void on_cancel(np_conn *conn, np_call call, void *user)
{
    np_client *client = user;

    if (client->on_cancel != NULL) {
        client->on_cancel(conn, call, client->handlers_user);
    }
}

static void on_end(np_group *group, np_conn *conn, const np_failure *failure)
{
    np_client *client = np_container_of(group, np_client, group);

    (void)conn;
    client->failure = *failure;
}

static void tell_step(np_client *client, np_client_step step)
{
    if (client->on_step != NULL) {
        client->on_step(client, step, client->user);
    }
}

static void on_peer_key(np_group *group)
{
    tell_step(np_container_of(group, np_client, group), NP_CLIENT_STEP_PEER_KEY);
}

static void on_resolved(void *user)
{
    tell_step(user, NP_CLIENT_STEP_RESOLVED);
}

/* There is neither connection nor attempt any more; the user may start the next. */
static void on_idle(np_client *client, bool opened)
{
    client->idle = true;
    client->ended = true;
    client->settled = true;
    if (!opened && client->on_failed != NULL) {
        client->on_failed(client, &client->failure, client->user);
    }
}

static void on_gone(np_group *group, np_conn *conn)
{
    np_client *client = np_container_of(group, np_client, group);

    client->conn = NULL;
    /* An end in order before the hello is none in the eyes of who wanted a connection. */
    if (!conn->opened && client->failure.err == NP_OK) {
        (void)np__failure_set(&client->failure, NP_STAGE_HELLO,
                              client->failure.by_peer ? NP_ERR_CLOSED : NP_ERR_CANCELED, 0,
                              client->text, NULL);
    }
    on_idle(client, conn->opened);
}

/* Connecting ------------------------------------------------------------------------------- */

static np_err start_talking(np_client *client, const np_stream *stream, const struct sockaddr *sa)
{
    np_err err = np__conn_new(&client->conn, &client->group, stream, NP_SESSION_CLIENT, sa, NULL);

    if (err == NP_OK) {
        tell_step(client, NP_CLIENT_STEP_CONNECTED);
        client->idle = false;
        client->settled = false;
    }
    return err;
}

static void on_connected(const np_connected *result, void *user)
{
    np_client *client = user;
    np_stream stream;
    np_err err = result->err;

    client->connector = NULL;
    if (err != NP_OK) {
        (void)np__failure_set(&client->failure,
                              result->resolving ? NP_STAGE_RESOLVE : NP_STAGE_CONNECT, err,
                              result->os_error, client->text, result->why);
        on_idle(client, false);
        return;
    }
    if (client->address.kind == NP_ADDRESS_UNIX) {
        np_unix_stream_init(&stream, result->fd);
    } else {
        np_tcp_stream_init(&stream, result->fd);
    }
    err = start_talking(client, &stream, (const struct sockaddr *)&result->peer);
    if (err != NP_OK) {
        stream.ops->close(&stream, false);
        (void)np__failure_set(&client->failure, NP_STAGE_HELLO, err, 0, client->text, NULL);
        on_idle(client, false);
    }
}

np_err np__client_adopt(np_client *client, const np_stream *stream)
{
    return client->idle ? start_talking(client, stream, NULL) : NP_ERR_STATE;
}

/* Why an attempt could not even be begun, where it is not for lack of something. */
static const char *why_not_begun(np_err err)
{
    return err == NP_ERR_ADDRESS   ? "one cannot connect to every address, nor to port 0"
           : err == NP_ERR_CONNECT ? NP_ADDRESS_NO_INTERFACE
                                   : NULL;
}

np_err np_client_connect(np_client *client)
{
    np_err err = NP_OK;

    if (!client->idle) {
        return NP_ERR_STATE;
    }
    err = np_connector_start(&client->connector, client->group.loop, &client->address,
                             client->connect_timeout_ms, on_connected, client);
    if (err != NP_OK) {
        np_stage stage = err == NP_ERR_ADDRESS   ? NP_STAGE_ADDRESS
                         : err == NP_ERR_RESOLVE ? NP_STAGE_RESOLVE
                                                 : NP_STAGE_CONNECT;
        client->ended = true;
        return np__failure_set(&client->failure, stage, err, 0, client->text, why_not_begun(err));
    }
    client->idle = false;
    client->settled = false;
    np_connector_when_resolved(client->connector, on_resolved);
    return NP_OK;
}

/* How long a _wait function waits at most: longer than all the deadlines that end it anyway. One
 * that is switched off, 0, ends nothing, so there is no bound then. */
static uint32_t patience_ms(const uint32_t *deadlines_ms, size_t count)
{
    uint64_t ms = WAIT_SLACK_MS;

    for (size_t i = 0; i < count; i++) {
        if (deadlines_ms[i] == 0) {
            return UINT32_MAX;
        }
        ms += deadlines_ms[i];
    }
    return ms < UINT32_MAX ? (uint32_t)ms : UINT32_MAX;
}

static np_err wait_for_open(np_client *client)
{
    const np_session_options *session = &client->group.links.session;
    const uint32_t deadlines_ms[] = {session->close_ms, session->hello_ms,
                                     client->connect_timeout_ms};
    np_err err = NP_OK;

    if (np_client_conn(client) != NULL) {
        return NP_OK;
    }
    if (!client->idle && client->settled) {
        /* The last connection is on its way out. */
        err = np_loop_run_until(client->group.loop, &client->idle, patience_ms(deadlines_ms, 1));
    }
    if (err == NP_OK && client->idle) {
        err = np_client_connect(client);
        if (err != NP_OK) {
            return err;
        }
    }
    if (err == NP_OK) {
        err = np_loop_run_until(client->group.loop, &client->settled, patience_ms(deadlines_ms, 3));
    }
    if (err != NP_OK) {
        return np__failure_set(&client->failure, NP_STAGE_CONNECT, err, 0, client->text, NULL);
    }
    if (np_client_conn(client) != NULL) {
        return NP_OK;
    }
    if (!client->idle) {
        /* It has opened, and is on its way out already: why is known once it has gone. */
        (void)!np_loop_run_until(client->group.loop, &client->idle, patience_ms(deadlines_ms, 1));
    }
    return client->failure.err != NP_OK ? client->failure.err : NP_ERR_CLOSED;
}

/* Whether this is no place to run the loop: it runs already, and calls us. Says so in all ways. */
static bool must_not_wait(np_client *client, np_stage stage, const char *instead)
{
    np_loop *loop = client->group.loop;
    np_log_field fields[1];

    if (!np__loop_running(loop)) {
        return false;
    }
    (void)np__failure_set(&client->failure, stage, NP_ERR_STATE, 0, client->text, instead);
    fields[0] = np_log_text("text", client->failure.text);
    np_log_write(np__loop_log(loop), np_loop_now(loop), NP_LOG_ERROR, "client.wait_in_handler",
                 fields, 1);
    return true;
}

np_err np_client_connect_wait(np_client *client, np_failure *failure)
{
    np_err err = NP_ERR_STATE;

    if (!must_not_wait(client, NP_STAGE_CONNECT,
                       "a handler must not wait; use np_client_connect and on_open")) {
        err = wait_for_open(client);
    }
    if (err != NP_OK && failure != NULL) {
        *failure = client->failure;
        failure->err = err; /* an end in order, too: there is no connection */
    }
    return err;
}

/* Making and freeing ----------------------------------------------------------------------- */

np_err np_client_new(np_client **out, np_loop *loop, const np_client_options *options,
                     np_failure *failure)
{
    const np_conn_handlers *given = &options->handlers;
    np_conn_handlers ours = {on_open, on_close, on_writable, on_cancel, NULL};
    np_client *client = calloc(1, sizeof *client);
    const char *why = NULL;
    np_err err = NP_OK;

    *out = NULL;
    if (client == NULL) {
        return np__failure_set(failure, NP_STAGE_CONNECT, NP_ERR_MEMORY, 0, NULL, NULL);
    }
    ours.user = client;
    err = np_address_parse(options->address, &client->address, &why);
    if (err != NP_OK) {
        free(client);
        return np__failure_set(failure, NP_STAGE_ADDRESS, err, 0, options->address, why);
    }
    err = np__group_init(&client->group, loop, &options->service, &options->base, &ours,
                         &options->conn);
    if (err != NP_OK) {
        free(client);
        return np__failure_set(failure, NP_STAGE_CONNECT, err, 0, options->address,
                               np__client_options_wrong(options));
    }
    err = np__group_compress(&client->group, &options->conn.compression, options->address, failure);
    if (err == NP_OK) {
        err = np__group_secure(&client->group, &options->security, options->address, failure);
    }
    if (err != NP_OK) {
        np__group_fini(&client->group);
        free(client);
        return err;
    }
    (void)np_address_format(&client->address, client->text);
    client->group.client = client;
    client->group.address = client->text;
    client->group.on_end = on_end;
    client->group.on_gone = on_gone;
    client->group.on_peer_key = on_peer_key;
    client->on_open = given->on_open;
    client->on_close = given->on_close;
    client->on_writable = given->on_writable;
    client->on_cancel = given->on_cancel;
    client->handlers_user = given->user;
    client->connect_timeout_ms = options->connect_timeout_ms;
    client->on_failed = options->on_failed;
    client->on_step = options->on_step;
    client->user = options->user;
    client->idle = true;
    client->settled = true;
    client->failure.reason = NP_CONN_NO_REASON;
    *out = client;
    return NP_OK;
}

void np_client_free(np_client *client)
{
    if (client == NULL) {
        return;
    }
    client->on_failed = NULL;
    np_connector_cancel(client->connector);
    client->connector = NULL;
    np__group_fini(&client->group);
    free(client);
}

np_conn *np_client_conn(np_client *client)
{
    return client->conn != NULL && np_conn_is_open(client->conn) ? client->conn : NULL;
}

const np_failure *np_client_failure(const np_client *client)
{
    static const np_failure no_client = {
        .err = NP_ERR_ARG, .reason = NP_CONN_NO_REASON, .text = "no client"};

    return client != NULL ? &client->failure : &no_client;
}

/* Talking ---------------------------------------------------------------------------------- */

/* Why there is no connection to send on, and what to do about it. */
static np_err not_connected(const np_client *client, const np_message *message, np_fault *fault)
{
    bool coming = client->connector != NULL || (client->conn != NULL && !client->conn->opened);

    if (coming) {
        return np_fault_at(fault, NP_ERR_STATE, message->name,
                           "not connected yet; wait for on_open", 0);
    }
    if (client->conn == NULL && !client->ended) {
        return np_fault_at(fault, NP_ERR_STATE, message->name,
                           "not connected; np_client_connect comes first", 0);
    }
    return np_fault_at(fault, NP_ERR_CLOSED, message->name,
                       "not connected any more; np_client_failure tells why, then connect again",
                       0);
}

np_err np_client_send(np_client *client, const np_message *message, const void *value,
                      np_fault *fault)
{
    np_conn *conn = np_client_conn(client);

    return conn != NULL ? np_conn_send(conn, message, value, fault)
                        : not_connected(client, message, fault);
}

np_err np_client_call_within(np_client *client, const np_message *message, const void *value,
                             uint32_t timeout_ms, np_call_done_fn *done, void *user,
                             np_fault *fault)
{
    np_pending pending = {.client_done = done, .user = user};
    np_conn *conn = np_client_conn(client);

    return conn != NULL ? np__conn_call(conn, message, value, timeout_ms, &pending, fault)
                        : not_connected(client, message, fault);
}

np_err np_client_call(np_client *client, const np_message *message, const void *value,
                      np_call_done_fn *done, void *user)
{
    return np_client_call_within(client, message, value, 0, done, user, NULL);
}

const np_call_failure *np_client_call_failure(const np_client *client)
{
    if (client == NULL) {
        return NULL;
    }
    if (client->group.telling > 0) {
        return client->group.call_failure;
    }
    return client->words.any ? &client->words.failure : NULL;
}

static void keep_words(kept_words *words, const np_call_failure *failure)
{
    size_t len = failure->text.len < sizeof words->text ? failure->text.len : sizeof words->text;

    if (len > 0) {
        memcpy(words->text, failure->text.data, len);
    }
    words->failure = *failure;
    words->failure.text = (np_str){words->text, len};
    words->any = true;
}

typedef struct waiting {
    np_call_take_fn *take;
    void *user;
    np_fault *fault;
    np_err err;
    bool done;
} waiting;

static void on_answer(np_client *client, np_err err, const void *payload, size_t len,
                      uint32_t version, void *user, np_fault *fault)
{
    waiting *w = user;

    if (client->group.call_failure != NULL) {
        keep_words(&client->words, client->group.call_failure);
    }
    w->err = err;
    if (err == NP_OK && w->take != NULL) {
        w->err = w->take(payload, len, version, w->user, fault);
    }
    if (w->err != NP_OK && w->fault != NULL) {
        *w->fault = *fault;
        w->fault->err = w->err;
    }
    w->done = true;
}

np_err np_client_call_wait(np_client *client, const np_message *message, const void *value,
                           np_call_take_fn *take, void *user, np_fault *fault)
{
    /* On the stack: the call's deadline ends it before the wait is over, whatever happens. */
    waiting w = {.take = take, .user = user, .fault = fault};
    np_err err = NP_OK;

    if (must_not_wait(client, NP_STAGE_CALL,
                      "a handler must not wait; use the _call without _wait")) {
        return np_fault_at(fault, NP_ERR_STATE, message->name,
                           "a handler must not wait; use the _call without _wait", 0);
    }
    client->words.any = false;
    err = np_client_connect_wait(client, NULL);
    if (err == NP_OK) {
        err = np_client_call_within(client, message, value, 0, on_answer, &w, fault);
    }
    if (err != NP_OK) {
        return err;
    }
    while (!w.done) {
        err = np_loop_run_until(client->group.loop, &w.done, UINT32_MAX);
        if (err == NP_ERR_CANCELED) {
            np_conn_abort(client->conn); /* np_loop_stop: the call must end before its storage */
        }
    }
    return w.err;
}

/* What a typed wait needs when its answer comes. */
typedef struct typed_answer {
    const np_message *message;
    np_arena *arena;
    void *answer;
} typed_answer;

static np_err take_typed(const void *payload, size_t len, uint32_t version, void *user,
                         np_fault *fault)
{
    const typed_answer *typed = user;
    void *copy = NULL;
    np_err err = np_arena_copy(typed->arena, payload, len, &copy);

    if (err != NP_OK) {
        return err;
    }
    return np_message_decode_reply(typed->message, typed->answer, version, copy, len, fault);
}

np_err np_client_call_typed_wait(np_client *client, const np_message *message, const void *value,
                                 np_arena *arena, void *answer, np_fault *fault)
{
    typed_answer typed = {message, arena, answer};

    return np_client_call_wait(client, message, value, take_typed, &typed, fault);
}

/* Ending ----------------------------------------------------------------------------------- */

void np_client_close(np_client *client)
{
    if (client->connector != NULL) {
        np_connector_cancel(client->connector);
        client->connector = NULL;
        (void)np__failure_set(&client->failure, NP_STAGE_CONNECT, NP_ERR_CANCELED, 0, client->text,
                              NULL);
        on_idle(client, false);
    } else if (client->conn != NULL) {
        np_conn_close(client->conn, NP_CONN_NO_REASON, NULL);
    }
}

np_err np_client_close_wait(np_client *client)
{
    uint32_t wait_ms = patience_ms(&client->group.links.session.close_ms, 1);
    np_err err = NP_OK;

    if (must_not_wait(client, NP_STAGE_CLOSE,
                      "a handler must not wait; use np_client_close and on_close")) {
        return NP_ERR_STATE;
    }
    if (client->idle) {
        return NP_OK;
    }
    np_client_close(client);
    err = np_loop_run_until(client->group.loop, &client->idle, wait_ms);
    return err != NP_OK ? err : client->failure.err;
}
