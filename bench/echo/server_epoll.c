/* server_epoll.c - what echoing costs at the least: server_epoll PORT PATH.
 *
 * Level-triggered epoll, one read and one write of the same bytes for each turn, no look at what
 * they say.
 */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define EVENTS 64

static int listen_on(const struct sockaddr *sa, socklen_t len)
{
    int fd = socket(sa->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int one = 1;

    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) != 0 ||
        bind(fd, sa, len) != 0 || listen(fd, 1024) != 0) {
        perror("server_epoll");
        exit(1);
    }
    return fd;
}

static void watch(int epoll, int fd)
{
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};

    if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) != 0) {
        perror("server_epoll");
        exit(1);
    }
}

static void echo(int fd)
{
    static uint8_t buffer[65536];
    ssize_t n = read(fd, buffer, sizeof buffer);

    /* So little is under way that a write takes all of it. */
    if (n <= 0 || write(fd, buffer, (size_t)n) != n) {
        close(fd);
    }
}

int main(int argc, char **argv)
{
    struct sockaddr_in in = {.sin_family = AF_INET};
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    struct epoll_event events[EVENTS];
    int one = 1;

    if (argc != 3 || strlen(argv[2]) >= sizeof un.sun_path) {
        fprintf(stderr, "usage: server_epoll PORT PATH\n");
        return 2;
    }
    in.sin_port = htons((uint16_t)atoi(argv[1]));
    in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    strcpy(un.sun_path, argv[2]);
    int tcp = listen_on((struct sockaddr *)&in, sizeof in);
    int local = listen_on((struct sockaddr *)&un, sizeof un);
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    watch(epoll, tcp);
    watch(epoll, local);
    for (;;) {
        int ready = epoll_wait(epoll, events, EVENTS, -1);
        for (int i = 0; i < ready; i++) {
            int fd = events[i].data.fd;
            if (fd != tcp && fd != local) {
                echo(fd);
                continue;
            }
            int peer = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
            if (peer >= 0) {
                setsockopt(peer, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
                watch(epoll, peer);
            }
        }
    }
}
