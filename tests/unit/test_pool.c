/* Blocks, their reuse and their bounds; growing buffers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "util/pool.h"

static void test_classes(void **state)
{
    static const size_t rows[][2] = {{0, 504},       {1, 504},       {504, 504},
                                     {505, 1024},    {32768, 32768}, {32769, NP_POOL_TOP},
                                     {69632, 69632}, {69633, 69633}, {1000000, 1000000}};
    np_account account;
    np_pool pool;
    (void)state;

    np_pool_init(&pool, NULL);
    np_account_init(&account, &pool.own);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        void *block = NULL;
        size_t cap = 0;
        assert_int_equal(np_pool_take(&account, rows[i][0], &block, &cap), NP_OK);
        assert_int_equal(cap, rows[i][1]);
        assert_int_equal(pool.live, cap);
        memset(block, 0xAA, cap);
        np_pool_give(&account, block, cap);
        assert_int_equal(pool.live, 0);
    }
    np_pool_give(&account, NULL, 0);
    np_pool_fini(&pool);
}

static void test_blocks_are_used_again(void **state)
{
    np_account account;
    np_pool pool;
    void *first = NULL, *second = NULL;
    size_t cap;
    (void)state;

    np_pool_init(&pool, NULL);
    np_account_init(&account, &pool.own);
    assert_int_equal(np_pool_take(&account, 600, &first, &cap), NP_OK);
    np_pool_give(&account, first, cap);
    assert_int_equal(pool.cached, 1024);
    assert_int_equal(np_pool_take(&account, 1000, &second, &cap), NP_OK);
    assert_ptr_equal(first, second);
    assert_int_equal(pool.cached, 0);
    np_pool_give(&account, second, cap);
    np_pool_trim(&pool);
    assert_int_equal(pool.cached, 0);
    assert_int_equal(pool.live_peak, 1024);
    np_pool_fini(&pool);
}

static void test_the_cache_is_bounded(void **state)
{
    static const size_t bounds[] = {2000, 3 * 504};
    np_account account;
    np_pool pool;
    void *blocks[10];
    size_t cap = 0;
    (void)state;

    for (size_t bound = 0; bound < 2; bound++) {
        np_pool_options options = {.cache_max = bounds[bound], .live_max = 0};
        np_pool_init(&pool, &options);
        np_account_init(&account, &pool.own);
        for (int i = 0; i < 10; i++) {
            assert_int_equal(np_pool_take(&account, 504, &blocks[i], &cap), NP_OK);
        }
        for (int i = 0; i < 10; i++) {
            np_pool_give(&account, blocks[i], cap);
            assert_true(pool.cached <= bounds[bound]);
        }
        assert_int_equal(pool.cached, 3 * 504);
        np_pool_fini(&pool);
    }
}

static void test_live_bytes_are_bounded(void **state)
{
    np_pool_options options = {.cache_max = 0, .live_max = 100000};
    np_account account;
    np_pool pool;
    np_buf buf = {NULL, 0, 0};
    void *block = NULL;
    void *other = NULL;
    size_t cap = 0, other_cap = 0;
    (void)state;

    np_pool_init(&pool, &options);
    np_account_init(&account, &pool.own);
    assert_int_equal(np_pool_take(&account, 100001, &block, &cap), NP_ERR_LIMIT);
    assert_int_equal(np_pool_take(&account, 90000, &block, &cap), NP_OK);
    assert_int_equal(np_pool_take(&account, 16000, &other, &other_cap), NP_ERR_LIMIT);
    assert_int_equal(np_buf_reserve(&account, &buf, 10001), NP_ERR_LIMIT);
    assert_int_equal(np_buf_reserve(&account, &buf, 8000), NP_OK);
    np_buf_release(&account, &buf);
    np_pool_give(&account, block, cap);
    assert_int_equal(np_buf_reserve(&account, &buf, 80000), NP_OK);
    assert_int_equal(np_buf_reserve(&account, &buf, 100001), NP_ERR_LIMIT);
    assert_int_equal(buf.cap, 80000);
    np_buf_release(&account, &buf);
    assert_int_equal(pool.cached, 0);
    np_pool_fini(&pool);
}

/* What is cut off counts no longer, whatever the block's kind, and what is left is as good as any.
 */
static void test_blocks_are_cut(void **state)
{
    static const size_t rows[][3] = {{1000000, 200000, 200000},
                                     {200000, 1000, 1024},
                                     {69632, 1, 504},
                                     {4096, 4000, 4096},
                                     {504, 504, 504}};
    np_account account;
    np_pool pool;
    (void)state;

    np_pool_init(&pool, NULL);
    np_account_init(&account, &pool.own);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint8_t *bytes = NULL;
        void *block = NULL;
        size_t cap = 0;
        assert_int_equal(np_pool_take(&account, rows[i][0], &block, &cap), NP_OK);
        memset(block, (int)i + 1, cap);
        np_pool_shrink(&account, &block, &cap, rows[i][1]);
        assert_int_equal(cap, rows[i][2]);
        assert_int_equal(pool.live, cap);
        assert_int_equal(account.live, cap);
        bytes = block;
        assert_int_equal(bytes[0], i + 1);
        assert_int_equal(bytes[cap - 1], i + 1);
        np_pool_give(&account, block, cap);
        assert_int_equal(pool.live, 0);
    }
    np_pool_fini(&pool);
}

static void test_buffers_keep_what_they_hold(void **state)
{
    np_account account;
    np_pool pool;
    np_buf buf = {NULL, 0, 0};
    (void)state;

    np_pool_init(&pool, NULL);
    np_account_init(&account, &pool.own);
    for (size_t len = 1; len < 2000000; len = len * 3 / 2 + 1) {
        assert_int_equal(np_buf_reserve(&account, &buf, len), NP_OK);
        assert_true(buf.cap >= len);
        while (buf.len < len) {
            buf.data[buf.len] = (uint8_t)(buf.len * 31);
            buf.len++;
        }
        for (size_t i = 0; i < len; i += 97) {
            assert_int_equal(buf.data[i], (uint8_t)(i * 31));
        }
        assert_int_equal(pool.live, buf.cap);
    }
    assert_int_equal(np_buf_reserve(&account, &buf, (size_t)UINT32_MAX + 1), NP_ERR_LIMIT);
    np_buf_release(&account, &buf);
    assert_null(buf.data);
    assert_int_equal(pool.live, 0);
    np_buf_release(&account, &buf);
    np_pool_fini(&pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_classes),
        cmocka_unit_test(test_blocks_are_used_again),
        cmocka_unit_test(test_the_cache_is_bounded),
        cmocka_unit_test(test_live_bytes_are_bounded),
        cmocka_unit_test(test_blocks_are_cut),
        cmocka_unit_test(test_buffers_keep_what_they_hold),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
