/* Taking and leaving a socket file where the system fails, or another program does something, just
 * then. The linker puts our functions before the library's calls (--wrap). */
#include "transport/unix.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

/* After so many calls that go well, one fails with that errno. after < 0: never. */
typedef struct fault {
    int after, os_error;
} fault;

static fault on_socket, on_bind, on_listen, on_unlink, on_fchmod, on_fchmodat;
static void (*after_bind)(void), (*before_fchmodat)(void);
static int other_device; /* so many lstats from now on, the last one tells of another device */

static bool strikes(fault *f)
{
    if (f->after != 0) {
        f->after -= f->after > 0;
        return false;
    }
    f->after = -1;
    errno = f->os_error;
    return true;
}

int __real_socket(int family, int type, int protocol);
int __wrap_socket(int family, int type, int protocol);
int __real_bind(int fd, const struct sockaddr *sa, socklen_t len);
int __wrap_bind(int fd, const struct sockaddr *sa, socklen_t len);
int __real_listen(int fd, int backlog);
int __wrap_listen(int fd, int backlog);
int __real_unlink(const char *path);
int __wrap_unlink(const char *path);
int __real_fchmod(int fd, mode_t mode);
int __wrap_fchmod(int fd, mode_t mode);
int __real_fchmodat(int at, const char *path, mode_t mode, int flags);
int __wrap_fchmodat(int at, const char *path, mode_t mode, int flags);
int __real_lstat(const char *path, struct stat *st);
int __wrap_lstat(const char *path, struct stat *st);

static void run_once(void (**fn)(void))
{
    void (*now)(void) = *fn;

    *fn = NULL;
    if (now != NULL) {
        now();
    }
}

int __wrap_socket(int family, int type, int protocol)
{
    return strikes(&on_socket) ? -1 : __real_socket(family, type, protocol);
}

int __wrap_bind(int fd, const struct sockaddr *sa, socklen_t len)
{
    int result = strikes(&on_bind) ? -1 : __real_bind(fd, sa, len);
    int os_error = errno;

    run_once(&after_bind);
    errno = os_error;
    return result;
}

int __wrap_listen(int fd, int backlog)
{
    return strikes(&on_listen) ? -1 : __real_listen(fd, backlog);
}

int __wrap_unlink(const char *path)
{
    return strikes(&on_unlink) ? -1 : __real_unlink(path);
}

int __wrap_fchmod(int fd, mode_t mode)
{
    return strikes(&on_fchmod) ? -1 : __real_fchmod(fd, mode);
}

int __wrap_fchmodat(int at, const char *path, mode_t mode, int flags)
{
    run_once(&before_fchmodat);
    return strikes(&on_fchmodat) ? -1 : __real_fchmodat(at, path, mode, flags);
}

int __wrap_lstat(const char *path, struct stat *st)
{
    int result = __real_lstat(path, st);

    if (other_device > 0 && --other_device == 0) {
        st->st_dev++;
    }
    return result;
}

/* A folder of the test's own, which it stands in. */
static char folder[] = "/tmp/np-unix-XXXXXX";
static np_address address;
static char path[sizeof folder + 8];

static int next_descriptor(void)
{
    int fd = dup(0);

    (void)close(fd);
    return fd;
}

static size_t count_files(void)
{
    DIR *dir = opendir(folder);
    size_t count = 0;

    assert_non_null(dir);
    for (struct dirent *e = readdir(dir); e != NULL; e = readdir(dir)) {
        count += e->d_name[0] != '.';
    }
    (void)closedir(dir);
    return count;
}

static void choose(const char *text)
{
    const char *why = NULL;

    assert_int_equal(np_address_parse(text, &address, &why), NP_OK);
}

static int set_up_group(void **state)
{
    (void)state;
    if (mkdtemp(folder) == NULL) {
        return -1;
    }
    (void)snprintf(path, sizeof path, "%s/s", folder);
    return chdir(folder);
}

static int tear_down_group(void **state)
{
    (void)state;
    return chdir("/") | rmdir(folder);
}

static int set_up(void **state)
{
    char text[100];
    (void)state;

    on_socket = on_bind = on_listen = on_unlink = on_fchmod = on_fchmodat = (fault){-1, 0};
    (void)snprintf(text, sizeof text, "unix://%s", path);
    choose(text);
    return 0;
}

/* Every test removes what it has made, and the library what it has. */
static int tear_down(void **state)
{
    (void)state;
    return count_files() == 0 ? 0 : -1;
}

static void leave_socket(void)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    int fd = __real_socket(AF_UNIX, SOCK_STREAM, 0);

    (void)snprintf(un.sun_path, sizeof un.sun_path, "%s", path);
    assert_int_equal(__real_bind(fd, (const struct sockaddr *)&un, sizeof un), 0);
    (void)close(fd);
}

static np_err open_it(np_unix_listen *out, int *os_error, const char **why)
{
    *os_error = 0;
    *why = "";
    return np_unix_open(&address, 0666, 5, out, os_error, why);
}

/* It cannot be taken; no descriptor is left behind, and so many files. */
static void expect_failure(np_err err, int os_error, const char *words, size_t files)
{
    int before = next_descriptor();
    np_unix_listen out;
    const char *why = "";
    int code = 0;

    assert_int_equal(open_it(&out, &code, &why), err);
    assert_int_equal(code, os_error);
    assert_non_null(strstr(why, words));
    assert_int_equal(next_descriptor(), before);
    assert_int_equal(count_files(), files);
}

static void expect_success(void)
{
    np_unix_listen out;
    const char *why = "";
    int code = 0;

    assert_int_equal(open_it(&out, &code, &why), NP_OK);
    np_unix_shut(&out, &address);
}

static void test_each_call_fails(void **state)
{
    (void)state;
    on_socket = (fault){0, EMFILE};
    expect_failure(NP_ERR_FILES, EMFILE, "", 0);
    /* The first one is the lock file's. */
    on_fchmod = (fault){1, EPERM};
    expect_failure(NP_ERR_SYSTEM, EPERM, "", 0);
    on_bind = (fault){0, EACCES};
    expect_failure(NP_ERR_SYSTEM, EACCES, "", 0);
    on_listen = (fault){0, ENOBUFS};
    expect_failure(NP_ERR_MEMORY, ENOBUFS, "", 0);
    mode_t before = umask(077);
    on_fchmodat = (fault){0, EPERM};
    expect_failure(NP_ERR_SYSTEM, EPERM, "", 0);
    (void)umask(before);
    expect_success();
}

static void test_each_call_fails_at_a_stale_one(void **state)
{
    (void)state;
    leave_socket();
    on_socket = (fault){1, EMFILE}; /* whether somebody listens cannot be found out */
    expect_failure(NP_ERR_IN_USE, EADDRINUSE, "somebody listens", 2);
    on_unlink = (fault){0, EPERM};
    expect_failure(NP_ERR_SYSTEM, EPERM, "could not be removed", 2);
    other_device = 2; /* the first look is the lock file's */
    expect_failure(NP_ERR_IN_USE, EADDRINUSE, "changed while it was looked at", 2);
    assert_int_equal(other_device, 0);
    on_bind = (fault){1, ENOSPC};
    expect_failure(NP_ERR_SYSTEM, ENOSPC, "", 0);
    /* In the way when we bind, and gone when we look. */
    on_bind = (fault){0, EADDRINUSE};
    expect_success();
}

/* Who listens and has no time to accept listens. */
static void test_full_backlog(void **state)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    int busy = __real_socket(AF_UNIX, SOCK_STREAM, 0);
    int fds[8];
    int count = 0;
    (void)state;

    (void)snprintf(un.sun_path, sizeof un.sun_path, "%s", path);
    assert_int_equal(__real_bind(busy, (const struct sockaddr *)&un, sizeof un), 0);
    assert_int_equal(__real_listen(busy, 0), 0);
    for (bool full = false; !full && count < 8; count++) {
        fds[count] = __real_socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
        full = connect(fds[count], (const struct sockaddr *)&un, sizeof un) != 0;
        assert_true(!full || errno == EAGAIN);
    }
    assert_in_range(count, 2, 7);
    expect_failure(NP_ERR_IN_USE, EADDRINUSE, "somebody listens", 2);
    while (count > 0) {
        (void)close(fds[--count]);
    }
    (void)close(busy);
    assert_int_equal(__real_unlink(path), 0);
    assert_int_equal(__real_unlink("s.lock"), 0);
}

static void put_file(void)
{
    assert_int_equal(__real_unlink(path), 0);
    int fd = open(path, O_CREAT | O_EXCL | O_WRONLY, 0600);
    assert_true(fd >= 0);
    (void)close(fd);
}

static void put_link(void)
{
    assert_int_equal(__real_unlink(path), 0);
    assert_int_equal(symlink("victim", path), 0);
}

/* Somebody exchanges the file as soon as it is there: the mode is not given to theirs, and it is
 * not removed either. */
static void test_exchanged_at_once(void **state)
{
    struct stat st;
    (void)state;

    mode_t before = umask(077);
    after_bind = put_file;
    expect_failure(NP_ERR_SYSTEM, 0, "another file", 1);
    assert_int_equal(__real_lstat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(__real_unlink(path), 0);

    int fd = open("victim", O_CREAT | O_EXCL | O_WRONLY, 0600);
    assert_true(fd >= 0);
    (void)close(fd);
    before_fchmodat = put_link;
    np_unix_listen out;
    const char *why = "";
    int code = 0;
    if (open_it(&out, &code, &why) == NP_OK) { /* kernels without modes of links say EOPNOTSUPP */
        np_unix_shut(&out, &address);
    }
    assert_null(before_fchmodat);
    assert_int_equal(stat("victim", &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(__real_lstat(path, &st), 0);
    assert_true(S_ISLNK(st.st_mode));
    (void)umask(before);
    assert_int_equal(__real_unlink(path), 0);
    assert_int_equal(__real_unlink("victim"), 0);
}

/* A file with our number on another device is not ours. */
static void test_left_to_another_device(void **state)
{
    np_unix_listen out;
    const char *why = "";
    int code = 0;
    (void)state;

    assert_int_equal(open_it(&out, &code, &why), NP_OK);
    other_device = 2; /* the first look is the lock file's */
    np_unix_shut(&out, &address);
    assert_int_equal(other_device, 0);
    assert_int_equal(__real_unlink(path), 0);
    assert_int_equal(__real_unlink("s.lock"), 0);
}

/* Names in the abstract namespace leave no trace in the folder that one happens to be in, and take
 * none of its files for theirs. */
static void test_abstract(void **state)
{
    char text[64], foreign[300];
    np_unix_listen out, second;
    const char *why = "";
    int code = 0;
    (void)state;

    (void)snprintf(text, sizeof text, "unix://@np-unix-faults-%d", (int)getpid());
    choose(text);
    (void)snprintf(foreign, sizeof foreign, "%s.lock", address.host);
    int fd = open(foreign, O_CREAT | O_EXCL | O_WRONLY, 0600);
    assert_true(fd >= 0);
    (void)close(fd);
    assert_int_equal(open_it(&out, &code, &why), NP_OK);
    assert_int_equal(count_files(), 1);
    assert_int_equal(open_it(&second, &code, &why), NP_ERR_IN_USE);
    assert_string_equal(why, "somebody listens on it");
    assert_int_equal(count_files(), 1);
    np_unix_shut(&out, &address);
    assert_int_equal(count_files(), 1);
    assert_int_equal(__real_unlink(foreign), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_each_call_fails, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_each_call_fails_at_a_stale_one, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_full_backlog, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_exchanged_at_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_left_to_another_device, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_abstract, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, set_up_group, tear_down_group);
}
