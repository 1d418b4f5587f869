/* The loop: timers, and the heap that they are in. */
#include "support/new_loop.h"
#include "transport/loop_state.h"
#include "transport/timer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

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

static void stop_loop(np_loop *loop, np_timer *timer)
{
    (void)timer;
    np_loop_stop(loop);
}

/* A timer that was active when its loop was freed is stopped, and can be used on another. */
static void test_timers_outlive_the_loop(void **state)
{
    np_timer timers[3];
    np_loop *first = new_loop();
    np_loop *second = NULL;

    (void)state;
    for (int i = 0; i < 3; i++) {
        np_timer_init(&timers[i], stop_loop);
        np_timer_start(first, &timers[i], 60000);
    }
    np_loop_free(first);
    second = new_loop();
    for (int i = 0; i < 3; i++) {
        assert_false(np_timer_active(&timers[i]));
        np_timer_stop(second, &timers[i]);
    }
    np_timer_start(second, &timers[1], 1);
    assert_int_equal(np_loop_run(second), NP_OK);
    np_loop_free(second);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_heap_against_model),   cmocka_unit_test(test_timers_fire_in_order),
        cmocka_unit_test(test_no_timer_fires_early), cmocka_unit_test(test_timer_for_the_past),
        cmocka_unit_test(test_endless_timer),        cmocka_unit_test(test_timers_outlive_the_loop),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
