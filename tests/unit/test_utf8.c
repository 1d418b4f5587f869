/* The vector code that checks text, against RFC 3629 by decoding and against the portable scanner.
 *
 * TEST_UTF8_EVERY=1 looks at all sequences of four bytes too, which takes minutes: at two places,
 * around the end of a block. TEST_UTF8_EVERY=16: at all places. */
#include "support/utf8_check.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/utf8.h"
#include "support/sanitized.h"

/* Sanitizers make each input ten times as slow; places at the end of a block matter most. */
#define FIRST_PLACE (TEST_SANITIZED ? 14 : 0)
#define PLACES (TEST_SANITIZED ? 1 : 16)

static void require(const utf8_check *check, bool well)
{
    if (!well) {
        fail_msg("%s", check->fault);
    }
    assert_true(check->inputs > 0);
}

static void test_up_to_two_bytes(void **state)
{
    utf8_check check = {0, ""};

    (void)state;
    require(&check, utf8_check_all(&check, 1, 0, 16));
    require(&check, utf8_check_all(&check, 2, 0, 16));
}

static void test_all_of_three_bytes(void **state)
{
    utf8_check check = {0, ""};

    (void)state;
    require(&check, utf8_check_all(&check, 3, FIRST_PLACE, PLACES));
}

static void test_edges_of_four_bytes(void **state)
{
    utf8_check check = {0, ""};

    (void)state;
    require(&check, utf8_check_edges(&check, 1));
}

static void test_all_of_four_bytes(void **state)
{
    utf8_check check = {0, ""};
    const char *every = getenv("TEST_UTF8_EVERY");

    (void)state;
    if (every == NULL) {
        skip();
    }
    size_t places = (size_t)atoi(every) >= 16 ? 16 : 2;
    require(&check, utf8_check_all(&check, 4, places == 16 ? 0 : 13, places));
    print_message("%llu inputs\n", (unsigned long long)check.inputs);
}

static void test_random_text(void **state)
{
    utf8_check check = {0, ""};

    (void)state;
    require(&check, utf8_check_random(&check, 1, TEST_SANITIZED ? 2000 : 20000));
}

static void test_errors_everywhere(void **state)
{
    utf8_check check = {0, ""};

    (void)state;
    require(&check, utf8_check_errors(&check, 2, TEST_SANITIZED ? 2 : 10));
}

/* No text at all, and text that is cut within a character. */
static void test_text_and_no_text(void **state)
{
    utf8_check check = {0, ""};
    ptrdiff_t bad = 0;
    np_text_scan scan = {0};
    static const uint8_t euro[] = {0xE2, 0x82, 0xAC};
    uint8_t euros[99];

    (void)state;
    require(&check, utf8_check_text(&check, (const uint8_t *)"", 0));
    assert_int_equal(np_text_scan_piece(&scan, NULL, 0, true, &bad), NP_OK);
    for (size_t i = 0; i < sizeof euros; i++) {
        euros[i] = euro[i % 3];
    }
    /* Cut at every place, and continued by what does and does not end the character. */
    for (size_t cut = 0; cut <= sizeof euros; cut++) {
        scan = (np_text_scan){0};
        assert_int_equal(np_text_scan_piece(&scan, (char *)euros, cut, true, &bad), NP_OK);
        assert_int_equal(scan.need, (3 - cut % 3) % 3);
        np_text_scan again = scan;
        assert_int_equal(
            np_text_scan_piece(&scan, (char *)euros + cut, sizeof euros - cut, true, &bad), NP_OK);
        assert_int_equal(np_text_scan_end(&scan), NP_OK);
        uint8_t wrong[64];
        for (size_t i = 0; i < sizeof wrong; i++) {
            wrong[i] = euros[(cut + 1 + i) % 3];
        }
        assert_int_equal(np_text_scan_piece(&again, (char *)wrong, sizeof wrong, true, &bad),
                         NP_ERR_UTF8);
        /* The text goes on one byte too late: the character that was begun is refused. */
        assert_int_equal(bad, cut % 3 == 0 ? 0 : -(ptrdiff_t)(cut % 3));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_up_to_two_bytes),     cmocka_unit_test(test_all_of_three_bytes),
        cmocka_unit_test(test_edges_of_four_bytes), cmocka_unit_test(test_all_of_four_bytes),
        cmocka_unit_test(test_random_text),         cmocka_unit_test(test_errors_everywhere),
        cmocka_unit_test(test_text_and_no_text),
    };

    print_message("this processor takes the way \"%s\"\n",
                  np__utf8_has_vector() ? "vector" : "portable");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
