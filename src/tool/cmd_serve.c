/* cmd_serve.c - an echo daemon of the base protocol. */
#include "tool/tool.h"

#include <netproto/daemon.h>

#include <base_service.h>

#include <getopt.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

typedef struct serve_options {
    uint64_t connections_max;
    uint64_t memory_max; /* MiB */
    bool verbose;
} serve_options;

typedef struct server {
    np_loop *loop;
    np_daemon *daemon;
    bool stopped;
    sigset_t signals;
} server;

/* 1: go on; 0: done (--help); -1: wrong. */
static int read_options(const tool_command *self, int argc, char **argv, serve_options *options)
{
    static const struct option longs[] = {
        {"connections", required_argument, NULL, 'c'},
        {"memory", required_argument, NULL, 'm'},
        {"verbose", no_argument, NULL, 'v'},
        {"help", no_argument, NULL, 'h'},
        {"protocol", required_argument, NULL, 'p'}, /* to say that there is none */
        {NULL, 0, NULL, 0},
    };
    bool good = true;
    int c;

    while (good && (c = getopt_long(argc, argv, "c:m:vhp:", longs, NULL)) != -1) {
        switch (c) {
        case 'c':
            good = tool_number(self, "--connections", optarg, 1, UINT32_MAX,
                               &options->connections_max);
            break;
        case 'm':
            good = tool_number(self, "--memory", optarg, 1, 1 << 20, &options->memory_max);
            break;
        case 'v':
            options->verbose = true;
            break;
        case 'h':
            tool_print_help(self, stdout);
            return 0;
        case 'p':
            (void)tool_usage(self, "serve speaks the base protocol only");
            return -1;
        default:
            (void)tool_usage(self, "see above");
            return -1;
        }
    }
    return good ? 1 : -1;
}

/* Handlers ---------------------------------------------------------------------------------------
 */

static np_err on_echo(np_conn *conn, const base_echo *msg, void *user)
{
    (void)user;
    return base_echo_send(conn, msg, NULL);
}

static np_err on_data(np_conn *conn, const base_data *msg, void *user)
{
    (void)user;
    return base_data_send(conn, msg, NULL);
}

/* Taken and thrown away: there is no application that would know the command. */
static np_err on_custom(np_conn *conn, const base_custom *msg, void *user)
{
    (void)conn;
    (void)msg;
    (void)user;
    return NP_OK;
}

static const base_handlers handlers = {
    .on_echo = on_echo, .on_data = on_data, .on_custom = on_custom};

/* Ending -----------------------------------------------------------------------------------------
 */

static void on_stopped(np_daemon *daemon, void *user)
{
    server *s = user;

    (void)daemon;
    s->stopped = true;
}

static void stop(np_loop *loop, void *user)
{
    server *s = user;

    (void)loop;
    np_daemon_stop(s->daemon);
}

/* The first signal ends in order, the second one at once. */
static void *watch_signals(void *user)
{
    server *s = user;
    int number = 0;

    if (sigwait(&s->signals, &number) == 0 && np_loop_post(s->loop, stop, s) == NP_OK) {
        (void)sigwait(&s->signals, &number);
    }
    _exit(128 + number);
}

/* Blocked in all threads, so that only the watcher gets them. Before any other thread is made. */
static bool start_watching(server *s)
{
    pthread_t thread;

    if (pthread_create(&thread, NULL, watch_signals, s) != 0) {
        tool_complain("cannot make a thread");
        return false;
    }
    (void)pthread_detach(thread);
    return true;
}

/* Running ----------------------------------------------------------------------------------------
 */

static tool_exit listen_on(server *s, const serve_options *options, int argc, char **argv)
{
    np_daemon_options daemon_options = np_daemon_options_default();
    np_failure failure;

    daemon_options.addresses = (const char *const *)argv;
    daemon_options.address_count = (size_t)argc;
    daemon_options.service = base_service(&handlers);
    daemon_options.connections_max = (uint32_t)options->connections_max;
    daemon_options.conn.queue_max = (size_t)40 << 20; /* twice the greatest Data, and more */
    daemon_options.on_stopped = on_stopped;
    daemon_options.user = s;
    if (np_daemon_start(&s->daemon, s->loop, &daemon_options, &failure) != NP_OK) {
        return tool_link_failed(&failure);
    }
    for (size_t i = 0; np_daemon_address(s->daemon, i) != NULL; i++) {
        printf("listening on %s\n", np_daemon_address(s->daemon, i));
    }
    (void)fflush(stdout);
    return EXIT_CODE_OK;
}

static tool_exit serve(server *s)
{
    np_err err = NP_OK;

    if (!start_watching(s)) {
        return EXIT_CODE_GENERIC;
    }
    while (!s->stopped && (err == NP_OK || err == NP_ERR_DEADLINE)) {
        err = np_loop_run_until(s->loop, &s->stopped, UINT32_MAX);
    }
    if (!s->stopped) {
        tool_complain("%s", np_err_text(err));
        return EXIT_CODE_GENERIC;
    }
    return EXIT_CODE_OK;
}

static tool_exit run(const tool_command *self, int argc, char **argv)
{
    /* The watcher thread may outlive this function; its server does, too. */
    static server s;
    serve_options options = {.connections_max = 10000, .memory_max = 1024};
    np_loop_options loop_options = np_loop_options_default();
    np_log log;
    int go = read_options(self, argc, argv, &options);

    if (go <= 0) {
        return go == 0 ? EXIT_CODE_OK : EXIT_CODE_USAGE;
    }
    if (optind == argc) {
        return tool_usage(self, "it takes at least one address");
    }
    (void)sigemptyset(&s.signals);
    (void)sigaddset(&s.signals, SIGINT);
    (void)sigaddset(&s.signals, SIGTERM);
    (void)pthread_sigmask(SIG_BLOCK, &s.signals, NULL);
    tool_log_init(&log, options.verbose);
    loop_options.log = &log;
    loop_options.memory_max = (size_t)options.memory_max << 20;
    np_err err = np_loop_new(&s.loop, &loop_options);
    if (err != NP_OK) {
        tool_complain("%s", np_err_text(err));
        return EXIT_CODE_GENERIC;
    }
    tool_exit code = listen_on(&s, &options, argc - optind, argv + optind);
    if (code == EXIT_CODE_OK) {
        code = serve(&s);
    }
    np_daemon_free(s.daemon);
    np_loop_free(s.loop);
    return code;
}

const tool_command tool_serve = {
    .name = "serve",
    .synopsis = "[OPTION...] ADDRESS...",
    .summary = "run an echo daemon",
    .help =
        "Speaks the base protocol: Echo and Data come back, Pings are answered, Custom is "
        "dropped.\n"
        "Says on standard output where it listens; port 0 lets the system choose. SIGINT or\n"
        "SIGTERM ends it in order, a second one at once.\n\n"
        "ADDRESS is tcp://host:port, tcp://:port (everywhere), unix:///path or unix://@name.\n\n"
        "  -c, --connections N  at most so many; without: 10000\n"
        "  -m, --memory MIB     in the buffers of all connections; without: 1024\n"
        "  -v, --verbose        log to standard error\n\n"
        "Examples:\n\n"
        "  netproto serve tcp://127.0.0.1:7000\n"
        "  netproto serve tcp://[::1]:0 unix:///tmp/echo.sock\n",
    .run = run,
};
