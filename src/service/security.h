/* security.h - what daemons and clients make of their np_security. */
#ifndef NP_SERVICE_SECURITY_H
#define NP_SERVICE_SECURITY_H

#include <netproto/conn.h>
#include <netproto/security.h>

#include "protocol/session.h"
#include "util/replay.h"

/* The security of the connections of one daemon or client. */
typedef struct np_guard {
    np_security security;
    np_session_security session; /* what sessions are given */
    np_replay *replay;           /* a daemon's; NULL: a client's, or plain text */
    char *address;               /* a client's, as it was given; a copy */
} np_guard;

/* Checks the options. address: a client's; NULL: a daemon's. Errors: NP_ERR_ARG with *failure (may
 * be NULL) telling what is missing, NP_ERR_MEMORY. */
NP_MUST_CHECK np_err np__guard_init(np_guard *guard, const np_security *security,
                                    const char *address, np_failure *failure);
void np__guard_fini(np_guard *guard);

/* What goes into np_session_options.security; NULL: plain text. */
const np_session_security *np__guard_session(const np_guard *guard);

/* What is wrong with the choice of ciphers, in words; NULL: nothing. */
const char *np__ciphers_wrong(const np_security *security);

/* What sessions offer of them: those that this processor can do, in order. */
void np__ciphers_offer(np_session_security *out, const np_security *security);

/* Answers PEER_KEY. Whether the key is one that the application has named or trusted by name, and
 * not one that anybody can make. */
bool np__guard_judge(const np_guard *guard, np_session *session, const uint8_t *key);

/* Whether a client's handshake, which has come to its end, was not seen before. */
bool np__guard_is_fresh(const np_guard *guard, const np_session *session);

#endif
