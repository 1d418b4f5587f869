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

static void test_limit(void **state)
{
    np_sources sources;
    uint8_t a[16];
    uint8_t b[16];

    (void)state;
    np_sources_init(&sources, 1);
    make_v4(a, 1);
    make_v4(b, 2);
    np_sources_remove(&sources, a); /* nothing there yet */
    assert_int_equal(np_sources_add(&sources, a, 2), NP_OK);
    assert_int_equal(np_sources_add(&sources, a, 2), NP_OK);
    assert_int_equal(np_sources_add(&sources, a, 2), NP_ERR_LIMIT);
    assert_int_equal(np_sources_add(&sources, b, 2), NP_OK);
    np_sources_remove(&sources, a);
    assert_int_equal(np_sources_add(&sources, a, 2), NP_OK);
    assert_int_equal(np_sources_add(&sources, a, 0), NP_OK); /* 0: no limit */
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
    assert_int_equal(np_sources_add(&sources, a, 1), NP_OK);
    assert_int_equal(np_sources_add(&sources, b, 1), NP_ERR_LIMIT);
    assert_int_equal(np_sources_add(&sources, c, 1), NP_OK);
    np_sources_remove(&sources, b);
    assert_int_equal(np_sources_add(&sources, a, 1), NP_OK);
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
            np_sources_remove(&sources, address);
            model[host]--;
        } else {
            np_err err = np_sources_add(&sources, address, 3);
            assert_int_equal(err, model[host] < 3 ? NP_OK : NP_ERR_LIMIT);
            model[host] += err == NP_OK;
        }
    }
    for (uint32_t host = 0; host < HOSTS; host++) {
        make_v4(address, host * 7919);
        for (; model[host] > 0; model[host]--) {
            np_sources_remove(&sources, address);
        }
    }
    assert_int_equal(sources.used, 0);
    np_sources_fini(&sources);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_limit),
        cmocka_unit_test(test_ipv6_counts_by_64),
        cmocka_unit_test(test_model),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
