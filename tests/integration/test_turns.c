/* A connection that has much to say gets a share of a turn, and then the others have theirs. */
#include "support/demo_service.h"

#include "transport/pump.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

/* All that a peer has to say fits into one read, so only the share of a turn divides it. */
enum { PEERS = 3, MESSAGES = 2000, MESSAGE_LEN = 64 };
_Static_assert(MESSAGES > 4 * NP_LINK_EVENTS_MAX, "more than a few turns' share");

typedef struct hearing {
    np_conn *conns[PEERS];
    size_t heard[PEERS];
    np_conn *last;
    size_t streak, longest; /* messages of one peer, one after the other, while others wait */
    bool done;
} hearing;

static np_err on_say(np_conn *conn, const demo_say *msg, void *user)
{
    hearing *h = user;
    size_t waiting = 0;
    size_t i = 0;

    (void)msg;
    while (i < PEERS - 1 && h->conns[i] != NULL && h->conns[i] != conn) {
        i++;
    }
    h->conns[i] = conn;
    h->heard[i]++;
    h->streak = conn == h->last ? h->streak + 1 : 1;
    h->last = conn;
    for (size_t k = 0; k < PEERS; k++) {
        waiting += h->heard[k] < MESSAGES;
    }
    if (waiting > 0 && !(waiting == 1 && h->heard[i] < MESSAGES) && h->streak > h->longest) {
        h->longest = h->streak;
    }
    h->done = waiting == 0;
    return NP_OK;
}

static void test_shares(void **state)
{
    hearing h = {.done = false};
    const demo_handlers handlers = {.on_say = on_say, .user = &h};
    const char *addresses[] = {"tcp://127.0.0.1:0"};
    np_daemon_options options = demo_daemon_options(&handlers, addresses, 1);
    np_daemon *daemon = NULL;
    np_loop *loop = NULL;
    uint8_t *burst = malloc((size_t)MESSAGES * MESSAGE_LEN);
    uint8_t hello[512];
    size_t hello_len = demo_raw_hello(hello, sizeof hello);
    size_t len = 0;
    int fds[PEERS];

    (void)state;
    assert_non_null(burst);
    for (int i = 0; i < MESSAGES; i++) {
        len += demo_raw_say(burst + len, MESSAGE_LEN, "x", 1);
    }
    assert_true(len <= NP_LOOP_BUFFER_LEN);
    demo_must(np_loop_new(&loop, NULL), NULL);
    demo_must(np_daemon_start(&daemon, loop, &options, NULL), NULL);
    for (int i = 0; i < PEERS; i++) {
        fds[i] = demo_raw_connect(np_daemon_address(daemon, 0));
        assert_int_equal(send(fds[i], hello, hello_len, MSG_NOSIGNAL), (ssize_t)hello_len);
    }
    demo_rest(loop, 50);
    for (int i = 0; i < PEERS; i++) {
        assert_int_equal(send(fds[i], burst, len, MSG_NOSIGNAL), (ssize_t)len);
    }
    usleep(100000); /* all of it has come, and the loop has not run */
    demo_run(loop, &h.done);
    assert_true(h.longest > 0);
    assert_true(h.longest <= NP_LINK_EVENTS_MAX);
    for (int i = 0; i < PEERS; i++) {
        assert_int_equal(h.heard[i], MESSAGES);
        (void)close(fds[i]);
    }
    np_daemon_free(daemon);
    np_loop_free(loop);
    free(burst);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shares),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
