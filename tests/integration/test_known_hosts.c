/* Known hosts on the disk: met, met again, changed, forgotten; by one process and by eight. */
#include "support/key_folder.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define ADDRESS "tcp://host:7000"

static const uint8_t alice[32] = {1}, bob[32] = {2};

static void expect_verdict(const char *name, const char *address, const uint8_t key[32],
                           np_known_host verdict, size_t line)
{
    np_known_key known;
    np_key_failure failure;

    np_err err = np_known_hosts_check(&known, key_folder_path(name), address, key, &failure);
    if (err != NP_OK) {
        fail_msg("%s", failure.text);
    }
    assert_int_equal(known.verdict, verdict);
    assert_int_equal(known.line, line);
}

static void add(const char *name, const char *address, const uint8_t key[32])
{
    np_key_failure failure;

    if (np_known_hosts_add(key_folder_path(name), address, key, &failure) != NP_OK) {
        fail_msg("%s", failure.text);
    }
}

static void test_meet(void **state)
{
    char expected[256], key_text[NP_KEY_TEXT_LEN];
    size_t len = 0;
    (void)state;

    expect_verdict("met", ADDRESS, alice, NP_HOST_UNKNOWN, 0);
    assert_int_equal(access(key_folder_path("met"), F_OK), -1); /* looking makes no file */
    mode_t before = umask(0);
    add("met", ADDRESS, alice);
    (void)umask(before);
    key_folder_expect_mode(key_folder_path("met"), 0600);
    add("met", ADDRESS, alice); /* again: nothing new */
    expect_verdict("met", ADDRESS, alice, NP_HOST_KNOWN, 1);
    expect_verdict("met", "tcp://HOST:7000", alice, NP_HOST_UNKNOWN, 0);
    expect_verdict("met", "tcp://host:700", alice, NP_HOST_UNKNOWN, 0);
    add("met", "unix:///my dir/x.sock", bob);
    expect_verdict("met", "unix:///my dir/x.sock", bob, NP_HOST_KNOWN, 2);
    snprintf(expected, sizeof expected, ADDRESS " %s\n", np_key_format(alice, key_text));
    char *text = key_folder_read("met", &len);
    assert_memory_equal(text, expected, strlen(expected));
    free(text);
}

static void test_changed(void **state)
{
    const char *path = key_folder_path("changed");
    char *before = NULL, *after = NULL, key_text[NP_KEY_TEXT_LEN];
    size_t len = 0;
    np_key_failure failure;
    np_known_key known;
    (void)state;

    add("changed", "tcp://other:1", bob);
    add("changed", ADDRESS, alice);
    before = key_folder_read("changed", &len);
    assert_int_equal(np_known_hosts_check(&known, path, ADDRESS, bob, &failure), NP_OK);
    assert_int_equal(known.verdict, NP_HOST_CHANGED);
    assert_int_equal(known.line, 2);
    assert_memory_equal(known.key, alice, 32);
    /* It is not overwritten, and not joined by another line. */
    assert_int_equal(np_known_hosts_add(path, ADDRESS, bob, &failure), NP_ERR_STATE);
    key_expect_failure(&failure, NP_ERR_STATE, 2, np_key_format(alice, key_text));
    after = key_folder_read("changed", &len);
    assert_string_equal(before, after);
    free(before);
    free(after);

    bool removed = false;
    assert_int_equal(np_known_hosts_remove(path, ADDRESS, &removed, &failure), NP_OK);
    assert_true(removed);
    add("changed", ADDRESS, bob);
    expect_verdict("changed", ADDRESS, bob, NP_HOST_KNOWN, 2);
    expect_verdict("changed", "tcp://other:1", bob, NP_HOST_KNOWN, 1);
}

static void test_remove(void **state)
{
    static const char head[] = "# mine\n\n", tail[] = "# end\n";
    char text[512], key_text[NP_KEY_TEXT_LEN];
    const char *path = key_folder_path("removed");
    np_key_failure failure;
    bool removed = true;
    size_t len = 0;
    (void)state;

    assert_int_equal(np_known_hosts_remove(path, ADDRESS, &removed, &failure), NP_OK);
    assert_false(removed);
    assert_int_equal(access(path, F_OK), -1);
    snprintf(text, sizeof text, "%s" ADDRESS " %s\n%s", head, np_key_format(alice, key_text), tail);
    key_folder_write("removed", 0644, text, strlen(text));
    assert_int_equal(np_known_hosts_remove(path, "tcp://b:1", &removed, &failure), NP_OK);
    assert_false(removed);
    assert_int_equal(np_known_hosts_remove(path, ADDRESS, NULL, &failure), NP_OK);
    char *left = key_folder_read("removed", &len);
    assert_string_equal(left, "# mine\n\n# end\n");
    free(left);
    key_folder_expect_mode(path, 0644); /* as it was */
    expect_verdict("removed", ADDRESS, alice, NP_HOST_UNKNOWN, 0);
}

static void test_refused(void **state)
{
    static const char *const addresses[] = {
        "",
        "host",
        "tcp://host",
        "tcp://a:1\ntcp://b:1",
        "unix:///a\nb",
        "unix:///a\tb",
        "unix:///a\x01",
        "unix:///a\x1f",
        "unix:///a\x7f",
        " tcp://host:7000",
        "#tcp://host:7000",
    };
    static const char torn[] = "# a torn line, as a crash may leave one\ntcp://a:1 np1:hSDw";
    const char *path = key_folder_path("refused");
    np_key_failure failure;
    struct stat st;
    (void)state;

    for (size_t i = 0; i < sizeof addresses / sizeof addresses[0]; i++) {
        assert_int_equal(np_known_hosts_add(path, addresses[i], alice, &failure), NP_ERR_ADDRESS);
        key_expect_failure(&failure, NP_ERR_ADDRESS, 0, "the address cannot be kept");
    }
    assert_int_equal(lstat(path, &st), -1);

    /* Nothing is added behind a torn line, which would swallow it. */
    key_folder_write("refused", 0600, torn, strlen(torn));
    assert_int_equal(np_known_hosts_add(path, ADDRESS, alice, &failure), NP_ERR_KEY);
    key_expect_failure(&failure, NP_ERR_KEY, 2, "the line has no end");
    assert_int_equal(np_known_hosts_remove(path, ADDRESS, NULL, &failure), NP_ERR_KEY);
    key_folder_write("refused", 0666, "", 0);
    assert_int_equal(np_known_hosts_add(path, ADDRESS, alice, &failure), NP_ERR_UNSAFE);
    assert_int_equal(np_known_hosts_remove(path, ADDRESS, NULL, &failure), NP_ERR_UNSAFE);
    assert_int_equal(lstat(path, &st), 0);
    assert_int_equal(st.st_size, 0);
}

/* Lines by hand: an address is as long as the longest that is kept, and holds no tab. */
static void test_lines_by_hand(void **state)
{
    const char *path = key_folder_path("by hand");
    char address[NP_KEY_LINE_MAX / 2], text[NP_KEY_LINE_MAX], key_text[NP_KEY_TEXT_LEN];
    np_key_failure failure;
    np_known_key known;
    size_t longest = 279; /* docs/security.md */
    (void)state;

    for (size_t len = longest; len <= longest + 1; len++) {
        (void)snprintf(address, sizeof address, "unix:///%0*d", (int)(len - 8), 0);
        assert_int_equal(strlen(address), len);
        (void)snprintf(text, sizeof text, "%s %s\n", address, np_key_format(alice, key_text));
        key_folder_write("by hand", 0600, text, strlen(text));
        np_err err = np_known_hosts_check(&known, path, ADDRESS, alice, &failure);
        assert_int_equal(err, len == longest ? NP_OK : NP_ERR_KEY);
    }
    key_expect_failure(&failure, NP_ERR_KEY, 1, "a line is ADDRESS KEY");
    (void)snprintf(text, sizeof text, "unix:///a\tb %s\n", np_key_format(alice, key_text));
    key_folder_write("by hand", 0600, text, strlen(text));
    assert_int_equal(np_known_hosts_check(&known, path, ADDRESS, alice, &failure), NP_ERR_KEY);
    key_expect_failure(&failure, NP_ERR_KEY, 1, "a line is ADDRESS KEY");
}

/* Links are never followed, and what is no file is not written to. */
static void test_links(void **state)
{
    np_key_failure failure;
    struct stat st;
    (void)state;

    key_folder_write("aim", 0600, "", 0);
    assert_int_equal(symlink("aim", key_folder_path("link")), 0);
    assert_int_equal(symlink("nowhere", key_folder_path("dangling")), 0);
    assert_int_equal(mkfifo(key_folder_path("fifo"), 0600), 0);
    assert_int_equal(mkdir(key_folder_path("dir"), 0700), 0);
    (void)alarm(20);
    static const char *const names[] = {"link", "dangling", "fifo", "dir"};
    for (size_t i = 0; i < 4; i++) {
        const char *path = key_folder_path(names[i]);
        assert_int_equal(np_known_hosts_add(path, ADDRESS, alice, &failure), NP_ERR_UNSAFE);
        assert_int_equal(np_known_hosts_remove(path, ADDRESS, NULL, &failure), NP_ERR_UNSAFE);
    }
    (void)alarm(0);
    assert_int_equal(lstat(key_folder_path("nowhere"), &st), -1);
    assert_int_equal(lstat(key_folder_path("aim"), &st), 0);
    assert_int_equal(st.st_size, 0);
}

/* Waits for all children, each of which has to end with 0. */
static void expect_children(const pid_t *pids, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        int status = 0;
        assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
        assert_int_equal(status, 0);
    }
}

enum { PROCESSES = 8, LINES = 25 };

static void address_of(char text[64], int process, int line)
{
    snprintf(text, 64, "tcp://host-%d:%d", process, line + 1);
}

/* On a slow disk, one of eight that never rest may wait for longer than the library does. */
static np_err patient_add(const char *name, const char *address)
{
    np_err err;

    do {
        err = np_known_hosts_add(key_folder_path(name), address, alice, NULL);
    } while (err == NP_ERR_DEADLINE);
    return err;
}

static np_err patient_remove(const char *name, const char *address, bool *removed)
{
    np_err err;

    do {
        err = np_known_hosts_remove(key_folder_path(name), address, removed, NULL);
    } while (err == NP_ERR_DEADLINE);
    return err;
}

/* Eight at once: no line is lost or torn. */
static void test_many_add(void **state)
{
    pid_t pids[PROCESSES];
    char address[64];
    size_t len = 0, lines = 0;
    (void)state;

    for (int p = 0; p < PROCESSES; p++) {
        pids[p] = fork();
        if (pids[p] == 0) {
            int bad = 0;
            for (int i = 0; i < LINES; i++) {
                address_of(address, p, i);
                bad += patient_add("many", address) != NP_OK;
            }
            _exit(bad > 100 ? 100 : bad);
        }
        assert_true(pids[p] > 0);
    }
    expect_children(pids, PROCESSES);
    char *text = key_folder_read("many", &len);
    for (size_t i = 0; i < len; i++) {
        lines += text[i] == '\n';
    }
    assert_int_equal(lines, PROCESSES * LINES);
    free(text);
    for (int p = 0; p < PROCESSES; p++) {
        for (int i = 0; i < LINES; i++) {
            np_known_key known;
            address_of(address, p, i);
            assert_int_equal(
                np_known_hosts_check(&known, key_folder_path("many"), address, alice, NULL), NP_OK);
            assert_int_equal(known.verdict, NP_HOST_KNOWN);
        }
    }
}

/* Four add while four remove what was there: whoever waited on the old file finds the new one. */
static void test_many_add_and_remove(void **state)
{
    pid_t pids[PROCESSES];
    char address[64];
    (void)state;

    for (int p = 0; p < PROCESSES; p += 2) {
        for (int i = 0; i < LINES; i++) {
            address_of(address, p, i);
            add("churn", address, bob);
        }
    }
    for (int p = 0; p < PROCESSES; p++) {
        pids[p] = fork();
        if (pids[p] == 0) {
            int bad = 0;
            for (int i = 0; i < LINES; i++) {
                bool removed = true;
                address_of(address, p, i);
                bad += (p % 2 == 0 ? patient_remove("churn", address, &removed)
                                   : patient_add("churn", address)) != NP_OK;
                bad += !removed;
            }
            _exit(bad > 100 ? 100 : bad);
        }
        assert_true(pids[p] > 0);
    }
    expect_children(pids, PROCESSES);
    for (int p = 0; p < PROCESSES; p++) {
        for (int i = 0; i < LINES; i++) {
            np_known_key known;
            address_of(address, p, i);
            assert_int_equal(
                np_known_hosts_check(&known, key_folder_path("churn"), address, alice, NULL),
                NP_OK);
            assert_int_equal(known.verdict, p % 2 == 0 ? NP_HOST_UNKNOWN : NP_HOST_KNOWN);
        }
    }
}

/* A process of ours keeps the lock: an error for who changes the file, and not for ever. Who reads,
 * or has nothing to change, waits for nobody. */
static void test_locked(void **state)
{
    const char *path = key_folder_path("locked");
    np_key_failure failure;
    (void)state;

    add("locked", ADDRESS, alice);
    int fd = open(key_folder_path("locked.lock"), O_RDWR);
    assert_true(fd >= 0);
    assert_int_equal(flock(fd, LOCK_EX), 0);
    expect_verdict("locked", ADDRESS, alice, NP_HOST_KNOWN, 1);
    add("locked", ADDRESS, alice);
    assert_int_equal(np_known_hosts_remove(path, "tcp://b:1", NULL, &failure), NP_OK);
    (void)alarm(60);
    assert_int_equal(np_known_hosts_add(path, "tcp://b:1", bob, &failure), NP_ERR_DEADLINE);
    key_expect_failure(&failure, NP_ERR_DEADLINE, 0, "another process keeps it locked");
    assert_int_equal(np_known_hosts_remove(path, ADDRESS, NULL, &failure), NP_ERR_DEADLINE);
    (void)alarm(0);
    assert_int_equal(close(fd), 0);
    add("locked", "tcp://b:1", bob);
}

/* Who may not make files in the folder is told so, and of which file. */
static void test_no_lock_file(void **state)
{
    const char *path = key_folder_path("unlockable");
    np_key_failure failure;
    (void)state;

    key_folder_write("unlockable", 0600, "", 0);
    assert_int_equal(mkdir(key_folder_path("unlockable.lock"), 0700), 0);
    assert_int_equal(np_known_hosts_add(path, ADDRESS, alice, &failure), NP_ERR_UNSAFE);
    key_expect_failure(&failure, NP_ERR_UNSAFE, 0, ".lock");
    assert_int_equal(np_known_hosts_add(key_folder_path("no/such"), ADDRESS, alice, &failure),
                     NP_ERR_IO);
    key_expect_failure(&failure, NP_ERR_IO, 0, "its lock file");
    assert_int_equal(failure.os_error, ENOENT);
    /* No folder, no hosts: there is nothing to forget. */
    assert_int_equal(np_known_hosts_remove(key_folder_path("no/such"), ADDRESS, NULL, NULL), NP_OK);
}

/* Who reads while others write sees the file as it was or as it is, never half a line. */
static void test_readers_see_whole_files(void **state)
{
    enum { CHANGES = 200 };
    int status = 0;
    (void)state;

    add("whole", ADDRESS, alice);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        int bad = 0;
        for (int i = 0; i < CHANGES; i++) {
            char address[64];
            address_of(address, i % 3, 1);
            bad += (i % 2 == 0 ? np_known_hosts_add(key_folder_path("whole"), address, bob, NULL)
                               : np_known_hosts_remove(key_folder_path("whole"), address, NULL,
                                                       NULL)) != NP_OK;
        }
        _exit(bad != 0);
    }
    while (waitpid(pid, &status, WNOHANG) == 0) {
        expect_verdict("whole", ADDRESS, alice, NP_HOST_KNOWN, 1);
    }
    assert_int_equal(status, 0);
}

/* A disk that fills up in the middle of a line: the old file stays, and nothing lies beside it. */
static void test_disk_full(void **state)
{
    const char *path = key_folder_path("full");
    int status = 0;
    (void)state;

    add("full", ADDRESS, alice);
    pid_t pid = fork();
    if (pid == 0) {
        struct rlimit limit = {80, 80};
        np_key_failure failure;
        (void)signal(SIGXFSZ, SIG_IGN);
        (void)setrlimit(RLIMIT_FSIZE, &limit);
        _exit(np_known_hosts_add(path, "tcp://b:1", bob, &failure) == NP_ERR_IO ? 0 : 1);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    expect_verdict("full", ADDRESS, alice, NP_HOST_KNOWN, 1);
    expect_verdict("full", "tcp://b:1", bob, NP_HOST_UNKNOWN, 0);
    add("full", "tcp://b:1", bob);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_meet),
        cmocka_unit_test(test_changed),
        cmocka_unit_test(test_remove),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_lines_by_hand),
        cmocka_unit_test(test_links),
        cmocka_unit_test(test_many_add),
        cmocka_unit_test(test_many_add_and_remove),
        cmocka_unit_test(test_locked),
        cmocka_unit_test(test_no_lock_file),
        cmocka_unit_test(test_readers_see_whole_files),
        cmocka_unit_test(test_disk_full),
    };

    return cmocka_run_group_tests(tests, key_folder_make, key_folder_remove);
}
