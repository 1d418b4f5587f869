/* cmd_encode.c - JSON to payloads. */
#include "tool/tool.h"

#include <getopt.h>
#include <string.h>

typedef struct encode_options {
    const char *protocol;
    uint64_t version;
    bool binary;
} encode_options;

/* 1: go on; 0: done (--help); -1: wrong. */
static int read_options(const tool_command *self, int argc, char **argv, encode_options *options)
{
    static const struct option longs[] = {
        {"protocol", required_argument, NULL, 'p'},
        {"at", required_argument, NULL, 'a'},
        {"binary", no_argument, NULL, 'b'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    int c;

    while ((c = getopt_long(argc, argv, "p:a:bh", longs, NULL)) != -1) {
        switch (c) {
        case 'p':
            options->protocol = optarg;
            break;
        case 'a':
            if (!tool_number(self, "--at", optarg, 1, UINT32_MAX, &options->version)) {
                return -1;
            }
            break;
        case 'b':
            options->binary = true;
            break;
        case 'h':
            tool_print_help(self, stdout);
            return 0;
        default:
            (void)tool_usage(self, "see above");
            return -1;
        }
    }
    return 1;
}

static tool_exit encode_one(const tool_protocol *p, const encode_options *options,
                            const np_message *message, np_str json)
{
    np_bytes payload = {NULL, 0};
    tool_exit code = tool_build_payload(p, p->version, message, json, &payload);

    if (code != EXIT_CODE_OK) {
        return code;
    }
    if (options->binary) {
        (void)fwrite(payload.data, 1, payload.len, stdout);
    } else {
        tool_hex_write(stdout, payload.data, payload.len);
    }
    return EXIT_CODE_OK;
}

/* Every line of standard input is one message. */
static tool_exit encode_lines(const tool_protocol *p, const encode_options *options,
                              const np_message *message)
{
    tool_bytes line = {0};
    tool_exit code = EXIT_CODE_OK;
    bool end = false;

    while (code == EXIT_CODE_OK) {
        code = tool_read_line(stdin, &line, &end);
        if (code != EXIT_CODE_OK || end) {
            break;
        }
        code = encode_one(p, options, message, (np_str){(const char *)line.data, line.len});
    }
    tool_bytes_free(&line);
    return code;
}

static tool_exit run(const tool_command *self, int argc, char **argv)
{
    encode_options options = {0};
    tool_protocol p = {0};
    const np_message *message = NULL;
    int go = read_options(self, argc, argv, &options);

    if (go <= 0) {
        return go == 0 ? EXIT_CODE_OK : EXIT_CODE_USAGE;
    }
    int count = argc - optind;
    bool lines = count >= 1 && strcmp(argv[argc - 1], "-") == 0;
    if (count < 1 || count > 2) {
        return tool_usage(self, "it takes a message and its JSON, or -");
    }
    if (count == 1 && tool_is_name(argv[optind])) {
        return tool_usage(self, "the fields are missing: encode %s '{...}'", argv[optind]);
    }
    tool_exit code = tool_protocol_open(&p, options.protocol, (uint32_t)options.version);
    if (code == EXIT_CODE_OK && count == 2) {
        message = tool_protocol_message(&p, argv[optind]);
        code = message == NULL ? EXIT_CODE_JSON : EXIT_CODE_OK;
    }
    if (code == EXIT_CODE_OK) {
        code = lines ? encode_lines(&p, &options, message)
                     : encode_one(&p, &options, message, np_str_from(argv[argc - 1]));
    }
    tool_protocol_close(&p);
    return code;
}

const tool_command tool_encode = {
    .name = "encode",
    .synopsis = "[OPTION...] [MESSAGE] JSON|-",
    .summary = "turn JSON into a message's bytes",
    .help =
        "Prints each payload (u32 id, then the fields) in hexadecimal, one a line. With MESSAGE\n"
        "the JSON holds its fields; without, it names the message itself: {\"Echo\": {...}}.\n"
        "With - every line of standard input is one message, as decode prints them.\n\n"
        "  -p, --protocol FILE  plugin of the protocol; without: the base protocol\n"
        "  -a, --at VERSION     version of the protocol; without: the newest\n"
        "  -b, --binary         raw bytes instead of hexadecimal\n\n"
        "Examples:\n\n"
        "  netproto encode Echo '{\"text\":\"hello\"}'\n"
        "  netproto encode '{\"Ping\":{\"token\":\"18446744073709551615\"}}'\n"
        "  netproto encode Custom '{\"command\":\"x\",\"payload\":\"AAEC\"}' --binary > "
        "custom.bin\n"
        "  netproto decode < many.hex | netproto encode - > same.hex\n",
    .run = run,
};
