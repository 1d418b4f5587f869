/* trust.c - see trust.h. */
#include "tool/trust.h"

#include <string.h>

/* A pre-shared key file that was named has to have a line for the server. */
static tool_exit check_psk(const tool_trust *t, const uint8_t key[NP_KEY_LEN])
{
    char text[NP_KEY_TEXT_LEN], shown[NP_KEY_PATH_LEN];

    if (t->psk_file == NULL || np_psk_list_find(t->psks, key) != NULL) {
        return EXIT_CODE_OK;
    }
    (void)np_log_escape(np_str_from(t->psk_file), false, shown, sizeof shown);
    tool_complain("keys: %s: it has no pre-shared key for the server, %s: add a line "
                  "(netproto keygen --psk prints one), or leave out --psk",
                  shown, np_key_format(key, text));
    return EXIT_CODE_KEYS;
}

static tool_exit expect_peer(tool_trust *t, const tool_security *s)
{
    char room[NP_KEY_PATH_LEN];
    const char *path = NULL;
    tool_exit code = EXIT_CODE_OK;

    if (s->peer != NULL) {
        t->expects = np_key_parse(t->expected, s->peer, strlen(s->peer)) == NP_OK;
        return t->expects ? EXIT_CODE_OK : EXIT_CODE_USAGE; /* tool_security_check comes before */
    }
    code = tool_key_file_path(s->known_hosts, NP_KEY_PLACE_KNOWN_HOSTS, room, &path);
    if (code != EXIT_CODE_OK) {
        return code;
    }
    if (strlen(path) >= sizeof t->hosts) {
        tool_complain("keys: the path of the known hosts is longer than %zu bytes",
                      sizeof t->hosts - 1);
        return EXIT_CODE_USAGE;
    }
    memcpy(t->hosts, path, strlen(path) + 1);
    return tool_known_look_up(t);
}

tool_exit tool_trust_open(tool_trust *t, const tool_security *s, const char *address)
{
    tool_exit code;

    *t = (tool_trust){.address = address, .begun = tool_security_begin(s), .psk_file = s->psk};
    if (s->plaintext) {
        return EXIT_CODE_OK;
    }
    code = tool_identity_load(&t->identity, s, NP_KEY_PLACE_CLIENT);
    if (code == EXIT_CODE_OK) {
        code = tool_psks_load(&t->psks, s);
    }
    if (code == EXIT_CODE_OK) {
        code = expect_peer(t, s);
    }
    return code == EXIT_CODE_OK && t->expects ? check_psk(t, t->expected) : code;
}

void tool_trust_close(tool_trust *t)
{
    np_keypair_wipe(&t->identity);
    np_psk_list_free(t->psks);
    t->psks = NULL;
}

/* Runs in the middle of the handshake; nobody can be asked here. */
static bool is_expected(const uint8_t key[NP_KEY_LEN], const char *address, void *user)
{
    tool_trust *t = user;

    (void)address;
    t->met = true;
    memcpy(t->shown, key, sizeof t->shown);
    t->refused = !t->expects || memcmp(key, t->expected, sizeof t->expected) != 0;
    return !t->refused;
}

np_security tool_trust_begin(tool_trust *t)
{
    np_security security = t->begun;

    t->met = t->refused = false;
    if (!security.plaintext) {
        security.identity = &t->identity;
        security.trust = is_expected;
        security.user = t;
        security.psk = t->expects ? np_psk_list_find(t->psks, t->expected) : NULL;
    }
    t->has_psk = security.psk != NULL;
    return security;
}

bool tool_trust_refused(const tool_trust *t)
{
    return t->refused;
}

/* Known, or said by --peer, and another one came. */
static void tell_changed(const tool_trust *t)
{
    char old[NP_KEY_TEXT_LEN], shown[NP_KEY_TEXT_LEN], path[NP_KEY_PATH_LEN],
        place[NP_KEY_PATH_LEN];
    bool pinned = t->hosts[0] == '\0';

    (void)np_log_escape(np_str_from(t->address), false, place, sizeof place);
    (void)np_log_escape(np_str_from(t->hosts), false, path, sizeof path);
    if (pinned) {
        tool_complain("handshake: %s HAS ANOTHER KEY THAN --peer SAYS. No message was sent to it.",
                      place);
    } else {
        tool_complain("handshake: THE KEY OF %s HAS CHANGED. No message was sent to it.", place);
    }
    (void)fprintf(
        stderr,
        "Maybe somebody sits in between and answers in the server's place (a man in the middle);\n"
        "or the server has a new key.\n"
        "  expected: %s\n"
        "  shown:    %s\n"
        "Ask whoever runs the server, by another way than this connection, what\n"
        "netproto key --server prints there. ",
        np_key_format(t->expected, old), np_key_format(t->shown, shown));
    if (pinned) {
        (void)fputs("If it is the key that was shown, give that to --peer.\n", stderr);
    } else {
        (void)fprintf(
            stderr, "If it is the key that was shown, remove line %zu of\n%s and connect again.\n",
            t->line, path);
    }
    (void)fputs("If it is the expected one, do not connect.\n", stderr);
}

tool_exit tool_trust_decide(tool_trust *t)
{
    if (t->expects) {
        tell_changed(t);
        return EXIT_CODE_TRUST;
    }
    /* Before anybody is asked, and the key kept: what cannot be connected to is not made known. */
    tool_exit code = check_psk(t, t->shown);
    return code == EXIT_CODE_OK ? tool_known_ask(t) : code;
}
