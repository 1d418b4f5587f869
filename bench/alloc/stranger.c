/* stranger.c - see stranger.h. */
#include "alloc/stranger.h"

#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>

#include <netproto/loop.h>
#include <trade_service.h>

#include "common/load.h"
#include "protocol/session.h"

#define MESSAGE_MAX 1024
#define PIECES 8

static void fill_random(void *user, uint8_t *out, size_t len)
{
    (void)user;
    bench_require(np_loop_random(out, len) == NP_OK, "random bytes");
}

/* What a client says first. It serves for all connections, since only the third message of a
 * handshake proves anything. */
static size_t first_words(uint8_t out[MESSAGE_MAX])
{
    np_session_options options = np_session_options_default(trade_service(NULL).protocol);
    np_session_security security = {.rng = {fill_random, NULL}};
    np_keypair keys;
    np_session session;
    np_pool pool;
    struct timespec ts;
    struct iovec pieces[PIECES];
    size_t len = 0;

    clock_gettime(CLOCK_REALTIME, &ts);
    const np_time now = {1, (uint64_t)ts.tv_sec * 1000};
    bench_require(np_keypair_generate(&keys) == NP_OK, "keys");
    security.identity = &keys;
    options.security = &security;
    np_pool_init(&pool, NULL);
    bench_require(np_session_init(&session, &options, &pool, NP_SESSION_CLIENT, now) == NP_OK,
                  "a session");
    size_t count = np_session_output(&session, pieces, PIECES, now);
    for (size_t i = 0; i < count; i++) {
        bench_require(len + pieces[i].iov_len <= MESSAGE_MAX, "a short first message");
        memcpy(out + len, pieces[i].iov_base, pieces[i].iov_len);
        len += pieces[i].iov_len;
    }
    np_session_fini(&session);
    np_pool_fini(&pool);
    return len;
}

void strangers_come(int port, size_t count)
{
    uint8_t words[MESSAGE_MAX];
    uint8_t answer[MESSAGE_MAX];
    size_t len = first_words(words);

    for (size_t i = 0; i < count; i++) {
        int fd = load_connect(port, NULL);
        bench_require(send(fd, words, len, MSG_NOSIGNAL) == (ssize_t)len &&
                          recv(fd, answer, sizeof answer, 0) > 0,
                      "a stranger is answered");
    }
}
