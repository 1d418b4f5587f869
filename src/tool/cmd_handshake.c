/* cmd_handshake.c - what opening a connection consists of: stages, times, keys, what is agreed on.
 */
#include "tool/link.h"

#include <inttypes.h>

typedef struct handshake_options {
    tool_dial_options dial;
    const char *protocol; /* plugin, or NULL */
    bool json;
} handshake_options;

/* 1: go on; 0: done (--help); -1: wrong. */
static int read_options(const tool_command *self, int argc, char **argv, handshake_options *options)
{
    static const struct option longs[] = {
        {"protocol", required_argument, NULL, 'p'},
        {"timeout", required_argument, NULL, 't'},
        {"json", no_argument, NULL, 'j'},
        {"verbose", no_argument, NULL, 'v'},
        {"help", no_argument, NULL, 'h'},
        TOOL_SECURITY_CLIENT,
        {NULL, 0, NULL, 0},
    };
    uint64_t timeout_ms = TOOL_TIMEOUT_MS;
    bool good = true;
    int c;

    while (good && (c = getopt_long(argc, argv, "p:t:jvh", longs, NULL)) != -1) {
        switch (c) {
        case 'p':
            options->protocol = optarg;
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
            good = tool_security_take(&options->dial.security, c, optarg);
            if (!good) {
                (void)tool_usage(self, "see above");
            }
        }
    }
    options->dial.timeout_ms = (uint32_t)timeout_ms;
    return good && tool_security_check(self, &options->dial.security) ? 1 : -1;
}

/* What the server says first is none of our business, but its right. */
static np_err on_incoming(const void *user, np_conn *conn, const np_incoming *in, np_fault *fault)
{
    (void)user;
    (void)conn;
    (void)fault;
    return in->call.conn != 0 ? NP_ERR_NO_HANDLER : NP_OK;
}

/* Stages ----------------------------------------------------------------------------------------
 */

/* A stage lasts from the end of the one before it. */
typedef struct stage {
    const char *name; /* for machines */
    const char *text; /* for people */
    uint64_t end;     /* 0: there was none, or the run ended before */
} stage;

#define STAGE_COUNT 4

static void list_stages(const tool_link *link, stage stages[STAGE_COUNT])
{
    const tool_moments *m = &link->dial.moments;
    bool secure = !link->dial.trust.begun.plaintext;

    stages[0] = (stage){"resolve", "resolve: the address is known", m->resolved};
    stages[1] = (stage){"connect", "connect: the transport stands", m->connected};
    stages[2] = (stage){"peer_key", "handshake: the server has proved its key", m->peer_key};
    stages[3] =
        secure ? (stage){"open", "handshake: it has taken ours, the session is open", m->opened}
               : (stage){"open", "hello: the version is agreed on", m->opened};
}

static void print_ms(uint64_t ns)
{
    printf("%" PRIu64 ".%03" PRIu64, ns / 1000000, ns / 1000 % 1000);
}

static void print_stages(const tool_link *link, bool json)
{
    stage stages[STAGE_COUNT];
    uint64_t before = link->dial.moments.started;
    const char *comma = "";

    list_stages(link, stages);
    for (size_t i = 0; i < STAGE_COUNT; i++) {
        if (stages[i].end == 0) {
            continue;
        }
        if (json) {
            printf("%s{\"stage\":\"%s\",\"ns\":%" PRIu64 "}", comma, stages[i].name,
                   stages[i].end - before);
        } else {
            printf("%-52s ", stages[i].text);
            print_ms(stages[i].end - before);
            printf(" ms\n");
        }
        comma = ",";
        before = stages[i].end;
    }
}

/* What was agreed on ----------------------------------------------------------------------------
 */

static void print_digest(const uint8_t digest[32])
{
    for (size_t i = 0; i < 32; i++) {
        printf("%02x", digest[i]);
    }
}

/* What is known however the attempt ends: the beginning of the object. */
static void print_json_head(const tool_link *link, const tool_dial_options *options)
{
    char text[2 * NP_KEY_PATH_LEN];

    (void)np_log_escape(np_str_from(options->address), true, text, sizeof text);
    printf("{\"address\":\"%s\",\"secure\":%s,\"stages\":[", text,
           options->security.plaintext ? "false" : "true");
    if (link->dial.moments.started != 0) {
        print_stages(link, true);
    }
    printf("]");
}

static void print_json_agreed(const tool_link *link, const np_agreed *agreed)
{
    const tool_trust *trust = &link->dial.trust;
    char key[NP_KEY_TEXT_LEN];

    if (agreed->cipher != NULL) {
        printf(",\"peer_key\":\"%s\"", np_key_format(trust->shown, key));
        printf(",\"own_key\":\"%s\"", np_key_format(trust->identity.public_key, key));
        printf(",\"cipher\":\"%s\",\"pre_shared_key\":%s", agreed->cipher,
               trust->has_psk ? "true" : "false");
    }
    printf(",\"protocol\":\"%s\",\"version\":%" PRIu32 ",\"digest\":\"", agreed->protocol,
           agreed->version);
    print_digest(agreed->digest);
    printf("\",\"compression\":\"%s\",\"features\":\"%" PRIu64 "\"",
           tool_compression_name(agreed->compression), agreed->features);
}

/* Where it came to its end: one of the stages, or what comes before and between them. */
static const char *failed_at(const tool_link *link, tool_exit code)
{
    const tool_moments *m = &link->dial.moments;

    if (code == EXIT_CODE_TRUST) {
        return "trust";
    }
    if (m->started == 0) {
        return code == EXIT_CODE_PLUGIN  ? "protocol"
               : code == EXIT_CODE_USAGE ? "address"
               : code == EXIT_CODE_KEYS  ? "keys"
                                         : "start";
    }
    if (m->opened != 0) {
        return "close";
    }
    if (m->resolved == 0) {
        return code == EXIT_CODE_USAGE ? "address" : "resolve";
    }
    return m->connected == 0                                            ? "connect"
           : !link->dial.options.security.plaintext && m->peer_key == 0 ? "peer_key"
                                                                        : "open";
}

/* The error in it. What is no error of the library's has the words of the table of exit codes;
 * standard error tells more. */
static void print_json_error(const tool_link *link, tool_exit code)
{
    const np_failure *failure =
        link->dial.failure.err != NP_OK ? &link->dial.failure : &link->failure;
    bool late = link->dial.late && failure->err != NP_ERR_BUSY;
    np_err err = late ? NP_ERR_DEADLINE : failure->err;
    char text[2 * sizeof failure->text];

    printf(",\"error\":{\"stage\":\"%s\",\"name\":", failed_at(link, code));
    if (err != NP_OK) {
        printf("\"%s\"", np_err_name(err));
    } else {
        printf("null");
    }
    if (late) {
        printf(",\"text\":\"no answer within %" PRIu32 " ms\"", link->dial.options.timeout_ms);
    } else {
        const char *said = err != NP_OK ? failure->text : tool_exit_text(code);
        (void)np_log_escape(np_str_from(said), true, text, sizeof text);
        printf(",\"text\":\"%s\"", text);
    }
    printf(",\"exit\":%d}", (int)code);
}

static void print_text(const tool_link *link, const np_agreed *agreed)
{
    const tool_trust *trust = &link->dial.trust;
    char key[NP_KEY_TEXT_LEN];

    print_stages(link, false);
    printf("\n");
    if (agreed->cipher != NULL) {
        printf("server's key    %s\n", np_key_format(trust->shown, key));
        printf("trusted         %s\n", trust->hosts[0] != '\0' ? "known host" : "--peer");
        printf("own key         %s\n", np_key_format(trust->identity.public_key, key));
        printf("cipher          %s\n", agreed->cipher);
        printf("pre-shared key  %s\n", trust->has_psk ? "yes" : "no");
    } else {
        printf("plain text      no keys and no secrecy\n");
    }
    printf("protocol        %s, version %" PRIu32 "\ndigest          ", agreed->protocol,
           agreed->version);
    print_digest(agreed->digest);
    printf("\ncompression     %s\nfeatures        %" PRIu64 "\n",
           tool_compression_name(agreed->compression), agreed->features);
}

static tool_exit show(const tool_link *link, bool json)
{
    np_agreed agreed;

    if (link->ended || !np_conn_agreed(np_client_conn(link->client), &agreed)) {
        return tool_failed(&link->failure);
    }
    (json ? print_json_agreed : print_text)(link, &agreed);
    return EXIT_CODE_OK;
}

/* Offers all there is, to learn what the server chooses. */
static np_compression_options every_compression(void)
{
    np_compression_options options = np_compression_options_default();

    options.preferred[0] = NP_COMPRESSION_ZSTD;
    options.preferred[1] = NP_COMPRESSION_LZ4;
    return options;
}

static tool_exit run(const tool_command *self, int argc, char **argv)
{
    handshake_options options = {.json = false};
    tool_link link = {.client = NULL};
    int go = read_options(self, argc, argv, &options);

    if (go <= 0) {
        return go == 0 ? EXIT_CODE_OK : EXIT_CODE_USAGE;
    }
    if (argc - optind != 1) {
        return tool_usage(self, "it takes one address");
    }
    options.dial.address = argv[optind];
    options.dial.compression.options = every_compression();
    tool_exit code = tool_link_open(&link, &options.dial, options.protocol, on_incoming, NULL);
    if (options.json) {
        print_json_head(&link, &options.dial);
    }
    if (code == EXIT_CODE_OK) {
        code = show(&link, options.json);
    } else if (!options.json && link.dial.moments.started != 0) {
        print_stages(&link, false); /* however far it came */
    }
    code = tool_link_close(&link, code);
    if (options.json && code != EXIT_CODE_OK) {
        print_json_error(&link, code);
    }
    if (options.json) {
        printf("}\n");
    }
    return code;
}

const tool_command tool_handshake = {
    .name = "handshake",
    .synopsis = "[OPTION...] ADDRESS",
    .summary = "open a connection, show stages, keys and what is agreed on",
    .help =
        "Connects, and tells how long each stage took, which key the server proved to hold, which\n"
        "one is ours, and what was agreed on. A key is its own fingerprint: compare all of it.\n"
        "It offers all kinds of compression, so it shows which one the server would choose.\n"
        "Where it fails, the stages up to there are shown, and the exit code tells the next; with\n"
        "--json the object has an \"error\" then: where, which, in words, and the exit code.\n\n"
        "  -p, --protocol FILE  plugin of the protocol that the daemon speaks\n"
        "  -t, --timeout MS     for the whole run; without: 10000\n"
        "  -j, --json           the result as one line of JSON\n"
        "  -v, --verbose        log to standard error\n" TOOL_SECURITY_CLIENT_HELP "\n"
        "Examples:\n\n"
        "  netproto handshake tcp://127.0.0.1:7000\n"
        "  netproto handshake --json --peer \"$(netproto key --server)\" unix:///run/x.sock\n",
    .run = run,
};
