/* Unix sockets: files, the abstract namespace, who is at the other end. */
#include "support/demo_service.h"
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
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

typedef struct world {
    char directory[64];
    char path[96];
    char address[112];
    np_loop *loop;
    np_daemon *daemon;
} world;

static int set_up(void **state)
{
    world *w = calloc(1, sizeof *w);

    (void)snprintf(w->directory, sizeof w->directory, "/tmp/netproto-test-XXXXXX");
    if (mkdtemp(w->directory) == NULL) {
        return -1;
    }
    (void)snprintf(w->path, sizeof w->path, "%s/s.sock", w->directory);
    (void)snprintf(w->address, sizeof w->address, "unix://%s", w->path);
    demo_must(np_loop_new(&w->loop, NULL), NULL);
    *state = w;
    return 0;
}

static int tear_down(void **state)
{
    world *w = *state;

    np_daemon_free(w->daemon);
    np_loop_free(w->loop);
    (void)unlink(w->path);
    (void)rmdir(w->directory);
    free(w);
    return 0;
}

static np_err start(world *w, np_daemon **daemon, unsigned mode, np_failure *failure)
{
    const char *addresses[] = {w->address};
    np_daemon_options options = demo_daemon_options(&demo_echo, addresses, 1);

    options.unix_mode = mode;
    return np_daemon_start(daemon, w->loop, &options, failure);
}

static np_err take_nothing(const void *payload, size_t len, uint32_t version, void *user,
                           np_fault *fault)
{
    demo_say found;

    *(bool *)user = true;
    return demo_read_found(payload, len, version, &found, fault);
}

static void call_over(np_loop *loop, const char *address)
{
    np_client_options options = demo_client_options(NULL, address);
    np_client *client = NULL;
    np_failure failure;
    np_peer peer;
    demo_find find = {3};
    bool answered = false;

    demo_must(np_client_new(&client, loop, &options, &failure), &failure);
    demo_must(np_client_connect_wait(client, &failure), &failure);
    assert_int_equal(
        np_client_call_wait(client, demo_message_find, &find, take_nothing, &answered, NULL),
        NP_OK);
    assert_true(answered);
    np_conn_peer(np_client_conn(client), &peer);
    assert_int_equal(peer.kind, NP_PEER_UNIX);
    assert_true(peer.has_credentials);
    assert_int_equal(peer.pid, getpid());
    assert_int_equal(peer.uid, getuid());
    assert_int_equal(np_client_close_wait(client), NP_OK);
    np_client_free(client);
}

static void test_path(void **state)
{
    world *w = *state;
    struct stat st;

    demo_must(start(w, &w->daemon, 0600, NULL), NULL);
    assert_string_equal(np_daemon_address(w->daemon, 0), w->address);
    assert_int_equal(stat(w->path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    call_over(w->loop, w->address);
    np_daemon_free(w->daemon);
    w->daemon = NULL;
    assert_int_equal(stat(w->path, &st), -1); /* ours, so removed */
}

static void test_mode_whatever_the_umask(void **state)
{
    static const mode_t masks[] = {0, 022, 077, 0777};
    static const unsigned modes[] = {0600, 0660, 0666};
    world *w = *state;
    mode_t before = umask(0);
    struct stat st;

    for (size_t i = 0; i < 4; i++) {
        for (size_t j = 0; j < 3; j++) {
            (void)umask(masks[i]);
            demo_must(start(w, &w->daemon, modes[j], NULL), NULL);
            assert_int_equal(umask(masks[i]), masks[i]); /* untouched */
            assert_int_equal(stat(w->path, &st), 0);
            assert_int_equal(st.st_mode & 07777, modes[j]);
            np_daemon_free(w->daemon);
            w->daemon = NULL;
        }
    }
    (void)umask(before);
}

static void test_abstract(void **state)
{
    world *w = *state;
    np_failure failure;
    np_daemon *second = NULL;

    (void)snprintf(w->address, sizeof w->address, "unix://@netproto-test-%d", (int)getpid());
    demo_must(start(w, &w->daemon, 0600, NULL), NULL);
    call_over(w->loop, w->address);
    assert_int_equal(start(w, &second, 0600, &failure), NP_ERR_IN_USE);
    assert_non_null(strstr(failure.text, "somebody listens"));
}

/* Files in the way ------------------------------------------------------------------------- */

static void leave_socket(const char *path)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    (void)snprintf(un.sun_path, sizeof un.sun_path, "%s", path);
    assert_int_equal(bind(fd, (const struct sockaddr *)&un, sizeof un), 0);
    (void)close(fd);
}

static void test_stale_file_is_replaced(void **state)
{
    world *w = *state;

    leave_socket(w->path);
    demo_must(start(w, &w->daemon, 0600, NULL), NULL);
    call_over(w->loop, w->address);
}

static void test_live_file_is_not(void **state)
{
    world *w = *state;
    np_daemon *second = NULL;
    np_failure failure;

    demo_must(start(w, &w->daemon, 0600, NULL), NULL);
    assert_int_equal(start(w, &second, 0600, &failure), NP_ERR_IN_USE);
    assert_int_equal(failure.stage, NP_STAGE_LISTEN);
    assert_non_null(strstr(failure.text, "somebody listens"));
    call_over(w->loop, w->address); /* the first one is unharmed */
}

static void test_other_files_are_not(void **state)
{
    world *w = *state;
    np_failure failure;
    struct stat st;
    int fd = open(w->path, O_CREAT | O_WRONLY, 0600);

    (void)close(fd);
    assert_int_equal(start(w, &w->daemon, 0600, &failure), NP_ERR_IN_USE);
    assert_non_null(strstr(failure.text, "no socket"));
    assert_int_equal(stat(w->path, &st), 0);
    (void)unlink(w->path);
    /* Neither is what a link points to. */
    assert_int_equal(symlink("/tmp/netproto-nowhere", w->path), 0);
    assert_int_equal(start(w, &w->daemon, 0600, &failure), NP_ERR_IN_USE);
    assert_int_equal(lstat(w->path, &st), 0);
}

static void test_socket_of_another_user_is_not(void **state)
{
    world *w = *state;
    np_failure failure;

    if (getuid() != 0) {
        skip();
    }
    leave_socket(w->path);
    assert_int_equal(chown(w->path, 12345, 12345), 0);
    assert_int_equal(start(w, &w->daemon, 0600, &failure), NP_ERR_IN_USE);
    assert_non_null(strstr(failure.text, "another user"));
}

static void test_file_of_a_successor_stays(void **state)
{
    world *w = *state;
    struct stat st;

    demo_must(start(w, &w->daemon, 0600, NULL), NULL);
    (void)unlink(w->path);
    leave_socket(w->path); /* somebody took the place */
    np_daemon_free(w->daemon);
    w->daemon = NULL;
    assert_int_equal(stat(w->path, &st), 0);
}

static void test_no_directory(void **state)
{
    world *w = *state;
    np_failure failure;

    (void)snprintf(w->address, sizeof w->address, "unix://%s/no/s.sock", w->directory);
    assert_int_equal(start(w, &w->daemon, 0600, &failure), NP_ERR_SYSTEM);
    assert_int_equal(failure.os_error, ENOENT);
}

/* Peers ------------------------------------------------------------------------------------ */

static void note_peer(np_conn *conn, void *user)
{
    np_conn_peer(conn, user);
}

static void test_credentials_of_another_process(void **state)
{
    world *w = *state;
    const char *addresses[] = {w->address};
    np_daemon_options options = demo_daemon_options(&demo_echo, addresses, 1);
    np_peer peer = {.kind = NP_PEER_PAIR};
    uint8_t hello[512];
    size_t len = demo_raw_hello(hello, sizeof hello);
    pid_t child = 0;
    char want[64];

    options.handlers.on_open = note_peer;
    options.handlers.user = &peer;
    demo_must(np_daemon_start(&w->daemon, w->loop, &options, NULL), NULL);
    child = fork();
    if (child == 0) {
        int fd = demo_raw_connect(w->address);
        uint8_t byte = 0;
        (void)!write(fd, hello, len);
        (void)!read(fd, &byte, 1);
        _exit(0);
    }
    while (!peer.has_credentials) {
        demo_rest(w->loop, 5);
    }
    assert_int_equal(peer.pid, child);
    assert_int_equal(peer.uid, getuid());
    assert_int_equal(peer.gid, getgid());
    (void)snprintf(want, sizeof want, "unix:pid=%d,uid=%u,gid=%u", (int)child, getuid(), getgid());
    assert_string_equal(peer.text, want);
    (void)waitpid(child, NULL, 0);
}

static int count_descriptors(void)
{
    DIR *dir = opendir("/proc/self/fd");
    int count = 0;

    while (readdir(dir) != NULL) {
        count++;
    }
    (void)closedir(dir);
    return count;
}

static void test_passed_descriptors_are_not_taken(void **state)
{
    world *w = *state;
    uint8_t hello[512];
    struct iovec iov = {hello, demo_raw_hello(hello, sizeof hello)};
    union {
        struct cmsghdr align;
        char room[CMSG_SPACE(100 * sizeof(int))];
    } control;
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
    int fds[100];
    int fd = -1;
    int before = 0;
    uint8_t answer[256];

    demo_must(start(w, &w->daemon, 0600, NULL), NULL);
    fd = demo_raw_connect(w->address);
    demo_rest(w->loop, 20);
    before = count_descriptors();
    for (int i = 0; i < 100; i++) {
        fds[i] = 0;
    }
    memset(&control, 0, sizeof control);
    msg.msg_control = &control;
    msg.msg_controllen = sizeof control;
    CMSG_FIRSTHDR(&msg)->cmsg_level = SOL_SOCKET;
    CMSG_FIRSTHDR(&msg)->cmsg_type = SCM_RIGHTS;
    CMSG_FIRSTHDR(&msg)->cmsg_len = CMSG_LEN(sizeof fds);
    memcpy(CMSG_DATA(CMSG_FIRSTHDR(&msg)), fds, sizeof fds);
    assert_int_equal(sendmsg(fd, &msg, 0), (ssize_t)iov.iov_len);
    demo_rest(w->loop, 30);
    assert_int_equal(count_descriptors(), before);
    assert_true(recv(fd, answer, sizeof answer, MSG_DONTWAIT) > 0); /* the Welcome */
    (void)close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_path, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_mode_whatever_the_umask, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_abstract, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_stale_file_is_replaced, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_live_file_is_not, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_other_files_are_not, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_socket_of_another_user_is_not, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_file_of_a_successor_stays, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_no_directory, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_credentials_of_another_process, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_passed_descriptors_are_not_taken, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
