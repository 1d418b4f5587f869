/* A daemon's limits on strangers, without the strangers: rates that no test could connect at. */
#include "service/admission.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static const uint8_t source[16] = {0x20, 0x01, 0x0D, 0xB8};

/* How many may begin at once; *limit is what stopped them. */
static uint64_t begin_all(np_admission *admission, uint64_t now_ms, const char **limit)
{
    const np_time now = {now_ms, 0};
    uint64_t begun = 0;

    while (begun < 4000000 && np__admission_begin(admission, source, now, limit) == NP_OK) {
        begun++;
    }
    return begun;
}

/* More than a million a second are a limit, too, and twice as many may begin at once. */
static void test_great_rates_are_limits(void **state)
{
    static const char *const names[] = {"handshake_rate_max", "handshake_rate_per_source_max"};

    (void)state;
    for (int i = 0; i < 2; i++) {
        np_daemon_options options = np_daemon_options_default();
        const char *limit = NULL;
        np_admission admission;

        options.connections_per_source_max = 0;
        options.half_open_per_source_max = 0;
        options.handshake_rate_max = i == 0 ? 1500000 : UINT32_MAX;
        options.handshake_rate_per_source_max = i == 0 ? UINT32_MAX : 1500000;
        np__admission_init(&admission, &options, 1);
        assert_int_equal(begin_all(&admission, 1000, &limit), 3000000);
        assert_string_equal(limit, names[i]);
        assert_int_equal(begin_all(&admission, 1001, &limit), 1500);
        assert_string_equal(limit, names[i]);
        np__admission_fini(&admission);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_great_rates_are_limits)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
