/* Every bound and choice in np_conn_options takes effect; its times are in test_options_time.c.
 * Each test shows what happens with the option and, where that tells something, without it. */
#include "support/option_world.h"

#include <base_service.h>
#include <talk_service.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Versions ------------------------------------------------------------------------------------ */

static void test_versions(void **state)
{
    static const struct {
        uint32_t daemon_min, daemon_max, client_min, client_max;
        uint32_t agreed; /* 0: none */
    } cases[] = {
        {0, 0, 0, 0, 2}, {0, 1, 0, 0, 1}, {0, 0, 0, 1, 1},
        {2, 0, 0, 0, 2}, {2, 0, 0, 1, 0}, {0, 1, 2, 0, 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        option_world w;
        np_err err = NP_OK;

        option_world_init(&w);
        w.daemon_options.conn.version_min = cases[i].daemon_min;
        w.daemon_options.conn.version_max = cases[i].daemon_max;
        w.client_options.conn.version_min = cases[i].client_min;
        w.client_options.conn.version_max = cases[i].client_max;
        err = option_world_connect(&w);
        if (cases[i].agreed == 0) {
            assert_int_equal(err, NP_ERR_VERSION);
        } else {
            demo_must(err, &w.failure);
            assert_int_equal(np_conn_version(np_client_conn(w.client)), cases[i].agreed);
            assert_int_equal(np_conn_version(w.server.conn), cases[i].agreed);
        }
        option_world_fini(&w);
    }
}

/* Conversations ------------------------------------------------------------------------------- */

static np_err on_say(np_conn *conn, const talk_say *msg, void *user)
{
    (void)conn;
    (void)msg;
    *(bool *)user = true;
    return NP_OK;
}

/* Before Join, which the schema's conversation begins with. */
static const talk_say early = {.text = {"early", 5}, .mood = 3};

static void test_any_order(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        bool said = false;
        const talk_handlers handlers = {.on_say = on_say, .user = &said};
        option_world w;

        option_world_init(&w);
        w.daemon_options.service = talk_service(&handlers);
        w.client_options.service = talk_service(NULL);
        w.client_options.conn.any_order = (i & 1) != 0;
        w.daemon_options.conn.any_order = (i & 2) != 0;
        demo_must(option_world_connect(&w), &w.failure);
        if (!w.client_options.conn.any_order) {
            assert_int_equal(talk_say_send(np_client_conn(w.client), &early, NULL),
                             NP_ERR_UNEXPECTED);
        } else {
            demo_must(talk_say_send(np_client_conn(w.client), &early, NULL), NULL);
            demo_run(w.loop, w.daemon_options.conn.any_order ? &said : &w.server.closed);
            assert_int_equal(w.server.failure.err, said ? NP_OK : NP_ERR_UNEXPECTED);
        }
        assert_int_equal(said, i == 3);
        option_world_fini(&w);
    }
}

/* The schema's conversation, as it is after Join. */
static np_conversation joined_already(void)
{
    np_conversation conversation = talk_protocol.conversations[0];

    assert_true(conversation.step(&conversation.start,
                                  np_conversation_token(0, NP_CONVERSATION_SAID, false)));
    return conversation;
}

static void test_conversation(void **state)
{
    const np_conversation conversation = joined_already();
    bool said = false;
    const talk_handlers handlers = {.on_say = on_say, .user = &said};
    option_world w;

    (void)state;
    option_world_init(&w);
    w.daemon_options.service = talk_service(&handlers);
    w.client_options.service = talk_service(NULL);
    w.daemon_options.conn.conversation = &conversation;
    w.client_options.conn.conversation = &conversation;
    demo_must(option_world_connect(&w), &w.failure);
    demo_must(talk_say_send(np_client_conn(w.client), &early, NULL), NULL);
    demo_run(w.loop, &said);
    assert_false(w.server.closed);
    option_world_fini(&w);
}

/* The queue ----------------------------------------------------------------------------------- */

/* How many bytes a connection's queue takes from outside of handlers before it is full. */
static size_t fill_queue(size_t queue_max)
{
    const uint8_t data[100] = {0};
    demo_say say = {{data, sizeof data}};
    option_world w;
    np_err err = NP_OK;
    size_t queued = 0;

    option_world_init(&w);
    if (queue_max > 0) {
        w.daemon_options.conn.queue_max = queue_max;
    }
    demo_must(option_world_connect(&w), &w.failure);
    while (err == NP_OK) {
        err = np_conn_send(w.server.conn, demo_message_say, &say, NULL);
    }
    assert_int_equal(err, NP_ERR_FULL);
    queued = np_conn_queued(w.server.conn);
    option_world_fini(&w);
    return queued;
}

static void test_queue_max(void **state)
{
    (void)state;
    /* Half of it is for handlers. */
    assert_in_range(fill_queue(20000), 9000, 11000);
    assert_in_range(fill_queue(200000), 90000, 110000);
    assert_in_range(fill_queue(0), 450000, 600000);
}

/* Calls --------------------------------------------------------------------------------------- */

static np_err never_answer(np_conn *conn, np_call call, const demo_find *msg, void *user)
{
    size_t *waiting = user;

    (void)conn;
    (void)call;
    (void)msg;
    *waiting += 1;
    return NP_OK;
}

typedef struct answers {
    size_t busy, others;
    bool done;
} answers;

static void on_answer(np_client *client, np_err err, const void *payload, size_t len,
                      uint32_t version, void *user, np_fault *fault)
{
    answers *a = user;

    (void)client;
    (void)payload;
    (void)len;
    (void)version;
    (void)fault;
    a->busy += err == NP_ERR_BUSY;
    a->others += err != NP_ERR_BUSY;
    a->done = a->busy == 2;
}

static void test_calls_max(void **state)
{
    size_t waiting = 0;
    const demo_handlers handlers = {.on_find = never_answer, .user = &waiting};
    answers a = {0, 0, false};
    demo_find find = {1};
    option_world w;

    (void)state;
    option_world_init(&w);
    w.daemon_options.service.handlers = &handlers;
    w.client_options.conn.calls_max = 3;
    demo_must(option_world_connect(&w), &w.failure);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(np_client_call(w.client, demo_message_find, &find, on_answer, &a),
                         i < 3 ? NP_OK : NP_ERR_LIMIT);
    }
    option_world_fini(&w);
    assert_int_equal(a.others, 3);
}

static void test_serve_max(void **state)
{
    size_t waiting = 0;
    const demo_handlers handlers = {.on_find = never_answer, .user = &waiting};
    answers a = {0, 0, false};
    demo_find find = {1};
    option_world w;

    (void)state;
    option_world_init(&w);
    w.daemon_options.service.handlers = &handlers;
    w.daemon_options.conn.serve_max = 3;
    demo_must(option_world_connect(&w), &w.failure);
    for (int i = 0; i < 5; i++) {
        demo_must(np_client_call(w.client, demo_message_find, &find, on_answer, &a), NULL);
    }
    demo_run(w.loop, &a.done);
    assert_int_equal(waiting, 3);
    assert_int_equal(a.others, 0);
    assert_false(w.server.closed);
    option_world_fini(&w);
    assert_int_equal(a.others, 3);
}

/* Bodies -------------------------------------------------------------------------------------- */

static np_err on_begin(np_conn *conn, np_body body, const base_data *msg, uint64_t total,
                       void *user)
{
    size_t *begun = user;

    (void)conn;
    (void)body;
    (void)msg;
    (void)total;
    *begun += 1;
    return NP_OK;
}

/* Begins `count` bodies, each with enough for the peer to hear of it. Returns the last error. */
static np_err begin_bodies(np_conn *conn, size_t count)
{
    static const uint8_t piece[2000];
    base_data data = {.name = np_str_from("one of many")};
    np_body body;
    np_err err = NP_OK;

    for (size_t i = 0; i < count && err == NP_OK; i++) {
        size_t taken = 0;

        err = base_data_begin(conn, &data, 100000, &body, NULL);
        if (err == NP_OK) {
            demo_must(np_conn_body_write(body, piece, sizeof piece, &taken), NULL);
            assert_int_equal(taken, sizeof piece);
        }
    }
    return err;
}

/* Ours, and the peer's: a side that begins more than the other takes is turned out. */
static void test_bodies_max(void **state)
{
    (void)state;
    for (int theirs = 0; theirs < 2; theirs++) {
        size_t begun = 0;
        const base_handlers handlers = {.on_data_begin = on_begin, .user = &begun};
        option_world w;

        option_world_init(&w);
        w.daemon_options.service = base_service(&handlers);
        w.client_options.service = base_service(NULL);
        if (theirs) {
            w.daemon_options.conn.bodies_max = 3;
        } else {
            w.client_options.conn.bodies_max = 3;
        }
        demo_must(option_world_connect(&w), &w.failure);
        assert_int_equal(begin_bodies(np_client_conn(w.client), 4), theirs ? NP_OK : NP_ERR_LIMIT);
        if (theirs) {
            demo_run(w.loop, &w.server.closed);
            assert_int_equal(w.server.failure.err, NP_ERR_LIMIT);
        } else {
            for (int i = 0; i < 1000 && begun < 3; i++) {
                demo_rest(w.loop, 1);
            }
            demo_rest(w.loop, 20);
            assert_false(w.server.closed);
        }
        assert_int_equal(begun, 3);
        option_world_fini(&w);
    }
}

/* Compression --------------------------------------------------------------------------------- */

#define TEXT_LEN 20000

/* Text of a kind: its words repeat, in an order that does not. */
static const uint8_t *text(void)
{
    static uint8_t bytes[TEXT_LEN];
    uint32_t seed = 1;

    for (size_t at = 0; at < TEXT_LEN; at++) {
        if (at % 8 == 0) {
            seed = seed * 1664525u + 1013904223u;
        }
        bytes[at] = (uint8_t)('a' + ((seed >> 20) % 97 * (at % 8 + 1)) % 26);
    }
    return bytes;
}

/* Bytes that a message of len bytes takes in the queue of a client with these options. */
static size_t queued_for(size_t len, np_compression_options options)
{
    demo_say say = {{text(), len}};
    option_world w;
    size_t queued = 0;

    option_world_init(&w);
    w.client_options.conn.compression = options;
    w.daemon_options.conn.compression.preferred[0] = NP_COMPRESSION_ZSTD;
    w.daemon_options.conn.compression.preferred[1] = NP_COMPRESSION_LZ4;
    demo_must(option_world_connect(&w), &w.failure);
    demo_must(np_client_send(w.client, demo_message_say, &say, NULL), NULL);
    queued = np_conn_queued(np_client_conn(w.client));
    option_world_fini(&w);
    return queued;
}

static void test_compression(void **state)
{
    np_compression_options options = np_compression_options_default();
    size_t lz4 = 0;
    size_t zstd = 0;

    (void)state;
    assert_true(queued_for(TEXT_LEN, options) > TEXT_LEN); /* off */
    options.preferred[0] = NP_COMPRESSION_LZ4;
    lz4 = queued_for(TEXT_LEN, options);
    options.preferred[0] = NP_COMPRESSION_ZSTD;
    zstd = queued_for(TEXT_LEN, options);
    assert_true(lz4 < TEXT_LEN / 2);
    assert_true(zstd < lz4);

    options.zstd_level = 15;
    assert_true(queued_for(TEXT_LEN, options) < zstd);
    options.zstd_level = 1;

    assert_true(queued_for(1000, options) < 1000);
    options.threshold = 1200;
    assert_true(queued_for(1000, options) > 1000);
    assert_true(queued_for(1400, options) < 1400);
}

static np_err ignore(np_conn *conn, const demo_say *msg, void *user)
{
    (void)conn;
    (void)msg;
    (void)user;
    return NP_OK;
}

/* How long a daemon takes for six messages, each 20,000 bytes that came as fewer, and their echoes.
 */
static uint64_t time_of_six(uint32_t unpack_rate)
{
    enum { MESSAGES = 6 };
    demo_say say = {{text(), TEXT_LEN}};
    const demo_find find = {1};
    const demo_handlers handlers = {.on_say = ignore};
    option_world w;
    uint64_t begun = 0;

    option_world_init(&w);
    w.client_options.conn.compression.preferred[0] = NP_COMPRESSION_LZ4;
    w.daemon_options.conn.compression.preferred[0] = NP_COMPRESSION_LZ4;
    w.daemon_options.conn.compression.unpack_rate = unpack_rate;
    w.client_options.service = (np_service){&demo_protocol, demo_dispatch, &handlers};
    demo_must(option_world_connect(&w), &w.failure);
    begun = np_loop_now(w.loop).mono_ms;
    for (int i = 0; i < MESSAGES; i++) {
        demo_must(np_client_send(w.client, demo_message_say, &say, NULL), NULL);
    }
    /* Its answer comes behind them all. */
    demo_must(np_client_call_wait(w.client, demo_message_find, &find, NULL, NULL, NULL), NULL);
    begun = np_loop_now(w.loop).mono_ms - begun;
    option_world_fini(&w);
    return begun;
}

/* Every share of 100 ms may be passed by one payload, so six take five waits. */
static void test_unpack_rate(void **state)
{
    (void)state;
    (void)time_of_six(0);
    assert_true(time_of_six(1) >= 450);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_versions),     cmocka_unit_test(test_any_order),
        cmocka_unit_test(test_conversation), cmocka_unit_test(test_queue_max),
        cmocka_unit_test(test_calls_max),    cmocka_unit_test(test_serve_max),
        cmocka_unit_test(test_bodies_max),   cmocka_unit_test(test_compression),
        cmocka_unit_test(test_unpack_rate),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
