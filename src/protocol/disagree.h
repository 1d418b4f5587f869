/* disagree.h - two peers with nothing in common: what each of them offered, for logs and people.
 *
 * Whoever reads such an error wants to know which side to change, so it tells both offers side by
 * side, and says of them only what was seen: what the peer offered, and what this side speaks.
 *
 * Threads and memory: pure.
 */
#ifndef NP_PROTOCOL_DISAGREE_H
#define NP_PROTOCOL_DISAGREE_H

#include "protocol/negotiate.h"

/* Room for the longest text, with its end. */
#define NP_DISAGREE_TEXT_MAX ((size_t)256)

/* An offer of a peer's that outlives the bytes it came in. */
typedef struct np_disagree_offer {
    uint32_t version_min;
    uint32_t version_max;
    uint8_t name_len;
    uint8_t cipher_count;
    char name[64]; /* as much as base.Offer takes */
    uint8_t ciphers[8];
} np_disagree_offer;

void np_disagree_keep(np_disagree_offer *out, const base_offer *offer);

/* It points into `kept`, and has no compressions, features and extensions. */
base_offer np_disagree_kept(const np_disagree_offer *kept);

/* What the accepting side of `mine` and the peer that made this offer have not in common. */
np_disagreement np_disagree_judge(const np_negotiate_side *mine, const base_offer *theirs);

/* Tells both offers in `line`: printable, whatever the peer's name for its protocol is. Returns the
 * length, below NP_DISAGREE_TEXT_MAX. */
size_t np_disagree_offers(char line[NP_DISAGREE_TEXT_MAX], np_disagreement disagreement,
                          const np_negotiate_side *mine, const base_offer *theirs);

/* Tells of two schemas. version: one of ours that was agreed on. digest: 32 bytes of the peer's;
 * NULL: it did not say, or said in the clear only that ours is another one (hearsay). */
size_t np_disagree_digests(char line[NP_DISAGREE_TEXT_MAX], const np_negotiate_side *mine,
                           uint32_t version, const uint8_t *digest, bool hearsay);

#endif
