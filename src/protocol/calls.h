/* calls.h - the requests of a session that wait for an answer, ours and the peer's.
 *
 * One table for both, since the parity of a stream's id tells whose it is: open addressing in a
 * pool block that doubles when it is three quarters full and goes back when it is empty.
 *
 * Threads: one.
 */
#ifndef NP_PROTOCOL_CALLS_H
#define NP_PROTOCOL_CALLS_H

#include <netproto/schema.h>
#include <netproto/time.h>

#include "util/pool.h"

typedef struct np_call_entry {
    uint32_t stream; /* 0: the slot is free */
    const np_message *message;
    uint64_t deadline_ms; /* NP_TIME_NEVER for the peer's requests */
    void *user;
} np_call_entry;

typedef struct np_calls {
    np_call_entry *slots;
    uint32_t slot_count; /* a power of two, or 0 */
    uint32_t block_cap;
    uint32_t count[2];    /* waiting, by the lowest bit of the id */
    uint64_t deadline_ms; /* no call's is earlier; NP_TIME_NEVER when empty */
} np_calls;

void np_calls_init(np_calls *calls);
void np_calls_clear(np_calls *calls, np_pool *pool);

/* The entry of a stream, or NULL. Good until the next add or remove. */
np_call_entry *np_calls_find(const np_calls *calls, uint32_t stream);

/* Makes sure that np_calls_add has room. Errors: NP_ERR_LIMIT, NP_ERR_MEMORY. */
NP_MUST_CHECK np_err np_calls_reserve(np_calls *calls, np_pool *pool);

/* Adds an entry whose stream is not in the table, after np_calls_reserve. */
void np_calls_add(np_calls *calls, const np_call_entry *entry);

/* Takes an entry out. */
void np_calls_remove(np_calls *calls, np_pool *pool, np_call_entry *entry);

/* Takes out one entry of the given parity whose deadline is not after now_ms; false if there is
 * none, and then calls->deadline_ms is exact. */
bool np_calls_expire(np_calls *calls, np_pool *pool, uint32_t parity, uint64_t now_ms,
                     np_call_entry *out);

#endif
