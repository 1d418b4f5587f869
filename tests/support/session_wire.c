#include "support/session_wire.h"

#include "protocol/session_private.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/demo_protocol.h"

static void end_init(wire_end *end)
{
    memset(end, 0, sizeof *end);
    np_pool_init(&end->pool, NULL);
    end->options = np_session_options_default(&demo_protocol);
}

static void fill_seeded(void *user, uint8_t *out, size_t len)
{
    uint64_t *seed = user;

    for (size_t i = 0; i < len; i++) {
        *seed = *seed * 6364136223846793005u + 1442695040888963407u;
        out[i] = (uint8_t)(*seed >> 56);
    }
}

static void end_secure(wire_end *end, uint64_t seed)
{
    end->seed = seed;
    end->security.rng = (np_rng){fill_seeded, &end->seed};
    end->security.identity = &end->identity;
    end->security.skew_ms = 5000;
    assert_int_equal(np_keypair_make(&end->identity, &end->security.rng), NP_OK);
    end->options.security = &end->security;
}

void wire_secure(wire *w)
{
    end_secure(&w->client, 1);
    end_secure(&w->server, 2);
}

void wire_compress(wire_end *end, np_compression first, np_compression second, uint32_t threshold)
{
    end->compression = (np_session_compression){
        .kinds = {(uint8_t)first, (uint8_t)second},
        .kind_count = second != NP_COMPRESSION_NONE ? 2 : 1,
        .threshold = threshold,
        .zstd_level = 1,
        .contexts = &end->contexts,
    };
    end->options.compression = &end->compression;
}

bool wire_is_secure(void)
{
    return getenv(WIRE_SECURE) != NULL;
}

size_t wire_idle_len(const wire_end *end)
{
    const np_session_secure *secure = end->s.secure;

    if (secure == NULL) {
        return 0;
    }
    return secure->handshake != NULL ? 1008 : 504;
}

void wire_init(wire *w)
{
    memset(w, 0, sizeof *w);
    end_init(&w->client);
    end_init(&w->server);
    if (wire_is_secure()) {
        wire_secure(w);
    }
    w->now.mono_ms = 1000;
    w->now.wall_ms = 1700000000000u;
}

void wire_start(wire *w)
{
    assert_int_equal(np_session_init(&w->client.s, &w->client.options, &w->client.pool,
                                     NP_SESSION_CLIENT, w->now),
                     NP_OK);
    assert_int_equal(np_session_init(&w->server.s, &w->server.options, &w->server.pool,
                                     NP_SESSION_SERVER, w->now),
                     NP_OK);
}

static void end_fini(wire_end *end)
{
    if (end->s.options != NULL) {
        np_session_fini(&end->s);
    }
    assert_int_equal(end->pool.live, 0);
    np_pool_fini(&end->pool);
    np_compress_fini(&end->contexts);
    for (size_t i = 0; i < end->event_count; i++) {
        free(end->events[i].payload);
    }
    free(end->events);
    free(end->bytes);
}

void wire_fini(wire *w)
{
    end_fini(&w->client);
    end_fini(&w->server);
}

static void keep(wire_end *end, const np_session_event *event)
{
    wire_event *kept;

    if ((end->event_count & (end->event_count - 1)) == 0) { /* all powers of two are full */
        end->events = realloc(end->events, (2 * end->event_count + 1) * sizeof *end->events);
        assert_non_null(end->events);
    }
    kept = &end->events[end->event_count++];
    memset(kept, 0, sizeof *kept);
    kept->event = *event;
    if (event->payload != NULL) {
        kept->payload = malloc(event->len);
        assert_non_null(kept->payload);
        memcpy(kept->payload, event->payload, event->len);
        kept->event.payload = kept->payload;
    }
    if (event->text.len > 0) {
        assert_true(event->text.len < sizeof kept->text);
        memcpy(kept->text, event->text.data, event->text.len);
    }
    if (event->kind == NP_SESSION_EVENT_CLOSED) {
        assert_int_equal(event->offers.len > 0, event->disagreement != NP_DISAGREE_NONE);
        assert_true(event->offers.len < sizeof kept->offers);
        memcpy(kept->offers, event->offers.len > 0 ? event->offers.data : "", event->offers.len);
    }
    if (event->fault != NULL) {
        kept->fault = *event->fault;
    }
    end->closed = end->closed || event->kind == NP_SESSION_EVENT_CLOSED;
}

void wire_drain(wire *w, wire_end *end)
{
    np_session_event event;

    (void)w;
    while (!end->stop) {
        if (end->long_way) {
            end->s.calls_due = true; /* it looks, and finds that no call's deadline has passed */
        }
        if (!np_session_next_event(&end->s, &event)) {
            break;
        }
        assert_false(end->closed);
        if (event.kind == NP_SESSION_EVENT_PEER_KEY && !end->show_key) {
            np_session_trust(&end->s, !end->distrusting, NULL);
            continue;
        }
        keep(end, &event);
        if (end->on_event != NULL) {
            end->on_event(end, &event);
        }
    }
}

void wire_inject(wire_end *to, const void *bytes, size_t len)
{
    to->bytes = realloc(to->bytes, to->byte_count + len + 1);
    assert_non_null(to->bytes);
    memcpy(to->bytes + to->byte_count, bytes, len);
    to->byte_count += len;
}

void wire_write(wire *w, wire_end *from)
{
    wire_end *to = from == &w->client ? &w->server : &w->client;
    struct iovec iov[7];
    size_t count = np_session_output(&from->s, iov, 7, w->now);
    size_t written = 0;

    for (size_t i = 0; i < count; i++) {
        size_t len = iov[i].iov_len;
        assert_true(len > 0);
        if (w->write_max > 0 && len > w->write_max - written) {
            len = w->write_max - written;
        }
        wire_inject(to, iov[i].iov_base, len);
        written += len;
    }
    np_session_output_done(&from->s, written, w->now);
    if (np_session_output_ended(&from->s)) {
        to->bytes_end = true;
    }
}

/* The bytes of one read leave the queue. */
static size_t take(wire_end *to, uint8_t *place, size_t len)
{
    memcpy(place, to->bytes, len);
    memmove(to->bytes, to->bytes + len, to->byte_count - len);
    to->byte_count -= len;
    return len;
}

bool wire_read(wire *w, wire_end *to)
{
    uint8_t *place = NULL;
    uint8_t *shared = NULL;
    size_t room = 0;
    size_t len = to->byte_count;
    np_want want = np_session_want(&to->s, &place, &room);
    size_t cut;

    if (want == NP_WANT_NOTHING || (len == 0 && (!to->bytes_end || to->s.eof))) {
        return false;
    }
    if (len == 0) {
        np_session_recv_end(&to->s, w->now);
    } else {
        cut = w->cut != NULL ? w->cut(w->user, w->reads++) : 0;
        len = cut > 0 && cut < len ? cut : len;
        if (want == NP_WANT_PLACE) {
            assert_true(room > 0);
            len = len < room ? len : room;
        } else {
            len = len < 65536 ? len : 65536;
            shared = malloc(len);
            assert_non_null(shared);
            place = shared;
        }
        np_session_recv(&to->s, place, take(to, place, len), w->now);
    }
    wire_drain(w, to);
    np_session_park(&to->s);
    free(shared);
    return true;
}

void wire_run(wire *w)
{
    bool moved = true;

    while (moved) {
        size_t before = w->client.event_count + w->server.event_count;
        size_t queued = np_session_queued(&w->client.s) + np_session_queued(&w->server.s);
        wire_drain(w, &w->client);
        np_session_park(&w->client.s);
        wire_drain(w, &w->server);
        np_session_park(&w->server.s);
        wire_write(w, &w->client);
        wire_write(w, &w->server);
        moved = wire_read(w, &w->server);
        moved = wire_read(w, &w->client) || moved;
        moved = moved || before != w->client.event_count + w->server.event_count;
        /* Who says that there is more must have it. */
        moved = moved || (!w->client.stop && np_session_pending(&w->client.s)) ||
                (!w->server.stop && np_session_pending(&w->server.s));
        moved =
            moved || queued != np_session_queued(&w->client.s) + np_session_queued(&w->server.s);
    }
}

void wire_tick(wire *w, uint64_t ms)
{
    w->now.mono_ms += ms;
    w->now.wall_ms += ms;
    np_session_tick(&w->client.s, w->now);
    np_session_tick(&w->server.s, w->now);
    wire_run(w);
}

const wire_event *wire_next(wire_end *end)
{
    return end->taken < end->event_count ? &end->events[end->taken++] : NULL;
}

const wire_event *wire_expect(wire_end *end, np_session_event_kind kind)
{
    const wire_event *next = wire_next(end);

    assert_non_null(next);
    assert_int_equal(next->event.kind, kind);
    return next;
}

void wire_open(wire *w)
{
    wire_start(w);
    wire_run(w);
    wire_expect(&w->client, NP_SESSION_EVENT_OPEN);
    wire_expect(&w->server, NP_SESSION_EVENT_OPEN);
}

uint8_t *wire_pattern(size_t len, uint32_t seed)
{
    uint8_t *bytes = malloc(len + 1);

    assert_non_null(bytes);
    for (size_t i = 0; i < len; i++) {
        seed = seed * 1664525u + 1013904223u;
        bytes[i] = (uint8_t)(seed >> 24);
    }
    return bytes;
}
