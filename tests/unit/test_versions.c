/* `since` in both directions: what is newer than the version agreed on stays at home, what an older
 * peer did not send has its default, and lists that came in at one version go out at another. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "everything.h"
#include "support/everything_values.h"
#include "selftest/twin.h"
#include "support/vectors.h"

#define NEWEST EVERYTHING_VERSION

static void assert_text(np_str str, const char *expected)
{
    assert_int_equal(str.len, strlen(expected));
    assert_memory_equal(str.data, expected, str.len);
}

/* Encodes at a version into a buffer of exactly the right size, from malloc. */
static uint8_t *encode(const everything_versions *value, uint32_t version, size_t *len)
{
    size_t measured = 0;
    np_fault fault = {0};
    char text[256];

    if (everything_versions_encoded_len_at(value, version, &measured, &fault) != NP_OK) {
        fail_msg("%s", np_fault_format(&fault, text, sizeof text));
    }
    uint8_t *buf = malloc(measured);
    assert_non_null(buf);
    assert_int_equal(everything_versions_encode_at(value, version, buf, measured, len, NULL),
                     NP_OK);
    assert_int_equal(*len, measured);
    return buf;
}

static everything_versions decode(uint32_t version, const uint8_t *data, size_t len)
{
    everything_versions value;
    np_fault fault = {0};
    char text[256];

    memset(&value, 0xA5, sizeof value);
    if (everything_versions_decode_at(&value, version, data, len, &fault) != NP_OK) {
        fail_msg("%s", np_fault_format(&fault, text, sizeof text));
    }
    return value;
}

/* A value that any version can say. */
static everything_versions value_for_all(void)
{
    everything_versions value = everything_values_versions();

    value.last = EVERYTHING_COLOR_GREEN;
    return value;
}

static void assert_person(const everything_person *p, uint32_t version)
{
    assert_text(p->name, "Ada");
    assert_int_equal(p->age, 36);
    assert_int_equal(p->tags.count, 3);
    assert_int_equal(p->mood, version >= 2 ? -5 : 1);
    assert_int_equal(p->nick.has, version >= 2);
    if (version >= 2) {
        assert_text(p->nick.value, "Countess");
    }
    assert_int_equal(p->friends.count, version >= 3 ? 2 : 0);
    if (version >= 3) {
        assert_int_equal(np_list_u32_at(&p->friends, 1), UINT32_MAX);
    } else {
        assert_null(p->friends.items);
        assert_int_equal(p->friends.wire.len, 0);
    }
}

/* What is left of value_for_all after it was said at a version. */
static void assert_value(const everything_versions *v, uint32_t version)
{
    everything_person bob, ada;
    np_iter it = {0};

    assert_person(&v->person, version);
    assert_int_equal(v->people.count, 2);
    assert_true(everything_person_list_next(&v->people, &it, &bob));
    assert_int_equal(bob.mood, version >= 2 ? 5 : 1);
    assert_true(everything_person_list_next(&v->people, &it, &ada));
    assert_person(&ada, version);
    assert_false(everything_person_list_next(&v->people, &it, &ada));
    assert_int_equal(v->color, EVERYTHING_COLOR_BLUE);
    assert_true(v->extra == (version >= 2 ? UINT64_MAX : 7));
    assert_text(v->more, version >= 3 ? "more" : "hi");
    assert_int_equal(v->last, EVERYTHING_COLOR_GREEN);
}

static void test_defaults(void **state)
{
    (void)state;
    for (uint32_t version = 1; version <= NEWEST; version++) {
        everything_versions value = value_for_all();
        size_t len = 0;
        uint8_t *data = encode(&value, version, &len);
        everything_versions back = decode(version, data, len);
        assert_value(&back, version);
        free(data);
    }
}

/* The bytes of each version are the reference's. */
static void test_reference_bytes(void **state)
{
    static const char *const names[] = {"versions at 1", "versions at 2", "versions at 3"};

    (void)state;
    for (uint32_t version = 1; version <= NEWEST; version++) {
        everything_versions value = everything_values_versions();
        size_t len = 0, expected_len = 0;
        uint8_t *expected = vectors_payload(names[version - 1], &expected_len);
        if (version == 1) {
            value.last = EVERYTHING_COLOR_GREEN;
        }
        uint8_t *data = encode(&value, version, &len);
        assert_int_equal(len, expected_len);
        assert_memory_equal(data, expected, len);
        free(expected);
        free(data);
    }
}

/* A field that the version does not have is not judged either. */
static void test_newer_fields_are_not_judged(void **state)
{
    everything_versions value = value_for_all();
    size_t len = 0;

    (void)state;
    value.person.mood = 100;
    value.more = TEXT("much too long");
    value.last = (everything_color)99;
    free(encode(&value, 1, &len));
    assert_int_equal(everything_versions_encoded_len_at(&value, 2, &len, NULL), NP_ERR_RANGE);
    value.person.mood = 0;
    free(encode(&value, 2, &len));
    assert_int_equal(everything_versions_encoded_len_at(&value, 3, &len, NULL), NP_ERR_TOO_LONG);
}

/* Peers that do not agree on the version do not understand each other, and notice. */
static void test_wrong_version(void **state)
{
    everything_versions value = value_for_all(), back;
    static const np__twin_effort effort = {true, 200, 1000, 7};

    (void)state;
    for (uint32_t said = 1; said <= NEWEST; said++) {
        size_t len = 0;
        uint8_t *data = encode(&value, said, &len);
        for (uint32_t heard = 1; heard <= NEWEST; heard++) {
            np_err err = everything_versions_decode_at(&back, heard, data, len, NULL);
            assert_int_equal(err == NP_OK, said == heard);
            assert_int_equal(np__twin_check(&everything_protocol, heard, false, data, len, effort),
                             err);
        }
        free(data);
    }
}

/* What came in at one version goes out at another: lists are copied if they may be, written anew if
 * they must. */
static void test_relaying(void **state)
{
    (void)state;
    for (uint32_t in = 1; in <= NEWEST; in++) {
        for (uint32_t out = 1; out <= NEWEST; out++) {
            everything_versions value = value_for_all();
            size_t in_len = 0, out_len = 0;
            uint8_t *in_data = encode(&value, in, &in_len);
            everything_versions relayed = decode(in, in_data, in_len);
            assert_int_equal(relayed.people.wire.version, in);
            uint8_t *out_data = encode(&relayed, out, &out_len);
            everything_versions back = decode(out, out_data, out_len);
            assert_value(&back, in < out ? in : out);
            if (in == out) {
                assert_int_equal(in_len, out_len);
                assert_memory_equal(in_data, out_data, in_len);
            }
            free(in_data);
            free(out_data);
        }
    }
}

/* The same for what holds versioned things: maps, options, arrays and lists of enums. */
static void test_relaying_nests(void **state)
{
    everything_nests value = everything_values_nests();
    uint8_t in_data[EVERYTHING_NESTS_MAX_LEN], out_data[EVERYTHING_NESTS_MAX_LEN];
    size_t in_len = 0, out_len = 0, expected_len = 0;

    (void)state;
    for (uint32_t in = 1; in <= NEWEST; in++) {
        for (uint32_t out = 1; out <= NEWEST; out++) {
            everything_nests relayed, back;
            everything_nests_j_entry entry;
            np_iter it = {0};
            uint32_t least = in < out ? in : out;
            assert_int_equal(
                everything_nests_encode_at(&value, in, in_data, sizeof in_data, &in_len, NULL),
                NP_OK);
            assert_int_equal(everything_nests_decode_at(&relayed, in, in_data, in_len, NULL),
                             NP_OK);
            assert_int_equal(everything_nests_encoded_len_at(&relayed, out, &expected_len, NULL),
                             NP_OK);
            assert_int_equal(
                everything_nests_encode_at(&relayed, out, out_data, expected_len, &out_len, NULL),
                NP_OK);
            assert_int_equal(out_len, expected_len);
            assert_int_equal(everything_nests_decode_at(&back, out, out_data, out_len, NULL),
                             NP_OK);
            assert_true(everything_nests_j_next(&back.j, &it, &entry));
            assert_int_equal(entry.value.mood, least >= 2 ? 5 : 1);
            assert_true(everything_nests_j_next(&back.j, &it, &entry));
            assert_person(&entry.value, least);
        }
    }
}

/* A variant that an older peer does not know cannot be relayed to it, though its bytes are there.
 */
static void test_relaying_what_is_newer(void **state)
{
    everything_nests value = everything_values_nests(), relayed;
    static const everything_color colors[] = {EVERYTHING_COLOR_RED, EVERYTHING_COLOR_PINK};
    uint8_t data[EVERYTHING_NESTS_MAX_LEN];
    size_t len = 0;
    np_fault fault = {0};

    (void)state;
    value.s = (everything_color_list)ITEMS(colors);
    assert_int_equal(everything_nests_encode_at(&value, 2, data, sizeof data, &len, NULL), NP_OK);
    assert_int_equal(everything_nests_decode_at(&relayed, 2, data, len, NULL), NP_OK);
    assert_int_equal(everything_nests_encoded_len_at(&relayed, 3, &len, &fault), NP_OK);
    assert_int_equal(everything_nests_encoded_len_at(&relayed, 1, &len, &fault), NP_ERR_NEWER);
    assert_string_equal(fault.where, "everything.Color");
    assert_int_equal(fault.got, EVERYTHING_COLOR_PINK);
}

/* As the key of a map it is refused in the same way. */
static void test_newer_key(void **state)
{
    everything_nests value = everything_values_nests(), relayed;
    static const everything_nests_j_entry pink[] = {{.key = EVERYTHING_COLOR_PINK}};
    uint8_t data[EVERYTHING_NESTS_MAX_LEN];
    size_t len = 0;

    (void)state;
    value.j = (everything_nests_j)ITEMS(pink);
    assert_int_equal(everything_nests_encode_at(&value, 2, data, sizeof data, &len, NULL), NP_OK);
    assert_int_equal(everything_nests_decode_at(&relayed, 2, data, len, NULL), NP_OK);
    assert_int_equal(everything_nests_encoded_len_at(&relayed, 1, &len, NULL), NP_ERR_NEWER);
}

/* The message itself came with version 2. */
static void test_newer_message(void **state)
{
    static const uint8_t added[] = {5, 0, 0, 0, 1, 0, 0, 0};
    static const np__twin_effort effort = {true, 200, 1000, 7};
    everything_added value = {1};
    uint8_t buf[sizeof added];
    np_fault fault = {0};
    size_t len = 0;

    (void)state;
    assert_int_equal(everything_added_encoded_len_at(&value, 1, &len, NULL), NP_ERR_NEWER);
    assert_int_equal(everything_added_encode_at(&value, 1, buf, sizeof buf, &len, &fault),
                     NP_ERR_NEWER);
    assert_string_equal(fault.where, "everything.Added");
    assert_int_equal(fault.got, EVERYTHING_ADDED_ID);
    assert_int_equal(everything_added_decode_at(&value, 1, added, sizeof added, &fault),
                     NP_ERR_UNKNOWN_MESSAGE);
    assert_int_equal(everything_added_encode_at(&value, 2, buf, sizeof buf, &len, NULL), NP_OK);
    assert_memory_equal(buf, added, sizeof added);
    assert_int_equal(everything_added_decode_at(&value, 2, added, sizeof added, NULL), NP_OK);
    assert_int_equal(np__twin_check(&everything_protocol, 1, false, added, sizeof added, effort),
                     NP_ERR_UNKNOWN_MESSAGE);
    assert_int_equal(np__twin_check(&everything_protocol, 2, false, added, sizeof added, effort),
                     NP_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_reference_bytes),
        cmocka_unit_test(test_newer_fields_are_not_judged),
        cmocka_unit_test(test_wrong_version),
        cmocka_unit_test(test_relaying),
        cmocka_unit_test(test_relaying_nests),
        cmocka_unit_test(test_relaying_what_is_newer),
        cmocka_unit_test(test_newer_key),
        cmocka_unit_test(test_newer_message),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
