/* liar.h - two secure sessions, and between them a wire that a script makes lie.
 *
 * The script says who speaks, how much travels, what is turned, doubled, lost or put in, and how
 * time passes. Whatever it says, this must hold, or the program ends:
 *
 *   - what a side is told is what the other side said, in that order, from the first on: a prefix;
 *   - behind the first byte that is not the other side's, nothing is told any more, and nothing of
 *     it is judged but its frame and its seal;
 *   - on a wire that told no lie everything arrives, and both stay open;
 *   - on such a wire nobody is ended for what the other sent, unless it came too late;
 *   - who is open knows the other's key, and both speak the same version, encrypt with the cipher
 *     and compress with what they had to agree on;
 *   - two without a cipher in common do not open, and on a wire that told no lie both say why;
 *   - what does not compress, or is too short to, takes no less than its own length, and the rest
 *     takes less;
 *   - who is told that the other has ended in order has been told all that the other said, and has
 *     read nothing behind it;
 *   - input holds a few records' worth of memory at most, and output no more than its bound;
 *   - every session comes to its end when time passes, and gives all of its memory back.
 *
 * What is said are messages and bodies in pieces, of up to 70,000 bytes, of which some compress. A
 * test draws scripts from seeds; the fuzzer writes its own.
 */
#ifndef TEST_LIAR_H
#define TEST_LIAR_H

#include <stddef.h>
#include <stdint.h>

/* What came of a script, for tests that want to know whether they test anything. */
typedef struct liar_story {
    size_t said;
    size_t told;
    size_t lies;
    size_t refused; /* sessions that ended in an error */
    size_t updates; /* of keys */
    size_t late;    /* reads that had to wait */
    size_t byes;    /* ends in order, of which the other side was told */
    size_t bodies;
    size_t compressing; /* sides that opened with a compression */
    size_t aes;         /* sides that opened with AES-256-GCM */
    size_t strangers;   /* pairs without a cipher in common */
    size_t saved;       /* bytes, by compressing */
    size_t trailing;    /* ends for what came behind a last word */
} liar_story;

/* How a script is run, as bits. */
enum {
    LIAR_HANDSHAKE = 1, /* from a pair of sessions that have not met */
    LIAR_DELAY = 2,     /* each direction has a delay of its own, which the script changes, so that
                         * what the two say crosses on the way in any order */
    LIAR_CHOICES = 4    /* the script begins with what each of them offers; else nothing is
                         * compressed, and the cipher is XChaCha20-Poly1305 */
};

liar_story liar_run(const uint8_t *script, size_t len, unsigned how);

#endif
