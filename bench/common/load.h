/* load.h - a client that asks for echoes and is the same for every server.
 *
 * It speaks each server's wire protocol itself, by bytes made beforehand: some connections, on each
 * a number of requests under way, and as soon as answers come, as many new requests in one write.
 * So the servers meet the same arrivals, and what they cost is theirs alone. Where a server wants
 * its bytes encrypted, a cover goes around them; it is a pure machine, so that the socket is
 * treated the same under all of them.
 */
#ifndef BENCH_LOAD_H
#define BENCH_LOAD_H

#include "common/bench.h"

#define LOAD_BODY 64
#define LOAD_DEPTH_MAX 32
#define LOAD_BYTES_MAX 256

/* What a cover may make of a write of ours, and what is read at once. */
#define LOAD_WIRE_MAX 65536

/* Encryption around a connection's bytes. What breaks it ends the program. */
typedef struct load_cover {
    void *(*open)(void); /* a client's session that is still to begin */
    void (*close)(void *session);
    bool (*ready)(const void *session); /* the handshake is over */
    /* Covers len bytes (0: only what the session has to say by itself) and returns the length of
     * what is to be sent, at most LOAD_WIRE_MAX, written to wire. */
    size_t (*wrap)(void *session, const uint8_t *plain, size_t len, uint8_t *wire);
    /* Takes len bytes that came, which it may write to, and returns the length of what they were,
     * at most LOAD_WIRE_MAX, written to plain. */
    size_t (*unwrap)(void *session, uint8_t *wire, size_t len, uint8_t *plain);
} load_cover;

typedef struct load_talk {
    const load_cover *cover; /* NULL: none */
    /* The first words, on a blocking socket; false if the server says something else. */
    bool (*greet)(int fd);
    uint8_t request[LOAD_BYTES_MAX];
    size_t request_len;
    uint8_t answer[LOAD_BYTES_MAX]; /* what comes back, byte for byte */
    size_t answer_len;
} load_talk;

/* Who is asked. */
typedef enum load_kind { LOAD_NETPROTO, LOAD_RAW, LOAD_REDIS, LOAD_NNG, LOAD_ZMQ } load_kind;

/* What to say to a server over TCP or a unix socket. */
load_talk load_talk_to(load_kind kind, bool over_unix);

typedef struct load_line load_line; /* one connection */

typedef struct load {
    const load_talk *talk;
    load_line *lines;
    size_t count;
    int epoll;
} load;

/* Connects to 127.0.0.1:port, or to the path if it is not NULL. Waits until somebody listens. */
int load_connect(int port, const char *path);

/* Opens the connections, greets, and checks one echo on each. */
void load_open(load *l, const load_talk *talk, int port, const char *path, size_t count);

/* Has about that many messages echoed, `depth` at a time on each connection; returns how many. */
size_t load_run(load *l, size_t messages, size_t depth);

void load_close(load *l);

#endif
