/* The question about a server that is not known, as `netproto call` and `ping` ask it at a
 * terminal. Where no terminal can be had (/dev/pts is not mounted), this is skipped. */
#include "support/key_folder.h"
#include "support/tool_runner.h"

#include <netproto/security.h>

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define SKIPPED 77 /* ctest's SKIP_RETURN_CODE */

#define ECHO "Echo", "{\"text\":\"hello\"}"
#define ECHO_JSON "{\"Echo\":{\"text\":\"hello\"}}\n"
#define HOSTS "home/.config/netproto/known_hosts"

/* Public keys, as `netproto key` prints them. */
static char server_key[NP_KEY_TEXT_LEN], other_key[NP_KEY_TEXT_LEN];
static char address[128];

static const char *path(const char *name)
{
    return key_folder_path(name);
}

static void read_key(const char *file, char text[NP_KEY_TEXT_LEN])
{
    const tool_result *r = RUN("key", file);

    expect(r, 0, NULL);
    assert_int_equal(r->out_len, NP_KEY_TEXT_LEN);
    snprintf(text, NP_KEY_TEXT_LEN, "%.*s", NP_KEY_TEXT_LEN - 1, r->out);
}

/* HOME is the test's folder, with the default files of a user that has run keygen twice. */
static int make_things(void **state)
{
    if (key_folder_make(state) != 0 || tool_runner_setup(state) != 0 ||
        mkdir(path("home"), 0755) != 0 || setenv("HOME", path("home"), 1) != 0 ||
        unsetenv("XDG_CONFIG_HOME") != 0) {
        return -1;
    }
    expect(RUN("keygen"), 0, NULL);
    expect(RUN("keygen", "--server"), 0, NULL);
    expect(RUN("keygen", "--out", path("other.key")), 0, NULL);
    read_key("--server", server_key);
    read_key(path("other.key"), other_key);
    return 0;
}

static int remove_things(void **state)
{
    int failed = tool_runner_teardown(state);

    return key_folder_remove(state) != 0 || failed ? -1 : 0;
}

/* On TCP, or on a unix socket. */
static pid_t serve(bool tcp)
{
    char place[160];

    snprintf(place, sizeof place, "unix://%s", path("socket"));
    const char *args[] = {"serve", "--anyone", tcp ? "tcp://127.0.0.1:0" : place, NULL};
    return tool_start_server(address, sizeof address, args);
}

static void stop(pid_t pid)
{
    assert_int_equal(kill(pid, SIGTERM), 0);
    assert_int_equal(tool_wait(pid, NULL), 0);
}

static void forget_hosts(void)
{
    (void)unlink(path(HOSTS));
}

static void expect_in(const char *text, const char *words)
{
    if (strstr(text, words) == NULL) {
        fail_msg("\"%s\" is not in: %s", words, text);
    }
}

#define AT_TERMINAL(kind, typed, shown, ...)                                                       \
    tool_run_at_terminal((kind), (typed), 0, (shown), (const char *const[]){__VA_ARGS__, NULL})

static void expect_hosts(const char *expected)
{
    size_t len = 0;
    char *text = key_folder_read(HOSTS, &len);

    assert_string_equal(text, expected);
    free(text);
}

static void test_question_yes(void **state)
{
    char line[256];
    const char *shown = NULL;
    (void)state;

    for (int i = 0; i < 2; i++) {
        pid_t pid = serve(i == 0);
        for (int kind = TOOL_TERMINAL_OWN; kind <= TOOL_TERMINAL_STDIN; kind++) {
            forget_hosts();
            const tool_result *r =
                AT_TERMINAL((tool_terminal)kind, "yes\n", &shown, "call", address, ECHO);
            expect(r, 0, ECHO_JSON);
            expect_in(shown, server_key);
            expect_in(shown, "is not known yet");
            snprintf(line, sizeof line, "%s %s\n", address, server_key);
            expect_hosts(line);
            key_folder_expect_mode(path(HOSTS), 0600);
        }
        /* It is known from now on: nobody is asked, with or without a terminal. */
        expect(AT_TERMINAL(TOOL_TERMINAL_OWN, "no\n", &shown, "call", address, ECHO), 0, ECHO_JSON);
        assert_null(strstr(shown, "np1:"));
        expect(RUN("call", address, ECHO), 0, ECHO_JSON);
        stop(pid);
    }
    forget_hosts();
}

/* A person takes longer than the deadline, which is for the peer. */
static void test_question_takes_its_time(void **state)
{
    static const char *const args[] = {"call", "-t", "1000", address, ECHO, NULL};
    const char *shown = NULL;
    (void)state;

    pid_t pid = serve(true);
    expect(tool_run_at_terminal(TOOL_TERMINAL_OWN, "yes\n", 1200, &shown, args), 0, ECHO_JSON);
    expect_in(shown, server_key);
    forget_hosts();
    stop(pid);
}

static void test_question_pasted(void **state)
{
    char typed[128];
    const char *shown = NULL;
    (void)state;

    pid_t pid = serve(true);
    snprintf(typed, sizeof typed, "hm\n%s\n", server_key);
    expect(AT_TERMINAL(TOOL_TERMINAL_OWN, typed, &shown, "call", address, ECHO), 0, ECHO_JSON);
    expect_in(shown, "Type yes or no, or paste the key");
    forget_hosts();
    snprintf(typed, sizeof typed, "%s\n", other_key);
    expect_words(AT_TERMINAL(TOOL_TERMINAL_OWN, typed, &shown, "call", address, ECHO), 15,
                 "is not trusted, and nothing was sent to it");
    assert_int_equal(access(path(HOSTS), F_OK), -1);
    stop(pid);
}

/* Without a pre-shared key for it, the file being named, there is no connection: nobody is asked
 * about the server, and it is not written down. */
static void test_no_question_without_its_pre_shared_key(void **state)
{
    char psk[128];
    const char *shown = NULL;
    (void)state;

    pid_t pid = serve(true);
    snprintf(psk, sizeof psk, "%s", path("other.psk"));
    expect(RUN("keygen", "--psk", "--out", psk, other_key), 0, NULL);
    expect_words(
        AT_TERMINAL(TOOL_TERMINAL_OWN, "yes\n", &shown, "call", "--psk", psk, address, ECHO), 14,
        "it has no pre-shared key for the server");
    assert_null(strstr(shown, "is not known yet"));
    assert_int_equal(access(path(HOSTS), F_OK), -1);
    stop(pid);
}

static void test_question_no(void **state)
{
    static const char *const answers[] = {"no\n", "\n\n\n", "\004", "y\nno\n", "maybe\nwhy\nja\n"};
    const char *shown = NULL;
    (void)state;

    pid_t pid = serve(false);
    for (size_t i = 0; i < sizeof answers / sizeof answers[0]; i++) {
        const tool_result *r =
            AT_TERMINAL(TOOL_TERMINAL_OWN, answers[i], &shown, "ping", "-c", "1", address);
        expect_words(r, 15, "is not trusted, and nothing was sent to it");
        assert_string_equal(r->out, "");
        assert_int_equal(access(path(HOSTS), F_OK), -1);
    }
    stop(pid);
}

/* A changed key is no question. */
static void test_no_question_about_a_changed_key(void **state)
{
    char line[256];
    const char *shown = NULL;
    (void)state;

    pid_t pid = serve(true);
    int len = snprintf(line, sizeof line, "%s %s\n", address, other_key);
    key_folder_write(HOSTS, 0600, line, (size_t)len);
    expect_words(AT_TERMINAL(TOOL_TERMINAL_OWN, "yes\n", &shown, "call", address, ECHO), 15,
                 "HAS CHANGED");
    assert_null(strstr(shown, "np1:"));
    forget_hosts();
    stop(pid);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_question_yes),
        cmocka_unit_test(test_question_takes_its_time),
        cmocka_unit_test(test_question_pasted),
        cmocka_unit_test(test_no_question_without_its_pre_shared_key),
        cmocka_unit_test(test_question_no),
        cmocka_unit_test(test_no_question_about_a_changed_key),
    };

    if (!tool_has_terminal()) {
        printf("skipped: no terminal can be opened (is devpts mounted at /dev/pts?)\n");
        return SKIPPED;
    }
    return cmocka_run_group_tests(tests, make_things, remove_things);
}
