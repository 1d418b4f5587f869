/* What encoding refuses, and how it says so: the error, the field, the rule, the offset that the
 * value would have had, and the line for people. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "everything.h"
#include "support/everything_values.h"
#include "support/vectors.h"

/* A refusal as one line: "NP_ERR_RANGE: everything.Bounds.a: 9 is not in range 10..20 at byte 4".
 */
static void assert_fault(np_err err, const np_fault *fault, const char *expected)
{
    char text[256], line[320];

    assert_int_equal(err, fault->err);
    snprintf(line, sizeof line, "%s: %s", np_err_name(err),
             np_fault_format(fault, text, sizeof text));
    assert_string_equal(line, expected);
}

/* All functions that encode say the same, and write nothing. */
#define DEFINE_REFUSED(message)                                                                    \
    static void refused_##message##_at(const everything_##message *value, uint32_t version,        \
                                       const char *expected)                                       \
    {                                                                                              \
        uint8_t buf[4096];                                                                         \
        np_fault fault = {0};                                                                      \
        size_t len = 77;                                                                           \
        assert_fault(everything_##message##_encoded_len_at(value, version, &len, &fault), &fault,  \
                     expected);                                                                    \
        fault = (np_fault){0};                                                                     \
        memset(buf, 0x5A, sizeof buf);                                                             \
        assert_fault(                                                                              \
            everything_##message##_encode_at(value, version, buf, sizeof buf, &len, &fault),       \
            &fault, expected);                                                                     \
        for (size_t i = 0; i < sizeof buf; i++) {                                                  \
            assert_int_equal(buf[i], 0x5A);                                                        \
        }                                                                                          \
        assert_int_equal(len, 77);                                                                 \
    }

DEFINE_REFUSED(bounds)
DEFINE_REFUSED(versions)
DEFINE_REFUSED(nests)
DEFINE_REFUSED(woods)

static void refused_bounds(everything_bounds value, const char *expected)
{
    refused_bounds_at(&value, 3, expected);
}

static void refused_nests(everything_nests value, const char *expected)
{
    refused_nests_at(&value, 3, expected);
}

/* Bounds of values -------------------------------------------------------------------------------
 */

static void test_ranges(void **state)
{
    everything_bounds v = everything_values_bounds();

    (void)state;
    v.a = 9;
    refused_bounds(v, "NP_ERR_RANGE: everything.Bounds.a: 9 is not in range 10..20 at byte 4");
    v = everything_values_bounds();
    v.b = -2;
    refused_bounds(v, "NP_ERR_RANGE: everything.Bounds.b: -2 is not in range -1..1 at byte 6");
    v = everything_values_bounds();
    v.c.lo = 4;
    refused_bounds(v, "NP_ERR_RANGE: everything.Bounds.c: value out of range, rule: range "
                      "5..340282366920938463463374607431768211455 at byte 14");
    v = everything_values_bounds();
    v.d = (np_i128){8, 0};
    refused_bounds(v, "NP_ERR_RANGE: everything.Bounds.d: value out of range, rule: range -7..7 "
                      "at byte 30");
    v = everything_values_bounds();
    v.e = '{';
    refused_bounds(v, "NP_ERR_RANGE: everything.Bounds.e: 123 is not in range 97..122 at byte 46");
    v.e = 0xD800;
    refused_bounds(v, "NP_ERR_CHAR: everything.Bounds.e: not a Unicode scalar value in UTF-8, got "
                      "55296 at byte 46");
    v = everything_values_bounds();
    v.f = INFINITY;
    refused_bounds(v, "NP_ERR_FINITE: everything.Bounds.f: not a finite number, got inf, rule: "
                      "finite at byte 47");
    v = everything_values_bounds();
    v.g = 1.75f;
    refused_bounds(v,
                   "NP_ERR_RANGE: everything.Bounds.g: 1.75 is not in range -1.5..1.5 at byte 51");
    v.g = NAN;
    refused_bounds(v,
                   "NP_ERR_RANGE: everything.Bounds.g: nan is not in range -1.5..1.5 at byte 51");
}

static void test_items_out_of_range(void **state)
{
    everything_bounds v = everything_values_bounds();
    const int16_t i[] = {1, 4};
    const double k[] = {0, (double)NAN};
    const np_char l[] = {'a', 'b', 0x110000};

    (void)state;
    v.i = (np_list_i16)ITEMS(i);
    refused_bounds(v, "NP_ERR_RANGE: everything.Bounds.i[]: 4 is not in range -3..3 at byte 75");
    v = everything_values_bounds();
    v.k = (np_list_f64)ITEMS(k);
    np_fault fault = {0};
    size_t len = 0;
    assert_int_equal(everything_bounds_encoded_len(&v, &len, &fault), NP_ERR_FINITE);
    assert_string_equal(fault.where, "everything.Bounds.k[]");
    assert_int_equal(fault.offset, 79 + 8 + 5 + 8 + 8);
    v = everything_values_bounds();
    v.l = (np_list_char)ITEMS(l);
    refused_bounds(v, "NP_ERR_CHAR: everything.Bounds.l[]: not a Unicode scalar value in UTF-8, "
                      "got 1114112 at byte 126");
    everything_nests n = everything_values_nests();
    n.u[2] = 2;
    assert_int_equal(everything_nests_encoded_len(&n, &len, &fault), NP_ERR_RANGE);
    assert_string_equal(fault.where, "everything.Nests.u[]");
}

static void test_lengths(void **state)
{
    everything_bounds v = everything_values_bounds();
    const int16_t i[4] = {0};

    (void)state;
    v.h = BYTES("1");
    refused_bounds(v, "NP_ERR_TOO_SHORT: everything.Bounds.h: length 1 is below min 2 max 4 at "
                      "byte 55");
    v.h = BYTES("12345");
    refused_bounds(v, "NP_ERR_TOO_LONG: everything.Bounds.h: length 5 exceeds min 2 max 4 at byte "
                      "55");
    v = everything_values_bounds();
    v.i = (np_list_i16)ITEMS(i);
    refused_bounds(v, "NP_ERR_TOO_LONG: everything.Bounds.i: length 4 exceeds max 3 at byte 65");
    v = everything_values_bounds();
    v.j = TEXT("123456789");
    refused_bounds(v, "NP_ERR_TOO_LONG: everything.Bounds.j: length 9 exceeds max 8 nonul at byte "
                      "79");
}

static void test_text(void **state)
{
    everything_bounds v = everything_values_bounds();

    (void)state;
    v.j = TEXT("ab\0c");
    refused_bounds(v, "NP_ERR_NUL: everything.Bounds.j: a NUL where none is allowed, rule: max 8 "
                      "nonul at byte 89");
    v.j = TEXT("abc\xE2\x82");
    refused_bounds(v, "NP_ERR_UTF8: everything.Bounds.j: invalid UTF-8 at byte "
                      "90");
    v.j = TEXT("\xED\xA0\x80");
    refused_bounds(v, "NP_ERR_UTF8: everything.Bounds.j: invalid UTF-8 at byte "
                      "87");
}

/* Enums and versions ------------------------------------------------------------------------------
 */

static void test_variants(void **state)
{
    everything_nests v = everything_values_nests();

    (void)state;
    v.h.has = false;
    v.i[0].tag = (everything_shape_tag)3;
    np_fault fault = {0};
    size_t len = 0;
    assert_int_equal(everything_nests_encoded_len(&v, &len, &fault), NP_ERR_VARIANT);
    assert_string_equal(fault.where, "everything.Shape");
    assert_int_equal(fault.got, 3);
    v = everything_values_nests();
    v.t.value = (everything_color)2;
    assert_int_equal(everything_nests_encoded_len(&v, &len, &fault), NP_ERR_VARIANT);
    assert_string_equal(fault.where, "everything.Color");
    v.t.has = false; /* what is not there is not judged */
    assert_int_equal(everything_nests_encoded_len(&v, &len, &fault), NP_OK);
}

static void test_newer(void **state)
{
    everything_versions v = {.color = EVERYTHING_COLOR_PINK};
    everything_nests n = everything_values_nests();
    np_fault fault = {0};
    size_t len = 0;

    (void)state;
    refused_versions_at(
        &v, 1,
        "NP_ERR_NEWER: everything.Color: the value is newer than the version agreed "
        "on, got 6 at byte 29");
    assert_int_equal(everything_versions_encoded_len_at(&v, 2, &len, NULL), NP_OK);
    n.i[1] = (everything_shape){.tag = EVERYTHING_SHAPE_DOTTED};
    assert_int_equal(everything_nests_encoded_len_at(&n, 2, &len, &fault), NP_ERR_NEWER);
    assert_string_equal(fault.where, "everything.Shape");
    assert_int_equal(fault.got, 9);
    assert_int_equal(everything_nests_encoded_len_at(&n, 3, &len, &fault), NP_OK);
}

/* Lists and maps ----------------------------------------------------------------------------------
 */

static void test_lengths_without_data(void **state)
{
    everything_hidden hidden = {.password = {NULL, 5}};
    everything_file file = {.name = {"a", 1}, .body = {NULL, 1}};
    np_fault fault = {0};
    char text[160];
    size_t len = 0;

    (void)state;
    assert_int_equal(everything_hidden_encoded_len(&hidden, &len, &fault), NP_ERR_ARG);
    assert_string_equal(
        np_fault_format(&fault, text, sizeof text),
        "everything.Hidden.password: invalid argument, rule: set data together with len at byte 4");
    assert_int_equal(everything_file_encoded_len(&file, &len, &fault), NP_ERR_ARG);
    assert_string_equal(fault.where, "everything.File.body");
    hidden.password.len = 0;
    assert_int_equal(everything_hidden_encoded_len(&hidden, &len, &fault), NP_OK);
}

#define TOGETHER "set items together with count"

static void test_counts_without_items(void **state)
{
    everything_bounds v = everything_values_bounds();
    everything_nests n = everything_values_nests();
    everything_woods w = everything_values_woods();

    (void)state;
    v.i = (np_list_i16){.count = 2};
    refused_bounds(v, "NP_ERR_ARG: everything.Bounds.i: invalid argument, got 2, rule: " TOGETHER
                      " at byte 73");
    v = everything_values_bounds();
    v.l = (np_list_char){.count = 1};
    refused_bounds(v, "NP_ERR_ARG: everything.Bounds.l: invalid argument, got 1, rule: " TOGETHER
                      " at byte 124");
    n.a = (everything_nests_a){.count = 1};
    refused_nests(n, "NP_ERR_ARG: everything.Nests.a: invalid argument, got 1, rule: " TOGETHER
                     " at byte 12");
    w.tree.left = (everything_tree_list){.count = 1};
    refused_woods_at(&w, 3,
                     "NP_ERR_ARG: everything.Tree: invalid argument, got 1, rule: " TOGETHER
                     " at byte 6");
    w.tree.left = (everything_tree_list){.count = 2};
    refused_woods_at(&w, 3,
                     "NP_ERR_ARG: everything.Tree.left: invalid argument, got 2, rule: "
                     "count is 0, or 1 with items at byte 5");
}

/* A list that came in is as long as its wire; to send less of it, say so by items. Were the count
 * believed, more would be written than was measured. */
static void test_counts_that_differ_from_the_wire(void **state)
{
    size_t len = 0;
    uint8_t *data = vectors_payload("nests, full", &len);
    everything_nests full, v;

    (void)state;
    assert_int_equal(everything_nests_decode(&full, data, len, NULL), NP_OK);
    v = full;
    v.a.count = 0;
    refused_nests(v, "NP_ERR_ARG: everything.Nests.a: invalid argument, got 0, rule: " TOGETHER
                     " at byte 12");
    v.a.count = 2;
    refused_nests(v, "NP_ERR_ARG: everything.Nests.a: invalid argument, got 2, rule: " TOGETHER
                     " at byte 31");
    v = full;
    v.q.value.count = 1;
    np_fault fault = {0};
    assert_int_equal(everything_nests_encoded_len(&v, &len, &fault), NP_ERR_ARG);
    assert_string_equal(fault.where, "everything.Nests.q");
    v = full;
    v.j.count = 1;
    assert_int_equal(everything_nests_encoded_len(&v, &len, &fault), NP_ERR_ARG);
    assert_string_equal(fault.where, "everything.Nests.j");
    v = full;
    v.k.count = 1;
    assert_int_equal(everything_nests_encoded_len(&v, &len, &fault), NP_ERR_ARG);
    v.k = (everything_nests_k){0}; /* this is how to send none */
    assert_int_equal(everything_nests_encoded_len(&v, &len, &fault), NP_OK);
    free(data);
}

static void test_order(void **state)
{
    everything_nests v = everything_values_nests();
    const everything_nests_b_entry same[] = {{7, {0}}, {7, {0}}};
    const everything_nests_l_entry bytes[] = {{{1, 0}, 0}, {{0, 255}, 0}};
    const everything_nests_o_entry prefix[] = {{BYTES("ab"), 0}, {BYTES("a"), 0}};
    const everything_nests_p_entry sign[] = {{{1, 0}, 0}, {{UINT64_MAX, -1}, 0}};
    const everything_nests_j_entry colors[] = {{.key = EVERYTHING_COLOR_BLUE},
                                               {.key = EVERYTHING_COLOR_GREEN}};
    np_fault fault = {0};
    size_t len = 0;

    (void)state;
    v.b = (everything_nests_b)ITEMS(same);
    refused_nests(v, "NP_ERR_ORDER: everything.Nests.b.key: map keys must strictly ascend at byte "
                     "57");
    v = everything_values_nests();
    v.l = (everything_nests_l)ITEMS(bytes);
    assert_int_equal(everything_nests_encoded_len(&v, &len, &fault), NP_ERR_ORDER);
    assert_string_equal(fault.where, "everything.Nests.l.key");
    v = everything_values_nests();
    v.o = (everything_nests_o)ITEMS(prefix);
    assert_int_equal(everything_nests_encoded_len(&v, &len, &fault), NP_ERR_ORDER);
    assert_string_equal(fault.where, "everything.Nests.o.key");
    v = everything_values_nests();
    v.p = (everything_nests_p)ITEMS(sign);
    assert_int_equal(everything_nests_encoded_len(&v, &len, &fault), NP_ERR_ORDER);
    v = everything_values_nests();
    v.j = (everything_nests_j)ITEMS(colors);
    assert_int_equal(everything_nests_encoded_len(&v, &len, &fault), NP_ERR_ORDER);
}

/* Recursion ---------------------------------------------------------------------------------------
 */

static void test_depth(void **state)
{
    everything_tree levels[5] = {{0}};
    everything_woods w = {.one = {{.end = true}, {.end = true}}};

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        levels[i].left = (everything_tree_list){&levels[i + 1], 1, {0}};
    }
    w.tree = levels[0];
    refused_woods_at(&w, 3, "NP_ERR_DEPTH: everything.Tree: nested too deeply at byte 12");
    w.tree = levels[1];
    uint8_t buf[256];
    size_t len = 0;
    assert_int_equal(everything_woods_encode(&w, buf, sizeof buf, &len, NULL), NP_OK);

    /* What came in as a whole may be too deep as a part. */
    everything_woods in;
    assert_int_equal(everything_woods_decode(&in, buf, len, NULL), NP_OK);
    w.tree = (everything_tree){.left = {&in.tree, 1, {0}}};
    refused_woods_at(&w, 3, "NP_ERR_DEPTH: everything.Tree: nested too deeply at byte 12");
}

static void test_whole_size(void **state)
{
    size_t len = 0, out_len = 0;
    uint8_t *data = vectors_payload("woods, a forest of 512 bytes", &len);
    everything_woods w;
    everything_forest forest;
    everything_tree trees[3];
    everything_forest_by_name_entry entry;
    np_iter it = {0};

    (void)state;
    assert_int_equal(everything_woods_decode(&w, data, len, NULL), NP_OK);
    assert_true(everything_woods_forests_next(&w.forests, &(np_iter){0}, &forest));
    while (it.index < forest.trees.count) {
        assert_true(everything_tree_list_next(&forest.trees, &it, &trees[it.index]));
    }
    assert_true(everything_forest_by_name_next(&forest.by_name, &(np_iter){0}, &entry));
    everything_forest copy = {.trees = ITEMS(trees), .by_name = {&entry, 1, {0}}, .end = true};
    everything_woods out = {.forests = {&copy, 1, {0}}};
    assert_int_equal(everything_woods_encoded_len(&out, &out_len, NULL), NP_OK);
    assert_int_equal(out_len, len);

    /* One more entry: its key of 12 bytes and a forest of 20. */
    const everything_tree leaf = {.label = 1};
    const everything_forest_by_name_entry more[] = {{TEXT("abcd"), entry.value},
                                                    {TEXT("abce"), {.trees = {&leaf, 1, {0}}}}};
    copy.by_name = (everything_forest_by_name)ITEMS(more);
    refused_woods_at(&out, 3,
                     "NP_ERR_TOO_LONG: everything.Forest: length 544 exceeds max 512 at "
                     "byte 15");
    free(data);
}

/* Buffers -----------------------------------------------------------------------------------------
 */

static void test_space(void **state)
{
    everything_person ada = everything_values_ada();
    everything_bounds bounds = everything_values_bounds();
    size_t need = 0, len = 77;
    np_fault fault = {0};

    (void)state;
    assert_int_equal(everything_person_encoded_len(&ada, &need, NULL), NP_OK);
    for (size_t cap = 0; cap < need; cap++) {
        uint8_t *buf = malloc(cap + 1); /* so that a sanitizer sees what is written behind it */
        assert_non_null(buf);
        memset(buf, 0x5A, cap + 1);
        assert_int_equal(everything_person_encode(&ada, buf, cap, &len, &fault), NP_ERR_SPACE);
        assert_int_equal(fault.got, cap);
        for (size_t i = 0; i <= cap; i++) {
            assert_int_equal(buf[i], 0x5A);
        }
        free(buf);
    }
    assert_int_equal(len, 77);
    uint8_t small[16];
    assert_fault(everything_bounds_encode(&bounds, small, sizeof small, &len, &fault), &fault,
                 "NP_ERR_SPACE: everything.Bounds: the buffer is too small, got 16 at byte 135");
}

static void test_no_fault_wanted(void **state)
{
    everything_bounds v = everything_values_bounds();
    size_t len = 0;
    uint8_t buf[8];

    (void)state;
    v.a = 0;
    assert_int_equal(everything_bounds_encoded_len(&v, &len, NULL), NP_ERR_RANGE);
    assert_int_equal(everything_bounds_encode(&v, buf, sizeof buf, &len, NULL), NP_ERR_RANGE);
    assert_int_equal(everything_bounds_decode(&v, buf, 0, NULL), NP_ERR_TRUNCATED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ranges),
        cmocka_unit_test(test_items_out_of_range),
        cmocka_unit_test(test_lengths),
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_variants),
        cmocka_unit_test(test_newer),
        cmocka_unit_test(test_lengths_without_data),
        cmocka_unit_test(test_counts_without_items),
        cmocka_unit_test(test_counts_that_differ_from_the_wire),
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_depth),
        cmocka_unit_test(test_whole_size),
        cmocka_unit_test(test_space),
        cmocka_unit_test(test_no_fault_wanted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
