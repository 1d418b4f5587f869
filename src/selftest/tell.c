/* tell.c - what a test program tells: failures, and seeds for the fuzz target; and memory for that.
 */
#include "selftest/selftest_private.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A seed that is longer slows a fuzzer down more than it helps. */
#define SEED_MAX 4096

/* Failures that are shown, of one message and in all: a codec that is wrong in one place may fail
 * with every example. */
#define SHOWN_PER_MESSAGE 5
#define SHOWN_MAX 40

void *np__selftest_alloc(size_t len)
{
    void *block = calloc(1, len > 0 ? len : 1);

    if (block == NULL) {
        fprintf(stderr, "out of memory\n");
        abort();
    }
    return block;
}

uint8_t *np__selftest_dup(const uint8_t *data, size_t len)
{
    uint8_t *copy = np__selftest_alloc(len);

    if (len > 0) {
        memcpy(copy, data, len);
    }
    return copy;
}

void np__selftest_fail(np_selftest *t, const char *format, ...)
{
    const char *name = t->conversation != NULL ? t->conversation->name
                       : t->packet != NULL     ? t->packet->name
                       : t->message != NULL    ? t->message->name
                                               : t->codec->name;
    va_list args;

    t->failures++;
    if (t->failures - t->failures_before > SHOWN_PER_MESSAGE || t->shown == SHOWN_MAX) {
        return;
    }
    t->shown++;
    fprintf(stderr, "FAILED: %s%s, %s", name, t->reply ? " (reply)" : "",
            t->example != NULL ? t->example : "made up");
    if (t->packet == NULL && t->conversation == NULL) {
        fprintf(stderr, ", version %" PRIu32, t->version);
    }
    fprintf(stderr, ": ");
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fprintf(stderr, "\n");
}

const char *np__selftest_fault(const np_fault *fault, char *text, size_t cap)
{
    char words[256];

    if (fault->err == NP_OK) {
        return "NP_OK";
    }
    np_fault_format(fault, words, sizeof words);
    snprintf(text, cap, "%s (%s)", np_err_name(fault->err), words);
    return text;
}

void np__selftest_write_seed(np_selftest *t, const char *name, const uint8_t *payload, size_t len)
{
    if (t->seeds == NULL || len > SEED_MAX || t->message == NULL || t->version > 0x7F) {
        return;
    }
    const char *dot = strchr(t->message->name, '.');
    const char *message = dot != NULL ? dot + 1 : t->message->name;
    size_t cap = strlen(t->seeds) + strlen(message) + strlen(name) + 64;
    char *path = np__selftest_alloc(cap);
    char version[32] = "";

    if (t->version != t->protocol->version) {
        snprintf(version, sizeof version, ".v%" PRIu32, t->version);
    }
    snprintf(path, cap, "%s/%s%s.%s%s", t->seeds, message, t->reply ? ".reply" : "", name, version);
    FILE *file = fopen(path, "wb");
    bool ok = file != NULL && fputc((int)t->version | (t->reply ? 0x80 : 0), file) != EOF &&
              fwrite(payload, 1, len, file) == len;
    if (file != NULL && fclose(file) != 0) {
        ok = false;
    }
    if (!ok) {
        np__selftest_fail(t, "cannot write %s: %s", path, strerror(errno));
    }
    free(path);
}
