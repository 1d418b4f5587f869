/* pool.c - see pool.h. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "util/pool.h"

static const size_t np_pool_sizes[NP_POOL_CLASSES] = {
    NP_POOL_MIN, 1024, 2048, 4096, 8192, 16384, 32768, NP_POOL_TOP,
};

np_pool_options np_pool_options_default(void)
{
    np_pool_options options = {.cache_max = (size_t)1024 * 1024, .live_max = 0};
    return options;
}

void np_pool_init(np_pool *pool, const np_pool_options *options)
{
    memset(pool, 0, sizeof *pool);
    pool->options = options != NULL ? *options : np_pool_options_default();
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
}

void np_pool_fini(np_pool *pool)
{
    assert(pool->live == 0);
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

/* Counts bytes that go out; false if that would exceed the bound. */
static bool np_pool_charge(np_pool *pool, size_t len)
{
    if (pool->options.live_max > 0 &&
        (pool->live > pool->options.live_max || len > pool->options.live_max - pool->live)) {
        return false;
    }
    pool->live += len;
    if (pool->live > pool->live_peak) {
        pool->live_peak = pool->live;
    }
    return true;
}

/* The heap has nothing: gives it what the pool keeps for later, and then what was held back.
 * Returns whether there was something. */
static bool np_pool_relieve(np_pool *pool)
{
    const np_pool_options *options = &pool->options;

    if (pool->cached > 0) {
        np_pool_trim(pool);
        return true;
    }
    return options->relieve != NULL && options->relieve(options->relieve_user);
}

/* A new block, or one that is resized. */
static void *np_pool_alloc(np_pool *pool, void *old, size_t size)
{
    void *block = NULL;

    do {
        block = realloc(old, size);
    } while (np_unlikely(block == NULL) && np_pool_relieve(pool));
    return block;
}

np_err np_pool_take(np_pool *pool, size_t len, void **block, size_t *cap)
{
    size_t class = np_pool_class(len);
    size_t size = class < NP_POOL_CLASSES ? np_pool_sizes[class] : len;
    void *taken;

    if (!np_pool_charge(pool, size)) {
        return NP_ERR_LIMIT;
    }
    if (class < NP_POOL_CLASSES && pool->spare[class] != NULL) {
        taken = pool->spare[class];
        memcpy(&pool->spare[class], taken, sizeof pool->spare[class]);
        pool->cached -= size;
    } else {
        taken = np_pool_alloc(pool, NULL, size);
    }
    if (taken == NULL) {
        pool->live -= size;
        return NP_ERR_MEMORY;
    }
    *block = taken;
    *cap = size;
    return NP_OK;
}

void np_pool_give(np_pool *pool, void *block, size_t cap)
{
    size_t class = np_pool_class(cap);

    if (block == NULL) {
        return;
    }
    assert(cap <= pool->live);
    pool->live -= cap;
    if (class < NP_POOL_CLASSES && np_pool_sizes[class] == cap && cap <= pool->options.cache_max &&
        pool->cached <= pool->options.cache_max - cap) {
        memcpy(block, &pool->spare[class], sizeof pool->spare[class]);
        pool->spare[class] = block;
        pool->cached += cap;
    } else {
        free(block);
    }
}

np_err np_buf_reserve(np_pool *pool, np_buf *buf, size_t cap)
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
        if (!np_pool_charge(pool, cap - buf->cap)) {
            return NP_ERR_LIMIT;
        }
        block = np_pool_alloc(pool, buf->data, cap);
        if (block == NULL) {
            pool->live -= cap - buf->cap;
            return NP_ERR_MEMORY;
        }
        buf->data = block;
        buf->cap = (uint32_t)cap;
        return NP_OK;
    }
    err = np_pool_take(pool, cap, &block, &got);
    if (err != NP_OK) {
        return err;
    }
    if (buf->len > 0) {
        memcpy(block, buf->data, buf->len);
    }
    np_pool_give(pool, buf->data, buf->cap);
    buf->data = block;
    buf->cap = (uint32_t)got;
    return NP_OK;
}

void np_buf_release(np_pool *pool, np_buf *buf)
{
    np_pool_give(pool, buf->data, buf->cap);
    buf->data = NULL;
    buf->len = 0;
    buf->cap = 0;
}
