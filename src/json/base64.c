/* base64.c - RFC 4648, section 4: the standard alphabet, padded, no line ends. */
#include "json_private.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* The last one, two or three bytes, padded. */
static void put_group(uint8_t *out, const uint8_t *data, size_t len)
{
    uint32_t bits = (uint32_t)data[0] << 16;

    bits |= len > 1 ? (uint32_t)data[1] << 8 : 0;
    bits |= len > 2 ? data[2] : 0u;
    out[0] = (uint8_t)alphabet[bits >> 18];
    out[1] = (uint8_t)alphabet[bits >> 12 & 63];
    out[2] = len > 1 ? (uint8_t)alphabet[bits >> 6 & 63] : (uint8_t)'=';
    out[3] = len > 2 ? (uint8_t)alphabet[bits & 63] : (uint8_t)'=';
}

void np__json_buffer_base64(np_json_buffer *buffer, const uint8_t *data, size_t len)
{
    size_t groups = len / 3 + (len % 3 != 0);
    uint8_t *out = np__json_buffer_take(buffer, 4 * groups + 2);

    if (out == NULL) {
        return;
    }
    *out++ = '"';
    for (size_t i = 0; i < len; i += 3) {
        put_group(out, data + i, len - i < 3 ? len - i : 3);
        out += 4;
    }
    *out = '"';
}

size_t np__json_base64_len(np_str text)
{
    size_t len = text.len / 4 * 3;

    if (text.len >= 4 && text.len % 4 == 0 && text.data[text.len - 1] == '=') {
        len -= text.data[text.len - 2] == '=' ? 2 : 1;
    }
    return len;
}

/* The value of a digit, 64 for what is none. */
static uint32_t digit(char c)
{
    if (c >= 'A' && c <= 'Z') {
        return (uint32_t)(c - 'A');
    }
    if (c >= 'a' && c <= 'z') {
        return (uint32_t)(c - 'a') + 26;
    }
    if (c >= '0' && c <= '9') {
        return (uint32_t)(c - '0') + 52;
    }
    return c == '+' ? 62 : c == '/' ? 63 : 64;
}

bool np__json_base64_decode(np_str text, uint8_t *out)
{
    size_t left = np__json_base64_len(text);

    if (text.len % 4 != 0) {
        return false;
    }
    for (size_t i = 0; i < text.len; i += 4) {
        size_t take = left < 3 ? left : 3;
        uint32_t bits = 0;
        for (size_t k = 0; k < 4; k++) {
            uint32_t value = k <= take ? digit(text.data[i + k]) : 0;
            if (value > 63) {
                return false;
            }
            bits = bits << 6 | value;
        }
        for (size_t k = 0; k < take; k++) {
            *out++ = (uint8_t)(bits >> (16 - 8 * k));
        }
        /* Bits that stand for no byte must be zero, else one value had several spellings. */
        if (take < 3 && (bits & (0xFFFFFFu >> (8 * take))) != 0) {
            return false;
        }
        left -= take;
    }
    return true;
}
