/* Two sessions over memory: how they meet. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "protocol/negotiate.h"
#include "support/session_talk.h"

static void test_opens(void **state)
{
    wire w;
    (void)state;

    wire_init(&w);
    wire_start(&w);
    assert_int_equal(talk_say(&w.client.s, "x", 1), NP_ERR_STATE);
    wire_run(&w);
    assert_int_equal(wire_expect(&w.client, NP_SESSION_EVENT_OPEN)->event.version, 2);
    assert_int_equal(wire_expect(&w.server, NP_SESSION_EVENT_OPEN)->event.version, 2);
    assert_true(np_session_is_open(&w.client.s) && np_session_is_open(&w.server.s));
    assert_int_equal(np_session_deadline(&w.client.s), NP_TIME_NEVER);
    assert_int_equal(np_session_deadline(&w.server.s), NP_TIME_NEVER);
    talk_assert_idle(&w.client);
    talk_assert_idle(&w.server);
    wire_fini(&w);
}

static void test_meets_in_an_older_version(void **state)
{
    wire w;
    (void)state;

    wire_init(&w);
    w.server.options.version_max = 1;
    wire_start(&w);
    wire_run(&w);
    assert_int_equal(wire_expect(&w.client, NP_SESSION_EVENT_OPEN)->event.version, 1);
    assert_int_equal(wire_expect(&w.server, NP_SESSION_EVENT_OPEN)->event.version, 1);
    assert_int_equal(np_session_send(&w.client.s, demo_message_later, "", NULL), NP_ERR_NEWER);
    wire_fini(&w);
}

static void test_no_version_in_common(void **state)
{
    wire w;
    const wire_event *event;
    (void)state;

    wire_init(&w);
    w.client.options.version_min = 2;
    w.server.options.version_max = 1;
    wire_start(&w);
    wire_run(&w);
    event = wire_expect(&w.client, NP_SESSION_EVENT_CLOSED);
    assert_int_equal(event->event.err, NP_ERR_VERSION);
    assert_int_equal(event->event.stage, NP_SESSION_STAGE_NEGOTIATE);
    assert_true(event->event.by_peer);
    assert_string_equal(event->text, "");
    assert_string_equal(event->offers, "the peer offers demo version 1, this side demo version 2");
    /* The server lingers until the client's end, so that its Error is not lost to a reset. */
    np_session_recv_end(&w.server.s, w.now);
    wire_drain(&w, &w.server);
    event = wire_expect(&w.server, NP_SESSION_EVENT_CLOSED);
    assert_int_equal(event->event.err, NP_ERR_VERSION);
    assert_int_equal(event->event.stage, NP_SESSION_STAGE_NEGOTIATE);
    assert_string_equal(event->fault.where, "base.Hello.offer.version_max");
    wire_fini(&w);
}

static void test_another_schema(void **state)
{
    static const uint8_t digests[][32] = {{1, 2, 3}, {99}};
    np_protocol other = demo_protocol;
    const wire_event *event;
    wire w;
    (void)state;

    /* The same name and version, another digest: the client notices, and both sides hear why. */
    other.digests = digests;
    wire_init(&w);
    w.server.options.protocol = &other;
    wire_start(&w);
    wire_run(&w);
    np_session_recv_end(&w.client.s, w.now);
    wire_drain(&w, &w.client);
    event = wire_expect(&w.client, NP_SESSION_EVENT_CLOSED);
    assert_int_equal(event->event.err, NP_ERR_VERSION);
    assert_string_equal(event->fault.where, "base.Welcome.choice.digest");
    assert_string_equal(event->fault.rule, NP_NEGOTIATE_DIGEST_RULE);
    wire_expect(&w.server, NP_SESSION_EVENT_OPEN);
    event = wire_expect(&w.server, NP_SESSION_EVENT_CLOSED);
    assert_int_equal(event->event.err, NP_ERR_VERSION);
    assert_string_equal(event->offers,
                        "demo version 2 has digest 6300000000000000 here, another one there");
    wire_fini(&w);

    /* The version before means the same to both. */
    wire_init(&w);
    w.server.options.protocol = &other;
    w.client.options.version_max = 1;
    wire_start(&w);
    wire_run(&w);
    assert_int_equal(wire_expect(&w.client, NP_SESSION_EVENT_OPEN)->event.version, 1);
    assert_int_equal(wire_expect(&w.server, NP_SESSION_EVENT_OPEN)->event.version, 1);
    wire_fini(&w);

    /* Another name: the server does. */
    other.name = "other";
    wire_init(&w);
    w.server.options.protocol = &other;
    wire_start(&w);
    wire_run(&w);
    event = wire_expect(&w.client, NP_SESSION_EVENT_CLOSED);
    assert_string_equal(event->offers, "the peer offers other versions 1 to 2, this side demo "
                                       "versions 1 to 2");
    wire_fini(&w);
}

static void test_refuses_bad_options(void **state)
{
    np_session_options options = np_session_options_default(NULL);
    np_protocol low = demo_protocol;
    np_message first = *demo_message_say;
    np_pool pool;
    np_session s;
    np_time now = {0, 0};
    (void)state;

    np_pool_init(&pool, NULL);
    assert_int_equal(np_session_init(&s, &options, &pool, NP_SESSION_CLIENT, now), NP_ERR_ARG);
    first.id = 255;
    low.messages = &first;
    low.message_count = 1;
    options.protocol = &low;
    assert_int_equal(np_session_init(&s, &options, &pool, NP_SESSION_CLIENT, now), NP_ERR_ARG);
    options.protocol = &demo_protocol;
    options.version_min = 3;
    assert_int_equal(np_session_init(&s, &options, &pool, NP_SESSION_CLIENT, now), NP_ERR_ARG);
    pool.options.live_max = 1;
    options.version_min = 0;
    assert_int_equal(np_session_init(&s, &options, &pool, NP_SESSION_CLIENT, now), NP_ERR_LIMIT);
    np_pool_fini(&pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_opens),
        cmocka_unit_test(test_meets_in_an_older_version),
        cmocka_unit_test(test_no_version_in_common),
        cmocka_unit_test(test_refuses_bad_options),
    };
    /* What lies in frames; records have tests of their own. */
    const struct CMUnitTest frames[] = {
        cmocka_unit_test(test_another_schema),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);

    return wire_is_secure() ? failed : failed + cmocka_run_group_tests(frames, NULL, NULL);
}
