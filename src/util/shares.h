/* shares.h - who holds most of something that all share.
 *
 * A pairing heap of holders, largest first, for amounts that change all the time: a holder has a
 * place by its ceiling, which is its amount rounded up, and is moved at once only when the amount
 * outgrows that. One that has shrunk is found out when it comes to the front. So adding and taking
 * off cost an addition and a comparison, and whoever is asked for pays for the order.
 *
 * Amounts of up to 16 count exactly. Of greater ones, who is named holds at least eight ninths of
 * what anybody holds.
 *
 * Ownership: shares are the caller's storage. Threads: one.
 *
 * NP_API: the runtime library calls these too, though no user includes this.
 */
#ifndef NP_UTIL_SHARES_H
#define NP_UTIL_SHARES_H

#include <netproto/error.h>

#include <assert.h>

/* All zero but for the ceiling, which np_share_init sets, while it is in no heap. */
typedef struct np_share np_share;
struct np_share {
    uint64_t held;
    uint64_t ceiling; /* `held` is at most this, or np_share_add has more to do */
    np_share *child, *next;
    np_share **link; /* what points to us; NULL: in no heap */
};

typedef struct np_shares {
    np_share *root;
    uint64_t least; /* who holds no more than this is never named */
} np_shares;

static inline void np_share_init(np_share *share, const np_shares *shares)
{
    *share = (np_share){.ceiling = shares->least};
}

NP_API void np__share_raise(np_shares *shares, np_share *share);

static inline void np_share_add(np_shares *shares, np_share *share, uint64_t amount)
{
    share->held += amount;
    if (np_unlikely(share->held > share->ceiling)) {
        np__share_raise(shares, share);
    }
}

static inline void np_share_sub(np_share *share, uint64_t amount)
{
    assert(amount <= share->held);
    share->held -= amount;
}

/* Takes it out of the heap, before its storage goes away. */
NP_API void np_share_leave(np_shares *shares, np_share *share);

/* Who holds most; NULL: nobody holds more than the least. */
NP_API np_share *np_shares_top(np_shares *shares);

#endif
