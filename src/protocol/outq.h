/* outq.h - the bytes that wait to be written, as a list of pool blocks.
 *
 * A message is encoded straight into the queue, so room is reserved in one piece before and
 * committed after. Small ones share a block: a small one that a single short message takes, then
 * one of 4 KiB to which that is moved, then greater ones; all leave in one gathered write. A body
 * that is cut into fragments lies in one block in one piece, with the fragments' headers before it:
 * the gathered write puts each header before its fragment, so nothing is moved.
 *
 * Of a secure session, a block is a record that stays open while messages are added to it, until
 * somebody seals it (record.h) right before it is written; a large body is a block of several
 * records. What is not sealed is not gathered.
 *
 * Threads: one. Memory: blocks belong to the pool and go back as soon as they are written.
 */
#ifndef NP_PROTOCOL_OUTQ_H
#define NP_PROTOCOL_OUTQ_H

#include <assert.h>
#include <sys/uio.h>

#include "util/pool.h"

/* Blocks for short messages are no greater. */
#define NP_OUTQ_STEP_MAX ((size_t)32 * 1024)

typedef struct np_outq_block np_outq_block;

/* The members are outq.*'s; the bytes lie behind them. */
struct np_outq_block {
    np_outq_block *next;
    size_t cap;       /* bytes of the block, these members included */
    size_t begin;     /* wire bytes written already */
    size_t end;       /* wire bytes in it */
    size_t head_len;  /* of a fragment's header; 0 in blocks without fragments */
    size_t piece_len; /* of a fragment but the last */
    size_t body_at;   /* where the body stands in data */
    size_t sealed;    /* of an open block: wire bytes that may be written */
    bool open;        /* it holds plain text that is to be sealed */
};

typedef struct np_outq {
    np_outq_block *head; /* written first */
    np_outq_block *tail;
    size_t queued; /* bytes */
    bool lent;     /* what was gathered may be being written: nothing moves */
} np_outq;

static inline uint8_t *np_outq_data(const np_outq_block *block)
{
    return (uint8_t *)(uintptr_t)block + sizeof *block;
}

/* Room in another block, to which what is queued may have moved. */
NP_MUST_CHECK np_err np__outq_reserve_block(np_outq *q, np_account *account, size_t len,
                                            uint8_t **room);

/* Room for len bytes in one piece; np_outq_commit makes them part of the queue. A reservation is
 * always committed, for all that may fail comes before it. Errors: NP_ERR_LIMIT, NP_ERR_MEMORY. */
static inline NP_MUST_CHECK np_err np_outq_reserve(np_outq *q, np_account *account, size_t len,
                                                   uint8_t **room)
{
    const np_outq_block *block = q->tail;

    if (np_unlikely(block == NULL || block->head_len > 0 ||
                    len > block->cap - sizeof *block - block->end)) {
        return np__outq_reserve_block(q, account, len, room);
    }
    *room = np_outq_data(block) + block->end;
    return NP_OK;
}

static inline void np_outq_commit(np_outq *q, size_t len)
{
    assert(len <= q->tail->cap - sizeof *q->tail - q->tail->end);
    q->tail->end += len;
    q->queued += len;
}

/* Room for a body of body_len bytes in pieces of at most piece_len, with a header of head_len
 * bytes before each: *heads gets the headers, one behind the other, *body the body. */
NP_MUST_CHECK np_err np_outq_reserve_pieces(np_outq *q, np_account *account, size_t head_len,
                                            size_t piece_len, size_t body_len, uint8_t **heads,
                                            uint8_t **body);
void np_outq_commit_pieces(np_outq *q);

/* What a record has around its plain text, and room for an entry that its sealer may add. */
typedef struct np_outq_margins {
    size_t before; /* the frame's header */
    size_t after;  /* the tag */
    size_t spare;
    size_t plain_max; /* greatest plain text, what is spare included */
} np_outq_margins;

/* Room in a new record, or in the last one, which has moved to a greater block then. */
NP_MUST_CHECK np_err np__outq_reserve_new_record(np_outq *q, np_account *account,
                                                 const np_outq_margins *margins, size_t len,
                                                 uint8_t **room);

/* The same two for plain text of records: `len` bytes that share a record with others. */
static inline NP_MUST_CHECK np_err np_outq_reserve_record(np_outq *q, np_account *account,
                                                          const np_outq_margins *margins,
                                                          size_t len, uint8_t **room)
{
    const np_outq_block *block = q->tail;

    assert(len + margins->spare <= margins->plain_max);
    if (np_unlikely(block == NULL || !block->open || block->piece_len > 0 ||
                    len + margins->spare + margins->after >
                        block->cap - sizeof *block - block->end ||
                    len + margins->spare > margins->before + margins->plain_max - block->end)) {
        return np__outq_reserve_new_record(q, account, margins, len, room);
    }
    *room = np_outq_data(block) + block->end;
    return NP_OK;
}

static inline void np_outq_commit_record(np_outq *q, const np_outq_margins *margins, size_t len)
{
    np_outq_block *block = q->tail;

    q->queued += len + (block->end == margins->before ? margins->before : 0);
    block->end += len;
}

/* Room for a body of body_len bytes that goes out in records of its own, head_len bytes and at most
 * piece_len of the body in each. Encode the body to *body, then call np_outq_commit_records, then
 * write the heads to where np_outq_record_head says. */
NP_MUST_CHECK np_err np_outq_reserve_records(np_outq *q, np_account *account,
                                             const np_outq_margins *margins, size_t head_len,
                                             size_t piece_len, size_t body_len, uint8_t **body);
void np_outq_commit_records(np_outq *q, const np_outq_margins *margins, size_t body_len);
uint8_t *np_outq_record_head(const np_outq *q, const np_outq_margins *margins, size_t piece);

/* The next record to be sealed: *frame is where its header goes, returns the bytes of plain text
 * behind that; 0 if there is none. *spare tells whether `spare` bytes may be added to them. */
size_t np_outq_unsealed(const np_outq *q, const np_outq_margins *margins, uint8_t **frame,
                        bool *spare);

/* That record is sealed now; `added` bytes were added to its plain text. */
void np_outq_seal(np_outq *q, const np_outq_margins *margins, size_t added);

/* Where the queue ends, to go back to if not all of something can be added. */
typedef struct np_outq_mark {
    np_outq_block *tail;
    bool alone; /* it is the only one */
    size_t end; /* of it */
    size_t queued;
} np_outq_mark;

np_outq_mark np_outq_mark_end(const np_outq *q);

/* Takes out what was added since; none of it has been sealed or gathered yet. */
void np_outq_cut(np_outq *q, np_account *account, const np_outq_mark *mark);

/* Fills in at most max pieces of what is queued; returns how many. They stay where they are until
 * the next np_outq_drop or np_outq_clear. */
size_t np_outq_gather(np_outq *q, struct iovec *iov, size_t max);

/* Drops n bytes from the front, n at most q->queued; 0 is allowed. */
void np_outq_drop(np_outq *q, np_account *account, size_t n);

/* Gives every block back. */
void np_outq_clear(np_outq *q, np_account *account);

#endif
