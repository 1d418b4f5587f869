/* Memory runs out while JSON is read or written: each allocation fails, alone and with all that
 * follow, and that is what is told, and not that the JSON is wrong. */
#include "support/sanitized.h"

#if TEST_SANITIZED

int main(void)
{
    return 77; /* skipped */
}

#else

#include "everything.h"
#include "json/json_private.h"
#include "support/failing_heap.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Strings, escapes, numbers, arrays and objects that grow. */
static const char *const texts[] = {
    "{\"Find\":{\"name\":\"\\u0041 \\n escaped\"}}",
    "{\"File\":{\"name\":\"f\",\"body\":\"Zm9vYmFyZm9vYmFyZm9vYmFyZm9vYmFyZm9vYmFyZm9vYmFy\"}}",
    "{\"Versions\":{\"person\":{\"name\":\"a\",\"age\":150,\"tags\":[\"x\",\"\",\"y\"],"
    "\"mood\":5,\"nick\":\"n\",\"friends\":[1,2,3,4]},\"people\":[],\"color\":\"pink\","
    "\"extra\":\"18446744073709551615\",\"more\":\"\",\"last\":\"blue\"}}",
};

/* A text to a payload and back, into `out`. */
static np_err there_and_back(const char *text, char out[512], np_json_error *error)
{
    np_json *json = NULL;
    np_bytes payload = {NULL, 0};
    np_str back = {NULL, 0};
    np_err err = np_json_new(&json, &everything_protocol, NULL);

    if (err == NP_OK) {
        err = np_json_parse(json, 3, NP_JSON_MESSAGE, np_str_from(text), &payload, error);
    }
    if (err == NP_OK) {
        err = np_json_print(json, 3, NP_JSON_MESSAGE, payload.data, payload.len, &back, error);
    }
    if (err == NP_OK) {
        assert_true(back.len < 512);
        memcpy(out, back.data, back.len + 1);
    }
    np_json_free(json);
    return err;
}

static void fail_each(const char *text, bool all)
{
    char want[512];
    char got[512];
    size_t told = 0;
    bool over = false;

    for (size_t n = 0; !over; n++) {
        np_json_error error = {0};
        long before = failing_heap_blocks();
        np_err err = NP_OK;

        failing_heap_arm(n, all);
        err = there_and_back(text, n == 0 ? want : got, &error);
        over = failing_heap_disarm() < n;
        told += err != NP_OK;
        if (err == NP_OK && n > 0) { /* a few can be done without */
            assert_string_equal(got, want);
        } else if (err != (n == 0 ? NP_OK : NP_ERR_MEMORY)) {
            fail_msg("allocation %zu: %s: %s", n, np_err_name(err), error.text);
        }
        assert_int_equal(failing_heap_blocks(), before);
    }
    print_message("%zu allocations failed\n", told);
    assert_true(told > 5);
}

static void test_each_allocation(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        fail_each(texts[i], false);
        fail_each(texts[i], true);
    }
}

/* What was short before is not held against a text that is wrong. */
static void test_malformed_stays_malformed(void **state)
{
    np_json_error error;
    char out[512];

    (void)state;
    errno = ENOMEM;
    assert_int_equal(there_and_back("{\"Find\":{\"name\":\"\\x\"}}", out, &error), NP_ERR_JSON);
    assert_int_equal(there_and_back("{\"Find\":", out, &error), NP_ERR_JSON);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_allocation),
        cmocka_unit_test(test_malformed_stays_malformed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

#endif
