/* door.c - see door.h. */
#include "door.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

static int listen_on(const struct sockaddr *sa, socklen_t len)
{
    int fd = socket(sa->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int one = 1;

    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) != 0 ||
        bind(fd, sa, len) != 0 || listen(fd, 1024) != 0) {
        fail("cannot listen");
    }
    return fd;
}

int door_tcp(int port)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};

    in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return listen_on((struct sockaddr *)&in, sizeof in);
}

int door_unix(const char *path)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};

    if (strlen(path) >= sizeof un.sun_path) {
        fprintf(stderr, "a shorter path, please: %s\n", path);
        exit(2);
    }
    strcpy(un.sun_path, path);
    return listen_on((struct sockaddr *)&un, sizeof un);
}

int door_accept(int door)
{
    int one = 1;
    int fd = accept4(door, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

    if (fd >= 0) {
        /* Fails on a unix socket, which has no such delay. */
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    }
    return fd;
}

void door_watch(int epoll, int fd, epoll_data_t data)
{
    struct epoll_event event = {.events = EPOLLIN, .data = data};

    if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) != 0) {
        fail("epoll_ctl");
    }
}
