#include "support/utf8_check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/utf8.h"

#define TEXT_MAX 3072

/* From both sides of every limit of RFC 3629's table; then the other bytes that lead nothing, which
 * a table of nibbles could take for leads one by one. */
static const uint8_t edges[] = {0x00, 0x41, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF,
                                0xC0, 0xC1, 0xC2, 0xDF, 0xE0, 0xE1, 0xEC, 0xED, 0xEE,
                                0xEF, 0xF0, 0xF1, 0xF3, 0xF4, 0xF5, 0xFF, 0xF6, 0xF7,
                                0xF8, 0xF9, 0xFA, 0xFB, 0xFC, 0xFD, 0xFE};

enum { LEADS = sizeof edges, EDGES = LEADS - 9 };

typedef struct verdict {
    np_err err;
    size_t bad; /* 0 where err is NP_OK */
} verdict;

/* What must come out: by decoding, and looking at the code points. */
static verdict expected(const uint8_t *p, size_t len, bool nonul)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};

    for (size_t i = 0, n = 0; i < len; i += n) {
        uint32_t code = p[i];
        n = code < 0x80 ? 1 : code < 0xC0 ? 0 : code < 0xE0 ? 2 : code < 0xF0 ? 3 : 4;
        if (n == 0 || code >= 0xF8 || n > len - i) {
            return (verdict){NP_ERR_UTF8, i};
        }
        code &= n == 1 ? 0x7Fu : 0x7Fu >> n;
        for (size_t k = 1; k < n; k++) {
            if (p[i + k] >> 6 != 2) {
                return (verdict){NP_ERR_UTF8, i};
            }
            code = code << 6 | (p[i + k] & 0x3Fu);
        }
        if (code < least[n] || code > 0x10FFFF || (code >= 0xD800 && code <= 0xDFFF)) {
            return (verdict){NP_ERR_UTF8, i};
        }
        if (nonul && code == 0) {
            return (verdict){NP_ERR_NUL, i};
        }
    }
    return (verdict){NP_OK, 0};
}

static bool complain(utf8_check *check, const char *what, const uint8_t *p, size_t len, bool nonul,
                     verdict want, verdict got)
{
    size_t from = want.bad > 8 ? want.bad - 8 : 0;
    int n =
        snprintf(check->fault, sizeof check->fault,
                 "%s, %zu bytes%s: error %d at %zu, and should be %d at %zu; from %zu on:", what,
                 len, nonul ? " without NUL" : "", got.err, got.bad, want.err, want.bad, from);

    for (size_t i = from; i < len && i < from + 24; i++) {
        n += snprintf(check->fault + n, sizeof check->fault - (size_t)n, " %02X", p[i]);
    }
    return false;
}

/* np_text_scan_piece or the scanner alone, with cuts every `step` bytes. */
static verdict in_pieces(const uint8_t *p, size_t len, bool nonul, size_t step, bool scanner)
{
    np_text_scan scan = {0};
    ptrdiff_t bad = 0;

    for (size_t at = 0, n = 0; at < len; at += n) {
        n = step < len - at ? step : len - at;
        np_err err = scanner ? np__utf8_scan(&scan, p + at, n, nonul, &bad)
                             : np_text_scan_piece(&scan, (const char *)p + at, n, nonul, &bad);
        if (err != NP_OK) {
            return (verdict){err, (size_t)((ptrdiff_t)at + bad)};
        }
    }
    if (np_text_scan_end(&scan) != NP_OK) {
        return (verdict){NP_ERR_UTF8, len - scan.taken};
    }
    return (verdict){NP_OK, 0};
}

static bool same(verdict a, verdict b)
{
    return a.err == b.err && a.bad == b.bad;
}

/* What the vector code passes over must be right, and it must not stop without a reason. */
static bool skip_is_right(const uint8_t *p, size_t len, bool nonul, verdict want)
{
    size_t skipped = np__utf8_skip(p, len, nonul);

    if (!np__utf8_has_vector()) {
        return skipped == 0;
    }
    if (want.err == NP_OK) {
        return skipped == len;
    }
    return skipped <= want.bad && want.bad - skipped < 68 &&
           (skipped == want.bad || p[skipped] >> 6 != 2);
}

static bool check_one(utf8_check *check, const uint8_t *p, size_t len, bool nonul)
{
    const size_t steps[] = {1, 33, 47, 64, 65, len / 2 + 1, TEXT_MAX};
    verdict want = expected(p, len, nonul);
    verdict got = {NP_OK, 0};
    size_t bad = 0;

    check->inputs++;
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        got = in_pieces(p, len, nonul, steps[i], true);
        if (!same(got, want)) {
            return complain(check, "the scanner", p, len, nonul, want, got);
        }
        got = in_pieces(p, len, nonul, steps[i], false);
        if (!same(got, want)) {
            return complain(check, "in pieces", p, len, nonul, want, got);
        }
    }
    got.err = np_text_check_slow((const char *)p, len, nonul, &bad);
    got.bad = got.err == NP_OK ? 0 : bad;
    if (!same(got, want)) {
        return complain(check, "as a whole", p, len, nonul, want, got);
    }
    if (len >= NP_UTF8_VECTOR_MIN && !skip_is_right(p, len, nonul, want)) {
        got = (verdict){NP_OK, np__utf8_skip(p, len, nonul)};
        return complain(check, "the vector code", p, len, nonul, want, got);
    }
    bool ascii = true;
    for (size_t i = 0; i < len; i++) {
        ascii = ascii && p[i] < 0x80;
    }
    if (np_text_is_ascii((const char *)p, len) != ascii) {
        return complain(check, "whether it is ASCII", p, len, nonul, want, got);
    }
    return true;
}

bool utf8_check_text(utf8_check *check, const uint8_t *text, size_t len)
{
    /* A block of the very size, so that sanitizers see reads beyond it. */
    uint8_t *copy = malloc(len > 0 ? len : 1);

    if (copy == NULL) {
        return false;
    }
    if (len > 0) {
        memcpy(copy, text, len);
    }
    bool well = check_one(check, copy, len, false) && check_one(check, copy, len, true);
    free(copy);
    return well;
}

/* Sequences in ASCII ----------------------------------------------------------------------------
 */

/* The vector code alone: `len` bytes of ASCII with the sequence at `place`. */
static bool check_skip(utf8_check *check, uint8_t *text, size_t len, size_t place,
                       const uint8_t *sequence, size_t sequence_len, verdict want)
{
    memcpy(text + place, sequence, sequence_len);
    want.bad += want.err != NP_OK ? place : 0;
    check->inputs++;
    if (!skip_is_right(text, len, false, want)) {
        return complain(check, "the vector code", text, len, false, want,
                        (verdict){NP_OK, np__utf8_skip(text, len, false)});
    }
    memset(text + place, 'a', sequence_len);
    return true;
}

bool utf8_check_all(utf8_check *check, size_t len, size_t first_place, size_t places)
{
    uint8_t text[48];
    uint8_t sequence[8] = {0, 0, 0, 0, 'a', 'a', 'a', 'a'};

    memset(text, 'a', sizeof text);
    for (uint64_t value = 0; value >> 8 * len == 0; value++) {
        for (size_t i = 0; i < len; i++) {
            sequence[i] = (uint8_t)(value >> 8 * i);
        }
        verdict want = expected(sequence, len + 4, false);
        for (size_t i = 0; i < places; i++) {
            if (!check_skip(check, text, sizeof text, 16 + (first_place + i) % 16, sequence, len,
                            want)) {
                return false;
            }
        }
    }
    return true;
}

static bool check_sequence(utf8_check *check, uint8_t *text, const uint8_t *sequence, size_t first,
                           size_t stride)
{
    verdict want = expected(sequence, 8, false);

    for (size_t place = 16 + first; place < 32; place += stride) {
        if (!check_skip(check, text, 48, place, sequence, 4, want)) {
            return false;
        }
    }
    for (size_t place = 56 + first; place < 72; place += stride) {
        if (!check_skip(check, text, 136, place, sequence, 4, want)) {
            return false;
        }
    }
    want = expected(sequence, 4, false);
    for (size_t len = 32; len < 116; len += 7) {
        if (!check_skip(check, text, len, len - 4, sequence, 4, want)) {
            return false;
        }
    }
    return true;
}

/* The scanner alone, which is what short text gets: at the end of text and before its end. */
static bool check_scanner(utf8_check *check, const uint8_t *sequence, bool nonul)
{
    uint8_t text[20];

    for (size_t place = 0; place < 10; place += 3) {
        memset(text, 'a', sizeof text);
        memcpy(text + place, sequence, 4);
        for (size_t len = place + 4; len < place + 10; len += 5) {
            verdict want = expected(text, len, nonul);
            verdict got = in_pieces(text, len, nonul, len, true);
            check->inputs++;
            if (!same(want, got)) {
                return complain(check, "the scanner", text, len, nonul, want, got);
            }
        }
    }
    return true;
}

bool utf8_check_edges(utf8_check *check, size_t stride)
{
    uint8_t text[136];

    memset(text, 'a', sizeof text);
    for (size_t value = 0; value < (size_t)LEADS * EDGES * EDGES * EDGES; value++) {
        uint8_t sequence[8] = {edges[value % LEADS], 0, 0, 0, 'a', 'a', 'a', 'a'};
        for (size_t i = 1, rest = value / LEADS; i < 4; i++, rest /= EDGES) {
            sequence[i] = edges[rest % EDGES];
        }
        if (!check_sequence(check, text, sequence, value % stride, stride) ||
            !check_scanner(check, sequence, false) || !check_scanner(check, sequence, true)) {
            return false;
        }
    }
    return true;
}

/* Longer text -----------------------------------------------------------------------------------
 */

static uint64_t draw(uint64_t *state, uint64_t bound)
{
    *state += 0x9E3779B97F4A7C15u;
    uint64_t z = *state;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return (z ^ z >> 31) % bound;
}

/* A code point of `n` bytes, the outermost ones more often than by chance. */
static np_char draw_char(uint64_t *state, size_t n)
{
    static const np_char bounds[][2] = {
        {0, 0x7F}, {0x80, 0x7FF}, {0x800, 0xFFFF}, {0x10000, 0x10FFFF}};
    np_char least = bounds[n - 1][0];
    np_char most = bounds[n - 1][1];

    switch (draw(state, 8)) {
    case 0:
        return least;
    case 1:
        return most;
    case 2:
        return n == 3 ? 0xD7FF : most;
    case 3:
        return n == 3 ? 0xE000 : least;
    default:
        least += (np_char)draw(state, most - least + 1);
        return np_char_valid(least) ? least : 0xFFFD;
    }
}

/* A code point as `n` bytes. */
static void put_char(uint8_t *out, np_char c, size_t n)
{
    static const uint8_t marks[] = {0, 0xC0, 0xE0, 0xF0};

    for (size_t i = n - 1; i > 0; i--) {
        out[i] = (uint8_t)(0x80 | (c & 0x3F));
        c >>= 6;
    }
    out[0] = (uint8_t)(marks[n - 1] | c);
}

/* Valid text: runs of one kind, or of all, with and without ASCII between. */
static size_t draw_text(uint64_t *state, uint8_t *out, size_t len)
{
    size_t at = 0;

    while (at < len) {
        size_t kind = (size_t)draw(state, 6);
        for (uint64_t run = 1 + draw(state, kind == 0 ? 150 : 60); run > 0 && at < len; run--) {
            size_t n = kind == 0 ? 1 : kind <= 3 ? kind + 1 : 1 + (size_t)draw(state, 4);
            if (n > len - at) {
                n = 1;
            }
            np_char c = draw_char(state, n);
            if (n == 1 && draw(state, 64) != 0) {
                c = 'a';
            }
            put_char(out + at, c, n);
            at += n;
        }
    }
    return at;
}

bool utf8_check_random(utf8_check *check, uint64_t seed, size_t texts)
{
    static uint8_t text[TEXT_MAX];
    uint64_t state = seed;

    for (size_t i = 0; i < texts; i++) {
        size_t most = i % 2 == 0 ? 200 : TEXT_MAX;
        size_t len = draw_text(&state, text, (size_t)draw(&state, most));
        if (expected(text, len, false).err != NP_OK) {
            return complain(check, "the text made is invalid", text, len, false, (verdict){0, 0},
                            expected(text, len, false));
        }
        if (!utf8_check_text(check, text, len)) {
            return false;
        }
        for (uint64_t changes = 1 + draw(&state, 3); changes > 0 && len > 0; changes--) {
            text[draw(&state, len)] =
                (uint8_t)(draw(&state, 2) == 0 ? edges[draw(&state, EDGES)] : draw(&state, 256));
        }
        if (!utf8_check_text(check, text, len)) {
            return false;
        }
    }
    return true;
}

bool utf8_check_errors(utf8_check *check, uint64_t seed, size_t texts)
{
    static const uint8_t hurting[] = {0x00, 0x41, 0x80, 0xBF, 0xC1, 0xC2,
                                      0xE0, 0xED, 0xF0, 0xF4, 0xFF};
    static uint8_t text[TEXT_MAX];
    uint64_t state = seed;

    for (size_t i = 0; i < texts; i++) {
        size_t len = draw_text(&state, text, 150 + (size_t)draw(&state, 200));
        for (size_t at = 0; at < len; at++) {
            uint8_t kept = text[at];
            for (size_t k = 0; k < sizeof hurting; k++) {
                text[at] = hurting[k];
                if (!utf8_check_text(check, text, len)) {
                    return false;
                }
            }
            text[at] = kept;
        }
    }
    return true;
}
