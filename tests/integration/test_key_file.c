/* Key files, authorized keys and pre-shared keys on the disk: whose file is believed, what is never
 * overwritten, and what each refusal says. The texts themselves: unit/test_key.c. */
#include "support/key_folder.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define ALICE "np1:hSDwCYkwp1R0i33ctD73Wg2_Og0mOBr066SpjqqbTmo"
#define ALICE_SECRET "npsecret1:dwdtCnMYpX08FsFyUbJmRd9ML4frwJkqsXf7pR25LCo"
#define PSK "npsk1:AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA"

static const char key_file[] = "public " ALICE "\nsecret " ALICE_SECRET "\n";
static const char authorized[] = "# who may come in\n" ALICE " alice\n";
static const char psks[] = ALICE " " PSK "\n";

/* The three loaders behind one face; what is loaded is freed. */
typedef np_err load_fn(const char *path, np_key_failure *failure);

static np_err load_pair(const char *path, np_key_failure *failure)
{
    static const uint8_t zero[sizeof(np_keypair)] = {0};
    np_keypair pair;
    np_err err = np_keypair_load(&pair, path, failure);

    assert_true((err == NP_OK) == (memcmp(&pair, zero, sizeof pair) != 0));
    np_keypair_wipe(&pair);
    return err;
}

static np_err load_list(const char *path, np_key_failure *failure)
{
    np_key_list *list = NULL;
    np_err err = np_key_list_load(&list, path, failure);

    assert_true((err == NP_OK) == (list != NULL));
    assert_int_equal(np_key_list_count(list), err == NP_OK ? 1 : 0);
    np_key_list_free(list);
    return err;
}

static np_err load_psks(const char *path, np_key_failure *failure)
{
    np_psk_list *list = NULL;
    np_err err = np_psk_list_load(&list, path, failure);

    assert_true((err == NP_OK) == (list != NULL));
    assert_int_equal(np_psk_list_count(list), err == NP_OK ? 1 : 0);
    np_psk_list_free(list);
    return err;
}

static np_err check_hosts(const char *path, np_key_failure *failure)
{
    static const uint8_t key[32] = {1};
    np_known_key known;

    return np_known_hosts_check(&known, path, "tcp://a:1", key, failure);
}

static const struct {
    load_fn *load;
    const char *text;
    bool secret;
} kinds[] = {
    {load_pair, key_file, true},
    {load_list, authorized, false},
    {load_psks, psks, true},
    {check_hosts, "tcp://a:1 " ALICE "\n", false},
};

#define KINDS (sizeof kinds / sizeof kinds[0])

static void expect_refused(load_fn *load, const char *name, np_err err, size_t line,
                           const char *words)
{
    np_key_failure failure;
    const char *path = key_folder_path(name);

    assert_int_equal(load(path, &failure), err);
    key_expect_failure(&failure, err, line, words);
    assert_memory_equal(failure.text, path, strlen(path));
    assert_null(strstr(failure.text, "npsecret1:dwd"));
    assert_null(strstr(failure.text, "npsk1:AQI"));
    assert_int_equal(load(path, NULL), err);
}

static void test_save_and_load(void **state)
{
    const char *path = key_folder_path("saved.key");
    np_key_failure failure;
    np_keypair pair, again;
    size_t len = 0;
    (void)state;

    mode_t before = umask(0);
    assert_int_equal(np_keypair_generate(&pair), NP_OK);
    assert_int_equal(np_keypair_save(&pair, path, &failure), NP_OK);
    (void)umask(0777); /* not even this gives another mode */
    assert_int_equal(np_keypair_save(&pair, key_folder_path("saved2.key"), &failure), NP_OK);
    (void)umask(before);
    key_folder_expect_mode(path, 0600);
    key_folder_expect_mode(key_folder_path("saved2.key"), 0600);
    assert_int_equal(np_keypair_load(&again, path, &failure), NP_OK);
    assert_memory_equal(&pair, &again, sizeof pair);

    /* Never overwritten, and still what it was. */
    assert_int_equal(np_keypair_generate(&pair), NP_OK);
    assert_int_equal(np_keypair_save(&pair, path, &failure), NP_ERR_IO);
    assert_int_equal(failure.os_error, EEXIST);
    key_expect_failure(&failure, NP_ERR_IO, 0, "is not overwritten");
    assert_int_equal(np_keypair_load(&pair, path, &failure), NP_OK);
    assert_memory_equal(&pair, &again, sizeof pair);
    char *text = key_folder_read("saved.key", &len);
    assert_memory_equal(text, "# A secret key of netproto.", 27);
    free(text);
}

static void test_save_psk(void **state)
{
    uint8_t key[32] = {7}, psk[32] = {8};
    np_psk_list *list = NULL;
    np_key_failure failure;
    const char *path = key_folder_path("saved-psks");
    (void)state;

    assert_int_equal(np_psk_save(key, psk, path, &failure), NP_OK);
    key_folder_expect_mode(path, 0600);
    assert_int_equal(np_psk_save(key, psk, path, &failure), NP_ERR_IO);
    assert_int_equal(np_psk_list_load(&list, path, &failure), NP_OK);
    assert_memory_equal(np_psk_list_find(list, key), psk, 32);
    np_psk_list_free(list);
}

/* Links are not followed, not even where they lead nowhere yet. */
static void test_save_through_links(void **state)
{
    np_keypair pair = {{1}, {2}};
    np_key_failure failure;
    struct stat st;
    (void)state;

    assert_int_equal(symlink("nowhere", key_folder_path("dangling")), 0);
    assert_int_equal(np_keypair_save(&pair, key_folder_path("dangling"), &failure), NP_ERR_IO);
    assert_int_equal(failure.os_error, EEXIST);
    assert_int_equal(lstat(key_folder_path("nowhere"), &st), -1);
    assert_int_equal(np_keypair_save(&pair, key_folder_path("no/such/x"), &failure), NP_ERR_IO);
    assert_int_equal(failure.os_error, ENOENT);
}

/* A full disk (a limit on file sizes looks the same) leaves no half of a key behind. */
static void test_save_fails_halfway(void **state)
{
    const char *path = key_folder_path("half.key");
    struct stat st;
    int status = 0;
    (void)state;

    pid_t pid = fork();
    if (pid == 0) {
        struct rlimit limit = {20, 20};
        np_keypair pair = {{1}, {2}};
        np_key_failure failure;
        (void)signal(SIGXFSZ, SIG_IGN);
        (void)setrlimit(RLIMIT_FSIZE, &limit);
        np_err err = np_keypair_save(&pair, path, &failure);
        _exit(err == NP_ERR_IO && failure.os_error == EFBIG ? 0 : 1);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_int_equal(lstat(path, &st), -1);
}

/* Every mode there is. */
static void test_modes(void **state)
{
    (void)state;
    for (size_t i = 0; i < KINDS; i++) {
        for (mode_t mode = 0; mode < 01000; mode++) {
            bool secret_open = kinds[i].secret && (mode & 077) != 0;
            bool open = secret_open || (mode & 022) != 0;
            np_key_failure failure = {0};
            char words[16];

            if ((mode & 0400) == 0) {
                continue; /* that the owner may not read it is the system's matter */
            }
            key_folder_write("mode", mode, kinds[i].text, strlen(kinds[i].text));
            np_err err = kinds[i].load(key_folder_path("mode"), &failure);
            assert_int_equal(err, open ? NP_ERR_UNSAFE : NP_OK);
            if (open) {
                snprintf(words, sizeof words, "(mode %04o)", (unsigned)mode);
                key_expect_failure(&failure, NP_ERR_UNSAFE, 0, words);
                snprintf(words, sizeof words, "chmod %s /tmp", secret_open ? "600" : "go-w");
                key_expect_failure(&failure, NP_ERR_UNSAFE, 0, words);
            }
        }
    }
}

/* Runs a load as another user; returns its error. The child reports it as its exit status. */
static np_err load_as(uid_t uid, load_fn *load, const char *path)
{
    int status = 0;
    pid_t pid = fork();

    if (pid == 0) {
        np_key_failure failure = {0};
        if (setgid(uid) != 0 || setuid(uid) != 0) {
            _exit(99);
        }
        np_err err = load(path, &failure);
        bool told = err != NP_ERR_UNSAFE || strstr(failure.text, "it belongs to uid") != NULL;
        _exit(told ? -(int)err : 98);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return (np_err)-WEXITSTATUS(status);
}

/* Files of another user are not believed, root's are. Only root can make files of others. */
static void test_owners(void **state)
{
    (void)state;
    if (geteuid() != 0) {
        print_message("owners: only root can make files of other users\n");
        skip();
    }
    for (size_t i = 0; i < KINDS; i++) {
        const char *path = key_folder_path("owned");
        mode_t mode = kinds[i].secret ? 0600 : 0644;

        key_folder_write("owned", mode, kinds[i].text, strlen(kinds[i].text));
        assert_int_equal(chown(path, 4711, 4711), 0);
        expect_refused(kinds[i].load, "owned", NP_ERR_UNSAFE, 0,
                       "it belongs to uid 4711, neither to you (uid 0) nor to root");
        assert_int_equal(chmod(key_folder_path("."), 0755), 0);
        assert_int_equal(load_as(4711, kinds[i].load, path), NP_OK);
        if (!kinds[i].secret) {
            assert_int_equal(load_as(4712, kinds[i].load, path), NP_ERR_UNSAFE);
            assert_int_equal(chown(path, 0, 0), 0);
            assert_int_equal(load_as(4712, kinds[i].load, path), NP_OK);
        }
        assert_int_equal(chmod(key_folder_path("."), 0700), 0);
    }
}

/* The system's word for what was found would be misleading, so it is left out. */
static void expect_plain(np_err (*load)(const char *path, np_key_failure *failure),
                         const char *name)
{
    np_key_failure failure;

    assert_int_equal(load(key_folder_path(name), &failure), NP_ERR_UNSAFE);
    assert_null(strchr(failure.text, '('));
}

/* What is no regular file is refused at once: nothing waits for a FIFO's writer. */
static void test_what_is_no_file(void **state)
{
    struct sockaddr_un sa = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    (void)state;

    assert_int_equal(mkfifo(key_folder_path("fifo"), 0600), 0);
    assert_int_equal(mkdir(key_folder_path("dir"), 0700), 0);
    key_folder_write("target", 0600, key_file, strlen(key_file));
    assert_int_equal(symlink("target", key_folder_path("link")), 0);
    assert_int_equal(symlink("link", key_folder_path("link2")), 0);
    assert_int_equal(symlink("circle", key_folder_path("circle")), 0);
    snprintf(sa.sun_path, sizeof sa.sun_path, "%.100s", key_folder_path("socket"));
    assert_int_equal(bind(fd, (struct sockaddr *)&sa, sizeof sa), 0);
    (void)alarm(20);
    for (size_t i = 0; i < KINDS; i++) {
        expect_refused(kinds[i].load, "fifo", NP_ERR_UNSAFE, 0, "it is no regular file");
        expect_refused(kinds[i].load, "dir", NP_ERR_UNSAFE, 0, "it is no regular file");
        expect_refused(kinds[i].load, "socket", NP_ERR_UNSAFE, 0, "it is no regular file");
        expect_refused(kinds[i].load, "link", NP_ERR_UNSAFE, 0,
                       "it is a symbolic link, which somebody could turn elsewhere: name the file "
                       "that it leads to, as readlink -f tells it");
        expect_refused(kinds[i].load, "circle", NP_ERR_UNSAFE, 0, "it is a symbolic link");
        expect_refused(kinds[i].load, "circle/x", NP_ERR_IO, 0,
                       "a symbolic link on the way to it leads in a circle");
        expect_plain(kinds[i].load, "link");
        expect_plain(kinds[i].load, "socket");
        expect_refused(kinds[i].load, "link2", NP_ERR_UNSAFE, 0, "it is a symbolic link");
        expect_refused(kinds[i].load, "fifo/x", NP_ERR_IO, 0, "it cannot be opened");
        assert_int_equal(kinds[i].load("/dev/zero", NULL), NP_ERR_UNSAFE);
        if (kinds[i].load != check_hosts) { /* which knows nobody then */
            expect_refused(kinds[i].load, "missing", NP_ERR_IO, 0, "(No such file");
            assert_int_equal(kinds[i].load("", NULL), NP_ERR_IO);
        }
    }
    (void)alarm(0);
    (void)close(fd);
}

/* Sizes are looked at before anything is read: a sparse file of a terabyte costs nothing. */
static void test_sizes(void **state)
{
    char text[NP_KEY_FILE_MAX + 1];
    (void)state;

    memset(text, '\n', sizeof text);
    memcpy(text, key_file, strlen(key_file));
    key_folder_write("size", 0600, text, NP_KEY_FILE_MAX);
    assert_int_equal(load_pair(key_folder_path("size"), NULL), NP_OK);
    key_folder_write("size", 0600, text, NP_KEY_FILE_MAX + 1);
    expect_refused(load_pair, "size", NP_ERR_TOO_LONG, 0, "4097 bytes exceed max 4096");
    for (size_t i = 0; i < KINDS; i++) {
        key_folder_write("size", 0600, kinds[i].text, strlen(kinds[i].text));
        assert_int_equal(truncate(key_folder_path("size"), (off_t)1 << 40), 0);
        expect_refused(kinds[i].load, "size", NP_ERR_TOO_LONG, 0, "1099511627776 bytes exceed");
    }
    /* As long as may be, and zeros: refused at the first. */
    for (size_t i = 1; i < KINDS; i++) {
        key_folder_write("size", 0600, "", 0);
        assert_int_equal(truncate(key_folder_path("size"), (off_t)NP_KEY_LIST_FILE_MAX), 0);
        expect_refused(kinds[i].load, "size", NP_ERR_KEY, 1, "control character");
    }
}

static void test_contents(void **state)
{
    static const char torn[] = "public " ALICE "\nsecret " ALICE_SECRET;
    static const char other[] = "public np1:3p7bfXt9wbTTW2HC7OQ1Nz-DQ8hbeGdNrfx-FG-IK08\n"
                                "secret " ALICE_SECRET "\n";
    static const char leaked[] = ALICE "\n" ALICE_SECRET "\n";
    (void)state;

    key_folder_write("content", 0600, torn, strlen(torn));
    expect_refused(load_pair, "content", NP_ERR_KEY, 2, "content, line 2: the line has no end");
    key_folder_write("content", 0600, other, strlen(other));
    expect_refused(load_pair, "content", NP_ERR_KEY, 2, "does not belong to the secret key");
    key_folder_write("content", 0600, "", 0);
    expect_refused(load_pair, "content", NP_ERR_KEY, 0, "is it a key file?");
    key_folder_write("content", 0644, leaked, strlen(leaked));
    expect_refused(load_list, "content", NP_ERR_KEY, 2, "a secret stands");
    key_folder_write("content", 0600, key_file, strlen(key_file));
    expect_refused(load_psks, "content", NP_ERR_KEY, 1, "has to begin with a public key");
}

/* What is no secret is told so before anybody closes it to others, which would not help. */
static void test_no_secret_in_it(void **state)
{
    static const char list[] = ALICE " alice\n";
    (void)state;

    key_folder_write("people", 0644, list, strlen(list));
    expect_refused(load_pair, "people", NP_ERR_UNSAFE, 0,
                   "people: there is no secret in it, and others may use it (mode 0644): is it the "
                   "right file?");
    expect_refused(load_psks, "people", NP_ERR_UNSAFE, 0, "there is no secret in it");
    key_folder_write("people", 0644, "", 0);
    expect_refused(load_pair, "people", NP_ERR_UNSAFE, 0, "there is no secret in it");
    /* The wrong kind of secret is one that others must not read. */
    key_folder_write("people", 0644, psks, strlen(psks));
    expect_refused(load_pair, "people", NP_ERR_UNSAFE, 0, "chmod 600");
}

/* The command in a failure can be copied, whatever the path is; and the line stays one. */
static void test_commands_in_failures(void **state)
{
    char long_name[256] = "";
    np_key_failure failure;
    (void)state;

#define EXPECT(name, words)                                                                        \
    do {                                                                                           \
        key_folder_write((name), 0644, key_file, strlen(key_file));                                \
        assert_int_equal(load_pair(key_folder_path(name), &failure), NP_ERR_UNSAFE);               \
        key_expect_failure(&failure, NP_ERR_UNSAFE, 0, (words));                                   \
        assert_null(strchr(failure.text, '\n'));                                                   \
        assert_null(strchr(failure.text, '\x1b'));                                                 \
    } while (0)
    EXPECT("my key; true", "my key; true'");
    EXPECT("it's", "chmod 600 FILE");
    EXPECT("a\n\x1b[2J", "a\\u000a\\u001b[2J: others may use it");
    EXPECT("a\n\x1b[2J", "chmod 600 FILE");
    EXPECT("k\xc3\xa9y", "chmod 600 FILE");
    EXPECT("del\x7f", "chmod 600 FILE");
    memset(long_name, 'x', 255);
    EXPECT(long_name, "others may use it");
#undef EXPECT
    /* Cut it would be another file's. */
    assert_int_equal(mkdir(key_folder_path(long_name + 100), 0700), 0);
    char nested[512];
    snprintf(nested, sizeof nested, "%s/%s", long_name + 100, long_name);
    key_folder_write(nested, 0644, key_file, strlen(key_file));
    assert_int_equal(load_pair(key_folder_path(nested), &failure), NP_ERR_UNSAFE);
    key_expect_failure(&failure, NP_ERR_UNSAFE, 0, "chmod 600 FILE");
    /* And this would be an option. */
    int here = open(".", O_RDONLY | O_DIRECTORY);
    key_folder_write("-x", 0644, key_file, strlen(key_file));
    assert_int_equal(chdir(key_folder_path(".")), 0);
    assert_int_equal(load_pair("-x", &failure), NP_ERR_UNSAFE);
    assert_int_equal(fchdir(here), 0);
    assert_int_equal(close(here), 0);
    key_expect_failure(&failure, NP_ERR_UNSAFE, 0, "chmod 600 FILE");
}

static void test_default_places(void **state)
{
    static const char *const names[] = {"client.key", "server.key", "authorized_keys",
                                        "pre_shared_keys", "known_hosts"};
    char path[NP_KEY_PATH_LEN], expected[NP_KEY_PATH_LEN + 64], long_name[2000];
    np_key_failure failure;
    (void)state;

    for (size_t i = 0; i < 5; i++) {
        np_key_place place = (np_key_place)i;
        assert_int_equal(setenv("XDG_CONFIG_HOME", "/x/config", 1), 0);
        assert_int_equal(setenv("HOME", "/home/ann", 1), 0);
        assert_int_equal(np_key_path(place, path, &failure), NP_OK);
        snprintf(expected, sizeof expected, "/x/config/netproto/%s", names[i]);
        assert_string_equal(path, expected);
        /* What is not absolute does not count (XDG Base Directory Specification). */
        assert_int_equal(setenv("XDG_CONFIG_HOME", i % 2 ? "" : "x", 1), 0);
        assert_int_equal(np_key_path(place, path, &failure), NP_OK);
        snprintf(expected, sizeof expected, "/home/ann/.config/netproto/%s", names[i]);
        assert_string_equal(path, expected);
        assert_int_equal(unsetenv("XDG_CONFIG_HOME"), 0);
        assert_int_equal(setenv("HOME", ".", 1), 0);
        assert_int_equal(np_key_path(place, path, &failure), NP_ERR_STATE);
        key_expect_failure(&failure, NP_ERR_STATE, 0, names[i]);
        assert_string_equal(path, "");
    }
    memset(long_name, '/', sizeof long_name);
    long_name[sizeof long_name - 1] = '\0';
    assert_int_equal(setenv("HOME", long_name, 1), 0);
    assert_int_equal(np_key_path(NP_KEY_PLACE_CLIENT, path, &failure), NP_ERR_TOO_LONG);
    key_expect_failure(&failure, NP_ERR_TOO_LONG, 0, "HOME is too long");
    /* The longest that fits, and one more. */
    size_t longest = NP_KEY_PATH_LEN - 1 - strlen("/.config/netproto/client.key");
    long_name[longest] = '\0';
    assert_int_equal(setenv("HOME", long_name, 1), 0);
    assert_int_equal(np_key_path(NP_KEY_PLACE_CLIENT, path, &failure), NP_OK);
    assert_int_equal(strlen(path), NP_KEY_PATH_LEN - 1);
    long_name[longest] = '/';
    long_name[longest + 1] = '\0';
    assert_int_equal(setenv("HOME", long_name, 1), 0);
    assert_int_equal(np_key_path(NP_KEY_PLACE_CLIENT, path, &failure), NP_ERR_TOO_LONG);
    assert_string_equal(path, "");
}

static void test_folders(void **state)
{
    const char *path = key_folder_path("a/b//c/client.key");
    np_key_failure failure;
    np_keypair pair = {{1}, {2}};
    struct stat st;
    (void)state;

    mode_t before = umask(0);
    assert_int_equal(mkdir(key_folder_path("a"), 0755), 0);
    assert_int_equal(np_key_make_folders(path, &failure), NP_OK);
    assert_int_equal(np_key_make_folders(path, &failure), NP_OK);
    (void)umask(before);
    key_folder_expect_mode(key_folder_path("a"), 0755);
    key_folder_expect_mode(key_folder_path("a/b"), 0700);
    key_folder_expect_mode(key_folder_path("a/b/c"), 0700);
    assert_int_equal(lstat(path, &st), -1);
    assert_int_equal(np_keypair_save(&pair, path, &failure), NP_OK);
    /* The name alone, in the folder one is in, takes none. */
    assert_int_equal(np_key_make_folders("client.key", &failure), NP_OK);
    assert_int_equal(np_key_make_folders("", &failure), NP_ERR_TOO_LONG);
    char *longest = malloc(PATH_MAX + 1);
    assert_non_null(longest);
    memset(longest, '/', PATH_MAX);
    longest[PATH_MAX] = '\0';
    assert_int_equal(np_key_make_folders(longest, &failure), NP_ERR_TOO_LONG);
    longest[PATH_MAX - 1] = '\0';
    assert_int_equal(np_key_make_folders(longest, &failure), NP_OK); /* "/" is there */
    free(longest);
    assert_int_equal(np_key_make_folders("/proc/nix/x", &failure), NP_ERR_IO);
    key_expect_failure(&failure, NP_ERR_IO, 0, "/proc/nix: the folder cannot be made");
    key_folder_write("file", 0600, "", 0);
    assert_int_equal(np_key_make_folders(key_folder_path("file/x/y"), &failure), NP_ERR_IO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_save_and_load),
        cmocka_unit_test(test_save_psk),
        cmocka_unit_test(test_no_secret_in_it),
        cmocka_unit_test(test_save_through_links),
        cmocka_unit_test(test_save_fails_halfway),
        cmocka_unit_test(test_modes),
        cmocka_unit_test(test_owners),
        cmocka_unit_test(test_what_is_no_file),
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_contents),
        cmocka_unit_test(test_commands_in_failures),
        cmocka_unit_test(test_default_places),
        cmocka_unit_test(test_folders),
    };

    return cmocka_run_group_tests(tests, key_folder_make, key_folder_remove);
}
