/* loop_ev.c - libev, and nothing but; no other file of the library includes ev.h.
 *
 * One ev_timer serves all timers, an ev_prepare the end of a turn, an ev_check the beginning of the
 * next. What keeps a loop of the user's alive is counted by libev: descriptors, timers and waiting
 * tasks do, our own book-keeping does not.
 */
#define _GNU_SOURCE
#include "transport/loop_reserve.h"
#include "transport/loop_state.h"

#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <ev.h>

/* By so many descriptors other threads may have overtaken us when libev opens its own. */
#define ROOM_FOR_OTHERS 16

/* How long libev's timer may sleep when there is nothing to wait for, in seconds. */
#define SLEEP_MAX_S 3600

_Static_assert(sizeof(ev_io) <= sizeof(((np_watch *)0)->ev), "np_watch holds an ev_io");
_Static_assert(_Alignof(ev_io) <= _Alignof(np_watch), "np_watch is aligned like an ev_io");
_Static_assert(sizeof(ev_signal) <= sizeof(((np_signal_watch *)0)->ev), "it holds an ev_signal");
_Static_assert(_Alignof(ev_signal) <= _Alignof(np_signal_watch), "it is aligned like one");

struct np_loop_ev {
    struct ev_loop *loop;
    bool own;
    np_reserve reserve; /* of our own loop: the user sees to the memory of his */
    bool has_pipe;      /* libev has the descriptor that it needs for signals */
    ev_prepare prepare;
    ev_check check;
    ev_idle idle;
    ev_timer timer;
    uint64_t timer_at_ms; /* what the timer is set to; UINT64_MAX: stopped */
};

/* Memory ----------------------------------------------------------------------------------- */

static void set_allocator(void)
{
    ev_set_allocator(np__reserve_realloc);
}

/* Around all calls of libev that may allocate; and callbacks leave it again, since the application
 * may use libev there itself: a block of the reserve would outlive, in its loop, what knows it. */
static np_reserve *enter_ev(np_loop_ev *ev)
{
    return np__reserve_use(ev->own ? &ev->reserve : NULL);
}

static void leave_ev(np_reserve *before)
{
    (void)np__reserve_use(before);
}

/* Around the application's code, and whatever else is no part of libev, in libev's callbacks. */
static np_reserve *enter_callback(np_loop *loop)
{
    np__loop_enter(loop);
    return np__reserve_use(NULL);
}

static void leave_callback(np_loop *loop, np_reserve *before)
{
    (void)np__reserve_use(before);
    np__loop_leave(loop);
}

np_err np__watch_room(np_loop *loop, int fd)
{
    return loop->ev->own ? np__reserve_fill(&loop->ev->reserve, fd) : NP_OK;
}

/* The turn --------------------------------------------------------------------------------- */

/* Sets libev's one timer to the earliest of ours. A later one is left alone: it fires early, finds
 * nothing due and is set again, which is cheaper than moving it for every packet. */
static void arm_timer(np_loop *loop)
{
    np_loop_ev *ev = loop->ev;
    uint64_t at = np__loop_timers_next(loop);
    uint64_t now = 0;
    double delay_s = 0;

    if (at == UINT64_MAX && !ev->own) {
        /* No timer is left that a loop of the user's should stay alive for. */
        ev_timer_stop(ev->loop, &ev->timer);
        ev->timer_at_ms = UINT64_MAX;
    }
    if (at >= ev->timer_at_ms) {
        return;
    }
    now = np__loop_clock_ms();
    if (at > now) {
        delay_s = at - now > SLEEP_MAX_S * 1000 ? SLEEP_MAX_S : (double)(at - now) / 1000.0;
    }
    ev_now_update(ev->loop);
    ev_timer_stop(ev->loop, &ev->timer);
    ev_timer_set(&ev->timer, delay_s, 0.0);
    ev_timer_start(ev->loop, &ev->timer);
    ev->timer_at_ms = at;
}

static void on_timer(struct ev_loop *unused, ev_timer *timer, int events)
{
    np_loop *loop = timer->data;
    np_reserve *before = enter_callback(loop);

    (void)unused;
    (void)events;
    loop->ev->timer_at_ms = UINT64_MAX;
    np__loop_timers_run(loop, np_loop_now(loop).mono_ms);
    leave_callback(loop, before);
}

static void on_idle(struct ev_loop *unused, ev_idle *idle, int events)
{
    (void)unused;
    (void)idle;
    (void)events;
}

static void on_prepare(struct ev_loop *ev, ev_prepare *prepare, int events)
{
    np_loop *loop = prepare->data;
    np_reserve *before = np__reserve_use(NULL);
    bool over = np__loop_end_turn(loop);

    (void)events;
    leave_ev(before);
    if (np__loop_has_tasks(loop)) {
        ev_idle_start(ev, &loop->ev->idle);
    } else {
        ev_idle_stop(ev, &loop->ev->idle);
    }
    arm_timer(loop);
    if (over) {
        ev_break(ev, EVBREAK_ONE);
    }
}

static void on_check(struct ev_loop *unused, ev_check *check, int events)
{
    (void)unused;
    (void)events;
    np__loop_begin_turn(check->data);
}

void np__loop_ev_run(np_loop *loop)
{
    np_reserve *before = enter_ev(loop->ev);

    /* Background watchers keep no loop of the user's alive, but ours runs until it is stopped. */
    ev_ref(loop->ev->loop);
    (void)ev_run(loop->ev->loop, 0);
    ev_unref(loop->ev->loop);
    leave_ev(before);
}

void np__loop_ev_background(np_loop *loop, bool background)
{
    if (background) {
        ev_unref(loop->ev->loop);
    } else {
        ev_ref(loop->ev->loop);
    }
}

/* Making and freeing ----------------------------------------------------------------------- */

static void start_watchers(np_loop *loop)
{
    np_loop_ev *ev = loop->ev;

    ev_prepare_init(&ev->prepare, on_prepare);
    ev_check_init(&ev->check, on_check);
    /* Before whatever else has happened, signals included: it makes the time a new one. */
    ev_set_priority(&ev->check, EV_MAXPRI);
    ev_idle_init(&ev->idle, on_idle);
    ev_idle_start(ev->loop, &ev->idle); /* libev makes room for it now, and not when it is needed */
    ev_idle_stop(ev->loop, &ev->idle);
    ev_init(&ev->timer, on_timer);
    /* After what descriptors have to tell: what has come in time is not too late. */
    ev_set_priority(&ev->timer, EV_MINPRI);
    ev->prepare.data = loop;
    ev->check.data = loop;
    ev->timer.data = loop;
    ev_prepare_start(ev->loop, &ev->prepare);
    np__loop_ev_background(loop, true);
    ev_check_start(ev->loop, &ev->check);
    np__loop_ev_background(loop, true);
}

/* Our own loop of libev's, in a process that may have others. */
static np_err open_own(np_loop_ev *ev)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    np_err err = NP_OK;

    (void)pthread_once(&once, set_allocator);
    err = np__reserve_fill(&ev->reserve, 0);
    if (err == NP_OK) {
        ev->loop = ev_loop_new(EVFLAG_AUTO | EVFLAG_NOENV);
        err = ev->loop != NULL ? NP_OK : NP_ERR_SYSTEM;
    }
    return err;
}

np_err np__loop_ev_open(np_loop *loop, struct ev_loop *users)
{
    np_loop_ev *ev = calloc(1, sizeof *ev);
    np_reserve *before = NULL;
    np_err err = NP_OK;

    if (ev == NULL) {
        return NP_ERR_MEMORY;
    }
    ev->timer_at_ms = UINT64_MAX;
    ev->own = users == NULL;
    ev->loop = users;
    before = enter_ev(ev);
    if (ev->own) {
        err = open_own(ev);
    }
    if (err == NP_OK) {
        loop->ev = ev;
        start_watchers(loop);
    }
    leave_ev(before);
    if (err != NP_OK) {
        np__reserve_fini(&ev->reserve);
        free(ev);
    }
    return err;
}

void np__loop_ev_close(np_loop *loop)
{
    np_loop_ev *ev = loop->ev;
    np_reserve *before = NULL;

    if (ev == NULL) {
        return;
    }
    before = enter_ev(ev);
    np__loop_ev_background(loop, false);
    ev_check_stop(ev->loop, &ev->check);
    np__loop_ev_background(loop, false);
    ev_prepare_stop(ev->loop, &ev->prepare);
    ev_idle_stop(ev->loop, &ev->idle);
    ev_timer_stop(ev->loop, &ev->timer);
    if (ev->own) {
        ev_loop_destroy(ev->loop);
    }
    leave_ev(before);
    np__reserve_fini(&ev->reserve);
    free(ev);
}

/* Descriptors ------------------------------------------------------------------------------ */

static ev_io *watch_io(np_watch *watch)
{
    return (ev_io *)(void *)watch->ev;
}

static void on_io(struct ev_loop *unused, ev_io *io, int events)
{
    np_watch *watch = np_container_of(io, np_watch, ev);
    np_loop *loop = io->data; /* the watch may be gone after its callback */
    np_reserve *before = NULL;
    unsigned mask = 0;

    (void)unused;
    if ((events & EV_READ) != 0) {
        mask |= NP_WATCH_READ;
    }
    if ((events & EV_WRITE) != 0) {
        mask |= NP_WATCH_WRITE;
    }
    before = enter_callback(loop);
    watch->fn(watch, mask != 0 ? mask : NP_WATCH_READ);
    leave_callback(loop, before);
}

void np__watch_init(np_watch *watch, int fd, np_watch_fn *fn)
{
    ev_io *io = watch_io(watch);

    memset(watch, 0, sizeof *watch);
    ev_init(io, on_io);
    ev_io_set(io, fd, 0);
    watch->fn = fn;
}

unsigned np__watch_events(const np_watch *watch)
{
    const ev_io *io = (const ev_io *)(const void *)watch->ev;

    if (!ev_is_active(io)) {
        return NP_WATCH_NONE;
    }
    return ((io->events & EV_READ) != 0 ? NP_WATCH_READ : 0U) |
           ((io->events & EV_WRITE) != 0 ? NP_WATCH_WRITE : 0U);
}

void np__watch_set(np_loop *loop, np_watch *watch, unsigned events)
{
    ev_io *io = watch_io(watch);
    np_reserve *before = NULL;
    int mask = 0;

    if (events == np__watch_events(watch)) {
        return;
    }
    before = enter_ev(loop->ev);
    ev_io_stop(loop->ev->loop, io);
    if (events != NP_WATCH_NONE) {
        mask |= (events & NP_WATCH_READ) != 0 ? EV_READ : 0;
        mask |= (events & NP_WATCH_WRITE) != 0 ? EV_WRITE : 0;
        ev_io_set(io, io->fd, mask);
        io->data = loop;
        ev_io_start(loop->ev->loop, io);
    }
    leave_ev(before);
}

/* Signals ---------------------------------------------------------------------------------- */

static ev_signal *signal_ev(np_signal_watch *watch)
{
    return (ev_signal *)(void *)watch->ev;
}

static void on_signal(struct ev_loop *unused, ev_signal *watcher, int events)
{
    np_signal_watch *watch = np_container_of(watcher, np_signal_watch, ev);
    np_loop *loop = watch->loop; /* its callback may remove the watch */
    np_reserve *before = enter_callback(loop);

    (void)unused;
    (void)events;
    watch->fn(loop, watch->number, watch->user);
    leave_callback(loop, before);
}

/* libev ends the process if there is no descriptor for the pipe that its first signal takes. There
 * is no way to hand it one, so another thread may still come in between. */
static np_err can_open_pipe(np_loop *loop)
{
    int fd = eventfd(0, EFD_CLOEXEC);

    if (fd < 0) {
        return NP_ERR_FILES;
    }
    (void)close(fd);
    return np__watch_room(loop, fd + ROOM_FOR_OTHERS);
}

np_err np__loop_ev_signal_start(np_loop *loop, np_signal_watch *watch)
{
    np_reserve *before = NULL;
    np_err err = loop->ev->has_pipe ? NP_OK : can_open_pipe(loop);

    if (err != NP_OK) {
        return err;
    }
    before = enter_ev(loop->ev);
    loop->ev->has_pipe = true;
    ev_signal_init(signal_ev(watch), on_signal, watch->number);
    ev_signal_start(loop->ev->loop, signal_ev(watch));
    np__loop_ev_background(loop, true);
    leave_ev(before);
    return NP_OK;
}

void np__loop_ev_signal_stop(np_loop *loop, np_signal_watch *watch)
{
    np_reserve *before = enter_ev(loop->ev);

    np__loop_ev_background(loop, false);
    ev_signal_stop(loop->ev->loop, signal_ev(watch));
    leave_ev(before);
}
