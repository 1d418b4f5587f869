/* keys.c - see keys.h. */
#include "keys.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

bool chat_keys_load(np_keypair *pair, np_key_place place)
{
    char path[NP_KEY_PATH_LEN];
    np_key_failure failure = {.err = NP_OK};
    np_err err = np_key_path(place, path, &failure);

    if (err == NP_OK) {
        err = np_keypair_load(pair, path, &failure);
    }
    if (err != NP_OK) {
        bool missing = failure.os_error == ENOENT;
        (void)fprintf(stderr, "%s%s%s\n", failure.text, missing ? "; run netproto keygen" : "",
                      missing && place == NP_KEY_PLACE_SERVER ? " --server" : "");
    }
    return err == NP_OK;
}

bool chat_host_find(chat_host *host, const char *address)
{
    static const uint8_t no_key[NP_KEY_LEN]; /* which nobody has: we want to know what is on file */
    np_key_failure failure = {.err = NP_OK};
    np_err err = np_key_path(NP_KEY_PLACE_KNOWN_HOSTS, host->hosts, &failure);

    host->address = address;
    if (err == NP_OK) {
        err = np_known_hosts_check(&host->known, host->hosts, address, no_key, &failure);
    }
    if (err != NP_OK) {
        (void)fprintf(stderr, "%s\n", failure.text);
    }
    return err == NP_OK;
}

/* Runs in the middle of the handshake, before the server has seen our own key. */
static bool is_known(const uint8_t key[NP_KEY_LEN], const char *address, void *user)
{
    const chat_host *host = user;
    char text[NP_KEY_TEXT_LEN];

    (void)np_key_format(key, text);
    if (host->known.verdict == NP_HOST_UNKNOWN) {
        (void)fprintf(
            stderr,
            "%s is not known; it shows the key %s\n"
            "netproto --protocol build/chat.so handshake %s\nasks you about it and keeps it\n",
            address, text, address);
        return false;
    }
    if (memcmp(key, host->known.key, NP_KEY_LEN) != 0) {
        (void)fprintf(stderr,
                      "%s HAS ANOTHER KEY THAN IT HAD: %s\n"
                      "Somebody may sit in between. Ask whoever runs the server; if the change is "
                      "meant,\nremove line %zu of %s\n",
                      address, text, host->known.line, host->hosts);
        return false;
    }
    return true;
}

np_security chat_host_security(chat_host *host, const np_keypair *pair)
{
    np_security security = np_security_default();

    security.identity = pair;
    security.trust = is_known;
    security.user = host;
    return security;
}
