/* bodies.h - the bodies of `stream` messages that are under way in a session, in both directions.
 *
 * On the wire. A message whose schema says `stream` ends in `bytes`, its body. It may travel whole,
 * as any message does: in a frame without stream header, or in fragments of one. Or it travels in
 * pieces, so that neither side ever has all of it:
 *
 *   frame     flags multiplexed, and `more` on all pieces but the last
 *   stream    u32 LE, an id that the sender gives: odd from the connecting side, even from the
 *             accepting one; the same on every piece, and in use for nothing else meanwhile
 *   kind      4 (data)
 *   priority  0; reserved 0
 *   piece     at most 65,536 bytes; at least 1,024 where `more` is set; the last may be empty
 *
 * The pieces put together are the message's encoding and nothing else: u32 LE id, the fields before
 * the body, u64 LE length of the body, the body. Where they are cut means nothing. Messages,
 * requests, answers and pieces of other bodies may stand between the pieces of one. Between the
 * fragments of a message that has no stream header pieces of bodies may stand, and nothing else.
 *
 * The sender gives a body up by a frame of kind 3 (cancel) on its stream, without a payload, as
 * long as it has not sent the last piece. With the last piece or the cancel the id is free again.
 *
 * In the conversation, and in the order of messages, the message stands where its head is complete:
 * at the piece that brings the last byte of the body's length.
 *
 * A receiver ends the connection where a piece breaks any of this or the schema: a message that is
 * no `stream` one, a field or length out of its bounds, bytes behind the body's end, a last piece
 * before it, more bodies at once than it takes (16), or no byte of a body for as long as a frame
 * may take (30 s).
 *
 * In memory: a table in one pool block, taken with the first body and given back with the last.
 * Those of the peer hold what has come of the head until it is complete (64 KiB and a few bytes at
 * most, and a parser), then nothing, unless the application wants the message whole. Ours hold what
 * is not a piece of its own yet: the head at first, then less than 1 KiB. A piece that came
 * compressed lies here, 64 KiB at most, until all of it has been given out.
 *
 * Threads: one.
 */
#ifndef NP_PROTOCOL_BODIES_H
#define NP_PROTOCOL_BODIES_H

#include <netproto/parser.h>
#include <netproto/time.h>

#include "util/pool.h"

typedef enum np_body_state {
    NP_BODY_OURS,
    NP_BODY_HEAD,   /* theirs: the fields before the body are coming in */
    NP_BODY_PIECES, /* theirs: the application has been told and gets the bytes as they come */
    NP_BODY_WHOLE,  /* theirs: collected until it is complete */
    NP_BODY_IGNORE, /* theirs: judged and thrown away */
    NP_BODY_GONE    /* theirs: the application hears the end, and may look at it until then */
} np_body_state;

typedef struct np_body_entry {
    uint64_t serial;    /* what names it to the application; never used twice in a session */
    uint32_t stream;    /* ours: 0 until its first piece is on its way */
    uint8_t state;      /* np_body_state */
    bool begun;         /* ours: pieces are on their way, so that giving up must be told */
    uint32_t head_left; /* ours: bytes of head that are not on their way yet */
    uint32_t head_len;  /* theirs: bytes before the body */
    uint64_t total;     /* theirs: bytes of body */
    uint64_t left;      /* bytes of body that are still to come, or to be given */
    const np_message *message;
    np_buf bytes;      /* ours: no piece yet; theirs: the head, or all of it where WHOLE */
    np_parser *parser; /* theirs, HEAD; else NULL */
    size_t parser_cap;
    uint64_t deadline_ms; /* theirs: for the head, for the next byte, or for all where WHOLE */
    void *user;
} np_body_entry;

typedef struct np_bodies {
    size_t block_cap;
    uint32_t room;        /* entries that fit the block */
    uint32_t count;       /* entries in use: the first ones */
    uint64_t deadline_ms; /* no body's is earlier */
    uint32_t queued;      /* ours: bytes of pieces since none of them was in the queue */
    uint32_t queued_left; /* ours: bytes that leave the queue before it has none of them again */
    np_buf piece;         /* of the peer's, unpacked: the current one, where it came compressed */
    uint32_t piece_at;    /* bytes of it that have been dealt with */
    np_body_entry entries[];
} np_bodies;

/* The entry of a stream, or NULL. Good until the next add or remove. bodies may be NULL: none. */
np_body_entry *np_bodies_find(np_bodies *bodies, uint32_t stream);

/* The entry with a serial number, or NULL. As good as the other's. */
np_body_entry *np_bodies_find_serial(np_bodies *bodies, uint64_t serial);

/* How many there are, of ours or of the peer's. */
uint32_t np_bodies_count(const np_bodies *bodies, bool ours);

/* Adds an entry, all zero but for its serial number; *bodies is NULL where there are none. Errors:
 * NP_ERR_LIMIT, NP_ERR_MEMORY. */
NP_MUST_CHECK np_err np_bodies_add(np_bodies **bodies, np_account *account, uint64_t serial,
                                   np_body_entry **out);

/* Takes an entry out and gives back what it holds. */
void np_bodies_remove(np_bodies **bodies, np_account *account, np_body_entry *entry);

/* Gives back the memory that an entry holds, but keeps the entry. */
void np_bodies_drop(np_account *account, np_body_entry *entry);

/* Takes all out. */
void np_bodies_clear(np_bodies **bodies, np_account *account);

/* Gives an entry until then for its next byte. */
void np_bodies_expect(np_bodies *bodies, np_body_entry *entry, uint64_t deadline_ms);

/* While they rest, the deadlines of the peer's bodies hold how long is left. */
void np_bodies_rest(np_bodies *bodies, uint64_t now_ms, bool rest);

/* Whether one is late; makes bodies->deadline_ms exact. */
bool np_bodies_late(np_bodies *bodies, uint64_t now_ms);

#endif
