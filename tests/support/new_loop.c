#include "support/new_loop.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

np_loop *new_loop(void)
{
    np_loop *loop = NULL;

    assert_int_equal(np_loop_new(&loop, NULL), NP_OK);
    return loop;
}
