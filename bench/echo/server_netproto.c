/* server_netproto.c - a daemon that echoes: server_netproto PORT PATH [secure|xchacha]. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
    np_keypair keys;
    bool xchacha = argc == 4 && strcmp(argv[3], "xchacha") == 0;
    bool secure = xchacha || (argc == 4 && strcmp(argv[3], "secure") == 0);

    if (argc != 3 && !secure) {
        fprintf(stderr, "usage: server_netproto PORT PATH [secure|xchacha]\n");
        return 2;
    }
    snprintf(tcp, sizeof tcp, "tcp://127.0.0.1:%s", argv[1]);
    snprintf(path, sizeof path, "unix://%s", argv[2]);
    options.addresses = addresses;
    options.address_count = 2;
    options.service = trade_service(&trade);
    options.base = base_service(&base);
    options.security.plaintext = !secure;
    /* All connect at once, from one place. */
    options.handshake_rate_max = 0;
    options.handshake_rate_per_source_max = 0;
    options.connections_per_source_max = 0;
    options.half_open_per_source_max = 0;
    if (secure) {
        if (np_keypair_generate(&keys) != NP_OK) {
            fprintf(stderr, "server_netproto: no key\n");
            return 1;
        }
        options.security.identity = &keys;
        options.security.anyone = true;
        options.security.cipher_count = xchacha; /* else the first in common is AES-256-GCM */
        options.security.ciphers[0] = NP_CIPHER_XCHACHA20_POLY1305;
    }
    if (np_loop_new(&loop, NULL) != NP_OK ||
        np_daemon_start(&daemon, loop, &options, &failure) != NP_OK) {
        fprintf(stderr, "server_netproto: cannot listen\n");
        return 1;
    }
    return np_loop_run(loop) == NP_OK ? 0 : 1;
}
