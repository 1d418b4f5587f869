/* admit.h - whom `netproto serve` lets in. */
#ifndef NP_TOOL_ADMIT_H
#define NP_TOOL_ADMIT_H

#include "tool/security.h"

/* What a daemon's np_security points to: it must not move or end before the daemon does. */
typedef struct tool_admit {
    np_keypair identity;
    np_key_list *clients; /* NULL: anyone */
    np_psk_list *psks;    /* NULL: none */
} tool_admit;

/* Loads what the options name and fills in *security. Complains on failure, before anything is
 * opened; tool_admit_close in any case. */
tool_exit tool_admit_open(tool_admit *a, const tool_security *s, np_security *security);
void tool_admit_close(tool_admit *a);

#endif
