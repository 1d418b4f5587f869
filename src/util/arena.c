/* arena.c - see netproto/arena.h. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include <netproto/arena.h>

/* Alignment of a block's first byte, and the greatest that may be asked for. */
#define NP_ARENA_ALIGN ((size_t)64)
#define NP_ARENA_FIRST ((size_t)1024)
#define NP_ARENA_STEP_MAX ((size_t)64 * 1024)

struct np_arena_block {
    np_arena_block *older;
    size_t size; /* bytes from the heap */
};

/* The first byte of a block's room. */
static uint8_t *np_arena_room(np_arena_block *block)
{
    return (uint8_t *)block + sizeof *block;
}

np_arena np_arena_make(size_t max)
{
    np_arena arena = {NULL, NULL, NULL, 0, max};
    return arena;
}

static void np_arena_free_blocks(np_arena_block *block)
{
    while (block != NULL) {
        np_arena_block *older = block->older;
        free(block);
        block = older;
    }
}

void np_arena_fini(np_arena *arena)
{
    np_arena_free_blocks(arena->blocks);
    *arena = np_arena_make(arena->max);
}

void np_arena_reset(np_arena *arena)
{
    np_arena_block *newest = arena->blocks;

    if (newest == NULL) {
        return;
    }
    np_arena_free_blocks(newest->older);
    newest->older = NULL;
    arena->used = newest->size;
    arena->next = np_arena_room(newest);
    arena->end = (uint8_t *)newest + newest->size;
}

/* A new block with room for len bytes at any alignment. */
static np_err np_arena_grow(np_arena *arena, size_t len)
{
    size_t size = arena->blocks != NULL ? arena->blocks->size * 2 : NP_ARENA_FIRST;
    size_t need;
    np_arena_block *block;

    if (len > SIZE_MAX / 2 - NP_ARENA_ALIGN - sizeof *block) {
        return NP_ERR_LIMIT;
    }
    need = len + NP_ARENA_ALIGN + sizeof *block;
    if (size > NP_ARENA_STEP_MAX) {
        size = NP_ARENA_STEP_MAX;
    }
    if (size < need) {
        size = need;
    }
    if (arena->max > 0) {
        size_t left = arena->max > arena->used ? arena->max - arena->used : 0;
        if (need > left) {
            return NP_ERR_LIMIT;
        }
        size = size < left ? size : left;
    }
    block = malloc(size);
    if (block == NULL) {
        return NP_ERR_MEMORY;
    }
    block->older = arena->blocks;
    block->size = size;
    arena->blocks = block;
    arena->used += size;
    arena->next = np_arena_room(block);
    arena->end = (uint8_t *)block + size;
    return NP_OK;
}

/* Takes len bytes out of the newest block, NULL if they do not fit. */
static void *np_arena_take(np_arena *arena, size_t len, size_t align)
{
    size_t skip;
    uint8_t *at;

    if (arena->next == NULL) {
        return NULL;
    }
    skip = (size_t)(-(uintptr_t)arena->next) & (align - 1);
    if (skip > (size_t)(arena->end - arena->next) ||
        len > (size_t)(arena->end - arena->next) - skip) {
        return NULL;
    }
    at = arena->next + skip;
    arena->next = at + len;
    return at;
}

np_err np_arena_alloc(np_arena *arena, size_t len, size_t align, void **out)
{
    void *at;
    np_err err;

    assert(align > 0 && align <= NP_ARENA_ALIGN && (align & (align - 1)) == 0);
    at = np_arena_take(arena, len, align);
    if (at == NULL) {
        err = np_arena_grow(arena, len);
        if (err != NP_OK) {
            return err;
        }
        at = np_arena_take(arena, len, align);
        assert(at != NULL);
    }
    *out = at;
    return NP_OK;
}

np_err np_arena_copy(np_arena *arena, const void *data, size_t len, void **out)
{
    np_err err = np_arena_alloc(arena, len, 16, out);

    if (err == NP_OK && len > 0) {
        memcpy(*out, data, len);
    }
    return err;
}

np_err np_arena_str(np_arena *arena, np_str str, np_str *out)
{
    void *room = NULL;
    char *text;
    np_err err = str.len < SIZE_MAX ? np_arena_alloc(arena, str.len + 1, 1, &room) : NP_ERR_LIMIT;

    if (err != NP_OK) {
        return err;
    }
    text = room;
    if (str.len > 0) {
        memcpy(text, str.data, str.len);
    }
    text[str.len] = '\0';
    out->data = text;
    out->len = str.len;
    return NP_OK;
}
