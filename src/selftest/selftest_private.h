/* selftest_private.h - what the files of the selftest library share. */
#ifndef NP_SELFTEST_PRIVATE_H
#define NP_SELFTEST_PRIVATE_H

#include <netproto/selftest.h>

#include "selftest/twin.h"

/* Memory that lives as long as the np_selftest. */
typedef struct np__selftest_block {
    struct np__selftest_block *next;
    size_t len;
    bool text; /* all x, so that whoever needs no more than len bytes of it may have it */
    _Alignas(max_align_t) uint8_t data[]; /* of items of any type */
} np__selftest_block;

/* A field that has been made wrong already, at one version of one message. */
typedef struct np__selftest_spot {
    const char *where; /* static text, so that addresses tell fields apart */
    const np_type *type;
    uint32_t version;
} np__selftest_spot;

struct np_selftest {
    const np_protocol *protocol;
    const char *seeds; /* a folder, or NULL */
    uint64_t seed;
    uint64_t rounds;

    /* What the examples are of. */
    const np_selftest_codec *codec;
    const np_message *message; /* NULL for a struct */
    bool reply;
    const np_selftest_packet_codec *packet;
    const np_conversation *conversation;
    const char *example; /* its name, for people */
    uint32_t version;

    np__selftest_spot *spots;
    size_t spot_count, spot_cap;
    np__selftest_block *blocks;
    size_t examples;
    size_t failures;
    size_t failures_before; /* when the examples of this message began */
    size_t shown;           /* of the failures */
};

/* Memory, or the end of the program. At least one byte, so that no address is NULL. */
void *np__selftest_alloc(size_t len);

/* A copy in a block of exactly its size, so that a sanitizer sees the first byte too many. */
uint8_t *np__selftest_dup(const uint8_t *data, size_t len);

/* The following examples are of this; payloads of what was before are made up at random first. */
void np__selftest_begin(np_selftest *t, const np_selftest_codec *codec, const np_message *message,
                        bool reply);

/* Counts a failure and tells it: message, example, version, then the text. */
void np__selftest_fail(np_selftest *t, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* A fault as np_fault_format writes it, but with the error's name in front. */
const char *np__selftest_fault(const np_fault *fault, char *text, size_t cap);

/* Writes an input for the fuzz target, if that is wanted. */
void np__selftest_write_seed(np_selftest *t, const char *name, const uint8_t *payload, size_t len);

/* The first version of what is tried, and how long its id is on the wire. */
uint32_t np__selftest_first_version(const np_selftest *t);

/* The field that a byte of a valid payload belongs to. */
const char *np__selftest_field_at(const np_selftest *t, const uint8_t *payload, size_t len,
                                  uint64_t offset);

/* Makes one value after the other in a valid payload wrong, and sees both decoders refuse it. */
void np__selftest_break(np_selftest *t, const uint8_t *payload, size_t len);

/* Payloads made up at random, valid and broken ones. */
void np__selftest_random(np_selftest *t);

#endif
