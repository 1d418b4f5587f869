/* blocking_peer.h - a peer of a daemon on a blocking socket, for a process of its own: from any
 * address of 127.0.0.0/8, with any key, and as slow or unfinished as a test likes. */
#ifndef NP_TEST_BLOCKING_PEER_H
#define NP_TEST_BLOCKING_PEER_H

#include "protocol/session.h"

typedef struct blocking_peer {
    int fd; /* -1: it is not connected any more */
    np_pool pool;
    np_session s;
    np_session_options options;
    np_session_security security;
    np_session_compression compression;
    np_compress contexts;
    np_keypair keys;
    bool open, closed;
    np_err err;      /* where closed */
    uint32_t reason; /* where closed: base.Reason, or NP_SESSION_NO_REASON */
    size_t messages; /* that have come */
    size_t bytes;    /* of them */
} blocking_peer;

/* The port of "tcp://127.0.0.1:port". */
uint16_t blocking_port(const char *address);

/* Speaks the demo protocol from `source` (such as 0x7F000102), compressed if both want to. keys:
 * its own; NULL: in the clear. False where it is not let in; fini in any case. */
bool blocking_open(blocking_peer *peer, uint16_t port, uint32_t source, const np_keypair *keys,
                   np_compression compression);

/* Writes what is queued, but for the last bytes; false where it cannot. */
bool blocking_write(blocking_peer *peer, size_t withheld);

/* Reads until so many messages have come in all, or it is closed: then false. */
bool blocking_read(blocking_peer *peer, size_t messages);

/* Takes what has come so far; false where it is closed. */
bool blocking_poll(blocking_peer *peer);

/* Hangs up; twice does no harm. */
void blocking_fini(blocking_peer *peer);

#endif
