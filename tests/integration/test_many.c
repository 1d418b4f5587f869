/* Many connections that are ready in one turn of the loop: what they hold at once is bounded, and
 * what all say to all still leaves in few writes.
 *
 * The connections are links over in-process pairs, whose far ends this file reads and writes itself
 * while the loop rests, so that all of them are ready when it goes on. */
#include "support/demo_service.h"
#include "support/new_loop.h"
#include "transport/pump.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#define MEMBERS 1000
#define PAIR_CAP ((size_t)32 * 1024)
#define SAID_MAX PAIR_CAP
#define PATIENCE_MS 60000

/* What is out beside the queues. */
#define SLACK ((size_t)64 * 1024)

typedef struct world world;

typedef struct member {
    np_link link;
    np_stream far;
    world *world;
    size_t writes;
    uint64_t messages; /* that came */
    bool over;
} member;

struct world {
    np_loop *loop;
    np_links links;
    np_stream_ops counted; /* a pair's, whose writes are counted */
    np_io (*writev)(np_stream *, const struct iovec *, int, size_t *, int *);
    member members[MEMBERS];
    size_t count;
    bool to_all;     /* what one says is said to everybody, else back to it */
    uint64_t one_of; /* so many messages of each is answered */
    size_t heard, expected;
    bool done;
};

static world w;

static np_io count_writev(np_stream *stream, const struct iovec *iov, int iov_count, size_t *count,
                          int *os_error)
{
    np_io io = w.writev(stream, iov, iov_count, count, os_error);

    np_container_of(np_container_of(stream, np_link, stream), member, link)->writes +=
        io == NP_IO_OK;
    return io;
}

static void send(member *to, const np_session_event *event)
{
    assert_int_equal(np_session_send_encoded(&to->link.session, event->message, event->payload,
                                             event->len, NULL),
                     NP_OK);
    np_link_touch(&to->link);
}

static void on_event(np_link *link, const np_session_event *event)
{
    if (event->kind != NP_SESSION_EVENT_OPEN && event->kind != NP_SESSION_EVENT_MESSAGE) {
        return;
    }
    w.done = ++w.heard == w.expected;
    if (event->kind == NP_SESSION_EVENT_OPEN) {
        return;
    }
    if (!w.to_all) {
        member *m = np_container_of(link, member, link);
        if (++m->messages % w.one_of == 0) {
            send(m, event);
        }
        return;
    }
    for (size_t i = 0; i < w.count; i++) {
        send(&w.members[i], event);
    }
}

static void on_drained(np_link *link)
{
    (void)link;
}

static void on_closed(np_link *link, const np_session_event *event)
{
    (void)event;
    np_container_of(link, member, link)->over = true;
    w.done = ++w.heard == w.expected;
}

static void release(np_link *link)
{
    (void)link;
}

/* Connections that wait for the first word of the other side. */
static void start(size_t count, uint32_t hello_ms)
{
    memset(&w, 0, sizeof w);
    w.links.session = np_session_options_default(&demo_protocol);
    w.links.session.hello_ms = hello_ms;
    w.loop = new_loop();
    w.links.ops = (np_link_ops){w.loop, on_event, on_drained, on_closed, release};
    for (w.count = 0; w.count < count; w.count++) {
        member *m = &w.members[w.count];
        np_stream near;
        assert_int_equal(np_pair_open(w.loop, PAIR_CAP, &near, &m->far), NP_OK);
        w.counted = *near.ops;
        w.writev = near.ops->writev;
        w.counted.writev = count_writev;
        near.ops = &w.counted;
        assert_int_equal(np_link_start(&m->link, &w.links, &near, NP_SESSION_SERVER,
                                       &np__loop_pool(w.loop)->own),
                         NP_OK);
    }
}

static void end(void)
{
    for (size_t i = 0; i < w.count; i++) {
        if (!w.members[i].over) {
            np_link_destroy(&w.members[i].link);
        }
        w.members[i].far.ops->close(&w.members[i].far, false);
    }
    np_loop_free(w.loop);
}

/* Has everybody say the same before the loop goes on, which then runs until `expected` events have
 * come. Returns the most that the pool had out at once, beyond what it had before. */
static size_t all_say(const uint8_t *data, size_t len, size_t expected)
{
    np_pool *pool = np__loop_pool(w.loop);
    size_t before = pool->live;

    for (size_t i = 0; i < w.count; i++) {
        np_stream *far = &w.members[i].far;
        const struct iovec iov = {(void *)(uintptr_t)data, len};
        size_t put = 0;
        int os_error = 0;
        assert_int_equal(far->ops->writev(far, &iov, 1, &put, &os_error), NP_IO_OK);
        assert_int_equal(put, len);
        w.members[i].writes = 0;
    }
    pool->live_peak = before;
    w.heard = 0;
    w.done = false;
    w.expected = expected;
    demo_run(w.loop, &w.done);
    demo_rest(w.loop, 0);
    assert_int_equal(w.heard, expected);
    return pool->live_peak - before;
}

/* What has come to a far end. */
static size_t read_all(member *m, uint8_t *out, size_t cap)
{
    size_t len = 0;
    size_t got = 0;
    int os_error = 0;

    while (len < cap &&
           m->far.ops->read(&m->far, out + len, cap - len, &got, &os_error) == NP_IO_OK) {
        len += got;
    }
    return len;
}

static void open_all(size_t count)
{
    static uint8_t bytes[4096];

    start(count, PATIENCE_MS);
    (void)all_say(bytes, demo_raw_hello(bytes, sizeof bytes), count);
    for (size_t i = 0; i < w.count; i++) {
        assert_true(read_all(&w.members[i], bytes, sizeof bytes) > 0);
    }
}

/* Memory ---------------------------------------------------------------------------------------
 */

typedef struct load {
    size_t messages;
    size_t one_of; /* so many is answered */
    size_t len;
    size_t holds; /* the block that the answers of one connection take */
    size_t keeps; /* what it keeps besides: input that waits for its next turn */
} load;

/* However many are ready, and whatever they say, the answers of a bounded number wait. */
static void test_answers_of_a_crowd(void **state)
{
    static const load loads[] = {
        {1, 1, 64, NP_POOL_MIN, 0}, /* a small block each */
        {1, 1, 1500, 2048, 0},      /* a greater one */
        {20, 1, 120, 4096, 0},      /* many that share one */
        {1, 1, 6000, 0, 0},         /* so much that it does not wait */
        {300, 1, 20, 4096, 2048},   /* more than the share of a turn */
        {300, 10, 20, 4096, 2048},  /* the same with little to say to it */
    };
    static uint8_t said[SAID_MAX];
    static uint8_t heard[SAID_MAX];
    static uint8_t data[6000];

    (void)state;
    for (size_t i = 0; i < sizeof loads / sizeof *loads; i++) {
        const load *l = &loads[i];
        size_t len = 0;
        memset(data, (int)('a' + i), sizeof data);
        for (size_t n = 0; n < l->messages; n++) {
            len += demo_raw_say(said + len, sizeof said - len, data, l->len);
        }
        open_all(MEMBERS);
        w.one_of = l->one_of;
        assert_in_range(all_say(said, len, MEMBERS * l->messages), 1,
                        NP_LINK_WAITING_MAX * l->holds + MEMBERS * l->keeps + SLACK);
        for (size_t n = 0; n < w.count; n++) {
            assert_int_equal(read_all(&w.members[n], heard, sizeof heard), len / l->one_of);
            assert_memory_equal(heard, said, len / l->one_of);
        }
        end();
    }
}

/* Deadlines that pass at the same time let nobody hold more. */
static void test_deadlines_of_a_crowd(void **state)
{
    const struct timespec longer = {0, 50 * 1000 * 1000};
    np_pool *pool = NULL;
    size_t before = 0;
    uint8_t bytes[256];

    (void)state;
    start(MEMBERS, 1);
    pool = np__loop_pool(w.loop);
    before = pool->live;
    pool->live_peak = before;
    w.expected = MEMBERS;
    (void)nanosleep(&longer, NULL);
    demo_rest(w.loop, 20);
    /* Each keeps the reason of its end. */
    assert_in_range(pool->live_peak - before, 1,
                    (MEMBERS + NP_LINK_WAITING_MAX) * NP_POOL_MIN + SLACK);
    for (size_t i = 0; i < w.count; i++) {
        assert_true(read_all(&w.members[i], bytes, sizeof bytes) > 0); /* told why */
    }
    end();
}

/* Writes --------------------------------------------------------------------------------------- */

/* Everybody says something in one turn, and all of it goes to everybody. */
static void talk(size_t count, size_t writes_max)
{
    static uint8_t heard[SAID_MAX];
    uint8_t said[64];
    size_t len = demo_raw_say(said, sizeof said, "hello", 5);

    open_all(count);
    w.to_all = true;
    (void)all_say(said, len, count);
    for (size_t i = 0; i < w.count; i++) {
        assert_int_equal(read_all(&w.members[i], heard, sizeof heard), count * len);
        assert_in_range(w.members[i].writes, 1, writes_max);
    }
    end();
}

/* Few who talk to each other get all of it at once. */
static void test_few_talk(void **state)
{
    (void)state;
    talk(NP_LINK_WAITING_MAX / 2, 1);
}

/* Of many, each gets what was said before its own turn, and what was said after it. */
static void test_many_talk(void **state)
{
    (void)state;
    talk(NP_LINK_WAITING_MAX * 3, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answers_of_a_crowd),
        cmocka_unit_test(test_deadlines_of_a_crowd),
        cmocka_unit_test(test_few_talk),
        cmocka_unit_test(test_many_talk),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
