/* utf8.h - checking UTF-8: the portable scanner, and vector code that runs ahead of it.
 *
 * The scanner alone judges. Vector code (utf8_ssse3.c, utf8_neon.c) only says how much of a text
 * is valid without doubt, and the scanner goes on from there. So a text is refused with the same
 * error at the same offset whatever processor looks at it.
 */
#ifndef NP_CORE_UTF8_H
#define NP_CORE_UTF8_H

#include <netproto/codec.h>

/* Shorter text is not worth a vector: for the vector code, two blocks are the least. */
#define NP_UTF8_VECTOR_MIN 32

/* As np_text_scan_piece, on any processor. data may be NULL where len is 0. */
np_err np__utf8_scan(np_text_scan *scan, const uint8_t *data, size_t len, bool nonul,
                     ptrdiff_t *bad);

/* How many of the first bytes of a text are whole, valid characters (without NUL if nonul). It may
 * be less than there are, but what is left is no more than an unfinished character, or begins less
 * than 68 bytes before what is refused. len is NP_UTF8_VECTOR_MIN at least; nothing beyond len is
 * read. */
#if defined(__x86_64__)
#define NP_UTF8_VECTOR 1
/* Only for processors that have SSSE3, as nearly all have since 2006. */
size_t np__utf8_skip_ssse3(const uint8_t *data, size_t len, bool nonul);
#elif defined(__aarch64__) && defined(__ARM_NEON)
#define NP_UTF8_VECTOR 1
size_t np__utf8_skip_neon(const uint8_t *data, size_t len, bool nonul);
#else
#define NP_UTF8_VECTOR 0
#endif

/* Whether this processor runs the vector code. The compiler's library has found out before main. */
static inline bool np__utf8_has_vector(void)
{
#if defined(__x86_64__) && !defined(__SSSE3__)
    return __builtin_cpu_supports("ssse3") != 0;
#else
    return NP_UTF8_VECTOR != 0;
#endif
}

/* The same with the code that this processor has; 0 where it has none. */
static inline size_t np__utf8_skip(const uint8_t *data, size_t len, bool nonul)
{
#if defined(__x86_64__)
    return np__utf8_has_vector() ? np__utf8_skip_ssse3(data, len, nonul) : 0;
#elif NP_UTF8_VECTOR
    return np__utf8_skip_neon(data, len, nonul);
#else
    (void)data;
    (void)len;
    (void)nonul;
    return 0;
#endif
}

#endif
