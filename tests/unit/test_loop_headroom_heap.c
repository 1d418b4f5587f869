/* Newcomers, where nobody holds much and the heap has enough; where address space and the heap have
 * just so much: mmap, mremap and malloc of the library's are the test's, and so is the time. */
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
        cmocka_unit_test(test_heap_has_it_and_nobody_holds_much),
        cmocka_unit_test(test_who_holds_nearly_enough_gives_way),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
