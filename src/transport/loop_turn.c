/* loop_turn.c - a turn of the loop: when it begins and ends, what runs then, and what time it is.
 */
#include "transport/loop_state.h"

#include <assert.h>

bool np__loop_running(const np_loop *loop)
{
    return loop->running || loop->inside;
}

void np__loop_enter(np_loop *loop)
{
    assert(!loop->inside); /* a callback of ours has run the user's loop */
    loop->inside = true;
}

void np__loop_leave(np_loop *loop)
{
    loop->inside = false;
}

void np__loop_begin_turn(np_loop *loop)
{
    loop->now_valid = false;
}

bool np__loop_end_turn(np_loop *loop)
{
    np__loop_enter(loop);
    np__loop_tasks_run(loop, &loop->deferred);
    np__loop_tasks_run(loop, &loop->flushes);
    np__loop_leave(loop);
    if (loop->running) {
        return loop->stop || (loop->until != NULL && *loop->until);
    }
    if (loop->stop) {
        loop->stop = false; /* in a run of the user's own, which ends here */
        return true;
    }
    return false;
}

bool np__loop_has_tasks(const np_loop *loop)
{
    return loop->deferred.first != NULL || loop->flushes.first != NULL;
}

np_time np_loop_now(np_loop *loop)
{
    /* Outside of a run there are no turns, so nothing tells how old the last one's time is. */
    if (!loop->now_valid || !np__loop_running(loop)) {
        loop->now = np__loop_clock();
        loop->now_valid = np__loop_running(loop);
    }
    return loop->now;
}
