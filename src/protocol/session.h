/* session.h - one connection, plain or secure, as a pure state machine.
 *
 * Bytes and time go in; bytes, events and the next deadline come out. There is no socket, clock,
 * randomness of its own or callback in here, so a session runs the same over TCP, in a simulation
 * and in a fuzz target.
 *
 * A secure one differs in what its bytes are, not in its verbs: instead of Hello and Welcome there
 * is a handshake (handshake.h), in which the event PEER_KEY asks whether the peer is trusted, and
 * then everything travels in records (record.h). Whether a session is secure is in its options;
 * neither side finds out or gives in on the wire.
 *
 * One turn of a pump:
 *
 *     switch (np_session_want(&s, &place, &len)) {      // where the next read lands
 *     case NP_WANT_NOTHING: do not read; break;
 *     case NP_WANT_SHARED:  place = the loop's read buffer; len = its size; break;
 *     case NP_WANT_PLACE:   break;                      // at most len bytes, at place
 *     }
 *     n = read(fd, place, len);
 *     n > 0 ? np_session_recv(&s, place, n, now)
 *           : n == 0 ? np_session_recv_end(&s, now) : np_session_lost(&s, err, now);
 *     while (within budget && np_session_next_event(&s, &event)) { dispatch(&event); }
 *     np_session_park(&s);                              // before the read buffer is used again
 *     count = np_session_output(&s, iov, max, now);
 *     n = writev(fd, iov, count);
 *     np_session_output_done(&s, n, now);
 *     if (np_session_pending(&s)) { come again without waiting for input; }
 *     if (np_session_output_ended(&s)) { shutdown(fd, SHUT_WR), once; }
 *     timer at np_session_deadline(&s);                 // then np_session_tick and events again
 *
 * until the event CLOSED, after which the pump closes the descriptor and calls np_session_fini.
 * Sends, replies and np_session_close may be called at any time between the verbs, also while an
 * event is handled; nothing calls back. A pump that calls np_session_output after each turn needs
 * no other sign that there is something to write.
 *
 * Life: HELLO (the client's Hello and the server's Welcome agree on the version) - OPEN - CLOSING
 * (what is queued goes out, then our Disconnect or Error; the peer's bytes are read to their end,
 * so that it gets those words instead of a reset) - CLOSED. Errors are sticky: the first one is the
 * cause. An end in order becomes an error where the peer's last word is not its last: what comes
 * then is not handed out, but judged; see session_parting.c. A peer's malformed bytes, a passed
 * deadline and a lack of memory do not return errors from these verbs, they end in CLOSED with a
 * cause.
 *
 * Memory: the struct is the caller's and must not move while it is in use. Buffers come from the
 * pool and go back as soon as they are empty: an idle session holds none. They grow with the
 * bytes that came, never with a length that was announced.
 *
 * Threads: one session, its pool and its loop belong to one thread.
 */
#ifndef NP_PROTOCOL_SESSION_H
#define NP_PROTOCOL_SESSION_H

#include <sys/uio.h>

#include <netproto/schema.h>
#include <netproto/security.h>
#include <netproto/time.h>

#include "protocol/bodies.h"
#include "protocol/calls.h"
#include "protocol/cancels.h"
#include "protocol/outq.h"
#include "util/compress.h"
#include "util/crypto.h"
#include "util/pool.h"

/* The runtime library calls these too, so they are exported, though no user includes this; but for
 * those that it does not call. */
#pragma GCC visibility push(default)

typedef enum np_session_role {
    NP_SESSION_CLIENT, /* connected: sends the Hello, its streams are odd */
    NP_SESSION_SERVER  /* accepted: answers it, its streams are even */
} np_session_role;

/* What a session went down in. The stages before there are bytes are the transport's. */
typedef enum np_session_stage {
    NP_SESSION_STAGE_NONE,         /* an orderly end */
    NP_SESSION_STAGE_NEGOTIATE,    /* Hello and Welcome */
    NP_SESSION_STAGE_FRAME,        /* frame, stream header, fragments; an end in their middle;
                                    * something behind the peer's last word */
    NP_SESSION_STAGE_DECODE,       /* a message's fields */
    NP_SESSION_STAGE_CONVERSATION, /* a message that is not allowed now */
    NP_SESSION_STAGE_DEADLINE,     /* something took too long */
    NP_SESSION_STAGE_PEER,         /* the peer sent an Error */
    NP_SESSION_STAGE_IO,           /* the transport failed: np_session_lost */
    NP_SESSION_STAGE_LOCAL,        /* this side failed: memory */
    NP_SESSION_STAGE_HANDLER       /* a handler returned an error, or there is none */
} np_session_stage;

/* One word, e.g. "frame". Static. */
NP_HIDDEN const char *np_session_stage_name(np_session_stage stage);

/* What makes sessions secure. */
typedef struct np_session_security {
    const np_keypair *identity; /* ours, which the peer gets to see */
    const uint8_t *psk;         /* client: a pre-shared key of 32 bytes; NULL: without */
    uint32_t skew_ms;           /* server: how far the clocks may be apart; 0: not judged */
    np_rng rng;
    uint8_t ciphers[NP_CIPHERS]; /* np_cipher, the best first, that this processor can do */
    uint8_t cipher_count;        /* 0: XChaCha20-Poly1305 alone */
} np_session_security;

/* What lets sessions compress. Messages and pieces of bodies go out compressed where the schema
 * does not call them secret, and where it pays. */
typedef struct np_session_compression {
    uint8_t kinds[NP_COMPRESSION_KINDS]; /* np_compression, the best first */
    uint8_t kind_count;
    uint32_t threshold; /* bytes of payload, or of a fragment, below which it is not tried */
    int zstd_level;
    uint32_t unpack_rate;  /* bytes that a session's payloads may become in a second, taken in
                            * shares of 100 ms; 0: no bound */
    np_compress *contexts; /* of the sessions' thread */
} np_session_compression;

typedef struct np_session np_session;

/* Shared by all sessions of a listener or client; must outlive them. Zero in a time switches that
 * deadline off. */
typedef struct np_session_options {
    const np_protocol *protocol;               /* ids from 256, or the base protocol itself */
    const np_conversation *conversation;       /* NULL: every message is allowed; see converse.h */
    const np_session_security *security;       /* NULL: plain text */
    const np_session_compression *compression; /* NULL: nothing is compressed */
    uint32_t version_min;                      /* 0: the protocol's own range */
    uint32_t version_max;
    size_t queue_max;    /* bytes of output queued; default 1 MiB */
    size_t message_max;  /* greatest message received, where the schema allows more; 16 MiB */
    uint32_t calls_max;  /* requests of ours that may wait for answers; default 1024 */
    uint32_t serve_max;  /* requests of the peer's that may wait for ours; default 1024 */
    uint32_t bodies_max; /* bodies under way, of ours and of the peer's each; default 16 */
    uint32_t hello_ms;   /* from init to OPEN, absolute; default 5,000 */
    uint32_t frame_ms;   /* a frame, from its first byte, absolute; a message in several frames, or
                          * a body that is collected whole, likewise, and a second more for each 64
                          * KiB of it that is announced; and the next byte of a body that comes in
                          * pieces; default 30,000 */
    uint32_t stall_ms;   /* the peer takes nothing of what is queued; default 30,000 */
    uint32_t close_ms;   /* from the close to the end, absolute; default 5,000 */
    uint32_t fail_ms;    /* after an error, so long the peer may take what was said about it, and
                          * close_ms at most; default 5,000 */
    /* NULL, or: a server's client begins a handshake, and would have key agreements computed. What
     * is not NP_OK ends the session. */
    np_err (*admit)(np_session *s);
    uint32_t idle_ms; /* nothing came: send a Ping; nothing again: the end; default 0, off */
} np_session_options;

np_session_options np_session_options_default(const np_protocol *protocol);

typedef enum np_session_event_kind {
    NP_SESSION_EVENT_PEER_KEY, /* secure: payload is the peer's static key, len 32, which it has
                                * proved to hold (a server's client proves it with the next bytes).
                                * Answer by np_session_trust before the next verb; silence is no. */
    NP_SESSION_EVENT_OPEN,     /* version: agreed on. Sends are possible from here on. */
    NP_SESSION_EVENT_MESSAGE,  /* id, message, payload, len */
    NP_SESSION_EVENT_REQUEST,  /* the same, stream and serial: reply, refuse or drop, by its
                                * np_session_event_call, now or later */
    NP_SESSION_EVENT_RESPONSE, /* to a request of ours: stream, user, message (the request),
                                * payload, len */
    NP_SESSION_EVENT_FAILURE,  /* a request of ours got no answer: stream, user, message, err; with
                                * NP_ERR_FAILED, _BUSY and _REFUSED also reason, code and text as
                                * the peer sent them; else NP_ERR_DEADLINE, or the end's cause */
    NP_SESSION_EVENT_CANCEL,   /* the peer does not want the answer to a request any more: stream,
                                * serial, message, user. It counts in serve_max until a reply (which
                                * gives NP_ERR_CLOSED), a refusal or np_session_drop lets go of it,
                                * or 30 s have passed. */
    NP_SESSION_EVENT_BODY_BEGIN, /* a `stream` message that comes in pieces: id, message, stream,
                                  * serial, total (bytes of body), payload and len: what stands
                                  * before the body, for np_message_decode_head. The conversation
                                  * has moved. */
    NP_SESSION_EVENT_BODY_DATA,  /* its next bytes: the same, with the bytes in payload and len > 0;
                                  * and user, as np_session_body_set_user gave it */
    NP_SESSION_EVENT_BODY_END,   /* the last that is heard of it, once after each BODY_BEGIN: err is
                                  * NP_OK, and all bytes have come; NP_ERR_CANCELED, the peer gave it
                                  * up; or the cause of the session's end, NP_ERR_CLOSED where that
                                  * is in order. Also id, message, stream, serial and user. */
    NP_SESSION_EVENT_UNKNOWN,    /* a message without a descriptor at this version: id, len. For the
                                  * log; a request has been answered with reason unknown_message
                                  * already. */
    NP_SESSION_EVENT_WRITABLE,   /* a send was refused with NP_ERR_FULL and the queue is half empty
                                  * again; or a body's write took less than all, and its part of the
                                  * queue is half empty again; or a send was refused with
                                  * NP_ERR_UNEXPECTED while a request of ours waited whose answer
                                  * moves the conversation, and that has come */
    NP_SESSION_EVENT_CLOSED /* the last event: err (NP_OK: orderly), stage, by_peer, reason, fault,
                             * text, disagreement, offers. Every request of ours has had its event
                             * before. */
} np_session_event_kind;

#define NP_SESSION_NO_REASON UINT32_MAX

/* What happened. Pointers are borrowed until np_session_next_event, np_session_park,
 * np_session_recv or np_session_fini is called; those of CLOSED until np_session_fini. */
typedef struct np_session_event {
    np_session_event_kind kind;
    uint32_t version; /* of the protocol, agreed on; for messages of the base protocol, of that */
    uint32_t id;      /* of the message; of a response, of its request */
    uint32_t stream;
    uint64_t serial; /* of a request or a body of the peer's: ours to name it by */
    const np_message *message;
    const uint8_t *payload; /* from the u32 id on; not decoded yet */
    size_t len;             /* bytes of payload, at least 4, at most the message's greatest */
    uint64_t total;         /* BODY_BEGIN */
    void *user;             /* as given to np_session_request, np_session_call_set_user or
                             * np_session_body_set_user */
    np_err err;
    uint32_t reason; /* number of base.Reason, or NP_SESSION_NO_REASON */
    uint32_t code;   /* FAILURE: the application's own */
    np_str text;     /* FAILURE, CLOSED: the peer's words, not to be trusted; or empty */
    np_disagreement disagreement; /* CLOSED with NP_ERR_VERSION, where it is known */
    np_str offers;                /* with it: what each side offered, in printable words of ours */
    np_session_stage stage;
    bool by_peer;          /* CLOSED: the peer ended it, by Disconnect, Error or an end of bytes */
    bool unverified;       /* CLOSED, by_peer: by an Error in the clear, on a session that is to be
                            * secure; anybody may have sent it */
    const np_fault *fault; /* CLOSED: what was refused, or NULL; by_peer with an Error: its words
                            * are in text */
} np_session_event;

/* What fault->where says of a CLOSED whose end in order took too long. */
#define NP_SESSION_LATE_CLOSE "close_timeout_ms"

/* What names a request to who answers it, of REQUEST and CANCEL. */
static inline np_call_key np_session_event_call(const np_session_event *event)
{
    return (np_call_key){event->message, event->stream, (uint32_t)event->serial};
}

/* The answer of np_session_want. */
typedef enum np_want {
    NP_WANT_NOTHING, /* paused, ending, or undrained input is left: do not read */
    NP_WANT_SHARED,  /* into any buffer, such as the one that all sessions of a loop share */
    NP_WANT_PLACE    /* at *place, at most *len bytes: behind what is already there */
} np_want;

typedef struct np_session_end np_session_end;
typedef struct np_session_secure np_session_secure;

/* The members are session*.c's. */
struct np_session {
    const np_session_options *options;
    np_account account; /* of the memory that it takes */
    uint64_t now_ms;    /* as last told */

    /* Input: the window of bytes not looked at yet, in the lent buffer or in carry. */
    uint8_t *in;
    uint8_t *in_end;
    np_buf carry;      /* a split frame or parked ones, as they came; its len reaches to in_end */
    uint32_t in_need;  /* bytes from `in` on without which there is no next step */
    uint32_t recv_len; /* bytes of the last recv: how fast the peer is */

    /* A message put together from several frames, or from several reads of a large one. */
    np_buf whole;
    uint32_t whole_left; /* bytes of body that the current frame still brings */
    uint32_t whole_max;  /* bound of the message */
    uint32_t whole_stream;
    uint8_t whole_kind; /* np_framing_kind */
    uint8_t phase;
    uint8_t pongs; /* queued while the queue was beyond its bound */

    bool answer_wanted : 1;  /* a send met NP_ERR_UNEXPECTED while a request of ours waited */
    bool secured : 1;        /* input comes in records, or will */
    bool in_carry : 1;       /* the window lies in carry */
    bool whole_more : 1;     /* another frame follows the current one */
    bool body_more : 1;      /* it is not the last piece */
    bool closed_due : 1;     /* the event CLOSED is still to come */
    bool peer_bye : 1;       /* its Disconnect or Close was seen: it says no more */
    bool peer_ended : 1;     /* and nothing but the end of its bytes is to come */
    bool eof : 1;            /* the end of its bytes */
    bool by_peer : 1;        /* of the cause */
    bool unverified : 1;     /* of the cause */
    bool pinged : 1;         /* idle_ms has passed once */
    bool close_queued : 1;   /* the last entry of our direction */
    bool parting : 1;        /* CLOSING in order: what still comes is looked at */
    bool parting_begun : 1;  /* the window is where that goes on */
    bool stuck : 1;          /* a request was refused, and there has been no room since */
    bool yields : 1;         /* a turn's share of unpacking is used up */
    bool output_lost : 1;    /* there is a gap: nothing more can be written */
    bool full : 1;           /* nothing has left since a send met NP_ERR_FULL for its size */
    uint8_t paused_at : 3;   /* np__session_pace */
    uint8_t compression : 2; /* np_compression agreed on */
    uint8_t role : 1;        /* np_session_role */
    uint8_t end_stage : 5;   /* np_session_stage, of the cause */

    int8_t end_err;

    /* What takes the next event off the short way; np_session_event_plain asks for all at once. */
    union {
        struct {
            bool whole_busy : 1;  /* a message is being put together */
            bool whole_body : 1;  /* within a frame's body, or just behind it */
            bool whole_given : 1; /* the last event's payload lies there: release before going on */
            bool body_frame : 1;  /* within a frame with a piece of a body, or just behind it */
            bool body_given : 1; /* the last event was about body_stream: tidy it before going on */
            bool body_wanted : 1;     /* a body's write took less than all */
            bool writable_wanted : 1; /* a send met NP_ERR_FULL */
            bool calls_due : 1;       /* some call's deadline has passed */
            bool starved : 1;         /* the next step needs more input */
            bool paused : 1;          /* the next step has to wait; see paused_at */
            bool held : 1;            /* np_session_hold */
            bool throttled : 1;       /* np_session_throttle */
            bool refusals : 1;        /* requests of the peer's wait to be refused */
            bool resting : 1;         /* held or paused: frame_deadline is what is left of it */
            bool answer_came : 1;     /* that a send was refused for */
        };
        uint16_t detours;
    };
    uint16_t version; /* agreed on; 0 before */

    uint32_t body_stream; /* of the current piece; where body_given, of the last event */
    uint32_t body_left;   /* bytes that the current frame still brings */
    np_bodies *bodies;    /* NULL: none */
    np_calls *calls;      /* NULL: none */
    np_outq out;
    uint64_t serial; /* the last that a call or a body was given */

    /* Of hello, the conversation's state, or close; what is left of it while it is held and open.
     */
    uint64_t phase_deadline;
    uint64_t frame_deadline;
    uint64_t stall_since; /* output waits, and none has left since; NP_TIME_NEVER: none waits */
    /* When something last came, though there be no idle_ms; or when the Ping went out for want of
     * it, or we did not read. NP_TIME_NEVER: it is not open. */
    uint64_t idle_from;

    np_session_end *end;       /* the cause in detail; NULL before, or without memory */
    np_session_secure *secure; /* NULL: plain */
    np_cancels cancels_taken;
    np_cancels cancels_sent;
    uint32_t unpack_ms; /* when the current window of unpacking began, its lower half */
    uint32_t unpacked;  /* bytes in it */
    int conversation_place;
    uint32_t opened; /* streams of ours; see NP_SESSION_ALL_OPENED */
};

/* Starts a session; a client queues its Hello. `now` starts the hello deadline, so a client's is
 * called when the connection has been made. Errors: NP_ERR_ARG (no protocol, an empty range of
 * versions, or a protocol that takes ids below 256), NP_ERR_MEMORY, NP_ERR_LIMIT; there is nothing
 * to fini then. */
NP_MUST_CHECK np_err np_session_init(np_session *s, const np_session_options *options,
                                     np_pool *pool, np_session_role role, np_time now);

/* Gives everything back, without a word to the peer and without events. */
void np_session_fini(np_session *s);

/* Answers PEER_KEY, while it is the last event. A client that is not trusted is told so in a
 * record; a server that is not trusted hears that, and not who we are. psk: a server gives the
 * pre-shared key of that client, 32 bytes, or NULL if it has none; a client gives NULL. */
void np_session_trust(np_session *s, bool trusted, const uint8_t *psk);

static inline bool np_session_is_secure(const np_session *s)
{
    return s->secure != NULL;
}

/* The peer's static key, 32 bytes, and the nonce that its handshake had, 16 bytes; NULL before they
 * are known, and of a plain session. Valid until np_session_fini. */
const uint8_t *np_session_peer_key(const np_session *s);
const uint8_t *np_session_peer_nonce(const np_session *s);

/* The cipher of a secure session, as in an offer; once there are keys. */
uint8_t np_session_cipher(const np_session *s);

/* Input ------------------------------------------------------------------------------------- */

/* Where the next read shall land. */
np_want np_session_want(const np_session *s, uint8_t **place, size_t *len);

/* Lends len > 0 bytes, where np_session_want said, until np_session_park. They may be written to
 * (a secure session decrypts in place). */
void np_session_recv(np_session *s, uint8_t *data, size_t len, np_time now);

/* The peer will send no more. In order after its Disconnect (secure: and its Close), whoever closed
 * first; else the cause is NP_ERR_EOF, after the events of what it sent before. */
void np_session_recv_end(np_session *s, np_time now);

/* The transport cannot go on: CLOSED with this error, unless there is another cause already, or the
 * peer has said its last word and all of ours has left. Nothing more goes out. */
void np_session_lost(np_session *s, np_err err, np_time now);

/* The next event; false if there is none for now. */
bool np_session_next_event(np_session *s, np_session_event *event);

/* Moves what is left of the lent bytes into the session's own memory. Before the buffer they lie
 * in is used for anything else, and before the next np_session_want. */
void np_session_park(np_session *s);

/* Whether np_session_next_event may have something without more input. */
bool np_session_pending(const np_session *s);

/* Backpressure by the application: while held, want is NOTHING and no message events come (ends,
 * expired calls and WRITABLE do); the deadlines that a peer cannot keep without our reading rest
 * (of a frame, a body, a conversation's state), and go on when it is let go. The peer gets a Pong
 * each idle_ms, where nothing of ours waits for it to read. */
void np_session_hold(np_session *s, bool hold, np_time now);

/* Backpressure by the pump: while on, nothing is taken that the application answers by output of
 * its own: messages, bodies and requests. What ends calls of ours still comes. And where one of
 * those stands first and nothing of ours leaves, it is refused or taken after a while
 * (session_pace.c), so that two sides that ask each other do not wait for each other. */
void np_session_throttle(np_session *s, bool on, np_time now);

/* Output ------------------------------------------------------------------------------------ */

/* Fills in what to write next, at most `max` pieces; returns how many, 0 if there is nothing. The
 * pieces stay valid until np_session_output_done or np_session_fini; sends between the two add
 * behind them. */
size_t np_session_output(np_session *s, struct iovec *iov, size_t max, np_time now);

/* n bytes of them were written; 0 is allowed. */
void np_session_output_done(np_session *s, size_t n, np_time now);

/* Bytes queued. */
static inline size_t np_session_queued(const np_session *s)
{
    return s->out.queued;
}

/* Whether our last byte is out: shut the sending direction down. The peer's end or the close
 * deadline brings CLOSED. */
bool np_session_output_ended(const np_session *s);

/* Time -------------------------------------------------------------------------------------- */

/* When np_session_tick must be called at the latest, in mono_ms; NP_TIME_NEVER for never. Any verb
 * may change it. Where it lies in the past, tick at once. */
uint64_t np_session_deadline(const np_session *s);

/* Tells the time; then look for events and output. Too early a tick does no harm. */
void np_session_tick(np_session *s, np_time now);

/* Sending ------------------------------------------------------------------------------------
 *
 * All of these have encoded and queued when they return NP_OK, and have done nothing at all when
 * they return an error. None of these errors ends the session:
 *
 *   NP_ERR_FULL        the queue: go on after WRITABLE. A message greater than the whole bound is
 *                      taken when the queue is empty.
 *   NP_ERR_STATE       not open yet
 *   NP_ERR_CLOSED      closing or closed; for a reply: canceled, answered, dropped, or never asked;
 *                      *fault tells which
 *   NP_ERR_UNEXPECTED  the conversation does not allow it now; where that is so until a request of
 *                      ours is answered, *fault names it, and WRITABLE comes with the answer
 *   NP_ERR_NEWER       the message came after the version agreed on
 *   NP_ERR_ARG         a request given to np_session_send, a message to np_session_request, a
 *                      message of another protocol
 *   NP_ERR_LIMIT       too many calls wait, or the pool's bound
 *   NP_ERR_MEMORY
 *   the codec's        the value breaks the schema; *fault tells where
 *
 * `message` is one of the session's protocol or of the base protocol. fault may be NULL. */

/* A message that is no request. `stream` messages are sent whole by this function; the peer's
 * application sees no difference to one that came in pieces. */
NP_MUST_CHECK np_err np_session_send(np_session *s, const np_message *message, const void *value,
                                     np_fault *fault);

/* The same for a payload that is encoded already, from its u32 id on, at the version agreed on. It
 * is copied, not checked; the peer will. */
NP_HIDDEN NP_MUST_CHECK np_err np_session_send_encoded(np_session *s, const np_message *message,
                                                       const uint8_t *payload, size_t len,
                                                       np_fault *fault);

/* A request. deadline_ms: absolute, in mono_ms, or NP_TIME_NEVER. On NP_OK *stream (may be NULL)
 * names the call, never 0, and exactly one RESPONSE or FAILURE with `user` will come, unless
 * np_session_cancel comes first or the session is fini'd. */
NP_MUST_CHECK np_err np_session_request(np_session *s, const np_message *message, const void *value,
                                        uint64_t deadline_ms, void *user, uint32_t *stream,
                                        np_fault *fault);
NP_HIDDEN NP_MUST_CHECK np_err np_session_request_encoded(np_session *s, const np_message *message,
                                                          const uint8_t *payload, size_t len,
                                                          uint64_t deadline_ms, void *user,
                                                          uint32_t *stream, np_fault *fault);

/* Gives a call up: no event will come, and the peer is told if there is room to; but where the
 * answer moves the conversation it is waited for in silence. Does nothing if there is no such
 * call. */
NP_HIDDEN void np_session_cancel(np_session *s, uint32_t stream);

/* Answers a request of the peer's; `answer` is the C struct of its reply. NP_ERR_FULL and the
 * codec's errors leave the request open; NP_ERR_CLOSED lets go of one that was canceled. While less
 * than half of the queue's bound is free no new request is delivered, so an answer of up to half
 * the bound to one just delivered has room. Where nothing leaves for a second meanwhile, the
 * request that stands first is refused as busy. */
NP_MUST_CHECK np_err np_session_reply(np_session *s, np_call_key call, const void *answer,
                                      np_fault *fault);
NP_HIDDEN NP_MUST_CHECK np_err np_session_reply_encoded(np_session *s, np_call_key call,
                                                        const uint8_t *payload, size_t len,
                                                        np_fault *fault);

/* Answers it with a failure. reason: a number of base.Reason; text: at most 256 bytes of UTF-8,
 * longer text is cut at a character. Errors also NP_ERR_VARIANT (unknown reason), NP_ERR_UTF8. */
NP_MUST_CHECK np_err np_session_refuse(np_session *s, np_call_key call, uint32_t reason,
                                       uint32_t code, np_str text);

/* Lets go of a request, waiting or canceled: it gets no answer, and does not count any more; but
 * one that moves the conversation is refused, reason "internal". Does nothing if it is not known
 * any more. */
void np_session_drop(np_session *s, np_call_key call);

/* Whether a request of the peer's still waits for its answer. */
bool np_session_serving(const np_session *s, np_call_key call);

/* A pointer to keep with a request of the peer's, also while it is canceled; NULL at first, and for
 * one that is not known any more. */
void np_session_call_set_user(np_session *s, np_call_key call, void *user);
void *np_session_call_user(const np_session *s, np_call_key call);

/* Asks for a sign of life. The Pong comes as a MESSAGE with id BASE_PONG_ID. Token UINT64_MAX is
 * the keepalive's own: NP_ERR_ARG. */
NP_MUST_CHECK np_err np_session_ping(np_session *s, uint64_t token);

/* Bodies ------------------------------------------------------------------------------------
 *
 * A `stream` message in pieces, so that neither side ever holds all of it; bodies.h has the wire.
 * What is under way of our own and its end are the caller's to keep track of: a session that ends
 * drops it without an event.
 *
 * Bodies fill no more than 128 KiB of the queue, or a quarter of its bound where that is less, so
 * that other messages find room and do not wait for long. Where messages keep the queue fuller than
 * that, bodies have so much of it all the same, while half of the queue is free. */

/* Begins one. `value` has the fields before the body, and an empty body; total is the number of
 * bytes that will be written. Nothing is sent before the first 1,024 bytes of the message are
 * there, or its end; only then is its stream opened, and does the conversation move, though it is
 * asked here too. On NP_OK *serial names the body, and never another one of this session. Errors:
 * those of np_session_send but NP_ERR_FULL; NP_ERR_ARG also for a message that is no `stream` one
 * and for a body that is not empty; NP_ERR_TOO_LONG and _TOO_SHORT with *fault for a total out of
 * the schema's bounds; NP_ERR_LIMIT with bodies_max under way. */
NP_MUST_CHECK np_err np_session_body_begin(np_session *s, const np_message *message,
                                           const void *value, uint64_t total, uint64_t *serial,
                                           np_fault *fault);

/* Adds bytes, copying them: *taken tells how many, from the front; where it is less than len,
 * WRITABLE will come. Errors: NP_ERR_FULL (took none), NP_ERR_CLOSED (no such body, or the session
 * is ending), NP_ERR_TOO_LONG (more than was announced; took none), NP_ERR_UNEXPECTED (the
 * conversation has moved on since the begin), NP_ERR_LIMIT, NP_ERR_MEMORY. The body stays, and what
 * *taken says was taken, whatever the error. */
NP_MUST_CHECK np_err np_session_body_write(np_session *s, uint64_t serial, const void *data,
                                           size_t len, size_t *taken);

/* Sends what is left and ends the body. Errors: NP_ERR_TOO_SHORT (less was written than announced),
 * NP_ERR_FULL (again after WRITABLE), else as write; the body stays then. */
NP_MUST_CHECK np_err np_session_body_end(np_session *s, uint64_t serial);

/* Gives up one of ours; the peer is told where it knows of it. Does nothing if there is none. */
void np_session_body_abort(np_session *s, uint64_t serial);

/* Right after BODY_BEGIN, instead of pieces: the message comes whole, in one MESSAGE, if it comes
 * at all. Memory grows with the bytes that come. Errors: NP_ERR_CLOSED (no such body), NP_ERR_STATE
 * (bytes of it have come), NP_ERR_TOO_LONG (above message_max). */
NP_MUST_CHECK np_err np_session_body_whole(np_session *s, uint64_t serial);

/* Throws away what still comes of one of the peer's; there will be no event. It is checked all the
 * same. */
void np_session_body_ignore(np_session *s, uint64_t serial);

/* A serial number that names nothing else in this session: for what is handed out like a body and
 * is none, a `stream` message that came whole. */
static inline uint64_t np_session_next_serial(np_session *s)
{
    return ++s->serial;
}

/* A pointer to keep with a body, ours or the peer's, until its END; NULL at first, and for a body
 * that is none. */
void np_session_body_set_user(np_session *s, uint64_t serial, void *user);
void *np_session_body_user(const np_session *s, uint64_t serial);

/* Ending ------------------------------------------------------------------------------------ */

/* Ends in order: what is queued goes out, then a Disconnect. reason: a number of base.Reason or
 * NP_SESSION_NO_REASON; text: as in np_session_refuse, or empty; broken text is left out. The
 * cause will be NP_OK, unless what the peer still sends breaks the protocol, or it does not end in
 * time. Does nothing if the session is at its end already. */
void np_session_close(np_session *s, uint32_t reason, np_str text, np_time now);

/* Ends because of an error: a message that did not decode (stage DECODE, its fault), one that has
 * no handler (HANDLER, NP_ERR_NO_HANDLER) or whose handler failed (HANDLER, what it returned), with
 * a fault whose `where` is the message's name; or what else failed here (LOCAL).
 *
 * The peer gets an Error with what it may know: the fault's field, offset and rule for errors of
 * class PROTO, the name of a message without a handler, only the reason for others. What a handler
 * returned is this side's own affair, whatever its class: the reason is "internal". */
void np_session_fail(np_session *s, np_err err, np_session_stage stage, const np_fault *fault,
                     np_time now);

/* Ends, and gives back at once what it holds of messages and of its queue, because others need the
 * memory: the cause is NP_ERR_LIMIT at stage LOCAL, with a fault that tells what it held. A short
 * queue stays, and the peer is told why, where the rest is well more than the `need` bytes that
 * somebody waits for; 0: nobody does. Not while an event of this session is looked at. */
void np_session_shed(np_session *s, size_t need, np_time now);

/* Gives back its queue alone; also while an event of this session is looked at. Nothing can be
 * written any more, and np_session_shed has to follow. Returns whether there was something. */
bool np_session_shed_output(np_session *s);

/* Whether sends are possible. */
bool np_session_is_open(const np_session *s);

#pragma GCC visibility pop

#endif
