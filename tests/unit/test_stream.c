/* What sockets give back, each outcome of a system call by itself: the pump meets most of them only
 * when the kernel is in the mood. The linker puts our functions before the calls (--wrap). */
#include "transport/stream.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

/* What the next calls do instead, first one first; 0 results are real ones. */
static int interruptions;
static int error;
static bool put_nothing;
static int send_flags;
static int linger_on;

ssize_t __real_recv(int fd, void *data, size_t cap, int flags);
ssize_t __wrap_recv(int fd, void *data, size_t cap, int flags);
ssize_t __real_readv(int fd, const struct iovec *iov, int count);
ssize_t __wrap_readv(int fd, const struct iovec *iov, int count);
ssize_t __real_send(int fd, const void *data, size_t len, int flags);
ssize_t __wrap_send(int fd, const void *data, size_t len, int flags);
ssize_t __real_sendmsg(int fd, const struct msghdr *msg, int flags);
ssize_t __wrap_sendmsg(int fd, const struct msghdr *msg, int flags);
int __real_setsockopt(int fd, int level, int name, const void *value, socklen_t len);
int __wrap_setsockopt(int fd, int level, int name, const void *value, socklen_t len);

static bool strikes(void)
{
    if (interruptions > 0) {
        interruptions--;
        errno = EINTR;
        return true;
    }
    errno = error;
    return error != 0;
}

ssize_t __wrap_recv(int fd, void *data, size_t cap, int flags)
{
    return strikes() ? -1 : __real_recv(fd, data, cap, flags);
}

ssize_t __wrap_readv(int fd, const struct iovec *iov, int count)
{
    return strikes() ? -1 : __real_readv(fd, iov, count);
}

ssize_t __wrap_send(int fd, const void *data, size_t len, int flags)
{
    send_flags = flags;
    return strikes() ? -1 : put_nothing ? 0 : __real_send(fd, data, len, flags);
}

ssize_t __wrap_sendmsg(int fd, const struct msghdr *msg, int flags)
{
    send_flags = flags;
    return strikes() ? -1 : put_nothing ? 0 : __real_sendmsg(fd, msg, flags);
}

int __wrap_setsockopt(int fd, int level, int name, const void *value, socklen_t len)
{
    linger_on += level == SOL_SOCKET && name == SO_LINGER;
    return __real_setsockopt(fd, level, name, value, len);
}

typedef struct world {
    np_stream stream;
    int other;
} world;

static void start(world *w)
{
    int fds[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
    np_unix_stream_init(&w->stream, fds[0]);
    w->other = fds[1];
    interruptions = 0;
    error = 0;
    put_nothing = false;
}

static void end(world *w)
{
    error = 0;
    w->stream.ops->close(&w->stream, false);
    (void)close(w->other);
}

/* Both ways to read, and both to write: with one piece and with two. */
static np_io read_once(world *w, bool pieces, size_t *count, int *os_error)
{
    static char data[2][8];
    const struct iovec iov[2] = {{data[0], 8}, {data[1], 8}};

    *count = 0;
    *os_error = 0;
    return pieces ? w->stream.ops->readv(&w->stream, iov, 2, count, os_error)
                  : w->stream.ops->read(&w->stream, data[0], 8, count, os_error);
}

static np_io write_once(world *w, bool pieces, size_t *count, int *os_error)
{
    static char data[8] = "1234567";
    const struct iovec iov[2] = {{data, 4}, {data + 4, 4}};

    *count = 0;
    *os_error = 0;
    return w->stream.ops->writev(&w->stream, iov, pieces ? 2 : 1, count, os_error);
}

static void test_reading(void **state)
{
    size_t count = 0;
    int os_error = 0;
    world w;

    (void)state;
    for (int pieces = 0; pieces < 2; pieces++) {
        start(&w);
        assert_int_equal(read_once(&w, pieces, &count, &os_error), NP_IO_WAIT_READ);
        assert_int_equal(send(w.other, "abc", 3, 0), 3);
        interruptions = 3;
        assert_int_equal(read_once(&w, pieces, &count, &os_error), NP_IO_OK);
        assert_int_equal(count, 3);
        assert_int_equal(interruptions, 0);
        error = ECONNRESET;
        assert_int_equal(read_once(&w, pieces, &count, &os_error), NP_IO_ERROR);
        assert_int_equal(os_error, ECONNRESET);
        error = EWOULDBLOCK;
        assert_int_equal(read_once(&w, pieces, &count, &os_error), NP_IO_WAIT_READ);
        error = 0;
        assert_int_equal(shutdown(w.other, SHUT_WR), 0);
        errno = EAGAIN; /* of some call before: the end is no error */
        assert_int_equal(read_once(&w, pieces, &count, &os_error), NP_IO_EOF);
        end(&w);
    }
}

static void test_writing(void **state)
{
    size_t count = 0;
    int os_error = 0;
    world w;

    (void)state;
    for (int pieces = 0; pieces < 2; pieces++) {
        start(&w);
        interruptions = 3;
        assert_int_equal(write_once(&w, pieces, &count, &os_error), NP_IO_OK);
        assert_int_equal(count, pieces ? 8 : 4);
        assert_int_equal(interruptions, 0);
        assert_int_not_equal(send_flags & MSG_NOSIGNAL, 0); /* nobody is killed for a peer */
        error = EPIPE;
        assert_int_equal(write_once(&w, pieces, &count, &os_error), NP_IO_ERROR);
        assert_int_equal(os_error, EPIPE);
        error = 0;
        put_nothing = true;
        assert_int_equal(write_once(&w, pieces, &count, &os_error), NP_IO_WAIT_WRITE);
        put_nothing = false;
        np_io io = NP_IO_OK;
        for (int i = 0; i < 1000000 && io == NP_IO_OK; i++) {
            io = write_once(&w, pieces, &count, &os_error);
        }
        assert_int_equal(io, NP_IO_WAIT_WRITE);
        end(&w);
    }
}

static void test_ending(void **state)
{
    char byte;
    world w;

    (void)state;
    for (int reset = 0; reset < 2; reset++) {
        start(&w);
        linger_on = 0;
        w.stream.ops->shutdown(&w.stream);
        assert_int_equal(recv(w.other, &byte, 1, 0), 0);
        assert_int_equal(send(w.other, "x", 1, MSG_NOSIGNAL), 1); /* the other direction is open */
        int fd = w.stream.fd;
        w.stream.ops->close(&w.stream, reset != 0);
        assert_int_equal(linger_on, reset);
        assert_int_equal(fcntl(fd, F_GETFD), -1);
        assert_int_equal(w.stream.fd, -1);
        /* Once more it does nothing, whoever has that descriptor now. */
        assert_int_equal(dup2(w.other, fd), fd);
        w.stream.ops->close(&w.stream, true);
        assert_int_equal(linger_on, reset);
        assert_true(fcntl(fd, F_GETFD) >= 0);
        (void)close(fd);
        (void)close(w.other);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reading),
        cmocka_unit_test(test_writing),
        cmocka_unit_test(test_ending),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
