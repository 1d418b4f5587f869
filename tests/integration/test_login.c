/* A login written as a request, through the public interface: the conversation goes on when it is
 * answered, and whoever is refused is not let in, in whatever way the refusal is made. */
#include "support/option_world.h"
#include "transport/loop_private.h"

#include <base.h>
#include <gate_service.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

typedef struct door {
    option_world w;
    gate_handlers handlers;
    enum { YES, NO, LATER, DROP, ERROR } mood; /* of the server */
    np_call call;                              /* LATER: it waits */
    bool asked, said, writable, done;
    np_err err; /* what the client's request came to */
} door;

static np_err on_enter(np_conn *conn, np_call call, const gate_enter *msg, void *user)
{
    door *d = user;
    gate_pass pass = {.name = msg->name};

    (void)conn;
    d->asked = true;
    d->call = call;
    switch (d->mood) {
    case YES:
        return gate_enter_reply(call, &pass, NULL);
    case NO:
        return np_call_fail(call, BASE_REASON_REFUSED, 1, np_str_from("not you"));
    case DROP:
        np_call_drop(call);
        return NP_OK;
    default:
        return NP_OK;
    }
}

static np_err on_say(np_conn *conn, const gate_say *msg, void *user)
{
    door *d = user;

    (void)conn;
    (void)msg;
    d->said = true;
    return NP_OK;
}

static void on_writable(np_conn *conn, void *user)
{
    door *d = np_container_of(user, door, w.user);

    (void)conn;
    d->writable = true;
}

static void on_entered(np_conn *conn, np_err err, const gate_pass *answer, void *user,
                       const np_fault *fault)
{
    door *d = user;

    (void)conn;
    (void)answer;
    (void)fault;
    d->err = err;
    d->done = true;
}

static void open_door(door *d, bool with_handler)
{
    memset(d, 0, sizeof *d);
    d->handlers =
        (gate_handlers){.on_enter = with_handler ? on_enter : NULL, .on_say = on_say, .user = d};
    option_world_init(&d->w);
    d->w.daemon_options.service = gate_service(&d->handlers);
    d->w.client_options.service = gate_service(NULL);
    d->w.client_options.handlers.on_writable = on_writable;
    demo_must(option_world_connect(&d->w), &d->w.failure);
}

static np_err enter(door *d)
{
    const gate_enter msg = {.name = np_str_from("ann")};

    d->done = false;
    demo_must(gate_enter_call(np_client_conn(d->w.client), &msg, on_entered, d, NULL), NULL);
    demo_run(d->w.loop, &d->done);
    return d->err;
}

static np_err say(door *d)
{
    const gate_say msg = {.text = np_str_from("here I am")};

    return gate_say_send(np_client_conn(d->w.client), &msg, NULL);
}

static void expect_in(door *d)
{
    demo_must(say(d), NULL);
    demo_run(d->w.loop, &d->said);
    assert_false(d->w.server.closed);
}

static void test_refused(void **state)
{
    door d;

    (void)state;
    open_door(&d, true);
    d.mood = NO;
    assert_int_equal(enter(&d), NP_ERR_REFUSED);
    assert_int_equal(say(&d), NP_ERR_UNEXPECTED);
    assert_false(d.writable); /* nothing to wait for */
    d.mood = DROP;
    assert_int_equal(enter(&d), NP_ERR_FAILED);
    assert_int_equal(say(&d), NP_ERR_UNEXPECTED);
    d.mood = YES; /* the connection is as good as before */
    assert_int_equal(enter(&d), NP_OK);
    expect_in(&d);
    option_world_fini(&d.w);
}

/* A client that says what it likes: the server's side of it. */
static void test_who_is_refused_does_not_come_in(void **state)
{
    door d;

    (void)state;
    memset(&d, 0, sizeof d);
    d.handlers = (gate_handlers){.on_enter = on_enter, .on_say = on_say, .user = &d};
    d.mood = NO;
    option_world_init(&d.w);
    d.w.daemon_options.service = gate_service(&d.handlers);
    d.w.client_options.service = gate_service(NULL);
    d.w.client_options.conn.any_order = true;
    demo_must(option_world_connect(&d.w), &d.w.failure);
    assert_int_equal(enter(&d), NP_ERR_REFUSED);
    demo_must(say(&d), NULL);
    demo_run(d.w.loop, &d.w.server.closed);
    assert_false(d.said);
    assert_int_equal(d.w.server.failure.err, NP_ERR_UNEXPECTED);
    option_world_fini(&d.w);
}

static void test_nobody_serves_it(void **state)
{
    door d;

    (void)state;
    open_door(&d, false);
    assert_int_equal(enter(&d), NP_ERR_FAILED);
    assert_int_equal(say(&d), NP_ERR_UNEXPECTED);
    assert_false(d.w.server.closed);
    option_world_fini(&d.w);
}

/* The caller hears of its deadline at once; the answer counts when it comes. */
static void test_answered_late(void **state)
{
    const gate_pass pass = {.name = np_str_from("ann")};
    np_fault fault = {.err = NP_OK};
    const gate_enter again = {.name = np_str_from("bob")};
    char text[200];
    door d;

    (void)state;
    open_door(&d, true);
    d.mood = LATER;
    assert_int_equal(enter(&d), NP_ERR_DEADLINE);
    assert_true(np_call_alive(d.call));
    assert_int_equal(say(&d), NP_ERR_UNEXPECTED);
    assert_int_equal(gate_enter_call(np_client_conn(d.w.client), &again, on_entered, &d, &fault),
                     NP_ERR_UNEXPECTED);
    assert_string_equal(np_fault_format(&fault, text, sizeof text),
                        "gate.Enter is not allowed from the client in state outside until Enter is "
                        "answered; allowed: Find, Hint, Quit");
    d.done = false;
    demo_must(gate_enter_reply(d.call, &pass, NULL), NULL);
    demo_run(d.w.loop, &d.writable);
    assert_false(d.done); /* nobody hears it twice */
    expect_in(&d);
    option_world_fini(&d.w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_who_is_refused_does_not_come_in),
        cmocka_unit_test(test_nobody_serves_it),
        cmocka_unit_test(test_answered_late),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
