/* Listening: what each error of the system is called, what is set, and that a failure leaves no
 * descriptor behind. */
#include "transport/listener.h"
#include "transport/tcp.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* The linker puts it before the library's calls (--wrap): sockets of a family that fail. */
static int failing_family = -1;
static int failure;

int __real_socket(int family, int type, int protocol);
int __wrap_socket(int family, int type, int protocol);

int __wrap_socket(int family, int type, int protocol)
{
    if (family == failing_family) {
        errno = failure;
        return -1;
    }
    return __real_socket(family, type, protocol);
}

static void test_names_of_errors(void **state)
{
    static const struct {
        int os_error;
        np_err err;
    } rows[] = {
        {EADDRINUSE, NP_ERR_IN_USE}, {EMFILE, NP_ERR_FILES},   {ENFILE, NP_ERR_FILES},
        {ENOMEM, NP_ERR_MEMORY},     {ENOBUFS, NP_ERR_MEMORY}, {EACCES, NP_ERR_SYSTEM},
    };
    (void)state;

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct sockaddr_in in = {.sin_family = AF_INET};
        int os_error = 0;
        int fd = -1;
        assert_int_equal(np__socket_error(rows[i].os_error), rows[i].err);
        failing_family = AF_INET;
        failure = rows[i].os_error;
        assert_int_equal(np_tcp_listen((const struct sockaddr *)(const void *)&in, sizeof in, 5,
                                       false, &fd, &os_error),
                         rows[i].err);
        failing_family = -1;
        assert_int_equal(os_error, rows[i].os_error);
        assert_int_equal(fd, -1);
    }
}

/* The lowest descriptor that is free. */
static int next_descriptor(void)
{
    int fd = dup(0);

    (void)close(fd);
    return fd;
}

static void test_nothing_is_left_behind(void **state)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr = {htonl(0xC0000201)}};
    int before = next_descriptor();
    int os_error = 0;
    int fd = -1;
    (void)state;

    /* 192.0.2.1 is nobody's (RFC 5737). */
    assert_int_equal(np_tcp_listen((const struct sockaddr *)(const void *)&in, sizeof in, 5, false,
                                   &fd, &os_error),
                     NP_ERR_SYSTEM);
    assert_int_equal(os_error, EADDRNOTAVAIL);
    assert_int_equal(next_descriptor(), before);
}

static int v6only_at(const struct in6_addr *address)
{
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_addr = *address};
    int os_error = 0;
    int value = -1;
    int fd = -1;
    socklen_t len = sizeof value;

    if (np_tcp_listen((const struct sockaddr *)(const void *)&in6, sizeof in6, 5, false, &fd,
                      &os_error) != NP_OK) {
        return -1; /* a machine without IPv6 */
    }
    assert_int_equal(getsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &value, &len), 0);
    (void)close(fd);
    return value;
}

/* All addresses are those of IPv4 as well, whatever the system's default is; another is one. */
static void test_both_families(void **state)
{
    (void)state;
    int any = v6only_at(&in6addr_any);
    int loopback = v6only_at(&in6addr_loopback);
    if (any < 0 || loopback < 0) {
        skip();
    }
    assert_int_equal(any, 0);
    assert_int_equal(loopback, 1);
}

static bool on_accept(np_listener *listener, int fd, const struct sockaddr *peer, socklen_t len,
                      void *user)
{
    (void)listener;
    (void)peer;
    (void)len;
    (void)user;
    (void)close(fd);
    return false;
}

static np_err listen_on(const char *text, char shown[NP_ADDRESS_TEXT_LEN])
{
    const np_listener_options options = np_listener_options_default();
    np_listener *listener = NULL;
    np_address address;
    np_loop *loop = NULL;
    const char *why = NULL;
    int os_error = 0;

    assert_int_equal(np_loop_new(&loop, NULL), NP_OK);
    assert_int_equal(np_address_parse(text, &address, &why), NP_OK);
    np_err err =
        np_listener_open(&listener, loop, &address, &options, on_accept, NULL, &os_error, &why);
    shown[0] = '\0';
    if (err == NP_OK) {
        (void)np_address_format(np_listener_address(listener), shown);
    }
    np_listener_close(listener);
    np_loop_free(loop);
    return err;
}

static void test_localhost(void **state)
{
    char shown[NP_ADDRESS_TEXT_LEN];
    (void)state;

    assert_int_equal(listen_on("tcp://LocalHost:0", shown), NP_OK);
    assert_memory_equal(shown, "tcp://127.0.0.1:", 16);
    assert_int_equal(listen_on("tcp://example.org:0", shown), NP_ERR_ADDRESS);
}

/* On a machine without IPv6 all addresses are those of IPv4; one of IPv6 is none. */
static void test_no_ipv6(void **state)
{
    char shown[NP_ADDRESS_TEXT_LEN];
    (void)state;

    failing_family = AF_INET6;
    failure = EAFNOSUPPORT;
    assert_int_equal(listen_on("tcp://:0", shown), NP_OK);
    assert_int_equal(listen_on("tcp://[::1]:0", shown), NP_ERR_SYSTEM);
    failure = EMFILE;
    assert_int_equal(listen_on("tcp://:0", shown), NP_ERR_FILES);
    failing_family = -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names_of_errors), cmocka_unit_test(test_nothing_is_left_behind),
        cmocka_unit_test(test_both_families),   cmocka_unit_test(test_localhost),
        cmocka_unit_test(test_no_ipv6),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
