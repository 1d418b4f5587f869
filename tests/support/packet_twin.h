/* packet_twin.h - the two readers of a packet as each other's judges.
 *
 * X_read takes a whole header in straight C, X_parse takes it in pieces by a Ragel machine. They
 * must agree on every input, however it is cut: the verdict, the field, the offset, the rule and
 * the refused value of an error; and what they accept must be written as the same bytes again. Used
 * by tests and by the fuzz target alike, so it aborts rather than fails a test.
 */
#ifndef NP_TESTS_PACKET_TWIN_H
#define NP_TESTS_PACKET_TWIN_H

#include <netproto/error.h>

enum {
    PACKET_TWIN_LEN_MAX = 64,  /* bytes of a header, at most */
    PACKET_TWIN_SIZE_MAX = 128 /* bytes of a packet's struct or parser, at most */
};

/* A packet of some schema. Structs and parsers are passed as memory of PACKET_TWIN_SIZE_MAX bytes,
 * aligned for any type. */
typedef struct packet_kind {
    const char *name; /* "odd.tail" */
    size_t len;       /* bytes of its header */
    size_t size;      /* of its struct */
    np_err (*read)(void *packet, const uint8_t *data, np_fault *fault);
    uint8_t *(*put)(uint8_t *p, const void *packet);
    void (*start)(void *parser);
    np_err (*parse)(void *parser, void *packet, const uint8_t *data, size_t len, size_t *used,
                    bool *done, np_fault *fault);
} packet_kind;

/* All packets of all schemas that tests know; base.frame is the first, base.stream_header the
 * second. */
extern const packet_kind packet_kinds[];
extern const size_t packet_kind_count;

/* Compares both readers on a header and what follows it: whole, byte by byte, and at every pair of
 * cuts. Input that is too short for a header must be waited for, or be refused for what no
 * continuation mends. Returns the verdict; NP_ERR_TRUNCATED if the input is short and not refused.
 */
np_err packet_twin_check(const packet_kind *kind, const uint8_t *data, size_t len);

#endif
