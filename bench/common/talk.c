/* talk.c - an echo's bytes in each server's wire protocol. */
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include <trade.h>

#include "protocol/session.h"

#include "load.h"

#define HEADER 10

static bool read_all(int fd, uint8_t *data, size_t len)
{
    return recv(fd, data, len, MSG_WAITALL) == (ssize_t)len;
}

static bool write_all(int fd, const uint8_t *data, size_t len)
{
    return send(fd, data, len, MSG_NOSIGNAL) == (ssize_t)len;
}

/* Puts more bytes behind those that are there. */
static void add(uint8_t *bytes, size_t *len, const void *data, size_t n)
{
    memcpy(bytes + *len, data, n);
    *len += n;
}

static void add_body(uint8_t *bytes, size_t *len)
{
    for (size_t i = 0; i < LOAD_BODY; i++) {
        bytes[(*len)++] = (uint8_t)('a' + i % 26);
    }
}

/* netproto: Hello and Welcome; then Echo, in a frame --------------------------------------- */

static bool greet_netproto(int fd)
{
    const np_time now = {1, 1};
    np_session_options options = np_session_options_default(&trade_protocol);
    np_session session;
    np_pool pool;
    struct iovec iov[8];
    uint8_t answer[4096];
    bool good = true;

    np_pool_init(&pool, NULL);
    if (np_session_init(&session, &options, &pool, NP_SESSION_CLIENT, now) != NP_OK) {
        return false;
    }
    size_t count = np_session_output(&session, iov, 8, now);
    for (size_t i = 0; i < count; i++) {
        good = good && write_all(fd, iov[i].iov_base, iov[i].iov_len);
    }
    np_session_fini(&session);
    np_pool_fini(&pool);
    if (!good || !read_all(fd, answer, HEADER)) {
        return false;
    }
    size_t len = (size_t)answer[8] << 8 | answer[9];
    return len >= 4 && len <= sizeof answer && read_all(fd, answer, len) &&
           np_get_u32(answer) == BASE_WELCOME_ID;
}

static load_talk talk_netproto(void)
{
    static const uint8_t header[HEADER] = {0xDE, 0xAD, 0xBE, 0xEF, 1, 0, 0, 0, 0, 12 + LOAD_BODY};
    static const uint8_t echo[12] = {BASE_ECHO_ID, 0, 0, 0, LOAD_BODY, 0, 0, 0, 0, 0, 0, 0};
    load_talk talk = {.greet = greet_netproto};

    add(talk.request, &talk.request_len, header, sizeof header);
    add(talk.request, &talk.request_len, echo, sizeof echo);
    add_body(talk.request, &talk.request_len);
    return talk;
}

/* redis: RESP ------------------------------------------------------------------------------ */

static load_talk talk_redis(void)
{
    load_talk talk = {.greet = NULL};
    char head[64];
    int len = snprintf(head, sizeof head, "*2\r\n$4\r\nECHO\r\n$%d\r\n", LOAD_BODY);

    add(talk.request, &talk.request_len, head, (size_t)len);
    add_body(talk.request, &talk.request_len);
    add(talk.request, &talk.request_len, "\r\n", 2);
    len = snprintf(head, sizeof head, "$%d\r\n", LOAD_BODY);
    add(talk.answer, &talk.answer_len, head, (size_t)len);
    add_body(talk.answer, &talk.answer_len);
    add(talk.answer, &talk.answer_len, "\r\n", 2);
    return talk;
}

/* nng: the scalability protocols' request/reply -------------------------------------------- */

static bool greet_nng(int fd)
{
    static const uint8_t hello[8] = {0, 'S', 'P', 0, 0, 0x30, 0, 0};
    uint8_t answer[8];

    return write_all(fd, hello, sizeof hello) && read_all(fd, answer, sizeof answer) &&
           memcmp(answer, hello, 4) == 0;
}

static load_talk talk_nng(bool over_unix)
{
    static const uint8_t len[8] = {0, 0, 0, 0, 0, 0, 0, 4 + LOAD_BODY};
    static const uint8_t request_id[4] = {0x80, 0, 0, 1};
    load_talk talk = {.greet = greet_nng};

    if (over_unix) {
        add(talk.request, &talk.request_len, "\1", 1);
    }
    add(talk.request, &talk.request_len, len, sizeof len);
    add(talk.request, &talk.request_len, request_id, sizeof request_id);
    add_body(talk.request, &talk.request_len);
    return talk;
}

/* ZeroMQ: ZMTP 3.0, mechanism NULL, REQ to REP --------------------------------------------- */

static bool greet_zmq(int fd)
{
    static const uint8_t ready[] = "\x04\x19\x05READY\x0BSocket-Type\x00\x00\x00\x03REQ";
    uint8_t greeting[64] = {0xFF, 0, 0, 0, 0, 0, 0, 0, 0, 0x7F, 3, 0, 'N', 'U', 'L', 'L'};
    uint8_t answer[256];

    return write_all(fd, greeting, sizeof greeting) && read_all(fd, answer, sizeof greeting) &&
           write_all(fd, ready, sizeof ready - 1) && read_all(fd, answer, 2) && answer[0] == 4 &&
           read_all(fd, answer + 2, answer[1]);
}

static load_talk talk_zmq(void)
{
    static const uint8_t frames[] = {1, 0, 0, LOAD_BODY}; /* the empty delimiter, then the body */
    load_talk talk = {.greet = greet_zmq};

    add(talk.request, &talk.request_len, frames, sizeof frames);
    add_body(talk.request, &talk.request_len);
    return talk;
}

load_talk load_talk_to(load_kind kind, bool over_unix)
{
    load_talk talk = {.greet = NULL};

    switch (kind) {
    case LOAD_NETPROTO:
        talk = talk_netproto();
        break;
    case LOAD_RAW:
        talk = talk_netproto();
        talk.greet = NULL;
        break;
    case LOAD_REDIS:
        return talk_redis();
    case LOAD_NNG:
        talk = talk_nng(over_unix);
        break;
    case LOAD_ZMQ:
        talk = talk_zmq();
        break;
    }
    memcpy(talk.answer, talk.request, talk.request_len);
    talk.answer_len = talk.request_len;
    return talk;
}
