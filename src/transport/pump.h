/* pump.h - the one pump: between a stream, a session and the loop.
 *
 * A turn of a link: at most one read, into the loop's shared buffer or where the session wants it;
 * then events, until there are no more or the link's share of the turn is used up (the rest is
 * parked and continued in the next turn, after everybody else); and one gathered write of all that
 * was queued, at the end of the loop's turn while few links are ready and have little to say, else
 * at the end of the link's own. The descriptor is watched for writing only after the system has
 * refused bytes.
 *
 * Backpressure: while more than a quarter of the queue's bound waits that this link's own events
 * have queued (answers, echoes), the session is throttled: it takes no messages and no requests,
 * and reads no further where one stands first, until the peer has taken it.
 *
 * Memory: a link is part of its owner, who frees it in `release`. When the loop's memory is short,
 * the link that pool.h names is shed: what it holds is given back at once, in the middle of
 * somebody else's turn, and its owner hears of its end in a turn of its own. One whose own events
 * are being handed out gives its queue back at once, and the rest, and its end, after the event.
 * Threads: the loop's.
 */
#ifndef NP_TRANSPORT_PUMP_H
#define NP_TRANSPORT_PUMP_H

#include "protocol/session.h"
#include "transport/stream.h"

/* A link's share of a turn. */
#define NP_LINK_EVENTS_MAX 256
#define NP_LINK_BYTES_MAX ((size_t)64 * 1024)

/* What a link's own turn has queued waits for the end of the loop's while fewer links than that
 * wait, and while it is less than that many bytes, which fit the queue's first block (4 KiB) with
 * all that stands around them. So those that wait hold half of what the pool keeps at most. */
#define NP_LINK_WAITING_MAX 128
#define NP_LINK_WAIT_BYTES ((size_t)3072)

/* Which part of the queue's bound answers may fill before the link is throttled. */
#define NP_LINK_REPLIES_PART 4

typedef struct np_link np_link;

/* What all links of an owner share: their loop, and what the owner is told. Inside these it may
 * send, close and abort; on any link. */
typedef struct np_link_ops {
    np_loop *loop;
    void (*on_event)(np_link *link, const np_session_event *event);  /* any but CLOSED */
    void (*on_drained)(np_link *link);                               /* bytes were written */
    void (*on_closed)(np_link *link, const np_session_event *event); /* the last event */
    void (*release)(np_link *link); /* the link is over and holds nothing any more */
} np_link_ops;

/* What all links of an owner share, and their sessions' options. Must outlive the links. */
typedef struct np_links {
    np_link_ops ops;
    np_session_options session;
} np_links;

/* The members are pump.c's, but for `session`, whose sending functions are the owner's to call
 * (followed by np_link_touch), and os_error. */
struct np_link {
    np_watch watch;
    np_timer timer;
    np_task task;
    np_stream stream;
    uint32_t replies;      /* bytes queued by the link's own events, or as answers to its peer's
                            * requests, and not written, at most */
    int16_t os_error;      /* of the read or write that ended it, or 0 */
    bool write_failed : 1; /* it was a write */
    bool in_input : 1;     /* the handler of something that came from the peer runs */
    bool in_turn : 1;      /* callbacks may be running: what is queued is seen to afterwards */
    bool blocked : 1;      /* the system refused bytes */
    bool throttled : 1;    /* by backpressure */
    bool eof : 1;
    bool shut : 1; /* our direction has ended */
    bool abort_due : 1;
    bool shed_due : 1; /* others need its memory */
    bool aborted : 1;
    bool closed : 1;           /* the last event has been told */
    bool read_needs_write : 1; /* TLS */
    bool write_needs_read : 1;
    bool late : 1; /* deadlines that have passed are not looked at before the timer */
    np_session session;
};

/* Takes over a connected stream. holder: of the session's memory. Errors: those of
 * np_session_init, NP_ERR_MEMORY; the stream is still the caller's then. */
NP_MUST_CHECK np_err np_link_start(np_link *link, const np_links *links, const np_stream *stream,
                                   np_session_role role, np_holder *holder);

/* After anything was done to the session: has the end of this turn see to output and deadline. */
void np_link_touch(np_link *link);

/* After a request of the peer's was answered: `before` is what np_session_queued said before that.
 * Answers that are given later, too, are backpressure as long as the peer does not take them. */
void np_link_replied(np_link *link, size_t before);

/* Ends in order; see np_session_close. */
void np_link_close(np_link *link, uint32_t reason, np_str text);

/* Ends because of an error of this side's or in the peer's message; see np_session_fail. */
void np_link_fail(np_link *link, np_err err, np_session_stage stage, const np_fault *fault);

/* Ends at once, at the latest when the handler that calls it returns; the cause is CANCELED. */
void np_link_abort(np_link *link);

/* Ends before it returns: on_closed and release run within. Not from one of the link's own
 * callbacks. */
void np_link_destroy(np_link *link);

/* Ends likewise, with an error of this side's: the peer is told as far as that costs nothing. */
void np_link_dismiss(np_link *link, np_err err, const np_fault *fault);

/* The owner's backpressure. */
void np_link_hold(np_link *link, bool hold);

#endif
