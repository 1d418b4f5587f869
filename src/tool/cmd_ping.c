/* cmd_ping.c - how long a Ping takes to come back as a Pong. */
#include "tool/link.h"

#include <base.h>

#include <inttypes.h>

typedef struct ping_options {
    tool_dial_options dial;
    const char *protocol; /* plugin, or NULL */
    uint64_t count;
    uint64_t interval_ms;
} ping_options;

/* One ping under way. */
typedef struct ping_state {
    uint64_t token;
    uint64_t sent_ns, took_ns;
    bool done;
} ping_state;

/* 1: go on; 0: done (--help); -1: wrong. */
static int read_options(const tool_command *self, int argc, char **argv, ping_options *options)
{
    static const struct option longs[] = {
        {"protocol", required_argument, NULL, 'p'},
        {"timeout", required_argument, NULL, 't'},
        {"count", required_argument, NULL, 'c'},
        {"interval", required_argument, NULL, 'i'},
        {"verbose", no_argument, NULL, 'v'},
        {"help", no_argument, NULL, 'h'},
        TOOL_SECURITY_CLIENT,
        TOOL_COMPRESSION,
        {NULL, 0, NULL, 0},
    };
    uint64_t timeout_ms = TOOL_TIMEOUT_MS;
    bool good = true;
    int c;

    while (good && (c = getopt_long(argc, argv, "p:t:c:i:vh", longs, NULL)) != -1) {
        switch (c) {
        case 'p':
            options->protocol = optarg;
            break;
        case 't':
            good = tool_number(self, "--timeout", optarg, 1, UINT32_MAX, &timeout_ms);
            break;
        case 'c':
            good = tool_number(self, "--count", optarg, 1, UINT32_MAX, &options->count);
            break;
        case 'i':
            good = tool_number(self, "--interval", optarg, 0, UINT32_MAX, &options->interval_ms);
            break;
        case 'v':
            options->dial.verbose = true;
            break;
        case 'h':
            tool_print_help(self, stdout);
            return 0;
        default:
            good = tool_security_take(&options->dial.security, c, optarg) ||
                   tool_compression_take(&options->dial.compression, c, optarg);
            if (!good) {
                (void)tool_usage(self, "see above");
            }
        }
    }
    options->dial.timeout_ms = (uint32_t)timeout_ms;
    good = good && tool_security_check(self, &options->dial.security) &&
           tool_compression_check(self, &options->dial.compression, argv + optind);
    return good ? 1 : -1;
}

/* Anything but our Pong is none of our business. */
static np_err on_incoming(const void *user, np_conn *conn, const np_incoming *in, np_fault *fault)
{
    ping_state *state = *(ping_state *const *)user;
    base_pong pong;

    (void)conn;
    if (in->call.conn != 0) {
        return NP_ERR_NO_HANDLER;
    }
    if (in->id != BASE_PONG_ID) {
        return NP_OK;
    }
    np_err err = base_pong_decode(&pong, in->payload, in->len, fault);
    if (err == NP_OK && pong.token == state->token) {
        state->took_ns = tool_now_ns() - state->sent_ns;
        state->done = true;
    }
    return err;
}

static tool_exit ping_one(tool_link *link, ping_state *state)
{
    const np_message *message = np_protocol_message(&base_protocol, BASE_PING_ID);
    base_ping ping = {++state->token};

    state->done = false;
    state->sent_ns = tool_now_ns();
    np_err err = np_client_send(link->client, message, &ping, NULL);
    if (err != NP_OK && !link->ended) {
        tool_complain("%s", np_err_text(err));
        return tool_exit_of(err);
    }
    return tool_link_wait(link, &state->done, "ping");
}

static void print_time(const char *name, uint64_t ns)
{
    printf("%s%" PRIu64 ".%03" PRIu64 " ms", name, ns / 1000000, ns / 1000 % 1000);
}

/* Our own time, not the peer's. */
static void pause_between(tool_link *link, uint64_t ms)
{
    tool_dial_rest(&link->dial);
    if (ms > 0) {
        (void)!np_loop_run_until(link->dial.loop, &link->ended, (uint32_t)ms);
    }
    tool_dial_again(&link->dial);
}

static tool_exit ping_all(tool_link *link, const ping_options *options, ping_state *state)
{
    uint64_t least = UINT64_MAX, most = 0, sum = 0, answered = 0;
    tool_exit code = EXIT_CODE_OK;

    for (uint64_t i = 0; i < options->count && code == EXIT_CODE_OK; i++) {
        if (i > 0) {
            pause_between(link, options->interval_ms);
        }
        code = ping_one(link, state);
        if (code != EXIT_CODE_OK) {
            break;
        }
        printf("pong from %s: seq=%" PRIu64 " ", options->dial.address, i + 1);
        print_time("time=", state->took_ns);
        printf("\n");
        if (!tool_flush()) {
            break; /* nobody reads any more; the exit code tells */
        }
        least = state->took_ns < least ? state->took_ns : least;
        most = state->took_ns > most ? state->took_ns : most;
        sum += state->took_ns;
        answered++;
    }
    if (answered > 1) {
        printf("%" PRIu64 " answered: ", answered);
        print_time("least ", least);
        print_time(", mean ", sum / answered);
        print_time(", most ", most);
        printf("\n");
    }
    return code;
}

static tool_exit run(const tool_command *self, int argc, char **argv)
{
    ping_options options = {.count = 4, .interval_ms = 1000};
    tool_link link = {0};
    ping_state state = {0};
    ping_state *user = &state;
    int go = read_options(self, argc, argv, &options);

    if (go <= 0) {
        return go == 0 ? EXIT_CODE_OK : EXIT_CODE_USAGE;
    }
    if (argc - optind != 1) {
        return tool_usage(self, "it takes one address");
    }
    options.dial.address = argv[optind];
    tool_exit code = tool_link_open(&link, &options.dial, options.protocol, on_incoming, &user);
    if (code == EXIT_CODE_OK) {
        code = ping_all(&link, &options, &state);
    }
    return tool_link_close(&link, code);
}

const tool_command tool_ping = {
    .name = "ping",
    .synopsis = "[OPTION...] ADDRESS",
    .summary = "measure round trips",
    .help = "Connects, agrees on the protocol, and sends Pings.\n\n"
            "  -c, --count N        how many; without: 4\n"
            "  -i, --interval MS    pause between them; without: 1000\n"
            "  -t, --timeout MS     for the whole run with one Ping; each further one has as much\n"
            "                       again; without: 10000\n"
            "  -p, --protocol FILE  plugin of the protocol that the daemon speaks\n"
            "  -v, --verbose        log to standard error\n" TOOL_SECURITY_CLIENT_HELP
                TOOL_COMPRESSION_HELP "\n"
            "Examples:\n\n"
            "  netproto ping tcp://127.0.0.1:7000\n"
            "  netproto ping -c 1 -t 500 unix:///run/x.sock || echo dead\n",
    .run = run,
};
