/* `netproto handshake` where it fails: for people, who said what and what to do about it; for
 * programs, the same as JSON. */
#include "support/bad_peer.h"
#include "support/key_folder.h"
#include "support/tool_runner.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <jansson.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "talk_service.h"

#define NOBODY "tcp://127.0.0.1:1"

static char address[128], key[64];

static const char *path(const char *name)
{
    return key_folder_path(name);
}

/* HOME is the test's folder, with the keys of both sides. */
static int make_things(void **state)
{
    if (key_folder_make(state) != 0 || tool_runner_setup(state) != 0 ||
        mkdir(path("home"), 0755) != 0 || setenv("HOME", path("home"), 1) != 0 ||
        unsetenv("XDG_CONFIG_HOME") != 0) {
        return -1;
    }
    expect(RUN("keygen"), 0, NULL);
    expect(RUN("keygen", "--server"), 0, NULL);
    const tool_result *r = RUN("key", "--server");
    snprintf(key, sizeof key, "%.*s", (int)strcspn(r->out, "\n"), r->out);
    return 0;
}

static int remove_things(void **state)
{
    int failed = tool_runner_teardown(state);

    return key_folder_remove(state) != 0 || failed ? -1 : 0;
}

/* A stand-in for a server of talk. */
static pid_t serve(bool secure)
{
    return tool_start_server(address, sizeof address,
                             (const char *const[]){"-p", tool_plugin, "serve",
                                                   secure ? "--anyone" : "--plaintext",
                                                   "tcp://127.0.0.1:0", NULL});
}

static void stop(pid_t pid)
{
    assert_int_equal(kill(pid, SIGTERM), 0);
    assert_int_equal(tool_wait(pid, NULL), 0);
}

static void expect_in(const char *text, const char *words)
{
    if (strstr(text, words) == NULL) {
        fail_msg("\"%s\" is not in: %s", words, text);
    }
}

/* Another protocol ------------------------------------------------------------------------------
 */

/* Each side says what both offered; neither puts words into the other's mouth. */
static void test_another_protocol(void **state)
{
    (void)state;
    for (int secure = 0; secure < 2; secure++) {
        const char *mode = secure ? "--peer" : "--plaintext";
        const char *value = secure ? key : "--plaintext";
        pid_t pid = serve(secure);
        const tool_result *r = RUN("handshake", mode, value, address);
        expect_words(r, 5,
                     ": no protocol in common: the peer offers talk versions 1 to 2, this "
                     "side base version 1; is it the right address?\n");
        expect_words(r, 5, "without --protocol this side speaks base: give --protocol ./NAME.so");
        assert_null(strstr(r->err, "the peer says"));
        /* Who took the advice gets in. */
        expect(RUN("-p", tool_plugin, "handshake", mode, value, address), 0, NULL);
        expect_words(RUN("bench", mode, value, address), 5, "bench takes an echo daemon");
        stop(pid);
        const char *log = tool_server_err();
        expect_in(log, "event=conn.failed");
        expect_in(log, "no protocol in common: the peer offers base version 1, this side talk "
                       "versions 1 to 2");
        assert_null(strstr(log, "the peer says"));
    }
}

/* --json ---------------------------------------------------------------------------------------
 */

/* The names of the stages passed, with a comma between. */
static void list_stages(const json_t *object, char *names, size_t cap)
{
    const json_t *stages = json_object_get(object, "stages");
    size_t used = 0;

    names[0] = '\0';
    assert_true(json_is_array(stages));
    for (size_t i = 0; i < json_array_size(stages); i++) {
        const json_t *stage = json_array_get(stages, i);
        assert_true(json_is_integer(json_object_get(stage, "ns")));
        used += (size_t)snprintf(names + used, cap - used, "%s%s", i > 0 ? "," : "",
                                 json_string_value(json_object_get(stage, "stage")));
        assert_true(used < cap);
    }
}

/* One line, one object, and in it what the exit code and standard error have, too. name NULL: null;
 * "": any. */
static void expect_json(const tool_result *r, int code, const char *stages, const char *stage,
                        const char *name, const char *words)
{
    json_error_t error;
    char names[128];
    json_t *object = json_loads(r->out, 0, &error);

    if (object == NULL || r->code != code) {
        fail_msg("code %d, %s in: %s\nand: %s", r->code, error.text, r->out, r->err);
    }
    assert_ptr_equal(strchr(r->out, '\n'), r->out + r->out_len - 1);
    list_stages(object, names, sizeof names);
    assert_string_equal(names, stages);
    const json_t *inner = json_object_get(object, "error");
    assert_string_equal(json_string_value(json_object_get(inner, "stage")), stage);
    const json_t *its_name = json_object_get(inner, "name");
    if (name == NULL) {
        assert_true(json_is_null(its_name));
    } else if (name[0] != '\0') {
        assert_string_equal(json_string_value(its_name), name);
    }
    expect_in(json_string_value(json_object_get(inner, "text")), words);
    assert_int_equal(json_integer_value(json_object_get(inner, "exit")), code);
    assert_string_not_equal(r->err, "");
    json_decref(object);
}

#define SHAKE(...) RUN("handshake", "--json", __VA_ARGS__)

static void test_before_anything_is_opened(void **state)
{
    (void)state;
    expect_json(SHAKE("-p", "/nonexistent.so", NOBODY), 13, "", "protocol", NULL, "plugin");
    expect_json(SHAKE("--key", "/nonexistent.key", "--peer", key, NOBODY), 14, "", "keys", NULL,
                "our key");
    expect_json(SHAKE("--plaintext", "ni\"x"), 2, "", "address", "NP_ERR_ADDRESS",
                "address ni\\\"x: ");
    /* Options that are wrong are told in words only: there was no attempt. */
    expect(SHAKE("--nix", NOBODY), 2, "");
}

static void test_on_the_way(void **state)
{
    (void)state;
    /* Whether a name server says so, or there is none to ask. */
    expect_json(SHAKE("--plaintext", "-t", "300", "tcp://no-such-host.invalid:7000"), 3, "",
                "resolve", "", "");
    expect_json(SHAKE("--plaintext", NOBODY), 4, "resolve", "connect", "NP_ERR_CONNECT",
                "connect tcp://127.0.0.1:1: ");
    pid_t pid = bad_peer_start(BAD_PEER_SILENT, NULL, address, sizeof address);
    expect_json(SHAKE("--plaintext", "-t", "200", address), 8, "resolve,connect", "open",
                "NP_ERR_DEADLINE", "no answer within 200 ms");
    expect_json(SHAKE("--peer", key, "-t", "200", address), 8, "resolve,connect", "peer_key",
                "NP_ERR_DEADLINE", "no answer within 200 ms");
    bad_peer_stop(pid);
    pid = bad_peer_start(BAD_PEER_CLOSING, NULL, address, sizeof address);
    /* An end or a reset, as it happens. */
    expect_json(SHAKE("--plaintext", address), 10, "resolve,connect", "open", "", "");
    bad_peer_stop(pid);
}

static void test_by_the_server(void **state)
{
    char own[64];
    (void)state;

    pid_t pid = serve(true);
    expect_json(SHAKE("--peer", key, address), 5, "resolve,connect", "peer_key", "NP_ERR_VERSION",
                "no protocol in common: the peer offers talk versions 1 to 2");
    const tool_result *r = RUN("key");
    snprintf(own, sizeof own, "%.*s", (int)strcspn(r->out, "\n"), r->out);
    expect_json(SHAKE("-p", tool_plugin, "--peer", own, address), 15, "resolve,connect,peer_key",
                "trust", "NP_ERR_REFUSED", "the peer's key is not trusted: np1:");
    /* Success has no error. */
    r = SHAKE("-p", tool_plugin, "--peer", key, address);
    expect(r, 0, NULL);
    expect_in(r->out, "\"protocol\":\"talk\",\"version\":2,");
    assert_null(strstr(r->out, "error"));
    stop(pid);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_another_protocol),
        cmocka_unit_test(test_before_anything_is_opened),
        cmocka_unit_test(test_on_the_way),
        cmocka_unit_test(test_by_the_server),
    };

    return cmocka_run_group_tests(tests, make_things, remove_things);
}
