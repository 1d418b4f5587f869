/* What JSON leaves out of fields with a default: the same as a peer too old to send them is taken
 * to mean. The codec knows defaults as C values, the descriptors as bytes; they must agree. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <netproto/json.h>

#include "everything.h"
#include "odd.h"

#define PERSON "{\"name\":\"a\",\"age\":1,\"tags\":[]}"

static const struct {
    const np_protocol *protocol;
    const char *old; /* a message as version 1 has it */
} cases[] = {
    {&everything_protocol,
     "{\"Versions\":{\"person\":" PERSON ",\"people\":[" PERSON "," PERSON "],\"color\":\"red\"}}"},
    {&odd_protocol, "{\"Defaults\":{\"a\":1}}"},
    {&odd_protocol, "{\"Upload\":{\"name\":\"f\",\"body\":\"AAEC\"}}"},
};

static np_err build(np_json *json, uint32_t version, const char *text, np_bytes *payload)
{
    return np_json_parse(json, version, NP_JSON_MESSAGE, np_str_from(text), payload, NULL);
}

/* Reads version 1's bytes into the C struct, and writes that as another version has it. */
static size_t rewrite(const np_protocol *protocol, np_bytes old, uint32_t version, uint8_t *out,
                      size_t cap)
{
    const np_message *message = np_protocol_message(protocol, np_get_u32(old.data));
    void *value = malloc(message->codec->c_size);
    np_reader r = np_reader_start(old.data, old.len, 1, NULL);

    assert_non_null(value);
    r.p += 4;
    assert_int_equal(message->codec->read(&r, value), NP_OK);
    np_put_u32(out, message->id);
    const uint8_t *end = message->codec->put(out + 4, value, version);
    assert_true((size_t)(end - out) <= cap);
    free(value);
    return (size_t)(end - out);
}

static void test_what_is_left_out(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const np_protocol *protocol = cases[i].protocol;
        uint8_t old[256], wanted[512];
        np_json *json = NULL;
        np_bytes payload = {NULL, 0};

        assert_int_equal(np_json_new(&json, protocol, NULL), NP_OK);
        assert_int_equal(build(json, 1, cases[i].old, &payload), NP_OK);
        size_t old_len = payload.len;
        assert_true(old_len <= sizeof old);
        memcpy(old, payload.data, old_len);
        for (uint32_t version = 1; version <= protocol->version; version++) {
            size_t len =
                rewrite(protocol, (np_bytes){old, old_len}, version, wanted, sizeof wanted);
            assert_int_equal(build(json, version, cases[i].old, &payload), NP_OK);
            assert_int_equal(payload.len, len);
            assert_memory_equal(payload.data, wanted, len);
            assert_true(version == 1 || len > old_len);
        }
        np_json_free(json);
    }
}

/* What is given counts, and null stands for an option only. */
static void test_what_is_given(void **state)
{
    np_json *json = NULL;
    np_bytes payload = {NULL, 0};
    np_json_error error;
    (void)state;

    assert_int_equal(np_json_new(&json, &odd_protocol, NULL), NP_OK);
    assert_int_equal(
        build(json, 2, "{\"Upload\":{\"name\":\"\",\"body\":\"\",\"size\":258}}", &payload), NP_OK);
    assert_memory_equal(payload.data + 4 + 8, "\x02\x01", 2);
    np_str text = np_str_from("{\"Upload\":{\"name\":\"\",\"body\":\"\",\"size\":null}}");
    assert_int_equal(np_json_parse(json, 2, NP_JSON_MESSAGE, text, &payload, &error), NP_ERR_JSON);
    assert_non_null(strstr(error.text, "odd.Upload.size: expects an integer"));
    /* What was always there has no default. */
    text = np_str_from("{\"Upload\":{\"body\":\"\"}}");
    assert_int_equal(np_json_parse(json, 2, NP_JSON_MESSAGE, text, &payload, &error), NP_ERR_JSON);
    assert_non_null(strstr(error.text, "odd.Upload.name: is missing"));
    np_json_free(json);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_left_out),
        cmocka_unit_test(test_what_is_given),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
