/* key_io.h - files that keys are read from: opened without trusting them, read within bounds, and
 * failures in words. See netproto/key_file.h.
 *
 * Memory: texts come from malloc and are wiped by np__key_text_free, whether they hold secrets or
 * not.
 * Threads: any.
 */
#ifndef NP_TRANSPORT_KEY_IO_H
#define NP_TRANSPORT_KEY_IO_H

#include <netproto/key_file.h>

/* What others may do with a file: nothing, or read it. */
typedef enum np__key_privacy { NP__KEY_SECRET, NP__KEY_PUBLIC } np__key_privacy;

/* A file's content, without a NUL. */
typedef struct np__key_text {
    char *data;
    size_t len;
} np__key_text;

/* Why a text is refused: pure parsers know the line, and neither path nor system. `rule` is static
 * text and says what to do as well. */
typedef struct np__key_refusal {
    np_err err;
    size_t line;
    const char *rule;
} np__key_refusal;

/* Fills in a refusal and returns err. */
np_err np__key_refuse(np__key_refusal *refusal, np_err err, size_t line, const char *rule);

/* Fills in a failure, which may be NULL: "PATH, line LINE: ... (system's words)". line and os_error
 * may be 0. Returns err. */
np_err np__key_fail(np_key_failure *failure, np_err err, int os_error, const char *path,
                    size_t line, const char *format, ...) __attribute__((format(printf, 6, 7)));

/* The same from a refusal. */
np_err np__key_fail_refused(np_key_failure *failure, const char *path,
                            const np__key_refusal *refusal);

/* The same for a file that could not be opened. */
np_err np__key_fail_open(np_key_failure *failure, int os_error, const char *path);

/* Whether an open file may be trusted; believes nothing in it, and reads it only to say what is
 * wrong with a secret file that is open to others: at most max bytes. Errors: NP_ERR_UNSAFE,
 * NP_ERR_TOO_LONG, NP_ERR_IO. */
NP_MUST_CHECK np_err np__key_check(int fd, const char *path, np__key_privacy privacy, size_t max,
                                   np_key_failure *failure);

/* Reads an open file from its start, as long as it was when this began. Errors: NP_ERR_IO,
 * NP_ERR_MEMORY. */
NP_MUST_CHECK np_err np__key_read(int fd, const char *path, size_t max, np__key_text *out,
                                  np_key_failure *failure);

/* Opens, checks, reads and closes. */
NP_MUST_CHECK np_err np__key_load(const char *path, np__key_privacy privacy, size_t max,
                                  np__key_text *out, np_key_failure *failure);

void np__key_text_free(np__key_text *text);

/* Writes all bytes; returns 0 or an errno. */
int np__key_write(int fd, const char *data, size_t len);

/* Has the name of a new file on the disk; returns 0 or an errno. */
int np__key_sync_folder(const char *path);

#endif
