/* secure_wire.h - a wire between two secure sessions, and records that one of them did not mean to
 * send. */
#ifndef TEST_SECURE_WIRE_H
#define TEST_SECURE_WIRE_H

#include "protocol/entry.h"
#include "support/session_wire.h"

/* Two secure ends, which have met. */
void secure_wire_open(wire *w);

/* Ends the bytes to an end, whose last event must be CLOSED with this cause; returns it. */
const wire_event *secure_wire_expect_closed(wire *w, wire_end *end, np_err err);

/* Sends an end a record with this plain text, as its peer would. */
void secure_wire_inject_record(wire *w, wire_end *to, const uint8_t *plain, size_t len);

/* Sends an end a record with one entry. */
void secure_wire_inject_entry(wire *w, wire_end *to, np_entry_type type, const void *body,
                              size_t len);

#endif
