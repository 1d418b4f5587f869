/* A handshake with a peer that keeps to Noise and to nothing else: it knows all keys it may know,
 * and says by hand what an honest peer would never say. What a wire can do is tested in
 * test_handshake.c; here every message is authentic. */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "protocol/handshake.h"
#include "support/demo_protocol.h"

/* As docs/wire-format.md has it. */
static const uint8_t prologue[] = "netproto/1\0\xDE\xAD\xBE\xEF\x01";

static const uint8_t ciphers[] = {NP_CIPHER_XCHACHA20_POLY1305};
static const np_time now = {.mono_ms = 50, .wall_ms = 1700000000000u};

/* Our side, and the one that is played by hand. */
typedef struct play {
    np_keypair keys[2]; /* ours, theirs */
    np_handshake_side side;
    np_handshake ours;
    np_noise theirs;
    uint64_t seed;
    np_rng rng;
    np_fault fault;
    base_offer offer;
    bool offer_known;
    uint8_t scratch[NP_NOISE_MESSAGE_MAX];
    uint8_t bytes[NP_HANDSHAKE_MESSAGE_MAX]; /* the last message */
    size_t len;
    uint8_t plain[NP_NOISE_MESSAGE_MAX]; /* the last payload that they have read */
    size_t plain_len;
} play;

static void fill_seeded(void *user, uint8_t *out, size_t len)
{
    uint64_t *seed = user;

    for (size_t i = 0; i < len; i++) {
        *seed = *seed * 6364136223846793005u + 1442695040888963407u;
        out[i] = (uint8_t)(*seed >> 56);
    }
}

static void play_start(play *p, bool initiator)
{
    memset(p, 0, sizeof *p);
    p->seed = 11;
    p->rng = (np_rng){fill_seeded, &p->seed};
    for (int i = 0; i < 2; i++) {
        assert_int_equal(np_keypair_make(&p->keys[i], &p->rng), NP_OK);
    }
    assert_int_equal(np_negotiate_side_make(&p->side.speaks, &demo_protocol, 0, 0), NP_OK);
    p->side.speaks.ciphers = ciphers;
    p->side.speaks.cipher_count = 1;
    p->side.identity = &p->keys[0];
    p->side.skew_ms = 5000;
    assert_int_equal(np_handshake_init(&p->ours, &p->side, initiator, NULL), NP_OK);
    assert_int_equal(np_noise_init(&p->theirs, NP_NOISE_XX, !initiator,
                                   (np_bytes){prologue, sizeof prologue}, &p->keys[1]),
                     NP_OK);
}

static void play_fini(play *p)
{
    np_handshake_fini(&p->ours);
    np_noise_fini(&p->theirs);
}

/* What they say ------------------------------------------------------------------------------- */

/* Their payload inside their Noise message: the bytes of `noise`, which lie in `room`. */
static np_bytes wrap(play *p, const uint8_t *payload, size_t len,
                     uint8_t room[NP_NOISE_MESSAGE_MAX])
{
    np_bytes noise = {room, 0};

    assert_int_equal(np_noise_write(&p->theirs, &p->rng, (np_bytes){payload, len}, room,
                                    NP_NOISE_MESSAGE_MAX, &noise.len),
                     NP_OK);
    return noise;
}

static np_err send_init(play *p, const uint8_t *payload, size_t len)
{
    uint8_t room[NP_NOISE_MESSAGE_MAX];
    base_secure_handshake_init message = {.pattern = NP_NOISE_XX};

    message.noise = wrap(p, payload, len, room);
    assert_int_equal(
        base_secure_handshake_init_encode(&message, p->bytes, sizeof p->bytes, &p->len, NULL),
        NP_OK);
    return np_handshake_read_init(&p->ours, (np_bytes){p->bytes, p->len}, now, &p->fault);
}

static np_err send_response(play *p, const uint8_t *payload, size_t len)
{
    uint8_t room[NP_NOISE_MESSAGE_MAX];
    base_secure_handshake_response message;

    message.noise = wrap(p, payload, len, room);
    assert_int_equal(
        base_secure_handshake_response_encode(&message, p->bytes, sizeof p->bytes, &p->len, NULL),
        NP_OK);
    return np_handshake_read_response(&p->ours, (np_bytes){p->bytes, p->len}, p->scratch, &p->offer,
                                      &p->offer_known, &p->fault);
}

static np_err send_confirm(play *p, const uint8_t *payload, size_t len)
{
    uint8_t room[NP_NOISE_MESSAGE_MAX];
    base_secure_handshake_confirm message;
    np_bytes rest = {NULL, 0};
    np_err err;

    message.noise = wrap(p, payload, len, room);
    assert_int_equal(
        base_secure_handshake_confirm_encode(&message, p->bytes, sizeof p->bytes, &p->len, NULL),
        NP_OK);
    err = np_handshake_read_confirm_key(&p->ours, (np_bytes){p->bytes, p->len}, &rest, &p->fault);
    assert_int_equal(err, NP_OK);
    return np_handshake_read_confirm(&p->ours, rest, NULL, &p->fault);
}

/* What an honest peer would say --------------------------------------------------------------- */

static base_init_payload good_init(const play *p)
{
    base_init_payload payload = {.timestamp_ms = now.wall_ms, .nonce = {1, 2, 3}};

    payload.offer = np_negotiate_offer(&p->side.speaks);
    return payload;
}

static base_response_payload good_response(const play *p)
{
    base_response_payload payload;

    memset(&payload, 0, sizeof payload);
    payload.challenge[0] = 9;
    payload.answer.tag = BASE_ANSWER_CHOSEN;
    np_negotiate_choice(&payload.answer.chosen.choice, &p->side.speaks, 2, ciphers[0], 0);
    return payload;
}

/* The rest of it depends on what our Response says. */
static base_confirm_payload good_confirm(const play *p)
{
    const base_init_payload init = good_init(p);
    base_confirm_payload payload;

    memset(&payload, 0, sizeof payload);
    payload.timestamp_ms = init.timestamp_ms;
    memcpy(payload.nonce, init.nonce, sizeof payload.nonce);
    memcpy(payload.challenge, p->plain, sizeof payload.challenge);
    return payload;
}

static np_err say_init(play *p, const base_init_payload *payload, size_t extra)
{
    uint8_t plain[NP_NOISE_MESSAGE_MAX] = {0};
    size_t len = 0;

    assert_int_equal(base_init_payload_encode(payload, plain, 300, &len, NULL), NP_OK);
    return send_init(p, plain, len + extra);
}

static np_err say_response(play *p, const base_response_payload *payload, size_t extra)
{
    uint8_t plain[NP_NOISE_MESSAGE_MAX] = {0};
    size_t len = 0;

    assert_int_equal(base_response_payload_encode(payload, plain, 300, &len, NULL), NP_OK);
    return send_response(p, plain, len + extra);
}

static np_err say_confirm(play *p, const base_confirm_payload *payload, size_t extra)
{
    uint8_t plain[NP_NOISE_MESSAGE_MAX] = {0};
    size_t len = 0;

    assert_int_equal(base_confirm_payload_encode(payload, plain, 300, &len, NULL), NP_OK);
    return send_confirm(p, plain, len + extra);
}

/* Ours is the initiator: they have read its Init. */
static void to_response(play *p)
{
    base_secure_handshake_init init;

    play_start(p, true);
    assert_int_equal(np_handshake_write_init(&p->ours, &p->rng, now, p->bytes, &p->len), NP_OK);
    assert_int_equal(base_secure_handshake_init_decode(&init, p->bytes, p->len, NULL), NP_OK);
    assert_int_equal(np_noise_read(&p->theirs, init.noise, p->plain, &p->plain_len), NP_OK);
}

/* Ours is the responder: they have read its Response. */
static void to_confirm(play *p, const base_init_payload *init)
{
    base_secure_handshake_response response;

    assert_int_equal(say_init(p, init, 0), NP_OK);
    assert_int_equal(np_handshake_write_response(&p->ours, &p->rng, p->bytes, &p->len), NP_OK);
    assert_int_equal(base_secure_handshake_response_decode(&response, p->bytes, p->len, NULL),
                     NP_OK);
    assert_int_equal(np_noise_read(&p->theirs, response.noise, p->plain, &p->plain_len), NP_OK);
}

/* Tests --------------------------------------------------------------------------------------- */

/* So the test's peer is right, where it wants to be. */
static void test_an_honest_one(void **state)
{
    base_init_payload init;
    base_response_payload response;
    base_confirm_payload confirm;
    play p;
    (void)state;

    to_response(&p);
    response = good_response(&p);
    assert_int_equal(say_response(&p, &response, 0), NP_OK);
    assert_memory_equal(p.ours.challenge, response.challenge, 32);
    play_fini(&p);

    play_start(&p, false);
    init = good_init(&p);
    to_confirm(&p, &init);
    assert_memory_equal(p.ours.nonce, init.nonce, sizeof init.nonce);
    confirm = good_confirm(&p);
    assert_int_equal(say_confirm(&p, &confirm, 0), NP_OK);
    assert_memory_equal(p.ours.noise.remote_static, p.keys[1].public_key, 32);
    play_fini(&p);
}

/* Both sides bind the same words, so only somebody else can tell that they are the right ones. */
static void test_the_prologue_is_the_documented_one(void **state)
{
    play p;
    (void)state;

    assert_int_equal(sizeof prologue, 17);
    to_response(&p);
    assert_memory_equal(p.ours.noise.hash, p.theirs.hash, 32);
    play_fini(&p);
}

/* A challenge and a nonce are fresh in every handshake. */
static void test_fresh_each_time(void **state)
{
    static const uint8_t zero[32];
    base_init_payload init;
    uint8_t challenge[32];
    uint8_t nonce[16];
    np_rng rng;
    play p;
    (void)state;

    to_response(&p);
    memcpy(nonce, p.ours.nonce, sizeof nonce);
    assert_memory_not_equal(nonce, zero, sizeof nonce);
    rng = p.rng;
    assert_int_equal(np_handshake_init(&p.ours, &p.side, true, NULL), NP_OK);
    assert_int_equal(np_handshake_write_init(&p.ours, &rng, now, p.bytes, &p.len), NP_OK);
    assert_memory_not_equal(p.ours.nonce, nonce, sizeof nonce);
    play_fini(&p);

    play_start(&p, false);
    init = good_init(&p);
    to_confirm(&p, &init);
    memcpy(challenge, p.plain, sizeof challenge);
    assert_memory_not_equal(challenge, zero, sizeof challenge);
    play_fini(&p);
    play_start(&p, false);
    p.seed = 12;
    to_confirm(&p, &init);
    assert_memory_not_equal(challenge, p.plain, sizeof challenge);
    play_fini(&p);
}

/* What the initiator was not asked to agree to. */
static void test_choices_that_were_not_offered(void **state)
{
    base_response_payload payload;
    base_choice *choice = &payload.answer.chosen.choice;
    play p;
    (void)state;

    for (int i = 0; i < 7; i++) {
        static const uint8_t other[] = {9};
        to_response(&p);
        p.side.speaks.ciphers = i == 6 ? other : ciphers; /* 0 is one as any other */
        p.side.speaks.version_min = i == 1 ? 2 : 1;
        p.side.speaks.version_max = i == 2 ? 1 : 2;
        payload = good_response(&p);
        switch (i) {
        case 0:
            choice->digest[31] ^= 1;
            break;
        case 1:
            np_negotiate_choice(choice, &p.side.speaks, 1, ciphers[0], 0);
            break;
        case 2:
            break; /* 2 */
        case 3:
            choice->cipher = 1;
            break;
        case 4:
            choice->compression = 1;
            break;
        case 5:
            choice->features = 1;
            break;
        default:
            break;
        }
        assert_int_equal(say_response(&p, &payload, 0), NP_ERR_VERSION);
        assert_false(p.ours.agreed);
        assert_int_equal(np_handshake_write_confirm(&p.ours, &p.rng, p.bytes, &p.len),
                         NP_ERR_STATE);
        play_fini(&p);
    }
}

/* Ids of extensions ascend, in each of the three messages; and those that do are ignored. */
static void test_extensions(void **state)
{
    static const struct {
        uint16_t ids[2];
        np_err err;
    } cases[] = {
        {{1, 2}, NP_OK}, {{0, 65535}, NP_OK}, {{2, 1}, NP_ERR_ORDER}, {{7, 7}, NP_ERR_ORDER}};
    (void)state;

    for (size_t i = 0; i < 4; i++) {
        const base_extension items[2] = {{.id = cases[i].ids[0]}, {.id = cases[i].ids[1]}};
        const base_extension_list list = {.items = items, .count = 2};
        base_init_payload init;
        base_response_payload response;
        base_confirm_payload confirm;
        play p;

        play_start(&p, false);
        init = good_init(&p);
        init.offer.extensions = list;
        assert_int_equal(say_init(&p, &init, 0), cases[i].err);
        play_fini(&p);

        to_response(&p);
        response = good_response(&p);
        response.answer.chosen.choice.extensions = list;
        assert_int_equal(say_response(&p, &response, 0), cases[i].err);
        play_fini(&p);

        play_start(&p, false);
        init = good_init(&p);
        to_confirm(&p, &init);
        confirm = good_confirm(&p);
        confirm.extensions = list;
        assert_int_equal(say_confirm(&p, &confirm, 0), cases[i].err);
        play_fini(&p);
    }
}

/* A payload that is right but for a byte behind it is not right. */
static void test_trailing_bytes(void **state)
{
    base_init_payload init;
    base_response_payload response;
    base_confirm_payload confirm;
    play p;
    (void)state;

    play_start(&p, false);
    init = good_init(&p);
    assert_int_equal(say_init(&p, &init, 1), NP_ERR_TRAILING);
    play_fini(&p);

    to_response(&p);
    response = good_response(&p);
    assert_int_equal(say_response(&p, &response, 1), NP_ERR_TRAILING);
    assert_false(p.ours.agreed);
    play_fini(&p);

    play_start(&p, false);
    to_confirm(&p, &init);
    confirm = good_confirm(&p);
    assert_int_equal(say_confirm(&p, &confirm, 1), NP_ERR_TRAILING);
    play_fini(&p);
}

/* Confirm repeats what was said before, to the letter. */
static void test_confirm_of_another_handshake(void **state)
{
    static const char *const where[] = {"base.ConfirmPayload.challenge",
                                        "base.ConfirmPayload.challenge",
                                        "base.ConfirmPayload.timestamp_ms",
                                        "base.ConfirmPayload.nonce", "base.ConfirmPayload.nonce"};
    base_init_payload init;
    base_confirm_payload confirm;
    play p;
    (void)state;

    for (int i = 0; i < 5; i++) {
        play_start(&p, false);
        init = good_init(&p);
        to_confirm(&p, &init);
        confirm = good_confirm(&p);
        confirm.challenge[0] ^= i == 0;
        confirm.challenge[31] ^= i == 1;
        confirm.timestamp_ms += i == 2;
        confirm.nonce[0] ^= i == 3;
        confirm.nonce[15] ^= i == 4;
        assert_int_equal(say_confirm(&p, &confirm, 0), NP_ERR_CONST);
        assert_string_equal(p.fault.where, where[i]);
        play_fini(&p);
    }
}

/* A client that goes on where there is nothing in common. */
static void test_confirm_without_common_ground(void **state)
{
    base_init_payload init;
    base_confirm_payload confirm;
    play p;
    (void)state;

    play_start(&p, false);
    init = good_init(&p);
    init.offer.version_min = init.offer.version_max = 77;
    to_confirm(&p, &init);
    assert_false(p.ours.agreed);
    confirm = good_confirm(&p);
    assert_int_equal(say_confirm(&p, &confirm, 0), NP_ERR_VERSION);
    play_fini(&p);
}

/* A key that begins as ours does is not ours. */
static void test_a_key_much_like_ours(void **state)
{
    base_response_payload response;
    play p;
    (void)state;

    to_response(&p);
    while (p.keys[1].public_key[0] != p.keys[0].public_key[0]) {
        assert_int_equal(np_keypair_make(&p.keys[1], &p.rng), NP_OK);
    }
    p.theirs.local_static = p.keys[1];
    response = good_response(&p);
    assert_int_equal(say_response(&p, &response, 0), NP_OK);
    play_fini(&p);
}

/* A static key of small order: whoever has none could pass for its owner if a shared secret of zero
 * bytes were taken. */
static void test_static_keys_of_small_order(void **state)
{
    static const uint8_t points[][32] = {{0}, {1}};
    base_response_payload response;
    base_init_payload init;
    base_confirm_payload confirm;
    np_bytes rest;
    play p;
    (void)state;

    for (size_t i = 0; i < 2; i++) {
        uint8_t room[NP_NOISE_MESSAGE_MAX];
        base_secure_handshake_confirm message;
        size_t len = 0;
        uint8_t plain[256];

        to_response(&p);
        memcpy(p.theirs.local_static.public_key, points[i], 32);
        response = good_response(&p);
        assert_int_equal(say_response(&p, &response, 0), NP_ERR_KEY);
        play_fini(&p);

        play_start(&p, false);
        memcpy(p.theirs.local_static.public_key, points[i], 32);
        init = good_init(&p);
        to_confirm(&p, &init);
        confirm = good_confirm(&p);
        assert_int_equal(base_confirm_payload_encode(&confirm, plain, sizeof plain, &len, NULL),
                         NP_OK);
        message.noise = wrap(&p, plain, len, room);
        assert_int_equal(
            base_secure_handshake_confirm_encode(&message, p.bytes, sizeof p.bytes, &p.len, NULL),
            NP_OK);
        assert_int_equal(
            np_handshake_read_confirm_key(&p.ours, (np_bytes){p.bytes, p.len}, &rest, &p.fault),
            NP_ERR_KEY);
        play_fini(&p);
    }
}

static void test_pattern_that_is_none(void **state)
{
    base_init_payload init;
    play p;
    (void)state;

    play_start(&p, false);
    init = good_init(&p);
    assert_int_equal(say_init(&p, &init, 0), NP_OK);
    p.bytes[4] = 2;
    assert_int_equal(np_handshake_init(&p.ours, &p.side, false, NULL), NP_OK);
    assert_int_equal(np_handshake_read_init(&p.ours, (np_bytes){p.bytes, p.len}, now, &p.fault),
                     NP_ERR_RANGE);
    play_fini(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_honest_one),
        cmocka_unit_test(test_the_prologue_is_the_documented_one),
        cmocka_unit_test(test_fresh_each_time),
        cmocka_unit_test(test_choices_that_were_not_offered),
        cmocka_unit_test(test_extensions),
        cmocka_unit_test(test_trailing_bytes),
        cmocka_unit_test(test_confirm_of_another_handshake),
        cmocka_unit_test(test_confirm_without_common_ground),
        cmocka_unit_test(test_a_key_much_like_ours),
        cmocka_unit_test(test_static_keys_of_small_order),
        cmocka_unit_test(test_pattern_that_is_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
