/* Peers that are slow, silent, greedy or gone: partial writes, backpressure, deadlines, resets. */
#include "service/conn_private.h"
#include "support/demo_service.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define SAY_LEN 1000
#define FRAME_LEN (10 + 12 + SAY_LEN)

typedef struct seen {
    np_conn *conn;
    bool opened, closed, writable, done;
    np_failure failure;
    size_t says, bytes, want;
    size_t queued_peak;
    int send_buffer; /* of new connections; 0: as it is */
    uint64_t next;   /* number that the next message must carry */
    np_err send_err;
} seen;

typedef struct world {
    np_loop *loop;
    np_daemon *daemon;
    np_client *client;
    seen server, user;
    demo_handlers server_handlers, client_handlers;
} world;

static void on_open(np_conn *conn, void *user)
{
    seen *s = user;

    s->conn = conn;
    s->opened = true;
    if (s->send_buffer > 0) {
        (void)setsockopt(conn->link.stream.fd, SOL_SOCKET, SO_SNDBUF, &s->send_buffer,
                         sizeof s->send_buffer);
    }
}

static void on_close(np_conn *conn, const np_failure *failure, void *user)
{
    seen *s = user;

    (void)conn;
    s->closed = true;
    s->failure = *failure;
}

static void on_writable(np_conn *conn, void *user)
{
    seen *s = user;

    (void)conn;
    s->writable = true;
}

/* Echoes, and watches how much is queued. */
static np_err echo(np_conn *conn, const demo_say *msg, void *user)
{
    seen *s = user;
    np_err err = np_conn_send(conn, demo_message_say, msg, NULL);

    s->says++;
    if (np_conn_queued(conn) > s->queued_peak) {
        s->queued_peak = np_conn_queued(conn);
    }
    if (err != NP_OK) {
        s->send_err = err;
    }
    return err;
}

/* Counts, and checks that messages come in order. */
static np_err count(np_conn *conn, const demo_say *msg, void *user)
{
    seen *s = user;

    (void)conn;
    if (msg->data.len >= 8) {
        assert_int_equal(np_get_u64(msg->data.data), s->next);
        s->next++;
    }
    s->says++;
    s->bytes += msg->data.len;
    s->done = s->want > 0 && s->bytes >= s->want;
    return NP_OK;
}

static void start_daemon(world *w, np_err (*on_say)(np_conn *, const demo_say *, void *),
                         void (*change)(np_daemon_options *))
{
    const char *addresses[] = {"tcp://127.0.0.1:0"};
    np_daemon_options options;
    np_failure failure;

    memset(w, 0, sizeof *w);
    w->server_handlers = (demo_handlers){on_say, NULL, &w->server};
    options = demo_daemon_options(&w->server_handlers, addresses, 1);
    options.handlers = (np_conn_handlers){
        .on_open = on_open, .on_close = on_close, .on_writable = on_writable, .user = &w->server};
    if (change != NULL) {
        change(&options);
    }
    demo_must(np_loop_new(&w->loop, NULL), NULL);
    demo_must(np_daemon_start(&w->daemon, w->loop, &options, &failure), &failure);
}

static void start_client(world *w, np_err (*on_say)(np_conn *, const demo_say *, void *))
{
    np_client_options options;

    w->client_handlers = (demo_handlers){on_say, NULL, &w->user};
    options = demo_client_options(&w->client_handlers, np_daemon_address(w->daemon, 0));
    options.handlers = (np_conn_handlers){
        .on_open = on_open, .on_close = on_close, .on_writable = on_writable, .user = &w->user};
    demo_must(np_client_new(&w->client, w->loop, &options, NULL), NULL);
    demo_must(np_client_connect_wait(w->client, NULL), NULL);
}

static void end(world *w)
{
    np_client_free(w->client);
    np_daemon_free(w->daemon);
    np_loop_free(w->loop);
}

/* A raw client that has said hello and read the Welcome. */
static int start_raw(world *w)
{
    uint8_t hello[512];
    size_t len = demo_raw_hello(hello, sizeof hello);
    int fd = demo_raw_connect(np_daemon_address(w->daemon, 0));

    assert_int_equal(send(fd, hello, len, MSG_NOSIGNAL), (ssize_t)len);
    demo_run(w->loop, &w->server.opened);
    demo_rest(w->loop, 5);
    assert_true(recv(fd, hello, sizeof hello, MSG_DONTWAIT) > 0);
    return fd;
}

static size_t make_say(uint8_t *frame)
{
    uint8_t data[SAY_LEN] = {0};

    return demo_raw_say(frame, FRAME_LEN, data, sizeof data);
}

/* Output ----------------------------------------------------------------------------------- */

static void test_partial_writes(void **state)
{
    enum { COUNT = 2000, LEN = 1500 };
    uint8_t data[LEN] = {0};
    demo_say say = {{data, LEN}};
    world w;
    uint64_t sent = 0;

    (void)state;
    start_daemon(&w, echo, NULL);
    w.server.send_buffer = 1024; /* the kernel makes 4,608 of it: no message fits */
    w.user.send_buffer = 1024;
    start_client(&w, count);
    w.user.want = (size_t)COUNT * LEN;
    while (sent < COUNT) {
        (void)np_put_u64(data, sent);
        np_err err = np_client_send(w.client, demo_message_say, &say, NULL);
        if (err == NP_OK) {
            sent++;
        } else {
            assert_int_equal(err, NP_ERR_FULL);
            w.user.writable = false;
            demo_run(w.loop, &w.user.writable);
        }
    }
    demo_run(w.loop, &w.user.done);
    assert_int_equal(w.user.says, COUNT);
    assert_int_equal(w.server.send_err, NP_OK);
    end(&w);
}

static void test_full_queue_says_so(void **state)
{
    uint8_t *data = calloc(1, 100000);
    demo_say say = {{data, 100000}};
    world w;
    np_err err = NP_OK;
    size_t before = 0;
    int sent = 0;

    (void)state;
    start_daemon(&w, count, NULL);
    start_client(&w, count);
    while (err == NP_OK) {
        before = np_conn_queued(np_client_conn(w.client));
        err = np_client_send(w.client, demo_message_say, &say, NULL);
        sent += err == NP_OK;
    }
    assert_int_equal(err, NP_ERR_FULL);
    assert_int_equal(np_conn_queued(np_client_conn(w.client)), before); /* nothing was queued */
    assert_in_range(sent, 5, 11);
    assert_false(w.user.writable);
    demo_run(w.loop, &w.user.writable);
    assert_int_equal(np_client_send(w.client, demo_message_say, &say, NULL), NP_OK);
    free(data);
    end(&w);
}

static void short_stall(np_daemon_options *options)
{
    options->conn.stall_timeout_ms = 300;
    options->conn.close_timeout_ms = 200;
}

/* It sends without end and takes nothing: what is queued for it stays bounded, it is not read any
 * more, and then given up. */
static void test_reader_that_never_reads(void **state)
{
    uint8_t frame[FRAME_LEN];
    size_t len = make_say(frame);
    size_t accepted = 0;
    bool stuck = false;
    world w;
    int fd = -1;

    (void)state;
    start_daemon(&w, echo, short_stall);
    fd = start_raw(&w);
    while (!stuck && accepted < (size_t)256 << 20) {
        for (int i = 0; i < 200; i++) {
            ssize_t put = send(fd, frame, len, MSG_NOSIGNAL | MSG_DONTWAIT);
            if (put < 0) {
                break;
            }
            accepted += (size_t)put;
            if ((size_t)put < len) {
                /* The rest of a frame that was cut, so that the stream stays sound. */
                size_t at = (size_t)put;
                while (at < len && !w.server.closed) {
                    put = send(fd, frame + at, len - at, MSG_NOSIGNAL | MSG_DONTWAIT);
                    at += put > 0 ? (size_t)put : 0;
                    demo_rest(w.loop, 1);
                }
            }
        }
        stuck = w.server.closed;
        demo_rest(w.loop, 1);
    }
    assert_true(w.server.closed);
    assert_int_equal(w.server.failure.err, NP_ERR_DEADLINE);
    assert_int_equal(w.server.failure.stage, NP_STAGE_WRITE);
    assert_int_equal(w.server.send_err, NP_OK); /* never full: it was not read before that */
    assert_true(w.server.queued_peak > 100000 && w.server.queued_peak <= (size_t)1 << 20);
    (void)close(fd);
    end(&w);
}

/* Both sides send much at the same time: neither may wait for the other to read. */
static void test_two_bulk_senders_do_not_lock(void **state)
{
    enum { COUNT = 3000, LEN = 8000 };
    static uint8_t data[LEN];
    demo_say say = {{data, LEN}};
    uint64_t sent[2] = {0, 0};
    world w;

    (void)state;
    start_daemon(&w, count, NULL);
    w.server.send_buffer = w.user.send_buffer = 8192;
    start_client(&w, count);
    demo_run(w.loop, &w.server.opened);
    w.server.want = w.user.want = (size_t)COUNT * LEN;
    while (!w.server.done || !w.user.done) {
        for (int i = 0; i < 2; i++) {
            np_conn *conn = i == 0 ? np_client_conn(w.client) : w.server.conn;
            assert_non_null(conn);
            while (sent[i] < COUNT) {
                (void)np_put_u64(data, sent[i]);
                if (np_conn_send(conn, demo_message_say, &say, NULL) != NP_OK) {
                    break;
                }
                sent[i]++;
            }
        }
        demo_rest(w.loop, 1);
        assert_false(w.server.closed);
    }
    end(&w);
}

/* Input ------------------------------------------------------------------------------------ */

static void quick_frames(np_daemon_options *options)
{
    options->conn.frame_timeout_ms = 200;
    options->conn.hello_timeout_ms = 200;
    options->conn.close_timeout_ms = 100;
}

/* A byte now and then does not move an absolute deadline. */
static void test_slowloris(void **state)
{
    uint8_t frame[FRAME_LEN];
    size_t len = make_say(frame);
    world w;
    int fd = -1;

    (void)state;
    start_daemon(&w, echo, quick_frames);
    fd = start_raw(&w);
    for (size_t i = 0; i < len && !w.server.closed; i++) {
        (void)send(fd, frame + i, 1, MSG_NOSIGNAL);
        demo_rest(w.loop, 10);
        assert_true(i < 100);
    }
    assert_int_equal(w.server.failure.err, NP_ERR_DEADLINE);
    assert_int_equal(w.server.failure.stage, NP_STAGE_READ);
    (void)close(fd);
    end(&w);
}

static void test_slow_and_silent_hello(void **state)
{
    uint8_t hello[512];
    size_t len = demo_raw_hello(hello, sizeof hello);
    world w;
    int slow = -1;
    int silent = -1;

    (void)state;
    start_daemon(&w, echo, quick_frames);
    slow = demo_raw_connect(np_daemon_address(w.daemon, 0));
    silent = demo_raw_connect(np_daemon_address(w.daemon, 0));
    demo_rest(w.loop, 5);
    assert_int_equal(np_daemon_connections(w.daemon), 2);
    for (size_t i = 0; i < len && np_daemon_connections(w.daemon) > 0; i++) {
        (void)send(slow, hello + i, 1, MSG_NOSIGNAL);
        demo_rest(w.loop, 10);
        assert_true(i < 100);
    }
    assert_false(w.server.opened);
    assert_false(w.server.closed); /* no on_close without on_open */
    (void)close(slow);
    (void)close(silent);
    end(&w);
}

static void test_byte_by_byte(void **state)
{
    uint8_t frame[FRAME_LEN];
    size_t len = make_say(frame);
    uint8_t answer[FRAME_LEN];
    world w;
    int fd = -1;

    (void)state;
    start_daemon(&w, echo, NULL);
    fd = start_raw(&w);
    for (size_t i = 0; i < len; i++) {
        assert_int_equal(send(fd, frame + i, 1, MSG_NOSIGNAL), 1);
        demo_rest(w.loop, 0);
    }
    while (w.server.says == 0) {
        demo_rest(w.loop, 1);
    }
    demo_rest(w.loop, 5);
    assert_int_equal(recv(fd, answer, sizeof answer, MSG_DONTWAIT), (ssize_t)len);
    assert_memory_equal(answer, frame, len);
    (void)close(fd);
    end(&w);
}

static void test_held_connection_is_not_read(void **state)
{
    uint8_t data[8];
    demo_say say = {{data, sizeof data}};
    world w;

    (void)state;
    start_daemon(&w, count, NULL);
    start_client(&w, count);
    demo_run(w.loop, &w.server.opened);
    np_conn_hold(w.server.conn, true);
    for (uint64_t i = 0; i < 10; i++) {
        (void)np_put_u64(data, i);
        assert_int_equal(np_client_send(w.client, demo_message_say, &say, NULL), NP_OK);
    }
    demo_rest(w.loop, 50);
    assert_int_equal(w.server.says, 0);
    w.server.want = 80;
    np_conn_hold(w.server.conn, false);
    demo_run(w.loop, &w.server.done);
    end(&w);
}

/* Who floods gets its share and no more: the others are served meanwhile. */
static void test_flood_starves_nobody(void **state)
{
    enum { POLITE_ROUNDS = 50 };
    uint8_t frame[32];
    static uint8_t flood[1 << 20];
    size_t len = demo_raw_say(frame, sizeof frame, NULL, 0);
    size_t flood_len = 0;
    uint64_t worst = 0;
    world w;
    int fd = -1;
    demo_say say = {{NULL, 0}};
    seen flooder;

    (void)state;
    while (flood_len + len <= sizeof flood) {
        memcpy(flood + flood_len, frame, len);
        flood_len += len;
    }
    start_daemon(&w, echo, NULL);
    fd = start_raw(&w);
    flooder = w.server;
    w.server.opened = false;
    start_client(&w, count);
    for (int i = 0; i < POLITE_ROUNDS; i++) {
        uint64_t before = np_loop_now(w.loop).mono_ms;
        uint8_t sink[4096];
        size_t had = w.user.says;
        size_t at = 0;
        (void)at;
        (void)send(fd, flood, flood_len / len * len > 65500 ? 65500 / len * len : flood_len,
                   MSG_NOSIGNAL | MSG_DONTWAIT);
        assert_int_equal(np_client_send(w.client, demo_message_say, &say, NULL), NP_OK);
        while (w.user.says == had) {
            demo_rest(w.loop, 0);
        }
        if (np_loop_now(w.loop).mono_ms - before > worst) {
            worst = np_loop_now(w.loop).mono_ms - before;
        }
        while (recv(fd, sink, sizeof sink, MSG_DONTWAIT) > 0) {
        }
    }
    assert_true(worst < 500);
    (void)flooder;
    (void)close(fd);
    end(&w);
}

/* Ends ------------------------------------------------------------------------------------- */

static void test_reset_during_write(void **state)
{
    uint8_t *data = calloc(1, 400000);
    demo_say say = {{data, 400000}};
    struct linger linger = {1, 0};
    world w;
    int fd = -1;

    (void)state;
    start_daemon(&w, echo, NULL);
    w.server.send_buffer = 4096;
    fd = start_raw(&w);
    assert_int_equal(np_conn_send(w.server.conn, demo_message_say, &say, NULL), NP_OK);
    demo_rest(w.loop, 5);
    assert_true(np_conn_queued(w.server.conn) > 0); /* in the middle of it */
    (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
    (void)close(fd);
    demo_run(w.loop, &w.server.closed);
    assert_int_equal(w.server.failure.err, NP_ERR_RESET);
    assert_true(w.server.failure.os_error == ECONNRESET || w.server.failure.os_error == EPIPE);
    free(data);
    end(&w);
}

static void test_half_close_gets_its_answers(void **state)
{
    uint8_t frame[FRAME_LEN];
    size_t len = make_say(frame);
    uint8_t answer[4 * FRAME_LEN];
    size_t got = 0;
    world w;
    int fd = -1;

    (void)state;
    start_daemon(&w, echo, NULL);
    fd = start_raw(&w);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(send(fd, frame, len, MSG_NOSIGNAL), (ssize_t)len);
    }
    assert_int_equal(shutdown(fd, SHUT_WR), 0);
    demo_run(w.loop, &w.server.closed);
    for (ssize_t n = 1; n > 0;) {
        n = recv(fd, answer + got, sizeof answer - got, 0);
        got += n > 0 ? (size_t)n : 0;
    }
    assert_true(got >= 3 * len);
    for (size_t i = 0; i < 3; i++) {
        assert_memory_equal(answer + i * len, frame, len);
    }
    /* Without a goodbye it is told apart from an end in order. */
    assert_int_equal(w.server.failure.err, NP_ERR_EOF);
    (void)close(fd);
    end(&w);
}

static void test_end_in_the_middle_of_a_frame(void **state)
{
    uint8_t frame[FRAME_LEN];
    size_t len = make_say(frame);
    world w;

    (void)state;
    for (size_t cut = 1; cut < len; cut += 97) {
        int fd = -1;
        start_daemon(&w, echo, NULL);
        fd = start_raw(&w);
        assert_int_equal(send(fd, frame, cut, MSG_NOSIGNAL), (ssize_t)cut);
        (void)close(fd);
        demo_run(w.loop, &w.server.closed);
        assert_int_equal(w.server.failure.err, NP_ERR_EOF);
        assert_int_equal(w.server.says, 0);
        end(&w);
    }
}

static np_err abort_on_say(np_conn *conn, const demo_say *msg, void *user)
{
    seen *s = user;

    (void)msg;
    s->says++;
    np_conn_abort(conn);
    np_conn_abort(conn);
    return NP_OK;
}

static void test_abort_in_handler_drops_the_rest(void **state)
{
    uint8_t frames[5 * FRAME_LEN];
    uint8_t byte = 0;
    size_t len = 0;
    world w;
    int fd = -1;

    (void)state;
    start_daemon(&w, abort_on_say, NULL);
    fd = start_raw(&w);
    for (int i = 0; i < 5; i++) {
        len += make_say(frames + len);
    }
    assert_int_equal(send(fd, frames, len, MSG_NOSIGNAL), (ssize_t)len);
    demo_run(w.loop, &w.server.closed);
    assert_int_equal(w.server.says, 1);
    assert_int_equal(w.server.failure.err, NP_ERR_CANCELED);
    assert_int_equal(recv(fd, &byte, 1, 0), -1);
    assert_int_equal(errno, ECONNRESET);
    (void)close(fd);
    end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_partial_writes),
        cmocka_unit_test(test_full_queue_says_so),
        cmocka_unit_test(test_reader_that_never_reads),
        cmocka_unit_test(test_two_bulk_senders_do_not_lock),
        cmocka_unit_test(test_slowloris),
        cmocka_unit_test(test_slow_and_silent_hello),
        cmocka_unit_test(test_byte_by_byte),
        cmocka_unit_test(test_held_connection_is_not_read),
        cmocka_unit_test(test_flood_starves_nobody),
        cmocka_unit_test(test_reset_during_write),
        cmocka_unit_test(test_half_close_gets_its_answers),
        cmocka_unit_test(test_end_in_the_middle_of_a_frame),
        cmocka_unit_test(test_abort_in_handler_drops_the_rest),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
