/* crypto.h - the few primitives of the secure session, all of them libsodium's.
 *
 * X25519 (RFC 7748), SHA-256, HMAC and HKDF over it (RFC 2104, RFC 5869), ChaCha20-Poly1305
 * (RFC 8439), XChaCha20 by HChaCha20 (draft-irtf-cfrg-xchacha) and AES-256-GCM (NIST SP 800-38D).
 * Nothing here is written by hand but the two lines of HKDF, which libsodium 1.0.18 lacks.
 *
 * Keys: what holds one is wiped by who made it, with np_crypto_wipe. No function keeps a copy.
 * Randomness: injected (np_rng); nothing here draws any.
 * Threads: pure; any thread.
 *
 * NP_API: the runtime library calls these too, though no user includes this.
 */
#ifndef NP_UTIL_CRYPTO_H
#define NP_UTIL_CRYPTO_H

#include <netproto/error.h>
#include <netproto/key.h>
#include <netproto/rng.h>
#include <netproto/types.h>

#define NP_CRYPTO_KEY_LEN NP_KEY_LEN /* of every key, public or secret */
#define NP_CRYPTO_HASH_LEN 32        /* of SHA-256 and HMAC-SHA-256 */
#define NP_CRYPTO_TAG_LEN 16         /* behind every ciphertext */
#define NP_CRYPTO_NONCE_LEN 12
#define NP_CRYPTO_PREFIX_LEN 16 /* of HChaCha20's input */

/* A fresh pair, by randomness that is handed in. Errors: NP_ERR_KEY, if the randomness is so bad
 * that no key comes of it. */
NP_MUST_CHECK np_err np_keypair_make(np_keypair *out, const np_rng *rng);

/* X25519 of our secret and the peer's public key. Errors: NP_ERR_KEY for a public key of small
 * order, whose result everybody knows (RFC 7748, section 6.1); *out is zero then. */
NP_MUST_CHECK np_err np_crypto_dh(uint8_t out[NP_CRYPTO_KEY_LEN],
                                  const uint8_t secret[NP_CRYPTO_KEY_LEN],
                                  const uint8_t public[NP_CRYPTO_KEY_LEN]);

/* SHA-256 of two pieces, one behind the other; either may be empty. */
void np_crypto_hash(uint8_t out[NP_CRYPTO_HASH_LEN], np_bytes first, np_bytes second);

/* HKDF with two or three outputs, as Noise defines it (revision 34, section 4.3): `key` is the
 * chaining key. third may be NULL. The outputs may be the key. */
void np_crypto_derive(const uint8_t key[NP_CRYPTO_KEY_LEN], np_bytes material,
                      uint8_t first[NP_CRYPTO_KEY_LEN], uint8_t second[NP_CRYPTO_KEY_LEN],
                      uint8_t *third);

/* HKDF-Expand (RFC 5869, section 2.3): len bytes, at most 255 * 32, from a key that is uniform
 * already. */
void np_crypto_expand(uint8_t *out, size_t len, const uint8_t key[NP_CRYPTO_KEY_LEN],
                      np_bytes info);

/* The subkey of XChaCha20 for a nonce that begins with `prefix`: under it, and the nonce
 * 0^4 || last 8 bytes, ChaCha20-Poly1305 gives what XChaCha20-Poly1305 does. */
void np_crypto_subkey(uint8_t out[NP_CRYPTO_KEY_LEN], const uint8_t key[NP_CRYPTO_KEY_LEN],
                      const uint8_t prefix[NP_CRYPTO_PREFIX_LEN]);

/* The nonce 0^4 || LE64(n), as Noise and our records count. */
void np_crypto_count(uint8_t nonce[NP_CRYPTO_NONCE_LEN], uint64_t n);

/* ChaCha20-Poly1305. Encrypts len bytes; out gets len + NP_CRYPTO_TAG_LEN bytes and may be `in`. */
void np_crypto_seal(uint8_t *out, const uint8_t *in, size_t len, np_bytes associated,
                    const uint8_t nonce[NP_CRYPTO_NONCE_LEN], const uint8_t key[NP_CRYPTO_KEY_LEN]);

/* The reverse: len bytes with the tag, of which len - NP_CRYPTO_TAG_LEN come out. out may be `in`,
 * and holds nothing of use after a failure. Errors: NP_ERR_SEAL, for a forgery of any kind and for
 * fewer bytes than a tag has. */
NP_MUST_CHECK np_err np_crypto_open(uint8_t *out, const uint8_t *in, size_t len,
                                    np_bytes associated, const uint8_t nonce[NP_CRYPTO_NONCE_LEN],
                                    const uint8_t key[NP_CRYPTO_KEY_LEN]);

/* Whether this processor has the instructions of AES-256-GCM, without which there is none: in
 * software it would be slow, and its time would tell of the key. False before sodium_init, too. */
NP_API bool np_crypto_has_aes(void);

/* The same two with AES-256-GCM, where np_crypto_has_aes. The key is expanded each time, a tenth of
 * what the shortest record costs: kept, it would take half a kilobyte a direction. */
void np_crypto_seal_aes(uint8_t *out, const uint8_t *in, size_t len, np_bytes associated,
                        const uint8_t nonce[NP_CRYPTO_NONCE_LEN],
                        const uint8_t key[NP_CRYPTO_KEY_LEN]);
NP_MUST_CHECK np_err np_crypto_open_aes(uint8_t *out, const uint8_t *in, size_t len,
                                        np_bytes associated,
                                        const uint8_t nonce[NP_CRYPTO_NONCE_LEN],
                                        const uint8_t key[NP_CRYPTO_KEY_LEN]);

/* Whether two secrets are equal, in time that does not depend on where they differ. */
NP_API bool np_crypto_equal(const void *a, const void *b, size_t len);

/* Overwrites what was secret; never optimized away. */
NP_API void np_crypto_wipe(void *secret, size_t len);

#endif
