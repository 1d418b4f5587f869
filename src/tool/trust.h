/* trust.h - a client's side of a secure session: its own key, and which server it trusts.
 *
 * A server is known by --peer, or by its line in the file of known hosts. Who is not is refused
 * within the handshake, before our own key is shown; then the person at the terminal is asked, and
 * on yes the key is kept and one connects again. So an attempt goes:
 *
 *     do {
 *         options.security = tool_trust_begin(&trust);
 *         ... connect ...
 *     } while (tool_trust_refused(&trust) && tool_trust_decide(&trust) == EXIT_CODE_OK);
 */
#ifndef NP_TOOL_TRUST_H
#define NP_TOOL_TRUST_H

#include "tool/security.h"

/* What a client's np_security points to: it must not move or end before the client does. */
typedef struct tool_trust {
    const char *address; /* as it was typed, which is how known hosts are kept */
    np_security begun;   /* of the options, without keys */
    np_keypair identity;
    np_psk_list *psks;
    const char *psk_file;        /* named: the server must have a line in it */
    char hosts[NP_KEY_PATH_LEN]; /* the file of known hosts; empty: --peer */
    bool expects;                /* one key, and no other */
    uint8_t expected[NP_KEY_LEN];
    size_t line;               /* of the file of known hosts, from 1; 0: from --peer */
    bool has_psk;              /* this attempt has a pre-shared key */
    bool refused;              /* in this attempt */
    bool met;                  /* the server proved a key in this attempt */
    uint8_t shown[NP_KEY_LEN]; /* that key */
} tool_trust;

/* Loads what the options name, before anything is opened. Complains on failure; tool_trust_close
 * in any case. */
tool_exit tool_trust_open(tool_trust *t, const tool_security *s, const char *address);
void tool_trust_close(tool_trust *t);

/* For the next attempt. */
np_security tool_trust_begin(tool_trust *t);

/* Whether the last attempt ended because the server is not trusted. */
bool tool_trust_refused(const tool_trust *t);

/* Says why, and asks where a person may decide. OK: it is trusted now; connect again. */
tool_exit tool_trust_decide(tool_trust *t);

/* The file of known hosts; known.c. Looks up which key is expected. */
tool_exit tool_known_look_up(tool_trust *t);

/* An unknown host has shown its key: asks the person at the terminal, and keeps it on yes. Without
 * a terminal it is refused. */
tool_exit tool_known_ask(tool_trust *t);

#endif
