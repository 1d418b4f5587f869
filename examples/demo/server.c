/* server.c - the daemons, a plain and a secure one: they answer everything, on a loop and a thread
 * of their own.
 *
 * A loop belongs to one thread. So the only thing that the main thread does with this one is
 * np_loop_post, to have them stopped; what the log reports goes through a lock. */
#include "demo_program.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include <netproto/daemon.h>

#define REPORTS_MAX 8

struct demo_server {
    np_loop *loop;
    np_daemon *daemons[DEMO_MODES];
    unsigned running;
    np_log log;
    char addresses[DEMO_MODES][2][128];
    pthread_t thread;
    np_err result; /* of the loop; read after the thread has ended */

    pthread_mutex_t lock;
    pthread_cond_t reported;
    unsigned report_count;
    char reports[REPORTS_MAX][1024];
};

/* Handlers --------------------------------------------------------------------------------- */

static np_err on_echo(np_conn *conn, const base_echo *msg, void *user)
{
    (void)user;
    return base_echo_send(conn, msg, NULL);
}

static np_err on_custom(np_conn *conn, const base_custom *msg, void *user)
{
    (void)user;
    return base_custom_send(conn, msg, NULL);
}

static np_err on_data(np_conn *conn, const base_data *msg, void *user)
{
    demo_received received = {.name = msg->name, .length = msg->body.len};

    (void)user;
    received.checksum = demo_checksum(0, msg->body.data, msg->body.len);
    return demo_received_send(conn, &received, NULL);
}

static np_err on_note(np_conn *conn, const demo_note *msg, void *user)
{
    (void)user;
    return demo_note_send(conn, msg, NULL);
}

static np_err on_probe(np_conn *conn, const demo_probe *msg, void *user)
{
    (void)user;
    return demo_probe_send(conn, msg, NULL);
}

static np_err on_sum(np_conn *conn, np_call call, const demo_sum *msg, void *user)
{
    demo_total total = {.count = (uint32_t)msg->numbers.count};

    (void)conn;
    (void)user;
    if (total.count == 0) {
        return np_call_fail(call, BASE_REASON_REFUSED, 42, np_str_from("nothing to add up"));
    }
    for (size_t i = 0; i < msg->numbers.count; i++) {
        total.sum += np_list_i32_at(&msg->numbers, i);
    }
    return demo_sum_reply(call, &total, NULL);
}

static const demo_handlers handlers = {.on_note = on_note, .on_probe = on_probe, .on_sum = on_sum};

static const base_handlers base_messages = {
    .on_echo = on_echo, .on_custom = on_custom, .on_data = on_data};

/* Reports ---------------------------------------------------------------------------------- */

static void write_log(void *user, const np_log_event *event)
{
    demo_server *server = user;

    (void)pthread_mutex_lock(&server->lock);
    if (server->report_count < REPORTS_MAX) {
        char *line = server->reports[server->report_count++];
        (void)np_log_format(event, NP_LOG_LOGFMT, line, sizeof server->reports[0]);
    }
    (void)pthread_cond_signal(&server->reported);
    (void)pthread_mutex_unlock(&server->lock);
}

unsigned demo_server_reports(demo_server *server)
{
    unsigned count = 0;

    (void)pthread_mutex_lock(&server->lock);
    count = server->report_count;
    (void)pthread_mutex_unlock(&server->lock);
    return count;
}

bool demo_server_report(demo_server *server, unsigned index, char *line, size_t cap)
{
    struct timespec until;
    bool found = false;
    int status = 0;

    (void)clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += DEMO_PATIENCE_MS / 1000;
    (void)pthread_mutex_lock(&server->lock);
    while (server->report_count <= index && status == 0) {
        status = pthread_cond_timedwait(&server->reported, &server->lock, &until);
    }
    found = server->report_count > index;
    (void)snprintf(line, cap, "%s", found ? server->reports[index] : "");
    (void)pthread_mutex_unlock(&server->lock);
    return found;
}

/* Starting and stopping -------------------------------------------------------------------- */

static void *run(void *user)
{
    demo_server *server = user;

    server->result = np_loop_run(server->loop);
    return NULL;
}

static void on_stopped(np_daemon *daemon, void *user)
{
    demo_server *server = user;

    (void)daemon;
    if (--server->running == 0) {
        np_loop_stop(server->loop);
    }
}

static void stop(np_loop *loop, void *user)
{
    demo_server *server = user;

    (void)loop;
    for (int mode = 0; mode < DEMO_MODES; mode++) {
        np_daemon_stop(server->daemons[mode]);
    }
}

static void free_server(demo_server *server)
{
    for (int mode = 0; mode < DEMO_MODES; mode++) {
        np_daemon_free(server->daemons[mode]);
    }
    np_loop_free(server->loop);
    (void)pthread_cond_destroy(&server->reported);
    (void)pthread_mutex_destroy(&server->lock);
    free(server);
}

static np_err start_daemon(demo_server *server, demo_mode mode, np_failure *failure)
{
    np_daemon_options options = np_daemon_options_default();
    char unix_address[64];
    const char *addresses[] = {"tcp://127.0.0.1:0", unix_address};
    np_err err = NP_OK;

    /* A name in the abstract namespace leaves no file behind, whatever happens. */
    (void)snprintf(unix_address, sizeof unix_address, "unix://@netproto-demo-%d-%s", (int)getpid(),
                   mode == DEMO_SECURE ? "secure" : "plain");
    options.addresses = addresses;
    options.address_count = 2;
    options.service = demo_service(&handlers);
    options.base = base_service(&base_messages);
    options.security = demo_daemon_security(mode);
    options.conn.close_timeout_ms = 1000;
    options.on_stopped = on_stopped;
    options.user = server;
    err = np_daemon_start(&server->daemons[mode], server->loop, &options, failure);
    for (size_t i = 0; i < 2 && err == NP_OK; i++) {
        (void)snprintf(server->addresses[mode][i], sizeof server->addresses[mode][i], "%s",
                       np_daemon_address(server->daemons[mode], i));
    }
    server->running += err == NP_OK;
    return err;
}

demo_server *demo_server_start(void)
{
    demo_server *server = calloc(1, sizeof *server);
    np_loop_options options = np_loop_options_default();
    np_log_options log_options = np_log_options_default();
    np_failure failure = {.err = NP_OK};
    np_err err = NP_OK;

    if (server == NULL) {
        return NULL;
    }
    (void)pthread_mutex_init(&server->lock, NULL);
    (void)pthread_cond_init(&server->reported, NULL);
    log_options.level = NP_LOG_WARN;
    np_log_init(&server->log, &(np_log_sink){write_log, server}, &log_options);
    options.log = &server->log;
    err = np_loop_new(&server->loop, &options);
    for (int mode = 0; mode < DEMO_MODES && err == NP_OK; mode++) {
        err = start_daemon(server, (demo_mode)mode, &failure);
    }
    if (err == NP_OK && pthread_create(&server->thread, NULL, run, server) != 0) {
        err = NP_ERR_SYSTEM;
    }
    if (err != NP_OK) {
        (void)fprintf(stderr, "demo: the daemon does not start: %s; %s\n", np_err_text(err),
                      failure.text);
        free_server(server);
        return NULL;
    }
    return server;
}

const char *demo_server_address(const demo_server *server, demo_mode mode, size_t index)
{
    return server->addresses[mode][index];
}

bool demo_server_stop(demo_server *server)
{
    bool ok = np_loop_post(server->loop, stop, server) == NP_OK;

    ok = ok && pthread_join(server->thread, NULL) == 0 && server->result == NP_OK;
    if (ok) {
        free_server(server);
    }
    return ok;
}
