/* Connections per source address. */
#include "transport/sources.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void make_v4(uint8_t address[16], uint32_t host)
{
    memset(address, 0, 16);
    address[10] = address[11] = 0xFF;
    for (int i = 0; i < 4; i++) {
        address[12 + i] = (uint8_t)(host >> (24 - 8 * i));
    }
}

/* With a limit of connections only. */
static np_err add(np_sources *sources, const uint8_t address[16], uint32_t max)
{
    np_source_limits limits = {.connections = max, .begins = {0, 1}};
    np_source_limit which = NP_SOURCE_NONE;
    np_err err = np_sources_add(sources, address, &limits, 0, &which);

    assert_int_equal(which, err == NP_OK ? NP_SOURCE_NONE : NP_SOURCE_CONNECTIONS);
    return err;
}

static void take_back(np_sources *sources, const uint8_t address[16])
{
    np_sources_remove(sources, address, true, 0);
}

static void test_limit(void **state)
{
    np_sources sources;
    uint8_t a[16];
    uint8_t b[16];

    (void)state;
    np_sources_init(&sources, 1);
    make_v4(a, 1);
    make_v4(b, 2);
    take_back(&sources, a); /* nothing there yet */
    assert_int_equal(add(&sources, a, 2), NP_OK);
    assert_int_equal(add(&sources, a, 2), NP_OK);
    assert_int_equal(add(&sources, a, 2), NP_ERR_LIMIT);
    assert_int_equal(add(&sources, b, 2), NP_OK);
    take_back(&sources, a);
    assert_int_equal(add(&sources, a, 2), NP_OK);
    assert_int_equal(add(&sources, a, 0), NP_OK); /* 0: no limit */
    np_sources_fini(&sources);
}

static void test_ipv6_counts_by_64(void **state)
{
    np_sources sources;
    uint8_t a[16] = {0x20, 1, 0x0D, 0xB8, 0, 0, 0, 1, 1};
    uint8_t b[16] = {0x20, 1, 0x0D, 0xB8, 0, 0, 0, 1, 2};
    uint8_t c[16] = {0x20, 1, 0x0D, 0xB8, 0, 0, 0, 2, 1};

    (void)state;
    np_sources_init(&sources, 1);
    assert_int_equal(add(&sources, a, 1), NP_OK);
    assert_int_equal(add(&sources, b, 1), NP_ERR_LIMIT);
    assert_int_equal(add(&sources, c, 1), NP_OK);
    take_back(&sources, b);
    assert_int_equal(add(&sources, a, 1), NP_OK);
    np_sources_fini(&sources);
}

/* Against a plain array, through growth and many removals. */
static void test_model(void **state)
{
    enum { HOSTS = 500, STEPS = 100000 };
    uint32_t model[HOSTS] = {0};
    np_sources sources;
    uint8_t address[16];
    uint32_t random = 12345;

    (void)state;
    np_sources_init(&sources, 99);
    for (int i = 0; i < STEPS; i++) {
        random = random * 1664525 + 1013904223;
        uint32_t host = (random >> 8) % HOSTS;
        make_v4(address, host * 7919);
        if ((random >> 30) < 2 && model[host] > 0) {
            take_back(&sources, address);
            model[host]--;
        } else {
            np_err err = add(&sources, address, 3);
            assert_int_equal(err, model[host] < 3 ? NP_OK : NP_ERR_LIMIT);
            model[host] += err == NP_OK;
        }
    }
    for (uint32_t host = 0; host < HOSTS; host++) {
        make_v4(address, host * 7919);
        for (; model[host] > 0; model[host]--) {
            take_back(&sources, address);
        }
    }
    assert_int_equal(sources.used, 0);
    np_sources_fini(&sources);
}

static void test_half_open(void **state)
{
    const np_source_limits limits = {.half_open = 2, .begins = {0, 1}};
    np_source_limit which = NP_SOURCE_NONE;
    np_sources sources;
    uint8_t a[16];

    (void)state;
    np_sources_init(&sources, 1);
    make_v4(a, 1);
    np_sources_opened(&sources, a); /* nothing there yet */
    assert_int_equal(np_sources_add(&sources, a, &limits, 0, &which), NP_OK);
    assert_int_equal(np_sources_add(&sources, a, &limits, 0, &which), NP_OK);
    assert_int_equal(np_sources_add(&sources, a, &limits, 0, &which), NP_ERR_LIMIT);
    assert_int_equal(which, NP_SOURCE_HALF_OPEN);
    np_sources_opened(&sources, a);
    assert_int_equal(np_sources_add(&sources, a, &limits, 0, &which), NP_OK);
    assert_int_equal(np_sources_add(&sources, a, &limits, 0, &which), NP_ERR_LIMIT);
    np_sources_remove(&sources, a, false, 0); /* the open one: no place becomes free */
    assert_int_equal(np_sources_add(&sources, a, &limits, 0, &which), NP_ERR_LIMIT);
    np_sources_remove(&sources, a, true, 0);
    assert_int_equal(np_sources_add(&sources, a, &limits, 0, &which), NP_OK);
    np_sources_fini(&sources);
}

/* Hanging up gives no token back, as the work has been done; and who waits is forgotten. */
static void test_begins(void **state)
{
    const np_source_limits limits = {.begins = {10, 2}};
    np_source_limit which = NP_SOURCE_NONE;
    np_sources sources;
    uint8_t a[16];

    (void)state;
    np_sources_init(&sources, 1);
    make_v4(a, 1);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(np_sources_add(&sources, a, &limits, 1000, &which), NP_OK);
        np_sources_remove(&sources, a, true, 1000);
    }
    assert_int_equal(np_sources_add(&sources, a, &limits, 1000, &which), NP_ERR_LIMIT);
    assert_int_equal(which, NP_SOURCE_BEGINS);
    assert_int_equal(sources.used, 1);
    assert_int_equal(np_sources_add(&sources, a, &limits, 101000, &which), NP_OK);
    np_sources_remove(&sources, a, true, 301000);
    assert_int_equal(sources.used, 0);
    np_sources_fini(&sources);
}

/* Many sources that come once: the table grows with those that are remembered, and no further. */
static void test_strangers_are_forgotten(void **state)
{
    const np_source_limits limits = {.begins = {1000, 1}}; /* remembered for a millisecond */
    np_source_limit which = NP_SOURCE_NONE;
    np_sources sources;
    uint8_t a[16];

    (void)state;
    np_sources_init(&sources, 7);
    for (uint32_t i = 0; i < 1000000; i++) {
        uint64_t now = (uint64_t)i * 10; /* a hundred within that time */
        make_v4(a, i);
        assert_int_equal(np_sources_add(&sources, a, &limits, now, &which), NP_OK);
        np_sources_remove(&sources, a, true, now);
    }
    assert_true(sources.slot_count <= 512);
    np_sources_fini(&sources);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_limit),  cmocka_unit_test(test_ipv6_counts_by_64),
        cmocka_unit_test(test_model),  cmocka_unit_test(test_half_open),
        cmocka_unit_test(test_begins), cmocka_unit_test(test_strangers_are_forgotten),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
