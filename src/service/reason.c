/* reason.c - the base protocol's Reason for people and logs; np_reason_name, np_reason_text. */
#include <base.h>

#include <netproto/conn.h>

static const struct {
    const char *name, *text;
} rows[] = {
    [BASE_REASON_VERSION] = {"version", "no protocol, version or feature in common"},
    [BASE_REASON_CLOCK] = {"clock", "the clocks of the two sides differ too much"},
    [BASE_REASON_BUSY] = {"busy", "too many connections, or too much to do"},
    [BASE_REASON_REFUSED] = {"refused", "not allowed"},
    [BASE_REASON_MALFORMED] = {"malformed", "the bytes break the protocol"},
    [BASE_REASON_UNEXPECTED] = {"unexpected",
                                "the message is not allowed at this point of the conversation"},
    [BASE_REASON_UNKNOWN_MESSAGE] = {"unknown_message",
                                     "no such message in this version, or no handler for it"},
    [BASE_REASON_LIMIT] = {"limit", "a limit was exceeded"},
    [BASE_REASON_TIMEOUT] = {"timeout", "it took too long"},
    [BASE_REASON_INTERNAL] = {"internal", "the other side failed while serving it"},
};

#define ROWS (sizeof rows / sizeof rows[0])

const char *np_reason_name(uint32_t reason)
{
    return reason == NP_CONN_NO_REASON ? "none" : reason < ROWS ? rows[reason].name : "?";
}

const char *np_reason_text(uint32_t reason)
{
    if (reason == NP_CONN_NO_REASON) {
        return "no reason was given";
    }
    return reason < ROWS ? rows[reason].text : "a reason that this version does not know";
}
