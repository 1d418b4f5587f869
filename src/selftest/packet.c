/* packet.c - examples of byte-exact packets. */
#include "selftest/selftest_private.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

void np_selftest_packet(np_selftest *t, const np_selftest_packet_codec *codec)
{
    np__selftest_begin(t, NULL, NULL, false);
    t->packet = codec;
}

/* What the parser says of the bytes, given in two pieces. */
static np_err parse(const np_selftest_packet_codec *codec, void *out, const uint8_t *data,
                    size_t cut, np_fault *fault)
{
    void *parser = np__selftest_alloc(codec->parser_size);
    size_t used = 0;
    bool done = false;

    codec->parser_init(parser);
    np_err err = codec->parse(parser, out, data, cut, &used, &done, fault);
    if (err == NP_OK && !done) {
        err = codec->parse(parser, out, data + cut, codec->header_len - cut, &used, &done, fault);
    }
    free(parser);
    return err == NP_OK && !done ? NP_ERR_TRUNCATED : err;
}

static np_err parse_bytes(const np_selftest_packet_codec *codec, void *out, const uint8_t *data,
                          size_t *taken, np_fault *fault)
{
    void *parser = np__selftest_alloc(codec->parser_size);
    bool done = false;
    np_err err = NP_OK;

    codec->parser_init(parser);
    for (*taken = 0; *taken < codec->header_len && err == NP_OK && !done;) {
        size_t used = 0;
        uint8_t *byte = np__selftest_dup(data + *taken, 1);
        err = codec->parse(parser, out, byte, 1, &used, &done, fault);
        free(byte);
        *taken += 1;
    }
    free(parser);
    return err == NP_OK && !done ? NP_ERR_TRUNCATED : err;
}

static void check_put(np_selftest *t, const char *what, const void *packet, const uint8_t *data)
{
    size_t len = t->packet->header_len;
    uint8_t *made = np__selftest_alloc(len);

    if (t->packet->put(made, packet) != made + len) {
        np__selftest_fail(t, "%s: put does not write %zu bytes", what, len);
    }
    for (size_t i = 0; i < len; i++) {
        if (made[i] != data[i]) {
            np__selftest_fail(t, "%s: byte %zu is 0x%02X instead of 0x%02X", what, i, made[i],
                              data[i]);
            break;
        }
    }
    free(made);
}

void np_selftest_packet_good(np_selftest *t, const char *name, const void *packet,
                             const uint8_t *data)
{
    const np_selftest_packet_codec *codec = t->packet;
    uint8_t *bytes = np__selftest_dup(data, codec->header_len);
    void *out = np__selftest_alloc(codec->c_size);
    np_fault fault = {.where = ""};
    char text[320];
    size_t taken = 0;

    t->example = name;
    t->examples++;
    check_put(t, "put", packet, data);
    if (codec->read(out, bytes, &fault) != NP_OK) {
        np__selftest_fail(t, "read: %s", np__selftest_fault(&fault, text, sizeof text));
    } else {
        check_put(t, "what was read", out, data);
    }
    for (size_t cut = 0; cut <= codec->header_len; cut++) {
        memset(out, 0, codec->c_size);
        np_err err = parse(codec, out, bytes, cut, &fault);
        if (err != NP_OK) {
            np__selftest_fail(t, "parse, cut at byte %zu: %s", cut, np_err_name(err));
            break;
        }
        check_put(t, "what was parsed", out, data);
    }
    memset(out, 0, codec->c_size);
    np_err err = parse_bytes(codec, out, bytes, &taken, &fault);
    if (err != NP_OK || taken != codec->header_len) {
        np__selftest_fail(t, "parse, byte by byte: %s after %zu", np_err_name(err), taken);
    } else {
        check_put(t, "what was parsed byte by byte", out, data);
    }
    free(out);
    free(bytes);
}

/* A verdict on broken bytes; `how` tells whose. */
static void check_refusal(np_selftest *t, const char *how, np_err got, const np_fault *fault,
                          np_err err, const char *where, const char *rule)
{
    if (got != err || strcmp(fault->where, where) != 0 || fault->rule == NULL ||
        strcmp(fault->rule, rule) != 0) {
        np__selftest_fail(t, "%s: %s must be refused with %s by \"%s\", but: %s, %s, \"%s\"", how,
                          where, np_err_name(err), rule, np_err_name(got), fault->where,
                          fault->rule != NULL ? fault->rule : "");
    }
}

void np_selftest_packet_bad(np_selftest *t, const char *name, const uint8_t *data, np_err err,
                            const char *where, const char *rule)
{
    const np_selftest_packet_codec *codec = t->packet;
    uint8_t *bytes = np__selftest_dup(data, codec->header_len);
    void *out = np__selftest_alloc(codec->c_size);
    np_fault fault = {.where = ""};
    size_t taken = 0;

    t->example = name;
    t->examples++;
    np_err got = codec->read(out, bytes, &fault);
    check_refusal(t, "read", got, &fault, err, where, rule);
    uint64_t offset = fault.offset;
    for (size_t cut = 0; cut <= codec->header_len; cut++) {
        fault = (np_fault){.where = ""};
        got = parse(codec, out, bytes, cut, &fault);
        check_refusal(t, "parse", got, &fault, err, where, rule);
    }
    fault = (np_fault){.where = ""};
    got = parse_bytes(codec, out, bytes, &taken, &fault);
    check_refusal(t, "parse, byte by byte", got, &fault, err, where, rule);
    if (fault.offset != offset) {
        np__selftest_fail(t, "read refuses byte %" PRIu64 ", the parser byte %" PRIu64, offset,
                          fault.offset);
    }
    free(out);
    free(bytes);
}
