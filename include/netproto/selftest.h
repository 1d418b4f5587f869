/* netproto/selftest.h - what generated test programs and fuzz targets are made of.
 *
 * `npgen tests` writes NAME_test.c and NAME_fuzz.c for a schema; netproto_generate(... TESTS)
 * builds them and adds them to ctest. Their examples come from the schema, and so do the length and
 * the checksum of the bytes that each must become: these are computed by the generator, which has
 * no part of the codecs in it. With every example it is checked that
 *
 *   - X_encoded_len tells the number of bytes that X_encode writes, and they are the bytes
 * expected; one byte less of room is refused;
 *   - X_decode accepts them, what it makes of them encodes to the same bytes, and so does X_copy;
 *   - what was in a struct before shows in no member after, nor in an item of its lists;
 *   - the incremental parser agrees, in one piece, byte by byte, and cut in two;
 *   - each beginning of the bytes is refused as cut short there, and a byte behind them as
 * trailing;
 *   - with one value in the bytes made wrong (a length above its bound, a tag that is none, text
 * that is no UTF-8, ...) both decoders refuse it, for that reason, naming that field and that byte;
 *   - values beyond a bound do not encode, for the right reason.
 *
 * A conversation is walked: every message, and every answer that moves it, in every place.
 *
 * Besides, payloads of every message are made up and broken at random, as many as --rounds says:
 * both decoders must agree about them, and what is accepted must encode to itself. The same is what
 * a fuzz target checks.
 *
 * Link netproto-selftest, which no program in use needs.
 *
 * Ownership: an np_selftest lives in np_selftest_main; what it makes lives as long. Threads: one.
 * Memory: the functions end the program when it is out.
 */
#ifndef NETPROTO_SELFTEST_H
#define NETPROTO_SELFTEST_H

#include <netproto/arena.h>
#include <netproto/schema.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct np_selftest np_selftest;

typedef struct np_selftest_items np_selftest_items;

/* A member of a C struct. A table of them ends with NP_SELFTEST_END. */
typedef struct np_selftest_member np_selftest_member;
struct np_selftest_member {
    const char *name; /* NULL ends a table */
    size_t offset;
    size_t size;                       /* bytes of one */
    size_t count;                      /* 1, or the items of an array */
    const np_selftest_member *members; /* what each is made of; NULL: of all its bytes */
    const np_selftest_items *items;    /* each is a list whose items these are, or NULL */
    bool chosen;                       /* a variant, which is there where the tag is this: */
    uint32_t tag;
};

/* The items that a list's X_next gives out. */
struct np_selftest_items {
    size_t size;
    const np_selftest_member *members; /* as above */
    const np_selftest_items *items;
    bool (*next)(const void *list, np_iter *it, void *item);
};

#define NP_SELFTEST_END                                                                            \
    {                                                                                              \
        NULL, 0, 0, 0, NULL, NULL, false, 0                                                        \
    }
#define NP_SELFTEST_MEMBER(X, M, COUNT, MEMBERS, ITEMS)                                            \
    {                                                                                              \
#M, offsetof(X, M), sizeof(((X *)0)->M) / (COUNT), COUNT, MEMBERS, ITEMS, false, 0         \
    }
#define NP_SELFTEST_VARIANT(X, M, MEMBERS, TAG)                                                    \
    {                                                                                              \
#M, offsetof(X, M), sizeof(((X *)0)->M), 1, MEMBERS, NULL, true, (uint32_t)(TAG)           \
    }

/* Define X__items, of the list X; where recursion needs it, it is declared ahead. */
#define NP_SELFTEST_ITEMS_AHEAD(X) static const np_selftest_items X##__items;
#define NP_SELFTEST_ITEMS(X, ITEM, MEMBERS, ITEMS)                                                 \
    static bool X##__next(const void *list, np_iter *it, void *item)                               \
    {                                                                                              \
        return X##_next((const X *)list, it, (ITEM *)item);                                        \
    }                                                                                              \
    static const np_selftest_items X##__items = {sizeof(ITEM), MEMBERS, ITEMS, X##__next};

/* The typed functions of a message or struct, without their types. */
typedef struct np_selftest_codec {
    const char *name; /* of the C struct */
    size_t c_size;    /* of the C struct */
    np_err (*encoded_len)(const void *value, uint32_t version, size_t *len, np_fault *fault);
    np_err (*encode)(const void *value, uint32_t version, uint8_t *buf, size_t cap, size_t *len,
                     np_fault *fault);
    np_err (*decode)(void *out, uint32_t version, const uint8_t *data, size_t len, np_fault *fault);
    np_err (*copy)(void *out, const void *value, np_arena *arena);
    const np_selftest_member *members;
} np_selftest_codec;

/* Defines X__selftest; X__members is a table of X's members. */
#define NP_SELFTEST_CODEC(X)                                                                       \
    static np_err X##__encoded_len(const void *value, uint32_t version, size_t *len,               \
                                   np_fault *fault)                                                \
    {                                                                                              \
        return X##_encoded_len_at((const X *)value, version, len, fault);                          \
    }                                                                                              \
    static np_err X##__encode(const void *value, uint32_t version, uint8_t *buf, size_t cap,       \
                              size_t *len, np_fault *fault)                                        \
    {                                                                                              \
        return X##_encode_at((const X *)value, version, buf, cap, len, fault);                     \
    }                                                                                              \
    static np_err X##__decode(void *out, uint32_t version, const uint8_t *data, size_t len,        \
                              np_fault *fault)                                                     \
    {                                                                                              \
        return X##_decode_at((X *)out, version, data, len, fault);                                 \
    }                                                                                              \
    static np_err X##__copy(void *out, const void *value, np_arena *arena)                         \
    {                                                                                              \
        return X##_copy((X *)out, (const X *)value, arena);                                        \
    }                                                                                              \
    static const np_selftest_codec X##__selftest = {                                               \
        #X, sizeof(X), X##__encoded_len, X##__encode, X##__decode, X##__copy, X##__members};

/* The functions of a packet, without their types. */
typedef struct np_selftest_packet_codec {
    const char *name;
    size_t c_size;
    size_t header_len; /* bytes of the constant part, the only one that is looked at */
    size_t parser_size;
    uint8_t *(*put)(uint8_t *p, const void *packet);
    np_err (*read)(void *out, const uint8_t *data, np_fault *fault);
    void (*parser_init)(void *parser);
    np_err (*parse)(void *parser, void *out, const uint8_t *data, size_t len, size_t *used,
                    bool *done, np_fault *fault);
} np_selftest_packet_codec;

/* Defines X__selftest; LEN is X_HEADER_LEN. */
#define NP_SELFTEST_PACKET(X, LEN)                                                                 \
    static uint8_t *X##__put(uint8_t *p, const void *packet)                                       \
    {                                                                                              \
        return X##_put(p, (const X *)packet);                                                      \
    }                                                                                              \
    static np_err X##__read(void *out, const uint8_t *data, np_fault *fault)                       \
    {                                                                                              \
        return X##_read((X *)out, data, fault);                                                    \
    }                                                                                              \
    static void X##__parser_init(void *parser)                                                     \
    {                                                                                              \
        X##_parser_init((X##_parser *)parser);                                                     \
    }                                                                                              \
    static np_err X##__parse(void *parser, void *out, const uint8_t *data, size_t len,             \
                             size_t *used, bool *done, np_fault *fault)                            \
    {                                                                                              \
        return X##_parse((X##_parser *)parser, (X *)out, data, len, used, done, fault);            \
    }                                                                                              \
    static const np_selftest_packet_codec                                                          \
        X##__selftest = {#X,        sizeof(X),        LEN,       sizeof(X##_parser), X##__put,     \
                         X##__read, X##__parser_init, X##__parse};

/* The main function of a test program. Options:
 *
 *   --seeds DIR   also writes each example into DIR, a corpus for the fuzz target
 *   --rounds N    payloads made up at random of each message at each version [30]
 *   --seed N      where these begin; failures print it
 *
 * Returns 0 if all is as it should be, 1 if not, which standard error tells, 2 for wrong options.
 */
NP_API int np_selftest_main(int argc, char **argv, const np_protocol *protocol,
                            void (*run)(np_selftest *t));

/* Texts of len bytes, all x; they live as long as t. */
NP_API np_str np_selftest_str(np_selftest *t, size_t len);
NP_API np_bytes np_selftest_bytes(np_selftest *t, size_t len);

/* An array of `count` items that are all like *item; it lives as long as t. */
NP_API void *np_selftest_repeat(np_selftest *t, const void *item, size_t size, size_t count);

/* What the following examples are: a message, the reply to one, or a struct that is in no message.
 */
NP_API void np_selftest_message(np_selftest *t, const np_selftest_codec *codec, uint32_t id);
NP_API void np_selftest_reply(np_selftest *t, const np_selftest_codec *codec, uint32_t id);
NP_API void np_selftest_struct(np_selftest *t, const np_selftest_codec *codec);

/* At that version the value becomes just these bytes. A reply's begin with the request's id. */
NP_API void np_selftest_wire(np_selftest *t, uint32_t version, const void *value,
                             const uint8_t *data, size_t len);

/* A value that the schema allows, from the version `since` to the newest, where it becomes `len`
 * bytes whose CRC-32 (the one of zip and Ethernet) is given. */
NP_API void np_selftest_good(np_selftest *t, const char *name, const void *value, uint32_t since,
                             size_t len, uint32_t crc);

/* A value that is refused from the version `since` on, with that error about the field `where`;
 * rule is the schema's words for it, or NULL if the error says it all. */
NP_API void np_selftest_bad(np_selftest *t, const char *name, const void *value, uint32_t since,
                            np_err err, const char *where, const char *rule);

/* A value with something in it that the version does not have yet. */
NP_API void np_selftest_newer(np_selftest *t, const char *name, const void *value, uint32_t version,
                              const char *where);

/* The following examples are of this packet. */
NP_API void np_selftest_packet(np_selftest *t, const np_selftest_packet_codec *codec);

/* A packet, and the bytes of its constant part. */
NP_API void np_selftest_packet_good(np_selftest *t, const char *name, const void *packet,
                                    const uint8_t *data);

/* Bytes that break a rule. */
NP_API void np_selftest_packet_bad(np_selftest *t, const char *name, const uint8_t *data,
                                   np_err err, const char *where, const char *rule);

/* One move of a conversation: positions in its table of places, and np_conversation_token's. */
typedef struct np_selftest_move {
    uint32_t from, token, to;
} np_selftest_move;

/* All moves of a conversation, by the schema; each place is reached before it is left. */
typedef struct np_selftest_conversation {
    size_t conversation; /* of the protocol's */
    uint32_t start;
    const np_selftest_move *moves;
    size_t move_count;
    uint32_t token_count; /* tokens are below it */
} np_selftest_conversation;

/* Tries every token in every place: it moves as listed, or is refused and moves nothing. */
NP_API void np_selftest_converse(np_selftest *t, const np_selftest_conversation *walk);

/* What a fuzz target does with an input: its first byte is the version (0 and what is above the
 * newest are taken modulo their number), with bit 7 set for the answer to a request; the rest is a
 * payload. Ends the program by abort() if the two decoders disagree or if what they accept encodes
 * to other bytes. Returns 0. */
NP_API int np_selftest_fuzz(const np_protocol *protocol, const uint8_t *data, size_t len);

/* Runs a fuzz target on the files, and on all files in the folders, that are named as arguments.
 * Prints their names, so that the last one tells which input ended the program. Returns 0, or 77
 * (to ctest: skipped) if there was no file; ends the program by exit(1) if one cannot be read. */
NP_API int np_selftest_replay(int argc, char **argv,
                              int (*target)(const uint8_t *data, size_t len));

#ifdef __cplusplus
}
#endif

#endif
