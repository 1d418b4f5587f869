/* The reserve for libev while address space is short: what could not be had does not stand in the
 * way of what can be had later. The loops that use it are in test_loop_ev.c and test_memory.c. */
#include "transport/loop_reserve.h"

#include <setjmp.h>
#include <stdarg.h>
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

static void fill(np_reserve *reserve, int fd, int can_be_mapped, np_err want)
{
    left = can_be_mapped;
    assert_int_equal(np__reserve_fill(reserve, fd), want);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_failures_take_no_places),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
