/* calls.c - see calls.h. */
#include <assert.h>
#include <string.h>

#include "protocol/calls.h"

#define NP_CALLS_FIRST 16u

void np_calls_init(np_calls *calls)
{
    memset(calls, 0, sizeof *calls);
    calls->deadline_ms = NP_TIME_NEVER;
}

void np_calls_clear(np_calls *calls, np_pool *pool)
{
    np_pool_give(pool, calls->slots, calls->block_cap);
    np_calls_init(calls);
}

/* Where the search for a stream begins. The ids of one side go up by two, so that neighbours in
 * time are neighbours here and the common case needs one look. */
static uint32_t np_calls_home(const np_calls *calls, uint32_t stream)
{
    return (stream >> 1) & (calls->slot_count - 1);
}

np_call_entry *np_calls_find(const np_calls *calls, uint32_t stream)
{
    uint32_t i;

    if (calls->slot_count == 0 || stream == 0) {
        return NULL;
    }
    /* The table is never full, so an empty slot ends every search. */
    for (i = np_calls_home(calls, stream); calls->slots[i].stream != 0;
         i = (i + 1) & (calls->slot_count - 1)) {
        if (calls->slots[i].stream == stream) {
            return &calls->slots[i];
        }
    }
    return NULL;
}

static void np_calls_put(np_calls *calls, const np_call_entry *entry)
{
    uint32_t i = np_calls_home(calls, entry->stream);

    while (calls->slots[i].stream != 0) {
        i = (i + 1) & (calls->slot_count - 1);
    }
    calls->slots[i] = *entry;
}

np_err np_calls_reserve(np_calls *calls, np_pool *pool)
{
    np_calls old = *calls;
    uint32_t used = calls->count[0] + calls->count[1];
    uint32_t slot_count = old.slot_count > 0 ? old.slot_count * 2 : NP_CALLS_FIRST;
    void *block = NULL;
    size_t cap = 0;
    np_err err;

    if (used + 1 <= old.slot_count / 4 * 3) {
        return NP_OK;
    }
    err = np_pool_take(pool, slot_count * sizeof *calls->slots, &block, &cap);
    if (err != NP_OK) {
        return err;
    }
    memset(block, 0, slot_count * sizeof *calls->slots);
    calls->slots = block;
    calls->slot_count = slot_count;
    calls->block_cap = (uint32_t)cap;
    for (uint32_t i = 0; i < old.slot_count; i++) {
        if (old.slots[i].stream != 0) {
            np_calls_put(calls, &old.slots[i]);
        }
    }
    np_pool_give(pool, old.slots, old.block_cap);
    return NP_OK;
}

void np_calls_add(np_calls *calls, const np_call_entry *entry)
{
    assert(entry->stream != 0);
    np_calls_put(calls, entry);
    calls->count[entry->stream & 1]++;
    calls->deadline_ms = np_time_earlier(calls->deadline_ms, entry->deadline_ms);
}

void np_calls_remove(np_calls *calls, np_pool *pool, np_call_entry *entry)
{
    uint32_t mask = calls->slot_count - 1;
    uint32_t hole = (uint32_t)(entry - calls->slots);

    calls->count[entry->stream & 1]--;
    if (calls->count[0] + calls->count[1] == 0) {
        np_calls_clear(calls, pool);
        return;
    }
    /* Close the gap: whoever stands behind it and would be searched for across it moves up. */
    for (uint32_t i = (hole + 1) & mask; calls->slots[i].stream != 0; i = (i + 1) & mask) {
        uint32_t home = np_calls_home(calls, calls->slots[i].stream);
        if (((i - home) & mask) >= ((i - hole) & mask)) {
            calls->slots[hole] = calls->slots[i];
            hole = i;
        }
    }
    calls->slots[hole].stream = 0;
}

bool np_calls_expire(np_calls *calls, np_pool *pool, uint32_t parity, uint64_t now_ms,
                     np_call_entry *out)
{
    uint64_t earliest = NP_TIME_NEVER;

    for (uint32_t i = 0; i < calls->slot_count; i++) {
        np_call_entry *entry = &calls->slots[i];
        if (entry->stream == 0) {
            continue;
        }
        if ((entry->stream & 1) == parity && entry->deadline_ms <= now_ms) {
            *out = *entry;
            np_calls_remove(calls, pool, entry);
            return true;
        }
        earliest = np_time_earlier(earliest, entry->deadline_ms);
    }
    calls->deadline_ms = earliest;
    return false;
}
