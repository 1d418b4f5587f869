/* The replay cache: what it remembers, and that it forgets the oldest and nothing else. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "util/replay.h"

/* What the linker puts before the library's calls of these (--wrap): allocations that fail, blocks
 * that are looked at when they are freed, hashes that the test chooses. */
static int fail_after = -1; /* -1: never */
static const void *watched; /* the cache, whose first 16 bytes are its hash's key */
static bool key_was_wiped;
static bool choose_hash;
static uint64_t chosen_hash;

void *__real_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size);
void __real_free(void *block);
void __wrap_free(void *block);
int __real_crypto_shorthash(uint8_t *out, const uint8_t *in, unsigned long long len,
                            const uint8_t *key);
int __wrap_crypto_shorthash(uint8_t *out, const uint8_t *in, unsigned long long len,
                            const uint8_t *key);

void *__wrap_calloc(size_t count, size_t size)
{
    if (fail_after >= 0 && fail_after-- == 0) {
        return NULL; /* this one only */
    }
    return __real_calloc(count, size);
}

void __wrap_free(void *block)
{
    static const uint8_t zeros[16];

    if (block != NULL && block == watched) {
        key_was_wiped = memcmp(block, zeros, sizeof zeros) == 0;
    }
    __real_free(block);
}

int __wrap_crypto_shorthash(uint8_t *out, const uint8_t *in, unsigned long long len,
                            const uint8_t *key)
{
    if (choose_hash) {
        memcpy(out, &chosen_hash, sizeof chosen_hash);
        return 0;
    }
    return __real_crypto_shorthash(out, in, len, key);
}

static void fill_counting(void *user, uint8_t *out, size_t len)
{
    uint8_t *next = user;

    for (size_t i = 0; i < len; i++) {
        out[i] = (*next)++;
    }
}

static np_replay *make(uint32_t max)
{
    static uint8_t next;
    const np_rng rng = {fill_counting, &next};
    np_replay *replay = NULL;

    assert_int_equal(np_replay_new(&replay, max, &rng), NP_OK);
    return replay;
}

/* Handshake number n of a peer. */
static bool add(np_replay *replay, uint8_t peer, uint32_t n)
{
    uint8_t key[32] = {peer};
    uint8_t nonce[NP_REPLAY_NONCE_LEN] = {0};

    memcpy(nonce, &n, sizeof n);
    return np_replay_add(replay, key, nonce);
}

static void test_twice_is_a_replay(void **state)
{
    np_replay *replay = make(10);
    (void)state;

    assert_true(add(replay, 1, 7));
    assert_false(add(replay, 1, 7));
    assert_true(add(replay, 2, 7)); /* a victim's nonce, used by another: not its business */
    assert_true(add(replay, 1, 8));
    assert_false(add(replay, 1, 7));
    assert_false(add(replay, 2, 7));
    np_replay_free(replay);
    np_replay_free(NULL);
}

/* The last `max` are there, whatever has been forgotten around them; the ones before are not. */
static void test_the_oldest_are_forgotten(void **state)
{
    static const uint32_t sizes[] = {1, 2, 3, 64, 1000};
    (void)state;

    for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++) {
        uint32_t max = sizes[s];
        np_replay *replay = make(max);
        for (uint32_t n = 0; n < 5 * max + 3; n++) {
            assert_true(add(replay, 1, n));
            for (uint32_t back = 0; back < max && back <= n; back += 1 + max / 17) {
                assert_false(add(replay, 1, n - back));
            }
        }
        assert_true(add(replay, 1, 0)); /* long forgotten */
        np_replay_free(replay);
    }
}

static void test_a_million(void **state)
{
    np_replay *replay = make(10000);
    (void)state;

    for (uint32_t n = 0; n < 1000000; n++) {
        assert_true(add(replay, 1, n));
    }
    for (uint32_t n = 990000; n < 1000000; n++) {
        assert_false(add(replay, 1, n));
    }
    np_replay_free(replay);
}

/* All bytes of key and nonce count, and the hash has a key that nobody can guess. */
static void test_every_byte_counts(void **state)
{
    uint8_t drawn = 0;
    const np_rng rng = {fill_counting, &drawn};
    np_replay *replay = NULL;
    uint8_t key[32] = {0};
    uint8_t nonce[NP_REPLAY_NONCE_LEN] = {0};
    (void)state;

    assert_int_equal(np_replay_new(&replay, 100, &rng), NP_OK);
    assert_int_equal(drawn, 16);
    assert_true(np_replay_add(replay, key, nonce));
    for (size_t i = 0; i < sizeof key; i++) {
        key[i] = 1;
        assert_true(np_replay_add(replay, key, nonce));
        key[i] = 0;
    }
    for (size_t i = 0; i < sizeof nonce; i++) {
        nonce[i] = 1;
        assert_true(np_replay_add(replay, key, nonce));
        nonce[i] = 0;
    }
    assert_false(np_replay_add(replay, key, nonce));
    np_replay_free(replay);
}

static void test_sizes(void **state)
{
    const np_rng rng = {fill_counting, (uint8_t[1]){0}};
    np_replay *replay = NULL;
    (void)state;

    assert_int_equal(np_replay_new(&replay, 0, &rng), NP_ERR_ARG);
    assert_int_equal(np_replay_new(&replay, NP_REPLAY_MAX_MAX + 1, &rng), NP_ERR_ARG);
    assert_null(replay);
}

static void test_no_memory(void **state)
{
    uint8_t drawn = 0;
    const np_rng rng = {fill_counting, &drawn};
    np_replay *replay = NULL;
    (void)state;

    for (int i = 0; i < 3; i++) { /* the third frees what the first two gave */
        fail_after = i;
        assert_int_equal(np_replay_new(&replay, 100, &rng), NP_ERR_MEMORY);
        assert_null(replay);
        assert_int_equal(fail_after, -1);
    }
}

static void test_the_key_is_wiped(void **state)
{
    np_replay *replay = make(10);
    static const uint8_t zeros[16];
    (void)state;

    assert_memory_not_equal(replay, zeros, sizeof zeros);
    watched = replay;
    key_was_wiped = false;
    np_replay_free(replay);
    watched = NULL;
    assert_true(key_was_wiped);
}

/* A hash of zero, which marks a free place; and hashes that all want the same place. */
static void test_chosen_hashes(void **state)
{
    np_replay *replay = make(3);
    (void)state;

    choose_hash = true;
    chosen_hash = 0;
    assert_true(add(replay, 1, 1));
    assert_false(add(replay, 1, 1));
    for (uint64_t i = 1; i < 50; i++) {
        chosen_hash = i << 32;
        assert_true(add(replay, 1, 1));
        for (uint64_t k = 0; k < 3 && k <= i; k++) { /* the last three are kept */
            chosen_hash = (i - k) << 32;
            assert_false(add(replay, 1, 1));
        }
    }
    choose_hash = false;
    np_replay_free(replay);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_twice_is_a_replay),
        cmocka_unit_test(test_the_oldest_are_forgotten),
        cmocka_unit_test(test_a_million),
        cmocka_unit_test(test_every_byte_counts),
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_no_memory),
        cmocka_unit_test(test_the_key_is_wiped),
        cmocka_unit_test(test_chosen_hashes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
