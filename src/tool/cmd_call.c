/* cmd_call.c - sends messages and requests, prints what comes back. */
#include "tool/link.h"

#include <base.h>

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

typedef struct call_options {
    tool_dial_options dial;
    const char *protocol; /* plugin, or NULL */
    uint64_t linger_ms;
} call_options;

/* One exchange: what was sent, and what would answer it. */
typedef struct exchange {
    tool_link *link;
    uint32_t expects; /* id of the message that answers, where it is no request */
    bool waiting;     /* for that message, or for the answer of a request */
    bool done;
    bool unread; /* what is printed: standard output is broken */
    tool_exit code;
    const np_message *message;
    uint64_t count; /* of messages before this one */
} exchange;

/* 1: go on; 0: done (--help); -1: wrong. */
static int read_options(const tool_command *self, int argc, char **argv, call_options *options)
{
    static const struct option longs[] = {
        {"protocol", required_argument, NULL, 'p'},
        {"timeout", required_argument, NULL, 't'},
        {"linger", required_argument, NULL, 'l'},
        {"verbose", no_argument, NULL, 'v'},
        {"help", no_argument, NULL, 'h'},
        TOOL_SECURITY_CLIENT,
        TOOL_COMPRESSION,
        {NULL, 0, NULL, 0},
    };
    uint64_t timeout_ms = TOOL_TIMEOUT_MS;
    int c;

    while ((c = getopt_long(argc, argv, "p:t:l:vh", longs, NULL)) != -1) {
        switch (c) {
        case 'p':
            options->protocol = optarg;
            break;
        case 't':
            if (!tool_number(self, "--timeout", optarg, 1, UINT32_MAX, &timeout_ms)) {
                return -1;
            }
            break;
        case 'l':
            if (!tool_number(self, "--linger", optarg, 0, UINT32_MAX, &options->linger_ms)) {
                return -1;
            }
            break;
        case 'v':
            options->dial.verbose = true;
            break;
        case 'h':
            tool_print_help(self, stdout);
            return 0;
        default:
            if (!tool_security_take(&options->dial.security, c, optarg) &&
                !tool_compression_take(&options->dial.compression, c, optarg)) {
                (void)tool_usage(self, "see above");
                return -1;
            }
        }
    }
    options->dial.timeout_ms = (uint32_t)timeout_ms;
    return tool_security_check(self, &options->dial.security) &&
                   tool_compression_check(self, &options->dial.compression, argv + optind)
               ? 1
               : -1;
}

/* Coming in
 * ---------------------------------------------------------------------------------------- */

/* Every message is printed; the peer's requests are refused, since nobody here could answer. */
static np_err on_incoming(const void *user, np_conn *conn, const np_incoming *in, np_fault *fault)
{
    exchange *x = *(exchange *const *)user;

    (void)conn;
    (void)fault;
    if (in->call.conn != 0) {
        return NP_ERR_NO_HANDLER;
    }
    if (in->id == BASE_PONG_ID && x->expects != BASE_PONG_ID) {
        return NP_OK;
    }
    tool_exit code =
        tool_print_payload(&x->link->p, in->version, NP_JSON_MESSAGE, in->payload, in->len);
    x->unread = !tool_flush();
    if (x->waiting && in->id == x->expects) {
        x->code = code;
        x->done = true;
    }
    return NP_OK;
}

static void say_refusal(const tool_link *link, np_err err)
{
    const np_call_failure *failure = np_client_call_failure(link->client);
    char text[TOOL_ESCAPED(256)] = "";

    if (failure == NULL) {
        tool_complain("%s", np_err_text(err));
        return;
    }
    (void)np_log_escape(failure->text, false, text, sizeof text);
    tool_complain("%s: %s, code %" PRIu32 "%s%s%s", np_err_text(err),
                  np_reason_name(failure->reason), failure->code, text[0] != '\0' ? ": \"" : "",
                  text, text[0] != '\0' ? "\"" : "");
}

static void on_answer(np_client *client, np_err err, const void *payload, size_t len,
                      uint32_t version, void *user, np_fault *fault)
{
    exchange *x = user;

    (void)client;
    (void)fault;
    x->done = true;
    if (err == NP_OK) {
        x->code = tool_print_payload(&x->link->p, version, NP_JSON_REPLY, payload, len);
        x->unread = !tool_flush();
        return;
    }
    if (np_err_class_of(err) == NP_CLASS_PEER) {
        say_refusal(x->link, err);
    } else if (!x->link->ended) {
        tool_complain("%s: %s", x->message->name, np_err_text(err));
    }
    x->code = tool_exit_of(err);
}

/* Going out
 * ---------------------------------------------------------------------------------------- */

/* The message that an echo daemon answers with; 0 where nothing is expected: Ping's own id. */
static uint32_t answer_of(uint32_t id)
{
    return id == BASE_ECHO_ID || id == BASE_DATA_ID ? id : id == BASE_PING_ID ? BASE_PONG_ID : 0;
}

static tool_exit send_failed(np_err err, const np_fault *fault)
{
    char line[256];

    if (fault->err != NP_OK) {
        tool_complain("%s", np_fault_format(fault, line, sizeof line));
    } else {
        tool_complain("%s", np_err_text(err));
    }
    return tool_exit_of(err);
}

/* Reads the payload back into the C struct that sending takes. */
static tool_exit send_payload(exchange *x, np_bytes payload)
{
    tool_link *link = x->link;
    uint32_t id = np_get_u32(payload.data);
    uint32_t version = 0;
    np_fault fault = {0};
    bool own = tool_protocol_json(&link->p, id, np_conn_version(np_client_conn(link->client)),
                                  &version) == link->p.json;
    const np_protocol *protocol = own ? link->p.protocol : &base_protocol;

    x->message = np_protocol_message(protocol, id);
    void *value = malloc(x->message->codec->c_size);
    if (value == NULL) {
        tool_complain("%s", np_err_text(NP_ERR_MEMORY));
        return EXIT_CODE_GENERIC;
    }
    np_reader r = np_reader_start(payload.data, payload.len, version, &fault);
    r.p += 4;
    np_err err = x->message->codec->read(&r, value);
    if (err == NP_OK && x->message->kind == NP_MESSAGE_REQUEST) {
        x->waiting = true;
        err = np_client_call_within(link->client, x->message, value, tool_dial_left_ms(&link->dial),
                                    on_answer, x, &fault);
    } else if (err == NP_OK) {
        x->expects = protocol == &base_protocol ? answer_of(id) : 0;
        x->waiting = x->expects != 0;
        err = np_client_send(link->client, x->message, value, &fault);
    }
    free(value);
    return err == NP_OK ? EXIT_CODE_OK : send_failed(err, &fault);
}

/* Each message after the first has the deadline to itself. */
static tool_exit exchange_one(exchange *x, const np_message *message, np_str json)
{
    tool_link *link = x->link;
    np_bytes payload = {NULL, 0};
    np_conn *conn = np_client_conn(link->client);

    if (x->count++ > 0) {
        tool_dial_again(&link->dial);
    }
    if (conn == NULL) { /* it is ending, and how it ends is perhaps still to come */
        const bool never = false;
        return tool_link_wait(link, &never, message != NULL ? message->name : "call");
    }
    x->expects = 0;
    x->waiting = x->done = false;
    x->code = EXIT_CODE_OK;
    tool_exit code = tool_build_payload(&link->p, np_conn_version(conn), message, json, &payload);
    if (code == EXIT_CODE_OK) {
        code = send_payload(x, payload);
    }
    if (code == EXIT_CODE_OK && x->waiting) {
        code = tool_link_wait(link, &x->done, x->message->name);
        code = code == EXIT_CODE_OK ? x->code : code;
    }
    x->waiting = false;
    return code;
}

/* Every line of standard input is one message, sent when the one before it has been answered, until
 * nobody reads what is printed; the exit code tells that. */
static tool_exit exchange_lines(exchange *x, const np_message *message)
{
    tool_bytes line = {0};
    tool_exit code = EXIT_CODE_OK;
    bool end = false;

    while (code == EXIT_CODE_OK && !x->unread) {
        x->count++; /* however long the line takes to come */
        code = tool_read_line(stdin, &line, &end);
        if (code != EXIT_CODE_OK || end) {
            break;
        }
        code = exchange_one(x, message, (np_str){(const char *)line.data, line.len});
    }
    if (code == EXIT_CODE_OK) {
        tool_dial_again(&x->link->dial); /* for the goodbye, however long the end was in coming */
    }
    tool_bytes_free(&line);
    return code;
}

/* Stays a while; what comes is printed as it comes, as long as somebody reads it. */
static tool_exit linger(exchange *x, uint64_t ms)
{
    tool_link *link = x->link;
    uint64_t end_ns = tool_now_ns() + ms * 1000000;
    tool_exit code = EXIT_CODE_OK;
    np_err err = NP_ERR_DEADLINE;

    tool_dial_rest(&link->dial);
    for (uint64_t now = tool_now_ns(); err == NP_ERR_DEADLINE && !x->unread && now < end_ns;
         now = tool_now_ns()) {
        uint64_t left_ms = (end_ns - now) / 1000000 + 1;
        err = np_loop_run_until(link->dial.loop, &link->ended,
                                (uint32_t)(left_ms < 20 ? left_ms : 20));
    }
    if (err == NP_OK && link->failure.err != NP_OK) {
        code = tool_failed(&link->failure);
    }
    tool_dial_again(&link->dial);
    return code;
}

static tool_exit run(const tool_command *self, int argc, char **argv)
{
    call_options options = {0};
    tool_link link = {0};
    exchange x = {.link = &link};
    exchange *user = &x; /* handlers are const; what they point to need not be */
    const np_message *message = NULL;
    int go = read_options(self, argc, argv, &options);

    if (go <= 0) {
        return go == 0 ? EXIT_CODE_OK : EXIT_CODE_USAGE;
    }
    int count = argc - optind;
    if (count < 2 || count > 3) {
        return tool_usage(self, "it takes an address, a message and its JSON, or -");
    }
    if (count == 2 && tool_is_name(argv[optind + 1])) {
        return tool_usage(self, "the fields are missing: call %s %s '{...}'", argv[optind],
                          argv[optind + 1]);
    }
    options.dial.address = argv[optind];
    tool_exit code = tool_link_open(&link, &options.dial, options.protocol, on_incoming, &user);
    if (code == EXIT_CODE_OK && count == 3) {
        message = tool_protocol_message(&link.p, argv[optind + 1]);
        code = message == NULL ? EXIT_CODE_JSON : EXIT_CODE_OK;
    }
    if (code == EXIT_CODE_OK) {
        code = strcmp(argv[argc - 1], "-") == 0
                   ? exchange_lines(&x, message)
                   : exchange_one(&x, message, np_str_from(argv[argc - 1]));
    }
    if (code == EXIT_CODE_OK && options.linger_ms > 0) {
        code = linger(&x, options.linger_ms);
    }
    return tool_link_close(&link, code);
}

const tool_command tool_call = {
    .name = "call",
    .synopsis = "[OPTION...] ADDRESS [MESSAGE] JSON|-",
    .summary = "send a message or request, print the answer",
    .help =
        "Connects, sends, and prints what comes back as lines of JSON: the answer of a request,\n"
        "the echo of Echo and Data, the Pong of a Ping. Other messages are sent and expect\n"
        "nothing; --linger prints what the peer sends meanwhile. With - every line of standard\n"
        "input is one message, sent when the one before it was answered.\n\n"
        "ADDRESS is tcp://host:port, tcp://[::1]:port, unix:///path or unix://@name.\n\n"
        "  -p, --protocol FILE  plugin of the protocol; without: the base protocol\n"
        "  -t, --timeout MS     for the whole run; each message after the first has as much\n"
        "                       again; without: 10000\n"
        "  -l, --linger MS      stay so long after the last one and print what comes\n"
        "  -v, --verbose        log to standard error\n" TOOL_SECURITY_CLIENT_HELP
            TOOL_COMPRESSION_HELP "\n"
        "Examples:\n\n"
        "  netproto call tcp://127.0.0.1:7000 Echo '{\"text\":\"hello\"}'\n"
        "  netproto call --peer \"$(cat server.pub)\" tcp://host:7000 Ping '{\"token\":1}'\n"
        "  netproto call unix:///run/x.sock '{\"Ping\":{\"token\":1}}'\n"
        "  netproto call --compress tcp://localhost:7000 Echo - < texts.ndjson\n\n"
        "With examples/chat, whose conversation begins with an answered Join:\n\n"
        "  printf '%s\\n' '{\"Join\":{\"name\":\"ann\",\"room\":\"garden\"}}' \\\n"
        "                '{\"Find\":{\"name\":\"ann\"}}' |\n"
        "      netproto --protocol ./chat.so call tcp://127.0.0.1:7000 -\n",
    .run = run,
};
