/* dial.c - see dial.h. */
#include "tool/dial.h"

#include <inttypes.h>
#include <stddef.h>

/* The library's deadlines tell more about their stage than ours, so they come a bit earlier. */
#define SLACK_MS 20u

/* Until a busy server is asked again. */
#define BUSY_PAUSE_MS 50u

/* How long the peer has to take our last words once the run has failed anyway. */
#define LAST_WORDS_MS 200u

static void on_late(np_loop *loop, np_timer *timer)
{
    tool_dial *d = (tool_dial *)(void *)((char *)timer - offsetof(tool_dial, timer));

    d->late = true;
    np_loop_stop(loop);
}

static void grant(tool_dial *d, uint64_t ms)
{
    d->late = false;
    d->until_ns = tool_now_ns() + ms * 1000000u;
    np_timer_start(d->loop, &d->timer, ms + SLACK_MS);
}

void tool_dial_again(tool_dial *d)
{
    grant(d, d->options.timeout_ms);
}

void tool_dial_rest(tool_dial *d)
{
    np_timer_stop(d->loop, &d->timer);
    d->until_ns = UINT64_MAX;
}

uint32_t tool_dial_left_ms(const tool_dial *d)
{
    uint64_t now = tool_now_ns();
    uint64_t ms = d->until_ns > now ? (d->until_ns - now) / 1000000u : 0;

    return ms == 0 ? 1 : ms > d->options.timeout_ms ? d->options.timeout_ms : (uint32_t)ms;
}

tool_exit tool_dial_late(const tool_dial *d, const char *what)
{
    tool_complain("%s: no answer within %" PRIu32 " ms", what, d->options.timeout_ms);
    return EXIT_CODE_DEADLINE;
}

tool_exit tool_dial_open(tool_dial *d, const tool_dial_options *options)
{
    np_loop_options loop_options = np_loop_options_default();
    tool_exit code;

    d->options = *options;
    code = tool_trust_open(&d->trust, &options->security, options->address);
    if (code != EXIT_CODE_OK) {
        return code;
    }
    tool_log_init(&d->log, options->verbose);
    loop_options.log = &d->log;
    np_err err = np_loop_new(&d->loop, &loop_options);
    if (err != NP_OK) {
        tool_complain("%s", np_err_text(err));
        return EXIT_CODE_GENERIC;
    }
    np_timer_init(&d->timer, on_late);
    tool_dial_again(d);
    return EXIT_CODE_OK;
}

void tool_dial_close(tool_dial *d)
{
    if (d->loop != NULL) {
        np_timer_stop(d->loop, &d->timer);
    }
    np_loop_free(d->loop);
    d->loop = NULL;
    tool_trust_close(&d->trust);
}

/* Connecting ----------------------------------------------------------------------------------- */

static void on_step(np_client *client, np_client_step step, void *user)
{
    tool_moments *m = user;

    (void)client;
    switch (step) {
    case NP_CLIENT_STEP_RESOLVED:
        m->resolved = tool_now_ns();
        break;
    case NP_CLIENT_STEP_CONNECTED:
        m->connected = tool_now_ns();
        break;
    case NP_CLIENT_STEP_PEER_KEY:
        m->peer_key = tool_now_ns();
        break;
    }
}

static np_err try_once(tool_dial *d, np_client **client, const np_client_options *given)
{
    np_client_options options = *given;
    uint32_t left_ms = tool_dial_left_ms(d);

    options.address = d->options.address;
    options.security = tool_trust_begin(&d->trust);
    options.connect_timeout_ms = left_ms;
    options.conn.compression = d->options.compression.options;
    options.conn.hello_timeout_ms = 0; /* ours says it better */
    options.conn.close_timeout_ms = d->options.timeout_ms;
    options.conn.fail_timeout_ms = LAST_WORDS_MS;
    options.on_step = on_step;
    options.user = &d->moments;
    d->moments = (tool_moments){.started = tool_now_ns()};
    d->failure = (np_failure){.err = NP_OK};
    np_err err = np_client_new(client, d->loop, &options, &d->failure);
    if (err == NP_OK) {
        err = np_client_connect_wait(*client, &d->failure);
    }
    if (d->failure.err == NP_OK) { /* our deadline stopped the loop */
        d->failure.err = err;
    }
    d->moments.opened = err == NP_OK ? tool_now_ns() : 0;
    return err;
}

/* Our deadline stopped the loop: what the peer did until then tells the stage. */
static tool_exit late_at(const tool_dial *d)
{
    if (d->moments.resolved == 0) {
        (void)tool_dial_late(d, "resolve");
        return EXIT_CODE_RESOLVE;
    }
    if (d->moments.connected == 0) {
        (void)tool_dial_late(d, "connect");
        return EXIT_CODE_CONNECT;
    }
    return tool_dial_late(d, d->trust.begun.plaintext
                                 ? "hello: connected, and then nothing came that makes sense"
                                 : "handshake: connected, and then nothing came that makes sense");
}

/* What a refusal may mean is told only to those who have nothing to lose by it: ourselves. */
static void advise(const tool_dial *d)
{
    const np_failure *failure = &d->failure;
    char text[NP_KEY_TEXT_LEN];

    if (failure->disagreement == NP_DISAGREE_CIPHER) {
        tool_complain("--cipher on both sides names the ciphers: let it name the same, or leave it "
                      "out");
    }
    if (failure->stage != NP_STAGE_HELLO || failure->err != NP_ERR_REFUSED || !failure->by_peer) {
        return;
    }
    if (d->trust.begun.plaintext) {
        tool_complain("try without --plaintext: the server may take secure sessions only");
        return;
    }
    (void)np_key_format(d->trust.identity.public_key, text);
    if (failure->unverified) {
        tool_complain("if it was the server, does it have the same pre-shared key as we? Our key "
                      "is %s",
                      text);
    } else {
        tool_complain("have our key added to the server's authorized keys: %s", text);
    }
}

/* Whether to ask a busy server once more, after a moment. */
static bool try_later(tool_dial *d)
{
    const bool never = false;

    if (d->patient && d->failure.err == NP_ERR_BUSY) {
        (void)!np_loop_run_until(d->loop, &never, BUSY_PAUSE_MS);
        return !d->late;
    }
    return false;
}

/* Says why an attempt failed. */
static tool_exit complain(const tool_dial *d)
{
    tool_exit code;

    if (d->late && d->failure.err != NP_ERR_BUSY) {
        return late_at(d);
    }
    code = tool_failed(&d->failure);
    advise(d);
    return code;
}

tool_exit tool_dial_connect(tool_dial *d, np_client **client, const np_client_options *options)
{
    tool_exit code = EXIT_CODE_OK;

    while (try_once(d, client, options) != NP_OK) {
        np_client_free(*client);
        *client = NULL;
        if (try_later(d)) {
            continue;
        }
        if (!tool_trust_refused(&d->trust)) {
            return complain(d);
        }
        tool_dial_rest(d); /* a person takes longer than a deadline */
        code = tool_trust_decide(&d->trust);
        if (code != EXIT_CODE_OK) {
            return code;
        }
        tool_dial_again(d);
    }
    return EXIT_CODE_OK;
}

/* Goodbye -------------------------------------------------------------------------------------- */

tool_exit tool_dial_goodbye(tool_dial *d, np_client *const *clients, size_t count, tool_exit code)
{
    if (d->loop == NULL) { /* it came to nothing before there was anybody */
        return code;
    }
    if (code != EXIT_CODE_OK && !d->late) {
        grant(d, LAST_WORDS_MS);
    }
    for (size_t i = 0; i < count && !d->late; i++) {
        if (clients[i] != NULL && np_client_conn(clients[i]) != NULL) {
            np_client_close(clients[i]);
        }
    }
    for (size_t i = 0; i < count && !d->late; i++) {
        np_err err = clients[i] != NULL ? np_client_close_wait(clients[i]) : NP_OK;
        if (err != NP_OK && code == EXIT_CODE_OK) {
            code = d->late ? tool_dial_late(d, "close: the peer has not said goodbye")
                           : tool_failed(np_client_failure(clients[i]));
        }
    }
    return code;
}
