/* main.c - what a daemon takes from the heap: in steady traffic, and for connections that rest.
 *
 * The daemon runs in this process, whose allocations are counted; the clients are a process of
 * their own, so that nothing of theirs is.
 */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <base_service.h>
#include <netproto/client.h>
#include <netproto/daemon.h>
#include <trade_service.h>

#include "common/load.h"
#include "heap.h"
#include "stranger.h"

#define WARM_UP 50000
#define MEASURED 50000
#define CONNECTIONS 10
#define CROWD 1000
#define DEPTH 8
#define IDLE_CONNECTIONS 9000
#define IDLE_LIMIT 512
#define SECURE_LIMIT 1024
#define STRANGER_LIMIT 1024
#define FILES_BESIDES 64
#define SETTLE_MS 300
#define PATIENCE_MS 60000

/* What the daemon sees. */
typedef struct watcher {
    np_loop *loop;
    np_daemon *daemon;
    np_timer settled;
    np_timer arrived;
    np_conn *conns[CROWD]; /* those that talk */
    size_t talkers;
    size_t messages;
    size_t open;
    size_t want; /* connections to wait for */
    uint64_t allocations_before;
    uint64_t allocations_after;
    uint64_t bytes_after;
    bool done;
} watcher;

static watcher w;

static void hold_all(bool hold)
{
    for (size_t i = 0; i < w.talkers; i++) {
        np_conn_hold(w.conns[i], hold);
    }
}

static void on_arrived(np_loop *loop, np_timer *timer)
{
    (void)loop;
    (void)timer;
    hold_all(false);
}

static np_err on_echo(np_conn *conn, const base_echo *msg, void *user)
{
    (void)user;
    w.messages++;
    if (w.messages == WARM_UP / 2) {
        /* Let everything arrive that can, so that the warm-up has a turn in which all connections
         * are ready. How many blocks are out at once would be a matter of luck otherwise, and one
         * more than ever before would be counted, though no message takes it. */
        hold_all(true);
        np_timer_start(w.loop, &w.arrived, SETTLE_MS);
    }
    if (w.messages == WARM_UP) {
        w.allocations_before = heap_allocations();
    } else if (w.messages == WARM_UP + MEASURED) {
        w.allocations_after = heap_allocations();
        w.done = true;
    }
    return base_echo_send(conn, msg, NULL);
}

static void on_open(np_conn *conn, void *user)
{
    (void)user;
    if (w.open < w.talkers) {
        w.conns[w.open] = conn;
    }
    w.open++;
    if (w.open == w.want) {
        np_timer_start(w.loop, &w.settled, SETTLE_MS);
    }
}

static void on_settled(np_loop *loop, np_timer *timer)
{
    (void)loop;
    (void)timer;
    w.bytes_after = heap_bytes();
    w.done = true;
}

static void start_daemon(const char *address, const np_keypair *keys)
{
    static const base_handlers base = {.on_echo = on_echo};
    static const trade_handlers trade = {.on_order = NULL};
    np_daemon_options options = np_daemon_options_default();

    options.security.plaintext = keys == NULL;
    options.security.identity = keys;
    options.security.anyone = keys != NULL;
    options.handshake_rate_max = 0;
    options.handshake_rate_per_source_max = 0;
    memset(&w, 0, sizeof w);
    options.addresses = &address;
    options.address_count = 1;
    options.service = trade_service(&trade);
    options.base = base_service(&base);
    options.handlers.on_open = on_open;
    options.connections_per_source_max = 0;
    options.half_open_per_source_max = 0;
    options.half_open_max = 0;
    options.conn.hello_timeout_ms = PATIENCE_MS; /* half-open ones stay, too */
    bench_require(np_loop_new(&w.loop, NULL) == NP_OK &&
                      np_daemon_start(&w.daemon, w.loop, &options, NULL) == NP_OK,
                  "the daemon listens");
    np_timer_init(&w.settled, on_settled);
    np_timer_init(&w.arrived, on_arrived);
}

static void stop_daemon(pid_t client)
{
    kill(client, SIGKILL);
    waitpid(client, NULL, 0);
    np_timer_stop(w.loop, &w.settled);
    np_timer_stop(w.loop, &w.arrived);
    np_daemon_free(w.daemon);
    np_loop_free(w.loop);
}

/* The client's process; it ends with this one at the latest. It talks if there is a depth. */
static pid_t start_client(const char *path, size_t connections, size_t depth)
{
    const char *address = np_daemon_address(w.daemon, 0);
    const char *port = strrchr(address, ':');
    pid_t pid = fork();

    bench_require(pid >= 0 && port != NULL, "a client");
    if (pid == 0) {
        static load l;
        load_talk talk = load_talk_to(LOAD_NETPROTO, path != NULL);
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        load_open(&l, &talk, atoi(port + 1), path, connections);
        if (depth > 0) {
            load_run(&l, (size_t)2 * (WARM_UP + MEASURED), depth);
        }
        for (;;) {
            pause();
        }
    }
    return pid;
}

static void measure_traffic(const char *what, const char *address, const char *path,
                            size_t connections, size_t depth)
{
    char note[96];

    if (!bench_allow_files(connections + FILES_BESIDES)) {
        printf("| %s | none | not measured | | | needs `ulimit -n %zu` |\n", what,
               connections + FILES_BESIDES);
        return;
    }
    start_daemon(address, NULL);
    w.talkers = connections;
    pid_t client = start_client(path, connections, depth);
    bench_require(np_loop_run_until(w.loop, &w.done, PATIENCE_MS) == NP_OK, "echoes come in time");
    snprintf(note, sizeof note, "%llu in %d messages over %zu connections",
             (unsigned long long)(w.allocations_after - w.allocations_before), MEASURED,
             connections);
    bench_count_row(what, "none", (double)(w.allocations_after - w.allocations_before) / MEASURED,
                    0, note);
    stop_daemon(client);
}

/* Tells what a plain connection takes, or 0. */
static double measure_idle(const char *what, const char *address, const char *path)
{
    char note[96];

    if (!bench_allow_files(IDLE_CONNECTIONS + FILES_BESIDES)) {
        printf("| %s | %d bytes | not measured | | | needs `ulimit -n %d` |\n", what, IDLE_LIMIT,
               IDLE_CONNECTIONS + FILES_BESIDES);
        return 0;
    }
    start_daemon(address, NULL);
    w.want = IDLE_CONNECTIONS;
    uint64_t before = heap_bytes();
    pid_t client = start_client(path, IDLE_CONNECTIONS, 0);
    bench_require(np_loop_run_until(w.loop, &w.done, PATIENCE_MS) == NP_OK, "all connect in time");
    double each = (double)(w.bytes_after - before) / IDLE_CONNECTIONS;
    snprintf(note, sizeof note, "%.0f bytes for each of %d", each, IDLE_CONNECTIONS);
    bench_row(what, "512 bytes", each / IDLE_LIMIT, 1, note);
    stop_daemon(client);
    return each;
}

/* As many clients of the library's own. */
static pid_t start_secure_clients(const np_keypair *keys, const np_keypair *daemon_keys)
{
    np_client_options options = np_client_options_default();
    pid_t pid = fork();

    bench_require(pid >= 0, "clients");
    if (pid > 0) {
        return pid;
    }
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    options.address = np_daemon_address(w.daemon, 0);
    options.service = trade_service(NULL);
    options.security.identity = keys;
    options.security.keys = daemon_keys->public_key;
    options.security.key_count = 1;
    options.conn.hello_timeout_ms = PATIENCE_MS;
    np_loop *loop = NULL;
    bench_require(np_loop_new(&loop, NULL) == NP_OK, "a loop");
    for (size_t i = 0; i < IDLE_CONNECTIONS; i++) {
        np_client *client = NULL;
        bench_require(np_client_new(&client, loop, &options, NULL) == NP_OK &&
                          np_client_connect_wait(client, NULL) == NP_OK,
                      "a client connects");
    }
    (void)!np_loop_run(loop);
    _exit(0);
}

static void measure_secure(const char *what, double plain)
{
    np_keypair keys[2];
    char note[96];

    if (plain <= 0) {
        return; /* too few files, as was told */
    }
    bench_require(np_keypair_generate(&keys[0]) == NP_OK && np_keypair_generate(&keys[1]) == NP_OK,
                  "keys");
    start_daemon("tcp://127.0.0.1:0", &keys[0]);
    w.want = IDLE_CONNECTIONS;
    uint64_t before = heap_bytes();
    pid_t client = start_secure_clients(&keys[1], &keys[0]);
    bench_require(np_loop_run_until(w.loop, &w.done, PATIENCE_MS) == NP_OK, "all connect in time");
    double each = (double)(w.bytes_after - before) / IDLE_CONNECTIONS;
    snprintf(note, sizeof note, "%.0f bytes for each of %d, %.0f of them for keys and records",
             each, IDLE_CONNECTIONS, each - plain);
    bench_row(what, "1,024 bytes", (each - plain) / SECURE_LIMIT, 1, note);
    stop_daemon(client);
}

/* As many that never say who they are; *come can be read from when all have been answered. */
static pid_t start_strangers(int *come)
{
    const char *port = strrchr(np_daemon_address(w.daemon, 0), ':');
    int ends[2];

    bench_require(port != NULL && pipe(ends) == 0, "a pipe");
    pid_t pid = fork();
    bench_require(pid >= 0, "strangers");
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        strangers_come(atoi(port + 1), IDLE_CONNECTIONS);
        bench_require(write(ends[1], "", 1) == 1, "a pipe");
        for (;;) {
            pause();
        }
    }
    close(ends[1]);
    *come = ends[0];
    return pid;
}

/* Runs the daemon until the strangers are there, and a moment more. */
static void await_strangers(int come)
{
    struct pollfd ready = {.fd = come, .events = POLLIN};
    const bool never = false;

    for (int ms = 0; poll(&ready, 1, 0) == 0; ms++) {
        bench_require(ms < PATIENCE_MS, "all connect in time");
        (void)!np_loop_run_until(w.loop, &never, 1);
    }
    (void)!np_loop_run_until(w.loop, &never, SETTLE_MS);
    bench_require(np_daemon_connections(w.daemon) == IDLE_CONNECTIONS && w.open == 0,
                  "all are half open");
}

static void measure_strangers(const char *what, double plain)
{
    np_keypair keys;
    char note[96];
    int come = -1;

    if (plain <= 0) {
        return; /* too few files, as was told */
    }
    bench_require(np_keypair_generate(&keys) == NP_OK, "keys");
    start_daemon("tcp://127.0.0.1:0", &keys);
    uint64_t before = heap_bytes();
    pid_t client = start_strangers(&come);
    await_strangers(come);
    double each = (double)(heap_bytes() - before) / IDLE_CONNECTIONS;
    snprintf(note, sizeof note, "%.0f bytes for each of %d, %.0f of them for the handshake", each,
             IDLE_CONNECTIONS, each - plain);
    bench_row(what, "1,024 bytes", (each - plain) / STRANGER_LIMIT, 1, note);
    close(come);
    stop_daemon(client);
}

int main(void)
{
    char path[64];
    char address[96];

    snprintf(path, sizeof path, "/tmp/netproto-bench-%ld", (long)getpid());
    snprintf(address, sizeof address, "unix://%s", path);
    measure_traffic("allocations a message, TCP", "tcp://127.0.0.1:0", NULL, CONNECTIONS, DEPTH);
    measure_traffic("allocations a message, unix socket", address, path, CONNECTIONS, DEPTH);
    measure_traffic("allocations a message, TCP, 1,000 connections", "tcp://127.0.0.1:0", NULL,
                    CROWD, 1);
    double plain = measure_idle("heap of an idle connection, TCP", "tcp://127.0.0.1:0", NULL);
    (void)measure_idle("heap of an idle connection, unix socket", address, path);
    measure_secure("heap of a secure connection beyond a plain one", plain);
    measure_strangers("heap of a half-open handshake beyond an idle connection", plain);
    return 0;
}
