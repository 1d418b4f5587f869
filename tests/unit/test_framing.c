/* The heads of frames: every cut, every wrong byte, every limit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/framing.h"

static const np_framing_rules open_rules = {NP_FRAMING_PAYLOAD_MAX, 1, false, false};

/* Judges `len` bytes that lie at the end of their memory. */
static np_err judge(const uint8_t *bytes, size_t len, const np_framing_rules *rules,
                    np_framing_head *head, bool *done, size_t *need, np_fault *fault)
{
    uint8_t *copy = malloc(len > 0 ? len : 1);
    np_err err;

    assert_non_null(copy);
    memcpy(copy, bytes, len);
    memset(fault, 0, sizeof *fault);
    err = np_framing_read(head, copy, len, rules, done, need, fault);
    free(copy);
    return err;
}

static void make(uint8_t bytes[18], uint8_t flags, uint32_t length)
{
    static const uint8_t start[18] = {0xDE, 0xAD, 0xBE, 0xEF, 1, 0, 0, 0, 0, 0, 5, 0, 0, 0, 1, 7};

    memcpy(bytes, start, 18);
    bytes[5] = flags;
    bytes[6] = (uint8_t)(length >> 24);
    bytes[7] = (uint8_t)(length >> 16);
    bytes[8] = (uint8_t)(length >> 8);
    bytes[9] = (uint8_t)length;
}

static void test_put_and_read_back(void **state)
{
    uint8_t bytes[18];
    uint8_t expected[18];
    np_framing_head head;
    np_framing_head out;
    np_fault fault;
    size_t need;
    bool done;
    (void)state;

    head = np_framing_make(NP_FRAMING_NO_STREAM, 0, 1234, false);
    assert_ptr_equal(np_framing_put(bytes, &head), bytes + 10);
    make(expected, 0, 1234);
    assert_memory_equal(bytes, expected, 10);
    assert_int_equal(judge(bytes, 10, &open_rules, &out, &done, &need, &fault), NP_OK);
    assert_true(done);
    assert_int_equal(out.head_len, 10);
    assert_int_equal(out.body_len, 1234);
    assert_int_equal(out.kind, NP_FRAMING_NO_STREAM);
    assert_int_equal(out.stream, 0);
    assert_false(out.more);

    head = np_framing_make(NP_FRAMING_RESPONSE, 5, 1500, true);
    head.priority = 7;
    assert_ptr_equal(np_framing_put(bytes, &head), bytes + 18);
    make(expected, 0x18, 1508);
    assert_memory_equal(bytes, expected, 18);
    assert_int_equal(judge(bytes, 18, &open_rules, &out, &done, &need, &fault), NP_OK);
    assert_true(done);
    assert_int_equal(out.head_len, 18);
    assert_int_equal(out.body_len, 1500);
    assert_int_equal(out.kind, NP_FRAMING_RESPONSE);
    assert_int_equal(out.stream, 5);
    assert_int_equal(out.priority, 7);
    assert_true(out.more);
}

static void test_every_cut(void **state)
{
    uint8_t bytes[18];
    np_framing_head head;
    np_fault fault;
    size_t need;
    bool done;
    (void)state;

    make(bytes, 0x08, 8);
    for (size_t len = 0; len < 18; len++) {
        assert_int_equal(judge(bytes, len, &open_rules, &head, &done, &need, &fault), NP_OK);
        assert_false(done);
        assert_int_equal(need, len < 10 ? 10 : 18);
    }
    assert_int_equal(judge(bytes, 18, &open_rules, &head, &done, &need, &fault), NP_OK);
    assert_true(done);
    assert_int_equal(head.body_len, 0);
}

/* Every byte of the head gets every value; the verdict on the whole comes as soon as the byte that
 * decides is there, with the same error at the same offset. */
static void test_every_wrong_byte_is_refused_as_it_arrives(void **state)
{
    (void)state;

    for (size_t at = 0; at < 10; at++) {
        for (unsigned value = 0; value < 256; value++) {
            uint8_t bytes[18];
            np_framing_head head;
            np_fault whole, part;
            size_t need;
            bool done;
            np_err err;

            make(bytes, 0, 2000); /* a length that is right for every flag */
            bytes[at] = (uint8_t)value;
            err = judge(bytes, 18, &open_rules, &head, &done, &need, &whole);
            for (size_t len = 0; len < 10; len++) {
                np_err early = judge(bytes, len, &open_rules, &head, &done, &need, &part);
                if (err == NP_OK || len <= at) {
                    assert_int_equal(early, NP_OK);
                } else if (at < 6) {
                    assert_int_equal(early, err);
                    assert_int_equal(part.offset, whole.offset);
                    assert_string_equal(part.where, whole.where);
                }
            }
        }
    }
}

static np_err verdict(uint8_t flags, uint32_t length, const np_framing_rules *rules,
                      np_fault *fault)
{
    uint8_t bytes[18];
    np_framing_head head;
    size_t need;
    bool done;

    make(bytes, flags, length);
    return judge(bytes, 18, rules, &head, &done, &need, fault);
}

static void test_limits(void **state)
{
    np_framing_rules small = {100, 1, false, false};
    np_fault fault;
    (void)state;

    assert_int_equal(verdict(0, NP_FRAMING_PAYLOAD_MAX, &open_rules, &fault), NP_OK);
    assert_int_equal(verdict(0, NP_FRAMING_PAYLOAD_MAX + 1, &open_rules, &fault), NP_ERR_RANGE);
    assert_string_equal(fault.where, "base.frame.length");
    assert_int_equal(fault.offset, 6);
    assert_int_equal(verdict(0, UINT32_MAX, &open_rules, &fault), NP_ERR_RANGE);
    assert_int_equal(verdict(0, 100, &small, &fault), NP_OK);
    assert_int_equal(verdict(0, 101, &small, &fault), NP_ERR_TOO_LONG);
    assert_int_equal(fault.got, 101);
    assert_int_equal(verdict(8, 7, &open_rules, &fault), NP_ERR_STREAM);
    assert_int_equal(verdict(8, 8, &open_rules, &fault), NP_OK);
}

static void test_flags(void **state)
{
    np_framing_rules bare = {1000, 1, false, true};
    np_framing_rules secure = {70000, 1, true, true};
    np_framing_rules packed = {70000, 7, false, false};
    np_fault fault;
    (void)state;

    assert_int_equal(verdict(1, 100, &open_rules, &fault), NP_ERR_FRAME);
    assert_string_equal(fault.where, "base.frame.flags.compression");
    assert_int_equal(fault.offset, 5);
    assert_int_equal(verdict(1, 100, &packed, &fault), NP_OK);
    assert_int_equal(verdict(2, 100, &packed, &fault), NP_OK);
    assert_int_equal(verdict(3, 100, &packed, &fault), NP_ERR_FRAME);
    assert_int_equal(verdict(4, 100, &open_rules, &fault), NP_ERR_FRAME);
    assert_string_equal(fault.where, "base.frame.flags.encrypted");
    assert_int_equal(verdict(4, 100, &secure, &fault), NP_OK);
    assert_int_equal(verdict(0, 100, &secure, &fault), NP_ERR_FRAME);
    assert_int_equal(verdict(8, 100, &bare, &fault), NP_ERR_FRAME);
    assert_int_equal(verdict(16, 1000, &bare, &fault), NP_ERR_FRAME);
    for (unsigned bit = 5; bit < 8; bit++) {
        assert_int_equal(verdict((uint8_t)(1u << bit), 100, &open_rules, &fault), NP_ERR_CONST);
    }
}

static void test_fragments(void **state)
{
    np_framing_rules packed = {70000, 7, false, false};
    np_fault fault;
    (void)state;

    assert_int_equal(verdict(16, 1023, &open_rules, &fault), NP_ERR_FRAGMENT);
    assert_int_equal(verdict(16, 1024, &open_rules, &fault), NP_OK);
    assert_int_equal(verdict(16, 65536, &open_rules, &fault), NP_OK);
    assert_int_equal(verdict(16, 65537, &open_rules, &fault), NP_ERR_FRAGMENT);
    assert_int_equal(verdict(24, 1031, &open_rules, &fault), NP_ERR_FRAGMENT);
    assert_int_equal(verdict(24, 1032, &open_rules, &fault), NP_OK);
    assert_int_equal(verdict(24, 65544, &open_rules, &fault), NP_OK);
    assert_int_equal(verdict(17, 100, &packed, &fault), NP_OK);
}

static void test_stream_header(void **state)
{
    uint8_t bytes[18];
    np_framing_head head;
    np_fault fault;
    size_t need;
    bool done;
    (void)state;

    make(bytes, 8, 50);
    bytes[10] = 0;
    assert_int_equal(judge(bytes, 18, &open_rules, &head, &done, &need, &fault), NP_ERR_STREAM);
    assert_int_equal(fault.offset, 10);
    assert_false(done);
    make(bytes, 8, 50);
    bytes[14] = 6;
    assert_int_equal(judge(bytes, 18, &open_rules, &head, &done, &need, &fault), NP_ERR_RANGE);
    assert_int_equal(fault.offset, 14);
    make(bytes, 8, 50);
    bytes[17] = 1;
    assert_int_equal(judge(bytes, 18, &open_rules, &head, &done, &need, &fault), NP_ERR_CONST);
    assert_int_equal(fault.offset, 16);
    assert_int_equal(judge(bytes, 18, &open_rules, &head, &done, &need, &fault), NP_ERR_CONST);
}

static void test_garbage(void **state)
{
    uint32_t seed = 1;
    (void)state;

    for (int round = 0; round < 100000; round++) {
        uint8_t bytes[18];
        np_framing_head head;
        np_fault fault;
        size_t need;
        bool done;
        np_err err;

        make(bytes, 0, 0);
        for (size_t i = round % 3 == 0 ? 0 : 5; i < 18; i++) {
            seed = seed * 1664525u + 1013904223u;
            bytes[i] = (uint8_t)(seed >> 24);
        }
        err = judge(bytes, seed >> 8 & 15, &open_rules, &head, &done, &need, &fault);
        assert_false(done && err != NP_OK);
        err = judge(bytes, 18, &open_rules, &head, &done, &need, &fault);
        assert_true(done == (err == NP_OK));
        if (done) {
            uint8_t again[18];
            size_t len = (size_t)(np_framing_put(again, &head) - again);
            assert_int_equal(len, head.head_len);
            assert_memory_equal(again, bytes, len);
        } else {
            assert_int_equal(fault.err, err);
            assert_non_null(fault.where);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_put_and_read_back),
        cmocka_unit_test(test_every_cut),
        cmocka_unit_test(test_every_wrong_byte_is_refused_as_it_arrives),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_flags),
        cmocka_unit_test(test_fragments),
        cmocka_unit_test(test_stream_header),
        cmocka_unit_test(test_garbage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
