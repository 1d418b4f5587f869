/* netproto/loop.h - the event loop: posts, signals, timers, the system's clock and randomness.
 *
 * One loop per thread. Daemons, clients and their connections belong to the loop they were made
 * on and must be freed before it. The loop runs on libev: either on an ev_loop of its own, or on
 * one that the user brings and may run with ev_run().
 *
 * No function of the library raises SIGPIPE, and none but np_loop_on_signal changes what a signal
 * does.
 *
 * Memory: what finds none says NP_ERR_MEMORY, or ends the connection that would need it. libev
 * would end the process instead. So before a descriptor is taken on, a loop of our own sees to it
 * that libev has room for it, in a reserve outside of the heap: some 160 bytes of address space for
 * each. For this the first np_loop_new gives libev an allocator (ev_set_allocator), which is
 * realloc and free beside the reserve and holds for the whole process: a program that uses libev
 * itself must not set another one after that, and one that has set one before, of which free()
 * knows nothing, brings loops of its own only (`ev`). On such a loop the library leaves libev's
 * memory alone, so its lack ends the process unless the program's allocator does better. While
 * the heap is nearly empty and clients come, a daemon finds out ten times a second at most, and
 * after each connection that gives way, whether it has as much as connections need, by taking it
 * for a moment: another thread's malloc
 * may fail then, as it may at any time where memory is so short. What the
 * system lends out beyond what it has (overcommit), and takes back by ending a process, no reserve
 * can help.
 *
 * Ownership: np_loop_new and np_loop_free. A timer is storage of the caller's.
 *
 * Threads: a loop and everything on it belong to one thread at a time: it may be made in one and
 * handed to another, but not while it runs. np_loop_post is the only function on a loop that
 * another thread may call. What takes no loop (np_loop_options_default, np_loop_random,
 * np_loop_rng) any thread may call, and make loops of its own.
 *
 * Processes: a child of fork must not touch the loops of its parent, nor free them: both share
 * what libev has in the kernel. It may make its own. Descriptors are close-on-exec.
 *
 * Descriptors 0, 1 and 2 are the program's to have open, on /dev/null if on nothing else, before it
 * makes a loop or loads a key. The system gives the lowest number that is free: where whoever
 * started the program closed them, a connection gets number 2, and the next line on standard error
 * goes to that peer, unencrypted, and breaks the connection. The library neither reads nor writes
 * them, and leaves them alone; examples/chat/descriptors.h shows how to hold them.
 */
#ifndef NETPROTO_LOOP_H
#define NETPROTO_LOOP_H

#include <netproto/error.h>
#include <netproto/log.h>
#include <netproto/rng.h>
#include <netproto/time.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct np_loop np_loop;
struct ev_loop;

typedef struct np_loop_options {
    struct ev_loop *ev;     /* the user's libev loop, which must outlive ours; NULL: our own */
    size_t post_max;        /* posts that may wait; at most 1 Mi */
    size_t memory_max;      /* bytes in buffers of all connections together, default 1 GiB; 0: no
                             * bound. When more are needed, or the system has no more, the largest
                             * connection of the key or source that holds most is ended with
                             * NP_ERR_LIMIT, which need not be the one that needs them; see
                             * docs/security.md. Keep it above 2 KiB for each connection. */
    const char *dns_server; /* "192.0.2.1:53" instead of those in resolv.conf; NULL: those, which
                             * are read anew for each name that is looked up */
    np_log *log;            /* where events go; it must outlive the loop; NULL: nowhere */
} np_loop_options;

/* Our own ev_loop, 1024 posts, 1 GiB in buffers, the system's DNS servers, no log. */
NP_API np_loop_options np_loop_options_default(void);

/* Makes a loop, which holds two descriptors, or one on a loop of the user's. options: NULL for the
 * defaults. Errors: NP_ERR_ARG, NP_ERR_MEMORY, NP_ERR_FILES (too many are open), NP_ERR_SYSTEM
 * (libev found no way to wait, libsodium no randomness). */
NP_API NP_MUST_CHECK np_err np_loop_new(np_loop **out, const np_loop_options *options);

/* Frees a loop, after everything on it. Timers that are active are stopped. Posts that wait are
 * dropped: who must know that one ran
 * has it say so. No thread may post any more, but a call of np_loop_post whose function has run may
 * still be about to return. NULL is allowed. */
NP_API void np_loop_free(np_loop *loop);

/* Runs until np_loop_stop. Errors: NP_ERR_STATE when called from within the loop. */
NP_API NP_MUST_CHECK np_err np_loop_run(np_loop *loop);

/* Runs until *done is true or timeout_ms have passed (NP_ERR_DEADLINE), or np_loop_stop was
 * called (NP_ERR_CANCELED). A tool or a test waits with it; NP_ERR_STATE as above. */
NP_API NP_MUST_CHECK np_err np_loop_run_until(np_loop *loop, const bool *done, uint32_t timeout_ms);

/* Makes np_loop_run return at the end of this turn; before it, makes the next run return at
 * once. The same goes for a run of the user's own by ev_run. Another thread posts a function that
 * calls this. */
NP_API void np_loop_stop(np_loop *loop);

/* Has `fn` run once on the loop's thread, in order of posting. From any thread, the loop's too; the
 * loop must live, but need not run yet. What this thread wrote before, fn sees. It takes a lock for
 * a moment and never blocks for long.
 *
 * Errors: NP_ERR_FULL when post_max wait; then fn will not run, and the caller tries again later or
 * drops it. */
typedef void np_loop_post_fn(np_loop *loop, void *user);
NP_API NP_MUST_CHECK np_err np_loop_post(np_loop *loop, np_loop_post_fn *fn, void *user);

/* Has `fn` run on the loop's thread when the process gets the signal `number`, so unlike a handler
 * of sigaction it may do anything, e.g. np_daemon_stop on SIGINT and SIGTERM. Signals that come
 * faster than the loop turns count as one.
 *
 * Again with another fn or user: replaces them. With NULL, which fn may do too, and when the loop
 * is freed: the signal has its default action again. A signal belongs to one loop of the process;
 * watching it does not keep a loop of the user's alive. It is unblocked in the calling thread.
 *
 * Errors: NP_ERR_ARG for what is no signal, cannot be caught, or tells of a fault of the program
 * (SIGSEGV, SIGBUS, SIGFPE, SIGILL); NP_ERR_STATE if another loop, the user's libev watchers or a
 * handler of sigaction have the signal; NP_ERR_FILES for the first one, which takes a descriptor;
 * NP_ERR_MEMORY. */
typedef void np_signal_fn(np_loop *loop, int number, void *user);
NP_API NP_MUST_CHECK np_err np_loop_on_signal(np_loop *loop, int number, np_signal_fn *fn,
                                              void *user);

/* The time: taken once a turn, so it is the same for everything that happens in one; outside of a
 * run, the time now. mono_ms never runs backwards. */
NP_API np_time np_loop_now(np_loop *loop);

/* Fills in bytes from the kernel's random generator. Errors: NP_ERR_SYSTEM. */
NP_API NP_MUST_CHECK np_err np_loop_random(void *out, size_t len);

/* The same for machines that want an np_rng: ends the process (abort) if the kernel refuses, since
 * nothing sound could be done then. */
NP_API np_rng np_loop_rng(void);

/* A one-shot timer: put it into a struct of yours and reach that from the callback. It is on one
 * loop at a time, and must be stopped before its storage goes away. The members are the library's.
 */
typedef struct np_timer np_timer;
typedef void np_timer_fn(np_loop *loop, np_timer *timer);
struct np_timer {
    uint64_t at_ms;
    np_timer *child, *next;
    np_timer **link; /* what points to us; NULL while stopped */
    np_timer_fn *fn;
};

/* Prepares a timer; it is stopped. */
NP_API void np_timer_init(np_timer *timer, np_timer_fn *fn);

/* Starts or restarts it; fn runs no earlier than delay_ms from now. Never fails. */
NP_API void np_timer_start(np_loop *loop, np_timer *timer, uint64_t delay_ms);

/* Starts or restarts it for a time of np_loop_now's mono_ms. One that has passed means soon; from
 * within a timer, not before the next turn. */
NP_API void np_timer_start_at(np_loop *loop, np_timer *timer, uint64_t at_ms);

/* Stops it; nothing happens if it is stopped. */
NP_API void np_timer_stop(np_loop *loop, np_timer *timer);

/* Whether it will fire. */
static inline bool np_timer_active(const np_timer *timer)
{
    return timer->link != NULL;
}

#ifdef __cplusplus
}
#endif

#endif
