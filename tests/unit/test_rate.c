/* Buckets of tokens. */
#include "util/rate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static uint32_t take_all(np_rate_bucket *bucket, const np_rate *rate, uint64_t now_us)
{
    uint32_t taken = 0;

    while (np_rate_has(bucket, rate, now_us) && taken < 100000) {
        np_rate_take(bucket, rate, now_us);
        taken++;
    }
    return taken;
}

static void test_burst_then_rate(void **state)
{
    const np_rate rate = {200, 400};
    np_rate_bucket bucket = {0};
    uint64_t now = 7000000;

    (void)state;
    assert_true(np_rate_is_full(&bucket, now));
    assert_int_equal(take_all(&bucket, &rate, now), 400);
    assert_false(np_rate_is_full(&bucket, now));
    assert_int_equal(take_all(&bucket, &rate, now + 4999), 0);
    assert_int_equal(take_all(&bucket, &rate, now + 5000), 1);
    /* A second of one here and one there gives no more than the rate. */
    uint32_t taken = 0;
    for (uint64_t t = now + 5000; t < now + 1005000; t += 1000) {
        taken += take_all(&bucket, &rate, t);
    }
    assert_in_range(taken, 199, 200);
    /* Rest fills it, to the burst and no further. */
    assert_int_equal(take_all(&bucket, &rate, now + 3600000000), 400);
}

static void test_one_at_a_time(void **state)
{
    const np_rate rate = {1, 1};
    np_rate_bucket bucket = {0};

    (void)state;
    assert_int_equal(take_all(&bucket, &rate, 0), 1);
    assert_int_equal(take_all(&bucket, &rate, 999999), 0);
    assert_int_equal(take_all(&bucket, &rate, 1000000), 1);
}

static void test_no_limit(void **state)
{
    const np_rate rate = {0, 1};
    np_rate_bucket bucket = {0};

    (void)state;
    assert_int_equal(take_all(&bucket, &rate, 5), 100000);
    assert_true(np_rate_is_full(&bucket, 5));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_burst_then_rate),
        cmocka_unit_test(test_one_at_a_time),
        cmocka_unit_test(test_no_limit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
