/* netproto/key.h - the keys that peers know each other by.
 *
 * A peer is whoever holds the secret key of a pair (X25519, RFC 7748). Its public key is its name:
 * 32 bytes, which people see in one form everywhere.
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

typedef struct np_keypair {
    uint8_t secret_key[NP_KEY_LEN];
    uint8_t public_key[NP_KEY_LEN];
} np_keypair;

/* A fresh pair, by the kernel's randomness. Errors: NP_ERR_SYSTEM, if there is none. */
NP_API NP_MUST_CHECK np_err np_keypair_generate(np_keypair *out);

/* The pair of a secret key that was kept. Errors: NP_ERR_KEY, which no key of np_keypair_generate's
 * gives. */
NP_API NP_MUST_CHECK np_err np_keypair_from(np_keypair *out, const uint8_t secret_key[NP_KEY_LEN]);

/* Overwrites both keys; never optimized away. */
NP_API void np_keypair_wipe(np_keypair *pair);

#ifdef __cplusplus
}
#endif

#endif
