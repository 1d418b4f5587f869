/* framing.h - the head of a frame: its ten bytes, and the stream header where there is one.
 *
 * The layouts come from schema/base.np; this adds what the flags mean together and what the
 * connection allows. A head is judged as early as can be: where only a part of the ten bytes has
 * come, they go byte by byte through the generated machine, so that a wrong one is refused when
 * it arrives and not when the head is complete.
 *
 * Offsets in faults count from the first byte of the frame.
 *
 * Threads and memory: pure; nothing is kept between calls.
 */
#ifndef NP_CORE_FRAMING_H
#define NP_CORE_FRAMING_H

#include <netproto/error.h>
#include <netproto/types.h>

/* The runtime library calls these too, so they are exported, though no user includes this. */
#pragma GCC visibility push(default)

/* Bytes of a frame's own header, and of the greatest head. */
#define NP_FRAMING_HEADER_LEN 10
#define NP_FRAMING_STREAM_LEN 8
#define NP_FRAMING_HEAD_MAX (NP_FRAMING_HEADER_LEN + NP_FRAMING_STREAM_LEN)

/* Greatest payload of a frame. */
#define NP_FRAMING_PAYLOAD_MAX (16u * 1024 * 1024)

/* A body beyond this is cut into fragments of it; one with `more` holds at least the least. Both
 * count the raw bytes behind the stream header; where they are compressed, who decompresses them
 * checks that. */
#define NP_FRAMING_FRAGMENT_MAX (64u * 1024)
#define NP_FRAMING_FRAGMENT_MIN 1024u

/* Kinds of a stream header. */
typedef enum np_framing_kind {
    NP_FRAMING_REQUEST = 0,
    NP_FRAMING_RESPONSE = 1,
    NP_FRAMING_ERROR = 2,
    NP_FRAMING_CANCEL = 3,
    NP_FRAMING_DATA = 4,
    NP_FRAMING_WINDOW = 5,
    NP_FRAMING_NO_STREAM = 255 /* the frame has no stream header */
} np_framing_kind;

typedef struct np_framing_head {
    uint32_t head_len; /* bytes before the body: 10 or 18 */
    uint32_t body_len; /* bytes of body */
    uint32_t stream;   /* 0 without stream header */
    uint8_t kind;      /* np_framing_kind */
    uint8_t priority;
    uint8_t compression; /* 0 none, 1 LZ4, 2 zstd */
    bool encrypted;
    bool more;
} np_framing_head;

/* What a connection allows at a time. */
typedef struct np_framing_rules {
    uint32_t payload_max;
    uint8_t compressions; /* bit i: compression i was agreed on; bit 0 is set always */
    bool encrypted;       /* frames are encrypted, all or none */
    bool bare;            /* neither stream headers nor fragments: before the connection is open */
} np_framing_rules;

/* Judges the first `len` bytes of a frame.
 *
 * *done: the head is complete and *out valid. Otherwise more bytes are needed, and *need says of
 * how many bytes the judgement would be complete (10 or 18). len may be 0.
 *
 * Errors: NP_ERR_CONST (magic, version, reserved bits), NP_ERR_RANGE (length above the format's
 * bound, unknown kind), NP_ERR_FRAME (a flag that is not allowed), NP_ERR_TOO_LONG (length above
 * payload_max), NP_ERR_STREAM (no room for the stream header, stream 0), NP_ERR_FRAGMENT (size of
 * a fragment that is not the last); *fault tells which field. */
static inline NP_MUST_CHECK np_err np_framing_read(np_framing_head *out, const uint8_t *data,
                                                   size_t len, const np_framing_rules *rules,
                                                   bool *done, size_t *need, np_fault *fault);

/* The same for every frame there is; np_framing_read has a short way for the most frequent one. */
NP_MUST_CHECK np_err np_framing_read_any(np_framing_head *out, const uint8_t *data, size_t len,
                                         const np_framing_rules *rules, bool *done, size_t *need,
                                         np_fault *fault);

/* The first six bytes of a frame without flags (DE AD BE EF 01 00), in a little-endian word. */
#define NP_FRAMING_PLAIN UINT64_C(0x0001EFBEADDE)
#define NP_FRAMING_PLAIN_MASK UINT64_C(0xFFFFFFFFFFFF)

/* Whether the first `len` bytes begin a frame without flags whose payload, *payload_len bytes, is
 * within payload_max. A false says nothing: np_framing_read tells why. */
static inline bool np_framing_is_plain(const uint8_t *data, size_t len, uint32_t payload_max,
                                       uint32_t *payload_len)
{
    if (np_unlikely(len < NP_FRAMING_HEADER_LEN ||
                    (np_get_u64(data) & NP_FRAMING_PLAIN_MASK) != NP_FRAMING_PLAIN)) {
        return false;
    }
    *payload_len =
        (uint32_t)data[6] << 24 | (uint32_t)data[7] << 16 | (uint32_t)data[8] << 8 | data[9];
    return np_likely(*payload_len <= payload_max);
}

static inline np_err np_framing_read(np_framing_head *out, const uint8_t *data, size_t len,
                                     const np_framing_rules *rules, bool *done, size_t *need,
                                     np_fault *fault)
{
    uint32_t payload_len;

    if (np_likely(!rules->encrypted &&
                  np_framing_is_plain(data, len, rules->payload_max, &payload_len))) {
        *out = (np_framing_head){
            .head_len = NP_FRAMING_HEADER_LEN,
            .body_len = payload_len,
            .kind = NP_FRAMING_NO_STREAM,
        };
        *need = NP_FRAMING_HEADER_LEN;
        *done = true;
        return NP_OK;
    }
    /* Into variables of its own, so that the caller's may live in registers on the short way. */
    np_framing_head head;
    size_t wanted;
    bool complete;
    np_err err = np_framing_read_any(&head, data, len, rules, &complete, &wanted, fault);
    *done = complete;
    *need = wanted;
    if (complete) {
        *out = head;
    }
    return err;
}

/* Writes a head of head_len bytes; returns the address behind it. The head must be a valid one
 * (16 MiB at most, a stream where kind is one). */
uint8_t *np_framing_put(uint8_t *p, const np_framing_head *head);

/* The head of a frame without flags, 10 bytes, for a payload of at most 16 MiB. */
static inline uint8_t *np_framing_put_plain(uint8_t *p, uint32_t payload_len)
{
    /* The two bytes that the word has too many are those of the length. */
    p = np_put_u64(p, NP_FRAMING_PLAIN) - 2;
    *p++ = (uint8_t)(payload_len >> 24);
    *p++ = (uint8_t)(payload_len >> 16);
    *p++ = (uint8_t)(payload_len >> 8);
    *p++ = (uint8_t)payload_len;
    return p;
}

/* A head for a body of body_len bytes; stream 0 with NP_FRAMING_NO_STREAM. */
np_framing_head np_framing_make(uint8_t kind, uint32_t stream, size_t body_len, bool more);

#pragma GCC visibility pop

#endif
