/* A daemon's limits on strangers, without the strangers: rates that no test could connect at. */
#include "service/admission.h"
#include "service/conn_private.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
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

/* A stranger that has had time enough gives way, but not to a source that has more of them. */
static void test_small_sources_keep_their_strangers(void **state)
{
    enum { MANY = 5, ALL = MANY + 1 };
    static const uint8_t addresses[2][16] = {{0x20, 0x01, 0x0D, 0xB8}, {0x20, 0x02, 0x0D, 0xB8}};
    np_daemon_options options = np_daemon_options_default();
    const np_time now = {60000, 0};
    const char *limit = NULL;
    np_source *sources[ALL];
    np_admission admission;
    np_group group;
    np_pool pool;
    np_conn *conns = calloc(ALL, sizeof *conns);

    (void)state;
    assert_non_null(conns);
    memset(&group, 0, sizeof group);
    options.half_open_max = ALL;
    np_pool_init(&pool, NULL);
    np__admission_init(&admission, &options, &pool, 1);
    for (size_t i = 0; i < ALL; i++) { /* the last is alone, and has been here for long */
        np_origin origin = np_origin_of(addresses[i == MANY]);
        assert_int_equal(np__admission_enter(&admission, &origin, now, &sources[i], &limit), NP_OK);
        conns[i].since_ms = i == MANY ? 1000 : now.mono_ms - 10;
        np_members_add(&np_source_site(sources[i])->half_open, &conns[i].member);
        group.half_open_count++;
    }
    assert_string_equal(np__admission_full(&admission, &group), "half_open_max");
    assert_null(np__admission_yields(&admission, &group, sources[0], now));
    assert_ptr_equal(np__admission_yields(&admission, &group, sources[MANY], now), &conns[0]);
    conns[1].since_ms = conns[0].since_ms = 2000;
    assert_ptr_equal(np__admission_yields(&admission, &group, sources[0], now), &conns[0]);
    for (size_t i = 0; i < ALL; i++) {
        np_sources_leave(&admission.sources, sources[i], &conns[i].member, true, false, 60000000);
    }
    np__admission_fini(&admission);
    np_pool_fini(&pool);
    free(conns);
}

/* Both bounds are reached: an open connection may not go for a stranger, or strangers would take
 * the places of those who are in, one by one, whatever their bound. */
static void test_strangers_keep_to_their_bound(void **state)
{
    enum { OPEN = 6, STRANGERS = 4, ALL = OPEN + STRANGERS, NEWCOMER = ALL };
    static const np_session_options session_options = {.idle_ms = 60000};
    np_daemon_options options = np_daemon_options_default();
    const np_time then = {60000, 0}, later = {61001, 0};
    const char *limit = NULL;
    np_source *sources[ALL + 1];
    np_admission admission;
    np_group group;
    np_pool pool;
    np_conn *conns = calloc(ALL, sizeof *conns);

    (void)state;
    assert_non_null(conns);
    memset(&group, 0, sizeof group);
    options.connections_max = ALL;
    options.half_open_max = STRANGERS;
    np_pool_init(&pool, NULL);
    np__admission_init(&admission, &options, &pool, 1);
    for (size_t i = 0; i <= ALL; i++) { /* those who are in are of one source, all others alone */
        const uint8_t address[16] = {0x20, (uint8_t)(i < OPEN ? 1 : i), 0x0D, 0xB8};
        np_origin origin = np_origin_of(address);
        assert_int_equal(np__admission_enter(&admission, &origin, then, &sources[i], &limit),
                         NP_OK);
        if (i == NEWCOMER) {
            break;
        }
        conns[i].since_ms = then.mono_ms;
        conns[i].link.session.options = &session_options;
        np_members_add(&np_source_site(sources[i])->half_open, &conns[i].member);
        if (i < OPEN) {
            np_sources_opened(&admission.sources, sources[i], &conns[i].member, true);
        }
    }
    group.open_count = OPEN;
    group.half_open_count = STRANGERS;
    assert_null(np__admission_yields(&admission, &group, sources[NEWCOMER], then));
    assert_ptr_equal(np__admission_yields(&admission, &group, sources[NEWCOMER], later),
                     &conns[OPEN]);
    assert_string_equal(np__admission_full(&admission, &group), "half_open_max");
    group.open_count = OPEN + 1;
    group.half_open_count = STRANGERS - 1; /* the place is one for a stranger again */
    assert_string_equal(np__admission_full(&admission, &group), "connections_max");
    assert_ptr_equal(np__admission_yields(&admission, &group, sources[NEWCOMER], then), &conns[0]);
    np_sources_leave(&admission.sources, sources[NEWCOMER], NULL, true, false, 60000000);
    for (size_t i = 0; i < ALL; i++) {
        np_sources_leave(&admission.sources, sources[i], &conns[i].member, i >= OPEN, i < OPEN,
                         60000000);
    }
    np__admission_fini(&admission);
    np_pool_fini(&pool);
    free(conns);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_great_rates_are_limits),
        cmocka_unit_test(test_small_sources_keep_their_strangers),
        cmocka_unit_test(test_strangers_keep_to_their_bound),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
