/* key_io.c - see key_io.h. */
#define _GNU_SOURCE
#include "transport/key_io.h"

#include <netproto/log.h>

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* As much of a path as a failure shows. */
#define SHOWN_PATH_LEN 320

np_err np__key_refuse(np__key_refusal *refusal, np_err err, size_t line, const char *rule)
{
    *refusal = (np__key_refusal){err, line, rule};
    return err;
}

/* Adds to the text, as far as there is room. */
__attribute__((format(printf, 2, 0))) static void say_args(np_key_failure *failure,
                                                           const char *format, va_list args)
{
    size_t used = strlen(failure->text);

    (void)vsnprintf(failure->text + used, sizeof failure->text - used, format, args);
}

__attribute__((format(printf, 2, 3))) static void say(np_key_failure *failure, const char *format,
                                                      ...)
{
    va_list args;

    va_start(args, format);
    say_args(failure, format, args);
    va_end(args);
}

np_err np__key_fail(np_key_failure *failure, np_err err, int os_error, const char *path,
                    size_t line, const char *format, ...)
{
    char text[SHOWN_PATH_LEN];
    va_list args;

    if (failure == NULL) {
        return err;
    }
    memset(failure, 0, sizeof *failure);
    failure->err = err;
    failure->os_error = os_error;
    failure->line = line;
    (void)np_log_escape(np_str_from(path), false, text, sizeof text);
    say(failure, "%s", text);
    if (line > 0) {
        say(failure, ", line %zu", line);
    }
    say(failure, ": ");
    va_start(args, format);
    say_args(failure, format, args);
    va_end(args);
    if (os_error != 0) {
        say(failure, " (%s)", strerror_r(os_error, text, sizeof text));
    }
    return err;
}

np_err np__key_fail_refused(np_key_failure *failure, const char *path,
                            const np__key_refusal *refusal)
{
    return np__key_fail(failure, refusal->err, 0, path, refusal->line, "%s", refusal->rule);
}

/* A link is told from links that lead in a circle on the way to the file, which have the same
 * error; the system's word for it, "too many levels", fits neither. */
static np_err fail_link(np_key_failure *failure, const char *path)
{
    struct stat st;

    if (lstat(path, &st) == 0 && S_ISLNK(st.st_mode)) {
        return np__key_fail(failure, NP_ERR_UNSAFE, 0, path, 0,
                            "it is a symbolic link, which somebody could turn elsewhere: name the "
                            "file that it leads to, as readlink -f tells it");
    }
    return np__key_fail(failure, NP_ERR_IO, ELOOP, path, 0,
                        "a symbolic link on the way to it leads in a circle");
}

np_err np__key_fail_open(np_key_failure *failure, int os_error, const char *path)
{
    switch (os_error) {
    case ELOOP:
        return fail_link(failure, path);
    case ENXIO:
    case EISDIR:
        return np__key_fail(failure, NP_ERR_UNSAFE, 0, path, 0,
                            "it is no regular file: name the file");
    case ENOMEM:
        return np__key_fail(failure, NP_ERR_MEMORY, os_error, path, 0, "it cannot be opened");
    default:
        return np__key_fail(failure, NP_ERR_IO, os_error, path, 0, "it cannot be opened");
    }
}

/* A path as a shell takes it, for people who copy the command; "FILE" where that is not simple. */
static const char *shell_word(const char *path, char out[SHOWN_PATH_LEN])
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                "/._+,:@%=-";
    bool quote = path[strspn(path, plain)] != '\0';
    int len = snprintf(out, SHOWN_PATH_LEN, quote ? "'%s'" : "%s", path);

    for (const unsigned char *p = (const unsigned char *)path; *p != '\0'; p++) {
        if (*p < 0x20 || *p >= 0x7F || *p == '\'') {
            return "FILE";
        }
    }
    return path[0] == '-' || len < 0 || len >= SHOWN_PATH_LEN ? "FILE" : out;
}

/* Whether there is a secret in the file, of whatever kind; also where that cannot be found out. */
static bool holds_secret(int fd, const char *path, size_t max)
{
    np__key_text text;
    bool holds = true;

    if (np__key_read(fd, path, max, &text, NULL) == NP_OK) {
        holds = memmem(text.data, text.len, "npsecret1", 9) != NULL ||
                memmem(text.data, text.len, "npsk1", 5) != NULL;
        np__key_text_free(&text);
    }
    return holds;
}

/* Others may use a file that should hold a secret. Where it holds none, which is the likely mistake
 * with a file that is open to others, a change of its mode would not help. */
static np_err fail_open_to_others(int fd, const char *path, unsigned mode, size_t max,
                                  np_key_failure *failure)
{
    char word[SHOWN_PATH_LEN];

    if (!holds_secret(fd, path, max)) {
        return np__key_fail(failure, NP_ERR_UNSAFE, 0, path, 0,
                            "there is no secret in it, and others may use it (mode %04o): is it "
                            "the right file?",
                            mode);
    }
    return np__key_fail(failure, NP_ERR_UNSAFE, 0, path, 0,
                        "others may use it (mode %04o), though it holds a secret: chmod 600 %s",
                        mode, shell_word(path, word));
}

np_err np__key_check(int fd, const char *path, np__key_privacy privacy, size_t max,
                     np_key_failure *failure)
{
    char word[SHOWN_PATH_LEN];
    struct stat st;

    if (fstat(fd, &st) != 0) {
        return np__key_fail(failure, NP_ERR_IO, errno, path, 0, "it cannot be looked at");
    }
    unsigned mode = st.st_mode & 07777u;
    if (!S_ISREG(st.st_mode)) {
        return np__key_fail(failure, NP_ERR_UNSAFE, 0, path, 0,
                            "it is no regular file: name the file");
    }
    if (st.st_uid != geteuid() && st.st_uid != 0) {
        return np__key_fail(failure, NP_ERR_UNSAFE, 0, path, 0,
                            "it belongs to uid %u, neither to you (uid %u) nor to root: check what "
                            "is in it, then chown %u %s",
                            (unsigned)st.st_uid, (unsigned)geteuid(), (unsigned)geteuid(),
                            shell_word(path, word));
    }
    if (privacy == NP__KEY_SECRET && (mode & 077u) != 0) {
        return fail_open_to_others(fd, path, mode, max, failure);
    }
    if ((mode & 022u) != 0) {
        return np__key_fail(failure, NP_ERR_UNSAFE, 0, path, 0,
                            "others may change it (mode %04o): chmod go-w %s", mode,
                            shell_word(path, word));
    }
    if ((uintmax_t)st.st_size > max) {
        return np__key_fail(failure, NP_ERR_TOO_LONG, 0, path, 0,
                            "%jd bytes exceed max %zu: is it the right file?", (intmax_t)st.st_size,
                            max);
    }
    return NP_OK;
}

np_err np__key_read(int fd, const char *path, size_t max, np__key_text *out,
                    np_key_failure *failure)
{
    struct stat st;
    ssize_t got = 0;

    *out = (np__key_text){NULL, 0};
    if (fstat(fd, &st) != 0 || st.st_size < 0) {
        return np__key_fail(failure, NP_ERR_IO, errno, path, 0, "it cannot be looked at");
    }
    /* One block from the start: growing it would leave secrets in those it leaves behind. */
    size_t size = (uintmax_t)st.st_size < max ? (size_t)st.st_size : max;
    out->data = malloc(size > 0 ? size : 1);
    if (out->data == NULL) {
        return np__key_fail(failure, NP_ERR_MEMORY, 0, path, 0, "%s", np_err_text(NP_ERR_MEMORY));
    }
    while (out->len < size) {
        got = pread(fd, out->data + out->len, size - out->len, (off_t)out->len);
        if (got == 0 || (got < 0 && errno != EINTR)) {
            break;
        }
        out->len += got > 0 ? (size_t)got : 0;
    }
    if (got < 0 && out->len < size) {
        int os_error = errno;
        np__key_text_free(out);
        return np__key_fail(failure, NP_ERR_IO, os_error, path, 0, "it cannot be read");
    }
    return NP_OK;
}

np_err np__key_load(const char *path, np__key_privacy privacy, size_t max, np__key_text *out,
                    np_key_failure *failure)
{
    /* O_NONBLOCK: opening a FIFO would wait for a writer. */
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

    *out = (np__key_text){NULL, 0};
    if (fd < 0) {
        return np__key_fail_open(failure, errno, path);
    }
    np_err err = np__key_check(fd, path, privacy, max, failure);
    if (err == NP_OK) {
        err = np__key_read(fd, path, max, out, failure);
    }
    (void)close(fd);
    return err;
}

void np__key_text_free(np__key_text *text)
{
    if (text->data != NULL) {
        np_secret_wipe(text->data, text->len);
        free(text->data);
    }
    *text = (np__key_text){NULL, 0};
}

int np__key_write(int fd, const char *data, size_t len)
{
    while (len > 0) {
        ssize_t put = write(fd, data, len);
        if (put < 0 && errno != EINTR) {
            return errno;
        }
        if (put > 0) {
            data += put;
            len -= (size_t)put;
        }
    }
    return 0;
}

int np__key_sync_folder(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *folder = slash == NULL ? strdup(".") : strndup(path, (size_t)(slash - path) + 1);
    int fd = folder == NULL ? -1 : open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    /* A folder that may be written to and not read, and a file system that cannot sync folders
     * (EINVAL), are no reason to do without the file. */
    int os_error = fd < 0 && errno != EACCES ? errno : 0;

    if (fd >= 0 && fsync(fd) != 0 && errno != EINVAL) {
        os_error = errno;
    }
    if (fd >= 0) {
        (void)close(fd);
    }
    free(folder);
    return os_error;
}
