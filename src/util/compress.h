/* compress.h - payloads made smaller by LZ4 or zstd, and made whole again without trusting them.
 *
 * On the wire. LZ4: the size of the original, u32 LE, then one block of the LZ4 block format (the
 * library's description of it, version 1.9). zstd: exactly one frame (RFC 8878), which declares the
 * size of its content and takes no dictionary. An original has 1 byte at least.
 *
 * What comes from a peer may be a bomb: a few bytes that claim or make gigabytes. So there are two
 * steps. np_compress_check judges all that can be judged without decoding: the declared size
 * against what is allowed, zstd's window, that nothing precedes or follows the frame or block, and
 * every length and offset of LZ4. It costs a walk over the input and no memory. Only then does the
 * caller find room for that size, and np_compress_unpack decodes into it, never past it.
 *
 * What goes out is compressed only where it pays, which is a sixteenth at least. That something
 * will not is found out for little: by the frequencies of some of its bytes, and by LZ4, which
 * hurries where it finds no matches.
 *
 * Memory: the libraries' contexts, shared by all connections of a loop: 16 KiB for LZ4, 96 KiB for
 * reading zstd and, for writing it, 0.3 MiB at level 1 to 1.8 MiB at level 19. Each is taken at its
 * first use and kept; nothing is allocated after that. What one message leaves in them, the next
 * one does not refer to, so no message's length tells about another's content.
 *
 * Threads: one for each np_compress.
 *
 * NP_API: the runtime library calls these too, though no user includes this.
 */
#ifndef NP_UTIL_COMPRESS_H
#define NP_UTIL_COMPRESS_H

#include <netproto/compression.h>
#include <netproto/error.h>

/* Greatest original that np_compress_pack takes. */
#define NP_COMPRESS_PACK_MAX ((size_t)64 * 1024)

/* Greatest input and output of the other two: a frame's greatest payload. */
#define NP_COMPRESS_MAX ((size_t)16 * 1024 * 1024)

/* Greatest window of a zstd frame, what RFC 8878 (3.1.1.1.2) asks every decoder to take. */
#define NP_COMPRESS_WINDOW_MAX ((uint64_t)8 * 1024 * 1024)

/* The members are compress.c's; all zero: no context has been used yet. */
typedef struct np_compress {
    void *lz4;          /* state of LZ4's compressor */
    void *zstd_memory;  /* what zstd_packs lies in */
    size_t zstd_len;    /* bytes of it */
    int zstd_level;     /* that it was last used at */
    void *zstd_packs;   /* ZSTD_CCtx */
    void *zstd_unpacks; /* ZSTD_DCtx */
} np_compress;

/* Allocates nothing. */
NP_API void np_compress_init(np_compress *c);

/* Frees the contexts. */
NP_API void np_compress_fini(np_compress *c);

/* Compresses 1 to NP_COMPRESS_PACK_MAX bytes to `out`, which has room for as many. level: zstd's, 1
 * to NP_COMPRESSION_LEVEL_MAX. Returns the compressed size, or 0 where it does not pay, or there is
 * no memory for a context: then the original is what to send. */
size_t np_compress_pack(np_compress *c, np_compression kind, int level, const uint8_t *data,
                        size_t len, uint8_t *out);

/* Judges `len` compressed bytes, at most NP_COMPRESS_MAX, whose original may have `max` bytes, at
 * most NP_COMPRESS_MAX; *size is what they declare. Errors, with *fault and offsets from the first
 * byte: NP_ERR_TRUNCATED, NP_ERR_TRAILING, NP_ERR_TOO_LONG (the declared size, the window, or more
 * than was declared), NP_ERR_TOO_SHORT (nothing, or less than was declared), NP_ERR_CONST (no zstd
 * frame, or reserved bits), NP_ERR_RANGE (an offset of LZ4), NP_ERR_COMPRESSION (what else is
 * malformed, and zstd frames with a dictionary or without a declared size). */
NP_MUST_CHECK np_err np_compress_check(np_compression kind, const uint8_t *data, size_t len,
                                       size_t max, size_t *size, np_fault *fault);

/* Decodes what np_compress_check has passed to `out`, which has room for `size` bytes as declared.
 * Errors: NP_ERR_COMPRESSION with *fault (malformed, or another size than declared), NP_ERR_MEMORY.
 */
NP_MUST_CHECK np_err np_compress_unpack(np_compress *c, np_compression kind, const uint8_t *data,
                                        size_t len, uint8_t *out, size_t size, np_fault *fault);

#endif
