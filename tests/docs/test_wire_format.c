/* The bytes in docs/wire-format.md: they are sent to a daemon that speaks examples/chat, and what
 * comes back is what the page says. Uses the public interface only. */
#include "chat_service.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include <netproto/base.h>
#include <netproto/daemon.h>

#define PAGE "docs/wire-format.md"
#define EXAMPLE_MAX 256
#define BODY_LEN 100000u
#define FRAGMENT_LEN 65536u

/* An example of the page. */
typedef struct example {
    uint8_t bytes[EXAMPLE_MAX];
    bool known[EXAMPLE_MAX]; /* false: the page shows ".." */
    size_t len;
    bool open; /* ends in "...": more may follow */
} example;

static void read_line(example *e, char *line)
{
    char *bar = strchr(line, '|');

    if (bar == NULL) {
        fail_msg("%s: a line without |: %s", PAGE, line);
    }
    *bar = '\0';
    for (char *word = strtok(line, " "); word != NULL; word = strtok(NULL, " ")) {
        if (strcmp(word, "...") == 0) {
            e->open = true;
            continue;
        }
        assert_int_equal(strlen(word), 2);
        assert_true(e->len < EXAMPLE_MAX);
        e->known[e->len] = strcmp(word, "..") != 0;
        e->bytes[e->len++] = (uint8_t)strtoul(word, NULL, 16);
    }
}

/* The example of that name. */
static example read_example(const char *name)
{
    example e = {.len = 0};
    char mark[64];
    char line[256];
    bool found = false;
    bool inside = false;
    FILE *page = fopen(PAGE, "re");

    assert_non_null(page);
    (void)snprintf(mark, sizeof mark, "<!-- bytes: %s -->\n", name);
    while (fgets(line, sizeof line, page) != NULL) {
        if (strcmp(line, mark) == 0) {
            found = true;
        } else if (found && strncmp(line, "```", 3) == 0) {
            if (inside) {
                break;
            }
            inside = true;
        } else if (inside) {
            read_line(&e, line);
        }
    }
    (void)fclose(page);
    if (e.len == 0) {
        fail_msg("%s has no example %s", PAGE, name);
    }
    return e;
}

static void compare(const char *name, const uint8_t *bytes, size_t len)
{
    example e = read_example(name);

    for (size_t i = 0; i < e.len && i < len; i++) {
        if (e.known[i] && e.bytes[i] != bytes[i]) {
            fail_msg("%s, %s: byte %zu is %02x on the page, %02x on the wire", PAGE, name, i,
                     e.bytes[i], bytes[i]);
        }
    }
    if (len < e.len || (len > e.len && !e.open)) {
        fail_msg("%s, %s: %zu bytes on the page, %zu on the wire", PAGE, name, e.len, len);
    }
}

/* The daemon ------------------------------------------------------------------------------- */

static np_err on_join(np_conn *conn, np_call call, const chat_join *msg, void *user)
{
    chat_joined joined = {.people = 1};

    (void)conn;
    (void)user;
    return np_str_equal(msg->name, np_str_from("ann")) ? chat_join_reply(call, &joined, NULL)
                                                       : NP_ERR_ARG;
}

static np_err on_say(np_conn *conn, const chat_say *msg, void *user)
{
    (void)user;
    return chat_say_send(conn, msg, NULL);
}

static np_err on_blob(np_conn *conn, const chat_blob *msg, void *user)
{
    (void)user;
    return chat_blob_send(conn, msg, NULL);
}

static np_err on_news(np_conn *conn, const chat_news *msg, void *user)
{
    (void)user;
    return chat_news_send(conn, msg, NULL);
}

static np_err on_find(np_conn *conn, np_call call, const chat_find *msg, void *user)
{
    chat_person person = {.name = msg->name,
                          .room = np_str_from("garden"),
                          .presence = {.tag = CHAT_PRESENCE_ONLINE},
                          .says = 3};

    (void)conn;
    (void)user;
    if (!np_str_equal(msg->name, np_str_from("ann"))) {
        return np_call_fail(call, BASE_REASON_REFUSED, 404, np_str_from("nobody has that name"));
    }
    return chat_find_reply(call, &person, NULL);
}

typedef struct world {
    np_loop *loop;
    np_daemon *daemon;
    char name[64]; /* of the daemon's socket in the abstract namespace */
    char address[80];
    int fd; /* our end of a connection to it */
} world;

static int raw_socket(const char *name, struct sockaddr_un *un, socklen_t *len)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    memset(un, 0, sizeof *un);
    un->sun_family = AF_UNIX;
    (void)snprintf(un->sun_path + 1, sizeof un->sun_path - 1, "%s", name);
    *len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(name));
    return fd;
}

static int raw_connect(const world *w)
{
    struct sockaddr_un un;
    socklen_t len = 0;
    int fd = raw_socket(w->name, &un, &len);

    assert_int_equal(connect(fd, (const struct sockaddr *)&un, len), 0);
    return fd;
}

static int set_up(void **state)
{
    static const chat_handlers handlers = {.on_join = on_join,
                                           .on_say = on_say,
                                           .on_find = on_find,
                                           .on_blob = on_blob,
                                           .on_news = on_news};
    world *w = calloc(1, sizeof *w);
    np_daemon_options options = np_daemon_options_default();
    const char *addresses[] = {w->address};

    options.security.plaintext = true;
    options.conn.compression.preferred[0] = NP_COMPRESSION_LZ4;
    (void)snprintf(w->name, sizeof w->name, "netproto-wire-format-%d", (int)getpid());
    (void)snprintf(w->address, sizeof w->address, "unix://@%s", w->name);
    options.addresses = addresses;
    options.address_count = 1;
    options.service = chat_service(&handlers);
    assert_int_equal(np_loop_new(&w->loop, NULL), NP_OK);
    assert_int_equal(np_daemon_start(&w->daemon, w->loop, &options, NULL), NP_OK);
    w->fd = raw_connect(w);
    *state = w;
    return 0;
}

static int tear_down(void **state)
{
    world *w = *state;

    (void)close(w->fd);
    np_daemon_free(w->daemon);
    np_loop_free(w->loop);
    free(w);
    return 0;
}

static void run_loop(np_loop *loop)
{
    static const bool never = false;

    assert_int_equal(np_loop_run_until(loop, &never, 2), NP_ERR_DEADLINE);
}

static void send_bytes(const world *w, const void *bytes, size_t len)
{
    const uint8_t *at = bytes;

    while (len > 0) {
        ssize_t sent = send(w->fd, at, len, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent > 0) {
            at += sent;
            len -= (size_t)sent;
        } else {
            assert_true(errno == EAGAIN);
            run_loop(w->loop);
        }
    }
}

static void send_example(const world *w, const char *name)
{
    example e = read_example(name);

    send_bytes(w, e.bytes, e.len);
}

/* One whole frame from the daemon; it has five seconds for it. Returns its length. */
static size_t receive_frame(const world *w, uint8_t *frame, size_t cap)
{
    size_t have = 0;
    size_t want = BASE_FRAME_HEADER_LEN;
    base_frame head = {.length = 0};

    for (int turns = 0; turns < 2500 && have < want; turns++) {
        ssize_t got = recv(w->fd, frame + have, want - have, MSG_DONTWAIT);
        if (got > 0) {
            have += (size_t)got;
        } else {
            run_loop(w->loop);
        }
        if (have == BASE_FRAME_HEADER_LEN && want == have) {
            assert_int_equal(base_frame_read(&head, frame, NULL), NP_OK);
            want += head.length;
            assert_true(want <= cap);
        }
    }
    assert_int_equal(have, want);
    return have;
}

static void expect(const world *w, const char *name)
{
    uint8_t frame[1024];
    size_t len = receive_frame(w, frame, sizeof frame);

    compare(name, frame, len);
}

/* Tests ------------------------------------------------------------------------------------ */

/* A client of the library begins as the page says. */
static void compare_beginning(world *w, const np_security *security, const char *example_name)
{
    char name[80];
    char address[96];
    struct sockaddr_un un;
    socklen_t un_len = 0;
    np_client_options options = np_client_options_default();
    np_client *client = NULL;
    uint8_t frame[1024];
    int listener = -1;

    options.security = *security;
    (void)snprintf(name, sizeof name, "%s-raw", w->name);
    (void)snprintf(address, sizeof address, "unix://@%s", name);
    listener = raw_socket(name, &un, &un_len);
    assert_int_equal(bind(listener, (const struct sockaddr *)&un, un_len), 0);
    assert_int_equal(listen(listener, 1), 0);
    options.address = address;
    options.service = chat_service(NULL);
    assert_int_equal(np_client_new(&client, w->loop, &options, NULL), NP_OK);
    assert_int_equal(np_client_connect(client), NP_OK);
    (void)close(w->fd);
    w->fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    assert_true(w->fd >= 0);
    compare(example_name, frame, receive_frame(w, frame, sizeof frame));
    np_client_free(client);
    (void)close(listener);
}

static void test_hello_of_a_client(void **state)
{
    np_security security = np_security_default();

    security.plaintext = true;
    compare_beginning(*state, &security, "hello");
}

static void test_init_of_a_client(void **state)
{
    np_security security = np_security_default();
    np_keypair pair;

    assert_int_equal(np_keypair_generate(&pair), NP_OK);
    security.identity = &pair;
    security.keys = pair.public_key;
    security.key_count = 1;
    security.cipher_count = 1; /* the page must not depend on the processor */
    security.ciphers[0] = NP_CIPHER_XCHACHA20_POLY1305;
    compare_beginning(*state, &security, "secure-init");
    np_keypair_wipe(&pair);
}

static void greet(const world *w)
{
    send_example(w, "hello");
    expect(w, "welcome");
    send_example(w, "join");
    expect(w, "joined");
}

static void test_messages(void **state)
{
    world *w = *state;

    greet(w);
    send_example(w, "say");
    expect(w, "say");
    send_example(w, "news");
    expect(w, "news");
    send_example(w, "ping");
    expect(w, "pong");
    send_example(w, "disconnect");
    expect(w, "disconnect");
}

static void test_requests(void **state)
{
    world *w = *state;
    example find = read_example("find");

    greet(w);
    send_example(w, "find");
    expect(w, "found");
    find.bytes[10] = 5;                  /* the next stream, */
    find.bytes[find.len - 1] = (int)'x'; /* and nobody's name */
    send_bytes(w, find.bytes, find.len);
    expect(w, "not-found");
}

static void test_fragments(void **state)
{
    world *w = *state;
    example first = read_example("blob-first");
    example second = read_example("blob-second");
    size_t body_first = FRAGMENT_LEN - (first.len - BASE_FRAME_HEADER_LEN);
    uint8_t *frame = calloc(1, BODY_LEN);

    greet(w);
    send_bytes(w, first.bytes, first.len);
    send_bytes(w, frame, body_first);
    send_bytes(w, second.bytes, second.len);
    send_bytes(w, frame, BODY_LEN - body_first);
    assert_int_equal(receive_frame(w, frame, BODY_LEN), BASE_FRAME_HEADER_LEN + FRAGMENT_LEN);
    compare("blob-first", frame, first.len);
    assert_int_equal(receive_frame(w, frame, BODY_LEN),
                     BASE_FRAME_HEADER_LEN + BODY_LEN - body_first);
    compare("blob-second", frame, second.len);
    free(frame);
}

/* The page's Hello with LZ4 in its offer, and its Welcome with LZ4 chosen. */
static void test_compressed(void **state)
{
    enum { COMPRESSIONS_AT = 42, COMPRESSION_AT = 51 };
    world *w = *state;
    example hello = read_example("hello");
    example welcome = read_example("welcome");
    uint8_t frame[1024];
    size_t len = 0;

    hello.bytes[9]++; /* the frame is a byte longer */
    hello.bytes[COMPRESSIONS_AT] = 1;
    memmove(&hello.bytes[COMPRESSIONS_AT + 9], &hello.bytes[COMPRESSIONS_AT + 8],
            hello.len - COMPRESSIONS_AT - 8);
    hello.bytes[COMPRESSIONS_AT + 8] = NP_COMPRESSION_LZ4;
    send_bytes(w, hello.bytes, hello.len + 1);
    len = receive_frame(w, frame, sizeof frame);
    assert_int_equal(len, welcome.len);
    assert_int_equal(frame[COMPRESSION_AT], NP_COMPRESSION_LZ4);
    assert_int_equal(welcome.bytes[COMPRESSION_AT], NP_COMPRESSION_NONE);
    send_example(w, "join");
    expect(w, "joined");
    send_example(w, "say-lz4");
    expect(w, "say-lz4");
}

static void test_error(void **state)
{
    static const char http[] = "GET / HTTP/1.1\r\n\r\n";
    world *w = *state;

    send_bytes(w, http, sizeof http - 1);
    expect(w, "error");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_hello_of_a_client, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_init_of_a_client, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_messages, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_requests, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_fragments, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_compressed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_error, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
