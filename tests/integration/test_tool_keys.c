/* `netproto keygen` and `netproto key`, as a user runs them. */
#include "support/key_folder.h"

#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static char tool[PATH_MAX + 32];

/* The command lies in build/, this test in build/tests/integration/. HOME is the test's folder. */
static int find_things(void **state)
{
    char self[PATH_MAX];
    ssize_t len = readlink("/proc/self/exe", self, sizeof self - 1);

    if (len <= 0 || key_folder_make(state) != 0) {
        return -1;
    }
    self[len] = '\0';
    snprintf(tool, sizeof tool, "%s/../../netproto", dirname(self));
    if (setenv("HOME", key_folder_path("home"), 1) != 0 || unsetenv("XDG_CONFIG_HOME") != 0 ||
        mkdir(key_folder_path("home"), 0755) != 0) {
        return -1;
    }
    return access(tool, X_OK);
}

/* What one run left behind. */
typedef struct result {
    int code;
    char out[8192], err[8192];
} result;

static void redirect(const char *path, int to)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

    if (fd < 0 || dup2(fd, to) < 0) {
        _exit(126);
    }
}

static void read_text(const char *name, char *text, size_t cap)
{
    size_t len = 0;
    char *whole = key_folder_read(name, &len);

    assert_true(len < cap);
    memcpy(text, whole, len + 1);
    free(whole);
}

static const result *run(const char *const *args)
{
    static result r;
    char *argv[16] = {tool};
    int status = 0;

    for (size_t i = 0; args[i] != NULL; i++) {
        assert_true(i < 14);
        argv[i + 1] = (char *)(uintptr_t)args[i]; /* execv takes char *, and writes nothing */
    }
    pid_t pid = fork();
    if (pid == 0) {
        redirect(key_folder_path("out"), 1);
        redirect(key_folder_path("err"), 2);
        execv(tool, argv);
        _exit(127);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    r.code = WEXITSTATUS(status);
    read_text("out", r.out, sizeof r.out);
    read_text("err", r.err, sizeof r.err);
    return &r;
}

#define RUN(...) run((const char *const[]){__VA_ARGS__, NULL})

static void expect_words(const result *r, int code, const char *words)
{
    if (r->code != code || strstr(code == 0 ? r->out : r->err, words) == NULL) {
        fail_msg("code %d, printed: %s\nand: %s\nexpected: %s", r->code, r->out, r->err, words);
    }
}

/* The public key that a run of keygen printed. */
static void printed_key(const result *r, char text[NP_KEY_TEXT_LEN])
{
    assert_int_equal(r->code, 0);
    assert_memory_equal(r->out, "public key: np1:", 16);
    memcpy(text, r->out + 12, NP_KEY_TEXT_LEN - 1);
    text[NP_KEY_TEXT_LEN - 1] = '\0';
    assert_int_equal(r->out[12 + NP_KEY_TEXT_LEN - 1], '\n');
}

static void test_default_files(void **state)
{
    char client[NP_KEY_TEXT_LEN], server[NP_KEY_TEXT_LEN], line[NP_KEY_TEXT_LEN + 1];
    const char *const path = "home/.config/netproto/client.key";
    np_keypair pair;
    np_key_failure failure;
    (void)state;

    expect_words(RUN("key"), 14, "netproto/client.key: it cannot be opened (No such file");
    expect_words(RUN("key"), 14, "; netproto keygen makes one");
    expect_words(RUN("key", "--server"), 14, "; netproto keygen --server makes one");
    expect_words(RUN("key", "none.key"), 14, "; netproto keygen --out FILE makes one");

    const result *r = RUN("keygen");
    printed_key(r, client);
    expect_words(r, 0, key_folder_path(path));
    assert_null(strstr(r->out, "npsecret1:"));
    key_folder_expect_mode(key_folder_path(path), 0600);
    key_folder_expect_mode(key_folder_path("home/.config"), 0700);
    key_folder_expect_mode(key_folder_path("home/.config/netproto"), 0700);
    key_folder_expect_mode(key_folder_path("home"), 0755);
    r = RUN("key");
    assert_int_equal(r->code, 0);
    snprintf(line, sizeof line, "%s\n", client);
    assert_string_equal(r->out, line);

    /* Client and server have a key each. */
    printed_key(RUN("keygen", "--server"), server);
    assert_string_not_equal(client, server);
    expect_words(RUN("key", "-s"), 0, server);
    assert_int_equal(
        np_keypair_load(&pair, key_folder_path("home/.config/netproto/server.key"), &failure),
        NP_OK);
    assert_string_equal(np_key_format(pair.public_key, line), server);

    /* Nothing is overwritten. */
    r = RUN("keygen");
    expect_words(r, 1, "client.key: it is there already and is not overwritten");
    assert_string_equal(r->out, "");
    expect_words(RUN("key"), 0, client);
}

static void test_named_files(void **state)
{
    char text[NP_KEY_TEXT_LEN];
    const char *const path = key_folder_path("named.key");
    (void)state;

    printed_key(RUN("keygen", "--out", path), text);
    key_folder_expect_mode(path, 0600);
    expect_words(RUN("key", path), 0, text);
    expect_words(RUN("keygen", "-o", path), 1, "is not overwritten");
    assert_int_equal(symlink("elsewhere", key_folder_path("link.key")), 0);
    expect_words(RUN("keygen", "-o", key_folder_path("link.key")), 1, "is not overwritten");
    expect_words(RUN("keygen", "-o", key_folder_path("no/folder")), 1, "No such file");
    assert_int_equal(chmod(path, 0640), 0);
    const result *r = RUN("key", path);
    expect_words(r, 14,
                 "named.key: others may use it (mode 0640), though it holds a secret: "
                 "chmod 600 /tmp/");
    assert_string_equal(r->out, "");
    key_folder_write("bad.key", 0600, "x\n", 2);
    expect_words(RUN("key", key_folder_path("bad.key")), 14, "bad.key, line 1: the first line has");
}

static void test_psk(void **state)
{
    static const char peer[] = "np1:hSDwCYkwp1R0i33ctD73Wg2_Og0mOBr066SpjqqbTmo";
    const char *const path = key_folder_path("psks");
    char first[NP_PSK_TEXT_LEN];
    uint8_t key[32];
    np_psk_list *list = NULL;
    np_key_failure failure;
    (void)state;

    const result *r = RUN("keygen", "--psk");
    assert_int_equal(r->code, 0);
    assert_int_equal(strlen(r->out), NP_PSK_TEXT_LEN);
    assert_int_equal(np_psk_parse(key, r->out, NP_PSK_TEXT_LEN - 1), NP_OK);
    memcpy(first, r->out, NP_PSK_TEXT_LEN - 1);
    first[NP_PSK_TEXT_LEN - 1] = '\0';
    r = RUN("keygen", "--psk", peer);
    assert_int_equal(r->code, 0);
    assert_memory_equal(r->out, peer, sizeof peer - 1);
    assert_null(strstr(r->out, first)); /* another one each time */
    assert_int_equal(np_psk_parse(key, r->out + sizeof peer, NP_PSK_TEXT_LEN - 1), NP_OK);

    /* What it prints and what it writes are lines of a file of pre-shared keys. */
    key_folder_write("printed", 0600, r->out, strlen(r->out));
    assert_int_equal(np_psk_list_load(&list, key_folder_path("printed"), &failure), NP_OK);
    np_psk_list_free(list);
    r = RUN("keygen", "--psk", "--out", path, peer);
    assert_int_equal(r->code, 0);
    assert_string_equal(r->out, "");
    key_folder_expect_mode(path, 0600);
    assert_int_equal(np_psk_list_load(&list, path, &failure), NP_OK);
    assert_int_equal(np_key_parse(key, peer, sizeof peer - 1), NP_OK);
    assert_non_null(np_psk_list_find(list, key));
    np_psk_list_free(list);
    expect_words(RUN("keygen", "-k", "-o", path, peer), 1, "is not overwritten");
}

#define ALICE "np1:hSDwCYkwp1R0i33ctD73Wg2_Og0mOBr066SpjqqbTmo"
#define BOB "np1:3p7bfXt9wbTTW2HC7OQ1Nz-DQ8hbeGdNrfx-FG-IK08"

/* The secret in a file for that peer, which has no other line. */
static void load_psk(const char *name, const char *peer, uint8_t psk[NP_KEY_LEN])
{
    uint8_t key[NP_KEY_LEN];
    np_psk_list *list = NULL;
    np_key_failure failure;

    assert_int_equal(np_key_parse(key, peer, NP_KEY_TEXT_LEN - 1), NP_OK);
    assert_int_equal(np_psk_list_load(&list, key_folder_path(name), &failure), NP_OK);
    assert_int_equal(np_psk_list_count(list), 1);
    assert_non_null(np_psk_list_find(list, key));
    memcpy(psk, np_psk_list_find(list, key), NP_KEY_LEN);
    np_psk_list_free(list);
}

/* Both sides' lines from one run: the same secret, each with the other's public key. */
static void test_psk_for_both(void **state)
{
    const char *const ours = key_folder_path("ours");
    const char *const theirs = key_folder_path("theirs");
    const char *const third = key_folder_path("third");
    uint8_t here[NP_KEY_LEN], there[NP_KEY_LEN];
    (void)state;

    const result *r = RUN("keygen", "--psk", "--out", ours, "--other", theirs, ALICE, BOB);
    expect_words(r, 0, "bring it there by a secret way and remove it here\n");
    expect_words(r, 0, theirs);
    assert_null(strstr(r->out, "npsk1:")); /* nobody asked to see it */
    assert_string_equal(r->err, "");
    key_folder_expect_mode(ours, 0600);
    key_folder_expect_mode(theirs, 0600);
    load_psk("ours", ALICE, here);
    load_psk("theirs", BOB, there);
    assert_memory_equal(here, there, NP_KEY_LEN);

    /* Both or none; and what was there before stays. */
    r = RUN("keygen", "--psk", "--out", third, "--other", theirs, ALICE, BOB);
    expect_words(r, 1, "theirs: it is there already and is not overwritten");
    assert_string_equal(r->out, "");
    assert_int_equal(access(third, F_OK), -1);
    r = RUN("keygen", "--psk", "--out", third, "-O", third, ALICE, BOB);
    expect_words(r, 1, "third: it is there already and is not overwritten");
    assert_int_equal(access(third, F_OK), -1);
    load_psk("theirs", BOB, here);
    assert_memory_equal(here, there, NP_KEY_LEN);

    /* Printed they are text of such files, too. */
    r = RUN("keygen", "--psk", ALICE, BOB);
    assert_int_equal(r->code, 0);
    const char *second = strstr(r->out, "# for the peer's\n");
    assert_non_null(second);
    assert_null(strstr(second, ALICE));
    key_folder_write("printed-theirs", 0600, second, strlen(second));
    key_folder_write("printed-ours", 0600, r->out, (size_t)(second - r->out));
    load_psk("printed-ours", ALICE, here);
    load_psk("printed-theirs", BOB, there);
    assert_memory_equal(here, there, NP_KEY_LEN);
}

static void test_psk_usage(void **state)
{
    const char *const out = key_folder_path("x");
    (void)state;

    expect_words(RUN("keygen", "--psk", ALICE, "np1:x"), 2, "our own public key is no np1:");
    expect_words(RUN("keygen", "--psk", ALICE, ALICE), 2, "the peer's public key is our own");
    expect_words(RUN("keygen", "--psk", "--out", out, ALICE, BOB), 2, "two lines go to two files");
    expect_words(RUN("keygen", "--psk", "--other", out, ALICE, BOB), 2, "go to two files");
    expect_words(RUN("keygen", "--psk", "--other", out, ALICE), 2, "--other takes our own public");
    expect_words(RUN("keygen", "--other", out), 2, "--other goes with --psk");
    assert_int_equal(access(out, F_OK), -1);
}

static void test_usage(void **state)
{
    (void)state;
    expect_words(RUN("keygen", "x"), 2, "it takes no argument; name the file with --out");
    expect_words(RUN("keygen", "--psk", "--server"), 2, "it goes without --server");
    expect_words(RUN("keygen", "--psk", "np1:x"), 2, "the peer's public key is no np1:");
    expect_words(RUN("keygen", "--psk", "a", "b", "c"), 2, "two public keys at most");
    expect_words(RUN("keygen", "--psk", "--out", key_folder_path("x")), 2, "takes the peer's");
    expect_words(RUN("keygen", "--nix"), 2, "usage: netproto keygen ");
    expect_words(RUN("key", "a", "b"), 2, "it takes one file, or --server, or nothing");
    expect_words(RUN("key", "--server", "a"), 2, "it takes one file, or --server, or nothing");
    assert_int_equal(access(key_folder_path("x"), F_OK), -1);
    assert_int_equal(unsetenv("HOME"), 0);
    expect_words(RUN("keygen"), 1, "neither XDG_CONFIG_HOME nor HOME is an absolute path");
    expect_words(RUN("key"), 14, "neither XDG_CONFIG_HOME nor HOME is an absolute path");
    assert_int_equal(setenv("HOME", key_folder_path("home"), 1), 0);
}

static void test_help(void **state)
{
    static const char *const names[] = {"keygen", "key"};
    static char manual[65536];
    FILE *file = fopen("docs/man/netproto.1", "rb");
    (void)state;

    assert_non_null(file);
    assert_true(fread(manual, 1, sizeof manual - 1, file) > 0);
    assert_int_equal(fclose(file), 0);
    for (size_t i = 0; i < 2; i++) {
        char words[64];
        snprintf(words, sizeof words, "usage: netproto %s ", names[i]);
        const result *r = RUN(names[i], "--help");
        expect_words(r, 0, words);
        expect_words(r, 0, "Examples:");
        expect_words(RUN("--help"), 0, names[i]);
        snprintf(words, sizeof words, ".B netproto %s\n", names[i]);
        assert_non_null(strstr(manual, words));
        for (const char *at = strstr(r->out, ", --"); at != NULL; at = strstr(at + 1, ", --")) {
            size_t len = strspn(at + 4, "abcdefghijklmnopqrstuvwxyz");
            snprintf(words, sizeof words, "\\-\\-%.*s", (int)len, at + 4);
            if (strstr(manual, words) == NULL) {
                fail_msg("the manual lacks %s", words);
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_default_files), cmocka_unit_test(test_named_files),
        cmocka_unit_test(test_psk),           cmocka_unit_test(test_usage),
        cmocka_unit_test(test_help),          cmocka_unit_test(test_psk_for_both),
        cmocka_unit_test(test_psk_usage),
    };

    return cmocka_run_group_tests(tests, find_things, key_folder_remove);
}
