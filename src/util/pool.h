/* pool.h - blocks of memory in size classes, kept for the next use.
 *
 * Carry buffers and output queues come and go with every turn of the loop. A pool hands out blocks
 * of a few sizes and keeps those given back, up to a bound, so that steady traffic allocates
 * nothing and an idle connection holds nothing. Blocks above the greatest class come from the heap
 * and return to it at once.
 *
 * Nothing here is initialised memory: a block holds what its last user left in it.
 *
 * Who takes a block has an account, such as a connection's, and accounts have a holder, such as the
 * key or the address behind several connections. What is out is counted for each of the three. When
 * a block would exceed the pool's bound, or the heap has none, the account that holds most of the
 * holder that holds most is told to give everything back, and who asked gets the block; unless that
 * is who asked. So a pool that `n` holders use has room for a share of 1/n for each, whatever the
 * others do. Who has nothing to give at the moment is passed over until it takes more.
 *
 * Ownership: the structs are the caller's storage (a pool for each loop). A block belongs to who
 * took it, until it is given back; all must be back before np_pool_fini. A holder outlives its
 * accounts.
 * Threads: one.
 *
 * NP_API: the runtime library calls these too, though no user includes this.
 */
#ifndef NP_UTIL_POOL_H
#define NP_UTIL_POOL_H

#include "util/shares.h"

/* The classes: 512 bytes with the heap's own 8, since connections keep blocks of this size for
 * long; powers of two from 1,024 bytes; and one that holds any fragment's frame or any record of a
 * secure session whole (at most 66,586 bytes). */
#define NP_POOL_CLASSES 8
#define NP_POOL_MIN ((size_t)504)
#define NP_POOL_TOP ((size_t)68 * 1024)

typedef struct np_pool_options {
    size_t cache_max; /* bytes of unused blocks kept; default 1 MiB */
    size_t live_max;  /* bytes out at once, all users together; default 0: no bound */
    /* [none] The heap has nothing left: gives up memory that was kept for this, and returns whether
     * there was some, so that it is worth asking the heap again. */
    bool (*relieve)(void *user);
    void *relieve_user;
} np_pool_options;

NP_API np_pool_options np_pool_options_default(void);

/* Who holds no more than this is never told to give way: what a connection at rest has, or a
 * stranger. A pool whose bound is well above this for every account has always somebody who is. */
#define NP_HEAVY ((uint64_t)2 * 1024)

/* The greatest share of an account, whatever its holder says. */
#define NP_ACCOUNT_MAX ((size_t)INT32_MAX)

typedef struct np_pool np_pool;
typedef struct np_account np_account;

/* Several accounts of one owner. */
typedef struct np_holder {
    np_pool *pool;
    np_share share;     /* of the pool */
    np_shares accounts; /* the heavy ones */
    size_t each_max;    /* bytes that one account may hold; 0: no bound */
} np_holder;

/* What an account has while it is heavy. */
typedef struct np_heavy np_heavy;
struct np_heavy {
    np_share share; /* of the holder */
    np_holder *holder;
    np_account *account;
    np_heavy *next_spare;
};

struct np_account {
    union {
        np_holder *holder;
        np_heavy *heavy;
    } of;
    uint32_t live; /* bytes out */
    bool is_heavy;
};

/* Has an account give everything back, now, of which `need` bytes are waited for: less than all
 * only where that is enough. False: it cannot, now, and does as soon as it can. */
typedef bool np_pool_evict_fn(np_account *account, size_t need);

struct np_pool {
    void *spare[NP_POOL_CLASSES]; /* unused blocks, linked through their first bytes */
    size_t cached;                /* bytes in them */
    size_t live;                  /* bytes out */
    size_t live_peak;             /* the most that were out at once */
    np_pool_options options;
    np_shares holders;
    np_holder own;           /* of accounts that nobody else holds */
    np_pool_evict_fn *evict; /* NULL: nobody gives way */
    bool evicting;
    bool refused_share; /* the last NP_ERR_LIMIT was for want of the account's own share */
    np_heavy *spare_heavy;
    size_t spare_heavy_count;
};

/* A growing buffer: `len` bytes used of `cap`; all zero when it holds no block. */
typedef struct np_buf {
    uint8_t *data;
    uint32_t len;
    uint32_t cap;
} np_buf;

/* options: NULL for the defaults. Allocates nothing. */
NP_API void np_pool_init(np_pool *pool, const np_pool_options *options);

/* Frees the blocks kept. All blocks must be back. */
NP_API void np_pool_fini(np_pool *pool);

/* Frees the blocks kept, e.g. when the machine is short of memory; the pool lives on. */
NP_API void np_pool_trim(np_pool *pool);

/* Has the largest account of the holder that holds most give way where it holds at least `least`
 * bytes, for the sake of `need` bytes of what is not the pool's, and frees the blocks kept. False:
 * there is no such account; else it may be worth asking again. */
NP_API bool np_pool_yield(np_pool *pool, size_t least, size_t need);

/* Holders ---------------------------------------------------------------------------------- */

NP_API void np_holder_init(np_holder *holder, np_pool *pool, size_t each_max);

/* When it has no account any more. */
NP_API void np_holder_fini(np_holder *holder);

static inline void np_account_init(np_account *account, np_holder *holder)
{
    account->of.holder = holder;
    account->live = 0;
    account->is_heavy = false;
}

static inline np_holder *np_account_holder(const np_account *account)
{
    return np_unlikely(account->is_heavy) ? account->of.heavy->holder : account->of.holder;
}

/* The account has another holder from now on. */
NP_API void np_account_move(np_account *account, np_holder *holder);

/* Blocks ----------------------------------------------------------------------------------- */

/* A block of at least `len` bytes; *cap is its real size, which np_pool_give wants back. Aligned
 * for any type. Errors: NP_ERR_LIMIT (live_max or the account's share), NP_ERR_MEMORY. */
NP_MUST_CHECK np_err np_pool_take(np_account *account, size_t len, void **block, size_t *cap);

/* Gives a block back; block NULL does nothing. */
void np_pool_give(np_account *account, void *block, size_t cap);

/* Gives back what a block has beyond its first len bytes, which may have moved. That takes no
 * memory: a block that cannot be cut stays as it is. */
void np_pool_shrink(np_account *account, void **block, size_t *cap, size_t len);

/* Makes room for at least cap bytes in all, keeping the len bytes that are there. Pointers into
 * the buffer die. cap is at most 4 GiB - 1. Errors: NP_ERR_LIMIT, NP_ERR_MEMORY; the buffer is
 * as it was then. */
NP_MUST_CHECK np_err np_buf_reserve(np_account *account, np_buf *buf, size_t cap);

/* Gives the block back and leaves the buffer all zero. */
void np_buf_release(np_account *account, np_buf *buf);

/* Room behind the used bytes. */
static inline size_t np_buf_room(const np_buf *buf)
{
    return (size_t)(buf->cap - buf->len);
}

#endif
