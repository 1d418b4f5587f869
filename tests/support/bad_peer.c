/* bad_peer.c - see bad_peer.h. */
#include "support/bad_peer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include <base.h>

#include "core/framing.h"

/* Shared with the processes of the last one started. */
static _Atomic uint64_t *weight;

/* Bytes into the server's first answer: within its Noise message, which nobody may change. */
#define FLIPPED_BYTE 100

static struct sockaddr_in local(uint16_t port)
{
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_port = htons(port)};

    name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return name;
}

/* Takes what comes, until the other side has had enough. */
static void swallow(int fd)
{
    char bytes[4096];

    while (read(fd, bytes, sizeof bytes) > 0) {
    }
}

static void drip(int fd)
{
    /* A frame's header, whose payload never comes to its end. */
    const uint8_t head[] = {0xDE, 0xAD, 0xBE, 0xEF, 1, 0, 0, 0, 1, 0};
    const uint8_t filler = 0;

    for (size_t i = 0; i < 250; i++) {
        if (send(fd, i < sizeof head ? &head[i] : &filler, 1, MSG_NOSIGNAL) != 1) {
            return;
        }
        (void)usleep(20000);
    }
}

/* Passes some bytes on; false at the end. */
static bool pass(int from, int to, bool flip)
{
    uint8_t bytes[4096];
    ssize_t n = read(from, bytes, sizeof bytes);

    if (n <= 0) {
        return false;
    }
    if (flip && n > FLIPPED_BYTE) {
        bytes[FLIPPED_BYTE] ^= 1;
    }
    *weight += (uint64_t)n;
    return send(to, bytes, (size_t)n, MSG_NOSIGNAL) == n;
}

/* What one side has to say, until it ends; then the other hears of that. */
static void pass_from(struct pollfd *from, int to, bool flip)
{
    if (from->revents != 0 && !pass(from->fd, to, flip)) {
        (void)shutdown(to, SHUT_WR);
        from->fd = -1;
    }
}

static void stand_between(int client, uint16_t port, bool flip)
{
    struct sockaddr_in name = local(port);
    int server = socket(AF_INET, SOCK_STREAM, 0);
    struct pollfd ready[2] = {{.fd = client, .events = POLLIN}, {.fd = server, .events = POLLIN}};
    bool more = connect(server, (const struct sockaddr *)&name, sizeof name) == 0;

    while (more && poll(ready, 2, -1) > 0) {
        pass_from(&ready[0], server, false);
        pass_from(&ready[1], client, flip);
        flip = flip && ready[1].revents == 0;
        more = ready[0].fd >= 0 || ready[1].fd >= 0;
    }
    (void)close(server);
}

/* In the clear: `len` bytes of payload, behind room for the header. */
static void send_frame(int client, uint8_t *frame, size_t len)
{
    const np_framing_head head = np_framing_make(NP_FRAMING_NO_STREAM, 0, len, false);

    (void)np_framing_put(frame, &head);
    (void)send(client, frame, NP_FRAMING_HEADER_LEN + len, MSG_NOSIGNAL);
}

static void say_goodbye(int client)
{
    const base_disconnect bye = {.text = {NULL, 0}};
    uint8_t frame[64];
    size_t len = 0;

    if (base_disconnect_encode(&bye, frame + NP_FRAMING_HEADER_LEN,
                               sizeof frame - NP_FRAMING_HEADER_LEN, &len, NULL) == NP_OK) {
        send_frame(client, frame, len);
    }
}

/* The other side goes its way, and this one says the goodbye and does not go. */
static void leave_and_stay(int client, uint16_t port)
{
    struct sockaddr_in name = local(port);
    int server = socket(AF_INET, SOCK_STREAM, 0);
    struct pollfd ready[2] = {{.fd = client, .events = POLLIN}, {.fd = server, .events = POLLIN}};
    bool more = connect(server, (const struct sockaddr *)&name, sizeof name) == 0;
    struct timespec begin;
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &begin);
    do {
        more = more && poll(ready, 2, 100) >= 0 &&
               (ready[0].revents == 0 || pass(client, server, false)) &&
               (ready[1].revents == 0 || pass(server, client, false));
        (void)clock_gettime(CLOCK_MONOTONIC, &now);
    } while (more &&
             (now.tv_sec - begin.tv_sec) * 1000 + (now.tv_nsec - begin.tv_nsec) / 1000000 < 500);
    say_goodbye(client);
    swallow(client);
    (void)sleep(30);
    (void)close(server);
}

/* The answer and the goodbye are read together. */
static void leave_with_answer(int client, uint16_t port)
{
    struct sockaddr_in name = local(port);
    int server = socket(AF_INET, SOCK_STREAM, 0);
    int cork = 1;

    if (connect(server, (const struct sockaddr *)&name, sizeof name) == 0 &&
        pass(client, server, false) && pass(server, client, false) && pass(client, server, false)) {
        (void)setsockopt(client, IPPROTO_TCP, TCP_CORK, &cork, sizeof cork);
        (void)pass(server, client, false);
        say_goodbye(client);
        cork = 0;
        (void)setsockopt(client, IPPROTO_TCP, TCP_CORK, &cork, sizeof cork);
        swallow(client);
        (void)sleep(30);
    }
    (void)close(server);
}

static void refuse(int client)
{
    const base_error error = {.reason = BASE_REASON_REFUSED, .text = {"do not believe this", 19}};
    uint8_t frame[128];
    size_t len = 0;

    if (base_error_encode(&error, frame + NP_FRAMING_HEADER_LEN,
                          sizeof frame - NP_FRAMING_HEADER_LEN, &len, NULL) == NP_OK) {
        send_frame(client, frame, len);
    }
}

/* What somebody in between can do to a handshake without any key. */
static void refuse_after_answer(int client, uint16_t port)
{
    struct sockaddr_in name = local(port);
    int server = socket(AF_INET, SOCK_STREAM, 0);
    uint8_t confirm[4096];

    if (connect(server, (const struct sockaddr *)&name, sizeof name) == 0 &&
        pass(client, server, false) && pass(server, client, false) &&
        read(client, confirm, sizeof confirm) > 0) {
        refuse(client);
        swallow(client);
    }
    (void)close(server);
}

static void serve(int fd, bad_peer_kind kind, uint16_t target)
{
    switch (kind) {
    case BAD_PEER_SILENT:
        swallow(fd);
        break;
    case BAD_PEER_GARBAGE:
        (void)!write(fd, "HTTP/1.1 400 Bad Request\r\n\r\n", 28);
        (void)sleep(30); /* and does not even notice that the other side has gone */
        break;
    case BAD_PEER_DRIPPING:
        drip(fd);
        break;
    case BAD_PEER_CLOSING:
        break;
    case BAD_PEER_FLIPPING:
        stand_between(fd, target, true);
        break;
    case BAD_PEER_WEIGHING:
        stand_between(fd, target, false);
        break;
    case BAD_PEER_LEAVING:
        leave_and_stay(fd, target);
        break;
    case BAD_PEER_ANSWERING:
        leave_with_answer(fd, target);
        break;
    case BAD_PEER_REFUSING:
        refuse_after_answer(fd, target);
        break;
    }
    (void)close(fd);
}

/* One process for each connection, so that none waits for another. */
static void run(int listener, bad_peer_kind kind, uint16_t target)
{
    (void)signal(SIGCHLD, SIG_IGN);
    (void)signal(SIGPIPE, SIG_IGN);
    for (;;) {
        int fd = accept(listener, NULL, NULL);
        if (fd < 0) {
            _exit(1);
        }
        if (fork() == 0) {
            (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
            (void)close(listener);
            serve(fd, kind, target);
            _exit(0);
        }
        (void)close(fd);
    }
}

pid_t bad_peer_start(bad_peer_kind kind, const char *target, char *address, size_t cap)
{
    struct sockaddr_in name = local(0);
    socklen_t len = sizeof name;
    unsigned port = 0;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(target == NULL || sscanf(target, "tcp://127.0.0.1:%u", &port) == 1);
    assert_int_equal(bind(fd, (const struct sockaddr *)&name, sizeof name), 0);
    assert_int_equal(listen(fd, 16), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&name, &len), 0);
    if (weight == NULL) {
        weight =
            mmap(NULL, sizeof *weight, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        assert_ptr_not_equal(weight, MAP_FAILED);
    }
    *weight = 0;
    pid_t pid = fork();
    if (pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        run(fd, kind, (uint16_t)port);
    }
    assert_true(pid > 0);
    assert_int_equal(close(fd), 0);
    assert_true((size_t)snprintf(address, cap, "tcp://127.0.0.1:%u", ntohs(name.sin_port)) < cap);
    return pid;
}

uint64_t bad_peer_weight(void)
{
    return atomic_exchange(weight, 0);
}

void bad_peer_stop(pid_t pid)
{
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
}
