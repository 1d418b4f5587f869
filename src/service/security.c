/* security.c - see security.h and netproto/security.h. */
#define _GNU_SOURCE
#include "service/security.h"

#include "service/conn_private.h"

#include <stdlib.h>

np_security np_security_default(void)
{
    const np_security security = {.clock_skew_ms = 5000, .handshakes_kept = 10000};

    return security;
}

/* What is left of a key that could not be loaded, and what memory holds that nobody filled. */
static bool is_zero(const uint8_t key[NP_KEY_LEN])
{
    static const uint8_t zero[NP_KEY_LEN];

    return np_crypto_equal(key, zero, NP_KEY_LEN);
}

_Static_assert(NP_REPLAY_MAX_MAX == 16777216, "as a refusal below says");

/* What is wrong with the options, in words; NULL: nothing. */
static const char *missing(const np_security *security, bool client)
{
    bool chooses = security->key_count > 0 || security->trust != NULL;

    if (security->plaintext) {
        return security->identity != NULL || chooses || security->anyone || security->psk != NULL ||
                       security->psk_of != NULL || security->cipher_count > 0
                   ? "security: plaintext does not go with keys or ciphers; leave out one of them"
                   : NULL;
    }
    if (security->identity == NULL) {
        return "security: set identity (netproto keygen makes one) and who is trusted, "
               "or plaintext";
    }
    if (is_zero(security->identity->secret_key) || is_zero(security->identity->public_key)) {
        return "security: identity is zero; was it loaded or made, and are errors of that looked "
               "at?";
    }
    if (security->psk != NULL && is_zero(security->psk)) {
        return "security: psk is zero; was it loaded or made?";
    }
    if (security->key_count > 0 && security->keys == NULL) {
        return "security: key_count keys are promised, and keys is NULL";
    }
    if (client && security->anyone) {
        return "security: a client that trusts anyone talks to whoever is in between; "
               "set keys or trust";
    }
    if (!chooses && !security->anyone) {
        return client ? "security: set keys or trust, or no server is trusted"
                      : "security: set keys or trust, or anyone to let every client in";
    }
    if (np__ciphers_wrong(security) != NULL) {
        return np__ciphers_wrong(security);
    }
    if (!client && security->handshakes_kept > NP_REPLAY_MAX_MAX) {
        return "security: handshakes_kept is 16777216 at most";
    }
    if (client ? security->psk_of != NULL : security->psk != NULL) {
        return client ? "security: psk_of is a daemon's; a client sets psk"
                      : "security: psk is a client's; a daemon sets psk_of";
    }
    return NULL;
}

np_err np__guard_init(np_guard *guard, const np_security *security, const char *address,
                      np_failure *failure)
{
    const np_rng rng = np_loop_rng();
    const char *why = missing(security, address != NULL);
    np_err err = NP_OK;

    memset(guard, 0, sizeof *guard);
    guard->security = *security;
    if (why != NULL) {
        return np__failure_set(failure, address != NULL ? NP_STAGE_CONNECT : NP_STAGE_LISTEN,
                               NP_ERR_ARG, 0, address, why);
    }
    if (security->plaintext) {
        return NP_OK;
    }
    guard->session = (np_session_security){
        .identity = security->identity,
        .psk = security->psk,
        .skew_ms = security->clock_skew_ms,
        .rng = rng,
    };
    np__ciphers_offer(&guard->session, security);
    if (address != NULL) {
        guard->address = strdup(address);
        err = guard->address != NULL ? NP_OK : NP_ERR_MEMORY;
    } else if (security->handshakes_kept > 0) {
        err = np_replay_new(&guard->replay, security->handshakes_kept, &rng);
    }
    return err == NP_OK
               ? NP_OK
               : np__failure_set(failure, address != NULL ? NP_STAGE_CONNECT : NP_STAGE_LISTEN, err,
                                 0, address, NULL);
}

void np__guard_fini(np_guard *guard)
{
    np_replay_free(guard->replay);
    free(guard->address);
    guard->replay = NULL;
    guard->address = NULL;
}

const np_session_security *np__guard_session(const np_guard *guard)
{
    return guard->security.plaintext ? NULL : &guard->session;
}

/* Public keys are no secrets, so they may be compared as fast as can be. */
static bool is_listed(const np_security *security, const uint8_t *key)
{
    for (size_t i = 0; i < security->key_count; i++) {
        if (memcmp(security->keys + i * NP_KEY_LEN, key, NP_KEY_LEN) == 0) {
            return true;
        }
    }
    return false;
}

bool np__guard_judge(const np_guard *guard, np_session *session, const uint8_t *key)
{
    const np_security *security = &guard->security;
    const uint8_t *psk = NULL;
    /* Asked where anyone is let in, too: it says who never has to give way. */
    bool listed = is_listed(security, key) ||
                  (security->trust != NULL && security->trust(key, guard->address, security->user));

    if (security->psk_of != NULL) { /* a daemon's */
        psk = security->psk_of(key, security->user);
    }
    np_session_trust(session, listed || security->anyone, psk);
    return listed;
}

bool np__guard_is_fresh(const np_guard *guard, const np_session *session)
{
    return guard->replay == NULL || np_replay_add(guard->replay, np_session_peer_key(session),
                                                  np_session_peer_nonce(session));
}
