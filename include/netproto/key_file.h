/* netproto/key_file.h - keys in files: one's own, those one lets in, and those one has met.
 *
 * docs/security.md has the formats, byte by byte. All are lines of text that people may read and,
 * but for known hosts, edit; all are read strictly, within bounds, and refused as a whole: there is
 * no line that is skipped because it was not understood.
 *
 * No file is trusted that others could have changed: it must be a regular file, no link, of the
 * effective user or root, with no permission for group and others to write; and where it holds
 * secrets, none to read it either.
 *
 * Ownership: lists are the caller's to free. Paths and addresses are borrowed for the call.
 * Threads: all functions may be called by any thread; a list is read-only once it is loaded. They
 * read and write files, and those that change known hosts wait for other processes (2 s at most),
 * so that they are for the start of a program, or for one whose loop may rest.
 *
 * Errors, of all functions that take an np_key_failure:
 *   NP_ERR_IO       the system refused, os_error says why: no such file (ENOENT), a file in the way
 *                   (EEXIST), no permission, a full disk
 *   NP_ERR_UNSAFE   others could read or change the file: check it, and do what the text says
 *   NP_ERR_KEY      a line or the file breaks its format: correct it
 *   NP_ERR_TOO_LONG the file, or what it holds, is more than allowed
 *   NP_ERR_MEMORY
 * The out parameters are empty then, and the failure, which may be NULL, tells it in words.
 */
#ifndef NETPROTO_KEY_FILE_H
#define NETPROTO_KEY_FILE_H

#include <netproto/key.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The greatest sizes: of a key file, of the others, of a line without its end, of a list. */
#define NP_KEY_FILE_MAX 4096
#define NP_KEY_LIST_FILE_MAX ((size_t)8 << 20)
#define NP_KEY_LINE_MAX 1024
#define NP_KEY_LIST_MAX 65536

/* Longest path that np_key_path gives, with its NUL. */
#define NP_KEY_PATH_LEN 1024

/* What is wrong with a file. A value; the text holds nothing that is secret. */
typedef struct np_key_failure {
    np_err err;
    int os_error;    /* the errno of the call that failed, or 0 */
    size_t line;     /* the line that is refused, from 1; 0 if it is none in particular */
    char text[1024]; /* path, line, rule and what to do, one printable line, e.g. "/h/client.key:
                      * others may read it (mode 0644): chmod 600 /h/client.key" */
} np_key_failure;

/* Default places ------------------------------------------------------------------------------- */

/* What there is a default place for. Client and server have keys of their own: a session between
 * two ends with the same key is refused. */
typedef enum np_key_place {
    NP_KEY_PLACE_CLIENT,          /* client.key */
    NP_KEY_PLACE_SERVER,          /* server.key */
    NP_KEY_PLACE_AUTHORIZED_KEYS, /* authorized_keys */
    NP_KEY_PLACE_PRE_SHARED_KEYS, /* pre_shared_keys */
    NP_KEY_PLACE_KNOWN_HOSTS      /* known_hosts */
} np_key_place;

/* $XDG_CONFIG_HOME/netproto/NAME, or ~/.config/netproto/NAME where that variable is not an absolute
 * path. Looks at no file. Errors: NP_ERR_STATE if HOME is no absolute path either: name a file
 * then; NP_ERR_TOO_LONG. */
NP_API NP_MUST_CHECK np_err np_key_path(np_key_place place, char path[NP_KEY_PATH_LEN],
                                        np_key_failure *failure);

/* Makes the folders above a path that are missing, open to nobody else (0700). Those that exist
 * are left as they are. */
NP_API NP_MUST_CHECK np_err np_key_make_folders(const char *path, np_key_failure *failure);

/* Our own key ---------------------------------------------------------------------------------- */

/* Writes a pair to a new file, which only its owner may read and write (0600), and has it on the
 * disk before it returns. Never overwrites anything and follows no link: NP_ERR_IO with EEXIST. */
NP_API NP_MUST_CHECK np_err np_keypair_save(const np_keypair *pair, const char *path,
                                            np_key_failure *failure);

/* Reads it back; the file may have been edited, but not be open to others. Wipe the pair when it
 * is not needed any more. */
NP_API NP_MUST_CHECK np_err np_keypair_load(np_keypair *out, const char *path,
                                            np_key_failure *failure);

/* Those who may come in ------------------------------------------------------------------------ */

/* A sorted list of public keys. */
typedef struct np_key_list np_key_list;

/* Reads authorized keys: lines "KEY [comment]", lines that begin with #, empty lines. A key that
 * stands there twice is refused, since removing one of the lines would not shut anyone out. Others
 * may read the file. *out: free it with np_key_list_free; NULL on failure. */
NP_API NP_MUST_CHECK np_err np_key_list_load(np_key_list **out, const char *path,
                                             np_key_failure *failure);

/* Whether a key is in the list, in logarithmic time; a NULL list holds none. */
NP_API bool np_key_list_contains(const np_key_list *list, const uint8_t key[NP_KEY_LEN]);

NP_API size_t np_key_list_count(const np_key_list *list);

/* NULL is allowed. */
NP_API void np_key_list_free(np_key_list *list);

/* Secrets shared with a peer ------------------------------------------------------------------- */

/* Pre-shared keys by the public key of the peer they are shared with. */
typedef struct np_psk_list np_psk_list;

/* Reads lines "KEY PSK", lines that begin with #, empty lines. One line for each peer. Nobody else
 * may read the file. *out: free it with np_psk_list_free; NULL on failure. */
NP_API NP_MUST_CHECK np_err np_psk_list_load(np_psk_list **out, const char *path,
                                             np_key_failure *failure);

/* Writes a new file with one line, as np_keypair_save writes one. */
NP_API NP_MUST_CHECK np_err np_psk_save(const uint8_t key[NP_KEY_LEN],
                                        const uint8_t psk[NP_KEY_LEN], const char *path,
                                        np_key_failure *failure);

/* The 32 bytes shared with a peer, borrowed from the list; NULL if there are none. */
NP_API const uint8_t *np_psk_list_find(const np_psk_list *list, const uint8_t key[NP_KEY_LEN]);

NP_API size_t np_psk_list_count(const np_psk_list *list);

/* Wipes it, too. NULL is allowed. */
NP_API void np_psk_list_free(np_psk_list *list);

/* Those whom one has met ----------------------------------------------------------------------- */

typedef enum np_known_host {
    NP_HOST_UNKNOWN, /* nothing is known: ask a person, or refuse */
    NP_HOST_KNOWN,   /* the address has this key */
    NP_HOST_CHANGED  /* the address has another key: somebody sits in between, or the host was
                      * made anew; only a person can tell. Never go on by yourself */
} np_known_host;

/* What is on file for an address. */
typedef struct np_known_key {
    np_known_host verdict;
    size_t line;             /* KNOWN, CHANGED: where it stands, from 1 */
    uint8_t key[NP_KEY_LEN]; /* KNOWN, CHANGED: the key on file */
} np_known_key;

/* Looks an address up, as it was typed: "tcp://host:7000" and "tcp://HOST:7000" are two. A file
 * that does not exist knows nobody. Others may read the file. Takes no lock and waits for nobody:
 * every change gives the name to a new file, so what is read is whole. */
NP_API NP_MUST_CHECK np_err np_known_hosts_check(np_known_key *out, const char *path,
                                                 const char *address, const uint8_t key[NP_KEY_LEN],
                                                 np_key_failure *failure);

/* Adds a line "ADDRESS KEY" at the end, and has it on the disk before it returns; makes the file
 * (0600) where there is none; its folder is the caller's to make (np_key_make_folders), and this
 * process must be able to make files there. Nothing is done if the same line is there already. A
 * crash leaves the old file or the new one.
 *
 * Processes that change the file at once take turns by a lock file beside it, PATH.lock, which is
 * made here (0600) and stays; no other user may open it, so that none can keep it locked.
 *
 * Errors, besides the common ones: NP_ERR_ADDRESS; NP_ERR_STATE if another key is on file, which
 * stays: np_known_hosts_remove is the way to say that the change is meant; NP_ERR_DEADLINE if
 * another process of this user keeps it locked for 2 s; NP_ERR_UNSAFE also if what has the lock
 * file's name is a link, or a file that others own or may use: look at it, and remove it. */
NP_API NP_MUST_CHECK np_err np_known_hosts_add(const char *path, const char *address,
                                               const uint8_t key[NP_KEY_LEN],
                                               np_key_failure *failure);

/* Forgets an address; *removed (may be NULL) tells whether it was there. The rest of the file,
 * comments included, stays as it is. The rest, and errors, as for np_known_hosts_add. */
NP_API NP_MUST_CHECK np_err np_known_hosts_remove(const char *path, const char *address,
                                                  bool *removed, np_key_failure *failure);

#ifdef __cplusplus
}
#endif

#endif
