/* netproto/service.h - what generated code and the runtime hand to each other.
 *
 * A service is a protocol, its generated dispatcher, and the user's table of handlers:
 *
 *     static const chat_handlers handlers = {.on_find = on_find, .on_say = on_say, .user = &room};
 *     np_service service = {&chat_protocol, chat_dispatch, &handlers};
 *
 * The runtime checks, reassembles and decompresses what comes in and calls `dispatch` with one
 * np_incoming at a time; the dispatcher decodes that one message on its stack and calls the typed
 * handler. Handlers run on the loop's thread, inside the pump. They may send, answer and close (a
 * close takes effect when they return); they must not run the loop. A handler that returns an
 * error closes its connection with that error, at stage HANDLER; the peer is told that this side
 * failed (reason "internal"), and nothing else.
 *
 * Ownership: what a service points to must outlive every daemon and client that uses it. The
 * payload of an np_incoming is borrowed until dispatch returns. All of these are small values,
 * copied freely.
 *
 * Threads: everything belongs to the thread of the loop.
 */
#ifndef NETPROTO_SERVICE_H
#define NETPROTO_SERVICE_H

#include <netproto/error.h>
#include <netproto/schema.h>
#include <netproto/types.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct np_loop np_loop;
typedef struct np_conn np_conn;
typedef struct np_client np_client;

/* A request that waits for its answer: a value to keep as long as one likes. When the connection
 * has gone, or the call was answered, dropped or canceled by the peer, it is stale: np_call_reply
 * and np_call_fail return NP_ERR_CLOSED and send nothing, whatever the peer has put on the same
 * stream since. It must not be used after its loop was freed. All zero: no call (the message was no
 * request).
 *
 * Each call counts in the connection's serve_max until it is answered, failed or dropped. That
 * includes a call that the peer has canceled (np_conn_handlers.on_cancel tells), since somebody may
 * still work on it: who keeps such a call lets go of it by any of the three; after 30 s it is let
 * go of by itself. */
typedef struct np_call {
    np_loop *loop;             /* whose registry knows the connection */
    uint64_t conn;             /* id of the connection, generation included; 0: no call */
    const np_message *message; /* the request */
    uint32_t stream;           /* id of the request's stream, which the peer chose */
    uint32_t serial;           /* ours: tells it from others that the stream has carried */
} np_call;

/* The body of a `stream` message that is under way, ours (conn.h) or the peer's: a value to keep as
 * long as one likes. It is stale once the body has ended or its connection is gone; then what is
 * done to it does nothing, or gives NP_ERR_CLOSED. It must not be used after its loop was freed. */
typedef struct np_body {
    np_loop *loop;
    uint64_t conn;   /* id of the connection, generation included */
    uint64_t serial; /* names this body, and never another one of the connection */
} np_body;

/* A pointer of the user's to keep with a body; NULL at first, and where the body is stale. It can
 * still be read in the handler that is told the body's end. */
NP_API void np_body_set_user(np_body body, void *user);
NP_API void *np_body_user(np_body body);

typedef enum np_incoming_kind {
    NP_INCOMING_MESSAGE,    /* a whole message or request */
    NP_INCOMING_BODY_BEGIN, /* a `stream` message that comes in pieces: what stands before the body,
                             * for np_message_decode_head */
    NP_INCOMING_BODY_DATA,  /* the next bytes of its body */
    NP_INCOMING_BODY_END    /* the last that is heard of it */
} np_incoming_kind;

/* One thing for the dispatcher: a message, whole and unpacked, or a part of one. */
typedef struct np_incoming {
    uint32_t id;            /* of the message */
    const uint8_t *payload; /* from the u32 id on, not decoded yet; BODY_DATA: the bytes */
    size_t len;             /* bytes of payload: of a message at least 4 */
    uint32_t version;       /* of the protocol, as agreed with the peer; of base for its messages */
    np_call call;           /* requests: how to answer; else all zero */
    np_incoming_kind kind;
    np_body body;   /* `stream` messages, also whole ones */
    uint64_t total; /* BODY_BEGIN: bytes of the body */
    np_err err;     /* BODY_END: NP_OK, all has come; else NP_ERR_CANCELED, or the end's cause */
    bool *whole;    /* BODY_BEGIN: set it, and the message comes once more, whole, at its end */
} np_incoming;

/* Decodes one message and calls its handler. Returns NP_OK; the decoder's error, or
 * NP_ERR_UNKNOWN_MESSAGE for an id that has no message, with *fault filled in; NP_ERR_NO_HANDLER
 * for a message that has no handler, with the fault's rule telling which to set; or what the
 * handler returned, and *fault as it was. Without a handler a request is answered with a failure
 * (reason unknown_message), anything else but a Pong ends the connection. A BODY_BEGIN that gives
 * an error is the last that is heard of the body; one that gives NP_OK is followed by one BODY_END,
 * unless *whole was set. A dispatcher that takes no pieces answers BODY_BEGIN by *in->whole = true.
 */
typedef np_err np_dispatch_fn(const void *handlers, np_conn *conn, const np_incoming *in,
                              np_fault *fault);

typedef struct np_service {
    const np_protocol *protocol;
    np_dispatch_fn *dispatch;
    const void *handlers; /* the protocol's handler table, e.g. a const chat_handlers * */
} np_service;

/* What takes a body in pieces, after the function that is told its beginning. */
typedef np_err np_body_data_fn(np_conn *conn, np_body body, np_bytes piece, void *user);
typedef np_err np_body_end_fn(np_conn *conn, np_body body, np_err err, void *user);

/* For generated code: hands on BODY_DATA and BODY_END, and the body of a whole message (`piece`)
 * whose beginning has been told. The functions may be NULL. Returns the first error of theirs. */
NP_API np_err np_body_deliver(np_conn *conn, const np_incoming *in, np_bytes piece,
                              np_body_data_fn *on_data, np_body_end_fn *on_end, void *user);

/* Answers a request. `answer` is the C struct of the request's reply type; it is encoded before
 * the function returns. Errors: NP_ERR_CLOSED (stale call; *fault tells why), NP_ERR_FULL (the
 * connection's queue; the call stays open, try again on on_writable), NP_ERR_ARG (no call), or the
 * encoder's error with *fault filled in (the call stays open). */
NP_API NP_MUST_CHECK np_err np_call_reply(np_call call, const void *answer, np_fault *fault);

/* Answers a request with a failure. reason is a number of the base protocol's `Reason`, code is
 * the application's own, text at most 256 bytes of UTF-8 (cut at a character's start where
 * longer). Errors: NP_ERR_CLOSED (answered, failed or dropped already, canceled, or the connection
 * has ended), NP_ERR_FULL, NP_ERR_ARG as above; NP_ERR_VARIANT for an unknown
 * reason, NP_ERR_UTF8 for text that is none. */
NP_API NP_MUST_CHECK np_err np_call_fail(np_call call, uint32_t reason, uint32_t code, np_str text);

/* Lets go of a call without an answer: of one that the peer has canceled, or one that is to stay
 * without (its caller's deadline ends it then; np_call_fail is kinder). One whose answer moves the
 * conversation is refused, reason "internal", since the other side waits for it. Does nothing to a
 * stale one. */
NP_API void np_call_drop(np_call call);

/* Whether a reply could still be sent. */
NP_API bool np_call_alive(np_call call);

/* A pointer of the user's to keep with a call, such as the job that works on it, until the call is
 * let go of; so on_cancel finds it. NULL at first, and where the call is not known any more. */
NP_API void np_call_set_user(np_call call, void *user);
NP_API void *np_call_user(np_call call);

#ifdef __cplusplus
}
#endif

#endif
