/* What the command does when its standard input or output is not as simple as a file: interrupted,
 * without waiting, closed, full. */
#include "support/tool_runner.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define ECHO_LINE "{\"Echo\":{\"text\":\"hi\"}}\n"
#define ECHO_HEX "0500000002000000000000006869\n"

static char address[128];

/* A read from a socket that has a deadline is interrupted when its process was stopped and goes on;
 * one that does not wait has nothing yet. Neither is the end of the input. */
typedef enum odd_input { INTERRUPTED, WITHOUT_WAITING } odd_input;

static void open_input(odd_input kind, int pair[2])
{
    const struct timeval deadline = {60, 0};

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    if (kind == INTERRUPTED) {
        assert_int_equal(setsockopt(pair[0], SOL_SOCKET, SO_RCVTIMEO, &deadline, sizeof deadline),
                         0);
    } else {
        assert_int_equal(fcntl(pair[0], F_SETFL, O_NONBLOCK), 0);
    }
    assert_int_equal(fcntl(pair[1], F_SETFD, FD_CLOEXEC), 0);
}

/* Waits until the process sleeps, as one does that reads what is not there. */
static void until_it_sleeps(pid_t pid)
{
    char path[64];
    char text[512] = "";
    int quiet = 0;

    (void)snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    for (int i = 0; i < 1000 && quiet < 20; i++) {
        (void)tool_read_file(path, text, sizeof text);
        quiet = strstr(text, ") S ") != NULL ? quiet + 1 : 0;
        usleep(10000);
    }
    assert_int_equal(quiet, 20);
}

static void feed(odd_input kind, const char *text, const char *out, const char *const *args)
{
    int pair[2];

    open_input(kind, pair);
    pid_t pid = tool_start_on(pair[0], -1, args);
    assert_int_equal(close(pair[0]), 0);
    for (int i = 0; i < 2; i++) {
        until_it_sleeps(pid);
        assert_int_equal(kill(pid, SIGSTOP), 0);
        assert_int_equal(waitpid(pid, NULL, WUNTRACED), pid);
        assert_int_equal(kill(pid, SIGCONT), 0);
        if (i == 0) { /* the second time it has a part */
            assert_int_equal(send(pair[1], text, 7, MSG_NOSIGNAL), 7);
        }
    }
    until_it_sleeps(pid);
    assert_int_equal(send(pair[1], text + 7, strlen(text) - 7, MSG_NOSIGNAL), strlen(text) - 7);
    assert_int_equal(close(pair[1]), 0);
    expect(tool_finish(pid), 0, out);
}

static void test_input_by_and_by(void **state)
{
    static const odd_input kinds[] = {INTERRUPTED, WITHOUT_WAITING};
    pid_t server =
        tool_start_server(address, sizeof address,
                          (const char *const[]){"serve", "--plaintext", "tcp://127.0.0.1:0", NULL});
    (void)state;

    for (size_t i = 0; i < 2; i++) {
        feed(kinds[i], ECHO_LINE, ECHO_LINE,
             (const char *const[]){"call", "--plaintext", address, "-", NULL});
        feed(kinds[i], ECHO_LINE, ECHO_HEX, (const char *const[]){"encode", "-", NULL});
        feed(kinds[i], ECHO_HEX, ECHO_LINE, (const char *const[]){"decode", NULL});
    }
    assert_int_equal(kill(server, SIGTERM), 0);
    (void)tool_wait(server, NULL);
}

/* Where nothing can be printed, that is said in the words of the first that failed, whatever the
 * program did after it; and it is no success. */
static void test_output_that_fails(void **state)
{
    static const struct {
        const char *path; /* NULL: closed */
        const char *words;
        size_t count; /* of the commands; those behind open files that could take its place */
    } outputs[] = {
        {NULL, "cannot write to standard output: it is closed", 2},
        {"/dev/full", "cannot write to standard output: No space left on device", 5},
    };
    pid_t server =
        tool_start_server(address, sizeof address,
                          (const char *const[]){"serve", "--plaintext", "tcp://127.0.0.1:0", NULL});
    (void)state;

    for (size_t i = 0; i < sizeof outputs / sizeof outputs[0]; i++) {
        const char *const *commands[] = {
            (const char *const[]){"--help", NULL},
            (const char *const[]){"encode", "Ping", "{\"token\":1}", NULL},
            (const char *const[]){"call", "--plaintext", address, "Ping", "{\"token\":1}", NULL},
            (const char *const[]){"ping", "--plaintext", "-c", "2", "-i", "1", address, NULL},
            (const char *const[]){"handshake", "--plaintext", address, NULL},
        };
        for (size_t c = 0; c < outputs[i].count; c++) {
            int out =
                outputs[i].path != NULL ? open(outputs[i].path, O_WRONLY | O_CLOEXEC) : TOOL_CLOSED;
            pid_t pid = tool_start_on(-1, out, commands[c]);
            if (out >= 0) {
                assert_int_equal(close(out), 0);
            }
            expect_words(tool_finish(pid), 1, outputs[i].words);
        }
    }
    assert_int_equal(kill(server, SIGTERM), 0);
    (void)tool_wait(server, NULL);
}

/* Who has nobody to tell ends soon, and does not go through all it was asked for first. */
static void test_output_that_fails_ends_the_rest(void **state)
{
    char where[128];
    pid_t server =
        tool_start_server(where, sizeof where,
                          (const char *const[]){"serve", "--plaintext", "tcp://127.0.0.1:0", NULL});
    const char *const *commands[] = {
        (const char *const[]){"ping", "--plaintext", "-c", "1000", "-i", "60000", where, NULL},
        (const char *const[]){"call", "--plaintext", where, "-", NULL},
        (const char *const[]){"serve", "--plaintext", "tcp://127.0.0.1:0", NULL},
    };
    (void)state;

    for (size_t c = 0; c < sizeof commands / sizeof commands[0]; c++) {
        int out = open("/dev/full", O_WRONLY | O_CLOEXEC), pair[2];
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
        assert_int_equal(send(pair[1], ECHO_LINE, strlen(ECHO_LINE), MSG_NOSIGNAL),
                         strlen(ECHO_LINE));
        pid_t pid = tool_start_on(pair[0], out, commands[c]);
        assert_int_equal(close(pair[0]), 0);
        assert_int_equal(close(out), 0);
        /* The input goes on: nobody waits for its end. */
        expect_words(tool_finish(pid), 1,
                     "cannot write to standard output: No space left on device");
        assert_int_equal(close(pair[1]), 0);
    }
    assert_int_equal(kill(server, SIGTERM), 0);
    (void)tool_wait(server, NULL);
}

/* The first message that nobody reads ends a server in order, with a goodbye to its clients. */
static void test_serve_ends_with_its_reader(void **state)
{
    char line[256] = "";
    int out[2];
    (void)state;

    assert_int_equal(pipe2(out, O_CLOEXEC), 0);
    pid_t pid = tool_start_on(-1, out[1],
                              (const char *const[]){"-p", tool_plugin, "serve", "--plaintext",
                                                    "tcp://127.0.0.1:0", NULL});
    assert_int_equal(close(out[1]), 0);
    assert_true(read(out[0], line, sizeof line - 1) > 0);
    assert_int_equal(sscanf(line, "{\"listening\":\"%127[^\"]\"}", address), 1);
    assert_int_equal(close(out[0]), 0);
    /* Both write to one file of complaints, so only how they end tells. */
    pid_t client = tool_start_into(
        "/dev/null", (const char *const[]){"-p", tool_plugin, "call", "--plaintext", "-l", "20000",
                                           address, "Join", "{\"name\":\"ann\"}", NULL});
    assert_int_equal(tool_wait(pid, NULL), 1);
    assert_int_equal(tool_wait(client, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_input_by_and_by),
        cmocka_unit_test(test_output_that_fails),
        cmocka_unit_test(test_output_that_fails_ends_the_rest),
        cmocka_unit_test(test_serve_ends_with_its_reader),
    };

    return cmocka_run_group_tests(tests, tool_runner_setup, tool_runner_teardown);
}
