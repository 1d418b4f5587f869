/* text.c - checking text, whole and in pieces, by the fastest way that the processor has.
 *
 * One scanner serves both, so that both refuse the same byte; see utf8.h.
 */
#include "core/utf8.h"

np_err np_text_scan_piece(np_text_scan *scan, const char *data, size_t len, bool nonul,
                          ptrdiff_t *bad)
{
    const uint8_t *p = (const uint8_t *)data;
    size_t done = 0;
    np_err err = NP_OK;

    if (len < NP_UTF8_VECTOR_MIN) {
        return np__utf8_scan(scan, p, len, nonul, bad);
    }
    /* What the last piece left unfinished is finished first. */
    if (scan->need > 0) {
        done = scan->need;
        err = np__utf8_scan(scan, p, done, nonul, bad);
        if (err != NP_OK) {
            return err;
        }
    }
    if (len - done >= NP_UTF8_VECTOR_MIN) {
        done += np__utf8_skip(p + done, len - done, nonul);
    }
    err = np__utf8_scan(scan, p + done, len - done, nonul, bad);
    if (err != NP_OK) {
        *bad += (ptrdiff_t)done;
    }
    return err;
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
