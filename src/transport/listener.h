/* listener.h - accepting connections from one address.
 *
 * At most 16 are accepted per turn of the loop, so that a flood of them does not starve those that
 * are there. When descriptors run out (EMFILE, ENFILE), a spare one is given up to take the waiting
 * connection: its owner is told so (np_listener_is_at_last), and has another one closed for it, or
 * turns it away, so that its peer knows. Either way there is a spare one again. If there is not,
 * the listener pauses for 100 ms, since the descriptor would be announced as readable again and
 * again. It also does so when the system is out of memory, and when a turn brought nothing but
 * errors.
 *
 * Threads: the loop's.
 */
#ifndef NP_TRANSPORT_LISTENER_H
#define NP_TRANSPORT_LISTENER_H

#include "transport/address.h"
#include "transport/loop_private.h"
#include "transport/unix.h"

/* Connections accepted per turn; how long a listener pauses without descriptors; how often that
 * is logged. */
#define NP_LISTENER_BUDGET 16
#define NP_LISTENER_PAUSE_MS 100
#define NP_LISTENER_LOG_MS 10000

typedef struct np_listener np_listener;

/* Takes a new connection: fd is non-blocking, close-on-exec, and the callee's. False: it has been
 * turned away and closed. */
typedef bool np_listener_fn(np_listener *listener, int fd, const struct sockaddr *peer,
                            socklen_t peer_len, void *user);

typedef struct np_listener_options {
    int backlog;        /* connections that may wait in the kernel; default 1024 */
    unsigned unix_mode; /* of a socket file; default 0600 */
    bool reuse_port;    /* several loops listen on one port; default no */
} np_listener_options;

np_listener_options np_listener_options_default(void);

/* Listens. `address` with port 0 gets one from the system. Errors: NP_ERR_ADDRESS (a host name: it
 * must be numeric or "localhost"), NP_ERR_IN_USE, NP_ERR_FILES, NP_ERR_MEMORY, NP_ERR_SYSTEM, with
 * *os_error (0 if none) and *why (NULL if none; static). */
NP_MUST_CHECK np_err np_listener_open(np_listener **out, np_loop *loop, const np_address *address,
                                      const np_listener_options *options, np_listener_fn *fn,
                                      void *user, int *os_error, const char **why);

/* Stops listening and frees it; a socket file that is still ours is removed. Safe inside its own
 * callback. NULL is allowed. */
void np_listener_close(np_listener *listener);

/* Stops or goes on accepting; those who come wait in the kernel. */
void np_listener_pause(np_listener *listener, bool pause);

/* In its callback: whether the connection has taken the last descriptor that there was, so that
 * another one has to be closed if it stays. */
bool np_listener_is_at_last(const np_listener *listener);

/* Where it listens, with the real port. */
const np_address *np_listener_address(const np_listener *listener);

#endif
