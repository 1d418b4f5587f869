/* Threads: posts to a loop that is busy, stops or ends, and two loops that share a port. Built with
 * the thread sanitizer as well, which sees what a lucky run hides.
 *
 * What runs outside of the main thread counts, and the main thread asserts: cmocka's assertions
 * jump. */
#include "support/demo_service.h"

#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static void start(pthread_t *thread, void *(*fn)(void *), void *user)
{
    if (pthread_create(thread, NULL, fn, user) != 0) {
        abort();
    }
}

static void join(pthread_t thread)
{
    if (pthread_join(thread, NULL) != 0) {
        abort();
    }
}

/* Posts ------------------------------------------------------------------------------------ */

/* What one thread posts: numbers, which must arrive once each and in order. Everything but
 * `refused` and `posted` belongs to the loop's thread once a number is posted. */
typedef struct errand errand;

typedef struct sender {
    np_loop *loop;
    errand *errands;
    size_t count;
    size_t posted;  /* accepted */
    size_t refused; /* by a full ring */
    size_t ran;
    size_t out_of_order;
    bool patient;       /* tries again when the ring is full */
    atomic_bool *over;  /* stop posting */
    pthread_t *runs_on; /* the loop's thread */
    size_t elsewhere;   /* posts that ran on another */
} sender;

struct errand {
    sender *from;
    size_t number;
    uint64_t written; /* by the sender, before it posts */
};

static void on_errand(np_loop *loop, void *user)
{
    errand *e = user;
    sender *s = e->from;

    s->out_of_order += loop != s->loop || e->number != s->ran || e->written != e->number * 3;
    s->elsewhere += !pthread_equal(pthread_self(), *s->runs_on);
    s->ran++;
}

static void *send_errands(void *user)
{
    sender *s = user;

    while (s->posted < s->count && !atomic_load(s->over)) {
        errand *e = &s->errands[s->posted];
        *e = (errand){s, s->posted, s->posted * 3};
        if (np_loop_post(s->loop, on_errand, e) == NP_OK) {
            s->posted++;
        } else {
            s->refused++;
            if (!s->patient) {
                break;
            }
            (void)usleep(20);
        }
    }
    return NULL;
}

static sender make_sender(np_loop *loop, size_t count, atomic_bool *over, pthread_t *runs_on)
{
    errand *errands = calloc(count, sizeof *errands);

    if (errands == NULL) {
        abort();
    }
    return (sender){.loop = loop,
                    .errands = errands,
                    .count = count,
                    .patient = true,
                    .over = over,
                    .runs_on = runs_on};
}

/* Every post that was accepted has run, once, in order, on the loop's thread. */
static void check_sender(sender *s)
{
    assert_int_equal(s->ran, s->posted);
    assert_int_equal(s->out_of_order, 0);
    assert_int_equal(s->elsewhere, 0);
    free(s->errands);
}

static np_loop *new_loop(size_t post_max)
{
    np_loop_options options = np_loop_options_default();
    np_loop *loop = NULL;

    options.post_max = post_max;
    demo_must(np_loop_new(&loop, &options), NULL);
    return loop;
}

/* A full ring refuses, keeps what it has, and takes more once there is room. */
static void test_full_ring_loses_nothing(void **state)
{
    np_loop *loop = new_loop(64);
    pthread_t self = pthread_self();
    atomic_bool over = false;
    sender s = make_sender(loop, 200, &over, &self);
    pthread_t thread;

    (void)state;
    s.patient = false;
    for (int i = 1; i <= 3; i++) {
        start(&thread, send_errands, &s);
        join(thread);
        assert_int_equal(s.posted, 64 * i);
        assert_int_equal(s.refused, i);
        demo_rest(loop, 1);
        assert_int_equal(s.ran, 64 * i);
    }
    check_sender(&s);
    np_loop_free(loop);
}

typedef struct chatter {
    size_t echoes;
    bool opened;
} chatter;

static void on_client_open(np_conn *conn, void *user)
{
    demo_say say = {{(const uint8_t *)"again", 5}};

    ((chatter *)user)->opened = true;
    demo_must(np_conn_send(conn, demo_message_say, &say, NULL), NULL);
}

static np_err on_echo(np_conn *conn, const demo_say *msg, void *user)
{
    ((chatter *)user)->echoes++;
    return np_conn_send(conn, demo_message_say, msg, NULL);
}

enum { SENDERS = 4 };

static size_t ran_in_all(const sender *senders)
{
    size_t ran = 0;

    for (int i = 0; i < SENDERS; i++) {
        ran += senders[i].ran;
    }
    return ran;
}

/* Four threads post through a ring of eight to a loop whose connections talk all the time. */
static void test_posts_to_a_busy_loop(void **state)
{
    enum { EACH = 5000 };
    const char *addresses[] = {"tcp://127.0.0.1:0"};
    np_daemon_options options = demo_daemon_options(&demo_echo, addresses, 1);
    np_client_options client_options;
    chatter user = {0};
    const demo_handlers handlers = {on_echo, NULL, &user};
    np_loop *loop = new_loop(8);
    pthread_t self = pthread_self();
    np_daemon *daemon = NULL;
    np_client *client = NULL;
    atomic_bool over = false;
    sender senders[SENDERS];
    pthread_t threads[SENDERS];
    size_t refused = 0;

    (void)state;
    demo_must(np_daemon_start(&daemon, loop, &options, NULL), NULL);
    client_options = demo_client_options(&handlers, np_daemon_address(daemon, 0));
    client_options.handlers = (np_conn_handlers){.on_open = on_client_open, .user = &user};
    demo_must(np_client_new(&client, loop, &client_options, NULL), NULL);
    demo_must(np_client_connect(client), NULL);
    demo_run(loop, &user.opened);
    for (int i = 0; i < SENDERS; i++) {
        senders[i] = make_sender(loop, EACH, &over, &self);
        start(&threads[i], send_errands, &senders[i]);
    }
    for (int i = 0; i < 3000 && ran_in_all(senders) < (size_t)SENDERS * EACH; i++) {
        demo_rest(loop, 10);
    }
    atomic_store(&over, true);
    for (int i = 0; i < SENDERS; i++) {
        join(threads[i]);
        assert_int_equal(senders[i].posted, EACH);
        refused += senders[i].refused;
        check_sender(&senders[i]);
    }
    assert_true(refused > 0);
    assert_true(user.echoes > 0); /* the posts left the connections their turns */
    np_client_free(client);
    np_daemon_free(daemon);
    np_loop_free(loop);
}

static void stop_loop(np_loop *loop, void *user)
{
    (void)user;
    np_loop_stop(loop);
}

static void *run_loop(void *user)
{
    demo_must(np_loop_run(user), NULL);
    return NULL;
}

static void post_stop(np_loop *loop)
{
    while (np_loop_post(loop, stop_loop, NULL) != NP_OK) {
        (void)sched_yield();
    }
}

/* The loop stops while others post. What it had accepted runs when it runs again. */
static void test_posts_race_with_stop(void **state)
{
    enum { ROUNDS = 40, EACH = 20000 };

    (void)state;
    for (int round = 0; round < ROUNDS; round++) {
        np_loop *loop = new_loop(16);
        pthread_t runner;
        atomic_bool over = false;
        sender senders[2];
        pthread_t threads[2];

        start(&runner, run_loop, loop);
        for (int i = 0; i < 2; i++) {
            senders[i] = make_sender(loop, EACH, &over, &runner);
            start(&threads[i], send_errands, &senders[i]);
        }
        (void)usleep((useconds_t)(round * 50));
        post_stop(loop);
        join(runner);
        atomic_store(&over, true);
        for (int i = 0; i < 2; i++) {
            join(threads[i]);
        }
        /* From here on it runs in another thread, which the senders learned by being joined. */
        runner = pthread_self();
        demo_rest(loop, 1);
        for (int i = 0; i < 2; i++) {
            check_sender(&senders[i]);
        }
        np_loop_free(loop);
    }
}

static void *end_loop(void *user)
{
    post_stop(user);
    return NULL;
}

/* The loop may be freed as soon as the last post has run, though its poster has not returned. */
static void test_last_post_ends_the_loop(void **state)
{
    enum { ROUNDS = 500 };

    (void)state;
    for (int round = 0; round < ROUNDS; round++) {
        np_loop *loop = new_loop(4);
        pthread_t thread;

        start(&thread, end_loop, loop);
        assert_int_equal(np_loop_run(loop), NP_OK);
        np_loop_free(loop);
        join(thread);
    }
}

/* Two loops, one port ---------------------------------------------------------------------- */

enum { LOOPS = 2, REQUESTS = 500, PER_CONNECTION = 5 };

typedef struct island island;

/* A loop with all that is on it. Only its own thread touches it, but for `loop`, for posts, and
 * what is read after the thread has ended. */
struct island {
    island *other;
    const char *address;
    atomic_int *ready, *finished; /* islands that are */
    pthread_t thread;
    np_loop *loop;
    np_daemon *daemon;
    np_client *client;
    np_log log;
    demo_handlers handlers;
    size_t logged, opened, served, answered, strangers;
};

static void check_thread(island *i)
{
    i->strangers += !pthread_equal(pthread_self(), i->thread);
}

static void on_log(void *user, const np_log_event *event)
{
    island *i = user;

    check_thread(i);
    i->logged += strcmp(event->name, "conn.closed") == 0;
}

static void on_island_open(np_conn *conn, void *user)
{
    (void)conn;
    check_thread(user);
    ((island *)user)->opened++;
}

static np_err on_find(np_conn *conn, np_call call, const demo_find *msg, void *user)
{
    island *i = user;

    check_thread(i);
    i->served++;
    return demo_echo.on_find(conn, call, msg, NULL);
}

static np_err take_found(const void *payload, size_t len, uint32_t version, void *user,
                         np_fault *fault)
{
    demo_say found;
    np_err err = demo_read_found(payload, len, version, &found, fault);

    if (err == NP_OK) {
        *(size_t *)user = found.data.len;
    }
    return err;
}

static void open_island(island *i)
{
    np_loop_options loop_options = np_loop_options_default();
    np_log_options log_options = np_log_options_default();
    np_log_sink sink = {on_log, i};
    np_daemon_options options;
    np_client_options client_options;
    np_failure failure;

    log_options.rate_max = 0;
    np_log_init(&i->log, &sink, &log_options);
    loop_options.log = &i->log;
    demo_must(np_loop_new(&i->loop, &loop_options), NULL);
    i->handlers = (demo_handlers){NULL, on_find, i};
    options = demo_daemon_options(&i->handlers, &i->address, 1);
    options.handlers = (np_conn_handlers){.on_open = on_island_open, .user = i};
    options.reuse_port = true;
    demo_must(np_daemon_start(&i->daemon, i->loop, &options, &failure), &failure);
    i->address = np_daemon_address(i->daemon, 0);
    client_options = demo_client_options(NULL, i->address);
    demo_must(np_client_new(&i->client, i->loop, &client_options, &failure), &failure);
}

static void close_island(island *i)
{
    np_client_free(i->client);
    np_daemon_free(i->daemon);
    np_loop_free(i->loop);
}

static void ask(island *i)
{
    for (uint32_t n = 1; n <= REQUESTS; n++) {
        demo_find find = {n % 999};
        size_t len = 0;

        demo_must(np_client_call_wait(i->client, demo_message_find, &find, take_found, &len, NULL),
                  np_client_failure(i->client));
        i->answered += len == n % 999;
        if (n % PER_CONNECTION == 0) {
            demo_must(np_client_close_wait(i->client), np_client_failure(i->client));
        }
    }
}

static void *live(void *user)
{
    island *i = user;

    i->thread = pthread_self();
    (void)atomic_fetch_add(i->ready, 1);
    while (atomic_load(i->ready) < LOOPS) {
        (void)sched_yield();
    }
    ask(i);
    /* It serves the other until that is done as well. */
    if (atomic_fetch_add(i->finished, 1) + 1 == LOOPS) {
        post_stop(i->other->loop);
        post_stop(i->loop);
    }
    demo_must(np_loop_run(i->loop), NULL);
    return NULL;
}

/* Two loops, each with a daemon on the same port and a client, which meets whichever daemon the
 * kernel chooses. */
static void test_two_loops_share_a_port(void **state)
{
    island islands[LOOPS];
    atomic_int ready = 0;
    atomic_int finished = 0;
    pthread_t threads[LOOPS];

    (void)state;
    memset(islands, 0, sizeof islands);
    for (int i = 0; i < LOOPS; i++) {
        islands[i].other = &islands[1 - i];
        islands[i].address = i == 0 ? "tcp://127.0.0.1:0" : islands[0].address;
        islands[i].ready = &ready;
        islands[i].finished = &finished;
        islands[i].thread = pthread_self();
        open_island(&islands[i]);
    }
    for (int i = 0; i < LOOPS; i++) {
        start(&threads[i], live, &islands[i]);
    }
    for (int i = 0; i < LOOPS; i++) {
        join(threads[i]);
        islands[i].thread = pthread_self();
    }
    assert_int_equal(islands[0].served + islands[1].served, LOOPS * REQUESTS);
    assert_int_equal(islands[0].opened + islands[1].opened, LOOPS * REQUESTS / PER_CONNECTION);
    for (int i = 0; i < LOOPS; i++) {
        assert_int_equal(islands[i].answered, REQUESTS);
        assert_true(islands[i].served > 0);
        assert_int_equal(islands[i].served, islands[i].opened * PER_CONNECTION);
        assert_true(islands[i].logged > 0);
        close_island(&islands[i]);
        assert_int_equal(islands[i].strangers, 0);
    }
    assert_int_equal(islands[0].logged + islands[1].logged, LOOPS * REQUESTS / PER_CONNECTION);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_full_ring_loses_nothing),
        cmocka_unit_test(test_posts_to_a_busy_loop),
        cmocka_unit_test(test_posts_race_with_stop),
        cmocka_unit_test(test_last_post_ends_the_loop),
        cmocka_unit_test(test_two_loops_share_a_port),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
