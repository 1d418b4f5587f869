/* Compressed payloads, or what claims to be one. The first byte picks the kind by its lowest bit,
 * and how much is allowed by the next three: 1 byte to 1 MiB. What is judged well-formed decodes to
 * just what it declares, never more, or is refused; what it decodes to compresses and comes back.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "util/compress.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const size_t bounds[] = {1, 16, 600, 4096, 65536, 65537, 1 << 18, 1 << 20};

/* What came out goes in again. */
static void check_way_back(np_compress *c, np_compression kind, const uint8_t *data, size_t len)
{
    uint8_t *packed = malloc(len);
    uint8_t *back = malloc(len);
    np_fault fault;
    size_t size = 0;
    size_t n = 0;

    assert(packed != NULL && back != NULL);
    n = np_compress_pack(c, kind, 1, data, len, packed);
    if (n > 0) {
        np_err err = np_compress_check(kind, packed, n, len, &size, &fault);
        assert(n < len && err == NP_OK && size == len);
        err = np_compress_unpack(c, kind, packed, n, back, size, &fault);
        assert(err == NP_OK && memcmp(back, data, len) == 0);
    }
    free(packed);
    free(back);
}

/* `data` in memory of its own size, so that a byte read behind it is seen. */
static void check_one(np_compress *c, np_compression kind, size_t max, const uint8_t *data,
                      size_t len)
{
    uint8_t *out = NULL;
    np_fault fault = {.err = NP_OK};
    size_t size = 0;
    np_err err = np_compress_check(kind, data, len, max, &size, &fault);

    if (err == NP_OK) {
        assert(size > 0 && size <= max);
        out = malloc(size);
        assert(out != NULL);
        err = np_compress_unpack(c, kind, data, len, out, size, &fault);
    }
    if (err != NP_OK) {
        assert(np_err_class_of(err) == NP_CLASS_PROTO);
        assert(fault.err == err && fault.where != NULL && fault.offset <= len);
    } else if (size <= NP_COMPRESS_PACK_MAX) {
        check_way_back(c, kind, out, size);
    }
    free(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static np_compress c; /* all zero is one that is not used yet */
    size_t len = size > 0 ? size - 1 : 0;
    np_compression kind = size > 0 && (data[0] & 1) != 0 ? NP_COMPRESSION_ZSTD : NP_COMPRESSION_LZ4;
    size_t max = bounds[size > 0 ? data[0] >> 1 & 7 : 0];
    uint8_t *exact = malloc(len + (len == 0));

    assert(exact != NULL);
    memcpy(exact, data + (size > 0), len);
    check_one(&c, kind, max, exact, len);
    free(exact);
    return 0;
}
