/* unix.c - unix sockets. See unix.h and stream.h. */
#define _GNU_SOURCE
#include "transport/unix.h"
#include "transport/lock_file.h"
#include "transport/tcp.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

/* How long to wait for another process that is taking the same place just now. */
#define LOCK_WAIT_MS 100

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

/* Removes a socket in the way if that is safe. `held` is open on it: while we hold it no new file
 * gets its number, by which we know it again. */
static np_err remove_held(const char *path, int held, const struct sockaddr *sa, socklen_t len,
                          int *os_error, const char **why)
{
    struct stat before;
    struct stat after;

    if (fstat(held, &before) != 0) {
        *os_error = errno;
        return NP_ERR_SYSTEM;
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

static np_err remove_stale(const char *path, const struct sockaddr *sa, socklen_t len,
                           int *os_error, const char **why)
{
    int held = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    np_err err = NP_OK;

    if (held < 0) {
        *os_error = errno;
        return errno == ENOENT ? NP_OK : NP_ERR_SYSTEM;
    }
    err = remove_held(path, held, sa, len, os_error, why);
    (void)close(held);
    return err;
}

/* What is wrong where a stale socket would have to be replaced, and was not locked. */
static const char *why_not_locked(np_err err)
{
    switch (err) {
    case NP_ERR_DEADLINE:
        return "a socket file is in the way, and another process is starting or stopping there: "
               "its lock file (the same name and .lock) could not be locked";
    case NP_ERR_UNSAFE:
        return "a socket file is in the way, and what is there as its lock file (the same name and "
               ".lock) is not this user's own, open to nobody else: look at it, and remove it";
    default:
        return "a socket file is in the way, and its lock file (the same name and .lock) could not "
               "be made or opened";
    }
}

/* locked: NP_OK, or why there is no lock. */
static np_err bind_file(int fd, const np_address *address, np_err locked, int *os_error,
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
    if (locked != NP_OK) {
        *why = why_not_locked(locked);
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
                        int *os_error, const char **why)
{
    struct stat st;

    if (address->abstract) {
        return NP_OK;
    }
    if (lstat(address->host, &st) != 0) {
        *os_error = errno;
        return NP_ERR_SYSTEM;
    }
    if (!S_ISSOCK(st.st_mode)) {
        *why = "somebody has put another file in the socket's place";
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

/* Whether a socket of ours has this name; its lock file stays as long as it does. */
static bool is_our_socket(const char *path)
{
    struct stat st;

    return lstat(path, &st) == 0 && S_ISSOCK(st.st_mode) && st.st_uid == geteuid();
}

static void unlock(const np_address *address, int lock)
{
    np__lock_file_release(address->host, lock, !is_our_socket(address->host));
}

/* The file goes before the socket does. While somebody listens on it nobody takes it for a stale
 * one, so that it cannot become another daemon's between the look and the removal; and while the
 * socket is open the system gives the number of its file to no new one. */
static void shut(np_unix_listen *listen, const np_address *address)
{
    struct stat st;

    if (listen->has_file && lstat(address->host, &st) == 0 && S_ISSOCK(st.st_mode) &&
        st.st_dev == listen->device && st.st_ino == listen->inode) {
        (void)unlink(address->host);
    }
    listen->has_file = false;
    if (listen->fd >= 0) {
        (void)close(listen->fd);
        listen->fd = -1;
    }
}

/* Everything behind the lock. */
static np_err take_place(const np_address *address, unsigned mode, int backlog, np_err locked,
                         np_unix_listen *out, int *os_error, const char **why)
{
    np_err err = NP_OK;

    /* The file gets the mode of the socket less the umask (unix(7)), so setting it first leaves no
     * moment in which the file is more open than asked for. */
    if (fchmod(out->fd, (mode_t)mode) != 0) {
        *os_error = errno;
        return NP_ERR_SYSTEM;
    }
    err = bind_file(out->fd, address, locked, os_error, why);
    if (err == NP_OK) {
        err = note_file(address, mode, out, os_error, why);
    }
    if (err == NP_OK && listen(out->fd, backlog) != 0) {
        *os_error = errno;
        err = np__socket_error(errno);
    }
    return err;
}

np_err np_unix_open(const np_address *address, unsigned mode, int backlog, np_unix_listen *out,
                    int *os_error, const char **why)
{
    int lock = -1;
    int lock_error = 0;
    np_err locked = NP_OK;
    np_err err = NP_OK;

    memset(out, 0, sizeof *out);
    out->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (out->fd < 0) {
        *os_error = errno;
        return np__socket_error(errno);
    }
    /* Between bind and listen it looks like a stale one, and two daemons that start at once must
     * not remove each other's. Without the lock a place that is free is taken all the same. */
    if (!address->abstract) {
        locked = np__lock_file_take(address->host, LOCK_WAIT_MS, &lock, &lock_error);
    }
    err = take_place(address, mode, backlog, locked, out, os_error, why);
    if (err != NP_OK) {
        shut(out, address);
    }
    unlock(address, lock);
    return err;
}

void np_unix_shut(np_unix_listen *listen, const np_address *address)
{
    int lock = -1;
    int os_error = 0;
    /* Who has it is about to come, and needs it: then it stays. */
    np_err locked =
        listen->has_file ? np__lock_file_take(address->host, 0, &lock, &os_error) : NP_OK;

    (void)locked;
    shut(listen, address);
    unlock(address, lock);
}
