/* security.c - see security.h. */
#include "tool/security.h"

#include <errno.h>
#include <string.h>
#include <strings.h>
#include <sys/prctl.h>
#include <sys/resource.h>

/* The cipher of that name, in whatever case. */
static bool find_cipher(const char *name, np_cipher *cipher)
{
    for (int i = 0; i < NP_CIPHERS; i++) {
        *cipher = (np_cipher)i;
        if (strcasecmp(name, np_cipher_name(*cipher)) == 0) {
            return true;
        }
    }
    return false;
}

np_security tool_security_begin(const tool_security *s)
{
    np_security security = np_security_default();

    security.plaintext = s->plaintext;
    if (s->cipher != NULL && find_cipher(s->cipher, &security.ciphers[0])) {
        security.cipher_count = 1;
    }
    return security;
}

bool tool_security_take(tool_security *s, int option, const char *argument)
{
    switch (option) {
    case TOOL_OPTION_PLAINTEXT:
        s->plaintext = true;
        return true;
    case TOOL_OPTION_KEY:
        s->key = argument;
        return true;
    case TOOL_OPTION_PSK:
        s->psk = argument;
        return true;
    case TOOL_OPTION_CIPHER:
        s->cipher = argument;
        return true;
    case TOOL_OPTION_PEER:
        s->peer = argument;
        return true;
    case TOOL_OPTION_KNOWN_HOSTS:
        s->known_hosts = argument;
        return true;
    case TOOL_OPTION_AUTHORIZED:
        s->authorized = argument;
        return true;
    case TOOL_OPTION_ANYONE:
        s->anyone = true;
        return true;
    default:
        return false;
    }
}

bool tool_security_check(const tool_command *command, const tool_security *s)
{
    uint8_t key[NP_KEY_LEN];
    np_cipher cipher;
    const char *other = s->key != NULL           ? "--key"
                        : s->psk != NULL         ? "--psk"
                        : s->cipher != NULL      ? "--cipher"
                        : s->peer != NULL        ? "--peer"
                        : s->known_hosts != NULL ? "--known-hosts"
                        : s->authorized != NULL  ? "--authorized"
                        : s->anyone              ? "--anyone"
                                                 : NULL;

    if (s->plaintext && other != NULL) {
        (void)tool_usage(command, "--plaintext does not go with %s: leave out one of them", other);
        return false;
    }
    if (s->peer != NULL && s->known_hosts != NULL) {
        (void)tool_usage(command, "--peer does not go with --known-hosts: one of them says which "
                                  "key is right");
        return false;
    }
    if (s->anyone && s->authorized != NULL) {
        (void)tool_usage(command, "--anyone does not go with --authorized: leave out one of them");
        return false;
    }
    if (s->cipher != NULL && !find_cipher(s->cipher, &cipher)) {
        (void)tool_usage(command, "--cipher takes aes-256-gcm or xchacha20-poly1305");
        return false;
    }
    if (s->cipher != NULL && !np_cipher_is_available(cipher)) {
        (void)tool_usage(command,
                         "--cipher %s: this processor has no instructions for it; without the "
                         "option XChaCha20-Poly1305 is spoken",
                         s->cipher);
        return false;
    }
    if (s->peer != NULL && np_key_parse(key, s->peer, strlen(s->peer)) != NP_OK) {
        (void)tool_usage(command,
                         "--peer takes a public key, np1:... with 43 characters behind it, as "
                         "netproto key --server prints it on the server's machine");
        return false;
    }
    return true;
}

/* Under a home that is no folder, as /dev/null, there is no file either. */
bool tool_key_file_is_missing(const np_key_failure *failure)
{
    return failure->err == NP_ERR_IO &&
           (failure->os_error == ENOENT || failure->os_error == ENOTDIR);
}

/* next_step: "" for none. */
static tool_exit tell_failed(const np_key_failure *failure, const char *next_step)
{
    tool_complain("keys: %s%s%s", failure->text, next_step[0] != '\0' ? "; " : "", next_step);
    if (failure->err == NP_ERR_ADDRESS) {
        return EXIT_CODE_USAGE;
    }
    return np_err_class_of(failure->err) == NP_CLASS_SYSTEM ? EXIT_CODE_GENERIC : EXIT_CODE_KEYS;
}

tool_exit tool_key_file_failed(const np_key_failure *failure, const char *next_step)
{
    return tell_failed(failure, tool_key_file_is_missing(failure) ? next_step : "");
}

tool_exit tool_key_file_failed_at(const char *named, const np_key_failure *failure,
                                  const char *next_step)
{
    if (named == NULL && failure->err == NP_ERR_IO && failure->os_error == EACCES) {
        return tell_failed(failure, "no option named that file, it is the default one: set HOME or "
                                    "XDG_CONFIG_HOME to a folder that is yours");
    }
    return tool_key_file_failed(failure, next_step);
}

tool_exit tool_key_file_path(const char *named, np_key_place place, char room[NP_KEY_PATH_LEN],
                             const char **path)
{
    np_key_failure failure;

    *path = named;
    if (named != NULL) {
        return EXIT_CODE_OK;
    }
    *path = room;
    return np_key_path(place, room, &failure) == NP_OK ? EXIT_CODE_OK
                                                       : tool_key_file_failed(&failure, "");
}

void tool_leave_no_core(void)
{
    struct rlimit core;

    if (getrlimit(RLIMIT_CORE, &core) == 0) {
        core.rlim_cur = 0;
        (void)setrlimit(RLIMIT_CORE, &core);
    }
    (void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0); /* where cores go through a pipe no limit counts */
}

tool_exit tool_identity_load(np_keypair *pair, const tool_security *s, np_key_place place)
{
    const char *next_step = s->key != NULL                 ? "netproto keygen --out FILE makes one"
                            : place == NP_KEY_PLACE_SERVER ? "run netproto keygen --server"
                                                           : "run netproto keygen";
    char room[NP_KEY_PATH_LEN];
    const char *path = NULL;
    np_key_failure failure;
    tool_exit code = tool_key_file_path(s->key, place, room, &path);

    tool_leave_no_core();
    if (code == EXIT_CODE_OK && np_keypair_load(pair, path, &failure) != NP_OK) {
        code = tool_key_file_failed_at(s->key, &failure, next_step);
    }
    return code;
}

tool_exit tool_psks_load(np_psk_list **list, const tool_security *s)
{
    char room[NP_KEY_PATH_LEN];
    const char *path = NULL;
    np_key_failure failure;

    *list = NULL;
    if (s->psk == NULL && np_key_path(NP_KEY_PLACE_PRE_SHARED_KEYS, room, NULL) != NP_OK) {
        return EXIT_CODE_OK; /* without a home there is no default file */
    }
    path = s->psk != NULL ? s->psk : room;
    if (np_psk_list_load(list, path, &failure) == NP_OK ||
        (s->psk == NULL && tool_key_file_is_missing(&failure))) {
        return EXIT_CODE_OK;
    }
    return tool_key_file_failed_at(s->psk, &failure,
                                   "netproto keygen --psk --out FILE KEY makes one, with the other "
                                   "side's public KEY");
}
