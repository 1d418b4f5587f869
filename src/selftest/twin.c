#include "selftest/twin.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The log ----------------------------------------------------------------------------------------
 */

static void put(np__twin_log *log, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void put(np__twin_log *log, const char *format, ...)
{
    va_list args;

    for (;;) {
        size_t room = log->cap - log->len;
        va_start(args, format);
        int len = vsnprintf(log->text != NULL ? log->text + log->len : NULL, room, format, args);
        va_end(args);
        if (len < 0) {
            abort();
        }
        if ((size_t)len < room) {
            log->len += (size_t)len;
            return;
        }
        log->cap = 2 * log->cap + (size_t)len + 256;
        log->text = realloc(log->text, log->cap);
        if (log->text == NULL) {
            abort();
        }
    }
}

void np__twin_log_free(np__twin_log *log)
{
    free(log->text);
    *log = (np__twin_log){0};
}

/* Chunks are joined to one line: how a value was cut is not part of what it says. */
static void put_event(np__twin_log *log, const np_event *event, bool *in_chunk, size_t *line)
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

static void put_verdict(np__twin_log *log, const np_fault *fault)
{
    put(log, "%s %s %s @%" PRIu64 " got %d %" PRIu64 "\n", np_err_name(fault->err), fault->where,
        fault->rule != NULL ? fault->rule : "-", fault->offset, (int)fault->got_kind, fault->got);
}

/* The two decoders -------------------------------------------------------------------------------
 */

np__twin_log np__twin_parse(np_parser *parser, const uint8_t *data, size_t len, const size_t *cuts,
                            size_t count, np_fault *fault)
{
    np__twin_log log = {0};
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

/* Encodes what was decoded; says in `trouble` if that is not possible. */
static void encode_again(const np_message *message, const np_codec *codec, const void *value,
                         uint32_t version, uint8_t **again, size_t *again_len,
                         np__twin_log *trouble)
{
    np_fault why = {0};
    np_meter m = {4, version, 0, &why};

    if (codec->measure(&m, value) != NP_OK) {
        char text[256];
        put(trouble, "what was decoded does not encode: %s",
            np_fault_format(&why, text, sizeof text));
        return;
    }
    *again = malloc(m.len);
    if (*again == NULL) {
        abort();
    }
    uint8_t *end = codec->put(np_put_u32(*again, message->id), value, version);
    *again_len = (size_t)(end - *again);
    if (*again_len != m.len) {
        put(trouble, "%s: measured %zu bytes, wrote %zu", message->name, m.len, *again_len);
    }
}

static np_err decode(const np_protocol *protocol, uint32_t version, bool reply, const uint8_t *data,
                     size_t len, np_fault *fault, uint8_t **again, size_t *again_len,
                     np__twin_log *trouble)
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
        encode_again(message, codec, value, version, again, again_len, trouble);
    }
    free(value);
    return err;
}

/* Aborts if there is any trouble. */
static void stop_at(const np__twin_log *trouble)
{
    if (trouble->text != NULL) {
        fprintf(stderr, "%s\n", trouble->text);
        abort();
    }
}

np_err np__twin_decode(const np_protocol *protocol, uint32_t version, bool reply,
                       const uint8_t *data, size_t len, np_fault *fault, uint8_t **again,
                       size_t *again_len)
{
    np__twin_log trouble = {0};
    np_err err = decode(protocol, version, reply, data, len, fault, again, again_len, &trouble);

    stop_at(&trouble);
    return err;
}

/* The comparison ---------------------------------------------------------------------------------
 */

typedef struct twin {
    const np_protocol *protocol;
    uint32_t version;
    bool reply;
    const uint8_t *data;
    size_t len;
    np_parser *parser;
    np__twin_log whole;
    np__twin_log trouble; /* empty while the decoders agree; then the first difference */
} twin;

/* The first line in which two texts differ. */
static void put_first_difference(np__twin_log *log, const char *a, const char *b)
{
    size_t line = 0;

    for (size_t i = 0; a[i] == b[i] && a[i] != '\0'; i++) {
        line = a[i] == '\n' ? i + 1 : line;
    }
    put(log, "\n  one:   %.*s", (int)strcspn(a + line, "\n"), a + line);
    put(log, "\n  other: %.*s", (int)strcspn(b + line, "\n"), b + line);
}

static void differ(twin *t, const char *what, const char *a, const char *b, const size_t *cuts,
                   size_t count)
{
    if (t->trouble.text != NULL) {
        return;
    }
    put(&t->trouble, "%s", what);
    if (strcmp(a, b) != 0) {
        put_first_difference(&t->trouble, a, b);
    }
    put(&t->trouble, "\n  input: ");
    for (size_t i = 0; i < t->len && i < 400; i++) {
        put(&t->trouble, "%02x", t->data[i]);
    }
    put(&t->trouble, "%s", t->len > 400 ? "..." : "");
    if (count > 0) {
        put(&t->trouble, "\n  cut at:");
        for (size_t i = 0; i < count && i < 20; i++) {
            put(&t->trouble, " %zu", cuts[i]);
        }
    }
}

static void check_cuts(twin *t, const size_t *cuts, size_t count)
{
    np_fault fault;

    if (t->trouble.text != NULL) {
        return;
    }
    np_parser_reset(t->parser, t->version, t->reply);
    np__twin_log log = np__twin_parse(t->parser, t->data, t->len, cuts, count, &fault);
    if (strcmp(log.text, t->whole.text) != 0) {
        differ(t, "the parser says one thing of cut input, another of whole input", log.text,
               t->whole.text, cuts, count);
    }
    np__twin_log_free(&log);
}

static uint64_t next_random(uint64_t *state)
{
    /* xorshift64* (Vigna 2016): good enough to choose cuts, and the same everywhere. */
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * 2685821657736338717u;
}

static size_t random_below(uint64_t *state, size_t n)
{
    return (size_t)(next_random(state) % n);
}

static void check_splits(twin *t, np__twin_effort effort)
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
        size_t a = random_below(&state, t->len + 1), b = random_below(&state, t->len + 1);
        check_cuts(t, a < b ? (size_t[]){a, b} : (size_t[]){b, a}, 2);
    }
}

np_err np__twin_compare(const np_protocol *protocol, uint32_t version, bool reply,
                        const uint8_t *data, size_t len, np__twin_effort effort,
                        np__twin_log *trouble)
{
    twin t = {.protocol = protocol, .version = version, .reply = reply, .data = data, .len = len};
    np_fault from_parser, from_decoder;
    uint8_t *again = NULL;
    size_t again_len = 0;

    t.parser = np_parser_new(protocol, version, reply);
    if (t.parser == NULL) {
        abort();
    }
    t.whole = np__twin_parse(t.parser, data, len, NULL, 0, &from_parser);
    np_err err =
        decode(protocol, version, reply, data, len, &from_decoder, &again, &again_len, &t.trouble);
    np__twin_log a = {0}, b = {0};
    put_verdict(&a, &from_parser);
    put_verdict(&b, &from_decoder);
    if (strcmp(a.text, b.text) != 0) {
        differ(&t, "the parser says one thing, the contiguous decoder another", a.text, b.text,
               NULL, 0);
    }
    if (err == NP_OK && (again_len != len || memcmp(again, data, len) != 0)) {
        differ(&t, "a decoded value encodes to other bytes", "", "", NULL, 0);
    }
    if (err != from_decoder.err) {
        differ(&t, "the decoder's result is not the one in its fault", "", "", NULL, 0);
    }
    check_splits(&t, effort);
    np__twin_log_free(&a);
    np__twin_log_free(&b);
    np__twin_log_free(&t.whole);
    free(again);
    np_parser_free(t.parser);
    *trouble = t.trouble;
    return err;
}

np_err np__twin_check(const np_protocol *protocol, uint32_t version, bool reply,
                      const uint8_t *data, size_t len, np__twin_effort effort)
{
    np__twin_log trouble = {0};
    np_err err = np__twin_compare(protocol, version, reply, data, len, effort, &trouble);

    stop_at(&trouble);
    return err;
}
