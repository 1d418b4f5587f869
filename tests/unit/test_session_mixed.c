/* A body beside messages that its sender's application queues as fast as it may: neither waits for
 * ever. Time is virtual. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <base.h>

#include "support/session_talk.h"

typedef struct mixed {
    wire *w;
    uint64_t serial, left;
    size_t said;
    uint64_t body_bytes;
} mixed;

static void write_body(mixed *m)
{
    static const uint8_t bytes[4096];
    size_t taken = 0;

    while (m->left > 0) {
        size_t n = m->left < sizeof bytes ? (size_t)m->left : sizeof bytes;
        np_err err = np_session_body_write(&m->w->client.s, m->serial, bytes, n, &taken);
        m->left -= taken;
        if (err != NP_OK || taken < n) {
            return;
        }
    }
}

static void say_much(mixed *m)
{
    static const uint8_t bytes[1000];

    while (talk_say(&m->w->client.s, bytes, sizeof bytes) == NP_OK) {
        m->said++;
    }
}

static void on_client_event(wire_end *end, const np_session_event *event)
{
    mixed *m = end->app;

    if (event->kind == NP_SESSION_EVENT_WRITABLE) {
        write_body(m); /* the body goes first whenever one may write */
        say_much(m);
    }
}

static void on_server_event(wire_end *end, const np_session_event *event)
{
    mixed *m = end->app;

    if (event->kind == NP_SESSION_EVENT_BODY_DATA) {
        m->body_bytes += event->len;
    }
}

/* A client sends a body, and messages as fast as they are taken, 1 MB a second; whenever it is told
 * WRITABLE the body comes first. The server reads all the time. */
static void test_a_body_beside_messages(void **state)
{
    const base_data data = {.name = np_str_from("file")};
    mixed m = {.left = 10u << 20};
    wire w;

    (void)state;
    wire_init(&w);
    m.w = &w;
    w.client.options.stall_ms = w.server.options.stall_ms = 30000;
    wire_open(&w);
    w.client.app = w.server.app = &m;
    w.client.on_event = on_client_event;
    w.server.on_event = on_server_event;
    assert_int_equal(np_session_body_begin(&w.client.s, &base_protocol.messages[BASE_DATA_ID],
                                           &data, m.left, &m.serial, NULL),
                     NP_OK);
    write_body(&m);
    say_much(&m);
    for (int i = 0; i < 60000 / 10; i++) {
        w.write_max = 10000;
        wire_write(&w, &w.client);
        (void)wire_read(&w, &w.server);
        wire_drain(&w, &w.client);
        np_session_park(&w.client.s);
        w.now.mono_ms += 10;
        np_session_tick(&w.client.s, w.now);
        np_session_tick(&w.server.s, w.now);
        if (!np_session_is_open(&w.server.s)) {
            break;
        }
    }
    assert_in_range(m.body_bytes, 500000, 10u << 20);
    assert_true(np_session_is_open(&w.server.s));
    wire_fini(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_body_beside_messages),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
