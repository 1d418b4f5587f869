/* What a loop holds back of memory for its connections, where address space and the heap have just
 * so much: mmap, mremap and malloc of the library's are the test's, and so is the time. */
#include "support/new_loop.h"
#include "transport/loop_state.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/types.h>

#include <cmocka.h>

#define MIB ((size_t)1 << 20)

/* So many connections have a step of room. */
#define CONNS_OF_STEP ((size_t)256)

/* Stand before the system's (--wrap). The heap is asked in pieces of the pool's greatest block. */
static bool armed;
static size_t most_held; /* so much can be mapped at once */
static size_t heap_has;  /* so much the heap has in such pieces */
static size_t given;     /* of it, at the moment */
static size_t searches;

void *__real_mmap(void *address, size_t len, int prot, int flags, int fd, off_t offset);
void *__wrap_mmap(void *address, size_t len, int prot, int flags, int fd, off_t offset);
void *__real_mremap(void *address, size_t old_len, size_t len, int flags);
void *__wrap_mremap(void *address, size_t old_len, size_t len, int flags);
void *__real_malloc(size_t len);
void *__wrap_malloc(size_t len);
void __real_free(void *block);
void __wrap_free(void *block);

void *__wrap_mmap(void *address, size_t len, int prot, int flags, int fd, off_t offset)
{
    return armed && len > most_held ? MAP_FAILED
                                    : __real_mmap(address, len, prot, flags, fd, offset);
}

void *__wrap_mremap(void *address, size_t old_len, size_t len, int flags)
{
    return armed && len > most_held ? MAP_FAILED : __real_mremap(address, old_len, len, flags);
}

void *__wrap_malloc(size_t len)
{
    if (armed && len == NP_POOL_TOP) {
        searches += given == 0;
        if (heap_has - given < len) {
            return NULL;
        }
        given += len;
    }
    return __real_malloc(len);
}

void __wrap_free(void *block)
{
    given -= given > 0 ? NP_POOL_TOP : 0; /* a search gives back all that it took at once */
    __real_free(block);
}

/* A loop in the middle of a turn. */
static np_loop *start(size_t can_be_held, size_t in_the_heap)
{
    np_loop *loop = new_loop();

    loop->running = true;
    loop->now_valid = true;
    loop->now.mono_ms = 5000;
    armed = true;
    most_held = can_be_held;
    heap_has = in_the_heap;
    given = 0;
    searches = 0;
    return loop;
}

static void end(np_loop *loop)
{
    armed = false;
    loop->registry.used = 0;
    loop->running = false;
    np_loop_free(loop);
}

/* Address space ----------------------------------------------------------------------------- */

/* Two steps are held at first. Another one follows when less than one is left free. */
static void test_grows_with_the_connections(void **state)
{
    static const size_t rows[][2] = {{0, 2}, {1, 2}, {2, 4}, {3, 4}, {4, 6}};
    np_loop *loop = start(100 * MIB, 0);

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        loop->registry.used = rows[i][0] * CONNS_OF_STEP;
        assert_true(np__loop_headroom(loop, false));
        assert_int_equal(loop->headroom.len, rows[i][1] * MIB);
        loop->registry.used += CONNS_OF_STEP - 1;
        assert_true(np__loop_headroom(loop, false));
        assert_int_equal(loop->headroom.len, rows[i][1] * MIB);
    }
    assert_int_equal(searches, 0);
    assert_true(np__loop_relieve(loop));
    assert_false(np__loop_relieve(loop));
    end(loop);
}

/* A step less is enough for now; and with less than that, there are no newcomers, whatever the heap
 * has: it would be asked for what is held as well. */
static void test_a_step_less(void **state)
{
    np_loop *loop = start(4 * MIB - 1, 100 * MIB);

    (void)state;
    assert_true(np__loop_headroom(loop, false));
    loop->registry.used = 2 * CONNS_OF_STEP;
    assert_true(np__loop_headroom(loop, false));
    assert_int_equal(loop->headroom.len, 3 * MIB);
    loop->registry.used = 3 * CONNS_OF_STEP;
    assert_false(np__loop_headroom(loop, false));
    assert_int_equal(loop->headroom.len, 3 * MIB);
    assert_int_equal(searches, 0);
    end(loop);
}

/* The heap ---------------------------------------------------------------------------------- */

/* Where nothing can be held, the heap may have as much. It is searched ten times a second, and
 * tidied up once. */
static void test_heap_is_searched_seldom(void **state)
{
    np_loop *loop = start(0, 0);

    (void)state;
    assert_false(np__loop_headroom(loop, false));
    assert_int_equal(searches, 1);
    heap_has = 2 * MIB;
    loop->now.mono_ms += 99;
    assert_false(np__loop_headroom(loop, false));
    assert_int_equal(searches, 1);
    loop->now.mono_ms += 1;
    assert_true(np__loop_headroom(loop, false));
    assert_int_equal(searches, 2);
    heap_has = 0; /* what was found a moment ago counts */
    loop->now.mono_ms += 99;
    assert_true(np__loop_headroom(loop, false));
    loop->now.mono_ms += 1;
    assert_false(np__loop_headroom(loop, false));
    assert_int_equal(searches, 3);
    loop->now.mono_ms = 5999;
    assert_false(np__loop_headroom(loop, false));
    assert_int_equal(loop->headroom.tidied_ms, 5000);
    loop->now.mono_ms = 6000;
    assert_false(np__loop_headroom(loop, false));
    assert_int_equal(loop->headroom.tidied_ms, 6000);
    end(loop);
}

/* Giving way -------------------------------------------------------------------------------- */

typedef struct hog {
    np_account account;
    void *block;
    size_t cap;
    size_t need; /* when it gave way; 0: it did not */
} hog;

static bool frees_space; /* what a hog gives back can be held */

static bool evict(np_account *account, size_t need)
{
    hog *h = np_container_of(account, hog, account);

    h->need = need;
    most_held += frees_space ? h->cap : 0;
    np_pool_give(&h->account, h->block, h->cap);
    h->block = NULL;
    return true;
}

static void fatten(np_loop *loop, hog *h, size_t len)
{
    *h = (hog){.need = 0};
    np_account_init(&h->account, &loop->pool.own);
    assert_int_equal(np_pool_take(&h->account, len, &h->block, &h->cap), NP_OK);
    loop->pool.evict = evict;
}

static void slim(hog *h)
{
    np_pool_give(&h->account, h->block, h->cap);
}

/* For a newcomer who would come in otherwise, who holds much gives way, the largest first, as long
 * as it takes; ten times a second. Who holds less than 64 KiB does not. */
static void test_who_holds_much_gives_way(void **state)
{
    np_loop *loop = start(0, 0);
    hog large, medium, small;

    (void)state;
    frees_space = true;
    fatten(loop, &large, 2 * MIB);
    fatten(loop, &medium, MIB);
    fatten(loop, &small, 32768);
    assert_false(np__loop_headroom(loop, false));
    assert_int_equal(large.need, 0);
    assert_true(np__loop_headroom(loop, true));
    assert_int_equal(large.need, MIB);
    assert_int_equal(medium.need, 0);
    assert_int_equal(loop->headroom.len, MIB);

    assert_true(np__loop_relieve(loop));
    frees_space = false;
    most_held = 0;
    loop->now.mono_ms += 99;
    assert_false(np__loop_headroom(loop, true));
    assert_int_equal(medium.need, 0);
    loop->now.mono_ms += 1;
    assert_false(np__loop_headroom(loop, true));
    assert_int_equal(medium.need, MIB);
    assert_int_equal(small.need, 0);
    slim(&small);
    end(loop);
}

/* Who holds less, all together, than is missing keeps it: it would not help. */
static void test_nobody_gives_way_in_vain(void **state)
{
    np_loop *loop = start(0, 0);
    hog hogs[10];

    (void)state;
    frees_space = true;
    for (size_t i = 0; i < 10; i++) {
        fatten(loop, &hogs[i], MIB / 10 - 8);
    }
    assert_false(np__loop_headroom(loop, true));
    for (size_t i = 0; i < 10; i++) {
        assert_int_equal(hogs[i].need, 0);
        slim(&hogs[i]);
    }
    end(loop);
}

/* What is missing beside what is held may be found in the heap: then that is let go of, too, for
 * all of it to be there. */
static void test_heap_has_what_is_missing(void **state)
{
    np_loop *loop = start(2 * MIB, 2 * MIB - 1);
    hog large;

    (void)state;
    assert_true(np__loop_headroom(loop, true));
    fatten(loop, &large, 2 * MIB);
    loop->registry.used = 2 * CONNS_OF_STEP;
    assert_false(np__loop_headroom(loop, false));
    assert_true(np__loop_headroom(loop, true));
    assert_int_equal(large.need, 0);
    assert_null(loop->headroom.memory);
    heap_has = 0; /* for a moment it counts as found */
    most_held = 0;
    assert_true(np__loop_headroom(loop, false));
    slim(&large);
    end(loop);
}

/* Behind who gave way in vain the heap is looked at again at once. */
static void test_heap_is_searched_again(void **state)
{
    np_loop *loop = start(0, 0);
    hog large;

    (void)state;
    frees_space = false;
    fatten(loop, &large, 2 * MIB);
    assert_false(np__loop_headroom(loop, true));
    assert_int_equal(large.need, MIB);
    heap_has = 2 * MIB;
    assert_true(np__loop_headroom(loop, false));
    end(loop);
}

/* 512 idle connections, 2 MiB held, which cannot grow; the heap has 100 MiB. Nobody needs to give
 * way; but all together they hold less than is missing. */
static void test_heap_has_it_and_nobody_holds_much(void **state)
{
    np_loop *loop = start(2 * MIB, 100 * MIB);

    (void)state;
    assert_true(np__loop_headroom(loop, true));
    loop->registry.used = 2 * CONNS_OF_STEP;
    assert_true(np__loop_headroom(loop, true));
    end(loop);
}

/* One holds 900 KiB, the heap has 500 KiB, and 1 MiB is missing. */
static void test_who_holds_nearly_enough_gives_way(void **state)
{
    np_loop *loop = start(0, 500 * 1024);
    hog large;

    (void)state;
    frees_space = false;
    fatten(loop, &large, 900 * 1024);
    (void)np__loop_headroom(loop, true);
    if (large.block != NULL) {
        slim(&large);
    }
    assert_int_not_equal(large.need, 0);
    end(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_grows_with_the_connections),
        cmocka_unit_test(test_a_step_less),
        cmocka_unit_test(test_heap_is_searched_seldom),
        cmocka_unit_test(test_who_holds_much_gives_way),
        cmocka_unit_test(test_nobody_gives_way_in_vain),
        cmocka_unit_test(test_heap_has_what_is_missing),
        cmocka_unit_test(test_heap_is_searched_again),
        cmocka_unit_test(test_heap_has_it_and_nobody_holds_much),
        cmocka_unit_test(test_who_holds_nearly_enough_gives_way),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
