/* sources.h - where connections come from, and what each source has of what all share.
 *
 * A source is what one owner can be taken to have: an IPv4 address, a user on this machine, and of
 * IPv6 the /64 that a link has, the /56 that a home has and the /48 that a site has. The limits per
 * source count for a /64; the prefixes above it are sources, too, and may have twice and four times
 * as much. Where somebody has to give way, and where memory is shared, sources are compared by
 * their sites: the whole IPv4 address, user or /48.
 *
 * A hash table keyed by a random number, so that no one can choose colliding addresses. A source
 * without connections is remembered while it has begun handshakes of late; the table is bounded by
 * the connections that there are and NP_SOURCES_REMEMBERED. Everything takes the same time however
 * many there are, but for the table's growth.
 *
 * Ownership: sources live as long as they have members; members are their owners' storage.
 * Threads: one.
 */
#ifndef NP_TRANSPORT_SOURCES_H
#define NP_TRANSPORT_SOURCES_H

#include "util/pool.h"
#include "util/rate.h"
#include "util/shares.h"

/* Sources without connections that are remembered at most. */
#define NP_SOURCES_REMEMBERED 16384u

/* Lists of who is there, oldest first. */
typedef struct np_member np_member;
struct np_member {
    np_member *next;
    np_member **prev; /* what points to us */
};

typedef struct np_members {
    np_member *first;
    np_member **tail;
} np_members;

static inline void np_members_init(np_members *list)
{
    list->first = NULL;
    list->tail = &list->first;
}

static inline void np_members_add(np_members *list, np_member *member)
{
    member->next = NULL;
    member->prev = list->tail;
    *list->tail = member;
    list->tail = &member->next;
}

static inline void np_members_remove(np_members *list, np_member *member)
{
    *member->prev = member->next;
    if (member->next != NULL) {
        member->next->prev = member->prev;
    }
    if (list->tail == &member->next) {
        list->tail = member->prev;
    }
}

typedef enum np_origin_kind { NP_ORIGIN_V4, NP_ORIGIN_USER, NP_ORIGIN_V6 } np_origin_kind;

/* Where a connection comes from, before anything is known of it. */
typedef struct np_origin {
    np_origin_kind kind;
    uint8_t address[16]; /* IPv6, or IPv4 in its mapped form */
    uint32_t uid;        /* USER */
} np_origin;

/* Of an IPv6 address, or IPv4 in its mapped form. */
np_origin np_origin_of(const uint8_t address[16]);

/* Each 0: no limit. */
typedef struct np_source_limits {
    uint32_t connections;
    uint32_t half_open; /* of these, those that have not been opened */
    np_rate begins;     /* handshakes */
    np_rate all_begins; /* of all sources together */
} np_source_limits;

typedef enum np_source_limit {
    NP_SOURCE_NONE,
    NP_SOURCE_CONNECTIONS,
    NP_SOURCE_HALF_OPEN,
    NP_SOURCE_BEGINS,
    NP_SOURCE_ALL_BEGINS
} np_source_limit;

/* A prefix. */
typedef struct np_source np_source;
struct np_source {
    np_source *next;   /* in its place of the table */
    np_source *parent; /* the next shorter prefix; NULL: it is a site */
    uint64_t key[2];
    uint8_t level; /* np_origin_kind, and for IPv6 which prefix */
    bool resting;  /* in the list of those that are only remembered */
    uint32_t children;
    uint32_t count;
    uint32_t half_open;
    np_rate_bucket begins;
    np_member rest;
};

/* A source without a parent. */
typedef struct np_site {
    np_source source;
    np_pace pace;         /* handshakes begun */
    np_share strangers;   /* connections that are half open */
    np_share all;         /* those, and open ones that may have to give way */
    np_members half_open; /* the strangers */
    np_members open;      /* who may have to give way */
    np_holder holder;     /* memory of connections without a key that is listed */
    np_member link;       /* among all sites */
} np_site;

typedef struct np_sources {
    np_source **places;
    size_t place_count; /* a power of two, or 0 */
    size_t count;       /* of sources */
    uint64_t seed;
    np_source_limits limits;
    np_pool *pool;
    size_t memory_each;
    np_rate_bucket begun;
    np_shares strangers;
    np_shares all;
    np_members sites;
    np_members resting; /* the longest first */
    size_t resting_count;
} np_sources;

/* pool and memory_each: of the sites' holders. */
void np_sources_init(np_sources *sources, const np_source_limits *limits, np_pool *pool,
                     size_t memory_each, uint64_t seed);

/* When nobody is there any more. */
void np_sources_fini(np_sources *sources);

/* Somebody has come, a stranger. Errors: NP_ERR_LIMIT, with the one that is reached in *which;
 * NP_ERR_MEMORY. */
NP_MUST_CHECK np_err np_sources_enter(np_sources *sources, const np_origin *origin, uint64_t now_us,
                                      np_source **out, np_source_limit *which);

/* Puts who has come among the strangers of its site. */
void np_sources_add(np_source *source, np_member *member);

/* A stranger of this source begins a handshake. Where all have begun many, who has begun fewest
 * lately comes first: a site may begin one while it has had no more than is left for all. Errors:
 * NP_ERR_LIMIT. */
NP_MUST_CHECK np_err np_sources_begin(np_sources *sources, np_source *source, uint64_t now_us,
                                      np_source_limit *which);

/* A stranger is one no longer, and may have to give way, or is not in the site's lists any more. */
void np_sources_opened(np_sources *sources, np_source *source, np_member *member, bool yields);

/* Somebody is gone, who came to be a member as np_sources_add and _opened were told; member NULL:
 * neither was. */
void np_sources_leave(np_sources *sources, np_source *source, np_member *member, bool half_open,
                      bool yields, uint64_t now_us);

np_site *np_source_site(np_source *source);

/* The site with most strangers, and with most who may have to give way; NULL: nobody is there. */
np_site *np_sources_most_strangers(np_sources *sources);
np_site *np_sources_most(np_sources *sources);

/* The next site after one; NULL: the first, and behind the last. */
np_site *np_sources_next(const np_sources *sources, const np_site *site);

#endif
