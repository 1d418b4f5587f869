/* How descriptors are set up that nobody looks at: an option that is missing costs no error, but
 * time, or a leak into another program. */
#include "support/option_world.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define FDS_MAX 256

/* Descriptors that were open before the library was used. */
static bool before[FDS_MAX];

static bool is_open(int fd)
{
    return fcntl(fd, F_GETFD) >= 0;
}

static void note_descriptors(void)
{
    for (int fd = 0; fd < FDS_MAX; fd++) {
        before[fd] = is_open(fd);
    }
}

static int option(int fd, int level, int name)
{
    int value = -1;
    socklen_t len = sizeof value;

    return getsockopt(fd, level, name, &value, &len) == 0 ? value : -1;
}

typedef struct found {
    size_t listeners, connections, others;
} found;

static void check_connection(int fd)
{
    if (option(fd, SOL_SOCKET, SO_DOMAIN) == AF_UNIX) {
        return;
    }
    assert_int_equal(option(fd, IPPROTO_TCP, TCP_NODELAY), 1);
    /* A peer whose machine is gone is noticed two minutes later. */
    assert_true(option(fd, SOL_SOCKET, SO_KEEPALIVE) > 0);
    assert_int_equal(option(fd, IPPROTO_TCP, TCP_KEEPIDLE), 60);
    assert_int_equal(option(fd, IPPROTO_TCP, TCP_KEEPINTVL), 10);
    assert_int_equal(option(fd, IPPROTO_TCP, TCP_KEEPCNT), 6);
}

static void check_listener(int fd, bool reuse_port, bool wildcard)
{
    if (option(fd, SOL_SOCKET, SO_DOMAIN) == AF_UNIX) {
        return;
    }
    /* So that a daemon may start again while connections of the last one linger. */
    assert_true(option(fd, SOL_SOCKET, SO_REUSEADDR) > 0);
    assert_int_equal(option(fd, SOL_SOCKET, SO_REUSEPORT), reuse_port);
    if (option(fd, SOL_SOCKET, SO_DOMAIN) == AF_INET6) {
        assert_int_equal(option(fd, IPPROTO_IPV6, IPV6_V6ONLY), !wildcard);
    }
}

/* Looks at all that the library has opened. */
static found look(bool reuse_port, bool wildcard)
{
    found f = {0, 0, 0};

    for (int fd = 0; fd < FDS_MAX; fd++) {
        if (before[fd] || !is_open(fd)) {
            continue;
        }
        if ((fcntl(fd, F_GETFD) & FD_CLOEXEC) == 0) {
            fail_msg("descriptor %d would be left to a program that is started", fd);
        }
        if (option(fd, SOL_SOCKET, SO_TYPE) != SOCK_STREAM) {
            f.others++;
            continue;
        }
        assert_true((fcntl(fd, F_GETFL) & O_NONBLOCK) != 0);
        if (option(fd, SOL_SOCKET, SO_ACCEPTCONN) > 0) {
            check_listener(fd, reuse_port, wildcard);
            f.listeners++;
        } else {
            check_connection(fd);
            f.connections++;
        }
    }
    return f;
}

static void test_descriptors(void **state)
{
    static const struct {
        const char *address;
        bool reuse_port, wildcard;
    } cases[] = {
        {"tcp://127.0.0.1:0", false, false},
        {"tcp://127.0.0.1:0", true, false},
        {"tcp://[::1]:0", false, false},
        {"tcp://:0", false, true},
        {NULL, false, false},
    };
    char private[64];

    (void)state;
    (void)snprintf(private, sizeof private, "unix://@netproto-test-sockets-%d", (int)getpid());
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *address = cases[i].address != NULL ? cases[i].address : private;
        char reached[64];
        option_world w;
        found f;

        note_descriptors();
        option_world_init(&w);
        w.daemon_options.addresses = &address;
        w.daemon_options.reuse_port = cases[i].reuse_port;
        option_world_listen(&w);
        if (cases[i].wildcard) {
            (void)snprintf(reached, sizeof reached, "tcp://127.0.0.1%s",
                           strrchr(np_daemon_address(w.daemon, 0), ':'));
            w.client_options.address = reached;
        }
        demo_must(option_world_connect(&w), &w.failure);
        f = look(cases[i].reuse_port, cases[i].wildcard);
        assert_int_equal(f.listeners, 1);
        assert_int_equal(f.connections, 2);
        assert_true(f.others > 0); /* the loop's own */
        option_world_fini(&w);
        for (int fd = 0; fd < FDS_MAX; fd++) {
            assert_int_equal(is_open(fd), before[fd]);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_descriptors),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
