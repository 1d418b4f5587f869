/* security.h - the options of secure sessions that the subcommands share, and the files that both
 * sides of one load. trust.h is a client's side, admit.h a server's. */
#ifndef NP_TOOL_SECURITY_H
#define NP_TOOL_SECURITY_H

#include "tool/tool.h"

#include <netproto/key_file.h>

#include <getopt.h>

/* What the command line said. */
typedef struct tool_security {
    bool plaintext;
    const char *key;    /* file; NULL: the role's default */
    const char *psk;    /* file; NULL: the default, where there is one */
    const char *cipher; /* the only one; NULL: any */
    /* a client's */
    const char *peer;        /* public key, or NULL */
    const char *known_hosts; /* file; NULL: the default */
    /* a server's */
    const char *authorized; /* file; NULL: the default */
    bool anyone;
} tool_security;

/* Long options without a letter. */
enum tool_security_option {
    TOOL_OPTION_PLAINTEXT = 256,
    TOOL_OPTION_KEY,
    TOOL_OPTION_PSK,
    TOOL_OPTION_CIPHER,
    TOOL_OPTION_PEER,
    TOOL_OPTION_KNOWN_HOSTS,
    TOOL_OPTION_AUTHORIZED,
    TOOL_OPTION_ANYONE
};

/* Rows for the tables of getopt_long. */
#define TOOL_SECURITY_BOTH                                                                         \
    {"plaintext", no_argument, NULL, TOOL_OPTION_PLAINTEXT},                                       \
        {"key", required_argument, NULL, TOOL_OPTION_KEY},                                         \
        {"cipher", required_argument, NULL, TOOL_OPTION_CIPHER},                                   \
    {                                                                                              \
        "psk", required_argument, NULL, TOOL_OPTION_PSK                                            \
    }
#define TOOL_SECURITY_CLIENT                                                                       \
    TOOL_SECURITY_BOTH, {"peer", required_argument, NULL, TOOL_OPTION_PEER},                       \
    {                                                                                              \
        "known-hosts", required_argument, NULL, TOOL_OPTION_KNOWN_HOSTS                            \
    }
#define TOOL_SECURITY_SERVER                                                                       \
    TOOL_SECURITY_BOTH, {"authorized", required_argument, NULL, TOOL_OPTION_AUTHORIZED},           \
    {                                                                                              \
        "anyone", no_argument, NULL, TOOL_OPTION_ANYONE                                            \
    }

/* The same for people. */
#define TOOL_SECURITY_CLIENT_HELP                                                                  \
    "      --key FILE       our secret key; without: the default, which netproto keygen makes\n"   \
    "      --peer KEY       the server's public key, np1:...; no other is talked to\n"             \
    "      --known-hosts FILE\n"                                                                   \
    "                       without --peer: keys of servers met before; who is new is asked\n"     \
    "                       about on the terminal; without: the default file\n"                    \
    "      --psk FILE       pre-shared keys; without: the default file, where there is one\n"      \
    "      --cipher NAME    aes-256-gcm or xchacha20-poly1305, and no other; without: any\n"       \
    "      --plaintext      no keys and no secrecy: who listens in reads everything\n"
#define TOOL_SECURITY_SERVER_HELP                                                                  \
    "      --key FILE       our secret key; without: the default (netproto keygen --server)\n"     \
    "      --authorized FILE\n"                                                                    \
    "                       public keys of the clients that may come in; without: the default\n"   \
    "                       file\n"                                                                \
    "      --anyone         instead: every client may come in, whatever its key\n"                 \
    "      --psk FILE       pre-shared keys; without: the default file, where there is one\n"      \
    "      --cipher NAME    aes-256-gcm or xchacha20-poly1305, and no other; without: any\n"       \
    "      --plaintext      no keys and no secrecy: who listens in reads everything\n"

/* What np_security has of these options for either side, but for keys. */
np_security tool_security_begin(const tool_security *s);

/* Takes an option of the tables above; false if it is none of them. */
bool tool_security_take(tool_security *s, int option, const char *argument);

/* Whether the options fit together; complains as tool_usage does. */
bool tool_security_check(const tool_command *command, const tool_security *s);

/* Whether it is only that there is no such file. */
bool tool_key_file_is_missing(const np_key_failure *failure);

/* Complains about a file of keys, with the next step behind it if the file is missing. */
tool_exit tool_key_file_failed(const np_key_failure *failure, const char *next_step);

/* The same for a file that an option named, or NULL: then it is one that nobody asked for, and
 * where the user may not look that is said. */
tool_exit tool_key_file_failed_at(const char *named, const np_key_failure *failure,
                                  const char *next_step);

/* The path named, or the default one, written to `room`. Complains on failure. */
tool_exit tool_key_file_path(const char *named, np_key_place place, char room[NP_KEY_PATH_LEN],
                             const char **path);

/* Before a secret is read or made: a crash must not leave it in a file, nor with the program
 * that a core pattern names. The other users' debuggers are kept out with that, and our own user's.
 */
void tool_leave_no_core(void);

/* Loads our key pair: wipe it. place: whose default. Complains on failure. */
tool_exit tool_identity_load(np_keypair *pair, const tool_security *s, np_key_place place);

/* Loads pre-shared keys; *list is NULL where none are named and there is no default file. */
tool_exit tool_psks_load(np_psk_list **list, const tool_security *s);

#endif
