#include "support/json_check.h"

#include "selftest/twin.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *copy_of(const void *data, size_t len)
{
    void *copy = malloc(len + 1);

    if (copy == NULL) {
        abort();
    }
    memcpy(copy, data, len);
    ((char *)copy)[len] = '\0';
    return copy;
}

static void differ(const char *what, const char *a, const char *b)
{
    fprintf(stderr, "JSON: %s\n--- one\n%s\n--- other\n%s\n", what, a, b);
    abort();
}

/* The text of an accepted payload must lead back to it. */
static void check_back(np_json *json, uint32_t version, np_json_what what, const uint8_t *data,
                       size_t len, np_str text)
{
    char *first = copy_of(text.data, text.len);
    np_json_error error;
    np_bytes back = {NULL, 0};
    np_str again = {NULL, 0};

    if (np_json_parse(json, version, what, text, &back, &error) != NP_OK) {
        differ("what was printed does not parse", first, error.text);
    }
    if (back.len != len || memcmp(back.data, data, len) != 0) {
        /* The bits of a NaN are not kept. */
        if (back.len != len || strstr(first, "\"NaN\"") == NULL) {
            differ("what was printed parses to other bytes", first, "");
        }
        if (np_json_print(json, version, what, back.data, back.len, &again, &error) != NP_OK ||
            strcmp(first, again.data) != 0) {
            differ("a NaN does not stay one", first, again.data != NULL ? again.data : error.text);
        }
    }
    free(first);
}

np_err json_check_payload(np_json *json, const np_protocol *protocol, uint32_t version,
                          np_json_what what, const uint8_t *data, size_t len)
{
    np_json_error error = {0};
    np_fault fault;
    uint8_t *again = NULL;
    size_t again_len = 0;
    np_str text = {NULL, 0};
    char line[256];
    bool reply = what == NP_JSON_REPLY;
    np_err expected =
        np__twin_decode(protocol, version, reply, data, len, &fault, &again, &again_len);
    np_err err = np_json_print(json, version, what, data, len, &text, &error);

    free(again);
    if (err != expected) {
        differ("printing and decoding disagree", np_err_name(err), np_err_name(expected));
    }
    if (err == NP_OK) {
        check_back(json, version, what, data, len, text);
    } else if (error.fault.offset != fault.offset || strcmp(error.fault.where, fault.where) != 0) {
        differ("printing and decoding refuse differently", error.text,
               np_fault_format(&fault, line, sizeof line));
    } else if (error.text[0] == '\0') {
        differ("an error without a text", np_err_name(err), "");
    }
    return err;
}

np_err json_check_text(np_json *json, const np_protocol *protocol, uint32_t version,
                       np_json_what what, np_str text)
{
    np_json_error error = {0};
    np_bytes payload = {NULL, 0};
    np_err err = np_json_parse(json, version, what, text, &payload, &error);

    if (err == NP_OK) {
        uint8_t *data = copy_of(payload.data, payload.len);
        if (json_check_payload(json, protocol, version, what, data, payload.len) != NP_OK) {
            differ("what was parsed is no payload", "", "");
        }
        free(data);
    } else if (error.text[0] == '\0' || error.fault.err != err) {
        differ("an error without a text", np_err_name(err), np_err_name(error.fault.err));
    }
    return err;
}
