/* cmd_bench.c - echo round trips: how many a second, and how long they take. */
#include "tool/dial.h"
#include "tool/histogram.h"

#include <base_service.h>

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define CONNECTIONS_MAX 1000u
#define DEPTH_MAX 10000u
#define SIZE_MAX_BYTES 65536u

/* What an Echo's payload has beside its text: id and length. */
#define ECHO_OVERHEAD 12u

typedef struct bench_options {
    tool_dial_options dial;
    uint64_t connections, depth, size, seconds;
    bool json;
} bench_options;

typedef struct bench bench;

/* One connection. Echoes come back in the order they were sent, so the times form a ring. */
typedef struct lane {
    bench *owner;
    uint64_t *sent_ns; /* [depth] */
    uint64_t next, oldest;
} lane;

struct bench {
    const bench_options *options;
    tool_dial dial;
    lane *lanes;
    np_client **clients; /* of the lanes */
    char *text;
    tool_histogram histogram;
    bool answered; /* an Echo has come back */
    bool counting;
    bool finished; /* nothing more is sent */
    bool ended;    /* a connection is gone */
    np_failure failure;
    np_compression compression; /* agreed on; all connections are to the same server */
};

/* 1: go on; 0: done (--help); -1: wrong. */
static int read_options(const tool_command *self, int argc, char **argv, bench_options *options)
{
    static const struct option longs[] = {
        {"connections", required_argument, NULL, 'c'},
        {"depth", required_argument, NULL, 'd'},
        {"size", required_argument, NULL, 's'},
        {"seconds", required_argument, NULL, 'n'},
        {"timeout", required_argument, NULL, 't'},
        {"json", no_argument, NULL, 'j'},
        {"verbose", no_argument, NULL, 'v'},
        {"help", no_argument, NULL, 'h'},
        TOOL_SECURITY_CLIENT,
        TOOL_COMPRESSION,
        {NULL, 0, NULL, 0},
    };
    uint64_t timeout_ms = TOOL_TIMEOUT_MS;
    bool good = true;
    int c;

    while (good && (c = getopt_long(argc, argv, "c:d:s:n:t:jvh", longs, NULL)) != -1) {
        switch (c) {
        case 'c':
            good = tool_number(self, "--connections", optarg, 1, CONNECTIONS_MAX,
                               &options->connections);
            break;
        case 'd':
            good = tool_number(self, "--depth", optarg, 1, DEPTH_MAX, &options->depth);
            break;
        case 's':
            good = tool_number(self, "--size", optarg, 0, SIZE_MAX_BYTES, &options->size);
            break;
        case 'n':
            good = tool_number(self, "--seconds", optarg, 1, 3600, &options->seconds);
            break;
        case 't':
            good = tool_number(self, "--timeout", optarg, 1, UINT32_MAX, &timeout_ms);
            break;
        case 'j':
            options->json = true;
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

/* One echo
 * ----------------------------------------------------------------------------------------- */

static np_err send_one(lane *l, np_conn *conn)
{
    bench *b = l->owner;
    base_echo echo = {{b->text, (size_t)b->options->size}};

    l->sent_ns[l->next % b->options->depth] = tool_now_ns();
    np_err err = base_echo_send(conn, &echo, NULL);
    l->next += err == NP_OK ? 1 : 0;
    return err;
}

/* An echo that differs from what was sent makes the figures worthless. */
static np_err on_echo(np_conn *conn, const base_echo *msg, void *user)
{
    lane *l = np_conn_user(conn);
    bench *b = l->owner;

    (void)user;
    if (l->oldest == l->next || msg->text.len != b->options->size ||
        memcmp(msg->text.data, b->text, msg->text.len) != 0) {
        return NP_ERR_UNEXPECTED;
    }
    b->answered = true;
    uint64_t took_ns = tool_now_ns() - l->sent_ns[l->oldest++ % b->options->depth];
    if (b->counting) {
        tool_histogram_add(&b->histogram, took_ns);
    }
    return b->finished ? NP_OK : send_one(l, conn);
}

static void on_close(np_conn *conn, const np_failure *failure, void *user)
{
    bench *b = user;

    (void)conn;
    if (!b->ended && !b->finished) {
        b->ended = true;
        b->failure = *failure;
    }
}

/* Running
 * ------------------------------------------------------------------------------------------ */

/* To be asked at once: later the server may be about to leave. */
static np_compression agreed_compression(const np_conn *conn)
{
    np_agreed agreed;

    return np_conn_agreed(conn, &agreed) ? agreed.compression : NP_COMPRESSION_NONE;
}

static tool_exit connect_lane(bench *b, uint64_t i, const base_handlers *handlers)
{
    const bench_options *o = b->options;
    np_client_options options = np_client_options_default();
    lane *l = &b->lanes[i];

    l->owner = b;
    l->sent_ns = calloc(o->depth, sizeof *l->sent_ns);
    if (l->sent_ns == NULL) {
        tool_complain("%s", np_err_text(NP_ERR_MEMORY));
        return EXIT_CODE_GENERIC;
    }
    options.service = base_service(handlers);
    options.handlers.on_close = on_close;
    options.handlers.user = b;
    /* All that is under way fits twice: half of the queue is for sends from handlers. */
    options.conn.queue_max = (size_t)(4 * o->depth * (o->size + 64)) + (1 << 20);
    tool_exit code = tool_dial_connect(&b->dial, &b->clients[i], &options);
    if (b->dial.failure.disagreement == NP_DISAGREE_PROTOCOL) {
        tool_complain("bench takes an echo daemon, as netproto serve without --protocol is one");
    }
    if (code == EXIT_CODE_OK) {
        np_conn *conn = np_client_conn(b->clients[i]);
        np_conn_set_user(conn, l);
        b->compression = agreed_compression(conn);
    }
    return code;
}

static tool_exit fill(bench *b)
{
    for (uint64_t i = 0; i < b->options->connections; i++) {
        for (uint64_t k = 0; k < b->options->depth; k++) {
            np_conn *conn = np_client_conn(b->clients[i]);
            np_err err = conn != NULL ? send_one(&b->lanes[i], conn) : NP_ERR_CLOSED;
            if (err != NP_OK) {
                tool_complain("%s", np_err_text(err));
                return tool_exit_of(err);
            }
        }
    }
    return EXIT_CODE_OK;
}

/* Runs the loop for a time; false if a connection ended meanwhile. */
static bool run_for(bench *b, uint32_t ms)
{
    np_err err = np_loop_run_until(b->dial.loop, &b->ended, ms);
    return err == NP_ERR_DEADLINE && !b->ended;
}

/* For who asked for it, and wants to know what the figures are figures of. */
static void print_compression(const bench *b)
{
    np_compression kind = b->compression;
    uint32_t threshold = b->options->dial.compression.options.threshold;
    bool small = b->options->size + ECHO_OVERHEAD < threshold;

    if (!b->options->dial.compression.wanted) {
        return;
    }
    if (kind == NP_COMPRESSION_NONE) {
        printf("not compressed: the server does not do it; start it with --compress\n");
    } else if (small) {
        printf("compression %s, but not of messages below %" PRIu32 " bytes: see --size\n",
               tool_compression_name(kind), threshold);
    } else {
        printf("compression %s\n", tool_compression_name(kind));
    }
}

static void print_result(const bench *b, uint64_t took_ns)
{
    static const struct {
        const char *name;
        uint64_t ppm;
    } rows[] = {{"p50", 500000}, {"p90", 900000}, {"p99", 990000}, {"p999", 999000}};
    const bench_options *o = b->options;
    double seconds = (double)took_ns / 1e9;
    double rate = (double)b->histogram.count / seconds;

    if (o->json) {
        printf("{\"connections\":%" PRIu64 ",\"depth\":%" PRIu64 ",\"size\":%" PRIu64
               ",\"seconds\":%.3f,\"round_trips\":%" PRIu64 ",\"per_second\":%.0f,\"latency_ns\":{",
               o->connections, o->depth, o->size, seconds, b->histogram.count, rate);
    } else {
        printf("%" PRIu64 " connections, %" PRIu64 " under way on each, %" PRIu64 " bytes of text\n"
               "%" PRIu64 " round trips in %.2f s: %.0f per second\n",
               o->connections, o->depth, o->size, b->histogram.count, seconds, rate);
        print_compression(b);
    }
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint64_t ns = tool_histogram_quantile(&b->histogram, rows[i].ppm);
        if (o->json) {
            printf("\"%s\":%" PRIu64 ",", rows[i].name, ns);
        } else {
            printf("  %-5s %10.1f us\n", rows[i].name, (double)ns / 1e3);
        }
    }
    if (o->json) {
        printf("\"most\":%" PRIu64 "},\"compression\":\"%s\"}\n", b->histogram.most,
               tool_compression_name(b->compression));
    } else {
        printf("  %-5s %10.1f us\n", "most", (double)b->histogram.most / 1e3);
    }
}

/* The first Echo belongs to the time that --timeout allows; measuring takes as long as was asked.
 */
static tool_exit wait_for_first(bench *b)
{
    while (!b->answered && !b->ended && !b->dial.late) {
        np_err err = np_loop_run_until(b->dial.loop, &b->answered, 20);
        if (err != NP_OK && err != NP_ERR_DEADLINE && err != NP_ERR_CANCELED) {
            tool_complain("%s", np_err_text(err));
            return tool_exit_of(err);
        }
    }
    if (b->answered) {
        tool_dial_rest(&b->dial);
        return EXIT_CODE_OK;
    }
    return b->ended ? tool_failed(&b->failure) : tool_dial_late(&b->dial, "bench: no Echo came");
}

static tool_exit measure(bench *b)
{
    tool_exit code = fill(b);

    if (code == EXIT_CODE_OK) {
        code = wait_for_first(b);
    }
    if (code != EXIT_CODE_OK) {
        return code;
    }
    /* A tenth of the time to warm up: caches, windows, buffers. */
    uint32_t ms = (uint32_t)b->options->seconds * 1000;
    bool good = run_for(b, ms / 10);
    b->counting = true;
    uint64_t start = tool_now_ns();
    good = good && run_for(b, ms);
    uint64_t took_ns = tool_now_ns() - start;
    b->counting = false;
    if (!good) {
        return tool_failed(&b->failure);
    }
    if (b->histogram.count == 0) {
        tool_complain("bench: not one Echo came back within the %" PRIu64 " s measured",
                      b->options->seconds);
        return EXIT_CODE_DEADLINE;
    }
    print_result(b, took_ns);
    return EXIT_CODE_OK;
}

/* Lines with words and numbers, which compress about as well as what people log and store; letters
 * that are all the same would flatter --compress. */
static void fill_text(char *text, size_t len)
{
    static const char *const words[] = {"connection", "opened", "from",  "closed", "after",
                                        "message",    "bytes",  "queue", "late",   "answer"};
    uint32_t state = 1;
    size_t used = 0;
    char line[64];

    while (used < len) {
        state = state * 1664525u + 1013904223u; /* a linear congruential generator */
        int n = snprintf(line, sizeof line, "%s %s=%" PRIu32 "\n", words[state >> 8 & 7],
                         words[2 + (state >> 12 & 7)], state >> 16);
        size_t take = (size_t)n < len - used ? (size_t)n : len - used;
        memcpy(text + used, line, take);
        used += take;
    }
}

static tool_exit run_bench(bench *b, const base_handlers *handlers)
{
    const bench_options *o = b->options;

    b->lanes = calloc(o->connections, sizeof *b->lanes);
    b->clients = calloc(o->connections, sizeof(np_client *));
    b->text = malloc((size_t)o->size + 1);
    if (b->lanes == NULL || b->clients == NULL || b->text == NULL) {
        tool_complain("%s", np_err_text(NP_ERR_MEMORY));
        return EXIT_CODE_GENERIC;
    }
    fill_text(b->text, (size_t)o->size);
    tool_exit code = tool_dial_open(&b->dial, &o->dial);
    if (code != EXIT_CODE_OK) {
        return code;
    }
    for (uint64_t i = 0; i < o->connections && code == EXIT_CODE_OK; i++) {
        b->dial.patient = i > 0; /* servers bound how fast one address may begin handshakes */
        code = connect_lane(b, i, handlers);
    }
    if (code == EXIT_CODE_OK) {
        code = measure(b);
    }
    b->finished = true;
    if (code == EXIT_CODE_OK) {
        tool_dial_again(&b->dial);
    }
    /* On all connections at once, so that the daemon's log shows no lost ones. */
    return tool_dial_goodbye(&b->dial, b->clients, (size_t)o->connections, code);
}

static void free_bench(bench *b)
{
    for (uint64_t i = 0; b->clients != NULL && i < b->options->connections; i++) {
        np_client_free(b->clients[i]);
    }
    for (uint64_t i = 0; b->lanes != NULL && i < b->options->connections; i++) {
        free(b->lanes[i].sent_ns);
    }
    free(b->clients);
    free(b->lanes);
    free(b->text);
    tool_dial_close(&b->dial);
    free(b);
}

static tool_exit run(const tool_command *self, int argc, char **argv)
{
    static const base_handlers handlers = {.on_echo = on_echo};
    bench_options options = {.connections = 1, .depth = 1, .size = 64, .seconds = 3};
    int go = read_options(self, argc, argv, &options);

    if (go <= 0) {
        return go == 0 ? EXIT_CODE_OK : EXIT_CODE_USAGE;
    }
    if (argc - optind != 1) {
        return tool_usage(self, "it takes one address");
    }
    options.dial.address = argv[optind];
    bench *b = calloc(1, sizeof *b);
    if (b == NULL) {
        tool_complain("%s", np_err_text(NP_ERR_MEMORY));
        return EXIT_CODE_GENERIC;
    }
    b->options = &options;
    tool_exit code = run_bench(b, &handlers);
    free_bench(b);
    return code;
}

const tool_command tool_bench = {
    .name = "bench",
    .synopsis = "[OPTION...] ADDRESS",
    .summary = "measure echo round trips per second",
    .help =
        "Keeps a number of Echoes under way on each connection of an echo daemon (netproto serve)\n"
        "and tells round trips per second and how long they took. One thread. It speaks the base\n"
        "protocol only. With --compress it tells what the server agreed to.\n\n"
        "  -c, --connections N  connections; without: 1\n"
        "  -d, --depth N        Echoes under way on each; without: 1\n"
        "  -s, --size BYTES     of text in each; without: 64\n"
        "  -n, --seconds N      how long; without: 3\n"
        "  -t, --timeout MS     for all but the measuring: to connect, for the first Echo, and\n"
        "                       for the goodbye; without: 10000\n"
        "  -j, --json           the result as one line of JSON\n"
        "  -v, --verbose        log to standard error\n" TOOL_SECURITY_CLIENT_HELP
            TOOL_COMPRESSION_HELP "\n"
        "Examples:\n\n"
        "  netproto bench tcp://127.0.0.1:7000\n"
        "  netproto bench --compress=lz4 -s 4096 tcp://127.0.0.1:7000\n"
        "  netproto bench -c 16 -d 64 -n 10 --json unix:///tmp/echo.sock\n",
    .without_protocol = "it speaks the base protocol only, to an echo daemon such as netproto "
                        "serve without --protocol; netproto ping times the servers of others",
    .run = run,
};
