/* Entries without flags have a short way, in and out: it sees and writes what the long one does.
 * What the long one refuses, and why, is in test_record.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <netproto/codec.h>

#include "protocol/entry.h"

/* More than the longest body there is. */
#define PLAIN_MAX ((size_t)NP_ENTRY_HEADER_LEN + NP_FRAMING_FRAGMENT_MAX + 2)

/* Judges `len` bytes of plain text both ways, in memory of exactly that size. */
static void expect_agreement(const uint8_t *plain, size_t len)
{
    uint8_t *exact = malloc(len);
    uint8_t head[NP_ENTRY_HEADER_LEN];
    uint32_t body_len = 0;
    np_entry entry;
    bool bare;

    assert_non_null(exact);
    memcpy(exact, plain, len);
    bare = np_entry_read(&entry, exact, len, 7, NULL) == NP_OK && entry.type == NP_ENTRY_MESSAGE &&
           entry.head.kind == NP_FRAMING_NO_STREAM && !entry.head.more &&
           entry.head.compression == 0;
    assert_int_equal(np_entry_is_plain(exact, len, &body_len), bare);
    if (bare) {
        assert_int_equal(body_len, entry.head.body_len);
        assert_ptr_equal(np_entry_put_plain(head, body_len), head + sizeof head);
        assert_memory_equal(head, exact, sizeof head);
    }
    free(exact);
}

/* Every type and every flag, with bodies and plain texts of many lengths. */
static void test_all_heads(void **state)
{
    uint8_t plain[NP_ENTRY_HEAD_MAX + 8] = {0};
    (void)state;

    for (unsigned type = 0; type < 256; type++) {
        for (unsigned flags = 0; flags < 256; flags++) {
            for (uint32_t body_len = 0; body_len < 5; body_len++) {
                np_put_u32(plain, body_len);
                plain[4] = (uint8_t)type;
                plain[5] = (uint8_t)flags;
                plain[NP_ENTRY_HEADER_LEN] = 1; /* a stream, where there is one */
                expect_agreement(plain, NP_ENTRY_HEADER_LEN + 2);
                expect_agreement(plain, NP_ENTRY_HEAD_MAX + 2);
            }
        }
    }
}

/* Every plain text that ends too early, just in time, or later. */
static void test_all_ends(void **state)
{
    uint8_t plain[NP_ENTRY_HEADER_LEN + 20] = {0};
    (void)state;

    for (uint32_t body_len = 0; body_len < 16; body_len++) {
        np_put_u32(plain, body_len);
        for (size_t len = 1; len <= sizeof plain; len++) {
            expect_agreement(plain, len);
        }
    }
}

static void test_longest(void **state)
{
    static const uint32_t lens[] = {
        NP_FRAMING_FRAGMENT_MAX - 1, NP_FRAMING_FRAGMENT_MAX, NP_FRAMING_FRAGMENT_MAX + 1,
        NP_FRAMING_PAYLOAD_MAX,      UINT32_MAX - 5,          UINT32_MAX,
    };
    uint8_t *plain = calloc(1, PLAIN_MAX);
    uint32_t body_len = 0;
    (void)state;

    assert_non_null(plain);
    for (size_t i = 0; i < sizeof lens / sizeof lens[0]; i++) {
        np_put_u32(plain, lens[i]);
        expect_agreement(plain, PLAIN_MAX);
        assert_int_equal(np_entry_is_plain(plain, PLAIN_MAX, &body_len),
                         lens[i] <= NP_FRAMING_FRAGMENT_MAX);
        expect_agreement(plain, NP_ENTRY_HEADER_LEN + NP_FRAMING_FRAGMENT_MAX);
        expect_agreement(plain, NP_ENTRY_HEADER_LEN + NP_FRAMING_FRAGMENT_MAX - 1);
    }
    free(plain);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_heads),
        cmocka_unit_test(test_all_ends),
        cmocka_unit_test(test_longest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
