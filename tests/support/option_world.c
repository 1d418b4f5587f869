#include "support/option_world.h"

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

static const char *const loopback[] = {"tcp://127.0.0.1:0"};

static void on_open(np_conn *conn, void *user)
{
    option_side *side = user;

    side->conn = conn;
    side->opened = true;
}

static void on_close(np_conn *conn, const np_failure *failure, void *user)
{
    option_side *side = user;

    (void)conn;
    side->closed = true;
    side->failure = *failure;
}

void option_world_init(option_world *w)
{
    memset(w, 0, sizeof *w);
    demo_must(np_loop_new(&w->loop, NULL), NULL);
    w->daemon_options = demo_daemon_options(&demo_echo, loopback, 1);
    w->daemon_options.security = (np_security){.plaintext = true};
    w->daemon_options.handlers =
        (np_conn_handlers){.on_open = on_open, .on_close = on_close, .user = &w->server};
    w->client_options = demo_client_options(NULL, NULL);
    w->client_options.security = (np_security){.plaintext = true};
    w->client_options.handlers =
        (np_conn_handlers){.on_open = on_open, .on_close = on_close, .user = &w->user};
}

void option_world_listen(option_world *w)
{
    demo_must(np_daemon_start(&w->daemon, w->loop, &w->daemon_options, &w->failure), &w->failure);
    w->client_options.address = np_daemon_address(w->daemon, 0);
}

np_err option_world_connect(option_world *w)
{
    np_err err = NP_OK;

    if (w->daemon == NULL) {
        option_world_listen(w);
    }
    demo_must(np_client_new(&w->client, w->loop, &w->client_options, &w->failure), &w->failure);
    err = np_client_connect_wait(w->client, &w->failure);
    if (err == NP_OK) {
        demo_run(w->loop, &w->server.opened);
    }
    return err;
}

void option_world_fini(option_world *w)
{
    np_client_free(w->client);
    np_daemon_free(w->daemon);
    np_loop_free(w->loop);
}

int option_world_raw(option_world *w)
{
    uint8_t bytes[512];
    size_t len = demo_raw_hello(bytes, sizeof bytes);
    int fd = demo_raw_connect(np_daemon_address(w->daemon, 0));

    assert_int_equal(send(fd, bytes, len, MSG_NOSIGNAL), (ssize_t)len);
    demo_run(w->loop, &w->server.opened);
    demo_rest(w->loop, 5);
    assert_true(recv(fd, bytes, sizeof bytes, 0) > 0);
    return fd;
}

bool option_world_until_readable(option_world *w, int fd, uint32_t limit_ms)
{
    struct pollfd readable = {.fd = fd, .events = POLLIN};
    uint64_t until = np_loop_now(w->loop).mono_ms + limit_ms;

    while (np_loop_now(w->loop).mono_ms < until) {
        if (poll(&readable, 1, 0) == 1) {
            return true;
        }
        demo_rest(w->loop, 1);
    }
    return false;
}

bool option_world_until(option_world *w, const bool *done, uint32_t limit_ms)
{
    np_err err = np_loop_run_until(w->loop, done, limit_ms);

    assert_true(err == NP_OK || err == NP_ERR_DEADLINE);
    return err == NP_OK;
}
