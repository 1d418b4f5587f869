/* client.c - someone in a room.
 *
 *     client [--old] ADDRESS NAME ROOM        e.g. client tcp://127.0.0.1:7000 ann garden
 *
 * Lines from standard input are said; those that begin with a slash are commands, see help().
 * --old speaks version 1 of the protocol, which knows no moods.
 *
 * Our key is the default one, from `netproto keygen`; the server is one of the known hosts. */
#include "chat_service.h"
#include "descriptors.h"
#include "keys.h"

#include <ev.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include <netproto/base.h>
#include <netproto/log.h>

#define LINE_MAX_LEN 4096

typedef struct talker {
    struct ev_loop *ev;
    np_loop *loop;
    np_client *client;
    const char *name, *room;
    np_keypair keys;
    chat_host host;
    ev_io input;
    char line[LINE_MAX_LEN + 1]; /* of input, as far as it has come */
    size_t len;
    bool too_long;   /* its beginning is gone, and what comes of it goes, too */
    unsigned asking; /* Finds without an answer yet */
    bool ended;      /* no more input */
    bool quit;       /* close as soon as nothing is asked */
    bool blocked;    /* the queue is full: read no more input until it has room */
    FILE *file;      /* being sent, or NULL */
    np_body body;    /* its */
    int status;      /* of the program */
} talker;

/* What is shown ------------------------------------------------------------------------------ */

/* Text of other people, made harmless for a terminal. */
static const char *shown(np_str text, char *out, size_t cap)
{
    (void)np_log_escape(text, false, out, cap);
    return out;
}

__attribute__((format(printf, 1, 2))) static void show(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    (void)vprintf(format, args);
    va_end(args);
    (void)putchar('\n');
    (void)fflush(stdout);
}

/* Why something was not sent: the field that was wrong, if it was one. */
static void show_not_sent(np_err err, const np_fault *fault)
{
    char text[160];

    show("* not sent: %s",
         fault->err != NP_OK ? np_fault_format(fault, text, sizeof text) : np_err_text(err));
}

static const char *presence_text(const chat_presence *presence, char *out, size_t cap)
{
    time_t since = 0;
    struct tm tm;

    switch (presence->tag) {
    case CHAT_PRESENCE_OFFLINE:
        return "gone";
    case CHAT_PRESENCE_ONLINE:
        return "here";
    case CHAT_PRESENCE_AWAY:
        since = (time_t)(presence->away.since_ms / 1000);
        if (localtime_r(&since, &tm) == NULL || strftime(out, cap, "away since %H:%M", &tm) == 0) {
            return "away";
        }
        return out;
    }
    return "?";
}

static void help(void)
{
    show("  TEXT         says it; :) and :( at its end are its mood\n"
         "  /find NAME   asks where somebody is\n"
         "  /send FILE   sends a file to all in the room\n"
         "  /away /back  tells the others\n"
         "  /quit");
}

/* Messages --------------------------------------------------------------------------------- */

static np_err on_say(np_conn *conn, const chat_say *msg, void *user)
{
    static const char *const moods[] = {"", " (glad)", " (sad)"};
    char name[200];
    char text[8200];

    (void)conn;
    (void)user;
    show("%s%s: %s", shown(msg->name, name, sizeof name), moods[msg->mood],
         shown(msg->text, text, sizeof text));
    return NP_OK;
}

static np_err on_blob(np_conn *conn, const chat_blob *msg, void *user)
{
    char name[200];
    char file[1100];

    (void)conn;
    (void)user;
    show("* %s sends %s, %zu bytes", shown(msg->name, name, sizeof name),
         shown(msg->file, file, sizeof file), msg->body.len);
    return NP_OK;
}

static np_err on_news(np_conn *conn, const chat_news *msg, void *user)
{
    char name[200];
    char presence[64];

    (void)conn;
    (void)user;
    show("* %s is %s", shown(msg->name, name, sizeof name),
         presence_text(&msg->presence, presence, sizeof presence));
    return NP_OK;
}

static void quit_if_asked_for(talker *t)
{
    if (t->quit && t->asking == 0 && t->file == NULL) {
        np_client_close(t->client);
    }
}

/* Runs exactly once for each Find that was sent, whatever happens. */
static void on_found(np_conn *conn, np_err err, const chat_person *answer, void *user,
                     const np_fault *fault)
{
    talker *t = user;
    const np_call_failure *failure = np_conn_call_failure(conn);
    char name[200];
    char room[200];
    char presence[64];

    t->asking--;
    if (err == NP_OK) {
        show("* found %s in %s, %s, has said %u", shown(answer->name, name, sizeof name),
             shown(answer->room, room, sizeof room),
             presence_text(&answer->presence, presence, sizeof presence), (unsigned)answer->says);
    } else if (failure != NULL) {
        show("* not found: %s", shown(failure->text, room, sizeof room));
    } else if (fault->where != NULL) { /* an answer with a field that is wrong */
        show("* not found: %s", np_fault_format(fault, room, sizeof room));
    } else {
        show("* not found: %s", np_err_text(err));
    }
    quit_if_asked_for(t);
}

/* Input ------------------------------------------------------------------------------------ */

static np_err say(np_conn *conn, const char *text, np_fault *fault)
{
    size_t len = strlen(text);
    chat_say msg = {.text = {text, len}};

    if (len >= 2 && strcmp(text + len - 2, ":)") == 0) {
        msg.mood = 1;
    } else if (len >= 2 && strcmp(text + len - 2, ":(") == 0) {
        msg.mood = 2;
    }
    return chat_say_send(conn, &msg, fault);
}

static np_err find(talker *t, np_conn *conn, const char *name, np_fault *fault)
{
    chat_find msg = {.name = np_str_from(name)};
    np_err err = chat_find_call(conn, &msg, on_found, t, fault);

    t->asking += err == NP_OK;
    return err;
}

static np_err set_presence(const talker *t, np_conn *conn, bool away, np_fault *fault)
{
    chat_news news = {.presence = {.tag = CHAT_PRESENCE_ONLINE}};

    if (away) {
        news.presence.tag = CHAT_PRESENCE_AWAY;
        news.presence.away.since_ms = np_loop_now(t->loop).wall_ms;
    }
    return chat_news_send(conn, &news, fault);
}

/* Sends as much of the file as there is room for; on_writable goes on. No more of it is in memory
 * than one piece, and what is queued. */
static void send_more(talker *t)
{
    char piece[16384];
    size_t got = 0;
    size_t taken = 0;
    np_err err = NP_OK;

    while (err == NP_OK && (got = fread(piece, 1, sizeof piece, t->file)) > 0) {
        err = np_conn_body_write(t->body, piece, got, &taken);
        if (err == NP_OK && taken < got) {
            err = NP_ERR_FULL;
        }
        if (err == NP_ERR_FULL && fseek(t->file, (long)taken - (long)got, SEEK_CUR) != 0) {
            err = NP_ERR_IO;
        }
    }
    err = err == NP_OK ? np_conn_body_end(t->body) : err;
    if (err == NP_ERR_FULL) {
        return;
    }
    if (err != NP_OK) {
        show("* the file was not sent: %s", np_err_text(err));
        np_conn_body_abort(t->body);
    }
    (void)fclose(t->file);
    t->file = NULL;
    quit_if_asked_for(t);
}

static np_err send_file(talker *t, np_conn *conn, const char *path, np_fault *fault)
{
    const char *slash = strrchr(path, '/');
    chat_blob blob = {.file = np_str_from(slash != NULL ? slash + 1 : path)};
    long size = -1;
    np_err err = NP_OK;

    if (t->file != NULL) {
        return NP_ERR_FULL; /* one after the other */
    }
    t->file = fopen(path, "rb");
    if (t->file == NULL || fseek(t->file, 0, SEEK_END) != 0 || (size = ftell(t->file)) < 0) {
        show("* %s cannot be read", path);
    } else {
        rewind(t->file);
        err = chat_blob_begin(conn, &blob, (uint64_t)size, &t->body, fault);
        if (err == NP_OK) {
            send_more(t);
            return NP_OK;
        }
    }
    if (t->file != NULL) {
        (void)fclose(t->file);
        t->file = NULL;
    }
    return err;
}

/* *fault: the field that was wrong, if it was one. */
static np_err do_line(talker *t, const char *line, np_fault *fault)
{
    np_conn *conn = np_client_conn(t->client);

    if (conn == NULL || *line == '\0') {
        return NP_OK;
    }
    if (*line != '/') {
        return say(conn, line, fault);
    }
    if (strncmp(line, "/find ", 6) == 0) {
        return find(t, conn, line + 6, fault);
    }
    if (strncmp(line, "/send ", 6) == 0) {
        return send_file(t, conn, line + 6, fault);
    }
    if (strcmp(line, "/away") == 0 || strcmp(line, "/back") == 0) {
        return set_presence(t, conn, line[1] == 'a', fault);
    }
    if (strcmp(line, "/quit") == 0) {
        t->quit = true;
        return NP_OK;
    }
    help();
    return NP_OK;
}

/* Does all whole lines there are. With a full queue the line stays, and on_writable goes on. */
static void do_lines(talker *t)
{
    char *end = NULL;

    while (!t->quit && (end = memchr(t->line, '\n', t->len)) != NULL) {
        np_fault fault = {.err = NP_OK};
        np_err err = NP_OK;
        size_t used = (size_t)(end - t->line) + 1;
        *end = '\0';
        if (t->too_long) {
            t->too_long = false;
        } else {
            err = do_line(t, t->line, &fault);
        }
        if (err == NP_ERR_FULL) {
            *end = '\n';
            t->blocked = true;
            ev_io_stop(t->ev, &t->input);
            return;
        }
        if (err != NP_OK) {
            show_not_sent(err, &fault);
        }
        memmove(t->line, t->line + used, t->len - used);
        t->len -= used;
    }
    if (t->len == LINE_MAX_LEN && !t->quit) {
        if (!t->too_long) {
            show("* not sent: the line is too long");
        }
        t->too_long = true;
        t->len = 0;
    }
    t->quit = t->quit || t->ended;
    if (t->quit) {
        ev_io_stop(t->ev, &t->input);
    }
    quit_if_asked_for(t);
}

static void on_input(struct ev_loop *ev, ev_io *watcher, int events)
{
    talker *t = watcher->data;
    ssize_t got = read(STDIN_FILENO, t->line + t->len, LINE_MAX_LEN - t->len);

    (void)events;
    if (got > 0) {
        t->len += (size_t)got;
    } else {
        ev_io_stop(ev, watcher);
        if (t->len > 0 && t->len < LINE_MAX_LEN) {
            t->line[t->len++] = '\n'; /* a last line without an end */
        }
        t->ended = true;
    }
    do_lines(t);
}

/* The connection ----------------------------------------------------------------------------- */

static void leave(talker *t)
{
    t->status = 1;
    t->quit = true;
    np_client_close(t->client);
}

/* We are in, or not: nothing else may be said before. */
static void on_joined(np_conn *conn, np_err err, const chat_joined *answer, void *user,
                      const np_fault *fault)
{
    talker *t = user;
    const np_call_failure *failure = np_conn_call_failure(conn);
    char text[1600];

    (void)fault;
    if (err == NP_OK) {
        show("* connected, version %u, %u in the room", (unsigned)np_conn_version(conn),
             (unsigned)answer->people);
        ev_io_start(t->ev, &t->input);
    } else if (failure != NULL) {
        show("* not let in: %s", shown(failure->text, text, sizeof text));
        leave(t);
    } else if (err == NP_ERR_DEADLINE) {
        show("* not let in: the server does not answer");
        leave(t);
    } /* else the connection has ended, and on_close tells why */
}

static void on_open(np_conn *conn, void *user)
{
    talker *t = user;
    chat_join join = {.name = np_str_from(t->name), .room = np_str_from(t->room)};
    np_fault fault = {.err = NP_OK};
    np_err err = chat_join_call(conn, &join, on_joined, t, &fault);

    if (err != NP_OK) {
        show_not_sent(err, &fault);
        leave(t);
    }
}

static void on_writable(np_conn *conn, void *user)
{
    talker *t = user;

    (void)conn;
    if (t->file != NULL) {
        send_more(t);
    }
    if (t->blocked && !t->quit) {
        t->blocked = false;
        if (!t->ended) {
            ev_io_start(t->ev, &t->input);
        }
        do_lines(t);
    }
}

static void on_close(np_conn *conn, const np_failure *failure, void *user)
{
    talker *t = user;

    (void)conn;
    if (!t->quit || failure->err != NP_OK) {
        show("* %s", failure->text);
        t->status |= failure->err != NP_OK || failure->reason == BASE_REASON_REFUSED;
    }
    np_loop_stop(t->loop);
}

static void on_failed(np_client *client, const np_failure *failure, void *user)
{
    talker *t = user;

    (void)client;
    show("* %s", failure->text);
    t->status = 1;
    np_loop_stop(t->loop);
}

static np_err talk(talker *t, const char *address, bool old, np_failure *failure)
{
    const chat_handlers handlers = {
        .on_say = on_say, .on_blob = on_blob, .on_news = on_news, .user = t};
    np_client_options options = np_client_options_default();
    np_err err = NP_OK;

    options.security = chat_host_security(&t->host, &t->keys);
    options.address = address;
    options.service = chat_service(&handlers);
    options.handlers = (np_conn_handlers){
        .on_open = on_open, .on_close = on_close, .on_writable = on_writable, .user = t};
    options.on_failed = on_failed;
    options.user = t;
    options.conn.version_max = old ? 1 : 0;
    err = np_client_new(&t->client, t->loop, &options, failure);
    if (err == NP_OK) {
        err = np_client_connect(t->client);
    }
    if (err == NP_OK) {
        err = np_loop_run(t->loop);
    }
    np_client_free(t->client);
    if (t->file != NULL) {
        (void)fclose(t->file);
    }
    return err;
}

static const char usage[] =
    "usage: client [--old] ADDRESS NAME ROOM\n"
    "e.g.   client tcp://127.0.0.1:7000 ann garden\n\n"
    "Says each line of standard input to all in the room, and prints what the others say; /find\n"
    "NAME, /send FILE, /away, /back and /quit are commands. --old speaks version 1 of the\n"
    "protocol. The secret key is the default one, which netproto keygen makes; the server has to\n"
    "be among the known hosts (netproto --protocol ./chat.so handshake ADDRESS).\n\n"
    "Exit codes: 0 left in order, 1 it could not talk (standard error says why), 2 arguments.\n";

int main(int argc, char **argv)
{
    talker t = {.ev = NULL};
    np_loop_options options = np_loop_options_default();
    np_failure failure = {.err = NP_OK};
    bool old = argc == 5 && strcmp(argv[1], "--old") == 0;
    np_err err = NP_OK;

    if (!chat_hold_descriptors()) {
        return 1;
    }
    if (argc > 1 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
        (void)fputs(usage, stdout);
        return 0;
    }
    if ((argc != 4 && !old) || argv[1 + old][0] == '-') {
        (void)fputs(usage, stderr);
        return 2;
    }
    t.ev = ev_default_loop(0);
    if (t.ev == NULL) {
        (void)fputs("client: no loop\n", stderr);
        return 1;
    }
    argv += old;
    t.name = argv[2];
    t.room = argv[3];
    if (!chat_keys_load(&t.keys, NP_KEY_PLACE_CLIENT) || !chat_host_find(&t.host, argv[1])) {
        return 1;
    }
    /* A libev loop of our own, to have the input on it; netproto's loop runs on it too. */
    ev_io_init(&t.input, on_input, STDIN_FILENO, EV_READ);
    t.input.data = &t;
    options.ev = t.ev;
    err = np_loop_new(&t.loop, &options);
    if (err == NP_OK) {
        err = talk(&t, argv[1], old, &failure);
    }
    np_loop_free(t.loop);
    np_keypair_wipe(&t.keys);
    ev_loop_destroy(t.ev);
    if (err != NP_OK) {
        (void)fprintf(stderr, "client: %s\n",
                      failure.err != NP_OK ? failure.text : np_err_text(err));
        return 1;
    }
    return t.status;
}
