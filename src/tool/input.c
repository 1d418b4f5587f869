/* input.c - arguments, standard input, hexadecimal. */
#include "tool/tool.h"

#include <ctype.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

bool tool_is_name(const char *text)
{
    if (!isalpha((unsigned char)text[0])) {
        return false;
    }
    while (isalnum((unsigned char)*text) || *text == '_' || *text == '.') {
        text++;
    }
    return *text == '\0';
}

bool tool_bytes_add(tool_bytes *bytes, const void *data, size_t len, size_t max)
{
    if (len > max - bytes->len) {
        tool_complain("the input is longer than %zu MiB", max >> 20);
        return false;
    }
    if (bytes->data == NULL || len > bytes->cap - bytes->len) {
        size_t cap = 2 * (bytes->len + len) + 256;
        uint8_t *grown = realloc(bytes->data, cap);
        if (grown == NULL) {
            tool_complain("%s", np_err_text(NP_ERR_MEMORY));
            return false;
        }
        bytes->data = grown;
        bytes->cap = cap;
    }
    if (len > 0) {
        memcpy(bytes->data + bytes->len, data, len);
        bytes->len += len;
    }
    return true;
}

void tool_bytes_free(tool_bytes *bytes)
{
    free(bytes->data);
    *bytes = (tool_bytes){0};
}

/* Whether to read on where nothing came: a signal interrupted it, as it does with sockets that have
 * a deadline when the program was stopped and goes on; or the input is one that does not wait. */
static bool read_again(FILE *in)
{
    struct pollfd ready = {.fd = fileno(in), .events = POLLIN};

    if (!ferror(in) || (errno != EINTR && errno != EAGAIN && errno != EWOULDBLOCK)) {
        return false;
    }
    if (errno != EINTR) {
        (void)poll(&ready, 1, -1); /* interrupted, it is asked again */
    }
    clearerr(in);
    return true;
}

static int next_byte(FILE *in)
{
    int c;

    do {
        c = getc(in);
    } while (c == EOF && read_again(in));
    return c;
}

static tool_exit read_error(void)
{
    tool_complain("cannot read: %s", strerror(errno));
    return EXIT_CODE_GENERIC;
}

tool_exit tool_read_all(FILE *in, tool_bytes *out)
{
    uint8_t piece[65536];
    size_t len;

    while ((len = fread(piece, 1, sizeof piece, in)) > 0 || read_again(in)) {
        if (!tool_bytes_add(out, piece, len, TOOL_INPUT_MAX)) {
            return EXIT_CODE_GENERIC;
        }
    }
    return ferror(in) ? read_error() : EXIT_CODE_OK;
}

/* Whether a line says nothing. */
static bool is_blank(const tool_bytes *line)
{
    for (size_t i = 0; i < line->len; i++) {
        if (!isspace(line->data[i])) {
            return false;
        }
    }
    return true;
}

tool_exit tool_read_line(FILE *in, tool_bytes *line, bool *end)
{
    int c;

    *end = false;
    line->len = 0;
    while ((c = next_byte(in)) != EOF) {
        uint8_t byte = (uint8_t)c;
        if (byte != '\n') {
            if (!tool_bytes_add(line, &byte, 1, TOOL_LINE_MAX)) {
                return EXIT_CODE_GENERIC;
            }
            continue;
        }
        if (!is_blank(line)) {
            return EXIT_CODE_OK;
        }
        line->len = 0;
    }
    if (ferror(in)) {
        return read_error();
    }
    *end = is_blank(line);
    return EXIT_CODE_OK;
}

/* The value of a hexadecimal digit, or -1. */
static int digit(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

bool tool_hex_read(np_str text, tool_bytes *out, size_t *bad)
{
    for (size_t at = 0; at < text.len;) {
        char c = text.data[at];
        if (isspace((unsigned char)c) || c == ':' || c == ',') {
            at++;
            continue;
        }
        if (c == '0' && at + 1 < text.len &&
            (text.data[at + 1] == 'x' || text.data[at + 1] == 'X')) {
            at += 2;
            continue;
        }
        int high = digit(c), low = at + 1 < text.len ? digit(text.data[at + 1]) : -1;
        if (high < 0 || low < 0) {
            *bad = high < 0 ? at : at + 1;
            return false;
        }
        uint8_t byte = (uint8_t)(high << 4 | low);
        if (!tool_bytes_add(out, &byte, 1, TOOL_INPUT_MAX)) {
            *bad = at;
            return false;
        }
        at += 2;
    }
    return true;
}

void tool_hex_write(FILE *out, const uint8_t *data, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        (void)fprintf(out, "%02x", data[i]);
    }
    (void)fputc('\n', out);
}
