/* session_private.h - what the files of the session share.
 *
 *   session.c             life: init, deadlines, output, the end
 *   session_input.c       bytes to frames to whole payloads
 *   session_event.c       a whole payload to an event
 *   session_send.c        messages, requests and replies to bytes
 *   session_pack.c        compressed payloads, in both directions
 *   session_body.c        bodies of ours to bytes
 *   session_body_input.c  pieces of the peer's bodies to events
 *   session_secure.c      the handshake, and trust
 *   session_disagree.c    what each side offered, where nothing is in common
 *   session_record.c      records to entries, entries to records
 *   session_pace.c        when it does not go on with its input
 *   session_parting.c     what still comes when it is closing in order
 *   session_share.c       its share of memory, and the time that a message may take
 */
#ifndef NP_PROTOCOL_SESSION_PRIVATE_H
#define NP_PROTOCOL_SESSION_PRIVATE_H

#include <base.h>

#include "core/framing.h"
#include "protocol/converse.h"
#include "protocol/entry.h"
#include "protocol/handshake.h"
#include "protocol/session.h"

enum { NP_PHASE_HELLO, NP_PHASE_OPEN, NP_PHASE_CLOSING, NP_PHASE_CLOSED };

/* Longest text in an Error, a Failure or a Disconnect. */
#define NP_SESSION_TEXT_MAX ((size_t)256)

/* The keepalive's token. */
#define NP_SESSION_IDLE_TOKEN UINT64_MAX

/* So long at most a peer that failed before the session was open has to take the Error; who has
 * proved nothing must not cost twice the time that a handshake may take. */
#define NP_SESSION_STRANGER_LEAVE_MS 1000u

/* The least that a peer is waited for in the middle of something. */
#define NP_SESSION_NEED_STEP ((size_t)4096)

/* So long a request that the peer has canceled counts in serve_max, where the application neither
 * answers it nor drops it. */
#define NP_SESSION_CANCELED_MS 30000u

/* Encoded size of base.Failure: reason, code, length and text. */
#define NP_SESSION_FAILURE_MAX ((uint32_t)(4 + 4 + 8 + NP_SESSION_TEXT_MAX))

/* The cause of an end in detail; lives in a pool block. */
struct np_session_end {
    size_t cap; /* of the block */
    np_fault fault;
    bool has_fault;
    uint32_t reason;
    np_disagreement
        disagreement; /* with one the text is ours, about both offers, else the peer's */
    size_t text_len;
    char text[NP_SESSION_TEXT_MAX + 1];
};

/* What a secure session has beyond a plain one; lives in a pool block, and is wiped. */
struct np_session_secure {
    np_time now; /* as last told: the clock on the wall matters to a handshake only */
    np_handshake_side side;
    np_handshake *handshake; /* a block of its own, until the session is open; then NULL */
    np_handshake_outcome outcome;
    np_record_side sends;
    np_record_side receives;
    np_fault disagreed;    /* server: what of the client's offer does not fit */
    np_bytes confirm_rest; /* while PEER_KEY is the last event of a server */
    uint32_t plain_left;   /* bytes of the current record that were not looked at yet */
    uint16_t cap;          /* of this block */
    uint16_t handshake_cap;
    uint8_t step;   /* np__secure_step */
    bool in_record; /* its tag has not been passed */
    bool asked;     /* PEER_KEY is the last event, and was not answered */
    bool answered;  /* it was, and the next step goes on from there */
    bool key_known;
};

/* What a secure session waits for. */
typedef enum np__secure_step {
    NP_SECURE_INIT,     /* server: the first message */
    NP_SECURE_RESPONSE, /* client: the second */
    NP_SECURE_CONFIRM,  /* server: the third */
    NP_SECURE_TRUST,    /* either: np_session_trust */
    NP_SECURE_KEYED     /* there are keys: everything is a record */
} np__secure_step;

/* It is a bit-field, which takes constants without a warning only. */
static inline void np__session_set_compression(np_session *s, np_compression kind)
{
    s->compression = kind == NP_COMPRESSION_LZ4 ? 1 : kind == NP_COMPRESSION_ZSTD ? 2 : 0;
}

/* Whether what is being taken came in the clear on a session that is to be secure: nobody vouches
 * for it. */
static inline bool np__session_is_unverified(const np_session *s)
{
    return s->secure != NULL && !s->secure->in_record;
}

/* Whether frames are records. */
static inline bool np__session_is_keyed(const np_session *s)
{
    return s->secure != NULL && s->secure->step == NP_SECURE_KEYED;
}

static inline void np__session_tell_time(np_session *s, np_time now)
{
    s->now_ms = now.mono_ms;
    if (s->secure != NULL) {
        s->secure->now = now;
    }
}

static inline uint32_t np__session_parity(const np_session *s)
{
    return s->role == NP_SESSION_CLIENT ? 1 : 0;
}

/* Ids of streams go round after 2^31. From then on this bit of `opened` stays set. */
#define NP_SESSION_ALL_OPENED 0x80000000u

static inline uint32_t np__session_first_stream(const np_session *s)
{
    return s->role == NP_SESSION_CLIENT ? 1 : 2;
}

static inline uint64_t np__session_after(const np_session *s, uint32_t delay_ms)
{
    return delay_ms > 0 ? np_time_after(s->now_ms, delay_ms) : NP_TIME_NEVER;
}

/* Whether so much output waits that no new work is taken in. */
static inline bool np__session_congested(const np_session *s)
{
    return s->out.queued > s->options->queue_max / 2;
}

/* How much of the queue's bound bodies may fill: two pieces, so that the transport always has
 * something to write, and what else is to be sent gets through. */
static inline size_t np__session_body_bound(const np_session *s)
{
    size_t two = 2 * ((size_t)NP_FRAMING_HEAD_MAX + NP_FRAMING_FRAGMENT_MAX);
    size_t part = s->options->queue_max / 4;

    return two < part ? two : part;
}

/* Adds one to the table. Where that is new, what is queued may be pieces of an older one. Errors:
 * those of np_bodies_add. */
static inline NP_MUST_CHECK np_err np__session_add_body(np_session *s, np_body_entry **body)
{
    bool fresh = s->bodies == NULL;
    np_err err = np_bodies_add(&s->bodies, &s->account, np_session_next_serial(s), body);

    if (err == NP_OK && fresh) {
        s->bodies->queued = (uint32_t)s->out.queued;
        s->bodies->queued_left = (uint32_t)s->out.queued;
    }
    return err;
}

/* Whether bodies have room; see session_body.c. */
static inline bool np__session_body_goes_on(const np_session *s)
{
    return s->out.queued <= np__session_body_bound(s) / 2 ||
           (s->bodies != NULL && s->bodies->queued_left == 0 && !np__session_congested(s));
}

/* What a step may have to wait for. */
typedef enum np__session_pace {
    NP_PACE_REQUEST, /* room for the answer; or, after a second in vain, for a refusal */
    NP_PACE_MESSAGE, /* the pump, which throttles */
    NP_PACE_UNPACK,  /* the next share of time to unpack in */
    NP_PACE_CANCEL   /* the budget of cancels */
} np__session_pace;

/* Whether the peer's input waits for room in our queue: then requests of ours do not take it. */
static inline bool np__session_is_asked(const np_session *s)
{
    return s->paused && s->paused_at <= NP_PACE_MESSAGE;
}

/* Whether WRITABLE is due. */
static inline bool np__session_writable(const np_session *s)
{
    return s->phase == NP_PHASE_OPEN && !np__session_is_asked(s) &&
           ((!s->full && ((s->writable_wanted && !np__session_congested(s)) ||
                          (s->body_wanted && np__session_body_goes_on(s)))) ||
            s->answer_came);
}

/* Whether the conversation's time rests, and phase_deadline is what is left of it: while the
 * application holds the session. Where the session pauses by itself it does not, for a peer that
 * reads slowly, or cancels without end, could make it pause for ever. */
static inline bool np__session_phase_rests(const np_session *s)
{
    return s->held && s->phase == NP_PHASE_OPEN;
}

/* Whether the peer has to go on with its bodies: not while it is we who do not read. */
static inline bool np__session_bodies_timed(const np_session *s)
{
    return s->bodies != NULL && s->phase == NP_PHASE_OPEN && !s->resting;
}

/* An event of which nothing is known yet. Member by member: it is made for every message, and
 * clearing it as a whole costs three times as much. */
static inline void np__session_event_clear(np_session_event *event, uint32_t version)
{
    event->version = version;
    event->id = 0;
    event->stream = 0;
    event->serial = 0;
    event->message = NULL;
    event->payload = NULL;
    event->len = 0;
    event->total = 0;
    event->user = NULL;
    event->err = NP_OK;
    event->reason = NP_SESSION_NO_REASON;
    event->code = 0;
    event->text.data = NULL;
    event->text.len = 0;
    event->stage = NP_SESSION_STAGE_NONE;
    event->by_peer = false;
    event->fault = NULL;
}

/* As a session keeps it; what a handler returns may be no error of ours. */
static inline int8_t np__session_end_err(np_err err)
{
    return (int)err <= 0 && (int)err >= INT8_MIN ? (int8_t)err : NP_ERR_FAILED;
}

/* session.c --------------------------------------------------------------------------------- */

/* Keeps the cause, if there is none yet. reason: of base.Reason or NP_SESSION_NO_REASON. */
void np__session_cause(np_session *s, np_err err, np_session_stage stage, bool by_peer,
                       uint32_t reason, const np_fault *fault, np_str text);

/* From OPEN or HELLO to CLOSING, after the last message was queued. */
void np__session_closing(np_session *s);

/* CLOSED, now. */
void np__session_closed(np_session *s);

/* CLOSED, if nothing is left to do. */
void np__session_settle(np_session *s);

/* np_session_fail with the time as last told. */
void np__session_fail(np_session *s, np_err err, np_session_stage stage, const np_fault *fault);

/* What this side speaks, by its options. Errors: NP_ERR_ARG. */
NP_MUST_CHECK np_err np__session_side_make(np_negotiate_side *out,
                                           const np_session_options *options);

/* The number of base.Reason for an error. */
base_reason np__session_reason(np_err err);

/* The error for a peer's reason. */
np_err np__session_reason_err(uint32_t reason);

/* The most bytes, at most max, that text can be cut to without splitting a character. */
size_t np__session_cut(const char *text, size_t len, size_t max);

/* What became of a payload. */
typedef enum np__session_step {
    NP_STEP_EVENT, /* *event is filled in */
    NP_STEP_AGAIN, /* it was dealt with */
    NP_STEP_STARVED,
    NP_STEP_PAUSED, /* not now: the output queue is too full; nothing was done */
    NP_STEP_ENDED   /* the session is at its end */
} np__session_step;

/* Something to be queued: codec and value, or encoded bytes. */
typedef struct np__session_outgoing {
    uint8_t kind;        /* np_framing_kind */
    bool urgent;         /* the session's own: the queue's bound does not count */
    bool has_id;         /* false for failures and cancels */
    bool more;           /* a piece of a body that is not the last */
    bool packable;       /* may be compressed */
    uint8_t compression; /* of `encoded`: it has been */
    uint32_t stream;
    uint32_t id;
    uint32_t version;
    const np_codec *codec; /* NULL: encoded */
    const void *value;
    const uint8_t *encoded; /* id included */
    size_t encoded_len;
    const uint8_t *rest; /* of a piece: follows `encoded` */
    size_t rest_len;
} np__session_outgoing;

/* Whether its head says how long it is, and nothing else. */
static inline bool np__session_is_bare(const np__session_outgoing *out)
{
    return out->kind == NP_FRAMING_NO_STREAM && !out->more && out->compression == 0;
}

/* The compressions that a payload may have now, as np_framing_rules counts them. */
static inline uint8_t np__session_compressions(const np_session *s)
{
    return (uint8_t)(1u | 1u << s->compression);
}

/* The bytes behind which something of `total` that is not all there is looked at again: room for it
 * grows as they come, and not with a header's word. */
static inline size_t np__session_need(size_t there, size_t total)
{
    size_t need = there + (there > NP_SESSION_NEED_STEP ? there : NP_SESSION_NEED_STEP);

    return need < total ? need : total;
}

/* session_disagree.c: puts into the cause, which is there already, what is not in common. hearsay:
 * that the schemas differ was said in the clear, where anybody may have said it. */
void np__session_disagree_offer(np_session *s, const base_offer *theirs, bool hearsay);
void np__session_disagree_digest(np_session *s, uint32_t version, const uint8_t *digest);

/* The same of a server whose secure handshake came to nothing for the version's sake. */
void np__session_disagree_kept(np_session *s, bool hearsay);

/* session_share.c --------------------------------------------------------------------------- */

/* Which bound an NP_ERR_LIMIT of the pool was about. */
void np__session_memory_fault(const np_session *s, np_fault *fault);

/* How much longer a message of so many bytes may take. */
uint64_t np__session_allowance(uint64_t len);

/* A frame of a message that is put together has begun, with len bytes of it: its deadline starts,
 * if it has not, and moves by what they are allowed. */
void np__session_announced(np_session *s, size_t len);

/* Whether the deadlines that the peer cannot keep without our reading rest. */
void np__session_rest(np_session *s, bool rest);

/* session_input.c --------------------------------------------------------------------------- */

/* Gives back what is kept of messages that are not complete. */
void np__session_drop_messages(np_session *s);

/* Gives the buffers of input back; the window is empty then. */
void np__session_drop_input(np_session *s);

/* Room in buf for `more` bytes and then some, within twice what has come and within `most`. */
NP_MUST_CHECK np_err np__session_grow(np_session *s, np_buf *buf, size_t more, size_t most);

/* Judges the head of a message's first or next frame, and of a first one its id (NULL: not there
 * yet). Errors: with *fault. */
NP_MUST_CHECK np_err np__session_judge_frame(np_session *s, const np_framing_head *head,
                                             const uint8_t *id, np_fault *fault);

/* From its head on such a frame is the current one: `left` bytes of its body go to `whole`. */
void np__session_begin_whole(np_session *s, const np_framing_head *head, uint32_t left);

/* A message, fragment or piece whose head is known: of a frame, or of an entry. `there` bytes of
 * its body lie behind it in the window. */
np__session_step np__session_step_head(np_session *s, const np_framing_head *head, size_t there,
                                       np_session_event *event);

/* The next frame of the window, in the clear. */
np__session_step np__session_step_frame(np_session *s, np_session_event *event);

/* The cause of the end is what the peer sent, or a lack of memory to take it. */
np__session_step np__session_refused(np_session *s, np_err err, const np_fault *fault);

/* session_event.c --------------------------------------------------------------------------- */

/* More input is needed: `need` bytes from the window's start. */
np__session_step np__session_starve(np_session *s, size_t need);

/* The message of an id at the version agreed on, or NULL. */
static inline const np_message *np__session_message(const np_session *s, uint32_t id)
{
    const np_protocol *protocol = id < 256 ? &base_protocol : s->options->protocol;
    uint32_t version = id < 256 ? BASE_VERSION : s->version;
    const np_message *message;

    /* Ids mostly go up by one, so the index is a good guess. */
    if (np_likely(protocol->message_count > 0 &&
                  id - protocol->messages[0].id < protocol->message_count &&
                  protocol->messages[id - protocol->messages[0].id].id == id)) {
        message = &protocol->messages[id - protocol->messages[0].id];
    } else {
        message = np_protocol_message(protocol, id);
    }
    return message != NULL && message->since <= version ? message : NULL;
}

/* An event about a message. */
static inline np__session_step np__session_deliver(const np_session *s, np_session_event_kind kind,
                                                   const np_message *message, uint32_t stream,
                                                   const uint8_t *payload, size_t len,
                                                   np_session_event *event)
{
    event->kind = kind;
    event->id = message->id;
    event->version = message->id < 256 ? BASE_VERSION : s->version;
    event->stream = stream;
    event->message = message;
    event->payload = payload;
    event->len = len;
    return NP_STEP_EVENT;
}

/* A message's head and, where they have come, the first 4 bytes of its body (else NULL): whether
 * it may come at all, and in *bound how long its payload may be. Errors: with *fault. */
NP_MUST_CHECK np_err np__session_judge(const np_session *s, const np_framing_head *head,
                                       const uint8_t *id, uint32_t *bound, np_fault *fault);

/* A whole payload. */
np__session_step np__session_take(np_session *s, uint8_t kind, uint32_t stream,
                                  const uint8_t *payload, size_t len, np_session_event *event);

/* The session is open at the version and with the compression that were chosen. */
np__session_step np__session_opened(np_session *s, uint32_t version, uint8_t compression,
                                    np_session_event *event);

/* session_secure.c -------------------------------------------------------------------------- */

/* Makes a session secure, right after np_session_init; a client queues its first message. */
NP_MUST_CHECK np_err np__session_secure_init(np_session *s, np_time now);
void np__session_secure_fini(np_session *s);

/* Gives the handshake's memory back, of a session that ends before it has keys. */
void np__session_secure_refused(np_session *s);

/* Wipes the keys of a session that is closed, which somebody may keep for a while. Whom it was with
 * may still be asked. */
void np__session_secure_forget(np_session *s);

/* Whether a handshake message may come now, by its id. */
bool np__session_secure_expects(const np_session *s, uint32_t id);

/* A handshake message. */
np__session_step np__session_secure_take(np_session *s, const uint8_t *payload, size_t len,
                                         np_session_event *event);

/* The session is open at what the handshake has chosen. */
np__session_step np__session_secure_opened(np_session *s, np_session_event *event);

/* PEER_KEY was the last event: goes on with what was answered, or not. */
np__session_step np__session_secure_resume(np_session *s, np_session_event *event);

/* session_record.c -------------------------------------------------------------------------- */

/* The next record of the window, or the next entry of the current one. */
np__session_step np__session_step_record(np_session *s, np_session_event *event);

/* Queues a payload as entries. */
NP_MUST_CHECK np_err np__session_emit_entry(np_session *s, const np__session_outgoing *out,
                                            size_t len);
NP_MUST_CHECK np_err np__session_emit_entries(np_session *s, const np__session_outgoing *out,
                                              size_t len);

/* Queues the last entry of our direction. */
void np__session_emit_close(np_session *s);

/* Seals what is queued, as much as is likely to be written. */
void np__session_seal(np_session *s);

/* session_parting.c ------------------------------------------------------------------------- */

/* CLOSING: takes what is there of the peer's input, or throws it away. */
void np__session_part(np_session *s);

/* A head that comes while the session is parting; `there` bytes of its body lie behind it. */
np__session_step np__session_pass_over(np_session *s, const np_framing_head *head, size_t there);

/* CLOSED, now; what was to be an end in order was none if output is lost by it, or if the peer has
 * not said goodbye. */
void np__session_cut_short(np_session *s, np_err err, np_session_stage stage,
                           const np_fault *fault);

/* CLOSING in order: it was not in order after all. */
void np__session_spoil(np_session *s, np_err err, np_session_stage stage, const np_fault *fault);

/* session_send.c ---------------------------------------------------------------------------- */

/* Writes a payload whose size has been measured. */
void np__session_write(uint8_t *p, const np__session_outgoing *out);

NP_MUST_CHECK np_err np__session_emit(np_session *s, const np__session_outgoing *out,
                                      np_fault *fault);

/* Queues a payload of at most 64 KiB in one frame or entry. */
NP_MUST_CHECK np_err np__session_emit_frame(np_session *s, const np__session_outgoing *out,
                                            size_t len);

/* What every send asks first; also tells the version that the message is encoded at. */
static inline NP_MUST_CHECK np_err np__session_may_send(const np_session *s,
                                                        const np_message *message, bool request,
                                                        uint32_t *version)
{
    const np_protocol *protocol = message->id < 256 ? &base_protocol : s->options->protocol;

    if (np_unlikely(s->phase != NP_PHASE_OPEN)) {
        return s->phase == NP_PHASE_HELLO ? NP_ERR_STATE : NP_ERR_CLOSED;
    }
    if (np_unlikely((message->kind == NP_MESSAGE_REQUEST) != request ||
                    message < protocol->messages ||
                    message >= protocol->messages + protocol->message_count)) {
        return NP_ERR_ARG;
    }
    *version = message->id < 256 ? BASE_VERSION : s->version;
    return np_unlikely(message->since > *version) ? NP_ERR_NEWER : NP_OK;
}

/* An id for the next stream of ours; *opened is what s->opened becomes once a frame with it is
 * queued. */
uint32_t np__session_next_stream(const np_session *s, uint32_t *opened);

/* Whether a stream whose id is one of ours has ever been opened. */
static inline bool np__session_has_opened(const np_session *s, uint32_t stream)
{
    return (stream - np__session_first_stream(s)) / 2 < s->opened;
}

/* Queues a message of the base protocol, whatever the queue's bound. */
NP_MUST_CHECK np_err np__session_emit_base(np_session *s, uint32_t id, const void *value);

/* Answers a request that never became an event. */
NP_MUST_CHECK np_err np__session_emit_failure(np_session *s, uint32_t stream, uint32_t reason,
                                              uint32_t code, np_str text, bool urgent);

/* Tells the peer that the answer is not wanted any more. */
void np__session_emit_cancel(np_session *s, uint32_t stream);

/* session_pace.c ---------------------------------------------------------------------------- */

bool np__session_must_wait(const np_session *s, np__session_pace pace);

/* The step has to: NP_STEP_PAUSED. */
np__session_step np__session_pause(np_session *s, np__session_pace pace);

/* When a step that waits is to be tried again, whatever else comes. */
uint64_t np__session_pace_deadline(const np_session *s);

/* Whether a request that need not wait is to be refused all the same. */
bool np__session_refuses(const np_session *s);

/* Has it refused once there is room. There is a reservation for the entry. */
void np__session_refuse_later(np_session *s, np_call_entry *entry);
bool np__session_refusals_due(const np_session *s);
void np__session_emit_refusals(np_session *s);

/* Whether a Pong may be queued, which counts then. */
bool np__session_may_pong(np_session *s);

/* So many bytes of output have left. */
void np__session_left(np_session *s, size_t n);

/* Bytes were unpacked, 64 KiB at most. */
void np__session_unpacked(np_session *s, size_t len);

/* session_pack.c ---------------------------------------------------------------------------- */

/* Whether a payload of `len` bytes is one to compress, if that pays. */
static inline bool np__session_packs(const np_session *s, const np__session_outgoing *out,
                                     size_t len)
{
    return s->compression != 0 && out->packable && len > 0 &&
           len >= s->options->compression->threshold;
}

/* Queues such a payload of any length: each fragment compressed, or not. */
NP_MUST_CHECK np_err np__session_emit_packed(np_session *s, const np__session_outgoing *out,
                                             size_t len);

/* A compressed payload whose head is known; `there` bytes of it lie behind it in the window. */
np__session_step np__session_step_packed(np_session *s, const np_framing_head *head, size_t there);

/* session_body_input.c ---------------------------------------------------------------------- */

/* A frame that brings a piece of a body: judges its head and, of a first piece, the id (NULL: not
 * there yet), and makes it the current one. The window stands at the body then. */
np__session_step np__session_body_frame(np_session *s, const np_framing_head *head,
                                        const uint8_t *id);

/* The next part of the current piece. */
np__session_step np__session_step_body(np_session *s, np_session_event *event);

/* Tidies what the last event was about. */
void np__session_body_release(np_session *s);

/* A cancel for a body. */
np__session_step np__session_body_canceled(np_session *s, np_body_entry *body,
                                           np_session_event *event);

/* One that the session's end cuts off; false if there is none. */
bool np__session_body_cut_off(np_session *s, np_err err, np_session_event *event);

/* Gives back the memory of all of them. */
void np__session_body_drop(np_session *s);

#endif
