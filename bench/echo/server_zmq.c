/* server_zmq.c - ZeroMQ's REP, echoing: server_zmq PORT PATH. */
#include <stdio.h>

#include <zmq.h>

int main(int argc, char **argv)
{
    void *context = zmq_ctx_new();
    void *socket = context != NULL ? zmq_socket(context, ZMQ_REP) : NULL;
    zmq_msg_t msg;
    char tcp[64];
    char path[160];

    if (argc != 3 || socket == NULL) {
        fprintf(stderr, "usage: server_zmq PORT PATH\n");
        return 2;
    }
    snprintf(tcp, sizeof tcp, "tcp://127.0.0.1:%s", argv[1]);
    snprintf(path, sizeof path, "ipc://%s", argv[2]);
    if (zmq_bind(socket, tcp) != 0 || zmq_bind(socket, path) != 0) {
        fprintf(stderr, "server_zmq: cannot listen\n");
        return 1;
    }
    zmq_msg_init(&msg);
    while (zmq_msg_recv(&msg, socket, 0) >= 0 && zmq_msg_send(&msg, socket, 0) >= 0) {
    }
    return 1;
}
