/* Options that nobody filled in are refused with the words what to begin with; and a daemon that
 * would listen nowhere is none. */
#include "support/demo_service.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "service/daemon_private.h"

static const char *const addresses[] = {"tcp://127.0.0.1:0"};

static void expect_words(const np_failure *failure, const char *words)
{
    if (strstr(failure->text, words) == NULL) {
        fail_msg("\"%s\" is not in \"%s\"", words, failure->text);
    }
}

/* Each leaves options as they are without a default somewhere. */
static void zero_all(np_daemon_options *options)
{
    *options = (np_daemon_options){
        .addresses = addresses, .address_count = 1, .service = options->service};
}

static void zero_conn(np_daemon_options *options)
{
    options->conn = (np_conn_options){.queue_max = 0};
}

static void zero_queue(np_daemon_options *options)
{
    options->conn.queue_max = 0;
}

static void zero_message(np_daemon_options *options)
{
    options->conn.message_max = 0;
}

static void zero_connections(np_daemon_options *options)
{
    options->connections_max = 0;
}

static void zero_security(np_daemon_options *options)
{
    options->security = (np_security){.identity = NULL};
}

static void zero_service(np_daemon_options *options)
{
    options->service = (np_service){.protocol = NULL};
}

static void zero_addresses(np_daemon_options *options)
{
    options->address_count = 0;
}

static void null_addresses(np_daemon_options *options)
{
    options->addresses = NULL;
}

static void null_address(np_daemon_options *options)
{
    static const char *const none[] = {NULL};
    options->addresses = none;
}

static void many_addresses(np_daemon_options *options)
{
    options->address_count = 65;
}

static const struct {
    void (*spoil)(np_daemon_options *options);
    np_err err;
    const char *words;
} daemons[] = {
    {zero_all, NP_ERR_ARG, "the options are zero; begin with np_daemon_options_default()"},
    {zero_conn, NP_ERR_ARG, "conn is zero; begin with np_conn_options_default()"},
    {zero_queue, NP_ERR_ARG, "conn.queue_max is 0"},
    {zero_message, NP_ERR_ARG, "conn.message_max is 0"},
    {zero_connections, NP_ERR_ARG, "connections_max is 0"},
    {zero_security, NP_ERR_ARG, "set identity"},
    {zero_service, NP_ERR_ARG, "service has no protocol; set it to X_service(&handlers)"},
    {zero_addresses, NP_ERR_ARG, "addresses: there is none; set addresses and address_count"},
    {null_addresses, NP_ERR_ARG, "addresses: there is none; set addresses and address_count"},
    {null_address, NP_ERR_ADDRESS, "there is no address"},
    {many_addresses, NP_ERR_ARG, "addresses: more than 64"},
};

static void test_daemons(void **state)
{
    np_loop *loop = NULL;
    (void)state;

    demo_must(np_loop_new(&loop, NULL), NULL);
    for (size_t i = 0; i < sizeof daemons / sizeof daemons[0]; i++) {
        np_daemon_options options = demo_daemon_options(&demo_echo, addresses, 1);
        np_daemon *daemon = NULL;
        np_failure failure = {.err = NP_OK};

        daemons[i].spoil(&options);
        assert_int_equal(np_daemon_start(&daemon, loop, &options, &failure), daemons[i].err);
        assert_null(daemon);
        assert_int_equal(failure.err, daemons[i].err);
        expect_words(&failure, daemons[i].words);
    }
    np_loop_free(loop);
}

static const struct {
    bool all, conn, service, security, address;
    np_err err;
    const char *words;
} clients[] = {
    {.all = true, .err = NP_ERR_ARG, .words = "the options are zero; begin with np_client_options"},
    {.conn = true,
     .err = NP_ERR_ARG,
     .words = "conn is zero; begin with np_conn_options_default()"},
    {.service = true, .err = NP_ERR_ARG, .words = "service has no protocol"},
    {.security = true, .err = NP_ERR_ARG, .words = "set identity"},
    {.address = true, .err = NP_ERR_ADDRESS, .words = "there is no address"},
};

static void test_clients(void **state)
{
    np_loop *loop = NULL;
    (void)state;

    demo_must(np_loop_new(&loop, NULL), NULL);
    for (size_t i = 0; i < sizeof clients / sizeof clients[0]; i++) {
        np_client_options options = demo_client_options(&demo_echo, "tcp://127.0.0.1:1");
        np_failure failure = {.err = NP_OK};
        np_client *client = NULL;

        if (clients[i].all) {
            options = (np_client_options){.address = options.address, .service = options.service};
        }
        options.conn = clients[i].conn ? (np_conn_options){.queue_max = 0} : options.conn;
        options.service = clients[i].service ? (np_service){NULL, NULL, NULL} : options.service;
        options.security = clients[i].security ? (np_security){.identity = NULL} : options.security;
        options.address = clients[i].address ? NULL : options.address;
        assert_int_equal(np_client_new(&client, loop, &options, &failure), clients[i].err);
        assert_null(client);
        expect_words(&failure, clients[i].words);
    }
    np_loop_free(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_daemons),
        cmocka_unit_test(test_clients),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
