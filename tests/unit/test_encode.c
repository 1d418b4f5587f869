/* C structs filled in by hand, member by member, against bytes that a reference wrote: encoding,
 * decoding, and lists in both of their forms. What encoding refuses is in test_encode_errors.c. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "everything.h"
#include "oracle.h"
#include "support/everything_values.h"
#include "support/hex.h"
#include "support/vectors.h"

static void assert_text(np_str str, const char *expected)
{
    assert_int_equal(str.len, strlen(expected));
    assert_memory_equal(str.data, expected, str.len);
}

static void assert_encoding(const np_codec *codec, uint32_t id, const void *value, uint32_t version,
                            const uint8_t *expected, size_t expected_len)
{
    np_fault fault = {0};
    np_meter m = {4, version, 0, &fault};
    char text[256];

    if (codec->measure(&m, value) != NP_OK) {
        fail_msg("%s", np_fault_format(&fault, text, sizeof text));
    }
    assert_int_equal(m.len, expected_len);
    uint8_t *buf = malloc(m.len);
    assert_non_null(buf);
    assert_ptr_equal(codec->put(np_put_u32(buf, id), value, version), buf + m.len);
    assert_memory_equal(buf, expected, expected_len);
    free(buf);
}

/* The value gives the vector's bytes. */
static void assert_vector(const np_codec *codec, uint32_t id, const void *value, const char *name)
{
    size_t len = 0;
    uint8_t *data = vectors_payload(name, &len);

    assert_encoding(codec, id, value, 3, data, len);
    free(data);
}

/* Items form -------------------------------------------------------------------------------------
 */

static void test_values_give_the_reference_bytes(void **state)
{
    everything_bounds bounds = everything_values_bounds();
    everything_versions versions = everything_values_versions();
    everything_nests nests = everything_values_nests();
    everything_woods woods = everything_values_woods();
    everything_nothing nothing = {{0}};
    everything_added added = {INT32_MAX};
    everything_hidden hidden = {TEXT("pass\0word")};
    everything_file file = {TEXT(""), {NULL, 0}};

    (void)state;
    assert_vector(&everything_bounds_codec, EVERYTHING_BOUNDS_ID, &bounds, "bounds, lowest");
    assert_vector(&everything_versions_codec, EVERYTHING_VERSIONS_ID, &versions, "versions at 3");
    assert_vector(&everything_nests_codec, EVERYTHING_NESTS_ID, &nests, "nests, full");
    assert_vector(&everything_woods_codec, EVERYTHING_WOODS_ID, &woods, "woods");
    assert_vector(&everything_nothing_codec, EVERYTHING_NOTHING_ID, &nothing, "nothing");
    assert_vector(&everything_added_codec, EVERYTHING_ADDED_ID, &added, "added at 3");
    assert_vector(&everything_hidden_codec, EVERYTHING_HIDDEN_ID, &hidden, "hidden");
    assert_vector(&everything_file_codec, EVERYTHING_FILE_ID, &file, "file, empty");
}

static void test_public_functions(void **state)
{
    everything_nests nests = everything_values_nests();
    size_t expected_len = 0, len = 0, measured = 0;
    uint8_t *expected = vectors_payload("nests, full", &expected_len);
    uint8_t buf[EVERYTHING_NESTS_MAX_LEN + 1];

    (void)state;
    memset(buf, 0x5A, sizeof buf);
    assert_int_equal(everything_nests_encoded_len(&nests, &measured, NULL), NP_OK);
    assert_int_equal(everything_nests_encode(&nests, buf, expected_len, &len, NULL), NP_OK);
    assert_int_equal(measured, expected_len);
    assert_int_equal(len, expected_len);
    assert_memory_equal(buf, expected, len);
    assert_int_equal(buf[len], 0x5A);
    free(expected);
}

/* A struct, unlike a message, has no id before it. */
static void test_struct_without_id(void **state)
{
    everything_person ada = everything_values_ada(), back;
    size_t expected_len = 0, len = 0;
    uint8_t *expected = vectors_payload("find's reply at 3", &expected_len);
    uint8_t buf[256];

    (void)state;
    assert_int_equal(everything_person_encode(&ada, buf, sizeof buf, &len, NULL), NP_OK);
    assert_int_equal(len, expected_len - 4);
    assert_memory_equal(buf, expected + 4, len);
    assert_int_equal(everything_person_decode(&back, buf, len, NULL), NP_OK);
    assert_text(back.name, "Ada");
    free(expected);
}

/* Decoded members --------------------------------------------------------------------------------
 */

static void assert_ada(const everything_person *p)
{
    np_iter it = {0};
    np_str tag;

    assert_text(p->name, "Ada");
    assert_int_equal(p->age, 36);
    assert_int_equal(p->tags.count, 3);
    assert_true(np_list_str_next(&p->tags, &it, &tag));
    assert_text(tag, "x");
    assert_true(np_list_str_next(&p->tags, &it, &tag));
    assert_text(tag, "");
    assert_true(np_list_str_next(&p->tags, &it, &tag));
    assert_text(tag, "yz");
    assert_false(np_list_str_next(&p->tags, &it, &tag));
    assert_int_equal(p->mood, -5);
    assert_true(p->nick.has);
    assert_text(p->nick.value, "Countess");
    assert_int_equal(p->friends.count, 2);
    assert_int_equal(np_list_u32_at(&p->friends, 0), 1);
    assert_int_equal(np_list_u32_at(&p->friends, 1), UINT32_MAX);
}

static void test_decoded_bounds(void **state)
{
    size_t len = 0;
    uint8_t *data = vectors_payload("bounds, lowest", &len);
    everything_bounds v;
    np_iter it = {0};
    np_char c = 0;

    (void)state;
    assert_int_equal(everything_bounds_decode(&v, data, len, NULL), NP_OK);
    assert_int_equal(v.a, 10);
    assert_int_equal(v.b, -1);
    assert_true(v.c.lo == 5 && v.c.hi == 0);
    assert_true(v.d.lo == (uint64_t)-7 && v.d.hi == -1);
    assert_int_equal(v.e, 'a');
    assert_true(v.f == 0.5f && v.g == -1.5f);
    assert_int_equal(v.h.len, 2);
    assert_memory_equal(v.h.data, "\0\xFF", 2);
    assert_null(v.i.items);
    assert_int_equal(v.i.count, 3);
    assert_int_equal(np_list_i16_at(&v.i, 0), -3);
    assert_int_equal(np_list_i16_at(&v.i, 2), 3);
    assert_text(v.j, "gr\xC3\xBCn");
    assert_true(np_list_f64_at(&v.k, 0) == 1.25 && signbit(np_list_f64_at(&v.k, 1)));
    assert_true(np_list_char_next(&v.l, &it, &c) && c == 'a');
    assert_true(np_list_char_next(&v.l, &it, &c) && c == 0xE9);
    assert_true(np_list_char_next(&v.l, &it, &c) && c == 0x1F600);
    assert_false(np_list_char_next(&v.l, &it, &c));
    assert_int_equal(v.m, 0);
    assert_encoding(&everything_bounds_codec, EVERYTHING_BOUNDS_ID, &v, 3, data, len);
    free(data);
}

static void assert_scalars_of_nests(const everything_nests *v)
{
    assert_true(v->c.has && v->c.value.has && v->c.value.value.has);
    assert_int_equal(v->c.value.value.value, 9);
    assert_int_equal(v->d[0].items[0], 1);
    assert_int_equal(v->d[1].items[1], 4);
    assert_int_equal(v->d[2].items[0], 5);
    assert_int_equal(v->e[0].items[1], 0x0304);
    assert_int_equal(v->e[1].items[0], 0x0506);
    assert_true(v->g.f0.has);
    assert_int_equal(v->g.f0.value.f0, 7);
    assert_text(v->g.f0.value.f1, "tup");
    assert_true(v->h.has);
    assert_int_equal(v->i[0].tag, EVERYTHING_SHAPE_CIRCLE);
    assert_true(v->i[0].circle.radius == 1000.0);
    assert_int_equal(v->i[0].circle.color, EVERYTHING_COLOR_GREEN);
    assert_int_equal(v->i[1].tag, EVERYTHING_SHAPE_NAMED);
    assert_text(v->i[1].named.name, "n");
    assert_true(v->n.has && v->t.has);
    assert_int_equal(v->m.count, 3);
    assert_int_equal(v->t.value, EVERYTHING_COLOR_GREEN);
    assert_memory_equal(v->u, "\0\1\0", 3);
}

static void assert_lists_of_nests(const everything_nests *v)
{
    np_iter a = {0}, f = {0}, h = {0}, q = {0}, r = {0}, s = {0};
    np_list_u8 inner;
    everything_nests_f_item pair;
    everything_shape_polygon_corners_item corner;
    np_str text;
    everything_nests_r_item tuple;
    everything_color color;

    assert_true(everything_nests_a_next(&v->a, &a, &inner) && inner.count == 3);
    assert_int_equal(np_list_u8_at(&inner, 2), 3);
    assert_true(everything_nests_a_next(&v->a, &a, &inner) && inner.count == 0);
    assert_true(everything_nests_a_next(&v->a, &a, &inner) && np_list_u8_at(&inner, 0) == 4);
    assert_false(everything_nests_a_next(&v->a, &a, &inner));
    assert_true(everything_nests_f_next(&v->f, &f, &pair) && pair.items[1] == 11);
    assert_true(everything_nests_f_next(&v->f, &f, &pair) && pair.items[0] == 12);
    assert_int_equal(v->h.value.tag, EVERYTHING_SHAPE_POLYGON);
    const everything_shape_polygon_corners *corners = &v->h.value.polygon.corners;
    assert_int_equal(corners->count, 3);
    assert_true(everything_shape_polygon_corners_next(corners, &h, &corner) && corner.f1 == -2);
    assert_true(everything_shape_polygon_corners_next(corners, &h, &corner) &&
                corner.f0 == INT32_MIN);
    assert_true(v->q.has && v->q.value.count == 2);
    assert_true(np_list_str_next(&v->q.value, &q, &text));
    assert_text(text, "abc");
    assert_true(everything_nests_r_next(&v->r, &r, &tuple) && tuple.f0 == 'z' && tuple.f1 == 1.5f);
    assert_true(everything_nests_r_next(&v->r, &r, &tuple) && tuple.f0 == 0x800);
    assert_true(isinf(tuple.f1) && tuple.f1 < 0);
    assert_true(everything_color_list_next(&v->s, &s, &color) && color == EVERYTHING_COLOR_BLUE);
    assert_true(everything_color_list_next(&v->s, &s, &color) && color == EVERYTHING_COLOR_RED);
}

static void assert_maps_of_nests(const everything_nests *v)
{
    np_iter b = {0}, b0 = {0}, g = {0}, j = {0}, k = {0}, k0 = {0}, l = {0}, o = {0}, p = {0};
    everything_nests_b_entry bools;
    np_option_bool flag;
    everything_nests_g_1_entry letter;
    everything_nests_j_entry person;
    everything_nests_k_item map;
    everything_nests_k_item_entry entry;
    everything_nests_l_entry pair;
    everything_nests_o_entry bytes;
    everything_nests_p_entry wide;

    assert_true(everything_nests_b_next(&v->b, &b, &bools) && bools.key == 1);
    assert_true(everything_nests_b_value_next(&bools.value, &b0, &flag) && flag.has && flag.value);
    assert_true(everything_nests_b_value_next(&bools.value, &b0, &flag) && !flag.has);
    assert_true(everything_nests_b_next(&v->b, &b, &bools) && bools.key == 200);
    assert_int_equal(bools.value.count, 0);
    assert_true(everything_nests_g_1_next(&v->g.f1, &g, &letter) && letter.key == 0);
    assert_true(everything_nests_g_1_next(&v->g.f1, &g, &letter) && letter.key == 0xE9);
    assert_true(everything_nests_j_next(&v->j, &j, &person) && person.key == EVERYTHING_COLOR_RED);
    assert_int_equal(person.value.mood, 5);
    assert_true(everything_nests_j_next(&v->j, &j, &person) && person.key == EVERYTHING_COLOR_BLUE);
    assert_ada(&person.value);
    assert_true(everything_nests_k_next(&v->k, &k, &map) && map.count == 2);
    assert_true(everything_nests_k_item_next(&map, &k0, &entry) && !entry.key && entry.value == 1);
    assert_true(everything_nests_k_item_next(&map, &k0, &entry) && entry.key && entry.value == 2);
    assert_true(everything_nests_k_next(&v->k, &k, &map) && map.count == 0);
    assert_false(everything_nests_k_next(&v->k, &k, &map));
    assert_true(everything_nests_l_next(&v->l, &l, &pair) && pair.key[1] == 1 && pair.value == -1);
    assert_true(everything_nests_l_next(&v->l, &l, &pair) && pair.key[1] == 2 &&
                pair.value == -128);
    assert_true(everything_nests_o_next(&v->o, &o, &bytes) && bytes.key.len == 0);
    assert_true(everything_nests_o_next(&v->o, &o, &bytes) && bytes.key.len == 1);
    assert_true(everything_nests_p_next(&v->p, &p, &wide) && wide.key.hi == INT64_MIN);
    assert_true(everything_nests_p_next(&v->p, &p, &wide) && wide.key.hi == INT64_MAX);
    assert_true(wide.key.lo == UINT64_MAX && wide.value == 2);
}

static void test_decoded_nests(void **state)
{
    size_t len = 0;
    uint8_t *data = vectors_payload("nests, full", &len);
    everything_nests v;

    (void)state;
    assert_int_equal(everything_nests_decode(&v, data, len, NULL), NP_OK);
    assert_scalars_of_nests(&v);
    assert_lists_of_nests(&v);
    assert_maps_of_nests(&v);
    assert_encoding(&everything_nests_codec, EVERYTHING_NESTS_ID, &v, 3, data, len);
    free(data);
}

/* The accessors read what a sender set just as what came in. */
static void test_accessors_of_items(void **state)
{
    everything_nests v = everything_values_nests();

    (void)state;
    assert_scalars_of_nests(&v);
    assert_lists_of_nests(&v);
    assert_maps_of_nests(&v);
}

static void test_decoded_woods(void **state)
{
    size_t len = 0;
    uint8_t *data = vectors_payload("woods", &len);
    everything_woods v;
    everything_tree left, leaf;
    everything_forest forest, inner;
    everything_forest_by_name_entry entry;

    (void)state;
    assert_int_equal(everything_woods_decode(&v, data, len, NULL), NP_OK);
    assert_int_equal(v.tree.label, 1);
    assert_true(everything_tree_list_next(&v.tree.left, &(np_iter){0}, &left));
    assert_int_equal(left.label, 2);
    assert_true(everything_tree_list_next(&left.left, &(np_iter){0}, &leaf));
    assert_int_equal(leaf.label, 3);
    assert_int_equal(leaf.left.count + leaf.forest.count, 0);
    assert_true(everything_forest_list_next(&v.tree.forest, &(np_iter){0}, &forest));
    assert_true(everything_tree_list_next(&forest.trees, &(np_iter){0}, &leaf));
    assert_int_equal(leaf.label, 4);
    assert_true(everything_forest_by_name_next(&forest.by_name, &(np_iter){0}, &entry));
    assert_text(entry.key, "f");
    assert_true(entry.value.end);
    np_iter it = {0};
    assert_true(everything_woods_forests_next(&v.forests, &it, &inner) && inner.end);
    assert_true(everything_woods_forests_next(&v.forests, &it, &inner));
    for (int level = 1; level < 4; level++) { /* the deepest there may be */
        assert_int_equal(inner.by_name.count, 1);
        assert_true(everything_forest_by_name_next(&inner.by_name, &(np_iter){0}, &entry));
        inner = entry.value;
    }
    assert_int_equal(inner.by_name.count, 0);
    assert_true(v.maybe.has && v.maybe.value.label == 4);
    assert_int_equal(v.one[1].trees.count, 2);
    assert_encoding(&everything_woods_codec, EVERYTHING_WOODS_ID, &v, 3, data, len);
    free(data);
}

/* A part of what came in, sent on as a part of something else. */
static void test_relaying_parts(void **state)
{
    size_t len = 0;
    uint8_t *data = vectors_payload("nests, full", &len);
    everything_nests v, mixed = everything_values_nests();

    (void)state;
    assert_int_equal(everything_nests_decode(&v, data, len, NULL), NP_OK);
    mixed.a = v.a;
    mixed.h = v.h;
    mixed.k = v.k;
    mixed.q = v.q;
    mixed.s = v.s;
    everything_nests_j_entry people[2];
    np_iter it = {0};
    assert_true(everything_nests_j_next(&v.j, &it, &people[0]));
    assert_true(everything_nests_j_next(&v.j, &it, &people[1]));
    mixed.j = (everything_nests_j){people, 2, {0}};
    assert_encoding(&everything_nests_codec, EVERYTHING_NESTS_ID, &mixed, 3, data, len);
    free(data);
}

/* Against the crate ------------------------------------------------------------------------------
 */

static void assert_hex(const np_codec *codec, uint32_t id, const void *value, const char *hex)
{
    size_t len = 0;
    uint8_t *body = hex_decode(hex, &len);
    uint8_t *data = malloc(len + 4);

    assert_non_null(data);
    memcpy(np_put_u32(data, id), body, len);
    assert_encoding(codec, id, value, 1, data, len + 4);
    free(body);
    free(data);
}

/* Values and bytes are cases of tests/vectors/bincode/encode.json, which the Rust crate wrote. */
static void test_values_give_the_crates_bytes(void **state)
{
    oracle_ints ints = {155, 13970,  2931063888, 5730764573416934281,
                        -15, -26539, -775012661, -1637757380303212440};
    oracle_msg echo = {.tag = ORACLE_MSG_ECHO, .echo = {TEXT("19\u00DF\u00E9YZ\u00E9")}};
    oracle_msg_value msg = {{.tag = ORACLE_MSG_OPT, .opt = {{&echo, 1, {0}}}}};
    static const oracle_packet_extra_entry extra[] = {
        {{NULL, 0}, {NULL, 0}},
        {{"-Z\0b", 4}, {(const uint8_t *)"\x29", 1}},
    };
    oracle_packet packet = {
        .version = 176,
        .flags = 34676,
        .seq = 9111929884694856522,
        .kind = ORACLE_KIND_B,
        .body = {.tag = ORACLE_MSG_ECHO, .echo = {TEXT("Z-")}},
        .extra = ITEMS(extra),
        .key = {159, 72, 222, 224, 151, 124, 112, 186, 199, 93, 24, 131, 220, 208, 205, 160,
                57,  54, 45,  42,  199, 215, 46,  16,  27,  26, 4,  233, 234, 156, 25,  117},
        .sig = {13590092238883686810u, 16032622702258675071u},
        .ok = true,
    };

    (void)state;
    assert_hex(&oracle_ints_codec, ORACLE_INTS_ID, &ints,
               "9b9236507cb4ae89cbe84104c4874ff15598cb3eced168b0c0fe568445e9");
    assert_hex(&oracle_msg_value_codec, ORACLE_MSG_VALUE_ID, &msg,
               "0400000001010000000a000000000000003139c39fc3a9595ac3a9");
    assert_hex(
        &oracle_packet_codec, ORACLE_PACKET_ID, &packet,
        "b074874ac380fbf313747e010000000100000002000000000000005a2d020000000000000000000000000000"
        "00000000000000000004000000000000002d5a00620100000000000000299f48dee0977c70bac75d1883dcd0"
        "cda039362d2ac7d72e101b1a04e9ea9c19759a89744be3b499bc7fddfd3967517fde01");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values_give_the_reference_bytes),
        cmocka_unit_test(test_public_functions),
        cmocka_unit_test(test_struct_without_id),
        cmocka_unit_test(test_decoded_bounds),
        cmocka_unit_test(test_decoded_nests),
        cmocka_unit_test(test_accessors_of_items),
        cmocka_unit_test(test_decoded_woods),
        cmocka_unit_test(test_relaying_parts),
        cmocka_unit_test(test_values_give_the_crates_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
