/* Host names to addresses, against a DNS server of the test's own. */
#include "support/fake_dns.h"
#include "transport/address.h"
#include "transport/resolve.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

typedef struct seen {
    np_resolved results[2]; /* IPv6, IPv4 */
    int count;
    bool done;
    bool free_in_callback;
} seen;

static void on_resolved(np_resolve *resolve, const np_resolved *result, void *user)
{
    seen *s = user;

    s->results[result->family == AF_INET6 ? 0 : 1] = *result;
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
    text_is(&s.results[0].addresses[0], "tcp://[2001:db8::1]:7000");
    assert_int_equal(s.results[1].err, NP_OK);
    assert_int_equal(s.results[1].count, 2);
    assert_int_equal(s.results[1].addresses[0].any.sa_family, AF_INET);
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
    text_is(&s.results[0].addresses[0], "tcp://[::1]:7000");
    text_is(&s.results[1].addresses[0], "tcp://127.0.0.1:7000");
    np_loop_free(loop);
    fake_dns_stop(dns);
}

/* The first name of the hosts file with an IPv4 address, but localhost. */
static bool name_in_hosts(char *address, char *name)
{
    FILE *file = fopen("/etc/hosts", "r");
    char line[256];
    bool found = false;

    while (file != NULL && !found && fgets(line, sizeof line, file) != NULL) {
        found = sscanf(line, "%63[0-9.] %63s", address, name) == 2 &&
                strncmp(name, "localhost", 9) != 0;
    }
    if (file != NULL) {
        (void)fclose(file);
    }
    return found;
}

static void test_hosts_file_comes_first(void **state)
{
    fake_dns_answer wrong = {.count = 1, .addresses = {{192, 0, 2, 9}}};
    fake_dns_answer none = {.missing = true};
    fake_dns *dns = NULL;
    np_loop *loop = NULL;
    char address[64];
    char name[64];
    char want[96];
    seen s;

    (void)state;
    if (!name_in_hosts(address, name)) {
        skip();
    }
    dns = fake_dns_start(&wrong, &none);
    loop = loop_with(dns);
    look_up(loop, name, 5000, &s);
    (void)snprintf(want, sizeof want, "tcp://%s:7000", address);
    assert_int_equal(s.results[1].err, NP_OK);
    text_is(&s.results[1].addresses[0], want);
    np_loop_free(loop);
    fake_dns_stop(dns);
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
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
