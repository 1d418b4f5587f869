/* Daemons and clients with keys, over real sockets: who gets in, who is told what, and that nothing
 * of it can be read on the way. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "protocol/session.h"
#include "service/conn_private.h"
#include "support/demo_service.h"
#include "util/crypto.h"

#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#define SECRET_WORDS "the password is swordfish"

/* A daemon and a client; change the options between world_init and world_start. */
typedef struct world {
    np_loop *loop;
    np_daemon *daemon;
    np_client *client;
    np_client *second; /* NULL: there is none */
    np_daemon_options daemon_options;
    np_client_options client_options;
    np_keypair server;
    np_keypair user;
    np_failure failure;
    bool closed;  /* the client's connection */
    np_peer seen; /* what the daemon knows of the client */
    bool echoed;
    size_t opened; /* connections of the daemon */
    size_t asked;  /* trust functions */
    const char *asked_for;
    bool daemon_closed; /* its connection */
    np_failure daemon_failure;
} world;

static void on_open(np_conn *conn, void *user)
{
    world *w = user;

    w->opened++;
    np_conn_peer(conn, &w->seen);
}

static void on_daemon_close(np_conn *conn, const np_failure *failure, void *user)
{
    world *w = user;

    (void)conn;
    w->daemon_closed = true;
    w->daemon_failure = *failure;
}

static void on_client_close(np_conn *conn, const np_failure *failure, void *user)
{
    world *w = user;

    (void)conn;
    (void)failure;
    w->closed = true;
}

static np_err on_say(np_conn *conn, const demo_say *msg, void *user)
{
    world *w = user;

    (void)conn;
    w->echoed = msg->data.len == strlen(SECRET_WORDS) &&
                memcmp(msg->data.data, SECRET_WORDS, msg->data.len) == 0;
    return NP_OK;
}

static const char *const loopback[] = {"tcp://127.0.0.1:0"};

static void world_init(world *w)
{
    const np_rng rng = np_loop_rng();

    memset(w, 0, sizeof *w);
    demo_must(np_loop_new(&w->loop, NULL), NULL);
    demo_must(np_keypair_make(&w->server, &rng), NULL);
    demo_must(np_keypair_make(&w->user, &rng), NULL);
    w->daemon_options = demo_daemon_options(&demo_echo, loopback, 1);
    w->daemon_options.security = np_security_default();
    w->daemon_options.security.identity = &w->server;
    w->daemon_options.security.keys = w->user.public_key;
    w->daemon_options.security.key_count = 1;
    w->daemon_options.security.user = w;
    w->daemon_options.handlers.on_open = on_open;
    w->daemon_options.handlers.on_close = on_daemon_close;
    w->daemon_options.handlers.user = w;
    w->client_options = demo_client_options(NULL, NULL);
    w->client_options.security = np_security_default();
    w->client_options.security.identity = &w->user;
    w->client_options.security.keys = w->server.public_key;
    w->client_options.security.key_count = 1;
    w->client_options.security.user = w;
    w->client_options.handlers.on_close = on_client_close;
    w->client_options.handlers.user = w;
}

static np_err world_start(world *w)
{
    demo_must(np_daemon_start(&w->daemon, w->loop, &w->daemon_options, &w->failure), &w->failure);
    if (w->client_options.address == NULL) {
        w->client_options.address = np_daemon_address(w->daemon, 0);
    }
    demo_must(np_client_new(&w->client, w->loop, &w->client_options, &w->failure), &w->failure);
    return np_client_connect_wait(w->client, &w->failure);
}

static void world_fini(world *w)
{
    np_client_free(w->second);
    np_client_free(w->client);
    np_daemon_free(w->daemon);
    np_loop_free(w->loop);
}

static void expect_echo(world *w)
{
    const demo_handlers handlers = {on_say, NULL, w};
    demo_say say = {{(const uint8_t *)SECRET_WORDS, strlen(SECRET_WORDS)}};

    np_client_free(w->client);
    w->client_options.service.handlers = &handlers;
    w->client_options.service.dispatch = demo_dispatch;
    demo_must(np_client_new(&w->client, w->loop, &w->client_options, &w->failure), &w->failure);
    demo_must(np_client_connect_wait(w->client, &w->failure), &w->failure);
    demo_must(np_client_send(w->client, demo_message_say, &say, NULL), NULL);
    demo_run(w->loop, &w->echoed);
}

/* Getting in -------------------------------------------------------------------------------- */

static void test_both_know_each_other(void **state)
{
    char path[64];
    const char *over_unix[] = {path};
    np_peer peer;
    world w;
    (void)state;

    (void)snprintf(path, sizeof path, "unix://@netproto-test-secure-%d", (int)getpid());
    for (int i = 0; i < 2; i++) {
        world_init(&w);
        if (i == 1) {
            w.daemon_options.addresses = over_unix;
        }
        demo_must(world_start(&w), &w.failure);
        np_conn_peer(np_client_conn(w.client), &peer);
        assert_true(peer.has_key && w.seen.has_key);
        assert_memory_equal(peer.key, w.server.public_key, NP_KEY_LEN);
        assert_memory_equal(w.seen.key, w.user.public_key, NP_KEY_LEN);
        expect_echo(&w);
        world_fini(&w);
    }
}

static bool trust_all(const uint8_t key[NP_KEY_LEN], const char *address, void *user)
{
    world *w = user;

    (void)key;
    w->asked++;
    w->asked_for = address;
    return true;
}

static bool trust_none(const uint8_t key[NP_KEY_LEN], const char *address, void *user)
{
    world *w = user;

    (void)key;
    (void)address;
    w->asked++;
    return false;
}

static void test_trust_is_asked(void **state)
{
    world w;
    (void)state;

    world_init(&w);
    w.daemon_options.security.key_count = 0;
    w.daemon_options.security.trust = trust_all;
    w.client_options.security.trust = trust_all; /* not asked: the key is listed */
    demo_must(world_start(&w), &w.failure);
    assert_int_equal(w.asked, 1);
    assert_null(w.asked_for);
    world_fini(&w);

    world_init(&w); /* the client's is told the address as it was typed */
    w.client_options.security.key_count = 0;
    w.client_options.security.trust = trust_all;
    w.daemon_options.security.key_count = 0;
    w.daemon_options.security.anyone = true;
    demo_must(world_start(&w), &w.failure);
    assert_int_equal(w.asked, 1);
    assert_string_equal(w.asked_for, w.client_options.address);
    world_fini(&w);
}

/* Where anyone is let in, trust says who never has to give way: if it says no, one of those who
 * have both places goes for somebody of another source. */
static void test_trust_beside_anyone(void **state)
{
    (void)state;
    for (int known = 0; known < 2; known++) {
        struct sockaddr_in from = {.sin_family = AF_INET}, to = {.sin_family = AF_INET};
        int newcomer = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        world w;

        world_init(&w);
        w.daemon_options.security.key_count = 0;
        w.daemon_options.security.trust = known == 1 ? trust_all : trust_none;
        w.daemon_options.security.anyone = true;
        w.daemon_options.connections_max = 2;
        demo_must(world_start(&w), &w.failure);
        assert_int_equal(w.asked, 1);
        demo_must(np_client_new(&w.second, w.loop, &w.client_options, NULL), NULL);
        demo_must(np_client_connect_wait(w.second, NULL), NULL);
        from.sin_addr.s_addr = htonl(0x7F000002);
        to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        to.sin_port = htons((uint16_t)atoi(strrchr(w.client_options.address, ':') + 1));
        assert_int_equal(bind(newcomer, (struct sockaddr *)&from, sizeof from), 0);
        assert_int_equal(connect(newcomer, (struct sockaddr *)&to, sizeof to), 0);
        demo_rest(w.loop, 50);
        assert_int_equal(w.daemon_closed, known == 0);
        (void)close(newcomer);
        world_fini(&w);
    }
}

/* The client's failure: by whom, why, and the key that was refused. */
static void expect_refusal(const world *w, const char *why)
{
    char key[NP_KEY_TEXT_LEN];
    char text[512];

    (void)snprintf(text, sizeof text, "hello %s: the peer refused; %s; our key is %s",
                   np_daemon_address(w->daemon, 0), why, np_key_format(w->user.public_key, key));
    assert_string_equal(w->failure.text, text);
}

static const uint8_t psk[32] = {5, 5, 5};

static const uint8_t *find_psk(const uint8_t key[NP_KEY_LEN], void *user)
{
    const world *w = user;

    return memcmp(key, w->user.public_key, NP_KEY_LEN) == 0 ? psk : NULL;
}

static void test_pre_shared_keys(void **state)
{
    world w;
    (void)state;

    world_init(&w);
    w.daemon_options.security.psk_of = find_psk;
    w.client_options.security.psk = psk;
    demo_must(world_start(&w), &w.failure);
    expect_echo(&w);
    world_fini(&w);

    world_init(&w); /* a client for which there is one, without it */
    w.daemon_options.security.psk_of = find_psk;
    assert_int_equal(world_start(&w), NP_ERR_REFUSED);
    world_fini(&w);

    world_init(&w); /* one that has one of which nobody knows */
    w.client_options.security.psk = psk;
    assert_int_equal(world_start(&w), NP_ERR_REFUSED);
    assert_true(w.failure.by_peer);
    assert_true(w.failure.unverified); /* the daemon has no keys to say so */
    expect_refusal(&w, "it came in the clear, so anybody may have sent it; perhaps only one side "
                       "has a pre-shared key for the other, or they differ; the server's log "
                       "tells");
    world_fini(&w);
}

/* Kept out ---------------------------------------------------------------------------------- */

static void test_a_server_that_is_not_the_one(void **state)
{
    char text[NP_KEY_TEXT_LEN];
    world w;
    (void)state;

    world_init(&w);
    w.client_options.security.keys = w.user.public_key; /* any other */
    assert_int_equal(world_start(&w), NP_ERR_REFUSED);
    assert_int_equal(w.failure.stage, NP_STAGE_HELLO);
    assert_false(w.failure.by_peer);
    assert_non_null(strstr(w.failure.text, "key is not trusted: np1:"));
    assert_non_null(strstr(w.failure.text, np_key_format(w.server.public_key, text)));
    assert_false(w.seen.has_key); /* the daemon never learned who it was */
    world_fini(&w);
}

static void test_a_client_that_nobody_knows(void **state)
{
    world w;
    (void)state;

    world_init(&w);
    w.daemon_options.security.keys = w.server.public_key;
    assert_int_equal(world_start(&w), NP_ERR_REFUSED);
    assert_int_equal(w.failure.stage, NP_STAGE_HELLO);
    assert_true(w.failure.by_peer);
    assert_false(w.failure.unverified);
    expect_refusal(&w, "the server does not know our key; have it added to those that it lets in");
    world_fini(&w);
}

static void test_plain_and_secure_do_not_meet(void **state)
{
    world w;
    (void)state;

    world_init(&w);
    w.client_options.security = (np_security){.plaintext = true};
    assert_int_not_equal(world_start(&w), NP_OK);
    assert_null(np_client_conn(w.client));
    world_fini(&w);

    world_init(&w);
    w.daemon_options.security = (np_security){.plaintext = true};
    assert_int_not_equal(world_start(&w), NP_OK);
    assert_null(np_client_conn(w.client));
    assert_non_null(strstr(w.failure.text, "is it set to plaintext?"));
    world_fini(&w);
}

/* What can be seen of it ---------------------------------------------------------------------- */

typedef struct steps {
    char text[64]; /* one letter a step */
} steps;

static void on_step(np_client *client, np_client_step step, void *user)
{
    steps *s = user;
    size_t len = strlen(s->text);

    (void)client;
    assert_true(len + 1 < sizeof s->text);
    s->text[len] = step == NP_CLIENT_STEP_RESOLVED    ? 'r'
                   : step == NP_CLIENT_STEP_CONNECTED ? 'c'
                   : step == NP_CLIENT_STEP_PEER_KEY  ? 'k'
                                                      : '?';
}

static void expect_steps(world *w, steps *s, const char *expected, const char *cipher)
{
    np_agreed agreed;

    memset(s, 0, sizeof *s);
    w->client_options.on_step = on_step;
    w->client_options.user = s;
    np_err err = world_start(w);
    assert_string_equal(s->text, expected);
    if (err == NP_OK) {
        assert_true(np_conn_agreed(np_client_conn(w->client), &agreed));
        assert_string_equal(agreed.protocol, "demo");
        assert_int_equal(agreed.version, np_conn_version(np_client_conn(w->client)));
        assert_memory_equal(agreed.digest,
                            demo_protocol.digests[agreed.version - demo_protocol.min_version], 32);
        assert_true((agreed.cipher != NULL) == (cipher != NULL));
        assert_true(cipher == NULL || strcmp(agreed.cipher, cipher) == 0);
    }
    world_fini(w);
}

/* Of those that this machine can do; test_options_ciphers.c has the rest. */
static const char *best_cipher(void)
{
    return np_cipher_name(np_cipher_is_available(NP_CIPHER_AES_256_GCM)
                              ? NP_CIPHER_AES_256_GCM
                              : NP_CIPHER_XCHACHA20_POLY1305);
}

static void test_steps_and_agreement(void **state)
{
    char at[64];
    steps s;
    world w;
    (void)state;

    world_init(&w);
    expect_steps(&w, &s, "rck", best_cipher());
    world_init(&w);
    w.client_options.security = w.daemon_options.security = (np_security){.plaintext = true};
    expect_steps(&w, &s, "rc", NULL);
    /* A server that is not trusted has shown its key, too. */
    world_init(&w);
    w.client_options.security.keys = w.user.public_key;
    expect_steps(&w, &s, "rck", NULL);
    /* Nobody listens; and a name that has no address. */
    world_init(&w);
    w.client_options.address = "tcp://127.0.0.1:1";
    expect_steps(&w, &s, "r", NULL);
    world_init(&w);
    w.client_options.address = "tcp://no-such-host.invalid:7000";
    w.client_options.connect_timeout_ms = 500;
    expect_steps(&w, &s, "", NULL);
    (void)snprintf(at, sizeof at, "unix://@netproto-steps-%d", (int)getpid());
    world_init(&w);
    w.daemon_options.addresses = (const char *const[]){at};
    expect_steps(&w, &s, "rck", best_cipher());
}

/* Which keys are in a list, wherever they stand in it, and that what lies behind it is not. */
static void test_lists_of_keys(void **state)
{
    uint8_t keys[3 * NP_KEY_LEN];
    world w;
    (void)state;

    for (size_t at = 0; at < 3; at++) {
        for (size_t count = 1; count <= 3; count++) {
            world_init(&w);
            memset(keys, 7, sizeof keys);
            for (size_t i = 0; i < 3; i++) { /* one that differs in its last byte only */
                memcpy(keys + i * NP_KEY_LEN, w.user.public_key, NP_KEY_LEN);
                keys[i * NP_KEY_LEN + NP_KEY_LEN - 1] ^= i != at;
            }
            w.daemon_options.security.keys = keys;
            w.daemon_options.security.key_count = count;
            assert_int_equal(world_start(&w), at < count ? NP_OK : NP_ERR_REFUSED);
            assert_int_equal(w.opened, at < count);
            world_fini(&w);
        }
    }
}

static void test_trust_says_no(void **state)
{
    world w;
    (void)state;

    for (int client = 0; client < 2; client++) {
        world_init(&w);
        np_security *security = client ? &w.client_options.security : &w.daemon_options.security;
        security->key_count = 0;
        security->trust = trust_none;
        assert_int_equal(world_start(&w), NP_ERR_REFUSED);
        assert_int_equal(w.asked, 1);
        assert_int_equal(w.failure.by_peer, !client);
        assert_int_equal(w.opened, 0);
        world_fini(&w);
    }
}

/* A client by hand ---------------------------------------------------------------------------- */

/* The session of a client alone, which says what we like: over a socket, with randomness and a
 * clock of its own. */
typedef struct handmade {
    np_session s;
    np_session_options options;
    np_session_security security;
    np_pool pool;
    uint64_t seed;
    int fd;
    bool opened;
    bool closed;
    bool by_peer;
    np_err err;
} handmade;

static void fill_seeded(void *user, uint8_t *out, size_t len)
{
    uint64_t *seed = user;

    for (size_t i = 0; i < len; i++) {
        *seed = *seed * 6364136223846793005u + 1442695040888963407u;
        out[i] = (uint8_t)(*seed >> 56);
    }
}

static void handmade_drain(handmade *h)
{
    np_session_event event;

    while (np_session_next_event(&h->s, &event)) {
        if (event.kind == NP_SESSION_EVENT_PEER_KEY) {
            np_session_trust(&h->s, true, NULL);
        }
        h->opened = h->opened || event.kind == NP_SESSION_EVENT_OPEN;
        if (event.kind == NP_SESSION_EVENT_CLOSED) {
            h->closed = true;
            h->by_peer = event.by_peer;
            h->err = event.err;
        }
    }
}

/* Connects to the world's daemon, and is closed when it returns, by the daemon or, 30 ms after it
 * has come in, by itself. */
static void handmade_run(handmade *h, world *w, uint64_t seed, int64_t clock_ms)
{
    np_time now = np_loop_now(w->loop);
    uint8_t bytes[4096];
    struct iovec iov[4];
    int still = 0;

    memset(h, 0, sizeof *h);
    np_pool_init(&h->pool, NULL);
    h->seed = seed;
    h->security.rng = (np_rng){fill_seeded, &h->seed};
    h->security.identity = &w->user;
    h->options = np_session_options_default(&demo_protocol);
    h->options.security = &h->security;
    h->fd = demo_raw_connect(np_daemon_address(w->daemon, 0));
    now.wall_ms = (uint64_t)((int64_t)now.wall_ms + clock_ms);
    assert_int_equal(np_session_init(&h->s, &h->options, &h->pool, NP_SESSION_CLIENT, now), NP_OK);
    for (int i = 0; i < 2000 && !h->closed; i++) {
        size_t count = np_session_output(&h->s, iov, 4, now);
        ssize_t n = count > 0 ? writev(h->fd, iov, (int)count) : 0;
        assert_true(n >= 0);
        np_session_output_done(&h->s, (size_t)n, now);
        demo_rest(w->loop, 1);
        n = recv(h->fd, bytes, sizeof bytes, MSG_DONTWAIT);
        if (n > 0) {
            np_session_recv(&h->s, bytes, (size_t)n, now);
        } else if (n == 0) {
            np_session_recv_end(&h->s, now);
        }
        handmade_drain(h);
        np_session_park(&h->s);
        still += h->opened;
        if (still == 30) {
            np_session_close(&h->s, NP_CONN_NO_REASON, np_str_from("bye"), now);
        }
    }
    assert_true(h->closed);
    np_session_fini(&h->s);
    np_pool_fini(&h->pool);
    close(h->fd);
}

/* The same client with the same nonce once more: the daemon's own key is fresh, and so the
 * handshake is a good one, but for having been seen. */
static void test_a_handshake_comes_twice(void **state)
{
    static const uint32_t kept[] = {10000, 1, 0};
    handmade h;
    world w;
    (void)state;

    for (int i = 0; i < 3; i++) {
        world_init(&w);
        w.daemon_options.security.handshakes_kept = kept[i];
        demo_must(world_start(&w), &w.failure);
        assert_int_equal(w.opened, 1); /* by an honest client */
        handmade_run(&h, &w, 1, 0);
        assert_int_equal(h.err, NP_OK);
        assert_int_equal(w.opened, 2);
        handmade_run(&h, &w, 1, 0); /* the replay */
        assert_int_equal(h.err, kept[i] > 0 ? NP_ERR_REFUSED : NP_OK);
        assert_int_equal(h.by_peer, kept[i] > 0);
        assert_int_equal(w.opened, kept[i] > 0 ? 2 : 3);
        handmade_run(&h, &w, 2, 0); /* another */
        assert_int_equal(h.err, NP_OK);
        handmade_run(&h, &w, 1, 0); /* forgotten, where one is kept and another came */
        assert_int_equal(h.err, kept[i] > 1 ? NP_ERR_REFUSED : NP_OK);
        world_fini(&w);
    }
}

static void test_clocks(void **state)
{
    static const struct {
        uint32_t skew_ms;
        int64_t client_ms;
        np_err err;
    } cases[] = {
        {5000, 0, NP_OK},          {5000, 3600000, NP_ERR_CLOCK}, {5000, -3600000, NP_ERR_CLOCK},
        {7200000, 3600000, NP_OK}, {0, 3600000, NP_OK},
    };
    handmade h;
    world w;
    (void)state;

    assert_int_equal(np_security_default().clock_skew_ms, 5000);
    assert_int_equal(np_security_default().handshakes_kept, 10000);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        world_init(&w);
        w.daemon_options.security.clock_skew_ms = cases[i].skew_ms;
        demo_must(world_start(&w), &w.failure);
        handmade_run(&h, &w, 1, cases[i].client_ms);
        assert_int_equal(h.err, cases[i].err);
        world_fini(&w);
    }
}

/* Somebody in between puts a record of his own among those of the client. */
static void test_a_forged_record(void **state)
{
    static const uint8_t forged[10 + 48] = {0xDE, 0xAD, 0xBE, 0xEF, 1, 4, 0, 0, 0, 48};
    world w;
    (void)state;

    world_init(&w);
    demo_must(world_start(&w), &w.failure);
    assert_int_equal(send(np_client_conn(w.client)->link.stream.fd, forged, sizeof forged, 0),
                     sizeof forged);
    demo_run(w.loop, &w.daemon_closed);
    demo_run(w.loop, &w.closed);
    assert_int_equal(w.daemon_failure.stage, NP_STAGE_FRAME);
    assert_int_equal(w.daemon_failure.err, NP_ERR_SEAL);
    assert_string_equal(w.daemon_failure.text,
                        "frame: authentication failed: somebody in between changes, repeats or "
                        "drops bytes; connect again");
    world_fini(&w);
}

/* Options ----------------------------------------------------------------------------------- */

static void expect_refused(world *w, bool daemon, const char *words)
{
    np_daemon *d = NULL;
    np_client *c = NULL;
    np_err err = daemon ? np_daemon_start(&d, w->loop, &w->daemon_options, &w->failure)
                        : np_client_new(&c, w->loop, &w->client_options, &w->failure);

    assert_int_equal(err, NP_ERR_ARG);
    assert_true(d == NULL && c == NULL);
    if (strstr(w->failure.text, words) == NULL) {
        fail_msg("\"%s\" does not say \"%s\"", w->failure.text, words);
    }
}

/* Nobody is let in, and nothing goes out in the clear, for want of an option. */
static void test_no_option_is_no_security(void **state)
{
    static const np_keypair no_pair; /* as np_keypair_load leaves it where it fails */
    np_security *server;
    np_security *user;
    world w;
    (void)state;

    world_init(&w);
    server = &w.daemon_options.security;
    user = &w.client_options.security;
    w.client_options.address = "tcp://127.0.0.1:1";
    *server = np_security_default();
    *user = np_security_default();
    expect_refused(&w, true, "set identity");
    expect_refused(&w, false, "set identity");
    server->identity = user->identity = &no_pair;
    expect_refused(&w, true, "identity is zero");
    expect_refused(&w, false, "identity is zero");
    server->identity = &w.server;
    user->identity = &w.user;
    user->psk = no_pair.secret_key;
    expect_refused(&w, false, "psk is zero");
    user->psk = NULL;
    expect_refused(&w, true, "or anyone to let every client in");
    expect_refused(&w, false, "no server is trusted");
    user->anyone = true;
    expect_refused(&w, false, "whoever is in between");
    user->anyone = false;
    server->key_count = 1;
    user->key_count = 1;
    expect_refused(&w, true, "keys is NULL");
    expect_refused(&w, false, "keys is NULL");
    server->keys = w.user.public_key;
    user->keys = w.server.public_key;
    server->handshakes_kept = UINT32_MAX;
    expect_refused(&w, true, "handshakes_kept is 16777216 at most");
    server->handshakes_kept = 0;
    server->psk = psk;
    user->psk_of = find_psk;
    expect_refused(&w, true, "a daemon sets psk_of");
    expect_refused(&w, false, "a client sets psk");
    server->plaintext = true;
    user->plaintext = true;
    expect_refused(&w, true, "plaintext does not go with keys");
    expect_refused(&w, false, "plaintext does not go with keys");
    np_loop_free(w.loop);
}

/* Whoever gives keys of any kind does not want plain text, whatever else they say. */
static void test_plaintext_goes_with_nothing(void **state)
{
    world w;
    (void)state;

    for (int i = 0; i < 6; i++) {
        for (int daemon = 0; daemon < 2; daemon++) {
            np_security security = {.plaintext = true};
            world_init(&w);
            security.identity = i == 0 ? &w.user : NULL;
            security.keys = w.user.public_key;
            security.key_count = i == 1;
            security.trust = i == 2 ? trust_all : NULL;
            security.anyone = i == 3;
            security.psk = i == 4 ? psk : NULL;
            security.psk_of = i == 5 ? find_psk : NULL;
            w.client_options.address = "tcp://127.0.0.1:1";
            w.daemon_options.security = security;
            w.client_options.security = security;
            expect_refused(&w, daemon == 1, "plaintext does not go with keys");
            np_loop_free(w.loop);
        }
    }
}

/* On the way -------------------------------------------------------------------------------- */

/* Passes on what comes, both ways, and keeps a copy in a file. Runs until it is killed. */
static void eavesdrop(int listener, const char *daemon_address, FILE *copy)
{
    struct pollfd fds[2];
    uint8_t bytes[4096];

    fds[0].fd = accept(listener, NULL, NULL);
    fds[1].fd = demo_raw_connect(daemon_address);
    fds[0].events = fds[1].events = POLLIN;
    while (poll(fds, 2, 20000) > 0) {
        for (int i = 0; i < 2; i++) {
            ssize_t n = (fds[i].revents & POLLIN) != 0 ? read(fds[i].fd, bytes, sizeof bytes) : 0;
            if (n > 0) {
                (void)fwrite(bytes, 1, (size_t)n, copy);
                (void)fflush(copy);
                if (write(fds[1 - i].fd, bytes, (size_t)n) != n) {
                    _exit(1);
                }
            } else if (fds[i].revents != 0) {
                _exit(0);
            }
        }
    }
    _exit(0);
}

static bool heard(FILE *copy, const char *words)
{
    static char all[1 << 20];
    size_t len;

    rewind(copy);
    len = fread(all, 1, sizeof all, copy);
    assert_true(len > 200);
    return memmem(all, len, words, strlen(words)) != NULL;
}

static void test_nobody_listens_in(void **state)
{
    struct sockaddr_in at = {.sin_family = AF_INET};
    socklen_t at_len = sizeof at;
    char address[64];
    world w;
    (void)state;

    for (int plain = 0; plain < 2; plain++) {
        int listener = socket(AF_INET, SOCK_STREAM, 0);
        FILE *copy = tmpfile();
        pid_t pid;

        at.sin_port = 0;
        at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        assert_true(copy != NULL && bind(listener, (const struct sockaddr *)&at, sizeof at) == 0 &&
                    listen(listener, 1) == 0 &&
                    getsockname(listener, (struct sockaddr *)&at, &at_len) == 0);
        (void)snprintf(address, sizeof address, "tcp://127.0.0.1:%u", ntohs(at.sin_port));
        world_init(&w);
        if (plain) {
            w.daemon_options.security = (np_security){.plaintext = true};
            w.client_options.security = (np_security){.plaintext = true};
        }
        demo_must(np_daemon_start(&w.daemon, w.loop, &w.daemon_options, &w.failure), &w.failure);
        pid = fork();
        if (pid == 0) {
            eavesdrop(listener, np_daemon_address(w.daemon, 0), copy);
        }
        close(listener);
        w.client_options.address = address;
        expect_echo(&w);
        assert_int_equal(heard(copy, SECRET_WORDS), plain);
        (void)kill(pid, SIGKILL);
        (void)waitpid(pid, NULL, 0);
        fclose(copy);
        world_fini(&w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_both_know_each_other),
        cmocka_unit_test(test_trust_is_asked),
        cmocka_unit_test(test_trust_beside_anyone),
        cmocka_unit_test(test_pre_shared_keys),
        cmocka_unit_test(test_a_server_that_is_not_the_one),
        cmocka_unit_test(test_a_client_that_nobody_knows),
        cmocka_unit_test(test_lists_of_keys),
        cmocka_unit_test(test_trust_says_no),
        cmocka_unit_test(test_plain_and_secure_do_not_meet),
        cmocka_unit_test(test_steps_and_agreement),
        cmocka_unit_test(test_a_handshake_comes_twice),
        cmocka_unit_test(test_clocks),
        cmocka_unit_test(test_a_forged_record),
        cmocka_unit_test(test_no_option_is_no_security),
        cmocka_unit_test(test_plaintext_goes_with_nothing),
        cmocka_unit_test(test_nobody_listens_in),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
