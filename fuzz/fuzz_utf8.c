/* Text, whole and cut, by the fastest way of this processor and by the portable one: the same
 * verdict at the same offset. The first byte tells whether NUL is refused, the second where the
 * text begins within 16 bytes, the third how it is cut. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "core/utf8.h"

#define HEAD 3

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef np_err (*scan_piece)(np_text_scan *scan, const uint8_t *data, size_t len, bool nonul,
                             ptrdiff_t *bad);

static np_err fastest(np_text_scan *scan, const uint8_t *data, size_t len, bool nonul,
                      ptrdiff_t *bad)
{
    return np_text_scan_piece(scan, (const char *)data, len, nonul, bad);
}

/* In pieces of at most `step` bytes; *at is where the refused sequence begins. */
static np_err judge(scan_piece piece, const uint8_t *text, size_t len, bool nonul, size_t step,
                    size_t *at)
{
    np_text_scan scan = {0};
    ptrdiff_t bad = 0;

    for (size_t done = 0, n = 0; done < len; done += n) {
        n = step < len - done ? step : len - done;
        np_err err = piece(&scan, text + done, n, nonul, &bad);
        if (err != NP_OK) {
            *at = (size_t)((ptrdiff_t)done + bad);
            return err;
        }
    }
    *at = len - (scan.need > 0 ? scan.taken : 0);
    return np_text_scan_end(&scan);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < HEAD) {
        return 0;
    }
    bool nonul = (data[0] & 1) != 0;
    size_t begin = data[1] % 16;
    size_t step = (size_t)data[2] + 1;
    size_t len = size - HEAD;
    /* It ends where its memory ends, so that the address sanitizer sees what is read beyond. */
    uint8_t *memory = malloc(begin + len > 0 ? begin + len : 1);
    assert(memory != NULL);
    uint8_t *text = memory + begin;
    size_t want_at = 0;
    size_t at = 0;

    if (len > 0) {
        memcpy(text, data + HEAD, len);
    }
    np_err want = judge(np__utf8_scan, text, len, nonul, SIZE_MAX, &want_at);
    assert(want_at <= len);
    assert(judge(np__utf8_scan, text, len, nonul, step, &at) == want && at == want_at);
    assert(judge(fastest, text, len, nonul, SIZE_MAX, &at) == want && at == want_at);
    assert(judge(fastest, text, len, nonul, step, &at) == want && at == want_at);
    /* What is right is passed over to the end, or else it would be slow for no reason. */
    if (len >= NP_UTF8_VECTOR_MIN && np__utf8_has_vector()) {
        at = np__utf8_skip(text, len, nonul);
        assert(at <= want_at && want_at - at < 68 && (want != NP_OK || at == len));
    }
    free(memory);
    return 0;
}
