/* secure_wire.h - a wire between two secure sessions, and frames and records that neither of them
 * meant to send. */
#ifndef TEST_SECURE_WIRE_H
#define TEST_SECURE_WIRE_H

#include "protocol/entry.h"
#include "support/session_wire.h"

/* Two secure ends, which have met. */
void secure_wire_open(wire *w);

/* A client that has keys and waits for the server's first record; the server has keys as well, and
 * has sent nothing. */
void secure_wire_start_keyed(wire *w);

/* Ends the bytes to an end, whose last event must be CLOSED with this cause; returns it. */
const wire_event *secure_wire_expect_closed(wire *w, wire_end *end, np_err err);

/* Sends an end a frame in the clear: an id and what follows it. */
void secure_wire_inject_plain(wire_end *to, uint32_t id, const void *rest, size_t len);

/* Sends an end a record with this plain text, as its peer would. */
void secure_wire_inject_record(wire *w, wire_end *to, const uint8_t *plain, size_t len);

/* Sends an end a record with one entry. */
void secure_wire_inject_entry(wire *w, wire_end *to, np_entry_type type, const void *body,
                              size_t len);

#endif
