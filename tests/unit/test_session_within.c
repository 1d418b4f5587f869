/* What a peer does to make this side pause does not stop the time that it has: not that of a state
 * (`within`), nor that of a frame or a body. Time is virtual. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <base.h>

#include "core/framing.h"
#include "protocol/session_private.h"
#include "support/session_door.h"

static void inject(wire_end *to, uint8_t kind, uint32_t stream, const void *body, size_t len)
{
    np_framing_head head = np_framing_make(kind, stream, len, false);
    uint8_t frame[200];

    wire_inject(to, frame, (size_t)(np_put_raw(np_framing_put(frame, &head), body, len) - frame));
}

/* A turn of the server's: what there is is read, and what it says is thrown away. */
static void turn(wire *w)
{
    w->client.byte_count = 0;
    np_session_tick(&w->server.s, w->now);
    wire_drain(w, &w->server);
    while (wire_read(w, &w->server)) {
    }
    wire_write(w, &w->server);
    w->client.byte_count = 0;
}

/* Nobody has entered: state outside, within 10 s. The client sends cancels of nothing, 125 a second
 * (2 KB a second), and is ended all the same. */
static void test_cancels_do_not_stop_within(void **state)
{
    uint64_t began = 0;
    wire w;

    (void)state;
    door_init(&w);
    w.client.options.conversation = NULL;
    wire_open(&w);
    began = w.now.mono_ms;
    for (int i = 0; i < 4200; i++) { /* the bucket */
        inject(&w.server, NP_FRAMING_CANCEL, 1, "", 0);
    }
    turn(&w);
    for (int i = 0; i < 3600 * 8 && np_session_is_open(&w.server.s); i++) {
        for (int k = 0; k < 13; k++) {
            inject(&w.server, NP_FRAMING_CANCEL, 1, "", 0);
        }
        for (int k = 0; k < 13; k++) {
            w.now.mono_ms += 10;
            turn(&w);
        }
    }
    assert_false(np_session_is_open(&w.server.s));
    assert_in_range(w.now.mono_ms - began, 9000, 11000);
    wire_fini(&w);
}

/* The same for a body of which no byte comes any more: frame_timeout_ms, 30 s. */
static void test_cancels_do_not_stop_a_body(void **state)
{
    const base_data data = {.name = np_str_from("file")};
    static const uint8_t bytes[2000];
    uint64_t serial = 0;
    uint64_t began = 0;
    size_t taken = 0;
    wire w;

    (void)state;
    wire_init(&w);
    wire_open(&w);
    assert_int_equal(np_session_body_begin(&w.client.s, &base_protocol.messages[BASE_DATA_ID],
                                           &data, 100000, &serial, NULL),
                     NP_OK);
    assert_int_equal(np_session_body_write(&w.client.s, serial, bytes, sizeof bytes, &taken),
                     NP_OK);
    wire_run(&w);
    for (int i = 0; i < 4200; i++) {
        inject(&w.server, NP_FRAMING_CANCEL, 11, "", 0);
    }
    turn(&w);
    began = w.now.mono_ms;
    while (w.now.mono_ms - began < 3600 * 1000 && np_session_is_open(&w.server.s)) {
        for (int k = 0; k < 13; k++) {
            inject(&w.server, NP_FRAMING_CANCEL, 11, "", 0);
        }
        for (int k = 0; k < 13; k++) {
            w.now.mono_ms += 10;
            turn(&w);
        }
    }
    assert_false(np_session_is_open(&w.server.s));
    wire_fini(&w);
}

/* Pings fill the queue with Pongs, a request that nobody knows stands behind them, and the client
 * takes 2 KB each half second. */
static void test_slow_reading_does_not_stop_within(void **state)
{
    uint8_t ping[12];
    uint8_t unknown[4];
    uint64_t began = 0;
    uint32_t stream = 1;
    wire w;

    (void)state;
    door_init(&w);
    w.client.options.conversation = NULL;
    wire_open(&w);
    began = w.now.mono_ms;
    np_put_u64(np_put_u32(ping, BASE_PING_ID), 5);
    np_put_u32(unknown, 60000);
    while (w.now.mono_ms - began < 3600 * 1000 && np_session_is_open(&w.server.s)) {
        if (!w.server.s.paused) {
            for (int i = 0; i < 60000; i++) {
                inject(&w.server, NP_FRAMING_NO_STREAM, 0, ping, sizeof ping);
            }
            inject(&w.server, NP_FRAMING_REQUEST, stream, unknown, sizeof unknown);
            stream += 2;
            while (wire_read(&w, &w.server)) {
            }
        }
        w.now.mono_ms += 500;
        np_session_tick(&w.server.s, w.now);
        w.write_max = 2048;
        wire_write(&w, &w.server);
        w.client.byte_count = 0;
        wire_drain(&w, &w.server);
        np_session_park(&w.server.s);
    }
    assert_false(np_session_is_open(&w.server.s));
    wire_fini(&w);
}

/* Held for a day, without an end for a stall, while the peer reads nothing: no signs of life pile
 * up. */
static void test_signs_while_held(void **state)
{
    wire w;

    (void)state;
    wire_init(&w);
    w.server.options.idle_ms = 1000;
    w.server.options.stall_ms = 0;
    w.server.options.queue_max = 4096;
    wire_open(&w);
    np_session_hold(&w.server.s, true, w.now);
    for (int i = 0; i < 24 * 3600; i++) {
        w.now.mono_ms += 1000;
        np_session_tick(&w.server.s, w.now);
    }
    assert_in_range(np_session_queued(&w.server.s), 1, 100);
    wire_fini(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cancels_do_not_stop_within),
        cmocka_unit_test(test_cancels_do_not_stop_a_body),
        cmocka_unit_test(test_slow_reading_does_not_stop_within),
        cmocka_unit_test(test_signs_while_held),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
