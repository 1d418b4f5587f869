/* break.c - valid payloads with one value made wrong: what a hostile peer sends first. */
#include "selftest/selftest_private.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A payload with more bytes is not taken. */
#define BROKEN_MAX 2048

/* A change of the bytes at `at`, and what must come of it. */
typedef struct change {
    const char *what;
    uint64_t at;
    size_t len;
    uint8_t bytes[16];
    np_err err;
} change;

/* Whether a field has been broken before; if not, it is remembered. */
static bool is_known(np_selftest *t, const np_event *event)
{
    for (size_t i = 0; i < t->spot_count; i++) {
        const np__selftest_spot *spot = &t->spots[i];
        if (spot->where == event->where && spot->type == event->type &&
            spot->version == t->version) {
            return true;
        }
    }
    if (t->spot_count == t->spot_cap) {
        t->spot_cap = 2 * t->spot_cap + 64;
        t->spots = realloc(t->spots, t->spot_cap * sizeof *t->spots);
        if (t->spots == NULL) {
            abort();
        }
    }
    t->spots[t->spot_count++] = (np__selftest_spot){event->where, event->type, t->version};
    return false;
}

static void try_change(np_selftest *t, const uint8_t *payload, size_t len, const np_event *event,
                       const change *c)
{
    static const np__twin_effort effort = {false, 0, 2, 1};
    uint8_t *data = np__selftest_dup(payload, len);
    np__twin_log trouble = {0};
    np_fault fault = {.where = ""};
    uint8_t *again = NULL;
    size_t again_len = 0;
    char text[320];
    char name[160];

    memcpy(data + c->at, c->bytes, c->len);
    np_err err = np__twin_compare(t->protocol, t->version, t->reply, data, len, effort, &trouble);
    if (trouble.text != NULL) {
        np__selftest_fail(t, "with %s in %s: %s", c->what, event->where, trouble.text);
    } else {
        err = np__twin_decode(t->protocol, t->version, t->reply, data, len, &fault, &again,
                              &again_len);
        free(again);
        if (err != c->err || strcmp(fault.where, event->where) != 0 || fault.offset != c->at) {
            np__selftest_fail(t, "with %s at byte %" PRIu64 " %s must be refused with %s, but: %s",
                              c->what, c->at, event->where, np_err_name(c->err),
                              np__selftest_fault(&fault, text, sizeof text));
        }
    }
    np__twin_log_free(&trouble);
    snprintf(name, sizeof name, "refused.%s.%s", event->where, np_err_name(c->err) + 7);
    np__selftest_write_seed(t, name, data, len);
    free(data);
}

static void try_number(np_selftest *t, const uint8_t *payload, size_t len, const np_event *event,
                       const char *what, np_err err, size_t width, np_u128 value)
{
    change c = {.what = what, .at = event->offset, .len = width, .err = err};

    np_put_u128(c.bytes, value);
    try_change(t, payload, len, event, &c);
}

static np_u128 add_one(np_u128 value)
{
    value.lo++;
    value.hi += value.lo == 0 ? 1 : 0;
    return value;
}

static np_u128 less_one(np_u128 value)
{
    value.hi -= value.lo == 0 ? 1 : 0;
    value.lo--;
    return value;
}

/* The bytes of an integer type; 0 for what is none. */
static size_t integer_width(np_kind kind)
{
    static const uint8_t widths[] = {
        [NP_KIND_U8] = 1,    [NP_KIND_U16] = 2,   [NP_KIND_U32] = 4, [NP_KIND_U64] = 8,
        [NP_KIND_U128] = 16, [NP_KIND_I8] = 1,    [NP_KIND_I16] = 2, [NP_KIND_I32] = 4,
        [NP_KIND_I64] = 8,   [NP_KIND_I128] = 16,
    };
    return (size_t)kind < sizeof widths ? widths[kind] : 0;
}

static bool same_number(np_u128 a, np_u128 b, size_t width)
{
    uint8_t x[16], y[16];

    np_put_u128(x, a);
    np_put_u128(y, b);
    return memcmp(x, y, width) == 0;
}

/* The least or greatest number of a kind, as its bytes say it. */
static np_u128 end_of_kind(np_kind kind, size_t width, bool greatest)
{
    bool is_signed = kind >= NP_KIND_I8 && kind <= NP_KIND_I128;
    uint8_t bytes[16];

    memset(bytes, greatest ? 0xFF : 0, sizeof bytes);
    if (is_signed) {
        bytes[width - 1] = greatest ? 0x7F : 0x80;
    }
    return np_get_u128(bytes);
}

/* Just beyond both ends of a range, where the kind has such numbers. */
static void break_integer(np_selftest *t, const uint8_t *payload, size_t len, const np_event *event)
{
    const np_type *type = event->type;
    size_t width = integer_width(type->kind);

    if (type->range == NULL || width == 0) {
        return;
    }
    if (!same_number(type->range->lo.u, end_of_kind(type->kind, width, false), width)) {
        try_number(t, payload, len, event, "a number below the range", NP_ERR_RANGE, width,
                   less_one(type->range->lo.u));
    }
    if (!same_number(type->range->hi.u, end_of_kind(type->kind, width, true), width)) {
        try_number(t, payload, len, event, "a number above the range", NP_ERR_RANGE, width,
                   add_one(type->range->hi.u));
    }
}

static void break_float(np_selftest *t, const uint8_t *payload, size_t len, const np_event *event)
{
    bool narrow = event->type->kind == NP_KIND_F32;
    np_u128 nan = {narrow ? 0x7FC00000u : 0x7FF8000000000000u, 0};

    if (event->type->range != NULL || event->type->finite) {
        np_err err = event->type->range != NULL ? NP_ERR_RANGE : NP_ERR_FINITE;
        try_number(t, payload, len, event, "a NaN", err, narrow ? 4 : 8, nan);
    }
}

/* No variant, nor one whose lowest bytes are those of a variant: C's enum may be as short as they.
 */
static void break_enum(np_selftest *t, const uint8_t *payload, size_t len, const np_event *event)
{
    static const np_u128 most = {UINT64_MAX, UINT64_MAX};
    static const uint32_t beyond[] = {0x100, 0x10000, 0x1000000, 0x80000000};
    const np_type *type = event->type;

    try_number(t, payload, len, event, "a variant that there is not", NP_ERR_VARIANT, 4, most);
    for (size_t i = 0; i < sizeof beyond / sizeof *beyond; i++) {
        uint32_t index = (uint32_t)event->bits.lo ^ beyond[i];
        if (np_type_variant(type, index, UINT32_MAX) == NULL) {
            try_number(t, payload, len, event, "a variant but for one bit above", NP_ERR_VARIANT, 4,
                       (np_u128){index, 0});
        }
    }
}

static void break_value(np_selftest *t, const uint8_t *payload, size_t len, const np_event *event)
{
    static const np_u128 two = {2, 0}, most = {UINT64_MAX, UINT64_MAX};

    switch (event->type->kind) {
    case NP_KIND_BOOL:
        try_number(t, payload, len, event, "2 for a bool", NP_ERR_BOOL, 1, two);
        break;
    case NP_KIND_CHAR:
        try_number(t, payload, len, event, "a byte that begins no character", NP_ERR_CHAR, 1, most);
        break;
    case NP_KIND_ENUM:
        break_enum(t, payload, len, event);
        break;
    case NP_KIND_F32:
    case NP_KIND_F64:
        break_float(t, payload, len, event);
        break;
    default:
        break_integer(t, payload, len, event);
        break;
    }
}

/* Lengths of strings, bytes, lists and maps: one above the bound, one below, and the greatest. */
static void break_length(np_selftest *t, const uint8_t *payload, size_t len, const np_event *event)
{
    const np_type *type = event->type;
    static const np_u128 most = {UINT64_MAX, 0};

    if (type->kind == NP_KIND_ARRAY) {
        return;
    }
    try_number(t, payload, len, event, "the greatest length", NP_ERR_TOO_LONG, 8, most);
    try_number(t, payload, len, event, "a length above the bound", NP_ERR_TOO_LONG, 8,
               (np_u128){(uint64_t)type->max + 1, 0});
    if (type->min > 0) {
        try_number(t, payload, len, event, "a length below the bound", NP_ERR_TOO_SHORT, 8,
                   (np_u128){type->min - 1, 0});
    }
}

static void break_text(np_selftest *t, const uint8_t *payload, size_t len, const np_event *event)
{
    change c = {"a byte that no text has", event->offset + 8, 1, {0xFF}, NP_ERR_UTF8};

    break_length(t, payload, len, event);
    if (event->type->kind != NP_KIND_STR || event->count == 0) {
        return;
    }
    try_change(t, payload, len, event, &c);
    if (event->type->nonul) {
        c = (change){"a NUL", event->offset + 8, 1, {0}, NP_ERR_NUL};
        try_change(t, payload, len, event, &c);
    }
}

void np__selftest_break(np_selftest *t, const uint8_t *payload, size_t len)
{
    static const np_u128 two = {2, 0};
    const uint8_t *data = payload;
    size_t left = len;
    bool in_chunk = false;
    np_event event;

    if (len > BROKEN_MAX) {
        return;
    }
    np_parser *parser = np_parser_new(t->protocol, t->version, t->reply);
    if (parser == NULL) {
        abort();
    }
    while (np_parser_next(parser, &data, &left, &event) == NP_PARSE_EVENT) {
        bool first = !in_chunk;
        in_chunk = event.kind == NP_EVENT_CHUNK && !event.last;
        if (!first || event.kind == NP_EVENT_MESSAGE || event.kind == NP_EVENT_CLOSE ||
            is_known(t, &event)) {
            continue;
        }
        if (event.kind == NP_EVENT_OPTION) {
            try_number(t, payload, len, &event, "2 for an option's tag", NP_ERR_OPTION, 1, two);
        } else if (event.kind == NP_EVENT_OPEN) {
            break_length(t, payload, len, &event);
        } else if (event.kind == NP_EVENT_CHUNK) {
            break_text(t, payload, len, &event);
        } else {
            break_value(t, payload, len, &event);
        }
    }
    np_parser_free(parser);
}
