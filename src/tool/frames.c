/* frames.c - a recorded stream of frames as JSON: heads are judged, fragments put together. */
#include "tool/frames.h"

#include "core/framing.h"

#include <base.h>

#include <inttypes.h>
#include <stdlib.h>

/* Streams whose message is incomplete, at most; a session allows fewer. */
#define PARTIAL_MAX 1024u

/* A message of which more fragments follow. */
typedef struct partial {
    uint32_t stream;
    uint64_t offset; /* of its first frame */
    tool_bytes bytes;
} partial;

typedef struct frames {
    const tool_protocol *p;
    const uint8_t *data;
    size_t len;
    partial partials[PARTIAL_MAX];
    size_t partial_count;
} frames;

static tool_exit refuse(const frames *f, const np_fault *fault, uint64_t frame)
{
    np_fault at = *fault;
    char line[256];

    at.offset += frame;
    tool_complain("%s (frame at byte %" PRIu64 ")", np_fault_format(&at, line, sizeof line), frame);
    tool_show_bytes(stderr, f->data, f->len, at.offset);
    return tool_exit_of(fault->err);
}

static const char *kind_name(uint8_t kind)
{
    static const char *const names[] = {"request", "response", "error", "cancel", "data", "window"};
    return kind < sizeof names / sizeof names[0] ? names[kind] : "?";
}

/* The beginning of each line: where, and on which stream. */
static void print_start(const np_framing_head *head, uint64_t offset)
{
    printf("{\"offset\":%" PRIu64, offset);
    if (head->kind != NP_FRAMING_NO_STREAM) {
        printf(",\"stream\":%" PRIu32 ",\"kind\":\"%s\"", head->stream, kind_name(head->kind));
    }
}

/* The failure of a request: a struct of the base protocol without an id. */
static tool_exit print_failure(const np_framing_head *head, uint64_t offset, const uint8_t *data,
                               size_t len)
{
    base_failure failure;
    np_fault fault;
    char line[256], text[TOOL_ESCAPED(256)];
    np_err err = base_failure_decode(&failure, data, len, &fault);

    if (err != NP_OK) {
        tool_complain("%s", np_fault_format(&fault, line, sizeof line));
        tool_show_bytes(stderr, data, len, fault.offset);
        return tool_exit_of(err);
    }
    (void)np_log_escape(failure.text, true, text, sizeof text);
    print_start(head, offset);
    printf(",\"failure\":{\"reason\":\"%s\",\"code\":%" PRIu32 ",\"text\":\"%s\"}}\n",
           np_reason_name((uint32_t)failure.reason), failure.code, text);
    return EXIT_CODE_OK;
}

/* One whole message. Offsets within it count from its own first byte. */
static tool_exit print_message(const frames *f, const np_framing_head *head, uint64_t offset,
                               const uint8_t *data, size_t len)
{
    np_json_what what = head->kind == NP_FRAMING_RESPONSE ? NP_JSON_REPLY : NP_JSON_MESSAGE;
    np_str text = {NULL, 0};
    np_json_error error;

    if (head->kind == NP_FRAMING_ERROR) {
        return print_failure(head, offset, data, len);
    }
    if (head->kind == NP_FRAMING_CANCEL || head->kind == NP_FRAMING_WINDOW) {
        print_start(head, offset);
        printf("}\n");
        return EXIT_CODE_OK;
    }
    np_err err = tool_payload_text(f->p, f->p->version, what, data, len, &text, &error);
    if (err != NP_OK) {
        tool_complain("%s (message of the frame at byte %" PRIu64 ")", error.text, offset);
        tool_show_bytes(stderr, data, len, error.fault.offset);
        return tool_exit_of(err);
    }
    print_start(head, offset);
    printf(",\"message\":%s}\n", text.data);
    return EXIT_CODE_OK;
}

/* Fragments
 * ---------------------------------------------------------------------------------------- */

static partial *find_partial(frames *f, uint32_t stream)
{
    for (size_t i = 0; i < f->partial_count; i++) {
        if (f->partials[i].stream == stream) {
            return &f->partials[i];
        }
    }
    return NULL;
}

static void drop_partial(frames *f, partial *part)
{
    tool_bytes_free(&part->bytes);
    *part = f->partials[--f->partial_count];
}

/* A fragment, or the frame that completes what fragments began. */
static tool_exit take_fragment(frames *f, const np_framing_head *head, uint64_t offset,
                               const uint8_t *body, partial *part)
{
    if (part == NULL && f->partial_count == PARTIAL_MAX) {
        tool_complain("more than %u messages are incomplete", PARTIAL_MAX);
        return EXIT_CODE_DECODE;
    }
    if (part == NULL) {
        part = &f->partials[f->partial_count++];
        *part = (partial){head->stream, offset, {0}};
    }
    if (!tool_bytes_add(&part->bytes, body, head->body_len, NP_FRAMING_PAYLOAD_MAX)) {
        return EXIT_CODE_DECODE;
    }
    if (head->more) {
        return EXIT_CODE_OK;
    }
    tool_exit code = print_message(f, head, part->offset, part->bytes.data, part->bytes.len);
    drop_partial(f, part);
    return code;
}

static tool_exit take_frame(frames *f, const np_framing_head *head, uint64_t offset,
                            const uint8_t *body)
{
    partial *part = find_partial(f, head->stream);

    if (head->encrypted || head->compression != 0) {
        print_start(head, offset);
        printf(",\"%s\":%" PRIu32 "}\n", head->encrypted ? "encrypted_len" : "compressed_len",
               head->body_len);
        return EXIT_CODE_OK;
    }
    if (head->more || part != NULL) {
        return take_fragment(f, head, offset, body, part);
    }
    return print_message(f, head, offset, body, head->body_len);
}

/* Frames
 * ------------------------------------------------------------------------------------------- */

static tool_exit take_all(frames *f)
{
    const np_framing_rules rules = {
        .payload_max = NP_FRAMING_PAYLOAD_MAX, .compressions = 7, .encrypted = false};
    tool_exit code = EXIT_CODE_OK;

    for (size_t at = 0; at < f->len && code == EXIT_CODE_OK;) {
        np_framing_rules allowed = rules;
        np_framing_head head = {0};
        np_fault fault = {0};
        bool done = false;
        size_t need = 0, left = f->len - at;

        /* A record of a secure session is shown as what it is. */
        allowed.encrypted = left > 5 && (f->data[at + 5] & 4) != 0;
        np_err err = np_framing_read(&head, f->data + at, left, &allowed, &done, &need, &fault);
        if (err != NP_OK) {
            return refuse(f, &fault, at);
        }
        if (!done || left - head.head_len < head.body_len) {
            fault = (np_fault){.err = NP_ERR_TRUNCATED, .where = "base.frame", .offset = left};
            return refuse(f, &fault, at);
        }
        code = take_frame(f, &head, at, f->data + at + head.head_len);
        at += head.head_len + head.body_len;
    }
    return code;
}

tool_exit tool_decode_frames(const tool_protocol *p, const uint8_t *data, size_t len)
{
    frames *f = calloc(1, sizeof *f);

    if (f == NULL) {
        tool_complain("%s", np_err_text(NP_ERR_MEMORY));
        return EXIT_CODE_GENERIC;
    }
    f->p = p;
    f->data = data;
    f->len = len;
    tool_exit code = take_all(f);
    if (code == EXIT_CODE_OK && f->partial_count > 0) {
        tool_complain("the input ends within the message that began at byte %" PRIu64,
                      f->partials[0].offset);
        code = EXIT_CODE_DECODE;
    }
    while (f->partial_count > 0) {
        drop_partial(f, &f->partials[0]);
    }
    free(f);
    return code;
}
