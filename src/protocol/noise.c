/* noise.c - see noise.h. The functions have the names of the specification's section 5. */
#include "protocol/noise.h"

#include <string.h>

#include <netproto/codec.h>

#define MESSAGES 3
#define TOKENS_MAX 4

/* What a message is made of, in this order; the payload follows. */
typedef enum token { END, E, S, EE, ES, SE, PSK } token;

static const uint8_t patterns[][MESSAGES][TOKENS_MAX + 1] = {
    [NP_NOISE_XX] = {{E}, {E, EE, S, ES}, {S, SE}},
    [NP_NOISE_XXPSK3] = {{E}, {E, EE, S, ES}, {S, SE, PSK}},
};

static const char *const names[] = {
    [NP_NOISE_XX] = "Noise_XX_25519_ChaChaPoly_SHA256",
    [NP_NOISE_XXPSK3] = "Noise_XXpsk3_25519_ChaChaPoly_SHA256",
};

static np_bytes key_bytes(const uint8_t key[NP_CRYPTO_KEY_LEN])
{
    return (np_bytes){key, NP_CRYPTO_KEY_LEN};
}

static void mix_hash(np_noise *noise, np_bytes data)
{
    np_crypto_hash(noise->hash, key_bytes(noise->hash), data);
}

static void mix_key(np_noise *noise, np_bytes material)
{
    np_crypto_derive(noise->chaining_key, material, noise->chaining_key, noise->key, NULL);
    noise->has_key = true;
    noise->n = 0;
}

static void mix_key_and_hash(np_noise *noise, np_bytes material)
{
    uint8_t extra[NP_CRYPTO_KEY_LEN];

    np_crypto_derive(noise->chaining_key, material, noise->chaining_key, extra, noise->key);
    mix_hash(noise, key_bytes(extra));
    noise->has_key = true;
    noise->n = 0; /* as it is in XXpsk3, where a DH comes right before */
    np_crypto_wipe(extra, sizeof extra);
}

/* What a sealed piece has beyond its plain text. */
static size_t tag_len(const np_noise *noise)
{
    return noise->has_key ? NP_CRYPTO_TAG_LEN : 0;
}

static uint8_t *encrypt_and_hash(np_noise *noise, uint8_t *out, np_bytes plain)
{
    size_t len = plain.len + tag_len(noise);

    if (noise->has_key) {
        uint8_t nonce[NP_CRYPTO_NONCE_LEN];
        np_crypto_count(nonce, noise->n++);
        np_crypto_seal(out, plain.data, plain.len, key_bytes(noise->hash), nonce, noise->key);
    } else {
        np_put_raw(out, plain.data, plain.len);
    }
    mix_hash(noise, (np_bytes){out, len});
    return out + len;
}

static np_err decrypt_and_hash(np_noise *noise, uint8_t *out, np_bytes sealed)
{
    if (noise->has_key) {
        uint8_t nonce[NP_CRYPTO_NONCE_LEN];
        np_err err;
        np_crypto_count(nonce, noise->n++);
        err =
            np_crypto_open(out, sealed.data, sealed.len, key_bytes(noise->hash), nonce, noise->key);
        if (err != NP_OK) {
            return err;
        }
    } else {
        np_put_raw(out, sealed.data, sealed.len);
    }
    mix_hash(noise, sealed);
    return NP_OK;
}

static np_err mix_dh(np_noise *noise, const np_keypair *ours, const uint8_t *theirs)
{
    uint8_t shared[NP_CRYPTO_KEY_LEN];
    np_err err = np_crypto_dh(shared, ours->secret_key, theirs);

    if (err == NP_OK) {
        mix_key(noise, key_bytes(shared));
    }
    np_crypto_wipe(shared, sizeof shared);
    return err;
}

/* The tokens that are the same in both directions: `es` is the initiator's ephemeral and the
 * responder's static key, `se` the other way round. */
static np_err mix_token(np_noise *noise, uint8_t t)
{
    switch (t) {
    case EE:
        return mix_dh(noise, &noise->ephemeral, noise->remote_ephemeral);
    case ES:
        return noise->initiator ? mix_dh(noise, &noise->ephemeral, noise->remote_static)
                                : mix_dh(noise, &noise->local_static, noise->remote_ephemeral);
    case SE:
        return noise->initiator ? mix_dh(noise, &noise->local_static, noise->remote_ephemeral)
                                : mix_dh(noise, &noise->ephemeral, noise->remote_static);
    default: /* PSK */
        if (!noise->has_psk) {
            return NP_ERR_STATE;
        }
        mix_key_and_hash(noise, key_bytes(noise->psk));
        return NP_OK;
    }
}

/* Section 9.2: with a psk, ephemeral keys are mixed into the key as well. */
static void mix_ephemeral(np_noise *noise, const uint8_t *public)
{
    mix_hash(noise, key_bytes(public));
    if (noise->pattern == NP_NOISE_XXPSK3) {
        mix_key(noise, key_bytes(public));
    }
}

np_err np_noise_init(np_noise *noise, np_noise_pattern pattern, bool initiator, np_bytes prologue,
                     const np_keypair *local_static)
{
    size_t name_len;

    memset(noise, 0, sizeof *noise);
    if (pattern != NP_NOISE_XX && pattern != NP_NOISE_XXPSK3) {
        return NP_ERR_ARG;
    }
    noise->pattern = (uint8_t)pattern;
    noise->initiator = initiator;
    noise->local_static = *local_static;
    name_len = strlen(names[pattern]);
    if (name_len <= sizeof noise->hash) {
        memcpy(noise->hash, names[pattern], name_len);
    } else {
        np_crypto_hash(noise->hash, (np_bytes){(const uint8_t *)names[pattern], name_len},
                       (np_bytes){NULL, 0});
    }
    memcpy(noise->chaining_key, noise->hash, sizeof noise->chaining_key);
    mix_hash(noise, prologue);
    return NP_OK;
}

void np_noise_set_psk(np_noise *noise, const uint8_t psk[NP_CRYPTO_KEY_LEN])
{
    memcpy(noise->psk, psk, sizeof noise->psk);
    noise->has_psk = true;
}

/* Whether this side writes the next message. */
static bool may_write(const np_noise *noise)
{
    return noise->message < MESSAGES && (noise->message % 2 == 0) == noise->initiator;
}

static np_err failed(np_noise *noise, np_err err)
{
    noise->failed = true;
    return err;
}

static const uint8_t *tokens_of(const np_noise *noise)
{
    return patterns[noise->pattern][noise->message];
}

/* Bytes of the next message without its payload. The keys come into force as it is read, so the
 * first piece that is sealed is the one behind the first DH. */
static size_t overhead(const np_noise *noise)
{
    bool sealed = noise->has_key;
    size_t len = 0;

    for (const uint8_t *t = tokens_of(noise); *t != END; t++) {
        if (*t == E) {
            len += NP_CRYPTO_KEY_LEN;
            sealed = sealed || noise->pattern == NP_NOISE_XXPSK3;
        } else if (*t == S) {
            len += NP_CRYPTO_KEY_LEN + (sealed ? NP_CRYPTO_TAG_LEN : 0u);
        } else {
            sealed = true;
        }
    }
    return len + (sealed ? NP_CRYPTO_TAG_LEN : 0u);
}

np_err np_noise_write(np_noise *noise, const np_rng *rng, np_bytes payload, uint8_t *out,
                      size_t cap, size_t *len)
{
    uint8_t *p = out;
    size_t total;
    np_err err = NP_OK;

    if (noise->failed || !may_write(noise)) {
        return NP_ERR_STATE;
    }
    total = overhead(noise) + payload.len;
    if (total > cap || total > NP_NOISE_MESSAGE_MAX) {
        return NP_ERR_SPACE;
    }
    for (const uint8_t *t = tokens_of(noise); *t != END && err == NP_OK; t++) {
        if (*t == E) {
            err = np_keypair_make(&noise->ephemeral, rng);
            if (err == NP_OK) {
                p = np_put_raw(p, noise->ephemeral.public_key, NP_CRYPTO_KEY_LEN);
                mix_ephemeral(noise, noise->ephemeral.public_key);
            }
        } else if (*t == S) {
            p = encrypt_and_hash(noise, p, key_bytes(noise->local_static.public_key));
        } else {
            err = mix_token(noise, *t);
        }
    }
    if (err != NP_OK) {
        return failed(noise, err);
    }
    p = encrypt_and_hash(noise, p, payload);
    *len = (size_t)(p - out);
    noise->message++;
    return NP_OK;
}

np_err np_noise_read_keys(np_noise *noise, np_bytes message, size_t *used)
{
    const uint8_t *p = message.data;
    np_err err = NP_OK;

    if (noise->failed || noise->halfway || noise->message >= MESSAGES || may_write(noise)) {
        return NP_ERR_STATE;
    }
    if (message.len > NP_NOISE_MESSAGE_MAX) {
        return failed(noise, NP_ERR_TOO_LONG);
    }
    if (message.len < overhead(noise)) {
        return failed(noise, NP_ERR_TRUNCATED);
    }
    for (const uint8_t *t = tokens_of(noise); *t != END && *t != PSK && err == NP_OK; t++) {
        if (*t == E) {
            memcpy(noise->remote_ephemeral, p, NP_CRYPTO_KEY_LEN);
            p += NP_CRYPTO_KEY_LEN;
            mix_ephemeral(noise, noise->remote_ephemeral);
        } else if (*t == S) {
            size_t n = NP_CRYPTO_KEY_LEN + tag_len(noise);
            err = decrypt_and_hash(noise, noise->remote_static, (np_bytes){p, n});
            p += n;
        } else {
            err = mix_token(noise, *t);
        }
    }
    if (err != NP_OK) {
        return failed(noise, err);
    }
    noise->halfway = true;
    *used = (size_t)(p - message.data);
    return NP_OK;
}

np_err np_noise_read_payload(np_noise *noise, np_bytes rest, uint8_t *payload, size_t *len)
{
    np_err err = NP_OK;

    if (noise->failed || !noise->halfway) {
        return NP_ERR_STATE;
    }
    for (const uint8_t *t = tokens_of(noise); *t != END && err == NP_OK; t++) {
        err = *t == PSK ? mix_token(noise, PSK) : NP_OK;
    }
    if (err == NP_OK && rest.len < tag_len(noise)) {
        err = NP_ERR_TRUNCATED;
    }
    if (err == NP_OK) {
        err = decrypt_and_hash(noise, payload, rest);
    }
    if (err != NP_OK) {
        return failed(noise, err);
    }
    *len = rest.len - tag_len(noise);
    noise->halfway = false;
    noise->message++;
    return NP_OK;
}

np_err np_noise_read(np_noise *noise, np_bytes message, uint8_t *payload, size_t *len)
{
    size_t used = 0;
    np_err err = np_noise_read_keys(noise, message, &used);

    if (err != NP_OK) {
        return err;
    }
    return np_noise_read_payload(noise, (np_bytes){message.data + used, message.len - used},
                                 payload, len);
}

np_err np_noise_split(const np_noise *noise, uint8_t initiator_sends[NP_CRYPTO_KEY_LEN],
                      uint8_t responder_sends[NP_CRYPTO_KEY_LEN], uint8_t hash[NP_CRYPTO_HASH_LEN])
{
    /* Nothing fails behind the third message, so `failed` is there for whoever adds one. */
    if (noise->failed || noise->message != MESSAGES) {
        return NP_ERR_STATE;
    }
    np_crypto_derive(noise->chaining_key, (np_bytes){NULL, 0}, initiator_sends, responder_sends,
                     NULL);
    memcpy(hash, noise->hash, NP_CRYPTO_HASH_LEN);
    return NP_OK;
}

void np_noise_fini(np_noise *noise)
{
    np_crypto_wipe(noise, sizeof *noise);
}
