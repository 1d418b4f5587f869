/* session_record.c - records of a secure session, in and out; see session.h and record.h.
 *
 * A record is opened where it lies, when all of it is there, and its entries are taken from the
 * window one by one as frames are: the window then begins within the plain text, `plain_left` bytes
 * of which are still to come, and behind them lies the tag. So parking, pausing and holding are
 * what they are for frames.
 */
#include <string.h>

#include <netproto/codec.h>

#include "protocol/session_private.h"

/* Bytes that are sealed at once. The socket seldom takes more in one write, and a large body must
 * not hold the loop up. */
#define NP_SESSION_SEAL_MAX ((size_t)256 * 1024)

/* Where a frame's flags are. */
#define NP_SESSION_FLAGS_AT 5

static const np_outq_margins np_session_margins = {
    .before = NP_FRAMING_HEADER_LEN,
    .after = NP_CRYPTO_TAG_LEN,
    .spare = NP_ENTRY_HEADER_LEN, /* a key update */
    .plain_max = NP_RECORD_PLAIN_MAX,
};

_Static_assert(NP_FRAMING_FRAGMENT_MAX + NP_ENTRY_HEAD_MAX + NP_ENTRY_HEADER_LEN <=
                   NP_RECORD_PLAIN_MAX,
               "a fragment fits a record");

/* Input ------------------------------------------------------------------------------------- */

static np__session_step np_session_take_close(np_session *s, const uint8_t *body)
{
    uint32_t code = np_get_u16(body);
    np_str none = {NULL, 0};

    s->in += NP_ENTRY_HEADER_LEN + NP_ENTRY_CLOSE_LEN;
    s->secure->plain_left = 0; /* np_entry_read says that it is the last of its record */
    s->peer_bye = true;
    s->peer_ended = true;
    if (s->phase == NP_PHASE_CLOSING) {
        return NP_STEP_AGAIN;
    }
    np__session_cause(s, NP_OK, NP_SESSION_STAGE_NONE, true,
                      code == UINT16_MAX ? NP_SESSION_NO_REASON : code, NULL, none);
    np__session_closing(s);
    return NP_STEP_ENDED;
}

static np__session_step np_session_step_entry(np_session *s, np_session_event *event)
{
    np_session_secure *secure = s->secure;
    np__session_step step;
    np_entry entry;
    np_fault fault;
    size_t len;
    np_err err =
        np_entry_read(&entry, s->in, secure->plain_left, np__session_compressions(s), &fault);

    if (np_unlikely(err != NP_OK)) {
        return np__session_refused(s, err, &fault);
    }
    switch (entry.type) {
    case NP_ENTRY_KEY_UPDATE:
        err = np_record_take_update(&secure->receives, s->now_ms);
        if (err != NP_OK) {
            err = np_fault_at(&fault, NP_ERR_LIMIT, "base.entry_header.type",
                              "key updates in a flood", 0);
            return np__session_refused(s, err, &fault);
        }
        s->in += NP_ENTRY_HEADER_LEN;
        secure->plain_left = 0;
        return NP_STEP_AGAIN;
    case NP_ENTRY_CLOSE:
        return np_session_take_close(s, s->in + NP_ENTRY_HEADER_LEN);
    case NP_ENTRY_MESSAGE:
        break;
    }
    len = (size_t)entry.head.head_len + entry.head.body_len;
    step = np__session_step_head(s, &entry.head, secure->plain_left - entry.head.head_len, event);
    if (step != NP_STEP_PAUSED) {
        secure->plain_left -= (uint32_t)len; /* its body may still be on its way to `whole` */
    }
    return step;
}

np__session_step np__session_step_record(np_session *s, np_session_event *event)
{
    static const np_framing_rules rules = {
        .payload_max = NP_RECORD_PAYLOAD_MAX,
        .compressions = 1,
        .encrypted = true,
        .bare = true, /* what a record holds is no concern of its header */
    };
    np_session_secure *secure = s->secure;
    size_t there = (size_t)(s->in_end - s->in);
    np_framing_head head;
    np_fault fault = {.err = NP_OK};
    size_t need = 0;
    size_t len = 0;
    bool done = false;
    np_err err;

    if (secure->plain_left > 0) {
        return np_session_step_entry(s, event);
    }
    if (secure->in_record) {
        s->in += NP_CRYPTO_TAG_LEN;
        secure->in_record = false;
        return NP_STEP_AGAIN;
    }
    /* A server that does not like our Confirm has no keys to say so: until its first record has
     * come there may be an Error in the clear, and nothing else. */
    if (s->phase == NP_PHASE_HELLO && there > NP_SESSION_FLAGS_AT &&
        s->in[NP_SESSION_FLAGS_AT] == 0) {
        return np__session_step_frame(s, event);
    }
    err = np_framing_read(&head, s->in, there, &rules, &done, &need, &fault);
    if (np_unlikely(err != NP_OK)) {
        return np__session_refused(s, err, &fault);
    }
    if (!done) {
        return np__session_starve(s, need);
    }
    if (there - head.head_len < head.body_len) {
        return np__session_starve(s,
                                  np__session_need(there, (size_t)head.head_len + head.body_len));
    }
    err = np_record_open(&secure->receives, s->in, (size_t)head.head_len + head.body_len, &len);
    if (np_unlikely(err != NP_OK)) {
        (void)np_fault_at(&fault, err, "session.record", NULL, 0);
        return np__session_refused(s, err, err == NP_ERR_LIMIT ? &fault : NULL);
    }
    if (!s->whole_busy) {
        s->frame_deadline = NP_TIME_NEVER; /* else it is that of a message between fragments */
    }
    s->in += head.head_len;
    secure->plain_left = (uint32_t)len;
    secure->in_record = true;
    return NP_STEP_AGAIN;
}

/* Output ------------------------------------------------------------------------------------ */

np_err np__session_emit_entry(np_session *s, const np__session_outgoing *out, size_t len)
{
    size_t total = len + (out->kind == NP_FRAMING_NO_STREAM ? (size_t)NP_ENTRY_HEADER_LEN
                                                            : (size_t)NP_ENTRY_HEAD_MAX);
    uint8_t *p = NULL;
    np_err err = np_outq_reserve_record(&s->out, &s->account, &np_session_margins, total, &p);

    if (np_unlikely(err != NP_OK)) {
        return err;
    }
    if (np_likely(np__session_is_bare(out))) {
        p = np_entry_put_plain(p, (uint32_t)len);
    } else {
        np_entry entry = np_entry_make(NP_ENTRY_MESSAGE, out->kind, out->stream, len, out->more);
        entry.head.compression = out->compression;
        p = np_entry_put(p, &entry);
    }
    np__session_write(p, out);
    np_outq_commit_record(&s->out, &np_session_margins, total);
    return NP_OK;
}

np_err np__session_emit_entries(np_session *s, const np__session_outgoing *out, size_t len)
{
    np_entry entry = np_entry_make(NP_ENTRY_MESSAGE, out->kind, out->stream, 0, false);
    size_t left = len;
    uint8_t *body = NULL;
    np_err err = np_outq_reserve_records(&s->out, &s->account, &np_session_margins,
                                         entry.head.head_len, NP_FRAMING_FRAGMENT_MAX, len, &body);

    if (err != NP_OK) {
        return err;
    }
    np__session_write(body, out);
    np_outq_commit_records(&s->out, &np_session_margins, len);
    for (size_t piece = 0; left > 0; piece++) {
        size_t n = left < NP_FRAMING_FRAGMENT_MAX ? left : NP_FRAMING_FRAGMENT_MAX;
        left -= n;
        entry = np_entry_make(NP_ENTRY_MESSAGE, out->kind, out->stream, n, left > 0);
        np_entry_put(np_outq_record_head(&s->out, &np_session_margins, piece), &entry);
    }
    return NP_OK;
}

void np__session_emit_close(np_session *s)
{
    const np_entry entry =
        np_entry_make(NP_ENTRY_CLOSE, NP_FRAMING_NO_STREAM, 0, NP_ENTRY_CLOSE_LEN, false);
    uint32_t reason = s->end != NULL ? s->end->reason : NP_SESSION_NO_REASON;
    uint8_t *p = NULL;
    np_err err = np_outq_reserve_record(&s->out, &s->account, &np_session_margins,
                                        NP_ENTRY_HEADER_LEN + NP_ENTRY_CLOSE_LEN, &p);

    if (err == NP_OK) { /* without memory the peer sees a truncation, which is the truth */
        np_put_u16(np_entry_put(p, &entry), reason < UINT16_MAX ? (uint16_t)reason : UINT16_MAX);
        np_outq_commit_record(&s->out, &np_session_margins,
                              NP_ENTRY_HEADER_LEN + NP_ENTRY_CLOSE_LEN);
    }
}

void np__session_seal(np_session *s)
{
    const np_entry update = np_entry_make(NP_ENTRY_KEY_UPDATE, NP_FRAMING_NO_STREAM, 0, 0, false);
    np_record_side *side = &s->secure->sends;
    size_t sealed = 0;

    while (sealed < NP_SESSION_SEAL_MAX) {
        uint8_t *frame = NULL;
        bool spare = false;
        size_t added = 0;
        size_t len = np_outq_unsealed(&s->out, &np_session_margins, &frame, &spare);

        if (len == 0) {
            return;
        }
        if (spare && !s->close_queued && np_record_is_due(side, s->now_ms)) {
            np_entry_put(frame + NP_FRAMING_HEADER_LEN + len, &update);
            added = NP_ENTRY_HEADER_LEN;
        }
        sealed += np_record_seal(side, frame, len + added);
        np_outq_seal(&s->out, &np_session_margins, added);
        if (added > 0) {
            np_record_next_epoch(side, s->now_ms);
        }
    }
}
