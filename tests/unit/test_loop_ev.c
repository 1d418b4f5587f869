/* A loop on a libev loop that the user brings and runs. */
#include "transport/loop_private.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <ev.h>

#include <cmocka.h>

typedef struct pair {
    struct ev_loop *ev;
    np_loop *loop;
} pair;

static pair new_pair(void)
{
    np_loop_options options = np_loop_options_default();
    pair p = {ev_loop_new(EVFLAG_AUTO), NULL};

    assert_non_null(p.ev);
    options.ev = p.ev;
    assert_int_equal(np_loop_new(&p.loop, &options), NP_OK);
    return p;
}

static void free_pair(pair *p)
{
    np_loop_free(p->loop);
    ev_loop_destroy(p->ev);
}

static void on_alarm(struct ev_loop *ev, ev_timer *timer, int events)
{
    (void)timer;
    (void)events;
    ev_break(ev, EVBREAK_ONE);
}

/* Runs the user's loop; returns for how long, at most 5 s. */
static double run_ev(struct ev_loop *ev)
{
    ev_timer alarm;
    ev_tstamp before = ev_time();

    ev_timer_init(&alarm, on_alarm, 5.0, 0.0);
    ev_now_update(ev);
    ev_timer_start(ev, &alarm);
    ev_unref(ev); /* it only ends a test that has failed */
    (void)ev_run(ev, 0);
    ev_ref(ev);
    ev_timer_stop(ev, &alarm);
    return ev_time() - before;
}

static void never(np_loop *loop, np_timer *timer)
{
    (void)loop;
    (void)timer;
    fail_msg("this timer was stopped");
}

typedef struct stopper {
    np_timer timer;
    np_timer *victim;
} stopper;

static void on_stopper(np_loop *loop, np_timer *timer)
{
    np_timer_stop(loop, np_container_of(timer, stopper, timer)->victim);
}

/* Active timers keep the user's run alive; what has been stopped does not. */
static void test_stopped_timer_keeps_nothing_alive(void **state)
{
    pair p = new_pair();
    np_timer late;
    stopper s;

    (void)state;
    np_timer_init(&late, never);
    np_timer_init(&s.timer, on_stopper);
    s.victim = &late;
    assert_true(run_ev(p.ev) < 1.0); /* nothing at all */
    np_timer_start(p.loop, &late, 60000);
    np_timer_start(p.loop, &s.timer, 30);
    assert_in_range((unsigned)(run_ev(p.ev) * 1000), 29, 2000);
    /* Stopped from outside, too. */
    np_timer_start(p.loop, &late, 60000);
    (void)ev_run(p.ev, EVRUN_NOWAIT);
    np_timer_stop(p.loop, &late);
    assert_true(run_ev(p.ev) < 1.0);
    free_pair(&p);
}

static void stop_from_post(np_loop *loop, void *user)
{
    (*(int *)user)++;
    np_loop_stop(loop);
}

static void on_tick(struct ev_loop *ev, ev_timer *timer, int events)
{
    (void)ev;
    (void)events;
    (*(int *)timer->data)++;
}

/* np_loop_stop ends one run of the user's, not all later ones. */
static void test_stop_ends_one_run(void **state)
{
    pair p = new_pair();
    ev_timer tick;
    int ticks = 0;
    int stops = 0;

    (void)state;
    ev_timer_init(&tick, on_tick, 0.05, 0.0);
    tick.data = &ticks;
    ev_timer_start(p.ev, &tick);
    np_loop_stop(p.loop); /* before it: the next returns at once */
    assert_true(run_ev(p.ev) < 1.0);
    assert_int_equal(ticks, 0);
    assert_int_equal(np_loop_post(p.loop, stop_from_post, &stops), NP_OK);
    assert_true(run_ev(p.ev) < 1.0);
    assert_int_equal(stops, 1);
    assert_int_equal(ticks, 0);
    assert_true(run_ev(p.ev) < 2.0);
    assert_int_equal(ticks, 1);
    free_pair(&p);
}

static void note_time(np_loop *loop, void *user)
{
    *(uint64_t *)user = np_loop_now(loop).mono_ms;
    np_loop_stop(loop);
}

/* The time of the last turn is no time for what happens between two runs. */
static void test_time_between_runs(void **state)
{
    pair p = new_pair();
    uint64_t inside = 0;

    (void)state;
    assert_int_equal(np_loop_post(p.loop, note_time, &inside), NP_OK);
    (void)ev_run(p.ev, EVRUN_ONCE); /* ends with the post, not with the end of a turn */
    assert_true(inside > 0);
    (void)usleep(30000);
    assert_true(np_loop_now(p.loop).mono_ms >= inside + 30);
    free_pair(&p);
}

/* Our own run on the user's loop, which has nothing else to do, waits for posts all the same. */
static void test_own_run_on_the_users_loop(void **state)
{
    pair p = new_pair();
    const bool nothing = false;
    int stops = 0;

    (void)state;
    assert_int_equal(np_loop_run_until(p.loop, &nothing, 20), NP_ERR_DEADLINE);
    assert_int_equal(np_loop_post(p.loop, stop_from_post, &stops), NP_OK);
    assert_int_equal(np_loop_run(p.loop), NP_OK);
    assert_int_equal(stops, 1);
    free_pair(&p);
}

/* Two loops of ours on one of the user's are told apart. */
static void test_two_on_one(void **state)
{
    pair p = new_pair();
    np_loop_options options = np_loop_options_default();
    np_loop *second = NULL;
    uint64_t one = 0;
    uint64_t two = 0;

    (void)state;
    options.ev = p.ev;
    assert_int_equal(np_loop_new(&second, &options), NP_OK);
    assert_int_equal(np_loop_post(p.loop, note_time, &one), NP_OK);
    (void)run_ev(p.ev);
    assert_true(one > 0);
    assert_int_equal(two, 0);
    assert_int_equal(np_loop_post(second, note_time, &two), NP_OK);
    np_loop_free(p.loop);
    (void)run_ev(p.ev);
    assert_true(two >= one);
    np_loop_free(second);
    assert_true(run_ev(p.ev) < 1.0);
    ev_loop_destroy(p.ev);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stopped_timer_keeps_nothing_alive),
        cmocka_unit_test(test_stop_ends_one_run),
        cmocka_unit_test(test_time_between_runs),
        cmocka_unit_test(test_own_run_on_the_users_loop),
        cmocka_unit_test(test_two_on_one),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
