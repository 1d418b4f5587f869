/* Handles that outlive their object, over real sockets: an application that answers late, twice or
 * never, and peers that cancel, use ids again, and do both without end. The peers are bytes written
 * by hand; a property test of the same is unit/test_session_handles.c. */
#include "core/framing.h"
#include "protocol/cancels.h"
#include "support/demo_service.h"

#include <base_service.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define JOBS_MAX 4096u
#define SERVE_MAX 256u

/* Pairs of request and cancel that the flood sends at most. */
#define PAIRS 200000u

typedef struct world {
    np_loop *loop;
    np_daemon *daemon;
    int fd;
    np_call jobs[JOBS_MAX]; /* every request that came, kept as long as the test likes */
    size_t job_count;
    size_t canceled;
    bool drop; /* on_cancel lets go of them */
    bool opened, closed;
    np_failure failure;
    np_body bodies[8];
    void *body_user;
    size_t body_count;
} world;

static np_err dispatch(const void *handlers, np_conn *conn, const np_incoming *in, np_fault *fault)
{
    world *w = *(world *const *)handlers;

    (void)conn;
    (void)fault;
    if (in->call.conn != 0) {
        if (w->drop && w->job_count == JOBS_MAX) {
            w->job_count = 0; /* those are let go of */
        }
        assert_true(w->job_count < JOBS_MAX);
        np_call_set_user(in->call, &w->jobs[w->job_count]);
        w->jobs[w->job_count++] = in->call;
    }
    return NP_OK;
}

static void on_open(np_conn *conn, void *user)
{
    (void)conn;
    ((world *)user)->opened = true;
}

static void on_close(np_conn *conn, const np_failure *failure, void *user)
{
    world *w = user;

    (void)conn;
    w->closed = true;
    w->failure = *failure;
}

static void on_cancel(np_conn *conn, np_call call, void *user)
{
    world *w = user;
    const np_call *job = np_call_user(call);

    (void)conn;
    assert_non_null(job);
    assert_int_equal(job->serial, call.serial);
    assert_false(np_call_alive(*job));
    w->canceled++;
    if (w->drop) {
        np_call_drop(*job);
        assert_null(np_call_user(*job));
    }
}

static np_err on_data_begin(np_conn *conn, np_body body, const base_data *msg, uint64_t total,
                            void *user)
{
    world *w = user;

    (void)conn;
    (void)msg;
    (void)total;
    assert_null(np_body_user(body));
    /* What an old handle names now must not be this one. */
    for (size_t i = 0; i < w->body_count; i++) {
        np_body_set_user(w->bodies[i], &w->bodies[i]);
        assert_null(np_body_user(w->bodies[i]));
        assert_null(np_body_user(body));
    }
    np_body_set_user(body, w);
    assert_ptr_equal(np_body_user(body), w);
    w->bodies[w->body_count++] = body;
    return NP_OK;
}

static void start(world *w, bool drop)
{
    static const char *const addresses[] = {"tcp://127.0.0.1:0"};
    static world *handlers[1];
    np_daemon_options options;
    np_failure failure;
    uint8_t hello[256];
    size_t len;

    memset(w, 0, sizeof *w);
    w->drop = drop;
    handlers[0] = w;
    options = demo_daemon_options(NULL, addresses, 1);
    options.service = (np_service){&demo_protocol, dispatch, handlers};
    options.conn.serve_max = SERVE_MAX;
    options.conn.fail_timeout_ms = 100;
    options.handlers = (np_conn_handlers){
        .on_open = on_open, .on_close = on_close, .on_cancel = on_cancel, .user = w};
    static base_handlers base;
    base = (base_handlers){.on_data_begin = on_data_begin, .user = w};
    options.base = base_service(&base);
    demo_must(np_loop_new(&w->loop, NULL), NULL);
    demo_must(np_daemon_start(&w->daemon, w->loop, &options, &failure), &failure);
    w->fd = demo_raw_connect(np_daemon_address(w->daemon, 0));
    len = demo_raw_hello(hello, sizeof hello);
    assert_int_equal(send(w->fd, hello, len, MSG_NOSIGNAL), len);
    demo_run(w->loop, &w->opened);
}

static void stop(world *w)
{
    (void)close(w->fd);
    np_daemon_free(w->daemon);
    np_loop_free(w->loop);
}

/* Bytes of a request or a cancel on a stream. */
static uint8_t *put_request(uint8_t *p, uint32_t stream, uint32_t id)
{
    np_framing_head head = np_framing_make(NP_FRAMING_REQUEST, stream, 8, false);

    return np_put_u32(np_put_u32(np_framing_put(p, &head), id), 7);
}

static uint8_t *put_cancel(uint8_t *p, uint32_t stream)
{
    np_framing_head head = np_framing_make(NP_FRAMING_CANCEL, stream, 0, false);

    return np_framing_put(p, &head);
}

static void say(world *w, const uint8_t *bytes, const uint8_t *end)
{
    assert_int_equal(send(w->fd, bytes, (size_t)(end - bytes), MSG_NOSIGNAL), end - bytes);
}

/* Runs until so many requests have come. */
static void await_jobs(world *w, size_t count)
{
    for (int i = 0; i < 1000 && w->job_count < count; i++) {
        demo_rest(w->loop, 10);
    }
    assert_int_equal(w->job_count, count);
}

/* The next frame from the daemon that has a stream. */
static np_framing_head next_frame(world *w, uint8_t *body, size_t cap)
{
    const np_framing_rules rules = {.payload_max = 4096, .compressions = 1};
    np_framing_head head = {.kind = NP_FRAMING_NO_STREAM};
    uint8_t bytes[18];
    np_fault fault;

    while (head.kind == NP_FRAMING_NO_STREAM) {
        size_t need = 0;
        bool done = false;
        assert_int_equal(recv(w->fd, bytes, 10, MSG_WAITALL), 10);
        if ((bytes[5] & 8) != 0) {
            assert_int_equal(recv(w->fd, bytes + 10, 8, MSG_WAITALL), 8);
        }
        assert_int_equal(np_framing_read(&head, bytes, (bytes[5] & 8) != 0 ? 18 : 10, &rules, &done,
                                         &need, &fault),
                         NP_OK);
        assert_true(done && head.body_len <= cap);
        assert_int_equal(recv(w->fd, body, head.body_len, MSG_WAITALL), head.body_len);
    }
    return head;
}

/* The answer to Count is a number. Encoded as one to Find it would be a pointer and a length: what
 * lies there, the server's key perhaps, went to the peer. */
static void test_late_answer_meets_another_request(void **state)
{
    static const char secret[] = "-----a secret of the server's-----";
    const demo_say found = {{(const uint8_t *)"found", 5}};
    /* As large as a Find's answer, so that it could be taken for one. */
    union {
        demo_find number;
        demo_say pointer;
    } late = {.pointer = {{(const uint8_t *)secret, sizeof secret}}};
    uint8_t bytes[200], body[512];
    uint8_t *p = bytes;
    np_framing_head head;
    np_fault fault = {.err = NP_OK};
    world *w = malloc(sizeof *w);

    (void)state;
    assert_non_null(w);
    start(w, false);
    p = put_request(p, 1, DEMO_COUNT_ID);
    p = put_cancel(p, 1);
    p = put_request(p, 1, DEMO_FIND_ID);
    say(w, bytes, p);
    await_jobs(w, 2);
    assert_int_equal(np_call_reply(w->jobs[0], &late, &fault), NP_ERR_CLOSED);
    assert_string_equal(fault.where, "demo.Count");
    assert_string_equal(fault.rule, "the peer has canceled it");
    assert_true(np_call_alive(w->jobs[1]));
    assert_int_equal(np_call_fail(w->jobs[0], BASE_REASON_REFUSED, 0, np_str_from("no")),
                     NP_ERR_CLOSED);
    assert_true(np_call_alive(w->jobs[1]));
    assert_int_equal(np_call_reply(w->jobs[1], &found, NULL), NP_OK);
    /* Twice, and when the peer has asked something else there. */
    assert_int_equal(np_call_reply(w->jobs[1], &found, &fault), NP_ERR_CLOSED);
    assert_non_null(strstr(fault.rule, "answered"));
    say(w, bytes, put_request(bytes, 1, DEMO_COUNT_ID));
    await_jobs(w, 3);
    assert_int_equal(np_call_reply(w->jobs[1], &found, NULL), NP_ERR_CLOSED);
    np_call_drop(w->jobs[1]);
    assert_true(np_call_alive(w->jobs[2]));
    assert_int_equal(np_call_fail(w->jobs[2], BASE_REASON_REFUSED, 9, np_str_from("no")), NP_OK);
    demo_rest(w->loop, 20);
    head = next_frame(w, body, sizeof body);
    assert_int_equal(head.kind, NP_FRAMING_RESPONSE);
    assert_int_equal(np_get_u32(body), DEMO_FIND_ID);
    assert_int_equal(head.body_len, 12 + 5);
    head = next_frame(w, body, sizeof body);
    assert_int_equal(head.kind, NP_FRAMING_ERROR);
    stop(w);
    free(w);
}

/* Work that nobody wants any more counts until the application lets go of it. */
static void test_canceled_work_counts(void **state)
{
    uint8_t bytes[64], body[512];
    np_framing_head head;
    world *w = malloc(sizeof *w);

    (void)state;
    assert_non_null(w);
    start(w, false);
    for (size_t i = 0; i < SERVE_MAX; i++) {
        uint8_t *p = put_request(bytes, 1, DEMO_COUNT_ID);
        say(w, bytes, put_cancel(p, 1));
    }
    await_jobs(w, SERVE_MAX);
    assert_int_equal(w->canceled, SERVE_MAX);
    say(w, bytes, put_request(bytes, 1, DEMO_COUNT_ID));
    demo_rest(w->loop, 50);
    assert_int_equal(w->job_count, SERVE_MAX);
    head = next_frame(w, body, sizeof body);
    assert_int_equal(head.kind, NP_FRAMING_ERROR);
    assert_int_equal(np_get_u32(body), BASE_REASON_BUSY);
    /* Any of the three lets go of one. */
    np_call_drop(w->jobs[7]);
    assert_int_equal(np_call_fail(w->jobs[8], BASE_REASON_REFUSED, 0, np_str_from("")),
                     NP_ERR_CLOSED);
    assert_int_equal(np_call_reply(w->jobs[9], &(demo_find){1}, NULL), NP_ERR_CLOSED);
    for (size_t i = 0; i < 4; i++) {
        say(w, bytes, put_request(bytes, 1 + 2 * (uint32_t)i, DEMO_COUNT_ID));
    }
    await_jobs(w, SERVE_MAX + 3);
    head = next_frame(w, body, sizeof body);
    assert_int_equal(head.kind, NP_FRAMING_ERROR);
    assert_int_equal(head.stream, 7);
    stop(w);
    free(w);
}

/* Rapid reset: what waits in the server stays within serve_max, and the peer is read from no faster
 * than its budget of cancels allows. */
static void rapid_reset(bool drop)
{
    enum { AT_ONCE = 100 };
    uint8_t bytes[AT_ONCE * 64];
    uint8_t *p = bytes;
    world *w = malloc(sizeof *w);
    uint64_t begun = 0;
    uint64_t took = 0;

    assert_non_null(w);
    start(w, drop);
    for (size_t i = 0; i < AT_ONCE; i++) {
        p = put_cancel(put_request(p, 1, DEMO_COUNT_ID), 1);
    }
    begun = np_loop_now(w->loop).mono_ms;
    for (size_t i = 0; i < PAIRS / AT_ONCE && took < 1500; i++) {
        if (send(w->fd, bytes, (size_t)(p - bytes), MSG_NOSIGNAL | MSG_DONTWAIT) < p - bytes) {
            break; /* it holds up what it does not read, so the rest of a frame may be missing */
        }
        demo_rest(w->loop, 0);
        took = np_loop_now(w->loop).mono_ms - begun;
        assert_true(drop || w->job_count <= SERVE_MAX);
    }
    demo_rest(w->loop, 300);
    took = np_loop_now(w->loop).mono_ms - begun;
    assert_false(w->closed);
    assert_true(w->canceled <= NP_CANCELS_TAKEN_MAX + took / NP_CANCELS_TOKEN_MS + 1);
    assert_int_equal(w->canceled > SERVE_MAX, drop);
    assert_true(drop || w->job_count <= SERVE_MAX);
    stop(w);
    free(w);
}

static void test_rapid_reset(void **state)
{
    (void)state;
    rapid_reset(false);
    rapid_reset(true);
}

/* A body that came whole has a handle as one in pieces has, and it is stale afterwards. */
static void test_body_handles(void **state)
{
    uint8_t bytes[200];
    world *w = malloc(sizeof *w);

    (void)state;
    assert_non_null(w);
    start(w, false);
    for (size_t i = 0; i < 6; i++) {
        const np_message *message = np_protocol_message(&base_protocol, BASE_DATA_ID);
        base_data data = {.name = np_str_from("x"), .body = {(const uint8_t *)"abc", 3}};
        np_meter meter = {.len = 4, .version = BASE_VERSION};
        bool pieces = i % 2 == 1;
        np_framing_head head;
        assert_int_equal(message->codec->measure(&meter, &data), NP_OK);
        head = np_framing_make(pieces ? NP_FRAMING_DATA : NP_FRAMING_NO_STREAM, pieces ? 1 : 0,
                               meter.len, false);
        uint8_t *p = np_put_u32(np_framing_put(bytes, &head), BASE_DATA_ID);
        say(w, bytes, message->codec->put(p, &data, BASE_VERSION));
        for (int j = 0; j < 1000 && w->body_count <= i; j++) {
            demo_rest(w->loop, 10);
        }
        assert_int_equal(w->body_count, i + 1);
        assert_null(np_body_user(w->bodies[i]));
    }
    for (size_t i = 0; i < 6; i++) {
        size_t taken = 1;
        assert_int_equal(np_conn_body_write(w->bodies[i], "x", 1, &taken), NP_ERR_CLOSED);
        assert_int_equal(taken, 0);
        assert_int_equal(np_conn_body_end(w->bodies[i]), NP_ERR_CLOSED);
        np_conn_body_abort(w->bodies[i]);
    }
    assert_false(w->closed);
    stop(w);
    free(w);
}

static void on_answer(np_conn *conn, np_err err, const void *payload, size_t len, uint32_t version,
                      void *user, np_fault *fault)
{
    (void)conn, (void)err, (void)payload, (void)len, (void)version, (void)user, (void)fault;
    fail();
}

/* A connection is named by its id; what np_conn_find gives for a stale one goes into any function.
 */
static void test_connection_ids(void **state)
{
    const demo_find find = {1};
    const demo_say text = {{(const uint8_t *)"x", 1}};
    world *w = malloc(sizeof *w);
    np_conn *gone = NULL;
    np_agreed agreed;
    np_peer peer;
    np_body body;
    uint64_t id = 0;

    (void)state;
    assert_non_null(w);
    start(w, false);
    uint8_t bytes[64];
    say(w, bytes, put_request(bytes, 1, DEMO_COUNT_ID));
    await_jobs(w, 1);
    id = w->jobs[0].conn;
    assert_non_null(np_conn_find(w->loop, id));
    assert_null(np_conn_find(w->loop, id + 1));
    assert_null(np_conn_find(w->loop, id + ((uint64_t)1 << 32)));
    assert_null(np_conn_find(w->loop, 0));
    (void)shutdown(w->fd, SHUT_WR);
    demo_run(w->loop, &w->closed);
    gone = np_conn_find(w->loop, id);
    assert_null(gone);
    assert_int_equal(np_conn_send(gone, demo_message_say, &text, NULL), NP_ERR_STATE);
    assert_int_equal(np_conn_call(gone, demo_message_find, &find, on_answer, NULL, NULL),
                     NP_ERR_STATE);
    assert_int_equal(np_conn_body_begin(gone, demo_message_say, &text, 1, &body, NULL),
                     NP_ERR_STATE);
    assert_int_equal(np_conn_ping(gone), NP_ERR_STATE);
    np_conn_hold(gone, true);
    np_conn_close(gone, NP_CONN_NO_REASON, "bye");
    np_conn_abort(gone);
    np_conn_set_user(gone, w);
    assert_null(np_conn_user(gone));
    assert_null(np_conn_loop(gone));
    assert_null(np_conn_client(gone));
    assert_null(np_conn_call_failure(gone));
    assert_int_equal(np_conn_id(gone), 0);
    assert_int_equal(np_conn_queued(gone), 0);
    assert_int_equal(np_conn_version(gone), 0);
    assert_false(np_conn_is_open(gone));
    assert_false(np_conn_agreed(gone, &agreed));
    np_conn_peer(gone, &peer);
    assert_string_equal(peer.text, "");
    /* The call that came on it is as stale. */
    assert_false(np_call_alive(w->jobs[0]));
    assert_int_equal(np_call_reply(w->jobs[0], &find, NULL), NP_ERR_CLOSED);
    np_call_drop(w->jobs[0]);
    np_call_set_user(w->jobs[0], w);
    assert_null(np_call_user(w->jobs[0]));
    /* No call at all: what a message has that is no request. */
    assert_false(np_call_alive((np_call){0}));
    assert_int_equal(np_call_reply((np_call){0}, &find, NULL), NP_ERR_ARG);
    assert_int_equal(np_call_fail((np_call){0}, BASE_REASON_REFUSED, 0, np_str_from("")),
                     NP_ERR_ARG);
    np_call_drop((np_call){0});
    np_call_set_user((np_call){0}, w);
    assert_null(np_call_user((np_call){0}));
    assert_null(np_body_user((np_body){0}));
    stop(w);
    free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_late_answer_meets_another_request),
        cmocka_unit_test(test_canceled_work_counts),
        cmocka_unit_test(test_rapid_reset),
        cmocka_unit_test(test_body_handles),
        cmocka_unit_test(test_connection_ids),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
