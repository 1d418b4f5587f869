/* utf8_neon.c - the blocks of utf8_blocks.h in NEON's registers, which every aarch64 has. */
#include "core/utf8.h"

#if defined(__aarch64__) && defined(__ARM_NEON)

#include <arm_neon.h>

#define TARGET

typedef uint8x16_t block;

static inline block load(const uint8_t *p)
{
    return vld1q_u8(p);
}

static inline block fill(unsigned byte)
{
    return vdupq_n_u8((uint8_t)byte);
}

static inline block or_(block a, block b)
{
    return vorrq_u8(a, b);
}

static inline block and_(block a, block b)
{
    return vandq_u8(a, b);
}

static inline block xor_(block a, block b)
{
    return veorq_u8(a, b);
}

static inline block low(block a)
{
    return vandq_u8(a, vdupq_n_u8(0x0F));
}

static inline block high(block a)
{
    return vshrq_n_u8(a, 4);
}

static inline block look(block table, block index)
{
    return vqtbl1q_u8(table, index);
}

static inline block minus(block a, block b)
{
    return vqsubq_u8(a, b);
}

static inline block least(block a, block b)
{
    return vminq_u8(a, b);
}

static inline block zeros(block a)
{
    return vceqzq_u8(a);
}

static inline bool any(block a)
{
    return vmaxvq_u8(a) != 0;
}

static inline bool any_high(block a)
{
    return vmaxvq_u8(a) >= 0x80;
}

#define behind(last, now, n) vextq_u8(last, now, 16 - (n))

#include "core/utf8_blocks.h"

size_t np__utf8_skip_neon(const uint8_t *data, size_t len, bool nonul)
{
    return nonul ? skip(data, len, true) : skip(data, len, false);
}

#endif
