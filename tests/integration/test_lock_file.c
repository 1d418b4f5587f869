/* The file by which processes take turns: whose it has to be, and what becomes of who waits. */
#include "transport/lock_file.h"
#include "support/key_folder.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* Stands before the system's: what is to happen between the opening of a lock file and its locking,
 * where another process may do anything. */
static void (*before_lock)(void);

int flock(int fd, int operation)
{
    void (*now)(void) = before_lock;

    before_lock = NULL;
    if (now != NULL) {
        now();
    }
    return (int)syscall(SYS_flock, fd, operation);
}

static np_err take(const char *name, unsigned wait_ms, int *fd)
{
    int os_error = 0;

    return np__lock_file_take(key_folder_path(name), wait_ms, fd, &os_error);
}

static void test_one_at_a_time(void **state)
{
    int first = -1;
    int second = -1;
    (void)state;

    assert_int_equal(take("turns", 0, &first), NP_OK);
    key_folder_expect_mode(key_folder_path("turns.lock"), 0600);
    assert_int_not_equal(fcntl(first, F_GETFD) & FD_CLOEXEC, 0); /* no child keeps it */
    assert_int_equal(take("turns", 0, &second), NP_ERR_DEADLINE);
    assert_int_equal(second, -1);
    assert_int_equal(take("turns", 20, &second), NP_ERR_DEADLINE);
    np__lock_file_release(key_folder_path("turns"), first, false);
    assert_int_equal(take("turns", 0, &second), NP_OK);
    np__lock_file_release(key_folder_path("turns"), second, true);
    assert_int_equal(access(key_folder_path("turns.lock"), F_OK), -1);
    np__lock_file_release(key_folder_path("turns"), -1, true); /* nothing taken */
}

static void test_whatever_the_umask(void **state)
{
    static const mode_t masks[] = {0, 0277, 0777};
    mode_t before = umask(0);
    int fd = -1;
    (void)state;

    for (size_t i = 0; i < sizeof masks / sizeof masks[0]; i++) {
        (void)umask(masks[i]);
        assert_int_equal(take("mask", 0, &fd), NP_OK);
        key_folder_expect_mode(key_folder_path("mask.lock"), 0600);
        np__lock_file_release(key_folder_path("mask"), fd, true);
    }
    (void)umask(before);
}

/* What others could hold the lock of, or what leads elsewhere, is not used, and not touched. */
static void test_not_a_file_of_our_own(void **state)
{
    static const char *const names[] = {"link",      "dangling", "fifo",       "dir",
                                        "open-read", "open-all", "open-group", "foreign"};
    struct stat before;
    struct stat after;
    int fd = -1;
    (void)state;

    key_folder_write("aim", 0600, "", 0);
    assert_int_equal(symlink("aim", key_folder_path("link.lock")), 0);
    assert_int_equal(symlink("nowhere", key_folder_path("dangling.lock")), 0);
    assert_int_equal(mkfifo(key_folder_path("fifo.lock"), 0600), 0);
    assert_int_equal(mkdir(key_folder_path("dir.lock"), 0700), 0);
    key_folder_write("open-read.lock", 0604, "", 0);
    key_folder_write("open-all.lock", 0666, "", 0);
    key_folder_write("open-group.lock", 0610, "", 0);
    key_folder_write("foreign.lock", 0600, "", 0);
    size_t count = sizeof names / sizeof names[0];
    if (getuid() != 0 || chown(key_folder_path("foreign.lock"), 65534, 65534) != 0) {
        count--; /* it takes root to give files away */
    }
    (void)alarm(20);
    for (size_t i = 0; i < count; i++) {
        char lock[64];
        (void)snprintf(lock, sizeof lock, "%s.lock", names[i]);
        assert_int_equal(lstat(key_folder_path(lock), &before), 0);
        assert_int_equal(take(names[i], 5, &fd), NP_ERR_UNSAFE);
        assert_int_equal(fd, -1);
        assert_int_equal(lstat(key_folder_path(lock), &after), 0);
        assert_int_equal(after.st_ino, before.st_ino);
        assert_int_equal(after.st_mode, before.st_mode);
    }
    (void)alarm(0);
    assert_int_equal(access(key_folder_path("nowhere"), F_OK), -1);
}

static void test_cannot_be_made(void **state)
{
    char path[5000];
    int fd = -1;
    int os_error = 0;
    (void)state;

    assert_int_equal(np__lock_file_take(key_folder_path("no/such"), 5, &fd, &os_error), NP_ERR_IO);
    assert_int_equal(os_error, ENOENT);
    assert_int_equal(fd, -1);
    memset(path, 'x', sizeof path - 1);
    path[sizeof path - 1] = '\0';
    assert_int_equal(np__lock_file_take(path, 5, &fd, &os_error), NP_ERR_IO);
    assert_int_equal(os_error, ENAMETOOLONG);
}

static int holder = -1;

/* The process before us removes the file, as it may, and a third one makes it anew and has it. */
static void removed_and_made_anew(void)
{
    np__lock_file_release(key_folder_path("race"), holder, true);
    assert_int_equal(take("race", 0, &holder), NP_OK);
}

static void removed(void)
{
    np__lock_file_release(key_folder_path("race"), holder, true);
    holder = -1;
}

/* Who waited for a file that is removed meanwhile does not have the lock, though it has one. */
static void test_removed_while_we_wait(void **state)
{
    int fd = -1;
    (void)state;

    assert_int_equal(take("race", 0, &holder), NP_OK);
    before_lock = removed_and_made_anew;
    assert_int_equal(take("race", 0, &fd), NP_ERR_DEADLINE);
    assert_int_equal(fd, -1);
    before_lock = removed;
    assert_int_equal(take("race", 5, &fd), NP_OK);
    assert_int_equal(access(key_folder_path("race.lock"), F_OK), 0);
    np__lock_file_release(key_folder_path("race"), fd, true);
}

/* A child that another thread has forked meanwhile has the descriptor, too, and lives for long: the
 * lock is free all the same. */
static void test_a_child_keeps_no_lock(void **state)
{
    pid_t child = 0;
    int fd = -1;
    (void)state;

    assert_int_equal(take("child", 0, &fd), NP_OK);
    child = fork();
    if (child == 0) {
        for (;;) {
            pause();
        }
    }
    assert_true(child > 0);
    np__lock_file_release(key_folder_path("child"), fd, false);
    assert_int_equal(take("child", 20, &fd), NP_OK);
    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(waitpid(child, NULL, 0), child);
    np__lock_file_release(key_folder_path("child"), fd, true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_at_a_time),         cmocka_unit_test(test_whatever_the_umask),
        cmocka_unit_test(test_not_a_file_of_our_own), cmocka_unit_test(test_cannot_be_made),
        cmocka_unit_test(test_removed_while_we_wait), cmocka_unit_test(test_a_child_keeps_no_lock),
    };

    return cmocka_run_group_tests(tests, key_folder_make, key_folder_remove);
}
