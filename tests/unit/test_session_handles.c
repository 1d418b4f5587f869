/* Handles of requests that outlive them: random programs of a peer that uses ids again and cancels,
 * and of an application that answers late, twice or never, against a model of what each handle is
 * worth. The peer is bytes written by hand, so it keeps to no order of ids. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <base.h>

#include "core/framing.h"
#include "support/session_talk.h"

#define HANDLES_MAX 4000u
#define SERVE_MAX 24u
#define CANCELED_MS 30000u

/* What somebody has kept of a request, and what the model knows of it. */
typedef struct handle {
    np_call_key key;
    enum { GONE, WAITS, CANCELED } state;
    uint64_t canceled_ms;
    void *user;
} handle;

typedef struct program {
    wire w;
    wire_end *served; /* the side whose application the handles are given to */
    wire_end *peer;   /* where its bytes go */
    uint32_t seed;
    uint32_t parity;
    handle handles[HANDLES_MAX];
    size_t count;
    size_t answers; /* that must have gone out since they were looked at */
    uint32_t answer_streams[8];
    const np_message *answer_messages[8];
} program;

static uint32_t draw(program *p, uint32_t below)
{
    p->seed = p->seed * 1664525u + 1013904223u;
    return (p->seed >> 8) % below;
}

static void inject(program *p, uint8_t kind, uint32_t stream, const void *body, size_t len)
{
    np_framing_head head = np_framing_make(kind, stream, len, false);
    uint8_t frame[64];
    uint8_t *end = np_put_raw(np_framing_put(frame, &head), body, len);

    wire_inject(p->served, frame, (size_t)(end - frame));
    wire_read(&p->w, p->served);
}

static size_t in_table(const program *p)
{
    size_t count = 0;

    for (size_t i = 0; i < p->count; i++) {
        count += p->handles[i].state != GONE;
    }
    return count;
}

static handle *waiting_on(program *p, uint32_t stream)
{
    for (size_t i = 0; i < p->count; i++) {
        if (p->handles[i].state == WAITS && p->handles[i].key.stream == stream) {
            return &p->handles[i];
        }
    }
    return NULL;
}

static void must_answer(program *p, uint32_t stream, const np_message *message)
{
    p->answer_streams[p->answers] = stream;
    p->answer_messages[p->answers] = message;
    p->answers++;
}

/* A request on a stream that is free: it becomes an event, or is refused as busy. */
static void ask(program *p, uint32_t stream)
{
    const np_message *message = draw(p, 2) == 0 ? demo_message_find : demo_message_count;
    size_t before = in_table(p);
    uint8_t body[8];

    np_put_u32(np_put_u32(body, message->id), 7);
    inject(p, NP_FRAMING_REQUEST, stream, body, sizeof body);
    if (before == SERVE_MAX) {
        assert_null(wire_next(p->served));
        must_answer(p, stream, NULL);
        return;
    }
    const wire_event *event = wire_expect(p->served, NP_SESSION_EVENT_REQUEST);
    assert_ptr_equal(event->event.message, message);
    assert_null(event->event.user);
    p->handles[p->count++] = (handle){.key = np_session_event_call(&event->event), .state = WAITS};
}

static void cancel(program *p, uint32_t stream)
{
    handle *h = waiting_on(p, stream);

    inject(p, NP_FRAMING_CANCEL, stream, NULL, 0);
    if (h == NULL) {
        assert_null(wire_next(p->served));
        return;
    }
    const wire_event *event = wire_expect(p->served, NP_SESSION_EVENT_CANCEL);
    np_call_key key = np_session_event_call(&event->event);
    assert_memory_equal(&key, &h->key, sizeof key);
    assert_ptr_equal(event->event.user, h->user);
    h->state = CANCELED;
    h->canceled_ms = p->w.now.mono_ms;
}

/* The application does something with a handle that it has kept, whatever became of it. */
static void use(program *p, handle *h)
{
    np_session *s = &p->served->s;
    uint8_t bytes[3] = {1, 2, 3};
    demo_say say = {{bytes, sizeof bytes}};
    demo_find number = {5};
    np_fault fault = {.err = NP_OK};
    np_err err = NP_OK;

    assert_int_equal(np_session_serving(s, h->key), h->state == WAITS);
    assert_ptr_equal(np_session_call_user(s, h->key), h->state != GONE ? h->user : NULL);
    switch (draw(p, 4)) {
    case 0:
        np_session_call_set_user(s, h->key, h);
        h->user = h->state != GONE ? h : NULL;
        return;
    case 1:
        np_session_drop(s, h->key);
        h->state = GONE;
        return;
    case 2:
        err = np_session_refuse(s, h->key, BASE_REASON_REFUSED, 1, np_str_from("no"));
        break;
    default:
        err = np_session_reply(s, h->key,
                               h->key.message == demo_message_find ? (void *)&say : (void *)&number,
                               &fault);
        if (err == NP_ERR_CLOSED) {
            assert_string_equal(fault.where, h->key.message->name);
            assert_non_null(fault.rule);
            assert_int_equal(strstr(fault.rule, "canceled it") != NULL, h->state == CANCELED);
        } else {
            must_answer(p, h->key.stream, h->key.message);
        }
        assert_int_equal(err, h->state == WAITS ? NP_OK : NP_ERR_CLOSED);
        h->state = GONE;
        return;
    }
    if (err == NP_OK) {
        must_answer(p, h->key.stream, NULL);
    }
    assert_int_equal(err, h->state == WAITS ? NP_OK : NP_ERR_CLOSED);
    h->state = GONE;
}

/* What went out is the answers that the model knows of, in their order, and nothing else. */
static void look_at_output(program *p)
{
    const np_framing_rules rules = {.payload_max = 1000, .compressions = 1};
    size_t at = 0;

    wire_write(&p->w, p->served);
    for (size_t i = 0; i < p->answers; i++) {
        np_framing_head head = {.head_len = 0};
        np_fault fault;
        size_t need = 0;
        bool done = false;
        const uint8_t *frame = p->peer->bytes + at;

        assert_int_equal(
            np_framing_read(&head, frame, p->peer->byte_count - at, &rules, &done, &need, &fault),
            NP_OK);
        assert_true(done);
        assert_int_equal(head.stream, p->answer_streams[i]);
        if (p->answer_messages[i] == NULL) {
            assert_int_equal(head.kind, NP_FRAMING_ERROR);
        } else {
            bool find = p->answer_messages[i] == demo_message_find;
            assert_int_equal(head.kind, NP_FRAMING_RESPONSE);
            assert_int_equal(np_get_u32(frame + head.head_len), p->answer_messages[i]->id);
            assert_int_equal(head.body_len, find ? 4 + 8 + 3 : 4 + 4);
        }
        at += head.head_len + head.body_len;
    }
    assert_int_equal(at, p->peer->byte_count);
    p->peer->byte_count = 0;
    p->answers = 0;
}

static void let_time_pass(program *p, uint64_t ms)
{
    p->w.now.mono_ms += ms;
    np_session_tick(&p->served->s, p->w.now);
    wire_drain(&p->w, p->served);
    for (size_t i = 0; i < p->count; i++) {
        handle *h = &p->handles[i];
        if (h->state == CANCELED && p->w.now.mono_ms - h->canceled_ms >= CANCELED_MS) {
            h->state = GONE;
        }
    }
}

static program *start(bool client, uint32_t serve_max)
{
    program *p = calloc(1, sizeof *p);

    assert_non_null(p);
    wire_init(&p->w);
    p->served = client ? &p->w.client : &p->w.server;
    p->peer = client ? &p->w.server : &p->w.client;
    p->parity = client ? 0 : 1;
    p->served->options.serve_max = serve_max;
    wire_open(&p->w);
    return p;
}

static void stop(program *p)
{
    wire_fini(&p->w);
    free(p);
}

static void run(uint32_t seed, bool client)
{
    program *p = start(client, SERVE_MAX);
    size_t full = 0;

    p->seed = seed;
    while (p->count < HANDLES_MAX) {
        uint32_t stream = 2 * (1 + draw(p, 12)) + p->parity;

        if (draw(p, 3) != 0 && waiting_on(p, stream) == NULL) {
            ask(p, stream);
        } else if (draw(p, 3) == 0) {
            cancel(p, stream);
        }
        if (p->count > 0 && draw(p, 2) == 0) {
            /* Mostly one of the last; any sometimes. */
            size_t back = draw(p, draw(p, 4) == 0 ? (uint32_t)p->count : 30);
            use(p, &p->handles[p->count - 1 - back % p->count]);
        }
        if (draw(p, 8) == 0) {
            let_time_pass(p, draw(p, 9000));
        }
        full += in_table(p) == SERVE_MAX;
        assert_int_equal(np_calls_count(p->served->s.calls, p->parity), in_table(p));
        look_at_output(p);
    }
    assert_true(full > 0);
    assert_true(np_session_is_open(&p->served->s));
    stop(p);
}

static void test_random_programs(void **state)
{
    (void)state;
    for (uint32_t seed = 1; seed <= 6; seed++) {
        run(seed, seed % 2 == 0);
    }
}

/* The session has ended by that error of the peer's, after calls of its own. */
static void expect_fault(program *p, np_err err, const char *where)
{
    const wire_event *event = NULL;

    assert_false(np_session_is_open(&p->served->s));
    wire_write(&p->w, p->served);
    np_session_recv_end(&p->served->s, p->w.now);
    wire_drain(&p->w, p->served);
    do {
        event = wire_next(p->served);
        assert_non_null(event);
    } while (event->event.kind == NP_SESSION_EVENT_FAILURE);
    assert_int_equal(event->event.kind, NP_SESSION_EVENT_CLOSED);
    assert_int_equal(event->event.err, err);
    assert_int_equal(event->event.stage, NP_SESSION_STAGE_FRAME);
    assert_string_equal(event->fault.where, where);
}

static np_call_key ask_count(program *p, uint32_t stream)
{
    inject(p, NP_FRAMING_REQUEST, stream, "\x03\x01\0\0\x07\0\0\0", 8);
    return np_session_event_call(&wire_expect(p->served, NP_SESSION_EVENT_REQUEST)->event);
}

/* The attack that read a server's memory: its answer to Count, encoded as one to Find, would be a
 * pointer and a length. */
static void test_late_answer_meets_another_request(void **state)
{
    demo_find number = {5};
    program *p = start(false, SERVE_MAX);
    np_call_key first;
    np_call_key second;

    (void)state;
    first = ask_count(p, 1);
    inject(p, NP_FRAMING_CANCEL, 1, NULL, 0);
    wire_expect(p->served, NP_SESSION_EVENT_CANCEL);
    inject(p, NP_FRAMING_REQUEST, 1, "\x01\x01\0\0\x07\0\0\0", 8);
    second = np_session_event_call(&wire_expect(p->served, NP_SESSION_EVENT_REQUEST)->event);
    assert_ptr_equal(first.message, demo_message_count);
    assert_ptr_equal(second.message, demo_message_find);
    assert_int_equal(np_session_reply(&p->served->s, first, &number, NULL), NP_ERR_CLOSED);
    assert_true(np_session_serving(&p->served->s, second));
    /* Even if the serial numbers had come round, another message is another request. */
    first.serial = second.serial;
    assert_int_equal(np_session_reply(&p->served->s, first, &number, NULL), NP_ERR_CLOSED);
    assert_true(np_session_serving(&p->served->s, second));
    look_at_output(p);
    stop(p);
}

/* A request of the peer's is answered, and not canceled like one of ours, whatever number the
 * application takes for a stream. */
static void test_only_own_requests_are_canceled(void **state)
{
    demo_find number = {5};
    program *p = start(false, SERVE_MAX);
    np_call_key key;

    (void)state;
    key = ask_count(p, 1);
    np_session_cancel(&p->served->s, 1);
    look_at_output(p);
    assert_true(np_session_serving(&p->served->s, key));
    assert_int_equal(np_session_reply(&p->served->s, key, &number, NULL), NP_OK);
    must_answer(p, 1, key.message);
    look_at_output(p);
    stop(p);
}

/* Behind our goodbye nothing is said: no answer, and no cancel of a call that waits. */
static void test_handles_when_closing(void **state)
{
    demo_find number = {5};
    np_fault fault = {.err = NP_OK};
    np_call_key key;
    uint32_t own = 0;
    size_t queued = 0;
    program *p = start(false, SERVE_MAX);
    np_session *s = &p->served->s;

    (void)state;
    key = ask_count(p, 1);
    np_session_call_set_user(s, key, p);
    own = talk_ask(s, NP_TIME_NEVER, NULL);
    np_session_close(s, NP_SESSION_NO_REASON, np_str_from(""), p->w.now);
    queued = np_session_queued(s);
    assert_false(np_session_serving(s, key));
    assert_null(np_session_call_user(s, key));
    assert_int_equal(np_session_reply(s, key, &number, &fault), NP_ERR_CLOSED);
    assert_string_equal(fault.rule, "the connection is closing");
    assert_int_equal(np_session_refuse(s, key, BASE_REASON_REFUSED, 0, np_str_from("")),
                     NP_ERR_CLOSED);
    np_session_drop(s, key);
    np_session_cancel(s, own);
    assert_int_equal(np_session_queued(s), queued);
    stop(p);
}

/* Cancels without end ----------------------------------------------------------------------- */

/* A request and its cancel, of which the application lets go at once. */
static void ask_and_cancel(program *p)
{
    np_call_key key = ask_count(p, 1);

    inject(p, NP_FRAMING_CANCEL, 1, NULL, 0);
    if (np_session_is_open(&p->served->s)) {
        wire_expect(p->served, NP_SESSION_EVENT_CANCEL);
        np_session_drop(&p->served->s, key);
    }
}

static void ask_and_answer(program *p)
{
    demo_find number = {5};

    assert_int_equal(np_session_reply(&p->served->s, ask_count(p, 1), &number, NULL), NP_OK);
    wire_write(&p->w, p->served);
    p->peer->byte_count = 0;
}

static void test_budget_of_cancels(void **state)
{
    program *p = start(false, SERVE_MAX);

    (void)state;
    for (size_t i = 0; i < NP_CANCELS_TAKEN_MAX; i++) {
        ask_and_cancel(p);
    }
    /* One for each answer; answers alone are not counted. */
    for (int i = 0; i < 20; i++) {
        ask_and_answer(p);
    }
    for (int i = 0; i < 20; i++) {
        ask_and_cancel(p);
    }
    let_time_pass(p, 1000);
    for (int i = 0; i < 100; i++) {
        ask_and_cancel(p);
    }
    /* The next one waits until there is a token, and what stands behind it with it. */
    (void)ask_count(p, 1);
    inject(p, NP_FRAMING_CANCEL, 1, NULL, 0);
    inject(p, NP_FRAMING_REQUEST, 1, "\x03\x01\0\0\x07\0\0\0", 8);
    assert_null(wire_next(p->served));
    assert_false(np_session_pending(&p->served->s));
    assert_int_equal(np_session_deadline(&p->served->s), p->w.now.mono_ms + 10);
    let_time_pass(p, 9);
    assert_false(np_session_pending(&p->served->s));
    let_time_pass(p, 1);
    wire_expect(p->served, NP_SESSION_EVENT_CANCEL);
    np_session_park(&p->served->s);
    assert_true(wire_read(&p->w, p->served));
    wire_expect(p->served, NP_SESSION_EVENT_REQUEST);
    assert_true(np_session_is_open(&p->served->s));
    stop(p);
}

/* A body costs its sender something, so it may be given up as often as one likes, and whoever sends
 * such a cancel does not count it either. */
static void test_bodies_are_no_part_of_the_budget(void **state)
{
    uint8_t bytes[NP_FRAMING_HEAD_MAX + 1024] = {0};
    np_framing_head head = np_framing_make(NP_FRAMING_DATA, 3, 1024, true);
    program *p = start(false, SERVE_MAX);
    uint8_t *body = np_framing_put(bytes, &head);

    (void)state;
    np_put_u64(np_put_u64(np_put_u32(body, BASE_DATA_ID), 0), 5000);
    for (size_t i = 0; i < NP_CANCELS_TAKEN_MAX; i++) {
        if (i > 0) {
            ask_and_cancel(p);
        }
        if (i % 1000 == 0 || i == NP_CANCELS_TAKEN_MAX - 1) {
            wire_inject(p->served, bytes, head.head_len + 1024);
            wire_read(&p->w, p->served);
            wire_expect(p->served, NP_SESSION_EVENT_BODY_BEGIN);
            wire_expect(p->served, NP_SESSION_EVENT_BODY_DATA);
            inject(p, NP_FRAMING_CANCEL, 3, NULL, 0);
            wire_expect(p->served, NP_SESSION_EVENT_BODY_END);
        }
    }
    ask_and_cancel(p); /* the last token */
    stop(p);
}

/* Of the events that were not looked at yet. */
static size_t count_cancels(wire_end *end)
{
    size_t count = 0;

    for (const wire_event *event = wire_next(end); event != NULL; event = wire_next(end)) {
        count += event->event.kind == NP_SESSION_EVENT_CANCEL;
    }
    return count;
}

/* This side's own cancels stay within what the peer takes, however many calls are given up. */
static void test_own_cancels(void **state)
{
    uint32_t stream = 0;
    wire w;

    (void)state;
    wire_init(&w);
    w.server.options.serve_max = 3 * NP_CANCELS_SENT_MAX;
    wire_open(&w);
    for (uint32_t i = 0; i < 2 * NP_CANCELS_SENT_MAX; i++) {
        stream = talk_ask(&w.client.s, NP_TIME_NEVER, NULL);
        np_session_cancel(&w.client.s, stream);
        wire_run(&w);
    }
    assert_int_equal(count_cancels(&w.server), NP_CANCELS_SENT_MAX);
    /* An answer or a failure to a call that was not given up is worth one more. */
    for (int i = 0; i < 2; i++) {
        demo_say answer = talk_value("x", 1);
        np_call_key key;
        stream = talk_ask(&w.client.s, NP_TIME_NEVER, NULL);
        wire_run(&w);
        key = talk_call(&w.server.s, stream);
        assert_int_equal(
            i == 0 ? np_session_refuse(&w.server.s, key, BASE_REASON_REFUSED, 0, np_str_from(""))
                   : np_session_reply(&w.server.s, key, &answer, NULL),
            NP_OK);
        wire_run(&w);
        np_session_cancel(&w.client.s, talk_ask(&w.client.s, NP_TIME_NEVER, NULL));
        np_session_cancel(&w.client.s, talk_ask(&w.client.s, NP_TIME_NEVER, NULL));
        wire_run(&w);
        assert_int_equal(count_cancels(&w.server), 1);
    }
    /* What was refused before anybody worked on it is worth none. */
    for (int i = 0; i < 2; i++) {
        stream = talk_ask(&w.client.s, NP_TIME_NEVER, NULL);
        wire_run(&w);
        assert_int_equal(np_session_refuse(&w.server.s, talk_call(&w.server.s, stream),
                                           i == 0 ? BASE_REASON_BUSY : BASE_REASON_UNKNOWN_MESSAGE,
                                           0, np_str_from("")),
                         NP_OK);
        wire_run(&w);
        np_session_cancel(&w.client.s, talk_ask(&w.client.s, NP_TIME_NEVER, NULL));
        wire_run(&w);
        assert_int_equal(count_cancels(&w.server), 0);
    }
    wire_fini(&w);
}

/* A cancel that finds no room stays unsaid: it costs nothing of the budget, and nobody waits for
 * room because of it. */
static void test_own_cancels_without_room(void **state)
{
    uint8_t *bytes = wire_pattern(9000, 3);
    uint32_t streams[NP_CANCELS_SENT_MAX];
    wire w;

    (void)state;
    wire_init(&w);
    w.client.options.calls_max = NP_CANCELS_SENT_MAX + 1;
    w.server.options.serve_max = NP_CANCELS_SENT_MAX + 1;
    wire_open(&w);
    for (size_t i = 0; i < NP_CANCELS_SENT_MAX; i++) {
        streams[i] = talk_ask(&w.client.s, NP_TIME_NEVER, NULL);
    }
    wire_run(&w);
    w.client.options.queue_max = 8000;
    assert_int_equal(talk_say(&w.client.s, bytes, 9000), NP_OK);
    for (size_t i = 0; i < NP_CANCELS_SENT_MAX; i++) {
        np_session_cancel(&w.client.s, streams[i]);
    }
    wire_run(&w);
    assert_int_equal(count_cancels(&w.server), 0);
    assert_null(wire_next(&w.client)); /* no WRITABLE */
    np_session_cancel(&w.client.s, talk_ask(&w.client.s, NP_TIME_NEVER, NULL));
    wire_run(&w);
    assert_int_equal(count_cancels(&w.server), 1);
    free(bytes);
    wire_fini(&w);
}

/* Ids ---------------------------------------------------------------------------------------- */

/* An answer, or a failure, on a stream that was never opened: whatever the id. */
static void test_answers_never_asked_for(void **state)
{
    static const uint32_t late[] = {7, 9, 0x7fffffff, 0x80000001, 0x80000003, 0xffffffff};
    static const uint8_t failure[] = {3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0};

    (void)state;
    for (size_t i = 0; i < 2 * sizeof late / sizeof late[0]; i++) {
        program *p = start(true, SERVE_MAX);
        uint32_t stream = late[i / 2];

        for (int j = 0; j < 3; j++) {
            (void)talk_ask(&p->served->s, NP_TIME_NEVER, NULL); /* streams 1, 3 and 5 */
        }
        if (i % 2 == 0) {
            inject(p, NP_FRAMING_RESPONSE, stream, "\x01\x01\0\0\0\0\0\0\0\0\0\0", 12);
        } else {
            inject(p, NP_FRAMING_ERROR, stream, failure, sizeof failure);
        }
        expect_fault(p, NP_ERR_STREAM, "base.stream_header.stream");
        stop(p);
    }
    /* Once they have gone round, all have been asked on; also when their count has come round. */
    for (uint32_t round = 0; round < 2; round++) {
        program *p = start(true, SERVE_MAX);
        p->served->s.opened = round == 0 ? 0x7fffffff : 0xffffffff;
        (void)talk_ask(&p->served->s, NP_TIME_NEVER, NULL);
        for (size_t i = 0; i < sizeof late / sizeof late[0]; i++) {
            if (late[i] != 0xffffffff) {
                inject(p, NP_FRAMING_ERROR, late[i], failure, sizeof failure);
            }
        }
        assert_null(wire_next(p->served));
        assert_true(np_session_is_open(&p->served->s));
        stop(p);
    }
}

/* The answer to another request than was asked on that stream. */
static void test_answer_of_another_request(void **state)
{
    program *p = start(true, SERVE_MAX);

    (void)state;
    (void)talk_ask(&p->served->s, NP_TIME_NEVER, NULL);
    inject(p, NP_FRAMING_RESPONSE, 1, "\x03\x01\0\0\x07\0\0\0", 8);
    expect_fault(p, NP_ERR_STREAM, "demo.Find");
    stop(p);
}

/* Our ids go up on the wire, also where a body was begun before a request was said. */
static void test_ids_ascend(void **state)
{
    const np_message *data = np_protocol_message(&base_protocol, BASE_DATA_ID);
    base_data head = {.name = {NULL, 0}};
    static const uint8_t bytes[3000];
    uint64_t body = 0;
    size_t taken = 0;
    program *p = start(true, SERVE_MAX);

    (void)state;
    assert_int_equal(np_session_body_begin(&p->served->s, data, &head, sizeof bytes, &body, NULL),
                     NP_OK);
    assert_int_equal(talk_ask(&p->served->s, NP_TIME_NEVER, NULL), 1);
    assert_int_equal(np_session_body_write(&p->served->s, body, bytes, sizeof bytes, &taken),
                     NP_OK);
    assert_int_equal(np_bodies_find_serial(p->served->s.bodies, body)->stream, 3);
    assert_int_equal(talk_ask(&p->served->s, NP_TIME_NEVER, NULL), 5);
    assert_int_equal(np_session_body_end(&p->served->s, body), NP_OK);
    assert_int_equal(np_session_body_end(&p->served->s, body), NP_ERR_CLOSED);
    /* One that is given up before it was seen takes no id. */
    assert_int_equal(np_session_body_begin(&p->served->s, data, &head, sizeof bytes, &body, NULL),
                     NP_OK);
    np_session_body_abort(&p->served->s, body);
    assert_int_equal(talk_ask(&p->served->s, NP_TIME_NEVER, NULL), 7);
    stop(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_programs),
        cmocka_unit_test(test_late_answer_meets_another_request),
        cmocka_unit_test(test_only_own_requests_are_canceled),
        cmocka_unit_test(test_handles_when_closing),
        cmocka_unit_test(test_budget_of_cancels),
        cmocka_unit_test(test_bodies_are_no_part_of_the_budget),
        cmocka_unit_test(test_own_cancels),
        cmocka_unit_test(test_own_cancels_without_room),
        cmocka_unit_test(test_answers_never_asked_for),
        cmocka_unit_test(test_answer_of_another_request),
        cmocka_unit_test(test_ids_ascend),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
