/* cmd_decode.c - payloads, or a stream of frames, to JSON. */
#include "tool/tool.h"

#include "tool/frames.h"

#include <getopt.h>
#include <string.h>

typedef struct decode_options {
    const char *protocol;
    uint64_t version;
    bool binary, frames, reply;
} decode_options;

/* 1: go on; 0: done (--help); -1: wrong. */
static int read_options(const tool_command *self, int argc, char **argv, decode_options *options)
{
    static const struct option longs[] = {
        {"protocol", required_argument, NULL, 'p'},
        {"at", required_argument, NULL, 'a'},
        {"binary", no_argument, NULL, 'b'},
        {"frames", no_argument, NULL, 'f'},
        {"reply", no_argument, NULL, 'r'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    int c;

    while ((c = getopt_long(argc, argv, "p:a:bfrh", longs, NULL)) != -1) {
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
        case 'f':
            options->frames = true;
            break;
        case 'r':
            options->reply = true;
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

static tool_exit decode_bytes(const tool_protocol *p, const decode_options *options,
                              const tool_bytes *bytes)
{
    np_json_what what = options->reply ? NP_JSON_REPLY : NP_JSON_MESSAGE;
    const uint8_t *data = bytes->data != NULL ? bytes->data : (const uint8_t *)"";

    if (options->frames) {
        return tool_decode_frames(p, data, bytes->len);
    }
    return tool_print_payload(p, p->version, what, data, bytes->len);
}

static tool_exit from_hex(np_str text, tool_bytes *out)
{
    size_t bad = 0;

    if (!tool_hex_read(text, out, &bad)) {
        tool_complain("not hexadecimal at character %zu", bad + 1);
        return EXIT_CODE_USAGE;
    }
    return EXIT_CODE_OK;
}

/* Every line is one payload in hexadecimal. A bad one does not stop the rest; the first failure is
 * the exit code. */
static tool_exit decode_lines(const tool_protocol *p, const decode_options *options)
{
    tool_bytes line = {0}, bytes = {0};
    tool_exit first = EXIT_CODE_OK;
    bool end = false;

    for (;;) {
        tool_exit code = tool_read_line(stdin, &line, &end);
        if (code != EXIT_CODE_OK) {
            first = code;
            break;
        }
        if (end) {
            break;
        }
        bytes.len = 0;
        code = from_hex((np_str){(const char *)line.data, line.len}, &bytes);
        if (code == EXIT_CODE_OK) {
            code = decode_bytes(p, options, &bytes);
        }
        first = first != EXIT_CODE_OK ? first : code;
    }
    tool_bytes_free(&line);
    tool_bytes_free(&bytes);
    return first;
}

/* The whole input is one payload, or a stream of frames. */
static tool_exit decode_whole(const tool_protocol *p, const decode_options *options)
{
    tool_bytes input = {0}, bytes = {0};
    tool_exit code = tool_read_all(stdin, &input);

    if (code == EXIT_CODE_OK && !options->binary) {
        code = from_hex((np_str){(const char *)input.data, input.len}, &bytes);
    }
    if (code == EXIT_CODE_OK) {
        code = decode_bytes(p, options, options->binary ? &input : &bytes);
    }
    tool_bytes_free(&input);
    tool_bytes_free(&bytes);
    return code;
}

static tool_exit decode_arguments(const tool_protocol *p, const decode_options *options, int argc,
                                  char **argv)
{
    tool_bytes bytes = {0};
    tool_exit code = EXIT_CODE_OK;

    for (int i = 0; i < argc && code == EXIT_CODE_OK; i++) {
        code = from_hex(np_str_from(argv[i]), &bytes);
    }
    if (code == EXIT_CODE_OK) {
        code = decode_bytes(p, options, &bytes);
    }
    tool_bytes_free(&bytes);
    return code;
}

static tool_exit run(const tool_command *self, int argc, char **argv)
{
    decode_options options = {0};
    tool_protocol p = {0};
    int go = read_options(self, argc, argv, &options);

    if (go <= 0) {
        return go == 0 ? EXIT_CODE_OK : EXIT_CODE_USAGE;
    }
    bool given = optind < argc && strcmp(argv[optind], "-") != 0;
    if (given && options.binary) {
        return tool_usage(self, "binary input comes on standard input");
    }
    if (options.frames && options.reply) {
        return tool_usage(self, "--frames does not go with --reply: the frames say what is one");
    }
    if (!given && argc - optind > 1) {
        return tool_usage(self, "- is standard input, and nothing stands behind it");
    }
    tool_exit code = tool_protocol_open(&p, options.protocol, (uint32_t)options.version);
    if (code == EXIT_CODE_OK) {
        code = given ? decode_arguments(&p, &options, argc - optind, argv + optind)
               : options.binary || options.frames ? decode_whole(&p, &options)
                                                  : decode_lines(&p, &options);
    }
    tool_protocol_close(&p);
    return code;
}

const tool_command tool_decode = {
    .name = "decode",
    .synopsis = "[OPTION...] [HEX...|-]",
    .summary = "turn a message's bytes into JSON",
    .help =
        "Prints one line of JSON for each message. HEX is one payload; without it, every line of\n"
        "standard input is one. White space, ':' and \"0x\" between bytes are fine. What is "
        "refused\n"
        "is told with its field, rule and byte, and the bytes around it.\n\n"
        "  -p, --protocol FILE  plugin of the protocol; without: the base protocol\n"
        "  -a, --at VERSION     version of the protocol; without: the newest\n"
        "  -b, --binary         standard input is one payload in raw bytes\n"
        "  -f, --frames         the input is what one side of a plain connection sends: frames,\n"
        "                       with fragments put together; tells offset and stream of each\n"
        "  -r, --reply          the payload answers a request\n\n"
        "Examples:\n\n"
        "  netproto decode 05000000 0500000000000000 68656c6c6f\n"
        "  netproto decode --frames --binary < recorded.bin\n"
        "  netproto decode --protocol ./chat.so --at 1 < payloads.hex\n",
    .run = run,
};
