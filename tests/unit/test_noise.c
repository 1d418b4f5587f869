/* The Noise handshake against vectors of two other implementations, in both roles, byte for byte;
 * and against a peer or a wire that changes, cuts, repeats or reorders its messages. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "protocol/noise.h"
#include "support/hex.h"

#define MESSAGES 3
#define BUFFER 1024

/* One side of a vector. */
typedef struct side {
    np_noise noise;
    uint8_t ephemeral[NP_CRYPTO_KEY_LEN]; /* what its randomness gives */
    np_keypair local;
    np_rng rng;
} side;

static void fill_ephemeral(void *user, uint8_t *out, size_t len)
{
    assert_int_equal(len, NP_CRYPTO_KEY_LEN);
    memcpy(out, user, len);
}

static size_t field(const json_t *object, const char *name, uint8_t *out, size_t cap)
{
    const char *text = json_string_value(json_object_get(object, name));
    size_t len = 0;
    uint8_t *bytes;

    assert_non_null(text);
    bytes = hex_decode(text, &len);
    assert_true(len <= cap);
    memcpy(out, bytes, len);
    free(bytes);
    return len;
}

static void prepare(side *s, const json_t *vector, bool initiator, np_noise_pattern pattern)
{
    uint8_t prologue[BUFFER];
    uint8_t secret[NP_CRYPTO_KEY_LEN];
    size_t len = field(vector, initiator ? "init_prologue" : "resp_prologue", prologue, BUFFER);

    assert_int_equal(field(vector, initiator ? "init_static" : "resp_static", secret, 32), 32);
    assert_int_equal(
        field(vector, initiator ? "init_ephemeral" : "resp_ephemeral", s->ephemeral, 32), 32);
    assert_int_equal(np_keypair_from(&s->local, secret), NP_OK);
    s->rng = (np_rng){fill_ephemeral, s->ephemeral};
    assert_int_equal(
        np_noise_init(&s->noise, pattern, initiator, (np_bytes){prologue, len}, &s->local), NP_OK);
    if (pattern == NP_NOISE_XXPSK3) {
        const json_t *psks = json_object_get(vector, initiator ? "init_psks" : "resp_psks");
        size_t psk_len = 0;
        uint8_t *psk = hex_decode(json_string_value(json_array_get(psks, 0)), &psk_len);
        assert_int_equal(psk_len, 32);
        np_noise_set_psk(&s->noise, psk);
        free(psk);
    }
}

/* The messages behind the handshake: Noise's own transport, which we do not use, tells that the
 * secrets of the split are right. */
static void expect_transport(const json_t *messages, const side *i, const side *r,
                             const json_t *vector)
{
    uint8_t to_responder[32];
    uint8_t to_initiator[32];
    uint8_t hash[32];
    uint8_t expected_hash[32];
    uint64_t count[2] = {0, 0};
    uint8_t same[3][32];

    assert_int_equal(np_noise_split(&i->noise, to_responder, to_initiator, hash), NP_OK);
    assert_int_equal(np_noise_split(&r->noise, same[0], same[1], same[2]), NP_OK);
    assert_memory_equal(same[0], to_responder, 32);
    assert_memory_equal(same[1], to_initiator, 32);
    assert_memory_equal(same[2], hash, 32);
    assert_int_equal(field(vector, "handshake_hash", expected_hash, 32), 32);
    assert_memory_equal(hash, expected_hash, 32);
    for (size_t at = MESSAGES; at < json_array_size(messages); at++) {
        const json_t *message = json_array_get(messages, at);
        bool by_initiator = at % 2 == 0;
        uint8_t payload[BUFFER];
        uint8_t sealed[BUFFER];
        uint8_t got[BUFFER];
        uint8_t nonce[NP_CRYPTO_NONCE_LEN];
        size_t len = field(message, "payload", payload, BUFFER - 16);
        assert_int_equal(field(message, "ciphertext", sealed, BUFFER), len + 16);
        np_crypto_count(nonce, count[by_initiator]++);
        np_crypto_seal(got, payload, len, (np_bytes){NULL, 0}, nonce,
                       by_initiator ? to_responder : to_initiator);
        assert_memory_equal(got, sealed, len + 16);
    }
}

static void run_vector(const json_t *vector, np_noise_pattern pattern)
{
    const json_t *messages = json_object_get(vector, "messages");
    side initiator;
    side responder;

    prepare(&initiator, vector, true, pattern);
    prepare(&responder, vector, false, pattern);
    assert_true(json_array_size(messages) > MESSAGES);
    for (size_t at = 0; at < MESSAGES; at++) {
        const json_t *message = json_array_get(messages, at);
        side *writer = at % 2 == 0 ? &initiator : &responder;
        side *reader = at % 2 == 0 ? &responder : &initiator;
        uint8_t payload[BUFFER];
        uint8_t expected[BUFFER];
        uint8_t got[BUFFER];
        size_t len = field(message, "payload", payload, BUFFER);
        size_t expected_len = field(message, "ciphertext", expected, BUFFER);
        size_t got_len = 0;

        assert_int_equal(np_noise_write(&writer->noise, &writer->rng, (np_bytes){payload, len}, got,
                                        BUFFER, &got_len),
                         NP_OK);
        assert_int_equal(got_len, expected_len);
        assert_memory_equal(got, expected, expected_len);
        assert_int_equal(
            np_noise_read(&reader->noise, (np_bytes){expected, expected_len}, got, &got_len),
            NP_OK);
        assert_int_equal(got_len, len);
        assert_memory_equal(got, payload, len);
    }
    assert_memory_equal(initiator.noise.remote_static, responder.local.public_key, 32);
    assert_memory_equal(responder.noise.remote_static, initiator.local.public_key, 32);
    expect_transport(messages, &initiator, &responder, vector);
    np_noise_fini(&initiator.noise);
    np_noise_fini(&responder.noise);
    assert_true(initiator.noise.message == 0 && responder.noise.message == 0);
}

static void test_vectors(void **state)
{
    static const char *const files[] = {"cacophony.json", "noise-c-basic.json"};
    size_t ran[2] = {0, 0};
    (void)state;

    for (size_t f = 0; f < 2; f++) {
        char path[256];
        json_t *all;
        snprintf(path, sizeof path, "tests/vectors/noise/%s", files[f]);
        all = json_load_file(path, 0, NULL);
        assert_non_null(all);
        const json_t *vectors = json_object_get(all, "vectors");
        for (size_t i = 0; i < json_array_size(vectors); i++) {
            const json_t *vector = json_array_get(vectors, i);
            const json_t *given = json_object_get(vector, "protocol_name");
            const char *name =
                json_string_value(given != NULL ? given : json_object_get(vector, "name"));
            assert_non_null(name);
            if (strcmp(name, "Noise_XX_25519_ChaChaPoly_SHA256") == 0) {
                run_vector(vector, NP_NOISE_XX);
                ran[NP_NOISE_XX]++;
            } else if (strcmp(name, "Noise_XXpsk3_25519_ChaChaPoly_SHA256") == 0) {
                run_vector(vector, NP_NOISE_XXPSK3);
                ran[NP_NOISE_XXPSK3]++;
            }
        }
        json_decref(all);
    }
    assert_int_equal(ran[NP_NOISE_XX], 2);
    assert_int_equal(ran[NP_NOISE_XXPSK3], 1);
}

/* Hostile wires ----------------------------------------------------------------------------- */

/* Deterministic, and different for each seed. */
static void fill_seeded(void *user, uint8_t *out, size_t len)
{
    uint64_t *seed = user;

    for (size_t i = 0; i < len; i++) {
        *seed = *seed * 6364136223846793005u + 1442695040888963407u;
        out[i] = (uint8_t)(*seed >> 56);
    }
}

typedef struct pair {
    np_noise ends[2]; /* the initiator, the responder */
    np_keypair keys[2];
    uint64_t seed;
    np_rng rng;
} pair;

static void pair_start(pair *p, np_noise_pattern pattern, uint64_t seed)
{
    static const uint8_t prologue[] = "here";
    static const uint8_t psk[32] = {1, 2, 3};

    p->seed = seed;
    p->rng = (np_rng){fill_seeded, &p->seed};
    for (int i = 0; i < 2; i++) {
        assert_int_equal(np_keypair_make(&p->keys[i], &p->rng), NP_OK);
        assert_int_equal(
            np_noise_init(&p->ends[i], pattern, i == 0, (np_bytes){prologue, 4}, &p->keys[i]),
            NP_OK);
        if (pattern == NP_NOISE_XXPSK3) {
            np_noise_set_psk(&p->ends[i], psk);
        }
    }
}

/* Runs the messages before `until` as they should be. */
static void pair_run(pair *p, size_t until)
{
    uint8_t message[NP_NOISE_MESSAGE_MAX];
    uint8_t payload[NP_NOISE_MESSAGE_MAX];
    size_t len = 0;

    for (size_t at = 0; at < until; at++) {
        assert_int_equal(np_noise_write(&p->ends[at % 2], &p->rng,
                                        (np_bytes){(const uint8_t *)"hello", 5}, message,
                                        sizeof message, &len),
                         NP_OK);
        assert_int_equal(
            np_noise_read(&p->ends[(at + 1) % 2], (np_bytes){message, len}, payload, &len), NP_OK);
        assert_int_equal(len, 5);
    }
}

/* A changed bit of message `at` is noticed at once, or (in message 1, which proves nothing) by the
 * reader of the next message. */
static bool changed_bit_is_found(np_noise_pattern pattern, size_t at, size_t bit)
{
    uint8_t message[NP_NOISE_MESSAGE_MAX];
    uint8_t payload[NP_NOISE_MESSAGE_MAX];
    size_t len = 0;
    pair p;

    pair_start(&p, pattern, 7);
    pair_run(&p, at);
    for (size_t i = at; i < MESSAGES; i++) {
        np_noise *writer = &p.ends[i % 2];
        np_noise *reader = &p.ends[(i + 1) % 2];
        assert_int_equal(np_noise_write(writer, &p.rng, (np_bytes){(const uint8_t *)"hello", 5},
                                        message, sizeof message, &len),
                         NP_OK);
        if (i == at) {
            if (bit / 8 >= len) {
                return true;
            }
            message[bit / 8] ^= (uint8_t)(1u << bit % 8);
        }
        if (np_noise_read(reader, (np_bytes){message, len}, payload, &len) != NP_OK) {
            /* And it stays so. */
            assert_int_equal(np_noise_read(reader, (np_bytes){message, len}, payload, &len),
                             NP_ERR_STATE);
            return true;
        }
    }
    return false;
}

static void test_every_bit_counts(void **state)
{
    (void)state;
    for (int pattern = NP_NOISE_XX; pattern <= NP_NOISE_XXPSK3; pattern++) {
        for (size_t at = 0; at < MESSAGES; at++) {
            for (size_t bit = 0; bit < (size_t)120 * 8; bit++) {
                bool found = changed_bit_is_found((np_noise_pattern)pattern, at, bit);
                /* X25519 ignores the top bit of a key (RFC 7748, section 5), but the transcript
                 * does not. */
                assert_true(found);
            }
        }
    }
}

static void test_cut_and_long_messages(void **state)
{
    uint8_t message[NP_NOISE_MESSAGE_MAX + 1] = {0};
    uint8_t payload[NP_NOISE_MESSAGE_MAX + 1];
    size_t len = 0;
    size_t n = 0;
    pair p;
    (void)state;

    for (int pattern = NP_NOISE_XX; pattern <= NP_NOISE_XXPSK3; pattern++) {
        for (size_t at = 0; at < MESSAGES; at++) {
            for (size_t cut = 0; cut < 400; cut++) {
                pair_start(&p, (np_noise_pattern)pattern, 7);
                pair_run(&p, at);
                assert_int_equal(np_noise_write(&p.ends[at % 2], &p.rng, (np_bytes){NULL, 0},
                                                message, sizeof message, &len),
                                 NP_OK);
                if (cut >= len) {
                    break;
                }
                assert_int_equal(
                    np_noise_read(&p.ends[(at + 1) % 2], (np_bytes){message, cut}, payload, &n),
                    NP_ERR_TRUNCATED);
            }
        }
    }
    pair_start(&p, NP_NOISE_XX, 7);
    assert_int_equal(
        np_noise_read(&p.ends[1], (np_bytes){message, NP_NOISE_MESSAGE_MAX + 1}, payload, &n),
        NP_ERR_TOO_LONG);
    pair_start(&p, NP_NOISE_XX, 7);
    assert_int_equal(
        np_noise_write(&p.ends[0], &p.rng, (np_bytes){payload, 369}, message, sizeof message, &n),
        NP_ERR_SPACE);
    assert_int_equal(np_noise_write(&p.ends[0], &p.rng, (np_bytes){payload, 100}, message, 131, &n),
                     NP_ERR_SPACE);
    assert_int_equal(np_noise_write(&p.ends[0], &p.rng, (np_bytes){payload, 100}, message, 132, &n),
                     NP_OK);
}

static void test_out_of_turn(void **state)
{
    uint8_t message[NP_NOISE_MESSAGE_MAX];
    uint8_t payload[NP_NOISE_MESSAGE_MAX];
    uint8_t secrets[3][32];
    size_t len = 0;
    pair p;
    (void)state;

    pair_start(&p, NP_NOISE_XX, 7);
    assert_int_equal(
        np_noise_write(&p.ends[1], &p.rng, (np_bytes){NULL, 0}, message, sizeof message, &len),
        NP_ERR_STATE);
    assert_int_equal(np_noise_read(&p.ends[0], (np_bytes){message, 200}, payload, &len),
                     NP_ERR_STATE);
    assert_int_equal(np_noise_read_payload(&p.ends[1], (np_bytes){message, 200}, payload, &len),
                     NP_ERR_STATE);
    pair_run(&p, MESSAGES - 1);
    assert_int_equal(np_noise_split(&p.ends[0], secrets[0], secrets[1], secrets[2]), NP_ERR_STATE);
    /* The second message again, where the third is due. */
    assert_int_equal(np_noise_read(&p.ends[0], (np_bytes){message, 200}, payload, &len),
                     NP_ERR_STATE);
    pair_start(&p, NP_NOISE_XX, 7);
    pair_run(&p, MESSAGES);
    assert_int_equal(
        np_noise_write(&p.ends[0], &p.rng, (np_bytes){NULL, 0}, message, sizeof message, &len),
        NP_ERR_STATE);
    assert_int_equal(
        np_noise_init(&p.ends[0], (np_noise_pattern)2, true, (np_bytes){NULL, 0}, &p.keys[0]),
        NP_ERR_ARG);
}

/* There is no fourth message, in either direction. */
static void test_nothing_behind_the_third(void **state)
{
    uint8_t message[NP_NOISE_MESSAGE_MAX] = {0};
    uint8_t payload[NP_NOISE_MESSAGE_MAX];
    size_t len = 0;
    pair p;
    (void)state;

    for (int i = 0; i < 2; i++) {
        pair_start(&p, NP_NOISE_XX, 7);
        pair_run(&p, MESSAGES);
        assert_int_equal(
            np_noise_write(&p.ends[i], &p.rng, (np_bytes){NULL, 0}, message, sizeof message, &len),
            NP_ERR_STATE);
        assert_int_equal(np_noise_read(&p.ends[i], (np_bytes){message, 200}, payload, &len),
                         NP_ERR_STATE);
    }
}

/* Both halves once, in their order; and what has failed has failed. */
static void test_halves_out_of_turn(void **state)
{
    uint8_t message[NP_NOISE_MESSAGE_MAX];
    uint8_t payload[NP_NOISE_MESSAGE_MAX];
    size_t len = 0;
    size_t used = 0;
    size_t n = 0;
    pair p;
    (void)state;

    for (int i = 0; i < 3; i++) {
        pair_start(&p, NP_NOISE_XX, 7);
        pair_run(&p, MESSAGES - 1);
        assert_int_equal(
            np_noise_write(&p.ends[0], &p.rng, (np_bytes){NULL, 0}, message, sizeof message, &len),
            NP_OK);
        assert_int_equal(np_noise_read_keys(&p.ends[1], (np_bytes){message, len}, &used), NP_OK);
        np_bytes rest = {message + used, len - used};
        if (i == 0) {
            assert_int_equal(np_noise_read_keys(&p.ends[1], (np_bytes){message, len}, &used),
                             NP_ERR_STATE);
            assert_int_equal(np_noise_read_payload(&p.ends[1], rest, payload, &n), NP_OK);
            assert_int_equal(np_noise_read_payload(&p.ends[1], rest, payload, &n), NP_ERR_STATE);
            continue;
        }
        if (i == 1) { /* a changed one; the right one comes too late then */
            message[used] ^= 1;
            assert_int_equal(np_noise_read_payload(&p.ends[1], rest, payload, &n), NP_ERR_SEAL);
            message[used] ^= 1;
        } else { /* less than a tag */
            rest.len = NP_CRYPTO_TAG_LEN - 1;
            assert_int_equal(np_noise_read_payload(&p.ends[1], rest, payload, &n),
                             NP_ERR_TRUNCATED);
            rest.len = len - used;
        }
        assert_int_equal(np_noise_read_payload(&p.ends[1], rest, payload, &n), NP_ERR_STATE);
    }
}

static void fill_zero(void *user, uint8_t *out, size_t len)
{
    (void)user;
    memset(out, 0, len);
}

/* Without randomness there is no ephemeral key, and nothing is written. */
static void test_no_randomness(void **state)
{
    const np_rng none = {fill_zero, NULL};
    uint8_t message[NP_NOISE_MESSAGE_MAX];
    size_t len = 0;
    pair p;
    (void)state;

    pair_start(&p, NP_NOISE_XX, 7);
    assert_int_equal(
        np_noise_write(&p.ends[0], &none, (np_bytes){NULL, 0}, message, sizeof message, &len),
        NP_ERR_KEY);
    assert_int_equal(
        np_noise_write(&p.ends[0], &p.rng, (np_bytes){NULL, 0}, message, sizeof message, &len),
        NP_ERR_STATE);
}

/* Ephemeral keys of small order: the shared secret would be known to everybody. */
static void test_small_order(void **state)
{
    static const uint8_t points[][32] = {{0}, {1}};
    uint8_t message[NP_NOISE_MESSAGE_MAX] = {0};
    size_t len = 0;
    size_t n = 0;
    pair p;
    (void)state;

    for (size_t i = 0; i < 2; i++) {
        pair_start(&p, NP_NOISE_XX, 7);
        memcpy(message, points[i], 32);
        assert_int_equal(np_noise_read(&p.ends[1], (np_bytes){message, 32}, message + 100, &n),
                         NP_OK);
        assert_int_equal(
            np_noise_write(&p.ends[1], &p.rng, (np_bytes){NULL, 0}, message, sizeof message, &len),
            NP_ERR_KEY);
        assert_int_equal(
            np_noise_write(&p.ends[1], &p.rng, (np_bytes){NULL, 0}, message, sizeof message, &len),
            NP_ERR_STATE);
    }
}

/* The responder looks the key up between the halves; a wrong one, or none, ends it. */
static void test_psk_between_the_halves(void **state)
{
    static const uint8_t psks[2][32] = {{1, 2, 3}, {1, 2, 4}};
    uint8_t message[NP_NOISE_MESSAGE_MAX];
    uint8_t payload[NP_NOISE_MESSAGE_MAX];
    size_t len = 0;
    size_t used = 0;
    size_t n = 0;
    pair p;
    (void)state;

    for (size_t i = 0; i < 3; i++) {
        pair_start(&p, NP_NOISE_XXPSK3, 7);
        p.ends[1].has_psk = false;
        pair_run(&p, MESSAGES - 1);
        assert_int_equal(
            np_noise_write(&p.ends[0], &p.rng, (np_bytes){NULL, 0}, message, sizeof message, &len),
            NP_OK);
        assert_int_equal(np_noise_read_keys(&p.ends[1], (np_bytes){message, len}, &used), NP_OK);
        assert_memory_equal(p.ends[1].remote_static, p.keys[0].public_key, 32);
        if (i < 2) {
            np_noise_set_psk(&p.ends[1], psks[i]);
        }
        assert_int_equal(
            np_noise_read_payload(&p.ends[1], (np_bytes){message + used, len - used}, payload, &n),
            i == 0   ? NP_OK
            : i == 1 ? NP_ERR_SEAL
                     : NP_ERR_STATE);
    }
}

static void test_other_prologue(void **state)
{
    uint8_t message[NP_NOISE_MESSAGE_MAX];
    uint8_t payload[NP_NOISE_MESSAGE_MAX];
    size_t len = 0;
    pair p;
    (void)state;

    pair_start(&p, NP_NOISE_XX, 7);
    assert_int_equal(np_noise_init(&p.ends[1], NP_NOISE_XX, false,
                                   (np_bytes){(const uint8_t *)"hers", 4}, &p.keys[1]),
                     NP_OK);
    pair_run(&p, 1);
    assert_int_equal(
        np_noise_write(&p.ends[1], &p.rng, (np_bytes){NULL, 0}, message, sizeof message, &len),
        NP_OK);
    assert_int_equal(np_noise_read(&p.ends[0], (np_bytes){message, len}, payload, &len),
                     NP_ERR_SEAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors),
        cmocka_unit_test(test_every_bit_counts),
        cmocka_unit_test(test_cut_and_long_messages),
        cmocka_unit_test(test_out_of_turn),
        cmocka_unit_test(test_nothing_behind_the_third),
        cmocka_unit_test(test_halves_out_of_turn),
        cmocka_unit_test(test_no_randomness),
        cmocka_unit_test(test_small_order),
        cmocka_unit_test(test_psk_between_the_halves),
        cmocka_unit_test(test_other_prologue),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
