/* main.c - what compression costs and saves: two secure sessions in memory, one message at a time
 * from the sender's call to the receiver's event, against the same two without compression.
 *
 * The processor's time is all there is here. What fewer bytes save on a network is not measured;
 * the rows tell how many there are.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include <base.h>

#include "common/bench.h"
#include "protocol/session.h"
#include "support/samples.h"

#define ROUNDS 51
#define TURN_US 400
#define MESSAGE_MAX ((size_t)16 * 1024)
#define BUFFER_LEN ((size_t)64 * 1024)

/* The most that it may cost to find out that there is nothing to gain. Of a small message the
 * start of LZ4, which clears 16 KiB, shows. */
#define LIMIT_SMALL 1.5
#define LIMIT_LARGE 1.15

typedef struct end {
    np_session session;
    np_session_options options;
    np_session_compression compression;
    np_session_security security;
    np_keypair keys;
    np_pool pool;
} end;

/* Two ends, and a message that one sends to the other. */
typedef struct talk {
    end ends[2];
    uint64_t random;
    uint8_t buffer[BUFFER_LEN];
    uint8_t payload[MESSAGE_MAX + 64];
    size_t payload_len;
    uint64_t sent; /* bytes, of the last message */
} talk;

static np_compress contexts;

static const np_time now = {1, UINT64_C(1700000000000)};

static void fill_random(void *user, uint8_t *out, size_t len)
{
    uint64_t *state = user;

    for (size_t i = 0; i < len; i++) {
        out[i] = (uint8_t)bench_random(state);
    }
}

/* What one end has to say, to the other; returns whether that was something. */
static bool move(talk *t, end *from, end *to)
{
    struct iovec iov[16];
    size_t count = np_session_output(&from->session, iov, 16, now);
    np_session_event event;
    size_t len = 0;

    for (size_t i = 0; i < count; i++) {
        bench_require(iov[i].iov_len <= sizeof t->buffer - len, "room for what is sent");
        memcpy(t->buffer + len, iov[i].iov_base, iov[i].iov_len);
        len += iov[i].iov_len;
    }
    if (len == 0) {
        return false;
    }
    np_session_output_done(&from->session, len, now);
    t->sent = len;
    np_session_recv(&to->session, t->buffer, len, now);
    do { /* a session pauses when so much was unpacked, that others have their turn */
        while (np_session_next_event(&to->session, &event)) {
            if (event.kind == NP_SESSION_EVENT_PEER_KEY) {
                np_session_trust(&to->session, true, NULL);
            }
            bench_require(event.kind != NP_SESSION_EVENT_CLOSED, "the session lives");
            bench_consume(event.payload);
        }
    } while (np_session_pending(&to->session));
    np_session_park(&to->session);
    return true;
}

static void open_end(talk *t, end *e, np_session_role role, np_compression kind, int level)
{
    np_pool_init(&e->pool, NULL);
    e->options = np_session_options_default(&base_protocol);
    e->security.rng = (np_rng){fill_random, &t->random};
    e->security.identity = &e->keys;
    bench_require(np_keypair_make(&e->keys, &e->security.rng) == NP_OK, "a key is made");
    e->options.security = &e->security;
    if (kind != NP_COMPRESSION_NONE) {
        e->compression = (np_session_compression){
            .kinds = {(uint8_t)kind},
            .kind_count = 1,
            .threshold = 512,
            .zstd_level = level,
            .contexts = &contexts,
        };
        e->options.compression = &e->compression;
    }
    bench_require(np_session_init(&e->session, &e->options, &e->pool, role, now) == NP_OK,
                  "a session starts");
}

static talk *open_talk(np_compression kind, int level)
{
    talk *t = calloc(1, sizeof *t);
    bool moved = true;

    bench_require(t != NULL, "memory");
    t->random = (uint64_t)kind;
    open_end(t, &t->ends[0], NP_SESSION_CLIENT, kind, level);
    open_end(t, &t->ends[1], NP_SESSION_SERVER, kind, level);
    while (moved) {
        moved = move(t, &t->ends[0], &t->ends[1]);
        moved = move(t, &t->ends[1], &t->ends[0]) || moved;
    }
    bench_require(np_session_is_open(&t->ends[0].session) && t->ends[0].session.compression == kind,
                  "the sessions are open, and agree");
    return t;
}

static void close_talk(talk *t)
{
    for (size_t i = 0; i < 2; i++) {
        np_session_fini(&t->ends[i].session);
        np_pool_fini(&t->ends[i].pool);
    }
    free(t);
}

/* A Custom with these bytes. */
static void set_message(talk *t, const uint8_t *bytes, size_t len)
{
    base_custom custom = {.payload = {bytes, len}};
    np_err err = base_custom_encode(&custom, t->payload, sizeof t->payload, &t->payload_len, NULL);

    bench_require(err == NP_OK, "the message is encoded");
}

static void say(void *context, size_t passes)
{
    talk *t = context;

    for (size_t i = 0; i < passes; i++) {
        np_err err = np_session_send_encoded(&t->ends[0].session,
                                             np_protocol_message(&base_protocol, BASE_CUSTOM_ID),
                                             t->payload, t->payload_len, NULL);
        bench_require(err == NP_OK && move(t, &t->ends[0], &t->ends[1]), "it is sent");
    }
}

static const struct {
    const char *name;
    np_compression kind;
    int level;
} ways[] = {
    {"LZ4", NP_COMPRESSION_LZ4, 1},
    {"zstd 1", NP_COMPRESSION_ZSTD, 1},
    {"zstd 3", NP_COMPRESSION_ZSTD, 3},
};

enum { WAYS = sizeof ways / sizeof ways[0] };

static void measure(const char *what, const uint8_t *bytes, size_t len, double limit)
{
    bench_task tasks[1 + WAYS];
    talk *talks[1 + WAYS];
    uint64_t plain = 0;

    for (size_t i = 0; i <= WAYS; i++) {
        talks[i] = i == 0 ? open_talk(NP_COMPRESSION_NONE, 1)
                          : open_talk(ways[i - 1].kind, ways[i - 1].level);
        set_message(talks[i], bytes, len);
        tasks[i] = (bench_task){i == 0 ? "off" : ways[i - 1].name, say, talks[i], 0, NULL};
    }
    bench_rounds(tasks, 1 + WAYS, ROUNDS, TURN_US);
    plain = talks[0]->sent;
    for (size_t i = 1; i <= WAYS; i++) {
        char row[80];
        char note[96];
        snprintf(row, sizeof row, "%s, %zu bytes, %s", what, len, ways[i - 1].name);
        snprintf(note, sizeof note, "%.1f us against %.1f us; %.0f %% of the bytes",
                 bench_time(&tasks[i], ROUNDS) / 1000, bench_time(&tasks[0], ROUNDS) / 1000,
                 100 * (double)talks[i]->sent / (double)plain);
        bench_row(row, "uncompressed", bench_ratio(&tasks[i], &tasks[0], ROUNDS), limit, note);
    }
    for (size_t i = 0; i <= WAYS; i++) {
        free(tasks[i].times);
        close_talk(talks[i]);
    }
}

/* Text, compressed already: as a picture or an archive is. */
static void compress_text(uint8_t *out, size_t len)
{
    size_t made = 0;

    for (uint64_t seed = 1; made < len; seed++) {
        static uint8_t text[NP_COMPRESS_PACK_MAX];
        static uint8_t packed[NP_COMPRESS_PACK_MAX];
        size_t n = 0;
        samples_text(text, sizeof text, seed);
        n = np_compress_pack(&contexts, NP_COMPRESSION_ZSTD, 9, text, sizeof text, packed);
        bench_require(n > 0, "text is compressed");
        n = n < len - made ? n : len - made;
        memcpy(out + made, packed, n);
        made += n;
    }
}

int main(void)
{
    static const size_t sizes[] = {1024, MESSAGE_MAX};
    static const double limits[] = {LIMIT_SMALL, LIMIT_LARGE};
    static uint8_t bytes[MESSAGE_MAX];

    bench_require(sodium_init() >= 0, "libsodium");
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        samples_text(bytes, sizes[i], 1);
        measure("text", bytes, sizes[i], 0);
        samples_json(bytes, sizes[i], 1);
        measure("JSON", bytes, sizes[i], 0);
        samples_random(bytes, sizes[i], 1);
        measure("random", bytes, sizes[i], limits[i]);
        compress_text(bytes, sizes[i]);
        measure("compressed", bytes, sizes[i], limits[i]);
    }
    np_compress_fini(&contexts);
    return 0;
}
