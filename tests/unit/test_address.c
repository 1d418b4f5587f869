/* Addresses as people type them. */
#include "transport/address.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

#include <cmocka.h>

static void test_good_ones(void **state)
{
    /* What was typed, and how it is written back. */
    static const char *const good[][2] = {
        {"tcp://127.0.0.1:80", NULL},
        {"tcp://example.org:65535", NULL},
        {"tcp://a-b_c.example.org.:1", NULL},
        {"tcp://[::1]:80", NULL},
        {"tcp://[fe80::1%eth0]:80", NULL},
        {"tcp://[::ffff:192.0.2.1]:80", NULL},
        {"tcp://*:80", NULL},
        {"tcp://:80", "tcp://*:80"},
        {"tcp://localhost:0080", "tcp://localhost:80"},
        {"unix:///run/x.sock", NULL},
        {"unix://@name", NULL},
        {"unix://@na me", NULL},
    };
    np_address address;
    char text[NP_ADDRESS_TEXT_LEN];

    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        const char *want = good[i][1] != NULL ? good[i][1] : good[i][0];
        assert_int_equal(np_address_parse(good[i][0], &address, NULL), NP_OK);
        assert_string_equal(np_address_format(&address, text), want);
    }
}

static void test_bad_ones_say_why(void **state)
{
    static const char *const bad[][2] = {
        {"", "empty"},
        {"example.org:80", "scheme is missing"},
        {"tcp:example.org:80", "'//' is missing behind the scheme; write tcp://"},
        {"unix:/run/x.sock", "'//' is missing behind the scheme; write unix:///"},
        {"http://example.org:80", "neither tcp:// nor unix://"},
        {"tcp://example.org", "port is missing"},
        {"tcp://example.org:", "port is missing"},
        {"tcp://example.org:x", "not a number"},
        {"tcp://example.org:-1", "not a number"},
        {"tcp://example.org:65536", "above 65535"},
        {"tcp://example.org:99999999999999999999", "above 65535"},
        {"tcp://::1:80", "brackets"},
        {"tcp://[::1:80", "closing bracket"},
        {"tcp://[::1]", "port is missing"},
        {"tcp://[::1]80", "port is missing"},
        {"tcp://[1.2.3.4]:80", "not an IPv6 address"},
        {"tcp://[::1%]:80", "zone"},
        {"tcp://[::1%a/b]:80", "zone"},
        {"tcp://1.2.3:80", "IPv4"},
        {"tcp://256.0.0.1:80", "IPv4"},
        {"tcp://a b:80", "character"},
        {"tcp://a\n:80", "character"},
        {"tcp://a/b:80", "character"},
        {"unix://", "absolute"},
        {"unix://run/x.sock", "absolute"},
        {"unix://@", "empty"},
        {"unix:///run/", "directory"},
        {"unix:///run/\x1b[0m", "control"},
    };
    np_address address;
    const char *why = NULL;

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        why = NULL;
        assert_int_equal(np_address_parse(bad[i][0], &address, &why), NP_ERR_ADDRESS);
        assert_non_null(why);
        if (strstr(why, bad[i][1]) == NULL) {
            fail_msg("%s: %s", bad[i][0], why);
        }
    }
    assert_int_equal(np_address_parse(NULL, &address, NULL), NP_ERR_ADDRESS);
}

static void test_lengths(void **state)
{
    char text[400] = "tcp://";
    np_address address;
    struct sockaddr_storage sa;

    (void)state;
    memset(text + 6, 'a', 253);
    memcpy(text + 6 + 253, ":1", 3);
    assert_int_equal(np_address_parse(text, &address, NULL), NP_OK);
    memset(text + 6, 'a', 254);
    memcpy(text + 6 + 254, ":1", 3);
    assert_int_equal(np_address_parse(text, &address, NULL), NP_ERR_ADDRESS);

    memcpy(text, "unix:///", 8);
    memset(text + 8, 'a', 106);
    text[8 + 106] = '\0';
    assert_int_equal(np_address_parse(text, &address, NULL), NP_OK);
    assert_int_equal(np_address_numeric(&address, &sa), sizeof(struct sockaddr_un));
    text[8 + 106] = 'a';
    text[8 + 107] = '\0';
    assert_int_equal(np_address_parse(text, &address, NULL), NP_ERR_ADDRESS);
    text[7] = '@';
    text[8 + 107] = '\0';
    assert_int_equal(np_address_parse(text, &address, NULL), NP_OK);
    assert_int_equal(np_address_numeric(&address, &sa), sizeof(struct sockaddr_un));
}

static void test_numeric(void **state)
{
    static const char *const numeric[] = {"tcp://192.0.2.1:7", "tcp://[2001:db8::1]:7"};
    np_address address;
    struct sockaddr_storage sa;
    char text[NP_ADDRESS_TEXT_LEN];
    socklen_t len = 0;

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(np_address_parse(numeric[i], &address, NULL), NP_OK);
        len = np_address_numeric(&address, &sa);
        assert_true(len > 0);
        (void)np_address_format_socket((const struct sockaddr *)&sa, len, text);
        assert_string_equal(text, numeric[i]);
    }
    assert_int_equal(np_address_parse("tcp://example.org:7", &address, NULL), NP_OK);
    assert_int_equal(np_address_numeric(&address, &sa), 0);
    assert_int_equal(np_address_parse("tcp://[::ffff:192.0.2.1]:7", &address, NULL), NP_OK);
    len = np_address_numeric(&address, &sa);
    (void)np_address_format_socket((const struct sockaddr *)&sa, len, text);
    assert_string_equal(text, "tcp://192.0.2.1:7");
    assert_int_equal(np_address_parse("tcp://[fe80::1%nosuchif]:7", &address, NULL), NP_OK);
    assert_int_equal(np_address_numeric(&address, &sa), 0);
    assert_int_equal(np_address_parse("unix://@abc", &address, NULL), NP_OK);
    len = np_address_numeric(&address, &sa);
    (void)np_address_format_socket((const struct sockaddr *)&sa, len, text);
    assert_string_equal(text, "unix://@abc");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good_ones),
        cmocka_unit_test(test_bad_ones_say_why),
        cmocka_unit_test(test_lengths),
        cmocka_unit_test(test_numeric),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
