/* Host names to addresses, against a DNS server of the test's own. */
#include "support/fake_dns.h"
#include "support/live_heap.h"
#include "transport/address.h"
#include "transport/resolve.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

typedef struct seen {
    np_resolved results[2]; /* IPv6, IPv4 */
    np_sockaddr addresses[2][NP_RESOLVE_MAX];
    int count;
    bool done;
    bool free_in_callback;
} seen;

static void on_resolved(np_resolve *resolve, const np_resolved *result, void *user)
{
    seen *s = user;

    int i = result->family == AF_INET6 ? 0 : 1;

    s->results[i] = *result;
    assert_true(result->count <= NP_RESOLVE_MAX);
    if (result->count > 0) {
        memcpy(s->addresses[i], result->addresses, result->count * sizeof s->addresses[i][0]);
    }
    s->count++;
    s->done = s->count == 2 || s->free_in_callback;
    if (s->free_in_callback) {
        np_resolve_free(resolve);
    }
}

static np_loop *loop_with(const fake_dns *dns)
{
    np_loop_options options = np_loop_options_default();
    np_loop *loop = NULL;

    options.dns_server = dns != NULL ? fake_dns_address(dns) : NULL;
    assert_int_equal(np_loop_new(&loop, &options), NP_OK);
    return loop;
}

static void look_up(np_loop *loop, const char *host, uint32_t timeout_ms, seen *s)
{
    np_resolve *resolve = NULL;

    memset(s, 0, sizeof *s);
    assert_int_equal(np_resolve_start(&resolve, loop, host, 7000, timeout_ms, on_resolved, s),
                     NP_OK);
    assert_int_equal(s->count, 0); /* never from within */
    assert_int_equal(np_loop_run_until(loop, &s->done, 10000), NP_OK);
    np_resolve_free(resolve);
}

static void text_is(const np_sockaddr *sa, const char *want)
{
    char text[NP_ADDRESS_TEXT_LEN];

    assert_string_equal(np_address_format_socket(&sa->any, sizeof *sa, text), want);
}

static void test_both_families(void **state)
{
    fake_dns_answer v4 = {.count = 2, .addresses = {{192, 0, 2, 1}, {192, 0, 2, 2}}};
    fake_dns_answer v6 = {.count = 1, .addresses = {{0x20, 1, 0x0D, 0xB8, [15] = 1}}};
    fake_dns *dns = fake_dns_start(&v4, &v6);
    np_loop *loop = loop_with(dns);
    seen s;

    (void)state;
    look_up(loop, "server.example", 5000, &s);
    assert_int_equal(s.results[0].err, NP_OK);
    assert_int_equal(s.results[0].count, 1);
    text_is(&s.addresses[0][0], "tcp://[2001:db8::1]:7000");
    assert_int_equal(s.results[1].err, NP_OK);
    assert_int_equal(s.results[1].count, 2);
    assert_int_equal(s.addresses[1][0].any.sa_family, AF_INET);
    np_loop_free(loop);
    fake_dns_stop(dns);
}

static void test_no_such_name(void **state)
{
    fake_dns_answer none = {.missing = true};
    fake_dns *dns = fake_dns_start(&none, &none);
    np_loop *loop = loop_with(dns);
    seen s;

    (void)state;
    look_up(loop, "server.example", 5000, &s);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(s.results[i].err, NP_ERR_RESOLVE);
        assert_non_null(s.results[i].why);
    }
    np_loop_free(loop);
    fake_dns_stop(dns);
}

static void test_deadline(void **state)
{
    fake_dns_answer quick = {.count = 1, .addresses = {{192, 0, 2, 1}}};
    fake_dns_answer silent = {.silent = true};
    fake_dns *dns = fake_dns_start(&quick, &silent);
    np_loop *loop = loop_with(dns);
    uint64_t before = np_loop_now(loop).mono_ms;
    seen s;

    (void)state;
    look_up(loop, "server.example", 100, &s);
    assert_int_equal(s.results[0].err, NP_ERR_DEADLINE);
    assert_int_equal(s.results[1].err, NP_OK);
    assert_true(np_loop_now(loop).mono_ms - before < 1500);
    np_loop_free(loop); /* with a query still under way */
    fake_dns_stop(dns);
}

static void test_free_in_callback_and_before(void **state)
{
    fake_dns_answer quick = {.count = 1, .addresses = {{192, 0, 2, 1}}};
    fake_dns_answer slow = {.count = 0, .delay_ms = 100};
    fake_dns *dns = fake_dns_start(&quick, &slow);
    np_loop *loop = loop_with(dns);
    np_resolve *resolve = NULL;
    seen s;

    (void)state;
    memset(&s, 0, sizeof s);
    s.free_in_callback = true;
    assert_int_equal(np_resolve_start(&resolve, loop, "server.example", 1, 5000, on_resolved, &s),
                     NP_OK);
    assert_int_equal(np_loop_run_until(loop, &s.done, 10000), NP_OK);
    assert_int_equal(s.count, 1);
    assert_int_equal(np_resolve_start(&resolve, loop, "server.example", 1, 5000, on_resolved, &s),
                     NP_OK);
    np_resolve_free(resolve);
    s.done = false;
    assert_int_equal(np_loop_run_until(loop, &s.done, 200), NP_ERR_DEADLINE);
    assert_int_equal(s.count, 1);
    np_loop_free(loop);
    fake_dns_stop(dns);
}

static void test_localhost_asks_nobody(void **state)
{
    fake_dns_answer wrong = {.count = 1, .addresses = {{192, 0, 2, 9}}};
    fake_dns *dns = fake_dns_start(&wrong, &wrong);
    np_loop *loop = loop_with(dns);
    seen s;

    (void)state;
    look_up(loop, "localhost", 5000, &s);
    text_is(&s.addresses[0][0], "tcp://[::1]:7000");
    text_is(&s.addresses[1][0], "tcp://127.0.0.1:7000");
    np_loop_free(loop);
    fake_dns_stop(dns);
}

/* A hosts file of the test's, which the loop reads instead. */
static char hosts_path[] = "/tmp/test_resolve_XXXXXX";

static void write_hosts(np_loop *loop, const char *text)
{
    char path[] = "/tmp/test_resolve_XXXXXX";
    int fd = mkstemp(path);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    assert_int_equal(close(fd), 0);
    memcpy(hosts_path, path, sizeof path);
    memcpy(np__loop_names(loop)->hosts, path, sizeof path);
}

/* What a look-up gives, in one line: the addresses of IPv6, then those of IPv4. */
static const char *told(const seen *s)
{
    static char text[512];
    char address[NP_ADDRESS_TEXT_LEN];
    size_t len = 0;

    text[0] = '\0';
    for (int i = 0; i < 2; i++) {
        for (size_t k = 0; k < s->results[i].count; k++) {
            (void)np_address_format_socket(&s->addresses[i][k].any, sizeof(np_sockaddr), address);
            len += (size_t)snprintf(text + len, sizeof text - len, "%s%s", len > 0 ? " " : "",
                                    address + strlen("tcp://"));
        }
    }
    return text;
}

#define HOSTS                                                                                      \
    "# 192.0.2.9 comment.example\n"                                                                \
    "\n"                                                                                           \
    "192.0.2.1 four.example four #hidden.example\n"                                                \
    "2001:db8::1\tsix.example\n"                                                                   \
    "  192.0.2.2 both.example\r\n"                                                                 \
    "2001:db8::2 other.example both.example both.example\n"                                        \
    "192.0.2.3 BOTH.example\n"                                                                     \
    "not-an-address bad.example\n"                                                                 \
    "192.0.2.5\n"                                                                                  \
    "192.0.2.4 last.example"

typedef struct hosts_case {
    const char *name, *want; /* "": DNS is asked */
} hosts_case;

static const hosts_case hosts_cases[] = {
    {"four.example", "192.0.2.1:7000"},
    {"four", "192.0.2.1:7000"},
    {"six.example", "[2001:db8::1]:7000"},
    {"SIX.EXAMPLE.", "[2001:db8::1]:7000"},
    {"both.example", "[2001:db8::2]:7000 192.0.2.2:7000 192.0.2.3:7000"},
    {"last.example", "192.0.2.4:7000"},
    {"six.exampl", ""},
    {"ix.example", ""},
    {"comment.example", ""},
    {"hidden.example", ""},
    {"bad.example", ""},
};

/* A name in the hosts file has the addresses that it has there; DNS is not asked at all. */
static void test_hosts_file_comes_first(void **state)
{
    fake_dns_answer none = {.missing = true};
    fake_dns *dns = fake_dns_start(&none, &none);
    np_loop *loop = loop_with(dns);
    seen s;

    (void)state;
    write_hosts(loop, HOSTS);
    for (size_t i = 0; i < sizeof hosts_cases / sizeof hosts_cases[0]; i++) {
        unsigned asked = fake_dns_asked(dns);
        look_up(loop, hosts_cases[i].name, 5000, &s);
        print_message("%s\n", hosts_cases[i].name);
        assert_string_equal(told(&s), hosts_cases[i].want);
        assert_int_equal(fake_dns_asked(dns) - asked, *hosts_cases[i].want == '\0' ? 2 : 0);
    }
    (void)unlink(hosts_path);
    look_up(loop, "four.example", 5000, &s); /* without the file */
    assert_string_equal(told(&s), "");
    np_loop_free(loop);
    fake_dns_stop(dns);
}

/* Whatever the hosts file and DNS say, a look-up leaves no memory behind. */
static void test_no_look_up_leaks(void **state)
{
    static const fake_dns_answer answers[] = {
        {.missing = true},
        {.count = 0},
        {.count = 1, .addresses = {{192, 0, 2, 9}}},
        {.count = 1, .silent = true},
    };
    static const char *const names[] = {"four.example", "six.example",   "both.example",
                                        "bad.example",  "dns.example",   "localhost",
                                        "LocalHost.",   "sub.localhost", "last.example"};
    np_loop *loop = NULL;
    const bool never = false;
    seen s;

    (void)state;
    for (size_t i = 0; i < sizeof answers / sizeof answers[0]; i++) {
        fake_dns *dns = fake_dns_start(&answers[i], &answers[i]);
        loop = loop_with(dns);
        write_hosts(loop, HOSTS);
        /* libev takes room for timers when the first one fires, and keeps it. On a busy machine
         * that may be the deadline of any look-up. */
        assert_int_equal(np_loop_run_until(loop, &never, 1), NP_ERR_DEADLINE);
        for (size_t k = 0; k < sizeof names / sizeof names[0]; k++) {
            size_t before = 0;
            look_up(loop, names[k], 50, &s); /* what libev keeps, it keeps from here on */
            before = live_heap(loop);
            for (int n = 0; n < 3; n++) {
                look_up(loop, names[k], 50, &s);
            }
            print_message("%zu %s: %zu bytes\n", i, names[k], live_heap(loop) - before);
            assert_int_equal(live_heap(loop), before);
        }
        (void)unlink(hosts_path);
        np_loop_free(loop);
        fake_dns_stop(dns);
    }
}

/* More addresses than are kept: as many as the header says, the first ones. */
static void test_as_many_as_are_kept(void **state)
{
    np_loop *loop = loop_with(NULL);
    char *text = calloc(NP_RESOLVE_MAX + 2, 32);
    size_t len = 0;
    seen s;

    (void)state;
    assert_non_null(text);
    for (int i = 1; i <= NP_RESOLVE_MAX + 1; i++) {
        len += (size_t)snprintf(text + len, 32, "192.0.2.%d many.example\n", i);
    }
    write_hosts(loop, text);
    free(text);
    look_up(loop, "many.example", 5000, &s);
    assert_int_equal(s.results[1].count, NP_RESOLVE_MAX);
    text_is(&s.addresses[1][NP_RESOLVE_MAX - 1], "tcp://192.0.2.64:7000");
    (void)unlink(hosts_path);
    np_loop_free(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_both_families),
        cmocka_unit_test(test_no_such_name),
        cmocka_unit_test(test_deadline),
        cmocka_unit_test(test_free_in_callback_and_before),
        cmocka_unit_test(test_localhost_asks_nobody),
        cmocka_unit_test(test_hosts_file_comes_first),
        cmocka_unit_test(test_no_look_up_leaks),
        cmocka_unit_test(test_as_many_as_are_kept),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
