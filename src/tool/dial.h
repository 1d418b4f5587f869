/* dial.h - connecting, for the subcommands that talk: keys first, then a loop, and a deadline for
 * the whole run.
 *
 * The deadline is what --timeout says: from the start to the end of a run that asks one thing, name
 * look-up, handshake, answer and goodbye together. Who asks more grants as much again for each
 * (tool_dial_again), and none of it while it waits for its own side (tool_dial_rest). When it
 * passes, the loop stops, `late` is true, and every wait is over.
 */
#ifndef NP_TOOL_DIAL_H
#define NP_TOOL_DIAL_H

#include "tool/compression.h"
#include "tool/trust.h"

#include <netproto/loop.h>

#define TOOL_TIMEOUT_MS 10000u

/* Options that the subcommands share. */
typedef struct tool_dial_options {
    const char *address;
    uint32_t timeout_ms;
    bool verbose;
    tool_security security;
    tool_compression compression;
} tool_dial_options;

/* Moments of the attempt under way, by tool_now_ns; 0: not reached. */
typedef struct tool_moments {
    uint64_t started, resolved, connected, peer_key, opened;
} tool_moments;

typedef struct tool_dial {
    tool_dial_options options;
    tool_trust trust;
    np_loop *loop;
    np_log log;
    np_timer timer;
    uint64_t until_ns; /* the deadline; UINT64_MAX while it rests */
    bool late;
    bool patient;       /* a server that says it is busy is asked again, within the deadline */
    np_failure failure; /* of the last attempt; err NP_OK: it succeeded */
    tool_moments moments;
} tool_dial;

/* Loads the keys, makes the loop, and starts the deadline. Complains on failure; tool_dial_close in
 * any case, after the clients are freed. */
tool_exit tool_dial_open(tool_dial *d, const tool_dial_options *options);
void tool_dial_close(tool_dial *d);

/* The deadline starts anew, or stops. */
void tool_dial_again(tool_dial *d);
void tool_dial_rest(tool_dial *d);

/* What is left of it, at least 1 ms. */
uint32_t tool_dial_left_ms(const tool_dial *d);

/* Makes a client and connects it; asks about an unknown server and connects again. `options` has
 * the service and its handlers; the rest is filled in. Complains on failure; np_client_free in any
 * case. */
tool_exit tool_dial_connect(tool_dial *d, np_client **client, const np_client_options *options);

/* Says goodbye to all clients at once: to the peer's, if `code` is OK, within the deadline. Returns
 * `code`, or why the goodbye failed if it was OK. NULLs among the clients are passed over. */
tool_exit tool_dial_goodbye(tool_dial *d, np_client *const *clients, size_t count, tool_exit code);

/* Complains that nothing came while waiting for `what`, and returns EXIT_CODE_DEADLINE. */
tool_exit tool_dial_late(const tool_dial *d, const char *what);

#endif
