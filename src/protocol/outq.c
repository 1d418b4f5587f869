/* outq.c - see outq.h. */
#include <assert.h>
#include <string.h>

#include "protocol/outq.h"

/* One short message, which may be all that each of thousands of connections gets in a turn, takes
 * the pool's smallest block. What does not stay alone moves to one for a burst; behind that one,
 * blocks are greater, so that a long queue has few. */
#define NP_OUTQ_FIRST NP_POOL_MIN
#define NP_OUTQ_BURST ((size_t)4096)

static np_err np_outq_append(np_outq *q, np_account *account, size_t len, np_outq_block **out)
{
    void *memory = NULL;
    size_t cap = 0;
    np_outq_block *block;
    np_err err = np_pool_take(account, len + sizeof *block, &memory, &cap);

    if (err != NP_OK) {
        return err;
    }
    block = memory;
    memset(block, 0, sizeof *block);
    block->cap = cap;
    if (q->tail != NULL) {
        q->tail->next = block;
    } else {
        q->head = block;
    }
    q->tail = block;
    *out = block;
    return NP_OK;
}

/* Moves the only block to one for a burst, if that has room for len bytes more. If there is no
 * memory for it, there is none for another block either, which the caller asks for then. */
static bool np_outq_move(np_outq *q, np_account *account, size_t len)
{
    np_outq_block *old = q->tail;
    void *memory = NULL;
    size_t cap = 0;
    size_t used = 0;

    if (q->lent || old == NULL || old != q->head || old->cap >= NP_OUTQ_BURST ||
        old->piece_len > 0 || old->sealed > 0) {
        return false;
    }
    used = sizeof *old + old->end;
    if (len > NP_OUTQ_BURST - used ||
        np_pool_take(account, NP_OUTQ_BURST, &memory, &cap) != NP_OK) {
        return false;
    }
    memcpy(memory, old, used);
    np_pool_give(account, old, old->cap);
    q->head = memory;
    q->head->cap = cap;
    q->tail = q->head;
    return true;
}

/* Room for len bytes in a block behind the last one. */
static np_err np_outq_reserve_next(np_outq *q, np_account *account, size_t len, uint8_t **room)
{
    np_outq_block *block = q->tail;
    size_t want = NP_OUTQ_FIRST;
    np_err err;

    if (block != NULL) {
        want = block->cap < NP_OUTQ_STEP_MAX / 4 ? block->cap * 4 : NP_OUTQ_STEP_MAX;
        want = want > NP_OUTQ_BURST ? want : NP_OUTQ_BURST;
    }
    want -= sizeof *block;
    err = np_outq_append(q, account, len > want ? len : want, &block);
    if (err == NP_OK) {
        *room = np_outq_data(block);
    }
    return err;
}

np_err np__outq_reserve_block(np_outq *q, np_account *account, size_t len, uint8_t **room)
{
    if (!np_outq_move(q, account, len)) {
        return np_outq_reserve_next(q, account, len, room);
    }
    *room = np_outq_data(q->tail) + q->tail->end;
    return NP_OK;
}

np_err np_outq_reserve_pieces(np_outq *q, np_account *account, size_t head_len, size_t piece_len,
                              size_t body_len, uint8_t **heads, uint8_t **body)
{
    size_t pieces = (body_len + piece_len - 1) / piece_len;
    np_outq_block *block = NULL;
    np_err err = np_outq_append(q, account, pieces * head_len + body_len, &block);

    if (err != NP_OK) {
        return err;
    }
    block->head_len = head_len;
    block->piece_len = piece_len;
    block->body_at = pieces * head_len;
    block->end = pieces * head_len + body_len;
    *heads = np_outq_data(block);
    *body = np_outq_data(block) + block->body_at;
    return NP_OK;
}

void np_outq_commit_pieces(np_outq *q)
{
    q->queued += q->tail->end;
}

/* Records ----------------------------------------------------------------------------------- */

/* Whether a block is one record, or one that holds several of a large body. */
static bool np_outq_is_single(const np_outq_block *block)
{
    return block->piece_len == 0;
}

np_err np__outq_reserve_new_record(np_outq *q, np_account *account, const np_outq_margins *margins,
                                   size_t len, uint8_t **room)
{
    size_t rest = len + margins->spare + margins->after;
    uint8_t *data = NULL;
    np_err err = NP_OK;

    if (q->tail != NULL && q->tail->open &&
        len + margins->spare <= margins->before + margins->plain_max - q->tail->end &&
        np_outq_move(q, account, rest)) {
        *room = np_outq_data(q->tail) + q->tail->end; /* the same record goes on */
        return NP_OK;
    }
    err = np_outq_reserve_next(q, account, margins->before + rest, &data);
    if (err == NP_OK) {
        q->tail->open = true;
        q->tail->end = margins->before;
        *room = data + margins->before;
    }
    return err;
}

/* Bytes on the wire of a whole record of a block of several. */
static size_t np_outq_unit(const np_outq_block *block, const np_outq_margins *margins)
{
    return margins->before + block->head_len + block->piece_len + margins->after;
}

np_err np_outq_reserve_records(np_outq *q, np_account *account, const np_outq_margins *margins,
                               size_t head_len, size_t piece_len, size_t body_len, uint8_t **body)
{
    size_t pieces = (body_len + piece_len - 1) / piece_len;
    size_t total = pieces * (margins->before + head_len + margins->after) + body_len;
    np_outq_block *block = NULL;
    np_err err = np_outq_append(q, account, total + margins->spare, &block);

    if (err != NP_OK) {
        return err;
    }
    block->head_len = head_len;
    block->piece_len = piece_len;
    block->body_at = total - body_len;
    block->end = total;
    block->open = true;
    *body = np_outq_data(block) + block->body_at;
    return NP_OK;
}

uint8_t *np_outq_record_head(const np_outq *q, const np_outq_margins *margins, size_t piece)
{
    return np_outq_data(q->tail) + piece * np_outq_unit(q->tail, margins) + margins->before;
}

/* The body stands at the block's end and every piece moves towards the front, so that none meets
 * one that has not moved. */
void np_outq_commit_records(np_outq *q, const np_outq_margins *margins, size_t body_len)
{
    np_outq_block *block = q->tail;
    const uint8_t *from = np_outq_data(block) + block->body_at;

    for (size_t i = 0; body_len > 0; i++) {
        size_t n = body_len < block->piece_len ? body_len : block->piece_len;
        memmove(np_outq_record_head(q, margins, i) + block->head_len, from, n);
        from += n;
        body_len -= n;
    }
    q->queued += block->end;
}

/* The first block with something to seal; NULL if there is none. */
static np_outq_block *np_outq_first_open(const np_outq *q)
{
    np_outq_block *block = q->head;

    while (block != NULL && !block->open) {
        block = block->next;
    }
    return block;
}

size_t np_outq_unsealed(const np_outq *q, const np_outq_margins *margins, uint8_t **frame,
                        bool *spare)
{
    const np_outq_block *block = np_outq_first_open(q);
    size_t unit;
    size_t left;

    if (block == NULL) {
        return 0;
    }
    *frame = np_outq_data(block) + block->sealed;
    if (np_outq_is_single(block)) {
        *spare = true;
        return block->end - margins->before;
    }
    unit = np_outq_unit(block, margins);
    left = block->end - block->sealed;
    *spare = left <= unit; /* behind the last one there is room, behind the others the next one */
    return (left < unit ? left : unit) - margins->before - margins->after;
}

void np_outq_seal(np_outq *q, const np_outq_margins *margins, size_t added)
{
    np_outq_block *block = np_outq_first_open(q);
    size_t unit;
    size_t left;

    if (np_outq_is_single(block)) {
        block->end += added + margins->after;
        q->queued += added + margins->after;
        block->sealed = block->end;
    } else {
        unit = np_outq_unit(block, margins);
        left = block->end - block->sealed + added;
        block->end += added;
        q->queued += added;
        block->sealed += added > 0 || left < unit ? left : unit;
    }
    block->open = block->sealed < block->end;
}

/* The run of bytes in memory that starts at wire position `at` of a block. */
static struct iovec np_outq_run(const np_outq_block *block, size_t at)
{
    struct iovec run;
    uint8_t *data = np_outq_data(block);

    if (block->head_len == 0 || block->sealed > 0) {
        run.iov_base = data + at;
        run.iov_len = (block->open ? block->sealed : block->end) - at;
        return run;
    }
    size_t unit = block->head_len + block->piece_len;
    size_t piece = at / unit;
    size_t within = at % unit;
    size_t unit_end = (piece + 1) * unit < block->end ? (piece + 1) * unit : block->end;

    if (within < block->head_len) {
        run.iov_base = data + piece * block->head_len + within;
        run.iov_len = block->head_len - within;
    } else {
        run.iov_base = data + block->body_at + piece * block->piece_len + within - block->head_len;
        run.iov_len = unit_end - at;
    }
    return run;
}

size_t np_outq_gather(np_outq *q, struct iovec *iov, size_t max)
{
    size_t count = 0;

    for (const np_outq_block *block = q->head; block != NULL && count < max; block = block->next) {
        size_t at = block->begin;
        size_t ready = block->open ? block->sealed : block->end;
        while (at < ready && count < max) {
            iov[count] = np_outq_run(block, at);
            at += iov[count].iov_len;
            count++;
        }
        if (block->open) {
            break;
        }
    }
    q->lent = count > 0;
    return count;
}

/* Takes the first block out. */
static void np_outq_pop(np_outq *q, np_account *account)
{
    np_outq_block *block = q->head;

    q->head = block->next;
    if (q->head == NULL) {
        q->tail = NULL;
    }
    np_pool_give(account, block, block->cap);
}

void np_outq_drop(np_outq *q, np_account *account, size_t n)
{
    assert(n <= q->queued);
    q->lent = false;
    q->queued -= n;
    while (q->head != NULL) {
        size_t left = q->head->end - q->head->begin;
        size_t taken = n < left ? n : left;

        q->head->begin += taken;
        n -= taken;
        if (q->head->begin < q->head->end) {
            break;
        }
        np_outq_pop(q, account);
    }
    assert(n == 0);
}

np_outq_mark np_outq_mark_end(const np_outq *q)
{
    const np_outq_mark mark = {q->tail, q->tail != NULL && q->tail == q->head,
                               q->tail != NULL ? q->tail->end : 0, q->queued};

    return mark;
}

void np_outq_cut(np_outq *q, np_account *account, const np_outq_mark *mark)
{
    np_outq_block *tail = mark->alone ? q->head : mark->tail; /* alone, it may have moved */
    np_outq_block *block = tail != NULL ? tail->next : q->head;

    while (block != NULL) {
        np_outq_block *next = block->next;
        np_pool_give(account, block, block->cap);
        block = next;
    }
    q->tail = tail;
    if (q->tail != NULL) {
        q->tail->next = NULL;
        q->tail->end = mark->end;
    } else {
        q->head = NULL;
    }
    q->queued = mark->queued;
}

void np_outq_clear(np_outq *q, np_account *account)
{
    while (q->head != NULL) {
        np_outq_pop(q, account);
    }
    q->queued = 0;
    q->lent = false;
}
