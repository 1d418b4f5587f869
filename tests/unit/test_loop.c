/* The loop: timers, tasks, posts, signals, the registry. */
#include "transport/loop_state.h"
#include "transport/timer.h"

#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <sodium.h>

static np_loop *new_loop(void)
{
    np_loop *loop = NULL;

    assert_int_equal(np_loop_new(&loop, NULL), NP_OK);
    return loop;
}

/* Else it runs its portable code: slow, and with keys left on the stack. */
static void test_libsodium_knows_the_processor(void **state)
{
    np_loop *loop = new_loop();
    (void)state;

    assert_int_equal(sodium_init(), 1); /* somebody has called it before */
    np_loop_free(loop);
}

/* Timers ----------------------------------------------------------------------------------- */

static void test_heap_against_model(void **state)
{
    enum { COUNT = 400, STEPS = 20000 };
    np_timer timers[COUNT];
    np_timer *root = NULL;
    uint32_t random = 7;

    (void)state;
    memset(timers, 0, sizeof timers);
    for (int step = 0; step < STEPS; step++) {
        random = random * 1664525 + 1013904223;
        np_timer *t = &timers[(random >> 8) % COUNT];
        if (t->link != NULL) {
            np__timers_remove(&root, t);
        } else {
            t->at_ms = random >> 20;
            np__timers_insert(&root, t);
        }
        if (step % 50 == 0) {
            uint64_t least = UINT64_MAX;
            for (int i = 0; i < COUNT; i++) {
                if (timers[i].link != NULL && timers[i].at_ms < least) {
                    least = timers[i].at_ms;
                }
            }
            assert_int_equal(root != NULL ? root->at_ms : UINT64_MAX, least);
        }
    }
    for (uint64_t last = 0; root != NULL;) {
        np_timer *t = root;
        assert_true(t->at_ms >= last);
        last = t->at_ms;
        np__timers_remove(&root, t);
    }
}

typedef struct alarm_state {
    np_timer timer;
    int *order;
    int *next;
    int number;
    bool done;
    np_timer *victim;
} alarm_state;

static void on_alarm(np_loop *loop, np_timer *timer)
{
    alarm_state *a = np_container_of(timer, alarm_state, timer);

    a->order[(*a->next)++] = a->number;
    a->done = true;
    if (a->victim != NULL) {
        np_timer_stop(loop, a->victim);
    }
}

static void test_timers_fire_in_order(void **state)
{
    static const uint32_t delays[] = {30, 10, 20, 5, 25};
    alarm_state alarms[5];
    int order[5];
    int next = 0;
    np_loop *loop = new_loop();
    uint64_t before = np_loop_now(loop).mono_ms;

    (void)state;
    memset(alarms, 0, sizeof alarms);
    for (int i = 0; i < 5; i++) {
        np_timer_init(&alarms[i].timer, on_alarm);
        alarms[i].order = order;
        alarms[i].next = &next;
        alarms[i].number = i;
        np_timer_start(loop, &alarms[i].timer, delays[i]);
    }
    alarms[1].victim = &alarms[2].timer; /* the second stops the third */
    assert_int_equal(np_loop_run_until(loop, &alarms[0].done, 5000), NP_OK);
    assert_true(np_loop_now(loop).mono_ms - before >= 30);
    assert_int_equal(next, 4);
    assert_int_equal(order[0], 3);
    assert_int_equal(order[1], 1);
    assert_int_equal(order[2], 4);
    assert_int_equal(order[3], 0);
    assert_false(np_timer_active(&alarms[2].timer));
    np_loop_free(loop);
}

static void test_no_timer_fires_early(void **state)
{
    np_loop *loop = new_loop();
    alarm_state alarm;
    int order[1];

    (void)state;
    for (uint32_t delay = 0; delay < 12; delay++) {
        int next = 0;
        uint64_t before = np_loop_now(loop).mono_ms;
        memset(&alarm, 0, sizeof alarm);
        np_timer_init(&alarm.timer, on_alarm);
        alarm.order = order;
        alarm.next = &next;
        np_timer_start(loop, &alarm.timer, delay);
        assert_int_equal(np_loop_run_until(loop, &alarm.done, 5000), NP_OK);
        /* Later than that only by what a busy machine costs. */
        assert_in_range(np_loop_now(loop).mono_ms - before, delay, delay + 2000);
    }
    np_loop_free(loop);
}

typedef struct insistent {
    np_timer timer;
    unsigned runs;
    bool done;
} insistent;

static void on_insistent(np_loop *loop, np_timer *timer)
{
    insistent *i = np_container_of(timer, insistent, timer);

    if (i->runs++ > 1000) {
        fail_msg("a timer for the past keeps the loop from everything else");
    }
    np_timer_start_at(loop, timer, 0);
}

static void mark_done(np_loop *loop, void *user)
{
    (void)loop;
    *(bool *)user = true;
}

/* A timer that starts itself anew for a time that has passed leaves the others their turns. */
static void test_timer_for_the_past(void **state)
{
    np_loop *loop = new_loop();
    insistent one = {.runs = 0};
    insistent two = {.runs = 0};

    (void)state;
    np_timer_init(&one.timer, on_insistent);
    np_timer_init(&two.timer, on_insistent);
    np_timer_start_at(loop, &one.timer, 0);
    np_timer_start_at(loop, &two.timer, np_loop_now(loop).mono_ms);
    assert_int_equal(np_loop_post(loop, mark_done, &one.done), NP_OK);
    assert_int_equal(np_loop_run_until(loop, &one.done, 5000), NP_OK);
    assert_int_equal(np_loop_run_until(loop, &two.done, 20), NP_ERR_DEADLINE);
    assert_true(one.runs > 1);
    assert_true(two.runs > 1);
    np_timer_stop(loop, &one.timer);
    np_timer_stop(loop, &two.timer);
    np_loop_free(loop);
}

/* A delay beyond the end of time never passes, and does not wrap around to one that has. */
static void test_endless_timer(void **state)
{
    static const uint64_t delays[] = {UINT64_MAX, UINT64_MAX - 1, UINT64_MAX / 2};
    np_loop *loop = new_loop();
    np_timer timers[3];
    const bool never = false;

    (void)state;
    for (int i = 0; i < 3; i++) {
        np_timer_init(&timers[i], NULL);
        np_timer_start(loop, &timers[i], delays[i]);
    }
    assert_int_equal(np_loop_run_until(loop, &never, 20), NP_ERR_DEADLINE);
    for (int i = 0; i < 3; i++) {
        assert_true(np_timer_active(&timers[i]));
        np_timer_stop(loop, &timers[i]);
    }
    np_loop_free(loop);
}

/* Running ---------------------------------------------------------------------------------- */

static void post_stop(np_loop *loop, void *user)
{
    bool done = true;

    /* A handler must not run the loop. */
    assert_int_equal(np_loop_run(loop), NP_ERR_STATE);
    assert_int_equal(np_loop_run_until(loop, &done, 1), NP_ERR_STATE);
    *(int *)user += 1;
    np_loop_stop(loop);
}

static void test_run_and_stop(void **state)
{
    np_loop *loop = new_loop();
    const bool never = false;
    int ran = 0;

    (void)state;
    assert_int_equal(np_loop_post(loop, post_stop, &ran), NP_OK);
    assert_int_equal(np_loop_run(loop), NP_OK);
    assert_int_equal(ran, 1);
    assert_int_equal(np_loop_post(loop, post_stop, &ran), NP_OK);
    assert_int_equal(np_loop_run_until(loop, &never, 5000), NP_ERR_CANCELED);
    assert_int_equal(np_loop_run_until(loop, &never, 5), NP_ERR_DEADLINE);
    np_loop_stop(loop);
    assert_int_equal(np_loop_run(loop), NP_OK);
    np_loop_free(loop);
}

/* Posts ------------------------------------------------------------------------------------ */

typedef struct counter {
    unsigned count;
    bool done;
    unsigned want;
} counter;

static void count_up(np_loop *loop, void *user)
{
    counter *c = user;

    (void)loop;
    c->count++;
    c->done = c->count == c->want;
}

typedef struct poster {
    np_loop *loop;
    counter *counter;
    unsigned times;
} poster;

static void *post_many(void *user)
{
    poster *p = user;

    for (unsigned i = 0; i < p->times;) {
        if (np_loop_post(p->loop, count_up, p->counter) == NP_OK) {
            i++;
        } else {
            (void)usleep(10);
        }
    }
    return NULL;
}

static void test_posts_from_threads(void **state)
{
    enum { THREADS = 4, TIMES = 5000 };
    np_loop *loop = new_loop();
    counter c = {.want = THREADS * TIMES};
    poster p = {loop, &c, TIMES};
    pthread_t threads[THREADS];

    (void)state;
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, post_many, &p), 0);
    }
    assert_int_equal(np_loop_run_until(loop, &c.done, 30000), NP_OK);
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
    np_loop_free(loop);
}

static void test_posts_are_bounded(void **state)
{
    np_loop_options options = np_loop_options_default();
    np_loop *loop = NULL;
    counter c = {.want = 3};

    (void)state;
    options.post_max = 3;
    assert_int_equal(np_loop_new(&loop, &options), NP_OK);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(np_loop_post(loop, count_up, &c), NP_OK);
    }
    assert_int_equal(np_loop_post(loop, count_up, &c), NP_ERR_FULL);
    assert_int_equal(np_loop_run_until(loop, &c.done, 5000), NP_OK);
    assert_int_equal(np_loop_post(loop, count_up, &c), NP_OK);
    np_loop_free(loop); /* with one waiting */
    options.post_max = 0;
    assert_int_equal(np_loop_new(&loop, &options), NP_ERR_ARG);
}

typedef struct chain {
    np_timer timer;
    bool done;
} chain;

static void post_again(np_loop *loop, void *user)
{
    assert_int_equal(np_loop_post(loop, post_again, user), NP_OK);
}

static void on_beside(np_loop *loop, np_timer *timer)
{
    (void)loop;
    np_container_of(timer, chain, timer)->done = true;
}

/* Who posts from a post, without end, does not keep timers waiting. */
static void test_posts_from_posts(void **state)
{
    np_loop *loop = new_loop();
    chain c = {.done = false};

    (void)state;
    np_timer_init(&c.timer, on_beside);
    np_timer_start(loop, &c.timer, 5);
    assert_int_equal(np_loop_post(loop, post_again, &c), NP_OK);
    assert_int_equal(np_loop_run_until(loop, &c.done, 5000), NP_OK);
    np_loop_free(loop); /* with one waiting */
}

/* Descriptors ------------------------------------------------------------------------------ */

/* What the child of test_no_descriptors does; returns its exit code. */
static int try_without_descriptors(void)
{
    struct rlimit limit = {64, 64};
    np_loop *loop = NULL;
    np_loop *second = NULL;
    np_err err = np_loop_new(&loop, NULL);

    if (err != NP_OK || setrlimit(RLIMIT_NOFILE, &limit) != 0) {
        return 1;
    }
    while (open("/dev/null", O_RDONLY | O_CLOEXEC) >= 0) {
    }
    if (np_loop_new(&second, NULL) != NP_ERR_FILES) {
        return 2;
    }
    (void)close(63); /* one is not enough for a loop of its own */
    err = np_loop_new(&second, NULL);
    np_loop_free(loop);
    return err == NP_ERR_FILES ? 0 : 3;
}

/* libev would end the process. */
static void test_no_descriptors(void **state)
{
    int status = 0;
    pid_t child = fork();

    (void)state;
    if (child == 0) {
        _exit(try_without_descriptors());
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

/* Signals ---------------------------------------------------------------------------------- */

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

/* Tasks ------------------------------------------------------------------------------------ */

typedef struct job {
    np_task task;
    int runs;
    int again;
    bool done;
    np_task *victim;
} job;

static void on_job(np_loop *loop, np_task *task)
{
    job *j = np_container_of(task, job, task);

    j->runs++;
    if (j->victim != NULL) {
        np__task_cancel(loop, j->victim);
    }
    if (j->again-- > 0) {
        np__loop_defer(loop, task);
    } else {
        j->done = true;
    }
}

static void test_tasks(void **state)
{
    np_loop *loop = new_loop();
    job jobs[3];

    (void)state;
    memset(jobs, 0, sizeof jobs);
    for (int i = 0; i < 3; i++) {
        np__task_init(&jobs[i].task, on_job);
        np__loop_defer(loop, &jobs[i].task);
        np__loop_defer(loop, &jobs[i].task); /* where it is */
        np__loop_flush(loop, &jobs[i].task);
    }
    jobs[0].again = 100;
    jobs[0].victim = &jobs[2].task; /* the last in the queue */
    assert_int_equal(np_loop_run_until(loop, &jobs[0].done, 5000), NP_OK);
    assert_int_equal(jobs[0].runs, 101);
    assert_int_equal(jobs[1].runs, 1);
    assert_int_equal(jobs[2].runs, 0);
    assert_false(np__task_queued(&jobs[2].task));
    np__loop_flush(loop, &jobs[2].task);
    assert_int_equal(np_loop_run_until(loop, &jobs[2].done, 5000), NP_OK);
    np_loop_free(loop);
}

static void on_suicide(np_loop *loop, np_task *task)
{
    job *j = np_container_of(task, job, task);

    np__task_cancel(loop, task); /* it is in no queue any more */
    np__loop_defer(loop, task);
    np__task_cancel(loop, task); /* it is in one again */
    np__task_cancel(loop, j->victim);
    free(j);
}

/* A task may cancel itself and its neighbour and free both. */
static void test_task_ends_within_its_run(void **state)
{
    np_loop *loop = new_loop();
    job *jobs[2];
    job last;

    (void)state;
    memset(&last, 0, sizeof last);
    np__task_init(&last.task, on_job);
    for (int i = 0; i < 2; i++) {
        jobs[i] = calloc(1, sizeof *jobs[i]);
        assert_non_null(jobs[i]);
    }
    np__task_init(&jobs[0]->task, on_suicide);
    np__task_init(&jobs[1]->task, on_job);
    jobs[0]->victim = &jobs[1]->task;
    np__loop_defer(loop, &jobs[0]->task);
    np__loop_defer(loop, &jobs[1]->task);
    np__loop_defer(loop, &last.task);
    assert_int_equal(np_loop_run_until(loop, &last.done, 5000), NP_OK);
    assert_int_equal(last.runs, 1);
    assert_int_equal(jobs[1]->runs, 0);
    assert_false(np__task_queued(&jobs[1]->task));
    free(jobs[1]);
    np_loop_free(loop);
}

/* The registry ----------------------------------------------------------------------------- */

static void test_names_are_never_used_twice(void **state)
{
    enum { COUNT = 100 };
    np_loop *loop = new_loop();
    int objects[COUNT];
    uint64_t ids[COUNT];
    uint64_t old = 0;

    (void)state;
    assert_null(np__loop_lookup(loop, 0));
    assert_null(np__loop_lookup(loop, UINT64_MAX));
    for (int i = 0; i < COUNT; i++) {
        ids[i] = np__loop_register(loop, &objects[i]);
        assert_true(ids[i] != 0);
    }
    for (int i = 0; i < COUNT; i++) {
        assert_ptr_equal(np__loop_lookup(loop, ids[i]), &objects[i]);
    }
    old = ids[50];
    np__loop_unregister(loop, old);
    np__loop_unregister(loop, old);
    assert_null(np__loop_lookup(loop, old));
    ids[50] = np__loop_register(loop, &objects[0]);
    assert_true(ids[50] != old);
    assert_null(np__loop_lookup(loop, old));
    assert_ptr_equal(np__loop_lookup(loop, ids[50]), &objects[0]);
    np_loop_free(loop);
}

/* When the generations of a slot are used up, it is left alone. */
static void test_generations_do_not_wrap(void **state)
{
    np_loop *loop = new_loop();
    int object = 0;
    uint64_t first = np__loop_register(loop, &object);
    uint64_t last = 0;
    uint64_t other = 0;

    (void)state;
    np__loop_unregister(loop, first);
    loop->registry.slots[first & UINT32_MAX].generation = UINT32_MAX;
    last = np__loop_register(loop, &object);
    assert_int_equal(last & UINT32_MAX, first & UINT32_MAX);
    assert_ptr_equal(np__loop_lookup(loop, last), &object);
    np__loop_unregister(loop, last);
    assert_null(np__loop_lookup(loop, last));
    assert_null(np__loop_lookup(loop, first & UINT32_MAX)); /* generation 0 names nothing */
    for (int i = 0; i < 100; i++) {
        other = np__loop_register(loop, &object);
        assert_true((other & UINT32_MAX) != (first & UINT32_MAX));
    }
    np_loop_free(loop);
}

static void test_randomness(void **state)
{
    uint8_t a[32] = {0};
    uint8_t b[32] = {0};
    np_rng rng = np_loop_rng();

    (void)state;
    assert_int_equal(np_loop_random(a, sizeof a), NP_OK);
    np_rng_fill(&rng, b, sizeof b);
    assert_memory_not_equal(a, b, sizeof a);
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
        cmocka_unit_test(test_libsodium_knows_the_processor),
        cmocka_unit_test(test_heap_against_model),
        cmocka_unit_test(test_timers_fire_in_order),
        cmocka_unit_test(test_no_timer_fires_early),
        cmocka_unit_test(test_timer_for_the_past),
        cmocka_unit_test(test_endless_timer),
        cmocka_unit_test(test_run_and_stop),
        cmocka_unit_test(test_posts_from_threads),
        cmocka_unit_test(test_posts_are_bounded),
        cmocka_unit_test(test_posts_from_posts),
        cmocka_unit_test(test_no_descriptors),
        cmocka_unit_test(test_signals),
        cmocka_unit_test(test_signals_of_others),
        cmocka_unit_test(test_signal_without_descriptors),
        cmocka_unit_test(test_time_is_fresh_after_a_sleep),
        cmocka_unit_test(test_tasks),
        cmocka_unit_test(test_task_ends_within_its_run),
        cmocka_unit_test(test_names_are_never_used_twice),
        cmocka_unit_test(test_generations_do_not_wrap),
        cmocka_unit_test(test_randomness),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
