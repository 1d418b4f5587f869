/* The bincode corpus as JSON: every value prints as the value that the corpus tells, and parses
 * back to the same bytes.
 *
 * The corpus writes JSON as serde does: bytes as arrays of numbers, maps as objects, () as null,
 * variants without the names of their fields, non-finite numbers as null. The comparison knows
 * these differences and no others.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <math.h>

#include <cmocka.h>
#include <jansson.h>

#include "json/json_private.h"
#include "oracle.h"
#include "rust_message.h"
#include "support/hex.h"
#include "support/json_check.h"

static bool same(json_t *ours, json_t *theirs);

/* The message of oracle.np whose only fields are a corpus type. */
static const char *message_of(const char *rust)
{
    static const char *const rows[][2] = {
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
        {"Vec<Option<u16>>", "VecOptionU16"},
        {"Vec<f64>", "VecF64"},
        {"Vec<()>", "VecUnit"},
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

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (strcmp(rows[i][0], rust) == 0) {
            return rows[i][1];
        }
    }
    return strncmp(rust, "enum Msg", 8) == 0         ? "MsgValue"
           : strncmp(rust, "struct Nested", 13) == 0 ? "NestedValue"
                                                     : "Packet";
}

/* Numbers ----------------------------------------------------------------------------------------
 */

/* A 64- or 128-bit integer as a string; the corpus' own were read as doubles, or are strings. */
static bool same_decimal(json_t *ours, json_t *theirs)
{
    if (json_is_string(theirs)) {
        return json_equal(ours, theirs);
    }
    return strtod(json_string_value(ours), NULL) == json_number_value(theirs);
}

/* f32 in the corpus stands with the digits of the double that it is. */
static bool same_number(json_t *ours, json_t *theirs)
{
    double a = json_number_value(ours), b = json_number_value(theirs);

    return (a == b && signbit(a) == signbit(b)) || (float)a == (float)b;
}

static bool same_bytes(json_t *ours, json_t *theirs)
{
    np_str text = {json_string_value(ours), json_string_length(ours)};
    size_t len = np__json_base64_len(text);
    uint8_t *bytes = malloc(len + 1);
    bool equal = len == json_array_size(theirs);

    assert_non_null(bytes);
    equal = equal && np__json_base64_decode(text, bytes);
    for (size_t i = 0; equal && i < len; i++) {
        equal = json_number_value(json_array_get(theirs, i)) == bytes[i];
    }
    free(bytes);
    return equal;
}

/* Containers -------------------------------------------------------------------------------------
 */

/* [[key, value], ...] against {"key": value} or, where values are (), against [key]. */
static bool same_map(json_t *ours, json_t *theirs)
{
    size_t i;
    json_t *pair;

    json_array_foreach(ours, i, pair)
    {
        json_t *key = json_array_get(pair, 0);
        char text[32];
        snprintf(text, sizeof text, "%.0f", json_number_value(key));
        json_t *value =
            json_object_get(theirs, json_is_string(key) ? json_string_value(key) : text);
        if (value == NULL || !same(json_array_get(pair, 1), value)) {
            return false;
        }
    }
    return json_array_size(ours) == json_object_size(theirs);
}

static bool same_array(json_t *ours, json_t *theirs)
{
    size_t i;
    json_t *item;

    json_array_foreach(ours, i, item)
    {
        json_t *other = json_array_get(theirs, i);
        bool set = json_is_array(item) && json_array_size(item) == 2 && !json_is_array(other) &&
                   json_array_size(json_array_get(item, 1)) == 0;
        if (!same(set ? json_array_get(item, 0) : item, other)) {
            return false;
        }
    }
    return json_array_size(ours) == json_array_size(theirs);
}

/* {"a": 1, "b": 2} against {"a": 1, "b": 2}, [1, 2], or 1 where there is one. */
static bool same_fields(json_t *ours, json_t *theirs)
{
    const char *key;
    json_t *value;
    size_t at = 0;

    if (json_is_null(theirs) && json_object_size(ours) == 0) {
        return true;
    }
    json_object_foreach(ours, key, value)
    {
        json_t *other = json_object_get(theirs, key);
        if (other == NULL && json_is_array(theirs) && json_object_size(ours) > 1) {
            other = json_array_get(theirs, at++);
        } else if (other == NULL && json_object_size(ours) == 1) {
            other = theirs;
        }
        if (other == NULL || !same(value, other)) {
            return false;
        }
    }
    return true;
}

static bool same(json_t *ours, json_t *theirs)
{
    switch (json_typeof(ours)) {
    case JSON_STRING:
        if (json_is_null(theirs)) {
            const char *text = json_string_value(ours);
            return strcmp(text, "NaN") == 0 || strstr(text, "Infinity") != NULL;
        }
        return json_is_array(theirs)    ? same_bytes(ours, theirs)
               : json_is_string(theirs) ? json_equal(ours, theirs)
                                        : same_decimal(ours, theirs);
    case JSON_INTEGER:
    case JSON_REAL:
        return json_is_number(theirs) && same_number(ours, theirs);
    case JSON_ARRAY:
        if (json_is_null(theirs)) {
            return json_array_size(ours) == 0;
        }
        return json_is_object(theirs) ? same_map(ours, theirs) : same_array(ours, theirs);
    case JSON_OBJECT:
        return same_fields(ours, theirs);
    default:
        return json_equal(ours, theirs);
    }
}

/* The corpus -------------------------------------------------------------------------------------
 */

/* jansson knows no NUL in an object's key, where serde writes a map's key; so both sides get
 * another character for every NUL. Integers above 2^63 are read as doubles. */
static json_t *load_text(char *text, size_t len)
{
    json_error_t error;

    for (char *nul = text; (nul = strstr(nul, "\\u0000")) != NULL; nul += 6) {
        nul[5] = '1';
    }
    json_t *root = json_loadb(text, len, JSON_DECODE_INT_AS_REAL, &error);
    if (root == NULL) {
        fail_msg("line %d: %s", error.line, error.text);
    }
    return root;
}

static json_t *load(void)
{
    static char text[1 << 20];
    FILE *file = fopen("tests/vectors/bincode/encode.json", "rb");

    assert_non_null(file);
    size_t len = fread(text, 1, sizeof text - 1, file);
    assert_int_equal(fclose(file), 0);
    assert_true(len > 0 && len < sizeof text - 1);
    return load_text(text, len);
}

static json_t *printed(np_json *json, const uint8_t *payload, size_t len)
{
    np_str text = {NULL, 0};
    np_json_error error = {0};

    if (np_json_print(json, 1, NP_JSON_MESSAGE, payload, len, &text, &error) != NP_OK) {
        fail_msg("%s", error.text);
    }
    char *copy = malloc(text.len + 1);
    assert_non_null(copy);
    memcpy(copy, text.data, text.len + 1);
    json_t *root = load_text(copy, text.len);
    free(copy);
    return root;
}

static void check_case(json_t *c, np_json *oracle, np_json *rust)
{
    const char *type = json_string_value(json_object_get(c, "type"));
    json_t *theirs = json_object_get(c, "value");
    bool is_message = strncmp(type, "enum Message", 12) == 0;
    np_json *json = is_message ? rust : oracle;
    const np_protocol *protocol = is_message ? &rust_message_protocol : &oracle_protocol;
    size_t len = 0, id_len = is_message ? 0 : 4;
    uint8_t *value = hex_decode(json_string_value(json_object_get(c, "hex")), &len);
    uint8_t *payload = malloc(len + 4);

    assert_non_null(payload);
    if (!is_message) {
        np_put_u32(payload, np_protocol_message_named(protocol, message_of(type))->id);
    }
    memcpy(payload + id_len, value, len);
    assert_int_equal(json_check_payload(json, protocol, 1, NP_JSON_MESSAGE, payload, len + id_len),
                     NP_OK);

    json_t *ours = printed(json, payload, len + id_len);
    json_t *fields = json_object_iter_value(json_object_iter(ours));
    bool equal = json_is_string(theirs) && is_message
                     ? json_object_get(ours, json_string_value(theirs)) != NULL
                     : same(is_message ? ours : fields, theirs);
    if (!equal) {
        fail_msg("%s: %s\nagainst %s", type, json_dumps(ours, 0),
                 json_dumps(theirs, JSON_ENCODE_ANY));
    }
    json_decref(ours);
    free(payload);
    free(value);
}

static void test_vectors(void **state)
{
    np_json *oracle = NULL, *rust = NULL;
    json_t *root = load();
    json_t *cases = json_object_get(root, "cases");
    size_t i;
    json_t *c;
    (void)state;

    assert_int_equal(np_json_new(&oracle, &oracle_protocol, NULL), NP_OK);
    assert_int_equal(np_json_new(&rust, &rust_message_protocol, NULL), NP_OK);
    assert_int_equal(json_array_size(cases), 252);
    json_array_foreach(cases, i, c)
    {
        check_case(c, oracle, rust);
    }
    np_json_free(oracle);
    np_json_free(rust);
    json_decref(root);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_vectors)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
