/* framing.c - see framing.h. */
#include <assert.h>
#include <string.h>

#include <base.h>

#include "core/framing.h"

_Static_assert(NP_FRAMING_HEADER_LEN == BASE_FRAME_HEADER_LEN, "schema and code must agree");
_Static_assert(NP_FRAMING_STREAM_LEN == BASE_STREAM_HEADER_HEADER_LEN, "likewise");
_Static_assert(NP_FRAMING_PAYLOAD_MAX == BASE_FRAME_LENGTH_MAX, "likewise");

/* Offsets of fields that are judged here. */
#define NP_FRAMING_FLAGS_AT 5
#define NP_FRAMING_LENGTH_AT 6

/* The flags, as soon as their byte is there. */
static np_err np_framing_check_flags(const base_frame *frame, const np_framing_rules *rules,
                                     np_fault *fault)
{
    if (np_unlikely((rules->compressions >> frame->flags_compression & 1) == 0)) {
        return np_fault_set(fault, NP_ERR_FRAME, "base.frame.flags.compression",
                            "one that was agreed on", NP_FRAMING_FLAGS_AT,
                            frame->flags_compression);
    }
    if (np_unlikely((frame->flags_encrypted != 0) != rules->encrypted)) {
        return np_fault_set(fault, NP_ERR_FRAME, "base.frame.flags.encrypted",
                            rules->encrypted ? "always on a secure connection"
                                             : "only behind a secure handshake",
                            NP_FRAMING_FLAGS_AT, frame->flags_encrypted);
    }
    if (np_unlikely(rules->bare && frame->flags_multiplexed != 0)) {
        return np_fault_set(fault, NP_ERR_FRAME, "base.frame.flags.multiplexed",
                            "not before the connection is open", NP_FRAMING_FLAGS_AT, 1);
    }
    if (np_unlikely(rules->bare && frame->flags_more != 0)) {
        return np_fault_set(fault, NP_ERR_FRAME, "base.frame.flags.more",
                            "not before the connection is open", NP_FRAMING_FLAGS_AT, 1);
    }
    return NP_OK;
}

/* The length, which is judged together with the flags. */
static np_err np_framing_check_length(const base_frame *frame, const np_framing_rules *rules,
                                      np_framing_head *out, np_fault *fault)
{
    uint32_t head = frame->flags_multiplexed != 0 ? NP_FRAMING_STREAM_LEN : 0;

    if (np_unlikely(frame->length > rules->payload_max)) {
        return np_fault_set(fault, NP_ERR_TOO_LONG, "base.frame.length",
                            "what is allowed at this point", NP_FRAMING_LENGTH_AT, frame->length);
    }
    if (np_unlikely(frame->length < head)) {
        return np_fault_set(fault, NP_ERR_STREAM, "base.frame.length", "at least the stream header",
                            NP_FRAMING_LENGTH_AT, frame->length);
    }
    out->head_len = NP_FRAMING_HEADER_LEN + head;
    out->body_len = frame->length - head;
    out->stream = 0;
    out->kind = NP_FRAMING_NO_STREAM;
    out->priority = 0;
    out->compression = frame->flags_compression;
    out->encrypted = frame->flags_encrypted != 0;
    out->more = frame->flags_more != 0;
    if (np_unlikely(
            out->more && out->compression == 0 &&
            (out->body_len < NP_FRAMING_FRAGMENT_MIN || out->body_len > NP_FRAMING_FRAGMENT_MAX))) {
        return np_fault_set(fault, NP_ERR_FRAGMENT, "base.frame.length",
                            "1024 to 65536 bytes where more follow", NP_FRAMING_LENGTH_AT,
                            out->body_len);
    }
    return NP_OK;
}

/* Fewer than ten bytes: the machine takes them one by one. Starting it afresh each time costs at
 * most nine steps and spares every connection the state. The flags are judged before the first
 * byte of the length, which may itself be too much. */
static np_err np_framing_read_part(const uint8_t *data, size_t len, const np_framing_rules *rules,
                                   np_fault *fault)
{
    size_t before_length = len < NP_FRAMING_LENGTH_AT ? len : NP_FRAMING_LENGTH_AT;
    base_frame frame;
    base_frame_parser parser;
    size_t used = 0;
    bool done = false;
    np_err err;

    memset(&frame, 0, sizeof frame);
    base_frame_parser_init(&parser);
    err = base_frame_parse(&parser, &frame, data, before_length, &used, &done, fault);
    if (err == NP_OK && len > NP_FRAMING_FLAGS_AT) {
        err = np_framing_check_flags(&frame, rules, fault);
    }
    if (err == NP_OK && len > before_length) {
        err = base_frame_parse(&parser, &frame, data + before_length, len - before_length, &used,
                               &done, fault);
    }
    return err;
}

static np_err np_framing_read_stream(np_framing_head *out, const uint8_t *data, np_fault *fault)
{
    base_stream_header header;
    np_err err = base_stream_header_read(&header, data + NP_FRAMING_HEADER_LEN, fault);

    if (np_unlikely(err != NP_OK)) {
        if (fault != NULL) {
            fault->offset += NP_FRAMING_HEADER_LEN;
        }
        return err;
    }
    if (np_unlikely(header.stream == 0)) {
        return np_fault_set(fault, NP_ERR_STREAM, "base.stream_header.stream", "not 0",
                            NP_FRAMING_HEADER_LEN, 0);
    }
    out->stream = header.stream;
    out->kind = header.kind;
    out->priority = header.priority;
    return NP_OK;
}

np_err np_framing_read_any(np_framing_head *out, const uint8_t *data, size_t len,
                           const np_framing_rules *rules, bool *done, size_t *need, np_fault *fault)
{
    base_frame frame;
    np_err err;

    *done = false;
    *need = NP_FRAMING_HEADER_LEN;
    if (np_unlikely(len < NP_FRAMING_HEADER_LEN)) {
        return len > 0 ? np_framing_read_part(data, len, rules, fault) : NP_OK;
    }
    err = base_frame_read(&frame, data, fault);
    if (np_unlikely(err != NP_OK)) {
        /* The flags are judged before the length, as they would be had they come alone. */
        np_err early = np_framing_read_part(data, NP_FRAMING_LENGTH_AT, rules, fault);
        return early != NP_OK ? early : err;
    }
    err = np_framing_check_flags(&frame, rules, fault);
    if (np_likely(err == NP_OK)) {
        err = np_framing_check_length(&frame, rules, out, fault);
    }
    if (np_unlikely(err != NP_OK)) {
        return err;
    }
    if (frame.flags_multiplexed != 0) {
        *need = NP_FRAMING_HEAD_MAX;
        if (len < NP_FRAMING_HEAD_MAX) {
            return NP_OK;
        }
        err = np_framing_read_stream(out, data, fault);
    }
    *done = err == NP_OK;
    return err;
}

np_framing_head np_framing_make(uint8_t kind, uint32_t stream, size_t body_len, bool more)
{
    np_framing_head head = {
        .head_len = kind == NP_FRAMING_NO_STREAM ? NP_FRAMING_HEADER_LEN : NP_FRAMING_HEAD_MAX,
        .body_len = (uint32_t)body_len,
        .stream = stream,
        .kind = kind,
        .more = more,
    };
    return head;
}

uint8_t *np_framing_put(uint8_t *p, const np_framing_head *head)
{
    bool multiplexed = head->kind != NP_FRAMING_NO_STREAM;
    base_frame frame = {
        .flags_compression = head->compression,
        .flags_encrypted = head->encrypted,
        .flags_multiplexed = multiplexed,
        .flags_more = head->more,
        .length = head->body_len + (multiplexed ? NP_FRAMING_STREAM_LEN : 0),
    };

    assert(frame.length <= NP_FRAMING_PAYLOAD_MAX);
    p = base_frame_put(p, &frame);
    if (multiplexed) {
        base_stream_header header = {
            .stream = head->stream,
            .kind = head->kind,
            .priority = head->priority,
        };
        p = base_stream_header_put(p, &header);
    }
    return p;
}
