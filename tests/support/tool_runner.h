/* tool_runner.h - runs the command `netproto` as a user does: files for its input and output, and
 * what it printed and its exit code afterwards. For tests on cmocka, as group setup and teardown.
 */
#ifndef TEST_TOOL_RUNNER_H
#define TEST_TOOL_RUNNER_H

#include <netproto/loop.h>

#include <string.h>
#include <sys/types.h>

/* The plugin of talk.np. */
extern char tool_plugin[];

int tool_runner_setup(void **state);
int tool_runner_teardown(void **state);

/* What one run left behind; until the next run. */
typedef struct tool_result {
    int code;
    char out[65536], err[65536];
    size_t out_len;
} tool_result;

/* Runs it to its end. loop: runs meanwhile, or NULL. args end with NULL. */
const tool_result *tool_run_with(np_loop *loop, const void *input, size_t len,
                                 const char *const *args);

#define RUN(...) tool_run_with(NULL, "", 0, (const char *const[]){__VA_ARGS__, NULL})
#define RUN_IN(text, ...)                                                                          \
    tool_run_with(NULL, (text), strlen(text), (const char *const[]){__VA_ARGS__, NULL})
#define RUN_LOOP(loop, text, ...)                                                                  \
    tool_run_with((loop), (text), strlen(text), (const char *const[]){__VA_ARGS__, NULL})

/* How the command meets its terminal. */
typedef enum tool_terminal {
    TOOL_TERMINAL_OWN,  /* as its controlling one; standard input is an empty file */
    TOOL_TERMINAL_STDIN /* as standard input, and there is no controlling one */
} tool_terminal;

/* Whether this system has terminals to give; chroots and containers may lack /dev/pts. */
bool tool_has_terminal(void);

/* Runs it at a terminal where this is typed: at once, or where delay_ms is not 0, so long after
 * something has been asked. *shown is what stands on the screen, the echo included; until the next
 * run. All other runs have no terminal. */
const tool_result *tool_run_at_terminal(tool_terminal kind, const char *typed, unsigned delay_ms,
                                        const char **shown, const char *const *args);

/* Starts it with these as its standard input and output, which stay the caller's: -1 for the output
 * is the file that tool_finish reads, TOOL_CLOSED is none at all. */
#define TOOL_CLOSED (-2)
pid_t tool_start_on(int in, int out, const char *const *args);

/* Waits for its end, and gives what it left behind. */
const tool_result *tool_finish(pid_t pid);

/* Fails the test unless that was the exit code, and that the whole output (NULL: any), or words of
 * standard error. */
void expect(const tool_result *r, int code, const char *out);
void expect_words(const tool_result *r, int code, const char *words);

/* Starts `netproto serve ...` and takes where it listens from its first line, be it
 * "listening on ADDRESS" or {"listening":"ADDRESS"}. One server at a time. */
pid_t tool_start_server(char *address, size_t cap, const char *const *args);

/* What the server has printed so far; standard error too. Until the next call. */
const char *tool_server_out(void);
const char *tool_server_err(void);

/* Waits until the server's output holds these words, at most 10 s. */
void tool_server_expect(const char *words);

/* Starts it with its standard output in that file, for a test that looks at it while it runs. */
pid_t tool_start_into(const char *out, const char *const *args);

/* Waits for the end of a process, and gives its exit code. */
int tool_wait(pid_t pid, np_loop *loop);

size_t tool_read_file(const char *path, char *text, size_t cap);

#endif
