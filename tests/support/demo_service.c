#include "support/demo_service.h"

#include "core/framing.h"
#include "protocol/session.h"
#include "transport/address.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/time.h>
#include <unistd.h>

static np_reader reader_of(const void *payload, size_t len, uint32_t version, np_fault *fault)
{
    np_reader r = {.p = payload, .version = version, .fault = fault};

    r.start = r.p;
    r.end = r.p + len;
    r.p += 4;
    return r;
}

static np_err dispatch_say(const demo_handlers *h, np_conn *conn, np_reader *r)
{
    demo_say say;
    np_err err = demo_message_say->codec->read(r, &say);

    if (err == NP_OK) {
        err = np_read_end(r, "demo.Say");
    }
    return err == NP_OK ? h->on_say(conn, &say, h->user) : err;
}

static np_err dispatch_find(const demo_handlers *h, np_conn *conn, np_call call, np_reader *r)
{
    demo_find find;
    np_err err = demo_message_find->codec->read(r, &find);

    if (err == NP_OK) {
        err = np_read_end(r, "demo.Find");
    }
    return err == NP_OK ? h->on_find(conn, call, &find, h->user) : err;
}

np_err demo_dispatch(const void *handlers, np_conn *conn, const np_incoming *in, np_fault *fault)
{
    const demo_handlers *h = handlers;
    np_reader r = reader_of(in->payload, in->len, in->version, fault);

    if (in->id == DEMO_SAY_ID && h->on_say != NULL) {
        return dispatch_say(h, conn, &r);
    }
    if (in->id == DEMO_FIND_ID && h->on_find != NULL) {
        return dispatch_find(h, conn, in->call, &r);
    }
    return NP_ERR_NO_HANDLER;
}

static np_err echo_say(np_conn *conn, const demo_say *msg, void *user)
{
    (void)user;
    return np_conn_send(conn, demo_message_say, msg, NULL);
}

static np_err echo_find(np_conn *conn, np_call call, const demo_find *msg, void *user)
{
    uint8_t bytes[1000];
    demo_say answer = {{bytes, msg->key}};

    (void)conn;
    (void)user;
    memset(bytes, (uint8_t)msg->key, sizeof bytes);
    return np_call_reply(call, &answer, NULL);
}

const demo_handlers demo_echo = {echo_say, echo_find, NULL};

/* Keys that are the same in every process of a test: the client's, the daemon's. */
static np_keypair demo_pairs[2];

static void make_pairs(void)
{
    static const uint8_t secrets[2][NP_KEY_LEN] = {{8}, {16}}; /* clamping clears three bits */

    for (size_t i = 0; i < 2; i++) {
        demo_must(np_keypair_from(&demo_pairs[i], secrets[i]), NULL);
    }
}

static const np_keypair *demo_keys(bool daemon)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    (void)pthread_once(&once, make_pairs);
    return &demo_pairs[daemon];
}

np_security demo_security(bool daemon)
{
    np_security security = np_security_default();

    if (getenv(DEMO_SECURE) == NULL) {
        security.plaintext = true;
        return security;
    }
    security.identity = demo_keys(daemon);
    security.keys = demo_keys(!daemon)->public_key;
    security.key_count = 1;
    return security;
}

np_daemon_options demo_daemon_options(const demo_handlers *handlers, const char *const *addresses,
                                      size_t count)
{
    np_daemon_options options = np_daemon_options_default();

    options.security = demo_security(true);
    options.addresses = addresses;
    options.address_count = count;
    options.service = (np_service){&demo_protocol, demo_dispatch, handlers};
    return options;
}

np_client_options demo_client_options(const demo_handlers *handlers, const char *address)
{
    np_client_options options = np_client_options_default();

    options.security = demo_security(false);
    options.address = address;
    options.service =
        (np_service){&demo_protocol, handlers != NULL ? demo_dispatch : NULL, handlers};
    return options;
}

np_err demo_read_found(const void *payload, size_t len, uint32_t version, demo_say *out,
                       np_fault *fault)
{
    np_reader r = reader_of(payload, len, version, fault);
    np_err err = demo_message_find->reply_codec->read(&r, out);

    return err == NP_OK ? np_read_end(&r, "demo.Found") : err;
}

void demo_must(np_err err, const np_failure *failure)
{
    if (err != NP_OK) {
        (void)fprintf(stderr, "%s: %s\n", np_err_name(err), failure != NULL ? failure->text : "");
        abort();
    }
}

void demo_run(np_loop *loop, const bool *done)
{
    np_err err = np_loop_run_until(loop, done, 10000);

    if (err != NP_OK) {
        (void)fprintf(stderr, "the test waited in vain: %s\n", np_err_name(err));
        abort();
    }
}

void demo_rest(np_loop *loop, uint32_t ms)
{
    const bool never = false;
    np_err err = np_loop_run_until(loop, &never, ms);

    if (err != NP_ERR_DEADLINE) {
        abort();
    }
}

int demo_raw_connect(const char *text)
{
    const struct timeval patience = {10, 0};
    np_address address;
    struct sockaddr_storage sa;
    socklen_t len = 0;
    int fd = -1;

    if (np_address_parse(text, &address, NULL) != NP_OK) {
        abort();
    }
    len = np_address_numeric(&address, &sa);
    fd = socket(sa.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) != 0 ||
        connect(fd, (const struct sockaddr *)&sa, len) != 0) {
        perror("raw connect");
        abort();
    }
    return fd;
}

size_t demo_raw_hello(uint8_t *out, size_t cap)
{
    np_session_options options = np_session_options_default(&demo_protocol);
    np_session session;
    np_pool pool;
    np_time now = {1, 1};
    struct iovec iov[8];
    size_t count = 0;
    size_t len = 0;

    np_pool_init(&pool, NULL);
    if (np_session_init(&session, &options, &pool, NP_SESSION_CLIENT, now) != NP_OK) {
        abort();
    }
    count = np_session_output(&session, iov, 8, now);
    for (size_t i = 0; i < count && len + iov[i].iov_len <= cap; i++) {
        memcpy(out + len, iov[i].iov_base, iov[i].iov_len);
        len += iov[i].iov_len;
    }
    np_session_fini(&session);
    np_pool_fini(&pool);
    return len;
}

size_t demo_raw_say(uint8_t *out, size_t cap, const void *data, size_t len)
{
    np_framing_head head = np_framing_make(NP_FRAMING_NO_STREAM, 0, 12 + len, false);
    uint8_t *p = np_framing_put(out, &head);

    if (cap < head.head_len + 12 + len) {
        abort();
    }
    p = np_put_u32(p, DEMO_SAY_ID);
    p = np_put_bytes(p, (np_bytes){data, len});
    return (size_t)(p - out);
}
