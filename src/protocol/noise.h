/* noise.h - the handshake of a secure session: Noise XX, and XX with a pre-shared key.
 *
 * Exactly Noise_XX_25519_ChaChaPoly_SHA256 and Noise_XXpsk3_25519_ChaChaPoly_SHA256 of "The Noise
 * Protocol Framework", revision 34 (sections 5, 7.5, 9). Three messages, the initiator's first:
 *
 *     XX      -> e      <- e, ee, s, es      -> s, se
 *     XXpsk3  -> e      <- e, ee, s, es      -> s, se, psk
 *
 * What the messages carry, who is trusted and how long it may take is the caller's. A machine is
 * used from one end to the other and not after an error: every error is final.
 *
 *     np_noise_init, then of the three messages one side writes, the other reads, in turns
 *     (np_noise_write, np_noise_read); then np_noise_split; np_noise_fini always.
 *
 * A responder that looks the pre-shared key up by the initiator's static key reads the third
 * message in two halves: np_noise_read_keys, np_noise_set_psk, np_noise_read_payload.
 *
 * Memory: the struct is the caller's, less than 512 bytes, and holds secrets until np_noise_fini.
 * Threads: one.
 */
#ifndef NP_PROTOCOL_NOISE_H
#define NP_PROTOCOL_NOISE_H

#include "util/crypto.h"

typedef enum np_noise_pattern {
    NP_NOISE_XX = 0,    /* the numbers are SecureHandshakeInit's */
    NP_NOISE_XXPSK3 = 1 /* with a pre-shared key of 32 random bytes */
} np_noise_pattern;

/* Bytes of the greatest message. */
#define NP_NOISE_MESSAGE_MAX 400u

/* What a message has beyond its payload: keys and tags. */
#define NP_NOISE_OVERHEAD_MAX (2u * NP_CRYPTO_KEY_LEN + 2u * NP_CRYPTO_TAG_LEN)

/* The members are noise.c's, but for the peer's static key. */
typedef struct np_noise {
    uint8_t remote_static[NP_CRYPTO_KEY_LEN]; /* known after message 2 (initiator), 3 (responder) */
    uint8_t remote_ephemeral[NP_CRYPTO_KEY_LEN];
    np_keypair local_static;
    np_keypair ephemeral;
    uint8_t psk[NP_CRYPTO_KEY_LEN];
    uint8_t chaining_key[NP_CRYPTO_KEY_LEN];
    uint8_t hash[NP_CRYPTO_HASH_LEN];
    uint8_t key[NP_CRYPTO_KEY_LEN];
    uint64_t n;
    uint8_t pattern;
    uint8_t message; /* the next one: 0 to 2; 3: done */
    bool initiator;
    bool has_key;
    bool has_psk;
    bool halfway; /* np_noise_read_keys was called */
    bool failed;
} np_noise;

/* Starts a handshake. The prologue is bound into it, and must be the same on both sides. The pair
 * is copied. Errors: NP_ERR_ARG, for an unknown pattern. */
NP_MUST_CHECK np_err np_noise_init(np_noise *noise, np_noise_pattern pattern, bool initiator,
                                   np_bytes prologue, const np_keypair *local_static);

/* The pre-shared key, 32 bytes; before the third message is written, or its payload read. */
void np_noise_set_psk(np_noise *noise, const uint8_t psk[NP_CRYPTO_KEY_LEN]);

/* Writes the next message: keys, and the payload behind them. The ephemeral key is drawn from rng.
 * Errors: NP_ERR_STATE (not this side's turn, or a psk is missing), NP_ERR_SPACE (it would have
 * more than cap bytes, or than NP_NOISE_MESSAGE_MAX), NP_ERR_KEY (the peer's is of small order). */
NP_MUST_CHECK np_err np_noise_write(np_noise *noise, const np_rng *rng, np_bytes payload,
                                    uint8_t *out, size_t cap, size_t *len);

/* Reads the next message. The payload goes to `payload`, which has room for message.len bytes.
 * Errors: NP_ERR_STATE, NP_ERR_TRUNCATED (no room for the keys), NP_ERR_TOO_LONG, NP_ERR_KEY,
 * NP_ERR_SEAL (it was changed, or meant for somebody else, or the pre-shared keys differ). */
NP_MUST_CHECK np_err np_noise_read(np_noise *noise, np_bytes message, uint8_t *payload,
                                   size_t *len);

/* The same in two halves. The first takes the keys, tells in *used how many bytes they were, and
 * sets remote_static where the message brings it; the second takes the rest of the message. */
NP_MUST_CHECK np_err np_noise_read_keys(np_noise *noise, np_bytes message, size_t *used);
NP_MUST_CHECK np_err np_noise_read_payload(np_noise *noise, np_bytes rest, uint8_t *payload,
                                           size_t *len);

/* After the third message: the secrets for either direction, and the handshake's hash (section
 * 11.2), which both sides have and nobody else. Errors: NP_ERR_STATE. */
NP_MUST_CHECK np_err np_noise_split(const np_noise *noise,
                                    uint8_t initiator_sends[NP_CRYPTO_KEY_LEN],
                                    uint8_t responder_sends[NP_CRYPTO_KEY_LEN],
                                    uint8_t hash[NP_CRYPTO_HASH_LEN]);

/* Wipes everything. */
void np_noise_fini(np_noise *noise);

#endif
