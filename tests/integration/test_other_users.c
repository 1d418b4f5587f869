/* What another user of the machine can do to our files by locking them: nothing. One that may read
 * a folder or a file may lock it (flock takes any open descriptor), so none of them is what we
 * lock. It takes root to be two users. */
#include "support/demo_service.h"
#include "support/key_folder.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { STRANGER = 65534 };

#define ADDRESS "tcp://host:7000"

/* With this argument the test is a program with more rights than its caller. */
#define SET_USER_ID "--set-user-id"

static const uint8_t alice[32] = {1}, bob[32] = {2};

/* The other user ---------------------------------------------------------------------------- */

/* What the stranger does; 0 if it went as it wants. */
typedef int deed(const char *path);

static int hold_lock(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

    return fd < 0 ? errno : flock(fd, LOCK_EX | LOCK_NB) != 0 ? errno : 0;
}

static int make_file(const char *path)
{
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

    return fd < 0 ? errno : 0;
}

static int take_away(const char *path)
{
    char aside[200];

    (void)snprintf(aside, sizeof aside, "%s.aside", path);
    return unlink(path) == 0 || rename(path, aside) == 0 ? 0 : errno;
}

/* Starts a process of another user, which does that and then stays. *outcome: what came of it. */
static pid_t stranger_begin(deed *what, const char *path, int *outcome)
{
    int told[2];
    pid_t pid = -1;

    assert_int_equal(pipe(told), 0);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        int came = -1;
        (void)alarm(120);
        if (setgroups(0, NULL) == 0 && setgid(STRANGER) == 0 && setuid(STRANGER) == 0) {
            came = what(path);
        }
        (void)!write(told[1], &came, sizeof came);
        for (;;) {
            (void)pause();
        }
    }
    assert_int_equal(read(told[0], outcome, sizeof *outcome), sizeof *outcome);
    (void)close(told[0]);
    (void)close(told[1]);
    return pid;
}

static void stranger_end(pid_t pid)
{
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
}

/* Fails the test unless it gets the lock of a file that it may read. */
static pid_t stranger_locks(const char *path)
{
    int outcome = -1;
    pid_t pid = stranger_begin(hold_lock, path, &outcome);

    assert_int_equal(outcome, 0);
    return pid;
}

/* The same where its deed leaves nothing that lasts. */
static int stranger_does(deed *what, const char *path)
{
    int outcome = -1;

    stranger_end(stranger_begin(what, path, &outcome));
    return outcome;
}

/* Sockets ----------------------------------------------------------------------------------- */

typedef struct world {
    char folder[64], socket[96], lock[104], address[112];
    np_loop *loop;
    np_daemon *daemon;
} world;

static int set_up(void **state)
{
    world *w = calloc(1, sizeof *w);

    if (w == NULL) {
        return -1;
    }
    (void)snprintf(w->folder, sizeof w->folder, "/tmp/netproto-test-XXXXXX");
    if (mkdtemp(w->folder) == NULL || chmod(w->folder, 0755) != 0) {
        return -1;
    }
    (void)snprintf(w->socket, sizeof w->socket, "%s/s.sock", w->folder);
    (void)snprintf(w->lock, sizeof w->lock, "%s.lock", w->socket);
    (void)snprintf(w->address, sizeof w->address, "unix://%s", w->socket);
    demo_must(np_loop_new(&w->loop, NULL), NULL);
    *state = w;
    return 0;
}

static int tear_down(void **state)
{
    world *w = *state;
    int left = 0;

    np_daemon_free(w->daemon);
    np_loop_free(w->loop);
    (void)unlink(w->socket);
    (void)unlink(w->lock);
    left = rmdir(w->folder);
    free(w);
    return left;
}

static np_err start(world *w, np_failure *failure)
{
    const char *addresses[] = {w->address};
    np_daemon_options options = demo_daemon_options(&demo_echo, addresses, 1);

    return np_daemon_start(&w->daemon, w->loop, &options, failure);
}

/* As a daemon leaves it that was killed: nobody listens, and the files are there. */
static void crash(world *w)
{
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0) {
        np_loop *loop = NULL;
        demo_must(np_loop_new(&loop, NULL), NULL);
        w->loop = loop;
        demo_must(start(w, NULL), NULL);
        _exit(0);
    }
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    assert_int_equal(access(w->socket, F_OK), 0);
}

static void test_lock_on_the_folder_of_a_stale_socket(void **state)
{
    world *w = *state;
    np_failure failure;

    crash(w);
    pid_t stranger = stranger_locks(w->folder);
    demo_must(start(w, &failure), &failure);
    stranger_end(stranger);
}

/* While a daemon listens and after it was killed: neither to be locked nor, in a folder that is
 * everybody's as /tmp is, to be taken away or replaced. */
static void test_lock_file_is_nobody_elses(void **state)
{
    world *w = *state;
    struct stat st;
    np_failure failure;

    assert_int_equal(chmod(w->folder, 01777), 0);
    for (int killed = 0; killed < 2; killed++) {
        if (killed == 1) {
            crash(w);
        } else {
            demo_must(start(w, &failure), &failure);
        }
        assert_int_equal(lstat(w->lock, &st), 0);
        assert_true(S_ISREG(st.st_mode));
        assert_int_equal(st.st_mode & 07777, 0600);
        assert_int_equal(stranger_does(hold_lock, w->lock), EACCES);
        assert_int_equal(stranger_does(make_file, w->lock), EEXIST);
        assert_int_equal(stranger_does(take_away, w->lock), EPERM);
        if (killed == 1) {
            demo_must(start(w, &failure), &failure);
        }
        np_daemon_free(w->daemon);
        w->daemon = NULL;
        assert_int_equal(access(w->lock, F_OK), -1); /* gone with its socket */
    }
}

/* Whoever may make files in the folder can be there first. It is told of, nothing is done to what
 * is theirs, and a free place is taken all the same. */
static void test_somebody_has_the_name(void **state)
{
    world *w = *state;
    np_failure failure;
    struct stat st;

    crash(w);
    assert_int_equal(unlink(w->lock), 0);
    assert_int_equal(chmod(w->folder, 01777), 0);
    assert_int_equal(stranger_does(make_file, w->lock), 0);
    assert_int_equal(start(w, &failure), NP_ERR_IN_USE);
    assert_non_null(strstr(failure.text, "look at it, and remove it"));
    assert_int_equal(unlink(w->socket), 0);
    demo_must(start(w, &failure), &failure);
    np_daemon_free(w->daemon);
    w->daemon = NULL;
    assert_int_equal(lstat(w->lock, &st), 0);
    assert_int_equal(st.st_uid, STRANGER);
}

/* Known hosts ------------------------------------------------------------------------------- */

static void expect_verdict(const char *path, const char *address, np_known_host verdict)
{
    np_known_key known;
    np_key_failure failure;

    if (np_known_hosts_check(&known, path, address, alice, &failure) != NP_OK) {
        fail_msg("%s", failure.text);
    }
    assert_int_equal(known.verdict, verdict);
}

static void must(np_err err, const np_key_failure *failure)
{
    if (err != NP_OK) {
        fail_msg("%s", failure->text);
    }
}

static void test_lock_on_known_hosts(void **state)
{
    const char *path = key_folder_path("readable");
    char folder[160];
    np_key_failure failure;
    bool removed = false;
    struct stat st;
    (void)state;

    (void)snprintf(folder, sizeof folder, "%.*s", (int)(strrchr(path, '/') - path), path);
    assert_int_equal(chmod(folder, 0755), 0);
    must(np_known_hosts_add(path, ADDRESS, alice, &failure), &failure);
    assert_int_equal(chmod(path, 0644), 0);
    pid_t of_file = stranger_locks(path);
    pid_t of_folder = stranger_locks(folder);
    (void)alarm(60);
    expect_verdict(path, ADDRESS, NP_HOST_KNOWN);
    must(np_known_hosts_add(path, "tcp://b:1", alice, &failure), &failure);
    expect_verdict(path, "tcp://b:1", NP_HOST_KNOWN);
    must(np_known_hosts_remove(path, ADDRESS, &removed, &failure), &failure);
    assert_true(removed);
    expect_verdict(path, ADDRESS, NP_HOST_UNKNOWN);
    (void)alarm(0);
    stranger_end(of_file);
    stranger_end(of_folder);
    /* And what is locked is nobody else's. */
    assert_int_equal(stat(key_folder_path("readable.lock"), &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_int_equal(stranger_does(hold_lock, key_folder_path("readable.lock")), EACCES);
}

static void test_somebody_has_the_name_of_the_lock(void **state)
{
    const char *path = key_folder_path("taken");
    const char *lock = key_folder_path("taken.lock");
    np_key_failure failure;
    struct stat st;
    (void)state;

    key_folder_write("taken", 0644, "", 0);
    key_folder_write("taken.lock", 0600, "", 0);
    assert_int_equal(chown(lock, STRANGER, STRANGER), 0);
    assert_int_equal(np_known_hosts_add(path, ADDRESS, bob, &failure), NP_ERR_UNSAFE);
    key_expect_failure(&failure, NP_ERR_UNSAFE, 0, "look at it, and remove it");
    expect_verdict(path, ADDRESS, NP_HOST_UNKNOWN); /* looking takes no lock */
    assert_int_equal(lstat(lock, &st), 0);
    assert_int_equal(st.st_uid, STRANGER);
}

/* A file that its owner has made read-only is not replaced by one that is not; root may write to
 * anything, so it takes somebody else to see. */
static int add_to_read_only(const char *path)
{
    np_key_failure failure;

    if (np_known_hosts_add(path, ADDRESS, alice, &failure) != NP_OK || chmod(path, 0400) != 0 ||
        np_known_hosts_add(path, ADDRESS, alice, &failure) != NP_OK) { /* it is there already */
        return 1;
    }
    return np_known_hosts_add(path, "tcp://b:1", alice, &failure) == NP_ERR_IO &&
                   failure.os_error == EACCES
               ? 0
               : 2;
}

static void test_read_only_known_hosts(void **state)
{
    const char *folder = key_folder_path("theirs");
    (void)state;

    assert_int_equal(mkdir(folder, 0700), 0);
    assert_int_equal(chown(folder, STRANGER, STRANGER), 0);
    assert_int_equal(stranger_does(add_to_read_only, key_folder_path("theirs/hosts")), 0);
}

/* More rights than the caller's ------------------------------------------------------------- */

/* What a program does that was started with more rights than its caller has. */
static int set_user_id(void)
{
    char path[NP_KEY_PATH_LEN];
    np_key_failure failure;

    if (getauxval(AT_SECURE) == 0) {
        return 77; /* a file system without such programs */
    }
    return np_key_path(NP_KEY_PLACE_SERVER, path, &failure) == NP_ERR_STATE ? 0 : 1;
}

/* The variables are its caller's, who would choose whose keys it uses. */
static void test_set_user_id_programs_take_no_variables(void **state)
{
    const char *path = key_folder_path("program");
    char self[200], command[600];
    int status = 0;
    (void)state;

    ssize_t len = readlink("/proc/self/exe", self, sizeof self - 1);
    assert_true(len > 0);
    self[len] = '\0';
    (void)snprintf(command, sizeof command, "cp %s %s", self, path);
    assert_int_equal(system(command), 0);
    assert_int_equal(chmod(path, 04755), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        char *const environment[] = {"HOME=/home/caller", "XDG_CONFIG_HOME=/home/caller/c", NULL};
        char *const argv[] = {(char *)(uintptr_t)path, SET_USER_ID, NULL};
        if (setgroups(0, NULL) == 0 && setgid(STRANGER) == 0 && setuid(STRANGER) == 0) {
            execve(path, argv, environment);
        }
        _exit(2);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == 77) {
        skip();
    }
    assert_int_equal(WEXITSTATUS(status), 0);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_lock_on_the_folder_of_a_stale_socket, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_lock_file_is_nobody_elses, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_somebody_has_the_name, set_up, tear_down),
        cmocka_unit_test(test_lock_on_known_hosts),
        cmocka_unit_test(test_somebody_has_the_name_of_the_lock),
        cmocka_unit_test(test_read_only_known_hosts),
        cmocka_unit_test(test_set_user_id_programs_take_no_variables),
    };

    if (argc == 2 && strcmp(argv[1], SET_USER_ID) == 0) {
        return set_user_id();
    }
    if (getuid() != 0) {
        (void)fprintf(stderr, "skipped: it takes root to be two users\n");
        return 77;
    }
    return cmocka_run_group_tests(tests, key_folder_make, key_folder_remove);
}
