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

/* The length of the character of two to four bytes at p, of which four can be read; 0 if there is
 * none. */
static inline size_t whole_sequence(const uint8_t *p)
{
    uint32_t word = np_get_u32(p);
    uint8_t lead = p[0];
    uint8_t next = p[1];

    if ((word & 0xC0E0u) == 0x80C0u) {
        return lead >= 0xC2 ? 2 : 0;
    }
    if ((word & 0xC0C0F0u) == 0x8080E0u) {
        return (lead == 0xE0 && next < 0xA0) || (lead == 0xED && next > 0x9F) ? 0 : 3;
    }
    if ((word & 0xC0C0C0F8u) == 0x808080F0u) {
        return (lead == 0xF0 && next < 0x90) || lead > 0xF4 || (lead == 0xF4 && next > 0x8F) ? 0
                                                                                             : 4;
    }
    return 0;
}

/* How many of the first bytes are whole, valid characters; it stops early near the end. */
static size_t pass_over(const uint8_t *p, size_t len, bool nonul)
{
    const uint64_t high = 0x8080808080808080u;
    const uint64_t ones = 0x0101010101010101u;
    size_t i = 0;

    while (len - i >= 8) {
        uint64_t word = np_get_u64(p + i);
        /* In ASCII, taking 1 from each byte turns on a high bit if one was 0, and else none. */
        if (((word | (nonul ? word - ones : 0)) & high) == 0) {
            i += 8;
        } else if (p[i] < 0x80) {
            if (nonul && p[i] == 0) {
                break;
            }
            i++;
        } else {
            size_t n = whole_sequence(p + i);
            if (n == 0) {
                break;
            }
            i += n;
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
