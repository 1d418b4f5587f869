/* make_mutant.c - payloads that are nearly valid. */
#include "selftest/make_private.h"
#include "selftest/wide.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const size_t resize_max = 4096;

/* Replaces bytes [at, at + old_len) by others; what lies behind moves. */
static void replace(np__make_payload *p, size_t at, size_t old_len, const void *data, size_t len)
{
    size_t behind = p->len - at - old_len;

    if (len > old_len) {
        np__make_grow(p, len - old_len);
    } else {
        p->len -= old_len - len;
    }
    if (behind > 0) {
        memmove(p->data + at + len, p->data + at + old_len, behind);
    }
    if (len > 0) {
        memcpy(p->data + at, data, len);
    }
}

/* Without regard to what the bytes mean ---------------------------------------------------------
 */

static void mutate_byte(np__make_payload *p, np__make_rng *rng)
{
    static const uint8_t telling[] = {0x00, 0x01, 0x02, 0x7F, 0x80, 0xC0, 0xE0, 0xF4, 0xFF};

    if (p->len == 0) {
        return;
    }
    uint8_t *byte = &p->data[np__make_below(rng, p->len)];
    if (np__make_below(rng, 2) == 0) {
        *byte ^= (uint8_t)(1u << np__make_below(rng, 8));
    } else {
        *byte = telling[np__make_below(rng, sizeof telling)];
    }
}

static void mutate_end(np__make_payload *p, np__make_rng *rng)
{
    if (np__make_below(rng, 3) > 0) {
        p->len = np__make_below(rng, p->len + 1);
        return;
    }
    size_t more = 1 + np__make_below(rng, 9);
    for (uint8_t *at = np__make_grow(p, more); more > 0; more--) {
        *at++ = (uint8_t)(np__make_random(rng) % 3);
    }
}

static void mutate_splice(np__make_payload *p, np__make_rng *rng, const np__make_payload *other)
{
    size_t at = np__make_below(rng, p->len + 1);
    size_t from = np__make_below(rng, other->len + 1);
    size_t gone = np__make_below(rng, p->len - at + 1) >> np__make_below(rng, 8);
    size_t len = np__make_below(rng, other->len - from + 1) >> np__make_below(rng, 8);

    replace(p, at, gone, other->data + from, len);
}

/* At a value -------------------------------------------------------------------------------------
 */

static uint64_t pick_length(const np_type *type, np__make_rng *rng, uint64_t now)
{
    switch (np__make_below(rng, 9)) {
    case 0:
        return type->max;
    case 1:
        return (uint64_t)type->max + 1;
    case 2:
        return type->min;
    case 3:
        return (uint64_t)type->min - 1;
    case 4:
        return now + 1;
    case 5:
        return now - 1;
    case 6:
        return now | (uint64_t)1 << (32 + np__make_below(rng, 32));
    case 7:
        return UINT64_MAX;
    default:
        return np__make_random(rng) >> np__make_below(rng, 64);
    }
}

/* A string or bytes with as many bytes as its new length says. */
static void resize_text(np__make_payload *p, const np__make_mark *mark, np__make_rng *rng,
                        uint64_t len)
{
    size_t old_len = mark->end - mark->at - 8;
    uint8_t *text = malloc((size_t)len + 1);

    if (text == NULL) {
        abort();
    }
    for (size_t i = 0; i < len; i++) {
        text[i] =
            i < old_len ? p->data[mark->at + 8 + i] : (uint8_t)('a' + np__make_below(rng, 26));
    }
    replace(p, mark->at + 8, old_len, text, (size_t)len);
    free(text);
}

static void mutate_length(np__make_payload *p, const np__make_mark *mark, np__make_rng *rng)
{
    uint64_t len = pick_length(mark->type, rng, np_get_u64(p->data + mark->at));
    bool text = mark->type->kind == NP_KIND_STR || mark->type->kind == NP_KIND_BYTES;

    if (text && len <= resize_max && np__make_below(rng, 3) > 0) {
        resize_text(p, mark, rng, len);
    }
    np_put_u64(p->data + mark->at, len);
}

/* Sequences that no UTF-8 has (RFC 3629), and cut ones. */
static const struct {
    const char *bytes;
    size_t len;
} bad_text[] = {
    {"\x80", 1},             /* a continuation byte alone */
    {"\xBF\xBF", 2},         /* two of them */
    {"\xC0\x80", 2},         /* NUL in two bytes */
    {"\xC1\xBF", 2},         /* U+7F in two bytes */
    {"\xC2", 1},             /* cut after one of two */
    {"\xC2\x41", 2},         /* a letter where it goes on */
    {"\xE0\x9F\xBF", 3},     /* U+7FF in three bytes */
    {"\xE2\x82", 2},         /* cut after two of three */
    {"\xED\xA0\x80", 3},     /* a surrogate */
    {"\xED\xBF\xBF", 3},     /* the last surrogate */
    {"\xEF\xBF", 2},         /* cut */
    {"\xF0\x8F\xBF\xBF", 4}, /* U+FFFF in four bytes */
    {"\xF0\x9F\x98", 3},     /* cut after three of four */
    {"\xF4\x90\x80\x80", 4}, /* above U+10FFFF */
    {"\xF5\x80\x80\x80", 4}, /* a byte that never occurs */
    {"\xFF", 1},             /* another one */
    {"", 1},                 /* NUL, which nonul refuses */
};

static void mutate_text(np__make_payload *p, const np__make_mark *mark, np__make_rng *rng)
{
    size_t which = np__make_below(rng, sizeof bad_text / sizeof *bad_text);
    size_t len = mark->end - mark->at - 8, bad_len = bad_text[which].len;

    if (bad_len > len || np__make_below(rng, 4) == 0) {
        replace(p, mark->at + 8 + len, 0, bad_text[which].bytes, bad_len);
        np_put_u64(p->data + mark->at, len + bad_len);
        return;
    }
    size_t at =
        np__make_below(rng, 2) == 0 ? len - bad_len : np__make_below(rng, len - bad_len + 1);
    memcpy(p->data + mark->at + 8 + at, bad_text[which].bytes, bad_len);
}

static void mutate_char(np__make_payload *p, const np__make_mark *mark, np__make_rng *rng)
{
    size_t which = np__make_below(rng, sizeof bad_text / sizeof *bad_text);

    replace(p, mark->at, mark->end - mark->at, bad_text[which].bytes, bad_text[which].len);
}

static void mutate_float(np__make_payload *p, const np__make_mark *mark, np__make_rng *rng)
{
    const np_range *range = mark->type->range;
    double telling[] = {(double)NAN,
                        -(double)NAN,
                        (double)INFINITY,
                        -(double)INFINITY,
                        -0.0,
                        range != NULL ? nextafter(range->lo.f, -1e9) : 1e308,
                        range != NULL ? nextafter(range->hi.f, 1e9) : -1e308,
                        range != NULL ? (double)nextafterf((float)range->hi.f, 1e9f) : 1.0};
    double value = telling[np__make_below(rng, sizeof telling / sizeof *telling)];

    if (mark->type->kind == NP_KIND_F64) {
        np_put_f64(p->data + mark->at, value);
    } else {
        bool fits = !isfinite(value) || fabs(value) < 1e38; /* what converts to a float at all */
        np_put_f32(p->data + mark->at, fits ? (float)value : 1e38f);
    }
}

/* The highest bit of so many bytes. */
static np_u128 top_bit(size_t width)
{
    uint8_t bytes[16] = {0};

    bytes[width - 1] = 0x80;
    return np_get_u128(bytes);
}

static void mutate_integer(np__make_payload *p, const np__make_mark *mark, np__make_rng *rng)
{
    const np_range *range = mark->type->range;
    static const np_u128 zero = {0, 0}, one = {1, 0};
    np_u128 lo = range != NULL ? range->lo.u : zero;
    np_u128 hi = range != NULL ? range->hi.u : np__wide_most;
    np_u128 top = top_bit(np__make_width(mark->type->kind));
    np_u128 telling[] = {
        lo,  np__wide_subtract(lo, one),  hi,           np__wide_add(hi, one), zero,
        top, np__wide_subtract(top, one), np__wide_most};
    uint8_t bytes[16];

    np_put_u128(bytes, telling[np__make_below(rng, sizeof telling / sizeof *telling)]);
    memcpy(p->data + mark->at, bytes, np__make_width(mark->type->kind));
}

static void mutate_tag(np__make_payload *p, const np__make_mark *mark, np__make_rng *rng)
{
    static const uint8_t flags[] = {0, 1, 2, 3, 0x80, 0xFF};

    if (mark->type->kind != NP_KIND_ENUM) {
        p->data[mark->at] = flags[np__make_below(rng, sizeof flags)];
        return;
    }
    /* Of the indices that exist some are newer than the version. */
    const np_type *type = mark->type;
    uint32_t index = type->variants[np__make_below(rng, type->variant_count)].index;
    uint32_t telling[] = {index, index + 1, index - 1, UINT32_MAX, index | 0x10000u};
    np_put_u32(p->data + mark->at, telling[np__make_below(rng, 5)]);
}

/* A recursive value in the place of one within it: deeper, and larger. */
static void graft(np__make_payload *p, const np__make_mark *mark, const np__make_payload *valid,
                  np__make_rng *rng)
{
    np__make_mark outer = *mark;

    for (size_t i = 0; i < valid->mark_count; i++) {
        const np__make_mark *m = &valid->marks[i];
        if (m->type == mark->type && !m->entry && m->at <= mark->at && m->end >= mark->end &&
            np__make_below(rng, 2) == 0) {
            outer = *m;
        }
    }
    for (size_t i = 1 + np__make_below(rng, 3); i > 0; i--) {
        replace(p, mark->at, mark->end - mark->at, valid->data + outer.at, outer.end - outer.at);
    }
}

/* Two entries of a map change places, or one is there twice, its count right or not. */
static void mutate_entry(np__make_payload *p, const np__make_mark *mark,
                         const np__make_payload *valid, np__make_rng *rng)
{
    size_t len = mark->end - mark->at;

    for (const np__make_mark *m = mark + 1; m < valid->marks + valid->mark_count; m++) {
        if (m->entry && m->at == mark->end && m->type == mark->type && np__make_below(rng, 3) > 0) {
            replace(p, mark->at, len, NULL, 0);
            replace(p, mark->at + m->end - m->at, 0, valid->data + mark->at, len);
            return;
        }
    }
    replace(p, mark->at, 0, valid->data + mark->at, len);
    for (const np__make_mark *m = mark; m-- > valid->marks;) {
        if (m->type == mark->type && !m->entry && m->end >= mark->end) {
            np_put_u64(p->data + m->at, np_get_u64(p->data + m->at) + 1);
            return;
        }
    }
}

static void mutate_mark(np__make_payload *p, const np__make_payload *valid, np__make_rng *rng)
{
    const np__make_mark *mark = &valid->marks[np__make_below(rng, valid->mark_count)];

    if (mark->entry) {
        mutate_entry(p, mark, valid, rng);
        return;
    }
    switch (mark->type->kind) {
    case NP_KIND_STR:
        if (np__make_below(rng, 2) == 0) {
            mutate_text(p, mark, rng);
            return;
        }
        mutate_length(p, mark, rng);
        return;
    case NP_KIND_BYTES:
    case NP_KIND_LIST:
    case NP_KIND_MAP:
        mutate_length(p, mark, rng);
        return;
    case NP_KIND_CHAR:
        mutate_char(p, mark, rng);
        return;
    case NP_KIND_F32:
    case NP_KIND_F64:
        mutate_float(p, mark, rng);
        return;
    case NP_KIND_OPTION:
    case NP_KIND_BOOL:
        mutate_tag(p, mark, rng);
        return;
    case NP_KIND_UNIT:
    case NP_KIND_ARRAY:
        mutate_end(p, rng);
        return;
    case NP_KIND_ENUM:
    case NP_KIND_STRUCT:
        if (mark->type->depth > 0 && np__make_below(rng, 2) == 0) {
            graft(p, mark, valid, rng);
        } else if (mark->type->kind == NP_KIND_ENUM) {
            mutate_tag(p, mark, rng);
        }
        return;
    default:
        mutate_integer(p, mark, rng);
        return;
    }
}

void np__make_mutant(np__make_payload *out, np__make_rng *rng, const np__make_payload *valid,
                     const np__make_payload *other)
{
    out->len = 0;
    out->mark_count = 0;
    memcpy(np__make_grow(out, valid->len), valid->data, valid->len);
    if (np__make_below(rng, 4) > 0) { /* first, while the marks still tell where things are */
        mutate_mark(out, valid, rng);
        if (np__make_below(rng, 3) > 0) {
            return;
        }
    }
    for (size_t i = 1 + np__make_below(rng, 2); i > 0; i--) {
        switch (np__make_below(rng, 4)) {
        case 0:
            mutate_end(out, rng);
            break;
        case 1:
            mutate_splice(out, rng, np__make_below(rng, 2) == 0 ? other : valid);
            break;
        default:
            mutate_byte(out, rng);
            break;
        }
    }
}
