/* netproto/codec.h - what generated codecs are made of.
 *
 * Three small cursors, all on the caller's stack:
 *
 *   np_meter   checks a value and adds up its encoded size;
 *   uint8_t *p then writes it, unchecked, since the meter has been over it;
 *   np_reader  checks and reads.
 *
 * The wire format is the one of bincode 1.3's default options: fixed-width little-endian integers,
 * u64 length prefixes, u32 variant index. Checks run in wire order; the offset of an error is the
 * first byte of the refused scalar, length, tag or UTF-8 sequence, and the end of the input where
 * input is missing. The incremental parser (parser.h) gives the same verdicts at the same offsets.
 *
 * In every function `where` is the field ("chat.Say.text") and `rule` the schema's words for its
 * bounds ("max 4096"); both are static text.
 *
 * Threads: pure. Memory: nothing is allocated; views point into the reader's input.
 */
#ifndef NETPROTO_CODEC_H
#define NETPROTO_CODEC_H

#include <netproto/error.h>
#include <netproto/types.h>

/* Before a function: what it calls becomes part of it. */
#define NP_FLATTEN __attribute__((flatten))

#ifdef __cplusplus
extern "C" {
#endif

/* Text ------------------------------------------------------------------------------------- */

/* Where a scan of text stands between two pieces. Start with `np_text_scan scan = {0};` */
typedef struct np_text_scan {
    uint8_t need;  /* continuation bytes that the sequence still lacks */
    uint8_t taken; /* bytes of the unfinished sequence seen so far */
    uint8_t lo;    /* bounds of the next continuation byte */
    uint8_t hi;
} np_text_scan;

/* Scans a piece of UTF-8 (RFC 3629: no surrogates, no overlong forms, up to U+10FFFF).
 *
 * nonul: refuse NUL too. On failure *bad is the offset of the first byte of the refused sequence
 * relative to data; it is negative where the sequence began in an earlier piece.
 * Returns NP_OK, NP_ERR_UTF8 or NP_ERR_NUL. */
NP_API np_err np_text_scan_piece(np_text_scan *scan, const char *data, size_t len, bool nonul,
                                 ptrdiff_t *bad);

/* Ends a scan: NP_ERR_UTF8 if a sequence is unfinished, which began scan->taken bytes ago. */
static inline np_err np_text_scan_end(const np_text_scan *scan)
{
    return scan->need == 0 ? NP_OK : NP_ERR_UTF8;
}

/* Whether all bytes are below 0x80; the common case, decided two words at a time. The last step
 * looks again at bytes that were looked at before, which costs less than to count the rest. Long
 * text that is not ASCII mostly shows it in its first block, and is then read on by who checks it.
 */
static inline bool np_text_is_ascii(const char *data, size_t len)
{
    const uint8_t *p = (const uint8_t *)data; /* may be NULL where len is 0 */
    uint64_t high = 0;

    if (len >= 16) {
        const uint8_t *end = p + len;
        if (np_unlikely(len > 64)) {
            do {
                high = np_get_u64(p) | np_get_u64(p + 8) | np_get_u64(p + 16) | np_get_u64(p + 24);
                high |= np_get_u64(p + 32) | np_get_u64(p + 40);
                high |= np_get_u64(p + 48) | np_get_u64(p + 56);
                if ((high & 0x8080808080808080u) != 0) {
                    return false;
                }
                p += 64;
            } while (end - p > 64);
        }
        for (; end - p > 16; p += 16) {
            high |= np_get_u64(p) | np_get_u64(p + 8);
        }
        high |= np_get_u64(end - 16) | np_get_u64(end - 8);
    } else if (len >= 8) {
        high = np_get_u64(p) | np_get_u64(p + len - 8);
    } else if (len >= 4) {
        high = np_get_u32(p) | np_get_u32(p + len - 4);
    } else if (len > 0) {
        high = (uint64_t)(p[0] | p[len / 2] | p[len - 1]);
    }
    return (high & 0x8080808080808080u) == 0;
}

/* The other half of checking whole text; *bad is the offset of the refused sequence. */
NP_API np_err np_text_check_slow(const char *data, size_t len, bool nonul, size_t *bad);

/* Measuring ---------------------------------------------------------------------------------- */

/* Checks values on their way out and adds up their encoded size. */
typedef struct np_meter {
    size_t len;       /* bytes so far; the offset that a fault tells */
    uint32_t version; /* of the protocol, as agreed with the peer */
    uint32_t depth;   /* levels of recursion entered */
    np_fault *fault;  /* or NULL */
} np_meter;

/* What tells a failure gets a copy of the meter, and below of the reader: one whose address went
 * out of a codec would have to live in memory from its first byte to its last. */
NP_API NP_COLD np_err np__meter_fail(np_meter m, np_err err, const char *where, const char *rule,
                                     np_got kind, uint64_t got);

/* Fails with the meter's position as the offset. Cold: no message takes this way twice. */
static inline np_err np_meter_fail(const np_meter *m, np_err err, const char *where,
                                   const char *rule, np_got kind, uint64_t got)
{
    return np__meter_fail(*m, err, where, rule, kind, got);
}

static inline np_err np_meter_length(const np_meter *m, size_t len, size_t min, size_t max,
                                     const char *where, const char *rule)
{
    if (np_unlikely(len > max)) {
        return np_meter_fail(m, NP_ERR_TOO_LONG, where, rule, NP_GOT_UNSIGNED, len);
    }
    if (np_unlikely(len < min)) {
        return np_meter_fail(m, NP_ERR_TOO_SHORT, where, rule, NP_GOT_UNSIGNED, len);
    }
    return NP_OK;
}

/* A string whose length is already judged: UTF-8, and no NUL if nonul. */
NP_API np_err np__meter_bad_text(np_meter m, np_str str, bool nonul, const char *where,
                                 const char *rule);

static inline np_err np_meter_str(np_meter *m, np_str str, size_t min, size_t max, bool nonul,
                                  const char *where, const char *rule)
{
    np_err err = np_meter_length(m, str.len, min, max, where, rule);
    if (np_unlikely(err != NP_OK)) {
        return err;
    }
    if (np_unlikely(str.data == NULL && str.len > 0)) {
        return np_meter_fail(m, NP_ERR_ARG, where, "set data together with len", NP_GOT_NOTHING, 0);
    }
    if (np_unlikely(nonul || !np_text_is_ascii(str.data, str.len))) {
        err = np__meter_bad_text(*m, str, nonul, where, rule);
        if (np_unlikely(err != NP_OK)) {
            return err;
        }
    }
    m->len += 8 + str.len;
    return NP_OK;
}

static inline np_err np_meter_bytes(np_meter *m, np_bytes bytes, size_t min, size_t max,
                                    const char *where, const char *rule)
{
    np_err err = np_meter_length(m, bytes.len, min, max, where, rule);
    if (np_unlikely(err == NP_OK && bytes.data == NULL && bytes.len > 0)) {
        err = np_meter_fail(m, NP_ERR_ARG, where, "set data together with len", NP_GOT_NOTHING, 0);
    }
    m->len += 8 + bytes.len;
    return err;
}

/* Ends the outermost value of a recursive type, which began when m->len was `begin`. */
static inline np_err np_meter_whole(const np_meter *m, size_t begin, size_t max, const char *where,
                                    const char *rule)
{
    if (np_unlikely(m->len - begin > max)) {
        np_meter at = *m;
        at.len = begin;
        return np_meter_fail(&at, NP_ERR_TOO_LONG, where, rule, NP_GOT_UNSIGNED, m->len - begin);
    }
    return NP_OK;
}

/* Whether a comes strictly before b. */
typedef bool np_ascends_fn(const void *a, const void *b);

/* Sorts `count` items of `size` bytes each; what X_sort of a map calls. It takes no memory and no
 * more than about 2 * count * log2(count) comparisons, whatever the order was. */
NP_API void np_sort(void *items, size_t count, size_t size, np_ascends_fn *ascends);

/* A float as np_fault.got carries it: as the bits of a double. */
static inline uint64_t np_f64_bits(const double *value)
{
    uint64_t bits;
    memcpy(&bits, value, sizeof bits);
    return bits;
}

static inline uint64_t np_float_bits(double value)
{
    return np_f64_bits(&value);
}

/* Whether a code point is a Unicode scalar value. */
static inline bool np_char_valid(np_char c)
{
    return c < 0xD800 || (c >= 0xE000 && c <= 0x10FFFF);
}

/* Bytes of a valid code point in UTF-8. */
static inline size_t np_char_len(np_char c)
{
    return c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
}

/* Writing ------------------------------------------------------------------------------------ */

static inline uint8_t *np_put_raw(uint8_t *p, const void *data, size_t len)
{
    if (len > 0) {
        memcpy(p, data, len);
    }
    return p + len;
}

/* As np_put_raw, for what is mostly short: up to 32 bytes without a call, by two moves that may
 * overlap. */
static inline uint8_t *np_put_short(uint8_t *p, const void *data, size_t len)
{
    const uint8_t *from = (const uint8_t *)data;

    if (len > 32) {
        memcpy(p, from, len);
    } else if (len >= 16) {
        np_u128 first = np_get_u128(from);
        np_u128 last = np_get_u128(from + len - 16);
        np_put_u128(p, first);
        np_put_u128(p + len - 16, last);
    } else if (len >= 8) {
        uint64_t first = np_get_u64(from);
        uint64_t last = np_get_u64(from + len - 8);
        np_put_u64(p, first);
        np_put_u64(p + len - 8, last);
    } else if (len >= 4) {
        uint32_t first = np_get_u32(from);
        uint32_t last = np_get_u32(from + len - 4);
        np_put_u32(p, first);
        np_put_u32(p + len - 4, last);
    } else if (len > 0) {
        p[0] = from[0];
        p[len / 2] = from[len / 2];
        p[len - 1] = from[len - 1];
    }
    return p + len;
}

static inline uint8_t *np_put_str(uint8_t *p, np_str str)
{
    return np_put_short(np_put_u64(p, str.len), str.data, str.len);
}

static inline uint8_t *np_put_bytes(uint8_t *p, np_bytes bytes)
{
    return np_put_short(np_put_u64(p, bytes.len), bytes.data, bytes.len);
}

/* A valid code point as UTF-8. */
NP_API uint8_t *np_put_char(uint8_t *p, np_char c);

/* Reading ------------------------------------------------------------------------------------ */

/* Checks and reads one payload from front to back. */
typedef struct np_reader {
    const uint8_t *p;     /* next byte */
    const uint8_t *end;   /* behind the last */
    const uint8_t *start; /* where offsets count from */
    uint32_t version;     /* of the protocol, as agreed with the peer */
    uint32_t depth;       /* levels of recursion entered */
    np_fault *fault;      /* or NULL */
    bool scratch;         /* what is read is checked and not kept: see np_read_clear */
} np_reader;

static inline size_t np_left(const np_reader *r)
{
    return (size_t)(r->end - r->p);
}

NP_API NP_COLD np_err np__read_fail(np_reader r, np_err err, const char *where, const char *rule,
                                    const uint8_t *at, np_got kind, uint64_t got);
NP_API NP_COLD np_err np__read_short(np_reader r, const char *where);

/* Fails at the byte `at`. */
static inline np_err np_read_fail(const np_reader *r, np_err err, const char *where,
                                  const char *rule, const uint8_t *at, np_got kind, uint64_t got)
{
    return np__read_fail(*r, err, where, rule, at, kind, got);
}

/* Fails because the input ends within the field `where`. */
static inline np_err np_read_short(const np_reader *r, const char *where)
{
    return np__read_short(*r, where);
}

/* Clears what no field stands for: an absent option's value, the variants that were not chosen.
 *
 * Items of a list are read where it is checked and where it is measured, to be thrown away. Whoever
 * sends a long list of such items, each of few bytes, must not make us clear a large struct for
 * each of them. */
static inline void np_read_clear(const np_reader *r, void *value, size_t size)
{
    if (size <= 64 || !r->scratch) {
        memset(value, 0, size);
    }
}

/* A run of fields of fixed size is checked for presence at once; where it is cut, this table
 * tells which field the end fell into. Offsets count from the start of the run. */
typedef struct np_run {
    uint32_t end; /* offset behind the field */
    const char *where;
} np_run;

NP_API NP_COLD np_err np__read_cut(np_reader r, const np_run *run);

/* Fails because the input ends within a run; names the field it ends in. */
static inline np_err np_read_cut(const np_reader *r, const np_run *run)
{
    return np__read_cut(*r, run);
}

/* Fails if input is left over. */
static inline np_err np_read_end(const np_reader *r, const char *where)
{
    if (np_unlikely(r->p != r->end)) {
        return np_read_fail(r, NP_ERR_TRAILING, where, NULL, r->p, NP_GOT_NOTHING, 0);
    }
    return NP_OK;
}

/* A length or count prefix whose 8 bytes are there. */
static inline np_err np_read_length(np_reader *r, size_t *len, size_t min, size_t max,
                                    const char *where, const char *rule)
{
    uint64_t got = np_get_u64(r->p);

    if (np_unlikely(got > max)) {
        return np_read_fail(r, NP_ERR_TOO_LONG, where, rule, r->p, NP_GOT_UNSIGNED, got);
    }
    if (np_unlikely(got < min)) {
        return np_read_fail(r, NP_ERR_TOO_SHORT, where, rule, r->p, NP_GOT_UNSIGNED, got);
    }
    r->p += 8;
    *len = (size_t)got;
    return NP_OK;
}

/* Finds what is wrong with text that is cut, not ASCII, or may not hold NUL; NP_OK if nothing. */
NP_API np_err np__read_bad_text(np_reader r, size_t len, bool nonul, const char *where,
                                const char *rule);

/* A string whose 8 bytes of length are there. */
static inline np_err np_read_str(np_reader *r, np_str *out, size_t min, size_t max, bool nonul,
                                 const char *where, const char *rule)
{
    size_t len = 0;
    np_err err = np_read_length(r, &len, min, max, where, rule);

    if (np_unlikely(err != NP_OK)) {
        return err;
    }
    if (np_unlikely(np_left(r) < len || nonul || !np_text_is_ascii((const char *)r->p, len))) {
        err = np__read_bad_text(*r, len, nonul, where, rule);
        if (np_unlikely(err != NP_OK)) {
            return err;
        }
    }
    out->data = (const char *)r->p;
    out->len = len;
    r->p += len;
    return NP_OK;
}

/* Bytes whose 8 bytes of length are there. */
static inline np_err np_read_bytes(np_reader *r, np_bytes *out, size_t min, size_t max,
                                   const char *where, const char *rule)
{
    size_t len = 0;
    np_err err = np_read_length(r, &len, min, max, where, rule);

    if (np_unlikely(err != NP_OK)) {
        return err;
    }
    if (np_unlikely(np_left(r) < len)) {
        return np_read_short(r, where);
    }
    out->data = r->p;
    out->len = len;
    r->p += len;
    return NP_OK;
}

/* The bytes of the char at the reader's position in *len. */
NP_API np_err np__read_char(np_reader r, np_char *out, size_t *len, const char *where);

/* A char: one to four bytes of UTF-8. */
static inline np_err np_read_char(np_reader *r, np_char *out, const char *where)
{
    size_t len = 0;
    np_err err = np__read_char(*r, out, &len, where);

    r->p += len;
    return err;
}

/* A bool or an option's tag, whose byte is there. */
static inline np_err np_read_bool(np_reader *r, bool *out, const char *where)
{
    uint8_t got = *r->p;

    if (np_unlikely(got > 1)) {
        return np_read_fail(r, NP_ERR_BOOL, where, NULL, r->p, NP_GOT_UNSIGNED, got);
    }
    *out = got != 0;
    r->p++;
    return NP_OK;
}

static inline np_err np_read_option(np_reader *r, bool *out, const char *where)
{
    uint8_t got = *r->p;

    if (np_unlikely(got > 1)) {
        return np_read_fail(r, NP_ERR_OPTION, where, NULL, r->p, NP_GOT_UNSIGNED, got);
    }
    *out = got != 0;
    r->p++;
    return NP_OK;
}

/* Starts a reader over a payload. data may be NULL where len is 0. */
static inline np_reader np_reader_start(const uint8_t *data, size_t len, uint32_t version,
                                        np_fault *fault)
{
    const uint8_t *start = data != NULL ? data : (const uint8_t *)"";
    np_reader r = {start, start + len, start, version, 0, fault, false};
    return r;
}

/* A message's id, which must be the one expected. */
static inline np_err np_read_id(np_reader *r, uint32_t id, const char *where)
{
    if (np_unlikely(np_left(r) < 4)) {
        return np_read_short(r, where);
    }
    if (np_unlikely(np_get_u32(r->p) != id)) {
        return np_read_fail(r, NP_ERR_UNKNOWN_MESSAGE, where, NULL, r->p, NP_GOT_UNSIGNED,
                            np_get_u32(r->p));
    }
    r->p += 4;
    return NP_OK;
}

/* Ends the outermost value of a recursive type, whose size as a whole is bounded. */
static inline np_err np_read_whole(const np_reader *r, const uint8_t *begin, size_t max,
                                   const char *where, const char *rule)
{
    size_t len = (size_t)(r->p - begin);

    if (np_unlikely(len > max)) {
        return np_read_fail(r, NP_ERR_TOO_LONG, where, rule, begin, NP_GOT_UNSIGNED, len);
    }
    return NP_OK;
}

/* The bytes from `from` to the reader's position, as a list keeps them. */
static inline np_wire np_read_wire(const np_reader *r, const uint8_t *from)
{
    np_wire wire = {from, (uint32_t)(r->p - from), r->version};
    return wire;
}

/* Starts a reader over a list's wire, behind the items already taken. Fails never: the bytes were
 * checked when they came in. */
static inline np_reader np_wire_reader(const np_wire *wire, const np_iter *it)
{
    np_reader r = np_reader_start(wire->data, wire->len, wire->version, NULL);
    r.p += it->offset;
    return r;
}

/* Order of two byte strings as memcmp gives it, a prefix before the longer one (Rust's Ord). */
static inline int np_bytes_compare(const void *a, size_t a_len, const void *b, size_t b_len)
{
    size_t len = a_len < b_len ? a_len : b_len;
    int order = len > 0 ? memcmp(a, b, len) : 0;
    return order != 0 ? order : (a_len > b_len) - (a_len < b_len);
}

static inline int np_u128_compare(np_u128 a, np_u128 b)
{
    return a.hi != b.hi ? (a.hi > b.hi) - (a.hi < b.hi) : (a.lo > b.lo) - (a.lo < b.lo);
}

static inline int np_i128_compare(np_i128 a, np_i128 b)
{
    return a.hi != b.hi ? (a.hi > b.hi) - (a.hi < b.hi) : (a.lo > b.lo) - (a.lo < b.lo);
}

#ifdef __cplusplus
}
#endif

#endif
