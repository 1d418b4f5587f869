/* crypto.c - see crypto.h. */
#include "util/crypto.h"

#include <assert.h>
#include <string.h>

#include <sodium.h>

_Static_assert(crypto_scalarmult_BYTES == NP_CRYPTO_KEY_LEN, "sizes agree with libsodium's");
_Static_assert(crypto_aead_chacha20poly1305_ietf_NPUBBYTES == NP_CRYPTO_NONCE_LEN, "likewise");
_Static_assert(crypto_aead_chacha20poly1305_ietf_ABYTES == NP_CRYPTO_TAG_LEN, "likewise");
_Static_assert(crypto_aead_aes256gcm_KEYBYTES == NP_CRYPTO_KEY_LEN, "likewise");
_Static_assert(crypto_aead_aes256gcm_NPUBBYTES == NP_CRYPTO_NONCE_LEN, "likewise");
_Static_assert(crypto_aead_aes256gcm_ABYTES == NP_CRYPTO_TAG_LEN, "likewise");
_Static_assert(crypto_core_hchacha20_INPUTBYTES == NP_CRYPTO_PREFIX_LEN, "likewise");

np_err np_keypair_from(np_keypair *out, const uint8_t secret[NP_CRYPTO_KEY_LEN])
{
    memmove(out->secret_key, secret, sizeof out->secret_key);
    return crypto_scalarmult_base(out->public_key, out->secret_key) == 0 ? NP_OK : NP_ERR_KEY;
}

np_err np_keypair_make(np_keypair *out, const np_rng *rng)
{
    uint8_t secret[NP_CRYPTO_KEY_LEN];
    np_err err;

    np_rng_fill(rng, secret, sizeof secret);
    err = sodium_is_zero(secret, sizeof secret) ? NP_ERR_KEY : np_keypair_from(out, secret);
    np_crypto_wipe(secret, sizeof secret);
    return err;
}

np_err np_crypto_dh(uint8_t out[NP_CRYPTO_KEY_LEN], const uint8_t secret[NP_CRYPTO_KEY_LEN],
                    const uint8_t public[NP_CRYPTO_KEY_LEN])
{
    if (crypto_scalarmult(out, secret, public) != 0) {
        memset(out, 0, NP_CRYPTO_KEY_LEN);
        return NP_ERR_KEY;
    }
    return NP_OK;
}

void np_crypto_hash(uint8_t out[NP_CRYPTO_HASH_LEN], np_bytes first, np_bytes second)
{
    crypto_hash_sha256_state state;

    crypto_hash_sha256_init(&state);
    crypto_hash_sha256_update(&state, first.data, first.len);
    crypto_hash_sha256_update(&state, second.data, second.len);
    crypto_hash_sha256_final(&state, out);
    np_crypto_wipe(&state, sizeof state);
}

/* HMAC-SHA-256 of up to three pieces. libsodium wipes the state as well, but does not promise it.
 */
static void hmac(uint8_t out[NP_CRYPTO_HASH_LEN], const uint8_t key[NP_CRYPTO_KEY_LEN],
                 np_bytes first, np_bytes second, uint8_t last)
{
    crypto_auth_hmacsha256_state state;

    crypto_auth_hmacsha256_init(&state, key, NP_CRYPTO_KEY_LEN);
    crypto_auth_hmacsha256_update(&state, first.data, first.len);
    crypto_auth_hmacsha256_update(&state, second.data, second.len);
    crypto_auth_hmacsha256_update(&state, &last, last != 0 ? 1 : 0);
    crypto_auth_hmacsha256_final(&state, out);
    np_crypto_wipe(&state, sizeof state);
}

void np_crypto_derive(const uint8_t key[NP_CRYPTO_KEY_LEN], np_bytes material,
                      uint8_t first[NP_CRYPTO_KEY_LEN], uint8_t second[NP_CRYPTO_KEY_LEN],
                      uint8_t *third)
{
    const np_bytes none = {NULL, 0};
    uint8_t fresh[NP_CRYPTO_KEY_LEN];

    hmac(fresh, key, material, none, 0);
    np_crypto_expand(first, NP_CRYPTO_KEY_LEN, fresh, none);
    hmac(second, fresh, (np_bytes){first, NP_CRYPTO_KEY_LEN}, none, 2);
    if (third != NULL) {
        hmac(third, fresh, (np_bytes){second, NP_CRYPTO_KEY_LEN}, none, 3);
    }
    np_crypto_wipe(fresh, sizeof fresh);
}

void np_crypto_expand(uint8_t *out, size_t len, const uint8_t key[NP_CRYPTO_KEY_LEN], np_bytes info)
{
    uint8_t block[NP_CRYPTO_HASH_LEN];
    np_bytes before = {NULL, 0};

    assert(len <= (size_t)255 * sizeof block);
    for (uint8_t i = 1; len > 0; i++) {
        size_t n = len < sizeof block ? len : sizeof block;
        hmac(block, key, before, info, i);
        memcpy(out, block, n);
        before = (np_bytes){block, sizeof block};
        out += n;
        len -= n;
    }
    np_crypto_wipe(block, sizeof block);
}

void np_crypto_subkey(uint8_t out[NP_CRYPTO_KEY_LEN], const uint8_t key[NP_CRYPTO_KEY_LEN],
                      const uint8_t prefix[NP_CRYPTO_PREFIX_LEN])
{
    crypto_core_hchacha20(out, prefix, key, NULL); /* cannot fail */
}

void np_crypto_count(uint8_t nonce[NP_CRYPTO_NONCE_LEN], uint64_t n)
{
    memset(nonce, 0, 4);
    np_put_u64(nonce + 4, n);
}

void np_crypto_seal(uint8_t *out, const uint8_t *in, size_t len, np_bytes associated,
                    const uint8_t nonce[NP_CRYPTO_NONCE_LEN], const uint8_t key[NP_CRYPTO_KEY_LEN])
{
    crypto_aead_chacha20poly1305_ietf_encrypt(out, NULL, in, len, associated.data, associated.len,
                                              NULL, nonce, key);
}

np_err np_crypto_open(uint8_t *out, const uint8_t *in, size_t len, np_bytes associated,
                      const uint8_t nonce[NP_CRYPTO_NONCE_LEN],
                      const uint8_t key[NP_CRYPTO_KEY_LEN])
{
    return crypto_aead_chacha20poly1305_ietf_decrypt(out, NULL, NULL, in, len, associated.data,
                                                     associated.len, nonce, key) == 0
               ? NP_OK
               : NP_ERR_SEAL;
}

bool np_crypto_has_aes(void)
{
    return crypto_aead_aes256gcm_is_available() == 1;
}

/* Key and tables are expanded here rather than by libsodium's shorter functions, which leave them
 * on the stack. */
void np_crypto_seal_aes(uint8_t *out, const uint8_t *in, size_t len, np_bytes associated,
                        const uint8_t nonce[NP_CRYPTO_NONCE_LEN],
                        const uint8_t key[NP_CRYPTO_KEY_LEN])
{
    crypto_aead_aes256gcm_state state;

    crypto_aead_aes256gcm_beforenm(&state, key);
    crypto_aead_aes256gcm_encrypt_afternm(out, NULL, in, len, associated.data, associated.len, NULL,
                                          nonce, &state);
    np_crypto_wipe(&state, sizeof state);
}

np_err np_crypto_open_aes(uint8_t *out, const uint8_t *in, size_t len, np_bytes associated,
                          const uint8_t nonce[NP_CRYPTO_NONCE_LEN],
                          const uint8_t key[NP_CRYPTO_KEY_LEN])
{
    crypto_aead_aes256gcm_state state;
    int failed;

    crypto_aead_aes256gcm_beforenm(&state, key);
    failed = crypto_aead_aes256gcm_decrypt_afternm(out, NULL, NULL, in, len, associated.data,
                                                   associated.len, nonce, &state);
    np_crypto_wipe(&state, sizeof state);
    return failed == 0 ? NP_OK : NP_ERR_SEAL;
}

bool np_crypto_equal(const void *a, const void *b, size_t len)
{
    return sodium_memcmp(a, b, len) == 0;
}

void np_crypto_wipe(void *secret, size_t len)
{
    sodium_memzero(secret, len);
}
