/* disagree.c - see disagree.h. */
#include "protocol/disagree.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <netproto/log.h>
#include <netproto/security.h>

/* Bytes of a digest that are shown: enough to tell two apart, short enough to compare by eye. */
#define DIGEST_SHOWN 8

/* Characters of a protocol's name that are shown; as many bytes as it may have. */
#define NAME_SHOWN 64

void np_disagree_keep(np_disagree_offer *out, const base_offer *offer)
{
    memset(out, 0, sizeof *out);
    out->version_min = offer->version_min;
    out->version_max = offer->version_max;
    out->name_len = (uint8_t)offer->protocol.len; /* the decoder has seen to the bounds */
    memcpy(out->name, offer->protocol.data, offer->protocol.len);
    out->cipher_count = (uint8_t)offer->ciphers.count;
    for (size_t i = 0; i < offer->ciphers.count; i++) {
        out->ciphers[i] = np_list_u8_at(&offer->ciphers, i);
    }
}

base_offer np_disagree_kept(const np_disagree_offer *kept)
{
    base_offer offer;

    memset(&offer, 0, sizeof offer);
    offer.protocol = (np_str){kept->name, kept->name_len};
    offer.version_min = kept->version_min;
    offer.version_max = kept->version_max;
    offer.ciphers.items = kept->ciphers;
    offer.ciphers.count = kept->cipher_count;
    return offer;
}

static bool np_disagree_has_cipher(const np_negotiate_side *mine, const base_offer *theirs)
{
    for (size_t i = 0; i < mine->cipher_count; i++) {
        for (size_t j = 0; j < theirs->ciphers.count; j++) {
            if (np_list_u8_at(&theirs->ciphers, j) == mine->ciphers[i]) {
                return true;
            }
        }
    }
    return mine->cipher_count == 0; /* plain */
}

np_disagreement np_disagree_judge(const np_negotiate_side *mine, const base_offer *theirs)
{
    if (!np_str_equal(theirs->protocol, np_str_from(mine->protocol->name))) {
        return NP_DISAGREE_PROTOCOL;
    }
    if (theirs->version_min > mine->version_max || theirs->version_max < mine->version_min ||
        theirs->version_min > theirs->version_max) {
        return NP_DISAGREE_VERSION;
    }
    return np_disagree_has_cipher(mine, theirs) ? NP_DISAGREE_SCHEMA : NP_DISAGREE_CIPHER;
}

/* A text that grows; what has no room is left out. */
typedef struct np_disagree_text {
    char *line;
    size_t len;
} np_disagree_text;

__attribute__((format(printf, 2, 3))) static void np_disagree_say(np_disagree_text *text,
                                                                  const char *format, ...)
{
    size_t room = NP_DISAGREE_TEXT_MAX - text->len;
    va_list args;

    va_start(args, format);
    int n = vsnprintf(text->line + text->len, room, format, args);
    va_end(args);
    text->len += n < 0 ? 0 : (size_t)n < room ? (size_t)n : room - 1;
}

static void np_disagree_say_range(np_disagree_text *text, np_str name, uint32_t min, uint32_t max)
{
    char shown[NAME_SHOWN + 1];

    (void)np_log_escape(name, false, shown, sizeof shown);
    if (min == max) {
        np_disagree_say(text, "%s version %" PRIu32, shown, min);
    } else {
        np_disagree_say(text, "%s versions %" PRIu32 " to %" PRIu32, shown, min, max);
    }
}

static void np_disagree_say_ciphers(np_disagree_text *text, const np_list_u8 *ciphers)
{
    for (size_t i = 0; i < ciphers->count; i++) {
        uint8_t number = np_list_u8_at(ciphers, i);
        if (number < NP_CIPHERS) {
            np_disagree_say(text, "%s%s", i > 0 ? " and " : "", np_cipher_name((np_cipher)number));
        } else {
            np_disagree_say(text, "%snumber %u", i > 0 ? " and " : "", number);
        }
    }
    if (ciphers->count == 0) {
        np_disagree_say(text, "none");
    }
}

size_t np_disagree_offers(char line[NP_DISAGREE_TEXT_MAX], np_disagreement disagreement,
                          const np_negotiate_side *mine, const base_offer *theirs)
{
    base_offer ours = np_negotiate_offer(mine);
    np_disagree_text text = {line, 0};

    line[0] = '\0';
    np_disagree_say(&text, "the peer offers ");
    if (disagreement == NP_DISAGREE_CIPHER) {
        np_disagree_say_ciphers(&text, &theirs->ciphers);
        np_disagree_say(&text, ", this side ");
        np_disagree_say_ciphers(&text, &ours.ciphers);
    } else {
        np_disagree_say_range(&text, theirs->protocol, theirs->version_min, theirs->version_max);
        np_disagree_say(&text, ", this side ");
        np_disagree_say_range(&text, ours.protocol, ours.version_min, ours.version_max);
    }
    return text.len;
}

static void np_disagree_say_digest(np_disagree_text *text, const uint8_t *digest)
{
    for (size_t i = 0; i < DIGEST_SHOWN; i++) {
        np_disagree_say(text, "%02x", digest[i]);
    }
}

size_t np_disagree_digests(char line[NP_DISAGREE_TEXT_MAX], const np_negotiate_side *mine,
                           uint32_t version, const uint8_t *digest, bool hearsay)
{
    const np_protocol *protocol = mine->protocol;
    np_disagree_text text = {line, 0};

    line[0] = '\0';
    np_disagree_say_range(&text, np_str_from(protocol->name), version, version);
    np_disagree_say(&text, " has digest ");
    np_disagree_say_digest(&text, protocol->digests[version - protocol->min_version]);
    if (digest != NULL) {
        np_disagree_say(&text, " here, ");
        np_disagree_say_digest(&text, digest);
        np_disagree_say(&text, " there");
    } else {
        np_disagree_say(&text, " here, another one there%s",
                        hearsay ? " (it says, in the clear)" : "");
    }
    return text.len;
}
