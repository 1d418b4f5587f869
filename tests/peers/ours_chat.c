/* ours_chat.c - our daemon, or our client, in a secure session with a netproto of another hand;
 * README.md tells what is said. The protocol is examples/chat's, the interface the public one.
 *
 *     ours_chat server|client ADDRESS SECRET PEER PSK
 *
 * A server prints the address it listens on, serves one connection, and ends with it. */
#include "chat_service.h"

#include <netproto/base.h>
#include <netproto/base_service.h>
#include <netproto/daemon.h>
#include <netproto/log.h>

#include "arguments.h"

#define TIMEOUT_MS 20000
#define BLOB_LEN 100000u
#define ECHO_TEXT "out of the blue"
#define REPLIES 6 /* to what the client says */

typedef struct talk {
    np_loop *loop;
    np_security security;
    np_keypair identity;
    uint8_t peer[NP_KEY_LEN];
    uint8_t psk[NP_KEY_LEN];
    bool with_psk;
    bool done;
    unsigned replies; /* that have come, and were right */
    bool wrong;
    np_err err; /* that the connection ended with */
    bool by_peer;
    uint8_t blob[BLOB_LEN];
} talk;

static void must(np_err err, const char *where)
{
    if (err != NP_OK) {
        talk_end(TALK_WRONG, np_err_name(err), where);
    }
}

/* The server: it says back what comes, and answers requests ---------------------------------- */

static np_err serve_join(np_conn *conn, np_call call, const chat_join *msg, void *user)
{
    talk *t = user;
    chat_joined joined = {.people = 1};

    (void)conn;
    t->wrong = t->wrong || !np_str_equal(msg->name, np_str_from("ann"));
    return chat_join_reply(call, &joined, NULL);
}

static np_err serve_echo(np_conn *conn, const base_echo *msg, void *user)
{
    (void)user;
    return base_echo_send(conn, msg, NULL);
}

static np_err serve_say(np_conn *conn, const chat_say *msg, void *user)
{
    (void)user;
    return chat_say_send(conn, msg, NULL);
}

static np_err serve_blob(np_conn *conn, const chat_blob *msg, void *user)
{
    (void)user;
    return chat_blob_send(conn, msg, NULL);
}

static np_err serve_find(np_conn *conn, np_call call, const chat_find *msg, void *user)
{
    chat_person person = {.name = msg->name,
                          .room = np_str_from("garden"),
                          .presence = {.tag = CHAT_PRESENCE_ONLINE},
                          .says = 3};

    (void)conn;
    (void)user;
    if (!np_str_equal(msg->name, np_str_from("ann"))) {
        return np_call_fail(call, BASE_REASON_REFUSED, 404, np_str_from("nobody has that name"));
    }
    return chat_find_reply(call, &person, NULL);
}

/* A connection that never opened is told by the daemon's log only. */
static void on_log(void *user, const np_log_event *event)
{
    talk *t = user;
    char line[NP_LOG_LINE_MAX];

    (void)np_log_format(event, NP_LOG_LOGFMT, line, sizeof line);
    (void)fprintf(stderr, "%s\n", line);
    bool ended = strcmp(event->name, "conn.closed") == 0 || strcmp(event->name, "conn.failed") == 0;
    for (size_t i = 0; i < event->field_count; i++) {
        if (ended && event->fields[i].kind == NP_LOG_ERR) {
            t->err = event->fields[i].as.err;
            t->by_peer = true; /* the log has no word for it */
            t->done = true;
        }
    }
}

static void serve(talk *t, const char *address)
{
    const chat_handlers handlers = {.on_join = serve_join,
                                    .on_say = serve_say,
                                    .on_blob = serve_blob,
                                    .on_find = serve_find,
                                    .user = t};
    const base_handlers base = {.on_echo = serve_echo};
    np_daemon_options options = np_daemon_options_default();
    np_daemon *daemon = NULL;

    options.addresses = &address;
    options.address_count = 1;
    options.service = chat_service(&handlers);
    options.base = base_service(&base);
    options.security = t->security;
    must(np_daemon_start(&daemon, t->loop, &options, NULL), "daemon");
    (void)printf("%s\n", np_daemon_address(daemon, 0));
    (void)fflush(stdout);
    must(np_loop_run_until(t->loop, &t->done, TIMEOUT_MS), "the connection's end");
    np_daemon_free(daemon);
}

/* The client: it says everything once -------------------------------------------------------- */

static np_err reply(np_conn *conn, talk *t, bool right)
{
    t->wrong = t->wrong || !right;
    if (++t->replies == REPLIES) {
        np_conn_close(conn, NP_CONN_NO_REASON, NULL);
    }
    return NP_OK;
}

static np_err on_pong(np_conn *conn, const base_pong *msg, void *user)
{
    (void)msg;
    return reply(conn, user, true);
}

static np_err on_echo(np_conn *conn, const base_echo *msg, void *user)
{
    return reply(conn, user, np_str_equal(msg->text, np_str_from(ECHO_TEXT)));
}

static np_err on_say(np_conn *conn, const chat_say *msg, void *user)
{
    return reply(conn, user, np_str_equal(msg->text, np_str_from("hi")) && msg->mood == 1);
}

static np_err on_blob(np_conn *conn, const chat_blob *msg, void *user)
{
    talk *t = user;

    return reply(conn, t,
                 msg->body.len == BLOB_LEN && memcmp(msg->body.data, t->blob, BLOB_LEN) == 0);
}

static void on_found(np_conn *conn, np_err err, const chat_person *answer, void *user,
                     const np_fault *fault)
{
    (void)fault;
    (void)reply(conn, user,
                err == NP_OK && np_str_equal(answer->room, np_str_from("garden")) &&
                    answer->presence.tag == CHAT_PRESENCE_ONLINE && answer->says == 3);
}

static void on_not_found(np_conn *conn, np_err err, const chat_person *answer, void *user,
                         const np_fault *fault)
{
    const np_call_failure *failure = np_conn_call_failure(conn);

    (void)answer;
    (void)fault;
    (void)reply(conn, user, err == NP_ERR_REFUSED && failure != NULL && failure->code == 404);
}

/* Everything else, which nobody may say before. */
static void on_joined(np_conn *conn, np_err err, const chat_joined *answer, void *user,
                      const np_fault *fault)
{
    talk *t = user;
    const base_echo echo = {.text = np_str_from(ECHO_TEXT)};
    const chat_say say = {.text = np_str_from("hi"), .mood = 1};
    const chat_find ann = {.name = np_str_from("ann")};
    const chat_find nobody = {.name = np_str_from("x")};
    const chat_blob blob = {.file = np_str_from("f"), .body = {t->blob, BLOB_LEN}};

    (void)fault;
    if (err != NP_OK) {
        return; /* the connection has ended */
    }
    t->wrong = t->wrong || answer->people != 1;
    must(np_conn_ping(conn), "Ping");
    must(base_echo_send(conn, &echo, NULL), "Echo");
    must(chat_say_send(conn, &say, NULL), "Say");
    must(chat_find_call(conn, &ann, on_found, t, NULL), "Find");
    must(chat_find_call(conn, &nobody, on_not_found, t, NULL), "Find");
    must(chat_blob_send(conn, &blob, NULL), "Blob");
}

static void on_open(np_conn *conn, void *user)
{
    const chat_join join = {.name = np_str_from("ann"), .room = np_str_from("garden")};

    must(chat_join_call(conn, &join, on_joined, user, NULL), "Join");
}

static void ended(talk *t, const np_failure *failure)
{
    (void)fprintf(stderr, "%s\n", failure->text);
    t->err = failure->err;
    t->by_peer = failure->by_peer;
    t->done = true;
}

static void on_close(np_conn *conn, const np_failure *failure, void *user)
{
    (void)conn;
    ended(user, failure);
}

static void on_failed(np_client *client, const np_failure *failure, void *user)
{
    (void)client;
    ended(user, failure);
}

static void connect_to(talk *t, const char *address)
{
    const chat_handlers handlers = {.on_say = on_say, .on_blob = on_blob, .user = t};
    const base_handlers base = {.on_echo = on_echo, .on_pong = on_pong, .user = t};
    np_client_options options = np_client_options_default();
    np_client *client = NULL;

    for (size_t i = 0; i < sizeof t->blob; i++) {
        t->blob[i] = (uint8_t)i;
    }
    options.address = address;
    options.service = chat_service(&handlers);
    options.base = base_service(&base);
    options.security = t->security;
    options.handlers = (np_conn_handlers){.on_open = on_open, .on_close = on_close, .user = t};
    options.on_failed = on_failed;
    options.user = t;
    must(np_client_new(&client, t->loop, &options, NULL), "client");
    must(np_client_connect(client), "connect");
    must(np_loop_run_until(t->loop, &t->done, TIMEOUT_MS), "the connection's end");
    np_client_free(client);
    t->wrong = t->wrong || (t->err == NP_OK && t->replies != REPLIES);
}

/* -------------------------------------------------------------------------------------------- */

static const uint8_t *psk_of(const uint8_t key[NP_KEY_LEN], void *user)
{
    const talk *t = user;

    return t->with_psk && memcmp(key, t->peer, NP_KEY_LEN) == 0 ? t->psk : NULL;
}

static void set_up(talk *t, char **argv)
{
    uint8_t secret[NP_KEY_LEN];

    (void)argument_hex(argv[3], secret, sizeof secret, sizeof secret);
    (void)argument_hex(argv[4], t->peer, sizeof t->peer, sizeof t->peer);
    must(np_keypair_from(&t->identity, secret), "our key");
    t->security = np_security_default();
    t->security.identity = &t->identity;
    t->security.keys = t->peer;
    t->security.key_count = 1;
    t->with_psk = strcmp(argv[5], "-") != 0;
    if (t->with_psk) {
        (void)argument_hex(argv[5], t->psk, sizeof t->psk, sizeof t->psk);
    }
    if (strcmp(argv[1], "server") == 0) {
        t->security.psk_of = psk_of;
        t->security.user = t;
    } else if (t->with_psk) {
        t->security.psk = t->psk;
    }
}

/* How check_chat.py is told of the end. */
static int status(const talk *t)
{
    switch (t->err) {
    case NP_OK:
        return t->wrong ? TALK_WRONG : 0;
    case NP_ERR_SEAL:
    case NP_ERR_TRAILING:
        return TALK_REFUSED;
    case NP_ERR_REFUSED:
        return t->by_peer ? TALK_TOLD : TALK_REFUSED;
    case NP_ERR_EOF:
    case NP_ERR_RESET:
        return TALK_GONE;
    default:
        return TALK_WRONG;
    }
}

int main(int argc, char **argv)
{
    static talk t;
    np_loop_options options = np_loop_options_default();
    np_log log;

    if (argc != 6) {
        talk_end(TALK_USAGE, "usage", "ours_chat server|client ADDRESS SECRET PEER PSK");
    }
    set_up(&t, argv);
    np_log_init(&log, &(np_log_sink){on_log, &t}, NULL);
    options.log = &log;
    must(np_loop_new(&t.loop, &options), "loop");
    if (strcmp(argv[1], "server") == 0) {
        serve(&t, argv[2]);
    } else {
        connect_to(&t, argv[2]);
    }
    np_loop_free(t.loop);
    return status(&t);
}
