/* loop_state.h - what a loop is made of, for loop.c and loop_*.c only.
 *
 * Each part is a struct with a file of its own; loop.c puts them together. Only loop_ev.c knows
 * libev: it turns libev's callbacks into the calls at the end of this file.
 */
#ifndef NP_TRANSPORT_LOOP_STATE_H
#define NP_TRANSPORT_LOOP_STATE_H

#include "transport/loop_private.h"

#include <pthread.h>

/* loop_tasks.c: what runs once, at the end of a turn. */
typedef struct np_task_queue {
    np_task *first;
    np_task **tail;
    size_t added;   /* since it ran last */
    np_task marker; /* while the queue runs: the tasks behind it wait for the next turn */
} np_task_queue;

/* loop_timers.c, on the heap of timer.c. */
typedef struct np_timers {
    np_timer *root;
    uint64_t floor_ms; /* while timers run: the least time for one that is started meanwhile */
} np_timers;

/* loop_registry.c: a slot that is free keeps its generation, which is part of the next name. */
typedef struct np_registry_slot {
    void *object;
    uint32_t generation;
    uint32_t next_free; /* index + 1 of the next free slot; 0: none */
} np_registry_slot;

typedef struct np_registry {
    np_registry_slot *slots;
    size_t count;
    size_t used;   /* slots with an object */
    uint32_t free; /* index + 1 of the first free slot; 0: none */
} np_registry;

/* loop_posts.c: a ring that other threads fill. */
typedef struct np_post {
    np_loop_post_fn *fn;
    void *user;
} np_post;

typedef struct np_posts {
    pthread_mutex_t mutex; /* guards all of it but the watch */
    np_post *ring;
    size_t max, first, count;
    int fd;     /* an eventfd; -1: none yet */
    bool awake; /* the eventfd is readable: the loop looks at the ring soon */
    np_watch watch;
} np_posts;

/* loop_signals.c: a signal that the loop takes. */
typedef struct np_signal_watch np_signal_watch;
struct np_signal_watch {
    uint64_t ev[6]; /* an ev_signal */
    np_signal_watch *next;
    np_loop *loop;
    int number;
    np_signal_fn *fn;
    void *user;
};

/* loop_headroom.c: address space that is held back from newcomers. */
typedef struct np_headroom {
    void *memory; /* NULL: it was needed, or never asked for */
    size_t len;
    uint64_t tidied_ms;
    uint64_t searched_ms; /* when the heap was searched; 0: never */
    size_t found;         /* what was found then; 0: not as much as was looked for */
    uint64_t yielded_ms;  /* when somebody was to give way for it; 0: never */
} np_headroom;

/* loop_ev.c: libev's loop and its watchers. */
typedef struct np_loop_ev np_loop_ev;

struct np_loop {
    np_loop_ev *ev;
    bool running; /* by our run functions */
    bool inside;  /* a callback of ours, possibly in a run of the user's own */
    bool stop;
    bool now_valid;    /* `now` was taken in this turn */
    const bool *until; /* np_loop_run_until: ends the run */
    np_time now;
    np_timers timers;
    np_task_queue deferred;
    np_task_queue flushes;
    np_posts posts;
    np_registry registry;
    np_signal_watch *signals;
    np_name_sources names;
    uint8_t *buffer;
    np_pool pool;
    np_headroom headroom;
    np_compress compress;
    np_log *log;
};

/* Parts ------------------------------------------------------------------------------------ */

/* loop_system.c: the clocks, asked anew; and the monotonic one alone, in milliseconds. */
np_time np__loop_clock(void);
uint64_t np__loop_clock_ms(void);

/* Has libsodium look at the processor, once a process. Errors: NP_ERR_SYSTEM. */
NP_MUST_CHECK np_err np__loop_crypto_init(void);

/* Runs what is due at `now_ms`. A timer that is started meanwhile waits for the next turn. */
void np__loop_timers_run(np_loop *loop, uint64_t now_ms);

/* When the first of them is due; UINT64_MAX: never. */
uint64_t np__loop_timers_next(const np_loop *loop);

/* Stops all timers: who owns one may outlive the loop, and start it on another. */
void np__loop_timers_fini(np_loop *loop);

void np__loop_tasks_init(np_task_queue *queue);
void np__loop_tasks_run(np_loop *loop, np_task_queue *queue);

/* Errors: NP_ERR_MEMORY, NP_ERR_FILES, NP_ERR_SYSTEM; fini is allowed then, and with fd -1. */
NP_MUST_CHECK np_err np__loop_posts_init(np_loop *loop, size_t max);
void np__loop_posts_fini(np_loop *loop);

void np__loop_registry_fini(np_loop *loop);

void np__loop_signals_fini(np_loop *loop);

/* libev ------------------------------------------------------------------------------------ */

/* Opens libev's loop, or takes the user's. Errors: NP_ERR_MEMORY, NP_ERR_SYSTEM. */
NP_MUST_CHECK np_err np__loop_ev_open(np_loop *loop, struct ev_loop *users);
void np__loop_ev_close(np_loop *loop);

/* Turns until np__loop_end_turn says that it is over. */
void np__loop_ev_run(np_loop *loop);

/* Whether an active watch counts as background, which keeps no loop of the user's alive. To be
 * said after the watch is started, and taken back before it stops. */
void np__loop_ev_background(np_loop *loop, bool background);

/* Starts or stops watching watch->number. Errors: NP_ERR_FILES, NP_ERR_MEMORY. */
NP_MUST_CHECK np_err np__loop_ev_signal_start(np_loop *loop, np_signal_watch *watch);
void np__loop_ev_signal_stop(np_loop *loop, np_signal_watch *watch);

/* What libev's callbacks come to ----------------------------------------------------------- */

/* Around every callback of ours. */
void np__loop_enter(np_loop *loop);
void np__loop_leave(np_loop *loop);

/* A new turn has begun: the time is another. */
void np__loop_begin_turn(np_loop *loop);

/* libev is about to wait: runs what belongs to the end of a turn. Returns whether the run is
 * over. */
NP_MUST_CHECK bool np__loop_end_turn(np_loop *loop);

/* Whether there are tasks for the next turn, so that libev must not sleep. */
bool np__loop_has_tasks(const np_loop *loop);

#endif
