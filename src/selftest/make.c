/* make.c - valid payloads from descriptors; make_mutant.c breaks them. */
#include "selftest/make_private.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "selftest/wide.h"

/* Values made before a type is given up. */
#define MOST_TRIES 1000

/* Numbers of a key's type that have no key: the surrogates among the characters. */
#define MOST_GAPS 2048

/* Randomness and memory --------------------------------------------------------------------------
 */

uint64_t np__make_random(np__make_rng *rng)
{
    uint64_t z = rng->state += 0x9E3779B97F4A7C15u;

    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return z ^ z >> 31;
}

size_t np__make_below(np__make_rng *rng, size_t n)
{
    return (size_t)(np__make_random(rng) % n);
}

void np__make_free(np__make_payload *payload)
{
    free(payload->data);
    free(payload->marks);
    *payload = (np__make_payload){0};
}

uint8_t *np__make_grow(np__make_payload *payload, size_t len)
{
    if (payload->len + len > payload->cap) {
        payload->cap = 2 * (payload->len + len) + 64;
        payload->data = realloc(payload->data, payload->cap);
        if (payload->data == NULL) {
            abort();
        }
    }
    payload->len += len;
    return payload->data + payload->len - len;
}

static void put_bytes(np__make_payload *payload, const void *data, size_t len)
{
    if (len > 0) {
        memcpy(np__make_grow(payload, len), data, len);
    }
}

static size_t begin_mark(np__make_payload *payload, const np_type *type, bool entry)
{
    if (payload->mark_count == payload->mark_cap) {
        payload->mark_cap = 2 * payload->mark_cap + 16;
        payload->marks = realloc(payload->marks, payload->mark_cap * sizeof *payload->marks);
        if (payload->marks == NULL) {
            abort();
        }
    }
    payload->marks[payload->mark_count] = (np__make_mark){payload->len, payload->len, type, entry};
    return payload->mark_count++;
}

/* Makers -----------------------------------------------------------------------------------------
 */

typedef struct maker {
    np__make_rng *rng;
    np__make_payload *out;
    uint32_t version;
    size_t budget;        /* beyond it, only what must be there */
    const np_type *outer; /* the outermost type of the recursion that is open, or NULL */
    uint32_t depth;       /* levels of that recursion */
    unsigned thin;        /* how often something came out too large */
} maker;

static bool make_value(maker *m, const np_type *type, bool held);

static bool is_tight(const maker *m)
{
    return m->thin > 3 || m->out->len >= m->budget;
}

/* How many bytes or items: often few, and every now and then exactly as many as are allowed. */
static size_t pick_count(maker *m, size_t min, size_t max)
{
    size_t room = m->out->len < m->budget ? m->budget - m->out->len : 0;
    size_t most = max - min < room ? max - min : room;

    if (is_tight(m) || most == 0) {
        return min;
    }
    switch (np__make_below(m->rng, 8)) {
    case 0:
        return min;
    case 1:
        return min + most;
    case 2:
        return min + np__make_below(m->rng, most + 1);
    default:
        return min + np__make_below(m->rng, (most < 4 ? most : 4) + 1);
    }
}

static void put_integer(maker *m, const np_type *type, np_u128 value)
{
    uint8_t bytes[16];

    np_put_u128(bytes, value);
    put_bytes(m->out, bytes, np__make_width(type->kind));
}

/* lo + something, up to hi: the ends more often than what lies between. */
static np_u128 pick_between(np__make_rng *rng, np_u128 lo, np_u128 hi)
{
    static const np_u128 one = {1, 0};
    np_u128 span = np__wide_subtract(hi, lo);
    bool only_one = span.lo == 0 && span.hi == 0;
    np_u128 any;

    any.hi = np__make_random(rng);
    any.lo = np__make_random(rng);

    switch (np__make_below(rng, 6)) {
    case 0:
        return lo;
    case 1:
        return hi;
    case 2:
        return only_one ? lo : np__wide_add(lo, one);
    case 3:
        return only_one ? hi : np__wide_subtract(hi, one);
    default:
        any = np__wide_shift_right(any, np__make_below(rng, 128));
        if (np_u128_compare(span, np__wide_most) == 0) {
            return any;
        }
        return np__wide_add(lo, np__wide_modulo(any, np__wide_add(span, one)));
    }
}

static void make_integer(maker *m, const np_type *type)
{
    static const np_u128 least = {0, 0};
    const np_range *range = type->range;

    /* Two's complement: a signed range from lo to hi is one as unsigned numbers modulo 2^128. */
    put_integer(m, type,
                range != NULL ? pick_between(m->rng, range->lo.u, range->hi.u)
                              : pick_between(m->rng, least, np__wide_most));
}

static void make_float(maker *m, const np_type *type)
{
    static const double telling[] = {0.0, -0.0, 1.0, -1.0, 0.1, 1e30, -1e30, 1e-40};
    bool narrow = type->kind == NP_KIND_F32;
    uint8_t bytes[8];
    double value;

    if (type->range == NULL && !type->finite && np__make_below(m->rng, 8) == 0) {
        /* A NaN that signals, and what it says, as bits: it may not survive being a number. */
        np_put_u64(bytes, narrow ? 0xFFA12345u : 0xFFF4123456789ABCu);
        put_bytes(m->out, bytes, narrow ? 4 : 8);
        return;
    }
    do {
        np_put_u64(bytes, np__make_random(m->rng));
        value = narrow ? (double)np_get_f32(bytes) : np_get_f64(bytes);
        if (np__make_below(m->rng, 2) == 0) {
            value = telling[np__make_below(m->rng, sizeof telling / sizeof *telling)];
        }
        if (type->range != NULL) {
            double lo = fmax(type->range->lo.f, fmin(type->range->hi.f, -1e30));
            double hi = fmin(type->range->hi.f, fmax(type->range->lo.f, 1e30));
            double part = (double)np__make_below(m->rng, 5) / 4;
            value = lo * (1 - part) + hi * part;
        }
        if (narrow && value == value) { /* NaN keeps the bits it came with */
            np_put_f32(bytes, (float)value);
            value = (double)np_get_f32(bytes);
        } else if (value == value) {
            np_put_f64(bytes, value);
        }
    } while (!np__make_float_allowed(type, value));
    put_bytes(m->out, bytes, narrow ? 4 : 8);
}

/* A code point, often one at the edge of what a number of bytes can say. */
static np_char pick_char(np__make_rng *rng)
{
    static const np_char telling[] = {0,      1,      'a',    0x7F,    0x80,     0x7FF,  0x800,
                                      0xD7FF, 0xE000, 0xFFFF, 0x10000, 0x10FFFF, 0x1F600};
    np_char c;

    if (np__make_below(rng, 2) == 0) {
        return telling[np__make_below(rng, sizeof telling / sizeof *telling)];
    }
    do {
        c = (np_char)np__make_below(rng, 0x110000) >> np__make_below(rng, 15);
    } while (!np_char_valid(c));
    return c;
}

static void make_char(maker *m, const np_type *type)
{
    np_char c = pick_char(m->rng);
    uint8_t bytes[4];

    if (type->range != NULL) {
        do {
            c = (np_char)pick_between(m->rng, type->range->lo.u, type->range->hi.u).lo;
        } while (!np_char_valid(c));
    }
    put_bytes(m->out, bytes, (size_t)(np_put_char(bytes, c) - bytes));
}

static void make_text(maker *m, const np_type *type)
{
    size_t left = pick_count(m, type->min, type->max);
    uint8_t bytes[8];

    np_put_u64(bytes, left);
    put_bytes(m->out, bytes, 8);
    if (type->kind == NP_KIND_BYTES) {
        for (uint8_t *p = np__make_grow(m->out, left); left > 0; left--) {
            *p++ = (uint8_t)np__make_random(m->rng);
        }
        return;
    }
    while (left > 0) {
        np_char c = np__make_below(m->rng, 3) > 0 ? 'a' + (np_char)np__make_below(m->rng, 26)
                                                  : pick_char(m->rng);
        if (np_char_len(c) > left || (type->nonul && c == 0)) {
            c = '.';
        }
        put_bytes(m->out, bytes, (size_t)(np_put_char(bytes, c) - bytes));
        left -= np_char_len(c);
    }
}

/* Containers -------------------------------------------------------------------------------------
 */

/* Whether a recursion that is open still has a level for this item. */
static bool has_level(const maker *m, const np_type *item)
{
    return item->depth == 0 || m->outer == NULL || !np__make_reaches(item, m->outer) ||
           m->depth + 1 < item->depth;
}

static bool make_items(maker *m, const np_type *type, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (!make_value(m, type->item, type->kind != NP_KIND_ARRAY)) {
            return false;
        }
    }
    return true;
}

static bool make_list(maker *m, const np_type *type)
{
    size_t count = pick_count(m, type->min, type->max);
    uint8_t bytes[8];

    if (!has_level(m, type->item)) {
        count = 0;
    }
    np_put_u64(bytes, count);
    put_bytes(m->out, bytes, 8);
    return count >= type->min && make_items(m, type, count);
}

static bool make_option(maker *m, const np_type *type)
{
    bool has = !is_tight(m) && has_level(m, type->item) && np__make_below(m->rng, 4) > 0;

    *np__make_grow(m->out, 1) = has;
    return !has || make_value(m, type->item, true);
}

/* Puts a key among those there are, which ascend; false if it is there already. */
static bool insert_key(np__make_payload *keys, size_t *count, np__make_payload key,
                       const np_type *type)
{
    size_t at = *count;

    while (at > 0) {
        int order =
            np__make_key_compare(type, key.data, key.len, keys[at - 1].data, keys[at - 1].len);
        if (order == 0) {
            return false;
        }
        if (order > 0) {
            break;
        }
        at--;
    }
    memmove(keys + at + 1, keys + at, (*count - at) * sizeof *keys);
    keys[at] = key;
    ++*count;
    return true;
}

/* The digits of i to a base, the last one last, and what is left of i. */
static uint64_t put_digits(np__make_payload *key, uint64_t i, size_t len, uint32_t base,
                           uint32_t first)
{
    uint8_t *p = np__make_grow(key, len);

    while (len > 0) {
        p[--len] = (uint8_t)(first + i % base);
        i /= base;
    }
    return i;
}

/* Texts by their length, letters of one byte only. */
static bool nth_text(np__make_payload *key, const np_type *type, uint64_t i)
{
    uint32_t first = type->nonul ? 1 : 0;
    uint32_t base = (type->kind == NP_KIND_STR ? 0x80 : 0x100) - first;

    for (size_t len = type->min; len <= type->max; len++) {
        uint64_t count = 1;
        for (size_t digit = 0; digit < len && count <= i; digit++) {
            count *= base;
        }
        if (i < count) {
            np_put_u64(np__make_grow(key, 8), len);
            put_digits(key, i, len, base, first);
            return true;
        }
        i -= count;
    }
    return false;
}

/* The keys of a type by number, for maps that need nearly all there are. False where that number
 * has none. */
static bool nth_key(maker *m, const np_type *type, uint64_t i)
{
    const np_range *range = type->range;
    np_u128 value = {i, 0};

    switch (type->kind) {
    case NP_KIND_STR:
    case NP_KIND_BYTES:
        return nth_text(m->out, type, i);
    case NP_KIND_ARRAY:
        return put_digits(m->out, i, type->max, 0x100, 0) == 0;
    case NP_KIND_ENUM:
        if (i >= type->variant_count || type->variants[i].since > m->version) {
            return false;
        }
        np_put_u32(np__make_grow(m->out, 4), type->variants[i].index);
        return true;
    default:
        break;
    }
    if (range != NULL) {
        if (np_u128_compare(value, np__wide_subtract(range->hi.u, range->lo.u)) > 0) {
            return false;
        }
        value = np__wide_add(range->lo.u, value);
    }
    if (type->kind == NP_KIND_CHAR) {
        np_char c = (np_char)value.lo;
        if (value.lo > 0x10FFFF || !np_char_valid(c)) {
            return false;
        }
        uint8_t *p = np__make_grow(m->out, np_char_len(c));
        np_put_char(p, c);
        return true;
    }
    if (type->kind == NP_KIND_BOOL) {
        *np__make_grow(m->out, 1) = (uint8_t)(i & 1);
        return true;
    }
    put_integer(m, type, value);
    return true;
}

/* Keys at random, and where that does not give as many as there must be, one after the other. */
static size_t make_keys(maker *m, const np_type *type, np__make_payload *keys, size_t wanted)
{
    size_t count = 0;
    uint64_t next = 0;

    for (size_t tries = 0; count < wanted; tries++) {
        np__make_payload key = {0};
        maker sub = *m;
        bool ok;
        sub.out = &key;
        if (tries < 4 * wanted) {
            sub.budget = 8 + np__make_below(m->rng, 24);
            ok = make_value(&sub, type->key, false);
        } else if (count < type->min && next < type->min + MOST_GAPS) {
            ok = nth_key(&sub, type->key, next++);
        } else {
            return count;
        }
        if (!ok || !insert_key(keys, &count, key, type->key)) {
            np__make_free(&key);
        }
    }
    return count;
}

static bool make_map(maker *m, const np_type *type)
{
    size_t wanted = has_level(m, type->item) ? pick_count(m, type->min, type->max) : 0;
    np__make_payload *keys = calloc(wanted + 1, sizeof *keys);
    uint8_t bytes[8];
    bool ok = true;

    if (keys == NULL) {
        abort();
    }
    size_t count = make_keys(m, type, keys, wanted);
    np_put_u64(bytes, count);
    put_bytes(m->out, bytes, 8);
    for (size_t i = 0; i < count && ok; i++) {
        size_t entry = begin_mark(m->out, type, true);
        size_t key = begin_mark(m->out, type->key, false);
        put_bytes(m->out, keys[i].data, keys[i].len);
        m->out->marks[key].end = m->out->len;
        ok = make_value(m, type->item, true);
        m->out->marks[entry].end = m->out->len;
    }
    for (size_t i = 0; i < count; i++) {
        np__make_free(&keys[i]);
    }
    free(keys);
    return ok && count >= type->min;
}

/* Structs and enums ------------------------------------------------------------------------------
 */

static bool make_fields(maker *m, const np_field *fields, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (fields[i].since <= m->version && !make_value(m, fields[i].type, false)) {
            return false;
        }
    }
    return true;
}

/* False where no variant is as old as the version. */
static bool make_enum(maker *m, const np_type *type)
{
    const np_variant *variant = type->variants;
    size_t old = 0;
    uint8_t bytes[4];

    for (size_t i = 0; i < type->variant_count; i++) {
        old += type->variants[i].since <= m->version ? 1 : 0;
    }
    if (old == 0) {
        return false;
    }
    for (size_t left = np__make_below(m->rng, old);; variant++) {
        if (variant->since <= m->version && left-- == 0) {
            break;
        }
    }
    np_put_u32(bytes, variant->index);
    put_bytes(m->out, bytes, 4);
    return make_fields(m, variant->fields, variant->field_count);
}

static bool make_members(maker *m, const np_type *type)
{
    return type->kind == NP_KIND_ENUM ? make_enum(m, type)
                                      : make_fields(m, type->fields, type->field_count);
}

/* A recursive type: bounded in depth and, as a whole, in size. What comes out too large is made
 * again, with less and less that need not be there. */
static bool make_recursive(maker *m, const np_type *type, bool held)
{
    if (m->outer != NULL && np__make_reaches(type, m->outer)) {
        m->depth += held ? 1 : 0;
        bool ok = m->depth < type->depth && make_members(m, type);
        m->depth -= held ? 1 : 0;
        return ok;
    }

    maker saved = *m;
    size_t begin = m->out->len, marks = m->out->mark_count;
    bool ok = false;
    m->outer = type;
    m->depth = 0;
    for (int tries = 0; tries < 64 && !ok; tries++, m->thin++) {
        m->out->len = begin;
        m->out->mark_count = marks;
        ok = make_members(m, type) && m->out->len - begin <= type->max_len;
    }
    *m = saved;
    return ok;
}

static bool make_scalar(maker *m, const np_type *type)
{
    switch (type->kind) {
    case NP_KIND_F32:
    case NP_KIND_F64:
        make_float(m, type);
        break;
    case NP_KIND_BOOL:
        *np__make_grow(m->out, 1) = (uint8_t)np__make_below(m->rng, 2);
        break;
    case NP_KIND_CHAR:
        make_char(m, type);
        break;
    case NP_KIND_STR:
    case NP_KIND_BYTES:
        make_text(m, type);
        break;
    case NP_KIND_UNIT:
        break;
    default:
        make_integer(m, type);
        break;
    }
    return true;
}

/* held: it is the item of a list, map or option, where a recursion goes a level deeper. */
static bool make_value(maker *m, const np_type *type, bool held)
{
    size_t mark = begin_mark(m->out, type, false);
    bool ok;

    switch (type->kind) {
    case NP_KIND_ARRAY:
        ok = make_items(m, type, type->max);
        break;
    case NP_KIND_LIST:
        ok = make_list(m, type);
        break;
    case NP_KIND_MAP:
        ok = make_map(m, type);
        break;
    case NP_KIND_OPTION:
        ok = make_option(m, type);
        break;
    case NP_KIND_STRUCT:
    case NP_KIND_ENUM:
        ok = type->depth > 0 ? make_recursive(m, type, held) : make_members(m, type);
        break;
    default:
        ok = make_scalar(m, type);
        break;
    }
    if (ok) {
        m->out->marks[mark].end = m->out->len;
    }
    return ok;
}

bool np__make_valid(np__make_payload *out, np__make_rng *rng, const np_message *message,
                    uint32_t version, bool reply, size_t budget)
{
    maker m = {.rng = rng, .out = out, .version = version, .budget = budget};
    const np_type *type = reply ? message->reply : message->type;

    for (int tries = 0; tries < MOST_TRIES; tries++, m.thin++) {
        out->len = 0;
        out->mark_count = 0;
        np_put_u32(np__make_grow(out, 4), message->id);
        if (make_value(&m, type, false)) {
            return true;
        }
    }
    return false;
}
