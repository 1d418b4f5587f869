/* record.c - see record.h. */
#include "protocol/record.h"

#include <assert.h>
#include <string.h>

#include <netproto/codec.h>

/* The first words of every label. */
#define LABEL "netproto/1 "

/* Longest label behind them, with its 00. */
#define LABEL_MAX 8

const char *np_cipher_name(np_cipher cipher)
{
    switch (cipher) {
    case NP_CIPHER_XCHACHA20_POLY1305:
        return "XChaCha20-Poly1305";
    case NP_CIPHER_AES_256_GCM:
        return "AES-256-GCM";
    }
    return "?";
}

static void expand(const np_record_side *side, const char *label, uint8_t *out, size_t len)
{
    uint8_t info[sizeof LABEL - 1 + LABEL_MAX + 1 + NP_CRYPTO_HASH_LEN];
    uint8_t *p = np_put_raw(info, LABEL, sizeof LABEL - 1);

    assert(strlen(label) < LABEL_MAX);
    p = np_put_raw(p, label, strlen(label) + 1);
    *p++ = side->cipher;
    p = np_put_raw(p, side->hash, sizeof side->hash);
    np_crypto_expand(out, len, side->secret, (np_bytes){info, (size_t)(p - info)});
}

/* The keys of the epoch whose secret is in place. */
static void begin_epoch(np_record_side *side, uint64_t now_ms)
{
    if (side->cipher == NP_CIPHER_AES_256_GCM) {
        expand(side, "key", side->key, sizeof side->key);
        expand(side, "iv", side->iv, sizeof side->iv);
    } else {
        uint8_t key[NP_CRYPTO_KEY_LEN];
        uint8_t prefix[NP_CRYPTO_PREFIX_LEN];
        expand(side, "key", key, sizeof key);
        expand(side, "prefix", prefix, sizeof prefix);
        np_crypto_subkey(side->key, key, prefix);
        np_crypto_wipe(key, sizeof key);
    }
    side->n = 0;
    side->bytes = 0;
    side->since_ms = now_ms;
}

np_err np_record_init(np_record_side *side, uint8_t cipher, const uint8_t secret[NP_CRYPTO_KEY_LEN],
                      const uint8_t hash[NP_CRYPTO_HASH_LEN], uint64_t now_ms)
{
    memset(side, 0, sizeof *side);
    if (cipher != NP_CIPHER_XCHACHA20_POLY1305 &&
        !(cipher == NP_CIPHER_AES_256_GCM && np_crypto_has_aes())) {
        return NP_ERR_ARG;
    }
    side->cipher = cipher;
    memcpy(side->secret, secret, sizeof side->secret);
    memcpy(side->hash, hash, sizeof side->hash);
    side->update_ms = now_ms;
    begin_epoch(side, now_ms);
    return NP_OK;
}

void np_record_fini(np_record_side *side)
{
    np_crypto_wipe(side, sizeof *side);
}

/* The nonce of the next record, but for XChaCha20's prefix, which the key has in it. */
static void next_nonce(const np_record_side *side, uint8_t nonce[NP_CRYPTO_NONCE_LEN])
{
    if (side->cipher == NP_CIPHER_AES_256_GCM) {
        memcpy(nonce, side->iv, sizeof side->iv);
        for (size_t i = 0; i < sizeof side->n; i++) { /* big-endian, at the end */
            nonce[NP_CRYPTO_NONCE_LEN - 1 - i] ^= (uint8_t)(side->n >> 8 * i);
        }
    } else {
        np_crypto_count(nonce, side->n);
    }
}

size_t np_record_seal(np_record_side *side, uint8_t *frame, size_t len)
{
    const np_framing_head head = {
        .head_len = NP_FRAMING_HEADER_LEN,
        .body_len = (uint32_t)(len + NP_CRYPTO_TAG_LEN),
        .kind = NP_FRAMING_NO_STREAM,
        .encrypted = true,
    };
    const np_bytes header = {frame, NP_FRAMING_HEADER_LEN};
    uint8_t nonce[NP_CRYPTO_NONCE_LEN];
    uint8_t *plain = np_framing_put(frame, &head);

    assert(len > 0 && len <= NP_RECORD_PLAIN_MAX);
    assert(side->n < 2 * NP_RECORD_EPOCH_RECORDS);
    next_nonce(side, nonce);
    side->n++;
    side->bytes += (uint32_t)len;
    if (side->cipher == NP_CIPHER_AES_256_GCM) {
        np_crypto_seal_aes(plain, plain, len, header, nonce, side->key);
    } else {
        np_crypto_seal(plain, plain, len, header, nonce, side->key);
    }
    return len + NP_RECORD_OVERHEAD;
}

bool np_record_is_due(const np_record_side *side, uint64_t now_ms)
{
    return side->n + 1 >= NP_RECORD_EPOCH_RECORDS || side->bytes >= NP_RECORD_EPOCH_BYTES ||
           now_ms - side->since_ms >= NP_RECORD_EPOCH_MS;
}

np_err np_record_open(np_record_side *side, uint8_t *frame, size_t frame_len, size_t *len)
{
    const np_bytes header = {frame, NP_FRAMING_HEADER_LEN};
    uint8_t nonce[NP_CRYPTO_NONCE_LEN];
    uint8_t *sealed = frame + NP_FRAMING_HEADER_LEN;
    size_t sealed_len = frame_len - NP_FRAMING_HEADER_LEN;
    np_err err;

    if (frame_len <= NP_RECORD_OVERHEAD) {
        return NP_ERR_SEAL; /* a record has at least one byte to say */
    }
    if (side->n >= 2 * NP_RECORD_EPOCH_RECORDS || side->bytes >= 2 * NP_RECORD_EPOCH_BYTES) {
        return NP_ERR_LIMIT;
    }
    next_nonce(side, nonce);
    err = side->cipher == NP_CIPHER_AES_256_GCM
              ? np_crypto_open_aes(sealed, sealed, sealed_len, header, nonce, side->key)
              : np_crypto_open(sealed, sealed, sealed_len, header, nonce, side->key);
    if (err != NP_OK) {
        return err;
    }
    side->n++;
    *len = sealed_len - NP_CRYPTO_TAG_LEN;
    side->bytes += (uint32_t)*len;
    return NP_OK;
}

void np_record_next_epoch(np_record_side *side, uint64_t now_ms)
{
    uint8_t next[NP_CRYPTO_KEY_LEN];

    expand(side, "next", next, sizeof next);
    memcpy(side->secret, next, sizeof side->secret);
    np_crypto_wipe(next, sizeof next);
    begin_epoch(side, now_ms);
}

np_err np_record_take_update(np_record_side *side, uint64_t now_ms)
{
    uint64_t forgiven = (now_ms - side->update_ms) / NP_RECORD_UPDATE_MS;

    side->updates -= forgiven < side->updates ? (uint32_t)forgiven : side->updates;
    side->update_ms += forgiven * NP_RECORD_UPDATE_MS;
    if (side->updates >= NP_RECORD_UPDATES_MAX) {
        return NP_ERR_LIMIT;
    }
    side->updates++;
    np_record_next_epoch(side, now_ms);
    return NP_OK;
}
