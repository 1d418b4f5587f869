/* Who holds most: against plain arrays, and the shares of memory that holders of a pool get while
 * others do their worst. */
#include "util/pool.h"
#include "util/shares.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static uint32_t next(uint32_t *random)
{
    *random = *random * 1664525 + 1013904223;
    return *random >> 8;
}

/* Amounts of up to 16 exactly, greater ones to a ninth. */
static void expect_top(np_shares *shares, const np_share *all, size_t count)
{
    const np_share *top = np_shares_top(shares);
    uint64_t most = 0;

    for (size_t i = 0; i < count; i++) {
        most = all[i].held > most ? all[i].held : most;
    }
    if (most <= shares->least) {
        assert_null(top);
        return;
    }
    assert_non_null(top);
    assert_true(most <= 16 ? top->held == most : top->held * 9 >= most * 8);
}

static void test_model(void **state)
{
    enum { COUNT = 300 };
    static const uint64_t greatest[] = {3, 16, 1000, (uint64_t)1 << 40};
    static np_share all[COUNT];
    uint32_t random = 5;

    (void)state;
    for (size_t round = 0; round < 8; round++) {
        np_shares shares = {.root = NULL, .least = round < 4 ? 0 : greatest[round - 4] / 4};
        for (size_t i = 0; i < COUNT; i++) {
            np_share_init(&all[i], &shares);
        }
        for (int step = 0; step < 30000; step++) {
            np_share *one = &all[next(&random) % (step % 100 < 50 ? 5 : COUNT)];
            uint64_t amount = next(&random) * (uint64_t)next(&random) % (greatest[round % 4] + 1);
            switch (next(&random) % 8) {
            case 0: /* its storage goes away, and comes back */
                np_share_leave(&shares, one);
                assert_null(one->link);
                np_share_init(one, &shares);
                break;
            case 1:
            case 2:
            case 3:
                np_share_sub(one, amount % (one->held + 1));
                break;
            default:
                np_share_add(&shares, one, amount);
                break;
            }
            if (step % 3 == 0) {
                expect_top(&shares, all, COUNT);
            }
        }
        for (size_t i = 0; i < COUNT; i++) {
            np_share_leave(&shares, &all[i]);
        }
        assert_null(shares.root);
    }
}

/* A pool that many use ---------------------------------------------------------------------- */

enum { HOLDERS = 64, ACCOUNTS = 8, BLOCKS = 64 };

/* Something that holds memory, and gives all back when it is told to. */
typedef struct user {
    np_account account;
    void *blocks[BLOCKS];
    size_t caps[BLOCKS];
    size_t count;
    uint64_t evicted;
    uint64_t held; /* when it was evicted last */
    size_t need;   /* and what was needed then */
    bool busy;     /* it cannot give back anything now */
    bool spent;    /* it says that it gives, and has nothing to give */
} user;

typedef struct world {
    np_pool pool;
    np_holder holders[HOLDERS];
    user users[HOLDERS][ACCOUNTS];
} world;

static void give_all(user *u)
{
    while (u->count > 0) {
        u->count--;
        np_pool_give(&u->account, u->blocks[u->count], u->caps[u->count]);
    }
    assert_int_equal(u->account.live, 0);
}

static bool evict(np_account *account, size_t need)
{
    user *u = (user *)(void *)((char *)account - offsetof(user, account));

    /* Nobody else gives way meanwhile. */
    assert_false(np_pool_yield(np_account_holder(account)->pool, 0, 1));
    u->held = account->live;
    u->need = need;
    if (u->busy) {
        return false;
    }
    u->evicted++;
    if (!u->spent) {
        give_all(u);
    }
    return true;
}

static world *start(size_t live_max, size_t each_max)
{
    const np_pool_options options = {.cache_max = 1 << 20, .live_max = live_max};
    world *w = calloc(1, sizeof *w);

    assert_non_null(w);
    np_pool_init(&w->pool, &options);
    w->pool.evict = evict;
    for (int i = 0; i < HOLDERS; i++) {
        np_holder_init(&w->holders[i], &w->pool, each_max);
        for (int k = 0; k < ACCOUNTS; k++) {
            np_account_init(&w->users[i][k].account, &w->holders[i]);
        }
    }
    return w;
}

static void end(world *w)
{
    for (int i = 0; i < HOLDERS; i++) {
        for (int k = 0; k < ACCOUNTS; k++) {
            give_all(&w->users[i][k]);
        }
        np_holder_fini(&w->holders[i]);
    }
    assert_int_equal(w->pool.live, 0);
    np_pool_fini(&w->pool);
    free(w);
}

static np_err take(user *u, size_t len)
{
    np_err err = NP_OK;

    if (u->count == BLOCKS) {
        give_all(u);
    }
    err = np_pool_take(&u->account, len, &u->blocks[u->count], &u->caps[u->count]);
    if (err == NP_OK) {
        memset(u->blocks[u->count], 0xA5, 64);
        u->count++;
    }
    return err;
}

/* The first `hogs` holders take what they can, with all their connections or with one. The others
 * keep below a 64th of the memory each, and are never refused, nor told to give anything back. */
static void expect_shares(int hogs, bool one_connection)
{
    enum { MEMORY = 16 << 20, SHARE = MEMORY / HOLDERS };
    world *w = start(MEMORY, 0);
    uint32_t random = 77;
    uint64_t evicted = 0;

    for (int step = 0; step < 100000; step++) {
        int holder = (int)(next(&random) % HOLDERS);
        user *u = &w->users[holder][next(&random) % ACCOUNTS];
        size_t len = 500 + next(&random) % 20000;
        if (next(&random) % 3 == 0) {
            holder = (int)(next(&random) % (unsigned)hogs);
            u = &w->users[holder][one_connection ? 0 : next(&random) % ACCOUNTS];
            len = (size_t)1 << (9 + next(&random) % 13);
        }
        if (holder < hogs) {
            (void)take(u, len);
        } else if (w->holders[holder].share.held + NP_POOL_TOP < SHARE) {
            assert_int_equal(take(u, len), NP_OK);
        } else {
            give_all(u);
        }
        assert_true(w->pool.live <= MEMORY);
    }
    for (int i = 0; i < HOLDERS; i++) {
        for (int k = 0; k < ACCOUNTS; k++) {
            evicted += w->users[i][k].evicted;
            assert_true(i < hogs || w->users[i][k].evicted == 0);
        }
    }
    assert_true(evicted > 0); /* it was short */
    end(w);
}

static void test_shares(void **state)
{
    (void)state;
    expect_shares(1, true);
    expect_shares(1, false);
    expect_shares(10, true);
    expect_shares(10, false);
}

/* What the greatest holder has, counted by hand. */
static uint64_t greatest(const world *w)
{
    uint64_t most = 0;

    for (int i = 0; i < HOLDERS; i++) {
        uint64_t sum = 0;
        for (int k = 0; k < ACCOUNTS; k++) {
            sum += w->users[i][k].account.live;
        }
        assert_int_equal(sum, w->holders[i].share.held);
        most = sum > most ? sum : most;
    }
    return most;
}

/* Random programs against a count by hand: the asker is refused only where no holder has much more
 * than it would have. */
static void test_who_gives_way(void **state)
{
    enum { MEMORY = 4 << 20 };
    world *w = start(MEMORY, 0);
    uint32_t random = 3;
    unsigned refused = 0;

    (void)state;
    for (int step = 0; step < 200000; step++) {
        unsigned holder = next(&random) % (step % 1000 < 500 ? 4 : HOLDERS);
        user *u = &w->users[holder][next(&random) % ACCOUNTS];
        size_t len = (size_t)1 << (9 + next(&random) % 12);
        uint64_t most = 0;
        np_err err = NP_OK;

        if (next(&random) % 5 == 0 || u->count == BLOCKS) {
            np_account_move(&u->account, &w->holders[holder ^ 1]);
            np_account_move(&u->account, &w->holders[holder]);
            give_all(u);
            continue;
        }
        err = take(u, len);
        if (err != NP_OK) {
            assert_int_equal(err, NP_ERR_LIMIT);
            /* Nobody else holds much more than it would have. */
            most = greatest(w);
            len = len > NP_POOL_TOP || len <= 32768 ? len : NP_POOL_TOP; /* what it would get */
            assert_true((w->holders[holder].share.held + len) * 9 >= most * 8);
            refused++;
        }
    }
    assert_true(refused > 0);
    end(w);
}

/* One account's bound is its own affair. */
static void test_share_of_an_account(void **state)
{
    world *w = start(16 << 20, 100000);
    user *u = &w->users[0][0];

    (void)state;
    assert_int_equal(take(u, 90000), NP_OK);
    assert_int_equal(take(u, 16000), NP_ERR_LIMIT);
    assert_true(w->pool.refused_share);
    assert_int_equal(take(&w->users[0][1], 90000), NP_OK);
    assert_int_equal(take(u, 8000), NP_OK);
    assert_int_equal(take(u, 100), NP_OK);
    assert_int_equal(u->evicted, 0);
    end(w);

    w = start(16 << 20, 100000);
    assert_int_equal(take(&w->users[0][0], 100000), NP_OK); /* all of it */
    assert_int_equal(take(&w->users[0][0], 1), NP_ERR_LIMIT);
    assert_true(w->pool.refused_share);
    w->pool.options.live_max = w->pool.live;
    w->pool.evict = NULL;
    assert_int_equal(take(&w->users[1][0], 1), NP_ERR_LIMIT);
    assert_false(w->pool.refused_share); /* this time it was all of the pool */
    end(w);
}

/* An account is heavy from more than 2 KiB on, and an ordinary one again with 1 KiB, so that one
 * that goes up and down between them costs nothing. Its place is kept for the next one. */
static void test_who_is_heavy(void **state)
{
    world *w = start(0, 0);
    user *u = &w->users[0][0];

    (void)state;
    assert_int_equal(take(u, 1024), NP_OK);
    assert_int_equal(take(u, 1024), NP_OK);
    assert_false(u->account.is_heavy);
    assert_false(np_pool_yield(&w->pool, 0, 1));
    assert_int_equal(take(u, 504), NP_OK);
    assert_true(u->account.is_heavy);
    for (int left = 1; left >= 0; left--) {
        u->count--;
        np_pool_give(&u->account, u->blocks[u->count], u->caps[u->count]);
        assert_int_equal(u->account.live, 1024 * (1 + left));
        assert_int_equal(u->account.is_heavy, left);
    }
    assert_int_equal(w->pool.spare_heavy_count, 1);
    assert_int_equal(take(&w->users[1][0], 4096), NP_OK);
    assert_int_equal(w->pool.spare_heavy_count, 0);
    end(w);
}

/* So many places are kept, however many were heavy. */
static void test_places_are_bounded(void **state)
{
    enum { COUNT = 4097 };
    np_account *accounts = calloc(COUNT, sizeof *accounts);
    void **blocks = calloc(COUNT, sizeof *blocks);
    size_t cap = 0;
    np_pool pool;

    (void)state;
    assert_non_null(accounts);
    assert_non_null(blocks);
    np_pool_init(&pool, NULL);
    for (size_t i = 0; i < COUNT; i++) {
        np_account_init(&accounts[i], &pool.own);
        assert_int_equal(np_pool_take(&accounts[i], 4096, &blocks[i], &cap), NP_OK);
    }
    for (size_t i = 0; i < COUNT; i++) {
        np_pool_give(&accounts[i], blocks[i], cap);
    }
    assert_int_equal(pool.spare_heavy_count, COUNT - 1);
    np_pool_fini(&pool);
    free(blocks);
    free(accounts);
}

/* Who cannot give way now is left alone, and the asker is refused where nobody else holds more; it
 * is the first again as soon as it takes more. */
static void test_busy(void **state)
{
    world *w = start(1 << 20, 0);

    (void)state;
    assert_int_equal(take(&w->users[0][0], 1000000), NP_OK);
    w->users[0][0].busy = true;
    assert_int_equal(take(&w->users[1][0], 65536), NP_ERR_LIMIT);
    assert_false(w->pool.refused_share);
    w->users[0][0].busy = false;
    assert_int_equal(take(&w->users[0][0], 504), NP_OK);
    assert_int_equal(take(&w->users[1][0], 65536), NP_OK);
    assert_int_equal(w->users[0][0].evicted, 1);
    assert_int_equal(w->users[0][0].held, 1000504);
    assert_int_equal(w->users[0][0].need, 1000504 + NP_POOL_TOP - (1 << 20));
    end(w);
}

/* Behind who cannot give way, or has nothing to give, are others who hold more than who asks: of
 * the same holder, and where that has none any more, of the next one. Each who gives, gives all. */
static void test_behind_the_busy(void **state)
{
    world *w = start(1 << 20, 0);
    user *busy = &w->users[0][0];
    user *spent = &w->users[0][1];
    user *next = &w->users[0][2];
    user *other = &w->users[1][0];
    user *small = &w->users[2][0];

    (void)state;
    assert_int_equal(take(busy, 400000), NP_OK);
    assert_int_equal(take(spent, 300000), NP_OK);
    assert_int_equal(take(next, 100000), NP_OK);
    assert_int_equal(take(other, 200000), NP_OK);
    busy->busy = true;
    spent->spent = true;
    assert_int_equal(take(small, 65536), NP_OK);
    assert_int_equal(spent->evicted, 1);
    assert_int_equal(next->evicted, 1);
    assert_int_equal(other->evicted, 0);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(take(small, 32768), NP_OK);
    }
    assert_int_equal(other->evicted, 1);
    assert_int_equal(take(&w->users[3][0], 250000), NP_ERR_LIMIT); /* nobody is left who could */
    assert_int_equal(spent->evicted, 1);
    assert_int_equal(busy->evicted, 0);
    busy->busy = false;
    np_account_move(&busy->account, &w->holders[4]); /* which puts it in order again */
    assert_int_equal(take(&w->users[3][0], 250000), NP_OK);
    assert_int_equal(busy->evicted, 1);
    assert_int_equal(small->evicted, 0);
    end(w);
}

/* Who would hold as much as the largest is refused; with a byte less it is not. The same holds
 * among the accounts of one holder. */
static void test_as_much_as_the_largest(void **state)
{
    (void)state;
    for (int holder = 0; holder < 2; holder++) {
        world *w = start(1 << 20, 0);
        user *largest = &w->users[0][0];
        user *asking = &w->users[holder][1];
        assert_int_equal(take(largest, 600000), NP_OK);
        assert_int_equal(take(asking, 600000), NP_ERR_LIMIT);
        assert_int_equal(largest->evicted, 0);
        assert_int_equal(take(asking, 599999), NP_OK);
        assert_int_equal(largest->evicted, 1);
        end(w);
    }
}

/* Nobody else gives way where what has come back is just enough. */
static void test_just_enough(void **state)
{
    world *w = start(1 << 20, 0);

    (void)state;
    assert_int_equal(take(&w->users[0][0], 300000), NP_OK);
    assert_int_equal(take(&w->users[0][1], 200000), NP_OK);
    assert_int_equal(take(&w->users[1][0], 400000), NP_OK);
    assert_int_equal(take(&w->users[2][0], (1 << 20) - 600000), NP_OK);
    assert_int_equal(w->pool.live, 1 << 20);
    assert_int_equal(w->users[0][0].evicted, 1);
    assert_int_equal(w->users[0][1].evicted, 0);
    assert_int_equal(w->users[1][0].evicted, 0);
    end(w);
}

/* For what is not the pool's, the largest give way, and nobody who holds less than so much. */
static void test_yield(void **state)
{
    enum { LEAST = 65536 };
    world *w = start(0, 0);

    (void)state;
    assert_false(np_pool_yield(&w->pool, LEAST, 1000));
    assert_int_equal(take(&w->users[0][0], 100000), NP_OK);
    assert_int_equal(take(&w->users[0][1], 300000), NP_OK);
    assert_int_equal(take(&w->users[0][1], 32768), NP_OK); /* which the pool would keep */
    assert_int_equal(take(&w->users[0][2], 200000), NP_OK);
    assert_int_equal(take(&w->users[0][3], 16384), NP_OK);
    assert_int_equal(take(&w->users[1][0], 32768), NP_OK);
    w->users[0][2].busy = true;
    assert_true(np_pool_yield(&w->pool, LEAST, 1000));
    assert_int_equal(w->users[0][1].evicted, 1);
    assert_int_equal(w->users[0][1].need, 1000);
    assert_int_equal(w->pool.cached, 0);
    assert_true(np_pool_yield(&w->pool, LEAST, 1000)); /* it cannot */
    assert_int_equal(w->users[0][0].evicted, 0);
    assert_true(np_pool_yield(&w->pool, LEAST, 1000));
    assert_int_equal(w->users[0][0].evicted, 1);
    assert_false(np_pool_yield(&w->pool, LEAST, 1000));
    assert_int_equal(w->users[0][3].evicted, 0);
    assert_int_equal(w->users[1][0].evicted, 0);
    assert_false(np_pool_yield(&w->pool, 16384 + 1, 1000));
    assert_true(np_pool_yield(&w->pool, 16384, 1000));
    assert_int_equal(w->users[0][3].evicted, 1);
    w->pool.evict = NULL;
    assert_int_equal(take(&w->users[1][0], 100000), NP_OK);
    assert_false(np_pool_yield(&w->pool, LEAST, 1000));
    end(w);
}

/* Many who hold little hide nobody who holds much, though together they hold most. */
static void test_light_accounts_hide_nobody(void **state)
{
    enum { LIGHT = 300 };
    const np_pool_options options = {.cache_max = 1 << 20, .live_max = (size_t)1200 * 1024};
    user *light = calloc(LIGHT, sizeof *light);
    user hog = {.evicted = 0};
    user newcomer = {.evicted = 0};
    np_holder holders[3];
    np_pool pool;

    (void)state;
    assert_non_null(light);
    np_pool_init(&pool, &options);
    pool.evict = evict;
    for (int i = 0; i < 3; i++) {
        np_holder_init(&holders[i], &pool, 0);
    }
    for (int i = 0; i < LIGHT; i++) {
        np_account_init(&light[i].account, &holders[0]);
        for (int k = 0; k < 3; k++) {
            assert_int_equal(take(&light[i], 500), NP_OK);
        }
    }
    np_account_init(&hog.account, &holders[1]);
    np_account_init(&newcomer.account, &holders[2]);
    for (int k = 0; k < 4; k++) {
        assert_int_equal(take(&hog, 60000), NP_OK);
    }
    pool.options.live_max = pool.live; /* it is full */
    assert_true(holders[0].share.held > holders[1].share.held);
    assert_int_equal(take(&newcomer, 4096), NP_OK);
    assert_int_equal(hog.evicted, 1);
    for (int i = 0; i < LIGHT; i++) {
        assert_int_equal(light[i].evicted, 0);
        give_all(&light[i]);
    }
    give_all(&newcomer);
    for (int i = 0; i < 3; i++) {
        np_holder_fini(&holders[i]);
    }
    np_pool_fini(&pool);
    free(light);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_model),
        cmocka_unit_test(test_shares),
        cmocka_unit_test(test_who_gives_way),
        cmocka_unit_test(test_share_of_an_account),
        cmocka_unit_test(test_who_is_heavy),
        cmocka_unit_test(test_places_are_bounded),
        cmocka_unit_test(test_busy),
        cmocka_unit_test(test_behind_the_busy),
        cmocka_unit_test(test_as_much_as_the_largest),
        cmocka_unit_test(test_just_enough),
        cmocka_unit_test(test_yield),
        cmocka_unit_test(test_light_accounts_hide_nobody),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
