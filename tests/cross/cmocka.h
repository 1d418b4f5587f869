/* cmocka.h - as much of cmocka as the tests of the codec use, for machines that there is no cmocka
 * for. A check that fails tells its place and ends the test, the next one runs. */
#ifndef TESTS_CROSS_CMOCKA_H
#define TESTS_CROSS_CMOCKA_H

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

struct CMUnitTest {
    const char *name;
    void (*run)(void **state);
};

static jmp_buf cmocka_end;

__attribute__((noreturn, format(printf, 3, 4))) static inline void
cmocka_fail(const char *file, int line, const char *format, ...)
{
    va_list args;

    fprintf(stderr, "%s:%d: ", file, line);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fprintf(stderr, "\n");
    longjmp(cmocka_end, 1);
}

static inline void cmocka_equal(const char *file, int line, uintmax_t a, uintmax_t b, bool equal)
{
    if ((a == b) != equal) {
        cmocka_fail(file, line, "0x%" PRIxMAX " and 0x%" PRIxMAX, a, b);
    }
}

static inline void cmocka_true(const char *file, int line, bool holds, const char *what)
{
    if (!holds) {
        cmocka_fail(file, line, "%s", what);
    }
}

#define cmocka_unit_test(f)                                                                        \
    {                                                                                              \
#f, f                                                                                      \
    }
#define fail_msg(...) cmocka_fail(__FILE__, __LINE__, __VA_ARGS__)
#define print_message printf
#define print_error printf
#define skip() longjmp(cmocka_end, 2)
#define fail() fail_msg("failed")
#define assert_true(x) cmocka_true(__FILE__, __LINE__, (x), #x)
#define assert_false(x) cmocka_true(__FILE__, __LINE__, !(x), "not " #x)
#define assert_null(p) assert_true((p) == NULL)
#define assert_non_null(p) assert_true((p) != NULL)
#define assert_ptr_equal(a, b) assert_true((const void *)(a) == (const void *)(b))
#define assert_int_equal(a, b)                                                                     \
    cmocka_equal(__FILE__, __LINE__, (uintmax_t)(a), (uintmax_t)(b), true)
#define assert_int_not_equal(a, b)                                                                 \
    cmocka_equal(__FILE__, __LINE__, (uintmax_t)(a), (uintmax_t)(b), false)
#define assert_string_equal(a, b) cmocka_string(__FILE__, __LINE__, (a), (b))
#define assert_memory_equal(a, b, n) assert_true(memcmp((a), (b), (n)) == 0)

static inline void cmocka_string(const char *file, int line, const char *a, const char *b)
{
    if (strcmp(a, b) != 0) {
        cmocka_fail(file, line, "\"%s\" and \"%s\"", a, b);
    }
}

#define cmocka_run_group_tests(tests, setup, teardown)                                             \
    cmocka_run((tests), sizeof(tests) / sizeof(tests)[0])

static inline int cmocka_run(const struct CMUnitTest *tests, size_t count)
{
    static size_t i, failed; /* longjmp leaves them alone */
    void *state = NULL;

    for (i = 0; i < count; i++) {
        switch (setjmp(cmocka_end)) {
        case 0:
            tests[i].run(&state);
            break;
        case 1:
            fprintf(stderr, "FAILED: %s\n", tests[i].name);
            failed++;
            break;
        default:
            printf("skipped: %s\n", tests[i].name);
            break;
        }
    }
    printf("%zu tests, %zu failures\n", count, failed);
    return failed > 0 ? 1 : 0;
}

#endif
