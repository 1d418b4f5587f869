/* netproto/conn.h - one connection: sending, closing, and what to know about its peer.
 *
 * Connections are made by daemons (daemon.h) and clients (client.h) and belong to them. A pointer
 * to one is good from on_open until on_close returns; to name a connection for longer, keep
 * np_conn_id and look it up by np_conn_find, which checks the generation. All functions here take
 * NULL, which np_conn_find gives for a connection that is gone: nothing is sent (NP_ERR_STATE),
 * done or known then.
 *
 * A send has encoded its message when it returns, so the caller's memory is free again. What is
 * queued leaves in one write at the end of the loop's turn; in a few during the turn where many
 * connections are ready, or much is said. The queue is bounded: NP_ERR_FULL says so, and
 * on_writable says when to go on: something has left since, and half of the queue is free. While a
 * peer does not take our answers, none of its messages and requests is taken, only what ends calls
 * of ours. Where one stands before that, while nothing leaves for a second, a request is refused as
 * busy, and a message is taken while a quarter of the queue is free; else it waits for half of
 * stall_timeout_ms, and then its handler may meet NP_ERR_FULL.
 *
 * A close is orderly: what is queued is sent, then a Disconnect, then both sides end; it has 5 s
 * for that (close_timeout_ms). on_close runs exactly once per on_open, at the end, with the cause.
 * Whoever closes, what a peer puts behind its own Disconnect is no part of the talk: it reaches no
 * handler, and the cause is NP_ERR_TRAILING.
 *
 * Threads: everything belongs to the thread of the loop.
 */
#ifndef NETPROTO_CONN_H
#define NETPROTO_CONN_H

#include <netproto/compression.h>
#include <netproto/key.h>
#include <netproto/service.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Instead of a number of the base protocol's Reason: none was given. */
#define NP_CONN_NO_REASON UINT32_MAX

/* A reason for logs, by its name in the base protocol's schema: "timeout"; "none" for
 * NP_CONN_NO_REASON, "?" for a number that is none. Static. */
NP_API const char *np_reason_name(uint32_t reason);

/* The same for people, without a full stop: "it took too long". Static; never NULL. */
NP_API const char *np_reason_text(uint32_t reason);

/* Where in a connection's life something failed. */
typedef enum np_stage {
    NP_STAGE_NONE,         /* nothing failed: an orderly end */
    NP_STAGE_ADDRESS,      /* reading the address */
    NP_STAGE_RESOLVE,      /* looking the name up */
    NP_STAGE_CONNECT,      /* making the connection */
    NP_STAGE_LISTEN,       /* binding or listening */
    NP_STAGE_HELLO,        /* agreeing on protocol and version, or the secure handshake */
    NP_STAGE_READ,         /* reading from the peer: it hung up, was silent, or is out of reach */
    NP_STAGE_WRITE,        /* writing to the peer */
    NP_STAGE_FRAME,        /* a frame or a record of the peer's, or a limit on them */
    NP_STAGE_DECODE,       /* the fields of a message of the peer's */
    NP_STAGE_CONVERSATION, /* a message of the peer's that is not allowed there, or unknown */
    NP_STAGE_PEER,         /* the peer refused something of ours, and says what in the text */
    NP_STAGE_LOCAL,        /* this side: no memory, or the loop's memory_max */
    NP_STAGE_HANDLER,      /* a handler of ours returned an error, or was not set: see the text */
    NP_STAGE_CALL,         /* a request that got no answer */
    NP_STAGE_CLOSE         /* the orderly end */
} np_stage;

/* One word for people and logs, e.g. "resolve". Static. */
NP_API const char *np_stage_name(np_stage stage);

/* Why something ended. A value; the fault's pointers are static text. */
typedef struct np_failure {
    np_stage stage;
    np_err err;      /* NP_OK: an orderly end */
    bool by_peer;    /* the peer ended it, and told us so where err is NP_ERR_REFUSED */
    bool unverified; /* by_peer: it was told in the clear, before a secure connection was open, so
                      * anybody may have sent it; do not act on it as on the peer's word */
    int os_error;    /* the errno of the call that failed, or 0 */
    uint32_t reason; /* number of the base protocol's Reason that the peer or we gave, or
                      * NP_CONN_NO_REASON */
    np_fault fault;  /* the field refused, where err is of class PROTO; where it is NP_ERR_DEADLINE,
                      * `where` is the option that set the deadline, "idle_timeout_ms", or the
                      * conversation; at stage HANDLER `where` is the message's name; where err is
                      * NP_ERR_CLOCK, `got` is the peer's clock in  ms since 1970, unverified; else
                      * all zero */
    np_disagreement disagreement; /* what is not in common, where err is NP_ERR_VERSION; the text
                                   * has both sides' offers then */
    char text[512];               /* one line for people, always NUL-terminated */
} np_failure;

/* Bounds of a connection; the defaults are in brackets. A time of 0 switches its deadline off.
 * Where the loop itself was held up for a tenth of a second or more when one passes, by a handler
 * say, it has half a second more, once: what the peer did in time may lie in the kernel still. */
typedef struct np_conn_options {
    uint32_t version_min; /* [0: what the schema says] versions of the protocol spoken */
    uint32_t version_max;
    const np_conversation *conversation; /* [NULL: the schema's first, if it has one] */
    bool any_order; /* [false] messages in any order, whatever conversation the schema states. For
                     * both sides or neither: a peer that keeps the conversation ends a connection
                     * that does not, and one that cancels a request which moves it */
    bool poison; /* [false] for tests: what a message, an answer or a piece of a body points to is
                  * filled with 0xA5 when its handler returns, so that a view kept too long shows;
                  * under AddressSanitizer reading it is reported. Costs a copy of each */
    size_t queue_max;    /* [1 MiB] bytes of output queued */
    size_t message_max;  /* [16 MiB] greatest message taken whole, where the schema allows more */
    uint32_t calls_max;  /* [1024] our requests that wait for an answer. Two sides that ask each
                          * other for more than 1,024 answers at once need the same calls_max, or
                          * requests of either may wait for the other's until the stall's end */
    uint32_t serve_max;  /* [1024] the peer's requests that wait for ours, canceled ones that nobody
                          * has let go of included (service.h); one more is refused as busy */
    uint32_t bodies_max; /* [16] bodies under way, ours and the peer's each; a peer that begins more
                          * is turned out */
    uint32_t hello_timeout_ms; /* [5,000] from the connection to on_open, absolute */
    uint32_t frame_timeout_ms; /* [30,000] for a message that is taken whole, however it is cut,
                                * from its first byte, absolute, and a second more for each 64 KiB
                                * of it that is announced; and for the next byte of a body that
                                * comes in pieces. It rests while this side does not read,
                                * but not while that is because of the peer's cancels */
    uint32_t stall_timeout_ms; /* [30,000] while the peer takes nothing of what is queued. What is
                                * seen of that is what the system takes: a peer that reads only some
                                * KB a second may free no room in its buffers for seconds */
    uint32_t close_timeout_ms; /* [5,000] from np_conn_close to the end, absolute */
    uint32_t fail_timeout_ms;  /* [5,000] from an error to the end, absolute, and
                                * close_timeout_ms at most: so long the peer has to take what we say
                                * about it. Before on_open it is 1,000 at most, whatever this says */
    uint32_t idle_timeout_ms;  /* [60,000] nothing came: a Ping; again nothing: the end */
    uint32_t call_timeout_ms;  /* [30,000] for requests whose schema says no timeout */
    size_t memory_max;         /* [64 MiB] bytes in buffers of one connection: messages that are not
                                * complete,         as large as they unpack to, what waits to be sent, and
                                * tables; 2         GiB at         most. Who would need more is ended with
                                * NP_ERR_LIMIT, and a send         that         would is refused with it. 0:
                                * as much         as the loop has */
    np_compression_options compression; /* [off] see compression.h */
} np_conn_options;

NP_API np_conn_options np_conn_options_default(void);

/* What happens to connections. Every function may be NULL. All run on the loop's thread and may
 * send and close; none may run the loop or free its daemon or client. */
typedef struct np_conn_handlers {
    /* The peers have agreed on protocol and version. */
    void (*on_open)(np_conn *conn, void *user);
    /* The connection is gone: sends fail from here on and the pointer dies on return. Calls that
     * waited for an answer have been told before. Runs exactly once for each on_open; connections
     * that end before on_open are reported by a client's on_failed or a daemon's log. */
    void (*on_close)(np_conn *conn, const np_failure *failure, void *user);
    /* After a send returned NP_ERR_FULL: the queue is half empty again. Or after a body's write
     * took less than all: there is room for more. Or after NP_ERR_UNEXPECTED while a request of
     * ours waited that moves the conversation: its answer has come. */
    void (*on_writable)(np_conn *conn, void *user);
    /* The peer has canceled a request that was not answered yet; none that moves the conversation
     * is ever canceled. np_call_user tells what belongs to
     * it; stop the work, and np_call_drop it when that has ended. A peer may cancel 100 requests a
     * second, and one for each answer that it gets; beyond that it is read from no faster. */
    void (*on_cancel)(np_conn *conn, np_call call, void *user);
    void *user;
} np_conn_handlers;

/* Who is at the other end. */
typedef enum np_peer_kind { NP_PEER_TCP, NP_PEER_UNIX, NP_PEER_PAIR } np_peer_kind;

typedef struct np_peer {
    np_peer_kind kind;
    uint8_t address[16];  /* TCP: IPv6, or IPv4 in its mapped form ::ffff:a.b.c.d */
    uint16_t port;        /* TCP */
    bool has_credentials; /* UNIX: the kernel told pid, uid and gid at the time of connecting */
    uint32_t pid, uid, gid;
    bool has_key; /* the connection is secure: the peer has proved to hold the key */
    uint8_t key[NP_KEY_LEN];
    char text[64]; /* "tcp://192.0.2.1:4711", "tcp://[::1]:80", "unix:pid=1,uid=0,gid=0", "pair:" */
} np_peer;

/* Sends a message that is no request. `value` is the message's C struct.
 *
 * Half of the queue is kept for what message handlers send, so that two peers who both send much
 * still read each other: a send outside of the connection's own handlers, and a call anywhere, is
 * refused from half the bound on.
 *
 * Errors, each with *fault (may be NULL) filled in but for the last three; none ends the
 * connection, and nothing was queued:
 *
 *   NP_ERR_FULL        the queue: send again after on_writable
 *   NP_ERR_STATE       conn is NULL (what np_client_conn gives while there is no open connection),
 *                      or not open yet: send from on_open on
 *   NP_ERR_CLOSED      closing or closed: on_close tells why. A client may connect again; what a
 *                      daemon's peer did not get is lost
 *   NP_ERR_UNEXPECTED  the conversation does not allow it now; the fault lists what it does, and
 *                      names the request whose answer is to come first: send again after
 *                      on_writable then
 *   NP_ERR_NEWER       the peer's version lacks the message, or a value: do without
 *   the encoder's      the value breaks the schema: field and rule
 *   NP_ERR_ARG         not of this connection's protocols, or a request
 *   NP_ERR_LIMIT       no memory is left: memory_max, of the connection or of the loop
 *   NP_ERR_MEMORY */
NP_API NP_MUST_CHECK np_err np_conn_send(np_conn *conn, const np_message *message,
                                         const void *value, np_fault *fault);

/* Sends a `stream` message whose body comes in pieces; neither side ever holds all of it.
 *
 * begin takes the fields before the body (`value`, whose body must be empty) and announces `total`
 * bytes. write adds bytes, copying them: *taken says how many, from the front, with an error too
 * (memory may run out in the middle); where that is less than len, go on with the rest after
 * on_writable. end sends what is left. Bodies fill 128 KiB of
 * the connection's queue at most, or a quarter of its bound, so that other messages find room
 * beside them; and where messages keep the queue fuller than that, bodies have so much of it all
 * the same, again when what they had has left, while half of the queue is free. Several bodies may
 * be under way at once. Fewer bytes than 1 KiB wait for more, or for the end, before they are sent,
 * and the message counts, in the conversation too, when its first bytes are. What was begun must be
 * ended or aborted; the end of the connection does that too. abort tells the peer, whose handler
 * gets NP_ERR_CANCELED.
 *
 * Errors of begin: as np_conn_send but NP_ERR_FULL; NP_ERR_TOO_LONG or _TOO_SHORT if total is out
 * of the schema's bounds, NP_ERR_ARG for a message without a body or a value with one, NP_ERR_LIMIT
 * with bodies_max under way. write: NP_ERR_FULL (took nothing; again after on_writable),
 * NP_ERR_CLOSED (stale), NP_ERR_TOO_LONG (more than announced; took nothing), NP_ERR_UNEXPECTED
 * (the conversation has moved on since begin), NP_ERR_MEMORY. end: NP_ERR_TOO_SHORT (less than
 * announced), else as write; the body is still there then. */
NP_API NP_MUST_CHECK np_err np_conn_body_begin(np_conn *conn, const np_message *message,
                                               const void *value, uint64_t total, np_body *body,
                                               np_fault *fault);
NP_API NP_MUST_CHECK np_err np_conn_body_write(np_body body, const void *data, size_t len,
                                               size_t *taken);
NP_API NP_MUST_CHECK np_err np_conn_body_end(np_body body);
NP_API void np_conn_body_abort(np_body body);

/* The peer's words about a call that it did not answer. */
typedef struct np_call_failure {
    uint32_t reason; /* number of the base protocol's Reason */
    uint32_t code;   /* the application's own */
    np_str text;     /* not to be trusted; up to 256 bytes of UTF-8 */
} np_call_failure;

/* Runs exactly once per successful np_conn_call: with the answer, or with an error: NP_ERR_FAILED,
 * _BUSY or _REFUSED (the peer answered with a failure; see np_conn_call_failure), NP_ERR_DEADLINE
 * (where the answer moves the conversation, it still does when it comes, and nobody is told),
 * NP_ERR_CANCELED, NP_ERR_CLOSED or the cause of the connection's end. payload (from the u32 id
 * on) is borrowed until it returns; NULL with an error. fault is never NULL: it is all zero but
 * for err. */
typedef void np_conn_call_done_fn(np_conn *conn, np_err err, const void *payload, size_t len,
                                  uint32_t version, void *user, np_fault *fault);

/* Sends a request to the other side. The deadline is the schema's, or the connection's
 * call_timeout_ms. Errors as np_conn_send, also for conn NULL, and NP_ERR_LIMIT with too many calls
 * waiting; then done does not run, and *fault (may be NULL) is filled in. */
NP_API NP_MUST_CHECK np_err np_conn_call(np_conn *conn, const np_message *message,
                                         const void *value, np_conn_call_done_fn *done, void *user,
                                         np_fault *fault);

/* For generated code: a done function that is typed, and the function of generated code that knows
 * its type. `take` runs instead of done; it decodes the answer (in is NULL with an error), runs
 * done, and returns the decoder's error, which ends the connection. Errors as np_conn_call. */
typedef void np_any_fn(void);
typedef np_err np_conn_take_fn(np_conn *conn, np_err err, const np_incoming *in, np_any_fn *done,
                               void *user, np_fault *fault);
NP_API NP_MUST_CHECK np_err np_conn_call_typed(np_conn *conn, const np_message *message,
                                               const void *value, np_conn_take_fn *take,
                                               np_any_fn *done, void *user, np_fault *fault);

/* Within a done function whose call the peer answered with a failure (NP_ERR_FAILED, _BUSY or
 * _REFUSED): what it said. Else NULL, as where the connection has ended with one of these. */
NP_API const np_call_failure *np_conn_call_failure(const np_conn *conn);

/* Asks the connection for a sign of life; the Pong is dropped, but counts as one. Errors as
 * np_conn_send. */
NP_API NP_MUST_CHECK np_err np_conn_ping(np_conn *conn);

/* Stops (and goes on) handing messages to the handlers: backpressure to the peer, for an
 * application that cannot take more just now. What is queued still leaves; but since nothing is
 * read, the peer's end is noticed only when the connection is let go, or when a write fails. What
 * the peer has to do in time rests meanwhile (frame_timeout_ms, a conversation's `within`); but the
 * peer has a clock of its own for the conversation, which goes on. While nothing comes, the
 * peer gets a sign of life each idle_timeout_ms, as long as it takes what is sent; with 0 it gets
 * none. That is timed by what the peer said last and begins anew with each hold, so a peer whose
 * idle_timeout_ms is shorter, or whose Ping lay unread when the hold began, may give the connection
 * up, twice its idle_timeout_ms after it heard something. */
NP_API void np_conn_hold(np_conn *conn, bool hold);

/* Ends the connection in order; reason is a number of the base protocol's Reason or
 * NP_CONN_NO_REASON, text at most 256 bytes for the peer, or NULL. Doing it twice does nothing. */
NP_API void np_conn_close(np_conn *conn, uint32_t reason, const char *text);

/* Ends the connection at once: what is queued is dropped and a TCP peer sees a reset. */
NP_API void np_conn_abort(np_conn *conn);

/* The connection's name: never 0, never used twice in the life of its loop. */
NP_API uint64_t np_conn_id(const np_conn *conn);

/* The connection of that name if it still lives (on_open has run, on_close has not), else NULL. */
NP_API np_conn *np_conn_find(np_loop *loop, uint64_t id);

/* A pointer for the user's own purposes; NULL at first. */
NP_API void *np_conn_user(const np_conn *conn);
NP_API void np_conn_set_user(np_conn *conn, void *user);

/* The loop it runs on. */
NP_API np_loop *np_conn_loop(const np_conn *conn);

/* Who is at the other end. */
NP_API void np_conn_peer(const np_conn *conn, np_peer *peer);

/* Bytes queued that the system has not taken yet. */
NP_API size_t np_conn_queued(const np_conn *conn);

/* Protocol version agreed on; 0 before on_open. */
NP_API uint32_t np_conn_version(const np_conn *conn);

/* What the two sides have agreed on. The pointers are static text and the generated code's. */
typedef struct np_agreed {
    const char *protocol;  /* the schema's name */
    uint32_t version;      /* of the protocol */
    const uint8_t *digest; /* 32 bytes: what the schema means at that version (npgen digest) */
    const char *cipher;    /* np_cipher_name; NULL: the connection is plain */
    np_compression compression;
    uint64_t features; /* one bit each; none is defined yet */
} np_agreed;

/* Tells it; false, and all zero, before on_open. */
NP_API bool np_conn_agreed(const np_conn *conn, np_agreed *out);

/* Whether sends are possible: on_open has run (or runs) and nobody has closed. */
NP_API bool np_conn_is_open(const np_conn *conn);

/* The client a connection belongs to, or NULL for a daemon's. */
NP_API np_client *np_conn_client(const np_conn *conn);

#ifdef __cplusplus
}
#endif

#endif
