/* Two sessions that say at random what their conversation lets them say, with requests that move it
 * on both sides, and hear each other at random times: neither may ever refuse what the other one
 * was allowed to say, and when all has been heard and answered both are in the same place. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/session_door.h"

#define ROUNDS 3000
#define STEPS 300
#define OPEN_MAX 64

typedef struct side {
    np_call_key open[OPEN_MAX]; /* requests of the other side's that wait for us */
    size_t open_count;
    uint32_t asked[OPEN_MAX]; /* streams of ours */
    size_t asked_count;
    uint64_t body; /* 0: none */
    size_t told;   /* requests of ours that have had their event */
    size_t sent;
} side;

typedef struct play {
    wire w;
    uint64_t seed;
    side client;
    side server;
    size_t held; /* sends that had to wait for an answer */
} play;

static play *playing; /* for the hook */

static uint32_t draw(play *p, uint32_t below)
{
    p->seed = p->seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)((p->seed >> 33) % below);
}

static side *side_of(play *p, const wire_end *end)
{
    return end == &p->w.client ? &p->client : &p->server;
}

static void on_event(wire_end *end, const np_session_event *event)
{
    side *self = side_of(playing, end);

    if (event->kind == NP_SESSION_EVENT_REQUEST) {
        assert_true(self->open_count < OPEN_MAX);
        self->open[self->open_count++] = np_session_event_call(event);
    } else if (event->kind == NP_SESSION_EVENT_CANCEL) {
        assert_ptr_equal(event->message, door_message("Find")); /* no other one is ever canceled */
    } else if (event->kind == NP_SESSION_EVENT_RESPONSE ||
               event->kind == NP_SESSION_EVENT_FAILURE) {
        self->told++;
    }
    if (event->kind == NP_SESSION_EVENT_CLOSED) {
        print_error("%s: %s %s\n", end == &playing->w.client ? "client" : "server",
                    event->fault != NULL ? event->fault->where : "",
                    event->fault != NULL && event->fault->rule != NULL ? event->fault->rule : "");
    }
    assert_int_not_equal(event->kind, NP_SESSION_EVENT_CLOSED);
}

static void judge_send(play *p, np_err err)
{
    p->held += err == NP_ERR_UNEXPECTED;
    assert_true(err == NP_OK || err == NP_ERR_UNEXPECTED || err == NP_ERR_FULL);
}

static void tell(play *p, wire_end *end)
{
    static const char *const names[] = {"Say", "Tell", "Hint", "Quit", "Bye"};
    const char *name = names[draw(p, 5)];

    if ((name[0] != 'Q' && name[0] != 'B') || draw(p, 25) == 0) {
        judge_send(p, door_tell(end, name, NULL));
    }
}

static void ask(play *p, wire_end *end)
{
    static const char *const names[] = {"Enter", "Prove", "Find"};
    side *self = side_of(p, end);
    uint64_t deadline = draw(p, 2) == 0 ? NP_TIME_NEVER : p->w.now.mono_ms + draw(p, 20);
    uint32_t stream = 0;

    if (self->asked_count == OPEN_MAX) {
        return;
    }
    np_err err = door_ask(end, names[draw(p, 3)], deadline, &stream, NULL);
    judge_send(p, err);
    if (err == NP_OK) {
        self->asked[self->asked_count++] = stream;
        self->sent++;
    }
}

static void give_up(play *p, wire_end *end)
{
    side *self = side_of(p, end);

    if (self->asked_count > 0) {
        np_session_cancel(&end->s, self->asked[draw(p, (uint32_t)self->asked_count)]);
    }
}

static void answer(play *p, wire_end *end)
{
    side *self = side_of(p, end);

    if (self->open_count > 0) {
        size_t i = draw(p, (uint32_t)self->open_count);
        uint32_t how = draw(p, 5);
        np_err err = NP_OK;
        if (how == 0) {
            np_session_drop(&end->s, self->open[i]);
        } else {
            err = door_answer(end, self->open[i], how > 2);
        }
        assert_true(err == NP_OK || err == NP_ERR_FULL || err == NP_ERR_CLOSED);
        if (err != NP_ERR_FULL) {
            self->open[i] = self->open[--self->open_count];
        }
    }
}

static void bring(play *p, wire_end *end)
{
    static const uint8_t bytes[1500];
    const gate_upload upload = {.name = {"photo", 5}};
    side *self = side_of(p, end);
    size_t taken = 0;
    np_err err = NP_OK;

    if (self->body == 0) {
        err = np_session_body_begin(&end->s, door_message("Upload"), &upload, 3000, &self->body,
                                    NULL);
        judge_send(p, err);
        self->body = err == NP_OK ? self->body : 0;
        return;
    }
    err = np_session_body_write(&end->s, self->body, bytes, 1 + draw(p, 1500), &taken);
    if (err == NP_ERR_TOO_LONG) {
        err = np_session_body_write(&end->s, self->body, bytes, 1, &taken);
    }
    if (err == NP_ERR_TOO_LONG) {
        err = np_session_body_end(&end->s, self->body);
        self->body = err == NP_OK ? 0 : self->body;
    }
    judge_send(p, err);
}

static void pass_time(play *p)
{
    p->w.now.mono_ms +=
        draw(p, 30) == 0 ? 1000 : 1 + draw(p, 5); /* the longer: see session_pace.c */
    np_session_tick(&p->w.client.s, p->w.now);
    np_session_tick(&p->w.server.s, p->w.now);
    wire_drain(&p->w, &p->w.client);
    wire_drain(&p->w, &p->w.server);
    np_session_park(&p->w.client.s);
    np_session_park(&p->w.server.s);
}

static void step(play *p)
{
    wire_end *end = draw(p, 2) == 0 ? &p->w.client : &p->w.server;

    switch (draw(p, 12)) {
    case 0:
    case 1:
        tell(p, end);
        break;
    case 2:
    case 3:
        ask(p, end);
        break;
    case 4:
        give_up(p, end);
        break;
    case 5:
        answer(p, end);
        break;
    case 6:
        bring(p, end);
        break;
    case 7:
    case 8:
        p->w.write_max = draw(p, 2) == 0 ? 1 + draw(p, 60) : 0; /* what the kernel takes */
        wire_write(&p->w, end);
        break;
    case 9:
    case 10:
        (void)wire_read(&p->w, end);
        break;
    default:
        pass_time(p);
        break;
    }
}

static size_t cut(void *user, size_t n)
{
    (void)n;
    return draw(user, 4) == 0 ? 1 + draw(user, 200) : 0;
}

/* Everything is heard, then everything is answered, and heard. */
static void settle(play *p)
{
    p->w.write_max = 0;
    for (;;) {
        wire_run(&p->w);
        if (p->client.open_count + p->server.open_count == 0) {
            return;
        }
        answer(p, &p->w.client);
        answer(p, &p->w.server);
    }
}

static bool waits(const wire_end *end, int role)
{
    return np_conversation_place_at(end->options.conversation, end->s.conversation_place)
               ->waiting[role] != 0;
}

static size_t run_play(uint64_t seed)
{
    play *p = calloc(1, sizeof *p);
    size_t held = 0;

    assert_non_null(p);
    playing = p;
    p->seed = seed;
    door_init(&p->w);
    p->w.client.on_event = on_event;
    p->w.server.on_event = on_event;
    if (draw(p, 2) == 0) {
        size_t queue_max = draw(p, 2) == 0 ? 2048 : 256; /* the second is often half full */
        p->w.client.options.queue_max = queue_max;
        p->w.server.options.queue_max = queue_max;
    }
    p->w.server.options.serve_max = 1 + draw(p, 4); /* so that some are refused as busy */
    wire_open(&p->w);
    p->w.cut = cut;
    p->w.user = p;
    for (size_t i = 0; i < STEPS; i++) {
        step(p);
    }
    settle(p);
    assert_int_equal(p->w.client.s.conversation_place, p->w.server.s.conversation_place);
    assert_false(waits(&p->w.client, 0));
    assert_false(waits(&p->w.client, 1));
    assert_true(p->client.told <= p->client.sent && p->server.told <= p->server.sent);
    held = p->held;
    playing = NULL;
    wire_fini(&p->w);
    free(p);
    return held;
}

static void test_random_schedules(void **state)
{
    const char *given = getenv("TEST_SEED");
    size_t held = 0;

    (void)state;
    if (given != NULL) {
        (void)run_play(strtoull(given, NULL, 10));
        return;
    }
    for (uint64_t seed = 1; seed <= ROUNDS; seed++) {
        held += run_play(seed);
    }
    assert_true(held > ROUNDS); /* else the waiting was not tried */
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_random_schedules)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
