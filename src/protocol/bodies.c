/* bodies.c - see bodies.h. */
#include "protocol/bodies.h"

#include <string.h>

np_body_entry *np_bodies_find(np_bodies *bodies, uint32_t stream)
{
    /* There are few, and mostly one. */
    for (uint32_t i = 0; bodies != NULL && i < bodies->count; i++) {
        if (bodies->entries[i].stream == stream) {
            return &bodies->entries[i];
        }
    }
    return NULL;
}

np_body_entry *np_bodies_find_serial(np_bodies *bodies, uint64_t serial)
{
    for (uint32_t i = 0; bodies != NULL && i < bodies->count; i++) {
        if (bodies->entries[i].serial == serial) {
            return &bodies->entries[i];
        }
    }
    return NULL;
}

uint32_t np_bodies_count(const np_bodies *bodies, bool ours)
{
    uint32_t count = 0;

    for (uint32_t i = 0; bodies != NULL && i < bodies->count; i++) {
        count += (bodies->entries[i].state == NP_BODY_OURS) == ours;
    }
    return count;
}

/* A block with room for `room` entries or a few more, with what is in the old one. */
static np_err np_bodies_grow(np_bodies **bodies, np_account *account, uint32_t room)
{
    np_bodies *old = *bodies;
    np_bodies *fresh = NULL;
    void *block = NULL;
    size_t cap = 0;
    np_err err =
        np_pool_take(account, sizeof *fresh + room * sizeof fresh->entries[0], &block, &cap);

    if (err != NP_OK) {
        return err;
    }
    fresh = block;
    fresh->block_cap = cap;
    fresh->room = (uint32_t)((cap - sizeof *fresh) / sizeof fresh->entries[0]);
    fresh->count = 0;
    fresh->deadline_ms = NP_TIME_NEVER;
    fresh->piece = (np_buf){NULL, 0, 0};
    fresh->piece_at = 0;
    fresh->queued = 0;
    fresh->queued_left = 0;
    if (old != NULL) {
        fresh->count = old->count;
        fresh->deadline_ms = old->deadline_ms;
        fresh->piece = old->piece;
        fresh->piece_at = old->piece_at;
        fresh->queued = old->queued;
        fresh->queued_left = old->queued_left;
        memcpy(fresh->entries, old->entries, old->count * sizeof old->entries[0]);
        np_pool_give(account, old, old->block_cap);
    }
    *bodies = fresh;
    return NP_OK;
}

np_err np_bodies_add(np_bodies **bodies, np_account *account, uint64_t serial, np_body_entry **out)
{
    if (*bodies == NULL || (*bodies)->count == (*bodies)->room) {
        np_err err = np_bodies_grow(bodies, account, *bodies == NULL ? 1 : 2 * (*bodies)->room);
        if (err != NP_OK) {
            return err;
        }
    }
    *out = &(*bodies)->entries[(*bodies)->count++];
    memset(*out, 0, sizeof **out);
    (*out)->serial = serial;
    (*out)->deadline_ms = NP_TIME_NEVER;
    return NP_OK;
}

void np_bodies_drop(np_account *account, np_body_entry *entry)
{
    np_buf_release(account, &entry->bytes);
    np_pool_give(account, entry->parser, entry->parser_cap);
    entry->parser = NULL;
}

void np_bodies_remove(np_bodies **bodies, np_account *account, np_body_entry *entry)
{
    np_bodies *b = *bodies;

    np_bodies_drop(account, entry);
    b->count--;
    *entry = b->entries[b->count]; /* their order means nothing */
    if (b->count == 0) {
        np_buf_release(account, &b->piece);
        np_pool_give(account, b, b->block_cap);
        *bodies = NULL;
    }
}

void np_bodies_clear(np_bodies **bodies, np_account *account)
{
    while (*bodies != NULL) {
        np_bodies_remove(bodies, account, &(*bodies)->entries[0]);
    }
}

void np_bodies_expect(np_bodies *bodies, np_body_entry *entry, uint64_t deadline_ms)
{
    entry->deadline_ms = deadline_ms;
    bodies->deadline_ms = np_time_earlier(bodies->deadline_ms, deadline_ms);
}

void np_bodies_rest(np_bodies *bodies, uint64_t now_ms, bool rest)
{
    for (uint32_t i = 0; i < bodies->count; i++) {
        uint64_t *deadline = &bodies->entries[i].deadline_ms;
        if (*deadline != NP_TIME_NEVER) {
            *deadline = rest ? np_time_left(*deadline, now_ms) : np_time_after(now_ms, *deadline);
        }
    }
    (void)np_bodies_late(bodies, 0);
}

bool np_bodies_late(np_bodies *bodies, uint64_t now_ms)
{
    uint64_t earliest = NP_TIME_NEVER;

    for (uint32_t i = 0; i < bodies->count; i++) {
        earliest = np_time_earlier(earliest, bodies->entries[i].deadline_ms);
    }
    bodies->deadline_ms = earliest;
    return earliest <= now_ms && earliest != NP_TIME_NEVER;
}
