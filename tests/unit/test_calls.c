/* The table of calls against a plain model: finding, removing, deadlines. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "protocol/calls.h"

#define MODEL 4000u

static void add(np_calls *calls, np_pool *pool, uint32_t stream, uint64_t deadline_ms)
{
    np_call_entry entry = {stream, NULL, deadline_ms, NULL};

    assert_int_equal(np_calls_reserve(calls, pool), NP_OK);
    np_calls_add(calls, &entry);
}

static void test_against_a_model(void **state)
{
    static bool model[MODEL];
    uint32_t seed = 4;
    size_t count = 0;
    np_calls calls;
    np_pool pool;
    (void)state;

    np_pool_init(&pool, NULL);
    np_calls_init(&calls);
    for (int round = 0; round < 200000; round++) {
        uint32_t stream;
        bool grow = (round / 20000) % 2 == 0;
        seed = seed * 1664525u + 1013904223u;
        stream = 1 + (seed >> 8) % (MODEL - 1);
        assert_int_equal(np_calls_find(&calls, stream) != NULL, model[stream]);
        if (!model[stream] && (grow || (seed >> 30) == 0)) {
            add(&calls, &pool, stream, NP_TIME_NEVER);
            model[stream] = true;
            count++;
        } else if (model[stream] && (!grow || (seed >> 30) == 0)) {
            np_calls_remove(&calls, &pool, np_calls_find(&calls, stream));
            model[stream] = false;
            count--;
        }
        assert_int_equal(calls.count[0] + calls.count[1], count);
        assert_true(count > 0 || pool.live == 0);
    }
    for (uint32_t stream = 1; stream < MODEL; stream++) {
        np_call_entry *entry = np_calls_find(&calls, stream);
        assert_int_equal(entry != NULL, model[stream]);
        if (entry != NULL) {
            assert_int_equal(entry->stream, stream);
            np_calls_remove(&calls, &pool, entry);
        }
    }
    assert_null(np_calls_find(&calls, 0));
    assert_int_equal(pool.live, 0);
    np_pool_fini(&pool);
}

/* Ids chosen to share a slot. */
static void test_collisions(void **state)
{
    np_calls calls;
    np_pool pool;
    (void)state;

    np_pool_init(&pool, NULL);
    np_calls_init(&calls);
    for (uint32_t i = 0; i < 500; i++) {
        add(&calls, &pool, (i + 1) << 16, NP_TIME_NEVER);
    }
    for (uint32_t i = 0; i < 500; i += 2) {
        np_calls_remove(&calls, &pool, np_calls_find(&calls, (i + 1) << 16));
    }
    for (uint32_t i = 0; i < 500; i++) {
        assert_int_equal(np_calls_find(&calls, (i + 1) << 16) != NULL, i % 2 == 1);
    }
    np_calls_clear(&calls, &pool);
    assert_int_equal(pool.live, 0);
    np_pool_fini(&pool);
}

static void test_deadlines(void **state)
{
    np_call_entry out;
    np_calls calls;
    np_pool pool;
    int expired = 0;
    (void)state;

    np_pool_init(&pool, NULL);
    np_calls_init(&calls);
    assert_int_equal(calls.deadline_ms, NP_TIME_NEVER);
    for (uint32_t i = 0; i < 100; i++) {
        add(&calls, &pool, 2 * i + 1, 1000 + i);
        add(&calls, &pool, 2 * i + 2, NP_TIME_NEVER);
    }
    assert_int_equal(calls.deadline_ms, 1000);
    assert_false(np_calls_expire(&calls, &pool, 1, 999, &out));
    while (np_calls_expire(&calls, &pool, 1, 1049, &out)) {
        assert_true(out.deadline_ms <= 1049);
        assert_int_equal(out.stream & 1, 1);
        expired++;
    }
    assert_int_equal(expired, 50);
    assert_int_equal(calls.deadline_ms, 1050);
    while (np_calls_expire(&calls, &pool, 1, NP_TIME_NEVER, &out)) {
        expired++;
    }
    assert_int_equal(expired, 100);
    assert_int_equal(calls.count[0], 100);
    while (np_calls_expire(&calls, &pool, 0, NP_TIME_NEVER, &out)) {
        expired++;
    }
    assert_int_equal(expired, 200);
    assert_int_equal(pool.live, 0);
    assert_false(np_calls_expire(&calls, &pool, 0, NP_TIME_NEVER, &out));
    np_pool_fini(&pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_against_a_model),
        cmocka_unit_test(test_collisions),
        cmocka_unit_test(test_deadlines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
