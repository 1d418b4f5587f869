/* `netproto serve`, `call`, `ping`, `bench` and `handshake` over secure sessions, as a user runs
 * them: keys from `netproto keygen`, TCP and unix sockets, and every way to be refused. */
#include "support/bad_peer.h"
#include "support/key_folder.h"
#include "support/sanitized.h"
#include "support/tool_runner.h"

#include <netproto/security.h>

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <fcntl.h>
#include <limits.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include <base.h>

#define ECHO "Echo", "{\"text\":\"hello\"}"
#define ECHO_JSON "{\"Echo\":{\"text\":\"hello\"}}\n"
#define CONFIG "home/.config/netproto/"

/* Public keys, as `netproto key` prints them. */
static char server_key[NP_KEY_TEXT_LEN], client_key[NP_KEY_TEXT_LEN], other_key[NP_KEY_TEXT_LEN];
static char address[128];

static const char *path(const char *name)
{
    return key_folder_path(name);
}

static void write_text(const char *name, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void write_text(const char *name, const char *format, ...)
{
    char text[1024];
    va_list args;

    va_start(args, format);
    int len = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    key_folder_write(name, 0600, text, (size_t)len);
}

static void make_key(const char *file, char text[NP_KEY_TEXT_LEN])
{
    expect(RUN("keygen", "--out", path(file)), 0, NULL);
    const tool_result *r = RUN("key", path(file));
    expect(r, 0, NULL);
    assert_int_equal(r->out_len, NP_KEY_TEXT_LEN);
    snprintf(text, NP_KEY_TEXT_LEN, "%.*s", NP_KEY_TEXT_LEN - 1, r->out);
}

/* HOME is the test's folder, with the default files of a user that has run keygen twice. */
static int make_things(void **state)
{
    if (key_folder_make(state) != 0 || tool_runner_setup(state) != 0 ||
        mkdir(path("home"), 0755) != 0 || setenv("HOME", path("home"), 1) != 0 ||
        unsetenv("XDG_CONFIG_HOME") != 0 || mkdir(path("empty"), 0755) != 0) {
        return -1;
    }
    expect(RUN("keygen"), 0, NULL);
    expect(RUN("keygen", "--server"), 0, NULL);
    make_key("other.key", other_key);
    const tool_result *r = RUN("key");
    snprintf(client_key, sizeof client_key, "%.*s", NP_KEY_TEXT_LEN - 1, r->out);
    r = RUN("key", "--server");
    snprintf(server_key, sizeof server_key, "%.*s", NP_KEY_TEXT_LEN - 1, r->out);
    write_text(CONFIG "authorized_keys", "# who may come in\n%s a client\n", client_key);
    return 0;
}

static int remove_things(void **state)
{
    int failed = tool_runner_teardown(state);

    return key_folder_remove(state) != 0 || failed ? -1 : 0;
}

static void set_home(const char *name)
{
    assert_int_equal(setenv("HOME", path(name), 1), 0);
}

#define SERVE(...)                                                                                 \
    tool_start_server(address, sizeof address, (const char *const[]){"serve", __VA_ARGS__, NULL})

static void stop(pid_t pid)
{
    assert_int_equal(kill(pid, SIGTERM), 0);
    assert_int_equal(tool_wait(pid, NULL), 0);
}

/* Where servers of these tests listen, in turn. */
static const char *place(int i)
{
    static char unix_place[160];

    snprintf(unix_place, sizeof unix_place, "unix://%s", path("socket"));
    return i == 0 ? "tcp://127.0.0.1:0" : unix_place;
}

#define PLACES 2

static void forget_hosts(void)
{
    (void)unlink(path(CONFIG "known_hosts"));
}

/* What works ----------------------------------------------------------------------------------- */

static void test_all_commands(void **state)
{
    char line[96];
    (void)state;

    for (int i = 0; i < PLACES; i++) {
        pid_t pid = SERVE(place(i));
        snprintf(line, sizeof line, "key %s\n", server_key);
        tool_server_expect(line);
        expect(RUN("call", "--peer", server_key, address, ECHO), 0, ECHO_JSON);
        const tool_result *r = RUN("ping", "-c", "2", "-i", "1", "--peer", server_key, address);
        expect(r, 0, NULL);
        assert_non_null(strstr(r->out, "seq=2 time="));
        r = RUN("bench", "-n", "1", "-c", "3", "-d", "4", "--peer", server_key, address);
        expect(r, 0, NULL);
        assert_non_null(strstr(r->out, " round trips in 1."));
        /* By a file of known hosts, the default one and another. */
        write_text(CONFIG "known_hosts", "%s %s\n", address, server_key);
        expect(RUN("call", address, ECHO), 0, ECHO_JSON);
        forget_hosts();
        write_text("hosts", "%s %s\n", address, server_key);
        expect(RUN("call", "--known-hosts", path("hosts"), address, ECHO), 0, ECHO_JSON);
        assert_int_equal(access(path(CONFIG "known_hosts"), F_OK), -1);
        stop(pid);
    }
}

/* What holds keys leaves no core, however much the one who started it would like one. */
static void test_no_core(void **state)
{
    struct rlimit before, core;
    (void)state;
    assert_int_equal(getrlimit(RLIMIT_CORE, &before), 0);
    core = (struct rlimit){before.rlim_max, before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_CORE, &core), 0);
    for (int i = 0; i < 2; i++) {
        bool secure = i == 0;
        pid_t pid = SERVE(secure ? "--anyone" : "--plaintext", place(0));
        assert_int_equal(prlimit(pid, RLIMIT_CORE, NULL, &core), 0);
        if (secure || !TEST_SANITIZED) { /* a sanitizer wants no core, either */
            assert_int_equal(core.rlim_cur, secure ? 0 : before.rlim_max);
        }
        assert_int_equal(core.rlim_max, before.rlim_max);
        stop(pid);
    }
    assert_int_equal(setrlimit(RLIMIT_CORE, &before), 0);
}

/* Nor where the limit does not count, as when the system hands cores to a program: here it is
 * raised again from outside. */
static void test_no_core_without_a_limit(void **state)
{
    struct rlimit core;
    int status = 0;
    (void)state;

    pid_t pid = SERVE("--anyone", place(0));
    assert_int_equal(getrlimit(RLIMIT_CORE, &core), 0);
    core.rlim_cur = core.rlim_max;
    assert_int_equal(prlimit(pid, RLIMIT_CORE, &core, NULL), 0);
    assert_int_equal(kill(pid, SIGQUIT), 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
    assert_false(WCOREDUMP(status));
}

/* A pipe that is full: who writes to it waits, and can be looked at. */
static int full_pipe(const char *name)
{
    char bytes[4096] = {0};
    int fd = mkfifo(path(name), 0600) == 0 ? open(path(name), O_RDWR | O_NONBLOCK) : -1;

    assert_true(fd >= 0);
    while (write(fd, bytes, sizeof bytes) > 0) {
    }
    return fd;
}

/* So do those that only look at a key, or make one. */
static void test_no_core_of_key_and_keygen(void **state)
{
    static const char *const commands[][4] = {{"key"}, {"keygen", "--psk"}};
    struct rlimit before, core;
    char bytes[4096];
    (void)state;

    assert_int_equal(getrlimit(RLIMIT_CORE, &before), 0);
    core = (struct rlimit){before.rlim_max, before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_CORE, &core), 0);
    for (size_t i = 0; i < 2; i++) {
        int fd = full_pipe("full");
        pid_t pid = tool_start_into(path("full"), commands[i]);
        for (int tries = 0; tries < 1000; tries++) {
            assert_int_equal(prlimit(pid, RLIMIT_CORE, NULL, &core), 0);
            if (core.rlim_cur == 0) {
                break;
            }
            usleep(10000);
        }
        while (read(fd, bytes, sizeof bytes) > 0) { /* until there is room */
        }
        assert_int_equal(core.rlim_cur, 0);
        assert_int_equal(tool_wait(pid, NULL), 0);
        assert_int_equal(close(fd), 0);
        assert_int_equal(unlink(path("full")), 0);
    }
    assert_int_equal(setrlimit(RLIMIT_CORE, &before), 0);
}

/* A server bounds how many handshakes one address may begin at once; bench waits for its turn. */
static void test_bench_of_many(void **state)
{
    (void)state;
    pid_t pid = SERVE("--anyone", place(0));
    const tool_result *r =
        RUN("bench", "-c", "500", "-n", "1", "-t", "60000", "--peer", server_key, address);
    expect(r, 0, NULL);
    assert_memory_equal(r->out, "500 connections,", 16);
    stop(pid);
}

/* Each side by files that are named, without any default one. */
static void test_named_files(void **state)
{
    (void)state;
    set_home("empty");
    write_text("clients", "%s\n", other_key);
    char *server = strdup(path(CONFIG "server.key"));
    for (int i = 0; i < PLACES; i++) {
        pid_t pid = SERVE("--key", server, "--authorized", path("clients"), place(i));
        expect(RUN("call", "--key", path("other.key"), "--peer", server_key, address, ECHO), 0,
               ECHO_JSON);
        stop(pid);
    }
    free(server);
    set_home("home");
}

static void test_plugin(void **state)
{
    char line[96];
    (void)state;

    pid_t pid =
        SERVE("-p", tool_plugin, "--anyone", place(0), "-a", "Find={\"name\":\"bob\",\"age\":7}");
    snprintf(line, sizeof line, "{\"key\":\"%s\"}\n", server_key);
    tool_server_expect(line);
    expect(RUN_IN("{\"Join\":{\"name\":\"ann\"}}\n{\"Find\":{\"name\":\"x\"}}\n", "-p", tool_plugin,
                  "call", "--peer", server_key, "--key", path("other.key"), address, "-"),
           0, "{\"Find\":{\"name\":\"bob\",\"age\":7,\"note\":null}}\n");
    stop(pid);
}

static void expect_in(const char *text, const char *words)
{
    if (strstr(text, words) == NULL) {
        fail_msg("\"%s\" is not in: %s", words, text);
    }
}

static void test_handshake(void **state)
{
    char words[256], digest[65];
    (void)state;

    for (int i = 0; i < 32; i++) {
        snprintf(digest + 2 * i, 3, "%02x", base_protocol.digests[0][i]);
    }
    for (int i = 0; i < PLACES; i++) {
        pid_t pid = SERVE(place(i));
        const tool_result *r = RUN("handshake", "--peer", server_key, address);
        expect(r, 0, NULL);
        expect_in(r->out, "resolve: the address is known   ");
        expect_in(r->out, "connect: the transport stands   ");
        expect_in(r->out, "handshake: the server has proved its key   ");
        expect_in(r->out, "the session is open   ");
        expect_in(r->out, "protocol        base, version 1\n");
        expect_in(r->out, "cipher          ");
        expect_in(r->out, np_cipher_name(np_cipher_is_available(NP_CIPHER_AES_256_GCM)
                                             ? NP_CIPHER_AES_256_GCM
                                             : NP_CIPHER_XCHACHA20_POLY1305));
        expect_in(r->out, digest);
        r = RUN("handshake", "--json", "--peer", server_key, address);
        expect(r, 0, NULL);
        snprintf(words, sizeof words,
                 "{\"address\":\"%s\",\"secure\":true,\"stages\":[{\"stage\":"
                 "\"resolve\",\"ns\":",
                 address);
        assert_memory_equal(r->out, words, strlen(words));
        expect_in(r->out, "},{\"stage\":\"connect\",\"ns\":");
        expect_in(r->out, "},{\"stage\":\"peer_key\",\"ns\":");
        expect_in(r->out, "},{\"stage\":\"open\",\"ns\":");
        snprintf(words, sizeof words, "\"peer_key\":\"%s\",\"own_key\":\"%s\"", server_key,
                 client_key);
        expect_in(r->out, words);
        expect_in(r->out, "\"protocol\":\"base\",\"version\":1,\"digest\":\"");
        expect_in(r->out, digest);
        stop(pid);
    }
    pid_t pid = SERVE("--plaintext", place(0));
    const tool_result *r = RUN("handshake", "--plaintext", address);
    expect(r, 0, NULL);
    expect_in(r->out, "plain text      no keys and no secrecy\n");
    assert_null(strstr(r->out, "np1:"));
    assert_null(strstr(tool_server_out(), "np1:"));
    r = RUN("handshake", "--json", "--plaintext", address);
    expect(r, 0, NULL);
    expect_in(r->out, "\"secure\":false");
    stop(pid);
    /* However far it came. */
    r = RUN("handshake", "--peer", server_key, address);
    expect_words(r, 4, "connect");
    expect_in(r->out, "resolve: the address is known   ");
    assert_null(strstr(r->out, "transport"));
}

/* Nothing is opened ---------------------------------------------------------------------------- */

/* A socket that somebody listens on, to see that nobody comes. */
static int listen_at(const char *file)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);

    snprintf(name.sun_path, sizeof name.sun_path, "%s", file);
    (void)unlink(file);
    assert_int_equal(bind(fd, (const struct sockaddr *)&name, sizeof name), 0);
    assert_int_equal(listen(fd, 4), 0);
    return fd;
}

/* The cipher that handshake was told, or all that serve has to choose from. */
static void test_cipher(void **state)
{
    bool aes = np_cipher_is_available(NP_CIPHER_AES_256_GCM);
    const tool_result *r;
    pid_t pid;
    (void)state;

    pid = SERVE(place(0));
    r = RUN("handshake", "--cipher", "xchacha20-poly1305", "--peer", server_key, address);
    expect(r, 0, NULL);
    expect_in(r->out, "cipher          XChaCha20-Poly1305\n");
    if (aes) {
        r = RUN("handshake", "--cipher", "AES-256-GCM", "--peer", server_key, address);
        expect(r, 0, NULL);
        expect_in(r->out, "cipher          AES-256-GCM\n");
    } else {
        expect_words(RUN("ping", "--cipher", "aes-256-gcm", "x"), 2, "no instructions for it");
    }
    stop(pid);
    pid = SERVE("--cipher", "xchacha20-poly1305", place(0));
    r = RUN("handshake", "--peer", server_key, address);
    expect(r, 0, NULL);
    expect_in(r->out, "cipher          XChaCha20-Poly1305\n");
    if (aes) {
        r = RUN("call", "--cipher", "aes-256-gcm", "--peer", server_key, address, ECHO);
        expect_words(r, 5, "no cipher in common: the peer offers XChaCha20-Poly1305");
        expect_words(r, 5, "--cipher on both sides names the ciphers");
    }
    stop(pid);
}

static void test_client_without_keys(void **state)
{
    char at[160];
    int fd = listen_at(path("watched"));
    (void)state;

    snprintf(at, sizeof at, "unix://%s", path("watched"));
    set_home("empty");
    static const char *const commands[] = {"ping", "bench", "handshake"};
    for (size_t i = 0; i < 3; i++) {
        expect_words(RUN(commands[i], at), 14, "netproto: keys: ");
        expect_words(RUN(commands[i], at), 14,
                     "client.key: it cannot be opened (No such file or directory); run netproto "
                     "keygen\n");
    }
    expect_words(RUN("call", at, ECHO), 14, "; run netproto keygen\n");
    expect_words(RUN("call", "--key", path("none.key"), at, ECHO), 14,
                 "none.key: it cannot be opened (No such file or directory); netproto keygen --out "
                 "FILE makes one");
    set_home("home");
    assert_int_equal(chmod(path("other.key"), 0640), 0);
    expect_words(RUN("call", "--key", path("other.key"), at, ECHO), 14,
                 "others may use it (mode 0640), though it holds a secret: chmod 600");
    assert_int_equal(chmod(path("other.key"), 0600), 0);
    write_text("bad_hosts", "x\n");
    expect_words(RUN("call", "--known-hosts", path("bad_hosts"), at, ECHO), 14,
                 "keys: /tmp/np-keys");
    assert_int_equal(accept(fd, NULL, NULL), -1);
    assert_int_equal(close(fd), 0);
}

/* A home that is no folder has no files, either; in one that is closed nobody knows. */
static void test_home_that_is_none(void **state)
{
    static const char advice[] = "no option named that file, it is the default one: set HOME or "
                                 "XDG_CONFIG_HOME to a folder that is yours";
    char own[PATH_MAX], home[PATH_MAX];
    (void)state;

    snprintf(own, sizeof own, "%s", path(CONFIG "client.key"));
    pid_t pid = SERVE("--anyone", place(0));
    assert_int_equal(setenv("HOME", "/dev/null", 1), 0);
    expect(RUN("call", "--key", own, "--peer", server_key, address, ECHO), 0, ECHO_JSON);
    expect_words(RUN("call", "--peer", server_key, address, ECHO), 14, "; run netproto keygen\n");
    expect_words(RUN("key"), 14, "; netproto keygen makes one");
    /* Root may look everywhere. */
    snprintf(home, sizeof home, "%s", path("closed"));
    assert_int_equal(mkdir(home, 0), 0);
    assert_int_equal(setenv("HOME", home, 1), 0);
    if (geteuid() != 0) {
        expect_words(RUN("call", "--key", own, "--peer", server_key, address, ECHO), 14, advice);
        expect_words(RUN("ping", address), 14, advice);
    }
    assert_int_equal(rmdir(home), 0);
    set_home("home");
    stop(pid);
}

static void test_server_without_a_choice(void **state)
{
    char at[160];
    (void)state;

    snprintf(at, sizeof at, "unix://%s", path("never"));
    set_home("empty");
    expect_words(RUN("serve", "--anyone", at), 14, "; run netproto keygen --server\n");
    char *key = strdup(path(CONFIG "server.key"));
    expect_words(RUN("serve", "--key", key, at), 14, "authorized_keys: it cannot be opened");
    expect_words(RUN("serve", "--key", key, at), 14, "or let every client in by --anyone");
    free(key);
    set_home("home");
    write_text("nobody", "# nobody yet\n");
    expect_words(RUN("serve", "--authorized", path("nobody"), at), 14,
                 "nobody: it holds no key, so nobody could come in");
    assert_int_equal(chmod(path(CONFIG "server.key"), 0644), 0);
    expect_words(RUN("serve", at), 14, "others may use it (mode 0644)");
    assert_int_equal(chmod(path(CONFIG "server.key"), 0600), 0);
    expect_words(RUN("serve", "--psk", path("none"), at), 14, "netproto keygen --psk --out FILE");
    assert_int_equal(access(path("never"), F_OK), -1);
}

static void test_options_that_do_not_fit(void **state)
{
    (void)state;
    expect_words(RUN("call", "--plaintext", "--peer", server_key, "x", ECHO), 2,
                 "--plaintext does not go with --peer");
    expect_words(RUN("ping", "--plaintext", "--cipher", "aes-256-gcm", "x"), 2,
                 "--plaintext does not go with --cipher");
    expect_words(RUN("bench", "--cipher", "rot13", "x"), 2,
                 "--cipher takes aes-256-gcm or xchacha20-poly1305");
    expect_words(RUN("serve", "--plaintext", "--anyone", "x"), 2,
                 "--plaintext does not go with --anyone");
    expect_words(RUN("serve", "--anyone", "--authorized", "x", "x"), 2,
                 "--anyone does not go with --authorized");
    expect_words(RUN("ping", "--peer", server_key, "--known-hosts", "x", "x"), 2,
                 "--peer does not go with --known-hosts");
    expect_words(RUN("bench", "--peer", "np1:short", "x"), 2, "--peer takes a public key, np1:");
    expect_words(RUN("call", "--anyone", "x", ECHO), 2, "usage: netproto call");
    expect_words(RUN("serve", "--peer", server_key, "x"), 2, "usage: netproto serve");
    expect_words(RUN("handshake"), 2, "it takes one address");
    expect_words(RUN("handshake", "nix"), 2, "address nix");
}

/* Refused in the handshake --------------------------------------------------------------------- */

static void expect_both_keys(const tool_result *r, const char *old)
{
    char words[160];

    snprintf(words, sizeof words, "  expected: %s\n  shown:    %s\n", old, server_key);
    expect_words(r, 15, words);
    expect_words(r, 15, "a man in the middle");
    assert_string_equal(r->out, "");
}

static void test_server_is_another(void **state)
{
    char words[256];
    (void)state;

    for (int i = 0; i < PLACES; i++) {
        pid_t pid = SERVE("--anyone", "-v", place(i));
        const tool_result *r = RUN("call", "--peer", other_key, address, ECHO);
        expect_words(r, 15, "HAS ANOTHER KEY THAN --peer SAYS");
        expect_both_keys(r, other_key);
        expect_both_keys(RUN("bench", "--peer", other_key, address), other_key);

        write_text("hosts", "# met\n%s %s\n", address, other_key);
        r = RUN("ping", "--known-hosts", path("hosts"), address);
        snprintf(words, sizeof words, "THE KEY OF %s HAS CHANGED", address);
        expect_words(r, 15, words);
        expect_both_keys(r, other_key);
        snprintf(words, sizeof words, "remove line 2 of\n%s and connect again", path("hosts"));
        expect_words(r, 15, words);
        /* The server has not learnt who asked. */
        assert_null(strstr(tool_server_err(), client_key));
        stop(pid);
    }
}

static void test_unknown_server_without_a_terminal(void **state)
{
    char words[128];
    (void)state;

    pid_t pid = SERVE("--anyone", place(0));
    forget_hosts();
    const tool_result *r = RUN("call", address, ECHO);
    expect_words(r, 15, "and there is no terminal to ask at");
    snprintf(words, sizeof words, "add --peer %s\n", server_key);
    expect_words(r, 15, words);
    assert_int_equal(access(path(CONFIG "known_hosts"), F_OK), -1);
    stop(pid);
}

static void test_client_is_not_let_in(void **state)
{
    char words[128];
    (void)state;

    for (int i = 0; i < PLACES; i++) {
        pid_t pid = SERVE(place(i));
        const tool_result *r =
            RUN("call", "--key", path("other.key"), "--peer", server_key, address, ECHO);
        expect_words(r, 9, ": the peer refused; the server does not know our key");
        snprintf(words, sizeof words, "have our key added to the server's authorized keys: %s\n",
                 other_key);
        expect_words(r, 9, words);
        assert_null(strstr(r->err, "in the clear"));
        expect_words(RUN("call", "--plaintext", address, ECHO), 9, "--plaintext");
        stop(pid);
    }
}

/* Somebody in between can say that we are refused, but not that the server says so. */
static void test_a_refusal_by_somebody_in_between(void **state)
{
    static const char *const commands[] = {"call", "ping", "handshake"};
    char server[sizeof address];
    char between[64];
    char words[128];
    (void)state;

    pid_t pid = SERVE(place(0));
    memcpy(server, address, sizeof server);
    pid_t peer = bad_peer_start(BAD_PEER_REFUSING, server, between, sizeof between);
    snprintf(words, sizeof words, "Our key is %s\n", client_key);
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        const tool_result *r = i == 0 ? RUN("call", "--peer", server_key, between, ECHO)
                                      : RUN(commands[i], "--peer", server_key, between);
        expect_words(r, 9, "in the clear, so anybody may have sent it");
        expect_words(r, 9, words);
        assert_null(strstr(r->err, "authorized"));
        assert_null(strstr(r->err, "does not know"));
        assert_null(strstr(r->err, "believe"));
    }
    bad_peer_stop(peer);
    expect(RUN("call", "--peer", server_key, server, ECHO), 0, ECHO_JSON);
    stop(pid);
}

static void test_our_own_key(void **state)
{
    (void)state;
    pid_t pid = SERVE("--anyone", place(0));
    char *key = strdup(path(CONFIG "server.key"));
    expect_words(RUN("call", "--key", key, "--peer", server_key, address, ECHO), 15,
                 "the peer has our own key: each side needs a key file of its own");
    free(key);
    stop(pid);
}

static void test_server_is_plain(void **state)
{
    (void)state;
    for (int i = 0; i < PLACES; i++) {
        pid_t pid = SERVE("--plaintext", place(i));
        const tool_result *r = RUN("call", "--peer", server_key, address, ECHO);
        expect_words(r, 5, "is it set to plaintext?");
        assert_null(strstr(r->err, "--protocol"));
        stop(pid);
    }
}

/* Pre-shared keys ------------------------------------------------------------------------------ */

#define PSK "npsk1:AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA"
#define OTHER_PSK "npsk1:AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyE"

static void test_pre_shared_keys(void **state)
{
    char words[160], claim[160];
    (void)state;

    snprintf(claim, sizeof claim,
             "the pre-shared keys differ, or somebody in between changes the bytes; it is a client "
             "who claims to be %s",
             client_key);
    snprintf(words, sizeof words,
             "hello: it came with no pre-shared key, though there is one for the client %s; both "
             "sides need the same, or none",
             client_key);
    write_text("server_psks", "%s %s\n", client_key, PSK);
    write_text("psks", "%s %s\n", server_key, PSK);
    write_text("wrong_psks", "%s %s\n", server_key, OTHER_PSK);
    write_text("other_psks", "%s %s\n", other_key, PSK);
    for (int i = 0; i < PLACES; i++) {
        pid_t pid = SERVE("--psk", path("server_psks"), "-v", place(i));
        const tool_result *r =
            RUN("handshake", "--psk", path("psks"), "--peer", server_key, address);
        expect(r, 0, NULL);
        expect_in(r->out, "pre-shared key  yes\n");
        expect(RUN("call", "--psk", path("psks"), "--peer", server_key, address, ECHO), 0,
               ECHO_JSON);
        r = RUN("call", "--psk", path("wrong_psks"), "--peer", server_key, address, ECHO);
        expect_words(r, 9, "in the clear, so anybody may have sent it");
        expect_words(r, 9, "does it have the same pre-shared key");
        r = RUN("call", "--peer", server_key, address, ECHO);
        expect_words(r, 9, "perhaps only one side has a pre-shared key for the other");
        expect_words(r, 9, "does it have the same pre-shared key");
        r = RUN("call", "--psk", path("other_psks"), "--peer", server_key, address, ECHO);
        expect_words(r, 14, "it has no pre-shared key for the server");
        assert_int_equal(chmod(path("psks"), 0604), 0);
        r = RUN("call", "--psk", path("psks"), "--peer", server_key, address, ECHO);
        expect_words(r, 14, "others may use it (mode 0604)");
        assert_int_equal(chmod(path("psks"), 0600), 0);
        stop(pid);
        expect_in(tool_server_err(), words);
        expect_in(tool_server_err(), claim);
    }
    /* A default file counts without being named; a server without a line is none for it. */
    write_text(CONFIG "pre_shared_keys", "%s %s\n%s %s\n", server_key, PSK, client_key, PSK);
    pid_t pid = SERVE(place(0));
    const tool_result *r = RUN("handshake", "--json", "--peer", server_key, address);
    expect(r, 0, NULL);
    expect_in(r->out, "\"pre_shared_key\":true");
    stop(pid);
    assert_int_equal(unlink(path(CONFIG "pre_shared_keys")), 0);
}

/* What keygen makes for the two sides, they can talk with. */
static void test_made_pre_shared_keys(void **state)
{
    (void)state;

    const tool_result *r = RUN("keygen", "--psk", "--out", path("made"), "--other",
                               path("made_server"), server_key, client_key);
    expect(r, 0, NULL);
    pid_t pid = SERVE("--psk", path("made_server"), place(0));
    r = RUN("handshake", "--psk", path("made"), "--peer", server_key, address);
    expect(r, 0, NULL);
    expect_in(r->out, "pre-shared key  yes\n");
    stop(pid);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_commands),
        cmocka_unit_test(test_no_core),
        cmocka_unit_test(test_no_core_without_a_limit),
        cmocka_unit_test(test_no_core_of_key_and_keygen),
        cmocka_unit_test(test_bench_of_many),
        cmocka_unit_test(test_named_files),
        cmocka_unit_test(test_plugin),
        cmocka_unit_test(test_handshake),
        cmocka_unit_test(test_cipher),
        cmocka_unit_test(test_client_without_keys),
        cmocka_unit_test(test_home_that_is_none),
        cmocka_unit_test(test_server_without_a_choice),
        cmocka_unit_test(test_options_that_do_not_fit),
        cmocka_unit_test(test_server_is_another),
        cmocka_unit_test(test_unknown_server_without_a_terminal),
        cmocka_unit_test(test_client_is_not_let_in),
        cmocka_unit_test(test_a_refusal_by_somebody_in_between),
        cmocka_unit_test(test_our_own_key),
        cmocka_unit_test(test_server_is_plain),
        cmocka_unit_test(test_pre_shared_keys),
        cmocka_unit_test(test_made_pre_shared_keys),
    };

    return cmocka_run_group_tests(tests, make_things, remove_things);
}
