/* What a daemon and a client make of np_security.ciphers: which cipher they agree on, and what they
 * say where there is none. */
#include "support/option_world.h"

#include "protocol/record.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define XCHACHA NP_CIPHER_XCHACHA20_POLY1305
#define AES NP_CIPHER_AES_256_GCM

/* So that the tests can be run as if the processor had none; the linker puts it in place. */
bool __real_np_crypto_has_aes(void);
bool __wrap_np_crypto_has_aes(void);
bool __wrap_np_crypto_has_aes(void)
{
    return getenv("TEST_NO_AES") == NULL && __real_np_crypto_has_aes();
}

static np_keypair keys[2]; /* the client's, the daemon's */

static np_security security_of(int side)
{
    np_security security = np_security_default();

    security.identity = &keys[side];
    security.keys = keys[1 - side].public_key;
    security.key_count = 1;
    return security;
}

static void set_ciphers(np_security *security, uint32_t count, np_cipher first, np_cipher second)
{
    security->cipher_count = count;
    security->ciphers[0] = first;
    security->ciphers[1] = second;
}

static void start(option_world *w)
{
    option_world_init(w);
    w->client_options.security = security_of(0);
    w->daemon_options.security = security_of(1);
}

static np_err take(const void *payload, size_t len, uint32_t version, void *user, np_fault *fault)
{
    demo_say found;

    (void)user;
    return demo_read_found(payload, len, version, &found, fault);
}

/* They agree on it, and are able to talk with it. */
static void expect_cipher(option_world *w, np_cipher expected)
{
    np_agreed agreed;
    demo_find find = {9};

    assert_int_equal(option_world_connect(w), NP_OK);
    assert_true(np_conn_agreed(w->user.conn, &agreed));
    assert_string_equal(agreed.cipher, np_cipher_name(expected));
    assert_true(np_conn_agreed(w->server.conn, &agreed));
    assert_string_equal(agreed.cipher, np_cipher_name(expected));
    assert_int_equal(np_client_call_wait(w->client, demo_message_find, &find, take, NULL, NULL),
                     NP_OK);
    option_world_fini(w);
}

static np_cipher best(void)
{
    return np_cipher_is_available(AES) ? AES : XCHACHA;
}

static void test_names(void **state)
{
    (void)state;
    assert_string_equal(np_cipher_name(XCHACHA), "XChaCha20-Poly1305");
    assert_string_equal(np_cipher_name(AES), "AES-256-GCM");
    assert_string_equal(np_cipher_name((np_cipher)2), "?");
    assert_true(np_cipher_is_available(XCHACHA));
    assert_false(np_cipher_is_available((np_cipher)2));
}

static void test_default(void **state)
{
    option_world w;
    (void)state;

    start(&w);
    expect_cipher(&w, best());
}

/* One side that has only the one is enough. */
static void test_one_of_them(void **state)
{
    option_world w;
    (void)state;

    for (int side = 0; side < 2; side++) {
        for (np_cipher only = XCHACHA; only <= best(); only++) {
            start(&w);
            set_ciphers(side == 0 ? &w.client_options.security : &w.daemon_options.security, 1,
                        only, only);
            expect_cipher(&w, only);
        }
    }
}

/* The client's order is its wish, the daemon's decides. Where AES cannot be, it is passed over. */
static void test_order(void **state)
{
    option_world w;
    (void)state;

    for (int i = 0; i < 4; i++) {
        bool aes_first = (i & 1) != 0;
        start(&w);
        set_ciphers(&w.client_options.security, 2, (i & 2) != 0 ? AES : XCHACHA,
                    (i & 2) != 0 ? XCHACHA : AES);
        set_ciphers(&w.daemon_options.security, 2, aes_first ? AES : XCHACHA,
                    aes_first ? XCHACHA : AES);
        expect_cipher(&w, aes_first ? best() : XCHACHA);
    }
}

static void test_none_in_common(void **state)
{
    option_world w;
    (void)state;

    if (!np_cipher_is_available(AES)) {
        skip();
    }
    for (int i = 0; i < 2; i++) {
        start(&w);
        set_ciphers(&w.client_options.security, 1, i == 0 ? AES : XCHACHA, AES);
        set_ciphers(&w.daemon_options.security, 1, i == 0 ? XCHACHA : AES, AES);
        option_world_listen(&w);
        assert_int_equal(option_world_connect(&w), NP_ERR_VERSION);
        assert_non_null(
            strstr(np_client_failure(w.client)->text,
                   i == 0 ? "no cipher in common: the peer offers XChaCha20-Poly1305, this side "
                            "AES-256-GCM; let both sides take one"
                          : "no cipher in common: the peer offers AES-256-GCM, this side "
                            "XChaCha20-Poly1305; let both sides take one"));
        assert_false(w.server.opened);
        option_world_fini(&w);
    }
}

static void expect_refused(const option_world *w, const char *why)
{
    np_failure failure;
    np_daemon *daemon = NULL;
    np_client *client = NULL;
    np_client_options options = w->client_options;

    options.address = "tcp://127.0.0.1:1";
    assert_int_equal(np_daemon_start(&daemon, w->loop, &w->daemon_options, &failure), NP_ERR_ARG);
    assert_non_null(strstr(failure.text, why));
    assert_null(daemon);
    assert_int_equal(np_client_new(&client, w->loop, &options, &failure), NP_ERR_ARG);
    assert_non_null(strstr(failure.text, why));
    assert_null(client);
}

/* Who wants nothing else must hear that it cannot be, and not get another one. */
static void test_not_on_this_processor(void **state)
{
    option_world w;
    np_record_side side;
    (void)state;

    if (np_cipher_is_available(AES)) {
        skip();
    }
    start(&w);
    set_ciphers(&w.client_options.security, 1, AES, AES);
    set_ciphers(&w.daemon_options.security, 1, AES, AES);
    expect_refused(&w, "this processor has no instructions for AES-256-GCM");
    option_world_fini(&w);
    assert_int_equal(np_record_init(&side, AES, keys[0].secret_key, keys[0].public_key, 0),
                     NP_ERR_ARG);
}

static void test_wrong_options(void **state)
{
    static const struct {
        uint32_t count;
        np_cipher ciphers[2];
        const char *why;
    } cases[] = {
        {3, {AES, XCHACHA}, "cipher_count is more than there are"},
        {1, {(np_cipher)2, AES}, "a number that is no np_cipher"},
        {2, {XCHACHA, (np_cipher)256}, "a number that is no np_cipher"},
        {2, {AES, AES}, "the same one twice"},
        {2, {XCHACHA, XCHACHA}, "the same one twice"},
    };
    option_world w;
    (void)state;

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        start(&w);
        set_ciphers(&w.client_options.security, cases[i].count, cases[i].ciphers[0],
                    cases[i].ciphers[1]);
        set_ciphers(&w.daemon_options.security, cases[i].count, cases[i].ciphers[0],
                    cases[i].ciphers[1]);
        expect_refused(&w, cases[i].why);
        option_world_fini(&w);
    }
    start(&w);
    w.client_options.security = w.daemon_options.security = (np_security){.plaintext = true};
    set_ciphers(&w.client_options.security, 1, XCHACHA, XCHACHA);
    set_ciphers(&w.daemon_options.security, 1, XCHACHA, XCHACHA);
    expect_refused(&w, "plaintext does not go with");
    option_world_fini(&w);
}

static int set_up(void **state)
{
    (void)state;
    return np_keypair_generate(&keys[0]) == NP_OK && np_keypair_generate(&keys[1]) == NP_OK ? 0 : 1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_default),
        cmocka_unit_test(test_one_of_them),
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_none_in_common),
        cmocka_unit_test(test_wrong_options),
        cmocka_unit_test(test_not_on_this_processor),
    };

    return cmocka_run_group_tests(tests, set_up, NULL);
}
