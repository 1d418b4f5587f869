/* receiver.h - who takes frames from a stream, decodes their messages and calls a handler for each.
 */
#ifndef BENCH_RECEIVER_H
#define BENCH_RECEIVER_H

#include "common/bench.h"

/* What a receiver returns for bytes that break the protocol. */
#define BENCH_REFUSED SIZE_MAX

/* Takes the whole frames at the start of the data. Returns the bytes taken, so that the caller
 * keeps the rest and puts what comes next behind it. */
typedef size_t bench_receive(const uint8_t *data, size_t len);

/* Through np_framing_read, the generated decoder and the generated dispatcher. */
bench_receive bench_receive_netproto;

/* The same checks by hand. */
bench_receive bench_receive_straight;

/* Messages that reached a handler. */
extern uint64_t bench_netproto_handled;
extern uint64_t bench_straight_handled;

/* A session of the library that is open and gets a stream in pieces of these lengths. It copies
 * each piece where the session wants it, as a read would. */
void bench_session_start(void);
void bench_session_receive(const uint8_t *data, const uint16_t *pieces, size_t count);
extern uint64_t bench_session_handled;

#endif
