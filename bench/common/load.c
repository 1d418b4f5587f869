/* load.c - see load.h. */
#include "load.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define CONNECT_TRIES 500
#define EVENTS 64

struct load_line {
    int fd;
    void *session; /* of the talk's cover */
    size_t got;    /* bytes of the answer that is not complete */
    size_t unsent; /* requests that this line still has to send */
};

static int try_connect(int port, const char *path)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    const struct timeval patience = {.tv_sec = 10};
    int one = 1;
    int fd = socket(path != NULL ? AF_UNIX : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int failed;

    bench_require(fd >= 0, "a socket");
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    if (path != NULL) {
        bench_require(strlen(path) < sizeof un.sun_path, "a short path");
        strcpy(un.sun_path, path);
        failed = connect(fd, (struct sockaddr *)&un, sizeof un);
    } else {
        in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        failed = connect(fd, (struct sockaddr *)&in, sizeof in);
    }
    if (failed != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

int load_connect(int port, const char *path)
{
    const struct timespec pause = {0, 10000000};

    for (int i = 0; i < CONNECT_TRIES; i++) {
        int fd = try_connect(port, path);
        if (fd >= 0) {
            return fd;
        }
        nanosleep(&pause, NULL);
    }
    bench_require(false, "the server listens");
    return -1;
}

static void send_all(int fd, const uint8_t *data, size_t len)
{
    for (size_t at = 0; at < len;) {
        ssize_t n = send(fd, data + at, len - at, MSG_NOSIGNAL);
        bench_require(n > 0, "the server takes what is sent");
        at += (size_t)n;
    }
}

/* Sends the bytes, or what the cover makes of them. */
static void say(const load_talk *talk, const load_line *line, const uint8_t *data, size_t len)
{
    static uint8_t wire[LOAD_WIRE_MAX];

    if (talk->cover != NULL) {
        len = talk->cover->wrap(line->session, data, len, wire);
        data = wire;
    }
    send_all(line->fd, data, len);
}

/* One read of at most LOAD_WIRE_MAX bytes; returns how many they are without the cover. */
static size_t hear(const load_talk *talk, const load_line *line, uint8_t *data, int flags)
{
    static uint8_t wire[LOAD_WIRE_MAX];
    ssize_t n = recv(line->fd, talk->cover != NULL ? wire : data, LOAD_WIRE_MAX, flags);

    if (n < 0 && (flags & MSG_DONTWAIT) != 0 && (errno == EAGAIN || errno == EINTR)) {
        return 0;
    }
    bench_require(n > 0, "the server stays");
    return talk->cover != NULL ? talk->cover->unwrap(line->session, wire, (size_t)n, data)
                               : (size_t)n;
}

static void open_cover(const load_talk *talk, load_line *line)
{
    static uint8_t nothing[LOAD_WIRE_MAX];

    line->session = talk->cover->open();
    for (;;) {
        say(talk, line, NULL, 0);
        if (talk->cover->ready(line->session)) {
            return;
        }
        bench_require(hear(talk, line, nothing, 0) == 0, "the server waits to be asked");
    }
}

static void check_echo(const load_talk *talk, const load_line *line)
{
    static uint8_t answer[LOAD_BYTES_MAX + LOAD_WIRE_MAX];
    size_t len = 0;

    say(talk, line, talk->request, talk->request_len);
    while (len < talk->answer_len) {
        len += hear(talk, line, answer + len, 0);
    }
    bench_require(len == talk->answer_len && memcmp(answer, talk->answer, len) == 0,
                  "the server answers with an echo");
}

void load_open(load *l, const load_talk *talk, int port, const char *path, size_t count)
{
    l->talk = talk;
    l->count = count;
    l->lines = calloc(count, sizeof *l->lines);
    l->epoll = epoll_create1(EPOLL_CLOEXEC);
    bench_require(l->lines != NULL && l->epoll >= 0, "memory and an epoll");
    for (size_t i = 0; i < count; i++) {
        load_line *line = &l->lines[i];
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = line};
        line->fd = load_connect(port, path);
        if (talk->cover != NULL) {
            open_cover(talk, line);
        }
        bench_require(talk->greet == NULL || talk->greet(line->fd), "the server greets");
        check_echo(talk, line);
        bench_require(epoll_ctl(l->epoll, EPOLL_CTL_ADD, line->fd, &event) == 0, "epoll_ctl");
    }
}

static void ask(const load *l, load_line *line, const uint8_t *requests, size_t count)
{
    count = count < line->unsent ? count : line->unsent;
    if (count > 0) {
        line->unsent -= count;
        say(l->talk, line, requests, count * l->talk->request_len);
    }
}

/* Takes what has come; returns the answers that are complete. */
static size_t take(const load *l, load_line *line)
{
    static uint8_t buffer[LOAD_WIRE_MAX];
    size_t got = line->got + hear(l->talk, line, buffer, MSG_DONTWAIT);

    line->got = got % l->talk->answer_len;
    return got / l->talk->answer_len;
}

size_t load_run(load *l, size_t messages, size_t depth)
{
    static uint8_t requests[LOAD_DEPTH_MAX * LOAD_BYTES_MAX];
    struct epoll_event events[EVENTS];
    size_t each = (messages + l->count - 1) / l->count;
    size_t total = each * l->count;
    size_t done = 0;

    bench_require(depth <= LOAD_DEPTH_MAX, "a depth of at most 32");
    for (size_t i = 0; i < depth; i++) {
        memcpy(requests + i * l->talk->request_len, l->talk->request, l->talk->request_len);
    }
    for (size_t i = 0; i < l->count; i++) {
        l->lines[i].unsent = each;
        ask(l, &l->lines[i], requests, depth);
    }
    while (done < total) {
        int ready = epoll_wait(l->epoll, events, EVENTS, 10000);
        bench_require(ready > 0 || (ready < 0 && errno == EINTR), "answers come in time");
        for (int i = 0; i < ready; i++) {
            load_line *line = (load_line *)events[i].data.ptr;
            size_t answers = take(l, line);
            done += answers;
            ask(l, line, requests, answers < depth ? answers : depth);
        }
    }
    return total;
}

void load_close(load *l)
{
    for (size_t i = 0; i < l->count; i++) {
        if (l->talk->cover != NULL) {
            l->talk->cover->close(l->lines[i].session);
        }
        close(l->lines[i].fd);
    }
    close(l->epoll);
    free(l->lines);
}
