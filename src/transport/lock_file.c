/* lock_file.c - see lock_file.h. */
#define _GNU_SOURCE
#include "transport/lock_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define PAUSE_NS 1000000

static bool make_name(const char *path, char name[PATH_MAX])
{
    int len = snprintf(name, PATH_MAX, "%s" NP__LOCK_SUFFIX, path);

    return len > 0 && len < PATH_MAX;
}

/* Opens the file, or makes it. Returns -1 with errno; EWOULDBLOCK: it was removed in between. */
static int open_lock(const char *name)
{
    const int flags = O_RDWR | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
    int fd = open(name, flags | O_CREAT | O_EXCL, 0600);

    if (fd < 0 && errno == EEXIST) {
        fd = open(name, flags);
        errno = fd < 0 && errno == ENOENT ? EWOULDBLOCK : errno;
        return fd;
    }
    if (fd < 0) {
        return -1;
    }
    /* The umask has taken bits at most; a default ACL of the folder may have given some. */
    if (fchmod(fd, 0600) != 0) {
        int os_error = errno;
        (void)close(fd);
        errno = os_error;
        return -1;
    }
    return fd;
}

/* Whether nobody but us may open it, so that nobody else holds its lock. */
static bool is_our_own(int fd)
{
    struct stat st;

    return fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_uid == geteuid() &&
           (st.st_mode & 077u) == 0;
}

/* Whether the file still has its name: whoever had the lock may have removed it. */
static bool is_current(int fd, const char *name)
{
    struct stat ours;
    struct stat named;

    return fstat(fd, &ours) == 0 && lstat(name, &named) == 0 && ours.st_dev == named.st_dev &&
           ours.st_ino == named.st_ino;
}

/* One try. NP_ERR_DEADLINE: later, maybe. */
static np_err take_now(const char *name, int *fd, int *os_error)
{
    np_err err = NP_ERR_DEADLINE;

    *fd = open_lock(name);
    if (*fd < 0) {
        *os_error = errno;
        switch (errno) {
        case EWOULDBLOCK:
            return NP_ERR_DEADLINE;
        case ELOOP:
        case EISDIR:
        case ENXIO:
            return NP_ERR_UNSAFE;
        default:
            return NP_ERR_IO;
        }
    }
    if (!is_our_own(*fd)) {
        err = NP_ERR_UNSAFE;
    } else if (flock(*fd, LOCK_EX | LOCK_NB) != 0) {
        *os_error = errno;
        err = errno == EWOULDBLOCK || errno == EINTR ? NP_ERR_DEADLINE : NP_ERR_IO;
    } else if (is_current(*fd, name)) {
        return NP_OK;
    }
    (void)close(*fd);
    *fd = -1;
    return err;
}

np_err np__lock_file_take(const char *path, unsigned wait_ms, int *fd, int *os_error)
{
    const struct timespec pause = {0, PAUSE_NS};
    char name[PATH_MAX];
    np_err err = NP_OK;

    *fd = -1;
    *os_error = 0;
    if (!make_name(path, name)) {
        *os_error = ENAMETOOLONG;
        return NP_ERR_IO;
    }
    for (unsigned waited = 0;; waited++) {
        err = take_now(name, fd, os_error);
        if (err != NP_ERR_DEADLINE) {
            return err;
        }
        *os_error = 0;
        if (waited >= wait_ms) {
            return err;
        }
        (void)nanosleep(&pause, NULL);
    }
}

void np__lock_file_release(const char *path, int fd, bool remove)
{
    char name[PATH_MAX];

    if (fd < 0) {
        return;
    }
    /* Still locked: whoever waits for it finds it gone, and nobody has another one meanwhile. */
    if (remove && make_name(path, name)) {
        (void)unlink(name);
    }
    /* Closing alone does not: a child that another thread has forked meanwhile has it open, too. */
    (void)flock(fd, LOCK_UN);
    (void)close(fd);
}
