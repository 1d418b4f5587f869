/* netproto/daemon.h - listening, and serving who connects.
 *
 *     np_daemon_options options = np_daemon_options_default();
 *     const char *addresses[] = {"tcp://127.0.0.1:7000", "unix:///run/chat.sock"};
 *     options.addresses = addresses;
 *     options.address_count = 2;
 *     options.service = chat_service(&handlers);
 *     options.security.identity = &keys; // of np_keypair_load(&keys, "server.key", &key_failure)
 *     options.security.anyone = true;    // who is let in; or security.keys, security.trust
 *     err = np_daemon_start(&daemon, loop, &options, &failure);
 *     if (err == NP_OK) {
 *         err = np_loop_run(loop); // until np_loop_stop
 *     }
 *     np_daemon_free(daemon);
 *
 * Ownership: np_daemon_start and np_daemon_free; a daemon must be freed before its loop. Options
 * and addresses are copied; handler tables and protocols are not, and must outlive the daemon.
 *
 * Threads: everything belongs to the thread of the loop. Daemons of several loops that share
 * handlers call them from all of those threads; limits are kept by each daemon for itself.
 */
#ifndef NETPROTO_DAEMON_H
#define NETPROTO_DAEMON_H

#include <netproto/conn.h>
#include <netproto/loop.h>
#include <netproto/security.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct np_daemon np_daemon;

/* The defaults are in brackets. */
typedef struct np_daemon_options {
    /* Where to listen: "tcp://127.0.0.1:7000", "tcp://[::1]:7000", "tcp://:7000" (everywhere),
     * "unix:///run/x.sock", "unix://@name"; port 0 lets the system choose. */
    const char *const *addresses;
    size_t address_count;
    np_service service;
    np_service base;      /* [none] handlers for Echo, Data, Custom and Pong of the base protocol;
                           * without them such a message ends the connection (Pong is dropped) */
    np_security security; /* no default: who is let in, or plaintext; see security.h */
    np_conn_handlers handlers;
    np_conn_options conn;
    uint32_t connections_max; /* [10,000] in all; who comes then may be told "busy", as is
                               * who comes when memory is short (NP_ERR_MEMORY in the
                               * log): 4 KiB are kept back for each connection, if need be
                               * at the cost of those that hold 64 KiB or more. Less where
                               * the process may not open so many files: see below */
    uint32_t connections_per_source_max; /* [1,024] per IPv4 address, IPv6 /64, or user of a unix
                                          * socket; an IPv6 /56 may have twice as many, a /48 four
                                          * times; 0: no limit */
    /* Of these, strangers: connections that have not said hello, or whose handshake goes on. 0: no
     * limit.
     *
     * Where all places are taken, of either kind, or no descriptor is left, a newcomer is let in at
     * the cost of the source that has most (an IPv4 address, an IPv6 /48, or a user), if that has
     * at least twice as much as the newcomer's: its oldest stranger goes, or else, unless it is
     * half_open_max that is reached, an open connection that has been silent, which ends with
     * NP_ERR_BUSY. One whose key is listed (security.keys, or trusted by security.trust) never goes
     * for a newcomer's place, though it may for want of memory. Else a stranger that is older than
     * a second makes room.
     *
     * Each connection takes a descriptor. A daemon that starts has no more places than the process
     * may still open files (RLIMIT_NOFILE, whose soft limit is often 1,024), less a sixteenth, 64
     * at most, for whatever else is opened; the log tells (daemon.files). So raise that limit
     * before: a daemon that runs already does not look at it again. Where descriptors run out all
     * the same, each daemon of the process has to make do with those that its own connections give
     * up. */
    uint32_t half_open_max;            /* [4,096] in all */
    uint32_t half_open_per_source_max; /* [256] per source */
    /* Secure handshakes begun in a second, since a stranger can ask for their key agreements
     * without proving anything; twice as many at once, of which one source gets half. Who asks
     * for most has to wait when there are not enough for all. 0: no limit. */
    uint32_t handshake_rate_max;            /* [2,000] in all: a third of a core, about */
    uint32_t handshake_rate_per_source_max; /* [200] per source */
    int backlog;                            /* [1,024] who may wait to be accepted */
    unsigned unix_mode; /* [0600] mode of socket files; names in the abstract namespace have none,
                         * and let every user in: see docs/security.md */
    bool reuse_port;    /* [no] several loops, each with its daemon, listen on the same port */
    /* [none] After np_daemon_stop, when the last connection is gone; may free the daemon. */
    void (*on_stopped)(np_daemon *daemon, void *user);
    void *user; /* of on_stopped */
} np_daemon_options;

NP_API np_daemon_options np_daemon_options_default(void);

/* Listens on all addresses, or on none: on failure *out is NULL and *failure (may be NULL) tells
 * stage and cause. Errors: NP_ERR_ARG (the text names the option; no address is one, too),
 * NP_ERR_ADDRESS, NP_ERR_IN_USE, NP_ERR_FILES, NP_ERR_SYSTEM, NP_ERR_MEMORY. */
NP_API NP_MUST_CHECK np_err np_daemon_start(np_daemon **out, np_loop *loop,
                                            const np_daemon_options *options, np_failure *failure);

/* Stops in order: listens no more, lets every connection send what it has queued and say goodbye
 * (at most close_timeout_ms), then calls on_stopped. Doing it twice does nothing. */
NP_API void np_daemon_stop(np_daemon *daemon);

/* Ends everything at once (on_close runs for each open connection) and frees the daemon. Not from
 * a handler of one of its connections. NULL is allowed. */
NP_API void np_daemon_free(np_daemon *daemon);

/* The address number `index` as it is, with the port that the system chose, e.g.
 * "tcp://127.0.0.1:40123"; NULL if there is none. Lives as long as the daemon listens. */
NP_API const char *np_daemon_address(const np_daemon *daemon, size_t index);

/* Connections, those that have not said hello yet included. */
NP_API size_t np_daemon_connections(const np_daemon *daemon);

/* Calls fn for each open connection; it may send and close. Stops when fn returns false. */
NP_API void np_daemon_each(np_daemon *daemon, bool (*fn)(np_conn *conn, void *user), void *user);

#ifdef __cplusplus
}
#endif

#endif
