/* utf8.c - the portable scanner of UTF-8 as RFC 3629 defines it: no surrogates, no overlong forms,
 * nothing above U+10FFFF.
 *
 * It goes byte by byte, with what it knows in np_text_scan, so that text may come in pieces. Where
 * it stands between two characters it first passes over those that are whole and right, which is
 * faster; what that does not pass, the slow way judges.
 */
#include "core/utf8.h"

/* What a lead byte asks for: how many continuation bytes, and the bounds of the first of them
 * (RFC 3629, section 4: only the first one is ever narrower than 80..BF). */
static bool begin_sequence(np_text_scan *scan, uint8_t lead)
{
    scan->taken = 1;
    scan->lo = 0x80;
    scan->hi = 0xBF;
    if (lead >= 0xC2 && lead <= 0xDF) {
        scan->need = 1;
    } else if (lead >= 0xE0 && lead <= 0xEF) {
        scan->need = 2;
        scan->lo = lead == 0xE0 ? 0xA0 : 0x80;
        scan->hi = lead == 0xED ? 0x9F : 0xBF;
    } else if (lead >= 0xF0 && lead <= 0xF4) {
        scan->need = 3;
        scan->lo = lead == 0xF0 ? 0x90 : 0x80;
        scan->hi = lead == 0xF4 ? 0x8F : 0xBF;
    } else {
        return false;
    }
    return true;
}

/* Four bytes as a little-endian word; where fewer are left, the rest of it is 0. */
static inline uint32_t word_at(const uint8_t *p, size_t left)
{
    if (left >= 4) {
        return np_get_u32(p);
    }
    return p[0] | (left > 1 ? (uint32_t)p[1] << 8 : 0) | (left > 2 ? (uint32_t)p[2] << 16 : 0);
}

/* Whether such a word begins with a valid character of two, three, four bytes. */
static inline bool is_two(uint32_t word)
{
    return (word & 0xC0E0u) == 0x80C0u && (word & 0xFFu) >= 0xC2;
}

static inline bool is_three(uint32_t word)
{
    uint8_t next = (uint8_t)(word >> 8);

    return (word & 0xC0C0F0u) == 0x8080E0u && ((word & 0xFFu) != 0xE0 || next >= 0xA0) &&
           ((word & 0xFFu) != 0xED || next <= 0x9F);
}

static inline bool is_four(uint32_t word)
{
    uint8_t next = (uint8_t)(word >> 8);

    return (word & 0xC0C0C0F8u) == 0x808080F0u && (word & 0xFFu) <= 0xF4 &&
           ((word & 0xFFu) != 0xF0 || next >= 0x90) && ((word & 0xFFu) != 0xF4 || next <= 0x8F);
}

/* How many bytes from p[i] on are ASCII, and not NUL if nonul; of these at most eight. */
static inline size_t ascii_at(const uint8_t *p, size_t i, size_t len, bool nonul)
{
    const uint64_t high = 0x8080808080808080u;
    const uint64_t ones = 0x0101010101010101u;
    size_t left = len - i;
    uint64_t word = 0;

    if (left >= 8) {
        word = np_get_u64(p + i);
        left = 8;
    } else if (len >= 8) {
        word = np_get_u64(p + len - 8) >> 8 * (8 - left);
    } else {
        return p[i] < 0x80 && !(nonul && p[i] == 0);
    }
    /* Taking 1 from each byte turns on the high bit of the first that is 0. */
    word = (word | (nonul ? word - ones : 0)) & high;
    size_t ascii = word != 0 ? (size_t)__builtin_ctzll(word) / 8 : 8;
    return ascii < left ? ascii : left;
}

/* How many of the first bytes are whole, valid characters. */
static size_t pass_over(const uint8_t *p, size_t len, bool nonul)
{
    size_t i = 0;

    while (i < len) {
        if (p[i] >= 0x80) {
            uint32_t word = word_at(p + i, len - i);
            if (is_two(word)) {
                i += 2;
            } else if (is_three(word)) {
                i += 3;
            } else if (is_four(word)) {
                i += 4;
            } else {
                break;
            }
        } else {
            size_t ascii = ascii_at(p, i, len, nonul);
            if (ascii == 0) {
                break;
            }
            i += ascii;
        }
    }
    return i;
}

np_err np__utf8_scan(np_text_scan *scan, const uint8_t *data, size_t len, bool nonul,
                     ptrdiff_t *bad)
{
    size_t i = scan->need == 0 ? pass_over(data, len, nonul) : 0;

    for (; i < len; i++) {
        uint8_t byte = data[i];
        if (scan->need > 0) {
            if (byte < scan->lo || byte > scan->hi) {
                *bad = (ptrdiff_t)i - scan->taken;
                return NP_ERR_UTF8;
            }
            scan->need--;
            scan->taken++;
            scan->lo = 0x80;
            scan->hi = 0xBF;
        } else if (byte < 0x80) {
            if (nonul && byte == 0) {
                *bad = (ptrdiff_t)i;
                return NP_ERR_NUL;
            }
        } else if (!begin_sequence(scan, byte)) {
            *bad = (ptrdiff_t)i;
            return NP_ERR_UTF8;
        }
    }
    return NP_OK;
}
