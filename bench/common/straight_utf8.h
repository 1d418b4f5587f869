/* straight_utf8.h - whether text is UTF-8, in C as one writes it by hand. */
#ifndef BENCH_STRAIGHT_UTF8_H
#define BENCH_STRAIGHT_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* RFC 3629, by its table. */
static bool straight_is_utf8_slow(const uint8_t *p, size_t len)
{
    size_t i = 0;

    while (i < len) {
        uint8_t lead = p[i++];
        size_t more = lead < 0x80 ? 0 : lead < 0xE0 ? 1 : lead < 0xF0 ? 2 : 3;
        if (more == 0) {
            continue;
        }
        if (lead < 0xC2 || lead > 0xF4 || len - i < more) {
            return false;
        }
        uint8_t low = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
        uint8_t high = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
        if (p[i] < low || p[i] > high) {
            return false;
        }
        for (size_t end = i + more; ++i < end;) {
            if (p[i] < 0x80 || p[i] > 0xBF) {
                return false;
            }
        }
    }
    return true;
}

/* Mostly ASCII, and then a few words decide; the last one overlaps. */
static inline bool straight_is_utf8(const char *text, size_t len)
{
    uint64_t high = 0;
    uint64_t word = 0;

    if (len >= 8) {
        for (size_t i = 0; i + 8 < len; i += 8) {
            memcpy(&word, text + i, 8);
            high |= word;
        }
        memcpy(&word, text + len - 8, 8);
        high |= word;
    } else {
        for (size_t i = 0; i < len; i++) {
            high |= (uint8_t)text[i];
        }
    }
    return (high & 0x8080808080808080u) == 0 || straight_is_utf8_slow((const uint8_t *)text, len);
}

#endif
