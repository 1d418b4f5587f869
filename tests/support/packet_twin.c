/* packet_twin.c - see packet_twin.h. */
#include "support/packet_twin.h"

#include <stdalign.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base.h"
#include "odd.h"

/* The packets ------------------------------------------------------------------------------------
 */

#define PACKETS(X)                                                                                 \
    X(base_frame, BASE_FRAME_HEADER_LEN)                                                           \
    X(base_stream_header, BASE_STREAM_HEADER_HEADER_LEN)                                           \
    X(odd_odd_head, ODD_ODD_HEAD_HEADER_LEN)                                                       \
    X(odd_constant, ODD_CONSTANT_HEADER_LEN)                                                       \
    X(odd_free, ODD_FREE_HEADER_LEN)                                                               \
    X(odd_tail, ODD_TAIL_HEADER_LEN)                                                               \
    X(odd_little, ODD_LITTLE_HEADER_LEN)

/* The generated functions take types of their own. */
#define FUNCTIONS(name, header_len)                                                                \
    _Static_assert((header_len) <= PACKET_TWIN_LEN_MAX, "a header fits");                          \
    _Static_assert(sizeof(name) <= PACKET_TWIN_SIZE_MAX, "a struct fits");                         \
    _Static_assert(sizeof(name##_parser) <= PACKET_TWIN_SIZE_MAX, "a parser fits");                \
    static np_err name##_read_any(void *packet, const uint8_t *data, np_fault *fault)              \
    {                                                                                              \
        return name##_read(packet, data, fault);                                                   \
    }                                                                                              \
    static uint8_t *name##_put_any(uint8_t *p, const void *packet)                                 \
    {                                                                                              \
        return name##_put(p, packet);                                                              \
    }                                                                                              \
    static void name##_start_any(void *parser)                                                     \
    {                                                                                              \
        name##_parser_init(parser);                                                                \
    }                                                                                              \
    static np_err name##_parse_any(void *parser, void *packet, const uint8_t *data, size_t len,    \
                                   size_t *used, bool *done, np_fault *fault)                      \
    {                                                                                              \
        return name##_parse(parser, packet, data, len, used, done, fault);                         \
    }

#define ROW(name, header_len)                                                                      \
    {#name,          header_len,       sizeof(name),    name##_read_any,                           \
     name##_put_any, name##_start_any, name##_parse_any},

PACKETS(FUNCTIONS)

const packet_kind packet_kinds[] = {PACKETS(ROW)};
const size_t packet_kind_count = sizeof packet_kinds / sizeof *packet_kinds;

/* Two ways to read -------------------------------------------------------------------------------
 */

/* What one way of reading says; the packet as it is written again, where there is one. */
typedef struct outcome {
    np_err err;
    np_fault fault;
    size_t used;
    bool done;
    uint8_t again[PACKET_TWIN_LEN_MAX];
} outcome;

static void fail(const packet_kind *kind, const char *what, size_t cut, const outcome *whole,
                 const outcome *pieces)
{
    char a[256], b[256];

    fprintf(stderr, "%s: %s, cut at %zu: whole %s (%zu bytes), in pieces %s (%zu bytes)\n",
            kind->name, what, cut, np_fault_format(&whole->fault, a, sizeof a), whole->used,
            np_fault_format(&pieces->fault, b, sizeof b), pieces->used);
    abort();
}

/* Writes a packet into a block of exactly its size, where a sanitizer sees the byte too many. */
static void write_again(const packet_kind *kind, outcome *o, const void *packet)
{
    uint8_t *bytes = malloc(kind->len);

    if (bytes == NULL || kind->put(bytes, packet) != bytes + kind->len) {
        abort();
    }
    memcpy(o->again, bytes, kind->len);
    free(bytes);
}

static outcome read_whole(const packet_kind *kind, const uint8_t *data)
{
    outcome o = {.fault = {.where = ""}};
    alignas(max_align_t) uint8_t packet[PACKET_TWIN_SIZE_MAX];

    memset(packet, 0xA5, sizeof packet);
    o.err = kind->read(packet, data, &o.fault);
    o.used = kind->len;
    o.done = o.err == NP_OK;
    if (o.done) {
        write_again(kind, &o, packet);
    }
    return o;
}

typedef struct machine {
    alignas(max_align_t) uint8_t parser[PACKET_TWIN_SIZE_MAX];
    alignas(max_align_t) uint8_t packet[PACKET_TWIN_SIZE_MAX];
} machine;

/* Feeds one piece, from a block of its own. */
static void feed(const packet_kind *kind, machine *m, outcome *o, const uint8_t *data, size_t len)
{
    uint8_t *piece = malloc(len > 0 ? len : 1);
    size_t used = 0;

    if (piece == NULL) {
        abort();
    }
    memcpy(piece, data, len);
    o->err = kind->parse(m->parser, m->packet, piece, len, &used, &o->done, &o->fault);
    o->used += used;
    if (used > len) {
        abort();
    }
    free(piece);
}

/* Cuts at the ascending offsets; what is behind a complete header is not fed. */
static outcome read_pieces(const packet_kind *kind, const uint8_t *data, size_t len,
                           const size_t *cuts, size_t count)
{
    machine m;
    outcome o = {.fault = {.where = ""}};
    size_t from = 0, used = 0;
    bool done = false;

    memset(&m, 0xA5, sizeof m);
    kind->start(m.parser);
    for (size_t i = 0; i <= count && !o.done && o.err == NP_OK; i++) {
        size_t to = i < count ? cuts[i] : len;
        feed(kind, &m, &o, data + from, to - from);
        if (o.err == NP_OK && !o.done && o.used != to) {
            abort(); /* it asks for more without having taken all */
        }
        from = to;
    }
    if (o.err != NP_OK && kind->parse(m.parser, m.packet, data, len, &used, &done, NULL) != o.err) {
        abort(); /* a refusal sticks */
    }
    if (o.done) {
        write_again(kind, &o, m.packet);
    }
    return o;
}

/* Comparing --------------------------------------------------------------------------------------
 */

static bool same_refusal(const outcome *a, const outcome *b)
{
    return a->fault.err == b->fault.err && a->fault.offset == b->fault.offset &&
           strcmp(a->fault.where, b->fault.where) == 0 &&
           strcmp(a->fault.rule, b->fault.rule) == 0 && a->fault.got == b->fault.got &&
           a->fault.got_kind == b->fault.got_kind;
}

static void compare(const packet_kind *kind, const outcome *whole, const outcome *pieces,
                    const uint8_t *data, size_t cut)
{
    if (whole->err != pieces->err || whole->done != pieces->done) {
        fail(kind, "the verdicts differ", cut, whole, pieces);
    }
    if (whole->err != NP_OK && !same_refusal(whole, pieces)) {
        fail(kind, "the refusals differ", cut, whole, pieces);
    }
    if (whole->err == NP_OK &&
        (whole->used != pieces->used || memcmp(whole->again, data, whole->used) != 0 ||
         memcmp(pieces->again, data, whole->used) != 0)) {
        fail(kind, "the packets differ", cut, whole, pieces);
    }
}

/* Too short to be read whole: the machine refuses it for a reason that whatever follows keeps, or
 * waits for more. */
static np_err check_short(const packet_kind *kind, const uint8_t *data, size_t len)
{
    uint8_t filled[PACKET_TWIN_LEN_MAX];
    outcome o = read_pieces(kind, data, len, NULL, 0);

    if (o.done || o.used > len) {
        abort();
    }
    for (int fill = 0; fill <= 0xFF && o.err != NP_OK; fill += 0x33) {
        memset(filled, fill, sizeof filled);
        if (len > 0) {
            memcpy(filled, data, len);
        }
        outcome whole = read_whole(kind, filled);
        if (whole.err != o.err || !same_refusal(&whole, &o)) {
            fail(kind, "refused too early", len, &whole, &o);
        }
    }
    return o.err != NP_OK ? o.err : NP_ERR_TRUNCATED;
}

np_err packet_twin_check(const packet_kind *kind, const uint8_t *data, size_t len)
{
    size_t every[PACKET_TWIN_LEN_MAX];

    if (len < kind->len) {
        return check_short(kind, data, len);
    }
    outcome whole = read_whole(kind, data);
    outcome pieces = read_pieces(kind, data, len, NULL, 0);
    compare(kind, &whole, &pieces, data, 0);
    for (size_t i = 0; i <= kind->len; i++) {
        for (size_t j = i; j <= kind->len; j++) {
            pieces = read_pieces(kind, data, len, (size_t[]){i, j}, 2);
            compare(kind, &whole, &pieces, data, i);
        }
    }
    for (size_t i = 0; i < kind->len; i++) {
        every[i] = i + 1;
    }
    pieces = read_pieces(kind, data, len, every, kind->len);
    compare(kind, &whole, &pieces, data, kind->len);
    return whole.err;
}
