/* No file descriptors left: the daemon says so once, rests, and goes on. In a child process, since
 * the limit holds for all of it. */
#include "service/conn_private.h"
#include "support/blocking_peer.h"
#include "support/demo_service.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
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

/* One source has all descriptors ------------------------------------------------------------ */

enum { HOGS = 80, NEWCOMERS = 10, HOG_SOURCE = 0x7F000101, GOOD_SOURCE = 0x7F000201 };

typedef struct crowd {
    np_loop *loop;
    np_daemon *daemon;
    uint16_t port;
    struct rlimit before;
    int ready[2];      /* a byte comes when the hog has what it gets */
    const char *limit; /* the option for which somebody has to go */
    int turned_out;
    char log[8192];
} crowd;

static void note_line(void *user, const np_log_event *event)
{
    crowd *c = user;
    char line[NP_LOG_LINE_MAX];
    size_t used = strlen(c->log);

    (void)np_log_format(event, NP_LOG_LOGFMT, line, sizeof line);
    (void)snprintf(c->log + used, sizeof c->log - used, "%s\n", line);
}

static void note_busy(np_conn *conn, const np_failure *failure, void *user)
{
    crowd *c = user;

    (void)conn;
    if (failure->err == NP_ERR_BUSY) {
        c->turned_out++;
        assert_string_equal(failure->fault.where, c->limit);
    }
}

static void limit_files(crowd *c)
{
    struct rlimit limit;

    assert_int_equal(getrlimit(RLIMIT_NOFILE, &c->before), 0);
    limit = (struct rlimit){LIMIT, c->before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

/* early: the limit is there before the daemon is. */
static void crowd_start(crowd *c, np_log *log, bool early, uint32_t connections_max)
{
    static const char *const addresses[] = {"tcp://127.0.0.1:0"};
    np_daemon_options options = demo_daemon_options(&demo_echo, addresses, 1);
    np_loop_options loop_options = np_loop_options_default();
    np_log_sink sink = {note_line, c};

    memset(c, 0, sizeof *c);
    c->limit = early ? "connections_max" : "descriptors";
    np_log_init(log, &sink, NULL);
    loop_options.log = log;
    options.security = np_security_default();
    options.security.plaintext = true;
    options.connections_max = connections_max;
    options.handlers.on_close = note_busy;
    options.handlers.user = c;
    assert_int_equal(pipe(c->ready), 0);
    demo_must(np_loop_new(&c->loop, &loop_options), NULL);
    if (early) {
        limit_files(c);
    }
    demo_must(np_daemon_start(&c->daemon, c->loop, &options, NULL), NULL);
    c->port = blocking_port(np_daemon_address(c->daemon, 0));
    if (!early) {
        limit_files(c);
    }
}

static void crowd_end(crowd *c)
{
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &c->before), 0);
    np_daemon_free(c->daemon);
    np_loop_free(c->loop);
    (void)close(c->ready[0]);
    (void)close(c->ready[1]);
}

/* As many connections as it gets. Then so many more knock, all at once and without end. */
static void be_hog(const crowd *c, int knocking)
{
    static blocking_peer hogs[HOGS];
    const struct sockaddr_in to = {.sin_family = AF_INET,
                                   .sin_port = htons(c->port),
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const struct sockaddr_in from = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(HOG_SOURCE)};
    uint8_t in = 0;

    (void)setrlimit(RLIMIT_NOFILE, &c->before); /* it is the daemon that has few */
    while (in < HOGS && blocking_open(&hogs[in], c->port, HOG_SOURCE, NULL, NP_COMPRESSION_NONE)) {
        in++;
    }
    for (int i = 0; i < knocking; i++) {
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        expect(bind(fd, (const struct sockaddr *)&from, sizeof from) == 0, "bind");
        (void)connect(fd, (const struct sockaddr *)&to, sizeof to);
    }
    expect(write(c->ready[1], &in, 1) == 1, "write");
    for (;;) {
        pause();
    }
}

/* Starts it, and returns how many connections it has, which all take descriptors of ours. */
static uint8_t start_hog(crowd *c, int knocking, pid_t *child)
{
    struct pollfd poll_fd = {c->ready[0], POLLIN, 0};
    uint8_t in = 0;

    *child = fork();
    if (*child == 0) {
        be_hog(c, knocking);
    }
    assert_true(*child > 0);
    while (poll(&poll_fd, 1, 0) == 0) {
        demo_rest(c->loop, 1);
    }
    assert_int_equal(read(c->ready[0], &in, 1), 1);
    return in;
}

/* How many of those who come, each from an address of its own, are refused. */
static int be_newcomers(const crowd *c)
{
    static blocking_peer good[NEWCOMERS];
    int refused = 0;

    (void)setrlimit(RLIMIT_NOFILE, &c->before);
    for (uint32_t i = 0; i < NEWCOMERS; i++) {
        refused += !blocking_open(&good[i], c->port, GOOD_SOURCE + i, NULL, NP_COMPRESSION_NONE);
    }
    for (uint32_t i = 0; i < NEWCOMERS; i++) {
        refused += good[i].open && !blocking_poll(&good[i]); /* turned out again */
    }
    return refused;
}

/* Returns how long it took, in ms. */
static uint64_t expect_let_in(crowd *c)
{
    uint64_t before = np_loop_now(c->loop).mono_ms;
    int status = 0;
    pid_t child = fork();

    if (child == 0) {
        _exit(be_newcomers(c));
    }
    assert_true(child > 0);
    while (waitpid(child, &status, WNOHANG) == 0) {
        demo_rest(c->loop, 1);
    }
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    return np_loop_now(c->loop).mono_ms - before;
}

static void stop_hog(pid_t child)
{
    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(waitpid(child, NULL, 0), child);
}

/* It gives way to others as if they were places, and does not make them wait by knocking on. */
static void test_a_source_with_all_descriptors(void **state)
{
    (void)state;
    for (int knocking = 0; knocking <= 100; knocking += 100) {
        crowd c;
        np_log log;
        pid_t hog = 0;
        uint8_t in = 0;

        crowd_start(&c, &log, false, 10000);
        in = start_hog(&c, knocking, &hog);
        assert_in_range(in, LIMIT / 2, LIMIT);
        assert_true(expect_let_in(&c) < 3000);
        assert_int_equal(c.turned_out, NEWCOMERS);
        assert_non_null(strstr(c.log, "event=listener.files"));
        assert_non_null(strstr(c.log, "limit=descriptors"));
        stop_hog(hog);
        crowd_end(&c);
    }
}

/* The limit is there when the daemon starts: it keeps so far below it that the application has some
 * descriptors left, and others are let in all the same. */
static void test_some_are_left_to_the_application(void **state)
{
    enum { KEPT = 3 };
    int files[KEPT];
    crowd c;
    np_log log;
    pid_t hog = 0;

    (void)state;
    crowd_start(&c, &log, true, 10000);
    assert_non_null(strstr(c.log, "level=info event=daemon.files connections_max="));
    assert_non_null(strstr(c.log, " wanted=10000\n"));
    assert_in_range(start_hog(&c, 10, &hog), LIMIT / 2, LIMIT - 10);
    (void)expect_let_in(&c);
    assert_int_equal(c.turned_out, NEWCOMERS);
    assert_null(strstr(c.log, "event=listener.files"));
    for (int i = 0; i < KEPT; i++) {
        files[i] = open("/dev/null", O_RDONLY | O_CLOEXEC);
        assert_true(files[i] >= 0);
    }
    for (int i = 0; i < KEPT; i++) {
        (void)close(files[i]);
    }
    stop_hog(hog);
    crowd_end(&c);
    crowd_start(&c, &log, true, LIMIT / 2); /* there are enough */
    assert_null(strstr(c.log, "daemon.files"));
    crowd_end(&c);
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
        cmocka_unit_test(test_a_source_with_all_descriptors),
        cmocka_unit_test(test_some_are_left_to_the_application),
        cmocka_unit_test(test_client_without_descriptors),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
