/* Numbers of JSON, as other languages write them: every one that a field can hold arrives as the
 * nearest value, whatever its length, and goes out with the fewest digits that bring it back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <float.h>
#include <locale.h>
#include <math.h>

#include <cmocka.h>

#include "oracle.h"

#include <netproto/json.h>

static np_json *oracle(void)
{
    np_json *json = NULL;

    assert_int_equal(np_json_new(&json, &oracle_protocol, NULL), NP_OK);
    return json;
}

/* Parses {"MESSAGE":{"value":NUMBER}}; *bits as they would travel. */
static np_err parse(np_json *json, const char *message, const char *number, np_u128 *bits,
                    np_json_error *error)
{
    uint8_t bytes[16] = {0};
    np_bytes payload = {NULL, 0};
    size_t cap = strlen(number) + 64;
    char *text = malloc(cap);

    assert_non_null(text);
    snprintf(text, cap, "{\"%s\":{\"value\":%s}}", message, number);
    np_err err = np_json_parse(json, 1, NP_JSON_MESSAGE, np_str_from(text), &payload, error);
    if (err == NP_OK) {
        memcpy(bytes, payload.data + 4, payload.len - 4);
        *bits = np_get_u128(bytes);
    }
    free(text);
    return err;
}

static const struct {
    const char *message, *number;
    np_err err;
    uint64_t lo, hi;
} rows[] = {
    /* The greatest f32, as Rust, JavaScript, Java and Python write it, and what rounds to it. */
    {"F32", "3.4028235e38", NP_OK, 0x7F7FFFFF, 0},
    {"F32", "-3.4028235E+38", NP_OK, 0xFF7FFFFF, 0},
    {"F32", "3.4028234663852886e38", NP_OK, 0x7F7FFFFF, 0},
    {"F32", "340282350000000000000000000000000000000", NP_OK, 0x7F7FFFFF, 0},
    {"F32", "340282356779733661637539395458142568447.9999", NP_OK, 0x7F7FFFFF, 0},
    {"F32", "340282356779733661637539395458142568448", NP_ERR_RANGE, 0, 0},
    {"F32", "3.4028236e38", NP_ERR_RANGE, 0, 0},
    {"F32", "-1e39", NP_ERR_RANGE, 0, 0},
    {"F32", "1e400", NP_ERR_RANGE, 0, 0},
    /* As a double it is half-way between two f32, and even would be down. */
    {"F32", "1.00000005960464477539062500000000000000001", NP_OK, 0x3F800001, 0},
    {"F32", "1.000000059604644775390625", NP_OK, 0x3F800000, 0},
    {"F32", "1.00000017881393432617187499999999999999999", NP_OK, 0x3F800001, 0},
    {"F32", "16777217", NP_OK, 0x4B800000, 0},
    {"F32", "16777217.0000000000000000000000001", NP_OK, 0x4B800001, 0},
    {"F32", "1e-45", NP_OK, 1, 0},
    {"F32", "1e-46", NP_OK, 0, 0},
    {"F32", "-1e-46", NP_OK, 0x80000000, 0},
    {"F32", "7.006492321624085354618e-46", NP_OK, 0, 0},
    {"F32", "7.006492321624085354619e-46", NP_OK, 1, 0},
    {"F32", "-0", NP_OK, 0x80000000, 0},
    {"F32", "-0.0", NP_OK, 0x80000000, 0},
    {"F32", "0", NP_OK, 0, 0},
    {"F64", "-0", NP_OK, 0x8000000000000000u, 0},
    {"F64", "-0e5", NP_OK, 0x8000000000000000u, 0},
    {"F64", "100000000000000000000", NP_OK, 0x4415AF1D78B58C40, 0}, /* JavaScript's 1e20 */
    {"F64", "-9223372036854775809", NP_OK, 0xC3E0000000000000u, 0},
    {"F64", "1.7976931348623157e308", NP_OK, 0x7FEFFFFFFFFFFFFFu, 0},
    {"F64", "1.7976931348623158e308", NP_OK, 0x7FEFFFFFFFFFFFFFu, 0},
    {"F64", "1.7976931348623159e308", NP_ERR_RANGE, 0, 0},
    {"F64", "1e309", NP_ERR_RANGE, 0, 0},
    {"F64", "1e99999999999999999999", NP_ERR_RANGE, 0, 0},
    {"F64", "0e99999999999999999999", NP_OK, 0, 0},
    {"F64", "1e-99999999999999999999", NP_OK, 0, 0},
    {"F64", "5e-324", NP_OK, 1, 0},
    {"F64", "9007199254740993", NP_OK, 0x4340000000000000, 0},
    {"F64", "9007199254740993.0000000000000000000000000000000001", NP_OK, 0x4340000000000001, 0},
    /* Integers are what is written; there is no -0 among them. */
    {"U64", "18446744073709551615", NP_OK, UINT64_MAX, 0},
    {"U64", "18446744073709551616", NP_ERR_RANGE, 0, 0},
    {"U64", "-1", NP_ERR_RANGE, 0, 0},
    {"U128", "340282366920938463463374607431768211455", NP_OK, UINT64_MAX, UINT64_MAX},
    {"I128", "-170141183460469231731687303715884105728", NP_OK, 0, (uint64_t)1 << 63},
    {"I64", "-9223372036854775808", NP_OK, (uint64_t)1 << 63, 0},
    {"I64", "9223372036854775808", NP_ERR_RANGE, 0, 0},
    {"U8", "256", NP_ERR_RANGE, 0, 0},
    {"U8", "99999999999999999999999999999999999999999999", NP_ERR_RANGE, 0, 0},
    {"U8", "-0", NP_ERR_JSON, 0, 0},
    {"I8", "-0", NP_ERR_JSON, 0, 0},
    {"U64", "-0", NP_ERR_JSON, 0, 0},
    {"I128", "-0", NP_ERR_JSON, 0, 0},
    {"U64", "\"-0\"", NP_ERR_JSON, 0, 0},
    {"U8", "1.0", NP_ERR_JSON, 0, 0},
    {"U8", "1e0", NP_ERR_JSON, 0, 0},
    {"U64", "1000000000000000000000e0", NP_ERR_JSON, 0, 0},
    /* What is no number stays none, however long it is. */
    {"F64", "0123456789012345678901234567890", NP_ERR_JSON, 0, 0},
    {"F64", "-", NP_ERR_JSON, 0, 0},
    {"F64", "1.", NP_ERR_JSON, 0, 0},
    {"F64", "1000000000000000000000000000000.", NP_ERR_JSON, 0, 0},
    {"F64", "1e1000e", NP_ERR_JSON, 0, 0},
    {"F64", "+1", NP_ERR_JSON, 0, 0},
    {"F64", ".5", NP_ERR_JSON, 0, 0},
    {"F64", "1000000000000000000000-1", NP_ERR_JSON, 0, 0},
    {"F64", "1 1000000000000000000000", NP_ERR_JSON, 0, 0},
};

static void check_rows(np_json *json)
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        np_json_error error = {0};
        np_u128 bits = {0, 0};
        np_err err = parse(json, rows[i].message, rows[i].number, &bits, &error);
        if (err != rows[i].err ||
            (err == NP_OK && (bits.lo != rows[i].lo || bits.hi != rows[i].hi))) {
            fail_msg("%s %s gives %s, bits %llx: %s", rows[i].message, rows[i].number,
                     np_err_name(err), (unsigned long long)bits.lo, error.text);
        }
    }
}

static void test_rows(void **state)
{
    np_json *json = oracle();
    (void)state;

    check_rows(json);
    np_json_free(json);
}

static uint64_t next_random(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * 2685821657736338717u;
}

static float f32_of(uint32_t bits)
{
    uint8_t bytes[4];

    np_put_u32(bytes, bits);
    return np_get_f32(bytes);
}

/* The digits of a number that is half-way between two f32, and just below and above it. (A double
 * holds that number; two more of its texts round to it before they would be rounded to f32.) */
static void check_halfway(np_json *json, uint32_t low)
{
    double middle = ((double)f32_of(low) + (double)f32_of(low + 1)) / 2;
    np_json_error error = {0};
    char exact[400], text[512];
    np_u128 bits = {0, 0};

    snprintf(exact, sizeof exact, "%.160f", middle);
    assert_int_equal(parse(json, "F32", exact, &bits, &error), NP_OK);
    assert_int_equal(bits.lo, low + (low & 1));
    snprintf(text, sizeof text, "%s1", exact);
    assert_int_equal(parse(json, "F32", text, &bits, &error), NP_OK);
    assert_int_equal(bits.lo, low + 1);
    size_t last = strlen(exact) - 1;
    while (exact[last] == '0' || exact[last] == '.') {
        last--;
    }
    exact[last]--;
    for (size_t i = last + 1; exact[i] != '\0'; i++) {
        exact[i] = exact[i] == '.' ? '.' : '9';
    }
    assert_int_equal(parse(json, "F32", exact, &bits, &error), NP_OK);
    assert_int_equal(bits.lo, low);
}

static void test_one_rounding(void **state)
{
    np_json *json = oracle();
    uint64_t random = 3;
    (void)state;

    for (size_t i = 0; i < 1500; i++) { /* 2^-63 to 2^64: 160 decimals are all that there are */
        check_halfway(json, 0x20000000 + (uint32_t)next_random(&random) % 0x3F000000);
    }
    np_json_free(json);
}

/* Zeros in front, digits behind, and an exponent that makes up for them, of any length. */
static void test_length(void **state)
{
    np_json *json = oracle();
    np_json_error error = {0};
    np_u128 bits = {0, 0};
    size_t zeros = 1u << 20;
    char *text = malloc(2 * zeros + 64);
    (void)state;

    assert_non_null(text);
    memcpy(text, "0.", 2);
    memset(text + 2, '0', zeros);
    sprintf(text + 2 + zeros, "15e%zu", zeros + 1);
    assert_int_equal(parse(json, "F64", text, &bits, &error), NP_OK);
    assert_int_equal(bits.lo, 0x3FF8000000000000); /* 1.5 */
    text[0] = '1';
    memset(text + 1, '0', zeros);
    sprintf(text + 1 + zeros, ".0e-%zu", zeros);
    assert_int_equal(parse(json, "F32", text, &bits, &error), NP_OK);
    assert_int_equal(bits.lo, 0x3F800000);
    sprintf(text + 1 + zeros, "1.5");
    assert_int_equal(parse(json, "F64", text, &bits, &error), NP_ERR_RANGE);
    assert_int_equal(parse(json, "U128", text, &bits, &error), NP_ERR_JSON);
    /* Half-way between two doubles, decided by the last of a million digits. */
    strcpy(text, "9007199254740993.");
    memset(text + 17, '0', zeros);
    strcpy(text + 17 + zeros, "1");
    assert_int_equal(parse(json, "F64", text, &bits, &error), NP_OK);
    assert_int_equal(bits.lo, 0x4340000000000001);
    free(text);
    np_json_free(json);
}

/* Numbers keep their places among strings that look like them, and between pieces of the text. */
static void test_places(void **state)
{
    np_json *json = oracle();
    np_bytes payload = {NULL, 0};
    np_json_error error = {0};
    char text[9000] = "{\"VecF64\":{\"value\":[";
    size_t len = strlen(text);
    (void)state;

    for (int i = 0; i < 150; i++) {
        len += (size_t)snprintf(text + len, sizeof text - len, "%s%*s%d.%030de%s0",
                                i > 0 ? "," : "", i % 7, "", i, 0, i % 2 == 0 ? "-" : "+");
    }
    snprintf(text + len, sizeof text - len, "]}}");
    if (np_json_parse(json, 1, NP_JSON_MESSAGE, np_str_from(text), &payload, &error) != NP_OK) {
        fail_msg("%s", error.text);
    }
    for (uint64_t i = 0; i < 150; i++) {
        double value = np_get_f64(payload.data + 12 + 8 * i);
        if (value != (double)i) {
            fail_msg("item %d is %g", (int)i, value);
        }
    }
    static const char mixed[] = "{ \"Floats\" : {\"b\":2,\"a\":-1.5e0}}";
    assert_int_equal(np_json_parse(json, 1, NP_JSON_MESSAGE, np_str_from(mixed), &payload, &error),
                     NP_OK);
    assert_true(np_get_f32(payload.data + 4) == -1.5f && np_get_f64(payload.data + 8) == 2);
    static const char keys[] = "{\"Floats\":{\"1 \\\" -3\":1,\"b\":2,\"a\":3}}";
    assert_int_equal(np_json_parse(json, 1, NP_JSON_MESSAGE, np_str_from(keys), &payload, &error),
                     NP_ERR_JSON);
    assert_non_null(strstr(error.text, "has no such member"));
    np_json_free(json);
}

/* Prints the value of an F32 or F64. */
static void print(np_json *json, const char *message, uint64_t bits, char *out, size_t cap)
{
    bool narrow = strcmp(message, "F32") == 0;
    uint8_t payload[12];
    np_json_error error = {0};
    np_str text = {NULL, 0};

    np_put_u32(payload, narrow ? 14 : 15);
    np_put_u64(payload + 4, bits);
    assert_int_equal(
        np_json_print(json, 1, NP_JSON_MESSAGE, payload, narrow ? 8 : 12, &text, &error), NP_OK);
    size_t before = strlen("{\"F32\":{\"value\":");
    snprintf(out, cap, "%.*s", (int)(text.len - before - 2), text.data + before);
}

static const struct {
    const char *message;
    uint64_t bits;
    const char *text;
} printed[] = {
    {"F32", 0x7F7FFFFF, "3.4028235e+38"},
    {"F32", 0xFF7FFFFF, "-3.4028235e+38"},
    {"F32", 0x00000001, "1e-45"},
    {"F32", 0x00000002, "3e-45"},
    {"F32", 0x007FFFFF, "1.1754942e-38"},
    {"F32", 0x00800000, "1.1754944e-38"},
    {"F32", 0x3E99999A, "0.3"},
    {"F32", 0x4B800000, "16777216.0"},
    {"F32", 0x6B000000, "1.5474251e+26"}, /* 2^87, whose nearest text of 8 digits is another f32 */
    {"F32", 0x0F800000, "1.2621775e-29"},
    {"F64", 0x7FEFFFFFFFFFFFFFu, "1.7976931348623157e+308"},
    {"F64", 0x0000000000000001u, "5e-324"},
    {"F64", 0x3D30000000000000u, "5.684341886080802e-14"},
    {"F64", 0x3FD3333333333333u, "0.3"},
    {"F64", 0x3FD3333333333334u, "0.30000000000000004"},
};

static void check_printed(np_json *json)
{
    char text[64];

    for (size_t i = 0; i < sizeof printed / sizeof printed[0]; i++) {
        print(json, printed[i].message, printed[i].bits, text, sizeof text);
        assert_string_equal(text, printed[i].text);
    }
}

static size_t digits_of(const char *text)
{
    size_t count = 0, zeros = 0;

    for (; *text != '\0' && *text != 'e'; text++) {
        if (*text == '0') {
            zeros += count > 0 ? 1 : 0;
        } else if (*text >= '1' && *text <= '9') {
            count += zeros + 1;
            zeros = 0;
        }
    }
    return count;
}

/* No f32 has a text of fewer digits that reads back, and none needs more than nine. */
static void check_shortest(np_json *json, uint32_t bits)
{
    float value = f32_of(bits);
    char text[64], shorter[64];

    print(json, "F32", bits, text, sizeof text);
    assert_true(strtof(text, NULL) == value);
    size_t count = digits_of(text);
    assert_true(count <= 9);
    if (count < 2) {
        return;
    }
    snprintf(shorter, sizeof shorter, "%.*e", (int)count - 2, (double)value);
    if (strtof(shorter, NULL) == value) {
        fail_msg("%s for %s", text, shorter);
    }
}

static void test_printed(void **state)
{
    np_json *json = oracle();
    uint64_t random = 11;
    (void)state;

    check_printed(json);
    for (uint32_t i = 0; i < 255; i++) {
        check_shortest(json, i << 23 | 1);
        check_shortest(json, i << 23);
        check_shortest(json, (i << 23) | 0x7FFFFF);
    }
    for (size_t i = 0; i < 1500; i++) {
        check_shortest(json, (uint32_t)next_random(&random) % 0x7F800000);
    }
    np_json_free(json);
}

/* A locale whose decimal point is a comma changes nothing. */
static void test_locale(void **state)
{
    np_json *json = oracle();
    (void)state;

    if (setlocale(LC_NUMERIC, "de_DE.UTF-8") == NULL && setlocale(LC_NUMERIC, "de_DE") == NULL &&
        setlocale(LC_NUMERIC, "fr_FR.UTF-8") == NULL) {
        np_json_free(json);
        skip();
    }
    check_rows(json);
    check_printed(json);
    setlocale(LC_NUMERIC, "C");
    np_json_free(json);
}

/* CPU time of parsing so many digits, the least of some runs. */
static double time_of(np_json *json, size_t digits)
{
    char *text = malloc(digits + 1);
    double least = 0;
    np_json_error error;
    np_u128 bits;

    assert_non_null(text);
    memset(text, '7', digits);
    text[digits] = 0;
    for (int i = 0; i < 3; i++) {
        clock_t before = clock();
        assert_int_not_equal(parse(json, "U64", text, &bits, &error), NP_OK);
        double took = (double)(clock() - before) / CLOCKS_PER_SEC;
        least = i == 0 || took < least ? took : least;
    }
    free(text);
    return least;
}

/* A number is looked at once: what is sixteen times as long does not take 256 times as long. */
static void test_length_costs_what_it_is(void **state)
{
    np_json *json = oracle();
    double one = time_of(json, (size_t)60 << 10);
    double sixteen = time_of(json, (size_t)960 << 10);

    (void)state;
    print_message("60 KiB of digits: %.3f ms, 960 KiB: %.3f ms\n", one * 1e3, sixteen * 1e3);
    assert_true(sixteen <= 80 * (one > 0.0001 ? one : 0.0001));
    np_json_free(json);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_one_rounding),
        cmocka_unit_test(test_length),
        cmocka_unit_test(test_places),
        cmocka_unit_test(test_printed),
        cmocka_unit_test(test_locale),
        cmocka_unit_test(test_length_costs_what_it_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
