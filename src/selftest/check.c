/* check.c - what must hold for the examples of messages, replies and structs. */
#include "selftest/same.h"
#include "selftest/selftest_private.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* Up to these sizes, in bytes, a payload is cut at every single place, fed byte by byte, ended at
 * every single place. Larger ones are cut and ended at some. */
#define EVERY_CUT_MAX 128
#define EVERY_BYTE_MAX 4096
#define EVERY_END_MAX 600

/* An example as a payload, and where the part begins that its own codec reads and writes. */
typedef struct encoding {
    uint8_t *data;
    size_t len;
    size_t start; /* behind the request's id in a reply; else 0 */
} encoding;

/* Zip's and Ethernet's, bit by bit: it need not be fast. */
static uint32_t crc32(const uint8_t *data, size_t len)
{
    uint32_t crc = UINT32_MAX;

    for (size_t i = 0; i < len; i++) {
        crc ^= data[i];
        for (int bit = 0; bit < 8; bit++) {
            crc = crc >> 1 ^ (0xEDB88320u & -(crc & 1));
        }
    }
    return ~crc;
}

const char *np__selftest_field_at(const np_selftest *t, const uint8_t *payload, size_t len,
                                  uint64_t offset)
{
    const char *where = t->message != NULL ? t->message->name : t->codec->name;
    np_event event;

    if (t->message == NULL) {
        return where;
    }
    np_parser *parser = np_parser_new(t->protocol, t->version, t->reply);
    if (parser == NULL) {
        abort();
    }
    while (np_parser_next(parser, &payload, &len, &event) == NP_PARSE_EVENT) {
        if (event.offset <= offset) {
            where = event.where;
        }
    }
    np_parser_free(parser);
    return where;
}

static void tell_difference(np_selftest *t, const char *what, const uint8_t *expected,
                            size_t expected_len, const uint8_t *got, size_t got_len)
{
    size_t at = 0;

    while (at < expected_len && at < got_len && expected[at] == got[at]) {
        at++;
    }
    const char *where = np__selftest_field_at(t, expected, expected_len, at);
    if (at < expected_len && at < got_len) {
        np__selftest_fail(t, "%s: %s, byte %zu is 0x%02X instead of 0x%02X", what, where, at,
                          got[at], expected[at]);
    } else {
        np__selftest_fail(t, "%s: %s, %zu bytes instead of %zu", what, where, got_len,
                          expected_len);
    }
}

/* Encoding --------------------------------------------------------------------------------------
 */

/* Encodes a value; false, which has been told, if that fails. */
static bool encode(np_selftest *t, const void *value, encoding *out)
{
    np_fault fault = {.where = ""};
    char text[320];
    size_t len = 0, written = 0;

    out->start = t->reply ? 4 : 0;
    if (t->codec->encoded_len(value, t->version, &len, &fault) != NP_OK) {
        np__selftest_fail(t, "does not encode: %s", np__selftest_fault(&fault, text, sizeof text));
        return false;
    }
    out->len = out->start + len;
    out->data = np__selftest_alloc(out->len);
    if (t->reply) {
        np_put_u32(out->data, t->message->id);
    }
    np_err err = t->codec->encode(value, t->version, out->data + out->start, len, &written, &fault);
    if (err != NP_OK || written != len) {
        np__selftest_fail(t, "encoded_len says %zu bytes; encode says %s and writes %zu", len,
                          np_err_name(err), written);
        free(out->data);
        return false;
    }
    /* One byte less of room, in a block of that size: nothing may be written. */
    uint8_t *small = np__selftest_alloc(len);
    err = len > 0 ? t->codec->encode(value, t->version, small, len - 1, &written, &fault)
                  : NP_ERR_SPACE;
    for (size_t i = 0; i < len; i++) {
        if (small[i] != 0) {
            np__selftest_fail(t, "encode writes although there is too little room");
            break;
        }
    }
    if (err != NP_ERR_SPACE) {
        np__selftest_fail(t, "with a byte less of room encode says %s", np_err_name(err));
    }
    free(small);
    return true;
}

static void check_copy(np_selftest *t, const void *value, const encoding *p)
{
    np_arena arena = np_arena_make(p->len + 4096);
    void *copy = np__selftest_alloc(t->codec->c_size);
    encoding again;
    np_err err = t->codec->copy(copy, value, &arena);

    if (err != NP_OK) {
        np__selftest_fail(t, "copy: %s", np_err_name(err));
    } else if (encode(t, copy, &again)) {
        if (again.len != p->len || memcmp(again.data, p->data, p->len) != 0) {
            tell_difference(t, "what was copied encodes differently", p->data, p->len, again.data,
                            again.len);
        }
        free(again.data);
        np__same_copied(t, value);
    }
    free(copy);
    np_arena_fini(&arena);
}

/* Decoding --------------------------------------------------------------------------------------
 */

static np_err decode(const np_selftest *t, void *out, const uint8_t *data, size_t len,
                     np_fault *fault)
{
    memset(fault, 0, sizeof *fault);
    fault->where = "";
    memset(out, 0xA5, t->codec->c_size);
    if (t->reply) {
        return np_message_decode_reply(t->message, out, t->version, data, len, fault);
    }
    return t->codec->decode(out, t->version, data, len, fault);
}

static void check_decode(np_selftest *t, void *out, const encoding *p)
{
    uint8_t *data = np__selftest_dup(p->data, p->len);
    np_fault fault;
    char text[320];
    encoding again;

    if (decode(t, out, data, p->len, &fault) != NP_OK) {
        np__selftest_fail(t, "does not decode: %s", np__selftest_fault(&fault, text, sizeof text));
    } else if (encode(t, out, &again)) {
        if (again.len != p->len || memcmp(again.data, p->data, p->len) != 0) {
            tell_difference(t, "what was decoded encodes differently", p->data, p->len, again.data,
                            again.len);
        }
        free(again.data);
        np__same_decoded(t, p->data, p->len);
    }
    free(data);
}

/* The payload, ended at `len`, must be refused there. */
static bool check_end(np_selftest *t, void *out, const encoding *p, size_t len)
{
    uint8_t *data = np__selftest_dup(p->data, len);
    np_fault fault;
    char text[320];
    np_err err = decode(t, out, data, len, &fault);

    free(data);
    if (err == NP_ERR_TRUNCATED && fault.err == err && fault.offset == len) {
        return true;
    }
    fault.err = err;
    np__selftest_fail(t, "cut short at byte %zu of %zu, in %s, it is no error of missing input: %s",
                      len, p->len, np__selftest_field_at(t, p->data, p->len, len),
                      np__selftest_fault(&fault, text, sizeof text));
    return false;
}

static void check_ends(np_selftest *t, void *out, const encoding *p)
{
    size_t step = p->len <= EVERY_END_MAX ? 1 : p->len / 64;

    for (size_t len = 0; len < p->len; len += step) {
        if (!check_end(t, out, p, len)) {
            return;
        }
    }
    uint8_t *longer = np__selftest_alloc(p->len + 1);
    np_fault fault;
    memcpy(longer, p->data, p->len);
    np_err err = decode(t, out, longer, p->len + 1, &fault);
    if (err != NP_ERR_TRAILING || fault.offset != p->len) {
        np__selftest_fail(t, "with a byte behind its %zu decode says %s at byte %" PRIu64, p->len,
                          np_err_name(err), fault.offset);
    }
    free(longer);
}

/* Large payloads: the parser's verdict on some ways to cut them. */
static void check_large(np_selftest *t, const encoding *p)
{
    static const size_t pieces[] = {SIZE_MAX, 65536, 1500};

    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
        np_parser *parser = np_parser_new(t->protocol, t->version, t->reply);
        np_fault fault = {.where = ""};
        np_event event;
        size_t from = 0;
        char text[320];

        if (parser == NULL) {
            abort();
        }
        while (from < p->len) {
            size_t len = p->len - from < pieces[i] ? p->len - from : pieces[i];
            const uint8_t *data = p->data + from;
            from += len;
            while (np_parser_next(parser, &data, &len, &event) == NP_PARSE_EVENT) {
            }
        }
        if (np_parser_end(parser, &fault) != NP_OK) {
            np__selftest_fail(t, "the parser refuses it: %s",
                              np__selftest_fault(&fault, text, sizeof text));
        }
        np_parser_free(parser);
    }
}

static void check_parser(np_selftest *t, const encoding *p, bool thorough)
{
    np__twin_effort effort = {thorough ? p->len <= 1000 : p->len <= EVERY_CUT_MAX, 0, 4, p->len};
    np__twin_log trouble = {0};

    if (t->message == NULL) {
        return;
    }
    if (p->len > EVERY_BYTE_MAX) {
        check_large(t, p);
        return;
    }
    np_err err =
        np__twin_compare(t->protocol, t->version, t->reply, p->data, p->len, effort, &trouble);
    if (trouble.text != NULL) {
        np__selftest_fail(t, "%s", trouble.text);
    } else if (err != NP_OK) {
        np__selftest_fail(t, "the parser refuses it: %s", np_err_name(err));
    }
    np__twin_log_free(&trouble);
    np__selftest_break(t, p->data, p->len);
}

/* Examples --------------------------------------------------------------------------------------
 */

static void check_at(np_selftest *t, const void *value, const encoding *p, bool thorough)
{
    void *out = np__selftest_alloc(t->codec->c_size);
    size_t max_len = t->message == NULL ? SIZE_MAX
                     : t->reply         ? t->message->reply_max_len
                                        : t->message->max_len;

    if (p->len > max_len) {
        np__selftest_fail(t, "%zu bytes, but the greatest size announced is %zu", p->len, max_len);
    }
    check_decode(t, out, p);
    check_ends(t, out, p);
    if (t->version == t->protocol->version) {
        check_copy(t, value, p);
    }
    check_parser(t, p, thorough);
    free(out);
}

/* A message that a version does not have is neither sent nor understood. */
static void check_before(np_selftest *t, const void *value, const encoding *p)
{
    void *out = np__selftest_alloc(t->codec->c_size);
    np_fault fault;
    size_t len;

    for (t->version = 1; t->version < np__selftest_first_version(t); t->version++) {
        np_err sent = t->codec->encoded_len(value, t->version, &len, NULL);
        np_err heard = decode(t, out, p->data, p->len, &fault);
        if (!t->reply && (sent != NP_ERR_NEWER || heard != NP_ERR_UNKNOWN_MESSAGE)) {
            np__selftest_fail(t, "there is no such message yet, but encoding says %s, decoding %s",
                              np_err_name(sent), np_err_name(heard));
        }
    }
    free(out);
}

void np_selftest_good(np_selftest *t, const char *name, const void *value, uint32_t since,
                      size_t len, uint32_t crc)
{
    encoding p;

    t->example = name;
    t->examples++;
    for (t->version = since; t->version <= t->protocol->version; t->version++) {
        if (!encode(t, value, &p)) {
            continue;
        }
        bool newest = t->version == t->protocol->version;
        if (newest && p.len != len) {
            np__selftest_fail(t, "it becomes %zu bytes instead of %zu", p.len, len);
        } else if (newest && crc32(p.data, p.len) != crc) {
            np__selftest_fail(t,
                              "the bytes have the CRC-32 0x%08" PRIX32 " instead of 0x%08" PRIX32,
                              crc32(p.data, p.len), crc);
        }
        check_at(t, value, &p, strcmp(name, "typical") == 0);
        np__selftest_write_seed(t, name, p.data, p.len);
        if (newest) {
            check_before(t, value, &p);
            t->version = t->protocol->version;
        }
        free(p.data);
    }
}

void np_selftest_wire(np_selftest *t, uint32_t version, const void *value, const uint8_t *data,
                      size_t len)
{
    encoding p;

    t->example = "typical";
    t->version = version;
    if (!encode(t, value, &p)) {
        return;
    }
    if (p.len != len || memcmp(p.data, data, len) != 0) {
        tell_difference(t, "other bytes than the schema says", data, len, p.data, p.len);
    }
    free(p.data);
}

/* Encoding must fail so. */
static void check_refused(np_selftest *t, const void *value, np_err err, const char *where,
                          const char *rule)
{
    np_fault fault = {.where = ""}, other = {.where = ""};
    uint8_t none[1] = {0};
    size_t len = 0;
    char text[320];
    np_err got = t->codec->encoded_len(value, t->version, &len, &fault);

    if (got != err || fault.err != err || strcmp(fault.where, where) != 0) {
        fault.err = got;
        np__selftest_fail(t, "%s must be refused with %s, but encoding says %s", where,
                          np_err_name(err), np__selftest_fault(&fault, text, sizeof text));
        return;
    }
    if (rule != NULL && (fault.rule == NULL || strcmp(fault.rule, rule) != 0)) {
        np__selftest_fail(t, "%s is refused by the rule \"%s\" instead of \"%s\"", where,
                          fault.rule != NULL ? fault.rule : "", rule);
    }
    got = t->codec->encode(value, t->version, none, 0, &len, &other);
    if (got != err || other.offset != fault.offset) {
        np__selftest_fail(t, "%s: encoded_len and encode disagree", where);
    }
}

void np_selftest_bad(np_selftest *t, const char *name, const void *value, uint32_t since,
                     np_err err, const char *where, const char *rule)
{
    t->example = name;
    t->examples++;
    for (t->version = since; t->version <= t->protocol->version; t->version++) {
        check_refused(t, value, err, where, rule);
    }
}

void np_selftest_newer(np_selftest *t, const char *name, const void *value, uint32_t version,
                       const char *where)
{
    t->example = name;
    t->version = version;
    check_refused(t, value, NP_ERR_NEWER, where, NULL);
}
