/* negotiate.h - which version of the protocol two peers speak.
 *
 * The connecting side offers a range, the accepting side chooses the greatest version that lies in
 * both and says what the schema's digest is at that version, the connecting side checks that the
 * choice lies in what it offered and that the digest is its own. Ciphers and compressions are
 * chosen here too, and features once there are any. A cipher there must be, of a secure session;
 * where the sides have no compression in common, nothing is compressed.
 *
 * The digest is of what the schema means at a version (npgen digest), so schemas of different
 * versions have the same one at a version that both speak. Where it differs, one of them was
 * changed without a new version, and the peers would misread each other.
 *
 * Threads and memory: pure.
 */
#ifndef NP_PROTOCOL_NEGOTIATE_H
#define NP_PROTOCOL_NEGOTIATE_H

#include <base.h>

/* The field of a choice that another schema is told by, and what is to be done about it. */
#define NP_NEGOTIATE_DIGEST "base.Welcome.choice.digest"
#define NP_NEGOTIATE_DIGEST_RULE                                                                   \
    "the same schema at this version; a changed one takes a new version (npgen breaking)"

/* What one side speaks. */
typedef struct np_negotiate_side {
    const np_protocol *protocol;
    uint32_t version_min;
    uint32_t version_max;
    const uint8_t *ciphers; /* of a secure session, the best first; NULL: plain */
    size_t cipher_count;
    const uint8_t *compressions; /* the best first; NULL: none */
    size_t compression_count;
} np_negotiate_side;

/* A side's range: the protocol's own, narrowed to version_min..version_max where those are not 0.
 * Errors: NP_ERR_ARG if nothing is left, or if the protocol has no digests. */
NP_MUST_CHECK np_err np_negotiate_side_make(np_negotiate_side *out, const np_protocol *protocol,
                                            uint32_t version_min, uint32_t version_max);

/* What a side offers. Points to what the side points to. */
base_offer np_negotiate_offer(const np_negotiate_side *mine);

/* What the accepting side answers for a version, a cipher and a compression of its own. */
void np_negotiate_choice(base_choice *out, const np_negotiate_side *mine, uint32_t version,
                         uint8_t cipher, uint8_t compression);

/* The accepting side chooses from an offer. Errors: NP_ERR_VERSION with *fault filled in: another
 * protocol, or no version or cipher in common. */
NP_MUST_CHECK np_err np_negotiate_choose(base_choice *out, const np_negotiate_side *mine,
                                         const base_offer *offer, np_fault *fault);

/* The connecting side checks the choice. Errors: NP_ERR_VERSION with *fault filled in: another
 * digest, or a version, cipher, compression or feature that was not offered. */
NP_MUST_CHECK np_err np_negotiate_check(const np_negotiate_side *mine, const base_choice *choice,
                                        np_fault *fault);

#endif
