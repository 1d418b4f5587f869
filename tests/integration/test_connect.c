/* Making connections: several addresses, dead ones, deadlines (RFC 8305). */
#include "support/demo_service.h"
#include "support/fake_dns.h"
#include "transport/connect.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define FILLERS 8

static const fake_dns_answer v4_loopback = {.count = 1, .addresses = {{127, 0, 0, 1}}};
static const fake_dns_answer v6_loopback = {.count = 1, .addresses = {{[15] = 1}}};

typedef struct seen {
    np_connected result;
    bool done;
} seen;

static void on_connected(const np_connected *result, void *user)
{
    seen *s = user;

    assert_false(s->done);
    s->result = *result;
    s->done = true;
}

static int listen_on(const char *text, uint16_t port, int backlog)
{
    np_address address;
    struct sockaddr_storage sa;
    socklen_t len = 0;
    int one = 1;
    int fd = -1;

    assert_int_equal(np_address_parse(text, &address, NULL), NP_OK);
    address.port = port;
    len = np_address_numeric(&address, &sa);
    fd = socket(sa.ss_family, SOCK_STREAM, 0);
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(fd, (const struct sockaddr *)&sa, len) != 0 || listen(fd, backlog) != 0) {
        (void)close(fd);
        return -1;
    }
    return fd;
}

static uint16_t port_of(int fd)
{
    struct sockaddr_in6 sa;
    socklen_t len = sizeof sa;

    assert_int_equal(getsockname(fd, (struct sockaddr *)(void *)&sa, &len), 0);
    return ntohs(sa.sin6_port);
}

/* An address that swallows connections without a word: a listener whose backlog is full. */
typedef struct black_hole {
    int listener;
    int fillers[FILLERS];
} black_hole;

static void dig(black_hole *hole, const char *text, uint16_t port)
{
    np_address address;
    struct sockaddr_storage sa;
    socklen_t len = 0;

    hole->listener = listen_on(text, port, 0);
    assert_true(hole->listener >= 0);
    assert_int_equal(np_address_parse(text, &address, NULL), NP_OK);
    address.port = port != 0 ? port : port_of(hole->listener);
    len = np_address_numeric(&address, &sa);
    for (int i = 0; i < FILLERS; i++) {
        hole->fillers[i] = socket(sa.ss_family, SOCK_STREAM | SOCK_NONBLOCK, 0);
        (void)connect(hole->fillers[i], (const struct sockaddr *)&sa, len);
    }
    (void)usleep(20000);
}

static void fill_up(black_hole *hole)
{
    for (int i = 0; i < FILLERS; i++) {
        (void)close(hole->fillers[i]);
    }
    (void)close(hole->listener);
}

static np_loop *loop_with(const fake_dns *dns)
{
    np_loop_options options = np_loop_options_default();
    np_loop *loop = NULL;

    options.dns_server = dns != NULL ? fake_dns_address(dns) : NULL;
    demo_must(np_loop_new(&loop, &options), NULL);
    return loop;
}

/* Connects to the name at a port and returns how long that took, in ms. */
static uint64_t connect_to(np_loop *loop, const char *host, uint16_t port, uint32_t timeout_ms,
                           seen *s)
{
    np_connector *connector = NULL;
    np_address address;
    char text[128];
    uint64_t before = np_loop_now(loop).mono_ms;

    memset(s, 0, sizeof *s);
    (void)snprintf(text, sizeof text, "tcp://%s:%u", host, port);
    assert_int_equal(np_address_parse(text, &address, NULL), NP_OK);
    assert_int_equal(np_connector_start(&connector, loop, &address, timeout_ms, on_connected, s),
                     NP_OK);
    assert_false(s->done); /* never from within */
    demo_run(loop, &s->done);
    if (s->result.fd >= 0) {
        (void)close(s->result.fd);
    }
    return np_loop_now(loop).mono_ms - before;
}

static void test_ipv6_first(void **state)
{
    fake_dns *dns = fake_dns_start(&v4_loopback, &v6_loopback);
    np_loop *loop = loop_with(dns);
    int v4 = listen_on("tcp://127.0.0.1:0", 0, 8);
    int v6 = listen_on("tcp://[::1]:0", port_of(v4), 8);
    seen s;

    (void)state;
    assert_true(v6 >= 0);
    (void)connect_to(loop, "server.example", port_of(v4), 5000, &s);
    assert_int_equal(s.result.err, NP_OK);
    assert_int_equal(s.result.peer.ss_family, AF_INET6);
    assert_int_equal(s.result.tried, 1);
    (void)close(v4);
    (void)close(v6);
    np_loop_free(loop);
    fake_dns_stop(dns);
}

static void test_refused_ipv6_does_not_wait(void **state)
{
    fake_dns *dns = fake_dns_start(&v4_loopback, &v6_loopback);
    np_loop *loop = loop_with(dns);
    int v4 = listen_on("tcp://127.0.0.1:0", 0, 8);
    seen s;

    (void)state;
    assert_true(connect_to(loop, "server.example", port_of(v4), 5000, &s) < 200);
    assert_int_equal(s.result.err, NP_OK);
    assert_int_equal(s.result.peer.ss_family, AF_INET);
    assert_int_equal(s.result.tried, 2);
    (void)close(v4);
    np_loop_free(loop);
    fake_dns_stop(dns);
}

static void test_dead_ipv6_costs_one_delay(void **state)
{
    fake_dns *dns = fake_dns_start(&v4_loopback, &v6_loopback);
    np_loop *loop = loop_with(dns);
    int v4 = listen_on("tcp://127.0.0.1:0", 0, 8);
    black_hole hole;
    uint64_t took = 0;
    seen s;

    (void)state;
    dig(&hole, "tcp://[::1]:0", port_of(v4));
    took = connect_to(loop, "server.example", port_of(v4), 5000, &s);
    assert_int_equal(s.result.err, NP_OK);
    assert_int_equal(s.result.peer.ss_family, AF_INET);
    assert_true(took >= 240 && took < 1000);
    fill_up(&hole);
    (void)close(v4);
    np_loop_free(loop);
    fake_dns_stop(dns);
}

static void test_silent_aaaa_costs_the_resolution_delay(void **state)
{
    fake_dns_answer silent = {.silent = true};
    fake_dns *dns = fake_dns_start(&v4_loopback, &silent);
    np_loop *loop = loop_with(dns);
    int v4 = listen_on("tcp://127.0.0.1:0", 0, 8);
    uint64_t took = 0;
    seen s;

    (void)state;
    took = connect_to(loop, "server.example", port_of(v4), 5000, &s);
    assert_int_equal(s.result.err, NP_OK);
    assert_true(took >= 45 && took < 800);
    (void)close(v4);
    np_loop_free(loop);
    fake_dns_stop(dns);
}

static void test_late_addresses_are_tried(void **state)
{
    fake_dns_answer late = v4_loopback;
    fake_dns *dns = NULL;
    np_loop *loop = NULL;
    int v4 = listen_on("tcp://127.0.0.1:0", 0, 8);
    seen s;

    (void)state;
    late.delay_ms = 150;
    dns = fake_dns_start(&late, &v6_loopback); /* where nobody listens */
    loop = loop_with(dns);
    (void)connect_to(loop, "server.example", port_of(v4), 5000, &s);
    assert_int_equal(s.result.err, NP_OK);
    assert_int_equal(s.result.peer.ss_family, AF_INET);
    (void)close(v4);
    np_loop_free(loop);
    fake_dns_stop(dns);
}

static void test_one_deadline_for_all(void **state)
{
    fake_dns_answer silent = {.silent = true};
    fake_dns *dns = fake_dns_start(&silent, &silent);
    np_loop *loop = loop_with(dns);
    black_hole hole;
    uint64_t took = 0;
    seen s;

    (void)state;
    took = connect_to(loop, "server.example", 1, 100, &s);
    assert_int_equal(s.result.err, NP_ERR_DEADLINE);
    assert_true(s.result.resolving);
    assert_true(took >= 100 && took < 1500);

    dig(&hole, "tcp://127.0.0.1:0", 0);
    took = connect_to(loop, "127.0.0.1", port_of(hole.listener), 100, &s);
    assert_int_equal(s.result.err, NP_ERR_DEADLINE);
    assert_false(s.result.resolving);
    assert_true(took >= 100 && took < 1500);
    fill_up(&hole);
    np_loop_free(loop);
    fake_dns_stop(dns);
}

static void test_failures_tell_stage_and_cause(void **state)
{
    fake_dns_answer none = {.missing = true};
    fake_dns *dns = fake_dns_start(&none, &none);
    np_loop *loop = loop_with(dns);
    int v4 = listen_on("tcp://127.0.0.1:0", 0, 8);
    uint16_t port = port_of(v4);
    np_client_options options = demo_client_options(NULL, "tcp://server.example:1");
    np_client *client = NULL;
    np_failure failure;
    seen s;

    (void)state;
    (void)close(v4);
    (void)connect_to(loop, "127.0.0.1", port, 5000, &s);
    assert_int_equal(s.result.err, NP_ERR_CONNECT);
    assert_int_equal(s.result.os_error, ECONNREFUSED);
    demo_must(np_client_new(&client, loop, &options, NULL), NULL);
    assert_int_equal(np_client_connect_wait(client, &failure), NP_ERR_RESOLVE);
    assert_int_equal(failure.stage, NP_STAGE_RESOLVE);
    assert_non_null(strstr(failure.text, "server.example"));
    np_client_free(client);
    options.address = "tcp://*:1";
    demo_must(np_client_new(&client, loop, &options, NULL), NULL);
    assert_int_equal(np_client_connect_wait(client, &failure), NP_ERR_ADDRESS);
    assert_int_equal(failure.stage, NP_STAGE_ADDRESS);
    np_client_free(client);
    options.address = "nonsense";
    assert_int_equal(np_client_new(&client, loop, &options, &failure), NP_ERR_ADDRESS);
    assert_int_equal(failure.stage, NP_STAGE_ADDRESS);
    np_loop_free(loop);
    fake_dns_stop(dns);
}

static void test_cancel_at_every_point(void **state)
{
    fake_dns *dns = fake_dns_start(&v4_loopback, &v6_loopback);
    np_loop *loop = loop_with(dns);
    int v4 = listen_on("tcp://127.0.0.1:0", 0, 64);
    np_client_options options;
    char address[64];

    (void)state;
    (void)snprintf(address, sizeof address, "tcp://server.example:%u", port_of(v4));
    options = demo_client_options(NULL, address);
    for (uint32_t ms = 0; ms < 12; ms++) {
        np_client *client = NULL;
        demo_must(np_client_new(&client, loop, &options, NULL), NULL);
        demo_must(np_client_connect(client), NULL);
        assert_int_equal(np_client_connect(client), NP_ERR_STATE);
        demo_rest(loop, ms);
        if (ms % 2 == 0) {
            np_client_close(client);
        }
        np_client_free(client);
    }
    (void)close(v4);
    np_loop_free(loop);
    fake_dns_stop(dns);
}

static void test_silent_daemon_misses_the_hello_deadline(void **state)
{
    np_loop *loop = loop_with(NULL);
    int v4 = listen_on("tcp://127.0.0.1:0", 0, 8); /* connects, never says anything */
    np_client_options options;
    np_client *client = NULL;
    np_failure failure;
    char address[64];

    (void)state;
    (void)snprintf(address, sizeof address, "tcp://127.0.0.1:%u", port_of(v4));
    options = demo_client_options(NULL, address);
    options.conn.hello_timeout_ms = 100;
    options.conn.close_timeout_ms = 100;
    demo_must(np_client_new(&client, loop, &options, NULL), NULL);
    assert_int_equal(np_client_connect_wait(client, &failure), NP_ERR_DEADLINE);
    assert_int_equal(failure.stage, NP_STAGE_HELLO);
    np_client_free(client);
    (void)close(v4);
    np_loop_free(loop);
}

/* What a name's families say; nobody listens where its addresses are. */
typedef struct refused_case {
    const char *label;
    fake_dns_answer v4, v6;
    uint32_t timeout_ms;
} refused_case;

#define V4_LOOPBACK                                                                                \
    {                                                                                              \
        .count = 1, .addresses = { {127, 0, 0, 1} }                                                \
    }
#define V6_LOOPBACK                                                                                \
    {                                                                                              \
        .count = 1, .addresses = { {[15] = 1} }                                                    \
    }

static const refused_case refused_cases[] = {
    {"A alone", V4_LOOPBACK, {.count = 0}, 10000},
    {"A, and AAAA says there is no such name", V4_LOOPBACK, {.missing = true}, 10000},
    {"AAAA alone", {.count = 0}, V6_LOOPBACK, 10000},
    {"AAAA, and A says there is no such name", {.missing = true}, V6_LOOPBACK, 10000},
    {"both", V4_LOOPBACK, V6_LOOPBACK, 10000},
    {"AAAA is silent", V4_LOOPBACK, {.silent = true}, 20000},
    {"A is silent", {.silent = true}, V6_LOOPBACK, 20000},
    {"AAAA is silent until the deadline", V4_LOOPBACK, {.silent = true}, 700},
    {"A is silent until the deadline", {.silent = true}, V6_LOOPBACK, 700},
    {"AAAA is late", V4_LOOPBACK, {.count = 0, .delay_ms = 300}, 10000},
};

/* A refusal is told as one, with its own cause, whatever DNS says of the other family; and told in
 * time: c-ares would wait 14 s for a silent one. */
static void test_a_refusal_is_told_whatever_dns_says(void **state)
{
    int v4 = listen_on("tcp://127.0.0.1:0", 0, 8);
    uint16_t port = port_of(v4);

    (void)state;
    (void)close(v4);
    for (size_t i = 0; i < sizeof refused_cases / sizeof refused_cases[0]; i++) {
        const refused_case *c = &refused_cases[i];
        fake_dns *dns = fake_dns_start(&c->v4, &c->v6);
        np_loop *loop = loop_with(dns);
        np_client_options options = demo_client_options(NULL, NULL);
        np_client *client = NULL;
        np_failure failure;
        char address[64];
        uint64_t before = np_loop_now(loop).mono_ms;

        (void)snprintf(address, sizeof address, "tcp://server.example:%u", port);
        options.address = address;
        options.connect_timeout_ms = c->timeout_ms;
        demo_must(np_client_new(&client, loop, &options, NULL), NULL);
        assert_int_not_equal(np_client_connect_wait(client, &failure), NP_OK);
        print_message("%s: %s\n", c->label, failure.text);
        assert_int_equal(failure.err, NP_ERR_CONNECT);
        assert_int_equal(failure.stage, NP_STAGE_CONNECT);
        assert_int_equal(failure.os_error, ECONNREFUSED);
        assert_non_null(strstr(failure.text, "nobody listens there"));
        assert_null(strstr(failure.text, "DNS"));
        assert_true(np_loop_now(loop).mono_ms - before < 10000);
        np_client_free(client);
        np_loop_free(loop);
        fake_dns_stop(dns);
    }
}

/* Twenty of one family, where only the last has somebody who listens. */
static void test_every_address_is_tried(void **state)
{
    fake_dns_answer many = {.count = 20};
    fake_dns_answer none = {.count = 0};
    fake_dns *dns = NULL;
    np_loop *loop = NULL;
    int v4 = listen_on("tcp://127.0.0.20:0", 0, 8);
    seen s;

    (void)state;
    for (unsigned i = 0; i < many.count; i++) {
        const uint8_t address[4] = {127, 0, 0, (uint8_t)(i + 1)};
        memcpy(many.addresses[i], address, sizeof address);
    }
    dns = fake_dns_start(&many, &none);
    loop = loop_with(dns);
    (void)connect_to(loop, "server.example", port_of(v4), 10000, &s);
    assert_int_equal(s.result.err, NP_OK);
    assert_int_equal(s.result.tried, 20);
    (void)close(v4);
    np_loop_free(loop);
    fake_dns_stop(dns);
}

static void write_text(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

/* A client that retries sooner than c-ares gives up, whose resolv.conf is mended meanwhile. */
static void test_a_mended_resolv_conf_is_seen(void **state)
{
    fake_dns_answer silent = {.silent = true};
    fake_dns_answer none = {.count = 0};
    fake_dns *bad = fake_dns_start(&silent, &silent);
    fake_dns *good = fake_dns_start_at("127.0.0.2", fake_dns_port(bad), &v4_loopback, &none);
    np_loop *loop = loop_with(NULL);
    int v4 = listen_on("tcp://127.0.0.1:0", 0, 8);
    char path[] = "/tmp/test_connect_XXXXXX";
    seen s;

    (void)state;
    assert_true(close(mkstemp(path)) == 0);
    np__loop_names(loop)->dns_port = fake_dns_port(bad);
    memcpy(np__loop_names(loop)->resolv_conf, path, sizeof path);
    write_text(path, "nameserver 127.0.0.1\n");
    for (int i = 0; i < 2; i++) {
        (void)connect_to(loop, "server.example", port_of(v4), 300, &s);
        assert_int_equal(s.result.err, NP_ERR_DEADLINE);
    }
    write_text(path, "nameserver 127.0.0.2\n");
    (void)connect_to(loop, "server.example", port_of(v4), 10000, &s);
    assert_int_equal(s.result.err, NP_OK);
    (void)unlink(path);
    (void)close(v4);
    np_loop_free(loop);
    fake_dns_stop(bad);
    fake_dns_stop(good);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ipv6_first),
        cmocka_unit_test(test_refused_ipv6_does_not_wait),
        cmocka_unit_test(test_dead_ipv6_costs_one_delay),
        cmocka_unit_test(test_silent_aaaa_costs_the_resolution_delay),
        cmocka_unit_test(test_late_addresses_are_tried),
        cmocka_unit_test(test_one_deadline_for_all),
        cmocka_unit_test(test_failures_tell_stage_and_cause),
        cmocka_unit_test(test_a_refusal_is_told_whatever_dns_says),
        cmocka_unit_test(test_every_address_is_tried),
        cmocka_unit_test(test_a_mended_resolv_conf_is_seen),
        cmocka_unit_test(test_cancel_at_every_point),
        cmocka_unit_test(test_silent_daemon_misses_the_hello_deadline),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
