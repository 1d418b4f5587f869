/* server_epoll.c - what echoing costs at the least: server_epoll PORT PATH.
 *
 * Level-triggered epoll, one read and one write of the same bytes for each turn, no look at what
 * they say.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "door.h"

#define EVENTS 64

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
    struct epoll_event events[EVENTS];

    if (argc != 3) {
        fprintf(stderr, "usage: server_epoll PORT PATH\n");
        return 2;
    }
    int tcp = door_tcp(atoi(argv[1]));
    int local = door_unix(argv[2]);
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    door_watch(epoll, tcp, (epoll_data_t){.fd = tcp});
    door_watch(epoll, local, (epoll_data_t){.fd = local});
    for (;;) {
        int ready = epoll_wait(epoll, events, EVENTS, -1);
        for (int i = 0; i < ready; i++) {
            int fd = events[i].data.fd;
            if (fd != tcp && fd != local) {
                echo(fd);
                continue;
            }
            int peer = door_accept(fd);
            if (peer >= 0) {
                door_watch(epoll, peer, (epoll_data_t){.fd = peer});
            }
        }
    }
}
