/* handshake.h - the three messages that open a secure session.
 *
 * Around the Noise handshake (noise.h) this puts what netproto adds: the offer and the choice, so
 * that nobody talks the peers down; a challenge and a timestamp, so that an old handshake is worth
 * nothing; and the halts at which somebody has to say whether the peer's key is trusted.
 *
 *     initiator                                     responder
 *     np_handshake_write_init       -- Init -->     np_handshake_read_init
 *     np_handshake_read_response    <- Response --  np_handshake_write_response
 *       is the responder's key trusted?
 *     np_handshake_write_confirm    -- Confirm ->   np_handshake_read_confirm_key
 *                                                     is the initiator's? has it a pre-shared key?
 *                                                   np_handshake_read_confirm
 *     np_handshake_finish                           np_handshake_finish
 *
 * Messages are payloads of frames without flags: the u32 id, then SecureHandshakeInit, -Response or
 * -Confirm of the base protocol. The timestamp in Init is judged at once and changes nothing; its
 * repetition in Confirm is authentic, so only then may (peer key, nonce) be remembered.
 *
 * The initiator shows its identity in Confirm only: to a key that it trusts. A peer with our own
 * key is our own reflection, and refused. Every error is final.
 *
 * Memory: the struct is the caller's, less than 1 KiB, and holds secrets until np_handshake_fini.
 * Threads: one.
 */
#ifndef NP_PROTOCOL_HANDSHAKE_H
#define NP_PROTOCOL_HANDSHAKE_H

#include <netproto/time.h>

#include "protocol/negotiate.h"
#include "protocol/noise.h"
#include "protocol/disagree.h"
#include "protocol/record.h"

/* Bytes of the greatest message: id, pattern, length, Noise message. */
#define NP_HANDSHAKE_MESSAGE_MAX (4u + 1u + 8u + NP_NOISE_MESSAGE_MAX)

/* Bytes of the greatest frame before there are keys, be it of a handshake or an Error. */
#define NP_HANDSHAKE_FRAME_MAX 512u

#define NP_HANDSHAKE_NONCE_LEN 16
#define NP_HANDSHAKE_CHALLENGE_LEN 32

/* What a side brings into each of its handshakes. Shared by them; outlives them. */
typedef struct np_handshake_side {
    np_negotiate_side speaks;
    const np_keypair *identity;
    uint32_t skew_ms; /* responder: how far the clocks may be apart; 0: not judged */
} np_handshake_side;

/* The members are handshake.c's, but for `noise.remote_static`, and `choice` and `nonce` after
 * they were read. */
typedef struct np_handshake {
    np_noise noise;
    const np_handshake_side *side;
    uint64_t timestamp_ms;
    uint8_t nonce[NP_HANDSHAKE_NONCE_LEN];
    uint8_t challenge[NP_HANDSHAKE_CHALLENGE_LEN];
    uint32_t version;    /* chosen */
    uint8_t cipher;      /* chosen */
    uint8_t compression; /* chosen */
    bool agreed;         /* there was something to choose */
    bool offered;        /* responder: theirs.offer is there */
    union {
        np_disagree_offer offer; /* responder: what Init offered */
        uint8_t digest[32];      /* initiator: of a choice with another schema, at `version` */
    } theirs;                    /* to tell what is not in common */
} np_handshake;

/* What is left of one to ask about. */
typedef struct np_handshake_outcome {
    uint8_t peer_key[NP_CRYPTO_KEY_LEN];
    uint8_t peer_nonce[NP_HANDSHAKE_NONCE_LEN]; /* an initiator: its own */
    uint32_t version;
    uint8_t cipher;
    uint8_t compression;
} np_handshake_outcome;

/* Starts one. The responder learns the pattern from Init; an initiator with XXPSK3 gives the key.
 * Errors: NP_ERR_ARG. */
NP_MUST_CHECK np_err np_handshake_init(np_handshake *h, const np_handshake_side *side,
                                       bool initiator, const uint8_t *psk);

/* Wipes it. */
void np_handshake_fini(np_handshake *h);

/* Tells what was chosen, and of the peer what was said so far. */
void np_handshake_tell(const np_handshake *h, np_handshake_outcome *out);

/* The three below write a message to `out`, which has room for NP_HANDSHAKE_MESSAGE_MAX bytes.
 * Errors: NP_ERR_STATE, out of turn; NP_ERR_SPACE, the offer is too long for a handshake;
 * NP_ERR_KEY, the peer's key is of small order. */
NP_MUST_CHECK np_err np_handshake_write_init(np_handshake *h, const np_rng *rng, np_time now,
                                             uint8_t *out, size_t *len);
NP_MUST_CHECK np_err np_handshake_write_response(np_handshake *h, const np_rng *rng, uint8_t *out,
                                                 size_t *len);
NP_MUST_CHECK np_err np_handshake_write_confirm(np_handshake *h, const np_rng *rng, uint8_t *out,
                                                size_t *len);

/* The responder takes Init, and chooses. `now.wall_ms` judges the timestamp: it is a filter, so
 * the time of arrival is meant. Errors: the decoder's; NP_ERR_CLOCK (*fault: the difference);
 * NP_ERR_REFUSED, a pattern that is none; NP_ERR_KEY, _TRUNCATED.
 * Where there is nothing in common that is no error yet, for Response has to tell the initiator:
 * `agreed` is false then, and *fault tells what does not fit. */
NP_MUST_CHECK np_err np_handshake_read_init(np_handshake *h, np_bytes message, np_time now,
                                            np_fault *fault);

/* The initiator takes Response; then noise.remote_static is the key that the responder has proved
 * to hold. Errors: NP_ERR_VERSION, nothing in common, or a choice that was not offered (*fault
 * tells; NP_NEGOTIATE_DIGEST: h->theirs.digest is the responder's; *theirs, where offer_known, is
 * what the responder can do and points into `scratch`, which has room for NP_NOISE_MESSAGE_MAX
 * bytes); NP_ERR_REFUSED, the key is our own; NP_ERR_SEAL, _KEY, the decoder's. */
NP_MUST_CHECK np_err np_handshake_read_response(np_handshake *h, np_bytes message, uint8_t *scratch,
                                                base_offer *theirs, bool *offer_known,
                                                np_fault *fault);

/* The responder takes the initiator's key out of Confirm, to be looked up: noise.remote_static.
 * *rest is what np_handshake_read_confirm wants and points into the message. Errors: NP_ERR_SEAL,
 * _KEY, _REFUSED (our own key), the decoder's. */
NP_MUST_CHECK np_err np_handshake_read_confirm_key(np_handshake *h, np_bytes message,
                                                   np_bytes *rest, np_fault *fault);

/* The rest of Confirm. psk: of that peer, 32 bytes, or NULL if none is configured; a pattern that
 * does not fit is NP_ERR_REFUSED. Errors also: NP_ERR_SEAL, NP_ERR_CONST (challenge, timestamp or
 * nonce are not those of this handshake), the decoder's. */
NP_MUST_CHECK np_err np_handshake_read_confirm(np_handshake *h, np_bytes rest, const uint8_t *psk,
                                               np_fault *fault);

/* After Confirm was written or read: the keys of both directions. What came before is wiped, but
 * for what was chosen and the peer's key. Errors: NP_ERR_STATE. */
NP_MUST_CHECK np_err np_handshake_finish(np_handshake *h, np_time now, np_record_side *sends,
                                         np_record_side *receives);

#endif
