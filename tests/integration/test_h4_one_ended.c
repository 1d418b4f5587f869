/* h4: all places are taken and the memory is short, and somebody comes: one is ended for him, and
 * not one for the memory and another one for the place. */
#include "service/conn_private.h"
#include "service/daemon_private.h"
#include "support/demo_service.h"
#include "support/sanitized.h"
#include "transport/loop_state.h"
#include "transport/stream.h"

#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#if TEST_SANITIZED

int main(void)
{
    return 77;
}

#else

enum { PEERS = 8, QUEUE_LEN = 3000000 };

static uint8_t bytes[QUEUE_LEN];

typedef struct world {
    np_loop *loop;
    np_daemon *daemon;
    np_stream near_ends[PEERS + 40], far_ends[PEERS + 40];
    size_t opened, closed;
    size_t queue;
} world;

static void on_open(np_conn *conn, void *user)
{
    world *w = user;
    const demo_say much = {{bytes, w->queue}};

    w->opened++;
    if (w->queue > 0 && w->opened == 5) {
        demo_must(np_conn_send(conn, demo_message_say, &much, NULL), NULL);
    }
}

static void on_close(np_conn *conn, const np_failure *failure, void *user)
{
    (void)conn;
    (void)failure;
    ((world *)user)->closed++;
}

static np_err adopt(world *w, uint32_t number)
{
    struct sockaddr_in sa = {.sin_family = AF_INET, .sin_port = 1};
    const char *limit = NULL;

    sa.sin_addr.s_addr = htonl(0x0A000001 + number);
    return np__daemon_adopt(w->daemon, &w->near_ends[number], (struct sockaddr *)&sa, &limit);
}

static void hello(world *w, uint32_t number)
{
    uint8_t data[512];
    struct iovec iov = {data, demo_raw_hello(data, sizeof data)};
    size_t count = 0;
    int os_error = 0;
    np_stream *far_end = &w->far_ends[number];

    assert_int_equal(far_end->ops->writev(far_end, &iov, 1, &count, &os_error), NP_IO_OK);
    assert_int_equal(count, iov.iov_len);
    demo_rest(w->loop, 2);
}

static void begin(world *w, uint32_t places)
{
    static const char *const addresses[] = {"tcp://127.0.0.1:0"};
    np_daemon_options options = demo_daemon_options(&demo_echo, addresses, 1);

    options.connections_max = places;
    options.conn.queue_max = (size_t)8 << 20;
    options.handlers = (np_conn_handlers){.on_open = on_open, .on_close = on_close, .user = w};
    demo_must(np_loop_new(&w->loop, NULL), NULL);
    demo_must(np_daemon_start(&w->daemon, w->loop, &options, NULL), NULL);
    for (size_t i = 0; i < PEERS + 40; i++) {
        demo_must(np_pair_open(w->loop, 512, &w->near_ends[i], &w->far_ends[i]), NULL);
    }
}

/* The application (or a library that it uses) has the rest of the address space, but for `left`. */
static void eat_all(world *w, size_t left)
{
    struct rlimit limit;
    FILE *file = fopen("/proc/self/statm", "r");
    unsigned long pages = 0;
    void *kept[64] = {NULL};

    (void)np__loop_relieve(w->loop); /* as it is when blocks needed it */
    assert_int_equal(fscanf(file, "%lu", &pages), 1);
    (void)fclose(file);
    limit.rlim_cur = limit.rlim_max = pages * (size_t)sysconf(_SC_PAGESIZE) + (8 << 20);
    assert_int_equal(setrlimit(RLIMIT_AS, &limit), 0);
    for (size_t i = 0; i < left / 50000 + 1; i++) {
        kept[i] = malloc(left < 50000 ? left : 50000);
    }
    for (size_t size = 1 << 20; size >= 512; size /= 2) {
        while (malloc(size) != NULL) {
        }
    }
    for (size_t i = 0; i < 64; i++) {
        free(kept[i]);
    }
}

static int in_child(int (*fn)(void))
{
    int status = 0;
    pid_t child = 0;

    (void)fflush(stdout);
    child = fork();
    if (child == 0) {
        int result = fn();
        (void)fflush(stdout);
        _exit(result);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static int one(void)
{
    static world w = {.queue = QUEUE_LEN};
    np_err err = NP_OK;

    begin(&w, PEERS);
    for (uint32_t i = 0; i < PEERS; i++) {
        struct sockaddr_in sa = {.sin_family = AF_INET, .sin_port = 1};
        const char *limit = NULL;
        sa.sin_addr.s_addr = htonl(0x0A0000FF);
        demo_must(np__daemon_adopt(w.daemon, &w.near_ends[i], (struct sockaddr *)&sa, &limit),
                  NULL);
        hello(&w, i);
    }
    eat_all(&w, 4096);
    print_message("live %zu, roomy %d\n", w.loop->pool.live, np__loop_headroom(w.loop, false));
    err = adopt(&w, PEERS);
    print_message("live %zu, held %zu\n", w.loop->pool.live, w.loop->headroom.memory != NULL ? w.loop->headroom.len : 0);
    demo_rest(w.loop, 5);
    print_message("newcomer: %s; %zu of %d ended\n", np_err_name(err), w.closed, PEERS);
    return err == NP_OK && w.closed > 1;
}

static void test_one_is_ended(void **state)
{
    (void)state;
    assert_int_equal(in_child(one), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_is_ended),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

#endif
