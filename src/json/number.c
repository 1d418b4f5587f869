/* number.c - numbers to and from text.
 *
 * The C library's printf and strtod write and read the locale's decimal point: one function makes
 * JSON of what printf wrote, and strtod gets numbers without a point.
 */
#include "json_private.h"

#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

unsigned np__json_kind_bits(np_kind kind)
{
    switch (kind) {
    case NP_KIND_U8:
    case NP_KIND_I8:
        return 8;
    case NP_KIND_U16:
    case NP_KIND_I16:
        return 16;
    case NP_KIND_U32:
    case NP_KIND_I32:
    case NP_KIND_F32:
        return 32;
    case NP_KIND_U128:
    case NP_KIND_I128:
        return 128;
    default:
        return 64;
    }
}

bool np__json_kind_signed(np_kind kind)
{
    return kind >= NP_KIND_I8 && kind <= NP_KIND_I128;
}

/* Integers ------------------------------------------------------------------------------------- */

static np_u128 negate(np_u128 value)
{
    np_u128 result = {~value.lo + 1, ~value.hi};

    result.hi += result.lo == 0 ? 1 : 0;
    return result;
}

/* Divides by 10^9 in place, 32 bits at a time; returns the remainder. */
static uint32_t divide(np_u128 *value)
{
    uint32_t limbs[4] = {(uint32_t)(value->hi >> 32), (uint32_t)value->hi,
                         (uint32_t)(value->lo >> 32), (uint32_t)value->lo};
    uint64_t rest = 0;

    for (size_t i = 0; i < 4; i++) {
        uint64_t part = rest << 32 | limbs[i];
        limbs[i] = (uint32_t)(part / 1000000000u);
        rest = part % 1000000000u;
    }
    value->hi = (uint64_t)limbs[0] << 32 | limbs[1];
    value->lo = (uint64_t)limbs[2] << 32 | limbs[3];
    return (uint32_t)rest;
}

/* A 128-bit integer in decimal digits; returns how many characters. */
static void print_wide(np_u128 value, bool negative, char text[NP__JSON_NUMBER_MAX])
{
    uint32_t groups[5];
    size_t count = 0;
    char *p = text;

    if (negative) {
        value = negate(value);
        *p++ = '-';
    }
    do {
        groups[count++] = divide(&value);
    } while ((value.lo | value.hi) != 0);
    p += sprintf(p, "%" PRIu32, groups[--count]);
    while (count > 0) {
        p += sprintf(p, "%09" PRIu32, groups[--count]);
    }
}

/* Value * 10 + digit; false if 128 bits do not hold it. */
static bool append_digit(np_u128 *value, uint32_t digit)
{
    uint32_t limbs[4] = {(uint32_t)value->lo, (uint32_t)(value->lo >> 32), (uint32_t)value->hi,
                         (uint32_t)(value->hi >> 32)};
    uint64_t carry = digit;

    for (size_t i = 0; i < 4; i++) {
        carry += (uint64_t)limbs[i] * 10;
        limbs[i] = (uint32_t)carry;
        carry >>= 32;
    }
    value->lo = (uint64_t)limbs[1] << 32 | limbs[0];
    value->hi = (uint64_t)limbs[3] << 32 | limbs[2];
    return carry == 0;
}

/* A magnitude and its sign as the two's complement of a kind. */
static np_err fit(np_kind kind, np_u128 magnitude, bool negative, np_u128 *bits)
{
    unsigned width = np__json_kind_bits(kind) - (np__json_kind_signed(kind) ? 1 : 0);
    np_u128 max = {width >= 64 ? UINT64_MAX : ((uint64_t)1 << width) - 1,
                   width <= 64 ? 0 : UINT64_MAX >> (128 - width)};

    if (negative && !np__json_kind_signed(kind)) {
        return NP_ERR_RANGE;
    }
    if (negative) { /* there is one more below zero than above */
        max.lo++;
        max.hi += max.lo == 0 ? 1 : 0;
    }
    if (np_u128_compare(magnitude, max) > 0) {
        return NP_ERR_RANGE;
    }
    *bits = negative ? negate(magnitude) : magnitude;
    return NP_OK;
}

np_err np__json_integer_read(np_kind kind, np_str text, np_u128 *bits)
{
    bool negative = text.len > 0 && text.data[0] == '-';
    size_t at = negative ? 1 : 0;
    np_u128 value = {0, 0};
    bool fits = true;

    if (at == text.len || (text.data[at] == '0' && text.len > 1)) {
        return NP_ERR_JSON;
    }
    for (; at < text.len; at++) {
        if (text.data[at] < '0' || text.data[at] > '9') {
            return NP_ERR_JSON;
        }
        fits = fits && append_digit(&value, (uint32_t)(text.data[at] - '0'));
    }
    return fits ? fit(kind, value, negative, bits) : NP_ERR_RANGE;
}

/* Floats --------------------------------------------------------------------------------------- */

static double value_of(np_kind kind, np_u128 bits)
{
    uint8_t bytes[8];

    np_put_u64(bytes, bits.lo);
    return kind == NP_KIND_F32 ? (double)np_get_f32(bytes) : np_get_f64(bytes);
}

/* No point between two doubles has more digits (767); of what follows it counts only whether it is
 * all zero. */
#define DIGITS_MAX 800

/* A JSON number as digits without a point and a power of ten: -0.25e1 is -25e-1. It means the same
 * in every locale and has a bounded length. */
static void without_point(np_str text, char out[DIGITS_MAX + 32])
{
    static const int64_t far = (int64_t)1 << 50; /* beyond what any text's length makes up for */
    int64_t power = 0, exponent = 0;
    bool point = false, rest = false, below = false;
    size_t at = 0, count = 0;
    char *digits = out;

    if (text.len > 0 && text.data[0] == '-') {
        *digits++ = '-';
        at++;
    }
    for (; at < text.len && text.data[at] != 'e' && text.data[at] != 'E'; at++) {
        char c = text.data[at];
        if (c == '.') {
            point = true;
            continue;
        }
        bool kept = count < DIGITS_MAX && (count > 0 || c != '0');
        if (kept) {
            digits[count++] = c;
        } else if (count > 0) {
            rest = rest || c != '0';
        }
        power += (kept || count == 0 ? 0 : 1) - (point ? 1 : 0);
    }
    for (at++; at < text.len; at++) {
        char c = text.data[at];
        below = below || c == '-';
        if (c >= '0' && c <= '9' && exponent < far) {
            exponent = 10 * exponent + (c - '0');
        }
    }
    if (rest) { /* so much that a tie is none */
        digits[count++] = '1';
        power--;
    }
    power += below ? -exponent : exponent;
    power = count == 0 ? 0 : power > 99999 ? 99999 : power < -99999 ? -99999 : power;
    snprintf(digits + count, 16, "%se%d", count == 0 ? "0" : "", (int)power);
}

np_err np__json_float_read(np_kind kind, np_str text, np_u128 *bits)
{
    char plain[DIGITS_MAX + 32];
    uint8_t bytes[8] = {0};

    without_point(text, plain);
    if (kind == NP_KIND_F64) {
        double value = strtod(plain, NULL);
        np_put_f64(bytes, value);
        *bits = (np_u128){np_get_u64(bytes), 0};
        return isinf(value) ? NP_ERR_RANGE : NP_OK;
    }
    /* Not by way of a double, which would round twice. */
    float value = strtof(plain, NULL);
    np_put_f32(bytes, value);
    *bits = (np_u128){np_get_u64(bytes), 0};
    return isinf(value) ? NP_ERR_RANGE : NP_OK;
}

bool np__json_float_named(np_kind kind, np_str text, np_u128 *bits)
{
    static const struct {
        const char *name;
        uint32_t f32;
        uint64_t f64;
    } rows[] = {
        {"NaN", 0x7FC00000, 0x7FF8000000000000},
        {"Infinity", 0x7F800000, 0x7FF0000000000000},
        {"-Infinity", 0xFF800000, 0xFFF0000000000000},
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (np_str_equal(text, np_str_from(rows[i].name))) {
            *bits = (np_u128){kind == NP_KIND_F32 ? rows[i].f32 : rows[i].f64, 0};
            return true;
        }
    }
    return false;
}

/* Turns what printf wrote into JSON: the locale's decimal point into a dot, and "1" and "1." into
 * "1.0", so that a reader of JSON takes it for a float. */
static void to_json(char *text)
{
    char *from = text, *to = text;
    bool whole = true;

    for (; *from != '\0'; from++) {
        if (strchr("+-0123456789e", *from) != NULL) {
            whole = whole && *from != 'e';
            *to++ = *from;
        } else if (to > text && to[-1] != '.') { /* a point may be several bytes long */
            whole = false;
            *to++ = '.';
        }
    }
    *to = '\0';
    if (whole) {
        memcpy(to, ".0", 3);
    } else if (to[-1] == '.') {
        memcpy(to, "0", 2);
    }
}

/* Whether a number of JSON reads back as these bits. */
static bool reads_back(np_kind kind, const char *text, np_u128 bits)
{
    np_u128 again = {0, 0};

    return np__json_float_read(kind, np_str_from(text), &again) == NP_OK && again.lo == bits.lo;
}

/* The next number of so many digits away from zero, if its last digit can rise by itself. (If it
 * cannot, fewer digits give that number.) */
static bool print_beyond(double value, int digits, char text[NP__JSON_NUMBER_MAX])
{
    snprintf(text, NP__JSON_NUMBER_MAX - 3, "%#.*g", digits, value);
    char *end = strchr(text, 'e');
    end = end != NULL ? end : text + strlen(text);
    while (end[-1] < '0' || end[-1] > '9') { /* the point of "12." */
        end--;
    }
    if (end[-1] == '9') {
        return false;
    }
    end[-1]++;
    to_json(text);
    return true;
}

/* The number of the fewest digits that reads back, and of those the nearest. */
static void print_shortest(np_kind kind, np_u128 bits, char text[NP__JSON_NUMBER_MAX])
{
    double value = value_of(kind, bits);
    bool narrow = kind == NP_KIND_F32;
    bool subnormal = fabs(value) < (narrow ? (double)FLT_MIN : DBL_MIN);
    /* Below a power of two the numbers stand closer than above it, so that where the nearest text
     * is too low, the one beyond it may do. */
    bool uneven = (bits.lo & (narrow ? ((uint64_t)1 << 23) - 1 : ((uint64_t)1 << 52) - 1)) == 0;

    /* So many digits are always kept, and zeros at the end are not printed. */
    for (int digits = subnormal ? 1 : narrow ? FLT_DIG : DBL_DIG;; digits++) {
        snprintf(text, NP__JSON_NUMBER_MAX - 3, "%.*g", digits, value);
        to_json(text);
        if (digits == 17 || reads_back(kind, text, bits)) {
            return;
        }
        if (uneven && print_beyond(value, digits, text) && reads_back(kind, text, bits)) {
            return;
        }
    }
}

static void print_float(np_kind kind, np_u128 bits, char text[NP__JSON_NUMBER_MAX])
{
    double value = value_of(kind, bits);

    if (isnan(value)) {
        strcpy(text, "\"NaN\"");
    } else if (isinf(value)) {
        strcpy(text, value > 0 ? "\"Infinity\"" : "\"-Infinity\"");
    } else {
        print_shortest(kind, bits, text);
    }
}

void np__json_number_print(np_kind kind, np_u128 bits, char text[NP__JSON_NUMBER_MAX])
{
    unsigned width = np__json_kind_bits(kind);
    bool quoted = width > 32;
    char digits[NP__JSON_NUMBER_MAX];

    if (kind == NP_KIND_F32 || kind == NP_KIND_F64) {
        print_float(kind, bits, text);
        return;
    }
    bool negative = np__json_kind_signed(kind) &&
                    ((width == 128 ? bits.hi >> 63 : bits.lo >> (width - 1)) & 1) != 0;
    if (negative && width < 128) {
        bits.hi = UINT64_MAX;
        bits.lo |= width < 64 ? UINT64_MAX << width : 0;
    }
    print_wide(bits, negative, digits);
    snprintf(text, NP__JSON_NUMBER_MAX, quoted ? "\"%s\"" : "%s", digits);
}
