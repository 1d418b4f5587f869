/* entry.c - see entry.h. */
#include "protocol/entry.h"

#include <base.h>

_Static_assert(NP_ENTRY_HEADER_LEN == BASE_ENTRY_HEADER_HEADER_LEN, "schema and code must agree");
_Static_assert(NP_FRAMING_FRAGMENT_MAX == BASE_ENTRY_HEADER_LENGTH_MAX, "likewise");

/* Offset of what is judged here. */
#define FLAGS_AT 5

/* What a key update and a close look like. */
static np_err check_control(const base_entry_header *header, size_t len, np_fault *fault)
{
    uint32_t wanted = header->type == NP_ENTRY_CLOSE ? NP_ENTRY_CLOSE_LEN : 0;

    if (header->flags_compression != 0 || header->flags_multiplexed != 0 ||
        header->flags_more != 0) {
        return np_fault_at(fault, NP_ERR_CONST, "base.entry_header.flags", "0 but for messages",
                           FLAGS_AT);
    }
    if (header->length != wanted) {
        return np_fault_set(fault, header->length > wanted ? NP_ERR_TOO_LONG : NP_ERR_TOO_SHORT,
                            "base.entry_header.length",
                            wanted > 0 ? "2 bytes of a close" : "0 of a key update", 0,
                            header->length);
    }
    if (len < (size_t)NP_ENTRY_HEADER_LEN + wanted) {
        return np_fault_at(fault, NP_ERR_TRUNCATED, "base.entry_header", NULL, len);
    }
    if (len > (size_t)NP_ENTRY_HEADER_LEN + wanted) {
        return np_fault_at(fault, NP_ERR_TRAILING, "base.entry_header", "the last of its record",
                           (uint64_t)NP_ENTRY_HEADER_LEN + wanted);
    }
    return NP_OK;
}

static np_err check_message(const base_entry_header *header, size_t len, uint8_t compressions,
                            np_fault *fault)
{
    size_t head_len =
        NP_ENTRY_HEADER_LEN + (header->flags_multiplexed != 0 ? (size_t)NP_FRAMING_STREAM_LEN : 0);

    if ((compressions >> header->flags_compression & 1) == 0) {
        return np_fault_set(fault, NP_ERR_FRAME, "base.entry_header.flags.compression",
                            "one that was agreed on", FLAGS_AT, header->flags_compression);
    }
    if (header->flags_more != 0 && header->flags_compression == 0 &&
        header->length < NP_FRAMING_FRAGMENT_MIN) {
        return np_fault_set(fault, NP_ERR_FRAGMENT, "base.entry_header.length",
                            "1024 to 65536 bytes where more follow", 0, header->length);
    }
    if (len < head_len || len - head_len < header->length) {
        return np_fault_at(fault, NP_ERR_TRUNCATED, "base.entry_header", NULL, len);
    }
    return NP_OK;
}

np_err np_entry_read(np_entry *out, const uint8_t *data, size_t len, uint8_t compressions,
                     np_fault *fault)
{
    base_entry_header header;
    base_stream_header stream;
    np_err err;

    if (len < NP_ENTRY_HEADER_LEN) {
        return np_fault_at(fault, NP_ERR_TRUNCATED, "base.entry_header", NULL, len);
    }
    err = base_entry_header_read(&header, data, fault);
    if (err == NP_OK) {
        err = header.type == NP_ENTRY_MESSAGE ? check_message(&header, len, compressions, fault)
                                              : check_control(&header, len, fault);
    }
    if (err != NP_OK) {
        return err;
    }
    out->type = (np_entry_type)header.type;
    out->head = (np_framing_head){
        .head_len = NP_ENTRY_HEADER_LEN,
        .body_len = header.length,
        .kind = NP_FRAMING_NO_STREAM,
        .compression = header.flags_compression,
        .more = header.flags_more != 0,
    };
    if (header.flags_multiplexed == 0) {
        return NP_OK;
    }
    err = base_stream_header_read(&stream, data + NP_ENTRY_HEADER_LEN, fault);
    if (err == NP_OK && stream.stream == 0) {
        err = np_fault_set(fault, NP_ERR_STREAM, "base.stream_header.stream", "not 0", 0, 0);
    }
    if (err != NP_OK) {
        if (fault != NULL) {
            fault->offset += NP_ENTRY_HEADER_LEN;
        }
        return err;
    }
    out->head.head_len = NP_ENTRY_HEAD_MAX;
    out->head.stream = stream.stream;
    out->head.kind = stream.kind;
    out->head.priority = stream.priority;
    return NP_OK;
}

uint8_t *np_entry_put(uint8_t *p, const np_entry *entry)
{
    const np_framing_head *head = &entry->head;
    bool multiplexed = head->kind != NP_FRAMING_NO_STREAM;
    const base_entry_header header = {
        .length = head->body_len,
        .type = (uint8_t)entry->type,
        .flags_compression = head->compression,
        .flags_multiplexed = multiplexed,
        .flags_more = head->more,
    };

    p = base_entry_header_put(p, &header);
    if (multiplexed) {
        const base_stream_header stream = {
            .stream = head->stream,
            .kind = head->kind,
            .priority = head->priority,
        };
        p = base_stream_header_put(p, &stream);
    }
    return p;
}

np_entry np_entry_make(np_entry_type type, uint8_t kind, uint32_t stream, size_t body_len,
                       bool more)
{
    const np_entry entry = {
        .type = type,
        .head =
            {
                .head_len = kind == NP_FRAMING_NO_STREAM ? NP_ENTRY_HEADER_LEN : NP_ENTRY_HEAD_MAX,
                .body_len = (uint32_t)body_len,
                .stream = stream,
                .kind = kind,
                .more = more,
            },
    };

    return entry;
}
