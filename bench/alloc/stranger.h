/* stranger.h - clients that begin a secure handshake, and then say nothing any more. */
#ifndef BENCH_STRANGER_H
#define BENCH_STRANGER_H

#include <stddef.h>

/* Opens so many connections to a daemon of the trade protocol on 127.0.0.1:port, which stay open,
 * and says the first message on each. Returns when all have been answered, so that the daemon has
 * nothing left to do for any of them. */
void strangers_come(int port, size_t count);

#endif
