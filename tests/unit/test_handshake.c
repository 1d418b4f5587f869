/* The handshake: two sides that may talk, and everybody who may not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "protocol/handshake.h"
#include "support/demo_protocol.h"

typedef struct message {
    uint8_t data[NP_HANDSHAKE_MESSAGE_MAX];
    size_t len;
} message;

/* Two sides and what goes between them. */
typedef struct play {
    np_keypair keys[2]; /* the initiator's, the responder's */
    np_handshake_side sides[2];
    np_handshake ends[2];
    message init, response, confirm;
    const uint8_t *psk[2];
    np_time now;
    uint64_t seed;
    np_rng rng;
    np_fault fault;
    base_offer theirs;
    bool offer_known;
    uint8_t scratch[NP_NOISE_MESSAGE_MAX];
} play;

static void fill_seeded(void *user, uint8_t *out, size_t len)
{
    uint64_t *seed = user;

    for (size_t i = 0; i < len; i++) {
        *seed = *seed * 6364136223846793005u + 1442695040888963407u;
        out[i] = (uint8_t)(*seed >> 56);
    }
}

static const uint8_t ciphers[] = {NP_CIPHER_XCHACHA20_POLY1305, 9};

/* Change what you like between this and play_start. */
static void play_init(play *p)
{
    memset(p, 0, sizeof *p);
    p->seed = 11;
    p->rng = (np_rng){fill_seeded, &p->seed};
    p->now = (np_time){.mono_ms = 50, .wall_ms = 1700000000000u};
    for (int i = 0; i < 2; i++) {
        assert_int_equal(np_keypair_make(&p->keys[i], &p->rng), NP_OK);
        assert_int_equal(np_negotiate_side_make(&p->sides[i].speaks, &demo_protocol, 0, 0), NP_OK);
        p->sides[i].speaks.ciphers = ciphers;
        p->sides[i].speaks.cipher_count = 1;
        p->sides[i].identity = &p->keys[i];
        p->sides[i].skew_ms = 5000;
    }
}

static void play_start(play *p)
{
    for (int i = 0; i < 2; i++) {
        assert_int_equal(np_handshake_init(&p->ends[i], &p->sides[i], i == 0, p->psk[i]), NP_OK);
    }
}

static np_bytes bytes_of(const message *m)
{
    return (np_bytes){m->data, m->len};
}

/* Each step as far as it goes. */
static np_err step_init(play *p)
{
    assert_int_equal(
        np_handshake_write_init(&p->ends[0], &p->rng, p->now, p->init.data, &p->init.len), NP_OK);
    return np_handshake_read_init(&p->ends[1], bytes_of(&p->init), p->now, &p->fault);
}

static np_err step_response(play *p)
{
    assert_int_equal(
        np_handshake_write_response(&p->ends[1], &p->rng, p->response.data, &p->response.len),
        NP_OK);
    return np_handshake_read_response(&p->ends[0], bytes_of(&p->response), p->scratch, &p->theirs,
                                      &p->offer_known, &p->fault);
}

static np_err read_confirm(play *p, np_handshake *end, const uint8_t *psk)
{
    np_bytes rest = {NULL, 0};
    np_err err = np_handshake_read_confirm_key(end, bytes_of(&p->confirm), &rest, &p->fault);

    return err == NP_OK ? np_handshake_read_confirm(end, rest, psk, &p->fault) : err;
}

static np_err step_confirm(play *p)
{
    assert_int_equal(
        np_handshake_write_confirm(&p->ends[0], &p->rng, p->confirm.data, &p->confirm.len), NP_OK);
    return read_confirm(p, &p->ends[1], p->psk[1]);
}

static void play_to_the_end(play *p)
{
    assert_int_equal(step_init(p), NP_OK);
    assert_int_equal(step_response(p), NP_OK);
    assert_memory_equal(p->ends[0].noise.remote_static, p->keys[1].public_key, 32);
    assert_int_equal(step_confirm(p), NP_OK);
    assert_memory_equal(p->ends[1].noise.remote_static, p->keys[0].public_key, 32);
}

static void play_fini(play *p)
{
    np_handshake_fini(&p->ends[0]);
    np_handshake_fini(&p->ends[1]);
}

/* What one seals the other opens, in both directions. */
static void expect_records(play *p)
{
    np_record_side sends[2];
    np_record_side receives[2];
    uint8_t frame[64];
    size_t len = 0;

    for (int i = 0; i < 2; i++) {
        assert_int_equal(np_handshake_finish(&p->ends[i], p->now, &sends[i], &receives[i]), NP_OK);
    }
    for (int i = 0; i < 2; i++) {
        memset(frame, 7, sizeof frame);
        len = np_record_seal(&sends[i], frame, 20);
        assert_int_equal(np_record_open(&receives[1 - i], frame, len, &len), NP_OK);
        assert_int_equal(frame[NP_FRAMING_HEADER_LEN + 19], 7);
    }
    assert_memory_not_equal(sends[0].key, sends[1].key, 32);
    for (int i = 0; i < 2; i++) {
        np_record_fini(&sends[i]);
        np_record_fini(&receives[i]);
        assert_int_equal(np_handshake_finish(&p->ends[i], p->now, &sends[i], &receives[i]),
                         NP_ERR_STATE);
    }
}

static void test_both_meet(void **state)
{
    static const uint8_t psk[32] = {9, 9, 9};
    play p;
    (void)state;

    for (int with_psk = 0; with_psk < 2; with_psk++) {
        play_init(&p);
        p.psk[0] = p.psk[1] = with_psk ? psk : NULL;
        play_start(&p);
        play_to_the_end(&p);
        assert_int_equal(p.ends[0].version, 2);
        assert_int_equal(p.ends[1].version, 2);
        expect_records(&p);
        play_fini(&p);
    }
    assert_true(sizeof(np_handshake) <= 1024);
}

static void test_older_versions_meet(void **state)
{
    play p;
    (void)state;

    play_init(&p);
    assert_int_equal(np_negotiate_side_make(&p.sides[1].speaks, &demo_protocol, 1, 1), NP_OK);
    play_start(&p);
    play_to_the_end(&p);
    assert_int_equal(p.ends[0].version, 1);
    assert_int_equal(p.ends[1].version, 1);
    play_fini(&p);
}

/* The initiator is told what would have been possible, in words that nobody could change. */
static void test_nothing_in_common(void **state)
{
    play p;
    (void)state;

    play_init(&p);
    assert_int_equal(np_negotiate_side_make(&p.sides[0].speaks, &demo_protocol, 1, 1), NP_OK);
    assert_int_equal(np_negotiate_side_make(&p.sides[1].speaks, &demo_protocol, 2, 2), NP_OK);
    play_start(&p);
    assert_int_equal(step_init(&p), NP_OK);
    assert_false(p.ends[1].agreed);
    assert_int_equal(step_response(&p), NP_ERR_VERSION);
    assert_true(p.offer_known);
    assert_int_equal(p.theirs.version_min, 2);
    assert_true(np_str_equal(p.theirs.protocol, np_str_from("demo")));
    assert_int_equal(np_handshake_write_confirm(&p.ends[0], &p.rng, p.confirm.data, &p.confirm.len),
                     NP_ERR_STATE);
    play_fini(&p);
}

static void test_no_cipher_in_common(void **state)
{
    play p;
    (void)state;

    play_init(&p);
    p.sides[0].speaks.ciphers = ciphers + 1; /* one that only the initiator knows */
    play_start(&p);
    assert_int_equal(step_init(&p), NP_OK);
    assert_false(p.ends[1].agreed);
    assert_string_equal(p.fault.where, "base.Offer.ciphers");
    assert_int_equal(step_response(&p), NP_ERR_VERSION);
    assert_int_equal(np_list_u8_at(&p.theirs.ciphers, 0), NP_CIPHER_XCHACHA20_POLY1305);
    play_fini(&p);
}

static void test_clocks(void **state)
{
    static const int64_t apart[] = {5000, -5000, 5001, -5001, 3600000, -3600000};
    play p;
    (void)state;

    for (size_t i = 0; i < 6; i++) {
        play_init(&p);
        play_start(&p);
        assert_int_equal(
            np_handshake_write_init(&p.ends[0], &p.rng, p.now, p.init.data, &p.init.len), NP_OK);
        p.now.wall_ms = (uint64_t)((int64_t)p.now.wall_ms + apart[i]);
        assert_int_equal(np_handshake_read_init(&p.ends[1], bytes_of(&p.init), p.now, &p.fault),
                         i < 2 ? NP_OK : NP_ERR_CLOCK);
        if (i >= 2) {
            assert_string_equal(p.fault.where, "base.InitPayload.timestamp_ms");
            assert_int_equal(p.fault.got, (int64_t)p.now.wall_ms - apart[i]);
        }
        play_fini(&p);
    }
    play_init(&p); /* not judged where it is switched off; and the year 2106 is no different */
    p.sides[1].skew_ms = 0;
    play_start(&p);
    assert_int_equal(np_handshake_write_init(&p.ends[0], &p.rng, p.now, p.init.data, &p.init.len),
                     NP_OK);
    p.now.wall_ms = UINT64_C(4300000000000);
    assert_int_equal(np_handshake_read_init(&p.ends[1], bytes_of(&p.init), p.now, &p.fault), NP_OK);
    play_fini(&p);
}

/* A peer with our own key is our own echo. */
static void test_reflection(void **state)
{
    play p;
    (void)state;

    play_init(&p);
    p.sides[1].identity = &p.keys[0];
    play_start(&p);
    assert_int_equal(step_init(&p), NP_OK);
    assert_int_equal(step_response(&p), NP_ERR_REFUSED);
    play_fini(&p);

    /* The same seen by a responder, for an initiator that does not mind. */
    play_init(&p);
    p.sides[0].identity = &p.keys[1];
    p.sides[1].identity = &p.keys[1];
    play_start(&p);
    assert_int_equal(step_init(&p), NP_OK);
    p.sides[0].identity = &p.keys[0];
    assert_int_equal(step_response(&p), NP_OK);
    assert_int_equal(step_confirm(&p), NP_ERR_REFUSED);
    play_fini(&p);
}

/* A pre-shared key where the other side expects none, or another, or the other way round. */
static void test_psk_on_one_side(void **state)
{
    static const uint8_t psks[2][32] = {{1}, {2}};
    static const struct {
        const uint8_t *initiator;
        const uint8_t *responder;
        np_err err;
    } cases[] = {
        {psks[0], NULL, NP_ERR_REFUSED},
        {NULL, psks[0], NP_ERR_REFUSED},
        {psks[0], psks[1], NP_ERR_SEAL},
    };
    play p;
    (void)state;

    for (size_t i = 0; i < 3; i++) {
        play_init(&p);
        p.psk[0] = cases[i].initiator;
        p.psk[1] = cases[i].responder;
        play_start(&p);
        assert_int_equal(step_init(&p), NP_OK);
        assert_int_equal(step_response(&p), NP_OK);
        assert_int_equal(step_confirm(&p), cases[i].err);
        play_fini(&p);
    }
}

/* A Confirm that was good once, in another handshake between the same two. */
static void test_replay(void **state)
{
    np_handshake again;
    message response;
    play p;
    (void)state;

    play_init(&p);
    play_start(&p);
    play_to_the_end(&p);
    assert_int_equal(np_handshake_init(&again, &p.sides[1], false, NULL), NP_OK);
    assert_int_equal(np_handshake_read_init(&again, bytes_of(&p.init), p.now, &p.fault), NP_OK);
    assert_int_equal(np_handshake_write_response(&again, &p.rng, response.data, &response.len),
                     NP_OK);
    assert_int_equal(read_confirm(&p, &again, NULL), NP_ERR_SEAL);
    np_handshake_fini(&again);
    play_fini(&p);
}

/* Whatever bit of whatever message is turned on its way, the two do not come to share keys. */
static bool survives(size_t which, size_t bit)
{
    play p;
    message *m[3];
    np_err err;

    play_init(&p);
    play_start(&p);
    m[0] = &p.init;
    m[1] = &p.response;
    m[2] = &p.confirm;
    assert_int_equal(np_handshake_write_init(&p.ends[0], &p.rng, p.now, p.init.data, &p.init.len),
                     NP_OK);
    for (size_t i = 0; i < 3; i++) {
        if (i == 1) {
            err = np_handshake_write_response(&p.ends[1], &p.rng, p.response.data, &p.response.len);
            assert_int_equal(err, NP_OK);
        } else if (i == 2) {
            err = np_handshake_write_confirm(&p.ends[0], &p.rng, p.confirm.data, &p.confirm.len);
            assert_int_equal(err, NP_OK);
        }
        if (i == which && bit / 8 < m[i]->len) {
            m[i]->data[bit / 8] ^= (uint8_t)(1u << bit % 8);
        }
        err = i == 0   ? np_handshake_read_init(&p.ends[1], bytes_of(m[0]), p.now, &p.fault)
              : i == 1 ? np_handshake_read_response(&p.ends[0], bytes_of(m[1]), p.scratch,
                                                    &p.theirs, &p.offer_known, &p.fault)
                       : read_confirm(&p, &p.ends[1], NULL);
        if (err != NP_OK) {
            play_fini(&p);
            return false;
        }
    }
    play_fini(&p);
    return true;
}

static void test_every_bit_counts(void **state)
{
    size_t bits[3];
    play p;
    (void)state;

    play_init(&p);
    play_start(&p);
    play_to_the_end(&p);
    bits[0] = p.init.len * 8;
    bits[1] = p.response.len * 8;
    bits[2] = p.confirm.len * 8;
    play_fini(&p);
    for (size_t which = 0; which < 3; which++) {
        for (size_t bit = 0; bit < bits[which]; bit++) {
            if (survives(which, bit)) {
                fail_msg("message %zu, bit %zu", which, bit);
            }
        }
        assert_true(survives(which, bits[which])); /* no bit: it is this test that works */
    }
}

/* Secrets of a handshake are gone when it is over. */
static bool contains(const void *memory, size_t len, const uint8_t *secret)
{
    const uint8_t *p = memory;

    for (size_t i = 0; i + 32 <= len; i++) {
        if (memcmp(p + i, secret, 32) == 0) {
            return true;
        }
    }
    return false;
}

static bool all_zero(const void *memory, size_t len)
{
    const uint8_t *p = memory;
    uint8_t any = 0;

    for (size_t i = 0; i < len; i++) {
        any |= p[i];
    }
    return any == 0;
}

static void test_secrets_are_wiped(void **state)
{
    np_record_side sends;
    np_record_side receives;
    uint8_t ephemeral[32];
    play p;
    (void)state;

    play_init(&p);
    play_start(&p);
    play_to_the_end(&p);
    memcpy(ephemeral, p.ends[0].noise.ephemeral.secret_key, 32);
    assert_true(contains(&p.ends[0], sizeof p.ends[0], ephemeral));
    assert_int_equal(np_handshake_finish(&p.ends[0], p.now, &sends, &receives), NP_OK);
    assert_false(contains(&p.ends[0], sizeof p.ends[0], ephemeral));
    assert_false(contains(&p.ends[0], sizeof p.ends[0], p.keys[0].secret_key));
    assert_memory_equal(p.ends[0].noise.remote_static, p.keys[1].public_key, 32);
    np_record_fini(&sends);
    np_record_fini(&receives);
    assert_true(all_zero(&sends, sizeof sends) && all_zero(&receives, sizeof receives));
    /* The other side was left in the middle. */
    assert_true(contains(&p.ends[1], sizeof p.ends[1], p.keys[1].secret_key));
    play_fini(&p);
    assert_true(all_zero(p.ends, sizeof p.ends));
}

/* A message at the wrong time, or the wrong message. */
static void test_out_of_turn(void **state)
{
    np_bytes rest;
    play p;
    (void)state;

    play_init(&p);
    play_start(&p);
    assert_int_equal(np_handshake_write_confirm(&p.ends[0], &p.rng, p.confirm.data, &p.confirm.len),
                     NP_ERR_STATE);
    assert_int_equal(step_init(&p), NP_OK);
    assert_int_equal(np_handshake_read_confirm_key(&p.ends[1], bytes_of(&p.init), &rest, &p.fault),
                     NP_ERR_UNKNOWN_MESSAGE);
    assert_int_equal(step_response(&p), NP_OK);
    assert_int_equal(np_handshake_read_response(&p.ends[0], bytes_of(&p.response), p.scratch,
                                                &p.theirs, &p.offer_known, &p.fault),
                     NP_ERR_STATE);
    play_fini(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_both_meet),
        cmocka_unit_test(test_older_versions_meet),
        cmocka_unit_test(test_nothing_in_common),
        cmocka_unit_test(test_no_cipher_in_common),
        cmocka_unit_test(test_clocks),
        cmocka_unit_test(test_reflection),
        cmocka_unit_test(test_psk_on_one_side),
        cmocka_unit_test(test_replay),
        cmocka_unit_test(test_every_bit_counts),
        cmocka_unit_test(test_secrets_are_wiped),
        cmocka_unit_test(test_out_of_turn),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
