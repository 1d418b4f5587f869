/* Encodes a message of the user's own schema and decodes it again; the runtime is linked too. */
#include <stdio.h>
#include <string.h>

#include <netproto/loop.h>

#include "greet.h"

int main(void)
{
    greet_hail sent = {.name = np_str_from("world")};
    greet_hail got;
    uint8_t packet[GREET_HAIL_MAX_LEN];
    size_t len = 0;
    np_fault fault;
    np_loop *loop = NULL;

    if (greet_hail_encode(&sent, packet, sizeof packet, &len, &fault) != NP_OK ||
        greet_hail_decode(&got, packet, len, &fault) != NP_OK) {
        return 1;
    }
    if (np_loop_new(&loop, NULL) != NP_OK) {
        return 1;
    }
    np_loop_free(loop);
    printf("hello, %.*s\n", (int)got.name.len, got.name.data);
    return np_str_equal(sent.name, got.name) ? 0 : 1;
}
