/* buffer.c - bytes that grow up to a bound, and JSON's strings. */
#include "json_private.h"

#include <stdlib.h>
#include <string.h>

void np__json_buffer_start(np_json_buffer *buffer, size_t max)
{
    buffer->len = 0;
    buffer->max = max;
    buffer->err = NP_OK;
}

void np__json_buffer_free(np_json_buffer *buffer)
{
    free(buffer->data);
    *buffer = (np_json_buffer){0};
}

/* Doubles the room, but never beyond the bound. */
static bool grow(np_json_buffer *buffer, size_t need)
{
    size_t cap = buffer->cap < 128 ? 256 : buffer->cap * 2;

    cap = cap > buffer->max ? buffer->max : cap;
    cap = cap < need ? need : cap;
    uint8_t *data = realloc(buffer->data, cap);
    if (data == NULL) {
        buffer->err = NP_ERR_MEMORY;
        return false;
    }
    buffer->data = data;
    buffer->cap = cap;
    return true;
}

uint8_t *np__json_buffer_take(np_json_buffer *buffer, size_t len)
{
    if (buffer->err != NP_OK) {
        return NULL;
    }
    if (len > buffer->max - buffer->len) {
        buffer->err = NP_ERR_LIMIT;
        return NULL;
    }
    if ((buffer->data == NULL || len > buffer->cap - buffer->len) &&
        !grow(buffer, buffer->len + len)) {
        return NULL;
    }
    uint8_t *at = buffer->data + buffer->len;
    buffer->len += len;
    return at;
}

void np__json_buffer_add(np_json_buffer *buffer, const void *data, size_t len)
{
    uint8_t *at = np__json_buffer_take(buffer, len);

    if (at != NULL && len > 0) {
        memcpy(at, data, len);
    }
}

void np__json_buffer_text(np_json_buffer *buffer, const char *text)
{
    np__json_buffer_add(buffer, text, strlen(text));
}

/* Strings -------------------------------------------------------------------------------------- */

/* Characters that a terminal or an editor would not show as what they are: C0 and C1 controls, DEL,
 * line and paragraph separators, and those that turn the direction of text (UAX #9). JSON may
 * write each of them as \uXXXX. */
static bool is_hidden(np_char c)
{
    return c < 0x20 || (c >= 0x7F && c <= 0x9F) || c == 0x061C || c == 0x200E || c == 0x200F ||
           (c >= 0x2028 && c <= 0x202E) || (c >= 0x2066 && c <= 0x2069) || c == 0xFEFF;
}

/* The code point at p, in UTF-8 that has been checked; *len is how many bytes it has. */
static np_char decode(const uint8_t *p, size_t *len)
{
    if (p[0] < 0x80) {
        *len = 1;
        return p[0];
    }
    if (p[0] < 0xE0) {
        *len = 2;
        return (p[0] & 0x1Fu) << 6 | (p[1] & 0x3Fu);
    }
    if (p[0] < 0xF0) {
        *len = 3;
        return (p[0] & 0x0Fu) << 12 | (p[1] & 0x3Fu) << 6 | (p[2] & 0x3Fu);
    }
    *len = 4;
    return 0x10000; /* nothing above the first plane is escaped */
}

static void add_escaped(np_json_buffer *buffer, np_char c)
{
    static const char digits[] = "0123456789abcdef";
    char text[7] = {
        '\\',           'u', digits[c >> 12 & 15], digits[c >> 8 & 15], digits[c >> 4 & 15],
        digits[c & 15], '\0'};

    switch (c) {
    case '"':
    case '\\':
        text[1] = (char)c;
        text[2] = '\0';
        break;
    case '\n':
        memcpy(text, "\\n", 3);
        break;
    case '\r':
        memcpy(text, "\\r", 3);
        break;
    case '\t':
        memcpy(text, "\\t", 3);
        break;
    default:
        break;
    }
    np__json_buffer_text(buffer, text);
}

void np__json_buffer_string(np_json_buffer *buffer, np_str text)
{
    const uint8_t *p = (const uint8_t *)text.data;
    size_t plain = 0; /* start of what needs no escape */
    size_t at = 0;

    np__json_buffer_text(buffer, "\"");
    while (at < text.len) {
        size_t len = 0;
        np_char c = decode(p + at, &len);
        if (c == '"' || c == '\\' || is_hidden(c)) {
            np__json_buffer_add(buffer, p + plain, at - plain);
            add_escaped(buffer, c);
            plain = at + len;
        }
        at += len;
    }
    if (at > plain) {
        np__json_buffer_add(buffer, p + plain, at - plain);
    }
    np__json_buffer_text(buffer, "\"");
}
