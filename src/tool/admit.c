/* admit.c - see admit.h. */
#include "tool/admit.h"

#define NEXT_STEP                                                                                  \
    "write the clients' public keys there, one a line (netproto key prints a client's), or let "   \
    "every client in by --anyone"

static bool is_client(const uint8_t key[NP_KEY_LEN], const char *address, void *user)
{
    const tool_admit *a = user;

    (void)address;
    return np_key_list_contains(a->clients, key);
}

static const uint8_t *psk_of(const uint8_t key[NP_KEY_LEN], void *user)
{
    const tool_admit *a = user;

    return np_psk_list_find(a->psks, key);
}

static tool_exit load_clients(tool_admit *a, const tool_security *s)
{
    char room[NP_KEY_PATH_LEN], shown[NP_KEY_PATH_LEN];
    const char *path = NULL;
    np_key_failure failure;
    tool_exit code = tool_key_file_path(s->authorized, NP_KEY_PLACE_AUTHORIZED_KEYS, room, &path);

    if (code != EXIT_CODE_OK) {
        return code;
    }
    if (np_key_list_load(&a->clients, path, &failure) != NP_OK) {
        return tool_key_file_failed_at(s->authorized, &failure, NEXT_STEP);
    }
    if (np_key_list_count(a->clients) == 0) {
        (void)np_log_escape(np_str_from(path), false, shown, sizeof shown);
        tool_complain("keys: %s: it holds no key, so nobody could come in; " NEXT_STEP, shown);
        return EXIT_CODE_KEYS;
    }
    return EXIT_CODE_OK;
}

tool_exit tool_admit_open(tool_admit *a, const tool_security *s, np_security *security)
{
    tool_exit code;

    *a = (tool_admit){.clients = NULL};
    *security = tool_security_begin(s);
    if (s->plaintext) {
        return EXIT_CODE_OK;
    }
    code = tool_identity_load(&a->identity, s, NP_KEY_PLACE_SERVER);
    if (code == EXIT_CODE_OK && !s->anyone) {
        code = load_clients(a, s);
    }
    if (code == EXIT_CODE_OK) {
        code = tool_psks_load(&a->psks, s);
    }
    security->identity = &a->identity;
    security->anyone = s->anyone;
    security->trust = s->anyone ? NULL : is_client;
    security->psk_of = psk_of;
    security->user = a;
    return code;
}

void tool_admit_close(tool_admit *a)
{
    np_keypair_wipe(&a->identity);
    np_key_list_free(a->clients);
    np_psk_list_free(a->psks);
    *a = (tool_admit){.clients = NULL};
}
