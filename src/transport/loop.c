/* loop.c - the loop on libev; nothing else in the tree includes ev.h. */
#define _GNU_SOURCE
#include "transport/loop_private.h"
#include "transport/timer.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>

#include <ev.h>

#define POST_MAX_LIMIT ((size_t)1 << 20)

/* How long libev's timer may sleep when there is nothing to wait for, in seconds. */
#define SLEEP_MAX_S 3600

_Static_assert(sizeof(ev_io) <= sizeof(((np_watch *)0)->ev), "np_watch holds an ev_io");
_Static_assert(_Alignof(ev_io) <= _Alignof(np_watch), "np_watch is aligned like an ev_io");

typedef struct post {
    np_loop_post_fn *fn;
    void *user;
} post;

/* A slot of the registry. A free one keeps its generation, which is part of the next name. */
typedef struct slot {
    void *object;
    uint32_t generation;
    uint32_t next_free; /* index + 1 of the next free slot; 0: none */
} slot;

/* A signal that the loop takes. */
typedef struct signal_watch signal_watch;
struct signal_watch {
    ev_signal ev;
    signal_watch *next;
    np_signal_fn *fn;
    void *user;
};

typedef struct task_queue {
    np_task *first;
    np_task **tail;
    np_task marker; /* while the queue runs: the tasks behind it wait for the next turn */
} task_queue;

struct np_loop {
    struct ev_loop *ev;
    bool own_ev;
    bool running; /* by our run functions */
    bool inside;  /* a callback of ours, possibly in a run of the user's own */
    bool stop;
    bool now_valid;
    const bool *until; /* np_loop_run_until: ends the run */
    np_time now;
    ev_prepare prepare;
    ev_check check;
    ev_idle idle;
    ev_async async;
    ev_timer timer;
    uint64_t timer_at_ms; /* what libev's timer is set to; UINT64_MAX: stopped */
    np_timer *timers;
    signal_watch *signals;
    task_queue deferred;
    task_queue flushes;
    slot *slots;
    size_t slot_count;
    uint32_t free_slot; /* index + 1 */
    np_resolver *resolver;
    char *dns_server;
    pthread_mutex_t post_mutex; /* guards the ring */
    post *posts;
    size_t post_max, post_first, post_count;
    uint8_t *buffer;
    np_pool pool;
    np_log *log;
};

/* Clocks and randomness -------------------------------------------------------------------- */

static uint64_t clock_ms(clockid_t id)
{
    struct timespec ts;

    (void)clock_gettime(id, &ts);
    return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

np_time np_loop_now(np_loop *loop)
{
    if (!loop->now_valid) {
        loop->now = (np_time){clock_ms(CLOCK_MONOTONIC), clock_ms(CLOCK_REALTIME_COARSE)};
        loop->now_valid = np__loop_running(loop);
    }
    return loop->now;
}

np_err np_loop_random(void *out, size_t len)
{
    uint8_t *p = out;

    while (len > 0) {
        ssize_t got = getrandom(p, len, 0);
        if (got < 0 && errno != EINTR) {
            return NP_ERR_SYSTEM;
        }
        if (got > 0) {
            p += got;
            len -= (size_t)got;
        }
    }
    return NP_OK;
}

static void fill_random(void *user, uint8_t *out, size_t len)
{
    (void)user;
    if (np_loop_random(out, len) != NP_OK) {
        abort();
    }
}

np_rng np_loop_rng(void)
{
    np_rng rng = {fill_random, NULL};

    return rng;
}

/* Timers ----------------------------------------------------------------------------------- */

void np_timer_init(np_timer *timer, np_timer_fn *fn)
{
    memset(timer, 0, sizeof *timer);
    timer->fn = fn;
}

void np_timer_start_at(np_loop *loop, np_timer *timer, uint64_t at_ms)
{
    if (timer->link != NULL) {
        np__timers_remove(&loop->timers, timer);
    }
    timer->at_ms = at_ms;
    np__timers_insert(&loop->timers, timer);
}

void np_timer_start(np_loop *loop, np_timer *timer, uint64_t delay_ms)
{
    /* The turn's clock may be old after a long callback: a relative timer must not fire early. */
    uint64_t now = clock_ms(CLOCK_MONOTONIC) + 1;

    np_timer_start_at(loop, timer, delay_ms > UINT64_MAX - now ? UINT64_MAX : now + delay_ms);
}

void np_timer_stop(np_loop *loop, np_timer *timer)
{
    if (timer->link != NULL) {
        np__timers_remove(&loop->timers, timer);
    }
}

static void run_timers(np_loop *loop)
{
    uint64_t now = np_loop_now(loop).mono_ms;

    while (loop->timers != NULL && loop->timers->at_ms <= now) {
        np_timer *timer = loop->timers;
        np__timers_remove(&loop->timers, timer);
        timer->fn(loop, timer);
    }
}

/* Sets libev's one timer to the earliest of ours. A later one is left alone: it fires early, finds
 * nothing due and is set again, which is cheaper than moving it for every packet. */
static void arm_timer(np_loop *loop)
{
    uint64_t at = loop->timers != NULL ? loop->timers->at_ms : UINT64_MAX;
    uint64_t now = 0;
    double delay_s = 0;

    if (at >= loop->timer_at_ms) {
        return;
    }
    loop->now_valid = false;
    now = np_loop_now(loop).mono_ms;
    if (at > now) {
        delay_s = at - now > SLEEP_MAX_S * 1000 ? SLEEP_MAX_S : (double)(at - now) / 1000.0;
    }
    ev_now_update(loop->ev);
    ev_timer_stop(loop->ev, &loop->timer);
    ev_timer_set(&loop->timer, delay_s, 0.0);
    ev_timer_start(loop->ev, &loop->timer);
    loop->timer_at_ms = at;
}

static void on_timer(struct ev_loop *ev, ev_timer *timer, int events)
{
    np_loop *loop = timer->data;

    (void)ev;
    (void)events;
    loop->timer_at_ms = UINT64_MAX;
    loop->inside = true;
    run_timers(loop);
    loop->inside = false;
}

/* Tasks ------------------------------------------------------------------------------------ */

static void queue_init(task_queue *queue)
{
    memset(queue, 0, sizeof *queue);
    queue->tail = &queue->first;
}

static void queue_add(task_queue *queue, np_task *task)
{
    if (task->link == NULL) {
        task->next = NULL;
        task->link = queue->tail;
        *queue->tail = task;
        queue->tail = &task->next;
    }
}

static void queue_remove(task_queue *queue, np_task *task)
{
    *task->link = task->next;
    if (task->next != NULL) {
        task->next->link = task->link;
    }
    if (queue->tail == &task->next) {
        queue->tail = task->link;
    }
    task->next = NULL;
    task->link = NULL;
}

void np__task_init(np_task *task, np_task_fn *fn)
{
    memset(task, 0, sizeof *task);
    task->fn = fn;
}

void np__loop_defer(np_loop *loop, np_task *task)
{
    queue_add(&loop->deferred, task);
}

void np__loop_flush(np_loop *loop, np_task *task)
{
    queue_add(&loop->flushes, task);
}

void np__task_cancel(np_loop *loop, np_task *task)
{
    if (task->link == NULL) {
        return;
    }
    /* Which queue it is in shows only in whose tail it may be; removing is the same for both. */
    if (loop->deferred.tail == &task->next) {
        queue_remove(&loop->deferred, task);
    } else {
        queue_remove(&loop->flushes, task);
    }
}

/* Runs the tasks queued so far; those that they queue wait for the next turn, so that tasks which
 * keep each other busy do not keep the loop from everything else. */
static void run_tasks(np_loop *loop, task_queue *queue)
{
    if (queue->first == NULL) {
        return;
    }
    queue_add(queue, &queue->marker);
    while (queue->first != &queue->marker) {
        np_task *task = queue->first;
        queue_remove(queue, task);
        task->fn(loop, task);
    }
    queue_remove(queue, &queue->marker);
}

static void on_idle(struct ev_loop *ev, ev_idle *idle, int events)
{
    (void)ev;
    (void)idle;
    (void)events;
}

/* The end of a turn: libev is about to wait. */
static void on_prepare(struct ev_loop *ev, ev_prepare *prepare, int events)
{
    np_loop *loop = prepare->data;

    (void)events;
    loop->inside = true;
    run_tasks(loop, &loop->deferred);
    run_tasks(loop, &loop->flushes);
    loop->inside = false;
    if (loop->deferred.first != NULL || loop->flushes.first != NULL) {
        ev_idle_start(ev, &loop->idle);
    } else {
        ev_idle_stop(ev, &loop->idle);
    }
    arm_timer(loop);
    if (loop->stop || (loop->until != NULL && *loop->until)) {
        ev_break(ev, EVBREAK_ONE);
    }
}

static void on_check(struct ev_loop *ev, ev_check *check, int events)
{
    np_loop *loop = check->data;

    (void)ev;
    (void)events;
    loop->now_valid = false;
}

/* Posts ------------------------------------------------------------------------------------ */

np_err np_loop_post(np_loop *loop, np_loop_post_fn *fn, void *user)
{
    np_err err = NP_ERR_FULL;

    (void)pthread_mutex_lock(&loop->post_mutex);
    if (loop->post_count < loop->post_max) {
        size_t at = (loop->post_first + loop->post_count) % loop->post_max;
        loop->posts[at] = (post){fn, user};
        loop->post_count++;
        err = NP_OK;
    }
    (void)pthread_mutex_unlock(&loop->post_mutex);
    if (err == NP_OK) {
        ev_async_send(loop->ev, &loop->async);
    }
    return err;
}

static bool take_post(np_loop *loop, post *out)
{
    bool any = false;

    (void)pthread_mutex_lock(&loop->post_mutex);
    if (loop->post_count > 0) {
        *out = loop->posts[loop->post_first];
        loop->post_first = (loop->post_first + 1) % loop->post_max;
        loop->post_count--;
        any = true;
    }
    (void)pthread_mutex_unlock(&loop->post_mutex);
    return any;
}

static void on_async(struct ev_loop *ev, ev_async *async, int events)
{
    np_loop *loop = async->data;
    post next;
    size_t budget = loop->post_max;

    (void)events;
    loop->inside = true;
    while (budget-- > 0 && take_post(loop, &next)) {
        next.fn(loop, next.user);
    }
    loop->inside = false;
    if (budget == SIZE_MAX) {
        ev_async_send(ev, async); /* who posts from a post must not starve the connections */
    }
}

/* Signals ---------------------------------------------------------------------------------- */

/* What a signal does belongs to the process: one loop at a time asks and changes. */
static pthread_mutex_t signal_mutex = PTHREAD_MUTEX_INITIALIZER;

static void on_signal(struct ev_loop *ev, ev_signal *watcher, int events)
{
    signal_watch *watch = np_container_of(watcher, signal_watch, ev);
    np_loop *loop = watcher->data;

    (void)ev;
    (void)events;
    loop->inside = true;
    watch->fn(loop, watcher->signum, watch->user); /* which may remove the watch */
    loop->inside = false;
}

/* Where the watch of a signal is linked, or would be. */
static signal_watch **find_signal(np_loop *loop, int number)
{
    signal_watch **link = &loop->signals;

    while (*link != NULL && (*link)->ev.signum != number) {
        link = &(*link)->next;
    }
    return link;
}

static void remove_signal(np_loop *loop, signal_watch **link)
{
    signal_watch *watch = *link;

    *link = watch->next;
    ev_ref(loop->ev);
    (void)pthread_mutex_lock(&signal_mutex);
    ev_signal_stop(loop->ev, &watch->ev); /* the default action again */
    (void)pthread_mutex_unlock(&signal_mutex);
    free(watch);
}

/* A signal can be taken if nobody has a handler for it: libev would replace a stranger's, and stop
 * the process where it is another libev loop's. */
static np_err check_signal(int number)
{
    struct sigaction now;

    if (number == SIGKILL || number == SIGSTOP || number == SIGSEGV || number == SIGBUS ||
        number == SIGFPE || number == SIGILL || sigaction(number, NULL, &now) != 0) {
        return NP_ERR_ARG;
    }
    return (now.sa_flags & SA_SIGINFO) == 0 &&
                   (now.sa_handler == SIG_DFL || now.sa_handler == SIG_IGN)
               ? NP_OK
               : NP_ERR_STATE;
}

static np_err add_signal(np_loop *loop, int number, np_signal_fn *fn, void *user)
{
    signal_watch *watch = calloc(1, sizeof *watch);
    np_err err = NP_OK;

    if (watch == NULL) {
        return NP_ERR_MEMORY;
    }
    watch->fn = fn;
    watch->user = user;
    ev_signal_init(&watch->ev, on_signal, number);
    watch->ev.data = loop;
    (void)pthread_mutex_lock(&signal_mutex);
    err = check_signal(number);
    if (err == NP_OK) {
        ev_signal_start(loop->ev, &watch->ev);
    }
    (void)pthread_mutex_unlock(&signal_mutex);
    if (err != NP_OK) {
        free(watch);
        return err;
    }
    ev_unref(loop->ev); /* it must not keep a loop of the user's alive */
    watch->next = loop->signals;
    loop->signals = watch;
    return NP_OK;
}

np_err np_loop_on_signal(np_loop *loop, int number, np_signal_fn *fn, void *user)
{
    signal_watch **link = find_signal(loop, number);

    if (*link == NULL) {
        return fn != NULL ? add_signal(loop, number, fn, user) : NP_OK;
    }
    if (fn == NULL) {
        remove_signal(loop, link);
    } else {
        (*link)->fn = fn;
        (*link)->user = user;
    }
    return NP_OK;
}

/* Watches ---------------------------------------------------------------------------------- */

static ev_io *watch_io(np_watch *watch)
{
    return (ev_io *)(void *)watch->ev;
}

static void on_io(struct ev_loop *ev, ev_io *io, int events)
{
    np_watch *watch = np_container_of(io, np_watch, ev);
    np_loop *loop = io->data; /* the watch may be gone after its callback */
    unsigned mask = 0;

    (void)ev;
    if ((events & EV_READ) != 0) {
        mask |= NP_WATCH_READ;
    }
    if ((events & EV_WRITE) != 0) {
        mask |= NP_WATCH_WRITE;
    }
    loop->inside = true;
    watch->fn(watch, mask != 0 ? mask : NP_WATCH_READ);
    loop->inside = false;
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
    int mask = 0;

    if (events == np__watch_events(watch)) {
        return;
    }
    ev_io_stop(loop->ev, io);
    if (events == NP_WATCH_NONE) {
        return;
    }
    mask |= (events & NP_WATCH_READ) != 0 ? EV_READ : 0;
    mask |= (events & NP_WATCH_WRITE) != 0 ? EV_WRITE : 0;
    ev_io_set(io, io->fd, mask);
    io->data = loop;
    ev_io_start(loop->ev, io);
}

/* The registry ----------------------------------------------------------------------------- */

static bool grow_slots(np_loop *loop)
{
    size_t count = loop->slot_count == 0 ? 16 : loop->slot_count * 2;
    slot *slots = NULL;

    if (count > UINT32_MAX) {
        return false;
    }
    slots = realloc(loop->slots, count * sizeof *slots);
    if (slots == NULL) {
        return false;
    }
    for (size_t i = count; i-- > loop->slot_count;) {
        slots[i] = (slot){NULL, 1, loop->free_slot};
        loop->free_slot = (uint32_t)i + 1;
    }
    loop->slots = slots;
    loop->slot_count = count;
    return true;
}

uint64_t np__loop_register(np_loop *loop, void *object)
{
    slot *s = NULL;
    uint32_t index = 0;

    if (loop->free_slot == 0 && !grow_slots(loop)) {
        return 0;
    }
    index = loop->free_slot - 1;
    s = &loop->slots[index];
    loop->free_slot = s->next_free;
    s->object = object;
    s->next_free = 0;
    return (uint64_t)s->generation << 32 | index;
}

static slot *find_slot(const np_loop *loop, uint64_t id)
{
    size_t index = (size_t)(id & UINT32_MAX);
    slot *s = index < loop->slot_count ? &loop->slots[index] : NULL;

    return s != NULL && s->object != NULL && s->generation == id >> 32 ? s : NULL;
}

void np__loop_unregister(np_loop *loop, uint64_t id)
{
    slot *s = find_slot(loop, id);

    if (s == NULL) {
        return;
    }
    s->object = NULL;
    s->generation++;
    /* A slot whose generations are used up is never handed out again. */
    if (s->generation != 0) {
        s->next_free = loop->free_slot;
        loop->free_slot = (uint32_t)(s - loop->slots) + 1;
    }
}

void *np__loop_lookup(const np_loop *loop, uint64_t id)
{
    const slot *s = find_slot(loop, id);

    return s != NULL ? s->object : NULL;
}

/* The loop --------------------------------------------------------------------------------- */

np_loop_options np_loop_options_default(void)
{
    np_loop_options options = {.post_max = 1024};
    return options;
}

static void start_watchers(np_loop *loop)
{
    ev_prepare_init(&loop->prepare, on_prepare);
    ev_check_init(&loop->check, on_check);
    ev_idle_init(&loop->idle, on_idle);
    ev_async_init(&loop->async, on_async);
    ev_init(&loop->timer, on_timer);
    loop->prepare.data = loop;
    loop->check.data = loop;
    loop->async.data = loop;
    loop->timer.data = loop;
    ev_prepare_start(loop->ev, &loop->prepare);
    ev_check_start(loop->ev, &loop->check);
    ev_async_start(loop->ev, &loop->async);
    /* These three must not keep a loop of the user's alive. */
    for (int i = 0; i < 3; i++) {
        ev_unref(loop->ev);
    }
}

static void stop_watchers(np_loop *loop)
{
    for (int i = 0; i < 3; i++) {
        ev_ref(loop->ev);
    }
    ev_prepare_stop(loop->ev, &loop->prepare);
    ev_check_stop(loop->ev, &loop->check);
    ev_async_stop(loop->ev, &loop->async);
    ev_idle_stop(loop->ev, &loop->idle);
    ev_timer_stop(loop->ev, &loop->timer);
}

static np_err allocate(np_loop *loop, const np_loop_options *options)
{
    loop->buffer = malloc(NP_LOOP_BUFFER_LEN);
    loop->posts = calloc(options->post_max, sizeof *loop->posts);
    if (loop->buffer == NULL || loop->posts == NULL) {
        return NP_ERR_MEMORY;
    }
    if (options->dns_server != NULL) {
        loop->dns_server = strdup(options->dns_server);
        if (loop->dns_server == NULL) {
            return NP_ERR_MEMORY;
        }
    }
    loop->post_max = options->post_max;
    loop->ev = options->ev;
    if (loop->ev == NULL) {
        loop->ev = ev_loop_new(EVFLAG_AUTO | EVFLAG_NOENV);
        loop->own_ev = true;
    }
    return loop->ev != NULL ? NP_OK : NP_ERR_SYSTEM;
}

static void release(np_loop *loop)
{
    if (loop->own_ev && loop->ev != NULL) {
        ev_loop_destroy(loop->ev);
    }
    free(loop->dns_server);
    free(loop->slots);
    free(loop->posts);
    free(loop->buffer);
    free(loop);
}

np_err np_loop_new(np_loop **out, const np_loop_options *options)
{
    np_loop_options defaults = np_loop_options_default();
    np_pool_options pool_options = np_pool_options_default();
    np_loop *loop = NULL;
    np_err err = NP_OK;

    if (options == NULL) {
        options = &defaults;
    }
    if (options->post_max == 0 || options->post_max > POST_MAX_LIMIT) {
        return NP_ERR_ARG;
    }
    loop = calloc(1, sizeof *loop);
    if (loop == NULL) {
        return NP_ERR_MEMORY;
    }
    err = allocate(loop, options);
    if (err != NP_OK) {
        release(loop);
        return err;
    }
    (void)pthread_mutex_init(&loop->post_mutex, NULL);
    queue_init(&loop->deferred);
    queue_init(&loop->flushes);
    loop->timer_at_ms = UINT64_MAX;
    loop->log = options->log;
    pool_options.live_max = options->memory_max;
    np_pool_init(&loop->pool, &pool_options);
    start_watchers(loop);
    *out = loop;
    return NP_OK;
}

void np_loop_free(np_loop *loop)
{
    if (loop == NULL) {
        return;
    }
    assert(!np__loop_running(loop));
    np__resolver_free(loop->resolver);
    while (loop->signals != NULL) {
        remove_signal(loop, &loop->signals);
    }
    stop_watchers(loop);
    np_pool_fini(&loop->pool);
    (void)pthread_mutex_destroy(&loop->post_mutex);
    release(loop);
}

/* Runs until np_loop_stop or until *until; tells which. */
static bool run(np_loop *loop, const bool *until)
{
    bool stopped = false;

    loop->running = true;
    loop->until = until;
    /* Watchers that must not keep a user's loop alive: ours runs until it is stopped. */
    ev_ref(loop->ev);
    while (!loop->stop && (until == NULL || !*until)) {
        (void)ev_run(loop->ev, 0);
    }
    ev_unref(loop->ev);
    stopped = loop->stop;
    loop->stop = false;
    loop->until = NULL;
    loop->running = false;
    loop->now_valid = false;
    return stopped;
}

np_err np_loop_run(np_loop *loop)
{
    if (np__loop_running(loop)) {
        return NP_ERR_STATE;
    }
    (void)run(loop, NULL);
    return NP_OK;
}

typedef struct run_timeout {
    np_timer timer;
    bool passed;
} run_timeout;

static void on_run_timeout(np_loop *loop, np_timer *timer)
{
    run_timeout *timeout = np_container_of(timer, run_timeout, timer);

    timeout->passed = true;
    np_loop_stop(loop);
}

np_err np_loop_run_until(np_loop *loop, const bool *done, uint32_t timeout_ms)
{
    run_timeout timeout = {.passed = false};
    bool stopped = false;

    if (np__loop_running(loop)) {
        return NP_ERR_STATE;
    }
    np_timer_init(&timeout.timer, on_run_timeout);
    np_timer_start(loop, &timeout.timer, timeout_ms);
    stopped = run(loop, done);
    np_timer_stop(loop, &timeout.timer);
    if (*done) {
        return NP_OK;
    }
    return stopped && !timeout.passed ? NP_ERR_CANCELED : NP_ERR_DEADLINE;
}

void np_loop_stop(np_loop *loop)
{
    loop->stop = true;
}

bool np__loop_running(const np_loop *loop)
{
    return loop->running || loop->inside;
}

uint8_t *np__loop_buffer(np_loop *loop)
{
    return loop->buffer;
}

np_resolver **np__loop_resolver(np_loop *loop)
{
    return &loop->resolver;
}

const char *np__loop_dns_server(const np_loop *loop)
{
    return loop->dns_server;
}

np_pool *np__loop_pool(np_loop *loop)
{
    return &loop->pool;
}

np_log *np__loop_log(const np_loop *loop)
{
    return loop->log;
}
