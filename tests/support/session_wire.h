/* session_wire.h - two sessions that talk over memory, with virtual time and cuts where one likes.
 *
 * Every read gets memory of exactly its size, so that the address sanitizer sees a session that
 * looks behind what it was lent, or at it after it was parked.
 */
#ifndef TEST_SESSION_WIRE_H
#define TEST_SESSION_WIRE_H

#include "protocol/session.h"

/* Set in the environment: wire_init makes every session secure, whoever trusts whoever. So tests
 * of what is said serve for both; the event PEER_KEY is kept from them. */
#define WIRE_SECURE "TEST_WIRE_SECURE"

/* What an event was, kept beyond it. */
typedef struct wire_event {
    np_session_event event; /* pointers into the copies below */
    np_fault fault;
    uint8_t *payload;
    char text[300];
    char offers[300];
} wire_event;

typedef struct wire_end wire_end;

struct wire_end {
    np_session s;
    np_session_options options;
    np_pool pool;
    wire_event *events;
    size_t event_count;
    size_t taken; /* by wire_next */
    bool closed;
    bool stop;      /* do not drain events: backpressure */
    bool long_way;  /* no event takes the session's short way */
    uint8_t *bytes; /* on their way to it */
    size_t byte_count;
    bool bytes_end; /* the other side shut its direction down */
    void (*on_event)(wire_end *end, const np_session_event *event); /* as it comes; or NULL */
    void *app;                                                      /* on_event's */
    np_session_security security;
    np_keypair identity;
    uint64_t seed; /* of its randomness */
    np_session_compression compression;
    np_compress contexts;
    bool show_key;    /* PEER_KEY is an event as any other, for on_event to answer */
    bool distrusting; /* the answer where it is not shown */
};

/* How reads are cut: 0 means as much as there is. The n-th read (from 0) of an end gets at most
 * cut(user, n) bytes. */
typedef struct wire {
    wire_end client;
    wire_end server;
    np_time now;
    size_t (*cut)(void *user, size_t n);
    void *user;
    size_t reads;
    size_t write_max; /* bytes one write takes; 0: all */
} wire;

/* Both ends with the demo protocol and default options; change wire->x.options before starting. */
void wire_init(wire *w);

/* Whether the environment makes them so. */
bool wire_is_secure(void);

/* Bytes of the pool that a session holds while it has nothing to do. */
size_t wire_idle_len(const wire_end *end);

/* Makes them secure, whatever the environment says. */
void wire_secure(wire *w);

/* Makes an end compress with these kinds, the best first, payloads of `threshold` bytes and more.
 * Before it starts. */
void wire_compress(wire_end *end, np_compression first, np_compression second, uint32_t threshold);

void wire_start(wire *w);

/* Frees everything and checks that the pools got every block back. */
void wire_fini(wire *w);

/* Lets both ends talk until nothing moves any more. */
void wire_run(wire *w);

/* One end writes what it has; the other does not read yet. */
void wire_write(wire *w, wire_end *from);

/* One read, events, park. Returns false if there was nothing to do. */
bool wire_read(wire *w, wire_end *to);

/* Takes events without reading. */
void wire_drain(wire *w, wire_end *end);

/* Puts bytes on their way to an end, as if its peer had written them. */
void wire_inject(wire_end *to, const void *bytes, size_t len);

/* Moves time on, ticks both ends, and runs. */
void wire_tick(wire *w, uint64_t ms);

/* The next event of an end that was not looked at; NULL if there is none. */
const wire_event *wire_next(wire_end *end);

/* The same, which must be of that kind. */
const wire_event *wire_expect(wire_end *end, np_session_event_kind kind);

/* Starts both, runs, and takes the two OPEN. */
void wire_open(wire *w);

/* Bytes for tests that must not all be the same. */
uint8_t *wire_pattern(size_t len, uint32_t seed);

#endif
