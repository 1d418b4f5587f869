/* sources.c - connections per source address. See sources.h. */
#include "transport/sources.h"

#include <stdlib.h>
#include <string.h>

void np_sources_init(np_sources *sources, uint64_t seed)
{
    memset(sources, 0, sizeof *sources);
    sources->seed = seed;
}

void np_sources_fini(np_sources *sources)
{
    free(sources->slots);
    sources->slots = NULL;
}

static void make_key(const uint8_t address[16], uint64_t key[2])
{
    static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};

    memcpy(key, address, 16);
    if (memcmp(address, mapped, sizeof mapped) != 0) {
        key[1] = 0;
    }
}

/* Two rounds of multiplying and folding (as in wyhash), keyed by the seed. */
static size_t hash(const np_sources *sources, const uint64_t key[2])
{
    uint64_t h = (key[0] ^ sources->seed) * 0x9E3779B97F4A7C15u;

    h = (h ^ h >> 32 ^ key[1]) * 0xD6E8FEB86659FD93u;
    h = (h ^ h >> 32 ^ sources->seed) * 0x9E3779B97F4A7C15u;
    return (size_t)(h ^ h >> 29);
}

/* A source that has no connection is kept for what it has begun, and that took time. */
static bool is_used(const np_source *slot)
{
    return slot->count > 0 || slot->begins.full_us > 0 || slot->begins.part > 0;
}

/* The slot of a key, or the free one where it belongs; the table has a free slot. */
static size_t probe(const np_sources *sources, const uint64_t key[2])
{
    size_t mask = sources->slot_count - 1;
    size_t i = hash(sources, key) & mask;

    while (is_used(&sources->slots[i]) &&
           (sources->slots[i].key[0] != key[0] || sources->slots[i].key[1] != key[1])) {
        i = (i + 1) & mask;
    }
    return i;
}

static bool is_idle(const np_source *source, uint64_t now_us)
{
    return source->count == 0 && np_rate_is_full(&source->begins, now_us);
}

/* A new table without those that need not be remembered, with room for as many as are left. */
static bool rebuild(np_sources *sources, uint64_t now_us)
{
    size_t old_count = sources->slot_count;
    np_source *old = sources->slots;
    np_source *slots = NULL;
    size_t kept = 0;
    size_t count = 16;

    for (size_t i = 0; i < old_count; i++) {
        kept += is_used(&old[i]) && !is_idle(&old[i], now_us);
    }
    while (count < kept * 2) {
        count *= 2;
    }
    slots = calloc(count, sizeof *slots);
    if (slots == NULL) {
        return false;
    }
    sources->slots = slots;
    sources->slot_count = count;
    sources->used = kept;
    for (size_t i = 0; i < old_count; i++) {
        if (is_used(&old[i]) && !is_idle(&old[i], now_us)) {
            slots[probe(sources, old[i].key)] = old[i];
        }
    }
    free(old);
    return true;
}

static np_source_limit reached(const np_source *source, const np_source_limits *limits,
                               uint64_t now_us)
{
    if (limits->connections > 0 && source->count >= limits->connections) {
        return NP_SOURCE_CONNECTIONS;
    }
    if (limits->half_open > 0 && source->half_open >= limits->half_open) {
        return NP_SOURCE_HALF_OPEN;
    }
    return np_rate_has(&source->begins, &limits->begins, now_us) ? NP_SOURCE_NONE
                                                                 : NP_SOURCE_BEGINS;
}

np_err np_sources_add(np_sources *sources, const uint8_t address[16],
                      const np_source_limits *limits, uint64_t now_us, np_source_limit *which)
{
    uint64_t key[2];
    np_source *source = NULL;

    if (sources->used * 4 >= sources->slot_count * 3 && !rebuild(sources, now_us)) {
        return NP_ERR_MEMORY;
    }
    make_key(address, key);
    source = &sources->slots[probe(sources, key)];
    *which = reached(source, limits, now_us);
    if (*which != NP_SOURCE_NONE) {
        return NP_ERR_LIMIT;
    }
    if (!is_used(source)) {
        *source = (np_source){.key = {key[0], key[1]}};
        sources->used++;
    }
    np_rate_take(&source->begins, &limits->begins, now_us);
    source->count++;
    source->half_open++;
    return NP_OK;
}

static np_source *find(np_sources *sources, const uint8_t address[16])
{
    uint64_t key[2];
    np_source *source = NULL;

    if (sources->slot_count == 0) {
        return NULL;
    }
    make_key(address, key);
    source = &sources->slots[probe(sources, key)];
    return is_used(source) ? source : NULL;
}

void np_sources_opened(np_sources *sources, const uint8_t address[16])
{
    np_source *source = find(sources, address);

    if (source != NULL && source->half_open > 0) {
        source->half_open--;
    }
}

/* Frees a slot, and moves later entries of the run into the hole, so that no search ends at it too
 * early (Knuth, The Art of Computer Programming 6.4, algorithm R). */
static void forget(np_sources *sources, size_t hole)
{
    size_t mask = sources->slot_count - 1;

    sources->used--;
    for (size_t i = (hole + 1) & mask; is_used(&sources->slots[i]); i = (i + 1) & mask) {
        size_t home = hash(sources, sources->slots[i].key) & mask;
        if (((i - home) & mask) >= ((i - hole) & mask)) {
            sources->slots[hole] = sources->slots[i];
            hole = i;
        }
    }
    sources->slots[hole] = (np_source){.count = 0};
}

void np_sources_remove(np_sources *sources, const uint8_t address[16], bool half_open,
                       uint64_t now_us)
{
    np_source *source = find(sources, address);

    if (source == NULL || source->count == 0) {
        return;
    }
    source->count--;
    source->half_open -= half_open && source->half_open > 0;
    if (is_idle(source, now_us)) {
        forget(sources, (size_t)(source - sources->slots));
    }
}
