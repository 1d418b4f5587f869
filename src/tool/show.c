/* show.c - the bytes around a fault. */
#include "tool/tool.h"

#include <ctype.h>
#include <inttypes.h>

#define WIDTH 16u

/* One line; `mark` is the byte to point at, or WIDTH for none. */
static void show_line(FILE *out, const uint8_t *data, size_t len, size_t start, size_t mark)
{
    (void)fprintf(out, "  %08zx ", start);
    for (size_t i = 0; i < WIDTH; i++) {
        if (start + i < len) {
            (void)fprintf(out, "%s%02x", i == WIDTH / 2 ? "  " : " ", data[start + i]);
        } else {
            (void)fputs(i == WIDTH / 2 ? "    " : "   ", out);
        }
    }
    (void)fputs("  ", out);
    for (size_t i = 0; i < WIDTH && start + i < len; i++) {
        uint8_t byte = data[start + i];
        (void)fputc(byte >= 0x20 && byte < 0x7F ? byte : '.', out);
    }
    (void)fputc('\n', out);
    if (mark < WIDTH) {
        (void)fprintf(out, "%*s^^\n", (int)(12 + 3 * mark + (mark >= WIDTH / 2 ? 1 : 0)), "");
    }
}

void tool_show_bytes(FILE *out, const uint8_t *data, size_t len, uint64_t offset)
{
    size_t at = offset < len ? (size_t)offset : len;
    size_t line = at - at % WIDTH;

    if (line >= WIDTH) {
        show_line(out, data, len, line - WIDTH, WIDTH);
    }
    show_line(out, data, len, line, at - line);
    if (line + WIDTH < len) {
        show_line(out, data, len, line + WIDTH, WIDTH);
    }
}
