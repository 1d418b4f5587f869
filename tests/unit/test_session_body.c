/* Bodies in pieces between two sessions: any size and cut, others in between, giving up, bounds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <base.h>

#include "parcel.h"
#include "support/session_wire.h"
#include "talk.h"

#define DATA_MESSAGE (&base_protocol.messages[BASE_DATA_ID])
#define BOX_MESSAGE (&parcel_protocol.messages[0])
#define BARE_MESSAGE (&parcel_protocol.messages[1])
#define HEAVY_MESSAGE (&parcel_protocol.messages[2])
#define NOTE_MESSAGE (&parcel_protocol.messages[3])

#define DATA_MAX ((size_t)15 * 1024 * 1024)

static void start(wire *w)
{
    wire_init(w);
    w->client.options.protocol = &parcel_protocol;
    w->server.options.protocol = &parcel_protocol;
    wire_open(w);
}

static parcel_box box_of(void)
{
    static const parcel_stamp stamps[] = {{7, 'a'}, {900, 0x20AC}};
    parcel_box box;

    memset(&box, 0, sizeof box);
    box.to = np_str_from("somebody in Z\xC3\xBCrich");
    box.stamps.items = stamps;
    box.stamps.count = 2;
    box.weight = 2.5F;
    box.fragile = true;
    return box;
}

static uint64_t begin(wire_end *from, const np_message *message, const void *value, uint64_t total)
{
    uint64_t serial = 0;
    np_fault fault = {.err = NP_OK};

    assert_int_equal(np_session_body_begin(&from->s, message, value, total, &serial, &fault),
                     NP_OK);
    return serial;
}

static uint64_t begin_data(wire_end *from, uint64_t total)
{
    base_data data = {.name = np_str_from("file")};

    return begin(from, DATA_MESSAGE, &data, total);
}

/* Writes all in calls of `step` bytes; lets the wire run where there is no room. */
static void write_all(wire *w, wire_end *from, uint64_t serial, const uint8_t *data, size_t len,
                      size_t step)
{
    size_t taken = 0;

    while (len > 0) {
        size_t n = len < step ? len : step;
        np_err err = np_session_body_write(&from->s, serial, data, n, &taken);
        assert_true(err == (taken > 0 ? NP_OK : NP_ERR_FULL));
        assert_true(np_session_queued(&from->s) <= 2 * ((size_t)65536 + 64));
        data += taken;
        len -= taken;
        if (taken < n) {
            wire_run(w);
        }
    }
}

static void end_body(wire *w, wire_end *from, uint64_t serial)
{
    np_err err = np_session_body_end(&from->s, serial);

    if (err == NP_ERR_FULL) {
        wire_run(w);
        err = np_session_body_end(&from->s, serial);
    }
    assert_int_equal(err, NP_OK);
}

/* What an end has seen of a body. */
typedef struct seen {
    bool begun, ended;
    np_err err;
    uint64_t total;
    const wire_event *head;
    uint8_t *bytes;
    size_t len;
    size_t pieces;
} seen;

static seen look(const wire_end *end, uint64_t serial)
{
    seen out = {.bytes = malloc(DATA_MAX)};

    assert_non_null(out.bytes);
    for (size_t i = 0; i < end->event_count; i++) {
        const wire_event *e = &end->events[i];
        if (e->event.serial != serial) {
            continue;
        }
        if (e->event.kind == NP_SESSION_EVENT_BODY_BEGIN) {
            assert_false(out.begun);
            out.begun = true;
            out.total = e->event.total;
            out.head = e;
        } else if (e->event.kind == NP_SESSION_EVENT_BODY_DATA) {
            assert_true(out.begun && !out.ended && e->event.len > 0);
            memcpy(out.bytes + out.len, e->payload, e->event.len);
            out.len += e->event.len;
            out.pieces++;
        } else if (e->event.kind == NP_SESSION_EVENT_BODY_END) {
            assert_true(out.begun && !out.ended);
            out.ended = true;
            out.err = e->event.err;
        }
    }
    return out;
}

/* One that came with this length; those of one length have the same bytes here. */
static uint64_t serial_of(const wire_end *end, uint64_t total)
{
    for (size_t i = 0; i < end->event_count; i++) {
        const np_session_event *event = &end->events[i].event;
        if (event->kind == NP_SESSION_EVENT_BODY_BEGIN && event->total == total) {
            return event->serial;
        }
    }
    fail();
    return 0;
}

static void assert_body(const wire_end *end, uint64_t serial, const uint8_t *bytes, size_t len)
{
    seen s = look(end, serial);

    assert_true(s.begun && s.ended);
    assert_int_equal(s.err, NP_OK);
    assert_int_equal(s.total, len);
    assert_int_equal(s.len, len);
    assert_memory_equal(s.bytes, bytes, len);
    free(s.bytes);
}

static void assert_idle(const wire *w)
{
    assert_int_equal(w->client.pool.live, wire_idle_len(&w->client));
    assert_int_equal(w->server.pool.live, wire_idle_len(&w->server));
    assert_int_equal(np_session_deadline(&w->client.s), NP_TIME_NEVER);
    assert_int_equal(np_session_deadline(&w->server.s), NP_TIME_NEVER);
}

static void note(wire_end *from, const char *text)
{
    parcel_note value = {np_str_from(text)};

    assert_int_equal(np_session_send(&from->s, NOTE_MESSAGE, &value, NULL), NP_OK);
}

/* There and back --------------------------------------------------------------------------- */

static void test_sizes_and_steps(void **state)
{
    static const size_t sizes[] = {0,     1,     990,   1003,   1004,   1024,   1025,
                                   65511, 65512, 65536, 131072, 200000, 1000000};
    static const size_t steps[] = {1, 100, 1024, 1500, 65536, 1000000};
    uint8_t *bytes = wire_pattern(1000000, 1);

    (void)state;
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        for (size_t j = sizes[i] > 2000 ? 1 : 0; j < sizeof steps / sizeof steps[0]; j++) {
            base_data got;
            uint64_t serial;
            wire w;
            start(&w);
            serial = begin_data(&w.client, sizes[i]);
            write_all(&w, &w.client, serial, bytes, sizes[i], steps[j]);
            end_body(&w, &w.client, serial);
            note(&w.client, "behind");
            wire_run(&w);
            assert_body(&w.server, serial, bytes, sizes[i]);
            seen s = look(&w.server, serial);
            assert_int_equal(np_message_decode_head(DATA_MESSAGE, &got, BASE_VERSION,
                                                    s.head->payload, s.head->event.len, NULL),
                             NP_OK);
            assert_true(np_str_equal(got.name, np_str_from("file")));
            assert_int_equal(got.body.len, 0);
            free(s.bytes);
            assert_int_equal(w.server.events[w.server.event_count - 1].event.id, PARCEL_NOTE_ID);
            assert_int_equal(np_session_body_end(&w.client.s, serial), NP_ERR_CLOSED);
            assert_idle(&w);
            wire_fini(&w);
        }
    }
    free(bytes);
}

static void test_heads(void **state)
{
    uint8_t *bytes = wire_pattern(70000, 2);
    static const size_t labels[] = {0, 1000, 1012, 60000, 65500};
    wire w;

    (void)state;
    /* Much in it. */
    start(&w);
    parcel_box box = box_of();
    parcel_box got;
    uint64_t serial = begin(&w.server, BOX_MESSAGE, &box, 5000);
    write_all(&w, &w.server, serial, bytes, 5000, 77);
    end_body(&w, &w.server, serial);
    wire_run(&w);
    assert_body(&w.client, serial, bytes, 5000);
    seen s = look(&w.client, serial);
    assert_int_equal(
        np_message_decode_head(BOX_MESSAGE, &got, 2, s.head->payload, s.head->event.len, NULL),
        NP_OK);
    assert_int_equal(got.stamps.count, 2);
    assert_true(got.fragile && got.weight == 2.5F);
    free(s.bytes);
    wire_fini(&w);

    /* Nothing, and as much as there may be. */
    for (size_t i = 0; i < sizeof labels / sizeof labels[0]; i++) {
        parcel_heavy heavy = {.label = {bytes, labels[i]}};
        parcel_heavy back;
        start(&w);
        serial = begin(&w.client, HEAVY_MESSAGE, &heavy, 3000);
        write_all(&w, &w.client, serial, bytes, 3000, 10);
        end_body(&w, &w.client, serial);
        wire_run(&w);
        assert_body(&w.server, serial, bytes, 3000);
        s = look(&w.server, serial);
        assert_int_equal(np_message_decode_head(HEAVY_MESSAGE, &back, 2, s.head->payload,
                                                s.head->event.len, NULL),
                         NP_OK);
        assert_int_equal(back.label.len, labels[i]);
        assert_memory_equal(back.label.data, bytes, labels[i]);
        free(s.bytes);
        assert_idle(&w);
        wire_fini(&w);
    }
    free(bytes);
}

typedef struct cutter {
    size_t first, second;
    bool slow;
} cutter;

static size_t cut_at(void *user, size_t n)
{
    const cutter *c = user;

    return n == 0 ? c->first : n == 1 ? c->second : c->slow ? 1 : 0;
}

static void send_cut(const cutter *c, const uint8_t *bytes, size_t expect)
{
    parcel_box box = box_of();
    wire w;

    start(&w);
    uint64_t serial = begin(&w.client, BOX_MESSAGE, &box, 20);
    write_all(&w, &w.client, serial, bytes, 20, 20);
    end_body(&w, &w.client, serial);
    note(&w.client, "x");
    assert_int_equal(np_session_queued(&w.client.s), expect);
    w.cut = cut_at;
    w.user = (void *)(uintptr_t)c;
    wire_run(&w);
    assert_body(&w.server, serial, bytes, 20);
    assert_idle(&w);
    wire_fini(&w);
}

/* Reads that end anywhere. */
static void test_every_cut(void **state)
{
    const size_t total = (18 + 72 + 20) + (10 + 13);
    uint8_t *bytes = wire_pattern(20, 3);

    (void)state;
    for (size_t i = 1; i < total; i++) {
        cutter slow = {i, 1, true};
        send_cut(&slow, bytes, total);
        for (size_t j = 1; j < total - i; j++) {
            cutter pair = {i, j, false};
            send_cut(&pair, bytes, total);
        }
    }
    free(bytes);
}

static size_t cut_random(void *user, size_t n)
{
    uint32_t *seed = user;

    (void)n;
    *seed = *seed * 1664525u + 1013904223u;
    return (*seed >> 8) % ((*seed >> 28) < 8 ? 40 : 70000) + 1;
}

/* Several at once in both directions, with messages and pings in between, cut at random. */
static void test_interleaving(void **state)
{
    enum { BODIES = 5 };
    uint8_t *bytes = wire_pattern(400000, 4);

    (void)state;
    for (uint32_t round = 0; round < 40; round++) {
        uint32_t seed = round * 7919 + 1;
        uint32_t draw = seed;
        uint64_t serials[2][BODIES];
        size_t left[2][BODIES];
        size_t lens[2][BODIES];
        size_t notes = 0;
        size_t open = 2 * BODIES;
        wire w;

        start(&w);
        w.cut = cut_random;
        w.user = &seed;
        w.write_max = round % 3 == 0 ? 0 : 1 + round * 977;
        for (size_t i = 0; i < 2; i++) {
            for (size_t j = 0; j < BODIES; j++) {
                draw = draw * 1664525u + 1013904223u;
                lens[i][j] = (draw >> 4) % (j % 2 == 0 ? 3000 : 400000);
                left[i][j] = lens[i][j];
                serials[i][j] = begin_data(i == 0 ? &w.client : &w.server, lens[i][j]);
            }
        }
        while (open > 0) {
            draw = draw * 1664525u + 1013904223u;
            size_t i = draw >> 31;
            size_t j = (draw >> 20) % BODIES;
            wire_end *from = i == 0 ? &w.client : &w.server;
            size_t step = (draw >> 4) % 30000;
            size_t taken = 0;
            if (serials[i][j] == 0) {
                continue;
            }
            step = step < left[i][j] ? step : left[i][j];
            np_err err = np_session_body_write(&from->s, serials[i][j],
                                               bytes + lens[i][j] - left[i][j], step, &taken);
            assert_true(err == NP_OK || err == NP_ERR_FULL);
            left[i][j] -= taken;
            if (left[i][j] == 0 && np_session_body_end(&from->s, serials[i][j]) == NP_OK) {
                serials[i][j] = 0;
                open--;
            }
            if (draw % 4 == 0) {
                note(&w.server, "between");
                notes++;
            }
            if (draw % 5 == 0) {
                wire_run(&w);
            }
        }
        wire_run(&w);
        for (uint32_t j = 0; j < BODIES; j++) {
            assert_body(&w.server, serial_of(&w.server, lens[0][j]), bytes, lens[0][j]);
            assert_body(&w.client, serial_of(&w.client, lens[1][j]), bytes, lens[1][j]);
        }
        for (size_t i = 0; i < w.client.event_count; i++) {
            notes -= w.client.events[i].event.kind == NP_SESSION_EVENT_MESSAGE;
        }
        assert_int_equal(notes, 0);
        assert_idle(&w);
        wire_fini(&w);
    }
    free(bytes);
}

/* Whole ------------------------------------------------------------------------------------- */

static void want_whole(wire_end *end, const np_session_event *event)
{
    if (event->kind == NP_SESSION_EVENT_BODY_BEGIN) {
        assert_int_equal(np_session_body_whole(&end->s, event->serial), NP_OK);
    }
}

static void test_whole(void **state)
{
    static const size_t sizes[] = {2, 100, 20000, 204800};
    uint8_t *bytes = wire_pattern(204800, 5);

    (void)state;
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        parcel_box box = box_of();
        parcel_box got;
        const wire_event *event;
        wire w;
        start(&w);
        w.server.on_event = want_whole;
        uint64_t serial = begin(&w.client, BOX_MESSAGE, &box, sizes[i]);
        write_all(&w, &w.client, serial, bytes, sizes[i], 5000);
        end_body(&w, &w.client, serial);
        wire_run(&w);
        assert_int_equal(w.server.event_count, 3); /* OPEN, BODY_BEGIN */
        wire_expect(&w.server, NP_SESSION_EVENT_BODY_BEGIN);
        event = wire_expect(&w.server, NP_SESSION_EVENT_MESSAGE);
        assert_null(wire_next(&w.server));
        assert_int_equal(parcel_box_decode(&got, event->payload, event->event.len, NULL), NP_OK);
        assert_int_equal(got.body.len, sizes[i]);
        assert_memory_equal(got.body.data, bytes, sizes[i]);
        assert_idle(&w);
        wire_fini(&w);
    }
    free(bytes);
}

static void want_whole_late(wire_end *end, const np_session_event *event)
{
    if (event->kind == NP_SESSION_EVENT_BODY_BEGIN) {
        end->options.message_max = event->len + event->total - 1;
        assert_int_equal(np_session_body_whole(&end->s, event->serial), NP_ERR_TOO_LONG);
        assert_int_equal(np_session_body_whole(&end->s, event->serial + 1), NP_ERR_CLOSED);
    } else if (event->kind == NP_SESSION_EVENT_BODY_DATA) {
        end->options.message_max = 1 << 24;
        assert_int_equal(np_session_body_whole(&end->s, event->serial), NP_ERR_STATE);
    } else if (event->kind == NP_SESSION_EVENT_BODY_END) {
        assert_int_equal(np_session_body_whole(&end->s, event->serial), NP_ERR_CLOSED);
    }
}

static void want_nothing(wire_end *end, const np_session_event *event)
{
    np_session_body_ignore(&end->s, event->serial);
}

static void test_whole_too_late_and_ignore(void **state)
{
    wire w;

    (void)state;
    start(&w);
    w.server.on_event = want_whole_late;
    uint64_t serial = begin_data(&w.client, 9);
    write_all(&w, &w.client, serial, (const uint8_t *)"123456789", 9, 9);
    end_body(&w, &w.client, serial);
    wire_run(&w);
    assert_body(&w.server, serial, (const uint8_t *)"123456789", 9);

    w.server.on_event = want_nothing;
    serial = begin_data(&w.client, 9);
    write_all(&w, &w.client, serial, (const uint8_t *)"123456789", 9, 9);
    end_body(&w, &w.client, serial);
    note(&w.client, "after");
    wire_run(&w);
    seen s = look(&w.server, serial);
    assert_true(s.begun && !s.ended && s.len == 0);
    free(s.bytes);
    assert_int_equal(w.server.events[w.server.event_count - 1].event.kind,
                     NP_SESSION_EVENT_MESSAGE);
    assert_idle(&w);
    wire_fini(&w);
}

/* Giving up --------------------------------------------------------------------------------- */

static void test_abort_anywhere(void **state)
{
    uint8_t *bytes = wire_pattern(200000, 6);

    (void)state;
    for (size_t whole = 0; whole < 2; whole++) {
        for (size_t at = 0; at <= 200000; at += at < 2100 ? 211 : 32979) {
            wire w;
            start(&w);
            w.server.on_event = whole ? want_whole : NULL;
            uint64_t serial = begin_data(&w.client, 200000);
            write_all(&w, &w.client, serial, bytes, at, 3000);
            wire_run(&w);
            np_session_body_abort(&w.client.s, serial);
            np_session_body_abort(&w.client.s, serial);
            assert_int_equal(np_session_body_end(&w.client.s, serial), NP_ERR_CLOSED);
            wire_run(&w);
            seen s = look(&w.server, serial);
            assert_int_equal(s.begun, at >= 1000);
            assert_int_equal(s.ended, s.begun && !whole);
            if (s.ended) {
                assert_int_equal(s.err, NP_ERR_CANCELED);
                assert_memory_equal(s.bytes, bytes, s.len);
                assert_true(s.len <= at && at - s.len < 1024);
            }
            free(s.bytes);
            assert_idle(&w);
            /* All goes on. */
            serial = begin_data(&w.client, 5);
            write_all(&w, &w.client, serial, bytes, 5, 5);
            end_body(&w, &w.client, serial);
            wire_run(&w);
            assert_true(np_session_is_open(&w.server.s));
            assert_idle(&w);
            wire_fini(&w);
        }
    }
    free(bytes);
}

/* Ends -------------------------------------------------------------------------------------- */

static void test_end_of_the_session(void **state)
{
    (void)state;
    for (int how = 0; how < 4; how++) {
        static const np_err errs[] = {NP_ERR_CLOSED, NP_ERR_RESET, NP_ERR_EOF, NP_ERR_SYSTEM};
        uint8_t *bytes = wire_pattern(5000, 8);
        size_t taken = 0;
        wire w;
        start(&w);
        uint64_t first = begin_data(&w.client, 100000);
        uint64_t second = begin_data(&w.client, 100000);
        write_all(&w, &w.client, first, bytes, 5000, 5000);
        write_all(&w, &w.client, second, bytes, 5000, 5000);
        wire_run(&w);
        np_session_body_set_user(&w.server.s, first, &w);
        assert_ptr_equal(np_session_body_user(&w.server.s, first), &w);
        assert_null(np_session_body_user(&w.server.s, second));
        if (how == 0) {
            np_session_close(&w.client.s, NP_SESSION_NO_REASON, np_str_from(""), w.now);
            assert_int_equal(np_session_body_write(&w.client.s, first, "x", 1, &taken),
                             NP_ERR_CLOSED);
            np_session_body_abort(&w.client.s, first);
            wire_run(&w);
        } else if (how == 1) {
            np_session_lost(&w.server.s, NP_ERR_RESET, w.now);
        } else if (how == 2) {
            np_session_recv_end(&w.server.s, w.now);
        } else {
            np_session_fail(&w.server.s, NP_ERR_SYSTEM, NP_SESSION_STAGE_LOCAL, NULL, w.now);
            wire_run(&w);
            np_session_recv_end(&w.server.s, w.now);
        }
        wire_drain(&w, &w.server);
        seen s = look(&w.server, first);
        assert_true(s.ended);
        assert_int_equal(s.err, errs[how]);
        free(s.bytes);
        s = look(&w.server, second);
        assert_true(s.ended);
        free(s.bytes);
        const wire_event *last = &w.server.events[w.server.event_count - 1];
        assert_int_equal(last->event.kind, NP_SESSION_EVENT_CLOSED);
        assert_ptr_equal(w.server.events[w.server.event_count - 3].event.user, &w);
        free(bytes);
        wire_fini(&w);
    }
}

/* Backpressure ------------------------------------------------------------------------------ */

/* All that either side ever holds of the greatest body. */
static void test_memory_is_bounded(void **state)
{
    uint8_t *bytes = wire_pattern(DATA_MAX, 9);

    (void)state;
    for (size_t step = 1400; step <= DATA_MAX; step *= 103) {
        wire w;
        start(&w);
        w.client.pool.live_peak = 0;
        w.server.pool.live_peak = 0;
        uint64_t serial = begin_data(&w.client, DATA_MAX);
        write_all(&w, &w.client, serial, bytes, DATA_MAX, step);
        end_body(&w, &w.client, serial);
        wire_run(&w);
        assert_body(&w.server, serial, bytes, DATA_MAX);
        assert_in_range(w.client.pool.live_peak, 60000, 3 * NP_POOL_TOP);
        assert_in_range(w.server.pool.live_peak, 500, 3 * NP_POOL_TOP);
        assert_idle(&w);
        wire_fini(&w);
    }
    free(bytes);
}

static void test_full_and_writable(void **state)
{
    uint8_t *bytes = wire_pattern(500000, 10);
    size_t taken = 0;
    size_t more = 0;
    wire w;

    (void)state;
    start(&w);
    uint64_t serial = begin_data(&w.client, 500000);
    assert_int_equal(np_session_body_write(&w.client.s, serial, bytes, 500000, &taken), NP_OK);
    assert_in_range(taken, 120000, 131072);
    assert_int_equal(np_session_body_write(&w.client.s, serial, bytes, 5000, &more), NP_ERR_FULL);
    assert_int_equal(more, 0);
    note(&w.client, "room for others"); /* of which there is much */
    wire_drain(&w, &w.client);
    assert_int_equal(w.client.event_count, 1); /* only OPEN */
    w.write_max = 50000;
    wire_write(&w, &w.client);
    wire_drain(&w, &w.client);
    assert_int_equal(w.client.event_count, 1);
    wire_write(&w, &w.client);
    assert_true(np_session_pending(&w.client.s));
    wire_drain(&w, &w.client);
    assert_int_equal(w.client.event_count, 2);
    assert_int_equal(w.client.events[1].event.kind, NP_SESSION_EVENT_WRITABLE);
    assert_false(np_session_pending(&w.client.s));
    w.write_max = 0;
    write_all(&w, &w.client, serial, bytes + taken, 500000 - taken, 100000);
    end_body(&w, &w.client, serial);
    wire_run(&w);
    assert_body(&w.server, serial, bytes, 500000);
    free(bytes);
    wire_fini(&w);
}

/* However small the queue is, it goes on. */
static void test_small_queues(void **state)
{
    uint8_t *bytes = wire_pattern(30000, 11);

    (void)state;
    for (size_t max = 1; max < 300000; max = max * 3 + 500) {
        wire w;
        start(&w);
        w.client.options.queue_max = max;
        uint64_t serial = begin_data(&w.client, 30000);
        write_all(&w, &w.client, serial, bytes, 30000, 30000);
        end_body(&w, &w.client, serial);
        wire_run(&w);
        assert_body(&w.server, serial, bytes, 30000);
        wire_fini(&w);
    }
    free(bytes);
}

static void test_hold(void **state)
{
    uint8_t *bytes = wire_pattern(50000, 12);
    uint8_t *place;
    size_t room;
    size_t events;
    wire w;

    (void)state;
    start(&w);
    uint64_t serial = begin_data(&w.client, 50000);
    write_all(&w, &w.client, serial, bytes, 20000, 20000);
    wire_run(&w);
    assert_int_equal(np_session_deadline(&w.server.s), w.now.mono_ms + 30000);
    np_session_hold(&w.server.s, true, w.now);
    assert_int_equal(np_session_deadline(&w.server.s), NP_TIME_NEVER);
    events = w.server.event_count;
    write_all(&w, &w.client, serial, bytes + 20000, 30000, 30000);
    end_body(&w, &w.client, serial);
    w.now.mono_ms += 100000;
    np_session_tick(&w.server.s, w.now);
    wire_run(&w);
    assert_int_equal(w.server.event_count, events);
    assert_int_equal(np_session_want(&w.server.s, &place, &room), NP_WANT_NOTHING);
    np_session_hold(&w.server.s, false, w.now);
    assert_int_equal(np_session_deadline(&w.server.s), w.now.mono_ms + 30000);
    wire_run(&w);
    assert_body(&w.server, serial, bytes, 50000);
    assert_idle(&w);
    free(bytes);
    wire_fini(&w);
}

/* A pump that stops draining in the middle, and parks. */
static void test_parked_in_the_middle(void **state)
{
    uint8_t *bytes = wire_pattern(60000, 13);
    np_session_event event;
    size_t got = 0;
    wire w;

    (void)state;
    start(&w);
    uint64_t serial = begin_data(&w.client, 60000);
    write_all(&w, &w.client, serial, bytes, 60000, 60000);
    end_body(&w, &w.client, serial);
    wire_write(&w, &w.client);
    w.server.stop = true;
    assert_true(wire_read(&w, &w.server));
    assert_true(np_session_next_event(&w.server.s, &event));
    assert_int_equal(event.kind, NP_SESSION_EVENT_BODY_BEGIN);
    np_session_park(&w.server.s);
    while (got < 60000) {
        assert_true(np_session_pending(&w.server.s));
        assert_true(np_session_next_event(&w.server.s, &event));
        assert_int_equal(event.kind, NP_SESSION_EVENT_BODY_DATA);
        assert_memory_equal(event.payload, bytes + got, event.len);
        got += event.len;
        np_session_park(&w.server.s);
    }
    assert_true(np_session_pending(&w.server.s)); /* the end is still to come */
    assert_true(np_session_next_event(&w.server.s, &event));
    assert_int_equal(event.kind, NP_SESSION_EVENT_BODY_END);
    assert_false(np_session_next_event(&w.server.s, &event));
    np_session_park(&w.server.s);
    assert_false(np_session_pending(&w.server.s));
    assert_idle(&w);
    free(bytes);
    wire_fini(&w);
}

/* The conversation -------------------------------------------------------------------------- */

static void test_conversation(void **state)
{
    static const talk_join join = {.name = {"Anna", 4}};
    static const talk_upload upload = {.name = {"file", 4}};
    static const talk_say say = {.text = {"hello", 5}, .mood = 3};
    static const talk_kick kick = {BASE_REASON_BUSY};
    const np_message *messages = talk_protocol.messages;
    uint8_t *bytes = wire_pattern(2000, 14);
    uint64_t first = 0;
    uint64_t second = 0;
    uint64_t none = 0;
    size_t taken = 0;
    wire w;

    (void)state;
    wire_init(&w);
    for (int i = 0; i < 2; i++) {
        np_session_options *options = i == 0 ? &w.client.options : &w.server.options;
        options->protocol = &talk_protocol;
        options->conversation = &talk_protocol.conversations[0];
    }
    wire_open(&w);
    assert_int_equal(np_session_body_begin(&w.client.s, &messages[3], &upload, 5, &none, NULL),
                     NP_ERR_UNEXPECTED);
    assert_int_equal(np_session_send(&w.client.s, &messages[0], &join, NULL), NP_OK);
    assert_int_equal(np_session_body_begin(&w.server.s, &messages[3], &upload, 5, &none, NULL),
                     NP_ERR_UNEXPECTED);
    first = begin(&w.client, &messages[3], &upload, 2000);
    second = begin(&w.client, &messages[3], &upload, 2000);

    /* It counts when its head leaves: up to there other things may be said, and not afterwards. */
    write_all(&w, &w.client, first, bytes, 900, 900);
    assert_int_equal(np_session_send(&w.client.s, &messages[1], &say, NULL), NP_OK);
    write_all(&w, &w.client, first, bytes + 900, 1000, 1000);
    assert_int_equal(np_session_send(&w.client.s, &messages[1], &say, NULL), NP_ERR_UNEXPECTED);
    assert_int_equal(np_session_body_write(&w.client.s, second, bytes, 2000, &taken),
                     NP_ERR_UNEXPECTED);
    assert_int_equal(taken, 0);
    wire_run(&w);
    assert_true(np_session_is_open(&w.server.s));

    /* The peer answers a body that is still coming; the second one may follow then. */
    assert_int_equal(np_session_send(&w.server.s, &messages[4], &kick, NULL), NP_ERR_UNEXPECTED);
    assert_int_equal(np_session_send(&w.server.s, &messages[1], &say, NULL), NP_OK);
    wire_run(&w);
    write_all(&w, &w.client, second, bytes, 2000, 2000);
    write_all(&w, &w.client, first, bytes + 1900, 100, 100);
    end_body(&w, &w.client, second);
    end_body(&w, &w.client, first);
    wire_run(&w);
    assert_body(&w.server, first, bytes, 2000);
    assert_body(&w.server, second, bytes, 2000);
    free(bytes);
    wire_fini(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sizes_and_steps),
        cmocka_unit_test(test_heads),
        cmocka_unit_test(test_interleaving),
        cmocka_unit_test(test_whole),
        cmocka_unit_test(test_whole_too_late_and_ignore),
        cmocka_unit_test(test_abort_anywhere),
        cmocka_unit_test(test_end_of_the_session),
        cmocka_unit_test(test_memory_is_bounded),
        cmocka_unit_test(test_full_and_writable),
        cmocka_unit_test(test_small_queues),
        cmocka_unit_test(test_hold),
        cmocka_unit_test(test_parked_in_the_middle),
        cmocka_unit_test(test_conversation),
    };
    /* What lies in frames; records have tests of their own. */
    const struct CMUnitTest frames[] = {
        cmocka_unit_test(test_every_cut),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);

    return wire_is_secure() ? failed : failed + cmocka_run_group_tests(frames, NULL, NULL);
}
