/* A peer that reads all the time, but slowly: the system tells that there is room only when much of
 * its buffer is free, which takes more than a second here, and its request is answered all the
 * same. */
#include "support/blocking_peer.h"
#include "support/demo_service.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

static void on_term(np_loop *loop, int number, void *user)
{
    (void)number;
    (void)user;
    np_loop_stop(loop);
}

static int serve(int out)
{
    char name[64];
    const char *addresses[] = {name};
    np_daemon_options options = demo_daemon_options(&demo_echo, addresses, 1);
    np_daemon *daemon = NULL;
    np_loop *loop = NULL;
    np_failure failure;

    (void)snprintf(name, sizeof name, "unix://@np-slow-reader-%d", (int)getppid());
    demo_must(np_loop_new(&loop, NULL), NULL);
    demo_must(np_loop_on_signal(loop, SIGTERM, on_term, NULL), NULL);
    demo_must(np_daemon_start(&daemon, loop, &options, &failure), &failure);
    if (write(out, "", 1) != 1) { /* it listens */
        return 2;
    }
    demo_must(np_loop_run(loop), NULL);
    np_daemon_free(daemon);
    np_loop_free(loop);
    return 0;
}

static np_time now(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (np_time){(uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000, 0};
}

/* Reads `rate` bytes a second for at most ms; true when the call has ended. */
static bool read_slowly(blocking_peer *peer, size_t rate, uint64_t ms, np_session_event *last)
{
    static uint8_t buffer[65536];
    uint64_t begun = now().mono_ms;

    while (now().mono_ms - begun < ms) {
        uint8_t *place = NULL;
        size_t room = 0;
        np_want want = np_session_want(&peer->s, &place, &room);
        size_t n = rate / 20;
        ssize_t count = 0;
        if (want == NP_WANT_SHARED) {
            place = buffer;
            room = sizeof buffer;
        }
        n = n < room ? n : room;
        count = recv(peer->fd, place, n, MSG_DONTWAIT);
        if (count == 0) {
            return false;
        }
        if (count > 0) {
            np_session_recv(&peer->s, place, (size_t)count, now());
            while (np_session_next_event(&peer->s, last)) {
                if (last->kind == NP_SESSION_EVENT_RESPONSE ||
                    last->kind == NP_SESSION_EVENT_FAILURE ||
                    last->kind == NP_SESSION_EVENT_CLOSED) {
                    return true;
                }
            }
            np_session_park(&peer->s);
        }
        (void)usleep(50000);
    }
    return false;
}

static void open_unix(blocking_peer *peer)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    int n = snprintf(un.sun_path + 1, sizeof un.sun_path - 1, "np-slow-reader-%d", (int)getpid());
    np_session_event event;

    memset(peer, 0, sizeof *peer);
    peer->fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(connect(peer->fd, (struct sockaddr *)&un,
                             (socklen_t)(sizeof un.sun_family + 1 + (size_t)n)),
                     0);
    np_pool_init(&peer->pool, NULL);
    peer->options = np_session_options_default(&demo_protocol);
    demo_must(np_session_init(&peer->s, &peer->options, &peer->pool, NP_SESSION_CLIENT, now()),
              NULL);
    assert_true(blocking_write(peer, 0));
    while (!peer->open) {
        static uint8_t buffer[1000];
        ssize_t count = recv(peer->fd, buffer, sizeof buffer, 0);
        assert_true(count > 0);
        np_session_recv(&peer->s, buffer, (size_t)count, now());
        while (np_session_next_event(&peer->s, &event)) {
            peer->open = peer->open || event.kind == NP_SESSION_EVENT_OPEN;
        }
        np_session_park(&peer->s);
    }
}

static void test_slow_reader(void **state)
{
    static const uint8_t bytes[600000];
    const demo_say say = {{bytes, sizeof bytes}};
    const demo_find find = {7};
    np_session_event last = {.kind = NP_SESSION_EVENT_CLOSED};
    blocking_peer peer;
    char ready = 1;
    int out[2];
    pid_t child = 0;
    bool ended = false;

    (void)state;
    assert_int_equal(pipe(out), 0);
    child = fork();
    if (child == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        _exit(serve(out[1]));
    }
    assert_int_equal(read(out[0], &ready, 1), 1);
    open_unix(&peer);
    peer.options.queue_max = (size_t)4 << 20;
    demo_must(np_session_send(&peer.s, demo_message_say, &say, NULL), NULL);
    demo_must(
        np_session_request(&peer.s, demo_message_find, &find, NP_TIME_NEVER, NULL, NULL, NULL),
        NULL);
    assert_true(blocking_write(&peer, 0));
    ended = read_slowly(&peer, 110000, 60000, &last);
    assert_int_equal(kill(child, SIGTERM), 0);
    assert_int_equal(waitpid(child, NULL, 0), child);
    blocking_fini(&peer);
    (void)close(out[0]);
    (void)close(out[1]);
    assert_true(ended);
    assert_int_equal(last.kind, NP_SESSION_EVENT_RESPONSE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_slow_reader),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
