/* The output queue: order, gathering, fragments, partial writes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "protocol/outq.h"

static void add(np_outq *q, np_account *account, const uint8_t *bytes, size_t len)
{
    uint8_t *room = NULL;

    assert_int_equal(np_outq_reserve(q, account, len, &room), NP_OK);
    memcpy(room, bytes, len);
    np_outq_commit(q, len);
}

/* Heads of three bytes "h" and the piece's number, a body cut in pieces of piece_len. */
static size_t add_pieces(np_outq *q, np_account *account, const uint8_t *bytes, size_t len,
                         size_t piece_len, uint8_t *expected)
{
    uint8_t *heads = NULL;
    uint8_t *body = NULL;
    size_t at = 0;

    assert_int_equal(np_outq_reserve_pieces(q, account, 3, piece_len, len, &heads, &body), NP_OK);
    memcpy(body, bytes, len);
    for (size_t i = 0; i * piece_len < len; i++) {
        size_t piece = len - i * piece_len < piece_len ? len - i * piece_len : piece_len;
        uint8_t head[3] = {'h', (uint8_t)i, (uint8_t)(i >> 8)};
        memcpy(heads + 3 * i, head, 3);
        memcpy(expected + at, head, 3);
        memcpy(expected + at + 3, bytes + i * piece_len, piece);
        at += 3 + piece;
    }
    np_outq_commit_pieces(q);
    return at;
}

/* Writes everything out, `step` bytes at a time through at most `max` pieces. */
static void expect(np_outq *q, np_account *account, const uint8_t *expected, size_t len, size_t max,
                   size_t step)
{
    size_t at = 0;

    assert_int_equal(q->queued, len);
    while (at < len) {
        struct iovec iov[8];
        size_t count = np_outq_gather(q, iov, max);
        size_t taken = 0;

        assert_true(count > 0);
        for (size_t i = 0; i < count && taken < step; i++) {
            size_t n = iov[i].iov_len < step - taken ? iov[i].iov_len : step - taken;
            assert_true(at + taken + n <= len);
            assert_memory_equal(iov[i].iov_base, expected + at + taken, n);
            taken += n;
        }
        np_outq_drop(q, account, taken);
        at += taken;
    }
    assert_int_equal(q->queued, 0);
    assert_null(q->head);
    assert_int_equal(account->live, 0);
}

static void test_everything_comes_out(void **state)
{
    static const size_t steps[] = {1, 2, 7, 100, 511, 4096, 1000000};
    uint8_t *bytes = malloc(200000);
    uint8_t *expected = malloc(600000);
    (void)state;

    assert_non_null(bytes);
    assert_non_null(expected);
    for (size_t i = 0; i < 200000; i++) {
        bytes[i] = (uint8_t)(i * 7 + i / 251);
    }
    for (size_t s = 0; s < sizeof steps / sizeof steps[0]; s++) {
        for (size_t max = 1; max <= 8; max += 7) {
            np_outq q = {NULL, NULL, 0, false};
            np_account account;
            np_pool pool;
            size_t len = 0;

            np_pool_init(&pool, NULL);
            np_account_init(&account, &pool.own);
            for (size_t i = 1; i < 300; i += 13) {
                add(&q, &account, bytes + i, i);
                memcpy(expected + len, bytes + i, i);
                len += i;
            }
            len += add_pieces(&q, &account, bytes, 10000, 1000, expected + len);
            len += add_pieces(&q, &account, bytes, 10001, 1000, expected + len);
            len += add_pieces(&q, &account, bytes + 5, 1, 1000, expected + len);
            add(&q, &account, bytes, 20000);
            memcpy(expected + len, bytes, 20000);
            len += 20000;
            expect(&q, &account, expected, len, max, steps[s]);
            np_pool_fini(&pool);
        }
    }
    free(bytes);
    free(expected);
}

/* What was gathered stays where it is while more is added behind. */
static void test_gathered_pieces_stay(void **state)
{
    np_outq q = {NULL, NULL, 0, false};
    np_account account;
    np_pool pool;
    struct iovec iov[2];
    (void)state;

    np_pool_init(&pool, NULL);
    np_account_init(&account, &pool.own);
    add(&q, &account, (const uint8_t *)"first", 5);
    assert_int_equal(np_outq_gather(&q, iov, 2), 1);
    for (int i = 0; i < 2000; i++) {
        add(&q, &account, (const uint8_t *)"more", 4);
    }
    assert_int_equal(iov[0].iov_len, 5);
    assert_memory_equal(iov[0].iov_base, "first", 5);
    assert_ptr_equal(iov[0].iov_base, np_outq_data(q.head));
    np_outq_drop(&q, &account, 5);
    assert_int_equal(q.queued, 8000);
    np_outq_clear(&q, &account);
    assert_int_equal(q.queued, 0);
    assert_int_equal(pool.live, 0);
    np_pool_fini(&pool);
}

static void test_steady_traffic_allocates_nothing(void **state)
{
    np_outq q = {NULL, NULL, 0, false};
    np_account account;
    np_pool pool;
    size_t cached;
    (void)state;

    np_pool_init(&pool, NULL);
    np_account_init(&account, &pool.own);
    add(&q, &account, (const uint8_t *)"x", 1);
    np_outq_drop(&q, &account, 1);
    cached = pool.cached;
    for (int i = 0; i < 100; i++) {
        add(&q, &account, (const uint8_t *)"x", 1);
        assert_int_equal(pool.live, cached);
        assert_int_equal(pool.cached, 0);
        np_outq_drop(&q, &account, 1);
        assert_int_equal(pool.cached, cached);
    }
    np_pool_fini(&pool);
}

static void test_no_memory(void **state)
{
    np_pool_options options = {.cache_max = 0, .live_max = 6000};
    np_outq q = {NULL, NULL, 0, false};
    uint8_t *room = NULL;
    uint8_t *body = NULL;
    np_account account;
    np_pool pool;
    (void)state;

    np_pool_init(&pool, &options);
    np_account_init(&account, &pool.own);
    add(&q, &account, (const uint8_t *)"x", 1);
    assert_int_equal(np_outq_reserve(&q, &account, 8000, &room), NP_ERR_LIMIT);
    assert_int_equal(np_outq_reserve_pieces(&q, &account, 10, 100, 8000, &room, &body),
                     NP_ERR_LIMIT);
    assert_int_equal(q.queued, 1);
    expect(&q, &account, (const uint8_t *)"x", 1, 1, 1);
    np_pool_fini(&pool);
}

/* A short message takes a small block; what joins it moves with it to a greater one, once. */
static void test_a_first_block_is_small(void **state)
{
    static const size_t lens[] = {1, 100, NP_POOL_MIN - sizeof(np_outq_block)};
    uint8_t bytes[NP_POOL_MIN] = "bytes that are not all the same";
    (void)state;

    for (size_t i = 0; i < sizeof lens / sizeof *lens; i++) {
        np_outq q = {NULL, NULL, 0, false};
        uint8_t expected[4096];
        np_account account;
        np_pool pool;
        struct iovec iov[2];
        size_t len = 0;

        np_pool_init(&pool, NULL);
        np_account_init(&account, &pool.own);
        add(&q, &account, bytes, lens[i]);
        memcpy(expected, bytes, lens[i]);
        assert_int_equal(pool.live, NP_POOL_MIN);
        for (len = lens[i]; len + 100 <= 4096 - sizeof(np_outq_block); len += 100) {
            memcpy(expected + len, bytes + len % 50, 100);
            add(&q, &account, expected + len, 100);
        }
        assert_int_equal(pool.live, 4096);
        assert_int_equal(np_outq_gather(&q, iov, 2), 1);
        expect(&q, &account, expected, len, 1, 4096);
        np_pool_fini(&pool);
    }
}

/* Records: what joins one that has moved is part of the same record, as long as that may grow. */
static void test_a_record_moves(void **state)
{
    static const size_t plain_max[] = {310, 950}; /* of messages of 100 bytes, and 4 to spare */
    (void)state;

    for (size_t i = 0; i < sizeof plain_max / sizeof *plain_max; i++) {
        const np_outq_margins margins = {
            .before = 12, .after = 16, .spare = 4, .plain_max = plain_max[i]};
        size_t fit = plain_max[i] / 100;
        np_outq q = {NULL, NULL, 0, false};
        uint8_t *room = NULL;
        uint8_t *frame = NULL;
        bool spare = false;
        np_account account;
        np_pool pool;

        np_pool_init(&pool, NULL);
        np_account_init(&account, &pool.own);
        for (size_t n = 0; n < fit + 1; n++) {
            assert_int_equal(np_outq_reserve_record(&q, &account, &margins, 100, &room), NP_OK);
            memset(room, (int)n, 100);
            np_outq_commit_record(&q, &margins, 100);
        }
        assert_int_equal(np_outq_unsealed(&q, &margins, &frame, &spare), fit * 100);
        for (size_t n = 0; n < fit * 100; n++) {
            assert_int_equal(frame[12 + n], n / 100);
        }
        np_outq_seal(&q, &margins, 0);
        assert_int_equal(np_outq_unsealed(&q, &margins, &frame, &spare), 100);
        np_outq_seal(&q, &margins, 0);
        assert_int_equal(q.queued, (fit + 1) * 100 + 2 * (12 + 16));
        np_outq_clear(&q, &account);
        np_pool_fini(&pool);
    }
}

/* What was added is taken out again, whether or not the block has moved for it. */
static void test_cut(void **state)
{
    static const size_t before[] = {0, 1, 5, 60}; /* messages of 100 bytes */
    uint8_t expected[6000];
    (void)state;

    for (size_t i = 0; i < sizeof before / sizeof *before; i++) {
        for (size_t more = 0; more < 200; more += 1 + more / 4) {
            np_outq q = {NULL, NULL, 0, false};
            np_outq_mark mark;
            np_account account;
            np_pool pool;

            np_pool_init(&pool, NULL);
            np_account_init(&account, &pool.own);
            for (size_t n = 0; n < before[i]; n++) {
                memset(expected + n * 100, (int)n, 100);
                add(&q, &account, expected + n * 100, 100);
            }
            mark = np_outq_mark_end(&q);
            for (size_t n = 0; n < more; n++) {
                add(&q, &account, (const uint8_t *)"too much", 8);
            }
            np_outq_cut(&q, &account, &mark);
            assert_int_equal(q.queued, before[i] * 100);
            add(&q, &account, (const uint8_t *)"x", 1);
            np_outq_cut(&q, &account, &mark);
            expect(&q, &account, expected, before[i] * 100, 8, 6000);
            np_outq_clear(&q, &account);
            np_pool_fini(&pool);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_everything_comes_out),
        cmocka_unit_test(test_gathered_pieces_stay),
        cmocka_unit_test(test_steady_traffic_allocates_nothing),
        cmocka_unit_test(test_no_memory),
        cmocka_unit_test(test_a_first_block_is_small),
        cmocka_unit_test(test_a_record_moves),
        cmocka_unit_test(test_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
