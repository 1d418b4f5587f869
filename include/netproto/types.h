/* netproto/types.h - the values that generated structs are made of.
 *
 * Ownership: strings, bytes and lists are views. What decoding yields points into the packet that
 * was decoded and lives as long as that packet (in a handler: until it returns). What a sender sets
 * must live until the encoding call returns, which has copied it.
 *
 * A list is one struct for both directions. A sender sets `items` and `count`. Decoding sets
 * `count` and `wire`, the checked bytes of the items, and leaves `items` NULL; encoding copies
 * `wire` as it is. The accessors read either: `np_list_u32_at(&list, i)` for items of fixed size,
 * `np_list_str_next(&list, &it, &item)` for the others.
 *
 * Threads: pure; a value may be read from any number of threads.
 */
#ifndef NETPROTO_TYPES_H
#define NETPROTO_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <netproto/export.h>

#ifdef __cplusplus
extern "C" {
#endif

/* UTF-8 text of `len` bytes, without a terminating NUL; may hold NUL unless the schema says
 * `nonul`. */
typedef struct np_str {
    const char *data;
    size_t len;
} np_str;

/* Any bytes. */
typedef struct np_bytes {
    const uint8_t *data;
    size_t len;
} np_bytes;

/* 128-bit integers, on the wire as 16 bytes little endian. */
typedef struct np_u128 {
    uint64_t lo, hi;
} np_u128;

typedef struct np_i128 {
    uint64_t lo;
    int64_t hi;
} np_i128;

/* A Unicode scalar value: 0..0x10FFFF without the surrogates. */
typedef uint32_t np_char;

/* Checked bytes of a list's items as they came in. `version` is the protocol version they were
 * written at, which decides which `since` fields they carry. */
typedef struct np_wire {
    const uint8_t *data;
    uint32_t len;
    uint32_t version;
} np_wire;

/* Where an iteration stands. Start with `np_iter it = {0};` */
typedef struct np_iter {
    size_t index;  /* items taken so far */
    size_t offset; /* bytes of `wire` taken so far */
} np_iter;

/* A string from a C string literal or variable; NULL gives the empty string. */
static inline np_str np_str_from(const char *text)
{
    np_str str = {text, text != NULL ? strlen(text) : 0};
    return str;
}

static inline bool np_str_equal(np_str a, np_str b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

static inline bool np_bytes_equal(np_bytes a, np_bytes b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

#include <netproto/detail/scalars.h>

#ifdef __cplusplus
}
#endif

#endif
