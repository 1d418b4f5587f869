/* timer.h - the loop's timers: a pairing heap whose nodes live in their owners, so that starting
 * one never allocates and an idle connection pays for no watcher of libev's.
 *
 * Fredman, Sedgewick, Sleator, Tarjan: "The Pairing Heap" (1986).
 */
#ifndef NP_TRANSPORT_TIMER_H
#define NP_TRANSPORT_TIMER_H

#include <netproto/loop.h>

/* Puts a stopped timer, whose at_ms is set, into the heap. */
void np__timers_insert(np_timer **root, np_timer *timer);

/* Takes an active timer out. */
void np__timers_remove(np_timer **root, np_timer *timer);

#endif
