/* cmd_serve.c - a daemon that shows what comes: an echo of the base protocol, and of a plugin's
 * protocol every message as JSON. */
#include "tool/admit.h"
#include "tool/answers.h"
#include "tool/compression.h"

#include <netproto/daemon.h>

#include <base_service.h>

#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct serve_options {
    uint64_t connections_max;
    uint64_t memory_max;  /* MiB */
    const char *protocol; /* plugin, or NULL */
    const char **answers; /* room for one an argument */
    size_t answer_count;
    bool verbose;
    tool_security security;
    tool_compression compression;
} serve_options;

typedef struct server {
    struct server *self; /* what the dispatcher's handlers point to */
    np_loop *loop;
    np_daemon *daemon;
    tool_admit admit;
    tool_protocol p; /* with --protocol */
    tool_answers answers;
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
        {"protocol", required_argument, NULL, 'p'},
        {"answer", required_argument, NULL, 'a'},
        TOOL_SECURITY_SERVER,
        TOOL_COMPRESSION,
        {NULL, 0, NULL, 0},
    };
    bool good = true;
    int c;

    while (good && (c = getopt_long(argc, argv, "c:m:vhp:a:", longs, NULL)) != -1) {
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
            options->protocol = optarg;
            break;
        case 'a':
            options->answers[options->answer_count++] = optarg;
            break;
        default:
            good = tool_security_take(&options->security, c, optarg) ||
                   tool_compression_take(&options->compression, c, optarg);
            if (!good) {
                (void)tool_usage(self, "see above");
            }
        }
    }
    if (good && options->answer_count > 0 && options->protocol == NULL) {
        (void)tool_usage(self, "--answer goes with --protocol: base has no requests");
        return -1;
    }
    good = good && tool_security_check(self, &options->security) &&
           tool_compression_check(self, &options->compression, argv + optind);
    return good ? 1 : -1;
}

/* Handlers of base
 * ---------------------------------------------------------------------------------------
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

/* The plugin's messages --------------------------------------------------------------------------
 */

/* One line on standard output. */
static np_err print_message(server *s, const np_conn *conn, const np_incoming *in, np_fault *fault)
{
    np_str text = {NULL, 0};
    np_json_error error;
    np_err err =
        tool_payload_text(&s->p, in->version, NP_JSON_MESSAGE, in->payload, in->len, &text, &error);

    if (err != NP_OK) {
        *fault = error.fault;
        fault->err = err;
        return err;
    }
    (void)printf("{\"connection\":\"%" PRIu64 "\",\"message\":%.*s}\n", np_conn_id(conn),
                 (int)text.len, text.data);
    if (!tool_flush()) {
        np_daemon_stop(s->daemon); /* nobody reads any more; the exit code tells */
    }
    return NP_OK;
}

static np_err answer_request(const server *s, np_call call)
{
    const char *dot = strrchr(call.message->name, '.');
    const tool_answer *answer = tool_answers_find(&s->answers, call.message);
    np_fault fault = {.err = NP_OK};
    char text[256];
    np_err err = NP_OK;

    if (answer == NULL) {
        (void)snprintf(text, sizeof text,
                       "this server has no answer: start it with --answer %s=JSON",
                       dot != NULL ? dot + 1 : call.message->name);
        return np_call_fail(call, BASE_REASON_UNKNOWN_MESSAGE, 0, np_str_from(text));
    }
    err = np_call_reply(call, answer->value, &fault);
    if (err == NP_OK || err == NP_ERR_CLOSED) {
        return NP_OK;
    }
    /* Something in it is newer than what the peer speaks. */
    tool_complain("--answer %s: %s", call.message->name,
                  fault.err == err ? np_fault_format(&fault, text, sizeof text) : np_err_text(err));
    return np_call_fail(call, BASE_REASON_INTERNAL, 0, np_str_from("the answer cannot be sent"));
}

static np_err on_incoming(const void *user, np_conn *conn, const np_incoming *in, np_fault *fault)
{
    server *s = *(server *const *)user; /* handlers are const; what they point to is not */
    np_err err = NP_OK;

    if (in->kind == NP_INCOMING_BODY_BEGIN) {
        *in->whole = true;
        return NP_OK;
    }
    err = print_message(s, conn, in, fault);
    return err == NP_OK && in->call.conn != 0 ? answer_request(s, in->call) : err;
}

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

/* Where, and which key clients will be shown. With --protocol every line is JSON. */
static void say_where(const server *s, bool secure)
{
    char text[256], key[NP_KEY_TEXT_LEN];

    for (size_t i = 0; np_daemon_address(s->daemon, i) != NULL; i++) {
        const char *address = np_daemon_address(s->daemon, i);
        if (s->p.protocol != NULL) {
            (void)np_log_escape(np_str_from(address), true, text, sizeof text);
            printf("{\"listening\":\"%s\"}\n", text);
        } else {
            printf("listening on %s\n", address);
        }
    }
    if (secure) {
        printf(s->p.protocol != NULL ? "{\"key\":\"%s\"}\n" : "key %s\n",
               np_key_format(s->admit.identity.public_key, key));
    }
}

static tool_exit listen_on(server *s, const serve_options *options, const np_security *security,
                           int argc, char **argv)
{
    np_daemon_options daemon_options = np_daemon_options_default();
    np_failure failure;

    daemon_options.security = *security;
    daemon_options.addresses = (const char *const *)argv;
    daemon_options.address_count = (size_t)argc;
    daemon_options.service = base_service(&handlers);
    if (s->p.protocol != NULL) {
        daemon_options.base = daemon_options.service;
        daemon_options.service = (np_service){s->p.protocol, on_incoming, &s->self};
    }
    daemon_options.connections_max = (uint32_t)options->connections_max;
    daemon_options.conn.queue_max = (size_t)40 << 20; /* twice the greatest Data, and more */
    daemon_options.conn.compression = options->compression.options;
    daemon_options.on_stopped = on_stopped;
    daemon_options.user = s;
    if (np_daemon_start(&s->daemon, s->loop, &daemon_options, &failure) != NP_OK) {
        return tool_failed(&failure);
    }
    say_where(s, !security->plaintext);
    /* Whoever was started without an output has nobody to tell; else, a daemon that cannot say
     * where it listens is of no use to anybody. */
    return tool_flush() || tool_output_is_closed() ? EXIT_CODE_OK : tool_output_end(EXIT_CODE_OK);
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

/* A pipe that nobody reads any more is an error of the write: it ends in order. */
static void block_signals(server *s)
{
    (void)signal(SIGPIPE, SIG_IGN);
    (void)sigemptyset(&s->signals);
    (void)sigaddset(&s->signals, SIGINT);
    (void)sigaddset(&s->signals, SIGTERM);
    (void)pthread_sigmask(SIG_BLOCK, &s->signals, NULL);
}

static tool_exit run_server(server *s, const serve_options *options, int argc, char **argv)
{
    np_loop_options loop_options = np_loop_options_default();
    np_security security;
    np_log log;

    s->self = s;
    tool_exit code = tool_admit_open(&s->admit, &options->security, &security);
    if (code == EXIT_CODE_OK && options->protocol != NULL) {
        code = tool_protocol_open(&s->p, options->protocol, 0);
    }
    if (code == EXIT_CODE_OK) {
        code = tool_answers_read(&s->answers, &s->p, options->answers, options->answer_count);
    }
    if (code != EXIT_CODE_OK) {
        return code;
    }
    block_signals(s);
    tool_log_init(&log, options->verbose);
    loop_options.log = &log;
    loop_options.memory_max = (size_t)options->memory_max << 20;
    np_err err = np_loop_new(&s->loop, &loop_options);
    if (err != NP_OK) {
        tool_complain("%s", np_err_text(err));
        return EXIT_CODE_GENERIC;
    }
    code = listen_on(s, options, &security, argc, argv);
    if (code == EXIT_CODE_OK) {
        code = serve(s);
    }
    np_daemon_free(s->daemon);
    np_loop_free(s->loop);
    return code;
}

static tool_exit run(const tool_command *self, int argc, char **argv)
{
    /* The watcher thread may outlive this function; its server does, too. */
    static server s;
    serve_options options = {.connections_max = 10000, .memory_max = 1024};
    tool_exit code = EXIT_CODE_USAGE;

    options.answers = calloc((size_t)argc, sizeof *options.answers);
    if (options.answers == NULL) {
        tool_complain("%s", np_err_text(NP_ERR_MEMORY));
        return EXIT_CODE_GENERIC;
    }
    int go = read_options(self, argc, argv, &options);
    if (go == 0) {
        code = EXIT_CODE_OK;
    } else if (go > 0 && optind == argc) {
        code = tool_usage(self, "it takes at least one address");
    } else if (go > 0) {
        code = run_server(&s, &options, argc - optind, argv + optind);
    }
    tool_admit_close(&s.admit);
    tool_answers_free(&s.answers);
    tool_protocol_close(&s.p);
    free(options.answers);
    return code;
}

const tool_command tool_serve = {
    .name = "serve",
    .synopsis = "[OPTION...] ADDRESS...",
    .summary = "run a daemon that echoes, or shows what comes",
    .help =
        "Without --protocol it speaks the base protocol: Echo and Data come back, Pings are\n"
        "answered, Custom is dropped. It says on standard output where it listens; port 0 lets\n"
        "the system choose. SIGINT or SIGTERM ends it in order, a second one at once.\n\n"
        "Sessions are secure: it needs a key of its own (netproto keygen --server) and has to "
        "know\n"
        "who may come in, by --authorized or --anyone; the key is printed behind the addresses.\n\n"
        "With --protocol it stands in for a server of your protocol. Every message that comes is\n"
        "a line of JSON, {\"connection\":\"1\",\"message\":{\"Say\":{...}}}; the first lines tell\n"
        "where it listens, {\"listening\":\"tcp://...\"}. A request gets the answer that --answer\n"
        "has for it, or a failure which says that there is none. Messages of its own it does not\n"
        "send. The schema's conversation is kept; the base protocol is spoken as above.\n\n"
        "ADDRESS is tcp://host:port, tcp://:port (everywhere), unix:///path or unix://@name; the\n"
        "host is a number, localhost or *: names are not looked up.\n\n"
        "  -p, --protocol FILE  plugin of the protocol; without: the base protocol\n"
        "  -a, --answer REQUEST=JSON\n"
        "                       answer that request so; checked at the start; once for each\n"
        "  -c, --connections N  at most so many; without: 10000\n"
        "  -m, --memory MIB     in the buffers of all connections; without: 1024\n"
        "  -v, --verbose        log to standard error\n" TOOL_SECURITY_SERVER_HELP
            TOOL_COMPRESSION_HELP "\n"
        "Examples:\n\n"
        "  netproto serve tcp://127.0.0.1:7000\n"
        "  netproto serve --anyone tcp://:7000\n"
        "  netproto serve --anyone --compress tcp://:7000\n"
        "  netproto serve tcp://[::1]:0 unix:///tmp/echo.sock\n"
        "  netproto --protocol ./hello.so serve --anyone tcp://127.0.0.1:7000 \\\n"
        "      --answer 'Greet={\"text\":\"hello, world\",\"number\":1}'\n",
    .run = run,
};
