#include "support/twin.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The log ----------------------------------------------------------------------------------------
 */

static void put(twin_log *log, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void put(twin_log *log, const char *format, ...)
{
    char line[512];
    va_list args;

    va_start(args, format);
    int len = vsnprintf(line, sizeof line, format, args);
    va_end(args);
    if (len < 0 || (size_t)len >= sizeof line) {
        abort();
    }
    if (log->len + (size_t)len + 1 > log->cap) {
        log->cap = 2 * log->cap + (size_t)len + 256;
        log->text = realloc(log->text, log->cap);
        if (log->text == NULL) {
            abort();
        }
    }
    memcpy(log->text + log->len, line, (size_t)len + 1);
    log->len += (size_t)len;
}

void twin_log_free(twin_log *log)
{
    free(log->text);
    *log = (twin_log){0};
}

/* Chunks are joined to one line: how a value was cut is not part of what it says. */
static void put_event(twin_log *log, const np_event *event, bool *in_chunk, size_t *line)
{
    static const char *const names[] = {
        [NP_EVENT_MESSAGE] = "message", [NP_EVENT_VALUE] = "value", [NP_EVENT_CHUNK] = "bytes",
        [NP_EVENT_OPEN] = "open",       [NP_EVENT_CLOSE] = "close", [NP_EVENT_OPTION] = "option",
        [NP_EVENT_VARIANT] = "variant",
    };

    if (!*in_chunk) {
        *line = log->len;
        put(log, "%s %s @%" PRIu64, names[event->kind], event->where, event->offset);
    }
    switch (event->kind) {
    case NP_EVENT_MESSAGE:
        put(log, " %s\n", event->message->name);
        break;
    case NP_EVENT_VALUE:
        put(log, " %" PRIx64 ":%" PRIx64 "\n", event->bits.hi, event->bits.lo);
        break;
    case NP_EVENT_VARIANT:
        put(log, " %s\n", event->variant->name);
        break;
    case NP_EVENT_CHUNK:
        if (!*in_chunk) {
            put(log, " %" PRIu64 " ", event->count);
        }
        for (size_t i = 0; i < event->len; i++) {
            put(log, "%02x", event->data[i]);
        }
        *in_chunk = !event->last;
        if (event->last) {
            put(log, "\n");
        }
        break;
    default:
        put(log, " %" PRIu64 "\n", event->count);
        break;
    }
}

static void put_verdict(twin_log *log, const np_fault *fault)
{
    put(log, "%s %s %s @%" PRIu64 " got %d %" PRIu64 "\n", np_err_name(fault->err), fault->where,
        fault->rule != NULL ? fault->rule : "-", fault->offset, (int)fault->got_kind, fault->got);
}

/* The two decoders -------------------------------------------------------------------------------
 */

twin_log twin_parse(np_parser *parser, const uint8_t *data, size_t len, const size_t *cuts,
                    size_t count, np_fault *fault)
{
    twin_log log = {0};
    bool in_chunk = false;
    size_t line = 0;
    size_t from = 0;
    np_parse result = NP_PARSE_MORE;

    for (size_t i = 0; i <= count && result != NP_PARSE_BAD; i++) {
        size_t to = i < count ? cuts[i] : len;
        /* A piece of its own, so that a sanitizer sees who reads past it or keeps it. */
        uint8_t *piece = malloc(to - from + 1);
        if (piece == NULL) {
            abort();
        }
        memcpy(piece, data + from, to - from);
        const uint8_t *p = piece;
        size_t left = to - from;
        np_event event;
        while ((result = np_parser_next(parser, &p, &left, &event)) == NP_PARSE_EVENT) {
            put_event(&log, &event, &in_chunk, &line);
        }
        free(piece);
        from = to;
    }
    if (in_chunk) { /* how much of a refused value was handed out depends on the cuts */
        log.len = line;
    }
    memset(fault, 0, sizeof *fault);
    fault->where = "";
    if (np_parser_end(parser, fault) != fault->err) {
        abort();
    }
    put_verdict(&log, fault);
    return log;
}

/* What X_decode does, for whichever message it is. */
static np_err decode_any(const np_protocol *protocol, uint32_t version, bool reply, np_reader *r,
                         const np_message **message, const np_codec **codec, void **value)
{
    if (np_left(r) < 4) {
        return np_read_short(r, protocol->name);
    }
    uint32_t id = np_get_u32(r->p);
    *message = np_protocol_message(protocol, id);
    if (*message == NULL || (*message)->since > version || (reply && (*message)->reply == NULL)) {
        return np_read_fail(r, NP_ERR_UNKNOWN_MESSAGE, protocol->name, NULL, r->p, NP_GOT_UNSIGNED,
                            id);
    }
    r->p += 4;
    *codec = reply ? (*message)->reply_codec : (*message)->codec;
    *value = malloc((*codec)->c_size);
    if (*value == NULL) {
        abort();
    }
    memset(*value, 0xA5, (*codec)->c_size);
    np_err err = (*codec)->read(r, *value);
    return err != NP_OK ? err : np_read_end(r, (*message)->name);
}

np_err twin_decode(const np_protocol *protocol, uint32_t version, bool reply, const uint8_t *data,
                   size_t len, np_fault *fault, uint8_t **again, size_t *again_len)
{
    const np_message *message = NULL;
    const np_codec *codec = NULL;
    void *value = NULL;

    *again = NULL;
    *again_len = 0;
    memset(fault, 0, sizeof *fault);
    fault->where = "";
    np_reader r = np_reader_start(data, len, version, fault);
    np_err err = decode_any(protocol, version, reply, &r, &message, &codec, &value);
    if (err == NP_OK) {
        np_fault why = {0};
        np_meter m = {4, version, 0, &why};
        if (codec->measure(&m, value) != NP_OK) {
            char text[256];
            fprintf(stderr, "a decoded value does not encode: %s\n",
                    np_fault_format(&why, text, sizeof text));
            abort();
        }
        *again = malloc(m.len);
        if (*again == NULL) {
            abort();
        }
        uint8_t *end = codec->put(np_put_u32(*again, message->id), value, version);
        *again_len = (size_t)(end - *again);
        if (*again_len != m.len) {
            fprintf(stderr, "%s: measured %zu bytes, wrote %zu\n", message->name, m.len,
                    *again_len);
            abort();
        }
    }
    free(value);
    return err;
}

/* The comparison ---------------------------------------------------------------------------------
 */

static void differ(const char *what, const char *a, const char *b, const uint8_t *data, size_t len,
                   const size_t *cuts, size_t count)
{
    fprintf(stderr, "the decoders disagree: %s\n--- one\n%s--- other\n%s--- input\n", what, a, b);
    for (size_t i = 0; i < len && i < 400; i++) {
        fprintf(stderr, "%02x", data[i]);
    }
    fprintf(stderr, "\n--- cuts:");
    for (size_t i = 0; i < count && i < 20; i++) {
        fprintf(stderr, " %zu", cuts[i]);
    }
    fprintf(stderr, "\n");
    abort();
}

typedef struct twin {
    const np_protocol *protocol;
    uint32_t version;
    bool reply;
    const uint8_t *data;
    size_t len;
    np_parser *parser;
    twin_log whole;
} twin;

static void check_cuts(twin *t, const size_t *cuts, size_t count)
{
    np_fault fault;

    np_parser_reset(t->parser, t->version, t->reply);
    twin_log log = twin_parse(t->parser, t->data, t->len, cuts, count, &fault);
    if (strcmp(log.text, t->whole.text) != 0) {
        differ("cut input against whole input", log.text, t->whole.text, t->data, t->len, cuts,
               count);
    }
    twin_log_free(&log);
}

static uint64_t next_random(uint64_t *state)
{
    /* xorshift64* (Vigna 2016): good enough to choose cuts, and the same everywhere. */
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * 2685821657736338717u;
}

static void check_splits(twin *t, twin_effort effort)
{
    size_t *every = calloc(t->len + 1, sizeof *every);
    if (every == NULL) {
        abort();
    }
    for (size_t i = 0; i < t->len; i++) {
        every[i] = i + 1;
    }
    check_cuts(t, every, t->len);
    free(every);
    for (size_t i = 0; i <= t->len && effort.every_cut; i++) {
        check_cuts(t, &i, 1);
    }
    if (t->len <= effort.all_pairs_up_to && effort.every_cut) {
        for (size_t i = 0; i <= t->len; i++) {
            for (size_t j = i; j <= t->len; j++) {
                check_cuts(t, (size_t[]){i, j}, 2);
            }
        }
        return;
    }
    uint64_t state = effort.seed | 1;
    for (size_t n = 0; n < effort.random_pairs; n++) {
        size_t a = next_random(&state) % (t->len + 1), b = next_random(&state) % (t->len + 1);
        check_cuts(t, a < b ? (size_t[]){a, b} : (size_t[]){b, a}, 2);
    }
}

np_err twin_check(const np_protocol *protocol, uint32_t version, bool reply, const uint8_t *data,
                  size_t len, twin_effort effort)
{
    twin t = {protocol, version, reply, data, len, np_parser_new(protocol, version, reply), {0}};
    np_fault from_parser, from_decoder;
    uint8_t *again = NULL;
    size_t again_len = 0;

    if (t.parser == NULL) {
        abort();
    }
    t.whole = twin_parse(t.parser, data, len, NULL, 0, &from_parser);
    np_err err =
        twin_decode(protocol, version, reply, data, len, &from_decoder, &again, &again_len);
    twin_log a = {0}, b = {0};
    put_verdict(&a, &from_parser);
    put_verdict(&b, &from_decoder);
    if (strcmp(a.text, b.text) != 0) {
        differ("parser against contiguous decoder", a.text, b.text, data, len, NULL, 0);
    }
    if (err == NP_OK && (again_len != len || memcmp(again, data, len) != 0)) {
        differ("a decoded value encodes to other bytes", "", "", data, len, NULL, 0);
    }
    if (err != from_decoder.err) {
        differ("the decoder's result and its fault", "", "", data, len, NULL, 0);
    }
    check_splits(&t, effort);
    twin_log_free(&a);
    twin_log_free(&b);
    twin_log_free(&t.whole);
    free(again);
    np_parser_free(t.parser);
    return err;
}
