/* option_world.h - a daemon and a client whose options a test changes before they start. */
#ifndef TEST_OPTION_WORLD_H
#define TEST_OPTION_WORLD_H

#include "support/demo_service.h"

/* What one end of the connection has seen. */
typedef struct option_side {
    np_conn *conn;
    bool opened, closed;
    np_failure failure;
} option_side;

/* Change the options between option_world_init and option_world_listen. */
typedef struct option_world {
    np_loop *loop;
    np_daemon *daemon;
    np_client *client;
    np_daemon_options daemon_options;
    np_client_options client_options;
    option_side server, user;
    np_failure failure;
} option_world;

/* Both speak the demo protocol over TCP in the clear; the daemon echoes. */
void option_world_init(option_world *w);

/* Starts the daemon, to whose first address the client will connect. */
void option_world_listen(option_world *w);

/* Listens if need be, and connects; NP_OK once both ends are open. */
np_err option_world_connect(option_world *w);

void option_world_fini(option_world *w);

/* A raw connection to the daemon that has said hello and taken the answer. */
int option_world_raw(option_world *w);

/* Runs the loop until there is something to read from fd; false after limit_ms. */
bool option_world_until_readable(option_world *w, int fd, uint32_t limit_ms);

/* Runs the loop until *done; false after limit_ms. */
bool option_world_until(option_world *w, const bool *done, uint32_t limit_ms);

#endif
