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

/* The slot of a key, or the free one where it belongs; the table has a free slot. */
static size_t probe(const np_sources *sources, const uint64_t key[2])
{
    size_t mask = sources->slot_count - 1;
    size_t i = hash(sources, key) & mask;

    while (sources->slots[i].count > 0 &&
           (sources->slots[i].key[0] != key[0] || sources->slots[i].key[1] != key[1])) {
        i = (i + 1) & mask;
    }
    return i;
}

static bool grow(np_sources *sources)
{
    size_t old_count = sources->slot_count;
    np_source *old = sources->slots;
    size_t count = old_count == 0 ? 16 : old_count * 2;
    np_source *slots = calloc(count, sizeof *slots);

    if (slots == NULL) {
        return false;
    }
    sources->slots = slots;
    sources->slot_count = count;
    for (size_t i = 0; i < old_count; i++) {
        if (old[i].count > 0) {
            slots[probe(sources, old[i].key)] = old[i];
        }
    }
    free(old);
    return true;
}

np_err np_sources_add(np_sources *sources, const uint8_t address[16], uint32_t max)
{
    uint64_t key[2];
    size_t i = 0;

    if (sources->used * 4 >= sources->slot_count * 3 && !grow(sources)) {
        return NP_ERR_MEMORY;
    }
    make_key(address, key);
    i = probe(sources, key);
    if (max > 0 && sources->slots[i].count >= max) {
        return NP_ERR_LIMIT;
    }
    if (sources->slots[i].count == 0) {
        sources->slots[i].key[0] = key[0];
        sources->slots[i].key[1] = key[1];
        sources->used++;
    }
    sources->slots[i].count++;
    return NP_OK;
}

void np_sources_remove(np_sources *sources, const uint8_t address[16])
{
    uint64_t key[2];
    size_t mask = sources->slot_count - 1;
    size_t hole = 0;

    if (sources->slot_count == 0) {
        return;
    }
    make_key(address, key);
    hole = probe(sources, key);
    if (sources->slots[hole].count == 0 || --sources->slots[hole].count > 0) {
        return;
    }
    sources->used--;
    /* Moves later entries of the run into the hole, so that no search ends at it too early
     * (Knuth, The Art of Computer Programming 6.4, algorithm R). */
    for (size_t i = (hole + 1) & mask; sources->slots[i].count > 0; i = (i + 1) & mask) {
        size_t home = hash(sources, sources->slots[i].key) & mask;
        if (((i - home) & mask) >= ((i - hole) & mask)) {
            sources->slots[hole] = sources->slots[i];
            sources->slots[i].count = 0;
            hole = i;
        }
    }
}
