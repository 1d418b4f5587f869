/* calls.h - the requests of a session that wait for an answer, ours and the peer's.
 *
 * One table for both, since the parity of a stream's id tells whose it is: open addressing in a
 * pool block that doubles when it is three quarters full and goes back when it is empty.
 *
 * A stream's id is the peer's choice, and is used again as soon as it is free. So it names a
 * request on the wire, where both sides see the same order, and never to who answers it later: that
 * is done by an np_call_key, whose serial number is ours.
 *
 * A request of the peer's that it has canceled has given its id back, but somebody may still work
 * on it. It stays in the table, and counts, until that somebody lets go of it, or its deadline has
 * passed; it is found by its key only.
 *
 * Threads: one.
 */
#ifndef NP_PROTOCOL_CALLS_H
#define NP_PROTOCOL_CALLS_H

#include <netproto/schema.h>
#include <netproto/time.h>

#include "util/pool.h"

/* What names a request of the peer's to who answers it. All three must match, so a key that has
 * outlived its request finds nothing, whatever the peer has put on the stream since. The serial
 * numbers of one session come round after 2^32; what is found then is a request of the same message
 * on the same stream at least, and never one of another type. */
typedef struct np_call_key {
    const np_message *message;
    uint32_t stream;
    uint32_t serial;
} np_call_key;

typedef enum np_call_state {
    NP_CALL_WAITS,
    NP_CALL_CANCELED, /* the peer's: it has given it up, and whoever works on it has not */
    NP_CALL_REFUSED,  /* the peer's: nobody works on it, and the refusal waits for room */
    NP_CALL_GIVEN_UP  /* ours, and it moves the conversation: its caller has been told, and the
                       * answer is waited for all the same */
} np_call_state;

typedef struct np_call_entry {
    uint32_t stream; /* 0: the slot is free */
    uint32_t serial;
    const np_message *message;
    uint64_t deadline_ms; /* NP_TIME_NEVER for the peer's requests that wait */
    void *user;
    uint8_t state; /* np_call_state */
    bool moves;    /* its answer moves the conversation; see converse.h */
} np_call_entry;

/* Lies at the beginning of the block. A session has a pointer to one; NULL: nothing waits. */
typedef struct np_calls {
    uint32_t slot_count; /* a power of two */
    uint32_t block_cap;
    uint32_t count[2];    /* in the table, by the lowest bit of the id */
    uint32_t refused;     /* of the peer's: those that wait to be refused */
    uint64_t deadline_ms; /* no entry's is earlier */
    np_call_entry slots[];
} np_calls;

void np_calls_clear(np_calls **calls, np_account *account);

/* How many there are whose id has this lowest bit, canceled ones included. */
static inline uint32_t np_calls_count(const np_calls *calls, uint32_t parity)
{
    return calls != NULL ? calls->count[parity] : 0;
}

/* How many of the peer's, by the lowest bit of their ids, somebody works on. */
static inline uint32_t np_calls_served(const np_calls *calls, uint32_t parity)
{
    return calls != NULL ? calls->count[parity] - calls->refused : 0;
}

static inline uint32_t np_calls_refused(const np_calls *calls)
{
    return calls != NULL ? calls->refused : 0;
}

static inline uint64_t np_calls_deadline(const np_calls *calls)
{
    return calls != NULL ? calls->deadline_ms : NP_TIME_NEVER;
}

/* The entry that waits on a stream, given up or not, or NULL. Good until the next add, cancel or
 * remove. */
np_call_entry *np_calls_find(np_calls *calls, uint32_t stream);

/* The entry of a key, waiting or canceled, or NULL. As good as the other's. */
np_call_entry *np_calls_find_key(np_calls *calls, const np_call_key *key);

/* Makes sure that np_calls_add has room. Errors: NP_ERR_LIMIT, NP_ERR_MEMORY. */
NP_MUST_CHECK np_err np_calls_reserve(np_calls **calls, np_account *account);

/* Gives the block back if nothing came of a reservation. */
void np_calls_unreserve(np_calls **calls, np_account *account);

/* Adds an entry that waits, or is refused, whose stream is not in the table, after
 * np_calls_reserve. */
void np_calls_add(np_calls *calls, const np_call_entry *entry);

/* An entry that waits is canceled: its stream is free again. It leaves the table at the deadline,
 * unless it is removed before. */
void np_calls_cancel(np_calls *calls, np_call_entry *entry, uint64_t deadline_ms);

/* Takes an entry out. */
void np_calls_remove(np_calls **calls, np_account *account, np_call_entry *entry);

/* Gives back what entries take of which nobody will hear: all but those with this lowest bit that
 * are not given up. Needs no memory. */
void np_calls_keep(np_calls **calls, np_account *account, uint32_t parity);

/* Ours, which moves the conversation: nobody wants to hear of its answer any more. */
void np_calls_give_up(np_call_entry *entry);

/* Takes out all canceled ones whose deadline is not after now_ms. */
void np_calls_forget(np_calls **calls, np_account *account, uint64_t now_ms);

/* Takes out one that is refused; false if there is none. *from is 0 at first, and where the next
 * search goes on then. */
bool np_calls_take_refused(np_calls **calls, np_account *account, uint32_t *from,
                           np_call_entry *out);

/* Takes out one entry of the given parity whose deadline is not after now_ms, or where it moves the
 * conversation, gives it up; false if there is none, and then np_calls_deadline is exact. */
bool np_calls_expire(np_calls **calls, np_account *account, uint32_t parity, uint64_t now_ms,
                     np_call_entry *out);

#endif
