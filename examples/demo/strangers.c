/* strangers.c - who is kept out of a secure connection, and what is said about it. */
#include "demo_program.h"

#include <netproto/client.h>

/* Tries to connect, which must not succeed. */
static void try_to_connect(const char *name, const char *address, np_security security,
                           np_err wanted)
{
    np_client_options options = np_client_options_default();
    np_failure failure = {.text = "connected"};
    np_loop *loop = NULL;
    np_client *client = NULL;
    np_err err = np_loop_new(&loop, NULL);

    options.address = address;
    options.service = demo_service(NULL);
    options.security = security;
    if (err == NP_OK) {
        err = np_client_new(&client, loop, &options, &failure);
    }
    if (err == NP_OK) {
        err = np_client_connect_wait(client, &failure);
    }
    demo_row(err == wanted, name, -1, "%s", failure.text);
    np_client_free(client);
    np_loop_free(loop);
}

void demo_strangers(const char *address)
{
    try_to_connect("another client", address, demo_stranger(), NP_ERR_REFUSED);
    try_to_connect("another server", address, demo_mistaken(), NP_ERR_REFUSED);
    try_to_connect("plain text", address, demo_client_security(DEMO_PLAINTEXT), NP_ERR_REFUSED);
}
