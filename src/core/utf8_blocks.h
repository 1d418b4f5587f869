/* utf8_blocks.h - validation of UTF-8 in blocks of 16 bytes, after Keiser and Lemire, "Validating
 * UTF-8 In Less Than One Instruction Per Byte" (2021).
 *
 * It is a template: utf8_ssse3.c and utf8_neon.c define the type `block`, TARGET (the attribute
 * that lets a function use the instructions) and these operations, and include it.
 *
 *   load(p)             16 bytes from any address
 *   fill(byte)          16 times the same
 *   or_, and_, xor_     of all bits of two
 *   high(a), low(a)     the upper, the lower four bits of each byte
 *   look(t, a)          t[a] for each byte of a, which is below 16
 *   minus(a, b)         each byte of a less that of b, 0 where that would be below 0
 *   least(a, b)         the lesser of each two bytes, without sign
 *   zeros(a)            FF where a byte is 0, else 0
 *   any(a)              whether any bit is set
 *   any_high(a)         whether the upper bit of any byte is set
 *   behind(last, a, n)  a moved up by n bytes; the first n are the last n of the block before
 *
 * The idea: whatever can be wrong with UTF-8, but for two things, shows in two neighbouring bytes,
 * and of these in the upper and lower half of the first and the upper half of the second. Each kind
 * of error has a bit. Three tables tell for a half which errors it does not rule out; an error that
 * none of the three rules out is there. The two things: a third byte of three or four, and a fourth
 * of four, have to be continuation bytes, and nowhere else may two of these meet. The bit TWO says
 * where two meet, and the lead bytes two and three places before say where they have to.
 */
#include "core/utf8.h"

/* The kinds of errors, by first and second byte. */
#define SHORT 0x01u      /* C0..FF, then no continuation */
#define STRAY 0x02u      /* 00..7F, then a continuation */
#define OVERLONG_3 0x04u /* E0, 80..9F */
#define LARGE 0x08u      /* F4..FF, 90..BF */
#define SURROGATE 0x10u  /* ED, A0..BF */
#define OVERLONG_2 0x20u /* C0..C1, 80..BF */
/* F0, 80..8F is overlong, and F5..FF, 80..8F too large: one bit, since the tables tell 4 from 0 and
 * from 5..F in the lower half of the first byte. */
#define OUTSIDE_4 0x40u
#define TWO 0x80u /* two continuations: an error where none has to be */

/* These do not depend on the lower half of the first byte. */
#define ANY_LOW (SHORT | STRAY | TWO)

/* By the upper half of the first byte. */
static const uint8_t first_high[16] = {
    STRAY,                          /* 0. ASCII */
    STRAY,                          /* 1. */
    STRAY,                          /* 2. */
    STRAY,                          /* 3. */
    STRAY,                          /* 4. */
    STRAY,                          /* 5. */
    STRAY,                          /* 6. */
    STRAY,                          /* 7. */
    TWO,                            /* 8. continuations */
    TWO,                            /* 9. */
    TWO,                            /* A. */
    TWO,                            /* B. */
    SHORT | OVERLONG_2,             /* C. leads two bytes */
    SHORT,                          /* D. */
    SHORT | OVERLONG_3 | SURROGATE, /* E. three */
    SHORT | LARGE | OUTSIDE_4,      /* F. four */
};

/* By the lower half of the first byte. */
static const uint8_t first_low[16] = {
    ANY_LOW | OVERLONG_2 | OVERLONG_3 | OUTSIDE_4, /* C0, E0, F0 */
    ANY_LOW | OVERLONG_2,                          /* C1 */
    ANY_LOW,                                       /* .2 */
    ANY_LOW,                                       /* .3 */
    ANY_LOW | LARGE,                               /* F4 */
    ANY_LOW | LARGE | OUTSIDE_4,                   /* F5 */
    ANY_LOW | LARGE | OUTSIDE_4,                   /* F6 */
    ANY_LOW | LARGE | OUTSIDE_4,                   /* F7 */
    ANY_LOW | LARGE | OUTSIDE_4,                   /* F8 */
    ANY_LOW | LARGE | OUTSIDE_4,                   /* F9 */
    ANY_LOW | LARGE | OUTSIDE_4,                   /* FA */
    ANY_LOW | LARGE | OUTSIDE_4,                   /* FB */
    ANY_LOW | LARGE | OUTSIDE_4,                   /* FC */
    ANY_LOW | LARGE | OUTSIDE_4 | SURROGATE,       /* FD, ED */
    ANY_LOW | LARGE | OUTSIDE_4,                   /* FE */
    ANY_LOW | LARGE | OUTSIDE_4,                   /* FF */
};

/* By the upper half of the second byte. */
static const uint8_t second_high[16] = {
    SHORT,                                             /* 0. ASCII */
    SHORT,                                             /* 1. */
    SHORT,                                             /* 2. */
    SHORT,                                             /* 3. */
    SHORT,                                             /* 4. */
    SHORT,                                             /* 5. */
    SHORT,                                             /* 6. */
    SHORT,                                             /* 7. */
    STRAY | TWO | OVERLONG_2 | OVERLONG_3 | OUTSIDE_4, /* 8. continuations */
    STRAY | TWO | OVERLONG_2 | OVERLONG_3 | LARGE,     /* 9. */
    STRAY | TWO | OVERLONG_2 | SURROGATE | LARGE,      /* A. */
    STRAY | TWO | OVERLONG_2 | SURROGATE | LARGE,      /* B. */
    SHORT,                                             /* C. leads */
    SHORT,                                             /* D. */
    SHORT,                                             /* E. */
    SHORT,                                             /* F. */
};

/* Bytes above these at the end of a block lead a character that goes on in the next one. */
static const uint8_t ends_whole[16] = {0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF,
                                       0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xEF, 0xDF, 0xBF};

/* The tables, where the processor looks them up. */
typedef struct tables {
    block first_high;
    block first_low;
    block second_high;
    block ends_whole;
} tables;

/* Not 0 if a sequence that ends or breaks in this block, or a byte in it, is wrong. */
TARGET static inline block errors(const tables *t, block last, block now)
{
    block before = behind(last, now, 1);
    block pairs = and_(and_(look(t->first_high, high(before)), look(t->first_low, low(before))),
                       look(t->second_high, high(now)));
    /* The upper bit is what is left of E0..FF two before, and of F0..FF three before. */
    block third = minus(behind(last, now, 2), fill(0xE0 - 0x80));
    block fourth = minus(behind(last, now, 3), fill(0xF0 - 0x80));

    return xor_(pairs, and_(or_(third, fourth), fill(TWO)));
}

/* Where the character begins that is unfinished before p[at], and else `at`. Only the last three
 * bytes are looked at, which is enough where all before `at` has been found right. */
static size_t whole_before(const uint8_t *p, size_t at)
{
    static const uint8_t leads[] = {0xC0, 0xE0, 0xF0};

    for (size_t back = 1; back <= 3 && back <= at; back++) {
        if (p[at - back] >= leads[back - 1]) {
            return at - back;
        }
    }
    return at;
}

/* Part of its caller, where nonul is known. */
TARGET static inline __attribute__((always_inline)) size_t skip(const uint8_t *p, size_t len,
                                                                bool nonul)
{
    const tables t = {load(first_high), load(first_low), load(second_high), load(ends_whole)};
    const block refuse_zero = fill(nonul ? 0xFF : 0);
    block last = fill(0);
    size_t at = 0;

    for (; len - at >= 64; at += 64) {
        block a = load(p + at);
        block b = load(p + at + 16);
        block c = load(p + at + 32);
        block d = load(p + at + 48);
        block wrong = and_(zeros(least(least(a, b), least(c, d))), refuse_zero);
        if (any_high(or_(or_(a, b), or_(c, d)))) {
            wrong = or_(wrong, or_(or_(errors(&t, last, a), errors(&t, a, b)),
                                   or_(errors(&t, b, c), errors(&t, c, d))));
        } else {
            wrong = or_(wrong, minus(last, t.ends_whole));
        }
        if (any(wrong)) {
            return whole_before(p, at);
        }
        last = d;
    }
    block wrong = fill(0);
    size_t tail = at;
    for (; len - tail >= 16; tail += 16) {
        block now = load(p + tail);
        wrong = or_(wrong, or_(errors(&t, last, now), and_(zeros(now), refuse_zero)));
        last = now;
    }
    /* Less than a block is left: the last 16 bytes are looked at, some of them once more. */
    if (tail < len) {
        block now = load(p + len - 16);
        last = load(p + len - 32);
        wrong = or_(wrong, or_(errors(&t, last, now), and_(zeros(now), refuse_zero)));
    }
    return whole_before(p, any(wrong) ? at : len);
}
