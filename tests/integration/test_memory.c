/* Memory runs out: each allocation of a daemon's and a client's whole life fails once, alone and
 * with all that follow. Whatever fails says so or turns a client away; nothing ends the process,
 * nothing is left behind. An allocator in front of glibc's does it, so that the allocations of
 * libev, c-ares and the others fail as well. */
#include "support/sanitized.h"

#if TEST_SANITIZED

int main(void)
{
    return 77; /* skipped */
}

#else

#include "support/demo_service.h"
#include "support/failing_heap.h"
#include "support/fake_dns.h"

#include "transport/loop_private.h"
#include "transport/loop_reserve.h"

#include <base_service.h>

#include <ares.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

/* c-ares's memory -------------------------------------------------------------------------- */

/* It is counted apart, for what c-ares leaves behind by itself. */
static struct {
    long blocks;
    bool failed; /* an allocation of its own did */
} cares;

static void *cares_malloc(size_t size)
{
    void *block = malloc(size);

    cares.blocks += block != NULL;
    cares.failed = cares.failed || block == NULL;
    return block;
}

static void *cares_realloc(void *block, size_t size)
{
    void *moved = NULL;

    if (block == NULL) {
        return cares_malloc(size);
    }
    moved = realloc(block, size);
    cares.failed = cares.failed || moved == NULL;
    return moved;
}

static void cares_free(void *block)
{
    cares.blocks -= block != NULL;
    free(block);
}

/* c-ares since 1.34.6 puts an answer into a list before it tells of it, and does not look whether
 * there was memory for that (end_query calls ares_append_endqueue): the answer is lost, and so are
 * the blocks of it, which nobody outside knows of. No version is known that has it mended. */
#define FIRST_TO_LOSE_ANSWERS 0x012206
/* Of an answer with two addresses; one without has 7. */
#define ANSWER_BLOCKS_MAX 10
/* The list is made, and then it grows, for each of the two families; and once more where a machine
 * is so busy that an answer comes after the question was put again. */
#define LOST_ANSWERS_MAX 8

static long cares_may_leave(void)
{
    int version = 0;

    (void)ares_version(&version);
    return cares.failed && version >= FIRST_TO_LOSE_ANSWERS ? ANSWER_BLOCKS_MAX : 0;
}

/* A whole life ----------------------------------------------------------------------------- */

#define BODY_LEN ((size_t)300 * 1000)
#define SAY_LEN ((size_t)40 * 1000)

static uint8_t bytes[BODY_LEN];

typedef struct life {
    const char *host;
    const char *dns_server;
    bool may_be_late; /* c-ares passes over answers that it has no memory to look at */
    np_loop *loop;
    np_daemon *daemon;
    np_client *client;
    const char *step;
    np_failure failure;
    bool has_failure; /* the step tells its errors this way */
    bool said, got_body, closed;
} life;

static np_err on_say(np_conn *conn, const demo_say *msg, void *user)
{
    life *l = user;

    (void)conn;
    l->said = msg->data.len == SAY_LEN;
    return NP_OK;
}

static np_err on_data(np_conn *conn, const base_data *msg, void *user)
{
    life *l = user;

    (void)conn;
    l->got_body = msg->body.len == BODY_LEN;
    return NP_OK;
}

static void on_close(np_conn *conn, const np_failure *failure, void *user)
{
    life *l = user;

    (void)conn;
    l->closed = true;
    l->failure = *failure;
}

static np_err take_found(const void *payload, size_t len, uint32_t version, void *user,
                         np_fault *fault)
{
    demo_say found;

    (void)user;
    return demo_read_found(payload, len, version, &found, fault);
}

/* Runs until it has happened, or the connection has ended. */
static np_err wait_for(life *l, const bool *done)
{
    for (int i = 0; i < 5000 && !*done && !l->closed; i++) {
        np_err err = np_loop_run_until(l->loop, done, 2);
        if (err != NP_OK && err != NP_ERR_DEADLINE) {
            return err;
        }
    }
    return *done ? NP_OK : l->closed ? l->failure.err : NP_ERR_DEADLINE;
}

static np_err send_body(life *l)
{
    np_conn *conn = np_client_conn(l->client);
    base_data data = {.name = np_str_from("pattern")};
    np_body body;
    size_t sent = 0;
    np_err err = NP_ERR_CLOSED;

    if (conn != NULL) {
        err = base_data_begin(conn, &data, BODY_LEN, &body, NULL);
    }
    while (err == NP_OK && sent < BODY_LEN) {
        size_t taken = 0;
        err = np_conn_body_write(body, bytes + sent, BODY_LEN - sent, &taken);
        sent += taken;
        if (err == NP_ERR_FULL) {
            bool never = false;
            (void)!np_loop_run_until(l->loop, &never, 1);
            err = l->closed ? l->failure.err : NP_OK;
        }
    }
    while (err == NP_OK) {
        err = np_conn_body_end(body);
        if (err != NP_ERR_FULL) {
            break;
        }
        err = NP_OK;
    }
    return err == NP_OK ? wait_for(l, &l->got_body) : err;
}

static np_err talk(life *l)
{
    demo_find find = {.key = 7};
    demo_say say = {{bytes, SAY_LEN}};
    np_err err = NP_OK;

    l->has_failure = true;
    l->step = "connect";
    err = np_client_connect_wait(l->client, &l->failure);
    l->has_failure = false;
    if (err == NP_OK) {
        l->step = "call";
        err = np_client_call_wait(l->client, demo_message_find, &find, take_found, NULL, NULL);
    }
    if (err == NP_OK) {
        l->step = "send";
        err = np_client_send(l->client, demo_message_say, &say, NULL);
        err = err == NP_OK ? wait_for(l, &l->said) : err;
    }
    if (err == NP_OK) {
        l->step = "body";
        err = send_body(l);
    }
    if (err == NP_OK) {
        l->step = "close";
        err = np_client_close_wait(l->client);
    }
    return err;
}

static void on_signal(np_loop *loop, int number, void *user)
{
    (void)loop;
    (void)number;
    (void)user;
}

static np_err begin(life *l, demo_handlers *server, base_handlers *base)
{
    const char *addresses[] = {"tcp://127.0.0.1:0"};
    np_loop_options loop_options = np_loop_options_default();
    np_daemon_options daemon = demo_daemon_options(server, addresses, 1);
    np_client_options client = demo_client_options(NULL, NULL);
    char address[64];
    np_err err = NP_OK;

    l->step = "loop";
    loop_options.dns_server = l->dns_server;
    err = np_loop_new(&l->loop, &loop_options);
    if (err == NP_OK) {
        l->step = "signal";
        err = np_loop_on_signal(l->loop, SIGUSR1, on_signal, NULL);
    }
    if (err == NP_OK) {
        l->step = "daemon";
        l->has_failure = true;
        daemon.base = base_service(base);
        err = np_daemon_start(&l->daemon, l->loop, &daemon, &l->failure);
    }
    if (err == NP_OK) {
        const char *port = strrchr(np_daemon_address(l->daemon, 0), ':');
        l->step = "client";
        (void)snprintf(address, sizeof address, "tcp://%s%s", l->host, port);
        client.address = address;
        client.base = base_service(base);
        client.handlers.on_close = on_close;
        client.handlers.user = l;
        /* c-ares asks once more after 2 s where it has lost an answer. */
        client.connect_timeout_ms = l->may_be_late ? 300 : 6000;
        client.conn.hello_timeout_ms = 3000;
        client.conn.close_timeout_ms = 3000;
        client.conn.call_timeout_ms = 3000;
        err = np_client_new(&l->client, l->loop, &client, &l->failure);
    }
    return err;
}

static np_err live(life *l)
{
    demo_handlers server = {on_say, demo_echo.on_find, l};
    base_handlers base = {.on_data = on_data, .user = l};
    np_err err = begin(l, &server, &base);

    if (err == NP_OK) {
        err = talk(l);
    }
    if (err != NP_OK && l->client != NULL && np_client_failure(l->client)->err != NP_OK) {
        l->failure = *np_client_failure(l->client);
        l->has_failure = true;
    }
    np_client_free(l->client);
    np_daemon_free(l->daemon);
    np_loop_free(l->loop);
    return err;
}

/* What may come of a lack of memory: that it is told, or that the other side hangs up, with or
 * without a word. */
static void judge(const life *l, np_err err, size_t n, bool all)
{
    static const np_err by_peer[] = {NP_ERR_EOF,  NP_ERR_RESET,  NP_ERR_CLOSED,
                                     NP_ERR_BUSY, NP_ERR_FAILED, NP_ERR_CONNECT};
    bool allowed = err == NP_ERR_MEMORY;
    bool talking = l->client != NULL;

    allowed = allowed || (l->may_be_late && (err == NP_ERR_DEADLINE || err == NP_ERR_RESOLVE));

    for (size_t i = 0; i < sizeof by_peer / sizeof by_peer[0] && talking; i++) {
        allowed = allowed || err == by_peer[i];
    }
    if (!allowed || (l->has_failure && l->failure.stage == NP_STAGE_NONE)) {
        fail_msg("allocation %zu%s, %s: %s: %s", n, all ? " and all after it" : "", l->step,
                 np_err_name(err), l->failure.text);
    }
}

/* Each allocation of a life fails, until a life has fewer. */
static void fail_each(const char *host, const char *dns_server, bool all)
{
    size_t failed = 0;
    size_t told = 0;
    size_t lost = 0; /* answers, by c-ares */
    bool over = false;

    for (size_t n = 0; !over; n++) {
        life l = {.host = host, .dns_server = dns_server, .may_be_late = dns_server != NULL && all};
        long before = failing_heap_blocks();
        long cares_before = cares.blocks;
        np_err err = NP_OK;

        cares.failed = false;
        failing_heap_arm(n, all);
        err = live(&l);
        over = n > 0 && failing_heap_disarm() < n;
        failed += n > 0 && !over;
        told += err != NP_OK;
        if (n == 0 || over) {
            assert_int_equal(err, NP_OK);
        } else if (err != NP_OK) {
            judge(&l, err, n, all);
        }
        if (n > 1) { /* at first, libraries take what they keep for good */
            long left = failing_heap_blocks() - before;
            long cares_left = cares.blocks - cares_before;
            lost += cares_left > 0;
            if (left != cares_left || cares_left > cares_may_leave() ||
                (!all && lost > LOST_ANSWERS_MAX)) {
                fail_msg("allocation %zu, %s: %ld blocks were left, %ld of them c-ares's", n,
                         l.step, left, cares_left);
            }
        }
    }
    if (lost > 0) {
        print_message("c-ares %s left an answer behind %zu times\n", ares_version(NULL), lost);
    }
    print_message("%zu allocations failed, %zu of them were told\n", failed, told);
    assert_true(told > 10);
}

static void test_each_allocation(void **state)
{
    (void)state;
    fail_each("127.0.0.1", NULL, false);
    fail_each("localhost", NULL, false);
}

/* The same with a name that DNS knows: c-ares is asked. */
static void test_names(void **state)
{
    /* The answers come apart, so that c-ares tells of the one that counts by itself. */
    static const fake_dns_answer v4 = {
        .delay_ms = 5, .count = 2, .addresses = {{127, 0, 0, 1}, {127, 0, 0, 1}}};
    static const fake_dns_answer v6 = {.count = 0};
    fake_dns *dns = fake_dns_start(&v4, &v6);

    (void)state;
    fail_each("server.example", fake_dns_address(dns), false);
    fail_each("server.example", fake_dns_address(dns), true);
    fake_dns_stop(dns);
}

static void test_each_and_all_that_follow(void **state)
{
    (void)state;
    fail_each("127.0.0.1", NULL, true);
    fail_each("localhost", NULL, true);
}

/* Many descriptors ---------------------------------------------------------------------------- */

#define MANY 3000

typedef struct bell {
    np_watch watch;
    size_t *rung;
    size_t all;
    bool *done;
} bell;

static void on_bell(np_watch *watch, unsigned events)
{
    bell *b = np_container_of(watch, bell, watch);

    (void)events;
    *b->done = ++*b->rung >= b->all; /* some of them more than once */
}

/* What was promised room is watched, and is heard all at once, with nothing left in the heap. */
static void test_many_at_once(void **state)
{
    static bell bells[MANY];
    static int fds[MANY];
    np_loop *loop = NULL;
    bool done = false;
    size_t rung = 0;
    size_t failed = 0;
    int count = 0;

    (void)state;
    demo_must(np_loop_new(&loop, NULL), NULL);
    while (count < MANY && (fds[count] = eventfd(1, EFD_CLOEXEC)) >= 0) {
        demo_must(np__watch_room(loop, fds[count]), NULL);
        count++;
    }
    assert_true(count > 200); /* as many as the system lets us have */
    failing_heap_arm(1, true);
    for (int i = 0; i < count; i++) {
        bells[i].rung = &rung;
        bells[i].all = (size_t)count;
        bells[i].done = &done;
        np__watch_init(&bells[i].watch, fds[i], on_bell);
        np__watch_set(loop, &bells[i].watch, NP_WATCH_READ);
    }
    assert_int_equal(np_loop_run_until(loop, &done, 10000), NP_OK);
    done = false;
    rung = 0;
    for (int i = 0; i < count; i++) {
        np__watch_set(loop, &bells[i].watch, i % 2 == 0 ? NP_WATCH_NONE : NP_WATCH_WRITE);
    }
    assert_int_equal(np_loop_run_until(loop, &done, 10000), NP_OK);
    failed = failing_heap_disarm();
    print_message("%d descriptors, %zu events, %zu allocations failed\n", count, rung, failed);
    assert_true(failed > 3);
    for (int i = 0; i < count; i++) {
        np__watch_set(loop, &bells[i].watch, NP_WATCH_NONE);
        (void)close(fds[i]);
    }
    np_loop_free(loop);
}

/* No memory for newcomers --------------------------------------------------------------------- */

/* The process may have no more than it has. Returns what it might have before. */
static struct rlimit take_all_memory(void)
{
    FILE *file = fopen("/proc/self/statm", "re");
    unsigned long pages = 0;
    struct rlimit before, now;

    assert_non_null(file);
    assert_int_equal(fscanf(file, "%lu", &pages), 1);
    (void)fclose(file);
    assert_int_equal(getrlimit(RLIMIT_AS, &before), 0);
    now = before;
    now.rlim_cur = pages * (rlim_t)sysconf(_SC_PAGESIZE);
    assert_int_equal(setrlimit(RLIMIT_AS, &now), 0);
    return before;
}

/* While memory is short, who comes and is turned away costs no search of the heap each. */
static void test_newcomers_search_seldom(void **state)
{
    np_loop *loop = NULL;
    struct rlimit before;
    size_t first = 0;
    size_t more = 0;
    int admitted = 0;

    (void)state;
    demo_must(np_loop_new(&loop, NULL), NULL);
    before = take_all_memory();
    failing_heap_arm(0, false);
    admitted += np__loop_headroom(loop, false);
    first = failing_heap_disarm();
    failing_heap_arm(0, false);
    for (int i = 0; i < 1000; i++) {
        admitted += np__loop_headroom(loop, false);
    }
    more = failing_heap_disarm();
    assert_int_equal(setrlimit(RLIMIT_AS, &before), 0);
    assert_true(first > 0);
    assert_int_equal(more, 0);
    assert_int_equal(admitted, 0);
    assert_true(np__loop_headroom(loop, true)); /* as soon as there is some */
    np_loop_free(loop);
}

/* A libev loop of the application's ------------------------------------------------------------ */

typedef struct asking {
    np_timer timer;
    np_task task;
    np_watch watch;
    int asked;
    int from_reserve;
    bool done;
} asking;

/* What libev would do for a loop that the application runs in a callback of ours. */
static void ask(np_loop *loop, asking *a)
{
    void *block = NULL;

    failing_heap_arm(1, true);
    block = np__reserve_realloc(NULL, 64);
    (void)failing_heap_disarm();
    a->asked++;
    a->from_reserve += block != NULL;
    if (a->asked == 1) {
        np__loop_defer(loop, &a->task);
    } else if (a->asked == 2) {
        np__watch_set(loop, &a->watch, NP_WATCH_WRITE);
    } else if (a->asked == 3) {
        (void)raise(SIGUSR2);
    } else {
        a->done = true;
    }
}

static np_loop *asking_loop; /* a watch does not know it */

static void on_asking_timer(np_loop *loop, np_timer *timer)
{
    ask(loop, np_container_of(timer, asking, timer));
}

static void on_asking_task(np_loop *loop, np_task *task)
{
    ask(loop, np_container_of(task, asking, task));
}

static void on_asking_watch(np_watch *watch, unsigned events)
{
    asking *a = np_container_of(watch, asking, watch);

    (void)events;
    np__watch_set(asking_loop, watch, NP_WATCH_NONE);
    ask(asking_loop, a);
}

static void on_asking_signal(np_loop *loop, int number, void *user)
{
    (void)number;
    ask(loop, user);
}

/* It gets nothing of our loop's reserve, in none of the callbacks: nobody would know the block when
 * it is given back. */
static void test_reserve_is_of_one_loop(void **state)
{
    asking a = {.asked = 0};
    int fd = eventfd(0, EFD_CLOEXEC);

    (void)state;
    demo_must(np_loop_new(&asking_loop, NULL), NULL);
    demo_must(np__watch_room(asking_loop, fd), NULL);
    np_timer_init(&a.timer, on_asking_timer);
    np__task_init(&a.task, on_asking_task);
    np__watch_init(&a.watch, fd, on_asking_watch);
    demo_must(np_loop_on_signal(asking_loop, SIGUSR2, on_asking_signal, &a), NULL);
    np_timer_start(asking_loop, &a.timer, 1);
    assert_int_equal(np_loop_run_until(asking_loop, &a.done, 10000), NP_OK);
    assert_int_equal(a.asked, 4);
    assert_int_equal(a.from_reserve, 0);
    np_loop_free(asking_loop);
    (void)close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_newcomers_search_seldom),
        cmocka_unit_test(test_reserve_is_of_one_loop),
        cmocka_unit_test(test_each_allocation),
        cmocka_unit_test(test_each_and_all_that_follow),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_many_at_once),
    };

    if (ares_library_init_mem(ARES_LIB_INIT_ALL, cares_malloc, cares_free, cares_realloc) !=
        ARES_SUCCESS) {
        return 1;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#endif
