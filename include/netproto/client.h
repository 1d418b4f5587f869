/* netproto/client.h - connecting to a daemon and talking to it.
 *
 * A client has at most one connection at a time. np_client_connect starts one; handlers.on_open
 * says that it is there, on_failed that it could not be made, handlers.on_close that it has ended;
 * after either it may be connected again. What goes wrong tells its stage and cause.
 *
 * The functions that end in _wait run the loop until they are done, for tools and tests: every
 * other handler on that loop runs meanwhile. So they must not be called from where the loop runs
 * already: handlers, done functions, timers, posts. There they do nothing and return NP_ERR_STATE;
 * np_client_failure, the log and a call's fault name the function to use instead.
 *
 * A name is sought in /etc/hosts and, where it does not stand there, with the servers of
 * /etc/resolv.conf (np_loop_options.dns_server), IPv6 and IPv4 at the same time. Both files are
 * read for each connection, so what changes there holds from the next on. "localhost" is this
 * machine. Up to 64 addresses of each family are tried, families in turn and IPv6 first, each 250
 * ms after the one before or as soon as that has failed (RFC 8305), as far as connect_timeout_ms
 * reaches. If all that are known have failed, a family of which DNS has said nothing yet is waited
 * for until the look-up is 3 s old; then that failure is told.
 *
 * Ownership: np_client_new and np_client_free; a client must be freed before its loop. Options and
 * address are copied; handler tables and protocols are not.
 *
 * Threads: everything belongs to the thread of the loop.
 */
#ifndef NETPROTO_CLIENT_H
#define NETPROTO_CLIENT_H

#include <netproto/arena.h>
#include <netproto/conn.h>
#include <netproto/loop.h>
#include <netproto/security.h>

#ifdef __cplusplus
extern "C" {
#endif

/* How far an attempt to connect has come; on_open is the last step. For who measures, or tells a
 * person what takes so long. */
typedef enum np_client_step {
    NP_CLIENT_STEP_RESOLVED,  /* there is an address to try; at once where no name was looked up */
    NP_CLIENT_STEP_CONNECTED, /* the transport stands; the hello or the handshake begins */
    NP_CLIENT_STEP_PEER_KEY   /* secure: the server has proved its key. Whether it is trusted is
                               * judged next, and only then does it see ours */
} np_client_step;

/* The defaults are in brackets. */
typedef struct np_client_options {
    const char *address;  /* "tcp://name:7000", "tcp://[::1]:7000", "unix:///run/x.sock" */
    np_service service;   /* dispatch may be NULL for a client that only calls */
    np_service base;      /* [none] as in np_daemon_options */
    np_security security; /* no default: who is trusted, or plaintext; see security.h */
    np_conn_handlers handlers;
    np_conn_options conn;
    uint32_t connect_timeout_ms; /* [10,000] for look-up and connection together; 0: what the
                                  * system grants, which is minutes */
    /* [none] The connection ended before on_open. */
    void (*on_failed)(np_client *client, const np_failure *failure, void *user);
    /* [none] A step of an attempt is done, in the order above. It must not use the client. */
    void (*on_step)(np_client *client, np_client_step step, void *user);
    void *user; /* of on_failed and on_step */
} np_client_options;

NP_API np_client_options np_client_options_default(void);

/* Makes a client that is not connected. Errors: NP_ERR_ARG, NP_ERR_ADDRESS, NP_ERR_MEMORY, with
 * *failure (may be NULL). */
NP_API NP_MUST_CHECK np_err np_client_new(np_client **out, np_loop *loop,
                                          const np_client_options *options, np_failure *failure);

/* Ends the connection at once (calls and on_close are told) and frees the client. Not from one of
 * its handlers. NULL is allowed. */
NP_API void np_client_free(np_client *client);

/* Starts to connect. Errors: NP_ERR_STATE (connected or connecting already), NP_ERR_MEMORY,
 * NP_ERR_ADDRESS, NP_ERR_RESOLVE (no resolver); on_failed does not run then. */
NP_API NP_MUST_CHECK np_err np_client_connect(np_client *client);

/* The same, and waits until it is open or has failed; *failure may be NULL. Connected already:
 * NP_OK. */
NP_API NP_MUST_CHECK np_err np_client_connect_wait(np_client *client, np_failure *failure);

/* The open connection, or NULL. */
NP_API np_conn *np_client_conn(np_client *client);

/* Why the last connection or attempt ended, or why the last _wait function did nothing; stage NONE
 * and NP_OK before. A call that the peer refuses ends nothing: see np_client_call_failure. Lives as
 * long as the client, until the next end. For NULL, a client that could not be made: stage NONE,
 * NP_ERR_ARG and "no client", for good. */
NP_API const np_failure *np_client_failure(const np_client *client);

/* As np_conn_send. Without an open connection, with *fault (may be NULL) telling which it is:
 * NP_ERR_STATE before the first one is open (connect; wait for on_open), NP_ERR_CLOSED after it has
 * ended or could not be made (np_client_failure tells why; connect again). */
NP_API NP_MUST_CHECK np_err np_client_send(np_client *client, const np_message *message,
                                           const void *value, np_fault *fault);

/* As np_conn_call, and np_client_send where there is no open connection. `done` runs exactly once
 * per NP_OK. */
typedef void np_call_done_fn(np_client *client, np_err err, const void *payload, size_t len,
                             uint32_t version, void *user, np_fault *fault);
NP_API NP_MUST_CHECK np_err np_client_call(np_client *client, const np_message *message,
                                           const void *value, np_call_done_fn *done, void *user);

/* The same with a deadline of its own (0: the default), and the encoder's detail. */
NP_API NP_MUST_CHECK np_err np_client_call_within(np_client *client, const np_message *message,
                                                  const void *value, uint32_t timeout_ms,
                                                  np_call_done_fn *done, void *user,
                                                  np_fault *fault);

/* Within a done function as np_conn_call_failure. After a call that waited: what the peer said
 * where it answered with a failure (NP_ERR_FAILED, _BUSY or _REFUSED), until the next such call;
 * NULL where it did not, as where the connection could not be made. NULL for NULL. */
NP_API const np_call_failure *np_client_call_failure(const np_client *client);

/* Calls and waits, connecting first if need be. `take` gets the answer while it lives (payload
 * from the u32 id on), to decode and copy it; what it returns is the result. Without an answer
 * take does not run, and the result is the call's error (np_client_call_failure has the peer's
 * words), or the connection's (np_client_failure). */
typedef np_err np_call_take_fn(const void *payload, size_t len, uint32_t version, void *user,
                               np_fault *fault);
NP_API NP_MUST_CHECK np_err np_client_call_wait(np_client *client, const np_message *message,
                                                const void *value, np_call_take_fn *take,
                                                void *user, np_fault *fault);

/* For generated code: calls and waits as np_client_call_wait does, then decodes the answer into
 * `answer`, the C struct of the reply, with its strings, bytes and lists in the arena. Errors also
 * NP_ERR_MEMORY and the decoder's. */
NP_API NP_MUST_CHECK np_err np_client_call_typed_wait(np_client *client, const np_message *message,
                                                      const void *value, np_arena *arena,
                                                      void *answer, np_fault *fault);

/* Ends the connection in order, or the attempt at once (on_failed runs, NP_ERR_CANCELED). */
NP_API void np_client_close(np_client *client);

/* The same, and waits for the end, at most close_timeout_ms. NP_OK if everything queued has
 * reached the peer's system and it said goodbye too; else the cause. */
NP_API NP_MUST_CHECK np_err np_client_close_wait(np_client *client);

#ifdef __cplusplus
}
#endif

#endif
