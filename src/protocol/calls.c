/* calls.c - see calls.h. */
#include <assert.h>
#include <string.h>

#include "protocol/calls.h"

#define NP_CALLS_FIRST 16u

void np_calls_clear(np_calls **calls, np_account *account)
{
    if (*calls != NULL) {
        np_pool_give(account, *calls, (*calls)->block_cap);
        *calls = NULL;
    }
}

/* Where an entry would like to be. Ids that follow each other have slots that do so, and the two
 * sides' ids, which are odd and even, never want the same; so where requests are answered about in
 * their order, all are where they would like to be. Of the canceled ones many may have had the same
 * id, but each has a serial number of its own. */
static uint32_t np_calls_home(const np_calls *calls, uint32_t stream, uint32_t serial,
                              np_call_state state)
{
    return (state == NP_CALL_CANCELED ? serial : stream) & (calls->slot_count - 1);
}

/* How far from there the entry in a slot is. Entries stand in the order of their homes, so those
 * that want a slot are no farther from it than what stands between (Robin Hood hashing; Celis,
 * Larson and Munro 1985). */
static uint32_t np_calls_distance(const np_calls *calls, uint32_t i)
{
    const np_call_entry *entry = &calls->slots[i];

    return (i - np_calls_home(calls, entry->stream, entry->serial, (np_call_state)entry->state)) &
           (calls->slot_count - 1);
}

/* Whether an entry that is so far from home may be in this slot or behind it. The table is never
 * full, so each search comes to an empty one. */
static bool np_calls_goes_on(const np_calls *calls, uint32_t i, uint32_t distance)
{
    return calls->slots[i].stream != 0 && np_calls_distance(calls, i) >= distance;
}

np_call_entry *np_calls_find(np_calls *calls, uint32_t stream)
{
    uint32_t i;

    if (calls == NULL || stream == 0) {
        return NULL;
    }
    i = np_calls_home(calls, stream, 0, NP_CALL_WAITS);
    for (uint32_t distance = 0; np_calls_goes_on(calls, i, distance); distance++) {
        if (calls->slots[i].stream == stream && calls->slots[i].state != NP_CALL_CANCELED) {
            return &calls->slots[i];
        }
        i = (i + 1) & (calls->slot_count - 1);
    }
    return NULL;
}

static np_call_entry *np_calls_find_canceled(np_calls *calls, const np_call_key *key)
{
    uint32_t i = np_calls_home(calls, key->stream, key->serial, NP_CALL_CANCELED);

    for (uint32_t distance = 0; np_calls_goes_on(calls, i, distance); distance++) {
        if (calls->slots[i].serial == key->serial && calls->slots[i].state == NP_CALL_CANCELED) {
            return &calls->slots[i];
        }
        i = (i + 1) & (calls->slot_count - 1);
    }
    return NULL;
}

static bool np_call_matches(const np_call_entry *entry, const np_call_key *key)
{
    return entry != NULL && entry->stream == key->stream && entry->serial == key->serial &&
           entry->message == key->message;
}

np_call_entry *np_calls_find_key(np_calls *calls, const np_call_key *key)
{
    np_call_entry *entry = np_calls_find(calls, key->stream);

    if (calls != NULL && !np_call_matches(entry, key)) {
        entry = np_calls_find_canceled(calls, key);
    }
    return np_call_matches(entry, key) ? entry : NULL;
}

/* Who is nearer to home than the entry that comes makes way for it. */
static void np_calls_put(np_calls *calls, const np_call_entry *entry)
{
    np_call_entry moving = *entry;
    uint32_t distance = 0;
    uint32_t i = np_calls_home(calls, moving.stream, moving.serial, (np_call_state)moving.state);

    for (; calls->slots[i].stream != 0; i = (i + 1) & (calls->slot_count - 1), distance++) {
        uint32_t other = np_calls_distance(calls, i);
        if (other < distance) {
            np_call_entry displaced = calls->slots[i];
            calls->slots[i] = moving;
            moving = displaced;
            distance = other;
        }
    }
    calls->slots[i] = moving;
}

np_err np_calls_reserve(np_calls **calls, np_account *account)
{
    np_calls *old = *calls;
    np_calls *fresh = NULL;
    uint32_t used = old != NULL ? old->count[0] + old->count[1] : 0;
    uint32_t slot_count = old != NULL ? old->slot_count * 2 : NP_CALLS_FIRST;
    void *block = NULL;
    size_t size = sizeof *fresh + slot_count * sizeof fresh->slots[0];
    size_t cap = 0;
    np_err err;

    if (old != NULL && used + 1 <= old->slot_count / 4 * 3) {
        return NP_OK;
    }
    err = np_pool_take(account, size, &block, &cap);
    if (err != NP_OK) {
        return err;
    }
    memset(block, 0, size);
    fresh = block;
    fresh->slot_count = slot_count;
    fresh->block_cap = (uint32_t)cap;
    fresh->deadline_ms = NP_TIME_NEVER;
    if (old != NULL) {
        fresh->count[0] = old->count[0];
        fresh->count[1] = old->count[1];
        fresh->refused = old->refused;
        fresh->deadline_ms = old->deadline_ms;
        for (uint32_t i = 0; i < old->slot_count; i++) {
            if (old->slots[i].stream != 0) {
                np_calls_put(fresh, &old->slots[i]);
            }
        }
        np_pool_give(account, old, old->block_cap);
    }
    *calls = fresh;
    return NP_OK;
}

void np_calls_unreserve(np_calls **calls, np_account *account)
{
    if (*calls != NULL && (*calls)->count[0] + (*calls)->count[1] == 0) {
        np_calls_clear(calls, account);
    }
}

void np_calls_add(np_calls *calls, const np_call_entry *entry)
{
    assert(entry->stream != 0);
    np_calls_put(calls, entry);
    calls->count[entry->stream & 1]++;
    calls->refused += entry->state == NP_CALL_REFUSED;
    calls->deadline_ms = np_time_earlier(calls->deadline_ms, entry->deadline_ms);
}

/* Empties a slot and closes the gap: those behind it that are not at home move up. */
static void np_calls_empty(np_calls *calls, np_call_entry *entry)
{
    uint32_t mask = calls->slot_count - 1;
    uint32_t hole = (uint32_t)(entry - calls->slots);
    uint32_t next = (hole + 1) & mask;

    while (calls->slots[next].stream != 0 && np_calls_distance(calls, next) > 0) {
        calls->slots[hole] = calls->slots[next];
        hole = next;
        next = (next + 1) & mask;
    }
    calls->slots[hole].stream = 0;
}

void np_calls_cancel(np_calls *calls, np_call_entry *entry, uint64_t deadline_ms)
{
    np_call_entry canceled = *entry;

    np_calls_empty(calls, entry);
    canceled.state = NP_CALL_CANCELED;
    canceled.deadline_ms = deadline_ms;
    np_calls_put(calls, &canceled);
    calls->deadline_ms = np_time_earlier(calls->deadline_ms, deadline_ms);
}

void np_calls_remove(np_calls **calls, np_account *account, np_call_entry *entry)
{
    (*calls)->count[entry->stream & 1]--;
    (*calls)->refused -= entry->state == NP_CALL_REFUSED;
    if ((*calls)->count[0] + (*calls)->count[1] == 0) {
        np_calls_clear(calls, account);
    } else {
        np_calls_empty(*calls, entry);
    }
}

static bool np_call_is_heard(const np_call_entry *entry, uint32_t parity)
{
    return entry->stream != 0 && (entry->stream & 1) == parity && entry->state != NP_CALL_GIVEN_UP;
}

/* The least slots with which so many entries leave an empty one for every search to end at. */
static uint32_t np_calls_slots_for(uint32_t entries)
{
    uint32_t slot_count = NP_CALLS_FIRST;

    while (entries > slot_count / 4 * 3) {
        slot_count *= 2;
    }
    return slot_count;
}

/* Moves the entries that are heard to the end of the table; returns how many there are. */
static uint32_t np_calls_gather(np_calls *calls, uint32_t parity)
{
    uint32_t to = calls->slot_count;

    for (uint32_t i = calls->slot_count; i > 0; i--) {
        if (np_call_is_heard(&calls->slots[i - 1], parity)) {
            calls->slots[--to] = calls->slots[i - 1];
        }
    }
    return calls->slot_count - to;
}

void np_calls_keep(np_calls **calls, np_account *account, uint32_t parity)
{
    np_calls *old = *calls;
    void *block = old;
    size_t cap = 0;
    uint32_t heard = 0;
    uint32_t from = 0;

    for (uint32_t i = 0; old != NULL && i < old->slot_count; i++) {
        heard += np_call_is_heard(&old->slots[i], parity);
    }
    if (heard == 0) {
        np_calls_clear(calls, account);
        return;
    }
    if (np_calls_slots_for(heard) == old->slot_count) {
        return;
    }
    /* The smaller table takes half of the larger one at most, and what is at its end three eighths,
     * so that either has its place. */
    from = old->slot_count - np_calls_gather(old, parity);
    old->slot_count = np_calls_slots_for(heard);
    memset(old->slots, 0, old->slot_count * sizeof old->slots[0]);
    for (uint32_t i = from; i < from + heard; i++) {
        np_calls_put(old, &old->slots[i]);
    }
    old->count[parity] = heard;
    old->count[parity ^ 1] = 0;
    old->refused = 0;
    cap = old->block_cap;
    np_pool_shrink(account, &block, &cap, sizeof *old + old->slot_count * sizeof old->slots[0]);
    *calls = block;
    (*calls)->block_cap = (uint32_t)cap;
}

void np_calls_give_up(np_call_entry *entry)
{
    entry->state = NP_CALL_GIVEN_UP;
    entry->deadline_ms = NP_TIME_NEVER;
    entry->user = NULL;
}

void np_calls_forget(np_calls **calls, np_account *account, uint64_t now_ms)
{
    uint32_t i = 0;

    while (*calls != NULL && i < (*calls)->slot_count) {
        np_call_entry *entry = &(*calls)->slots[i];
        if (entry->stream != 0 && entry->state == NP_CALL_CANCELED &&
            entry->deadline_ms <= now_ms) {
            np_calls_remove(calls, account, entry); /* what stood behind it may stand here now */
        } else {
            i++;
        }
    }
}

bool np_calls_take_refused(np_calls **calls, np_account *account, uint32_t *from,
                           np_call_entry *out)
{
    for (; *calls != NULL && (*calls)->refused > 0 && *from < (*calls)->slot_count; ++*from) {
        np_call_entry *entry = &(*calls)->slots[*from];
        if (entry->stream != 0 && entry->state == NP_CALL_REFUSED) {
            *out = *entry;
            np_calls_remove(calls, account, entry); /* what stood behind it may stand here now */
            return true;
        }
    }
    return false;
}

bool np_calls_expire(np_calls **calls, np_account *account, uint32_t parity, uint64_t now_ms,
                     np_call_entry *out)
{
    uint64_t earliest = NP_TIME_NEVER;

    for (uint32_t i = 0; *calls != NULL && i < (*calls)->slot_count; i++) {
        np_call_entry *entry = &(*calls)->slots[i];
        if (entry->stream == 0 || entry->state == NP_CALL_GIVEN_UP) {
            continue;
        }
        if ((entry->stream & 1) == parity && entry->deadline_ms <= now_ms) {
            *out = *entry;
            if (entry->moves) {
                np_calls_give_up(entry);
            } else {
                np_calls_remove(calls, account, entry);
            }
            return true;
        }
        earliest = np_time_earlier(earliest, entry->deadline_ms);
    }
    if (*calls != NULL) {
        (*calls)->deadline_ms = earliest;
    }
    return false;
}
