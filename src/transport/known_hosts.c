/* known_hosts.c - which key an address had when it was met first.
 *
 * Every change is a new file that gets the old one's name, so who reads sees the old file or the
 * new one, whole, and needs no lock. Those who change it take turns by a lock file (lock_file.h):
 * the file itself may be read by others, and whoever may read a file may lock it, and keep us out.
 */
#define _GNU_SOURCE
#include "transport/address.h"
#include "transport/key_text.h"
#include "transport/lock_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* How long to wait for another process that changes the file. */
#define LOCK_WAIT_MS 2000

/* An open, checked file and what it holds. */
typedef struct hosts {
    const char *path;
    int fd;   /* -1: there is no such file */
    int lock; /* -1: for who only reads */
    np__key_text text;
} hosts;

/* The text ------------------------------------------------------------------------------------- */

/* Blanks that nobody sees would make it a line about another address. Paths may hold some. */
static bool has_other_blanks(np_str line, size_t address_len)
{
    bool tcp = line.len > 6 && memcmp(line.data, "tcp://", 6) == 0;

    return address_len > 0 && (address_len + 1 == line.len || line.data[line.len - 1] == '\t' ||
                               (tcp && line.data[address_len - 1] == ' '));
}

/* "ADDRESS KEY"; an address may hold spaces (a path does), a key does not. */
static np_err read_host(np_str line, np_str *address, uint8_t key[NP_KEY_LEN], size_t number,
                        np__key_refusal *refusal)
{
    const char *space = memrchr(line.data, ' ', line.len);
    size_t len = space == NULL ? 0 : (size_t)(space - line.data);

    *address = (np_str){line.data, len};
    if (has_other_blanks(line, len)) {
        return np__key_refuse(refusal, NP_ERR_KEY, number,
                              "one space stands between ADDRESS and KEY, and nothing behind them: "
                              "remove the other blanks");
    }
    if (len == 0 || len >= NP_ADDRESS_TEXT_LEN || memchr(line.data, '\t', len) != NULL ||
        np_key_parse(key, space + 1, line.len - len - 1) != NP_OK) {
        return np__key_refuse(refusal, NP_ERR_KEY, number,
                              "a line is ADDRESS KEY, as in tcp://host:7000 np1:...: correct or "
                              "remove it");
    }
    return NP_OK;
}

np_err np__known_hosts_find(np_known_key *out, size_t *from, size_t *to, np_str text,
                            np_str address, const uint8_t key[NP_KEY_LEN], np__key_refusal *refusal)
{
    np_known_key found = {NP_HOST_UNKNOWN, 0, {0}};
    np__key_lines lines = {text, 0, 0};
    uint8_t its_key[NP_KEY_LEN];
    np_str line;
    np_str its_address;
    bool end = false;

    *out = found;
    *from = *to = 0;
    for (;;) {
        np_err err = np__key_next_line(&lines, &line, &end, refusal);
        if (err == NP_OK && end) {
            break;
        }
        if (err == NP_OK) {
            err = read_host(line, &its_address, its_key, lines.number, refusal);
        }
        if (err == NP_OK && !np_str_equal(its_address, address)) {
            continue;
        }
        if (err == NP_OK && found.verdict != NP_HOST_UNKNOWN) {
            err = np__key_refuse(refusal, NP_ERR_KEY, lines.number,
                                 "the address has a line already, above: remove one of them");
        }
        if (err != NP_OK) {
            return err;
        }
        found.verdict = memcmp(its_key, key, NP_KEY_LEN) == 0 ? NP_HOST_KNOWN : NP_HOST_CHANGED;
        found.line = lines.number;
        memcpy(found.key, its_key, NP_KEY_LEN);
        *from = (size_t)(line.data - text.data);
        *to = lines.at;
    }
    *out = found;
    return NP_OK;
}

/* The file ------------------------------------------------------------------------------------- */

static np_err take_lock(hosts *h, np_key_failure *failure)
{
    int os_error = 0;
    np_err err = np__lock_file_take(h->path, LOCK_WAIT_MS, &h->lock, &os_error);

    switch (err) {
    case NP_OK:
        return NP_OK;
    case NP_ERR_DEADLINE:
        return np__key_fail(failure, err, 0, h->path, 0,
                            "another process keeps it locked: try again later");
    case NP_ERR_UNSAFE:
        return np__key_fail(failure, err, os_error, h->path, 0,
                            "what is there as its lock file (the same name and " NP__LOCK_SUFFIX
                            ") is not your own file, open to nobody else: look at it, and remove "
                            "it");
    default:
        return np__key_fail(failure, err, os_error, h->path, 0,
                            "its lock file (the same name and " NP__LOCK_SUFFIX
                            ") cannot be made or locked");
    }
}

static void hosts_close(hosts *h)
{
    np__key_text_free(&h->text);
    if (h->fd >= 0) {
        (void)close(h->fd);
        h->fd = -1;
    }
    /* The lock file stays: it is made once, and in nobody's way. */
    np__lock_file_release(h->path, h->lock, false);
    h->lock = -1;
}

static np_err open_file(hosts *h, int flags, np_key_failure *failure)
{
    h->fd = open(h->path, flags | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (h->fd < 0) {
        return errno == ENOENT ? NP_OK : np__key_fail_open(failure, errno, h->path);
    }
    np_err err = np__key_check(h->fd, h->path, NP__KEY_PUBLIC, NP_KEY_LIST_FILE_MAX, failure);
    if (err == NP_OK) {
        err = np__key_read(h->fd, h->path, NP_KEY_LIST_FILE_MAX, &h->text, failure);
    }
    return err;
}

/* Opens, checks and reads, for who only looks; hosts_close in any case. */
static np_err hosts_look(hosts *h, const char *path, np_key_failure *failure)
{
    *h = (hosts){path, -1, -1, {NULL, 0}};
    return open_file(h, O_RDONLY, failure);
}

/* The same for who changes it, with the lock. The file has to be one that we may write to, though
 * another one takes its place. */
static np_err hosts_take(hosts *h, const char *path, np_key_failure *failure)
{
    *h = (hosts){path, -1, -1, {NULL, 0}};
    np_err err = take_lock(h, failure);
    return err == NP_OK ? open_file(h, O_RDWR, failure) : err;
}

static np_err hosts_find(const hosts *h, np_known_key *out, size_t *from, size_t *to,
                         const char *address, const uint8_t key[NP_KEY_LEN],
                         np_key_failure *failure)
{
    np__key_refusal refusal;
    np_err err = np__known_hosts_find(out, from, to, (np_str){h->text.data, h->text.len},
                                      np_str_from(address), key, &refusal);

    return err == NP_OK ? NP_OK : np__key_fail_refused(failure, h->path, &refusal);
}

np_err np_known_hosts_check(np_known_key *out, const char *path, const char *address,
                            const uint8_t key[NP_KEY_LEN], np_key_failure *failure)
{
    hosts h;
    size_t from = 0;
    size_t to = 0;

    *out = (np_known_key){NP_HOST_UNKNOWN, 0, {0}};
    np_err err = hosts_look(&h, path, failure);
    if (err == NP_OK && h.fd >= 0) {
        err = hosts_find(&h, out, &from, &to, address, key, failure);
    }
    hosts_close(&h);
    return err;
}

/* Changing it ---------------------------------------------------------------------------------- */

/* A line that cannot be read back must not be written. */
static np_err check_address(const char *address, const char *path, np_key_failure *failure)
{
    np_address parsed;
    const char *why = "";

    np_err err = np_address_parse(address, &parsed, &why);
    for (const char *p = address; err == NP_OK && *p != '\0'; p++) {
        if ((unsigned char)*p < 0x20 || *p == 0x7F) {
            err = NP_ERR_ADDRESS;
            why = "it holds a control character";
        }
    }
    if (err == NP_OK && strlen(address) >= NP_ADDRESS_TEXT_LEN) {
        err = NP_ERR_ADDRESS;
        why = "it is too long";
    }
    return err == NP_OK
               ? NP_OK
               : np__key_fail(failure, err, 0, path, 0, "the address cannot be kept: %s", why);
}

/* What a changed file holds: the old one without some bytes, and a line at the end. */
typedef struct change {
    size_t from, to; /* which bytes go */
    const char *line;
    size_t line_len;
} change;

static int write_parts(const hosts *h, const change *c, int fd)
{
    const char *text = h->text.len > 0 ? h->text.data : "";
    struct stat st = {.st_mode = 0600};
    int os_error = 0;

    if ((h->fd >= 0 && fstat(h->fd, &st) != 0) || fchmod(fd, st.st_mode & 0755) != 0) {
        return errno;
    }
    os_error = np__key_write(fd, text, c->from);
    if (os_error == 0) {
        os_error = np__key_write(fd, text + c->to, h->text.len - c->to);
    }
    if (os_error == 0) {
        os_error = np__key_write(fd, c->line, c->line_len);
    }
    return os_error == 0 && fsync(fd) != 0 ? errno : os_error;
}

/* Writes a new file beside the old one, and gives it the old one's name; returns 0 or an errno. */
static int write_anew(const hosts *h, const change *c, char *new_path)
{
    int fd = mkostemp(new_path, O_CLOEXEC);
    int os_error = 0;

    if (fd < 0) {
        return errno;
    }
    os_error = write_parts(h, c, fd);
    if (close(fd) != 0 && os_error == 0) {
        os_error = errno;
    }
    if (os_error == 0 && rename(new_path, h->path) != 0) {
        os_error = errno;
    }
    if (os_error != 0) {
        (void)unlink(new_path);
        return os_error;
    }
    return np__key_sync_folder(h->path);
}

static np_err hosts_change(const hosts *h, const change *c, np_key_failure *failure)
{
    char *new_path = NULL;

    if (c->line_len > NP_KEY_LIST_FILE_MAX - h->text.len) {
        return np__key_fail(failure, NP_ERR_TOO_LONG, 0, h->path, 0,
                            "no more fits into max %zu bytes: remove what is old",
                            NP_KEY_LIST_FILE_MAX);
    }
    if (asprintf(&new_path, "%s.XXXXXX", h->path) < 0) {
        return np__key_fail(failure, NP_ERR_MEMORY, 0, h->path, 0, "%s",
                            np_err_text(NP_ERR_MEMORY));
    }
    int os_error = write_anew(h, c, new_path);
    free(new_path);
    return os_error == 0 ? NP_OK
                         : np__key_fail(failure, NP_ERR_IO, os_error, h->path, 0,
                                        "it cannot be written anew");
}

/* Looks whether a line has to be added. A file that has it already may be one that we cannot write
 * to. *verdict: as on file. */
static np_err look_before_adding(const hosts *h, np_known_host *verdict, const char *address,
                                 const uint8_t key[NP_KEY_LEN], np_key_failure *failure)
{
    char key_text[NP_KEY_TEXT_LEN];
    np_known_key known;
    size_t from = 0;
    size_t to = 0;
    np_err err = hosts_find(h, &known, &from, &to, address, key, failure);

    *verdict = known.verdict;
    if (err == NP_OK && known.verdict == NP_HOST_CHANGED) {
        err = np__key_fail(failure, NP_ERR_STATE, 0, h->path, known.line,
                           "the address has another key, %s, which stays: remove it first if the "
                           "change is meant",
                           np_key_format(known.key, key_text));
    }
    return err;
}

np_err np_known_hosts_add(const char *path, const char *address, const uint8_t key[NP_KEY_LEN],
                          np_key_failure *failure)
{
    char key_text[NP_KEY_TEXT_LEN];
    char line[NP_ADDRESS_TEXT_LEN + NP_KEY_TEXT_LEN + 2];
    np_known_host verdict = NP_HOST_UNKNOWN;
    hosts h;

    np_err err = check_address(address, path, failure);
    if (err != NP_OK) {
        return err;
    }
    err = hosts_look(&h, path, failure);
    err = err == NP_OK ? look_before_adding(&h, &verdict, address, key, failure) : err;
    hosts_close(&h);
    if (err != NP_OK || verdict == NP_HOST_KNOWN) {
        return err;
    }
    err = hosts_take(&h, path, failure);
    /* Once more: somebody may have been there before us. */
    err = err == NP_OK ? look_before_adding(&h, &verdict, address, key, failure) : err;
    if (err == NP_OK && verdict == NP_HOST_UNKNOWN) {
        int len = snprintf(line, sizeof line, "%s %s\n", address, np_key_format(key, key_text));
        change c = {h.text.len, h.text.len, line, (size_t)len};
        err = hosts_change(&h, &c, failure);
    }
    hosts_close(&h);
    return err;
}

np_err np_known_hosts_remove(const char *path, const char *address, bool *removed,
                             np_key_failure *failure)
{
    static const uint8_t any[NP_KEY_LEN] = {0};
    np_known_key known = {NP_HOST_UNKNOWN, 0, {0}};
    change c = {0, 0, "", 0};
    hosts h;

    if (removed != NULL) {
        *removed = false;
    }
    np_err err = hosts_look(&h, path, failure);
    err = err == NP_OK ? hosts_find(&h, &known, &c.from, &c.to, address, any, failure) : err;
    hosts_close(&h);
    if (err != NP_OK || known.verdict == NP_HOST_UNKNOWN) {
        return err;
    }
    err = hosts_take(&h, path, failure);
    err = err == NP_OK ? hosts_find(&h, &known, &c.from, &c.to, address, any, failure) : err;
    if (err == NP_OK && known.verdict != NP_HOST_UNKNOWN) {
        err = hosts_change(&h, &c, failure);
    }
    if (err == NP_OK && removed != NULL) {
        *removed = known.verdict != NP_HOST_UNKNOWN;
    }
    hosts_close(&h);
    return err;
}
