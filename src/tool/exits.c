/* exits.c - exit codes, so that scripts can tell what failed. */
#include "tool/tool.h"

#include <base.h>

static const struct {
    tool_exit code;
    const char *text;
} rows[] = {
    /* By code. */
    {EXIT_CODE_OK, "success"},
    {EXIT_CODE_GENERIC, "this machine: memory, files, output, a handler"},
    {EXIT_CODE_USAGE, "wrong options, arguments or addresses"},
    {EXIT_CODE_RESOLVE, "the name could not be resolved"},
    {EXIT_CODE_CONNECT, "the connection could not be made"},
    {EXIT_CODE_NEGOTIATE, "no protocol or version in common, or one side is plain"},
    {EXIT_CODE_DECODE, "a frame or message breaks its rules"},
    {EXIT_CODE_CONVERSATION, "a message at the wrong point of the conversation"},
    {EXIT_CODE_DEADLINE, "connected, and then a deadline passed"},
    {EXIT_CODE_REFUSED, "the peer refused, is busy, or answered with a failure"},
    {EXIT_CODE_CLOSED, "the connection ended too early"},
    {EXIT_CODE_LISTEN, "an address cannot be listened on"},
    {EXIT_CODE_JSON, "the JSON is malformed, or not what the message takes"},
    {EXIT_CODE_PLUGIN, "the protocol's plugin cannot be loaded"},
    {EXIT_CODE_KEYS, "our key, or whom we trust: missing, unsafe or malformed"},
    {EXIT_CODE_TRUST, "the server's key is not the expected one, or not known"},
    {EXIT_CODE_SEAL, "the peer's bytes are not authentic: somebody changed them"},
};

void tool_print_exits(FILE *out)
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        fprintf(out, "  %2d  %s\n", (int)rows[i].code, rows[i].text);
    }
}

const char *tool_exit_text(tool_exit code)
{
    return rows[code].text;
}

tool_exit tool_exit_of(np_err err)
{
    switch (err) {
    case NP_OK:
        return EXIT_CODE_OK;
    case NP_ERR_ADDRESS:
    case NP_ERR_ARG:
        return EXIT_CODE_USAGE;
    case NP_ERR_RESOLVE:
        return EXIT_CODE_RESOLVE;
    case NP_ERR_CONNECT:
        return EXIT_CODE_CONNECT;
    case NP_ERR_VERSION:
        return EXIT_CODE_NEGOTIATE;
    case NP_ERR_UNEXPECTED:
        return EXIT_CODE_CONVERSATION;
    case NP_ERR_DEADLINE:
        return EXIT_CODE_DEADLINE;
    case NP_ERR_RESET:
    case NP_ERR_EOF:
        return EXIT_CODE_CLOSED;
    case NP_ERR_IO:
        return EXIT_CODE_CLOSED;
    case NP_ERR_IN_USE:
        return EXIT_CODE_LISTEN;
    case NP_ERR_JSON:
    case NP_ERR_NEWER:
        return EXIT_CODE_JSON;
    default:
        break;
    }
    switch (np_err_class_of(err)) {
    case NP_CLASS_PROTO:
        return EXIT_CODE_DECODE;
    case NP_CLASS_CRYPTO:
        return EXIT_CODE_SEAL;
    case NP_CLASS_PEER:
        return EXIT_CODE_REFUSED;
    case NP_CLASS_CLOSED:
        return EXIT_CODE_CLOSED;
    default:
        return EXIT_CODE_GENERIC;
    }
}

/* Before the connection is open there is no conversation yet, and nothing is ours to decode. */
static tool_exit exit_of_hello(const np_failure *failure)
{
    bool plain_peer = failure->err == NP_ERR_FAILED && failure->reason == BASE_REASON_UNEXPECTED;

    if (failure->err == NP_ERR_UNEXPECTED || plain_peer) { /* one is plain, the other secure */
        return EXIT_CODE_NEGOTIATE;
    }
    if (failure->err == NP_ERR_REFUSED && !failure->by_peer) {
        return EXIT_CODE_TRUST;
    }
    return tool_exit_of(failure->err);
}

tool_exit tool_exit_of_failure(const np_failure *failure)
{
    switch (failure->stage) {
    case NP_STAGE_ADDRESS:
        return EXIT_CODE_USAGE;
    case NP_STAGE_RESOLVE:
        return EXIT_CODE_RESOLVE;
    case NP_STAGE_CONNECT:
        return EXIT_CODE_CONNECT;
    case NP_STAGE_LISTEN: /* a host's name is none that one can listen on, nowhere */
        return failure->err == NP_ERR_ADDRESS ? EXIT_CODE_USAGE : EXIT_CODE_LISTEN;
    case NP_STAGE_HELLO:
        return exit_of_hello(failure);
    case NP_STAGE_READ:
    case NP_STAGE_WRITE:
    case NP_STAGE_CLOSE:
        return failure->err == NP_ERR_DEADLINE ? EXIT_CODE_DEADLINE : EXIT_CODE_CLOSED;
    case NP_STAGE_HANDLER: /* ours: no message of the peer's was wrong */
        return EXIT_CODE_GENERIC;
    case NP_STAGE_NONE:
        return failure->err == NP_OK ? EXIT_CODE_CLOSED : tool_exit_of(failure->err);
    case NP_STAGE_FRAME:
    case NP_STAGE_DECODE:
    case NP_STAGE_CONVERSATION:
    case NP_STAGE_PEER:
    case NP_STAGE_LOCAL:
    case NP_STAGE_CALL:
        break;
    }
    return tool_exit_of(failure->err);
}

tool_exit tool_failed(const np_failure *failure)
{
    tool_complain("%s", failure->text);
    return tool_exit_of_failure(failure);
}
