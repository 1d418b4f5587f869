/* netproto/compression.h - smaller payloads, where both sides want that.
 *
 *     options.conn.compression = np_compression_options_default();
 *     options.conn.compression.preferred[0] = NP_COMPRESSION_ZSTD;
 *     options.conn.compression.preferred[1] = NP_COMPRESSION_LZ4;
 *
 * It is off unless it is switched on, on both sides. The accepting side chooses the first of its
 * own that the other offers; where there is none, nothing is compressed, and the connection opens
 * all the same. Then each side compresses what it sends: messages, requests, answers and pieces of
 * bodies of `threshold` bytes or more, each for itself, where that makes them smaller by a
 * sixteenth at least. Handlers see no difference.
 *
 * Encryption does not hide lengths. Whoever sees the length of a compressed message learns
 * something about its content; whoever may also choose a part of the content can guess the rest
 * byte by byte (CRIME, 2012). So never compress what holds a secret, such as a password, a token or
 * somebody's private text, beside what a stranger chose. A message marked `secret` in the schema is
 * never compressed, nor is its answer, and a peer that does it is turned out. Where that is too
 * fine a line to draw, leave compression off.
 *
 * Threads: plain values.
 */
#ifndef NETPROTO_COMPRESSION_H
#define NETPROTO_COMPRESSION_H

#include <netproto/export.h>

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The numbers are those of the frame's flags and of base.Offer. */
typedef enum np_compression {
    NP_COMPRESSION_NONE = 0,
    NP_COMPRESSION_LZ4 = 1, /* fast: some hundred megabytes a second, there and back */
    NP_COMPRESSION_ZSTD = 2 /* smaller, at about half of that speed */
} np_compression;

/* How many kinds there are besides NONE. */
#define NP_COMPRESSION_KINDS 2

/* Greatest level of zstd's. */
#define NP_COMPRESSION_LEVEL_MAX 19

/* The defaults are in brackets. */
typedef struct np_compression_options {
    /* [NONE, NONE: off] The best first; NONE ends the list. */
    np_compression preferred[NP_COMPRESSION_KINDS];
    uint32_t threshold;   /* [512] bytes of an encoded payload from which on it may be compressed */
    int zstd_level;       /* [1] 1 to NP_COMPRESSION_LEVEL_MAX: higher is smaller and slower */
    uint32_t unpack_rate; /* [256 MiB] bytes that what a connection's peer sends may become in a
                           * second; a peer that is faster is read from more slowly. A few bytes
                           * may become 64 KiB, so this bounds the time that they cost. A
                           * conversation's `within` goes on meanwhile. 0: no bound; the loop's
                           * other connections get their turns all the same */
} np_compression_options;

NP_API np_compression_options np_compression_options_default(void);

#ifdef __cplusplus
}
#endif

#endif
