/* The reserve for libev while address space is short: what could not be had does not stand in the
 * way of what can be had later. The loops that use it are in test_loop_ev.c and test_memory.c. */
#include "transport/loop_reserve.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/types.h>

#include <cmocka.h>

/* Stand before the system's (--wrap): only so many can be mapped. */
static int left;
static int mapped;

void *__real_mmap(void *address, size_t len, int prot, int flags, int fd, off_t offset);
void *__wrap_mmap(void *address, size_t len, int prot, int flags, int fd, off_t offset);

void *__wrap_mmap(void *address, size_t len, int prot, int flags, int fd, off_t offset)
{
    if (left == 0) {
        return MAP_FAILED;
    }
    left--;
    mapped++;
    return __real_mmap(address, len, prot, flags, fd, offset);
}

int __real_munmap(void *address, size_t len);
int __wrap_munmap(void *address, size_t len);

int __wrap_munmap(void *address, size_t len)
{
    mapped--;
    return __real_munmap(address, len);
}

static bool filling;
static int heap_left; /* so many blocks the heap has while a reserve is filled */

void *__real_malloc(size_t len);
void *__wrap_malloc(size_t len);

void *__wrap_malloc(size_t len)
{
    return filling && heap_left-- <= 0 ? NULL : __real_malloc(len);
}

static void fill(np_reserve *reserve, int fd, int can_be_mapped, np_err want)
{
    np_err err = NP_OK;

    left = can_be_mapped;
    filling = true;
    err = np__reserve_fill(reserve, fd);
    filling = false;
    assert_int_equal(err, want);
}

/* Ever higher descriptors come, for each of which one block too few is to be had. */
static void test_failures_take_no_places(void **state)
{
    static np_reserve reserve;
    int before = 0;
    int fd = 100;

    (void)state;
    fill(&reserve, 3, NP_RESERVE_BLOCKS, NP_OK);
    before = mapped;
    for (int i = 0; i < 2 * NP_RESERVE_BLOCKS; i++, fd += 200) {
        fill(&reserve, fd, NP_RESERVE_GROWING - 1, NP_ERR_MEMORY);
        assert_int_equal(mapped, before);
    }
    fill(&reserve, 3, 0, NP_OK); /* what was there is there */
    fill(&reserve, fd, NP_RESERVE_BLOCKS, NP_OK);
    assert_int_equal(mapped, before); /* larger ones instead */
    np__reserve_fini(&reserve);
    assert_int_equal(mapped, 0);
}

/* Where no more can be mapped, blocks are the heap's, which is asked for no more than is missing.
 */
static void test_the_heap_has_some(void **state)
{
    static np_reserve reserve;

    (void)state;
    heap_left = NP_RESERVE_BLOCKS;
    fill(&reserve, 100, NP_RESERVE_SMALL, NP_OK);
    assert_int_equal(heap_left, NP_RESERVE_BLOCKS - NP_RESERVE_GROWING);
    assert_int_equal(mapped, NP_RESERVE_SMALL);
    heap_left = NP_RESERVE_GROWING - 1;
    fill(&reserve, 1000, 0, NP_ERR_MEMORY);
    fill(&reserve, 100, 0, NP_OK);
    heap_left = NP_RESERVE_GROWING;
    fill(&reserve, 1000, 0, NP_OK);
    heap_left = 0;
    np__reserve_fini(&reserve); /* the sanitizer looks whether all of it goes where it came from */
    assert_int_equal(mapped, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_failures_take_no_places),
        cmocka_unit_test(test_the_heap_has_some),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
