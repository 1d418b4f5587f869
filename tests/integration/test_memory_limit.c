/* A daemon that may have so much address space and no more, as under `prlimit --as`: it turns away
 * whom it has no room for, serves those that it has, all at the same time, and takes others when
 * some have gone. Where it is full of what one source has sent, that gives way. */
#include "support/blocking_peer.h"
#include "support/demo_service.h"
#include "support/sanitized.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#if TEST_SANITIZED

int main(void)
{
    return 77; /* skipped: a sanitizer's shadow is larger than any limit */
}

#else

/* What the daemon may take beyond what it has when it is ready; and where there are hogs. */
#define MORE ((size_t)3 << 20)
#define MORE_FOR_HOGS ((size_t)60 << 20)

#define CLIENTS_MAX 3000

static size_t address_space(void)
{
    FILE *file = fopen("/proc/self/statm", "r");
    unsigned long pages = 0;

    assert_non_null(file);
    assert_int_equal(fscanf(file, "%lu", &pages), 1);
    (void)fclose(file);
    return pages * (size_t)sysconf(_SC_PAGESIZE);
}

static void on_term(np_loop *loop, int number, void *user)
{
    (void)number;
    (void)user;
    np_loop_stop(loop);
}

/* Whom the daemon turned away and why, for whoever reads why this test failed. */
static void print_event(void *user, const np_log_event *event)
{
    char line[512];
    size_t len = np_log_format(event, NP_LOG_LOGFMT, line, sizeof line);

    (void)user;
    (void)fprintf(stderr, "%.*s\n", (int)len, line);
}

/* The daemon's process: tells its address through the pipe, and serves until it is asked to end. */
static int serve(int out, size_t more)
{
    const char *addresses[] = {"tcp://127.0.0.1:0"};
    np_daemon_options options = demo_daemon_options(&demo_echo, addresses, 1);
    np_daemon *daemon = NULL;
    np_loop_options loop_options = np_loop_options_default();
    np_log_options log_options = np_log_options_default();
    np_loop *loop = NULL;
    np_failure failure;
    np_log log;
    struct rlimit limit;
    const char *text = NULL;

    log_options.level = NP_LOG_WARN;
    np_log_init(&log, &(np_log_sink){print_event, NULL}, &log_options);
    loop_options.log = &log;
    options.connections_max = 1000000;
    options.connections_per_source_max = 0;
    options.half_open_max = 0;
    options.half_open_per_source_max = 0;
    options.handshake_rate_max = 0;
    options.handshake_rate_per_source_max = 0;
    options.backlog = 4096;
    demo_must(np_loop_new(&loop, &loop_options), NULL);
    demo_must(np_loop_on_signal(loop, SIGTERM, on_term, NULL), NULL);
    demo_must(np_daemon_start(&daemon, loop, &options, &failure), &failure);
    limit.rlim_cur = limit.rlim_max = address_space() + more;
    if (setrlimit(RLIMIT_AS, &limit) != 0) {
        return 1;
    }
    text = np_daemon_address(daemon, 0);
    if (write(out, text, strlen(text) + 1) < 0) {
        return 2;
    }
    demo_must(np_loop_run(loop), NULL);
    np_daemon_free(daemon);
    np_loop_free(loop);
    return 0;
}

/* Starts it, and returns its process. */
static pid_t start(size_t more, char *address, size_t len)
{
    int out[2];
    pid_t child = 0;

    assert_int_equal(pipe(out), 0);
    child = fork();
    if (child == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* it must not outlive a test that fails */
        _exit(serve(out[1], more));
    }
    assert_true(child > 0);
    assert_true(read(out[0], address, len) > 0);
    (void)close(out[0]);
    (void)close(out[1]);
    return child;
}

static void end(pid_t child)
{
    int status = 0;

    assert_int_equal(kill(child, SIGTERM), 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

/* Clients ---------------------------------------------------------------------------------- */

typedef struct crowd {
    np_loop *loop;
    np_client *clients[CLIENTS_MAX];
    bool open[CLIENTS_MAX];
    size_t count, answers;
    char address[64];
} crowd;

static crowd all;

static np_err on_say(np_conn *conn, const demo_say *msg, void *user)
{
    (void)conn;
    (void)user;
    all.answers += msg->data.len == 100;
    return NP_OK;
}

static void on_close(np_conn *conn, const np_failure *failure, void *user)
{
    (void)conn;
    if (failure->err != NP_ERR_CANCELED) { /* not by us */
        print_message("closed: %s\n", failure->text);
    }
    *(bool *)user = false;
}

static const demo_handlers handlers = {.on_say = on_say};

/* One more; false: it was turned away, or this process may have no more descriptors. */
static bool add(size_t at)
{
    np_client_options options = demo_client_options(&handlers, all.address);
    np_failure failure;

    options.handlers.on_close = on_close;
    options.handlers.user = &all.open[at];
    demo_must(np_client_new(&all.clients[at], all.loop, &options, &failure), &failure);
    all.open[at] = np_client_connect_wait(all.clients[at], &failure) == NP_OK;
    if (!all.open[at]) {
        print_message("client %zu: %s\n", at, failure.text);
        np_client_free(all.clients[at]);
        all.clients[at] = NULL;
    }
    return all.open[at];
}

/* All that are there say something at the same time, and are answered. */
static void all_are_served(void)
{
    const uint8_t bytes[100] = {1};
    demo_say say = {{bytes, sizeof bytes}};
    size_t said = 0;
    bool never = false;

    all.answers = 0;
    for (size_t i = 0; i < all.count; i++) {
        if (all.clients[i] != NULL) {
            assert_true(all.open[i]);
            demo_must(np_client_send(all.clients[i], demo_message_say, &say, NULL), NULL);
            said++;
        }
    }
    for (int i = 0; i < 3000 && all.answers < said; i++) {
        assert_int_equal(np_loop_run_until(all.loop, &never, 10), NP_ERR_DEADLINE);
    }
    assert_int_equal(all.answers, said);
}

static void crowd_comes(void)
{
    demo_must(np_loop_new(&all.loop, NULL), NULL);
    while (all.count < CLIENTS_MAX && add(all.count)) {
        all.count++;
    }
    print_message("%zu clients came\n", all.count);
    assert_in_range(all.count, 100, CLIENTS_MAX - 1);
    for (int i = 0; i < 20; i++) {
        (void)add(all.count); /* and are turned away, or are let in where somebody made room */
        all.count += all.clients[all.count] != NULL;
    }
    all_are_served();
    for (size_t i = 0; i < all.count; i += 2) {
        np_client_free(all.clients[i]);
        all.clients[i] = NULL;
    }
    all_are_served();
}

/* In the place of those that have gone; the daemon looks for memory once a second. */
static void others_come(void)
{
    size_t came = 0;

    for (int tries = 0; tries < 100 && came < 50; tries++) {
        bool never = false;
        came += add(2 * came);
        (void)!np_loop_run_until(all.loop, &never, came < 50 && !all.open[2 * came] ? 50 : 0);
    }
    assert_true(came >= 50);
    all_are_served();
}

static void test_clients_come_until_there_is_no_room(void **state)
{
    pid_t child = start(MORE, all.address, sizeof all.address);

    (void)state;
    crowd_comes();
    others_come();
    for (size_t i = 0; i < all.count; i++) {
        np_client_free(all.clients[i]);
    }
    np_loop_free(all.loop);
    end(child);
}

/* Hogs ------------------------------------------------------------------------------------- */

enum { BIG_HOGS = 10, HOGS = 300, HOG_LEN = 11 << 20, GOOD = 20, GOOD_LEN = 60000 };

enum { HOG_SOURCE = 0x7F000101, THERE_SOURCE = 0x7F000201, NEW_SOURCE = 0x7F000301 };

static uint8_t hog_data[HOG_LEN];

/* Large messages that never end, and then ever smaller ones, until there is no memory for them. */
static size_t fill(blocking_peer *hogs, uint16_t port)
{
    size_t came = 0;

    for (size_t i = 0; i < HOGS; i++) {
        demo_say say = {{hog_data, HOG_LEN}};
        if (i >= BIG_HOGS) {
            size_t step = (i - BIG_HOGS) / 8;
            say.data.len = step < 8 ? (2U << 20) >> step : 8000;
        }
        if (blocking_open(&hogs[i], port, HOG_SOURCE, NULL, NP_COMPRESSION_NONE)) {
            came++;
            demo_must(np_session_send(&hogs[i].s, demo_message_say, &say, NULL), NULL);
            (void)blocking_write(&hogs[i], 16);
        }
        (void)usleep(1000);
    }
    return came;
}

/* A newcomer tries again, as clients do: somebody gives way ten times a second at most, and a
 * daemon on a busy machine may have hogs to listen to still. */
static bool comes_in(blocking_peer *peer, uint16_t port, uint32_t source)
{
    for (int i = 0; i < 40; i++) {
        if (blocking_open(peer, port, source, NULL, NP_COMPRESSION_NONE)) {
            return true;
        }
        blocking_fini(peer);
        (void)usleep(50000);
    }
    return false;
}

static bool is_served(blocking_peer *peer)
{
    const demo_say say = {{hog_data, GOOD_LEN}};

    return peer->open && !peer->closed &&
           np_session_send(&peer->s, demo_message_say, &say, NULL) == NP_OK &&
           blocking_read(peer, 1);
}

/* The memory ends far below memory_max, and one source has it all: its largest connections go, for
 * those who were there and ask for some, and for those who come. */
static void test_hogs_give_way(void **state)
{
    static blocking_peer hogs[HOGS], there[GOOD], newcomers[GOOD];
    char address[64];
    pid_t child = start(MORE_FOR_HOGS, address, sizeof address);
    uint16_t port = blocking_port(address);
    size_t came = 0;
    int lost = 0, refused = 0, stay = 0;

    (void)state;
    if (getenv(DEMO_SECURE) != NULL) { /* its peers talk in the clear: keys are no part of this */
        end(child);
        skip();
    }
    for (uint32_t i = 0; i < GOOD; i++) {
        assert_true(blocking_open(&there[i], port, THERE_SOURCE + i, NULL, NP_COMPRESSION_NONE));
    }
    came = fill(hogs, port);
    (void)usleep(200000); /* it gives way ten times a second at most */
    for (uint32_t i = 0; i < GOOD; i++) {
        if (!comes_in(&newcomers[i], port, NEW_SOURCE + i)) {
            refused++;
        } else {
            lost += !is_served(&newcomers[i]);
        }
        lost += !is_served(&there[i]);
    }
    for (size_t i = 0; i < HOGS; i++) {
        stay += hogs[i].fd >= 0 && blocking_poll(&hogs[i]);
        blocking_fini(&hogs[i]);
    }
    print_message("%zu of %d hogs came, %d stay; %d of %d newcomers are refused, %d others lost\n",
                  came, HOGS, stay, refused, GOOD, lost);
    assert_int_equal(refused, 0);
    assert_int_equal(lost, 0);
    assert_in_range(stay, HOGS / 10, HOGS - 1);
    for (size_t i = 0; i < GOOD; i++) {
        blocking_fini(&there[i]);
        blocking_fini(&newcomers[i]);
    }
    end(child);
}

int main(void)
{
    struct rlimit files;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_clients_come_until_there_is_no_room),
        cmocka_unit_test(test_hogs_give_way),
    };

    if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < CLIENTS_MAX) {
        files.rlim_cur = files.rlim_max < CLIENTS_MAX ? files.rlim_max : CLIENTS_MAX;
        (void)setrlimit(RLIMIT_NOFILE, &files);
    }
    if (files.rlim_cur < CLIENTS_MAX / 2) {
        print_message("skipped: it takes more descriptors than this system allows\n");
        return 77;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#endif
