/* netproto/security.h - who may be at the other end, and how it proves it.
 *
 * Connections are authenticated and encrypted, by keys and without certificates: each side has a
 * key pair (key.h) and says which keys of peers it trusts. There is no default that would let
 * anybody in: a daemon or client whose options say nothing of security does not start. What must
 * travel in the clear has to be asked for by name, `plaintext`, on both sides; neither side finds
 * out or gives in on the wire.
 *
 * The handshake is Noise_XX_25519_ChaChaPoly_SHA256 (XXpsk3 with a pre-shared key), records are
 * AES-256-GCM or XChaCha20-Poly1305; docs/security.md tells what that protects from, and what not.
 *
 * Ownership: what the struct points to is the caller's and outlives every daemon and client that
 * uses it. Threads: values; the functions run on the loop's thread.
 */
#ifndef NETPROTO_SECURITY_H
#define NETPROTO_SECURITY_H

#include <netproto/key.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What encrypts records. The numbers are base.Offer's; append-only. */
typedef enum np_cipher {
    NP_CIPHER_XCHACHA20_POLY1305 = 0, /* on every processor */
    NP_CIPHER_AES_256_GCM = 1         /* faster, on processors that have instructions for it */
} np_cipher;

/* How many there are. */
#define NP_CIPHERS 2

/* "AES-256-GCM" and such, static; "?" for a number that is none. */
NP_API const char *np_cipher_name(np_cipher cipher);

/* Whether this processor can do it. */
NP_API bool np_cipher_is_available(np_cipher cipher);

/* Whether a peer whose key is not among `keys` is trusted. A client is told the address as it was
 * given in its options, a daemon NULL. Runs in the middle of the handshake and decides at once; who
 * has to ask somebody says no, asks, and connects again. It must not use the connection.
 * A client's is asked about a key that the server has proved to hold. A daemon's is asked before
 * the client has: yes lets in only who then proves it, but the question alone says nothing of who
 * is there, so it is not the place to keep or count keys. np_conn_peer in on_open is. */
typedef bool np_trust_fn(const uint8_t key[NP_KEY_LEN], const char *address, void *user);

/* The pre-shared key, 32 random bytes, that is agreed on with the peer of that key; NULL: none. A
 * peer with one is refused without it, and the other way round. */
typedef const uint8_t *np_psk_fn(const uint8_t key[NP_KEY_LEN], void *user);

/* The defaults are in brackets. */
typedef struct np_security {
    bool plaintext;             /* [false] nothing of all this: who listens in reads everything */
    const np_keypair *identity; /* [none] ours; zero, as one that failed to load is, is refused */
    const uint8_t *keys;        /* [none] keys of peers that are trusted, 32 bytes each */
    size_t key_count;
    /* [none] Asked about any other key; where `anyone` is set, too: who it says yes to is let in as
     * everybody is, but counts as listed, so never has to give way (daemon.h). */
    np_trust_fn *trust;
    bool anyone;        /* [false] a daemon's: every client is welcome, whatever its key */
    const uint8_t *psk; /* [none] a client's pre-shared key */
    np_psk_fn *psk_of;  /* [none] a daemon's pre-shared keys */
    void *user;         /* of trust and psk_of */
    /* Those that may be agreed on, the best first; the daemon's order decides. One that this
     * processor cannot do is passed over, but one at least has to be left. There is nothing weak
     * among them, so this is for who has to use a certain one. */
    np_cipher ciphers[NP_CIPHERS];
    uint32_t cipher_count;    /* [0: all of them, AES-256-GCM first] */
    uint32_t clock_skew_ms;   /* [5,000] a daemon's: how far a client's clock may be off; 0: any */
    uint32_t handshakes_kept; /* [10,000] a daemon's: handshakes remembered against replay, up to
                               * 16,777,216; 0: none */
} np_security;

NP_API np_security np_security_default(void);

#ifdef __cplusplus
}
#endif

#endif
