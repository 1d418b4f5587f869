/* Records against vectors that another implementation made, and against whoever changes, repeats,
 * reorders, drops or cuts them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>
#include <sodium.h>

#include "protocol/entry.h"
#include "protocol/record.h"
#include "support/hex.h"

/* Everything below is run with each. */
static uint8_t cipher;

static const uint8_t secret[32] = {1, 2, 3};
static const uint8_t hash[32] = {4, 5, 6};

static uint8_t *field(const json_t *object, const char *name, size_t *len)
{
    const char *text = json_string_value(json_object_get(object, name));

    return text != NULL ? hex_decode(text, len) : NULL;
}

/* Either the bytes or, of the long ones, their digest. */
static void expect_bytes(const json_t *record, const char *name, const uint8_t *got, size_t len)
{
    char digest_name[32];
    uint8_t digest[32];
    size_t expected_len = 0;
    uint8_t *expected = field(record, name, &expected_len);

    if (expected != NULL) {
        assert_int_equal(len, expected_len);
        assert_memory_equal(got, expected, len);
    } else {
        snprintf(digest_name, sizeof digest_name, "%s_sha256", name);
        expected = field(record, digest_name, &expected_len);
        assert_non_null(expected);
        np_crypto_hash(digest, (np_bytes){got, len}, (np_bytes){NULL, 0});
        assert_memory_equal(digest, expected, 32);
    }
    free(expected);
}

static uint8_t *put_message(uint8_t *p, uint8_t kind, uint32_t stream, const void *body, size_t len,
                            bool more)
{
    np_entry entry = np_entry_make(NP_ENTRY_MESSAGE, kind, stream, len, more);

    p = np_entry_put(p, &entry);
    memcpy(p, body, len);
    return p + len;
}

/* The plain text of the vector of that number, by our own hands. */
static size_t make_plain(size_t number, uint8_t *plain)
{
    static const uint8_t ping[12] = {0, 0, 0, 0, 7};
    static const uint8_t request[] = "\x01\x01\0\0what is it?";
    static uint8_t many[65536];
    const np_entry update = np_entry_make(NP_ENTRY_KEY_UPDATE, NP_FRAMING_NO_STREAM, 0, 0, false);
    const np_entry close = np_entry_make(NP_ENTRY_CLOSE, NP_FRAMING_NO_STREAM, 0, 2, false);
    uint8_t *p = plain;

    switch (number) {
    case 1:
        for (int i = 0; i < 16; i++) {
            p = put_message(p, NP_FRAMING_NO_STREAM, 0, ping, sizeof ping, false);
        }
        break;
    case 2:
        p = put_message(p, NP_FRAMING_REQUEST, 1, request, sizeof request - 1, false);
        break;
    case 3:
        memset(many, 'f', 1024);
        p = put_message(p, NP_FRAMING_NO_STREAM, 0, many, 1024, true);
        p = put_message(p, NP_FRAMING_NO_STREAM, 0, "end", 3, false);
        break;
    case 4:
        memset(many, 'm', sizeof many);
        p = put_message(p, NP_FRAMING_REQUEST, 1, many, sizeof many, false);
        memset(many, 'x', 1004);
        p = put_message(p, NP_FRAMING_NO_STREAM, 0, many, 1004, false);
        break;
    case 5:
        p = put_message(p, NP_FRAMING_NO_STREAM, 0, ping, sizeof ping, false);
        p = np_entry_put(p, &update);
        break;
    case 7:
        p = np_put_u16(np_entry_put(p, &close), 3);
        break;
    default:
        p = put_message(p, NP_FRAMING_NO_STREAM, 0, ping, sizeof ping, false);
        break;
    }
    return (size_t)(p - plain);
}

static void test_vectors(void **state)
{
    json_t *all = json_load_file("tests/vectors/records/vectors.json", 0, NULL);
    const json_t *session = json_array_get(json_object_get(all, "sessions"), cipher);
    const json_t *records = json_object_get(session, "records");
    uint8_t *frame = malloc(NP_RECORD_PLAIN_MAX + NP_RECORD_OVERHEAD);
    np_record_side sender;
    np_record_side receiver;
    size_t len = 0;
    uint8_t *given[3];
    (void)state;

    assert_true(frame != NULL && json_array_size(records) == 8);
    assert_int_equal(json_integer_value(json_object_get(session, "cipher")), cipher);
    given[0] = field(all, "secret", &len);
    given[1] = field(all, "handshake_hash", &len);
    given[2] = field(session, "next_secret", &len);
    assert_int_equal(np_record_init(&sender, cipher, given[0], given[1], 0), NP_OK);
    assert_int_equal(np_record_init(&receiver, cipher, given[0], given[1], 0), NP_OK);
    for (size_t i = 0; i < json_array_size(records); i++) {
        const json_t *record = json_array_get(records, i);
        size_t plain_len = make_plain(i, frame + NP_FRAMING_HEADER_LEN);

        expect_bytes(record, "plain", frame + NP_FRAMING_HEADER_LEN, plain_len);
        assert_int_equal(json_integer_value(json_object_get(record, "n")), sender.n);
        len = np_record_seal(&sender, frame, plain_len);
        expect_bytes(record, "record", frame, len);
        assert_int_equal(np_record_open(&receiver, frame, len, &len), NP_OK);
        assert_int_equal(len, plain_len);
        expect_bytes(record, "plain", frame + NP_FRAMING_HEADER_LEN, plain_len);
        if (i == 5) {
            np_record_next_epoch(&sender, 0);
            assert_int_equal(np_record_take_update(&receiver, 0), NP_OK);
            assert_memory_equal(sender.secret, given[2], 32);
        }
    }
    for (size_t i = 0; i < 3; i++) {
        free(given[i]);
    }
    free(frame);
    json_decref(all);
    np_record_fini(&sender);
    np_record_fini(&receiver);
}

/* Records of a few bytes, one behind the other. */
typedef struct stream {
    np_record_side sender;
    np_record_side receiver;
    uint8_t frames[4][64];
    size_t len[4];
} stream;

static void stream_make(stream *s)
{
    assert_int_equal(np_record_init(&s->sender, cipher, secret, hash, 0), NP_OK);
    assert_int_equal(np_record_init(&s->receiver, cipher, secret, hash, 0), NP_OK);
    for (size_t i = 0; i < 4; i++) {
        memset(s->frames[i] + NP_FRAMING_HEADER_LEN, (int)i, 8);
        s->len[i] = np_record_seal(&s->sender, s->frames[i], 8);
    }
}

static np_err open_frame(stream *s, size_t i)
{
    uint8_t copy[64];
    size_t len = 0;

    memcpy(copy, s->frames[i], s->len[i]);
    return np_record_open(&s->receiver, copy, s->len[i], &len);
}

static void test_order_is_all(void **state)
{
    stream s;
    (void)state;

    stream_make(&s); /* in order */
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(open_frame(&s, i), NP_OK);
    }
    stream_make(&s); /* repeated */
    assert_int_equal(open_frame(&s, 0), NP_OK);
    assert_int_equal(open_frame(&s, 0), NP_ERR_SEAL);
    stream_make(&s); /* one is missing, or two have changed places */
    assert_int_equal(open_frame(&s, 1), NP_ERR_SEAL);
    stream_make(&s); /* another direction, or another session */
    s.receiver.secret[0] ^= 1;
    np_record_next_epoch(&s.receiver, 0);
    assert_int_equal(open_frame(&s, 0), NP_ERR_SEAL);
}

static void test_every_bit_counts(void **state)
{
    stream s;
    (void)state;

    stream_make(&s);
    for (size_t bit = 0; bit < s.len[0] * 8; bit++) {
        s.frames[0][bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_int_equal(open_frame(&s, 0), NP_ERR_SEAL);
        s.frames[0][bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    for (size_t cut = NP_FRAMING_HEADER_LEN; cut < s.len[0]; cut++) {
        size_t whole = s.len[0];
        s.len[0] = cut;
        assert_int_equal(open_frame(&s, 0), NP_ERR_SEAL);
        s.len[0] = whole;
    }
    assert_int_equal(open_frame(&s, 0), NP_OK); /* failures have moved nothing */
}

/* The secrets of two handshakes that differ in one bit of the hash have nothing in common. */
static void test_hash_is_bound(void **state)
{
    uint8_t other[32];
    np_record_side a;
    np_record_side b;
    (void)state;

    memcpy(other, hash, 32);
    other[31] ^= 1;
    assert_int_equal(np_record_init(&a, cipher, secret, hash, 0), NP_OK);
    assert_int_equal(np_record_init(&b, cipher, secret, other, 0), NP_OK);
    assert_memory_not_equal(a.key, b.key, 32);
    assert_int_equal(np_record_init(&a, 9, secret, hash, 0), NP_ERR_ARG);
}

static void test_epochs_have_bounds(void **state)
{
    uint8_t frame[64] = {0};
    size_t len = 0;
    np_record_side s;
    (void)state;

    /* Peers rely on them. */
    assert_int_equal(NP_RECORD_EPOCH_RECORDS, 1048576);
    assert_int_equal(NP_RECORD_EPOCH_BYTES, 1073741824);
    assert_int_equal(NP_RECORD_EPOCH_MS, 3600000);
    assert_int_equal(NP_RECORD_UPDATES_MAX, 32);
    assert_int_equal(NP_RECORD_UPDATE_MS, 100);
    assert_int_equal(NP_RECORD_PLAIN_MAX, 66560);
    assert_int_equal(NP_RECORD_PAYLOAD_MAX, 66576);

    assert_int_equal(np_record_init(&s, cipher, secret, hash, 1000), NP_OK);
    assert_false(np_record_is_due(&s, 1000 + NP_RECORD_EPOCH_MS - 1));
    assert_true(np_record_is_due(&s, 1000 + NP_RECORD_EPOCH_MS));
    s.n = NP_RECORD_EPOCH_RECORDS - 2;
    assert_false(np_record_is_due(&s, 1000));
    s.n++; /* the next one is the last */
    assert_true(np_record_is_due(&s, 1000));
    np_record_next_epoch(&s, 1000);
    assert_false(np_record_is_due(&s, 1000));
    s.bytes = NP_RECORD_EPOCH_BYTES - 1;
    assert_false(np_record_is_due(&s, 1000));
    s.bytes++;
    assert_true(np_record_is_due(&s, 1000));

    /* A receiver bears twice that, and then says so before it looks. */
    np_record_next_epoch(&s, 1000);
    len = np_record_seal(&s, frame, 8);
    s.n = 2 * NP_RECORD_EPOCH_RECORDS;
    assert_int_equal(np_record_open(&s, frame, len, &len), NP_ERR_LIMIT);
    np_record_next_epoch(&s, 1000);
    s.bytes = 2 * NP_RECORD_EPOCH_BYTES;
    assert_int_equal(np_record_open(&s, frame, 64, &len), NP_ERR_LIMIT);
}

/* Up to twice the bounds a receiver goes along, and not a record further; bytes count on both sides
 * as they are sealed and opened. */
static void test_receivers_patience(void **state)
{
    uint8_t frame[64] = {0};
    size_t frame_len;
    size_t len = 0;
    np_record_side sender;
    np_record_side receiver;
    (void)state;

    for (int i = 0; i < 2; i++) {
        assert_int_equal(np_record_init(&sender, cipher, secret, hash, 0), NP_OK);
        assert_int_equal(np_record_init(&receiver, cipher, secret, hash, 0), NP_OK);
        sender.n = receiver.n = i == 0 ? 2 * NP_RECORD_EPOCH_RECORDS - 1 : 0;
        sender.bytes = NP_RECORD_EPOCH_BYTES - (i == 0 ? 9 : 8);
        receiver.bytes = i == 0 ? 0 : 2 * NP_RECORD_EPOCH_BYTES - 8;
        frame_len = np_record_seal(&sender, frame, 8);
        assert_int_equal(np_record_open(&receiver, frame, frame_len, &len), NP_OK);
        assert_int_equal(len, 8);
        assert_int_equal(np_record_open(&receiver, frame, frame_len, &len), NP_ERR_LIMIT);
        sender.n = 0;
        assert_int_equal(np_record_is_due(&sender, 0), i == 1);
    }
}

/* A record that is authentic and has nothing to say would cost its sender little and us as much as
 * any. */
static void test_empty_record(void **state)
{
    static const uint8_t header[] = {0xDE, 0xAD, 0xBE, 0xEF, 1, 4, 0, 0, 0, 16};
    uint8_t frame[NP_RECORD_OVERHEAD];
    uint8_t nonce[NP_CRYPTO_NONCE_LEN];
    uint8_t *plain = frame + sizeof header;
    size_t len = 0;
    np_record_side s;
    (void)state;

    assert_int_equal(np_record_init(&s, cipher, secret, hash, 0), NP_OK);
    memcpy(frame, header, sizeof header);
    np_crypto_count(nonce, 0);
    if (cipher == NP_CIPHER_AES_256_GCM) {
        np_crypto_seal_aes(plain, plain, 0, (np_bytes){frame, sizeof header}, s.iv, s.key);
    } else {
        np_crypto_seal(plain, plain, 0, (np_bytes){frame, sizeof header}, nonce, s.key);
    }
    assert_int_equal(np_record_open(&s, frame, sizeof frame, &len), NP_ERR_SEAL);
}

static void test_flood_of_updates(void **state)
{
    uint64_t now = 5050; /* time counts from the session's beginning, not in whole steps */
    size_t taken = 0;
    np_record_side s;
    (void)state;

    assert_int_equal(np_record_init(&s, cipher, secret, hash, now), NP_OK);
    while (np_record_take_update(&s, now) == NP_OK) {
        taken++;
        assert_true(taken <= NP_RECORD_UPDATES_MAX);
    }
    assert_int_equal(taken, NP_RECORD_UPDATES_MAX);
    assert_int_equal(np_record_take_update(&s, now + NP_RECORD_UPDATE_MS - 1), NP_ERR_LIMIT);
    now += NP_RECORD_UPDATE_MS;
    assert_int_equal(np_record_take_update(&s, now), NP_OK);
    assert_int_equal(np_record_take_update(&s, now), NP_ERR_LIMIT);
    for (int i = 0; i < 1000; i++) { /* as often as one may, for ever */
        now += NP_RECORD_UPDATE_MS;
        assert_int_equal(np_record_take_update(&s, now), NP_OK);
    }
}

/* Entries ----------------------------------------------------------------------------------- */

typedef struct entry_case {
    const char *hex;
    np_err err;
    const char *where;
    uint64_t offset;
} entry_case;

static void test_entries(void **state)
{
    static const entry_case cases[] = {
        {"02000000 00 00 aabb", NP_OK, NULL, 0},
        {"02000000 00 00 aabb 00000000 00 00", NP_OK, NULL, 0},
        {"02000000 00 08 01000000 00 00 0000 aabb", NP_OK, NULL, 0},
        {"00000000 01 00", NP_OK, NULL, 0},
        {"02000000 02 00 0300", NP_OK, NULL, 0},
        {"020000", NP_ERR_TRUNCATED, "base.entry_header", 3},
        {"00000000 01", NP_ERR_TRUNCATED, "base.entry_header", 5},
        {"02000000 00 00 aa", NP_ERR_TRUNCATED, "base.entry_header", 7},
        {"02000000 00 08 01000000 00 00 00", NP_ERR_TRUNCATED, "base.entry_header", 13},
        {"01000100 00 00 aabb", NP_ERR_RANGE, "base.entry_header.length", 0},
        {"02000000 03 00 aabb", NP_ERR_RANGE, "base.entry_header.type", 4},
        {"02000000 00 04 aabb", NP_ERR_CONST, "base.entry_header.flags", 5},
        {"02000000 00 20 aabb", NP_ERR_CONST, "base.entry_header.flags", 5},
        {"02000000 00 01 aabb", NP_ERR_FRAME, "base.entry_header.flags.compression", 5},
        {"02000000 00 10 aabb", NP_ERR_FRAGMENT, "base.entry_header.length", 0},
        {"02000000 00 08 00000000 00 00 0000 aabb", NP_ERR_STREAM, "base.stream_header.stream", 6},
        {"02000000 00 08 01000000 06 00 0000 aabb", NP_ERR_RANGE, "base.stream_header.kind", 10},
        {"02000000 00 08 01000000 00 00 0100 aabb", NP_ERR_CONST, "base.stream_header.reserved",
         12},
        {"01000000 01 00 00", NP_ERR_TOO_LONG, "base.entry_header.length", 0},
        {"00000000 01 00 00", NP_ERR_TRAILING, "base.entry_header", 6},
        {"00000000 01 01", NP_ERR_CONST, "base.entry_header.flags", 5},
        {"00000000 01 08", NP_ERR_CONST, "base.entry_header.flags", 5},
        {"00000000 01 10", NP_ERR_CONST, "base.entry_header.flags", 5},
        {"02000000 02 01 0300", NP_ERR_CONST, "base.entry_header.flags", 5},
        {"02000000 02 08 0300", NP_ERR_CONST, "base.entry_header.flags", 5},
        {"01000000 02 00 03", NP_ERR_TOO_SHORT, "base.entry_header.length", 0},
        {"02000000 02 00 03", NP_ERR_TRUNCATED, "base.entry_header", 7},
        {"02000000 02 00 0300 00", NP_ERR_TRAILING, "base.entry_header", 8},
        {"02000000 02 10 0300", NP_ERR_CONST, "base.entry_header.flags", 5},
    };
    (void)state;

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[128];
        size_t n = 0;
        size_t len = 0;
        uint8_t *bytes;
        uint8_t *exact;
        np_entry entry;
        np_fault fault;

        for (const char *c = cases[i].hex; *c != '\0'; c++) {
            if (*c != ' ') {
                text[n++] = *c;
            }
        }
        text[n] = '\0';
        bytes = hex_decode(text, &len);
        exact = malloc(len); /* so that the sanitizer sees who looks behind it */
        assert_non_null(exact);
        memcpy(exact, bytes, len);
        print_message("%s\n", cases[i].hex);
        assert_int_equal(np_entry_read(&entry, exact, len, 1, &fault), cases[i].err);
        if (cases[i].err != NP_OK) {
            assert_string_equal(fault.where, cases[i].where);
            assert_int_equal(fault.offset, cases[i].offset);
        } else {
            uint8_t back[NP_ENTRY_HEAD_MAX];
            assert_ptr_equal(np_entry_put(back, &entry), back + entry.head.head_len);
            assert_memory_equal(back, exact, entry.head.head_len);
        }
        free(bytes);
        free(exact);
    }
}

/* Of what follows a fragment has at least 1 KiB, so that a message is not made of a million. */
static void test_least_fragment(void **state)
{
    uint8_t plain[NP_ENTRY_HEADER_LEN + NP_FRAMING_FRAGMENT_MIN] = {0};
    np_fault fault;
    (void)state;

    for (size_t len = NP_FRAMING_FRAGMENT_MIN - 1; len <= NP_FRAMING_FRAGMENT_MIN; len++) {
        np_entry entry = np_entry_make(NP_ENTRY_MESSAGE, NP_FRAMING_NO_STREAM, 0, len, true);
        (void)np_entry_put(plain, &entry);
        assert_int_equal(np_entry_read(&entry, plain, NP_ENTRY_HEADER_LEN + len, 1, &fault),
                         len < NP_FRAMING_FRAGMENT_MIN ? NP_ERR_FRAGMENT : NP_OK);
    }
    plain[0] = 3; /* of a compressed one that is not its size, and where it comes from is */
    plain[1] = 0;
    plain[5] = 0x11;
    np_entry entry;
    assert_int_equal(np_entry_read(&entry, plain, NP_ENTRY_HEADER_LEN + 3, 3, &fault), NP_OK);
}

/* Secret and hash alone do not make the keys: those of another cipher are others. */
static void test_cipher_is_bound(void **state)
{
    np_record_side sides[NP_CIPHERS];
    (void)state;

    for (int i = 0; i < NP_CIPHERS; i++) {
        uint8_t number = (uint8_t)i;
        assert_int_equal(np_record_init(&sides[i], number, secret, hash, 0), NP_OK);
    }
    assert_memory_not_equal(sides[0].key, sides[1].key, 32);
    np_record_next_epoch(&sides[0], 0);
    np_record_next_epoch(&sides[1], 0);
    assert_memory_not_equal(sides[0].secret, sides[1].secret, 32);
}

/* The nonce of each record of an epoch is another, up to the greatest number that there can be. */
static void test_nonces_differ(void **state)
{
    static const uint32_t numbers[] = {0,     1,       255,     256,     65535,
                                       65536, 1048575, 1048576, 2097150, 2097151};
    enum { COUNT = sizeof numbers / sizeof numbers[0] };
    uint8_t tags[COUNT][NP_CRYPTO_TAG_LEN];
    np_record_side s;
    (void)state;

    assert_int_equal(np_record_init(&s, cipher, secret, hash, 0), NP_OK);
    for (size_t i = 0; i < COUNT; i++) {
        uint8_t frame[64] = {0};
        s.n = numbers[i];
        memcpy(tags[i], frame + np_record_seal(&s, frame, 8) - NP_CRYPTO_TAG_LEN, sizeof tags[i]);
        for (size_t j = 0; j < i; j++) {
            assert_memory_not_equal(tags[i], tags[j], sizeof tags[i]);
        }
    }
}

static int run_all(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors),
        cmocka_unit_test(test_order_is_all),
        cmocka_unit_test(test_every_bit_counts),
        cmocka_unit_test(test_hash_is_bound),
        cmocka_unit_test(test_epochs_have_bounds),
        cmocka_unit_test(test_receivers_patience),
        cmocka_unit_test(test_empty_record),
        cmocka_unit_test(test_flood_of_updates),
        cmocka_unit_test(test_nonces_differ),
    };
    return cmocka_run_group_tests_name(np_cipher_name((np_cipher)cipher), tests, NULL, NULL);
}

static int run_aes(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cipher_is_bound),
    };

    cipher = NP_CIPHER_AES_256_GCM;
    return run_all() + cmocka_run_group_tests_name("both", tests, NULL, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_entries),
        cmocka_unit_test(test_least_fragment),
    };
    int failed = cmocka_run_group_tests_name("entries", tests, NULL, NULL);

    if (sodium_init() < 0) {
        return 1;
    }
    failed += run_all();
    if (np_crypto_has_aes()) {
        failed += run_aes();
    } else {
        printf("skipped: AES-256-GCM, for which this processor has no instructions\n");
    }
    return failed;
}
