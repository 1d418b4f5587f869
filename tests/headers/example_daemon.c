/* The daemon starts, and serves a client who comes by its unix socket. */
#include "chat_service.h"
#include "example.h"

#include <netproto/daemon.h>

#include <string.h>

#include <unistd.h>

/* What is here so that somebody comes: a client, whose first words are that it is there. */
typedef struct visit {
    np_timer timer;
    np_loop *loop;
    np_client *client;
    bool opened;
} visit;

static visit v;

static void come(np_loop *loop, np_timer *timer)
{
    (void)loop;
    (void)timer;
    MUST(np_client_connect(v.client) == NP_OK);
}

static void on_open(np_conn *conn, void *user)
{
    (void)conn;
    (void)user;
    v.opened = true;
    np_loop_stop(v.loop);
}

static void on_failed(np_client *client, const np_failure *failure, void *user)
{
    (void)client;
    (void)user;
    fprintf(stderr, "%s\n", failure->text);
    np_loop_stop(v.loop);
}

int main(void)
{
    char folder[] = "/tmp/np-example-XXXXXX", path[64], example_socket[72];
    const chat_handlers handlers = {.user = NULL};
    np_loop *loop = NULL;
    np_daemon *daemon = NULL;
    np_failure failure = {.text = "nothing"};
    np_keypair keys, its_keys;
    np_err err = np_loop_new(&loop, NULL);

    MUST(err == NP_OK && np_keypair_generate(&keys) == NP_OK && mkdtemp(folder) != NULL);
    MUST(np_keypair_generate(&its_keys) == NP_OK);
    snprintf(path, sizeof path, "%s/chat.sock", folder);
    snprintf(example_socket, sizeof example_socket, "unix://%s", path);
    np_client_options client = np_client_options_default();
    client.address = example_socket;
    client.service = chat_service(NULL);
    client.security.identity = &its_keys;
    client.security.keys = keys.public_key;
    client.security.key_count = 1;
    client.handlers.on_open = on_open;
    client.on_failed = on_failed;
    v.loop = loop;
    MUST(np_client_new(&v.client, loop, &client, &failure) == NP_OK);
    np_timer_init(&v.timer, come);
    np_timer_start(loop, &v.timer, 0);
#include "example_daemon.inc"
    if (err != NP_OK) {
        fprintf(stderr, "refused: %s\n", failure.text);
    }
    MUST(err == NP_OK && v.opened);
    np_client_free(v.client);
    np_loop_free(loop);
    MUST(rmdir(folder) == 0);
    return 0;
}
