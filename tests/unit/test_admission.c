/* A daemon's limits on strangers, without the strangers: rates that no test could connect at. */
#include "service/admission.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

/* How many may begin at once; *limit is what stopped them. */
static uint64_t begin_all(np_admission *admission, np_source *source, uint64_t now_ms,
                          const char **limit)
{
    const np_time now = {now_ms, 0};
    uint64_t begun = 0;

    while (begun < 4000000 && np__admission_begin(admission, source, now, limit) == NP_OK) {
        begun++;
    }
    return begun;
}

/* More than a million a second are a limit, too, and twice as many may begin at once; of those, one
 * source gets half. */
static void test_great_rates_are_limits(void **state)
{
    static const char *const names[] = {"handshake_rate_max", "handshake_rate_per_source_max"};
    const uint8_t address[16] = {0x20, 0x01, 0x0D, 0xB8};

    (void)state;
    for (int i = 0; i < 2; i++) {
        np_daemon_options options = np_daemon_options_default();
        np_origin origin = np_origin_of(address);
        const np_time now = {1000, 0};
        const char *limit = NULL;
        np_source *source = NULL;
        np_admission admission;
        np_pool pool;

        options.connections_per_source_max = 0;
        options.half_open_per_source_max = 0;
        options.handshake_rate_max = i == 0 ? 1500000 : 0;
        options.handshake_rate_per_source_max = i == 0 ? UINT32_MAX : 1500000;
        np_pool_init(&pool, NULL);
        np__admission_init(&admission, &options, &pool, 1);
        assert_int_equal(np__admission_enter(&admission, &origin, now, &source, &limit), NP_OK);
        assert_int_equal(begin_all(&admission, source, 1000, &limit), i == 0 ? 1500001 : 3000000);
        assert_string_equal(limit, names[i]);
        assert_in_range(begin_all(&admission, source, 1001, &limit), 1, 1500);
        assert_string_equal(limit, names[i]);
        np_sources_leave(&admission.sources, source, NULL, true, false, 1001000);
        np__admission_fini(&admission);
        np_pool_fini(&pool);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_great_rates_are_limits)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
