/* negotiate.c - see negotiate.h. */
#include <string.h>

#include "protocol/negotiate.h"

np_err np_negotiate_side_make(np_negotiate_side *out, const np_protocol *protocol,
                              uint32_t version_min, uint32_t version_max)
{
    uint32_t least = protocol->min_version;

    memset(out, 0, sizeof *out);
    if (protocol->digests == NULL || protocol->min_version == 0) {
        return NP_ERR_ARG;
    }
    out->protocol = protocol;
    out->version_min = version_min > least ? version_min : least;
    out->version_max =
        version_max > 0 && version_max < protocol->version ? version_max : protocol->version;
    return out->version_min <= out->version_max ? NP_OK : NP_ERR_ARG;
}

base_offer np_negotiate_offer(const np_negotiate_side *mine)
{
    base_offer offer;

    memset(&offer, 0, sizeof offer);
    offer.protocol = np_str_from(mine->protocol->name);
    offer.version_min = mine->version_min;
    offer.version_max = mine->version_max;
    offer.ciphers.items = mine->ciphers;
    offer.ciphers.count = mine->cipher_count;
    offer.compressions.items = mine->compressions;
    offer.compressions.count = mine->compression_count;
    return offer;
}

/* The digest of what the protocol means at one of its versions. */
static const uint8_t *np_negotiate_digest(const np_protocol *protocol, uint32_t version)
{
    return protocol->digests[version - protocol->min_version];
}

void np_negotiate_choice(base_choice *out, const np_negotiate_side *mine, uint32_t version,
                         uint8_t cipher, uint8_t compression)
{
    memset(out, 0, sizeof *out);
    out->version = version;
    out->cipher = cipher;
    out->compression = compression;
    memcpy(out->digest, np_negotiate_digest(mine->protocol, version), 32);
}

/* The first of ours that the offer has, too: who accepts knows the machine that does most of the
 * work. False, and *out is 0: none. */
static bool np_negotiate_first(uint8_t *out, const uint8_t *ours, size_t count,
                               const np_list_u8 *offered)
{
    *out = 0;
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < offered->count; j++) {
            if (np_list_u8_at(offered, j) == ours[i]) {
                *out = ours[i];
                return true;
            }
        }
    }
    return false;
}

np_err np_negotiate_choose(base_choice *out, const np_negotiate_side *mine, const base_offer *offer,
                           np_fault *fault)
{
    uint32_t version =
        offer->version_max < mine->version_max ? offer->version_max : mine->version_max;
    uint8_t cipher = 0;
    uint8_t compression = 0;

    if (!np_str_equal(offer->protocol, np_str_from(mine->protocol->name))) {
        np_fault_set(fault, NP_ERR_VERSION, "base.Hello.offer.protocol", "the one spoken here", 4,
                     0);
        if (fault != NULL) {
            fault->got_kind = NP_GOT_NOTHING;
        }
        return NP_ERR_VERSION;
    }
    if (version < mine->version_min || version < offer->version_min) {
        return np_fault_set(fault, NP_ERR_VERSION, "base.Hello.offer.version_max",
                            "a range that meets ours", 16 + offer->protocol.len,
                            offer->version_max);
    }
    if (!np_negotiate_first(&cipher, mine->ciphers, mine->cipher_count, &offer->ciphers) &&
        mine->cipher_count > 0) {
        return np_fault_at(fault, NP_ERR_VERSION, "base.Offer.ciphers", "one that is spoken here",
                           0);
    }
    (void)np_negotiate_first(&compression, mine->compressions, mine->compression_count,
                             &offer->compressions);
    np_negotiate_choice(out, mine, version, cipher, compression);
    return NP_OK;
}

/* Whether `chosen` is one of ours. */
static bool np_negotiate_is_ours(uint8_t chosen, const uint8_t *ours, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (ours[i] == chosen) {
            return true;
        }
    }
    return false;
}

np_err np_negotiate_check(const np_negotiate_side *mine, const base_choice *choice, np_fault *fault)
{
    if (choice->version < mine->version_min || choice->version > mine->version_max) {
        return np_fault_set(fault, NP_ERR_VERSION, "base.Welcome.choice.version",
                            "within what was offered", 4, choice->version);
    }
    if (memcmp(choice->digest, np_negotiate_digest(mine->protocol, choice->version), 32) != 0) {
        return np_fault_at(fault, NP_ERR_VERSION, NP_NEGOTIATE_DIGEST, NP_NEGOTIATE_DIGEST_RULE, 8);
    }
    if (!np_negotiate_is_ours(choice->cipher, mine->ciphers, mine->cipher_count) &&
        (choice->cipher != 0 || mine->cipher_count > 0)) {
        return np_fault_set(fault, NP_ERR_VERSION, "base.Welcome.choice.cipher", "not offered", 40,
                            choice->cipher);
    }
    if (choice->compression != 0 &&
        !np_negotiate_is_ours(choice->compression, mine->compressions, mine->compression_count)) {
        return np_fault_set(fault, NP_ERR_VERSION, "base.Welcome.choice.compression", "not offered",
                            41, choice->compression);
    }
    if (choice->features != 0) {
        return np_fault_set(fault, NP_ERR_VERSION, "base.Welcome.choice.features", "not offered",
                            42, choice->features);
    }
    return NP_OK;
}
