/* memory.c - whether jansson got the memory that it asked for.
 *
 * Release 2.14 of jansson, when it has no memory for a token, either says that the token is
 * malformed or goes on with a byte of it missing, and has read another value than the one that was
 * written. So its allocator is watched. jansson has one for the process: ours hands on to the one
 * before.
 */
#include "json_private.h"

#include <pthread.h>

static json_malloc_t before;
static _Thread_local bool failed;

static void *watched_malloc(size_t size)
{
    void *block = before(size);

    failed = failed || block == NULL;
    return block;
}

static void watch(void)
{
    json_free_t release = NULL;

    json_get_alloc_funcs(&before, &release);
    json_set_alloc_funcs(watched_malloc, release);
}

void np__json_memory_watch(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    (void)pthread_once(&once, watch);
    failed = false;
}

bool np__json_memory_failed(void)
{
    return failed;
}
