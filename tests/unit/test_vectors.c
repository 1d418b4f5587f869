/* The vectors of the everything schema, made by a reference that shares nothing with the code under
 * test (tests/vectors/everything): verdict, field and offset of both decoders. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "everything.h"
#include "support/hex.h"
#include "selftest/twin.h"

static const np__twin_effort thorough = {true, 256, 1000, 0x76656374};
static const np__twin_effort quick = {false, 0, 5, 0x76656374};

static json_t *vectors;

static int load(void **state)
{
    json_error_t error;

    (void)state;
    vectors =
        json_load_file("tests/vectors/everything/vectors.json", JSON_REJECT_DUPLICATES, &error);
    if (vectors == NULL) {
        print_error("%s:%d: %s\n", error.source, error.line, error.text);
    }
    return vectors != NULL ? 0 : -1;
}

static int unload(void **state)
{
    (void)state;
    json_decref(vectors);
    return 0;
}

static const char *text_of(json_t *c, const char *name)
{
    const char *text = json_string_value(json_object_get(c, name));
    if (text == NULL) {
        fail_msg("a case without %s", name);
    }
    return text;
}

static uint32_t version_of(json_t *c)
{
    return (uint32_t)json_integer_value(json_object_get(c, "version"));
}

/* What the contiguous decoder says; np__twin_check has seen to it that the other one agrees. */
static np_err verdict(uint32_t version, bool reply, const uint8_t *data, size_t len,
                      np__twin_effort effort, np_fault *fault)
{
    uint8_t *again = NULL;
    size_t again_len = 0;
    np_err err = np__twin_check(&everything_protocol, version, reply, data, len, effort);

    assert_int_equal(
        np__twin_decode(&everything_protocol, version, reply, data, len, fault, &again, &again_len),
        err);
    free(again);
    return err;
}

static void check_case(json_t *c)
{
    const char *name = text_of(c, "name");
    const char *expected = json_string_value(json_object_get(c, "error"));
    bool reply = json_is_true(json_object_get(c, "reply"));
    size_t len = 0;
    uint8_t *data = hex_decode(text_of(c, "hex"), &len);
    np_fault fault = {0};
    np_err err = verdict(version_of(c), reply, data, len, thorough, &fault);

    if (strcmp(np_err_name(err), expected != NULL ? expected : "NP_OK") != 0) {
        fail_msg("%s: expected %s, got %s at %s", name, expected, np_err_name(err), fault.where);
    }
    if (expected == NULL) {
        const np_message *message =
            np_protocol_message_named(&everything_protocol, text_of(c, "message"));
        assert_non_null(message);
        assert_int_equal(message->id, np_get_u32(data));
    } else if (strcmp(fault.where, text_of(c, "where")) != 0 ||
               fault.offset != (uint64_t)json_integer_value(json_object_get(c, "offset"))) {
        fail_msg("%s: expected %s at byte %d, got %s at byte %d", name, text_of(c, "where"),
                 (int)json_integer_value(json_object_get(c, "offset")), fault.where,
                 (int)fault.offset);
    }
    free(data);
}

static void test_cases(void **state)
{
    json_t *c;
    size_t i;

    (void)state;
    assert_true(json_array_size(json_object_get(vectors, "cases")) > 120);
    json_array_foreach(json_object_get(vectors, "cases"), i, c)
    {
        check_case(c);
    }
}

/* Every error that a decoder of messages can give is the subject of a case. */
static void test_every_error_has_a_case(void **state)
{
    static const np_err errors[] = {
        NP_ERR_TRUNCATED, NP_ERR_TRAILING, NP_ERR_TOO_LONG,
        NP_ERR_TOO_SHORT, NP_ERR_RANGE,    NP_ERR_BOOL,
        NP_ERR_OPTION,    NP_ERR_VARIANT,  NP_ERR_CHAR,
        NP_ERR_UTF8,      NP_ERR_NUL,      NP_ERR_FINITE,
        NP_ERR_ORDER,     NP_ERR_DEPTH,    NP_ERR_UNKNOWN_MESSAGE,
    };
    (void)state;
    for (size_t e = 0; e < sizeof errors / sizeof *errors; e++) {
        size_t i, found = 0;
        json_t *c;
        json_array_foreach(json_object_get(vectors, "cases"), i, c)
        {
            const char *error = json_string_value(json_object_get(c, "error"));
            found += error != NULL && strcmp(error, np_err_name(errors[e])) == 0;
        }
        if (found == 0) {
            fail_msg("no case for %s", np_err_name(errors[e]));
        }
    }
}

/* Both decoders name what is missing, wherever the input ends. */
static void test_cuts(void **state)
{
    json_t *c;
    size_t i;

    (void)state;
    json_array_foreach(json_object_get(vectors, "cuts"), i, c)
    {
        json_t *missing = json_object_get(c, "missing");
        const char *where = NULL;
        size_t len = 0, next = 0;
        uint8_t *data = hex_decode(text_of(c, "hex"), &len);
        for (size_t end = 0; end < len; end++) {
            json_t *entry = json_array_get(missing, next);
            if (entry != NULL && (size_t)json_integer_value(json_array_get(entry, 0)) == end) {
                where = json_string_value(json_array_get(entry, 1));
                next++;
            }
            np_fault fault = {0};
            np_err err = verdict(version_of(c), false, data, end, quick, &fault);
            if (err != NP_ERR_TRUNCATED || strcmp(fault.where, where) != 0 || fault.offset != end) {
                fail_msg("%s at %zu: expected %s, got %s %s", text_of(c, "name"), end, where,
                         np_err_name(err), fault.where);
            }
        }
        assert_int_equal(next, json_array_size(missing));
        free(data);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cases),
        cmocka_unit_test(test_every_error_has_a_case),
        cmocka_unit_test(test_cuts),
    };
    return cmocka_run_group_tests(tests, load, unload);
}
