/* session_parting.c - what still comes when a session is parting in order; see session.h.
 *
 * Whoever closes first, the peer's direction has a last word: its Disconnect, and on a secure
 * session the Close behind it. Until that has come, frames and entries are passed over: nothing of
 * them is handed out, and nothing is kept of them but what a head needs. Behind it nothing may
 * come but the end of the bytes, which is waited for. So bytes that a peer, or somebody on the
 * way, puts behind a Close are not swallowed, and closing the descriptor does not reset a
 * connection on which our own last word is still travelling.
 *
 * What is found then changes an end in order into one with a cause, but neither whose end it was
 * nor what was said. The peer is not told: our own last word has been queued already.
 *
 * A session that ends in an error, or before it was open, is not followed: its cause stands, and
 * what still comes is thrown away.
 */
#include <base.h>

#include "protocol/session_private.h"

/* The window stands where it stood when the session was closed: perhaps within a body. */
static void np_session_begin_parting(np_session *s)
{
    uint32_t left = s->whole_body ? s->whole_left : 0;
    bool more = s->whole_busy && s->whole_more;

    if (s->body_frame && s->bodies->piece.data == NULL) {
        left = s->body_left; /* else it has been unpacked, and is behind us */
    }
    np__session_drop_messages(s);
    s->whole_left = left;
    s->whole_more = more;
    s->parting_begun = true;
}

/* Nothing more is listened to. */
static void np_session_end_parting(np_session *s)
{
    s->parting = false;
    np__session_drop_input(s);
    np__session_settle(s);
}

void np__session_spoil(np_session *s, np_err err, np_session_stage stage, const np_fault *fault)
{
    s->parting = false;
    if (s->phase != NP_PHASE_CLOSING || s->end_err != NP_OK) {
        return;
    }
    s->end_err = np__session_end_err(err);
    s->end_stage = stage & 31u;
    if (s->end != NULL && fault != NULL) {
        s->end->fault = *fault;
        s->end->has_fault = true;
    }
    s->peer_bye = false; /* as after any error, the end of its bytes is waited for */
    s->phase_deadline =
        np_time_earlier(s->phase_deadline, np__session_after(s, s->options->fail_ms));
}

void np__session_cut_short(np_session *s, np_err err, np_session_stage stage, const np_fault *fault)
{
    bool opened = s->version != 0; /* a stranger owes nobody a goodbye */

    if (opened && (!s->peer_ended || s->out.queued > 0 || s->output_lost)) {
        np__session_spoil(s, err, stage, fault);
    }
    np__session_closed(s);
}

/* Whether that message is the peer's last one. What goes on with another has no id. */
static bool np_session_is_bye(const np_session *s, const np_framing_head *head, const uint8_t *body,
                              size_t there)
{
    uint32_t id;

    if (s->whole_more || head->kind != NP_FRAMING_NO_STREAM || head->compression != 0 ||
        there < 4) {
        return false;
    }
    id = np_get_u32(body);
    return id == BASE_DISCONNECT_ID || id == BASE_ERROR_ID;
}

np__session_step np__session_pass_over(np_session *s, const np_framing_head *head, size_t there)
{
    np_fault fault;
    np_err err;

    if (s->peer_bye) {
        err = np_fault_at(&fault, NP_ERR_TRAILING, "base.entry_header",
                          "nothing but a Close behind a Disconnect", 0);
        return np__session_refused(s, err, &fault);
    }
    if (there < 4 && there < head->body_len) {
        return np__session_starve(s, (size_t)head->head_len + 4); /* its id tells */
    }
    if (np_session_is_bye(s, head, s->in + head->head_len, head->body_len < 4 ? 0 : there)) {
        s->peer_bye = true;
        s->peer_ended = s->secure == NULL;
    }
    if (head->kind != NP_FRAMING_DATA) { /* pieces of bodies come between a message's frames, too */
        s->whole_more = head->more;
    }
    s->in += head->head_len;
    s->whole_left = head->body_len;
    return NP_STEP_AGAIN;
}

/* The bytes that are left of what is passed over. */
static np__session_step np_session_pass_bytes(np_session *s)
{
    size_t n = (size_t)(s->in_end - s->in);

    if (n == 0) {
        return np__session_starve(s, 0);
    }
    n = n < s->whole_left ? n : s->whole_left;
    s->in += n;
    s->whole_left -= (uint32_t)n;
    return NP_STEP_AGAIN;
}

/* Behind the peer's last word. */
static np__session_step np_session_step_behind(np_session *s)
{
    const char *rule = s->secure != NULL ? "nothing behind a Close" : "nothing behind a Disconnect";
    np_fault fault;
    np_err err;

    if (s->in == s->in_end) {
        return np__session_starve(s, 0);
    }
    err = np_fault_at(&fault, NP_ERR_TRAILING, "base.frame", rule, 0);
    return np__session_refused(s, err, &fault);
}

static np__session_step np_session_step_parting(np_session *s)
{
    if (s->whole_left > 0) {
        return np_session_pass_bytes(s);
    }
    if (s->peer_ended && (s->secure == NULL || !s->secure->in_record)) {
        return np_session_step_behind(s);
    }
    return s->secure != NULL ? np__session_step_record(s, NULL) : np__session_step_frame(s, NULL);
}

/* The end of the peer's bytes is not its own word: anybody on the way can make it. */
static void np_session_ends_early(np_session *s)
{
    np_fault fault;
    np_err err =
        s->peer_bye
            ? np_fault_at(&fault, NP_ERR_EOF, "base.entry_header", "a Close behind a Disconnect", 0)
            : np_fault_at(&fault, NP_ERR_EOF, "base.frame", "a Disconnect before the end", 0);

    np__session_spoil(s, err, NP_SESSION_STAGE_FRAME, &fault);
}

void np__session_part(np_session *s)
{
    if (s->parting && !s->parting_begun) {
        np_session_begin_parting(s);
    }
    while (s->parting && !s->starved) {
        (void)np_session_step_parting(s);
    }
    if (s->parting && s->eof && !s->peer_ended) {
        np_session_ends_early(s);
    }
    if (!s->parting || s->eof) {
        np_session_end_parting(s);
    }
}
