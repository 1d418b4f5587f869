/* messages.c - one message of each kind, there and back. */
#include "demo_program.h"

#include <stdio.h>
#include <stdlib.h>

/* 15 MiB: what the schema of Data allows. */
#define BODY_LEN (15u * 1024 * 1024)
#define PIECE_LEN (64u * 1024)

/* One client and what has come in last. */
typedef struct guest {
    np_loop *loop;
    np_client *client;
    demo_handlers handlers;
    base_handlers base;
    bool done;     /* what was waited for has come, or the connection has ended */
    bool lost;     /* it has ended */
    bool writable; /* the queue has room again */
    char text[512];
    np_bytes want; /* payload of the Custom that should come back */
    uint64_t length, checksum;
} guest;

static void tell(guest *g, const char *text)
{
    (void)snprintf(g->text, sizeof g->text, "%s", text);
    g->done = true;
}

static np_err on_echo(np_conn *conn, const base_echo *msg, void *user)
{
    guest *g = user;

    (void)conn;
    (void)snprintf(g->text, sizeof g->text, "\"%.*s\"", (int)msg->text.len, msg->text.data);
    g->done = true;
    return NP_OK;
}

static np_err on_custom(np_conn *conn, const base_custom *msg, void *user)
{
    guest *g = user;

    (void)conn;
    tell(g, np_bytes_equal(msg->payload, g->want) ? "the same" : "other bytes");
    return NP_OK;
}

static np_err on_note(np_conn *conn, const demo_note *msg, void *user)
{
    guest *g = user;
    np_iter it = {0};
    np_str tag;
    int used = 0;

    (void)conn;
    used = snprintf(g->text, sizeof g->text, "%.*s", (int)msg->title.len, msg->title.data);
    while (np_list_str_next(&msg->tags, &it, &tag) && used > 0 && used < 120) {
        used += snprintf(g->text + used, sizeof g->text - (size_t)used, " #%.*s", (int)tag.len,
                         tag.data);
    }
    if (msg->mood.tag == DEMO_MOOD_BUSY && used > 0 && used < 120) {
        (void)snprintf(g->text + used, sizeof g->text - (size_t)used, " busy until %llu",
                       (unsigned long long)msg->mood.busy.until_ms);
    }
    g->done = true;
    return NP_OK;
}

static np_err on_received(np_conn *conn, const demo_received *msg, void *user)
{
    guest *g = user;

    (void)conn;
    g->length = msg->length;
    g->checksum = msg->checksum;
    g->done = true;
    return NP_OK;
}

static void on_writable(np_conn *conn, void *user)
{
    guest *g = user;

    (void)conn;
    g->writable = true;
}

static void on_close(np_conn *conn, const np_failure *failure, void *user)
{
    guest *g = user;

    (void)conn;
    g->lost = true;
    g->writable = true;
    tell(g, failure->text);
}

/* Waits for the answer to what was sent with `err`, and says what came. */
static bool answered(guest *g, np_err err)
{
    if (err == NP_OK) {
        err = np_loop_run_until(g->loop, &g->done, DEMO_PATIENCE_MS);
    }
    if (err != NP_OK) {
        tell(g, np_err_text(err));
    }
    return err == NP_OK && !g->lost;
}

/* Sends a message and waits for its answer; returns the time in us. */
static double exchange(guest *g, const np_message *message, const void *value, bool *ok)
{
    uint64_t begin = demo_now_ns();

    g->done = false;
    *ok = answered(g, np_client_send(g->client, message, value, NULL));
    return (double)(demo_now_ns() - begin) / 1e3;
}

static void show_plain(guest *g)
{
    static const uint8_t bytes[] = {0xDE, 0xAD, 0x00, 0xFF};
    const np_str tags[] = {np_str_from("one"), np_str_from("two")};
    base_echo echo = {np_str_from("hello, daemon")};
    base_custom custom = {np_str_from("back"), {bytes, sizeof bytes}};
    demo_note note = {.title = np_str_from("lunch"),
                      .tags = {.items = tags, .count = 2},
                      .mood = {.tag = DEMO_MOOD_BUSY, .busy = {1893456000000}}};
    bool ok = false;
    double us = exchange(g, BASE_ECHO_MESSAGE, &echo, &ok);

    ok = ok && strcmp(g->text, "\"hello, daemon\"") == 0;
    demo_row(ok, "Echo", us, "text; came back: %s", g->text);

    g->want = custom.payload;
    us = exchange(g, BASE_CUSTOM_MESSAGE, &custom, &ok);
    ok = ok && strcmp(g->text, "the same") == 0;
    demo_row(ok, "Custom", us, "bytes; came back: %s", g->text);

    us = exchange(g, DEMO_NOTE_MESSAGE, &note, &ok);
    ok = ok && strcmp(g->text, "lunch #one #two busy until 1893456000000") == 0;
    demo_row(ok, "Note", us, "list, enum; came back: %s", g->text);
}

static void show_requests(guest *g)
{
    int32_t numbers[1001];
    np_arena arena = np_arena_make(4096);
    demo_sum sum = {{.items = numbers, .count = 1000}};
    demo_total total = {.sum = 0};
    np_fault fault = {.err = NP_OK};
    char text[512];
    uint64_t begin = demo_now_ns();
    np_err err = NP_OK;

    for (int32_t i = 0; i < 1001; i++) {
        numbers[i] = i + 1;
    }
    err = demo_sum_call_wait(g->client, &sum, &arena, &total, &fault);
    demo_row(err == NP_OK && total.sum == 500500, "Sum", (double)(demo_now_ns() - begin) / 1e3,
             "request: 1 + 2 + ... + %u = %lld", (unsigned)total.count, (long long)total.sum);

    sum.numbers.count = 1001;
    err = demo_sum_call_wait(g->client, &sum, &arena, &total, &fault);
    demo_row(err == NP_ERR_TOO_LONG, "Sum of too many", -1, "not sent: %s",
             np_fault_format(&fault, text, sizeof text));
    np_arena_fini(&arena);
}

/* Only a done function gets to know what a peer says about a request that it refuses. */
static void on_refused(np_conn *conn, np_err err, const demo_total *answer, void *user,
                       const np_fault *fault)
{
    guest *g = user;
    const np_call_failure *failure = np_conn_call_failure(conn);

    (void)answer;
    (void)fault;
    if (failure != NULL) {
        (void)snprintf(g->text, sizeof g->text, "%s: \"%.*s\", code %u", np_err_text(err),
                       (int)failure->text.len, failure->text.data, (unsigned)failure->code);
    } else {
        (void)snprintf(g->text, sizeof g->text, "%s", np_err_text(err));
    }
    g->done = true;
}

static void show_refusal(guest *g)
{
    demo_sum sum = {{.count = 0}};
    uint64_t begin = demo_now_ns();
    np_err err = NP_ERR_CLOSED;
    bool ok = false;

    g->done = false;
    if (!g->lost) {
        err = demo_sum_call(np_client_conn(g->client), &sum, on_refused, g, NULL);
    }
    ok = answered(g, err) && strstr(g->text, "\"nothing to add up\", code 42") != NULL;
    demo_row(ok, "Sum of nothing", (double)(demo_now_ns() - begin) / 1e3, "request; %s", g->text);
}

/* A body takes what its part of the queue has room for; on_writable says when to go on. */
static np_err write_all(guest *g, np_body body, const uint8_t *data, size_t len)
{
    size_t taken = 0;
    np_err err = NP_OK;

    while (err == NP_OK && len > 0) {
        g->writable = false;
        err = np_conn_body_write(body, data, len, &taken);
        data += taken;
        len -= taken;
        if ((err == NP_OK && len > 0) || err == NP_ERR_FULL) {
            err = np_loop_run_until(g->loop, &g->writable, DEMO_PATIENCE_MS);
        }
    }
    return err;
}

/* Sends the body in pieces; *sum is what the daemon should answer. */
static np_err send_body(guest *g, uint64_t *sum)
{
    base_data data = {.name = np_str_from("body")};
    uint8_t *piece = malloc(PIECE_LEN);
    np_body body;
    np_err err = NP_ERR_CLOSED;

    if (piece != NULL && !g->lost) {
        err = base_data_begin(np_client_conn(g->client), &data, BODY_LEN, &body, NULL);
    }
    for (uint32_t at = 0; at < BODY_LEN && err == NP_OK; at += PIECE_LEN) {
        for (uint32_t i = 0; i < PIECE_LEN; i += 8) {
            (void)np_put_u64(piece + i, (at + i) * UINT64_C(0x9E3779B97F4A7C15));
        }
        *sum = demo_checksum(*sum, piece, PIECE_LEN);
        err = write_all(g, body, piece, PIECE_LEN);
    }
    if (err == NP_OK) {
        err = np_conn_body_end(body);
    }
    while (err == NP_ERR_FULL && !g->lost) {
        g->writable = false;
        err = np_loop_run_until(g->loop, &g->writable, DEMO_PATIENCE_MS);
        err = err == NP_OK ? np_conn_body_end(body) : err;
    }
    free(piece);
    return err;
}

static void show_body(guest *g)
{
    uint64_t begin = demo_now_ns();
    uint64_t sum = 0;
    double us = 0;
    bool ok = false;

    g->done = false;
    g->length = 0;
    ok = answered(g, send_body(g, &sum)) && g->length == BODY_LEN && g->checksum == sum;
    us = (double)(demo_now_ns() - begin) / 1e3;
    if (ok) {
        demo_row(ok, "Data", us, "15 MiB in pieces of 64 KiB, checked there: %.0f MiB/s",
                 15e6 / us);
    } else {
        demo_row(ok, "Data", us, "15 MiB in pieces of 64 KiB: %s", g->text);
    }
}

void demo_messages(demo_mode mode, const char *address)
{
    guest g = {.done = false};
    np_client_options options = np_client_options_default();
    np_failure failure = {.err = NP_OK};
    uint64_t begin = demo_now_ns();
    np_err err = np_loop_new(&g.loop, NULL);

    options.security = demo_client_security(mode);
    g.handlers = (demo_handlers){.on_note = on_note, .on_received = on_received, .user = &g};
    g.base = (base_handlers){.on_echo = on_echo, .on_custom = on_custom, .user = &g};
    options.address = address;
    options.service = demo_service(&g.handlers);
    options.base = base_service(&g.base);
    options.handlers =
        (np_conn_handlers){.on_close = on_close, .on_writable = on_writable, .user = &g};
    if (err == NP_OK) {
        err = np_client_new(&g.client, g.loop, &options, &failure);
    }
    if (err == NP_OK) {
        err = np_client_connect_wait(g.client, &failure);
    }
    demo_row(err == NP_OK, mode == DEMO_SECURE ? "handshake" : "Hello, Welcome",
             (double)(demo_now_ns() - begin) / 1e3,
             mode == DEMO_SECURE ? "each has proved its key to the other; all else is encrypted%s%s"
                                 : "connected, protocol and version agreed on%s%s",
             err == NP_OK ? "" : ": ", failure.text);
    if (err == NP_OK) {
        show_plain(&g);
        show_requests(&g);
        show_refusal(&g);
        show_body(&g);
        begin = demo_now_ns();
        err = np_client_close_wait(g.client);
        demo_row(err == NP_OK, "Disconnect", (double)(demo_now_ns() - begin) / 1e3,
                 "both sides have said goodbye");
    }
    np_client_free(g.client);
    np_loop_free(g.loop);
}
