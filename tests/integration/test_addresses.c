/* Addresses that are well written, and cannot be listened on or connected to all the same: what is
 * said is about this machine, or about this daemon's own other addresses. */
#include "support/demo_service.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

static void expect_words(const char *text, const char *words)
{
    if (strstr(text, words) == NULL) {
        fail_msg("\"%s\" is not in \"%s\"", words, text);
    }
}

/* A port that nobody has just now. */
static unsigned free_port(np_loop *loop)
{
    static const char *const any[] = {"tcp://127.0.0.1:0"};
    np_daemon_options options = demo_daemon_options(&demo_echo, any, 1);
    np_daemon *daemon = NULL;
    unsigned port = 0;

    demo_must(np_daemon_start(&daemon, loop, &options, NULL), NULL);
    assert_int_equal(sscanf(np_daemon_address(daemon, 0), "tcp://127.0.0.1:%u", &port), 1);
    np_daemon_free(daemon);
    return port;
}

/* Two addresses of one daemon of which the second is not free for the first. %u is the port. */
static const char *const pairs[][2] = {
    {"tcp://0.0.0.0:%u", "tcp://[::]:%u"},        {"tcp://[::]:%u", "tcp://0.0.0.0:%u"},
    {"tcp://*:%u", "tcp://0.0.0.0:%u"},           {"tcp://:%u", "tcp://127.0.0.1:%u"},
    {"tcp://127.0.0.1:%u", "tcp://0.0.0.0:%u"},   {"tcp://127.0.0.1:%u", "tcp://localhost:%u"},
    {"tcp://127.0.0.1:%u", "tcp://127.0.0.1:%u"}, {"unix://@np-twice-%u", "unix://@np-twice-%u"},
};

static void test_a_daemon_in_its_own_way(void **state)
{
    np_loop *loop = NULL;
    (void)state;

    demo_must(np_loop_new(&loop, NULL), NULL);
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        char texts[2][64];
        const char *const addresses[] = {texts[0], texts[1]};
        np_daemon_options options = demo_daemon_options(&demo_echo, addresses, 2);
        np_daemon *daemon = NULL;
        np_failure failure = {.err = NP_OK};

        /* Other tests run at the same time, and may be quicker to take the port. */
        for (int tries = 0; tries < 10; tries++) {
            unsigned port = free_port(loop);
            (void)snprintf(texts[0], sizeof texts[0], pairs[i][0], port);
            (void)snprintf(texts[1], sizeof texts[1], pairs[i][1], port);
            assert_int_equal(np_daemon_start(&daemon, loop, &options, &failure), NP_ERR_IN_USE);
            if (strstr(failure.text, "running twice") == NULL) {
                break;
            }
        }
        expect_words(failure.text, texts[1]);
        expect_words(failure.text, "this daemon listens there already, by another of its "
                                   "addresses");
        assert_null(strstr(failure.text, "running twice"));
        /* Apart, each is fine. */
        options.address_count = 1;
        demo_must(np_daemon_start(&daemon, loop, &options, &failure), &failure);
        np_daemon_free(daemon);
    }
    np_loop_free(loop);
}

/* Somebody else has it: that may be the same daemon, once more. */
static void test_running_twice(void **state)
{
    static const char *const any[] = {"tcp://127.0.0.1:0"};
    np_daemon_options options = demo_daemon_options(&demo_echo, any, 1);
    np_daemon *first = NULL;
    np_daemon *second = NULL;
    np_failure failure = {.err = NP_OK};
    const char *taken[2] = {"tcp://127.0.0.1:0"};
    np_loop *loop = NULL;
    (void)state;

    demo_must(np_loop_new(&loop, NULL), NULL);
    demo_must(np_daemon_start(&first, loop, &options, NULL), NULL);
    taken[1] = np_daemon_address(first, 0);
    options.addresses = taken;
    options.address_count = 2;
    assert_int_equal(np_daemon_start(&second, loop, &options, &failure), NP_ERR_IN_USE);
    expect_words(failure.text, "is the daemon running twice?");
    np_daemon_free(first);
    np_loop_free(loop);
}

/* An interface that this machine does not have: the address is not malformed. */
static void test_interfaces(void **state)
{
    static const char words[] = "this machine has no interface of the name behind '%'";
    static const char *const addresses[] = {"tcp://[fe80::1%nosuch]:1"};
    np_daemon_options daemon_options = demo_daemon_options(&demo_echo, addresses, 1);
    np_client_options client_options = demo_client_options(NULL, addresses[0]);
    np_failure failure = {.err = NP_OK};
    np_daemon *daemon = NULL;
    np_client *client = NULL;
    np_loop *loop = NULL;
    (void)state;

    demo_must(np_loop_new(&loop, NULL), NULL);
    assert_int_equal(np_daemon_start(&daemon, loop, &daemon_options, &failure), NP_ERR_SYSTEM);
    assert_int_equal(failure.stage, NP_STAGE_LISTEN);
    expect_words(failure.text, words);
    demo_must(np_client_new(&client, loop, &client_options, NULL), NULL);
    assert_int_equal(np_client_connect_wait(client, &failure), NP_ERR_CONNECT);
    assert_int_equal(failure.stage, NP_STAGE_CONNECT);
    expect_words(failure.text, words);
    np_client_free(client);
    np_loop_free(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_daemon_in_its_own_way),
        cmocka_unit_test(test_running_twice),
        cmocka_unit_test(test_interfaces),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
