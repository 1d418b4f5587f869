/* JSON out and in: the mapping of every construct, round trips, refusals, budgets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <locale.h>

#include <cmocka.h>
#include <jansson.h>

#include "everything.h"
#include "json/json_private.h"
#include "support/hex.h"
#include "support/json_check.h"

static np_json *everything(void)
{
    np_json *json = NULL;

    assert_int_equal(np_json_new(&json, &everything_protocol, NULL), NP_OK);
    return json;
}

/* The mapping ---------------------------------------------------------------------------------- */

#define PERSON "{\"name\":\"\",\"age\":7,\"tags\":[],\"mood\":-5,\"nick\":null,\"friends\":[]}"
#define LEAF "{\"label\":0,\"left\":null,\"forest\":null}"

/* Texts as the printer writes them, one for each way a value can look. */
static const struct {
    uint32_t version;
    np_json_what what;
    const char *text;
} canonical[] = {
    {3, NP_JSON_MESSAGE,
     "{\"Bounds\":{\"a\":10,\"b\":\"-1\",\"c\":\"340282366920938463463374607431768211455\","
     "\"d\":\"-7\",\"e\":\"z\",\"f\":0.1,\"g\":-1.5,\"h\":\"AAE=\",\"i\":[-3,0,3],"
     "\"j\":\"\\\"\\\\\\n\\u0001\",\"k\":[-0.0,1e+300],\"l\":[\"\\u0000\",\"\xC3\xA9\","
     "\"\xF0\x9F\x98\x80\"],\"m\":4294967295}}"},
    {3, NP_JSON_MESSAGE,
     "{\"Versions\":{\"person\":{\"name\":\"a\\u0000b\",\"age\":150,\"tags\":[\"x\",\"\"],"
     "\"mood\":5,\"nick\":\"n\",\"friends\":[1,2]},\"people\":[" PERSON "],\"color\":\"pink\","
     "\"extra\":\"18446744073709551615\",\"more\":\"\",\"last\":\"blue\"}}"},
    {2, NP_JSON_MESSAGE,
     "{\"Versions\":{\"person\":{\"name\":\"\",\"age\":0,\"tags\":[],\"mood\":1,\"nick\":null},"
     "\"people\":[],\"color\":\"pink\",\"extra\":\"7\"}}"},
    {1, NP_JSON_MESSAGE,
     "{\"Versions\":{\"person\":{\"name\":\"\",\"age\":0,\"tags\":[]},\"people\":[],"
     "\"color\":\"red\"}}"},
    {3, NP_JSON_MESSAGE,
     "{\"Nests\":{\"a\":[[],[1,2]],\"b\":[[1,[null,true]],[2,[]]],\"c\":{\"some\":{\"some\":5}},"
     "\"d\":[\"AQI=\",\"AwQ=\",\"BQY=\"],\"e\":[[1,2],[3,4]],\"f\":[[5,6]],"
     "\"g\":[[1,\"t\"],[[\"a\",[]],[\"b\",[]]]],\"h\":{\"polygon\":{\"corners\":[[1,-1],[0,0],"
     "[2147483647,-2147483648]]}},\"i\":[\"nothing\",{\"circle\":{\"radius\":1000.0,"
     "\"color\":\"green\"}}],\"j\":[[\"red\"," PERSON "]],\"k\":[[[false,1],[true,2]],[]],"
     "\"l\":[[\"AAA=\",-1],[\"AAE=\",1]],\"m\":[{},{},{}],\"n\":[],\"o\":[[\"\",0],[\"AA==\",1]],"
     "\"p\":[[\"-1\",0],[\"0\",1]],\"q\":[\"x\"],\"r\":[[\"c\",\"NaN\"],[\"d\",\"-Infinity\"]],"
     "\"s\":[\"pink\"],\"t\":\"red\",\"u\":[0,1,0]}}"},
    {3, NP_JSON_MESSAGE,
     "{\"Nests\":{\"a\":[],\"b\":[],\"c\":null,\"d\":[\"AQI=\",\"AwQ=\",\"BQY=\"],"
     "\"e\":[[1,2],[3,4]],\"f\":[],\"g\":[null,[]],\"h\":null,\"i\":[{\"named\":{\"name\":\"n\"}},"
     "{\"dotted\":{\"dots\":[1,2,3]}}],\"j\":[],\"k\":[],\"l\":[],\"m\":[],\"n\":null,\"o\":[],"
     "\"p\":[],\"q\":null,\"r\":[],\"s\":[],\"t\":null,\"u\":[1,1,1]}}"},
    {3, NP_JSON_MESSAGE,
     "{\"Woods\":{\"tree\":{\"label\":1,\"left\":" LEAF ",\"forest\":{\"trees\":[" LEAF "," LEAF
     "],\"by_name\":[[\"k\",{\"trees\":[],\"by_name\":[],\"end\":true}]],\"end\":false}},"
     "\"forests\":[],\"maybe\":null,\"one\":[{\"trees\":[],\"by_name\":[],\"end\":true},"
     "{\"trees\":[],\"by_name\":[],\"end\":false}]}}"},
    {3, NP_JSON_MESSAGE, "{\"Nothing\":{}}"},
    {3, NP_JSON_MESSAGE, "{\"Added\":{\"value\":-2147483648}}"},
    {3, NP_JSON_MESSAGE, "{\"Find\":{\"name\":\"\\u202ex\\u009b\\u007f\"}}"},
    {3, NP_JSON_REPLY, "{\"Find\":" PERSON "}"},
    {3, NP_JSON_MESSAGE, "{\"Root\":{\"unit\":[]}}"},
    {3, NP_JSON_REPLY, "{\"Root\":" LEAF "}"},
    {3, NP_JSON_REPLY, "{\"Poke\":{}}"},
    {3, NP_JSON_MESSAGE, "{\"File\":{\"name\":\"f\",\"body\":\"Zm9vYmE=\"}}"},
};

#define CANONICAL_COUNT (sizeof canonical / sizeof canonical[0])

/* The payload of a canonical text, from malloc. */
static uint8_t *payload_of(np_json *json, size_t i, size_t *len)
{
    np_bytes payload = {NULL, 0};
    np_json_error error;

    if (np_json_parse(json, canonical[i].version, canonical[i].what, np_str_from(canonical[i].text),
                      &payload, &error) != NP_OK) {
        fail_msg("%s\n%s", canonical[i].text, error.text);
    }
    uint8_t *copy = malloc(payload.len);
    assert_non_null(copy);
    memcpy(copy, payload.data, payload.len);
    *len = payload.len;
    return copy;
}

static void test_mapping(void **state)
{
    np_json *json = everything();
    (void)state;

    for (size_t i = 0; i < CANONICAL_COUNT; i++) {
        size_t len = 0;
        uint8_t *payload = payload_of(json, i, &len);
        np_str text = {NULL, 0};
        assert_int_equal(
            np_json_print(json, canonical[i].version, canonical[i].what, payload, len, &text, NULL),
            NP_OK);
        assert_string_equal(text.data, canonical[i].text);
        assert_int_equal(text.len, strlen(text.data));
        assert_int_equal(json_check_payload(json, &everything_protocol, canonical[i].version,
                                            canonical[i].what, payload, len),
                         NP_OK);
        free(payload);
    }
    np_json_free(json);
}

/* Every truncation of every canonical payload, and every byte set to a few telling values. */
static void test_mutations(void **state)
{
    static const uint8_t telling[] = {0x00, 0x01, 0x02, 0x41, 0x7F, 0x80, 0xC0, 0xFF};
    np_json *json = everything();
    size_t accepted = 0, refused = 0;
    (void)state;

    for (size_t i = 0; i < CANONICAL_COUNT; i++) {
        size_t len = 0;
        uint8_t *payload = payload_of(json, i, &len);
        for (size_t at = 0; at < len; at++) {
            uint8_t kept = payload[at];
            np_err err = json_check_payload(json, &everything_protocol, canonical[i].version,
                                            canonical[i].what, payload, at);
            assert_int_not_equal(err, NP_OK);
            for (size_t k = 0; k < sizeof telling; k++) {
                payload[at] = telling[k];
                err = json_check_payload(json, &everything_protocol, canonical[i].version,
                                         canonical[i].what, payload, len);
                accepted += err == NP_OK;
                refused += err != NP_OK;
            }
            payload[at] = kept;
        }
        free(payload);
    }
    assert_true(accepted > 500 && refused > 500);
    np_json_free(json);
}

/* The bytes that a text stands for. */
static void test_bytes(void **state)
{
    static const struct {
        const char *text, *hex;
    } rows[] = {
        {"{\"Added\":{\"value\":-2}}", "05000000feffffff"},
        {" \"Nothing\" ", "04000000"},
        {"{\"everything.Find\":{\"name\":\"\\u00e9\"}}", "070000000200000000000000c3a9"},
        {"{\"File\":{\"body\":\"Zg==\",\"name\":\"\"}}",
         "0a0000000000000000000000010000000000000066"},
    };
    np_json *json = everything();
    (void)state;

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        np_bytes payload = {NULL, 0};
        assert_int_equal(
            np_json_parse(json, 3, NP_JSON_MESSAGE, np_str_from(rows[i].text), &payload, NULL),
            NP_OK);
        char *hex = hex_encode(payload.data, payload.len);
        assert_string_equal(hex, rows[i].hex);
        free(hex);
    }
    np_json_free(json);
}

/* One level of nesting more must always be one null more. */
static void test_options_are_unambiguous(void **state)
{
    static const char *const values[] = {"null", "{\"some\":null}", "{\"some\":{\"some\":null}}",
                                         "{\"some\":{\"some\":0}}"};
    static const char *const bytes[] = {"00", "0100", "010100", "01010100"};
    static const char format[] =
        "{\"a\":[],\"b\":[],\"c\":%s,\"d\":[\"AQI=\",\"AwQ=\",\"BQY=\"],\"e\":[[1,2],[3,4]],"
        "\"f\":[],\"g\":[null,[]],\"i\":[\"nothing\",{\"named\":{\"name\":\"n\"}}],\"j\":[],"
        "\"k\":[],\"l\":[],\"m\":[],\"o\":[],\"p\":[],\"r\":[],\"s\":[],\"u\":[1,1,1]}";
    const np_message *message = np_protocol_message_named(&everything_protocol, "Nests");
    np_json *json = everything();
    (void)state;

    for (size_t i = 0; i < 4; i++) {
        char text[512];
        np_bytes payload = {NULL, 0};
        snprintf(text, sizeof text, format, values[i]);
        assert_int_equal(
            np_json_parse_as(json, 3, NP_JSON_MESSAGE, message, np_str_from(text), &payload, NULL),
            NP_OK);
        char *hex = hex_encode(payload.data, payload.len);
        assert_memory_equal(hex + 2 * (4 + 8 + 8), bytes[i], strlen(bytes[i]));
        free(hex);
    }
    np_json_free(json);
}

/* i8[n], which the parser hands out as bytes, prints as numbers. */
static void test_signed_bytes(void **state)
{
    static const np_type array = {.kind = NP_KIND_ARRAY, .min = 3, .max = 3, .item = &np_type_i8};
    static const np_field field = {"a", "x.M.a", &array, 1, NULL};
    static const np_type type = {
        .kind = NP_KIND_STRUCT, .name = "x.M", .fields = &field, .field_count = 1};
    static const np_message message = {.name = "x.M", .type = &type};
    static const uint8_t data[] = {0x80, 0, 0x7F};
    np_json_options options = np_json_options_default();
    np_json_printer printer = {0};
    np_json_buffer buffer = {0};
    (void)state;

    np__json_buffer_start(&buffer, 100);
    np__json_printer_start(&printer, &buffer, &options, 1);
    np_event event = {.kind = NP_EVENT_MESSAGE, .type = &type, .message = &message};
    assert_int_equal(np__json_printer_take(&printer, &event), NP_OK);
    event = (np_event){.kind = NP_EVENT_CHUNK, .count = 3, .data = data, .len = 3, .last = true};
    assert_int_equal(np__json_printer_take(&printer, &event), NP_OK);
    assert_memory_equal(buffer.data, "{\"M\":{\"a\":[-128,0,127]}}", buffer.len);
    assert_int_equal(buffer.len, 24);
    /* Events that do not belong here end it, whatever descriptors say. */
    assert_int_equal(np__json_printer_take(&printer, &event), NP_ERR_STATE);
    np__json_printer_free(&printer);
    np__json_buffer_free(&buffer);
}

/* Refusals ------------------------------------------------------------------------------------- */

static const struct {
    const char *text;
    np_err err;
    const char *path;
    const char *says; /* stands in the error's text */
} refusals[] = {
    {"", NP_ERR_JSON, "", "JSON line 1, column 1: "},
    {"{\"Nothing\":{}} x", NP_ERR_JSON, "", "line 1, column 1"},
    {"{\"Find\":\n {\"name\":\"a\",\n  \"name\":\"b\"}}", NP_ERR_JSON, "", "JSON line 3, column"},
    {"{\"Find\":{\"name\":\"\\ud800\"}}", NP_ERR_JSON, "", "line 1"},
    {"{\"Find\":{\"name\":\"\xFF\"}}", NP_ERR_JSON, "", "line 1"},
    {"[]", NP_ERR_JSON, "", "everything: expects a message: {\"Name\": {fields}}: got an array"},
    {"{\"Nothing\":{},\"Added\":{}}", NP_ERR_JSON, "", "expects a message"},
    {"{\"No\\u001b[1mne\":{}}", NP_ERR_JSON, "", ""},
    {"{\"Noone\":{}}", NP_ERR_UNKNOWN_MESSAGE, "", "has no such message: Noone"},
    {"\"Noth\\u0000ing\"", NP_ERR_UNKNOWN_MESSAGE, "", "no such message"},
    {"\"Find\"", NP_ERR_JSON, "", "this message has fields"},
    {"{\"Nothing\":[]}", NP_ERR_JSON, "Nothing", "expects an object: got an array"},
    {"{\"Find\":{}}", NP_ERR_JSON, "Find.name", "everything.Find.name: is missing"},
    {"{\"Find\":{\"name\":\"a\",\"x\\ny\":1}}", NP_ERR_JSON, "Find", "no such member: x\\u000ay"},
    {"{\"Find\":{\"name\":null}}", NP_ERR_JSON, "Find.name", "expects a string: got null"},
    {"{\"Find\":{\"name\":\"12345678901234567\"}}", NP_ERR_TOO_LONG, "Find.name",
     "everything.Find.name: length 17 exceeds max 16 at byte 4 (JSON: Find.name)"},
    {"{\"Added\":{\"value\":2147483648}}", NP_ERR_RANGE, "Added.value", "-2147483648 to"},
    {"{\"Added\":{\"value\":1.0}}", NP_ERR_JSON, "Added.value", "not an integer"},
    {"{\"Added\":{\"value\":\"1\"}}", NP_ERR_JSON, "Added.value", "got a string"},
    {"{\"Added\":{\"value\":99999999999999999999}}", NP_ERR_RANGE, "Added.value", "-2147483648"},
    {"{\"Woods\":{\"tree\":{\"label\":256}}}", NP_ERR_RANGE, "Woods.tree.label", "0 to 255"},
    {"{\"Root\":{\"unit\":null}}", NP_ERR_JSON, "Root.unit", "expects []"},
    {"{\"File\":{\"name\":\"\",\"body\":\"Zg\"}}", NP_ERR_JSON, "File.body", "base64"},
    {"{\"File\":{\"name\":\"\",\"body\":\"Zh==\"}}", NP_ERR_JSON, "File.body", "base64"},
    {"{\"File\":{\"name\":\"\",\"body\":\"Z===\"}}", NP_ERR_JSON, "File.body", "base64"},
    {"{\"File\":{\"name\":\"\",\"body\":\"====\"}}", NP_ERR_JSON, "File.body", "base64"},
    {"{\"File\":{\"name\":\"\",\"body\":\"Zg==Zg==\"}}", NP_ERR_JSON, "File.body", "base64"},
    {"{\"File\":{\"name\":\"\",\"body\":\"Zm9v\\nZm9v\"}}", NP_ERR_JSON, "File.body", "base64"},
    {"{\"File\":{\"name\":\"\",\"body\":\"Zm9_\"}}", NP_ERR_JSON, "File.body", "base64"},
};

static void test_refusals(void **state)
{
    np_json *json = everything();
    (void)state;

    for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++) {
        np_json_error error = {0};
        np_bytes payload = {NULL, 0};
        np_err err = np_json_parse(json, 3, NP_JSON_MESSAGE, np_str_from(refusals[i].text),
                                   &payload, &error);
        if (err == NP_ERR_UNKNOWN_MESSAGE && strstr(refusals[i].text, "u001b") != NULL) {
            assert_null(strchr(error.text, '\x1b'));
            continue;
        }
        if (err != refusals[i].err || strcmp(error.path, refusals[i].path) != 0 ||
            strstr(error.text, refusals[i].says) == NULL || error.fault.err != err) {
            fail_msg("%s\n  gives %s, path %s: %s", refusals[i].text, np_err_name(err), error.path,
                     error.text);
        }
    }
    np_json_free(json);
}

/* The same for one field of a message whose other fields are right. */
static void refuse_in(const char *message, const char *good, const char *bad, np_err expected,
                      const char *path)
{
    np_json *json = everything();
    np_json_error error = {0};
    np_bytes payload = {NULL, 0};
    char text[2048] = "";
    size_t row = 0;

    while (strncmp(canonical[row].text + 2, message, strlen(message)) != 0) {
        row++;
    }
    const char *at = strstr(canonical[row].text, good);
    assert_non_null(at);
    snprintf(text, sizeof text, "%.*s%s%s", (int)(at - canonical[row].text), canonical[row].text,
             bad, at + strlen(good));
    np_err err = np_json_parse(json, canonical[row].version, canonical[row].what, np_str_from(text),
                               &payload, &error);
    if (err != expected || strcmp(error.path, path) != 0) {
        fail_msg("%s gives %s, path %s: %s", bad, np_err_name(err), error.path, error.text);
    }
    np_json_free(json);
}

static void test_refused_values(void **state)
{
    (void)state;
    refuse_in("Bounds", "\"a\":10", "\"a\":9", NP_ERR_RANGE, "Bounds.a");
    refuse_in("Bounds", "\"-1\"", "-2", NP_ERR_RANGE, "Bounds.b");
    refuse_in("Bounds", "\"-1\"", "\"-01\"", NP_ERR_JSON, "Bounds.b");
    refuse_in("Bounds", "\"-1\"", "\"-0\"", NP_ERR_JSON, "Bounds.b");
    refuse_in("Bounds", "\"-1\"", "\"+1\"", NP_ERR_JSON, "Bounds.b");
    refuse_in("Bounds", "\"-1\"", "\"\"", NP_ERR_JSON, "Bounds.b");
    refuse_in("Bounds", "\"-1\"", "\"1\\u0000\"", NP_ERR_JSON, "Bounds.b");
    refuse_in("Bounds", "\"-1\"", "\"9223372036854775808\"", NP_ERR_RANGE, "Bounds.b");
    refuse_in("Bounds", "768211455\"", "768211456\"", NP_ERR_RANGE, "Bounds.c");
    refuse_in("Bounds", "768211455\"", "7682114550\"", NP_ERR_RANGE, "Bounds.c");
    refuse_in("Bounds", "\"z\"", "\"zz\"", NP_ERR_JSON, "Bounds.e");
    refuse_in("Bounds", "\"z\"", "\"\"", NP_ERR_JSON, "Bounds.e");
    refuse_in("Bounds", "\"z\"", "\"Z\"", NP_ERR_RANGE, "Bounds.e");
    refuse_in("Bounds", "0.1", "\"NaN\"", NP_ERR_FINITE, "Bounds.f");
    refuse_in("Bounds", "0.1", "1e39", NP_ERR_RANGE, "Bounds.f");
    refuse_in("Bounds", "0.1", "\"nan\"", NP_ERR_JSON, "Bounds.f");
    refuse_in("Bounds", "\"AAE=\"", "\"AA==\"", NP_ERR_TOO_SHORT, "Bounds.h");
    refuse_in("Bounds", "[-3,0,3]", "[-3,0,4]", NP_ERR_RANGE, "Bounds.i[2]");
    refuse_in("Bounds", "[-3,0,3]", "[-3,0,3,0]", NP_ERR_TOO_LONG, "Bounds.i");
    refuse_in("Bounds", "[-3,0,3]", "[-3,0,\"3\"]", NP_ERR_JSON, "Bounds.i[2]");
    refuse_in("Bounds", "\"\\\"\\\\", "\"\\u0000", NP_ERR_NUL, "Bounds.j");
    refuse_in("Versions", "\"x\",\"\"", "\"x\",\"yyyyy\"", NP_ERR_TOO_LONG,
              "Versions.person.tags[1]");
    refuse_in("Versions", "\"pink\"", "\"PINK\"", NP_ERR_VARIANT, "Versions.color");
    refuse_in("Nests", "[1,[null,true]]", "[3,[]]", NP_ERR_ORDER, "Nests.b[1][0]");
    refuse_in("Nests", "[1,[null,true]]", "[2,[]]", NP_ERR_ORDER, "Nests.b[1][0]");
    refuse_in("Nests", "[1,[null,true]]", "[2]", NP_ERR_JSON, "Nests.b[0]");
    refuse_in("Nests", "{\"some\":{\"some\":5}}", "{\"some\":5}", NP_ERR_JSON, "Nests.c.some");
    refuse_in("Nests", "{\"some\":{\"some\":5}}", "{\"some\":{\"some\":256}}", NP_ERR_RANGE,
              "Nests.c.some.some");
    refuse_in("Nests", "\"BQY=\"", "\"BQYA\"", NP_ERR_JSON, "Nests.d[2]");
    refuse_in("Nests", "[[1,2],[3,4]]", "[[1,2]]", NP_ERR_JSON, "Nests.e");
    refuse_in("Nests", "[[1,\"t\"]", "[[1]", NP_ERR_JSON, "Nests.g[0]");
    refuse_in("Nests", "1000.0", "1000.1", NP_ERR_RANGE, "Nests.i[1].circle.radius");
    refuse_in("Nests", "{\"circle\":{\"radius\":1000.0,\"color\":\"green\"}}", "\"circle\"",
              NP_ERR_JSON, "Nests.i[1]");
    refuse_in("Nests", "[{},{},{}]", "[{},{},{},{},{},{}]", NP_ERR_TOO_LONG, "Nests.m");
    refuse_in("Woods", "\"k\"", "\"kkkkk\"", NP_ERR_TOO_LONG, "Woods.tree.forest.by_name[0][0]");
}

/* Members and variants that a version does not have. */
static void test_versions(void **state)
{
    static const struct {
        uint32_t version;
        const char *text, *path, *says;
    } rows[] = {
        {1, "{\"Added\":{\"value\":1}}", "Added",
         "everything.Added: the value is newer than the version agreed on at byte 0: it came with "
         "version 2, and version 1 is spoken (JSON: Added)"},
        {1,
         "{\"Versions\":{\"person\":{\"name\":\"\",\"age\":0,\"tags\":[],\"nick\":null},"
         "\"people\":[],\"color\":\"red\"}}",
         "Versions.person.nick", "it came with version 2, and version 1 is spoken (JSON: "},
        {1,
         "{\"Versions\":{\"person\":{\"name\":\"\",\"age\":0,\"tags\":[]},"
         "\"people\":[],\"color\":\"pink\"}}",
         "Versions.color.pink", "it came with version 2, and version 1 is spoken (JSON: "},
    };
    np_json *json = everything();
    (void)state;

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        np_json_error error = {0};
        np_bytes payload = {NULL, 0};
        assert_int_equal(np_json_parse(json, rows[i].version, NP_JSON_MESSAGE,
                                       np_str_from(rows[i].text), &payload, &error),
                         NP_ERR_NEWER);
        assert_string_equal(error.path, rows[i].path);
        assert_non_null(strstr(error.text, rows[i].says));
    }
    np_json_free(json);
}

/* Printing tells the field, the byte and the place in the JSON that had been. */
static void test_refused_payload(void **state)
{
    np_json *json = everything();
    np_json_error error = {0};
    np_str text = {NULL, 0};
    size_t len = 0;
    uint8_t *payload = payload_of(json, 1, &len);
    (void)state;

    payload[4 + 8 + 3] = 151; /* Versions.person.age */
    assert_int_equal(np_json_print(json, 3, NP_JSON_MESSAGE, payload, len, &text, &error),
                     NP_ERR_RANGE);
    assert_string_equal(error.path, "Versions.person.age");
    assert_string_equal(error.text, "everything.Person.age: 151 is not in range 0..150 at byte 15 "
                                    "(JSON: Versions.person.age)");
    free(payload);
    np_json_free(json);
}

/* Budgets -------------------------------------------------------------------------------------- */

static np_err parse_with(np_json_options options, const char *text, np_json_error *error)
{
    np_json *json = NULL;
    np_bytes payload = {NULL, 0};

    assert_int_equal(np_json_new(&json, &everything_protocol, &options), NP_OK);
    np_err err = np_json_parse(json, 3, NP_JSON_MESSAGE, np_str_from(text), &payload, error);
    np_json_free(json);
    return err;
}

static void test_budget_in(void **state)
{
    np_json_options options = np_json_options_default();
    np_json_error error = {0};
    char *deep = malloc(100001);
    (void)state;

    assert_non_null(deep);
    memset(deep, '[', 100000);
    deep[100000] = '\0';
    assert_int_equal(parse_with(options, deep, &error), NP_ERR_DEPTH);
    assert_int_equal(error.position, 256);
    memset(deep, ',', 100000);
    options.memory_max = 1000000;
    assert_int_equal(parse_with(options, deep, &error), NP_ERR_LIMIT);
    options.text_max = 99999;
    assert_int_equal(parse_with(options, deep, &error), NP_ERR_LIMIT);
    assert_non_null(strstr(error.text, "text_max"));
    free(deep);

    options.depth_max = 2;
    assert_int_equal(parse_with(options, "{\"Added\":{\"value\":1}}", &error), NP_OK);
    options.depth_max = 1;
    assert_int_equal(parse_with(options, "{\"Added\":{\"value\":1}}", &error), NP_ERR_DEPTH);
    assert_int_equal(parse_with(options, "\"Noth[{[{ing\"", &error), NP_ERR_UNKNOWN_MESSAGE);

    options.depth_max = 1001;
    np_json *json = NULL;
    assert_int_equal(np_json_new(&json, &everything_protocol, &options), NP_ERR_ARG);
    assert_null(json);
}

/* A message is refused for the bytes that fitted, or for its size. */
static void test_too_long_for_the_message(void **state)
{
    np_json *json = everything();
    np_json_error error = {0};
    np_bytes payload = {NULL, 0};
    size_t len = 2 << 20;
    char *text = malloc(len + 64);
    (void)state;

    assert_non_null(text);
    int start = sprintf(text, "{\"Find\":{\"name\":\"");
    memset(text + start, 'x', len);
    strcpy(text + (size_t)start + len, "\"}}");
    assert_int_equal(np_json_parse(json, 3, NP_JSON_MESSAGE, np_str_from(text), &payload, &error),
                     NP_ERR_TOO_LONG);
    assert_string_equal(error.path, "Find.name");
    free(text);
    np_json_free(json);
}

static void test_budget_out(void **state)
{
    for (size_t i = 0; i < CANONICAL_COUNT; i++) {
        np_json *wide = everything(), *json = NULL;
        np_json_options options = np_json_options_default();
        size_t len = 0;
        uint8_t *payload = payload_of(wide, i, &len);
        np_str text = {NULL, 0};
        (void)state;

        options.text_max = strlen(canonical[i].text);
        assert_int_equal(np_json_new(&json, &everything_protocol, &options), NP_OK);
        assert_int_equal(
            np_json_print(json, canonical[i].version, canonical[i].what, payload, len, &text, NULL),
            NP_OK);
        np_json_free(json);
        options.text_max--;
        assert_int_equal(np_json_new(&json, &everything_protocol, &options), NP_OK);
        assert_int_equal(
            np_json_print(json, canonical[i].version, canonical[i].what, payload, len, &text, NULL),
            NP_ERR_LIMIT);
        np_json_free(json);

        /* What prints within a depth parses within it, and the other way round. */
        for (options = np_json_options_default(), options.depth_max = 0; options.depth_max < 16;
             options.depth_max++) {
            np_json_error error = {0};
            assert_int_equal(np_json_new(&json, &everything_protocol, &options), NP_OK);
            np_err out = np_json_print(json, canonical[i].version, canonical[i].what, payload, len,
                                       &text, &error);
            np_bytes bytes = {NULL, 0};
            np_err in = np_json_parse(json, canonical[i].version, canonical[i].what,
                                      np_str_from(canonical[i].text), &bytes, &error);
            assert_int_equal(out, in);
            assert_true(out == NP_OK || out == NP_ERR_DEPTH);
            np_json_free(json);
        }
        free(payload);
        np_json_free(wide);
    }
}

/* Numbers -------------------------------------------------------------------------------------- */

static uint64_t next_random(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * 2685821657736338717u;
}

static void check_float(np_kind kind, uint64_t pattern)
{
    np_u128 bits = {kind == NP_KIND_F32 ? pattern & UINT32_MAX : pattern, 0}, again = {0, 0};
    char text[NP__JSON_NUMBER_MAX];

    np__json_number_print(kind, bits, text);
    if (text[0] == '"') {
        np_str name = {text + 1, strlen(text) - 2};
        assert_true(np__json_float_named(kind, name, &again));
        assert_true(again.lo == bits.lo || strcmp(text, "\"NaN\"") == 0);
        return;
    }
    json_t *number = json_loads(text, JSON_DECODE_ANY, NULL);
    if (!json_is_real(number)) {
        fail_msg("%s is no float", text);
    }
    assert_int_equal(np__json_float_read(kind, np_str_from(text), &again), NP_OK);
    assert_int_equal(again.lo, bits.lo);
    json_decref(number);
}

static void test_floats(void **state)
{
    static const uint64_t telling[] = {0,
                                       1,
                                       0x80000000,
                                       0x7F7FFFFF,
                                       0xFF7FFFFF,
                                       0x00800000,
                                       0x007FFFFF,
                                       0x7F800000,
                                       0xFF800000,
                                       0x7FC00000,
                                       0x7F800001,
                                       0x3DCCCCCD,
                                       0x8000000000000000u,
                                       0x7FEFFFFFFFFFFFFFu,
                                       0xFFEFFFFFFFFFFFFFu,
                                       0x0010000000000000u,
                                       0x000FFFFFFFFFFFFFu,
                                       0x7FF0000000000000u,
                                       0x7FF0000000000001u,
                                       0x3FB999999999999Au,
                                       0x43E0000000000000u,
                                       0x4340000000000001u};
    uint64_t random = 42;
    char text[NP__JSON_NUMBER_MAX];
    (void)state;

    for (size_t i = 0; i < sizeof telling / sizeof telling[0]; i++) {
        check_float(NP_KIND_F32, telling[i]);
        check_float(NP_KIND_F64, telling[i]);
    }
    for (size_t i = 0; i < 100000; i++) {
        check_float(NP_KIND_F32, next_random(&random));
        check_float(NP_KIND_F64, next_random(&random));
    }
    np__json_number_print(NP_KIND_F32, (np_u128){0x3DCCCCCD, 0}, text);
    assert_string_equal(text, "0.1");
    np__json_number_print(NP_KIND_F32, (np_u128){0x80000000, 0}, text);
    assert_string_equal(text, "-0.0");
    np__json_number_print(NP_KIND_F64, (np_u128){0x3FB999999999999Au, 0}, text);
    assert_string_equal(text, "0.1");
}

/* A locale whose decimal point is a comma changes nothing. */
static void test_locale(void **state)
{
    (void)state;
    if (setlocale(LC_NUMERIC, "de_DE.UTF-8") == NULL && setlocale(LC_NUMERIC, "de_DE") == NULL &&
        setlocale(LC_NUMERIC, "fr_FR.UTF-8") == NULL) {
        skip();
    }
    test_floats(state);
    test_mapping(state);
    setlocale(LC_NUMERIC, "C");
}

static void check_integer(np_kind kind, np_u128 bits)
{
    char text[NP__JSON_NUMBER_MAX];
    np_u128 again = {0, 0};

    np__json_number_print(kind, bits, text);
    size_t quotes = text[0] == '"' ? 1 : 0;
    np_str digits = {text + quotes, strlen(text) - 2 * quotes};
    assert_int_equal(np__json_integer_read(kind, digits, &again), NP_OK);
    unsigned width = np__json_kind_bits(kind);
    uint64_t mask = width >= 64 ? UINT64_MAX : ((uint64_t)1 << width) - 1;
    assert_int_equal(again.lo & mask, bits.lo & mask);
    assert_int_equal(width == 128 ? again.hi : 0, width == 128 ? bits.hi : 0);
}

static void test_integers(void **state)
{
    static const struct {
        np_kind kind;
        np_u128 bits;
        const char *text;
    } rows[] = {
        {NP_KIND_I8, {0x80, 0}, "-128"},
        {NP_KIND_U8, {0xFF, 0}, "255"},
        {NP_KIND_I64, {UINT64_MAX, 0}, "\"-1\""},
        {NP_KIND_I64, {(uint64_t)1 << 63, 0}, "\"-9223372036854775808\""},
        {NP_KIND_U128, {0, 1}, "\"18446744073709551616\""},
        {NP_KIND_U128, {UINT64_MAX, UINT64_MAX}, "\"340282366920938463463374607431768211455\""},
        {NP_KIND_I128, {0, (uint64_t)1 << 63}, "\"-170141183460469231731687303715884105728\""},
        {NP_KIND_I128, {UINT64_MAX, UINT64_MAX}, "\"-1\""},
        {NP_KIND_U128, {1000000000, 0}, "\"1000000000\""},
        {NP_KIND_U64, {0, 0}, "\"0\""},
    };
    uint64_t random = 7;
    np_u128 bits = {0, 0};
    char text[NP__JSON_NUMBER_MAX];
    (void)state;

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        np__json_number_print(rows[i].kind, rows[i].bits, text);
        assert_string_equal(text, rows[i].text);
        check_integer(rows[i].kind, rows[i].bits);
    }
    for (size_t i = 0; i < 100000; i++) {
        np_kind kind = (np_kind)(next_random(&random) % (NP_KIND_I128 + 1));
        unsigned width = np__json_kind_bits(kind);
        np_u128 value = {next_random(&random), width == 128 ? next_random(&random) : 0};
        value.lo &= width >= 64 ? UINT64_MAX : ((uint64_t)1 << width) - 1;
        check_integer(kind, value);
    }
    assert_int_equal(np__json_integer_read(NP_KIND_U128, np_str_from("-1"), &bits), NP_ERR_RANGE);
    assert_int_equal(np__json_integer_read(NP_KIND_I8, np_str_from("-129"), &bits), NP_ERR_RANGE);
    assert_int_equal(np__json_integer_read(NP_KIND_I8, np_str_from("128"), &bits), NP_ERR_RANGE);
    assert_int_equal(np__json_integer_read(NP_KIND_I128,
                                           np_str_from("170141183460469231731687303715884105728"),
                                           &bits),
                     NP_ERR_RANGE);
}

/* RFC 4648, section 10. */
static void test_base64(void **state)
{
    static const char *const rows[][2] = {{"", ""},
                                          {"f", "Zg=="},
                                          {"fo", "Zm8="},
                                          {"foo", "Zm9v"},
                                          {"foob", "Zm9vYg=="},
                                          {"fooba", "Zm9vYmE="},
                                          {"foobar", "Zm9vYmFy"}};
    (void)state;

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        np_json_buffer buffer = {0};
        np__json_buffer_start(&buffer, 100);
        np__json_buffer_base64(&buffer, (const uint8_t *)rows[i][0], strlen(rows[i][0]));
        assert_int_equal(buffer.len, strlen(rows[i][1]) + 2);
        assert_memory_equal(buffer.data + 1, rows[i][1], buffer.len - 2);
        uint8_t out[16];
        assert_int_equal(np__json_base64_len(np_str_from(rows[i][1])), strlen(rows[i][0]));
        assert_true(np__json_base64_decode(np_str_from(rows[i][1]), out));
        assert_memory_equal(out, rows[i][0], strlen(rows[i][0]));
        np__json_buffer_free(&buffer);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mapping),
        cmocka_unit_test(test_mutations),
        cmocka_unit_test(test_bytes),
        cmocka_unit_test(test_options_are_unambiguous),
        cmocka_unit_test(test_signed_bytes),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_refused_values),
        cmocka_unit_test(test_versions),
        cmocka_unit_test(test_refused_payload),
        cmocka_unit_test(test_budget_in),
        cmocka_unit_test(test_too_long_for_the_message),
        cmocka_unit_test(test_budget_out),
        cmocka_unit_test(test_floats),
        cmocka_unit_test(test_integers),
        cmocka_unit_test(test_base64),
        cmocka_unit_test(test_locale),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
