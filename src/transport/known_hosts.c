/* known_hosts.c - which key an address had when it was met first.
 *
 * Processes take turns by flock: readers share the file, who adds or removes has it alone. Adding
 * is one write at the end; removing writes a new file and gives it the old one's name, so whoever
 * got the lock looks whether the file still has that name.
 */
#define _GNU_SOURCE
#include "transport/address.h"
#include "transport/key_text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* How often and how long to wait for another process: 2 s in all. */
#define LOCK_TRIES 2000
#define LOCK_WAIT_NS 1000000

/* An open, locked, checked file and what it holds. */
typedef struct hosts {
    const char *path;
    int fd; /* -1: there is no such file */
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

static np_err fail_lock(np_key_failure *failure, int os_error, const char *path)
{
    if (os_error != EWOULDBLOCK) {
        return np__key_fail(failure, NP_ERR_IO, os_error, path, 0, "it cannot be locked");
    }
    return np__key_fail(failure, NP_ERR_DEADLINE, 0, path, 0,
                        "another process keeps it locked: try again later");
}

/* Whether the file still has its name: it is another one after a removal. */
static bool is_current(int fd, const char *path)
{
    struct stat ours;
    struct stat named;

    return fstat(fd, &ours) == 0 && lstat(path, &named) == 0 && ours.st_dev == named.st_dev &&
           ours.st_ino == named.st_ino;
}

static np_err open_locked(hosts *h, int flags, int lock, np_key_failure *failure)
{
    const struct timespec pause = {0, LOCK_WAIT_NS};
    int os_error = EWOULDBLOCK;

    for (int i = 0; i < LOCK_TRIES; i++) {
        h->fd = open(h->path, flags | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0600);
        if (h->fd < 0) {
            return errno == ENOENT && (flags & O_CREAT) == 0
                       ? NP_OK
                       : np__key_fail_open(failure, errno, h->path);
        }
        if (flock(h->fd, lock | LOCK_NB) == 0) {
            if (is_current(h->fd, h->path)) {
                return NP_OK;
            }
            os_error = EWOULDBLOCK;
        } else {
            os_error = errno;
        }
        (void)close(h->fd);
        h->fd = -1;
        if (os_error != EWOULDBLOCK && os_error != EINTR) {
            break;
        }
        (void)nanosleep(&pause, NULL);
    }
    return fail_lock(failure, os_error, h->path);
}

static void hosts_close(hosts *h)
{
    np__key_text_free(&h->text);
    if (h->fd >= 0) {
        (void)close(h->fd); /* and with it the lock */
        h->fd = -1;
    }
}

/* Opens, locks, checks and reads; hosts_close in any case. */
static np_err hosts_open(hosts *h, const char *path, int flags, int lock, np_key_failure *failure)
{
    *h = (hosts){path, -1, {NULL, 0}};
    np_err err = open_locked(h, flags, lock, failure);
    if (err == NP_OK && h->fd >= 0) {
        err = np__key_check(h->fd, path, NP__KEY_PUBLIC, NP_KEY_LIST_FILE_MAX, failure);
    }
    if (err == NP_OK && h->fd >= 0) {
        err = np__key_read(h->fd, path, NP_KEY_LIST_FILE_MAX, &h->text, failure);
    }
    return err;
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
    np_err err = hosts_open(&h, path, O_RDONLY, LOCK_SH, failure);
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

/* One write at the end; what does not fit is taken back. */
static np_err append(const hosts *h, const char *line, size_t len, np_key_failure *failure)
{
    int os_error = 0;

    if (len > NP_KEY_LIST_FILE_MAX - h->text.len) {
        return np__key_fail(failure, NP_ERR_TOO_LONG, 0, h->path, 0,
                            "no more fits into max %zu bytes: remove what is old",
                            NP_KEY_LIST_FILE_MAX);
    }
    os_error = np__key_write(h->fd, line, len);
    if (os_error == 0 && fsync(h->fd) != 0) {
        os_error = errno;
    }
    if (os_error == 0) {
        os_error = np__key_sync_folder(h->path);
    }
    if (os_error != 0) {
        if (ftruncate(h->fd, (off_t)h->text.len) != 0) {
            return np__key_fail(failure, NP_ERR_IO, os_error, h->path, 0,
                                "it cannot be written, and its last line may be torn: check it");
        }
        return np__key_fail(failure, NP_ERR_IO, os_error, h->path, 0, "it cannot be written");
    }
    return NP_OK;
}

np_err np_known_hosts_add(const char *path, const char *address, const uint8_t key[NP_KEY_LEN],
                          np_key_failure *failure)
{
    char key_text[NP_KEY_TEXT_LEN];
    char line[NP_ADDRESS_TEXT_LEN + NP_KEY_TEXT_LEN + 2];
    np_known_key known;
    hosts h;
    size_t from = 0;
    size_t to = 0;

    np_err err = check_address(address, path, failure);
    if (err != NP_OK) {
        return err;
    }
    int len = snprintf(line, sizeof line, "%s %s\n", address, np_key_format(key, key_text));
    err = hosts_open(&h, path, O_RDWR | O_CREAT | O_APPEND, LOCK_EX, failure);
    if (err == NP_OK) {
        err = hosts_find(&h, &known, &from, &to, address, key, failure);
    }
    if (err == NP_OK && known.verdict == NP_HOST_CHANGED) {
        err = np__key_fail(failure, NP_ERR_STATE, 0, path, known.line,
                           "the address has another key, %s, which stays: remove it first if the "
                           "change is meant",
                           np_key_format(known.key, key_text));
    }
    if (err == NP_OK && known.verdict == NP_HOST_UNKNOWN) {
        err = append(&h, line, (size_t)len, failure);
    }
    hosts_close(&h);
    return err;
}

/* Writes a new file without the bytes from..to beside the old one; returns 0 or an errno. */
static int write_without(const hosts *h, char *new_path, size_t from, size_t to)
{
    struct stat st;
    int fd = mkostemp(new_path, O_CLOEXEC);
    int os_error = fd < 0 ? errno : 0;

    if (fd < 0) {
        return os_error;
    }
    if (fstat(h->fd, &st) != 0 || fchmod(fd, st.st_mode & 0755) != 0) {
        os_error = errno;
    }
    if (os_error == 0) {
        os_error = np__key_write(fd, h->text.data, from);
    }
    if (os_error == 0) {
        os_error = np__key_write(fd, h->text.data + to, h->text.len - to);
    }
    if (os_error == 0 && fsync(fd) != 0) {
        os_error = errno;
    }
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

static np_err rewrite(const hosts *h, size_t from, size_t to, np_key_failure *failure)
{
    char *new_path = NULL;

    if (asprintf(&new_path, "%s.XXXXXX", h->path) < 0) {
        return np__key_fail(failure, NP_ERR_MEMORY, 0, h->path, 0, "%s",
                            np_err_text(NP_ERR_MEMORY));
    }
    int os_error = write_without(h, new_path, from, to);
    free(new_path);
    return os_error == 0 ? NP_OK
                         : np__key_fail(failure, NP_ERR_IO, os_error, h->path, 0,
                                        "it cannot be written anew");
}

np_err np_known_hosts_remove(const char *path, const char *address, bool *removed,
                             np_key_failure *failure)
{
    static const uint8_t any[NP_KEY_LEN] = {0};
    np_known_key known = {NP_HOST_UNKNOWN, 0, {0}};
    hosts h;
    size_t from = 0;
    size_t to = 0;

    if (removed != NULL) {
        *removed = false;
    }
    np_err err = hosts_open(&h, path, O_RDWR, LOCK_EX, failure);
    if (err == NP_OK && h.fd >= 0) {
        err = hosts_find(&h, &known, &from, &to, address, any, failure);
    }
    if (err == NP_OK && known.verdict != NP_HOST_UNKNOWN) {
        err = rewrite(&h, from, to, failure);
    }
    if (err == NP_OK && removed != NULL) {
        *removed = known.verdict != NP_HOST_UNKNOWN;
    }
    hosts_close(&h);
    return err;
}
