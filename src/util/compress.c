/* compress.c - see compress.h.
 *
 * zstd's compressor lies in memory of ours, by the part of its interface that is meant for static
 * linking. Left alone it gives memory back and takes it again as sizes of messages change. These
 * functions are the same since zstd 1.3.
 */
#define ZSTD_STATIC_LINKING_ONLY
#include "util/compress.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include <lz4.h>
#include <zstd.h>

#include <netproto/types.h>

/* What compression has to save: one part in so many. */
#define SAVES_PART 16u

/* Bytes that the frequencies are taken of, and the runs they come in. */
#define SAMPLE_LEN ((size_t)512)
#define SAMPLE_RUNS ((size_t)16)

/* Two bytes of random data are equal once in 256 pairs. Where it is hardly more often, coding bytes
 * by their frequency saves nothing. */
#define FLAT_PAIRS 160u

/* LZ4 finds out whether there are matches; how many is not the question, so it may leave some out.
 */
#define TRIAL_ACCELERATION 4

/* LZ4: the size that stands before the block. */
#define LZ4_SIZE_LEN ((size_t)4)

np_compression_options np_compression_options_default(void)
{
    const np_compression_options options = {
        .threshold = 512, .zstd_level = 1, .unpack_rate = 256u * 1024 * 1024};

    return options;
}

void np_compress_init(np_compress *c)
{
    memset(c, 0, sizeof *c);
}

void np_compress_fini(np_compress *c)
{
    ZSTD_DCtx *unpacks = c->zstd_unpacks;

    free(c->lz4);
    free(c->zstd_memory);
    ZSTD_freeDCtx(unpacks);
    np_compress_init(c);
}

/* Compressing ------------------------------------------------------------------------------- */

/* The most bytes that pay. */
static size_t paying(size_t len)
{
    return len - (len + SAVES_PART - 1) / SAVES_PART;
}

static void *lz4_state(np_compress *c)
{
    if (c->lz4 == NULL) {
        c->lz4 = malloc((size_t)LZ4_sizeofState());
    }
    return c->lz4;
}

static size_t lz4_pack(np_compress *c, const uint8_t *data, size_t len, uint8_t *out, size_t most)
{
    void *state = lz4_state(c);
    int n = 0;

    if (state == NULL || most <= LZ4_SIZE_LEN) {
        return 0;
    }
    n = LZ4_compress_fast_extState(state, (const char *)data, (char *)out + LZ4_SIZE_LEN, (int)len,
                                   (int)(most - LZ4_SIZE_LEN), 1);
    if (n <= 0) {
        return 0;
    }
    np_put_u32(out, (uint32_t)len);
    return (size_t)n + LZ4_SIZE_LEN;
}

/* Whether all bytes are about equally frequent, by some of them: as an unbiased estimate of how
 * often two of them are equal, for which it takes no logarithms. */
static bool is_flat(const uint8_t *data, size_t len)
{
    uint16_t counts[256] = {0};
    size_t runs = len < SAMPLE_LEN ? 1 : SAMPLE_RUNS;
    size_t run_len = len < SAMPLE_LEN ? len : SAMPLE_LEN / SAMPLE_RUNS;
    size_t taken = runs * run_len;
    size_t pairs = 0;

    for (size_t r = 0; r < runs; r++) {
        const uint8_t *run = data + r * (len / runs);
        for (size_t i = 0; i < run_len; i++) {
            pairs += counts[run[i]]++;
        }
    }
    return pairs * FLAT_PAIRS < taken * (taken - 1) / 2;
}

/* Random, encrypted or compressed already. `out` serves as scratch. */
static bool is_hopeless(np_compress *c, const uint8_t *data, size_t len, uint8_t *out)
{
    return is_flat(data, len) && lz4_state(c) != NULL &&
           LZ4_compress_fast_extState(c->lz4, (const char *)data, (char *)out, (int)len,
                                      (int)paying(len), TRIAL_ACCELERATION) <= 0;
}

/* Parameters go by the input's size in steps, of which two are below NP_COMPRESS_PACK_MAX; within a
 * step less input never takes more memory. */
static size_t zstd_memory_len(int level)
{
    size_t small =
        ZSTD_estimateCCtxSize_usingCParams(ZSTD_getCParams(level, NP_COMPRESS_PACK_MAX / 4, 0));
    size_t large =
        ZSTD_estimateCCtxSize_usingCParams(ZSTD_getCParams(level, NP_COMPRESS_PACK_MAX, 0));

    return small > large ? small : large;
}

/* A compressor with room for that level; NULL without memory. */
static ZSTD_CCtx *zstd_packs(np_compress *c, int level)
{
    size_t len = 0;

    if (c->zstd_packs != NULL && c->zstd_level == level) {
        return c->zstd_packs;
    }
    len = zstd_memory_len(level);
    if (len > c->zstd_len) {
        free(c->zstd_memory);
        c->zstd_memory = malloc(len);
        c->zstd_len = c->zstd_memory != NULL ? len : 0;
        c->zstd_packs =
            c->zstd_memory != NULL ? ZSTD_initStaticCCtx(c->zstd_memory, c->zstd_len) : NULL;
    }
    c->zstd_level = level;
    return c->zstd_packs;
}

static size_t zstd_pack(np_compress *c, int level, const uint8_t *data, size_t len, uint8_t *out,
                        size_t most)
{
    ZSTD_CCtx *packs = NULL;
    size_t n = 0;

    if (is_hopeless(c, data, len, out)) {
        return 0;
    }
    packs = zstd_packs(c, level);
    if (packs == NULL) {
        return 0;
    }
    n = ZSTD_compressCCtx(packs, out, most, data, len, level);
    return ZSTD_isError(n) ? 0 : n;
}

size_t np_compress_pack(np_compress *c, np_compression kind, int level, const uint8_t *data,
                        size_t len, uint8_t *out)
{
    assert(len > 0 && len <= NP_COMPRESS_PACK_MAX);
    assert(level >= 1 && level <= NP_COMPRESSION_LEVEL_MAX);
    return kind == NP_COMPRESSION_LZ4 ? lz4_pack(c, data, len, out, paying(len))
                                      : zstd_pack(c, level, data, len, out, paying(len));
}

/* Judging ----------------------------------------------------------------------------------- */

/* The declared size, which stands at `at`. */
static np_err check_size(uint64_t size, size_t max, const char *where, size_t at, np_fault *fault)
{
    if (size == 0) {
        return np_fault_set(fault, NP_ERR_TOO_SHORT, where, "min 1", at, 0);
    }
    return size <= max
               ? NP_OK
               : np_fault_set(fault, NP_ERR_TOO_LONG, where, "what is allowed here", at, size);
}

static np_err cut_off(size_t len, const char *where, np_fault *fault)
{
    return np_fault_at(fault, NP_ERR_TRUNCATED, where, NULL, len);
}

/* A walk over an LZ4 block: where it stands, and what it has made. */
typedef struct np_lz4_walk {
    const uint8_t *data;
    size_t len;
    size_t at;
    size_t made;
    size_t size; /* declared */
} np_lz4_walk;

/* A length in a token; 15 goes on in bytes, of which all but the last are 255. */
static np_err lz4_length(np_lz4_walk *walk, unsigned nibble, size_t *out, np_fault *fault)
{
    size_t length = nibble;
    uint8_t byte = nibble == 15 ? 255 : 0;

    while (byte == 255) {
        if (walk->at == walk->len) {
            return cut_off(walk->len, "lz4.length", fault);
        }
        byte = walk->data[walk->at++];
        length += byte;
    }
    *out = length;
    return NP_OK;
}

/* n bytes more of the original. */
static np_err lz4_make(np_lz4_walk *walk, size_t n, size_t token_at, np_fault *fault)
{
    if (n > walk->size - walk->made) {
        return np_fault_set(fault, NP_ERR_TOO_LONG, "lz4.length", "what the size declares",
                            token_at, walk->made + n);
    }
    walk->made += n;
    return NP_OK;
}

/* One sequence: a token, literals, and unless they end the block an offset and a match. */
static np_err lz4_sequence(np_lz4_walk *walk, np_fault *fault)
{
    size_t token_at = walk->at;
    uint8_t token = walk->data[walk->at++];
    size_t length = 0;
    uint16_t offset = 0;
    np_err err = lz4_length(walk, token >> 4, &length, fault);

    if (err == NP_OK && length > walk->len - walk->at) {
        err = cut_off(walk->len, "lz4.literals", fault);
    }
    if (err == NP_OK) {
        err = lz4_make(walk, length, token_at, fault);
    }
    if (err != NP_OK) {
        return err;
    }
    walk->at += length;
    if (walk->at == walk->len) {
        return NP_OK;
    }
    if (walk->len - walk->at < sizeof offset) {
        return cut_off(walk->len, "lz4.offset", fault);
    }
    offset = np_get_u16(walk->data + walk->at);
    if (offset == 0 || offset > walk->made) {
        return np_fault_set(fault, NP_ERR_RANGE, "lz4.offset", "1 to what has been made", walk->at,
                            offset);
    }
    walk->at += sizeof offset;
    err = lz4_length(walk, token & 15, &length, fault);
    if (err == NP_OK) {
        err = lz4_make(walk, length + 4, token_at, fault);
    }
    return err == NP_OK && walk->at == walk->len ? cut_off(walk->len, "lz4.literals", fault) : err;
}

/* The library takes an offset of 0, which the format forbids, and tells no place; so we walk. */
static np_err lz4_check(const uint8_t *data, size_t len, size_t max, size_t *size, np_fault *fault)
{
    np_lz4_walk walk = {.data = data, .len = len, .at = LZ4_SIZE_LEN};
    np_err err = NP_OK;

    if (len <= LZ4_SIZE_LEN) {
        return cut_off(len, len < LZ4_SIZE_LEN ? "lz4.size" : "lz4.block", fault);
    }
    walk.size = np_get_u32(data);
    err = check_size(walk.size, max, "lz4.size", 0, fault);
    while (err == NP_OK && walk.at < len) {
        err = lz4_sequence(&walk, fault);
    }
    if (err == NP_OK && walk.made != walk.size) {
        err = np_fault_set(fault, NP_ERR_TOO_SHORT, "lz4.block", "what the size declares", len,
                           walk.made);
    }
    *size = walk.size;
    return err;
}

/* The window of a frame that is not a single segment, by its byte (RFC 8878, 3.1.1.1.2). */
static uint64_t zstd_window(uint8_t byte)
{
    uint64_t base = UINT64_C(1) << (10 + (byte >> 3));

    return base + base / 8 * (byte & 7);
}

/* A little-endian number of 1, 2, 4 or 8 bytes, as a frame declares the size of its content. */
static uint64_t zstd_content(const uint8_t *p, size_t len)
{
    switch (len) {
    case 1:
        return *p;
    case 2:
        return np_get_u16(p) + UINT64_C(256);
    case 4:
        return np_get_u32(p);
    default:
        return np_get_u64(p);
    }
}

/* The header of a zstd frame, in the order of its bytes (RFC 8878, 3.1.1.1). */
static np_err zstd_check_header(const uint8_t *data, size_t len, size_t max, size_t *size,
                                np_fault *fault)
{
    size_t at = 5;
    size_t content_len = 0;
    uint64_t content = 0;
    bool single = false;
    np_err err = NP_OK;

    if (len < at) {
        return cut_off(len, "zstd.magic", fault);
    }
    if (np_get_u32(data) != ZSTD_MAGICNUMBER) {
        return np_fault_set(fault, NP_ERR_CONST, "zstd.magic", "one zstd frame, not skippable", 0,
                            np_get_u32(data));
    }
    if ((data[4] & 0x18) != 0) {
        return np_fault_set(fault, NP_ERR_CONST, "zstd.descriptor", "reserved bits are 0", 4,
                            data[4]);
    }
    if ((data[4] & 3) != 0) {
        return np_fault_at(fault, NP_ERR_COMPRESSION, "zstd.dictionary", "none", 4);
    }
    single = (data[4] & 0x20) != 0;
    content_len = (size_t)1 << (data[4] >> 6);
    if (content_len == 1 && !single) {
        return np_fault_at(fault, NP_ERR_COMPRESSION, "zstd.content_size", "always declared", 4);
    }
    if (len - at < content_len + (single ? 0 : 1)) {
        return cut_off(len, "zstd.content_size", fault);
    }
    if (!single && zstd_window(data[at++]) > NP_COMPRESS_WINDOW_MAX) {
        return np_fault_set(fault, NP_ERR_TOO_LONG, "zstd.window", "max 8388608", at - 1,
                            zstd_window(data[at - 1]));
    }
    content = zstd_content(data + at, content_len);
    err = check_size(content, max, "zstd.content_size", at, fault);
    *size = err == NP_OK ? (size_t)content : 0;
    return err;
}

static np_err zstd_check(const uint8_t *data, size_t len, size_t max, size_t *size, np_fault *fault)
{
    np_err err = zstd_check_header(data, len, max, size, fault);
    size_t frame_len = 0;

    if (err != NP_OK) {
        return err;
    }
    frame_len = ZSTD_findFrameCompressedSize(data, len);
    if (ZSTD_isError(frame_len)) {
        return np_fault_at(fault, NP_ERR_COMPRESSION, "zstd.frame", "whole and well-formed", 0);
    }
    return frame_len == len ? NP_OK
                            : np_fault_at(fault, NP_ERR_TRAILING, "zstd.frame",
                                          "nothing behind one frame", frame_len);
}

np_err np_compress_check(np_compression kind, const uint8_t *data, size_t len, size_t max,
                         size_t *size, np_fault *fault)
{
    assert(len <= NP_COMPRESS_MAX && max <= NP_COMPRESS_MAX);
    *size = 0;
    return kind == NP_COMPRESSION_LZ4 ? lz4_check(data, len, max, size, fault)
                                      : zstd_check(data, len, max, size, fault);
}

/* Decoding ---------------------------------------------------------------------------------- */

np_err np_compress_unpack(np_compress *c, np_compression kind, const uint8_t *data, size_t len,
                          uint8_t *out, size_t size, np_fault *fault)
{
    assert(len <= NP_COMPRESS_MAX && size <= NP_COMPRESS_MAX);
    if (kind == NP_COMPRESSION_LZ4) {
        int made = len > LZ4_SIZE_LEN
                       ? LZ4_decompress_safe((const char *)data + LZ4_SIZE_LEN, (char *)out,
                                             (int)(len - LZ4_SIZE_LEN), (int)size)
                       : -1;
        return made >= 0 && (size_t)made == size
                   ? NP_OK
                   : np_fault_at(fault, NP_ERR_COMPRESSION, "lz4.block", "well-formed",
                                 LZ4_SIZE_LEN);
    }
    if (c->zstd_unpacks == NULL) {
        c->zstd_unpacks = ZSTD_createDCtx();
    }
    if (c->zstd_unpacks == NULL) {
        return NP_ERR_MEMORY;
    }
    size_t made = ZSTD_decompressDCtx(c->zstd_unpacks, out, size, data, len);
    return !ZSTD_isError(made) && made == size
               ? NP_OK
               : np_fault_at(fault, NP_ERR_COMPRESSION, "zstd.frame",
                             "well-formed, and as long as declared", 0);
}
