/* The primitives against Wycheproof's vectors, which hold the cases that implementations get wrong,
 * and HKDF against RFC 5869. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>
#include <sodium.h>

#include "support/hex.h"
#include "util/crypto.h"

/* A field's bytes, from malloc. */
static uint8_t *field(const json_t *test, const char *name, size_t *len)
{
    const char *text = json_string_value(json_object_get(test, name));

    assert_non_null(text);
    return hex_decode(text, len);
}

/* Calls `run` for every test of a file; returns how many it said were of use. */
static size_t each_test(const char *file, bool (*run)(const json_t *test, const char *result))
{
    char path[256];
    json_t *all;
    size_t count = 0;

    snprintf(path, sizeof path, "tests/vectors/wycheproof/%s", file);
    all = json_load_file(path, 0, NULL);
    assert_non_null(all);
    const json_t *groups = json_object_get(all, "testGroups");
    for (size_t g = 0; g < json_array_size(groups); g++) {
        const json_t *tests = json_object_get(json_array_get(groups, g), "tests");
        for (size_t i = 0; i < json_array_size(tests); i++) {
            const json_t *test = json_array_get(tests, i);
            count += run(test, json_string_value(json_object_get(test, "result")));
        }
    }
    json_decref(all);
    return count;
}

static bool has_flag(const json_t *test, const char *flag)
{
    const json_t *flags = json_object_get(test, "flags");

    for (size_t i = 0; i < json_array_size(flags); i++) {
        if (strcmp(json_string_value(json_array_get(flags, i)), flag) == 0) {
            return true;
        }
    }
    return false;
}

/* "acceptable" are inputs that RFC 7748 has one compute and that we compute too, unless the result
 * is zero. Counts those that were refused. */
static bool run_x25519(const json_t *test, const char *result)
{
    size_t len[3];
    uint8_t *public = field(test, "public", &len[0]);
    uint8_t *secret = field(test, "private", &len[1]);
    uint8_t *shared = field(test, "shared", &len[2]);
    bool zero = has_flag(test, "ZeroSharedSecret");
    uint8_t got[32];
    np_err err;

    assert_true(len[0] == 32 && len[1] == 32 && len[2] == 32);
    assert_string_not_equal(result, "invalid");
    err = np_crypto_dh(got, secret, public);
    assert_int_equal(err, zero ? NP_ERR_KEY : NP_OK);
    assert_memory_equal(got, shared, 32); /* zero where it was refused */
    free(public);
    free(secret);
    free(shared);
    return zero;
}

static void test_x25519(void **state)
{
    (void)state;
    assert_int_equal(each_test("x25519_test.json", run_x25519), 31);
}

typedef void seal_fn(uint8_t *out, const uint8_t *in, size_t len, np_bytes associated,
                     const uint8_t *nonce, const uint8_t *key);
typedef np_err open_fn(uint8_t *out, const uint8_t *in, size_t len, np_bytes associated,
                       const uint8_t *nonce, const uint8_t *key);

/* What one AEAD vector says, sealed and opened by our functions under the given key and nonce. */
static void run_aead(const json_t *test, const char *result, seal_fn *seal, open_fn *open,
                     const uint8_t *key, const uint8_t *nonce)
{
    size_t aad_len;
    size_t msg_len;
    size_t ct_len;
    size_t tag_len;
    uint8_t *aad = field(test, "aad", &aad_len);
    uint8_t *msg = field(test, "msg", &msg_len);
    uint8_t *ct = field(test, "ct", &ct_len);
    uint8_t *tag = field(test, "tag", &tag_len);
    uint8_t *sealed = malloc(ct_len + NP_CRYPTO_TAG_LEN);
    uint8_t *buffer = malloc(msg_len + NP_CRYPTO_TAG_LEN);
    bool valid = strcmp(result, "valid") == 0;

    assert_true(sealed != NULL && buffer != NULL && tag_len == NP_CRYPTO_TAG_LEN);
    memcpy(sealed, ct, ct_len);
    memcpy(sealed + ct_len, tag, tag_len);
    if (valid) {
        assert_int_equal(ct_len, msg_len);
        memcpy(buffer, msg, msg_len); /* in place, as records do it */
        seal(buffer, buffer, msg_len, (np_bytes){aad, aad_len}, nonce, key);
        assert_memory_equal(buffer, sealed, ct_len + tag_len);
    }
    assert_int_equal(open(sealed, sealed, ct_len + tag_len, (np_bytes){aad, aad_len}, nonce, key),
                     valid ? NP_OK : NP_ERR_SEAL);
    if (valid) {
        assert_memory_equal(sealed, msg, msg_len);
    }
    free(aad);
    free(msg);
    free(ct);
    free(tag);
    free(sealed);
    free(buffer);
}

/* Nonces of other sizes cannot be said to our functions. */
static bool run_chacha20_poly1305(const json_t *test, const char *result)
{
    size_t key_len;
    size_t nonce_len;
    uint8_t *key = field(test, "key", &key_len);
    uint8_t *nonce = field(test, "iv", &nonce_len);
    bool usable = nonce_len == NP_CRYPTO_NONCE_LEN;

    assert_int_equal(key_len, 32);
    if (usable) {
        run_aead(test, result, np_crypto_seal, np_crypto_open, key, nonce);
    } else {
        assert_string_equal(result, "invalid");
    }
    free(key);
    free(nonce);
    return usable;
}

/* A nonce of 24 bytes is a prefix of 16 and a count of 8. */
static bool run_xchacha20_poly1305(const json_t *test, const char *result)
{
    size_t key_len;
    size_t nonce_len;
    uint8_t *key = field(test, "key", &key_len);
    uint8_t *nonce = field(test, "iv", &nonce_len);
    bool usable = nonce_len == NP_CRYPTO_PREFIX_LEN + 8;

    assert_int_equal(key_len, 32);
    if (usable) {
        uint8_t subkey[NP_CRYPTO_KEY_LEN];
        uint8_t count[NP_CRYPTO_NONCE_LEN];
        np_crypto_subkey(subkey, key, nonce);
        np_crypto_count(count, np_get_u64(nonce + NP_CRYPTO_PREFIX_LEN));
        run_aead(test, result, np_crypto_seal, np_crypto_open, subkey, count);
    } else {
        assert_string_equal(result, "invalid");
    }
    free(key);
    free(nonce);
    return usable;
}

static void test_aead(void **state)
{
    (void)state;
    assert_true(each_test("chacha20_poly1305_test.json", run_chacha20_poly1305) > 300);
    assert_true(each_test("xchacha20_poly1305_test.json", run_xchacha20_poly1305) > 300);
}

static bool run_aes_gcm(const json_t *test, const char *result)
{
    size_t key_len;
    size_t nonce_len;
    uint8_t *key = field(test, "key", &key_len);
    uint8_t *nonce = field(test, "iv", &nonce_len);
    bool usable = key_len == NP_CRYPTO_KEY_LEN && nonce_len == NP_CRYPTO_NONCE_LEN;

    if (usable) {
        run_aead(test, result, np_crypto_seal_aes, np_crypto_open_aes, key, nonce);
    }
    free(key);
    free(nonce);
    return usable;
}

static void test_aes(void **state)
{
    (void)state;
    if (!np_crypto_has_aes()) {
        skip();
    }
    assert_int_equal(each_test("aes_gcm_test.json", run_aes_gcm), 66);
}

static void test_short_input_is_a_forgery(void **state)
{
    static const uint8_t zero[32];
    uint8_t out[32];
    (void)state;

    for (size_t len = 0; len < NP_CRYPTO_TAG_LEN; len++) {
        assert_int_equal(np_crypto_open(out, zero, len, (np_bytes){NULL, 0}, zero, zero),
                         NP_ERR_SEAL);
        if (np_crypto_has_aes()) {
            assert_int_equal(np_crypto_open_aes(out, zero, len, (np_bytes){NULL, 0}, zero, zero),
                             NP_ERR_SEAL);
        }
    }
}

/* RFC 5869, appendix A.1: the expansion, from its PRK. */
static void test_expand(void **state)
{
    size_t len;
    uint8_t *prk =
        hex_decode("077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5", &len);
    uint8_t *okm = hex_decode("3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf"
                              "34007208d5b887185865",
                              &len);
    uint8_t info[10];
    uint8_t got[42];
    (void)state;

    for (size_t i = 0; i < sizeof info; i++) {
        info[i] = (uint8_t)(0xF0 + i);
    }
    np_crypto_expand(got, sizeof got, prk, (np_bytes){info, sizeof info});
    assert_int_equal(len, sizeof got);
    assert_memory_equal(got, okm, sizeof got);
    free(prk);
    free(okm);
}

/* The chaining key may be where an output goes, as Noise has it. */
static void test_derive_in_place(void **state)
{
    uint8_t apart[3][32];
    uint8_t key[32] = {7};
    uint8_t second[32];
    uint8_t third[32];
    (void)state;

    np_crypto_derive(key, (np_bytes){(const uint8_t *)"abc", 3}, apart[0], apart[1], apart[2]);
    np_crypto_derive(key, (np_bytes){(const uint8_t *)"abc", 3}, key, second, third);
    assert_memory_equal(key, apart[0], 32);
    assert_memory_equal(second, apart[1], 32);
    assert_memory_equal(third, apart[2], 32);
}

static void fill_zero(void *user, uint8_t *out, size_t len)
{
    (void)user;
    memset(out, 0, len);
}

static void test_no_randomness_no_key(void **state)
{
    const np_rng rng = {fill_zero, NULL};
    np_keypair pair;
    (void)state;

    assert_int_equal(np_keypair_make(&pair, &rng), NP_ERR_KEY);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_x25519),
        cmocka_unit_test(test_aead),
        cmocka_unit_test(test_aes),
        cmocka_unit_test(test_short_input_is_a_forgery),
        cmocka_unit_test(test_expand),
        cmocka_unit_test(test_derive_in_place),
        cmocka_unit_test(test_no_randomness_no_key),
    };

    return sodium_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
