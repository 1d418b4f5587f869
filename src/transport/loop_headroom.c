/* loop_headroom.c - what is kept back of memory for the connections that are there.
 *
 * A connection takes half a kilobyte as long as it is idle, but a block of 4 KiB when it answers,
 * and all may answer at the same time. So address space is held for a block for each, and grows as
 * they come. When the heap has nothing left, it is let go, and the heap finds it there. The heap
 * may keep it, in front of something that lies at its end and stays, and then it is as good there.
 * Where it can neither be had again nor found, those who hold much give way for a newcomer, the
 * largest first; as long as that does not help, there are no newcomers.
 */
#define _GNU_SOURCE
#include "transport/loop_state.h"

#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* What is held for each connection, and the steps in which it grows; one step is held anyway. */
#define EACH_LEN ((size_t)4096)
#define STEP_LEN ((size_t)1 << 20)

/* The heap is searched for pages to give back so often at most. */
#define TRIM_MS 1000

/* And so often for what it may have kept: newcomers who are turned away shall cost little. No more
 * often does anybody give way for them. */
#define SEARCH_MS 100

/* Whose connection holds less than this does not give way for newcomers: to end those would gain
 * little, and cost many. */
#define MUCH ((size_t)64 * 1024)

static bool hold(np_headroom *headroom, size_t len)
{
    void *memory = headroom->memory == NULL
                       ? mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
                       : mremap(headroom->memory, headroom->len, len, MREMAP_MAYMOVE);

    if (memory == MAP_FAILED) {
        return false;
    }
    headroom->memory = memory;
    headroom->len = len;
    return true;
}

/* What of len bytes, more than are held, is not. */
static size_t missing(const np_headroom *headroom, size_t len)
{
    return headroom->memory == NULL ? len : len - headroom->len;
}

static bool is_due(uint64_t last_ms, uint64_t now_ms, uint64_t each_ms)
{
    return last_ms == 0 || now_ms - last_ms >= each_ms;
}

/* Connections have gone, and what they had lies about in the heap. */
static void tidy_up(np_loop *loop)
{
    uint64_t now = np_loop_now(loop).mono_ms;

    if (is_due(loop->headroom.tidied_ms, now, TRIM_MS)) {
        loop->headroom.tidied_ms = now;
        np_pool_trim(&loop->pool);
#ifdef __GLIBC__
        (void)malloc_trim(0);
#endif
    }
}

/* How much the heap has, of so much, in pieces as large as the pool's largest block. */
static size_t heap_has(size_t len)
{
    void *pieces = NULL; /* each holds the next one's address */
    size_t got = 0;

    while (got < len) {
        void *piece = malloc(NP_POOL_TOP);
        if (piece == NULL) {
            break;
        }
        memcpy(piece, &pieces, sizeof pieces);
        pieces = piece;
        got += NP_POOL_TOP;
    }
    while (pieces != NULL) {
        void *piece = pieces;
        memcpy(&pieces, piece, sizeof pieces);
        free(piece);
    }
    return got < len ? got : len;
}

/* heap_has, as of a moment ago. */
static bool heap_had(np_loop *loop, size_t len)
{
    np_headroom *headroom = &loop->headroom;
    uint64_t now = np_loop_now(loop).mono_ms;

    if (is_due(headroom->searched_ms, now, SEARCH_MS)) {
        headroom->searched_ms = now;
        headroom->found = heap_has(len);
    }
    return headroom->found >= len;
}

/* Has those who hold much give way until there is as much to hold, or in the heap; nobody, where it
 * would not be enough if all gave what they hold. */
static bool make_way(np_loop *loop, size_t len)
{
    np_headroom *headroom = &loop->headroom;
    uint64_t now = np_loop_now(loop).mono_ms;
    bool begun = false;

    if (!is_due(headroom->yielded_ms, now, SEARCH_MS)) {
        return false;
    }
    headroom->yielded_ms = now;
    do {
        size_t found = 0;
        if (hold(headroom, len)) {
            return true;
        }
        found = heap_has(missing(headroom, len));
        if (found == missing(headroom, len)) {
            (void)np__loop_relieve(loop); /* the heap may have what was held, too */
            headroom->searched_ms = now;
            headroom->found = len;
            return true;
        }
        headroom->searched_ms = 0; /* there may be more than was found before */
        if (!begun && loop->pool.live < missing(headroom, len) - found) {
            return false;
        }
        begun = true;
    } while (np_pool_yield(&loop->pool, MUCH, missing(headroom, len)));
    return false;
}

bool np__loop_headroom(np_loop *loop, bool at_any_rate)
{
    np_headroom *headroom = &loop->headroom;
    size_t len = (loop->registry.used * EACH_LEN / STEP_LEN + 2) * STEP_LEN;

    if (headroom->memory != NULL && headroom->len >= len - STEP_LEN) {
        return true;
    }
    if (hold(headroom, len)) {
        return true;
    }
    tidy_up(loop);
    return hold(headroom, len) || hold(headroom, len - STEP_LEN) ||
           (headroom->memory == NULL && heap_had(loop, len - STEP_LEN)) ||
           (at_any_rate && make_way(loop, len - STEP_LEN));
}

bool np__loop_relieve(void *loop)
{
    np_headroom *headroom = &((np_loop *)loop)->headroom;

    if (headroom->memory == NULL) {
        return false;
    }
    (void)munmap(headroom->memory, headroom->len);
    headroom->memory = NULL;
    return true;
}
