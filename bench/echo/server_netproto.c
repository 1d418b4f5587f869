/* server_netproto.c - a daemon that echoes: server_netproto PORT PATH. */
#include <stdio.h>
#include <stdlib.h>

#include <base_service.h>
#include <netproto/daemon.h>
#include <trade_service.h>

static np_err on_echo(np_conn *conn, const base_echo *msg, void *user)
{
    (void)user;
    return base_echo_send(conn, msg, NULL);
}

int main(int argc, char **argv)
{
    static const base_handlers base = {.on_echo = on_echo};
    static const trade_handlers trade = {.on_order = NULL};
    np_daemon_options options = np_daemon_options_default();
    np_failure failure;
    np_daemon *daemon;
    np_loop *loop;
    char tcp[64];
    char path[128];
    const char *addresses[] = {tcp, path};

    options.security.plaintext = true;
    if (argc != 3) {
        fprintf(stderr, "usage: server_netproto PORT PATH\n");
        return 2;
    }
    snprintf(tcp, sizeof tcp, "tcp://127.0.0.1:%s", argv[1]);
    snprintf(path, sizeof path, "unix://%s", argv[2]);
    options.addresses = addresses;
    options.address_count = 2;
    options.service = trade_service(&trade);
    options.base = base_service(&base);
    if (np_loop_new(&loop, NULL) != NP_OK ||
        np_daemon_start(&daemon, loop, &options, &failure) != NP_OK) {
        fprintf(stderr, "server_netproto: cannot listen\n");
        return 1;
    }
    return np_loop_run(loop) == NP_OK ? 0 : 1;
}
