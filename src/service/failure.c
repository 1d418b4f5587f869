/* failure.c - stage and cause of whatever went wrong, in words. See np_failure. */
#define _GNU_SOURCE
#include "service/conn_private.h"
#include "util/utc.h"

#include <base.h>

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

static const char *const stage_names[] = {
    [NP_STAGE_NONE] = "none",
    [NP_STAGE_ADDRESS] = "address",
    [NP_STAGE_RESOLVE] = "resolve",
    [NP_STAGE_CONNECT] = "connect",
    [NP_STAGE_LISTEN] = "listen",
    [NP_STAGE_HELLO] = "hello",
    [NP_STAGE_READ] = "read",
    [NP_STAGE_WRITE] = "write",
    [NP_STAGE_FRAME] = "frame",
    [NP_STAGE_DECODE] = "decode",
    [NP_STAGE_CONVERSATION] = "conversation",
    [NP_STAGE_PEER] = "peer",
    [NP_STAGE_LOCAL] = "local",
    [NP_STAGE_HANDLER] = "handler",
    [NP_STAGE_CALL] = "call",
    [NP_STAGE_CLOSE] = "close",
};

const char *np_stage_name(np_stage stage)
{
    size_t index = (size_t)stage;

    return index < sizeof stage_names / sizeof stage_names[0] ? stage_names[index] : "?";
}

/* Adds to the text, as far as there is room. */
__attribute__((format(printf, 2, 3))) static void say(np_failure *failure, const char *format, ...)
{
    size_t used = strlen(failure->text);
    va_list args;

    va_start(args, format);
    (void)vsnprintf(failure->text + used, sizeof failure->text - used, format, args);
    va_end(args);
}

static void say_os_error(np_failure *failure)
{
    char text[96];

    if (failure->os_error != 0) {
        say(failure, " (%s)", strerror_r(failure->os_error, text, sizeof text));
    }
}

/* What one can do about an error of the system's, for those that everybody meets. */
static const char *hint_listen(bool unix_path, int os_error)
{
    switch (os_error) {
    case EADDRINUSE:
        return "somebody listens there already; is the daemon running twice?";
    case EADDRNOTAVAIL:
        return "this machine does not have that address";
    case EACCES:
    case EPERM:
        return unix_path ? "this user may not make a socket in that folder"
                         : "this user may not listen there; ports below 1024 take a privilege";
    case EROFS:
        return "the folder cannot be written to";
    case ENOENT:
    case ENOTDIR:
        return "its folder does not exist; make it first";
    default:
        return NULL;
    }
}

static const char *hint_connect(bool unix_path, int os_error)
{
    switch (os_error) {
    case ECONNREFUSED:
        return "nobody listens there; does the server run, and on that address?";
    case ENOENT:
    case ENOTDIR:
        return "there is no such socket; does the server run?";
    case EACCES:
        return unix_path ? "this user may not use that socket; see the daemon's unix_mode" : NULL;
    default:
        return NULL;
    }
}

/* Where names are sought: the system's own look-up may know more, such as those in .local. */
static const char *hint_resolve(np_err err)
{
    return err == NP_ERR_RESOLVE || err == NP_ERR_DEADLINE
               ? "is the name right? It is sought in /etc/hosts and by the servers of "
                 "/etc/resolv.conf"
               : NULL;
}

static const char *hint(np_stage stage, int os_error, const char *what)
{
    bool unix_path = what != NULL && strncmp(what, "unix:", 5) == 0;

    return stage == NP_STAGE_LISTEN    ? hint_listen(unix_path, os_error)
           : stage == NP_STAGE_CONNECT ? hint_connect(unix_path, os_error)
                                       : NULL;
}

np_err np__failure_set(np_failure *failure, np_stage stage, np_err err, int os_error,
                       const char *what, const char *why)
{
    if (failure == NULL) {
        return err;
    }
    memset(failure, 0, sizeof *failure);
    failure->stage = stage;
    failure->err = err;
    failure->os_error = os_error;
    failure->reason = NP_CONN_NO_REASON;
    say(failure, "%s", np_stage_name(stage));
    if (what != NULL && *what != '\0') {
        char clean[160];
        (void)np_log_escape(np_str_from(what), false, clean, sizeof clean);
        say(failure, " %s", clean);
    }
    say(failure, ": %s", np_err_text(err));
    why = why != NULL ? why : hint(stage, os_error, what);
    if (why != NULL) {
        say(failure, ": %s", why);
    }
    say_os_error(failure);
    if (stage == NP_STAGE_RESOLVE && hint_resolve(err) != NULL) {
        say(failure, "; %s", hint_resolve(err)); /* it goes with any cause */
    }
    return err;
}

static np_stage stage_of(const np_conn *conn, const np_session_event *event)
{
    switch (event->stage) {
    case NP_SESSION_STAGE_NONE:
        return NP_STAGE_NONE;
    case NP_SESSION_STAGE_NEGOTIATE:
        return NP_STAGE_HELLO;
    case NP_SESSION_STAGE_FRAME:
        return conn->opened ? NP_STAGE_FRAME : NP_STAGE_HELLO;
    case NP_SESSION_STAGE_DECODE:
        return conn->opened ? NP_STAGE_DECODE : NP_STAGE_HELLO;
    case NP_SESSION_STAGE_CONVERSATION:
        return conn->opened ? NP_STAGE_CONVERSATION : NP_STAGE_HELLO;
    case NP_SESSION_STAGE_LOCAL:
        return conn->opened ? NP_STAGE_LOCAL : NP_STAGE_HELLO;
    case NP_SESSION_STAGE_PEER:
        return conn->opened ? NP_STAGE_PEER : NP_STAGE_HELLO;
    case NP_SESSION_STAGE_DEADLINE:
        if (event->fault != NULL && strcmp(event->fault->where, NP_SESSION_LATE_CLOSE) == 0) {
            return NP_STAGE_CLOSE;
        }
        if (!conn->opened) {
            return NP_STAGE_HELLO;
        }
        return conn->link.blocked ? NP_STAGE_WRITE : NP_STAGE_READ;
    case NP_SESSION_STAGE_HANDLER:
        return NP_STAGE_HANDLER;
    case NP_SESSION_STAGE_IO:
        return conn->link.write_failed ? NP_STAGE_WRITE : NP_STAGE_READ;
    }
    return NP_STAGE_NONE;
}

/* This side's handlers: the error is theirs, and the peer did nothing wrong. */
static void say_handler(np_failure *failure, const np_session_event *event)
{
    const char *name = event->fault != NULL ? event->fault->where : "a message";
    const char *rule = event->fault != NULL ? event->fault->rule : NULL;

    if (event->err == NP_ERR_NO_HANDLER) {
        say(failure, "handler: no handler for %s%s%s", name, rule != NULL ? ": " : "",
            rule != NULL ? rule : "");
    } else {
        say(failure, "handler of %s returned %s: %s", name, np_err_name(event->err),
            np_err_text(event->err));
    }
}

/* What is not in common, each side's offer, and what to do about it. */
static void say_disagreement(np_failure *failure, const np_session_event *event)
{
    static const struct {
        const char *what, *advice;
    } texts[] = {
        [NP_DISAGREE_PROTOCOL] = {"no protocol in common", "is it the right address?"},
        [NP_DISAGREE_VERSION] = {"no version in common",
                                 "build both sides from schemas that agree in one (npgen breaking "
                                 "tells where they part)"},
        [NP_DISAGREE_CIPHER] = {"no cipher in common",
                                "let both sides take one of them, see security.ciphers"},
        [NP_DISAGREE_SCHEMA] = {"the schemas differ at the same version",
                                "build both sides from the same schema, or raise the version of "
                                "the changed one (see npgen breaking)"},
    };

    say(failure, ": %s: %.*s; %s", texts[event->disagreement].what, (int)event->offers.len,
        event->offers.data, texts[event->disagreement].advice);
}

/* What a refusal by the peer may mean. A client hears it in a record, from the server that it
 * trusts, where that knows its key not; for everything else a peer has no keys to say so. */
static const char *hint_refused(const np_conn *conn, const np_session_event *event)
{
    if (!np_session_is_secure(&conn->link.session)) {
        return "perhaps it takes secure connections only";
    }
    if (!event->unverified) {
        return "the server does not know our key; have it added to those that it lets in";
    }
    if (np__conn_group(conn)->client == NULL) {
        return "it came in the clear, so anybody may have sent it; perhaps it does not trust the "
               "key of this side";
    }
    if (np_session_peer_key(&conn->link.session) == NULL) {
        return "it came in the clear, before any key, so anybody may have sent it; is that a "
               "netproto server, and does nothing in between change bytes?";
    }
    return "it came in the clear, so anybody may have sent it; perhaps only one side "
           "has a pre-shared key for the other, or they differ; the server's log tells";
}

/* The other side let itself be connected to, or connected, and did not say what it had to. */
static const char *hint_silent(const np_conn *conn)
{
    return np__conn_group(conn)->client != NULL
               ? "it took the connection and did not answer in time; is it a netproto server, does "
                 "it run (it may be stopped, or busy), and is the address right?"
               : "it connected and did not say hello in time";
}

/* The server at the other end: a program may have several. The log of a daemon has its peer. */
static void say_server(np_failure *failure, const np_conn *conn)
{
    const char *address = np__conn_group(conn)->address;
    char clean[160];

    if (failure->stage == NP_STAGE_HELLO && address != NULL) {
        (void)np_log_escape(np_str_from(address), false, clean, sizeof clean);
        say(failure, " %s", clean);
    }
}

/* Who has refused us needs our key in order not to; it is no secret. */
static void say_our_key(np_failure *failure, const np_conn *conn, const np_session_event *event)
{
    const np_session_security *security = conn->link.session.options->security;
    char key[NP_KEY_TEXT_LEN];

    if (event->err == NP_ERR_REFUSED && event->by_peer && security != NULL) {
        say(failure, "; our key is %s", np_key_format(security->identity->public_key, key));
    }
}

static void say_distrust(np_failure *failure, const np_conn *conn)
{
    char key[NP_KEY_TEXT_LEN];

    say(failure, ": the peer's key is not trusted: %s; %s",
        np_key_format(np_session_peer_key(&conn->link.session), key),
        np__conn_group(conn)->client != NULL
            ? "if it is the server's, add it to security.keys, or have security.trust say yes to "
              "it; if it is not, somebody may answer in the server's place"
            : "to let it in, add it to security.keys, or have security.trust say yes to it");
}

/* A peer that gave up said why by a number. */
static const char *cause_text(const np_session_event *event)
{
    return event->by_peer && event->err == NP_ERR_FAILED && event->reason != NP_CONN_NO_REASON
               ? np_reason_text(event->reason)
               : np_err_text(event->err);
}

/* What to do about an end before the connection was open, where that is known; else NULL. */
static const char *hint_hello(const np_conn *conn, const np_session_event *event)
{
    bool secure = np_session_is_secure(&conn->link.session);

    switch (event->err) {
    case NP_ERR_REFUSED:
        return event->by_peer ? hint_refused(conn, event) : NULL;
    case NP_ERR_FAILED: /* a secure peer gives other reasons to strangers */
        return secure && event->reason == BASE_REASON_UNEXPECTED
                   ? "the peer does not speak the secure handshake; is it set to plaintext?"
                   : NULL;
    case NP_ERR_UNEXPECTED:
        return secure ? "the peer does not speak the secure handshake; is it set to plaintext?"
                      : "the peer wants a secure connection, and this side is set to plaintext";
    case NP_ERR_VERSION:
        return event->by_peer ? "build both sides from schemas that agree in one version; npgen "
                                "breaking tells where they part"
                              : NULL;
    case NP_ERR_CONST: /* a peer that means to speak it has this much right */
        return event->fault != NULL && strcmp(event->fault->where, "base.frame.magic") == 0
                   ? "the peer does not speak netproto; is the address right, and nothing in "
                     "between that speaks HTTP or TLS?"
                   : NULL;
    case NP_ERR_EOF:
        return np__conn_group(conn)->client != NULL
                   ? "it gave no reason; is it a netproto server, and has it room for one more? "
                     "Its log may tell"
                   : NULL;
    case NP_ERR_SEAL:
        return "the pre-shared keys differ, or somebody in between changes the bytes";
    case NP_ERR_DEADLINE:
        return event->by_peer ? NULL : hint_silent(conn);
    default:
        return NULL;
    }
}

/* Whether it was we who did not trust the peer. */
static bool is_distrust(const np_conn *conn, const np_session_event *event)
{
    return event->err == NP_ERR_REFUSED && !event->by_peer && !conn->opened &&
           event->fault == NULL && /* else it was something else, as about a pre-shared key */
           np_session_peer_key(&conn->link.session) != NULL;
}

/* Whether only one side has a pre-shared key for the other: no other refusal of ours has a fault.
 */
static bool is_psk_on_one_side(const np_conn *conn, const np_session_event *event)
{
    return event->err == NP_ERR_REFUSED && !event->by_peer && !conn->opened &&
           event->fault != NULL && np_session_peer_key(&conn->link.session) != NULL;
}

/* Whether a client met its own key, the only one that it refuses by itself. */
static bool is_reflection(const np_conn *conn, const np_session_event *event)
{
    return event->err == NP_ERR_REFUSED && !event->by_peer && !conn->opened &&
           np__conn_group(conn)->client != NULL && np_session_is_secure(&conn->link.session) &&
           np_session_peer_key(&conn->link.session) == NULL;
}

/* Whether this side ended it so that others get what it had. */
static bool is_giving_way(const np_session_event *event)
{
    bool for_memory = event->err == NP_ERR_LIMIT && event->stage == NP_SESSION_STAGE_LOCAL &&
                      event->fault != NULL && event->fault->rule != NULL;

    return !event->by_peer && (event->err == NP_ERR_BUSY || for_memory);
}

static void say_giving_way(np_failure *failure, const np_session_event *event)
{
    if (event->fault == NULL) {
        say(failure,
            ": too many handshakes are asked for; the line daemon.refused names the bound");
        return;
    }
    say(failure, ": %s: %s", event->fault->where, event->fault->rule);
    if (event->err == NP_ERR_LIMIT) {
        say(failure, "; it held %llu bytes", (unsigned long long)event->fault->got);
    }
}

/* Both clocks: which is wrong, a person sees at once. Where they agree, nothing is wrong with them,
 * but the first message waited, as it does where a server has no time to accept. */
static void say_clocks(np_failure *failure, const np_conn *conn, const np_session_event *event)
{
    char theirs[NP_UTC_LEN];
    char ours[NP_UTC_LEN];

    say(failure,
        ": %s: the peer's says %s, ours %s; set the wrong one, or clock_skew_ms; if they agree, "
        "a message came late: try again",
        np_err_text(event->err), np_utc_format(event->fault->got, theirs),
        np_utc_format(np_loop_now(np__conn_group(conn)->loop).wall_ms, ours));
}

/* Whose pre-shared key it may be. A client's key is read before the seal that proves it opens, so
 * here it is only what the client says of itself: anybody can name a key that is not his. */
static void say_claim(np_failure *failure, const np_conn *conn)
{
    const uint8_t *key = np_session_peer_key(&conn->link.session);
    char text[NP_KEY_TEXT_LEN];

    if (np__conn_group(conn)->client == NULL && key != NULL) {
        say(failure, "; it is a client who claims to be %s", np_key_format(key, text));
    }
}

/* Stage, error, and the fault's words, which have the error's text or say it better. */
static void say_error(np_failure *failure, const np_conn *conn, const np_session_event *event)
{
    const char *why = hint_hello(conn, event);
    char detail[256];

    say(failure, "%s", np_stage_name(failure->stage));
    say_server(failure, conn);
    if (event->disagreement != NP_DISAGREE_NONE) {
        say_disagreement(failure, event);
        return;
    }
    if (is_distrust(conn, event)) {
        say_distrust(failure, conn);
        return;
    }
    if (is_psk_on_one_side(conn, event)) {
        char key[NP_KEY_TEXT_LEN];
        say(failure, ": it came with %s %s; both sides need the same, or none", event->fault->rule,
            np_key_format(np_session_peer_key(&conn->link.session), key));
        return;
    }
    if (is_giving_way(event)) {
        say_giving_way(failure, event);
        return;
    }
    if (is_reflection(conn, event)) {
        say(failure, ": the peer has our own key: each side needs a key file of its own, or "
                     "somebody sends back what we say");
        return;
    }
    if (event->err == NP_ERR_CLOCK && event->fault != NULL && event->fault->err == NP_ERR_CLOCK) {
        say_clocks(failure, conn, event);
        return;
    }
    if (event->fault == NULL || event->fault->err != event->err) {
        say(failure, ": %s", cause_text(event));
    }
    if (event->fault != NULL) {
        say(failure, ": %s", np_fault_format(event->fault, detail, sizeof detail));
    }
    if (failure->stage == NP_STAGE_FRAME && event->err == NP_ERR_SEAL) {
        say(failure, ": somebody in between changes, repeats or drops bytes; connect again");
    }
    if (failure->stage == NP_STAGE_HELLO && why != NULL) {
        say(failure, "; %s", why);
        say_our_key(failure, conn, event);
    }
    if (event->stage == NP_SESSION_STAGE_NEGOTIATE && event->err == NP_ERR_SEAL) {
        say_claim(failure, conn);
    }
}

/* An end in order, with the reason where one was given. */
static void say_goodbye(np_failure *failure, const np_session_event *event)
{
    bool reason = event->reason != NP_CONN_NO_REASON;

    say(failure, "closed by %s%s%s", event->by_peer ? "the peer" : "us", reason ? ": " : "",
        reason ? np_reason_text(event->reason) : "");
}

void np__failure_from_event(np_failure *failure, const np_conn *conn, const np_session_event *event)
{
    char clean[160];

    memset(failure, 0, sizeof *failure);
    failure->stage = event->err == NP_OK ? NP_STAGE_NONE : stage_of(conn, event);
    failure->err = event->err;
    failure->by_peer = event->by_peer;
    failure->unverified = event->unverified;
    failure->os_error = conn->link.os_error;
    failure->reason = event->reason;
    failure->disagreement = event->disagreement;
    if (event->err == NP_OK) {
        say_goodbye(failure, event);
    } else if (failure->stage == NP_STAGE_HANDLER) {
        say_handler(failure, event);
    } else {
        say_error(failure, conn, event);
    }
    if (event->fault != NULL) {
        failure->fault = *event->fault;
    }
    say_os_error(failure);
    if (event->text.len > 0) {
        (void)np_log_escape(event->text, false, clean, sizeof clean);
        say(failure, "; %s: \"%s\"", event->by_peer ? "the peer says" : "text", clean);
    }
}
