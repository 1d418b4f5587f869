/* replay.h - the last handshakes that a listener has accepted, so that none is accepted twice.
 *
 * An entry is a peer's static key and the nonce of its handshake, both authenticated; nothing that
 * a stranger says gets in here. The cache holds the last `max` of them and forgets the oldest.
 * Forgetting weakens nothing: that a handshake is fresh follows from the responder's own ephemeral
 * key, and this is a second lock on the same door.
 *
 * Entries are remembered as 64-bit keyed hashes (SipHash-2-4, by libsodium), whose key is drawn at
 * random: a false alarm among 10,000 entries has a chance of 10,000 / 2^64, and nobody outside can
 * bring one about.
 *
 * Memory: 24 to 40 bytes an entry of `max`, taken at init. Threads: one.
 */
#ifndef NP_UTIL_REPLAY_H
#define NP_UTIL_REPLAY_H

#include <netproto/error.h>
#include <netproto/rng.h>

/* The runtime library calls these too, so they are exported, though no user includes this. */
#pragma GCC visibility push(default)

#define NP_REPLAY_NONCE_LEN 16
#define NP_REPLAY_MAX_MAX (UINT32_C(1) << 24)

typedef struct np_replay np_replay;

/* Room for the last `max` entries, 1 to NP_REPLAY_MAX_MAX. Errors: NP_ERR_ARG, NP_ERR_MEMORY. */
NP_MUST_CHECK np_err np_replay_new(np_replay **out, uint32_t max, const np_rng *rng);

/* NULL does nothing. */
void np_replay_free(np_replay *replay);

/* Remembers a handshake. False: it is there already, which is a replay. */
bool np_replay_add(np_replay *replay, const uint8_t key[32],
                   const uint8_t nonce[NP_REPLAY_NONCE_LEN]);

#pragma GCC visibility pop

#endif
