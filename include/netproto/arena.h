/* netproto/arena.h - memory that is freed all at once, for copies that outlive a message.
 *
 * What a handler gets points into the packet and dies when it returns. `chat_say_copy(&copy, msg,
 * &arena)` moves all of it into an arena, where it lives until np_arena_reset or np_arena_fini.
 *
 *     np_arena arena = np_arena_make(64 * 1024);
 *     chat_say copy;
 *     np_err err = chat_say_copy(&copy, msg, &arena);
 *     // what copy points to stays, whatever becomes of msg, until:
 *     np_arena_fini(&arena);
 *
 * Ownership: the struct is the caller's storage; the arena owns its blocks and what is in them.
 * Threads: one at a time.
 */
#ifndef NETPROTO_ARENA_H
#define NETPROTO_ARENA_H

#include <netproto/error.h>
#include <netproto/schema.h>
#include <netproto/types.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct np_arena_block np_arena_block;

/* The members are the library's. */
struct np_arena {
    np_arena_block *blocks; /* newest first */
    uint8_t *next;          /* free room in the newest block */
    uint8_t *end;
    size_t used; /* bytes of all blocks */
    size_t max;
};

/* An empty arena, which has allocated nothing yet. max: the most bytes it may take from the heap,
 * its own headers included; 0 for no bound. */
NP_API np_arena np_arena_make(size_t max);

/* Frees everything; the arena is empty then and may be used again. */
NP_API void np_arena_fini(np_arena *arena);

/* Forgets everything but keeps the newest block for the next use. */
NP_API void np_arena_reset(np_arena *arena);

/* Room for len bytes, not initialised, at a multiple of align (a power of two, at most 64).
 * len 0 gives an address that is not NULL. Errors: NP_ERR_LIMIT (max), NP_ERR_MEMORY; *out is
 * left alone then. */
NP_API NP_MUST_CHECK np_err np_arena_alloc(np_arena *arena, size_t len, size_t align, void **out);

/* A copy of len bytes, at a multiple of 16. Errors as np_arena_alloc. */
NP_API NP_MUST_CHECK np_err np_arena_copy(np_arena *arena, const void *data, size_t len,
                                          void **out);

/* A copy of a string, with a NUL behind it that its length does not count. Errors as above. */
NP_API NP_MUST_CHECK np_err np_arena_str(np_arena *arena, np_str str, np_str *out);

#ifdef __cplusplus
}
#endif

#endif
