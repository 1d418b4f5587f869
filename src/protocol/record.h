/* record.h - encrypted frames: the keys of one direction, and how a record is sealed and opened.
 *
 * A handshake leaves one secret S for each direction and a hash h of all that was said. S is never
 * a key itself; with HKDF-Expand (RFC 5869) over SHA-256,
 *
 *     X(label, L) = HKDF-Expand(S, "netproto/1 " label 00 cipher h, L)
 *
 * the key of an epoch is X("key", 32), and the next epoch's secret is X("next", 32), for which S is
 * wiped. Within an epoch records are counted, n = 0, 1, ...; the count is never sent, so a record
 * that is lost, repeated, reordered, cut or from elsewhere does not open. The nonce of record n is,
 *
 *     XChaCha20-Poly1305    X("prefix", 16) || LE64(n)
 *     AES-256-GCM           X("iv", 12) XOR (0^4 || BE64(n))
 *
 * As the prefix is fixed, HChaCha20 runs once an epoch. The frame's ten header bytes are associated
 * data.
 *
 * An epoch ends by a key update: the sender puts one last into a record and switches behind it, the
 * receiver switches when it has opened that record. The directions know nothing of each other.
 *
 * Memory: the struct is the caller's, holds secrets until np_record_fini, and must not be copied.
 * Threads: one.
 */
#ifndef NP_PROTOCOL_RECORD_H
#define NP_PROTOCOL_RECORD_H

#include <netproto/security.h>

#include "core/framing.h"
#include "util/crypto.h"

/* Greatest plain text of a record, and greatest payload of its frame. */
#define NP_RECORD_PLAIN_MAX (65u * 1024)
#define NP_RECORD_PAYLOAD_MAX (NP_RECORD_PLAIN_MAX + NP_CRYPTO_TAG_LEN)

/* What a sender puts around the plain text: the frame's header before it, the tag behind it. */
#define NP_RECORD_OVERHEAD (NP_FRAMING_HEADER_LEN + NP_CRYPTO_TAG_LEN)

/* Bounds of an epoch. A sender ends it there; a receiver bears twice the first two. */
#define NP_RECORD_EPOCH_RECORDS (1u << 20)
#define NP_RECORD_EPOCH_BYTES (1u << 30)
#define NP_RECORD_EPOCH_MS (UINT64_C(60) * 60 * 1000)

/* Key updates of a peer's that are borne at once, and how often another one is. A sender at its
 * bounds needs ten gigabytes a second to come near. */
#define NP_RECORD_UPDATES_MAX 32u
#define NP_RECORD_UPDATE_MS 100u

/* One direction of a session. The members are record.c's. */
typedef struct np_record_side {
    uint8_t secret[NP_CRYPTO_KEY_LEN];
    uint8_t hash[NP_CRYPTO_HASH_LEN];
    uint8_t key[NP_CRYPTO_KEY_LEN];  /* XChaCha20: HChaCha20 of X("key") and X("prefix") */
    uint8_t iv[NP_CRYPTO_NONCE_LEN]; /* AES: X("iv") */
    uint32_t n;                      /* of the next record */
    uint32_t bytes;                  /* of plain text in this epoch */
    uint32_t updates;
    uint64_t since_ms;  /* when it began */
    uint64_t update_ms; /* when the updates were last counted down */
    uint8_t cipher;
} np_record_side;

/* The first epoch. Errors: NP_ERR_ARG, for an unknown cipher and for AES-256-GCM where
 * np_crypto_has_aes does not hold. */
NP_MUST_CHECK np_err np_record_init(np_record_side *side, uint8_t cipher,
                                    const uint8_t secret[NP_CRYPTO_KEY_LEN],
                                    const uint8_t hash[NP_CRYPTO_HASH_LEN], uint64_t now_ms);

/* Wipes it. */
void np_record_fini(np_record_side *side);

/* Sending: makes a record of `len` bytes of plain text, 1 to NP_RECORD_PLAIN_MAX, that lie at
 * frame + NP_FRAMING_HEADER_LEN; the header goes before them, the tag behind. Returns the bytes
 * of the frame, len + NP_RECORD_OVERHEAD. Sealing past the epoch's bounds is a programming error:
 * np_record_is_due comes first. */
size_t np_record_seal(np_record_side *side, uint8_t *frame, size_t len);

/* Whether the next record has to end with a key update. */
bool np_record_is_due(const np_record_side *side, uint64_t now_ms);

/* Receiving: opens in place a frame of which all bytes are there. The plain text, *len bytes, is
 * at frame + NP_FRAMING_HEADER_LEN. Errors: NP_ERR_SEAL, whatever is wrong with it; NP_ERR_LIMIT,
 * the peer should have updated its key long ago. Either is the session's end. */
NP_MUST_CHECK np_err np_record_open(np_record_side *side, uint8_t *frame, size_t frame_len,
                                    size_t *len);

/* The sender's next epoch: after the record that ended with the update was sealed. */
void np_record_next_epoch(np_record_side *side, uint64_t now_ms);

/* The receiver's: after that record was opened. Errors: NP_ERR_LIMIT, they come in a flood. */
NP_MUST_CHECK np_err np_record_take_update(np_record_side *side, uint64_t now_ms);

#endif
