/* loop_private.h - what the transport needs of the loop beyond netproto/loop.h.
 *
 * Descriptors are watched through np_watch, whose storage hides libev's ev_io, so that libev is
 * known to loop_ev.c only. What a loop is made of stands in loop_state.h.
 *
 * A turn of the loop goes: descriptors, timers and posts, then the tasks deferred so far, then the
 * flushes, which are the writes of connections that have not written in their own turn; what is
 * queued while its queue runs waits for the next turn, which then does not sleep.
 */
#ifndef NP_TRANSPORT_LOOP_PRIVATE_H
#define NP_TRANSPORT_LOOP_PRIVATE_H

#include <netproto/loop.h>

#include "util/compress.h"
#include "util/pool.h"

enum { NP_WATCH_NONE = 0, NP_WATCH_READ = 1, NP_WATCH_WRITE = 2 };

/* Bytes of the read buffer that all connections of a loop share. */
#define NP_LOOP_BUFFER_LEN ((size_t)64 * 1024)

typedef struct np_watch np_watch;
typedef void np_watch_fn(np_watch *watch, unsigned events);
struct np_watch {
    uint64_t ev[6]; /* an ev_io */
    np_watch_fn *fn;
};

/* Makes sure that a descriptor can be watched, whatever happens to the heap: to be asked once, when
 * it is new and nothing is promised yet. fd: -1 where none is behind a stream. Errors:
 * NP_ERR_MEMORY. */
NP_MUST_CHECK np_err np__watch_room(np_loop *loop, int fd);

/* Prepares a watch that waits for nothing. */
void np__watch_init(np_watch *watch, int fd, np_watch_fn *fn);

/* Waits for `events` (NP_WATCH_*) from now on; NP_WATCH_NONE before the descriptor is closed.
 * Costs nothing if nothing changes. */
void np__watch_set(np_loop *loop, np_watch *watch, unsigned events);

/* What it waits for. */
unsigned np__watch_events(const np_watch *watch);

/* Something to do once, soon: embedded in its owner, so that deferring cannot fail. */
typedef struct np_task np_task;
typedef void np_task_fn(np_loop *loop, np_task *task);
struct np_task {
    np_task *next;
    np_task **link; /* what points to us; NULL while not queued */
    np_task_fn *fn;
};

void np__task_init(np_task *task, np_task_fn *fn);

/* Has the task run after the descriptors of this turn (or of the next, from within a task). */
void np__loop_defer(np_loop *loop, np_task *task);

/* Has the task run at the end of this turn, after all deferred ones. A task is in one of the two
 * queues at most; deferring or flushing it again leaves it where it is. */
void np__loop_flush(np_loop *loop, np_task *task);

/* How many tasks were added to the flushes since they ran; one that was taken out again counts. */
size_t np__loop_flushes(const np_loop *loop);

/* Takes a task out of its queue. */
void np__task_cancel(np_loop *loop, np_task *task);

static inline bool np__task_queued(const np_task *task)
{
    return task->link != NULL;
}

/* The shared read buffer, NP_LOOP_BUFFER_LEN bytes. What is in it lives until the callback
 * that reads into it returns. */
uint8_t *np__loop_buffer(np_loop *loop);

/* Where the sessions of this loop take their buffers from. */
np_pool *np__loop_pool(np_loop *loop);

/* Whether there is memory for one more connection beside what those that are there may need; holds
 * that back from now on. at_any_rate: once those who hold much have given way, where it is short.
 */
bool np__loop_headroom(np_loop *loop, bool at_any_rate);

/* Lets go of it, for the heap to have it; for np_pool_options.relieve, for what is allocated
 * elsewhere, and for the end. False: there is none. */
bool np__loop_relieve(void *loop);

/* What they compress with. */
np_compress *np__loop_compress(np_loop *loop);

/* Its log, or NULL. */
np_log *np__loop_log(const np_loop *loop);

/* The registry: names that are never used twice. */
uint64_t np__loop_register(np_loop *loop, void *object); /* 0: out of memory */
void np__loop_unregister(np_loop *loop, uint64_t id);
void *np__loop_lookup(const np_loop *loop, uint64_t id);

/* Where names are looked up. A test names files and a port of its own. */
typedef struct np_name_sources {
    char *dns_server;     /* instead of those in resolv_conf, or NULL; the loop's */
    char hosts[64];       /* "/etc/hosts" */
    char resolv_conf[64]; /* "/etc/resolv.conf" */
    uint16_t dns_port;    /* of the servers that stand there; 0: 53 */
} np_name_sources;

np_name_sources *np__loop_names(np_loop *loop);

/* Whether the calling code runs inside the loop. */
bool np__loop_running(const np_loop *loop);

#define np_container_of(pointer, type, member)                                                     \
    ((type *)(void *)((char *)(pointer)-offsetof(type, member)))

#endif
