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
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

typedef struct world {
    char directory[64];
    char path[96];
    char lock[104]; /* the file by which daemons take turns */
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
    (void)snprintf(w->lock, sizeof w->lock, "%s.lock", w->path);
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
    int left = rmdir(w->directory); /* no lock file stays behind */
    free(w);
    return left;
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

/* A link in the way is a link in the way, whatever it leads to, and what it leads to stays. */
static void test_links_are_not_followed(void **state)
{
    world *w = *state;
    char target[112];
    np_failure failure;
    np_daemon *second = NULL;
    struct stat before;
    struct stat after;

    (void)snprintf(target, sizeof target, "%s/target", w->directory);
    for (int live = 0; live < 2; live++) {
        if (live == 0) {
            leave_socket(target);
        } else {
            char *path = w->address + strlen("unix://");
            memcpy(path, target, strlen(target) + 1);
            demo_must(start(w, &w->daemon, 0600, NULL), NULL);
            memcpy(path, w->path, strlen(w->path) + 1);
        }
        assert_int_equal(symlink(target, w->path), 0);
        assert_int_equal(lstat(target, &before), 0);
        assert_int_equal(start(w, &second, 0666, &failure), NP_ERR_IN_USE);
        assert_non_null(strstr(failure.text, "no socket"));
        assert_int_equal(lstat(target, &after), 0);
        assert_int_equal(after.st_ino, before.st_ino);
        assert_int_equal(after.st_mode, before.st_mode);
        assert_int_equal(lstat(w->path, &after), 0);
        assert_true(S_ISLNK(after.st_mode));
        (void)unlink(w->path);
        if (live == 0) {
            (void)unlink(target);
        }
    }
}

/* A process of ours that holds the lock delays a start, and prevents that a stale file is replaced;
 * a free place is taken all the same, and the lock file stays for who holds it. */
static void test_lock_is_held(void **state)
{
    world *w = *state;
    np_failure failure;
    int lock = open(w->lock, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

    assert_int_equal(flock(lock, LOCK_EX), 0);
    leave_socket(w->path);
    assert_int_equal(start(w, &w->daemon, 0600, &failure), NP_ERR_IN_USE);
    assert_non_null(strstr(failure.text, "could not be locked"));
    (void)unlink(w->path);
    demo_must(start(w, &w->daemon, 0600, &failure), &failure);
    call_over(w->loop, w->address);
    np_daemon_free(w->daemon);
    w->daemon = NULL;
    assert_int_equal(access(w->path, F_OK), -1);
    assert_int_equal(access(w->lock, F_OK), 0);
    (void)close(lock);
    (void)unlink(w->lock);
}

/* It is there as long as the socket is, of whichever daemon. */
static void test_life_of_the_lock_file(void **state)
{
    world *w = *state;
    np_daemon *second = NULL;
    struct stat st;
    int fd = -1;

    demo_must(start(w, &w->daemon, 0600, NULL), NULL);
    assert_int_equal(lstat(w->lock, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_int_equal(start(w, &second, 0600, NULL), NP_ERR_IN_USE);
    assert_int_equal(access(w->lock, F_OK), 0); /* the first one's */
    np_daemon_free(w->daemon);
    w->daemon = NULL;
    assert_int_equal(access(w->lock, F_OK), -1);
    /* A start that fails leaves none. */
    fd = open(w->path, O_CREAT | O_WRONLY, 0600);
    (void)close(fd);
    assert_int_equal(start(w, &second, 0600, NULL), NP_ERR_IN_USE);
    assert_int_equal(access(w->lock, F_OK), -1);
}

/* Stands before the system's: sees the moment in which a socket is bound and does not listen. */
static const char *watched_lock;
static bool was_locked;

int listen(int fd, int backlog)
{
    if (watched_lock != NULL) {
        int other = open(watched_lock, O_RDWR | O_CLOEXEC);
        was_locked = flock(other, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK;
        (void)close(other);
    }
    return (int)syscall(SYS_listen, fd, backlog);
}

/* In that moment it looks like a stale one, which another daemon would remove: so none may look. */
static void test_lock_until_it_listens(void **state)
{
    world *w = *state;

    for (int stale = 0; stale < 2; stale++) {
        if (stale == 1) {
            leave_socket(w->path);
        }
        was_locked = false;
        watched_lock = w->lock;
        demo_must(start(w, &w->daemon, 0600, NULL), NULL);
        watched_lock = NULL;
        assert_true(was_locked);
        np_daemon_free(w->daemon);
        w->daemon = NULL;
    }
}

/* The same for the moment before: a mode that is narrowed later lets somebody in meanwhile. */
static const char *watched_path;
static mode_t mode_when_bound;

int bind(int fd, __CONST_SOCKADDR_ARG sa, socklen_t len)
{
    int result = (int)syscall(SYS_bind, fd, sa.__sockaddr__, len);
    struct stat st;

    if (watched_path != NULL && lstat(watched_path, &st) == 0) {
        mode_when_bound |= st.st_mode & 0777;
    }
    return result;
}

static void test_never_more_open_than_asked_for(void **state)
{
    static const unsigned modes[] = {0600, 0660, 0400, 0};
    world *w = *state;
    mode_t before = umask(0);

    for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++) {
        mode_when_bound = 0;
        watched_path = w->path;
        demo_must(start(w, &w->daemon, modes[i], NULL), NULL);
        watched_path = NULL;
        assert_int_equal(mode_when_bound & ~modes[i], 0);
        np_daemon_free(w->daemon);
        w->daemon = NULL;
    }
    (void)umask(before);
}

/* And for the moment in which a stale socket has been found stale: another program, one that knows
 * nothing of our lock, takes the place or leaves it. */
static void (*after_refusal)(const char *path);
static const char *refused_path;

int connect(int fd, __CONST_SOCKADDR_ARG sa, socklen_t len)
{
    int result = (int)syscall(SYS_connect, fd, sa.__sockaddr__, len);
    int os_error = errno;

    if (result != 0 && os_error == ECONNREFUSED && after_refusal != NULL) {
        after_refusal(refused_path);
        after_refusal = NULL;
    }
    errno = os_error;
    return result;
}

static int newcomer;

static void take_the_place(const char *path)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};

    (void)snprintf(un.sun_path, sizeof un.sun_path, "%s", path);
    assert_int_equal(unlink(path), 0);
    newcomer = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(newcomer, (const struct sockaddr *)&un, sizeof un), 0);
    assert_int_equal(listen(newcomer, 1), 0);
}

static void leave_the_place(const char *path)
{
    assert_int_equal(unlink(path), 0);
    newcomer = -1;
}

static void test_place_changes_while_we_look(void **state)
{
    static void (*const changes[])(const char *path) = {take_the_place, leave_the_place};
    world *w = *state;
    np_failure failure;
    struct stat st;

    for (size_t i = 0; i < 2; i++) {
        leave_socket(w->path);
        refused_path = w->path;
        after_refusal = changes[i];
        assert_int_equal(start(w, &w->daemon, 0600, &failure), NP_ERR_IN_USE);
        assert_null(after_refusal);
        assert_non_null(strstr(failure.text, "changed while it was looked at"));
        assert_int_equal(lstat(w->path, &st), i == 0 ? 0 : -1);
        if (i == 0) {
            int fd = demo_raw_connect(w->address); /* the newcomer's is there, and lives */
            (void)close(fd);
            (void)close(newcomer);
            (void)unlink(w->path);
        }
        (void)unlink(w->lock);
    }
}

enum { RACERS = 4 };

/* One of several processes that start at once. Says whether it listens, and goes on until the
 * others have said so as well. */
static void race(world *w, int go, int result, int end)
{
    np_loop *loop = NULL;
    np_daemon *daemon = NULL;
    uint8_t byte = 0;

    demo_must(np_loop_new(&loop, NULL), NULL);
    w->loop = loop;
    (void)!read(go, &byte, 1);
    byte = start(w, &daemon, 0600, NULL) == NP_OK;
    (void)!write(result, &byte, 1);
    (void)!read(end, &byte, 1); /* the parent closes it */
    _exit(0);
}

/* Of daemons that start at the same time one wins, and its socket is the one that is there. */
static void test_one_of_many_wins(void **state)
{
    enum { ROUNDS = 60 };
    world *w = *state;

    for (int round = 0; round < ROUNDS; round++) {
        int go[2];
        int result[2];
        int end[2];
        int winners = 0;
        pid_t children[RACERS];
        struct sockaddr_un un = {.sun_family = AF_UNIX};
        uint8_t byte = 0;
        int fd = -1;

        assert_int_equal(pipe(go), 0);
        assert_int_equal(pipe(result), 0);
        assert_int_equal(pipe(end), 0);
        if (round % 2 == 0) {
            leave_socket(w->path);
        }
        for (int i = 0; i < RACERS; i++) {
            children[i] = fork();
            if (children[i] == 0) {
                (void)close(end[1]);
                race(w, go[0], result[1], end[0]);
            }
        }
        assert_int_equal(write(go[1], "1234", RACERS), RACERS);
        for (int i = 0; i < RACERS; i++) {
            assert_int_equal(read(result[0], &byte, 1), 1);
            winners += byte;
        }
        (void)snprintf(un.sun_path, sizeof un.sun_path, "%s", w->path);
        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_int_equal(connect(fd, (const struct sockaddr *)&un, sizeof un), 0);
        (void)close(fd);
        (void)close(go[0]);
        (void)close(go[1]);
        (void)close(result[0]);
        (void)close(result[1]);
        (void)close(end[0]);
        (void)close(end[1]);
        for (int i = 0; i < RACERS; i++) {
            assert_int_equal(waitpid(children[i], NULL, 0), children[i]);
        }
        assert_int_equal(winners, 1);
        (void)unlink(w->path); /* they ended as if they had been killed */
        assert_int_equal(unlink(w->lock), 0);
    }
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
    assert_int_equal(unlink(w->lock), 0); /* which stays with it */
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

/* Sends bytes with as many descriptors as one message takes (SCM_MAX_FD of the kernel). */
static ssize_t send_with_descriptors(int fd, const void *data, size_t len)
{
    enum { COUNT = 253 };
    struct iovec iov = {(void *)(uintptr_t)data, len};
    union {
        struct cmsghdr align;
        char room[CMSG_SPACE(COUNT * sizeof(int))];
    } control;
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
    int fds[COUNT] = {0};

    memset(&control, 0, sizeof control);
    msg.msg_control = &control;
    msg.msg_controllen = sizeof control;
    CMSG_FIRSTHDR(&msg)->cmsg_level = SOL_SOCKET;
    CMSG_FIRSTHDR(&msg)->cmsg_type = SCM_RIGHTS;
    CMSG_FIRSTHDR(&msg)->cmsg_len = CMSG_LEN(sizeof fds);
    memcpy(CMSG_DATA(CMSG_FIRSTHDR(&msg)), fds, sizeof fds);
    return sendmsg(fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* Neither by the read that has no place yet, nor by the one that puts a body where it stays. */
static void test_passed_descriptors_are_not_taken(void **state)
{
    enum { BODY = 400000 };
    world *w = *state;
    uint8_t hello[512];
    size_t hello_len = demo_raw_hello(hello, sizeof hello);
    uint8_t *body = calloc(1, BODY);
    uint8_t *frame = calloc(1, BODY + 64);
    size_t len = demo_raw_say(frame, BODY + 64, body, BODY);
    size_t echoed = 0;
    uint8_t answer[8192];
    int before = 0;
    int fd = -1;

    demo_must(start(w, &w->daemon, 0600, NULL), NULL);
    fd = demo_raw_connect(w->address);
    demo_rest(w->loop, 20);
    before = count_descriptors();
    assert_int_equal(send_with_descriptors(fd, hello, hello_len), (ssize_t)hello_len);
    demo_rest(w->loop, 30);
    assert_int_equal(count_descriptors(), before);
    assert_true(recv(fd, answer, sizeof answer, MSG_DONTWAIT) > 0); /* the Welcome */
    for (size_t at = 0; at < len || echoed < BODY;) {
        size_t piece = len - at < 10000 ? len - at : 10000;
        ssize_t put = piece > 0 ? send_with_descriptors(fd, frame + at, piece) : 0;
        ssize_t got = recv(fd, answer, sizeof answer, MSG_DONTWAIT);
        at += put > 0 ? (size_t)put : 0;
        echoed += got > 0 ? (size_t)got : 0;
        demo_rest(w->loop, 1);
        assert_true(count_descriptors() <= before);
        assert_int_equal(np_daemon_connections(w->daemon), 1);
    }
    (void)close(fd);
    free(body);
    free(frame);
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
        cmocka_unit_test_setup_teardown(test_links_are_not_followed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_lock_is_held, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_life_of_the_lock_file, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_lock_until_it_listens, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_never_more_open_than_asked_for, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_place_changes_while_we_look, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_one_of_many_wins, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_socket_of_another_user_is_not, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_file_of_a_successor_stays, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_no_directory, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_credentials_of_another_process, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_passed_descriptors_are_not_taken, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
