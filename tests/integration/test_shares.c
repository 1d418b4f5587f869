/* Peers that fill the memory that all share, with messages that they never end: those whom a
 * daemon serves beside them do not notice. By key where keys are listed, else by address; as many
 * bytes as are sent, and as few as compression makes of them.
 *
 * The hogs live in a process of their own, and so do the good ones where they are many. All of
 * 127.0.0.0/8 is this machine. */
#include "service/conn_private.h"
#include "support/blocking_peer.h"
#include "support/demo_service.h"
#include "support/sanitized.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define MIB ((size_t)1 << 20)

enum { MEMORY = 64 << 20, HOG_LEN = 11 << 20, HOGS = 12, FILLERS = 100, GOOD = 20, NEWCOMERS = 10 };

enum { HOG_SOURCE = 0x7F000200, GOOD_SOURCE = 0x7F000300 };

typedef enum scene { BY_KEY, BY_SOURCE_SECURE, BY_SOURCE_PLAIN } scene_kind;

/* What processes tell each other. */
typedef struct told_all {
    volatile int filled;  /* hogs that have sent what they have */
    volatile bool full;   /* and those that fill the rest */
    volatile size_t sent; /* bytes by them */
    volatile int turned_out;
    volatile int lost; /* good ones that were not served */
    volatile int served;
    volatile bool enough;
} told_all;

typedef struct world {
    scene_kind scene;
    np_compression compression;
    np_loop *loop;
    np_daemon *daemon;
    np_keypair daemon_keys, hog_keys[2], good_keys;
    uint8_t listed[3 * NP_KEY_LEN];
    uint16_t port;
    told_all *told;
    int evicted; /* connections that ended for memory */
    np_failure last;
} world;

static void on_close(np_conn *conn, const np_failure *failure, void *user)
{
    world *w = user;

    (void)conn;
    if (failure->err == NP_ERR_LIMIT) {
        w->evicted++;
        w->last = *failure;
    }
}

static void start(world *w, scene_kind scene, np_compression compression)
{
    static const char *const addresses[] = {"tcp://127.0.0.1:0"};
    np_daemon_options options = demo_daemon_options(&demo_echo, addresses, 1);
    np_loop_options loop_options = np_loop_options_default();

    memset(w, 0, sizeof *w);
    w->scene = scene;
    w->compression = compression;
    assert_int_equal(np_keypair_generate(&w->daemon_keys), NP_OK);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(np_keypair_generate(&w->hog_keys[i]), NP_OK);
        memcpy(w->listed + i * NP_KEY_LEN, w->hog_keys[i].public_key, NP_KEY_LEN);
    }
    assert_int_equal(np_keypair_generate(&w->good_keys), NP_OK);
    memcpy(w->listed + 2 * NP_KEY_LEN, w->good_keys.public_key, NP_KEY_LEN);
    if (scene != BY_SOURCE_PLAIN) {
        options.security = np_security_default();
        options.security.identity = &w->daemon_keys;
        options.security.anyone = scene == BY_SOURCE_SECURE;
        options.security.keys = scene == BY_KEY ? w->listed : NULL;
        options.security.key_count = scene == BY_KEY ? 3 : 0;
    }
    options.conn.compression.preferred[0] = compression;
    options.handlers.on_close = on_close;
    options.handlers.user = w;
    loop_options.memory_max = MEMORY;
    demo_must(np_loop_new(&w->loop, &loop_options), NULL);
    demo_must(np_daemon_start(&w->daemon, w->loop, &options, NULL), NULL);
    w->port = blocking_port(np_daemon_address(w->daemon, 0));
    w->told =
        mmap(NULL, sizeof *w->told, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(w->told, MAP_FAILED);
}

static void end(world *w)
{
    np_daemon_free(w->daemon);
    assert_int_equal(np__loop_pool(w->loop)->live, 0);
    np_loop_free(w->loop);
    (void)munmap(w->told, sizeof *w->told);
}

/* Hogs -------------------------------------------------------------------------------------- */

/* Connects and sends a message of len bytes but for its end. False where it is not there any
 * more. */
static bool fill(const world *w, blocking_peer *hog, uint32_t source, const np_keypair *keys,
                 size_t len)
{
    static uint8_t data[HOG_LEN];
    static uint8_t dense[4 * MIB]; /* nothing to compress, and so much that it is unpacked */
    demo_say say = {{len < sizeof dense ? dense : data, len}};
    size_t queued = 0;
    np_keypair fresh;

    for (uint32_t i = 0, x = 1; i < sizeof dense && dense[sizeof dense - 1] == 0; i++) {
        x = x * 1664525 + 1013904223;
        dense[i] = (uint8_t)(x >> 24 | 1);
    }
    if (w->scene == BY_SOURCE_SECURE) { /* a key costs nothing */
        if (np_keypair_generate(&fresh) != NP_OK) {
            abort();
        }
        keys = &fresh;
    }
    if (!blocking_open(hog, w->port, source, w->scene == BY_SOURCE_PLAIN ? NULL : keys,
                       w->compression)) {
        return false;
    }
    if (np_session_send(&hog->s, demo_message_say, &say, NULL) != NP_OK) {
        abort();
    }
    queued = np_session_queued(&hog->s);
    if (!blocking_write(hog, 16)) {
        return false;
    }
    w->told->sent += queued;
    return true;
}

/* HOGS connections from each of `sources` addresses; then ever smaller ones, until next to nothing
 * is left; again wherever one was turned out, as long as the others need. */
static void be_hogs(const world *w, unsigned sources, bool stubborn)
{
    static blocking_peer hogs[10 * HOGS + FILLERS];
    size_t count = sources * HOGS + FILLERS;

    for (size_t i = 0; i < count; i++) {
        size_t filler = i < sources * HOGS ? 0 : i - sources * HOGS;
        size_t len = filler > 24 ? 600 : (2 * MIB) >> filler / 2;
        len = i < sources * HOGS ? (size_t)HOG_LEN : len;
        (void)fill(w, &hogs[i], (uint32_t)(HOG_SOURCE + i % sources), &w->hog_keys[0], len);
        w->told->filled += i < sources * HOGS;
        (void)usleep(filler > 0 ? 3000 : 0); /* one after the other */
    }
    w->told->full = true;
    while (!w->told->enough) {
        for (size_t i = 0; i < count && !w->told->enough; i++) {
            if (hogs[i].fd >= 0 && !blocking_poll(&hogs[i])) {
                w->told->turned_out++;
                blocking_fini(&hogs[i]);
                (void)fill(w, &hogs[i], (uint32_t)(HOG_SOURCE + i % sources), &w->hog_keys[0],
                           stubborn ? (size_t)HOG_LEN : 600);
            }
        }
        (void)usleep(1000);
    }
    for (size_t i = 0; i < count; i++) {
        blocking_fini(&hogs[i]);
    }
}

static pid_t start_hogs(const world *w, unsigned sources, bool stubborn)
{
    pid_t child = fork();

    if (child == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        be_hogs(w, sources, stubborn);
        _exit(0);
    }
    assert_true(child > 0);
    return child;
}

static void await(world *w, pid_t child)
{
    int status = 0;
    pid_t ended = 0;

    for (int ms = 0; ended == 0; ms++) {
        assert_true(ms < 60000);
        demo_rest(w->loop, 1);
        ended = waitpid(child, &status, WNOHANG);
    }
    assert_int_equal(ended, child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* A few good ones --------------------------------------------------------------------------- */

static np_client *new_client(world *w)
{
    np_client_options options = demo_client_options(&demo_echo, np_daemon_address(w->daemon, 0));
    np_client *client = NULL;

    if (w->scene != BY_SOURCE_PLAIN) {
        options.security = np_security_default();
        options.security.identity = &w->good_keys;
        options.security.keys = w->daemon_keys.public_key;
        options.security.key_count = 1;
    }
    options.conn.compression.preferred[0] = w->compression;
    demo_must(np_client_new(&client, w->loop, &options, NULL), NULL);
    return client;
}

static np_err take(const void *payload, size_t len, uint32_t version, void *user, np_fault *fault)
{
    demo_say found;

    (void)user;
    return demo_read_found(payload, len, version, &found, fault);
}

static np_err ask(np_client *client)
{
    demo_find find = {900};

    return np_client_call_wait(client, demo_message_find, &find, take, NULL, NULL);
}

/* Twenty idle ones are connected; the hogs come; each of the twenty is served, and so are ten who
 * come then. */
static void expect_unharmed(scene_kind scene, np_compression compression)
{
    np_client *good[GOOD];
    np_client *newcomers[NEWCOMERS];
    int lost = 0;
    pid_t child = 0;
    world w;

    start(&w, scene, compression);
    for (int i = 0; i < GOOD; i++) {
        good[i] = new_client(&w);
        demo_must(np_client_connect_wait(good[i], NULL), np_client_failure(good[i]));
    }
    child = start_hogs(&w, 1, false);
    for (int ms = 0; !w.told->full || w.evicted == 0; ms++) {
        assert_true(ms < 60000);
        demo_rest(w.loop, 1);
    }
    demo_rest(w.loop, 100); /* what is on its way comes */
    for (int i = 0; i < GOOD; i++) {
        lost += np_client_conn(good[i]) == NULL || ask(good[i]) != NP_OK;
    }
    for (int i = 0; i < NEWCOMERS; i++) {
        newcomers[i] = new_client(&w);
        lost += ask(newcomers[i]) != NP_OK;
    }
    print_message("%zu bytes sent, %zu of memory at most; %d of %d turned out, %d others lost\n",
                  w.told->sent, np__loop_pool(w.loop)->live_peak, w.evicted, HOGS + FILLERS, lost);
    assert_int_equal(lost, 0);
    assert_true(np__loop_pool(w.loop)->live_peak <= MEMORY);
    assert_true(np__loop_pool(w.loop)->live_peak > MEMORY / 2);
    assert_in_range(w.evicted, 1, HOGS + FILLERS);
    assert_string_equal(w.last.fault.where, "loop.memory_max");
    assert_in_range(w.last.fault.got, 1 * MIB, MEMORY);
    assert_int_equal(w.last.stage, NP_STAGE_LOCAL);
    if (w.last.fault.rule != NULL) { /* else it was the one who asked for more */
        assert_non_null(strstr(w.last.text, "loop.memory_max: who holds most gives way"));
        assert_non_null(strstr(w.last.text, "it held "));
    }
    w.told->enough = true;
    await(&w, child);
    for (int i = 0; i < GOOD; i++) {
        np_client_free(good[i]);
    }
    for (int i = 0; i < NEWCOMERS; i++) {
        np_client_free(newcomers[i]);
    }
    end(&w);
}

static void test_hogs_under_one_key(void **state)
{
    (void)state;
    expect_unharmed(BY_KEY, NP_COMPRESSION_NONE);
}

static void test_hogs_at_one_address(void **state)
{
    (void)state;
    expect_unharmed(BY_SOURCE_SECURE, NP_COMPRESSION_NONE);
    expect_unharmed(BY_SOURCE_PLAIN, NP_COMPRESSION_NONE);
}

/* Some thousand bytes each: they count as what they unpack to. */
static void test_hogs_that_compress(void **state)
{
    (void)state;
    expect_unharmed(BY_KEY, NP_COMPRESSION_ZSTD);
    expect_unharmed(BY_KEY, NP_COMPRESSION_LZ4);
    expect_unharmed(BY_SOURCE_PLAIN, NP_COMPRESSION_ZSTD);
}

/* Many good ones ---------------------------------------------------------------------------- */

enum { MANY = TEST_SANITIZED ? 16 : 54, ROUNDS = TEST_SANITIZED ? 3 : 10, SAY_LEN = 100000 };

static void say_and_hear(told_all *told, blocking_peer *peer, const demo_say *say)
{
    if (!peer->open || peer->closed ||
        np_session_send(&peer->s, demo_message_say, say, NULL) != NP_OK ||
        !blocking_read(peer, peer->messages + 1)) {
        told->lost++;
    } else {
        told->served++;
    }
}

static void be_good(const world *w)
{
    static blocking_peer peers[MANY];
    static uint8_t data[SAY_LEN];
    const demo_say say = {{data, sizeof data}};
    np_keypair keys;

    for (uint32_t i = 0; i < MANY; i++) {
        if (np_keypair_generate(&keys) != NP_OK) {
            abort();
        }
        (void)blocking_open(&peers[i], w->port, GOOD_SOURCE + i,
                            w->scene == BY_SOURCE_PLAIN ? NULL : &keys, NP_COMPRESSION_NONE);
    }
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < MANY; i++) {
            say_and_hear(w->told, &peers[i], &say);
        }
    }
    for (int i = 0; i < MANY; i++) {
        blocking_fini(&peers[i]);
    }
}

/* Ten sources of nine connections each fill the memory again and again, while others, a source
 * each, say and hear messages of 100 KB. */
static void test_ten_hogs_of_64_sources(void **state)
{
    pid_t hogs = 0;
    pid_t good = 0;
    world w;

    (void)state;
    start(&w, BY_SOURCE_SECURE, NP_COMPRESSION_NONE);
    hogs = start_hogs(&w, 10, true);
    for (int ms = 0; w.evicted < HOGS; ms++) {
        assert_true(ms < 60000);
        demo_rest(w.loop, 1);
    }
    good = fork();
    if (good == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        be_good(&w);
        _exit(0);
    }
    assert_true(good > 0);
    await(&w, good);
    w.told->enough = true;
    await(&w, hogs);
    print_message("%d messages came and went, %d were lost; %d hogs were turned out\n",
                  w.told->served, w.told->lost, w.evicted);
    assert_int_equal(w.told->lost, 0);
    assert_int_equal(w.told->served, MANY * ROUNDS);
    assert_true(np__loop_pool(w.loop)->live_peak <= MEMORY);
    end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hogs_under_one_key),
        cmocka_unit_test(test_hogs_at_one_address),
        cmocka_unit_test(test_hogs_that_compress),
        cmocka_unit_test(test_ten_hogs_of_64_sources),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
