/* netproto/key.h - the keys that peers know each other by.
 *
 * A peer is whoever holds the secret key of a pair (X25519, RFC 7748). Its public key is its name:
 * 32 bytes, which people see in one form everywhere, in files, logs, errors and on the command
 * line: "np1:" and 43 characters of base64url (RFC 4648, section 5) without padding. Secrets have
 * forms of their own, so that one is never taken for a public key. netproto/key_file.h keeps keys
 * in files.
 *
 * Ownership: plain values. A secret key is the owner's to wipe and to keep from others; nothing in
 * this library copies one into a log, an error or a message.
 * Threads: values; any thread.
 */
#ifndef NETPROTO_KEY_H
#define NETPROTO_KEY_H

#include <netproto/error.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Bytes of every key. */
#define NP_KEY_LEN 32

/* Bytes of the texts, with their NUL. */
#define NP_KEY_TEXT_LEN 48        /* "np1:..." */
#define NP_PSK_TEXT_LEN 50        /* "npsk1:..." */
#define NP_SECRET_KEY_TEXT_LEN 54 /* "npsecret1:..." */

typedef struct np_keypair {
    uint8_t secret_key[NP_KEY_LEN];
    uint8_t public_key[NP_KEY_LEN];
} np_keypair;

/* A fresh pair from the kernel's randomness. Wipe it when it is not needed any more.
 * Errors: NP_ERR_SYSTEM if the kernel has no randomness; *out is wiped then. Part of libnetproto,
 * unlike the rest of this header, which is libnetproto-core's. */
NP_API NP_MUST_CHECK np_err np_keypair_generate(np_keypair *out);

/* The pair of a secret key that was kept. Errors: NP_ERR_KEY, which no key of np_keypair_generate's
 * gives. */
NP_API NP_MUST_CHECK np_err np_keypair_from(np_keypair *out, const uint8_t secret_key[NP_KEY_LEN]);

/* Overwrites both halves; the compiler cannot leave it out. */
NP_API void np_keypair_wipe(np_keypair *pair);

/* Writes a public key as text, e.g. "np1:hSDwCYkwp1R0i33ctD73Wg2_Og0mOBr066SpjqqbTmo".
 * NUL-terminated. Returns text. */
NP_API char *np_key_format(const uint8_t key[NP_KEY_LEN], char text[NP_KEY_TEXT_LEN]);

/* Reads what np_key_format writes, and nothing else: no spaces, no padding, no other alphabet, no
 * stray bits in the last character, so that a key has one text. text: len bytes, no NUL needed.
 * Errors: NP_ERR_KEY; *key is zero then. */
NP_API NP_MUST_CHECK np_err np_key_parse(uint8_t key[NP_KEY_LEN], const char *text, size_t len);

/* A fresh pre-shared key, 32 bytes of the kernel's randomness. Wipe it, as every secret.
 * Errors: NP_ERR_SYSTEM; *psk is zero then. Part of libnetproto. */
NP_API NP_MUST_CHECK np_err np_psk_generate(uint8_t psk[NP_KEY_LEN]);

/* The same for pre-shared keys, "npsk1:...". The text is as secret as the key. Zero, which stands
 * for none elsewhere, is refused. */
NP_API char *np_psk_format(const uint8_t psk[NP_KEY_LEN], char text[NP_PSK_TEXT_LEN]);
NP_API NP_MUST_CHECK np_err np_psk_parse(uint8_t psk[NP_KEY_LEN], const char *text, size_t len);

/* The same for secret keys, "npsecret1:...", as they stand in key files. */
NP_API char *np_secret_key_format(const uint8_t key[NP_KEY_LEN], char text[NP_SECRET_KEY_TEXT_LEN]);
NP_API NP_MUST_CHECK np_err np_secret_key_parse(uint8_t key[NP_KEY_LEN], const char *text,
                                                size_t len);

/* Overwrites a secret, or the text of one; the compiler cannot leave it out. */
NP_API void np_secret_wipe(void *secret, size_t len);

#ifdef __cplusplus
}
#endif

#endif
