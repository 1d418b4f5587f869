/* Sessions whose peers send payloads that become much when they are unpacked. Time is virtual. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <base.h>

#include "support/session_talk.h"

/* Bytes on the wire that become a thousand times as much. */
static void start_packed(wire *w, uint32_t unpack_rate)
{
    wire_init(w);
    wire_compress(&w->client, NP_COMPRESSION_ZSTD, NP_COMPRESSION_NONE, 512);
    wire_compress(&w->server, NP_COMPRESSION_ZSTD, NP_COMPRESSION_NONE, 512);
    w->server.compression.unpack_rate = unpack_rate;
    wire_open(w);
}

/* A large message in fragments that lie in one read: a turn takes its share and yields, and goes on
 * in the next, without more input. */
static void test_a_turn_has_its_share(void **state)
{
    enum { LEN = 4 << 20 };
    uint8_t *zeros = calloc(1, LEN);
    size_t turns = 0;
    np_session_event event;
    wire w;

    (void)state;
    assert_non_null(zeros);
    start_packed(&w, 0);
    assert_int_equal(talk_say(&w.client.s, zeros, LEN), NP_OK);
    wire_write(&w, &w.client);
    while (np_session_queued(&w.client.s) > 0) {
        wire_write(&w, &w.client);
    }
    assert_in_range(w.server.byte_count, 64, 20000);
    w.server.stop = true; /* turn by turn */
    assert_true(wire_read(&w, &w.server));
    while (!np_session_next_event(&w.server.s, &event)) {
        assert_true(np_session_pending(&w.server.s));
        np_session_park(&w.server.s);
        turns++;
    }
    assert_int_equal(event.kind, NP_SESSION_EVENT_MESSAGE);
    assert_int_equal(event.len, 12 + LEN);
    assert_in_range(turns, LEN / 0x40000 - 1, LEN / 0x40000 + 1);
    np_session_park(&w.server.s);
    w.server.stop = false;
    wire_fini(&w);
    free(zeros);
}

/* Beyond the rate the session does not read on, and goes on in the next window. */
static void test_a_second_has_its_share(void **state)
{
    enum { LEN = 2 << 20, RATE = 5 << 20 };
    uint8_t *zeros = calloc(1, LEN);
    uint64_t begun;
    uint8_t *place = NULL;
    size_t room = 0;
    size_t seen = 0;
    wire w;

    (void)state;
    assert_non_null(zeros);
    start_packed(&w, RATE);
    begun = w.now.mono_ms;
    for (int i = 0; i < 10; i++) {
        assert_int_equal(talk_say(&w.client.s, zeros, LEN), NP_OK);
        wire_write(&w, &w.client);
    }
    while (seen < 10) {
        wire_run(&w);
        while (wire_next(&w.server) != NULL) {
            seen++;
        }
        if (seen < 10) {
            uint64_t deadline = np_session_deadline(&w.server.s);
            assert_false(np_session_pending(&w.server.s));
            assert_int_equal(np_session_want(&w.server.s, &place, &room), NP_WANT_NOTHING);
            assert_in_range(deadline, w.now.mono_ms + 1, w.now.mono_ms + 100);
            w.now.mono_ms = deadline;
            np_session_tick(&w.server.s, w.now);
            assert_true(np_session_pending(&w.server.s));
        }
    }
    /* 20 MiB at 5 MiB a second, but for what the first window and the last fragment grant. */
    assert_in_range(w.now.mono_ms - begun, 3600, 4100);
    assert_true(np_session_is_open(&w.server.s));
    wire_fini(&w);
    free(zeros);
}

/* A rate of less than a byte for each window is a bound all the same: a window takes what comes
 * first, and no more. */
static void test_the_least_rate(void **state)
{
    uint8_t *zeros = calloc(1, 1000);
    wire w;

    (void)state;
    assert_non_null(zeros);
    start_packed(&w, 1);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(talk_say(&w.client.s, zeros, 1000), NP_OK);
    }
    wire_run(&w);
    talk_assert_said(wire_expect(&w.server, NP_SESSION_EVENT_MESSAGE), zeros, 1000);
    assert_null(wire_next(&w.server));
    assert_false(np_session_pending(&w.server.s));
    wire_tick(&w, 99);
    assert_null(wire_next(&w.server));
    wire_tick(&w, 1);
    talk_assert_said(wire_expect(&w.server, NP_SESSION_EVENT_MESSAGE), zeros, 1000);
    wire_fini(&w);
    free(zeros);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_turn_has_its_share),
        cmocka_unit_test(test_a_second_has_its_share),
        cmocka_unit_test(test_the_least_rate),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
