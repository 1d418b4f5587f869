/* Compressing and making whole again; and bombs of all kinds, refused by the field that is wrong.
 * How much memory that takes is test_compress_memory.c's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "support/hex.h"
#include "support/samples.h"
#include "util/compress.h"
#include "util/crypto.h"

#define KIB ((size_t)1024)
#define MIB (1024 * KIB)

static const np_compression kinds[] = {NP_COMPRESSION_LZ4, NP_COMPRESSION_ZSTD};

static int set_up(void **state)
{
    static np_compress compress;

    np_compress_init(&compress);
    *state = &compress;
    return 0;
}

static int tear_down(void **state)
{
    np_compress_fini(*state);
    return 0;
}

/* Checks, finds room of exactly that size, and decodes. *out is to be freed. */
static np_err whole_again(np_compress *c, np_compression kind, const uint8_t *data, size_t len,
                          size_t max, uint8_t **out, size_t *size, np_fault *fault)
{
    /* A copy of its own size, so that a sanitizer sees the first byte read behind it. */
    uint8_t *exact = malloc(len + (len == 0));
    np_err err;

    assert_non_null(exact);
    memcpy(exact, data, len);
    memset(fault, 0, sizeof *fault);
    *out = NULL;
    err = np_compress_check(kind, exact, len, max, size, fault);
    if (err == NP_OK) {
        assert_in_range(*size, 1, max);
        *out = malloc(*size);
        assert_non_null(*out);
        err = np_compress_unpack(c, kind, exact, len, *out, *size, fault);
    }
    free(exact);
    assert_int_equal(fault->err, err);
    return err;
}

/* Compressing ------------------------------------------------------------------------------- */

/* Packs, unpacks and compares; returns the packed size, 0 where it did not pay. */
static size_t there_and_back(np_compress *c, np_compression kind, int level, const uint8_t *data,
                             size_t len)
{
    uint8_t *packed = malloc(len);
    uint8_t *back = NULL;
    np_fault fault;
    size_t size = 0;
    size_t n = 0;

    assert_non_null(packed);
    n = np_compress_pack(c, kind, level, data, len, packed);
    if (n > 0) {
        assert_true(n <= len - len / 16);
        assert_int_equal(whole_again(c, kind, packed, n, len, &back, &size, &fault), NP_OK);
        assert_int_equal(size, len);
        assert_memory_equal(back, data, len);
    }
    free(back);
    free(packed);
    return n;
}

static void test_round_trips(void **state)
{
    static const size_t sizes[] = {1, 2, 15, 16, 17, 255, 512, 1000, 4096, 16384, 16385, 65536};
    uint8_t *data = malloc(64 * KIB);

    assert_non_null(data);
    for (size_t k = 0; k < 2; k++) {
        for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
            samples_text(data, sizes[i], i);
            size_t n = there_and_back(*state, kinds[k], 1, data, sizes[i]);
            assert_true(sizes[i] < 4096 || (n > 0 && n < sizes[i] * 2 / 3));
            samples_json(data, sizes[i], i);
            n = there_and_back(*state, kinds[k], 1, data, sizes[i]);
            assert_true(sizes[i] < 512 || (n > 0 && n < sizes[i] * 4 / 5));
            memset(data, 0, sizes[i]);
            n = there_and_back(*state, kinds[k], 1, data, sizes[i]);
            assert_true(sizes[i] < 255 || (n > 0 && n < 300));
        }
    }
    free(data);
}

/* Higher levels ask for more memory, lower ones keep it; no size asks for more than is there. */
static void test_all_levels(void **state)
{
    static const size_t sizes[] = {600, 9000, 16384, 16385, 40000, 65536};
    uint8_t *data = malloc(64 * KIB);

    assert_non_null(data);
    samples_json(data, 64 * KIB, 7);
    for (int level = 1; level <= 2 * NP_COMPRESSION_LEVEL_MAX; level++) {
        int there =
            level <= NP_COMPRESSION_LEVEL_MAX ? level : 2 * NP_COMPRESSION_LEVEL_MAX + 1 - level;
        for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
            assert_true(there_and_back(*state, NP_COMPRESSION_ZSTD, there, data, sizes[i]) > 0);
        }
    }
    free(data);
}

static void test_what_does_not_pay(void **state)
{
    uint8_t *data = malloc(64 * KIB);
    uint8_t *packed = malloc(64 * KIB);

    assert_non_null(data);
    assert_non_null(packed);
    for (size_t k = 0; k < 2; k++) {
        for (size_t len = 1; len <= 64 * KIB; len = len * 3 / 2 + 1) {
            samples_random(data, len, len);
            assert_int_equal(np_compress_pack(*state, kinds[k], 3, data, len, packed), 0);
        }
        /* Compressed already. */
        samples_text(data, 64 * KIB, 1);
        size_t n = np_compress_pack(*state, NP_COMPRESSION_ZSTD, 3, data, 64 * KIB, packed);
        assert_true(n > 4096);
        assert_int_equal(np_compress_pack(*state, kinds[k], 3, packed, n, data), 0);
    }
    free(packed);
    free(data);
}

/* Bytes as frequent as in random data, but they come again: the estimate alone would be wrong. */
static void test_flat_bytes_with_matches(void **state)
{
    uint8_t *data = malloc(64 * KIB);

    assert_non_null(data);
    for (size_t at = 0; at < 64 * KIB; at += 8 * KIB) {
        samples_random(data + at, 8 * KIB, 5);
    }
    for (size_t k = 0; k < 2; k++) {
        size_t n = there_and_back(*state, kinds[k], 3, data, 64 * KIB);
        assert_in_range(n, 1, 10 * KIB);
    }
    free(data);
}

/* Few matches, but few kinds of bytes: LZ4 gains nothing, zstd does by coding them. */
static void test_letters_without_matches(void **state)
{
    uint8_t *data = malloc(16 * KIB);

    assert_non_null(data);
    samples_random(data, 16 * KIB, 9);
    for (size_t i = 0; i < 16 * KIB; i++) {
        data[i] = (uint8_t)('A' + data[i] % 32);
    }
    assert_int_equal(there_and_back(*state, NP_COMPRESSION_LZ4, 1, data, 16 * KIB), 0);
    assert_in_range(there_and_back(*state, NP_COMPRESSION_ZSTD, 1, data, 16 * KIB), 1, 11 * KIB);
    free(data);
}

static void test_options_are_off(void **state)
{
    np_compression_options options = np_compression_options_default();
    (void)state;

    assert_int_equal(options.preferred[0], NP_COMPRESSION_NONE);
    assert_int_equal(options.preferred[1], NP_COMPRESSION_NONE);
    assert_int_equal(options.threshold, 512);
    assert_int_equal(options.zstd_level, 1);
}

/* Bombs ------------------------------------------------------------------------------------- */

/* The verdict on each file of the manifest, where 16 MiB are allowed. */
typedef struct verdict {
    const char *file;
    np_err err;
    const char *where;
    uint64_t offset;
} verdict;

static const verdict verdicts[] = {
    {"zstd_rle_16MiB_nosize.zst", NP_ERR_COMPRESSION, "zstd.content_size", 4},
    {"zstd_declares_2^63.zst", NP_ERR_TOO_LONG, "zstd.content_size", 6},
    {"zstd_declares_1MiB_has_1B.zst", NP_ERR_COMPRESSION, "zstd.frame", 0},
    {"zstd_windowlog27_1B.zst", NP_ERR_COMPRESSION, "zstd.content_size", 4},
    {"zstd_windowlog28_1B.zst", NP_ERR_COMPRESSION, "zstd.content_size", 4},
    {"zstd_windowlog31_1B.zst", NP_ERR_COMPRESSION, "zstd.content_size", 4},
    {"zstd_windowlog41_1B.zst", NP_ERR_COMPRESSION, "zstd.content_size", 4},
    {"zstd_windowlog41_mant7.zst", NP_ERR_COMPRESSION, "zstd.content_size", 4},
    {"zstd_single_segment_2^40.zst", NP_ERR_TOO_LONG, "zstd.content_size", 5},
    {"zstd_reserved_block.zst", NP_ERR_COMPRESSION, "zstd.content_size", 4},
    {"zstd_oversize_block.zst", NP_ERR_COMPRESSION, "zstd.content_size", 4},
    {"zstd_concat_1000_frames.zst", NP_ERR_TRAILING, "zstd.frame", 18},
    {"zstd_skippable_then_frame.zst", NP_ERR_CONST, "zstd.magic", 0},
    {"zstd_dictid.zst", NP_ERR_COMPRESSION, "zstd.dictionary", 4},
    {"zstd_truncated.zst", NP_ERR_COMPRESSION, "zstd.frame", 0},
    {"lz4_block_16MiB.lz4b", NP_ERR_TRUNCATED, "lz4.literals", 65547},
    {"lz4_block_16MiB_size_prefixed.lz4b", NP_OK, NULL, 0},
    {"lz4_block_prefix_ffffffff.lz4b", NP_ERR_TOO_LONG, "lz4.size", 0},
    {"lz4_block_prefix_0.lz4b", NP_ERR_TOO_SHORT, "lz4.size", 0},
    {"lz4_block_offset0.lz4b", NP_ERR_RANGE, "lz4.offset", 5},
    {"lz4_block_offset_before_start.lz4b", NP_ERR_TOO_LONG, "lz4.size", 0},
    {"lz4_block_length_run_to_end.lz4b", NP_ERR_TOO_LONG, "lz4.size", 0},
    {"lz4_block_empty.lz4b", NP_ERR_TRUNCATED, "lz4.size", 0},
    {"lz4_frame_64MiB_nosize.lz4", NP_ERR_TOO_LONG, "lz4.size", 0},
};

static const verdict *verdict_on(const char *file)
{
    for (size_t i = 0; i < sizeof verdicts / sizeof verdicts[0]; i++) {
        if (strcmp(verdicts[i].file, file) == 0) {
            return &verdicts[i];
        }
    }
    fail_msg("no verdict on %s", file);
    return NULL;
}

/* hex_decode, of bytes in groups. */
static uint8_t *grouped(const char *hex, size_t *len)
{
    char *text = malloc(strlen(hex) + 1);
    uint8_t *data = NULL;
    size_t n = 0;

    assert_non_null(text);
    for (; *hex != '\0'; hex++) {
        if (*hex != ' ') {
            text[n++] = *hex;
        }
    }
    text[n] = '\0';
    data = hex_decode(text, len);
    free(text);
    return data;
}

/* A file that is runs of FF for the most part, of `run` bytes each, between pieces. */
typedef struct made_file {
    const char *file;
    size_t run;
    struct {
        const char *hex;
        size_t times;
    } pieces[4];
    const char *digest;
} made_file;

/* The four that are too large to lie here; the README beside the others has their digests. */
static const made_file made_files[] = {
    {"lz4_block_16MiB.lz4b",
     65536,
     {{"1f000100", 1}, {"0050 0000000000", 1}},
     "a35dd080dd352cae72b818c91b9500338a38b5c3f00563b55f973b8c52f0fcc7"},
    {"lz4_block_16MiB_size_prefixed.lz4b",
     65536,
     {{"1900ff00 1f000100", 1}, {"0050 0000000000", 1}},
     "2b602f6d08a816ce1b5fa583282fd781aea9b53e03cb79d97164d9fccaa34cbb"},
    {"lz4_block_prefix_0.lz4b",
     65536,
     {{"00000000 1f000100", 1}, {"0050 0000000000", 1}},
     "9bfcc49fa29a2cd8c58ad2c5a51b75f162e9789fcd64be71c2c2ddb5fc84beb1"},
    {"lz4_frame_64MiB_nosize.lz4",
     16448,
     {{"04224d18 44701d 4b400000 1f000100", 1},
      {"27500000000000 4a400000 0f0400", 1},
      {"28500000000000 4a400000 0f0400", 14},
      {"28500000000000 00000000 279253da", 1}},
     "8266859d89d17117dafc299ee42bfabc60289645ac263b0d6b0409888d5c2d6f"},
};

static uint8_t *make_bomb(const made_file *made, size_t *len)
{
    uint8_t *all = malloc(512 * KIB);
    uint8_t hash[NP_CRYPTO_HASH_LEN];
    char *digest = NULL;
    size_t n = 0;

    assert_non_null(all);
    for (size_t i = 0; i < 4 && made->pieces[i].hex != NULL; i++) {
        size_t piece_len = 0;
        uint8_t *piece = grouped(made->pieces[i].hex, &piece_len);
        for (size_t t = 0; t < made->pieces[i].times; t++) {
            size_t run = n > 0 ? made->run : 0;
            memset(all + n, 0xFF, run);
            memcpy(all + n + run, piece, piece_len);
            n += run + piece_len;
        }
        free(piece);
    }
    np_crypto_hash(hash, (np_bytes){all, n}, (np_bytes){NULL, 0});
    digest = hex_encode(hash, sizeof hash);
    assert_string_equal(digest, made->digest);
    free(digest);
    *len = n;
    return all;
}

static uint8_t *made_bomb(const char *file, size_t *len)
{
    for (size_t i = 0; i < sizeof made_files / sizeof made_files[0]; i++) {
        if (strcmp(made_files[i].file, file) == 0) {
            return make_bomb(&made_files[i], len);
        }
    }
    return NULL;
}

static uint8_t *read_bomb(const char *file, size_t *len)
{
    char path[160];
    uint8_t *data = made_bomb(file, len);
    FILE *f = NULL;

    if (data != NULL) {
        return data;
    }
    snprintf(path, sizeof path, "tests/vectors/bombs/%s", file);
    f = fopen(path, "rb");
    assert_non_null(f);
    data = malloc(64 * KIB);
    assert_non_null(data);
    *len = fread(data, 1, 64 * KIB, f);
    assert_true(feof(f));
    fclose(f);
    return data;
}

static void expect_verdict(np_compress *c, const char *file, size_t max, const verdict *expected)
{
    np_compression kind = strncmp(file, "zstd", 4) == 0 ? NP_COMPRESSION_ZSTD : NP_COMPRESSION_LZ4;
    uint8_t *out = NULL;
    np_fault fault;
    size_t size = 0;
    size_t len = 0;
    uint8_t *data = read_bomb(file, &len);
    np_err err = whole_again(c, kind, data, len, max, &out, &size, &fault);

    if (err != expected->err || fault.offset != expected->offset) {
        fail_msg("%s: %s at %s, byte %u", file, np_err_name(err), fault.where,
                 (unsigned)fault.offset);
    }
    if (err != NP_OK) {
        assert_string_equal(fault.where, expected->where);
    }
    free(out);
    free(data);
}

static void test_all_bombs_of_the_manifest(void **state)
{
    json_t *manifest =
        json_load_file("tests/vectors/bombs/manifest.json", JSON_DECODE_INT_AS_REAL, NULL);
    size_t count = sizeof verdicts / sizeof verdicts[0];

    assert_int_equal(json_array_size(manifest), count);
    for (size_t i = 0; i < count; i++) {
        json_t *entry = json_array_get(manifest, i);
        const char *file = json_string_value(json_object_get(entry, "file"));
        const char *expect = json_string_value(json_object_get(entry, "expect"));
        const verdict *ours = verdict_on(file);

        assert_true((ours->err == NP_OK) == (strcmp(expect, "accept only if cap allows") == 0));
        expect_verdict(*state, file, NP_COMPRESS_MAX, ours);
    }
    json_decref(manifest);
}

/* A larger original than is allowed, by one byte and by a lot; and just what is allowed. */
static void test_the_bound_is_the_callers(void **state)
{
    static const verdict too_long = {"", NP_ERR_TOO_LONG, "lz4.size", 0};
    static const verdict fits = {"", NP_OK, NULL, 0};
    const char *file = "lz4_block_16MiB_size_prefixed.lz4b";

    expect_verdict(*state, file, 64 * KIB, &too_long);
    expect_verdict(*state, file, 16711705 - 1, &too_long);
    expect_verdict(*state, file, 16711705, &fits);
}

/* Where several things are wrong with a file of the manifest, the rest of them, one by one; and
 * others of their kind. */
static void test_one_thing_wrong(void **state)
{
    static const struct {
        np_compression kind;
        const char *hex;
        np_err err;
        const char *where;
        uint64_t offset;
    } cases[] = {
        /* A window of 8 MiB is allowed, the next one is not; nor are those of the manifest. */
        {NP_COMPRESSION_ZSTD, "28b52ffd 40 68 0000 030800 78", NP_OK, NULL, 0},
        {NP_COMPRESSION_ZSTD, "28b52ffd 40 69 0000 030800 78", NP_ERR_TOO_LONG, "zstd.window", 5},
        {NP_COMPRESSION_ZSTD, "28b52ffd 40 88 0000 030800 78", NP_ERR_TOO_LONG, "zstd.window", 5},
        {NP_COMPRESSION_ZSTD, "28b52ffd 40 a8 0000 030800 78", NP_ERR_TOO_LONG, "zstd.window", 5},
        {NP_COMPRESSION_ZSTD, "28b52ffd 40 ff 0000 030800 78", NP_ERR_TOO_LONG, "zstd.window", 5},
        /* A size of 1, 2, 4 and 8 bytes. */
        {NP_COMPRESSION_ZSTD, "28b52ffd 20 01 090000 78", NP_OK, NULL, 0},
        {NP_COMPRESSION_ZSTD, "28b52ffd 60 0000 030800 78", NP_OK, NULL, 0},
        {NP_COMPRESSION_ZSTD, "28b52ffd a0 01000000 090000 78", NP_OK, NULL, 0},
        {NP_COMPRESSION_ZSTD, "28b52ffd e0 0100000000000000 090000 78", NP_OK, NULL, 0},
        /* With a checksum, right and wrong. */
        {NP_COMPRESSION_ZSTD, "28b52ffd 24 01 090000 78 23110483", NP_OK, NULL, 0},
        {NP_COMPRESSION_ZSTD, "28b52ffd 24 01 090000 78 23110484", NP_ERR_COMPRESSION, "zstd.frame",
         0},
        /* Sizes: none at all, one too much, one too few. */
        {NP_COMPRESSION_ZSTD, "28b52ffd 20 00 010000", NP_ERR_TOO_SHORT, "zstd.content_size", 5},
        {NP_COMPRESSION_ZSTD, "28b52ffd 20 02 090000 78", NP_ERR_COMPRESSION, "zstd.frame", 0},
        {NP_COMPRESSION_ZSTD, "28b52ffd 20 01 110000 7878", NP_ERR_COMPRESSION, "zstd.frame", 0},
        {NP_COMPRESSION_ZSTD, "28b52ffd 20 01 0b0010 78", NP_ERR_COMPRESSION, "zstd.frame", 0},
        {NP_COMPRESSION_ZSTD, "28b52ffd e0 ffffffffffffffff 090000 78", NP_ERR_TOO_LONG,
         "zstd.content_size", 5},
        {NP_COMPRESSION_ZSTD, "28b52ffd a0 01000001 090000 78", NP_ERR_TOO_LONG,
         "zstd.content_size", 5},
        /* Blocks: a reserved type, one above its bound, none that is the last. */
        {NP_COMPRESSION_ZSTD, "28b52ffd 20 01 070000", NP_ERR_COMPRESSION, "zstd.frame", 0},
        {NP_COMPRESSION_ZSTD, "28b52ffd a0 00001000 fbffff 00", NP_ERR_COMPRESSION, "zstd.frame",
         0},
        {NP_COMPRESSION_ZSTD, "28b52ffd 20 01 080000 78", NP_ERR_COMPRESSION, "zstd.frame", 0},
        /* Before and behind it; reserved bits; dictionaries, the first of which has number 0. */
        {NP_COMPRESSION_ZSTD, "28b52ffd 20 01 090000 78 00", NP_ERR_TRAILING, "zstd.frame", 10},
        {NP_COMPRESSION_ZSTD, "28b52ffd 20 01 090000 78 28b52ffd 20 01 090000 78", NP_ERR_TRAILING,
         "zstd.frame", 10},
        {NP_COMPRESSION_ZSTD, "28b52ffd 20 01 090000 78 502a4d18 00000000", NP_ERR_TRAILING,
         "zstd.frame", 10},
        {NP_COMPRESSION_ZSTD, "502a4d18 00000000", NP_ERR_CONST, "zstd.magic", 0},
        {NP_COMPRESSION_ZSTD, "27b52ffd 20 01 090000 78", NP_ERR_CONST, "zstd.magic", 0},
        {NP_COMPRESSION_ZSTD, "28b52ffd 28 01 090000 78", NP_ERR_CONST, "zstd.descriptor", 4},
        {NP_COMPRESSION_ZSTD, "28b52ffd 30 01 090000 78", NP_ERR_CONST, "zstd.descriptor", 4},
        {NP_COMPRESSION_ZSTD, "28b52ffd 21 00 01 090000 78", NP_ERR_COMPRESSION, "zstd.dictionary",
         4},
        {NP_COMPRESSION_ZSTD, "28b52ffd 22 0100 01 090000 78", NP_ERR_COMPRESSION,
         "zstd.dictionary", 4},
        /* Cut within the header. */
        {NP_COMPRESSION_ZSTD, "28b52f", NP_ERR_TRUNCATED, "zstd.magic", 3},
        {NP_COMPRESSION_ZSTD, "28b52ffd e0 01000000000000", NP_ERR_TRUNCATED, "zstd.content_size",
         12},
        {NP_COMPRESSION_ZSTD, "28b52ffd 40 68 00", NP_ERR_TRUNCATED, "zstd.content_size", 7},
        /* The bare blocks of the manifest, with a size before them. */
        {NP_COMPRESSION_LZ4, "19000000 1f000000 0050 0000000000", NP_ERR_RANGE, "lz4.offset", 6},
        {NP_COMPRESSION_LZ4, "19000000 1f00ffff 0050 0000000000", NP_ERR_RANGE, "lz4.offset", 6},
        {NP_COMPRESSION_LZ4, "19000000 1f000200 0050 0000000000", NP_ERR_RANGE, "lz4.offset", 6},
        {NP_COMPRESSION_LZ4, "19000000 1f000100 0050 0000000000", NP_OK, NULL, 0},
        {NP_COMPRESSION_LZ4, "00100000 ffffffffff", NP_ERR_TRUNCATED, "lz4.length", 9},
        {NP_COMPRESSION_LZ4, "01000000", NP_ERR_TRUNCATED, "lz4.block", 4},
        /* Sizes: one too much, one too few, by literals and by a match. */
        {NP_COMPRESSION_LZ4, "05000000 50 7878787878", NP_OK, NULL, 0},
        {NP_COMPRESSION_LZ4, "06000000 50 7878787878", NP_ERR_TOO_SHORT, "lz4.block", 10},
        {NP_COMPRESSION_LZ4, "04000000 50 7878787878", NP_ERR_TOO_LONG, "lz4.length", 4},
        {NP_COMPRESSION_LZ4, "18000000 1f000100 0050 0000000000", NP_ERR_TOO_LONG, "lz4.length", 9},
        {NP_COMPRESSION_LZ4, "13000000 1f000100 0050 0000000000", NP_ERR_TOO_LONG, "lz4.length", 4},
        {NP_COMPRESSION_LZ4, "01000000 1f000100 ff", NP_ERR_TRUNCATED, "lz4.length", 9},
        {NP_COMPRESSION_LZ4, "01000000 00", NP_ERR_TOO_SHORT, "lz4.block", 5},
        /* Cut: in the literals, in the offset, and behind a match, where literals must end it. */
        {NP_COMPRESSION_LZ4, "05000000 50 78787878", NP_ERR_TRUNCATED, "lz4.literals", 9},
        {NP_COMPRESSION_LZ4, "05000000 10 78 01", NP_ERR_TRUNCATED, "lz4.offset", 7},
        {NP_COMPRESSION_LZ4, "05000000 10 78 0100", NP_ERR_TRUNCATED, "lz4.literals", 8},
        {NP_COMPRESSION_LZ4, "050000", NP_ERR_TRUNCATED, "lz4.size", 3},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint8_t *out = NULL;
        size_t size = 0;
        size_t len = 0;
        uint8_t *data = grouped(cases[i].hex, &len);
        np_fault fault;
        np_err err = whole_again(*state, cases[i].kind, data, len, 1 * MIB, &out, &size, &fault);

        if (err != cases[i].err || fault.offset != cases[i].offset ||
            (err != NP_OK && strcmp(fault.where, cases[i].where) != 0)) {
            fail_msg("%s: %s at %s, byte %u", cases[i].hex, np_err_name(err), fault.where,
                     (unsigned)fault.offset);
        }
        free(out);
        free(data);
    }
}

/* Every cut is refused; so is every byte behind; and a changed byte gives what was declared, or an
 * error, and never a byte more. */
static void test_mutants(void **state)
{
    enum { LEN = 700 };
    uint8_t data[LEN];
    uint8_t packed[LEN + 1];
    np_fault fault;
    size_t size = 0;

    samples_json(data, LEN, 3);
    for (size_t k = 0; k < 2; k++) {
        uint8_t *out = NULL;
        size_t len = np_compress_pack(*state, kinds[k], 3, data, LEN, packed);
        assert_true(len > 0);
        for (size_t cut = 0; cut < len; cut++) {
            assert_int_not_equal(
                whole_again(*state, kinds[k], packed, cut, LEN, &out, &size, &fault), NP_OK);
            free(out);
        }
        packed[len] = 0;
        assert_int_not_equal(
            whole_again(*state, kinds[k], packed, len + 1, LEN, &out, &size, &fault), NP_OK);
        free(out);
        for (size_t at = 0; at < len; at++) {
            for (unsigned bit = 0; bit < 8; bit++) {
                packed[at] ^= (uint8_t)(1u << bit);
                np_err err =
                    whole_again(*state, kinds[k], packed, len, 1 * MIB, &out, &size, &fault);
                assert_true(err == NP_OK || np_err_class_of(err) == NP_CLASS_PROTO);
                free(out);
                packed[at] ^= (uint8_t)(1u << bit);
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trips),
        cmocka_unit_test(test_all_levels),
        cmocka_unit_test(test_what_does_not_pay),
        cmocka_unit_test(test_flat_bytes_with_matches),
        cmocka_unit_test(test_letters_without_matches),
        cmocka_unit_test(test_options_are_off),
        cmocka_unit_test(test_all_bombs_of_the_manifest),
        cmocka_unit_test(test_the_bound_is_the_callers),
        cmocka_unit_test(test_one_thing_wrong),
        cmocka_unit_test(test_mutants),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
