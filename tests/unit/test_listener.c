/* A listener whose system calls fail: it goes on where that makes sense, rests where not, and never
 * spins. */
#include "transport/listener.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

/* Stands before the system's accept4 (by its symbol, since glibc's type is no plain one): fails
 * `failures` times with `error`, after the first `spared` calls. */
static int error, failures, spared;
static unsigned calls;

int fail_or_accept(int fd, struct sockaddr *sa, socklen_t *len, int flags) __asm__("accept4");

int fail_or_accept(int fd, struct sockaddr *sa, socklen_t *len, int flags)
{
    calls++;
    if (spared > 0) {
        spared--;
    } else if (failures > 0) {
        failures--;
        errno = error;
        return -1;
    }
    return (int)syscall(SYS_accept4, fd, sa, len, flags);
}

/* And before libev's: how often the loop has looked for something to do. */
static unsigned looks;

int count_or_wait(int fd, struct epoll_event *events, int max, int ms) __asm__("epoll_wait");

#pragma GCC visibility push(default)

int count_or_wait(int fd, struct epoll_event *events, int max, int ms)
{
    looks++;
    return (int)syscall(SYS_epoll_pwait, fd, events, max, ms, NULL, 8);
}

#pragma GCC visibility pop

/* And before the library's open (--wrap), which here opens spare descriptors only. */
static int open_failures;

int __real_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...);

int __wrap_open(const char *path, int flags, ...)
{
    if (open_failures > 0) {
        open_failures--;
        errno = EMFILE;
        return -1;
    }
    return __real_open(path, flags);
}

typedef struct world {
    np_log log;
    np_loop *loop;
    np_listener *listener;
    int client;
    int accepted, events, at_last;
    uint64_t refused; /* as the log told last */
    bool stays;       /* also who has the last descriptor */
    bool close;       /* the listener, when it accepts */
    bool hold;        /* the same */
} world;

static void on_log(void *user, const np_log_event *event)
{
    world *w = user;

    if (strcmp(event->name, "listener.files") == 0) {
        w->events++;
        for (size_t i = 0; i < event->field_count; i++) {
            if (strcmp(event->fields[i].name, "refused") == 0) {
                w->refused = event->fields[i].as.u;
            }
        }
    }
}

static bool on_accept(np_listener *listener, int fd, const struct sockaddr *peer,
                      socklen_t peer_len, void *user)
{
    world *w = user;

    (void)peer;
    (void)peer_len;
    (void)close(fd);
    w->at_last += np_listener_is_at_last(listener);
    if (np_listener_is_at_last(listener) && !w->stays) {
        return false;
    }
    w->accepted++;
    if (w->hold) {
        np_listener_pause(listener, true);
    }
    if (w->close) {
        np_listener_close(listener);
        w->listener = NULL;
        /* Once more does nothing, whoever has its descriptors now. */
        int others[3] = {dup(0), dup(0), dup(0)};
        np_listener_close(listener);
        for (int i = 0; i < 3; i++) {
            assert_int_equal(close(others[i]), 0);
        }
    }
    return true;
}

static void rest(world *w, uint32_t ms)
{
    const bool never = false;

    assert_int_equal(np_loop_run_until(w->loop, &never, ms), NP_ERR_DEADLINE);
}

static void connect_client(world *w)
{
    struct sockaddr_storage sa;
    socklen_t len = np_address_numeric(np_listener_address(w->listener), &sa);

    w->client = socket(sa.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(w->client, (const struct sockaddr *)&sa, len), 0);
}

/* A listener, one connection waiting, and what accept4 says about it so many times. */
static void start(world *w, int os_error, int times)
{
    np_loop_options loop_options = np_loop_options_default();
    np_listener_options options = np_listener_options_default();
    np_log_sink sink = {on_log, w};
    np_address address;
    const char *why = NULL;
    int code = 0;

    memset(w, 0, sizeof *w);
    np_log_init(&w->log, &sink, NULL);
    loop_options.log = &w->log;
    assert_int_equal(np_loop_new(&w->loop, &loop_options), NP_OK);
    assert_int_equal(np_address_parse("tcp://127.0.0.1:0", &address, &why), NP_OK);
    assert_int_equal(
        np_listener_open(&w->listener, w->loop, &address, &options, on_accept, w, &code, &why),
        NP_OK);
    connect_client(w);
    error = os_error;
    failures = times;
    spared = 0;
    calls = 0;
}

static void end(world *w)
{
    failures = 0;
    np_listener_close(w->listener);
    np_loop_free(w->loop);
    (void)close(w->client);
}

/* Errors that are the connection's own say nothing about the next one. */
static void test_aborted_connections(void **state)
{
    static const int errors[] = {ECONNABORTED, EPERM, EINTR, EPROTO, ENETDOWN};
    world w;

    (void)state;
    for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++) {
        start(&w, errors[i], NP_LISTENER_BUDGET - 1);
        rest(&w, 20);
        assert_int_equal(w.accepted, 1); /* at once */
        assert_int_equal(w.events, 0);
        end(&w);
    }
}

/* Where there is nothing but errors, they are not the connections'. */
static void test_errors_without_end(void **state)
{
    world w;

    (void)state;
    start(&w, EPERM, 1000000);
    rest(&w, 250);
    assert_in_range(calls, NP_LISTENER_BUDGET, 3 * NP_LISTENER_BUDGET);
    failures = 0;
    rest(&w, 2 * NP_LISTENER_PAUSE_MS);
    assert_int_equal(w.accepted, 1);
    end(&w);
}

/* Out of descriptors or memory: a pause, and then all is well. */
static void test_exhaustion(void **state)
{
    static const struct {
        int error, calls, events;
    } cases[] = {{EMFILE, 2, 1}, {ENFILE, 2, 1}, {ENOBUFS, 1, 0}, {ENOMEM, 1, 0}};
    world w;

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        start(&w, cases[i].error, cases[i].calls);
        rest(&w, NP_LISTENER_PAUSE_MS / 2);
        assert_int_equal(w.accepted, 0);
        assert_int_equal(calls, cases[i].calls); /* with the spare one's */
        rest(&w, NP_LISTENER_PAUSE_MS);
        assert_int_equal(w.accepted, 1);
        assert_int_equal(w.events, cases[i].events);
        end(&w);
    }
}

/* Who takes the spare descriptor may stay, as another one goes; and those behind it wait for
 * nothing. */
static void test_spare_descriptor_lets_in(void **state)
{
    int first = -1;
    world w;

    (void)state;
    start(&w, EMFILE, 1);
    w.stays = true;
    first = w.client;
    connect_client(&w);
    rest(&w, NP_LISTENER_PAUSE_MS / 4);
    assert_int_equal(w.accepted, 2);
    assert_int_equal(w.at_last, 1); /* the second one found a descriptor */
    assert_int_equal(w.events, 1);
    assert_int_equal(w.refused, 0);
    (void)close(first);
    end(&w);
}

/* Who is turned away keeps nobody waiting. */
static void test_many_are_turned_away(void **state)
{
    int clients[3];
    world w;

    (void)state;
    start(&w, EMFILE, 1);
    clients[0] = w.client;
    connect_client(&w);
    clients[1] = w.client;
    connect_client(&w);
    rest(&w, NP_LISTENER_PAUSE_MS / 4);
    assert_int_equal(w.at_last, 1);
    assert_int_equal(w.accepted, 2);
    assert_int_equal(w.refused, 1);
    for (int i = 0; i < 2; i++) {
        (void)close(clients[i]);
    }
    end(&w);
}

/* The system says that there are no descriptors before it says that nobody waits. */
static void test_nobody_waits_for_a_descriptor(void **state)
{
    int first = -1;
    world w;

    (void)state;
    start(&w, EMFILE, 1);
    spared = 1;
    rest(&w, NP_LISTENER_PAUSE_MS / 4);
    assert_int_equal(calls, 3);
    assert_int_equal(w.accepted, 1);
    assert_int_equal(w.events, 0);
    first = w.client;
    connect_client(&w);
    rest(&w, NP_LISTENER_PAUSE_MS / 4);
    assert_int_equal(w.accepted, 2);
    (void)close(first);
    end(&w);
}

/* The spare descriptor tells one of those who wait. */
static void test_spare_descriptor(void **state)
{
    world w;
    uint8_t byte = 0;

    (void)state;
    start(&w, EMFILE, 1);
    rest(&w, 20);
    assert_int_equal(w.accepted, 0);
    assert_int_equal(recv(w.client, &byte, 1, MSG_DONTWAIT), 0);
    end(&w);
}

/* A client that waits while descriptors are out once more is let know, too. */
static void expect_told(world *w)
{
    int first = w->client;
    uint8_t byte = 0;

    connect_client(w);
    failures = 1;
    rest(w, 2 * NP_LISTENER_PAUSE_MS);
    assert_int_equal(recv(w->client, &byte, 1, MSG_DONTWAIT), 0);
    (void)close(first);
}

/* It is there again for the next time; where it cannot be had at once, after the pause. */
static void test_spare_descriptor_is_replaced(void **state)
{
    world w;

    (void)state;
    for (int late = 0; late < 2; late++) {
        start(&w, EMFILE, 1);
        open_failures = late;
        rest(&w, 2 * NP_LISTENER_PAUSE_MS);
        assert_int_equal(open_failures, 0);
        assert_int_equal(w.refused, 1);
        expect_told(&w);
        expect_told(&w);
        assert_int_equal(w.accepted, 0);
        end(&w);
    }
}

/* A million failures are told once in a while, not each time. */
static void test_exhaustion_is_logged_once(void **state)
{
    world w;

    (void)state;
    start(&w, EMFILE, 1000000);
    rest(&w, 5 * NP_LISTENER_PAUSE_MS);
    assert_in_range(calls, 6, 14);
    assert_int_equal(w.events, 1);
    end(&w);
}

/* Held by its owner during a pause: the end of the pause does not let it go. */
static void test_held_during_a_pause(void **state)
{
    world w;

    (void)state;
    start(&w, ENOMEM, 1);
    rest(&w, 20);
    np_listener_pause(w.listener, true);
    rest(&w, 2 * NP_LISTENER_PAUSE_MS);
    assert_int_equal(w.accepted, 0);
    np_listener_pause(w.listener, false);
    rest(&w, 20);
    assert_int_equal(w.accepted, 1);
    end(&w);
}

/* While it is held it does not look at those who wait, again and again. */
static void test_held_costs_nothing(void **state)
{
    world w;

    (void)state;
    start(&w, 0, 0);
    np_listener_pause(w.listener, true);
    rest(&w, 20);
    looks = 0;
    rest(&w, 200);
    assert_in_range(looks, 1, 50);
    assert_int_equal(calls, 0);
    end(&w);
}

/* Two wait, and the first one's callback holds it: the second one goes on waiting. */
static void test_held_in_its_callback(void **state)
{
    int first = -1;
    world w;

    (void)state;
    start(&w, 0, 0);
    first = w.client;
    connect_client(&w);
    w.hold = true;
    rest(&w, 50);
    assert_int_equal(w.accepted, 1);
    assert_int_equal(calls, 1);
    np_listener_pause(w.listener, false);
    rest(&w, 50);
    assert_int_equal(w.accepted, 2);
    (void)close(first);
    end(&w);
}

/* The same where it closes it: nothing is done to what is closed. With the last descriptor, too. */
static void test_closed_in_its_callback(void **state)
{
    int first = -1;
    world w;

    (void)state;
    for (int two = 0; two < 2; two++) {
        start(&w, EPERM, NP_LISTENER_BUDGET - 2);
        first = w.client;
        if (two == 1) {
            connect_client(&w);
        }
        w.close = true;
        rest(&w, 20);
        assert_int_equal(w.accepted, 1);
        assert_int_equal(calls, NP_LISTENER_BUDGET - 1);
        assert_null(w.listener);
        if (two == 1) {
            (void)close(first);
        }
        end(&w);
    }
    start(&w, EMFILE, 1);
    w.stays = true;
    w.close = true;
    rest(&w, 20);
    assert_int_equal(w.at_last, 1);
    assert_null(w.listener);
    end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_aborted_connections),
        cmocka_unit_test(test_errors_without_end),
        cmocka_unit_test(test_exhaustion),
        cmocka_unit_test(test_spare_descriptor_lets_in),
        cmocka_unit_test(test_many_are_turned_away),
        cmocka_unit_test(test_nobody_waits_for_a_descriptor),
        cmocka_unit_test(test_spare_descriptor),
        cmocka_unit_test(test_spare_descriptor_is_replaced),
        cmocka_unit_test(test_exhaustion_is_logged_once),
        cmocka_unit_test(test_held_during_a_pause),
        cmocka_unit_test(test_held_costs_nothing),
        cmocka_unit_test(test_held_in_its_callback),
        cmocka_unit_test(test_closed_in_its_callback),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
