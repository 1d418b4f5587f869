/* loop_reserve.c - see loop_reserve.h. */
#define _GNU_SOURCE
#include "transport/loop_reserve.h"

#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* Four arrays grow with descriptors: the descriptors themselves, what is pending, changed ones, and
 * what epoll tells. This is the largest of their items, for all: an array that has got a block must
 * be able to grow in it, since another one may sit in the block that would suit it later. */
#define ITEM_SIZE ((size_t)16)

/* A page; more than what libev takes for anything else, its loop included. */
#define SMALL_SIZE ((size_t)4096)

/* Watchers that have no descriptor of their own: the timer, signals, the turn's. */
#define EXTRA_ITEMS 32

/* Descriptors are many or few: room is made for so many at least, and for a quarter more. */
#define ROOM_MIN 64

/* The allocator has no argument that could tell whose it is. */
static _Thread_local np_reserve *current;

np_reserve *np__reserve_use(np_reserve *reserve)
{
    np_reserve *before = current;

    current = reserve;
    return before;
}

/* Filling ---------------------------------------------------------------------------------- */

/* libev grows an array to the next of some sizes, which is less than twice what it needs and two
 * items, and rounds that up to pages. */
static size_t growing_size(int room)
{
    return ITEM_SIZE * (2 * ((size_t)room + EXTRA_ITEMS) + 3) + SMALL_SIZE;
}

static void unmap(np_reserve_block *block)
{
    if (block->of_heap) {
        free(block->memory);
    } else {
        (void)munmap(block->memory, block->size);
    }
    *block = (np_reserve_block){.memory = NULL};
}

/* Gives back all blocks that libev has not got, but for those that `kept` marks. */
static void unmap_unused(np_reserve *reserve, const bool *kept)
{
    for (size_t i = 0; i < NP_RESERVE_BLOCKS; i++) {
        if (reserve->blocks[i].memory != NULL && !reserve->blocks[i].used && !kept[i]) {
            unmap(&reserve->blocks[i]);
        }
    }
}

/* The smallest block that is free and large enough, of those that `taken` does not mark; or NULL.
 */
static np_reserve_block *find_free(np_reserve *reserve, size_t size, const bool *taken)
{
    np_reserve_block *best = NULL;

    for (size_t i = 0; i < NP_RESERVE_BLOCKS; i++) {
        np_reserve_block *b = &reserve->blocks[i];
        if (b->memory != NULL && !b->used && b->size >= size && (taken == NULL || !taken[i]) &&
            (best == NULL || b->size < best->size)) {
            best = b;
        }
    }
    return best;
}

static np_reserve_block *map_new(np_reserve *reserve, size_t size)
{
    size_t whole = (size + SMALL_SIZE - 1) / SMALL_SIZE * SMALL_SIZE;
    np_reserve_block *block = reserve->blocks;
    void *memory = NULL;
    bool of_heap = false;

    while (block < reserve->blocks + NP_RESERVE_BLOCKS && block->memory != NULL) {
        block++;
    }
    if (block == reserve->blocks + NP_RESERVE_BLOCKS) {
        return NULL;
    }
    memory = mmap(NULL, whole, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) {
        /* The heap may have free what the system has no more. */
        memory = malloc(whole);
        of_heap = true;
    }
    if (memory == NULL) {
        return NULL;
    }
    *block = (np_reserve_block){memory, whole, false, of_heap};
    return block;
}

/* Sees to it that there is a free block of that size that nothing else is counted on. */
static bool provide(np_reserve *reserve, size_t size, bool *taken)
{
    np_reserve_block *block = find_free(reserve, size, taken);

    if (block == NULL) {
        block = map_new(reserve, size);
    }
    if (block == NULL) {
        return false;
    }
    taken[block - reserve->blocks] = true;
    return true;
}

np_err np__reserve_fill(np_reserve *reserve, int fd)
{
    bool taken[NP_RESERVE_BLOCKS] = {false};
    bool had[NP_RESERVE_BLOCKS];
    bool enough = true;
    int room = reserve->room;

    if (reserve->full && fd < room) {
        return NP_OK;
    }
    if (fd >= room) {
        room = fd + fd / 4 < ROOM_MIN ? ROOM_MIN : fd + fd / 4 + 1;
    }
    for (size_t i = 0; i < NP_RESERVE_BLOCKS; i++) {
        had[i] = reserve->blocks[i].memory != NULL;
    }
    for (size_t i = 0; i < NP_RESERVE_GROWING && enough; i++) {
        enough = provide(reserve, growing_size(room), taken);
    }
    for (size_t i = 0; i < NP_RESERVE_SMALL && enough; i++) {
        enough = provide(reserve, SMALL_SIZE, taken);
    }
    if (!enough) {
        unmap_unused(reserve, had); /* or failures would use up the places for blocks */
        return NP_ERR_MEMORY;
    }
    unmap_unused(reserve, taken); /* those of a time with fewer descriptors */
    reserve->room = room;
    reserve->full = true;
    return NP_OK;
}

void np__reserve_fini(np_reserve *reserve)
{
    for (size_t i = 0; i < NP_RESERVE_BLOCKS; i++) {
        if (reserve->blocks[i].memory != NULL) {
            unmap(&reserve->blocks[i]);
        }
    }
}

/* Allocating ------------------------------------------------------------------------------- */

static np_reserve_block *owner(np_reserve *reserve, const void *memory)
{
    for (size_t i = 0; reserve != NULL && memory != NULL && i < NP_RESERVE_BLOCKS; i++) {
        if (reserve->blocks[i].memory == memory) {
            return &reserve->blocks[i];
        }
    }
    return NULL;
}

static void *take(size_t size)
{
    np_reserve_block *block = current != NULL ? find_free(current, size, NULL) : NULL;

    if (block == NULL) {
        return NULL; /* and libev says so, and ends the process */
    }
    block->used = true;
    current->full = false;
    return block->memory;
}

/* Moves what is in the old block into a new one, where there is one. */
static void *move(void *to, const void *from, size_t from_size, size_t size)
{
    if (to != NULL && from != NULL) {
        memcpy(to, from, from_size < size ? from_size : size);
    }
    return to;
}

static void *resize_reserved(np_reserve_block *block, size_t size)
{
    void *moved = NULL;

    if (size > 0 && size <= block->size) {
        return block->memory;
    }
    if (size > 0) {
        moved = malloc(size);
        moved = move(moved != NULL ? moved : take(size), block->memory, block->size, size);
        if (moved == NULL) {
            return NULL;
        }
    }
    block->used = false;
    return moved;
}

void *np__reserve_realloc(void *block, long size)
{
    np_reserve_block *reserved = owner(current, block);
    void *moved = NULL;

    if (reserved != NULL) {
        return resize_reserved(reserved, (size_t)size);
    }
    if (size == 0) {
        free(block);
        return NULL;
    }
    moved = realloc(block, (size_t)size);
    if (moved == NULL) {
        size_t old_size = block != NULL ? malloc_usable_size(block) : 0;
        moved = move(take((size_t)size), block, old_size, (size_t)size);
        if (moved != NULL) {
            free(block);
        }
    }
    return moved;
}
