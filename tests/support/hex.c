#include "support/hex.h"

#include <stdarg.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static int digit(char c)
{
    static const char digits[] = "0123456789abcdef";
    const char *found = c != 0 ? strchr(digits, c) : NULL;

    return found != NULL ? (int)(found - digits) : -1;
}

uint8_t *hex_decode(const char *text, size_t *len)
{
    size_t count = strlen(text) / 2;
    uint8_t *data = malloc(count + 1);

    assert_non_null(data);
    assert_int_equal(strlen(text) % 2, 0);
    for (size_t i = 0; i < count; i++) {
        int high = digit(text[2 * i]), low = digit(text[2 * i + 1]);
        assert_true(high >= 0 && low >= 0);
        data[i] = (uint8_t)(high << 4 | low);
    }
    *len = count;
    return data;
}

char *hex_encode(const uint8_t *data, size_t len)
{
    static const char digits[] = "0123456789abcdef";
    char *text = malloc(2 * len + 1);

    assert_non_null(text);
    for (size_t i = 0; i < len; i++) {
        text[2 * i] = digits[data[i] >> 4];
        text[2 * i + 1] = digits[data[i] & 15];
    }
    text[2 * len] = 0;
    return text;
}
