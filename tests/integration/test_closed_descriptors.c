/* Our programs where whoever starts them has closed standard input, output and error: what they
 * print goes nowhere, above all not into a socket or file that got the number of one of those. */
#include "support/tool_runner.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <libgen.h>
#include <limits.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static char programs[PATH_MAX]; /* build/PRESET */
static char folder[] = "/tmp/np-closed-XXXXXX";
static char socket_path[64], address[80];

static int set_up(void **state)
{
    char self[PATH_MAX];
    ssize_t len = readlink("/proc/self/exe", self, sizeof self - 1);

    if (tool_runner_setup(state) != 0 || len <= 0 || mkdtemp(folder) == NULL) {
        return -1;
    }
    self[len] = '\0';
    (void)snprintf(programs, sizeof programs, "%.4000s/../..", dirname(self));
    (void)snprintf(socket_path, sizeof socket_path, "%s/s.sock", folder);
    (void)snprintf(address, sizeof address, "unix://%s", socket_path);
    return setenv("XDG_CONFIG_HOME", folder, 1);
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
    (void)st;
    (void)kind;
    (void)at;
    return remove(path);
}

static int tear_down(void **state)
{
    return nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS) | tool_runner_teardown(state);
}

/* Starts a program as `PROGRAM ARGUMENTS 0<&- 1>&- 2>&-`. args end with NULL. */
static pid_t start(const char *program, const char *const *args)
{
    char path[PATH_MAX + 64];
    char *argv[16] = {path};
    pid_t pid;

    (void)snprintf(path, sizeof path, "%s/%s", programs, program);
    assert_int_equal(access(path, X_OK), 0);
    for (size_t i = 0; args[i] != NULL; i++) {
        assert_true(i < 14);
        argv[i + 1] = (char *)(uintptr_t)args[i]; /* execv takes char *, and writes nothing */
    }
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        for (int fd = 0; fd < 1024; fd++) {
            (void)close(fd);
        }
        execv(path, argv);
        _exit(127);
    }
    return pid;
}

#define START(program, ...) start(program, (const char *const[]){__VA_ARGS__, NULL})

static void target_of(pid_t pid, int fd, char target[128])
{
    char link[64];

    (void)snprintf(link, sizeof link, "/proc/%d/fd/%d", (int)pid, fd);
    ssize_t len = readlink(link, target, 127);
    target[len > 0 ? len : 0] = '\0';
}

/* What it has as 0 to 2 once it has more: in the end /dev/null. */
static void expect_held(pid_t pid)
{
    char target[128] = "";

    for (int i = 0; i < 2000 && target[0] == '\0'; i++) {
        usleep(5000);
        target_of(pid, 4, target);
    }
    for (int fd = 0; fd < 3; fd++) {
        target_of(pid, fd, target);
        assert_string_equal(target, "/dev/null");
    }
}

static int connect_to(const char *path)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};

    (void)snprintf(un.sun_path, sizeof un.sun_path, "%s", path);
    for (int i = 0; i < 2000; i++) {
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (connect(fd, (const struct sockaddr *)&un, sizeof un) == 0) {
            return fd;
        }
        (void)close(fd);
        usleep(5000);
    }
    fail_msg("nobody listens on %s", path);
    return -1;
}

/* Has a server complain about us, as often as it takes. */
static void provoke(void)
{
    for (int i = 0; i < 20; i++) {
        char answer[64];
        int fd = connect_to(socket_path);
        assert_int_equal(send(fd, "nonsense, and more of it", 24, MSG_NOSIGNAL), 24);
        (void)shutdown(fd, SHUT_WR);
        while (recv(fd, answer, sizeof answer, 0) > 0) {
        }
        (void)close(fd);
    }
}

/* Any code will do: nothing could be printed, which the command takes for a failure. */
static void stop(pid_t pid)
{
    assert_int_equal(kill(pid, SIGTERM), 0);
    (void)tool_wait(pid, NULL);
}

static void server_key(char key[64])
{
    const tool_result *r = RUN("key", "--server");

    expect(r, 0, NULL);
    (void)snprintf(key, 64, "%.60s", r->out);
    key[strcspn(key, "\n")] = '\0';
}

/* First of all, since the others use the keys. */
static void test_keygen(void **state)
{
    char path[96];

    (void)state;
    (void)tool_wait(START("netproto", "keygen"), NULL);
    (void)tool_wait(START("netproto", "keygen", "--server"), NULL);
    /* Whole, and nothing behind it. */
    (void)snprintf(path, sizeof path, "%s/netproto/client.key", folder);
    expect(RUN("key", path), 0, NULL);
    (void)snprintf(path, sizeof path, "%s/netproto/server.key", folder);
    expect(RUN("key", path), 0, NULL);
}

static void test_serve(void **state)
{
    pid_t pid = START("netproto", "serve", "--anyone", "--verbose", address);

    (void)state;
    (void)close(connect_to(socket_path));
    expect_held(pid);
    provoke();
    char key[64];
    server_key(key);
    expect(RUN("call", "--peer", key, address, "Echo", "{\"text\":\"still here\"}"), 0,
           "{\"Echo\":{\"text\":\"still here\"}}\n");
    stop(pid);
}

static void test_bench(void **state)
{
    const char *args[] = {"serve", "--anyone", address, NULL};
    char at[128], key[64];
    pid_t server = tool_start_server(at, sizeof at, args);

    (void)state;
    server_key(key);
    pid_t pid =
        START("netproto", "bench", "--peer", key, "--seconds", "1", "--connections", "4", address);
    expect_held(pid);
    (void)tool_wait(pid, NULL);
    assert_string_equal(tool_server_err(), ""); /* all was in order: it logs warnings only */
    /* And one that has something to complain about: its server goes. */
    pid = START("netproto", "bench", "--peer", key, "--seconds", "20", address);
    expect_held(pid);
    stop(server);
    (void)tool_wait(pid, NULL);
    assert_null(strstr(tool_server_err(), "conn.closed"));
}

static void test_demo(void **state)
{
    pid_t pid = START("demo", "--quick");

    (void)state;
    expect_held(pid);
    assert_int_equal(tool_wait(pid, NULL), 0);
}

static void test_chat(void **state)
{
    pid_t server = START("examples/chat/server", address);
    char key[64], known[96], line[256];

    (void)state;
    (void)close(connect_to(socket_path));
    expect_held(server);
    provoke();
    server_key(key);
    (void)snprintf(line, sizeof line, "%s %s\n", address, key);
    (void)snprintf(known, sizeof known, "%s/netproto/known_hosts", folder);
    FILE *file = fopen(known, "w");
    assert_non_null(file);
    assert_true(fputs(line, file) >= 0);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(chmod(known, 0600), 0);
    /* It joins, finds that nobody types anything, and leaves in order. */
    assert_int_equal(tool_wait(START("examples/chat/client", address, "ann", "garden"), NULL), 0);
    stop(server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_keygen), cmocka_unit_test(test_serve), cmocka_unit_test(test_bench),
        cmocka_unit_test(test_demo),   cmocka_unit_test(test_chat),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
