/* loop_timers.c - timers of users and connections; timer.c keeps their order. */
#include "transport/loop_state.h"
#include "transport/timer.h"

#include <string.h>

void np_timer_init(np_timer *timer, np_timer_fn *fn)
{
    memset(timer, 0, sizeof *timer);
    timer->fn = fn;
}

void np_timer_start_at(np_loop *loop, np_timer *timer, uint64_t at_ms)
{
    np_timers *timers = &loop->timers;

    if (timer->link != NULL) {
        np__timers_remove(&timers->root, timer);
    }
    timer->at_ms = at_ms > timers->floor_ms ? at_ms : timers->floor_ms;
    np__timers_insert(&timers->root, timer);
}

void np_timer_start(np_loop *loop, np_timer *timer, uint64_t delay_ms)
{
    /* The turn's clock may be old after a long callback: a relative timer must not fire early. */
    uint64_t now = np__loop_clock_ms() + 1;

    np_timer_start_at(loop, timer, delay_ms > UINT64_MAX - now ? UINT64_MAX : now + delay_ms);
}

void np_timer_stop(np_loop *loop, np_timer *timer)
{
    if (timer->link != NULL) {
        np__timers_remove(&loop->timers.root, timer);
    }
}

void np__loop_timers_run(np_loop *loop, uint64_t now_ms)
{
    np_timers *timers = &loop->timers;

    /* Who starts a timer for a time that has passed, from a timer, must not keep the loop from
     * everything else. */
    timers->floor_ms = now_ms + 1;
    while (timers->root != NULL && timers->root->at_ms <= now_ms) {
        np_timer *timer = timers->root;
        np__timers_remove(&timers->root, timer);
        timer->fn(loop, timer);
    }
    timers->floor_ms = 0;
}

void np__loop_timers_fini(np_loop *loop)
{
    while (loop->timers.root != NULL) {
        np__timers_remove(&loop->timers.root, loop->timers.root);
    }
}

uint64_t np__loop_timers_next(const np_loop *loop)
{
    return loop->timers.root != NULL ? loop->timers.root->at_ms : UINT64_MAX;
}
