/* server_nng.c - nng's REP, echoing: server_nng PORT PATH. */
#include <stdio.h>

#include <nng/nng.h>
#include <nng/protocol/reqrep0/rep.h>

int main(int argc, char **argv)
{
    nng_socket socket;
    nng_msg *msg;
    char tcp[64];
    char path[160];

    if (argc != 3) {
        fprintf(stderr, "usage: server_nng PORT PATH\n");
        return 2;
    }
    snprintf(tcp, sizeof tcp, "tcp://127.0.0.1:%s", argv[1]);
    snprintf(path, sizeof path, "ipc://%s", argv[2]);
    if (nng_rep0_open(&socket) != 0 || nng_listen(socket, tcp, NULL, 0) != 0 ||
        nng_listen(socket, path, NULL, 0) != 0) {
        fprintf(stderr, "server_nng: cannot listen\n");
        return 1;
    }
    while (nng_recvmsg(socket, &msg, 0) == 0) {
        if (nng_sendmsg(socket, msg, 0) != 0) {
            nng_msg_free(msg);
        }
    }
    return 1;
}
