/* No file descriptors left: the daemon says so once, rests, and goes on. In a child process, since
 * the limit holds for all of it. */
#include "support/demo_service.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define LIMIT 64
#define CLIENTS 100

typedef struct log_state {
    int exhausted;
} log_state;

static void on_log(void *user, const np_log_event *event)
{
    log_state *s = user;

    s->exhausted += strcmp(event->name, "listener.files") == 0;
}

/* Connects and says hello, without waiting; -1 if that is not possible any more. */
static int try_hello(const char *address, const uint8_t *hello, size_t len)
{
    int fd = demo_raw_connect(address);

    (void)send(fd, hello, len, MSG_NOSIGNAL);
    return fd;
}

static void expect(bool ok, const char *what)
{
    if (!ok) {
        (void)fprintf(stderr, "%s\n", what);
        _exit(1);
    }
}

static double cpu_s(void)
{
    struct timespec ts;

    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* The daemon, which has few descriptors. Reports its address and then its end through the pipe. */
static void serve(int out, int in)
{
    const char *addresses[] = {"tcp://127.0.0.1:0"};
    np_daemon_options options = demo_daemon_options(&demo_echo, addresses, 1);
    np_loop_options loop_options = np_loop_options_default();
    struct rlimit limit = {LIMIT, LIMIT};
    log_state state = {0};
    np_log_sink sink = {on_log, &state};
    np_log log;
    np_loop *loop = NULL;
    np_daemon *daemon = NULL;
    uint8_t go = 0;
    double before = 0;
    size_t most = 0;

    np_log_init(&log, &sink, NULL);
    loop_options.log = &log;
    demo_must(np_loop_new(&loop, &loop_options), NULL);
    demo_must(np_daemon_start(&daemon, loop, &options, NULL), NULL);
    expect(setrlimit(RLIMIT_NOFILE, &limit) == 0, "setrlimit");
    expect(write(out, np_daemon_address(daemon, 0), 64) == 64, "write");
    expect(read(in, &go, 1) == 1, "read"); /* all have connected */
    before = cpu_s();
    for (int i = 0; i < 50; i++) {
        demo_rest(loop, 10);
        most = np_daemon_connections(daemon) > most ? np_daemon_connections(daemon) : most;
    }
    expect(most > LIMIT / 2 && most < LIMIT, "it serves as many as it can");
    expect(state.exhausted == 1, "it says so once");
    expect(cpu_s() - before < 0.25, "it does not spin");
    expect(write(out, &go, 1) == 1, "write");
    /* The others hang up; who comes now is served, until the parent has seen enough. */
    (void)fcntl(in, F_SETFL, O_NONBLOCK);
    for (int i = 0; i < 500 && read(in, &go, 1) != 1; i++) {
        demo_rest(loop, 10);
    }
    np_daemon_free(daemon);
    np_loop_free(loop);
    _exit(0);
}

static void test_daemon_survives_exhaustion(void **state)
{
    int up[2];
    int down[2];
    char address[64];
    uint8_t hello[512];
    uint8_t answer[256];
    size_t len = demo_raw_hello(hello, sizeof hello);
    int fds[CLIENTS];
    int status = 0;
    pid_t child = 0;

    (void)state;
    assert_int_equal(pipe(up), 0);
    assert_int_equal(pipe(down), 0);
    child = fork();
    if (child == 0) {
        (void)close(up[0]);
        (void)close(down[1]);
        serve(up[1], down[0]);
    }
    (void)close(up[1]);
    (void)close(down[0]);
    assert_int_equal(read(up[0], address, sizeof address), sizeof address);
    for (int i = 0; i < CLIENTS; i++) {
        fds[i] = try_hello(address, hello, len);
    }
    assert_int_equal(write(down[1], "x", 1), 1);
    assert_int_equal(read(up[0], answer, 1), 1);
    for (int i = 0; i < CLIENTS; i++) {
        (void)close(fds[i]);
    }
    fds[0] = try_hello(address, hello, len);
    assert_true(recv(fds[0], answer, sizeof answer, 0) > 10); /* the Welcome */
    (void)close(fds[0]);
    assert_int_equal(write(down[1], "x", 1), 1);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    (void)close(up[0]);
    (void)close(down[1]);
}

/* A client without descriptors is told what is wrong. */
static void test_client_without_descriptors(void **state)
{
    pid_t child = fork();
    int status = 0;

    (void)state;
    if (child == 0) {
        np_client_options options = demo_client_options(NULL, "tcp://127.0.0.1:1");
        struct rlimit limit = {LIMIT, LIMIT};
        np_loop *loop = NULL;
        np_client *client = NULL;
        np_failure failure;
        demo_must(np_loop_new(&loop, NULL), NULL);
        demo_must(np_client_new(&client, loop, &options, NULL), NULL);
        demo_rest(loop, 1);
        (void)setrlimit(RLIMIT_NOFILE, &limit);
        while (open("/dev/null", O_RDONLY) >= 0) {
        }
        expect(np_client_connect_wait(client, &failure) == NP_ERR_FILES, "the error");
        expect(failure.stage == NP_STAGE_CONNECT && failure.os_error == EMFILE, "the cause");
        np_client_free(client);
        np_loop_free(loop);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_daemon_survives_exhaustion),
        cmocka_unit_test(test_client_without_descriptors),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
