/* text.c - UTF-8 as RFC 3629 defines it: no surrogates, no overlong forms, nothing above U+10FFFF.
 *
 * One scanner serves whole text and text in pieces, so that both refuse the same byte.
 */
#include <netproto/codec.h>

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

np_err np_text_scan_piece(np_text_scan *scan, const char *data, size_t len, bool nonul,
                          ptrdiff_t *bad)
{
    const uint8_t *p = (const uint8_t *)data;

    for (size_t i = 0; i < len; i++) {
        if (scan->need > 0) {
            if (p[i] < scan->lo || p[i] > scan->hi) {
                *bad = (ptrdiff_t)i - scan->taken;
                return NP_ERR_UTF8;
            }
            scan->need--;
            scan->taken++;
            scan->lo = 0x80;
            scan->hi = 0xBF;
        } else if (p[i] < 0x80) {
            if (nonul && p[i] == 0) {
                *bad = (ptrdiff_t)i;
                return NP_ERR_NUL;
            }
        } else if (!begin_sequence(scan, p[i])) {
            *bad = (ptrdiff_t)i;
            return NP_ERR_UTF8;
        }
    }
    return NP_OK;
}

np_err np_text_check_slow(const char *data, size_t len, bool nonul, size_t *bad)
{
    np_text_scan scan = {0};
    ptrdiff_t at = 0;
    np_err err = np_text_scan_piece(&scan, data, len, nonul, &at);

    if (err == NP_OK) {
        err = np_text_scan_end(&scan);
        at = (ptrdiff_t)len - scan.taken;
    }
    *bad = (size_t)at;
    return err;
}
