/* keys.h - who is who in the chat.
 *
 * Both programs have their key in the default file of their role, which `netproto keygen` and
 * `netproto keygen --server` make. The client talks to servers that it knows: those in the file of
 * known hosts, which it shares with the command `netproto`. */
#ifndef CHAT_KEYS_H
#define CHAT_KEYS_H

#include <netproto/key_file.h>
#include <netproto/security.h>

/* A server, as it is known. */
typedef struct chat_host {
    const char *address; /* as it was typed */
    char hosts[NP_KEY_PATH_LEN];
    np_known_key known;
} chat_host;

/* Reads our own key; false, with words on standard error, if that cannot be done. */
bool chat_keys_load(np_keypair *pair, np_key_place place);

/* Looks up what is known of a server; false, with words on standard error, if that fails. */
bool chat_host_find(chat_host *host, const char *address);

/* Only who holds the host's key is trusted. The result points to both. */
np_security chat_host_security(chat_host *host, const np_keypair *pair);

#endif
