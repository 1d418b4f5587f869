/* door.h - where the servers that are written by hand listen.
 *
 * What goes wrong here ends the program with a message.
 */
#ifndef BENCH_DOOR_H
#define BENCH_DOOR_H

#include <sys/epoll.h>

/* Listens on 127.0.0.1:port, or at a path. */
int door_tcp(int port);
int door_unix(const char *path);

/* The next connection, non-blocking and without Nagle's delay; -1 if there is none after all. */
int door_accept(int door);

/* Adds the descriptor to the epoll, level-triggered, with what its events will carry. */
void door_watch(int epoll, int fd, epoll_data_t data);

#endif
