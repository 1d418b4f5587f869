/* A pool whose heap has nothing left, below the pool's own bound: who holds most gives way, by the
 * same rule as where the bound is met. An allocator in front of glibc's fails for that. */
#include "support/sanitized.h"

#if TEST_SANITIZED

int main(void)
{
    return 77; /* skipped */
}

#else

#include "support/failing_heap.h"
#include "util/pool.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Somebody who holds one block. */
typedef struct owner {
    np_account account;
    void *block;
    size_t cap;
    size_t need; /* when it gave way; 0: it did not */
} owner;

typedef struct world {
    np_pool pool;
    np_holder holders[3];
    owner hog, second, small;
} world;

static bool evict(np_account *account, size_t need)
{
    owner *o = (owner *)(void *)((char *)account - offsetof(owner, account));
    void *goodbye = NULL;
    size_t cap = 0;

    o->need = need;
    np_pool_give(&o->account, o->block, o->cap);
    o->block = NULL;
    /* It would say why, if there is memory for it; nobody else gives way for that. */
    if (np_pool_take(&o->account, 1, &goodbye, &cap) == NP_OK) {
        np_pool_give(&o->account, goodbye, cap);
    }
    return true;
}

static void start(world *w)
{
    memset(w, 0, sizeof *w);
    np_pool_init(&w->pool, NULL);
    w->pool.evict = evict;
    for (int i = 0; i < 3; i++) {
        np_holder_init(&w->holders[i], &w->pool, 0);
    }
    np_account_init(&w->hog.account, &w->holders[0]);
    np_account_init(&w->second.account, &w->holders[1]);
    np_account_init(&w->small.account, &w->holders[2]);
    assert_int_equal(np_pool_take(&w->hog.account, 500000, &w->hog.block, &w->hog.cap), NP_OK);
    assert_int_equal(np_pool_take(&w->second.account, 60000, &w->second.block, &w->second.cap),
                     NP_OK);
}

static void end(world *w)
{
    np_pool_give(&w->hog.account, w->hog.block, w->hog.cap);
    np_pool_give(&w->second.account, w->second.block, w->second.cap);
    np_pool_give(&w->small.account, w->small.block, w->small.cap);
    for (int i = 0; i < 3; i++) {
        np_holder_fini(&w->holders[i]);
    }
    np_pool_fini(&w->pool);
}

/* The first failure costs the largest its block, and no more. Light or heavy: the place among the
 * heavy ones takes memory, too. */
static void test_largest_gives_way(void **state)
{
    static const size_t lens[] = {1000, 30000};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        world w;
        np_err err = NP_OK;
        start(&w);
        failing_heap_arm(1, false);
        err = np_pool_take(&w.small.account, lens[i], &w.small.block, &w.small.cap);
        (void)failing_heap_disarm();
        assert_int_equal(err, NP_OK);
        assert_true(w.hog.need > 0 && w.hog.need <= w.small.cap);
        assert_null(w.hog.block);
        assert_int_equal(w.second.need, 0);
        assert_int_equal(w.small.account.live, w.small.cap);
        assert_int_equal(w.pool.live, w.second.cap + w.small.cap);
        end(&w);
    }
}

/* A buffer of the heap's own that grows. */
static void test_growing(void **state)
{
    np_buf buf = {NULL, 0, 0};
    np_err err = NP_OK;
    world w;

    (void)state;
    start(&w);
    assert_int_equal(np_buf_reserve(&w.small.account, &buf, 100000), NP_OK);
    memset(buf.data, 7, 100000);
    buf.len = 100000;
    failing_heap_arm(1, false);
    err = np_buf_reserve(&w.small.account, &buf, 200000);
    (void)failing_heap_disarm();
    assert_int_equal(err, NP_OK);
    assert_int_equal(w.hog.need, 200000);
    assert_int_equal(w.second.need, 0);
    assert_int_equal(buf.data[0] + buf.data[99999], 14);
    /* Now it holds most: where the heap has nothing for it, it has what it had. */
    failing_heap_arm(1, true);
    err = np_buf_reserve(&w.small.account, &buf, 300000);
    (void)failing_heap_disarm();
    assert_int_equal(err, NP_ERR_MEMORY);
    assert_int_equal(buf.cap, 200000);
    assert_int_equal(w.small.account.live, 200000);
    assert_int_equal(w.pool.live, w.second.cap + 200000);
    np_buf_release(&w.small.account, &buf);
    end(&w);
}

/* Before anybody gives way the heap gets what the pool keeps for later: blocks, and the places of
 * those who were heavy. */
static void test_what_is_kept_goes_first(void **state)
{
    (void)state;
    for (int blocks = 0; blocks < 2; blocks++) {
        np_err err = NP_OK;
        world w;
        start(&w);
        w.pool.options.cache_max = blocks ? w.pool.options.cache_max : 0;
        assert_int_equal(np_pool_take(&w.small.account, 3000, &w.small.block, &w.small.cap), NP_OK);
        np_pool_give(&w.small.account, w.small.block, w.small.cap);
        assert_int_equal(w.pool.cached > 0, blocks);
        assert_int_equal(w.pool.spare_heavy_count, 1);
        failing_heap_arm(1, false);
        err = np_pool_take(&w.small.account, 1000, &w.small.block, &w.small.cap);
        (void)failing_heap_disarm();
        assert_int_equal(err, NP_OK);
        assert_int_equal(w.pool.cached, 0);
        assert_int_equal(w.pool.spare_heavy_count, 0);
        assert_int_equal(w.hog.need, 0);
        end(&w);
    }
}

/* Who would hold most itself has nobody give way, and where nothing helps, everything is as it
 * was for who asks, and those who hold less. */
static void test_nobody_else(void **state)
{
    void *block = NULL;
    size_t cap = 0;
    np_err err = NP_OK;
    world w;

    (void)state;
    start(&w);
    failing_heap_arm(1, true);
    err = np_pool_take(&w.hog.account, 100000, &block, &cap);
    (void)failing_heap_disarm();
    assert_int_equal(err, NP_ERR_MEMORY);
    assert_int_equal(w.second.need, 0);
    assert_int_equal(w.hog.need, 0);
    assert_int_equal(w.hog.account.live, w.hog.cap);
    failing_heap_arm(1, true);
    err = np_pool_take(&w.small.account, 100000, &block, &cap);
    (void)failing_heap_disarm();
    assert_int_equal(err, NP_ERR_MEMORY);
    assert_true(w.hog.need > 0);
    assert_int_equal(w.second.need, 0);
    assert_int_equal(w.small.account.live, 0);
    assert_int_equal(w.pool.live, w.second.cap);
    end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_largest_gives_way),
        cmocka_unit_test(test_growing),
        cmocka_unit_test(test_what_is_kept_goes_first),
        cmocka_unit_test(test_nobody_else),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

#endif
