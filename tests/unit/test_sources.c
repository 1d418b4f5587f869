/* Connections per source, and how sources share what all have. */
#include "transport/sources.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

typedef struct world {
    np_pool pool;
    np_sources sources;
    np_source_limit which; /* the last refusal's */
} world;

static void start(world *w, np_source_limits limits)
{
    np_pool_init(&w->pool, NULL);
    if (limits.begins.burst == 0) {
        limits.begins.burst = 1;
    }
    if (limits.all_begins.burst == 0) {
        limits.all_begins.burst = 1;
    }
    np_sources_init(&w->sources, &limits, &w->pool, 0, 99);
}

static void end(world *w)
{
    np_sources_fini(&w->sources);
    np_pool_fini(&w->pool);
}

static np_origin v4(uint32_t host)
{
    uint8_t address[16] = {[10] = 0xFF, [11] = 0xFF};

    for (int i = 0; i < 4; i++) {
        address[12 + i] = (uint8_t)(host >> (24 - 8 * i));
    }
    return np_origin_of(address);
}

/* 2001:db8:site:home-and-link:: and a host. */
static np_origin v6(uint16_t site, uint8_t home, uint8_t link, uint8_t host)
{
    const uint8_t address[16] = {0x20,          1,    0x0D, 0xB8, (uint8_t)(site >> 8),
                                 (uint8_t)site, home, link, host};

    return np_origin_of(address);
}

/* NULL where it is refused. */
static np_source *enter_at(world *w, np_origin origin, uint64_t now_us)
{
    np_source *source = NULL;
    np_err err = np_sources_enter(&w->sources, &origin, now_us, &source, &w->which);

    assert_int_equal(err, w->which == NP_SOURCE_NONE ? NP_OK : NP_ERR_LIMIT);
    return source;
}

static np_source *enter(world *w, np_origin origin)
{
    return enter_at(w, origin, 0);
}

static void leave(world *w, np_source *source)
{
    np_sources_leave(&w->sources, source, NULL, true, false, 0);
}

static void test_limit(void **state)
{
    world w;
    np_source *a = NULL;
    np_source *b = NULL;

    (void)state;
    start(&w, (np_source_limits){.connections = 2});
    a = enter(&w, v4(1));
    assert_non_null(a);
    assert_ptr_equal(enter(&w, v4(1)), a);
    assert_null(enter(&w, v4(1)));
    assert_int_equal(w.which, NP_SOURCE_CONNECTIONS);
    b = enter(&w, v4(2));
    assert_non_null(b);
    leave(&w, a);
    assert_ptr_equal(enter(&w, v4(1)), a);
    leave(&w, a);
    leave(&w, a);
    leave(&w, b);
    assert_int_equal(w.sources.count, 0);
    end(&w);
}

/* Who is on this machine is a source by user, and no address is taken for one. */
static void test_users(void **state)
{
    const np_origin users[] = {{.kind = NP_ORIGIN_USER, .uid = 0},
                               {.kind = NP_ORIGIN_USER, .uid = 1000}};
    world w;
    np_source *sources[2];
    np_source *nobody = NULL;

    (void)state;
    start(&w, (np_source_limits){.connections = 1});
    nobody = enter(&w, v4(0));
    for (int i = 0; i < 2; i++) {
        sources[i] = enter(&w, users[i]);
        assert_non_null(sources[i]);
        assert_null(enter(&w, users[i]));
    }
    leave(&w, nobody);
    leave(&w, sources[0]);
    leave(&w, sources[1]);
    end(&w);
}

/* How many of those whom `of` makes may come in. */
static unsigned how_many(np_origin (*of)(unsigned i))
{
    np_source *in[64];
    unsigned count = 0;
    world w;

    start(&w, (np_source_limits){.connections = 3});
    for (unsigned i = 0; i < 64; i++) {
        np_source *source = enter(&w, of(i));
        if (source != NULL) {
            in[count++] = source;
        }
    }
    for (unsigned i = 0; i < count; i++) {
        leave(&w, in[i]);
    }
    assert_int_equal(w.sources.count, 0);
    end(&w);
    return count;
}

static np_origin one_link(unsigned i)
{
    return v6(1, 2, 3, (uint8_t)i);
}

static np_origin one_home(unsigned i)
{
    return v6(1, 2, (uint8_t)i, 4);
}

static np_origin one_site(unsigned i)
{
    return v6(1, (uint8_t)i, (uint8_t)(i * 7), 4);
}

static np_origin many_sites(unsigned i)
{
    return v6((uint16_t)(i * 977), 2, 3, 4);
}

/* A /64 counts as one, a /56 may have twice as much, a /48 four times. */
static void test_prefixes(void **state)
{
    (void)state;
    assert_int_equal(how_many(one_link), 3);
    assert_int_equal(how_many(one_home), 6);
    assert_int_equal(how_many(one_site), 12);
    assert_int_equal(how_many(many_sites), 64);
}

static void test_half_open(void **state)
{
    np_member member[3];
    world w;
    np_source *a = NULL;

    (void)state;
    start(&w, (np_source_limits){.half_open = 2});
    a = enter(&w, v4(1));
    np_sources_add(a, &member[0]);
    assert_non_null(enter(&w, v4(1)));
    np_sources_add(a, &member[1]);
    assert_null(enter(&w, v4(1)));
    assert_int_equal(w.which, NP_SOURCE_HALF_OPEN);
    np_sources_opened(&w.sources, a, &member[0], true);
    assert_non_null(enter(&w, v4(1)));
    np_sources_add(a, &member[2]);
    assert_null(enter(&w, v4(1)));
    np_sources_leave(&w.sources, a, &member[0], false, true, 0); /* the open one */
    assert_null(enter(&w, v4(1)));
    np_sources_leave(&w.sources, a, &member[1], true, false, 0);
    assert_non_null(enter(&w, v4(1)));
    leave(&w, a);
    np_sources_leave(&w.sources, a, &member[2], true, false, 0);
    end(&w);
}

/* Against plain arrays, through growth and many removals: how many each has, and who has most. */
enum { HOSTS = 200, EACH = 60 };

typedef struct model_member {
    np_member member;
    bool in, open, yields;
} model_member;

typedef struct model {
    np_source *sources[HOSTS];
    model_member members[HOSTS][EACH];
    unsigned count[HOSTS], strangers[HOSTS], all[HOSTS];
} model;

static void model_step(world *w, model *m, uint32_t random)
{
    unsigned host = random % 7 != 0 ? (random >> 8) % 10 : (random >> 8) % HOSTS;
    model_member *member = &m->members[host][(random >> 16) % EACH];

    if (!member->in) {
        np_source *source = enter(w, v4(host * 7919));
        assert_int_equal(source != NULL, m->count[host] < 50);
        if (source != NULL) {
            m->sources[host] = source;
            np_sources_add(source, &member->member);
            *member = (model_member){.member = member->member, .in = true};
            *member->member.prev = &member->member;
            m->count[host]++;
            m->strangers[host]++;
            m->all[host]++;
        }
    } else if (!member->open && random >> 30 != 0) {
        member->open = true;
        member->yields = random >> 31 != 0;
        np_sources_opened(&w->sources, m->sources[host], &member->member, member->yields);
        m->strangers[host]--;
        m->all[host] -= !member->yields;
    } else {
        np_sources_leave(&w->sources, m->sources[host],
                         member->open && !member->yields ? NULL : &member->member, !member->open,
                         member->open && member->yields, 0);
        member->in = false;
        m->count[host]--;
        m->strangers[host] -= !member->open;
        m->all[host] -= !member->open || member->yields;
    }
}

static void expect_most(const np_share *share, const unsigned *counts)
{
    unsigned most = 0;

    for (unsigned i = 0; i < HOSTS; i++) {
        most = counts[i] > most ? counts[i] : most;
    }
    if (most == 0) {
        assert_null(share);
    } else {
        assert_non_null(share);
        assert_true(share->held <= most && share->held * 9 >= (uint64_t)most * 8);
    }
}

static void test_model(void **state)
{
    static model m;
    uint32_t random = 12345;
    world w;

    (void)state;
    start(&w, (np_source_limits){.connections = 50});
    for (int i = 0; i < 200000; i++) {
        np_site *site = NULL;
        random = random * 1664525 + 1013904223;
        model_step(&w, &m, random ^ random >> 13);
        if (i % 16 == 0) {
            site = np_sources_most_strangers(&w.sources);
            expect_most(site != NULL ? &site->strangers : NULL, m.strangers);
            site = np_sources_most(&w.sources);
            expect_most(site != NULL ? &site->all : NULL, m.all);
        }
    }
    for (unsigned host = 0; host < HOSTS; host++) {
        for (unsigned i = 0; i < EACH; i++) {
            model_member *member = &m.members[host][i];
            if (member->in) {
                np_sources_leave(&w.sources, m.sources[host],
                                 member->open && !member->yields ? NULL : &member->member,
                                 !member->open, member->open && member->yields, 0);
            }
        }
    }
    assert_int_equal(w.sources.count, 0);
    assert_null(np_sources_most(&w.sources));
    end(&w);
}

/* Handshakes -------------------------------------------------------------------------------- */

/* Somebody comes, asks for a handshake, and goes. */
static bool ask(world *w, np_origin origin, uint64_t now_us)
{
    np_source *source = enter_at(w, origin, now_us);
    np_err err = NP_OK;

    assert_non_null(source);
    err = np_sources_begin(&w->sources, source, now_us, &w->which);
    np_sources_leave(&w->sources, source, NULL, true, false, now_us);
    return err == NP_OK;
}

/* Hanging up gives no token back, as the work has been done; and who waits is forgotten. Coming
 * takes none. */
static void test_begins(void **state)
{
    world w;

    (void)state;
    start(&w, (np_source_limits){.begins = {10, 2}});
    for (int i = 0; i < 100; i++) { /* who does no more than come */
        np_source *source = enter_at(&w, v4(1), 1000);
        np_sources_leave(&w.sources, source, NULL, true, false, 1000);
        assert_int_equal(w.sources.count, 0);
    }
    assert_true(ask(&w, v4(1), 1000));
    assert_true(ask(&w, v4(1), 1000));
    assert_false(ask(&w, v4(1), 1000));
    assert_int_equal(w.which, NP_SOURCE_BEGINS);
    assert_int_equal(w.sources.count, 1);
    assert_true(ask(&w, v4(1), 101000));
    assert_int_equal(w.sources.count, 1);
    assert_true(ask(&w, v4(2), 2000000));
    assert_int_equal(w.sources.count, 1); /* the first has been forgotten */
    end(&w);
}

static void test_begins_of_prefixes(void **state)
{
    world w;
    int begun = 0;

    (void)state;
    start(&w, (np_source_limits){.begins = {10, 20}});
    for (unsigned i = 0; i < 256; i++) {
        begun += ask(&w, one_link(i), 1000);
    }
    assert_int_equal(begun, 20);
    for (unsigned i = 0; i < 256; i++) {
        begun += ask(&w, one_home(i), 1000);
    }
    assert_int_equal(begun, 40);
    for (unsigned i = 0; i < 256; i++) {
        begun += ask(&w, one_site(i), 1000);
    }
    assert_int_equal(begun, 80);
    end(&w);
}

/* Many sources that come once: no more are remembered than the bound says. */
static void test_strangers_are_forgotten(void **state)
{
    const np_source_limits limits[] = {
        {.begins = {1000, 1}}, /* remembered for a millisecond */
        {.begins = {1, 100}},  /* for a second */
        {.all_begins = {4000000000u, 4000000000u}},
    };

    (void)state;
    for (int round = 0; round < 3; round++) {
        world w;
        size_t most = 0;
        start(&w, limits[round]);
        for (uint32_t i = 0; i < 300000; i++) {
            uint64_t now = (uint64_t)i * 10;
            assert_true(
                ask(&w, round == 2 ? v6((uint16_t)(i >> 8), (uint8_t)i, 1, 1) : v4(i), now));
            most = w.sources.count > most ? w.sources.count : most;
        }
        assert_in_range(most, 1, round == 0 ? 512 : 3 * NP_SOURCES_REMEMBERED + 16);
        assert_true(w.sources.place_count <= 4 * NP_SOURCES_REMEMBERED);
        end(&w);
    }
}

/* `attackers` sources ask for as many handshakes as they can, and now and then somebody comes who
 * was never there: is let in, whoever else wants to. What each attacker gets is about the same. */
static void expect_fair_begins(uint32_t attackers, bool ipv6)
{
    const np_source_limits limits = {.begins = {200, 400}, .all_begins = {2000, 4000}};
    uint32_t *begun = calloc(attackers, sizeof *begun);
    uint32_t least = UINT32_MAX;
    uint32_t most = 0;
    uint32_t newcomer = 0x0A000000;
    world w;

    assert_non_null(begun);
    start(&w, limits);
    for (uint64_t ms = 0; ms < 8000; ms++) {
        for (uint32_t i = 0; i < attackers; i++) {
            uint32_t who = (uint32_t)(i + ms) % attackers;
            np_origin origin =
                ipv6 ? v6((uint16_t)who, (uint8_t)ms, (uint8_t)(ms >> 3), 1) : v4(0x7F000000 + who);
            for (int again = 0; again < 3 && ask(&w, origin, ms * 1000); again++) {
                begun[who] += ms >= 4000;
            }
        }
        if (ms % 20 == 19) {
            assert_true(ask(&w, v4(newcomer++), ms * 1000));
        }
    }
    for (uint32_t i = 0; i < attackers; i++) {
        least = begun[i] < least ? begun[i] : least;
        most = begun[i] > most ? begun[i] : most;
    }
    assert_true(most <= 2 * least + 8);
    end(&w);
    free(begun);
}

static void test_fair_begins(void **state)
{
    static const uint32_t attackers[] = {1, 10, 16, 64, 1000};

    (void)state;
    for (size_t i = 0; i < sizeof attackers / sizeof attackers[0]; i++) {
        expect_fair_begins(attackers[i], false);
        expect_fair_begins(attackers[i], true);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_limit),
        cmocka_unit_test(test_users),
        cmocka_unit_test(test_prefixes),
        cmocka_unit_test(test_half_open),
        cmocka_unit_test(test_model),
        cmocka_unit_test(test_begins),
        cmocka_unit_test(test_begins_of_prefixes),
        cmocka_unit_test(test_strangers_are_forgotten),
        cmocka_unit_test(test_fair_begins),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
