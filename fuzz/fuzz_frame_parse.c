/* Packets of fixed layout, read whole and in pieces: the frame's header and the stream header. Both
 * ways must give the same fields or the same refusal, and the machine must take exactly the header
 * and not a byte behind it.
 *
 * The input: which packet (bit 0 of 1 byte), then its bytes and what follows. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* What one way of reading says; the packet as it is written again, where there is one. */
typedef struct outcome {
    np_err err;
    np_fault fault;
    size_t used;
    bool done;
    uint8_t again[BASE_FRAME_HEADER_LEN];
} outcome;

static void fail(const char *what, size_t cut, const outcome *whole, const outcome *pieces)
{
    char a[256], b[256];

    fprintf(stderr, "%s, cut at %zu: whole %s (%zu bytes), in pieces %s (%zu bytes)\n", what, cut,
            np_fault_format(&whole->fault, a, sizeof a), whole->used,
            np_fault_format(&pieces->fault, b, sizeof b), pieces->used);
    abort();
}

static outcome read_whole(bool stream, const uint8_t *data)
{
    outcome o = {.fault = {.where = ""}};

    if (stream) {
        base_stream_header header;
        o.err = base_stream_header_read(&header, data, &o.fault);
        o.used = BASE_STREAM_HEADER_HEADER_LEN;
        if (o.err == NP_OK) {
            base_stream_header_put(o.again, &header);
        }
    } else {
        base_frame header;
        o.err = base_frame_read(&header, data, &o.fault);
        o.used = BASE_FRAME_HEADER_LEN;
        if (o.err == NP_OK) {
            base_frame_put(o.again, &header);
        }
    }
    o.done = o.err == NP_OK;
    return o;
}

typedef struct machine {
    bool stream;
    base_frame_parser frame_parser;
    base_frame frame;
    base_stream_header_parser header_parser;
    base_stream_header header;
} machine;

/* Feeds one piece, from a block of its own. */
static void feed(machine *m, outcome *o, const uint8_t *data, size_t len)
{
    uint8_t *piece = malloc(len > 0 ? len : 1);
    size_t used = 0;

    if (piece == NULL) {
        abort();
    }
    memcpy(piece, data, len);
    o->err = m->stream ? base_stream_header_parse(&m->header_parser, &m->header, piece, len, &used,
                                                  &o->done, &o->fault)
                       : base_frame_parse(&m->frame_parser, &m->frame, piece, len, &used, &o->done,
                                          &o->fault);
    o->used += used;
    if (used > len) {
        abort();
    }
    free(piece);
}

/* Cuts at the ascending offsets; what is behind a complete header is not fed. */
static outcome read_pieces(bool stream, const uint8_t *data, size_t len, const size_t *cuts,
                           size_t count)
{
    machine m = {.stream = stream};
    outcome o = {.fault = {.where = ""}};
    size_t from = 0;

    base_frame_parser_init(&m.frame_parser);
    base_stream_header_parser_init(&m.header_parser);
    for (size_t i = 0; i <= count && !o.done && o.err == NP_OK; i++) {
        size_t to = i < count ? cuts[i] : len;
        feed(&m, &o, data + from, to - from);
        if (o.err == NP_OK && !o.done && o.used != to) {
            abort(); /* it asks for more without having taken all */
        }
        from = to;
    }
    if (o.done && stream) {
        base_stream_header_put(o.again, &m.header);
    } else if (o.done) {
        base_frame_put(o.again, &m.frame);
    }
    return o;
}

static bool same_refusal(const outcome *a, const outcome *b)
{
    return a->fault.offset == b->fault.offset && strcmp(a->fault.where, b->fault.where) == 0 &&
           a->fault.got == b->fault.got && a->fault.got_kind == b->fault.got_kind;
}

static void compare(const outcome *whole, const outcome *pieces, const uint8_t *data, size_t cut)
{
    if (whole->err != pieces->err || whole->done != pieces->done) {
        fail("the verdicts differ", cut, whole, pieces);
    }
    if (whole->err != NP_OK && !same_refusal(whole, pieces)) {
        fail("the refusals differ", cut, whole, pieces);
    }
    if (whole->err == NP_OK &&
        (whole->used != pieces->used || memcmp(whole->again, data, whole->used) != 0 ||
         memcmp(pieces->again, data, whole->used) != 0)) {
        fail("the packets differ", cut, whole, pieces);
    }
}

/* Too short to be read whole: the machine refuses it for a reason that whatever follows keeps, or
 * waits for more. */
static void check_short(bool stream, const uint8_t *data, size_t len, size_t need)
{
    uint8_t filled[2][BASE_FRAME_HEADER_LEN];
    outcome o = read_pieces(stream, data, len, NULL, 0);

    for (size_t i = 0; i < 2 && o.err != NP_OK; i++) {
        memset(filled[i], i == 0 ? 0x00 : 0xFF, need);
        memcpy(filled[i], data, len);
        outcome whole = read_whole(stream, filled[i]);
        if (whole.err != o.err || whole.fault.offset != o.fault.offset) {
            fail("refused too early", len, &whole, &o);
        }
    }
    if (o.done || o.used > len) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    if (len == 0) {
        return 0;
    }
    bool stream = (data[0] & 1) != 0;
    size_t need = stream ? BASE_STREAM_HEADER_HEADER_LEN : BASE_FRAME_HEADER_LEN;
    data++;
    len--;
    if (len < need) {
        check_short(stream, data, len, need);
        return 0;
    }
    outcome whole = read_whole(stream, data);
    outcome pieces = read_pieces(stream, data, len, NULL, 0);
    compare(&whole, &pieces, data, 0);
    for (size_t i = 0; i <= need; i++) {
        for (size_t j = i; j <= need; j++) {
            pieces = read_pieces(stream, data, len, (size_t[]){i, j}, 2);
            compare(&whole, &pieces, data, i);
        }
    }
    size_t every[BASE_FRAME_HEADER_LEN];
    for (size_t i = 0; i < need; i++) {
        every[i] = i + 1;
    }
    pieces = read_pieces(stream, data, len, every, need);
    compare(&whole, &pieces, data, need);
    return 0;
}
