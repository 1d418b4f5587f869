/* unix.c - unix sockets. See unix.h and stream.h. */
#define _GNU_SOURCE
#include "transport/unix.h"
#include "transport/tcp.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* How often and how long to wait for another process that is replacing a file just now. */
#define LOCK_TRIES 100
#define LOCK_WAIT_NS 1000000

static const np_stream_ops unix_ops = {
    .name = "unix",
    .read = np__socket_read,
    .readv = np__socket_readv,
    .writev = np__socket_writev,
    .shutdown = np__socket_shutdown,
    .close = np__socket_close,
};

void np_unix_stream_init(np_stream *stream, int fd)
{
    *stream = (np_stream){&unix_ops, NULL, fd};
}

np_err np_unix_peer(int fd, np_credentials *out)
{
    struct ucred cred;
    socklen_t len = sizeof cred;

    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) != 0) {
        return NP_ERR_SYSTEM;
    }
    *out = (np_credentials){(uint32_t)cred.pid, cred.uid, cred.gid};
    return NP_OK;
}

/* Locks the directory of a path while a socket is bound and does not listen yet: it looks like a
 * stale one meanwhile, and two daemons that start at once must not remove each other's. Returns a
 * descriptor that holds the lock, or -1. */
static int lock_directory(const char *path)
{
    char directory[sizeof(((np_address *)0)->host)];
    const char *slash = strrchr(path, '/');
    size_t len = slash == path ? 1 : (size_t)(slash - path);
    const struct timespec pause = {0, LOCK_WAIT_NS};
    int fd = -1;

    memcpy(directory, path, len);
    directory[len] = '\0';
    fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        return -1;
    }
    for (int i = 0; i < LOCK_TRIES; i++) {
        if (flock(fd, LOCK_EX | LOCK_NB) == 0) {
            return fd;
        }
        (void)nanosleep(&pause, NULL);
    }
    (void)close(fd);
    return -1;
}

/* Whether somebody accepts connections on a socket file. When in doubt: yes. */
static bool somebody_listens(const struct sockaddr *sa, socklen_t len)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    bool refused = false;

    if (fd < 0) {
        return true;
    }
    /* A full backlog gives EAGAIN, which means that there is a listener. */
    refused = connect(fd, sa, len) != 0 && errno == ECONNREFUSED;
    (void)close(fd);
    return !refused;
}

/* Removes a file in the way if that is safe. */
static np_err remove_stale(const char *path, const struct sockaddr *sa, socklen_t len,
                           int *os_error, const char **why)
{
    struct stat before;
    struct stat after;

    if (lstat(path, &before) != 0) {
        *os_error = errno;
        return errno == ENOENT ? NP_OK : NP_ERR_SYSTEM;
    }
    if (!S_ISSOCK(before.st_mode)) {
        *why = "a file that is no socket is in the way";
        return NP_ERR_IN_USE;
    }
    if (before.st_uid != geteuid()) {
        *why = "the socket in the way belongs to another user";
        return NP_ERR_IN_USE;
    }
    if (somebody_listens(sa, len)) {
        *why = "somebody listens on it";
        return NP_ERR_IN_USE;
    }
    if (lstat(path, &after) != 0 || after.st_dev != before.st_dev ||
        after.st_ino != before.st_ino) {
        *why = "the socket in the way changed while it was looked at";
        return NP_ERR_IN_USE;
    }
    if (unlink(path) != 0) {
        *os_error = errno;
        *why = "the stale socket in the way could not be removed";
        return NP_ERR_SYSTEM;
    }
    return NP_OK;
}

static np_err bind_file(int fd, const np_address *address, bool locked, int *os_error,
                        const char **why)
{
    struct sockaddr_storage storage;
    const struct sockaddr *sa = (const struct sockaddr *)&storage;
    socklen_t len = np_address_numeric(address, &storage);
    np_err err = NP_OK;

    if (bind(fd, sa, len) == 0) {
        return NP_OK;
    }
    *os_error = errno;
    if (errno != EADDRINUSE) {
        return np__socket_error(errno);
    }
    if (address->abstract) {
        *why = "somebody listens on it";
        return NP_ERR_IN_USE;
    }
    if (!locked) {
        *why = "a socket file is in the way and its directory could not be locked";
        return NP_ERR_IN_USE;
    }
    err = remove_stale(address->host, sa, len, os_error, why);
    if (err == NP_OK && bind(fd, sa, len) != 0) {
        *os_error = errno;
        err = np__socket_error(errno);
    }
    return err;
}

/* Notes which file is ours, and widens its mode if the umask took bits that were asked for. */
static np_err note_file(const np_address *address, unsigned mode, np_unix_listen *out,
                        int *os_error)
{
    struct stat st;

    if (address->abstract) {
        return NP_OK;
    }
    if (lstat(address->host, &st) != 0 || !S_ISSOCK(st.st_mode)) {
        *os_error = errno;
        return NP_ERR_SYSTEM;
    }
    out->has_file = true;
    out->device = st.st_dev;
    out->inode = st.st_ino;
    /* Never through a link that somebody has put there meanwhile. */
    if ((st.st_mode & 07777) != mode &&
        fchmodat(AT_FDCWD, address->host, (mode_t)mode, AT_SYMLINK_NOFOLLOW) != 0) {
        *os_error = errno;
        return NP_ERR_SYSTEM;
    }
    return NP_OK;
}

np_err np_unix_open(const np_address *address, unsigned mode, int backlog, np_unix_listen *out,
                    int *os_error, const char **why)
{
    int lock = -1;
    np_err err = NP_OK;

    memset(out, 0, sizeof *out);
    out->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (out->fd < 0) {
        *os_error = errno;
        return np__socket_error(errno);
    }
    /* The file gets the mode of the socket less the umask (unix(7)), so setting it first leaves no
     * moment in which the file is more open than asked for. */
    if (fchmod(out->fd, (mode_t)mode) != 0) {
        *os_error = errno;
        err = NP_ERR_SYSTEM;
    }
    if (err == NP_OK) {
        /* Without the lock (somebody holds it, or the directory cannot be read) a place that is
         * free is taken all the same. */
        lock = address->abstract ? -1 : lock_directory(address->host);
        err = bind_file(out->fd, address, lock >= 0, os_error, why);
    }
    if (err == NP_OK) {
        err = note_file(address, mode, out, os_error);
        if (err == NP_OK && listen(out->fd, backlog) != 0) {
            *os_error = errno;
            err = np__socket_error(errno);
        }
    }
    if (err != NP_OK) {
        np_unix_shut(out, address);
    }
    if (lock >= 0) {
        (void)close(lock);
    }
    return err;
}

void np_unix_shut(np_unix_listen *listen, const np_address *address)
{
    struct stat st;

    if (listen->fd >= 0) {
        (void)close(listen->fd);
        listen->fd = -1;
    }
    if (listen->has_file && lstat(address->host, &st) == 0 && S_ISSOCK(st.st_mode) &&
        st.st_dev == listen->device && st.st_ino == listen->inode) {
        (void)unlink(address->host);
    }
    listen->has_file = false;
}
