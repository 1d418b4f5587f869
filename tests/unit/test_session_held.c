/* Sessions that are held by their application: what the peer cannot do meanwhile is not held
 * against it, and it hears that this side lives. Time is virtual. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/session_door.h"
#include "support/session_talk.h"

/* The client's Enter is in time; the server, whose state allows 10 s, does not read. */
static void test_within_rests_while_held(void **state)
{
    wire w;

    (void)state;
    door_init(&w);
    wire_open(&w);
    np_session_hold(&w.server.s, true, w.now);
    assert_int_equal(door_ask(&w.client, "Enter", NP_TIME_NEVER, NULL, NULL), NP_OK);
    wire_write(&w, &w.client); /* at once: it lies in the kernel */
    w.now.mono_ms += 10001;
    np_session_tick(&w.server.s, w.now);
    assert_true(np_session_is_open(&w.server.s));
    np_session_hold(&w.server.s, false, w.now);
    assert_in_range(np_session_deadline(&w.server.s), w.now.mono_ms + 1, w.now.mono_ms + 10000);
    w.now.mono_ms += 10000; /* and goes on when it is let go */
    np_session_tick(&w.server.s, w.now);
    assert_false(np_session_is_open(&w.server.s));
    wire_fini(&w);
}

/* A state that is entered while the session is held has its whole time afterwards. */
static void test_within_begins_when_let_go(void **state)
{
    np_call_key call;
    wire w;

    (void)state;
    door_init(&w);
    wire_open(&w);
    call = door_arrive(&w, &w.client, "Enter");
    np_session_hold(&w.server.s, true, w.now);
    w.now.mono_ms += 9000;
    assert_int_equal(door_answer(&w.server, call, true), NP_OK);
    assert_string_equal(door_state(&w.server), "inside");
    w.now.mono_ms += 60000;
    np_session_tick(&w.server.s, w.now);
    np_session_hold(&w.server.s, false, w.now);
    w.now.mono_ms += 9999;
    np_session_tick(&w.server.s, w.now);
    assert_true(np_session_is_open(&w.server.s));
    w.now.mono_ms++;
    np_session_tick(&w.server.s, w.now);
    assert_false(np_session_is_open(&w.server.s));
    wire_fini(&w);
}

/* One side holds for long, the other has nothing to say. */
static void test_who_holds_is_not_given_up(void **state)
{
    wire w;

    (void)state;
    wire_init(&w);
    w.client.options.idle_ms = w.server.options.idle_ms = 60000;
    wire_open(&w);
    np_session_hold(&w.server.s, true, w.now);
    for (int i = 0; i < 130; i++) {
        wire_tick(&w, 1000);
    }
    assert_true(np_session_is_open(&w.client.s));
    wire_fini(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_within_rests_while_held),
        cmocka_unit_test(test_within_begins_when_let_go),
        cmocka_unit_test(test_who_holds_is_not_given_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
