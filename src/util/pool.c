/* pool.c - see pool.h. */
#include <assert.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "util/pool.h"

static const size_t np_pool_sizes[NP_POOL_CLASSES] = {
    NP_POOL_MIN, 1024, 2048, 4096, 8192, 16384, 32768, NP_POOL_TOP,
};

/* A heavy account is an ordinary one again when it holds no more than this. */
#define NP_LIGHT 1024u

/* Places of heavy accounts that are kept for the next ones. */
#define NP_SPARE_HEAVY_MAX 4096u

np_pool_options np_pool_options_default(void)
{
    np_pool_options options = {.cache_max = (size_t)1024 * 1024, .live_max = 0};
    return options;
}

void np_pool_init(np_pool *pool, const np_pool_options *options)
{
    memset(pool, 0, sizeof *pool);
    pool->options = options != NULL ? *options : np_pool_options_default();
    pool->holders.least = NP_HEAVY;
    np_holder_init(&pool->own, pool, 0);
}

void np_pool_trim(np_pool *pool)
{
    for (size_t i = 0; i < NP_POOL_CLASSES; i++) {
        while (pool->spare[i] != NULL) {
            void *block = pool->spare[i];
            memcpy(&pool->spare[i], block, sizeof pool->spare[i]);
            free(block);
        }
    }
    pool->cached = 0;
    while (pool->spare_heavy != NULL) {
        np_heavy *heavy = pool->spare_heavy;
        pool->spare_heavy = heavy->next_spare;
        free(heavy);
    }
    pool->spare_heavy_count = 0;
}

void np_pool_fini(np_pool *pool)
{
    assert(pool->live == 0);
    np_holder_fini(&pool->own);
    np_pool_trim(pool);
}

/* The class for len bytes, NP_POOL_CLASSES if it is above them all. */
static size_t np_pool_class(size_t len)
{
    size_t i = 0;

    while (i < NP_POOL_CLASSES && np_pool_sizes[i] < len) {
        i++;
    }
    return i;
}

/* Accounts and holders ---------------------------------------------------------------------- */

void np_holder_init(np_holder *holder, np_pool *pool, size_t each_max)
{
    memset(holder, 0, sizeof *holder);
    holder->pool = pool;
    holder->each_max = each_max;
    holder->accounts.least = NP_HEAVY;
    np_share_init(&holder->share, &pool->holders);
}

void np_holder_fini(np_holder *holder)
{
    assert(holder->share.held == 0 && holder->accounts.root == NULL);
    np_share_leave(&holder->pool->holders, &holder->share);
}

static void np_account_grow_light(np_account *account)
{
    np_heavy *heavy = account->of.heavy;
    np_pool *pool = heavy->holder->pool;

    np_share_leave(&heavy->holder->accounts, &heavy->share);
    account->of.holder = heavy->holder;
    account->is_heavy = false;
    if (pool->spare_heavy_count < NP_SPARE_HEAVY_MAX) {
        heavy->next_spare = pool->spare_heavy;
        pool->spare_heavy = heavy;
        pool->spare_heavy_count++;
    } else {
        free(heavy);
    }
}

void np_account_move(np_account *account, np_holder *holder)
{
    np_holder *before = np_account_holder(account);

    np_share_sub(&before->share, account->live);
    if (account->is_heavy) {
        np_heavy *heavy = account->of.heavy;
        np_share_leave(&before->accounts, &heavy->share);
        np_share_init(&heavy->share, &holder->accounts);
        np_share_add(&holder->accounts, &heavy->share, account->live);
        heavy->holder = holder;
    } else {
        account->of.holder = holder;
    }
    np_share_add(&holder->pool->holders, &holder->share, account->live);
}

/* Giving way -------------------------------------------------------------------------------- */

static np_heavy *np_heavy_of(np_share *share)
{
    return (np_heavy *)(void *)((char *)share - offsetof(np_heavy, share));
}

/* The holder that holds most, of those with an account that can give way; NULL: there is none. Who
 * has many light accounts only is left out of the order, which hides nobody behind it, until it
 * takes more. */
static np_holder *np_pool_top(np_pool *pool)
{
    np_share *top = np_shares_top(&pool->holders);

    while (top != NULL) {
        np_holder *holder = (np_holder *)(void *)((char *)top - offsetof(np_holder, share));
        if (np_shares_top(&holder->accounts) != NULL) {
            return holder;
        }
        np_share_leave(&pool->holders, top);
        top = np_shares_top(&pool->holders);
    }
    return NULL;
}

/* Who gives way to an account that wants len bytes; NULL: nobody holds more than that would. */
static np_account *np_pool_largest(np_pool *pool, const np_account *asking, size_t len)
{
    np_holder *largest = np_pool_top(pool);
    np_holder *holder = np_account_holder(asking);
    np_share *top = NULL;
    np_heavy *heavy = NULL;

    if (largest != NULL && largest->share.held > holder->share.held + len) {
        holder = largest;
    }
    top = np_shares_top(&holder->accounts);
    if (top == NULL) {
        return NULL;
    }
    heavy = np_heavy_of(top);
    if (heavy->account == asking ||
        (holder == np_account_holder(asking) && top->held <= asking->live + len)) {
        return NULL;
    }
    return heavy->account;
}

/* Has an account give way. Where nothing comes of it, because the account is in its own turn or has
 * given what it had, it leaves its holder's order until it takes more, and hides nobody behind it.
 * So doing this again and again frees bytes or shortens the order, and has an end. */
static void np_pool_shed(np_pool *pool, np_account *account, size_t need)
{
    size_t before = pool->live;
    bool gave = false;

    pool->evicting = true; /* what it takes to say goodbye makes nobody else give way */
    gave = pool->evict(account, need);
    pool->evicting = false;
    if ((!gave || pool->live >= before) && account->is_heavy) {
        np_share_leave(&np_account_holder(account)->accounts, &account->of.heavy->share);
    }
}

/* Has whoever should do so give way to an account that wants len bytes; false: nobody should. */
static bool np_pool_shed_largest(np_pool *pool, const np_account *asking, size_t len, size_t need)
{
    np_account *largest = NULL;

    if (pool->evict == NULL || pool->evicting) {
        return false;
    }
    largest = np_pool_largest(pool, asking, len);
    if (largest != NULL) {
        np_pool_shed(pool, largest, need);
    }
    return largest != NULL;
}

/* Whether there is room for len more bytes, once those who hold most have given way. */
static bool np_pool_make_room(np_pool *pool, const np_account *asking, size_t len)
{
    size_t max = pool->options.live_max;

    while (pool->live > max || len > max - pool->live) {
        if (len > max || !np_pool_shed_largest(pool, asking, len, pool->live + len - max)) {
            return false;
        }
    }
    return true;
}

bool np_pool_yield(np_pool *pool, size_t least, size_t need)
{
    np_holder *holder = np_pool_top(pool);
    np_share *top = holder != NULL ? np_shares_top(&holder->accounts) : NULL;

    if (top == NULL || top->held < least || pool->evict == NULL || pool->evicting) {
        return false;
    }
    np_pool_shed(pool, np_heavy_of(top)->account, need);
    np_pool_trim(pool);
    return true;
}

/* The heap ---------------------------------------------------------------------------------- */

/* The heap has nothing: gives it what the pool keeps for later, and then what was held back.
 * Returns whether there was something. */
static bool np_pool_relieve(np_pool *pool)
{
    const np_pool_options *options = &pool->options;

    if (pool->cached > 0 || pool->spare_heavy_count > 0) {
        np_pool_trim(pool);
        return true;
    }
    return options->relieve != NULL && options->relieve(options->relieve_user);
}

/* A new block, or one that is resized, for an account in which it is counted. */
static void *np_pool_alloc(const np_account *asking, void *old, size_t size)
{
    np_pool *pool = np_account_holder(asking)->pool;
    void *block = NULL;

    /* Who gives way gives it to the pool, and the next turn hands it on. */
    do {
        block = realloc(old, size);
    } while (np_unlikely(block == NULL) &&
             (np_pool_relieve(pool) || np_pool_shed_largest(pool, asking, 0, size)));
    return block;
}

/* Counting ---------------------------------------------------------------------------------- */

/* An account that has outgrown what is ordinary gets a place among its holder's. */
static np_err np_account_grow_heavy(np_account *account)
{
    np_holder *holder = account->of.holder;
    np_pool *pool = holder->pool;
    np_heavy *heavy = pool->spare_heavy;

    if (heavy != NULL) {
        pool->spare_heavy = heavy->next_spare;
        pool->spare_heavy_count--;
    } else {
        heavy = np_pool_alloc(account, NULL, sizeof *heavy);
        if (heavy == NULL) {
            return NP_ERR_MEMORY;
        }
    }
    np_share_init(&heavy->share, &holder->accounts);
    heavy->holder = holder;
    heavy->account = account;
    heavy->next_spare = NULL;
    account->of.heavy = heavy;
    account->is_heavy = true;
    np_share_add(&holder->accounts, &heavy->share, account->live);
    return NP_OK;
}

/* Counts bytes that have come back. */
static void np_pool_credit(np_account *account, size_t len)
{
    np_holder *holder = np_account_holder(account);

    assert(len <= account->live && len <= holder->pool->live);
    account->live -= (uint32_t)len;
    np_share_sub(&holder->share, len);
    holder->pool->live -= len;
    if (np_unlikely(account->is_heavy)) {
        np_share_sub(&account->of.heavy->share, len);
        if (account->live <= NP_LIGHT) {
            np_account_grow_light(account);
        }
    }
}

/* Counts bytes that go out. Errors: NP_ERR_LIMIT, NP_ERR_MEMORY. */
static np_err np_pool_charge(np_account *account, size_t len)
{
    np_holder *holder = np_account_holder(account);
    np_pool *pool = holder->pool;
    size_t max = holder->each_max > 0 ? holder->each_max : NP_ACCOUNT_MAX;
    np_err err = NP_OK;

    max = max < NP_ACCOUNT_MAX ? max : NP_ACCOUNT_MAX;
    if (np_unlikely(len > max || account->live > max - len)) {
        pool->refused_share = true;
        return NP_ERR_LIMIT;
    }
    if (np_unlikely(pool->options.live_max > 0 && (pool->live > pool->options.live_max ||
                                                   len > pool->options.live_max - pool->live)) &&
        !np_pool_make_room(pool, account, len)) {
        pool->refused_share = false;
        return NP_ERR_LIMIT;
    }
    account->live += (uint32_t)len;
    np_share_add(&pool->holders, &holder->share, len);
    pool->live += len;
    if (pool->live > pool->live_peak) {
        pool->live_peak = pool->live;
    }
    if (np_unlikely(account->is_heavy)) {
        np_share_add(&holder->accounts, &account->of.heavy->share, len);
    } else if (np_unlikely(account->live > NP_HEAVY)) {
        err = np_account_grow_heavy(account);
        if (err != NP_OK) {
            np_pool_credit(account, len);
        }
    }
    return err;
}

/* Blocks ------------------------------------------------------------------------------------ */

np_err np_pool_take(np_account *account, size_t len, void **block, size_t *cap)
{
    np_pool *pool = np_account_holder(account)->pool;
    size_t class = np_pool_class(len);
    size_t size = class < NP_POOL_CLASSES ? np_pool_sizes[class] : len;
    void *taken;
    np_err err = np_pool_charge(account, size);

    if (err != NP_OK) {
        return err;
    }
    if (class < NP_POOL_CLASSES && pool->spare[class] != NULL) {
        taken = pool->spare[class];
        memcpy(&pool->spare[class], taken, sizeof pool->spare[class]);
        pool->cached -= size;
    } else {
        taken = np_pool_alloc(account, NULL, size);
    }
    if (taken == NULL) {
        np_pool_credit(account, size);
        return NP_ERR_MEMORY;
    }
    *block = taken;
    *cap = size;
    return NP_OK;
}

void np_pool_give(np_account *account, void *block, size_t cap)
{
    np_pool *pool = np_account_holder(account)->pool;
    size_t class = np_pool_class(cap);

    if (block == NULL) {
        return;
    }
    np_pool_credit(account, cap);
    if (class < NP_POOL_CLASSES && np_pool_sizes[class] == cap && cap <= pool->options.cache_max &&
        pool->cached <= pool->options.cache_max - cap) {
        memcpy(block, &pool->spare[class], sizeof pool->spare[class]);
        pool->spare[class] = block;
        pool->cached += cap;
    } else {
        free(block);
    }
}

void np_pool_shrink(np_account *account, void **block, size_t *cap, size_t len)
{
    size_t class = np_pool_class(len);
    size_t size = class < NP_POOL_CLASSES ? np_pool_sizes[class] : len;
    void *cut = size < *cap ? realloc(*block, size) : NULL;

    if (cut != NULL) {
        np_pool_credit(account, *cap - size);
        *block = cut;
        *cap = size;
    }
}

np_err np_buf_reserve(np_account *account, np_buf *buf, size_t cap)
{
    void *block = NULL;
    size_t got = 0;
    np_err err;

    if (cap <= buf->cap) {
        return NP_OK;
    }
    if (cap > UINT32_MAX) {
        return NP_ERR_LIMIT;
    }
    if (buf->cap > NP_POOL_TOP) {
        /* A block of the heap's own: realloc often grows it without a copy. */
        err = np_pool_charge(account, cap - buf->cap);
        if (err != NP_OK) {
            return err;
        }
        block = np_pool_alloc(account, buf->data, cap);
        if (block == NULL) {
            np_pool_credit(account, cap - buf->cap);
            return NP_ERR_MEMORY;
        }
        buf->data = block;
        buf->cap = (uint32_t)cap;
        return NP_OK;
    }
    err = np_pool_take(account, cap, &block, &got);
    if (err != NP_OK) {
        return err;
    }
    if (buf->len > 0) {
        memcpy(block, buf->data, buf->len);
    }
    np_pool_give(account, buf->data, buf->cap);
    buf->data = block;
    buf->cap = (uint32_t)got;
    return NP_OK;
}

void np_buf_release(np_account *account, np_buf *buf)
{
    np_pool_give(account, buf->data, buf->cap);
    buf->data = NULL;
    buf->len = 0;
    buf->cap = 0;
}
