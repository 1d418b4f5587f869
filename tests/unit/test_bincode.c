/* The bincode corpus: what the real crate wrote round-trips byte for byte, what it refuses is
 * refused, and what is made from it by mutation is refused or decodes to what it re-encodes to. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "oracle.h"
#include "rust_message.h"
#include "support/hex.h"
#include "selftest/twin.h"

static const struct {
    const char *rust;
    const char *message;
} types[] = {
    {"u8", "U8"},
    {"u16", "U16"},
    {"u32", "U32"},
    {"u64", "U64"},
    {"i8", "I8"},
    {"i16", "I16"},
    {"i32", "I32"},
    {"i64", "I64"},
    {"usize", "Usize"},
    {"isize", "Isize"},
    {"u128", "U128"},
    {"i128", "I128"},
    {"bool", "Bool"},
    {"char", "Char"},
    {"f32", "F32"},
    {"f64", "F64"},
    {"String", "String"},
    {"Vec<u8>", "VecU8"},
    {"Vec<u16>", "VecU16"},
    {"Vec<u32>", "VecU32"},
    {"Vec<u64>", "VecU64"},
    {"Vec<i32>", "VecI32"},
    {"Vec<bool>", "VecBool"},
    {"Vec<String>", "VecString"},
    {"Vec<Vec<u8>>", "VecVecU8"},
    {"Vec<Point{x:i32,y:i32}>", "VecPoint"},
    {"Vec<Point>", "VecPoint"},
    {"Vec<Option<u16>>", "VecOptionU16"},
    {"Vec<f64>", "VecF64"},
    {"Vec<()>", "VecUnit"},
    {"Vec<struct Unit>", "VecUnit"},
    {"Option<u8>", "OptionU8"},
    {"Option<u64>", "OptionU64"},
    {"Option<String>", "OptionString"},
    {"Option<Option<u8>>", "OptionOptionU8"},
    {"Option<()>", "OptionUnit"},
    {"()", "UnitValue"},
    {"struct TupS(u8,u16,String)", "TupS"},
    {"(u8,u16,u32,u64)", "Tuple4"},
    {"(String,bool,f32)", "Tuple3"},
    {"[u8;1]", "ArrayU8x1"},
    {"[u8;16]", "ArrayU8x16"},
    {"[u8;32]", "ArrayU8x32"},
    {"[u32;8]", "ArrayU32x8"},
    {"[String;2]", "ArrayStringx2"},
    {"[Option<u8>;2]", "ArrayOptionU8x2"},
    {"BTreeMap<String,u32>", "MapStringU32"},
    {"BTreeMap<u16,Vec<u8>>", "MapU16Bytes"},
    {"BTreeSet<i64>", "SetI64"},
    {"BTreeMap<u8,BTreeMap<u8,bool>>", "MapU8MapU8Bool"},
    {"struct Floats{a:f32,b:f64}", "Floats"},
    {"struct Point{x:i32,y:i32}", "PointValue"},
    {"struct Ints{a:u8,b:u16,c:u32,d:u64,e:i8,f:i16,g:i32,h:i64}", "Ints"},
    {"enum Kind{A=10,B=20,C=30}", "KindValue"},
};

/* Types whose Rust text is long are known by how it begins. */
static const np_message *message_of(const char *rust, const np_protocol **protocol)
{
    *protocol = &oracle_protocol;
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        if (strcmp(types[i].rust, rust) == 0) {
            return np_protocol_message_named(&oracle_protocol, types[i].message);
        }
    }
    if (strncmp(rust, "enum Msg", 8) == 0) {
        return np_protocol_message_named(&oracle_protocol, "MsgValue");
    }
    if (strncmp(rust, "struct Nested", 13) == 0) {
        return np_protocol_message_named(&oracle_protocol, "NestedValue");
    }
    if (strncmp(rust, "struct Packet", 13) == 0) {
        return np_protocol_message_named(&oracle_protocol, "Packet");
    }
    if (strncmp(rust, "enum Message", 12) == 0) {
        *protocol = &rust_message_protocol;
        return NULL;
    }
    return NULL;
}

/* A payload of ours: the message's id, which `enum Message` brings along itself, and the value. */
static uint8_t *payload_of(json_t *c, const np_protocol **protocol, size_t *len)
{
    const char *rust = json_string_value(json_object_get(c, "type"));
    const np_message *message = message_of(rust, protocol);
    size_t value_len = 0;
    uint8_t *value = hex_decode(json_string_value(json_object_get(c, "hex")), &value_len);

    if (*protocol == &rust_message_protocol) {
        *len = value_len;
        return value;
    }
    if (message == NULL) {
        fail_msg("no message for the type %s", rust);
        return NULL;
    }
    uint8_t *payload = malloc(value_len + 4);
    assert_non_null(payload);
    memcpy(np_put_u32(payload, message->id), value, value_len);
    free(value);
    *len = value_len + 4;
    return payload;
}

/* The values stand in the files for people; here only the hex counts. So integers may lose
 * precision, and NUL in an object's key, which jansson cannot hold, becomes another character. */
static json_t *load(const char *path)
{
    FILE *file = fopen(path, "rb");
    json_error_t error;
    static char text[1 << 20];

    assert_non_null(file);
    size_t len = fread(text, 1, sizeof text, file);
    assert_int_equal(fclose(file), 0);
    assert_true(len > 0 && len < sizeof text);
    for (char *nul = text; (nul = strstr(nul, "\\u0000")) != NULL; nul += 6) {
        nul[5] = '1';
    }
    json_t *root = json_loadb(text, len, JSON_DECODE_INT_AS_REAL, &error);
    if (root == NULL) {
        fail_msg("%s:%d: %s", path, error.line, error.text);
    }
    return root;
}

static const np__twin_effort thorough = {true, 256, 1000, 0x6E657470726F746F};
static const np__twin_effort quick = {false, 0, 2, 0x6E657470726F746F};

static void test_values_round_trip(void **state)
{
    json_t *root = load("tests/vectors/bincode/encode.json");
    json_t *cases = json_object_get(root, "cases");
    size_t i;
    json_t *c;

    (void)state;
    assert_int_equal(json_array_size(cases), 252);
    json_array_foreach(cases, i, c)
    {
        const np_protocol *protocol = NULL;
        size_t len = 0;
        uint8_t *payload = payload_of(c, &protocol, &len);
        np_err err = np__twin_check(protocol, 1, false, payload, len, thorough);
        if (err != NP_OK) {
            fail_msg("case %zu (%s) is refused: %s", i,
                     json_string_value(json_object_get(c, "type")), np_err_name(err));
        }
        free(payload);
    }
    json_decref(root);
}

/* Inputs on which we are stricter than the crate, or differ from it by design. */
static bool is_ours(const char *name, np_err err)
{
    /* serde(other) reads any unknown variant as its Unknown, whose own index is 8; to us a message
     * that is not listed is unknown. */
    if (strncmp(name, "variant index >= 8", 18) == 0) {
        return err == NP_ERR_UNKNOWN_MESSAGE;
    }
    /* The crate takes the last of duplicate keys and any order; ours strictly ascend, so that
     * every accepted input is the only encoding of its value. */
    if (strstr(name, "duplicate") != NULL || strstr(name, "unsorted") != NULL ||
        strstr(name, "key") != NULL) {
        return err == NP_ERR_ORDER;
    }
    /* The crate has no bound on lists of nothing, and none on nesting. */
    if (strstr(name, "zero-size") != NULL) {
        return err == NP_ERR_TOO_LONG;
    }
    if (strstr(name, "recursion depth 10") == name) {
        return strcmp(name, "recursion depth 10") == 0 ? err == NP_OK : err == NP_ERR_DEPTH;
    }
    return false;
}

static void test_verdicts(void **state)
{
    json_t *root = load("tests/vectors/bincode/decode.json");
    json_t *cases = json_object_get(root, "cases");
    size_t i, ours = 0;
    json_t *c;

    (void)state;
    assert_int_equal(json_array_size(cases), 82);
    json_array_foreach(cases, i, c)
    {
        const np_protocol *protocol = NULL;
        size_t len = 0;
        uint8_t *payload = payload_of(c, &protocol, &len);
        const char *name = json_string_value(json_object_get(c, "case"));
        json_t *strict = json_object_get(c, "fixint_limit1MiB_reject_trailing");
        if (strict == NULL) {
            strict = json_object_get(c, "deserialize");
        }
        bool expected = json_is_true(json_object_get(strict, "ok"));
        np_err err = np__twin_check(protocol, 1, false, payload, len, len < 512 ? thorough : quick);
        if ((err == NP_OK) != expected) {
            if (!is_ours(name, err)) {
                fail_msg("case %zu (%s): the crate says %s, we say %s", i, name,
                         expected ? "yes" : "no", np_err_name(err));
            }
            ours++;
        }
        free(payload);
    }
    /* Each stands with its reason in docs/wire-format.md. */
    assert_int_equal(ours, 5);
    json_decref(root);
}

/* Every truncation, every byte set to a few telling values, and every byte removed or doubled. */
static size_t mutate(const np_protocol *protocol, const uint8_t *payload, size_t len)
{
    static const uint8_t telling[] = {0x00, 0x01, 0x02, 0x7F, 0x80, 0xC0, 0xFE, 0xFF};
    uint8_t *copy = malloc(len + 1);
    size_t done = 0;

    assert_non_null(copy);
    for (size_t at = 0; at < len; at++) {
        (void)np__twin_check(protocol, 1, false, payload, at, quick);
        memcpy(copy, payload, len);
        for (size_t k = 0; k < sizeof telling; k++) {
            copy[at] = telling[k];
            (void)np__twin_check(protocol, 1, false, copy, len, quick);
        }
        memcpy(copy, payload, at);
        memcpy(copy + at, payload + at + 1, len - at - 1);
        (void)np__twin_check(protocol, 1, false, copy, len - 1, quick);
        memcpy(copy, payload, at + 1);
        memcpy(copy + at + 1, payload + at, len - at);
        (void)np__twin_check(protocol, 1, false, copy, len + 1, quick);
        done += 3 + sizeof telling;
    }
    free(copy);
    return done;
}

static void test_mutations(void **state)
{
    json_t *root = load("tests/vectors/bincode/encode.json");
    json_t *cases = json_object_get(root, "cases");
    size_t i, done = 0;
    json_t *c;

    (void)state;
    json_array_foreach(cases, i, c)
    {
        const np_protocol *protocol = NULL;
        size_t len = 0;
        uint8_t *payload = payload_of(c, &protocol, &len);
        if (len <= 300) {
            done += mutate(protocol, payload, len);
        }
        free(payload);
    }
    assert_true(done > 50000);
    json_decref(root);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values_round_trip),
        cmocka_unit_test(test_verdicts),
        cmocka_unit_test(test_mutations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
