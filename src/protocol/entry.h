/* entry.h - what the plain text of a record is made of.
 *
 *     entry = body length (u32 LE) | type (u8) | flags (u8) | stream header (8, if multiplexed) |
 * body
 *
 * The length counts the body alone. The flags are those of a frame: compression, multiplexed, more.
 * Entries fill a record exactly, so that sixteen small messages cost one seal. A key update has no
 * body and is the last of its record; a close has a code of two bytes and is the last of its
 * direction.
 *
 * Offsets in faults count from the first byte of the entry.
 *
 * Threads and memory: pure; nothing is kept between calls.
 */
#ifndef NP_PROTOCOL_ENTRY_H
#define NP_PROTOCOL_ENTRY_H

#include "core/framing.h"

#define NP_ENTRY_HEADER_LEN 6
#define NP_ENTRY_HEAD_MAX (NP_ENTRY_HEADER_LEN + NP_FRAMING_STREAM_LEN)
#define NP_ENTRY_CLOSE_LEN 2 /* bytes of a close's body: its code, u16 LE */

typedef enum np_entry_type {
    NP_ENTRY_MESSAGE = 0,
    NP_ENTRY_KEY_UPDATE = 1,
    NP_ENTRY_CLOSE = 2
} np_entry_type;

/* The head of an entry, as that of a frame; head.encrypted is false, since it is plain text here,
 * and head_len is 6 or 14. */
typedef struct np_entry {
    np_entry_type type;
    np_framing_head head;
} np_entry;

/* Reads the entry that begins `len` > 0 bytes of plain text, to the end of the record. All of its
 * body is there afterwards. compressions: bit i stands for compression i being agreed on; bit 0 is
 * set always. Errors: NP_ERR_TRUNCATED (the record ends within it), NP_ERR_VARIANT (type),
 * NP_ERR_CONST (reserved flags, or flags where the type has none), NP_ERR_FRAME (a compression
 * that was not agreed on), NP_ERR_RANGE (kind), NP_ERR_STREAM (stream 0), NP_ERR_FRAGMENT (size of
 * one that is not the last), NP_ERR_TRAILING (something behind a key update or a close),
 * NP_ERR_TOO_LONG, NP_ERR_TOO_SHORT (a body of the wrong size, by type). */
NP_MUST_CHECK np_err np_entry_read(np_entry *out, const uint8_t *data, size_t len,
                                   uint8_t compressions, np_fault *fault);

/* Whether `len` bytes of plain text begin with a message without flags, *body_len bytes of body,
 * all of which is there. A false says nothing: np_entry_read tells why. */
static inline bool np_entry_is_plain(const uint8_t *data, size_t len, uint32_t *body_len)
{
    if (np_unlikely(len < NP_ENTRY_HEADER_LEN || np_get_u16(data + 4) != 0)) {
        return false;
    }
    *body_len = np_get_u32(data);
    return np_likely(*body_len <= NP_FRAMING_FRAGMENT_MAX &&
                     *body_len <= len - NP_ENTRY_HEADER_LEN);
}

/* Writes a head of head.head_len bytes; returns the address behind it. */
uint8_t *np_entry_put(uint8_t *p, const np_entry *entry);

/* The head of a message without flags, 6 bytes, for a body of at most 64 KiB. */
static inline uint8_t *np_entry_put_plain(uint8_t *p, uint32_t body_len)
{
    return np_put_u16(np_put_u32(p, body_len), NP_ENTRY_MESSAGE);
}

/* An entry for a body of body_len bytes; stream 0 with NP_FRAMING_NO_STREAM. */
np_entry np_entry_make(np_entry_type type, uint8_t kind, uint32_t stream, size_t body_len,
                       bool more);

#endif
