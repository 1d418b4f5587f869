/* Files of keys where the system fails in the middle: no memory, interrupted and torn reads and
 * writes, a disk that does not take them. The linker puts our functions before the library's calls
 * (--wrap). */
#include "support/key_folder.h"
#include "transport/key_io.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define ALICE "np1:hSDwCYkwp1R0i33ctD73Wg2_Og0mOBr066SpjqqbTmo"
#define ALICE_SECRET "npsecret1:dwdtCnMYpX08FsFyUbJmRd9ML4frwJkqsXf7pR25LCo"

static const char key_file[] = "public " ALICE "\nsecret " ALICE_SECRET "\n";

/* After so many calls that go well, one returns that, with that errno. */
typedef struct fault {
    int after; /* -1: never */
    ssize_t result;
    int os_error;
} fault;

static fault on_malloc = {-1, 0, 0}, on_pread = {-1, 0, 0}, on_write = {-1, 0, 0};
static fault on_fsync = {-1, 0, 0}, on_open_folder = {-1, 0, 0}, on_close = {-1, 0, 0};
static fault on_rename = {-1, 0, 0}, on_mkostemp = {-1, 0, 0};
static void (*before_lock)(void); /* what another process does just before we have the lock */
static size_t write_at_most = SIZE_MAX;
static char *last_block; /* what the library took last */
static size_t last_len;
static bool secret_was_left;

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

void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);
void __real_free(void *block);
void __wrap_free(void *block);
ssize_t __real_pread(int fd, void *data, size_t len, off_t at);
ssize_t __wrap_pread(int fd, void *data, size_t len, off_t at);
ssize_t __real_write(int fd, const void *data, size_t len);
ssize_t __wrap_write(int fd, const void *data, size_t len);
int __real_fsync(int fd);
int __wrap_fsync(int fd);
int __real_close(int fd);
int __wrap_close(int fd);
int __real_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...);

void *__wrap_malloc(size_t size)
{
    if (strikes(&on_malloc)) {
        return NULL;
    }
    last_block = __real_malloc(size);
    last_len = size;
    return last_block;
}

void __wrap_free(void *block)
{
    if (block != NULL && block == last_block) {
        secret_was_left = secret_was_left || memmem(block, last_len, "npsecret1", 9) != NULL;
        last_block = NULL;
    }
    __real_free(block);
}

ssize_t __wrap_pread(int fd, void *data, size_t len, off_t at)
{
    return strikes(&on_pread) ? on_pread.result : __real_pread(fd, data, len, at);
}

ssize_t __wrap_write(int fd, const void *data, size_t len)
{
    return strikes(&on_write) ? on_write.result
                              : __real_write(fd, data, len < write_at_most ? len : write_at_most);
}

int __wrap_fsync(int fd)
{
    return strikes(&on_fsync) ? (int)on_fsync.result : __real_fsync(fd);
}

int __wrap_close(int fd)
{
    int result = __real_close(fd);

    return strikes(&on_close) ? (int)on_close.result : result;
}

int __wrap_open(const char *path, int flags, ...)
{
    va_list args;
    mode_t mode = 0;

    va_start(args, flags);
    mode = (flags & O_CREAT) != 0 ? va_arg(args, mode_t) : 0;
    va_end(args);
    if ((flags & O_DIRECTORY) != 0 && strikes(&on_open_folder)) {
        return (int)on_open_folder.result;
    }
    return __real_open(path, flags, mode);
}

int __real_rename(const char *from, const char *to);
int __wrap_rename(const char *from, const char *to);
int __real_mkostemp(char *path, int flags);
int __wrap_mkostemp(char *path, int flags);
int __real_flock(int fd, int operation);
int __wrap_flock(int fd, int operation);

int __wrap_rename(const char *from, const char *to)
{
    return strikes(&on_rename) ? (int)on_rename.result : __real_rename(from, to);
}

int __wrap_mkostemp(char *path, int flags)
{
    return strikes(&on_mkostemp) ? (int)on_mkostemp.result : __real_mkostemp(path, flags);
}

int __wrap_flock(int fd, int operation)
{
    void (*now)(void) = before_lock;

    before_lock = NULL;
    if (now != NULL) {
        now();
    }
    return __real_flock(fd, operation);
}

static np_err load(const char *name, np_key_failure *failure)
{
    np_keypair pair;
    np_err err = np_keypair_load(&pair, key_folder_path(name), failure);

    np_keypair_wipe(&pair);
    return err;
}

static void test_reading(void **state)
{
    np_key_failure failure;
    (void)state;

    key_folder_write("key", 0600, key_file, strlen(key_file));
    on_malloc = (fault){0, 0, ENOMEM};
    assert_int_equal(load("key", &failure), NP_ERR_MEMORY);
    key_expect_failure(&failure, NP_ERR_MEMORY, 0, "memory");
    on_pread = (fault){0, -1, EINTR};
    assert_int_equal(load("key", &failure), NP_OK);
    on_pread = (fault){0, -1, EIO};
    assert_int_equal(load("key", &failure), NP_ERR_IO);
    key_expect_failure(&failure, NP_ERR_IO, 0, "it cannot be read");
    assert_int_equal(failure.os_error, EIO);
    /* Somebody cuts it while it is read: what there is does not wait for the rest. */
    (void)alarm(20);
    on_pread = (fault){0, 0, 0};
    assert_int_equal(load("key", &failure), NP_ERR_KEY);
    (void)alarm(0);
}

static void test_what_was_read_is_wiped(void **state)
{
    np_key_failure failure;
    (void)state;

    key_folder_write("wiped", 0600, key_file, strlen(key_file));
    secret_was_left = false;
    assert_int_equal(load("wiped", &failure), NP_OK);
    key_folder_write("wiped", 0644, key_file, strlen(key_file)); /* it is looked into to complain */
    assert_int_equal(load("wiped", &failure), NP_ERR_UNSAFE);
    assert_false(secret_was_left);
}

/* A file that grows between its check and its reading is read as far as may be. */
static void test_no_more_than_may(void **state)
{
    np__key_text text;
    np_key_failure failure;
    (void)state;

    key_folder_write("long", 0600, key_file, strlen(key_file));
    int fd = open(key_folder_path("long"), O_RDONLY);
    assert_int_equal(np__key_read(fd, "long", 10, &text, &failure), NP_OK);
    assert_int_equal(text.len, 10);
    assert_memory_equal(text.data, key_file, 10);
    np__key_text_free(&text);
    assert_int_equal(close(fd), 0);
}

static np_err save(const char *name, np_key_failure *failure)
{
    np_keypair pair = {{1}, {2}};

    return np_keypair_save(&pair, key_folder_path(name), failure);
}

static void expect_not_saved(const char *name, int os_error)
{
    np_key_failure failure;
    struct stat st;

    assert_int_equal(save(name, &failure), NP_ERR_IO);
    key_expect_failure(&failure, NP_ERR_IO, 0, "it cannot be written");
    assert_int_equal(failure.os_error, os_error);
    assert_int_equal(lstat(key_folder_path(name), &st), -1); /* half a key is none */
}

static void test_writing(void **state)
{
    np_key_failure failure;
    size_t len = 0;
    (void)state;

    on_write = (fault){0, -1, EINTR};
    write_at_most = 7;
    assert_int_equal(save("pieces", &failure), NP_OK);
    write_at_most = SIZE_MAX;
    assert_int_equal(save("whole", &failure), NP_OK);
    char *pieces = key_folder_read("pieces", &len);
    char *whole = key_folder_read("whole", &len);
    assert_string_equal(pieces, whole);
    free(pieces);
    free(whole);
    on_write = (fault){0, -1, ENOSPC};
    expect_not_saved("full", ENOSPC);
    on_fsync = (fault){0, -1, EIO};
    expect_not_saved("unsynced", EIO);
    on_fsync = (fault){0, -1, EINVAL}; /* which a file has no excuse for */
    expect_not_saved("unsynced", EINVAL);
    on_close = (fault){0, -1, EDQUOT};
    expect_not_saved("unclosed", EDQUOT);
}

/* Where folders can be neither read nor synced, there is no more to do; all else is an error. */
static void test_syncing_the_folder(void **state)
{
    np_key_failure failure;
    (void)state;

    on_open_folder = (fault){0, -1, EACCES};
    assert_int_equal(save("unreadable", &failure), NP_OK);
    on_open_folder = (fault){0, -1, EMFILE};
    expect_not_saved("no files", EMFILE);
    on_fsync = (fault){1, -1, EINVAL};
    assert_int_equal(save("unsyncable", &failure), NP_OK);
    on_fsync = (fault){1, -1, EIO};
    expect_not_saved("broken", EIO);
}

static const uint8_t alice[32] = {1};

/* Known hosts: whatever fails, the old file is there, and nothing else. */
static void test_known_hosts(void **state)
{
    static const struct {
        fault *at;
        fault what;
        const char *name;
    } rows[] = {
        {&on_write, {0, -1, ENOSPC}, "write"},      {&on_fsync, {0, -1, EIO}, "fsync"},
        {&on_close, {1, -1, EDQUOT}, "close"},      {&on_fsync, {1, -1, EIO}, "folder"},
        {&on_open_folder, {0, -1, EMFILE}, "open"}, {&on_rename, {0, -1, EACCES}, "rename"},
        {&on_mkostemp, {0, -1, EROFS}, "mkostemp"},
    };
    char pattern[200];
    glob_t found;
    (void)state;

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const char *path = key_folder_path(rows[i].name);
        np_key_failure failure;
        np_known_key known;
        assert_int_equal(np_known_hosts_add(path, "tcp://a:1", alice, &failure), NP_OK);
        *rows[i].at = rows[i].what;
        assert_int_equal(np_known_hosts_add(path, "tcp://b:1", alice, &failure), NP_ERR_IO);
        assert_int_equal(failure.os_error, rows[i].what.os_error);
        assert_int_equal(rows[i].at->after, -1); /* it struck */
        assert_int_equal(np_known_hosts_check(&known, path, "tcp://a:1", alice, &failure), NP_OK);
        assert_int_equal(known.verdict, NP_HOST_KNOWN);
        (void)snprintf(pattern, sizeof pattern, "%s.??????", path);
        assert_int_equal(glob(pattern, 0, NULL, &found), GLOB_NOMATCH); /* nothing is left */
        assert_int_equal(np_known_hosts_add(path, "tcp://b:1", alice, &failure), NP_OK);
    }
}

static const uint8_t nearly_alice[32] = {1, [31] = 1};

static void put_line(const char *address, const uint8_t key[NP_KEY_LEN])
{
    char line[200], text[NP_KEY_TEXT_LEN];

    (void)snprintf(line, sizeof line, "%s %s\n", address, np_key_format(key, text));
    key_folder_write("raced", 0600, line, strlen(line));
}

static void put_same(void)
{
    put_line("tcp://a:1", alice);
}

static void put_another_key(void)
{
    put_line("tcp://a:1", nearly_alice);
}

static struct stat raced;

static void put_another_address(void)
{
    put_line("tcp://b:1", alice);
    assert_int_equal(lstat(key_folder_path("raced"), &raced), 0);
}

/* What was looked at before the lock is looked at once more behind it. */
static void test_somebody_was_there_before_us(void **state)
{
    const char *path = key_folder_path("raced");
    np_key_failure failure;
    np_known_key known;
    struct stat st;
    bool removed = false;
    size_t len = 0;
    (void)state;

    before_lock = put_same;
    assert_int_equal(np_known_hosts_add(path, "tcp://a:1", alice, &failure), NP_OK);
    assert_int_equal(np_known_hosts_check(&known, path, "tcp://a:1", alice, &failure), NP_OK);
    put_another_address();
    before_lock = put_another_key;
    assert_int_equal(np_known_hosts_add(path, "tcp://a:1", alice, &failure), NP_ERR_STATE);
    put_same();
    before_lock = put_another_address;
    assert_int_equal(np_known_hosts_remove(path, "tcp://a:1", &removed, &failure), NP_OK);
    assert_false(removed);
    assert_int_equal(lstat(path, &st), 0);
    assert_int_equal(st.st_ino, raced.st_ino); /* not even written anew */
    char *text = key_folder_read("raced", &len);
    assert_memory_equal(text, "tcp://b:1 ", 10);
    free(text);
}

/* Keys that differ in their last byte differ; and a mode with bits that files have no use for. */
static void test_known_hosts_to_the_last_bit(void **state)
{
    const char *path = key_folder_path("raced");
    np_key_failure failure;
    np_known_key known;
    (void)state;

    put_same();
    assert_int_equal(np_known_hosts_check(&known, path, "tcp://a:1", nearly_alice, &failure),
                     NP_OK);
    assert_int_equal(known.verdict, NP_HOST_CHANGED);
    assert_int_equal(chmod(path, 04744), 0);
    assert_int_equal(np_known_hosts_add(path, "tcp://c:1", alice, &failure), NP_OK);
    key_folder_expect_mode(path, 0744);
}

static void test_known_hosts_are_full(void **state)
{
    char *text = malloc(NP_KEY_LIST_FILE_MAX);
    np_key_failure failure;
    struct stat st;
    (void)state;

    assert_non_null(text);
    memset(text, '#', NP_KEY_LIST_FILE_MAX);
    for (size_t i = 1000; i < NP_KEY_LIST_FILE_MAX; i += 1000) {
        text[i] = '\n';
    }
    text[NP_KEY_LIST_FILE_MAX - 60] = '\n'; /* a line takes 58 and more */
    key_folder_write("hosts", 0600, text, NP_KEY_LIST_FILE_MAX - 59);
    assert_int_equal(np_known_hosts_add(key_folder_path("hosts"), "tcp://host:1", alice, &failure),
                     NP_ERR_TOO_LONG);
    key_expect_failure(&failure, NP_ERR_TOO_LONG, 0, "remove what is old");
    assert_int_equal(lstat(key_folder_path("hosts"), &st), 0);
    assert_int_equal(st.st_size, NP_KEY_LIST_FILE_MAX - 59);
    assert_int_equal(np_known_hosts_add(key_folder_path("hosts"), "tcp://a:1", alice, &failure),
                     NP_OK); /* 58: it fits */
    free(text);
}

static void test_files_that_cannot_be_opened(void **state)
{
    static const struct {
        int os_error;
        np_err err;
        int told; /* where the words say it all, no number */
    } rows[] = {
        {ELOOP, NP_ERR_IO, ELOOP},       {ENXIO, NP_ERR_UNSAFE, 0},   {EISDIR, NP_ERR_UNSAFE, 0},
        {ENOMEM, NP_ERR_MEMORY, ENOMEM}, {ENOENT, NP_ERR_IO, ENOENT}, {EACCES, NP_ERR_IO, EACCES},
        {EMFILE, NP_ERR_IO, EMFILE},
    };
    np_key_failure failure;
    (void)state;

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(np__key_fail_open(&failure, rows[i].os_error, "f"), rows[i].err);
        assert_int_equal(failure.os_error, rows[i].told);
    }
    /* The name itself is a link, which is not followed. */
    assert_int_equal(symlink("elsewhere", key_folder_path("link")), 0);
    assert_int_equal(np__key_fail_open(&failure, ELOOP, key_folder_path("link")), NP_ERR_UNSAFE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reading),
        cmocka_unit_test(test_what_was_read_is_wiped),
        cmocka_unit_test(test_no_more_than_may),
        cmocka_unit_test(test_writing),
        cmocka_unit_test(test_syncing_the_folder),
        cmocka_unit_test(test_known_hosts),
        cmocka_unit_test(test_somebody_was_there_before_us),
        cmocka_unit_test(test_known_hosts_to_the_last_bit),
        cmocka_unit_test(test_known_hosts_are_full),
        cmocka_unit_test(test_files_that_cannot_be_opened),
    };

    return cmocka_run_group_tests(tests, key_folder_make, key_folder_remove);
}
