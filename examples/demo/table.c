/* table.c - what is printed. */
#include "demo_program.h"

#include <stdarg.h>
#include <stdio.h>
#include <time.h>

int demo_failures = 0;

void demo_heading(const char *text)
{
    printf("\n%s\n", text);
}

void demo_row(bool ok, const char *name, double us, const char *format, ...)
{
    char what[256];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(what, sizeof what, format, args);
    va_end(args);
    printf("  %-6s  %-16s  ", ok ? "ok" : "FAILED", name);
    if (us >= 1000) {
        printf("%-66s  %7.1f ms", what, us / 1000);
    } else if (us >= 0) {
        printf("%-66s  %7.1f us", what, us);
    } else {
        printf("%s", what);
    }
    printf("\n");
    (void)fflush(stdout);
    demo_failures += ok ? 0 : 1;
}

uint64_t demo_now_ns(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

uint64_t demo_checksum(uint64_t sum, const uint8_t *data, size_t len)
{
    size_t i = 0;

    for (; i + 8 <= len; i += 8) {
        sum = (sum << 7 | sum >> 57) + np_get_u64(data + i);
    }
    for (; i < len; i++) {
        sum = (sum << 7 | sum >> 57) + data[i];
    }
    return sum;
}
