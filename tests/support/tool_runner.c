#include "support/tool_runner.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <poll.h>
#include <pty.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* Where things lie: a test is build/tests/integration/test_X, the command build/netproto. */
char tool_plugin[PATH_MAX + 32];
static char tool[PATH_MAX + 32], scratch[] = "/tmp/np-tool-XXXXXX";
static char in_path[64], out_path[64], err_path[64], server_out_path[64], server_err_path[64];

int tool_runner_setup(void **state)
{
    char self[PATH_MAX];
    ssize_t len = readlink("/proc/self/exe", self, sizeof self - 1);

    (void)state;
    if (len <= 0 || mkdtemp(scratch) == NULL) {
        return -1;
    }
    self[len] = '\0';
    char *folder = dirname(self);
    snprintf(tool, sizeof tool, "%s/../../netproto", folder);
    snprintf(tool_plugin, sizeof tool_plugin, "%s/talk.so", folder);
    snprintf(in_path, sizeof in_path, "%s/in", scratch);
    snprintf(out_path, sizeof out_path, "%s/out", scratch);
    snprintf(err_path, sizeof err_path, "%s/err", scratch);
    snprintf(server_out_path, sizeof server_out_path, "%s/server.out", scratch);
    snprintf(server_err_path, sizeof server_err_path, "%s/server.err", scratch);
    return access(tool, X_OK);
}

int tool_runner_teardown(void **state)
{
    (void)state;
    (void)unlink(in_path);
    (void)unlink(out_path);
    (void)unlink(err_path);
    (void)unlink(server_out_path);
    (void)unlink(server_err_path);
    return rmdir(scratch);
}

size_t tool_read_file(const char *path, char *text, size_t cap)
{
    FILE *file = fopen(path, "rb");

    assert_non_null(file);
    size_t len = fread(text, 1, cap - 1, file);
    assert_int_equal(fclose(file), 0);
    text[len] = '\0';
    return len;
}

static void write_file(const char *path, const void *data, size_t len)
{
    FILE *file = fopen(path, "wb");

    assert_non_null(file);
    assert_int_equal(fwrite(data, 1, len, file), len);
    assert_int_equal(fclose(file), 0);
}

static void redirect(const char *path, int flags, int to)
{
    int fd = open(path, flags, 0600);

    if (fd < 0 || dup2(fd, to) < 0) {
        _exit(126);
    }
}

/* In the child. terminal: -1 for none. */
static void choose_input(int terminal, tool_terminal kind)
{
    (void)setsid(); /* without a terminal nobody is asked anything */
    if (terminal < 0 || kind == TOOL_TERMINAL_OWN) {
        redirect(in_path, O_RDONLY, 0);
    } else if (dup2(terminal, 0) < 0) {
        _exit(126);
    }
    if (terminal >= 0 && kind == TOOL_TERMINAL_OWN && ioctl(terminal, TIOCSCTTY, 0) != 0) {
        _exit(126);
    }
}

/* Starts the command on files of this test's. */
static pid_t start_at(int terminal, tool_terminal kind, const char *const *args, const char *out,
                      const char *err)
{
    char *argv[24] = {tool};
    pid_t pid;

    for (size_t i = 0; args[i] != NULL; i++) {
        assert_true(i < 22);
        argv[i + 1] = (char *)(uintptr_t)args[i]; /* execv takes char *, and writes nothing */
    }
    pid = fork();
    if (pid == 0) {
        choose_input(terminal, kind);
        redirect(out, O_WRONLY | O_CREAT | O_TRUNC, 1);
        redirect(err, O_WRONLY | O_CREAT | O_TRUNC, 2);
        execv(tool, argv);
        _exit(127);
    }
    assert_true(pid > 0);
    return pid;
}

static pid_t start(const char *const *args, const char *out, const char *err)
{
    return start_at(-1, TOOL_TERMINAL_OWN, args, out, err);
}

pid_t tool_start_into(const char *out, const char *const *args)
{
    write_file(in_path, "", 0);
    return start(args, out, err_path);
}

pid_t tool_start_on(int in, int out, const char *const *args)
{
    pid_t pid;

    write_file(in_path, "", 0);
    write_file(out_path, "", 0);
    pid = fork();
    if (pid == 0) {
        char *argv[24] = {tool};

        for (size_t i = 0; args[i] != NULL && i < 22; i++) {
            argv[i + 1] = (char *)(uintptr_t)args[i];
        }
        choose_input(-1, TOOL_TERMINAL_OWN);
        redirect(out_path, O_WRONLY | O_CREAT | O_TRUNC, 1);
        redirect(err_path, O_WRONLY | O_CREAT | O_TRUNC, 2);
        if ((in >= 0 && dup2(in, 0) < 0) || (out >= 0 && dup2(out, 1) < 0) ||
            (in == TOOL_CLOSED && close(0) != 0) || (out == TOOL_CLOSED && close(1) != 0)) {
            _exit(126);
        }
        execv(tool, argv);
        _exit(127);
    }
    assert_true(pid > 0);
    return pid;
}

int tool_wait(pid_t pid, np_loop *loop)
{
    const bool never = false;
    int status = 0;
    int tries = 0;

    while (waitpid(pid, &status, WNOHANG) == 0) {
        assert_true(tries++ < 6000);
        if (loop != NULL) {
            assert_int_equal(np_loop_run_until(loop, &never, 5), NP_ERR_DEADLINE);
        } else {
            usleep(5000);
        }
    }
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static tool_result result;

static const tool_result *read_result(int code)
{
    result.code = code;
    result.out_len = tool_read_file(out_path, result.out, sizeof result.out);
    (void)tool_read_file(err_path, result.err, sizeof result.err);
    return &result;
}

const tool_result *tool_finish(pid_t pid)
{
    return read_result(tool_wait(pid, NULL));
}

const tool_result *tool_run_with(np_loop *loop, const void *input, size_t len,
                                 const char *const *args)
{
    write_file(in_path, input, len);
    return read_result(tool_wait(start(args, out_path, err_path), loop));
}

/* What the terminal's other end has to show by now. */
static void read_screen(int master, char *screen, size_t cap)
{
    struct pollfd ready = {.fd = master, .events = POLLIN};
    size_t len = 0;

    while (len < cap - 1 && poll(&ready, 1, 0) == 1) {
        ssize_t n = read(master, screen + len, cap - 1 - len);
        if (n <= 0) {
            break;
        }
        len += (size_t)n;
    }
    screen[len] = '\0';
}

bool tool_has_terminal(void)
{
    int master = -1, slave = -1;

    if (openpty(&master, &slave, NULL, NULL, NULL) != 0) {
        return false;
    }
    return close(slave) == 0 && close(master) == 0;
}

const tool_result *tool_run_at_terminal(tool_terminal kind, const char *typed, unsigned delay_ms,
                                        const char **shown, const char *const *args)
{
    static char screen[16384];
    int master = -1, slave = -1;

    write_file(in_path, "", 0);
    assert_int_equal(openpty(&master, &slave, NULL, NULL, NULL), 0);
    pid_t pid = start_at(slave, kind, args, out_path, err_path);
    if (delay_ms > 0) {
        struct pollfd asked = {.fd = master, .events = POLLIN};
        assert_int_equal(poll(&asked, 1, 10000), 1);
        usleep(delay_ms * 1000);
    }
    assert_int_equal(write(master, typed, strlen(typed)), strlen(typed));
    int code = tool_wait(pid, NULL);
    read_screen(master, screen, sizeof screen);
    *shown = screen;
    assert_int_equal(close(slave), 0);
    assert_int_equal(close(master), 0);
    return read_result(code);
}

void expect(const tool_result *r, int code, const char *out)
{
    if (r->code != code || (out != NULL && strcmp(r->out, out) != 0)) {
        fail_msg("code %d, printed: %s\nand: %s", r->code, r->out, r->err);
    }
}

void expect_words(const tool_result *r, int code, const char *words)
{
    if (r->code != code || strstr(r->err, words) == NULL) {
        fail_msg("code %d, printed: %s\nand: %s", r->code, r->out, r->err);
    }
}

/* A server ----------------------------------------------------------------------------------- */

static char server_text[65536];

static const char *server_file(const char *path)
{
    server_text[0] = '\0';
    if (access(path, R_OK) == 0) {
        (void)tool_read_file(path, server_text, sizeof server_text);
    }
    return server_text;
}

const char *tool_server_out(void)
{
    return server_file(server_out_path);
}

const char *tool_server_err(void)
{
    return server_file(server_err_path);
}

void tool_server_expect(const char *words)
{
    for (int i = 0; i < 1000; i++) {
        if (strstr(tool_server_out(), words) != NULL) {
            return;
        }
        usleep(10000);
    }
    fail_msg("the server printed: %s\nand not: %s", tool_server_out(), words);
}

pid_t tool_start_server(char *address, size_t cap, const char *const *args)
{
    static const char plain[] = "listening on ", json[] = "{\"listening\":\"";
    pid_t pid;

    write_file(in_path, "", 0);
    (void)unlink(server_out_path);
    (void)unlink(server_err_path);
    pid = start(args, server_out_path, server_err_path);
    tool_server_expect("\n");
    const char *line = tool_server_out();
    bool is_json = strncmp(line, json, sizeof json - 1) == 0;
    assert_true(is_json || strncmp(line, plain, sizeof plain - 1) == 0);
    line += is_json ? sizeof json - 1 : sizeof plain - 1;
    size_t len = strcspn(line, is_json ? "\"" : "\n");
    assert_true(len < cap);
    snprintf(address, cap, "%.*s", (int)len, line);
    return pid;
}
