/* session_pack.c - compressed payloads, in and out; see session.h and compress.h.
 *
 * What is compressed is the payload of one frame or entry, for itself: a message, or a fragment or
 * piece of one, 64 KiB at most before. So what waits for the rest of a payload, and what one grows
 * to, is bounded, and no context is kept between payloads.
 */
#include <string.h>

#include "protocol/session_private.h"

/* Output ------------------------------------------------------------------------------------ */

/* Queues one payload of at most 64 KiB, in one piece, compressed if that pays. */
static np_err np_session_emit_one(np_session *s, const np__session_outgoing *out)
{
    const np_session_compression *compression = s->options->compression;
    np__session_outgoing smaller = *out;
    size_t len = out->encoded_len;
    void *block = NULL;
    size_t cap = 0;
    np_err err;

    /* Without memory for it, it goes as it is. */
    if (np__session_packs(s, out, len) && np_pool_take(&s->account, len, &block, &cap) == NP_OK) {
        size_t n = np_compress_pack(compression->contexts, (np_compression)s->compression,
                                    compression->zstd_level, out->encoded, len, block);
        if (n > 0) {
            smaller.encoded = block;
            smaller.encoded_len = n;
            smaller.compression = s->compression;
        }
    }
    err = np__session_emit_frame(s, &smaller, smaller.encoded_len);
    np_pool_give(&s->account, block, cap);
    return err;
}

np_err np__session_emit_packed(np_session *s, const np__session_outgoing *out, size_t len)
{
    np_outq_mark mark = np_outq_mark_end(&s->out);
    np__session_outgoing piece = *out;
    const uint8_t *payload = out->encoded;
    np_buf encoded = {NULL, 0, 0};
    np_err err = NP_OK;

    if (out->codec != NULL || out->rest_len > 0) {
        err = np_buf_reserve(&s->account, &encoded, len);
        if (err != NP_OK) {
            return err;
        }
        np__session_write(encoded.data, out);
        payload = encoded.data;
    }
    piece.codec = NULL;
    piece.rest_len = 0;
    for (size_t at = 0; err == NP_OK && at < len; at += piece.encoded_len) {
        piece.encoded = payload + at;
        piece.encoded_len = len - at < NP_FRAMING_FRAGMENT_MAX ? len - at : NP_FRAMING_FRAGMENT_MAX;
        piece.more = out->more || at + piece.encoded_len < len;
        err = np_session_emit_one(s, &piece);
    }
    if (err != NP_OK) {
        np_outq_cut(&s->out, &s->account, &mark); /* all fragments, or none */
    }
    np_buf_release(&s->account, &encoded);
    return err;
}

/* Input ------------------------------------------------------------------------------------- */

/* What can be told before the payload is there: *max gets the most that it may become. */
static np_err np_session_judge_packed(const np_session *s, const np_framing_head *head,
                                      uint32_t *max, np_fault *fault)
{
    uint32_t bound = NP_FRAMING_FRAGMENT_MAX;
    np_err err = NP_OK;

    if (head->body_len > NP_FRAMING_FRAGMENT_MAX) {
        return np_fault_set(fault, NP_ERR_FRAGMENT, "base.frame.length",
                            "65536 bytes where compressed", 6, head->body_len);
    }
    if (head->kind != NP_FRAMING_DATA && s->whole_busy) {
        bound = s->whole_max - s->whole.len;
    } else if (head->kind != NP_FRAMING_DATA) {
        err = np__session_judge(s, head, NULL, &bound, fault);
    }
    *max = bound < NP_FRAMING_FRAGMENT_MAX ? bound : NP_FRAMING_FRAGMENT_MAX;
    return err;
}

/* The payload, which is all there, into `out`. */
static np_err np_session_unpack(np_session *s, const np_framing_head *head, uint32_t max,
                                np_buf *out, np_fault *fault)
{
    const uint8_t *payload = s->in + head->head_len;
    np_compression kind = (np_compression)head->compression;
    size_t size = 0;
    np_err err = np_compress_check(kind, payload, head->body_len, max, &size, fault);

    if (err == NP_OK && head->more && size < NP_FRAMING_FRAGMENT_MIN) {
        err = np_fault_set(fault, NP_ERR_FRAGMENT, "base.frame.payload",
                           "1024 to 65536 bytes where more follow", 0, size);
    }
    if (err == NP_OK) {
        err = np_buf_reserve(&s->account, out, size);
    }
    if (err == NP_OK) {
        err = np_compress_unpack(s->options->compression->contexts, kind, payload, head->body_len,
                                 out->data, size, fault);
        out->len = (uint32_t)size;
    }
    if (err != NP_OK) {
        fault->offset += head->head_len;
    }
    return err;
}

/* Who marks a message so does not want its length to tell anything. */
static np_err np_session_judge_secrecy(const np_message *message, np_fault *fault)
{
    return message == NULL || !message->secret
               ? NP_OK
               : np_fault_set(fault, NP_ERR_FRAME, message->name, "secret, so never compressed", 5,
                              message->id);
}

/* A piece of a stream's body: its bytes are given out from where they are now. */
static np__session_step np_session_take_packed_piece(np_session *s, const np_framing_head *head,
                                                     np_buf *raw)
{
    np_framing_head as_if = *head;
    np__session_step step;
    np_fault fault;

    as_if.compression = 0;
    as_if.body_len = raw->len;
    step = np__session_body_frame(s, &as_if, raw->len >= 4 ? raw->data : NULL);
    if (step != NP_STEP_AGAIN) {
        return step;
    }
    if (np_session_judge_secrecy(np_bodies_find(s->bodies, head->stream)->message, &fault) !=
        NP_OK) {
        return np__session_refused(s, fault.err, &fault);
    }
    s->in += head->body_len;
    s->bodies->piece = *raw;
    s->bodies->piece_at = 0;
    *raw = (np_buf){NULL, 0, 0};
    return NP_STEP_AGAIN;
}

/* Whether a message may go on, or begin, with these bytes. */
static np_err np_session_judge_unpacked(np_session *s, const np_framing_head *head,
                                        const np_buf *raw, np_fault *fault)
{
    const uint8_t *start = s->whole_busy ? s->whole.data : raw->data;
    np_framing_head as_if = *head;
    np_err err;

    as_if.compression = 0;
    as_if.body_len = raw->len;
    err = np__session_judge_frame(s, &as_if, raw->len >= 4 ? raw->data : NULL, fault);
    if (err == NP_ERR_TOO_LONG) {
        fault->where = "base.frame.payload"; /* it is not the length in the header */
        fault->offset = head->head_len;
    }
    if (err == NP_OK && head->kind != NP_FRAMING_ERROR && (s->whole_busy || raw->len >= 4)) {
        err = np_session_judge_secrecy(np__session_message(s, np_get_u32(start)), fault);
    }
    return err;
}

/* A message, or a fragment of one: it goes on where a message in several frames does, behind the
 * body of the frame. */
static np__session_step np_session_take_packed_message(np_session *s, const np_framing_head *head,
                                                       np_buf *raw)
{
    np_fault fault;
    np_err err = np_session_judge_unpacked(s, head, raw, &fault);

    if (err != NP_OK) {
        return np__session_refused(s, err, &fault);
    }
    if (!s->whole_busy) {
        s->whole = *raw;
        *raw = (np_buf){NULL, 0, 0};
    } else {
        err = np__session_grow(s, &s->whole, raw->len,
                               head->more ? s->whole_max : (size_t)s->whole.len + raw->len);
        if (err != NP_OK) {
            return np__session_refused(s, err, NULL);
        }
        memcpy(s->whole.data + s->whole.len, raw->data, raw->len);
        s->whole.len += raw->len;
    }
    np__session_begin_whole(s, head, 0);
    s->in += head->body_len;
    return NP_STEP_AGAIN;
}

np__session_step np__session_step_packed(np_session *s, const np_framing_head *head, size_t there)
{
    np_buf raw = {NULL, 0, 0};
    np_fault fault = {.err = NP_OK};
    uint32_t max = 0;
    np__session_step step;
    np_err err = np_session_judge_packed(s, head, &max, &fault);

    if (err == NP_OK && there < head->body_len) {
        return np__session_starve(
            s, np__session_need(head->head_len + there, (size_t)head->head_len + head->body_len));
    }
    if (err == NP_OK && np__session_must_wait(s, NP_PACE_UNPACK)) {
        return np__session_pause(s, NP_PACE_UNPACK);
    }
    if (err == NP_OK) {
        err = np_session_unpack(s, head, max, &raw, &fault);
        np__session_unpacked(s, raw.len);
    }
    if (err != NP_OK) {
        step = np__session_refused(s, err, fault.err == err ? &fault : NULL);
    } else if (head->kind == NP_FRAMING_DATA) {
        step = np_session_take_packed_piece(s, head, &raw);
    } else {
        step = np_session_take_packed_message(s, head, &raw);
    }
    np_buf_release(&s->account, &raw);
    return step;
}
