/* Allocation, alignment, bounds and reuse of arenas. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <netproto/arena.h>

static void test_alignment(void **state)
{
    np_arena arena = np_arena_make(0);
    (void)state;

    for (size_t i = 0; i < 2000; i++) {
        size_t align = (size_t)1 << (i % 7);
        void *at = NULL;
        assert_int_equal(np_arena_alloc(&arena, i % 50, align, &at), NP_OK);
        assert_non_null(at);
        assert_int_equal((uintptr_t)at % align, 0);
        memset(at, 1, i % 50);
    }
    np_arena_fini(&arena);
    assert_int_equal(arena.used, 0);
}

static void test_pieces_do_not_overlap(void **state)
{
    np_arena arena = np_arena_make(0);
    uint8_t *pieces[300];
    (void)state;

    for (size_t i = 0; i < 300; i++) {
        void *at = NULL;
        assert_int_equal(np_arena_alloc(&arena, i * 7, 1, &at), NP_OK);
        pieces[i] = at;
        memset(at, (int)(i & 255), i * 7);
    }
    for (size_t i = 0; i < 300; i++) {
        for (size_t j = 0; j < i * 7; j++) {
            assert_int_equal(pieces[i][j], i & 255);
        }
    }
    np_arena_fini(&arena);
}

static void test_bound(void **state)
{
    np_arena arena = np_arena_make(10000);
    size_t total = 0;
    void *at = NULL;
    (void)state;

    while (np_arena_alloc(&arena, 100, 8, &at) == NP_OK) {
        total += 100;
        assert_true(arena.used <= 10000);
    }
    assert_true(total >= 8000);
    assert_int_equal(np_arena_alloc(&arena, 100, 8, &at), NP_ERR_LIMIT);
    assert_int_equal(np_arena_alloc(&arena, SIZE_MAX, 8, &at), NP_ERR_LIMIT);
    assert_int_equal(np_arena_alloc(&arena, SIZE_MAX / 2, 8, &at), NP_ERR_LIMIT);
    np_arena_reset(&arena);
    assert_int_equal(np_arena_alloc(&arena, 100, 8, &at), NP_OK);
    np_arena_fini(&arena);
    assert_int_equal(np_arena_alloc(&arena, 100, 8, &at), NP_OK);
    np_arena_fini(&arena);
}

static void test_reset_keeps_one_block(void **state)
{
    np_arena arena = np_arena_make(0);
    void *at = NULL;
    size_t used;
    (void)state;

    np_arena_reset(&arena);
    for (int i = 0; i < 100; i++) {
        assert_int_equal(np_arena_alloc(&arena, 1000, 8, &at), NP_OK);
    }
    np_arena_reset(&arena);
    used = arena.used;
    assert_true(used > 0);
    for (int round = 0; round < 10; round++) {
        assert_int_equal(np_arena_alloc(&arena, 1000, 8, &at), NP_OK);
        np_arena_reset(&arena);
        assert_int_equal(arena.used, used);
    }
    np_arena_fini(&arena);
}

static void test_copies(void **state)
{
    np_arena arena = np_arena_make(0);
    np_str str = {"a\0b", 3};
    np_str out;
    void *copy = NULL;
    (void)state;

    assert_int_equal(np_arena_copy(&arena, "12345", 5, &copy), NP_OK);
    assert_memory_equal(copy, "12345", 5);
    assert_int_equal(np_arena_copy(&arena, NULL, 0, &copy), NP_OK);
    assert_int_equal(np_arena_str(&arena, str, &out), NP_OK);
    assert_int_equal(out.len, 3);
    assert_memory_equal(out.data, "a\0b", 4);
    str.data = NULL;
    str.len = 0;
    assert_int_equal(np_arena_str(&arena, str, &out), NP_OK);
    assert_string_equal(out.data, "");
    str.len = SIZE_MAX;
    assert_int_equal(np_arena_str(&arena, str, &out), NP_ERR_LIMIT);
    np_arena_fini(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_alignment), cmocka_unit_test(test_pieces_do_not_overlap),
        cmocka_unit_test(test_bound),     cmocka_unit_test(test_reset_keeps_one_block),
        cmocka_unit_test(test_copies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
