/* The loop: signals, and what time it is for who wakes it. */
#include "support/new_loop.h"
#include "transport/loop_state.h"

#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

typedef struct heard {
    pthread_t thread;
    int number;
    unsigned times;
    bool done;
    bool once; /* takes itself away */
} heard;

static void on_heard(np_loop *loop, int number, void *user)
{
    heard *h = user;

    h->thread = pthread_self();
    h->number = number;
    h->times++;
    h->done = true;
    if (h->once) {
        assert_int_equal(np_loop_on_signal(loop, number, NULL, NULL), NP_OK);
    }
}

static void *raise_usr1(void *user)
{
    (void)user;
    (void)raise(SIGUSR1);
    return NULL;
}

static bool has_default_action(int number)
{
    struct sigaction now;

    assert_int_equal(sigaction(number, NULL, &now), 0);
    return now.sa_handler == SIG_DFL;
}

static void test_signals(void **state)
{
    np_loop *loop = new_loop();
    heard one = {.number = 0};
    heard two = {.number = 0, .once = true};
    pthread_t thread;

    (void)state;
    assert_int_equal(np_loop_on_signal(loop, SIGUSR1, NULL, NULL), NP_OK); /* nothing to remove */
    assert_int_equal(np_loop_on_signal(loop, SIGUSR1, on_heard, &two), NP_OK);
    assert_int_equal(np_loop_on_signal(loop, SIGUSR1, on_heard, &one), NP_OK); /* instead */
    assert_int_equal(np_loop_on_signal(loop, SIGUSR2, on_heard, &two), NP_OK);
    /* Whichever thread gets it, the loop's runs the handler, and only once it runs. */
    assert_int_equal(pthread_create(&thread, NULL, raise_usr1, NULL), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_false(one.done);
    assert_int_equal(np_loop_run_until(loop, &one.done, 5000), NP_OK);
    assert_int_equal(one.number, SIGUSR1);
    assert_int_equal(one.times, 1);
    assert_true(pthread_equal(one.thread, pthread_self()));
    assert_false(two.done);
    (void)raise(SIGUSR2);
    assert_int_equal(np_loop_run_until(loop, &two.done, 5000), NP_OK);
    assert_int_equal(two.number, SIGUSR2);
    assert_int_equal(one.times, 1);
    assert_true(has_default_action(SIGUSR2)); /* it has taken itself away */
    assert_false(has_default_action(SIGUSR1));
    one.done = false;
    (void)raise(SIGUSR1);
    assert_int_equal(np_loop_run_until(loop, &one.done, 5000), NP_OK);
    assert_int_equal(one.times, 2);
    np_loop_free(loop);
    assert_true(has_default_action(SIGUSR1));
}

static void on_stranger(int number)
{
    (void)number;
}

static int take_signal_without_descriptors(void)
{
    struct rlimit limit = {64, 64};
    np_loop *loop = NULL;
    heard h = {.number = 0};
    np_err err = np_loop_new(&loop, NULL);

    if (err != NP_OK || setrlimit(RLIMIT_NOFILE, &limit) != 0) {
        return 1;
    }
    while (open("/dev/null", O_RDONLY | O_CLOEXEC) >= 0) {
    }
    if (np_loop_on_signal(loop, SIGUSR1, on_heard, &h) != NP_ERR_FILES) {
        return 2;
    }
    if (!has_default_action(SIGUSR1)) {
        return 3;
    }
    (void)close(63);
    if (np_loop_on_signal(loop, SIGUSR1, on_heard, &h) != NP_OK) {
        return 4;
    }
    /* The second one takes none. */
    err = np_loop_on_signal(loop, SIGUSR2, on_heard, &h);
    np_loop_free(loop);
    return err == NP_OK ? 0 : 5;
}

static void test_signal_without_descriptors(void **state)
{
    int status = 0;
    pid_t child = fork();

    (void)state;
    if (child == 0) {
        _exit(take_signal_without_descriptors());
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void test_signals_of_others(void **state)
{
    static const int never[] = {0, -1, 1000, SIGKILL, SIGSTOP, SIGSEGV};
    np_loop *loop = new_loop();
    np_loop *other = new_loop();
    struct sigaction mine = {.sa_handler = on_stranger};
    struct sigaction before;
    heard h = {.number = 0};

    (void)state;
    for (size_t i = 0; i < sizeof never / sizeof never[0]; i++) {
        assert_int_equal(np_loop_on_signal(loop, never[i], on_heard, &h), NP_ERR_ARG);
    }
    assert_int_equal(np_loop_on_signal(loop, SIGUSR1, on_heard, &h), NP_OK);
    assert_int_equal(np_loop_on_signal(other, SIGUSR1, on_heard, &h), NP_ERR_STATE);
    assert_int_equal(np_loop_on_signal(other, SIGUSR1, NULL, NULL), NP_OK); /* not its own */
    assert_false(has_default_action(SIGUSR1));
    assert_int_equal(np_loop_on_signal(loop, SIGUSR1, NULL, NULL), NP_OK);
    assert_int_equal(np_loop_on_signal(other, SIGUSR1, on_heard, &h), NP_OK);
    (void)raise(SIGUSR1);
    np_loop_free(other); /* with one waiting, which is dropped */
    assert_false(h.done);
    /* A handler of the program's stays. */
    assert_int_equal(sigaction(SIGUSR2, &mine, &before), 0);
    assert_int_equal(np_loop_on_signal(loop, SIGUSR2, on_heard, &h), NP_ERR_STATE);
    assert_int_equal(sigaction(SIGUSR2, &before, &mine), 0);
    assert_true(mine.sa_handler == on_stranger);
    np_loop_free(loop);
}

/* How far the loop's time is behind the clock where nothing but a signal or a post wakes it. */
typedef struct woken {
    uint64_t behind_ms;
    bool by_signal;
} woken;

static void note_time(np_loop *loop, void *user)
{
    woken *w = user;

    w->behind_ms = np__loop_clock().mono_ms - np_loop_now(loop).mono_ms;
    np_loop_stop(loop);
}

static void ask_time(np_loop *loop, void *user)
{
    (void)user;
    (void)np_loop_now(loop);
}

static void on_woken(np_loop *loop, int number, void *user)
{
    (void)number;
    note_time(loop, user);
}

static void take_usr1(int how)
{
    sigset_t set;

    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGUSR1);
    if (pthread_sigmask(how, &set, NULL) != 0) {
        abort();
    }
}

/* A thread that wakes the loop after a while. The signal comes to this thread: one that comes to
 * the loop's own ends its sleep by EINTR, with a turn in which nothing happens, and the handler
 * runs in the next. So nothing would be seen of a time that is made new too late in a turn. */
typedef struct waker {
    np_loop *loop;
    woken *woken;
} waker;

static void *wake(void *user)
{
    const waker *w = user;

    (void)usleep(300000);
    if (w->woken->by_signal) {
        take_usr1(SIG_UNBLOCK);
        (void)pthread_kill(pthread_self(), SIGUSR1);
    } else if (np_loop_post(w->loop, note_time, w->woken) != NP_OK) {
        abort();
    }
    return NULL;
}

static void test_time_is_fresh_after_a_sleep(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        np_loop *loop = NULL;
        woken w = {.behind_ms = 0, .by_signal = i == 1};
        waker by;
        pthread_t thread;

        assert_int_equal(np_loop_new(&loop, NULL), NP_OK);
        assert_int_equal(np_loop_on_signal(loop, SIGUSR1, on_woken, &w), NP_OK);
        take_usr1(SIG_BLOCK); /* which np_loop_on_signal has unblocked */
        by = (waker){loop, &w};
        assert_int_equal(np_loop_post(loop, ask_time, NULL), NP_OK); /* so that it has an old one */
        assert_int_equal(pthread_create(&thread, NULL, wake, &by), 0);
        assert_int_equal(np_loop_run(loop), NP_OK);
        (void)pthread_join(thread, NULL);
        assert_true(w.behind_ms < 100);
        np_loop_free(loop);
        take_usr1(SIG_UNBLOCK);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_signals),
        cmocka_unit_test(test_signals_of_others),
        cmocka_unit_test(test_signal_without_descriptors),
        cmocka_unit_test(test_time_is_fresh_after_a_sleep),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
