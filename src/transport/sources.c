/* sources.c - where connections come from. See sources.h. */
#include "transport/sources.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/* The prefixes of a source, the site first. */
#define LEVELS_MAX 3

enum { LEVEL_V4 = NP_ORIGIN_V4, LEVEL_USER = NP_ORIGIN_USER, LEVEL_48, LEVEL_56, LEVEL_64 };

#define CONTAINER(pointer, type, member)                                                           \
    ((type *)(void *)((char *)(pointer)-offsetof(type, member)))

void np_sources_init(np_sources *sources, const np_source_limits *limits, np_pool *pool,
                     size_t memory_each, uint64_t seed)
{
    memset(sources, 0, sizeof *sources);
    sources->limits = *limits;
    sources->pool = pool;
    sources->memory_each = memory_each;
    sources->seed = seed;
    np_members_init(&sources->sites);
    np_members_init(&sources->resting);
}

np_origin np_origin_of(const uint8_t address[16])
{
    static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};
    np_origin origin = {.kind = NP_ORIGIN_V6};

    if (memcmp(address, mapped, sizeof mapped) == 0) {
        origin.kind = NP_ORIGIN_V4;
    }
    memcpy(origin.address, address, 16);
    return origin;
}

np_site *np_source_site(np_source *source)
{
    while (source->parent != NULL) {
        source = source->parent;
    }
    return CONTAINER(source, np_site, source);
}

/* The table --------------------------------------------------------------------------------- */

/* Two rounds of multiplying and folding (as in wyhash), keyed by the seed. */
static size_t hash(const np_sources *sources, const uint64_t key[2], uint8_t level)
{
    uint64_t h = (key[0] ^ sources->seed) * 0x9E3779B97F4A7C15u;

    h = (h ^ h >> 32 ^ key[1]) * 0xD6E8FEB86659FD93u;
    h = (h ^ h >> 32 ^ sources->seed ^ level) * 0x9E3779B97F4A7C15u;
    return (size_t)(h ^ h >> 29);
}

static np_source **place_of(const np_sources *sources, const uint64_t key[2], uint8_t level)
{
    return &sources->places[hash(sources, key, level) & (sources->place_count - 1)];
}

static np_source *find(const np_sources *sources, const uint64_t key[2], uint8_t level)
{
    np_source *source = sources->place_count > 0 ? *place_of(sources, key, level) : NULL;

    while (source != NULL &&
           (source->level != level || source->key[0] != key[0] || source->key[1] != key[1])) {
        source = source->next;
    }
    return source;
}

/* Without memory for a larger table the old one does, if there is one. */
static np_err grow(np_sources *sources)
{
    size_t old_count = sources->place_count;
    np_source **old = sources->places;
    size_t count = old_count > 0 ? 2 * old_count : 16;
    np_source **places = calloc(count, sizeof *places);

    if (places == NULL) {
        return old != NULL ? NP_OK : NP_ERR_MEMORY;
    }
    sources->places = places;
    sources->place_count = count;
    for (size_t i = 0; i < old_count; i++) {
        np_source *next = NULL;
        for (np_source *source = old[i]; source != NULL; source = next) {
            np_source **place = place_of(sources, source->key, source->level);
            next = source->next;
            source->next = *place;
            *place = source;
        }
    }
    free(old);
    return NP_OK;
}

/* One that is a site has room for what a site has besides. */
static np_source *make(np_sources *sources, np_source *parent, const uint64_t key[2], uint8_t level)
{
    np_source *source = NULL;
    np_source **place = NULL;

    if (sources->count >= sources->place_count && grow(sources) != NP_OK) {
        return NULL;
    }
    if (parent == NULL) {
        np_site *site = calloc(1, sizeof *site);
        if (site == NULL) {
            return NULL;
        }
        np_share_init(&site->strangers, &sources->strangers);
        np_share_init(&site->all, &sources->all);
        np_members_init(&site->half_open);
        np_members_init(&site->open);
        np_holder_init(&site->holder, sources->pool, sources->memory_each);
        np_members_add(&sources->sites, &site->link);
        source = &site->source;
    } else {
        source = calloc(1, sizeof *source);
        if (source == NULL) {
            return NULL;
        }
        parent->children++;
    }
    place = place_of(sources, key, level);
    source->parent = parent;
    source->key[0] = key[0];
    source->key[1] = key[1];
    source->level = level;
    source->next = *place;
    *place = source;
    sources->count++;
    return source;
}

/* Forgetting -------------------------------------------------------------------------------- */

static void wake(np_sources *sources, np_source *source)
{
    if (source->resting) {
        np_members_remove(&sources->resting, &source->rest);
        sources->resting_count--;
        source->resting = false;
    }
}

static void drop(np_sources *sources, np_source *source)
{
    np_source **place = place_of(sources, source->key, source->level);

    wake(sources, source);
    while (*place != source) {
        place = &(*place)->next;
    }
    *place = source->next;
    sources->count--;
    if (source->parent != NULL) {
        source->parent->children--;
        free(source);
    } else {
        np_site *site = CONTAINER(source, np_site, source);
        np_share_leave(&sources->strangers, &site->strangers);
        np_share_leave(&sources->all, &site->all);
        np_holder_fini(&site->holder);
        np_members_remove(&sources->sites, &site->link);
        free(site);
    }
}

/* Whether nothing would be lost with it. */
static bool is_forgettable(np_source *source, uint64_t now_us)
{
    return np_rate_is_full(&source->begins, now_us) &&
           (source->parent != NULL ||
            np_pace_had(&np_source_site(source)->pace, now_us / 1000) < NP_PACE_ONE / 2);
}

/* It may have nobody any more, nor may its parents. */
static void rest(np_sources *sources, np_source *source, uint64_t now_us)
{
    while (source != NULL && source->count == 0 && source->children == 0) {
        np_source *parent = source->parent;
        if (is_forgettable(source, now_us)) {
            drop(sources, source);
        } else if (!source->resting) {
            np_members_add(&sources->resting, &source->rest);
            sources->resting_count++;
            source->resting = true;
            return;
        }
        source = parent;
    }
}

/* Forgets some that need not be remembered any more, as many as come in at most, and the longest
 * that are remembered where they are too many. */
static void sweep(np_sources *sources, uint64_t now_us)
{
    for (int i = 0; i < LEVELS_MAX + 1 && sources->resting.first != NULL; i++) {
        np_source *oldest = CONTAINER(sources->resting.first, np_source, rest);
        np_source *parent = oldest->parent;
        if (sources->resting_count > NP_SOURCES_REMEMBERED || is_forgettable(oldest, now_us)) {
            drop(sources, oldest);
            rest(sources, parent, now_us);
        } else {
            return;
        }
    }
}

void np_sources_fini(np_sources *sources)
{
    while (sources->resting.first != NULL) {
        np_source *source = CONTAINER(sources->resting.first, np_source, rest);
        np_source *parent = source->parent;
        drop(sources, source);
        rest(sources, parent, UINT64_MAX);
    }
    assert(sources->count == 0);
    free(sources->places);
    sources->places = NULL;
    sources->place_count = 0;
}

/* Coming ------------------------------------------------------------------------------------ */

typedef struct prefix {
    uint64_t key[2];
    uint8_t level;
} prefix;

/* The prefixes of an origin, the shortest first; returns how many. */
static size_t prefixes_of(const np_origin *origin, prefix out[LEVELS_MAX])
{
    static const uint8_t bytes[LEVELS_MAX] = {6, 7, 8};

    memset(out, 0, LEVELS_MAX * sizeof *out);
    switch (origin->kind) {
    case NP_ORIGIN_V4:
        memcpy(out[0].key, origin->address, 16);
        out[0].level = LEVEL_V4;
        return 1;
    case NP_ORIGIN_USER:
        out[0].key[0] = origin->uid;
        out[0].level = LEVEL_USER;
        return 1;
    case NP_ORIGIN_V6:
        break;
    }
    for (size_t i = 0; i < LEVELS_MAX; i++) {
        memcpy(out[i].key, origin->address, bytes[i]);
        out[i].level = (uint8_t)(LEVEL_48 + i);
    }
    return LEVELS_MAX;
}

/* How many times as much as one source this prefix may have, as a power of two. */
static unsigned allowance(const np_source *source)
{
    return source->level == LEVEL_48 ? 2 : source->level == LEVEL_56 ? 1 : 0;
}

static bool is_reached(uint32_t count, uint32_t limit, unsigned shift)
{
    return limit > 0 && count >> shift >= limit;
}

/* The limit that speaks against one more of this prefix. */
static np_source_limit reached(const np_sources *sources, const np_source *source)
{
    unsigned shift = allowance(source);

    if (is_reached(source->count, sources->limits.connections, shift)) {
        return NP_SOURCE_CONNECTIONS;
    }
    return is_reached(source->half_open, sources->limits.half_open, shift) ? NP_SOURCE_HALF_OPEN
                                                                           : NP_SOURCE_NONE;
}

np_err np_sources_enter(np_sources *sources, const np_origin *origin, uint64_t now_us,
                        np_source **out, np_source_limit *which)
{
    prefix prefixes[LEVELS_MAX];
    size_t count = prefixes_of(origin, prefixes);
    np_source *source = NULL;

    *which = NP_SOURCE_NONE;
    sweep(sources, now_us);
    for (size_t i = 0; i < count; i++) { /* nothing is made for who may not come in */
        np_source *known = find(sources, prefixes[i].key, prefixes[i].level);
        *which = known != NULL ? reached(sources, known) : NP_SOURCE_NONE;
        if (*which != NP_SOURCE_NONE) {
            return NP_ERR_LIMIT;
        }
    }
    for (size_t i = 0; i < count; i++) {
        np_source *parent = source;
        source = find(sources, prefixes[i].key, prefixes[i].level);
        if (source == NULL) {
            source = make(sources, parent, prefixes[i].key, prefixes[i].level);
        }
        if (source == NULL) {
            rest(sources, parent, now_us);
            return NP_ERR_MEMORY;
        }
    }
    *out = source;
    np_share_add(&sources->strangers, &np_source_site(source)->strangers, 1);
    np_share_add(&sources->all, &np_source_site(source)->all, 1);
    for (; source != NULL; source = source->parent) {
        wake(sources, source);
        source->count++;
        source->half_open++;
    }
    return NP_OK;
}

void np_sources_add(np_source *source, np_member *member)
{
    np_members_add(&np_source_site(source)->half_open, member);
}

/* Beginning --------------------------------------------------------------------------------- */

static np_rate rate_of(const np_sources *sources, const np_source *source)
{
    np_rate rate = sources->limits.begins;
    unsigned shift = allowance(source);

    rate.per_second = rate.per_second > UINT32_MAX >> shift ? UINT32_MAX : rate.per_second << shift;
    rate.burst <<= shift;
    return rate;
}

/* Whether a site may begin one more of what is left for all. */
static bool is_its_turn(const np_sources *sources, const np_site *site, uint64_t now_us)
{
    uint64_t left = 0;

    if (sources->limits.all_begins.per_second == 0) {
        return true;
    }
    left = np_rate_left(&sources->begun, &sources->limits.all_begins, now_us);
    return left > 0 && np_pace_had(&site->pace, now_us / 1000) <= left * NP_PACE_ONE;
}

np_err np_sources_begin(np_sources *sources, np_source *source, uint64_t now_us,
                        np_source_limit *which)
{
    np_site *site = np_source_site(source);

    *which = NP_SOURCE_NONE;
    for (np_source *s = source; s != NULL; s = s->parent) {
        np_rate rate = rate_of(sources, s);
        if (!np_rate_has(&s->begins, &rate, now_us)) {
            *which = NP_SOURCE_BEGINS;
            return NP_ERR_LIMIT;
        }
    }
    if (!is_its_turn(sources, site, now_us)) {
        *which = NP_SOURCE_ALL_BEGINS;
        return NP_ERR_LIMIT;
    }
    for (np_source *s = source; s != NULL; s = s->parent) {
        np_rate rate = rate_of(sources, s);
        np_rate_take(&s->begins, &rate, now_us);
    }
    np_rate_take(&sources->begun, &sources->limits.all_begins, now_us);
    if (sources->limits.all_begins.per_second > 0) {
        np_pace_take(&site->pace, now_us / 1000);
    }
    return NP_OK;
}

/* Staying and going ------------------------------------------------------------------------- */

void np_sources_opened(np_sources *sources, np_source *source, np_member *member, bool yields)
{
    np_site *site = np_source_site(source);

    (void)sources;
    np_members_remove(&site->half_open, member);
    np_share_sub(&site->strangers, 1);
    if (yields) {
        np_members_add(&site->open, member);
    } else {
        np_share_sub(&site->all, 1);
    }
    for (; source != NULL; source = source->parent) {
        source->half_open--;
    }
}

void np_sources_leave(np_sources *sources, np_source *source, np_member *member, bool half_open,
                      bool yields, uint64_t now_us)
{
    np_site *site = np_source_site(source);

    if (half_open) {
        np_share_sub(&site->strangers, 1);
    }
    if (half_open || yields) {
        np_share_sub(&site->all, 1);
        if (member != NULL) {
            np_members_remove(half_open ? &site->half_open : &site->open, member);
        }
    }
    for (np_source *s = source; s != NULL; s = s->parent) {
        s->count--;
        s->half_open -= half_open;
    }
    rest(sources, source, now_us);
}

np_site *np_sources_most_strangers(np_sources *sources)
{
    np_share *top = np_shares_top(&sources->strangers);

    return top != NULL ? CONTAINER(top, np_site, strangers) : NULL;
}

np_site *np_sources_most(np_sources *sources)
{
    np_share *top = np_shares_top(&sources->all);

    return top != NULL ? CONTAINER(top, np_site, all) : NULL;
}

np_site *np_sources_next(const np_sources *sources, const np_site *site)
{
    np_member *next = site != NULL ? site->link.next : sources->sites.first;

    return next != NULL ? CONTAINER(next, np_site, link) : NULL;
}
