/* `--compress` of `netproto serve`, `call`, `ping` and `bench`: what travels is weighed between the
 * two sides. */
#include "support/bad_peer.h"
#include "support/tool_runner.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* What an Echo of the text takes uncompressed, both ways, at least. */
#define TEXT_LEN 20000
#define BOTH_WAYS ((uint64_t)2 * TEXT_LEN)

static char json[TEXT_LEN + 64], echo[TEXT_LEN + 128];

/* Where the server listens, and where the scales stand before it. */
static char server[64], scales[64];

static pid_t server_pid, scales_pid;

static int set_up(void **state)
{
    char text[TEXT_LEN + 32];
    size_t len = 0;

    for (unsigned i = 0; len < TEXT_LEN; i++) {
        len += (size_t)snprintf(text + len, sizeof text - len, "line %u of some text; ", i * i);
    }
    text[TEXT_LEN] = '\0';
    snprintf(json, sizeof json, "{\"text\":\"%s\"}", text);
    snprintf(echo, sizeof echo, "{\"Echo\":%s}\n", json);
    return tool_runner_setup(state);
}

/* option, second: of serve's; NULL: none. */
static void start(const char *option, const char *second)
{
    const char *args[] = {"serve", "--plaintext", "tcp://127.0.0.1:0", option, second, NULL};

    server_pid = tool_start_server(server, sizeof server, args);
    scales_pid = bad_peer_start(BAD_PEER_WEIGHING, server, scales, sizeof scales);
}

/* Whatever the server has said. */
static void stop_noisy(void)
{
    bad_peer_stop(scales_pid);
    assert_int_equal(kill(server_pid, SIGTERM), 0);
    assert_int_equal(tool_wait(server_pid, NULL), 0);
}

static void stop(void)
{
    stop_noisy();
    assert_string_equal(tool_server_err(), "");
}

/* One Echo there and back; NULLs: no such option. Returns what travelled. */
static uint64_t weigh(const char *option, const char *second)
{
    const char *args[] = {"call", "--plaintext", scales, "Echo", json, option, second, NULL};

    (void)bad_peer_weight();
    expect(tool_run_with(NULL, "", 0, args), 0, echo);
    return bad_peer_weight();
}

/* But for a longer list in Hello. */
static void expect_about(uint64_t bytes, uint64_t wanted)
{
    assert_in_range(bytes, wanted - 64, wanted + 64);
}

static void expect_choice(const char *client, const char *words)
{
    const char *args[] = {"bench", "--plaintext", "-n", "1", "-s", "600", scales, client, NULL};
    const tool_result *r = tool_run_with(NULL, "", 0, args);

    expect(r, 0, NULL);
    if (strstr(r->out, words) == NULL) {
        fail_msg("\"%s\" is not in: %s", words, r->out);
    }
}

/* Both sides have to want it; each kind, and the server's taste where there are several. */
static void test_both_sides(void **state)
{
    (void)state;
    start("--compress", NULL);
    uint64_t zstd = weigh("--compress", NULL);
    assert_true(zstd < BOTH_WAYS / 4);
    uint64_t lz4 = weigh("--compress=lz4", NULL);
    assert_true(lz4 > zstd + 1000 && lz4 < BOTH_WAYS / 2);
    /* Named in whatever order and letters, it is the server that chooses. */
    expect_about(weigh("--compress=LZ4,Zstd", NULL), zstd);
    assert_true(weigh(NULL, NULL) > BOTH_WAYS);
    expect_choice("--compress", "compression zstd\n");
    expect_choice("--compress=lz4", "compression LZ4\n");
    expect(RUN("ping", "-c", "1", "--compress", "--plaintext", server), 0, NULL);
    stop();

    start("--compress=lz4", NULL);
    expect_about(weigh("--compress", NULL), lz4);
    assert_true(weigh("--compress=zstd", NULL) > BOTH_WAYS);
    stop();
}

/* A client's wish alone changes nothing, and bench says whose fault it is. */
static void test_off_by_default(void **state)
{
    (void)state;
    start(NULL, NULL);
    assert_true(weigh("--compress", NULL) > BOTH_WAYS);
    expect_choice("--compress", "not compressed: the server does not do it; start it with "
                                "--compress\n");
    stop();
}

static void test_level_and_threshold(void **state)
{
    char longer[32];
    (void)state;

    start("--compress", NULL);
    uint64_t fast = weigh("--compress", NULL);
    assert_true(weigh("--compress", "--compress-level=19") < fast - 100);
    /* Each side has its own threshold: the echo is compressed all the same. */
    snprintf(longer, sizeof longer, "--compress-threshold=%d", TEXT_LEN + 100);
    uint64_t half = weigh("--compress", longer);
    assert_true(half > TEXT_LEN && half < TEXT_LEN + fast);
    stop();
    start("--compress", longer);
    assert_true(weigh("--compress", longer) > BOTH_WAYS);
    stop();
}

/* What bench's figures are figures of, for people and for programs. */
static void test_bench(void **state)
{
    (void)state;
    start("--compress", NULL);
    const tool_result *r = RUN("bench", "--compress", "-n", "1", "--plaintext", server);
    expect(r, 0, NULL);
    assert_non_null(
        strstr(r->out, "compression zstd, but not of messages below 512 bytes: see --size\n"));
    r = RUN("bench", "--compress=lz4", "-n", "1", "--json", "--plaintext", server);
    expect(r, 0, NULL);
    assert_non_null(strstr(r->out, "},\"compression\":\"LZ4\"}\n"));
    r = RUN("bench", "-n", "1", "--json", "--plaintext", server);
    expect(r, 0, NULL);
    assert_non_null(strstr(r->out, "},\"compression\":\"none\"}\n"));
    r = RUN("bench", "-n", "1", "--plaintext", server);
    expect(r, 0, NULL);
    assert_null(strstr(r->out, "compress"));
    stop();
}

/* A server that has said goodbye by the end, and stays: there is no open connection to ask. */
static void test_bench_of_who_leaves(void **state)
{
    static const char *const wishes[] = {"--compress", "--json"};
    char leaver[64];
    (void)state;

    start("--compress", NULL);
    for (size_t i = 0; i < sizeof wishes / sizeof wishes[0]; i++) {
        pid_t pid = bad_peer_start(BAD_PEER_LEAVING, server, leaver, sizeof leaver);
        const tool_result *r = RUN("bench", wishes[i], "--compress", "-n", "1", "-t", "1500", "-s",
                                   "600", "--plaintext", leaver);
        expect(r, 0, NULL);
        assert_non_null(
            strstr(r->out, i == 0 ? "compression zstd\n" : ",\"compression\":\"zstd\"}"));
        bad_peer_stop(pid);
    }
    stop_noisy(); /* it has lost a client */
}

static void expect_usage(const char *option, const char *second, const char *words)
{
    static const char *const commands[] = {"serve", "call", "ping", "bench"};

    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        const char *args[] = {commands[i], "--plaintext", "tcp://127.0.0.1:1",
                              option,      second,        NULL};
        expect_words(tool_run_with(NULL, "", 0, args), 2, words);
    }
}

static void test_wrong_options(void **state)
{
    static const char *const wrong[] = {
        "--compress=",          "--compress=gzip",  "--compress=none",          "--compress=zstd,",
        "--compress=lz4,lz4",   "--compress=,zstd", "--compress=lz4,zstd,lz4",  "--compress=zst",
        "--compress=zstd,zstd", "--compress=lz4 ",  "--compress=lz4,zstd,gzip",
    };
    (void)state;

    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        expect_usage(wrong[i], NULL, "--compress takes =zstd, =lz4, or both");
    }
    expect_usage("--compress", "zstd", "not a space: --compress=zstd\n");
    expect_usage("--compress", "LZ4,zstd", "not a space: --compress=LZ4,zstd\n");
    expect_usage("--compress-level=3", NULL, "--compress-level goes with --compress");
    expect_usage("--compress-threshold=9", NULL, "--compress-threshold goes with --compress");
    expect_usage("--compress=lz4", "--compress-level=3", "lz4 has none");
    expect_usage("--compress", "--compress-level=20", "--compress-level");
    expect_usage("--compress", "--compress-level=0", "--compress-level");
    expect_usage("--compress", "--compress-threshold=0", "--compress-threshold");
    expect_usage("--compress", "--compress-threshold=4294967296", "--compress-threshold");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_both_sides),          cmocka_unit_test(test_off_by_default),
        cmocka_unit_test(test_level_and_threshold), cmocka_unit_test(test_bench),
        cmocka_unit_test(test_bench_of_who_leaves), cmocka_unit_test(test_wrong_options),
    };

    return cmocka_run_group_tests(tests, set_up, tool_runner_teardown);
}
