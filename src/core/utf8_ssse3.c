/* utf8_ssse3.c - the blocks of utf8_blocks.h in SSSE3's registers. The rest of the library is built
 * for any x86-64, so only functions with TARGET may use what SSSE3 brought. */
#include "core/utf8.h"

#if defined(__x86_64__)

#include <tmmintrin.h>

#define TARGET __attribute__((target("ssse3")))

typedef __m128i block;

TARGET static inline block load(const uint8_t *p)
{
    return _mm_loadu_si128((const __m128i *)(const void *)p);
}

TARGET static inline block fill(unsigned byte)
{
    return _mm_set1_epi8((char)byte);
}

TARGET static inline block or_(block a, block b)
{
    return _mm_or_si128(a, b);
}

TARGET static inline block and_(block a, block b)
{
    return _mm_and_si128(a, b);
}

TARGET static inline block xor_(block a, block b)
{
    return _mm_xor_si128(a, b);
}

TARGET static inline block low(block a)
{
    return _mm_and_si128(a, _mm_set1_epi8(0x0F));
}

/* There is no shift of bytes, so what comes down from the byte above is cut off. */
TARGET static inline block high(block a)
{
    return low(_mm_srli_epi16(a, 4));
}

TARGET static inline block look(block table, block index)
{
    return _mm_shuffle_epi8(table, index);
}

TARGET static inline block minus(block a, block b)
{
    return _mm_subs_epu8(a, b);
}

TARGET static inline block least(block a, block b)
{
    return _mm_min_epu8(a, b);
}

TARGET static inline block zeros(block a)
{
    return _mm_cmpeq_epi8(a, _mm_setzero_si128());
}

TARGET static inline bool any(block a)
{
    return _mm_movemask_epi8(zeros(a)) != 0xFFFF;
}

TARGET static inline bool any_high(block a)
{
    return _mm_movemask_epi8(a) != 0;
}

#define behind(last, now, n) _mm_alignr_epi8(now, last, 16 - (n))

#include "core/utf8_blocks.h"

TARGET size_t np__utf8_skip_ssse3(const uint8_t *data, size_t len, bool nonul)
{
    return nonul ? skip(data, len, true) : skip(data, len, false);
}

#endif
