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

#ifdef __cplusplus
}
#endif

#endif
