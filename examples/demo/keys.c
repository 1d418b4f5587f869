/* keys.c - who trusts whom in the demo. A program of yours would keep its keys in files. */
#include "demo_program.h"

static np_keypair server_keys;
static np_keypair client_keys;
static np_keypair other_keys;

np_err demo_make_keys(void)
{
    np_err err = np_keypair_generate(&server_keys);

    if (err == NP_OK) {
        err = np_keypair_generate(&client_keys);
    }
    return err == NP_OK ? np_keypair_generate(&other_keys) : err;
}

static np_security trusting(const np_keypair *identity, const np_keypair *peer)
{
    np_security security = np_security_default();

    security.identity = identity;
    security.keys = peer->public_key;
    security.key_count = 1;
    return security;
}

np_security demo_daemon_security(demo_mode mode)
{
    return mode == DEMO_SECURE ? trusting(&server_keys, &client_keys)
                               : (np_security){.plaintext = true};
}

np_security demo_client_security(demo_mode mode)
{
    return mode == DEMO_SECURE ? trusting(&client_keys, &server_keys)
                               : (np_security){.plaintext = true};
}

np_security demo_stranger(void)
{
    return trusting(&other_keys, &server_keys);
}

np_security demo_mistaken(void)
{
    return trusting(&client_keys, &other_keys);
}
