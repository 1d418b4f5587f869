/* server.c - rooms in which people talk.
 *
 *     server ADDRESS...        e.g. server tcp://127.0.0.1:7000 unix:///tmp/chat.sock
 *
 * Its key is the default one, from `netproto keygen --server`; every client may come in.
 *
 * Everything runs on one loop and one thread, so there is no lock anywhere. SIGINT and SIGTERM end
 * it in order: everybody gets what is queued for them, and a goodbye. */
#include "chat_service.h"
#include "descriptors.h"
#include "keys.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include <netproto/base.h>
#include <netproto/daemon.h>

/* A file goes to everybody in the room at once; who has this much waiting does not keep up. */
#define QUEUE_MAX ((size_t)32 * 1024 * 1024)
/* All queues together. */
#define MEMORY_MAX ((size_t)512 * 1024 * 1024)

/* Someone in a room; the user pointer of their connection. */
typedef struct member member;
struct member {
    member *next;
    np_conn *conn;
    char name[CHAT_MAX_NAME + 1];
    char room[CHAT_MAX_NAME + 1];
    chat_presence presence;
    uint32_t says;
};

typedef struct server {
    np_loop *loop;
    np_daemon *daemon;
    member *members;
    np_keypair keys;
    np_log log;
    bool stopping;
} server;

/* err: NP_OK for an event that is no error. */
static void log_member(server *s, np_log_level level, const char *event, const member *m,
                       np_err err)
{
    np_log_field fields[] = {
        np_log_unsigned("conn", np_conn_id(m->conn)), np_log_text("name", m->name),
        np_log_text("room", m->room), np_log_err("err", err), /* written as np_err_name(err) */
    };

    np_log_write(&s->log, np_loop_now(s->loop), level, event, fields, err == NP_OK ? 3 : 4);
}

/* Rooms ------------------------------------------------------------------------------------ */

static member *find_member(const server *s, np_str name)
{
    member *m = s->members;

    while (m != NULL && !np_str_equal(np_str_from(m->name), name)) {
        m = m->next;
    }
    return m;
}

/* Sends a message to all in the room of `from`, but for `except`. What goes wrong with one of them
 * must not reach a handler's return value: that would end the connection of who speaks. */
static void tell_room(server *s, const member *from, const member *except,
                      const np_message *message, const void *value)
{
    for (member *m = s->members; m != NULL; m = m->next) {
        np_err err = NP_OK;
        if (m == except || strcmp(m->room, from->room) != 0) {
            continue;
        }
        err = np_conn_send(m->conn, message, value, NULL);
        switch (err) {
        case NP_OK:
        case NP_ERR_CLOSED: /* about to go */
        case NP_ERR_NEWER:  /* speaks an older version, which does not know this */
            break;
        case NP_ERR_FULL: /* has to go, so that one slow reader costs the others nothing */
            log_member(s, NP_LOG_WARN, "chat.too_slow", m, err);
            np_conn_close(m->conn, BASE_REASON_LIMIT, "you do not keep up");
            break;
        default:
            log_member(s, NP_LOG_ERROR, "chat.not_sent", m, err);
        }
    }
}

static void tell_presence(server *s, const member *m)
{
    chat_news news = {.name = np_str_from(m->name), .presence = m->presence};

    tell_room(s, m, m, CHAT_NEWS_MESSAGE, &news);
}

/* A newcomer learns who is in the room already. */
static np_err tell_newcomer(const server *s, const member *newcomer)
{
    np_err err = NP_OK;

    for (const member *m = s->members; m != NULL && err == NP_OK; m = m->next) {
        if (m != newcomer && strcmp(m->room, newcomer->room) == 0) {
            chat_news news = {.name = np_str_from(m->name), .presence = m->presence};
            err = chat_news_send(newcomer->conn, &news, NULL);
        }
    }
    return err;
}

/* Messages --------------------------------------------------------------------------------- */

static uint32_t count_people(const server *s, const char *room)
{
    uint32_t count = 0;

    for (const member *m = s->members; m != NULL; m = m->next) {
        count += strcmp(m->room, room) == 0;
    }
    return count;
}

/* The conversation in chat.np says that nothing else comes before a Join that was answered, and no
 * Join after it, so the handlers below always find their member. Who is refused is not let in by
 * it, and may ask again. */
static np_err on_join(np_conn *conn, np_call call, const chat_join *msg, void *user)
{
    server *s = user;
    member *m = NULL;
    chat_joined joined = {.people = 0};
    np_err err = NP_OK;

    if (find_member(s, msg->name) != NULL) {
        return np_call_fail(call, BASE_REASON_REFUSED, 409, np_str_from("somebody has that name"));
    }
    m = calloc(1, sizeof *m);
    if (m == NULL) {
        return NP_ERR_MEMORY;
    }
    m->conn = conn;
    /* The schema bounds both, so they fit; the message dies when this returns, hence the copies. */
    memcpy(m->name, msg->name.data, msg->name.len);
    memcpy(m->room, msg->room.data, msg->room.len);
    m->presence.tag = CHAT_PRESENCE_ONLINE;
    m->next = s->members;
    s->members = m;
    np_conn_set_user(conn, m);
    joined.people = count_people(s, m->room);
    err = chat_join_reply(call, &joined, NULL); /* opens the conversation: before any news */
    if (err != NP_OK) {
        return err; /* the connection ends, and on_close takes the member out */
    }
    log_member(s, NP_LOG_INFO, "chat.joined", m, NP_OK);
    tell_presence(s, m);
    return tell_newcomer(s, m);
}

static np_err on_say(np_conn *conn, const chat_say *msg, void *user)
{
    server *s = user;
    member *m = np_conn_user(conn);
    chat_say say = *msg;

    m->says++;
    say.name = np_str_from(m->name);
    say.at = (np_option_u64){true, np_loop_now(s->loop).wall_ms};
    tell_room(s, m, NULL, CHAT_SAY_MESSAGE, &say);
    return NP_OK;
}

static np_err on_blob(np_conn *conn, const chat_blob *msg, void *user)
{
    member *m = np_conn_user(conn);
    chat_blob blob = *msg;

    blob.name = np_str_from(m->name);
    tell_room(user, m, m, CHAT_BLOB_MESSAGE, &blob);
    return NP_OK;
}

static np_err on_news(np_conn *conn, const chat_news *msg, void *user)
{
    member *m = np_conn_user(conn);

    m->presence = msg->presence;
    tell_presence(user, m);
    return NP_OK;
}

static np_err on_find(np_conn *conn, np_call call, const chat_find *msg, void *user)
{
    const member *m = find_member(user, msg->name);
    chat_person person;

    (void)conn;
    if (m == NULL) {
        return np_call_fail(call, BASE_REASON_REFUSED, 404, np_str_from("nobody has that name"));
    }
    person = (chat_person){.name = np_str_from(m->name),
                           .room = np_str_from(m->room),
                           .presence = m->presence,
                           .says = m->says};
    return chat_find_reply(call, &person, NULL);
}

static void on_close(np_conn *conn, const np_failure *failure, void *user)
{
    server *s = user;
    member *m = np_conn_user(conn);
    member **link = &s->members;

    (void)failure; /* the daemon logs it */
    if (m == NULL) {
        return; /* never joined */
    }
    while (*link != m) {
        link = &(*link)->next;
    }
    *link = m->next;
    log_member(s, NP_LOG_INFO, "chat.left", m, NP_OK);
    m->presence.tag = CHAT_PRESENCE_OFFLINE;
    tell_presence(s, m);
    free(m);
}

/* Starting and stopping -------------------------------------------------------------------- */

static void write_line(void *user, const np_log_event *event)
{
    char line[NP_LOG_LINE_MAX];

    (void)np_log_format(event, NP_LOG_LOGFMT, line, sizeof line);
    (void)fprintf(user, "%s\n", line);
}

static void on_signal(np_loop *loop, int number, void *user)
{
    server *s = user;

    (void)number;
    if (s->stopping) {
        np_loop_stop(loop); /* the second one: somebody is in a hurry */
    }
    s->stopping = true;
    np_daemon_stop(s->daemon);
}

static void on_stopped(np_daemon *daemon, void *user)
{
    server *s = user;

    (void)daemon;
    np_loop_stop(s->loop);
}

static np_err serve(server *s, const char *const *addresses, size_t count, np_failure *failure)
{
    const chat_handlers handlers = {.on_join = on_join,
                                    .on_say = on_say,
                                    .on_find = on_find,
                                    .on_blob = on_blob,
                                    .on_news = on_news,
                                    .user = s};
    np_daemon_options options = np_daemon_options_default();
    char key[NP_KEY_TEXT_LEN];
    np_err err = NP_OK;

    options.security.identity = &s->keys;
    options.security.anyone = true; /* names are given to who comes first, not to keys */
    options.addresses = addresses;
    options.address_count = count;
    options.service = chat_service(&handlers);
    options.handlers = (np_conn_handlers){.on_close = on_close, .user = s};
    options.conn.queue_max = QUEUE_MAX;
    options.on_stopped = on_stopped;
    options.user = s;
    err = np_daemon_start(&s->daemon, s->loop, &options, failure);
    for (size_t i = 0; i < count && err == NP_OK; i++) {
        printf("listening on %s\n", np_daemon_address(s->daemon, i));
    }
    if (err == NP_OK) {
        printf("key %s\n", np_key_format(s->keys.public_key, key));
    }
    (void)fflush(stdout);
    if (err == NP_OK) {
        err = np_loop_on_signal(s->loop, SIGINT, on_signal, s);
    }
    if (err == NP_OK) {
        err = np_loop_on_signal(s->loop, SIGTERM, on_signal, s);
    }
    if (err == NP_OK) {
        err = np_loop_run(s->loop);
    }
    np_daemon_free(s->daemon);
    return err;
}

static const char usage[] =
    "usage: server ADDRESS...\n"
    "e.g.   server tcp://127.0.0.1:7000 unix:///tmp/chat.sock\n\n"
    "Lets people talk in rooms. It prints where it listens and the key that clients will see,\n"
    "logs to standard error, and ends in order on SIGINT or SIGTERM; a second one ends it at\n"
    "once. Its secret key is the default one, which netproto keygen --server makes.\n\n"
    "Exit codes: 0 stopped in order, 1 it could not run (standard error says why), 2 arguments.\n";

int main(int argc, char **argv)
{
    server s = {.loop = NULL};
    np_loop_options options = np_loop_options_default();
    np_failure failure = {.text = "no loop, or no signals"};
    np_err err = NP_OK;

    if (!chat_hold_descriptors()) {
        return 1;
    }
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            (void)fputs(usage, stdout);
            return 0;
        }
    }
    if (argc < 2 || argv[1][0] == '-') {
        (void)fputs(usage, stderr);
        return 2;
    }
    if (!chat_keys_load(&s.keys, NP_KEY_PLACE_SERVER)) {
        return 1;
    }
    np_log_init(&s.log, &(np_log_sink){write_line, stderr}, NULL);
    options.memory_max = MEMORY_MAX;
    options.log = &s.log;
    err = np_loop_new(&s.loop, &options);
    if (err == NP_OK) {
        err = serve(&s, (const char *const *)argv + 1, (size_t)argc - 1, &failure);
    }
    np_loop_free(s.loop);
    np_keypair_wipe(&s.keys);
    if (err != NP_OK) {
        (void)fprintf(stderr, "server: %s\n",
                      failure.err != NP_OK ? failure.text : np_err_text(err));
        return 1;
    }
    printf("stopped\n");
    return 0;
}
