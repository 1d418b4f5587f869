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

static void check_echo(int fd, const load_talk *talk)
{
    uint8_t answer[LOAD_BYTES_MAX];

    send_all(fd, talk->request, talk->request_len);
    bench_require(recv(fd, answer, talk->answer_len, MSG_WAITALL) == (ssize_t)talk->answer_len &&
                      memcmp(answer, talk->answer, talk->answer_len) == 0,
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
        bench_require(talk->greet == NULL || talk->greet(line->fd), "the server greets");
        check_echo(line->fd, talk);
        bench_require(epoll_ctl(l->epoll, EPOLL_CTL_ADD, line->fd, &event) == 0, "epoll_ctl");
    }
}

static void ask(const load *l, load_line *line, const uint8_t *requests, size_t count)
{
    count = count < line->unsent ? count : line->unsent;
    if (count > 0) {
        line->unsent -= count;
        send_all(line->fd, requests, count * l->talk->request_len);
    }
}

/* Takes what has come; returns the answers that are complete. */
static size_t take(const load *l, load_line *line)
{
    static uint8_t buffer[65536];
    ssize_t n = recv(line->fd, buffer, sizeof buffer, MSG_DONTWAIT);

    if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
        return 0;
    }
    bench_require(n > 0, "the server stays");
    size_t got = line->got + (size_t)n;
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
        close(l->lines[i].fd);
    }
    close(l->epoll);
    free(l->lines);
}
