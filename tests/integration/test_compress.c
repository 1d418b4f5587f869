/* Compression over real sockets: what a daemon and a client agree on, what that saves, bodies that
 * stream, and a peer that sends bombs. */
#include "support/demo_service.h"
#include "support/samples.h"

#include <base_service.h>

#include "core/framing.h"
#include "service/conn_private.h"
#include "transport/loop_private.h"

#include <linux/tcp.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define LEN ((size_t)1024 * 1024)
#define BODY_LEN ((size_t)12 * 1024 * 1024)

typedef struct side {
    np_conn *conn;
    bool opened, closed, done;
    np_failure failure;
    size_t got;
    bool wrong;
    np_body body; /* ours, on its way */
    size_t sent;
} side;

typedef struct world {
    np_loop *loop;
    np_daemon *daemon;
    np_client *client;
    side server, user;
} world;

static uint8_t text[BODY_LEN];
static uint8_t noise[LEN];

static int set_up(void **state)
{
    (void)state;
    samples_text(text, sizeof text, 1);
    samples_random(noise, sizeof noise, 1);
    return 0;
}

/* The connection ---------------------------------------------------------------------------- */

static void on_open(np_conn *conn, void *user)
{
    side *s = user;

    s->conn = conn;
    s->opened = true;
}

static void on_close(np_conn *conn, const np_failure *failure, void *user)
{
    side *s = user;

    (void)conn;
    s->closed = true;
    s->failure = *failure;
}

/* The answer to a Say: what was said, which is compared with `expected`. */
static const uint8_t *expected;

static np_err on_say(np_conn *conn, const demo_say *msg, void *user)
{
    side *s = user;

    (void)conn;
    s->got = msg->data.len;
    s->wrong = memcmp(msg->data.data, expected, msg->data.len) != 0;
    s->done = true;
    return NP_OK;
}

typedef struct wishes {
    np_compression daemon[2], client[2];
    int level;
    uint32_t threshold; /* 0: the default */
} wishes;

static void wish(np_conn_options *options, const np_compression preferred[2], int level)
{
    memcpy(options->compression.preferred, preferred, sizeof options->compression.preferred);
    options->compression.zstd_level = level;
}

static void start(world *w, const wishes *set, demo_handlers *client_handlers)
{
    const char *addresses[] = {"tcp://127.0.0.1:0"};
    np_daemon_options daemon = demo_daemon_options(&demo_echo, addresses, 1);
    np_client_options client;
    np_failure failure;

    memset(w, 0, sizeof *w);
    *client_handlers = (demo_handlers){on_say, NULL, &w->user};
    demo_must(np_loop_new(&w->loop, NULL), NULL);
    wish(&daemon.conn, set->daemon, set->level);
    if (set->threshold > 0) {
        daemon.conn.compression.threshold = set->threshold;
    }
    daemon.handlers =
        (np_conn_handlers){.on_open = on_open, .on_close = on_close, .user = &w->server};
    demo_must(np_daemon_start(&w->daemon, w->loop, &daemon, &failure), &failure);
    client = demo_client_options(client_handlers, np_daemon_address(w->daemon, 0));
    wish(&client.conn, set->client, set->level);
    client.conn.compression.threshold = daemon.conn.compression.threshold;
    client.handlers =
        (np_conn_handlers){.on_open = on_open, .on_close = on_close, .user = &w->user};
    demo_must(np_client_new(&w->client, w->loop, &client, &failure), &failure);
    demo_must(np_client_connect_wait(w->client, &failure), &failure);
    demo_run(w->loop, &w->server.opened);
}

static void end(world *w)
{
    np_client_free(w->client);
    np_daemon_free(w->daemon);
    assert_int_equal(np__loop_pool(w->loop)->live, 0);
    np_loop_free(w->loop);
}

/* Bytes that a connection has written to its socket. */
static uint64_t written(const np_conn *conn)
{
    struct tcp_info info;
    socklen_t len = sizeof info;

    memset(&info, 0, sizeof info);
    assert_int_equal(getsockopt(conn->link.stream.fd, IPPROTO_TCP, TCP_INFO, &info, &len), 0);
    return info.tcpi_bytes_sent - info.tcpi_bytes_retrans;
}

/* Says it and waits for the echo. */
static void echo(world *w, const uint8_t *bytes, size_t len)
{
    demo_say say = {{bytes, len}};

    expected = bytes;
    w->user.done = false;
    demo_must(np_client_send(w->client, demo_message_say, &say, NULL), NULL);
    demo_run(w->loop, &w->user.done);
    assert_int_equal(w->user.got, len);
    assert_false(w->user.wrong);
}

/* The same; returns what both ways took of the wire. */
static uint64_t weigh(world *w, const uint8_t *bytes, size_t len)
{
    uint64_t before = written(w->user.conn) + written(w->server.conn);

    echo(w, bytes, len);
    return written(w->user.conn) + written(w->server.conn) - before;
}

static void test_what_it_saves(void **state)
{
    const np_compression none = NP_COMPRESSION_NONE;
    const np_compression lz4 = NP_COMPRESSION_LZ4;
    const np_compression zstd = NP_COMPRESSION_ZSTD;
    const struct {
        wishes set;
        bool on;
    } cases[] = {
        {{{none, none}, {none, none}, 1, 0}, false}, {{{lz4, none}, {none, none}, 1, 0}, false},
        {{{lz4, none}, {zstd, none}, 1, 0}, false},  {{{lz4, none}, {lz4, none}, 1, 0}, true},
        {{{zstd, lz4}, {lz4, zstd}, 1, 0}, true},    {{{zstd, none}, {zstd, none}, 19, 0}, true},
        {{{lz4, none}, {lz4, none}, 1, 5000}, true},
    };
    (void)state;

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        demo_handlers handlers;
        world w;
        uint32_t threshold = cases[i].set.threshold;
        start(&w, &cases[i].set, &handlers);
        for (size_t len = 300; len <= LEN; len = len * 15 / 2) {
            bool on = cases[i].on && len >= (threshold > 0 ? threshold : 512);
            uint64_t bytes = weigh(&w, text, len);
            assert_true(on ? bytes < 2 * len * 4 / 5 : bytes >= 2 * len);
            bytes = weigh(&w, noise, len);
            assert_in_range(bytes, 2 * len, 2 * (len + len / 256 + 100));
        }
        end(&w);
    }
}

static void test_a_higher_level_saves_more(void **state)
{
    uint64_t bytes[2];

    (void)state;
    for (int i = 0; i < 2; i++) {
        const wishes set = {{NP_COMPRESSION_ZSTD}, {NP_COMPRESSION_ZSTD}, i == 0 ? 1 : 19, 0};
        demo_handlers handlers;
        world w;
        start(&w, &set, &handlers);
        bytes[i] = weigh(&w, text, LEN);
        end(&w);
    }
    assert_true(bytes[1] < bytes[0]);
}

/* Several connections of a loop share its contexts, also while one is being written to. */
static void test_many_clients(void **state)
{
    static const wishes zstd = {{NP_COMPRESSION_ZSTD, NP_COMPRESSION_NONE},
                                {NP_COMPRESSION_ZSTD, NP_COMPRESSION_NONE},
                                3,
                                0};
    static const wishes none = {{NP_COMPRESSION_NONE, NP_COMPRESSION_NONE},
                                {NP_COMPRESSION_NONE, NP_COMPRESSION_NONE},
                                1,
                                0};
    demo_handlers handlers[4];
    np_client *clients[4];
    side sides[4];
    world w;
    (void)state;

    memset(sides, 0, sizeof sides);
    start(&w, &zstd, &handlers[0]);
    for (size_t i = 0; i < 4; i++) {
        np_client_options options = demo_client_options(NULL, np_daemon_address(w.daemon, 0));
        handlers[i] = (demo_handlers){on_say, NULL, &sides[i]};
        options.service.dispatch = demo_dispatch;
        options.service.handlers = &handlers[i];
        wish(&options.conn, i % 2 == 0 ? zstd.client : none.client, 5);
        demo_must(np_client_new(&clients[i], w.loop, &options, NULL), NULL);
        demo_must(np_client_connect_wait(clients[i], NULL), NULL);
    }
    expected = text;
    for (size_t i = 0; i < 4; i++) {
        demo_say say = {{text, 100000 + i}};
        demo_must(np_client_send(clients[i], demo_message_say, &say, NULL), NULL);
    }
    for (size_t i = 0; i < 4; i++) {
        demo_run(w.loop, &sides[i].done);
        assert_int_equal(sides[i].got, 100000 + i);
        assert_false(sides[i].wrong);
        np_client_free(clients[i]);
    }
    end(&w);
}

/* Bodies ------------------------------------------------------------------------------------ */

static void send_more(side *s)
{
    np_err err = NP_OK;

    while (err == NP_OK && s->sent < BODY_LEN) {
        size_t n = BODY_LEN - s->sent < 50000 ? BODY_LEN - s->sent : 50000;
        size_t taken = 0;
        err = np_conn_body_write(s->body, text + s->sent, n, &taken);
        s->sent += taken;
    }
    err = err == NP_OK ? np_conn_body_end(s->body) : err;
    assert_true(err == NP_OK || err == NP_ERR_FULL);
}

static void on_writable(np_conn *conn, void *user)
{
    (void)conn;
    send_more(user);
}

static np_err on_begin(np_conn *conn, np_body body, const base_data *msg, uint64_t total,
                       void *user)
{
    (void)conn;
    (void)body;
    (void)msg;
    (void)user;
    assert_int_equal(total, BODY_LEN);
    return NP_OK;
}

static np_err on_data(np_conn *conn, np_body body, np_bytes piece, void *user)
{
    side *s = user;

    (void)conn;
    (void)body;
    s->wrong = s->wrong || memcmp(piece.data, text + s->got, piece.len) != 0;
    s->got += piece.len;
    return NP_OK;
}

static np_err on_end(np_conn *conn, np_body body, np_err err, void *user)
{
    side *s = user;

    (void)conn;
    (void)body;
    assert_int_equal(err, NP_OK);
    s->done = true;
    return NP_OK;
}

/* A long text, with neither side ever holding more than some pieces of it. */
static void test_body(void **state)
{
    static const np_compression kinds[][2] = {{NP_COMPRESSION_LZ4, NP_COMPRESSION_NONE},
                                              {NP_COMPRESSION_ZSTD, NP_COMPRESSION_NONE}};
    (void)state;

    for (size_t i = 0; i < 2; i++) {
        const char *addresses[] = {"tcp://127.0.0.1:0"};
        np_daemon_options daemon = np_daemon_options_default();
        np_client_options client = np_client_options_default();
        base_handlers handlers = {
            .on_data_begin = on_begin, .on_data_data = on_data, .on_data_end = on_end};
        base_data data = {.name = np_str_from("text")};
        world w;

        memset(&w, 0, sizeof w);
        handlers.user = &w.server;
        demo_must(np_loop_new(&w.loop, NULL), NULL);
        daemon.security = demo_security(true);
        daemon.addresses = addresses;
        daemon.address_count = 1;
        daemon.service = base_service(&handlers);
        wish(&daemon.conn, kinds[i], 1);
        demo_must(np_daemon_start(&w.daemon, w.loop, &daemon, NULL), NULL);
        client.security = demo_security(false);
        client.address = np_daemon_address(w.daemon, 0);
        client.service = base_service(NULL);
        client.handlers =
            (np_conn_handlers){.on_open = on_open, .on_writable = on_writable, .user = &w.user};
        wish(&client.conn, kinds[i], 1);
        demo_must(np_client_new(&w.client, w.loop, &client, NULL), NULL);
        demo_must(np_client_connect_wait(w.client, NULL), NULL);
        np__loop_pool(w.loop)->live_peak = 0;
        demo_must(base_data_begin(w.user.conn, &data, BODY_LEN, &w.user.body, NULL), NULL);
        send_more(&w.user);
        demo_run(w.loop, &w.server.done);
        assert_int_equal(w.server.got, BODY_LEN);
        assert_false(w.server.wrong);
        assert_true(written(w.user.conn) < BODY_LEN * 3 / 4);
        assert_true(np__loop_pool(w.loop)->live_peak < (size_t)1024 * 1024);
        end(&w);
    }
}

/* Hostile peers ----------------------------------------------------------------------------- */

/* Reads frames until the peer ends; the text of a base.Error, or "". */
static void read_error(int fd, char *out, size_t cap)
{
    uint8_t bytes[4096];
    size_t len = 0;
    ssize_t n = 0;

    out[0] = '\0';
    while ((n = read(fd, bytes + len, sizeof bytes - len)) > 0) {
        len += (size_t)n;
    }
    for (size_t at = 0; at + NP_FRAMING_HEADER_LEN <= len;) {
        uint32_t frame_len = (uint32_t)bytes[at + 8] << 8 | bytes[at + 9];
        base_error error;
        if (base_error_decode(&error, bytes + at + NP_FRAMING_HEADER_LEN, frame_len, NULL) ==
            NP_OK) {
            (void)snprintf(out, cap, "%.*s", (int)error.text.len, error.text.data);
        }
        at += NP_FRAMING_HEADER_LEN + frame_len;
    }
}

/* A Hello that offers LZ4 and zstd. */
static size_t hello_of(uint8_t *out)
{
    static const uint8_t both[] = {NP_COMPRESSION_LZ4, NP_COMPRESSION_ZSTD};
    base_hello hello = {.offer = {.protocol = np_str_from("demo"),
                                  .version_min = 1,
                                  .version_max = 2,
                                  .compressions = {.items = both, .count = 2}}};
    size_t len = 0;

    demo_must(base_hello_encode(&hello, out + NP_FRAMING_HEADER_LEN, 200, &len, NULL), NULL);
    np_framing_put_plain(out, (uint32_t)len);
    return NP_FRAMING_HEADER_LEN + len;
}

static void send_frame(int fd, uint8_t compression, bool more, const void *payload, size_t len)
{
    np_framing_head head = np_framing_make(NP_FRAMING_NO_STREAM, 0, len, more);
    uint8_t bytes[256];

    assert_true(len <= sizeof bytes - NP_FRAMING_HEADER_LEN);
    head.compression = compression;
    memcpy(np_framing_put(bytes, &head), payload, len);
    /* The daemon may have gone already. */
    (void)!send(fd, bytes, NP_FRAMING_HEADER_LEN + len, MSG_NOSIGNAL);
}

/* A fragment of 64 KiB in 17 bytes; the first begins as a Say of 12 MiB does. */
static void send_bomb(int fd, bool first)
{
    static const uint8_t zeros[] = {0x28, 0xB5, 0x2F, 0xFD, 0xA0, 0, 0, 1, 0, 3, 0, 8, 0};
    uint8_t start[5 + 4 + 3 + 12 + 4];
    uint8_t *p = start;

    if (!first) {
        send_frame(fd, NP_COMPRESSION_ZSTD, true, zeros, sizeof zeros);
        return;
    }
    /* One raw block of 12 bytes, and zeros up to 64 KiB behind them. */
    p = np_put_raw(p, zeros, 9);
    p = np_put_raw(p, "\x60\x00\x00", 3);
    p = np_put_u64(np_put_u32(p, DEMO_SAY_ID), DEMO_DATA_MAX);
    np_put_u32(p, (65536 - 12) << 3 | 3);
    send_frame(fd, NP_COMPRESSION_ZSTD, true, start, sizeof start);
}

typedef struct attack {
    uint8_t compression;
    const char *payload;
    size_t len;
    const char *error; /* what the peer is told */
} attack;

static void test_bombs(void **state)
{
    static const wishes both = {
        {NP_COMPRESSION_ZSTD, NP_COMPRESSION_LZ4}, {NP_COMPRESSION_ZSTD, NP_COMPRESSION_LZ4}, 1, 0};
    static const attack attacks[] = {
        {2, "\x28\xB5\x2F\xFD\x00\x38\x02\x00\x10\x00", 10,
         "zstd.content_size: malformed compressed data, rule: always declared at byte 14"},
        {2, "\x28\xB5\x2F\xFD\xE0\x00\x00\x00\x00\x00\x01\x00\x00\x09\x00\x00x", 17,
         "zstd.content_size: length 1099511627776 exceeds what is allowed here at byte 15"},
        {2, "\x28\xB5\x2F\xFD\x40\x88\x00\x00\x03\x08\x00x", 12,
         "zstd.window: length 134217728 exceeds max 8388608 at byte 15"},
        {2, "\x28\xB5\x2F\xFD\xA0\x00\x00\x01\x00\x09\x00\x00x", 13,
         "zstd.frame: malformed compressed data, rule: well-formed, and as long as declared at "
         "byte 10"},
        {1, "\x05\x00\x00\x00\x50hello", 10,
         "base.frame.flags.compression: malformed frame, got 1, rule: one that was agreed on at "
         "byte 5"},
        {3, "", 0,
         "base.frame.flags.compression: malformed frame, got 3, rule: one that was agreed on at "
         "byte 5"},
    };
    demo_handlers handlers;
    uint8_t hello[256];
    char told[300];
    world w;
    (void)state;

    if (getenv(DEMO_SECURE) != NULL) {
        skip(); /* these peers speak in the clear */
    }
    start(&w, &both, &handlers);
    for (size_t i = 0; i < sizeof attacks / sizeof attacks[0]; i++) {
        int fd = demo_raw_connect(np_daemon_address(w.daemon, 0));
        size_t len = hello_of(hello);
        w.server.closed = false;
        assert_int_equal(write(fd, hello, len), len);
        send_frame(fd, attacks[i].compression, false, attacks[i].payload, attacks[i].len);
        (void)shutdown(fd, SHUT_WR);
        demo_run(w.loop, &w.server.closed);
        read_error(fd, told, sizeof told);
        assert_string_equal(told, attacks[i].error);
        assert_int_equal(np_err_class_of(w.server.failure.err), NP_CLASS_PROTO);
        (void)close(fd);
    }
    echo(&w, text, 5000); /* the others are served */
    end(&w);
}

/* Fragments without end, each of them lawful: refused where the message's bound is reached, and
 * memory is no more than that. */
static void test_bombs_in_fragments(void **state)
{
    static const wishes both = {
        {NP_COMPRESSION_ZSTD, NP_COMPRESSION_LZ4}, {NP_COMPRESSION_ZSTD, NP_COMPRESSION_LZ4}, 1, 0};
    demo_handlers handlers;
    uint8_t hello[256];
    char told[300];
    world w;
    int fd = -1;
    (void)state;

    if (getenv(DEMO_SECURE) != NULL) {
        skip();
    }
    start(&w, &both, &handlers);
    fd = demo_raw_connect(np_daemon_address(w.daemon, 0));
    w.server.closed = false;
    np__loop_pool(w.loop)->live_peak = 0;
    assert_int_equal(write(fd, hello, hello_of(hello)), hello_of(hello));
    for (size_t i = 0; i < 300; i++) {
        send_bomb(fd, i == 0);
    }
    (void)shutdown(fd, SHUT_WR);
    demo_run(w.loop, &w.server.closed);
    read_error(fd, told, sizeof told);
    assert_string_equal(told,
                        "zstd.content_size: length 65536 exceeds what is allowed here at byte 15");
    assert_in_range(np__loop_pool(w.loop)->live_peak, DEMO_DATA_MAX / 2, 2 * DEMO_DATA_MAX);
    (void)close(fd);
    echo(&w, text, 5000);
    end(&w);
}

/* Options ----------------------------------------------------------------------------------- */

static void test_options_that_are_wrong(void **state)
{
    static const struct {
        int first, second, level;
        const char *text;
    } cases[] = {
        {3, 0, 1, "compression: preferred holds a kind that there is not"},
        {1, -1, 1, "compression: preferred holds a kind that there is not"},
        {1, 1, 1, "compression: preferred names each kind once, and NONE only behind them"},
        {0, 2, 1, "compression: preferred names each kind once, and NONE only behind them"},
        {2, 0, 0, "compression: zstd_level is 1 to 19"},
        {2, 0, 20, "compression: zstd_level is 1 to 19"},
    };
    const char *addresses[] = {"tcp://127.0.0.1:0"};
    np_loop *loop = NULL;
    (void)state;

    demo_must(np_loop_new(&loop, NULL), NULL);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        np_daemon_options options = demo_daemon_options(&demo_echo, addresses, 1);
        np_client_options client = demo_client_options(NULL, "tcp://127.0.0.1:1");
        np_daemon *daemon = NULL;
        np_client *made = NULL;
        np_failure failure;
        options.conn.compression.preferred[0] = (np_compression)cases[i].first;
        options.conn.compression.preferred[1] = (np_compression)cases[i].second;
        options.conn.compression.zstd_level = cases[i].level;
        client.conn.compression = options.conn.compression;
        assert_int_equal(np_daemon_start(&daemon, loop, &options, &failure), NP_ERR_ARG);
        assert_null(daemon);
        assert_non_null(strstr(failure.text, cases[i].text));
        assert_int_equal(np_client_new(&made, loop, &client, &failure), NP_ERR_ARG);
        assert_null(made);
        assert_non_null(strstr(failure.text, cases[i].text));
    }
    np_loop_free(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_it_saves),
        cmocka_unit_test(test_a_higher_level_saves_more),
        cmocka_unit_test(test_many_clients),
        cmocka_unit_test(test_body),
        cmocka_unit_test(test_bombs),
        cmocka_unit_test(test_bombs_in_fragments),
        cmocka_unit_test(test_options_that_are_wrong),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
