/* selftest.c - a test program's frame: options, examples, what comes of them. */
#include "selftest/selftest_private.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Examples ---------------------------------------------------------------------------------------
 */

static np__selftest_block *add_block(np_selftest *t, size_t len)
{
    np__selftest_block *block = np__selftest_alloc(sizeof *block + len);

    block->len = len;
    block->next = t->blocks;
    t->blocks = block;
    return block;
}

static const uint8_t *text_of(np_selftest *t, size_t len)
{
    for (np__selftest_block *block = t->blocks; block != NULL; block = block->next) {
        if (block->text && block->len >= len) {
            return block->data;
        }
    }
    np__selftest_block *block = add_block(t, len);
    block->text = true;
    memset(block->data, 'x', len);
    return block->data;
}

np_str np_selftest_str(np_selftest *t, size_t len)
{
    return (np_str){(const char *)text_of(t, len), len};
}

np_bytes np_selftest_bytes(np_selftest *t, size_t len)
{
    return (np_bytes){text_of(t, len), len};
}

void *np_selftest_repeat(np_selftest *t, const void *item, size_t size, size_t count)
{
    uint8_t *data;

    if (count > SIZE_MAX / 2 / size) {
        fprintf(stderr, "a list of %zu items is too large\n", count);
        abort();
    }
    data = add_block(t, size * count)->data;
    for (size_t i = 0; i < count; i++) {
        memcpy(data + i * size, item, size);
    }
    return data;
}

/* Ends the examples of a message. What random payloads could tell about one that has failed already
 * would only hide what its examples told. */
static void finish(np_selftest *t)
{
    if (t->message != NULL && t->failures == t->failures_before) {
        np__selftest_random(t);
    }
    t->message = NULL;
    t->failures_before = t->failures;
}

void np__selftest_begin(np_selftest *t, const np_selftest_codec *codec, const np_message *message,
                        bool reply)
{
    finish(t);
    t->codec = codec;
    t->message = message;
    t->reply = reply;
    t->packet = NULL;
    t->conversation = NULL;
    t->example = NULL;
    t->spot_count = 0;
}

static const np_message *message_of(np_selftest *t, uint32_t id)
{
    const np_message *message = np_protocol_message(t->protocol, id);

    if (message == NULL) {
        fprintf(stderr, "protocol %s has no message %" PRIu32 "\n", t->protocol->name, id);
        abort();
    }
    return message;
}

void np_selftest_message(np_selftest *t, const np_selftest_codec *codec, uint32_t id)
{
    np__selftest_begin(t, codec, message_of(t, id), false);
}

void np_selftest_reply(np_selftest *t, const np_selftest_codec *codec, uint32_t id)
{
    np__selftest_begin(t, codec, message_of(t, id), true);
}

void np_selftest_struct(np_selftest *t, const np_selftest_codec *codec)
{
    np__selftest_begin(t, codec, NULL, false);
}

uint32_t np__selftest_first_version(const np_selftest *t)
{
    return t->message != NULL ? t->message->since : 1;
}

/* The program ------------------------------------------------------------------------------------
 */

static bool take_number(const char *text, uint64_t *out)
{
    char *end = NULL;

    errno = 0;
    *out = strtoull(text, &end, 0);
    return errno == 0 && end != text && *end == '\0' && text[0] != '-';
}

static bool take_options(np_selftest *t, int argc, char **argv)
{
    for (int i = 1; i < argc; i += 2) {
        const char *value = i + 1 < argc ? argv[i + 1] : NULL;
        bool ok = false;
        if (value != NULL && strcmp(argv[i], "--seeds") == 0) {
            t->seeds = value;
            ok = true;
        } else if (value != NULL && strcmp(argv[i], "--rounds") == 0) {
            ok = take_number(value, &t->rounds);
        } else if (value != NULL && strcmp(argv[i], "--seed") == 0) {
            ok = take_number(value, &t->seed);
        }
        if (!ok) {
            fprintf(stderr, "usage: %s [--seeds DIR] [--rounds N] [--seed N]\n", argv[0]);
            return false;
        }
    }
    return true;
}

static void free_all(np_selftest *t)
{
    while (t->blocks != NULL) {
        np__selftest_block *next = t->blocks->next;
        free(t->blocks);
        t->blocks = next;
    }
    free(t->spots);
}

int np_selftest_main(int argc, char **argv, const np_protocol *protocol,
                     void (*run)(np_selftest *t))
{
    np_selftest t = {.protocol = protocol, .rounds = 30};

    if (!take_options(&t, argc, argv)) {
        return 2;
    }
    if (t.seeds != NULL && mkdir(t.seeds, 0777) != 0 && errno != EEXIST) {
        fprintf(stderr, "%s: %s\n", t.seeds, strerror(errno));
        return 2;
    }
    run(&t);
    finish(&t);
    free_all(&t);
    if (t.failures > t.shown) {
        fprintf(stderr, "%zu more failures are not shown\n", t.failures - t.shown);
    }
    printf("%s: %zu examples, %zu failures\n", protocol->name, t.examples, t.failures);
    return t.failures > 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
