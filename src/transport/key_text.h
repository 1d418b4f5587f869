/* key_text.h - the texts of key files: lines, words, and what they mean. Pure: files are read and
 * written by others. docs/security.md has the formats.
 *
 * A text is lines of at most NP_KEY_LINE_MAX bytes, each with its '\n'. No control characters but
 * tabs; anything above ASCII only where a person may write what he likes.
 *
 * Threads: pure.
 */
#ifndef NP_TRANSPORT_KEY_TEXT_H
#define NP_TRANSPORT_KEY_TEXT_H

#include "transport/key_io.h"

#include <netproto/types.h>

/* Where reading stands; start with {text, 0, 0}. */
typedef struct np__key_lines {
    np_str text;
    size_t at;     /* bytes read */
    size_t number; /* of the line before `at`, from 1 */
} np__key_lines;

/* The next line that is neither empty nor a comment, without its end; *end if there is none left.
 * Errors: NP_ERR_KEY for what is no text, NP_ERR_TOO_LONG for an endless line. */
NP_MUST_CHECK np_err np__key_next_line(np__key_lines *lines, np_str *line, bool *end,
                                       np__key_refusal *refusal);

/* Takes the first word off a line, and the spaces and tabs behind it. */
np_str np__key_take_word(np_str *line);

/* Longest text of a key file that we write. */
#define NP__KEYPAIR_TEXT_LEN 512

/* Writes a key file's text; returns its length without the NUL. The text is secret. */
size_t np__keypair_write(const np_keypair *pair, char text[NP__KEYPAIR_TEXT_LEN]);

/* Reads it back. Errors: those of np__key_next_line, NP_ERR_KEY; *out is wiped then. */
NP_MUST_CHECK np_err np__keypair_read(np_keypair *out, np_str text, np__key_refusal *refusal);

/* Read what np_key_list_load and np_psk_list_load load. *out is NULL on failure. */
NP_MUST_CHECK np_err np__key_list_read(np_key_list **out, np_str text, np__key_refusal *refusal);
NP_MUST_CHECK np_err np__psk_list_read(np_psk_list **out, np_str text, np__key_refusal *refusal);

/* Looks through known hosts. Every line is checked. Errors: those of np__key_next_line, NP_ERR_KEY.
 * Where the line of `address` begins and ends, its '\n' included, is told in *from and *to. */
NP_MUST_CHECK np_err np__known_hosts_find(np_known_key *out, size_t *from, size_t *to, np_str text,
                                          np_str address, const uint8_t key[NP_KEY_LEN],
                                          np__key_refusal *refusal);

#endif
