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

/* Rates of which a token takes no whole number of microseconds, or less than one. */
static void test_every_rate_is_kept(void **state)
{
    static const uint32_t rates[] = {3, 7, 1999, 700000, 999999, 1000001, 1500000, 3000000};

    (void)state;
    for (size_t i = 0; i < sizeof rates / sizeof rates[0]; i++) {
        const np_rate rate = {rates[i], (uint64_t)rates[i] * 2};
        np_rate_bucket bucket = {0};
        uint64_t most = rate.burst + (uint64_t)rates[i] * 3;
        uint64_t taken = 0;

        for (; taken <= most && np_rate_has(&bucket, &rate, 5000); taken++) {
            np_rate_take(&bucket, &rate, 5000);
        }
        assert_int_equal(taken, rate.burst);
        /* Three seconds, looked at in every millisecond: not one more, and not one less. */
        for (uint64_t now = 5000; now <= 3005000; now += 1000) {
            for (; taken <= most && np_rate_has(&bucket, &rate, now); taken++) {
                np_rate_take(&bucket, &rate, now);
            }
        }
        assert_int_equal(taken, most);
        /* Two seconds later it is full, and no sooner. */
        assert_false(np_rate_is_full(&bucket, 5004999));
        assert_true(np_rate_is_full(&bucket, 5005000));
    }
}

/* The part of a microsecond that is left over counts as long as the bucket is not full, and not
 * longer: rest makes no debt. */
static void test_parts_are_forgotten_with_the_rest(void **state)
{
    const np_rate thirds = {3, 1};
    const np_rate fast = {700000, 1};
    np_rate_bucket bucket = {0};

    (void)state;
    np_rate_take(&bucket, &thirds, 0); /* 333,333 us and a third */
    assert_false(np_rate_is_full(&bucket, 333333));
    assert_false(np_rate_has(&bucket, &thirds, 333333));
    assert_true(np_rate_is_full(&bucket, 333334));
    assert_true(np_rate_has(&bucket, &thirds, 333334));
    bucket = (np_rate_bucket){0};
    for (uint64_t now = 1000; now < 10000; now += 100) { /* 1 us and three sevenths each */
        assert_true(np_rate_has(&bucket, &fast, now));
        np_rate_take(&bucket, &fast, now);
        assert_false(np_rate_has(&bucket, &fast, now + 1));
        assert_true(np_rate_has(&bucket, &fast, now + 2));
    }
}

/* The greatest: nothing overflows, and it is a bound still. */
static void test_the_greatest_rate(void **state)
{
    const np_rate rate = {UINT32_MAX, (uint64_t)UINT32_MAX * 2};
    np_rate_bucket bucket = {0};
    uint64_t now = UINT64_MAX / 2;

    (void)state;
    np_rate_take(&bucket, &rate, now);
    assert_true(np_rate_has(&bucket, &rate, now));
    bucket.full_us = now + 2000000; /* as after a burst */
    bucket.part = 0;
    assert_false(np_rate_has(&bucket, &rate, now));
    assert_int_equal(take_all(&bucket, &rate, now + 1), 4294);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_burst_then_rate),
        cmocka_unit_test(test_one_at_a_time),
        cmocka_unit_test(test_no_limit),
        cmocka_unit_test(test_every_rate_is_kept),
        cmocka_unit_test(test_the_greatest_rate),
        cmocka_unit_test(test_parts_are_forgotten_with_the_rest),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
