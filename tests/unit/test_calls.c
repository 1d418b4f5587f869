/* The table of calls against a plain model: finding, canceling, removing, deadlines. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "protocol/calls.h"

#define STREAMS 60u
#define KEYS 3000u

/* Two messages, to be told apart only. */
static const np_message messages[2];

static void add(np_calls **calls, np_account *account, np_call_key key, uint64_t deadline_ms)
{
    np_call_entry entry = {.stream = key.stream,
                           .serial = key.serial,
                           .message = key.message,
                           .deadline_ms = deadline_ms};

    assert_int_equal(np_calls_reserve(calls, account), NP_OK);
    np_calls_add(*calls, &entry);
}

static void add_stream(np_calls **calls, np_account *account, uint32_t stream, uint64_t deadline_ms)
{
    add(calls, account, (np_call_key){messages, stream, stream}, deadline_ms);
}

static uint32_t total(const np_calls *calls)
{
    return np_calls_count(calls, 0) + np_calls_count(calls, 1);
}

/* What the model knows of a key: a handle that somebody has kept, whatever became of it. */
typedef struct known {
    np_call_key key;
    enum { GONE, WAITS, CANCELED } state;
} known;

static known *waiting_on(known *keys, size_t count, uint32_t stream)
{
    for (size_t i = 0; i < count; i++) {
        if (keys[i].state == WAITS && keys[i].key.stream == stream) {
            return &keys[i];
        }
    }
    return NULL;
}

/* Every key ever given finds just what the model says, and none that was not given finds anything.
 */
static void assert_keys(np_calls *calls, const known *keys, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        np_call_key other = keys[i].key;
        const np_call_entry *entry = np_calls_find_key(calls, &keys[i].key);

        assert_int_equal(entry != NULL, keys[i].state != GONE);
        if (entry != NULL) {
            assert_int_equal(entry->state,
                             keys[i].state == WAITS ? NP_CALL_WAITS : NP_CALL_CANCELED);
            assert_int_equal(entry->stream, keys[i].key.stream);
        }
        other.message = other.message == messages ? messages + 1 : messages;
        assert_null(np_calls_find_key(calls, &other));
        other = keys[i].key;
        other.stream += 2 * STREAMS;
        assert_null(np_calls_find_key(calls, &other));
        other = keys[i].key;
        other.serial += KEYS;
        assert_null(np_calls_find_key(calls, &other));
    }
}

/* Few streams, so that each is used again and again, and every key is kept for ever. */
static void test_keys_against_a_model(void **state)
{
    known *keys = calloc(KEYS, sizeof *keys);
    np_calls *calls = NULL;
    uint32_t seed = 4;
    size_t count = 0;
    size_t live = 0;
    np_account account;
    np_pool pool;
    (void)state;

    assert_non_null(keys);
    np_pool_init(&pool, NULL);
    np_account_init(&account, &pool.own);
    while (count < KEYS) {
        uint32_t stream;
        known *there;
        seed = seed * 1664525u + 1013904223u;
        stream = 1 + (seed >> 8) % STREAMS;
        there = waiting_on(keys, count, stream);
        assert_int_equal(np_calls_find(calls, stream) != NULL, there != NULL);
        if (there == NULL) {
            keys[count] = (known){{messages + (seed >> 20 & 1), stream, (uint32_t)count}, WAITS};
            add(&calls, &account, keys[count].key, NP_TIME_NEVER);
            count++;
            live++;
        } else if (seed >> 30 == 0) {
            np_calls_remove(&calls, &account, np_calls_find(calls, stream));
            there->state = GONE;
            live--;
        } else {
            np_calls_cancel(calls, np_calls_find(calls, stream), 1000);
            there->state = CANCELED;
        }
        /* One of those kept is let go of. */
        there = &keys[(seed >> 4) % count];
        if (there->state != GONE && (seed >> 25 & 3) == 0) {
            np_calls_remove(&calls, &account, np_calls_find_key(calls, &there->key));
            there->state = GONE;
            live--;
        }
        assert_int_equal(total(calls), live);
        assert_true(calls == NULL || live <= calls->slot_count / 4 * 3);
        if (count % 100 == 0) {
            assert_keys(calls, keys, count);
        }
    }
    /* The canceled ones leave together, and no other. */
    np_calls_forget(&calls, &account, 999);
    assert_int_equal(total(calls), live);
    np_calls_forget(&calls, &account, 1000);
    for (size_t i = 0; i < count; i++) {
        live -= keys[i].state == CANCELED;
        keys[i].state = keys[i].state == CANCELED ? GONE : keys[i].state;
    }
    assert_int_equal(total(calls), live);
    assert_keys(calls, keys, count);
    np_calls_clear(&calls, &account);
    assert_int_equal(pool.live, 0);
    np_pool_fini(&pool);
    free(keys);
}

/* Serial numbers come round: who waits with the number of a canceled one, in the slot where the
 * search for that begins, does not hide it. */
static void test_serials_that_come_round(void **state)
{
    const np_call_key canceled = {messages, 3, 5};
    const np_call_key waits = {messages, 2 * 5, 5};
    np_calls *calls = NULL;
    np_account account;
    np_pool pool;
    (void)state;

    np_pool_init(&pool, NULL);
    np_account_init(&account, &pool.own);
    add(&calls, &account, canceled, NP_TIME_NEVER);
    add(&calls, &account, waits, NP_TIME_NEVER);
    np_calls_cancel(calls, np_calls_find(calls, canceled.stream), 1000);
    assert_int_equal(np_calls_find_key(calls, &waits)->state, NP_CALL_WAITS);
    assert_non_null(np_calls_find_key(calls, &canceled));
    assert_int_equal(np_calls_find_key(calls, &canceled)->state, NP_CALL_CANCELED);
    np_calls_clear(&calls, &account);
    np_pool_fini(&pool);
}

/* Ids chosen to share a slot. */
static void test_collisions(void **state)
{
    np_calls *calls = NULL;
    np_account account;
    np_pool pool;
    (void)state;

    np_pool_init(&pool, NULL);
    np_account_init(&account, &pool.own);
    for (uint32_t i = 0; i < 500; i++) {
        add_stream(&calls, &account, (i + 1) << 16, NP_TIME_NEVER);
    }
    for (uint32_t i = 0; i < 500; i += 2) {
        np_calls_remove(&calls, &account, np_calls_find(calls, (i + 1) << 16));
    }
    for (uint32_t i = 0; i < 500; i++) {
        assert_int_equal(np_calls_find(calls, (i + 1) << 16) != NULL, i % 2 == 1);
    }
    assert_null(np_calls_find(calls, 0));
    np_calls_clear(&calls, &account);
    assert_int_equal(pool.live, 0);
    np_pool_fini(&pool);
}

/* Where both sides ask and are answered in order, each request is where it is looked for first,
 * however many wait: so a call costs the same with ten that wait and with a thousand. */
static void test_in_order(void **state)
{
    enum { WAITING = 700, CALLS = 5000 };
    np_calls *calls = NULL;
    np_account account;
    np_pool pool;
    (void)state;

    np_pool_init(&pool, NULL);
    np_account_init(&account, &pool.own);
    for (uint32_t i = 0; i < CALLS; i++) {
        uint32_t mask;
        add_stream(&calls, &account, 2 * i + 1, NP_TIME_NEVER);
        add_stream(&calls, &account, 2 * i + 2, NP_TIME_NEVER);
        if (i >= WAITING) {
            np_calls_remove(&calls, &account, np_calls_find(calls, 2 * (i - WAITING) + 1));
            np_calls_remove(&calls, &account, np_calls_find(calls, 2 * (i - WAITING) + 2));
        }
        mask = calls->slot_count - 1;
        for (uint32_t j = i >= WAITING ? i - WAITING + 1 : 0; i % 97 == 0 && j <= i; j++) {
            assert_int_equal(calls->slots[(2 * j + 1) & mask].stream, 2 * j + 1);
            assert_int_equal(calls->slots[(2 * j + 2) & mask].stream, 2 * j + 2);
        }
    }
    np_calls_clear(&calls, &account);
    np_pool_fini(&pool);
}

static void test_deadlines(void **state)
{
    np_call_entry out;
    np_calls *calls = NULL;
    np_account account;
    np_pool pool;
    int expired = 0;
    (void)state;

    np_pool_init(&pool, NULL);
    np_account_init(&account, &pool.own);
    assert_int_equal(np_calls_deadline(calls), NP_TIME_NEVER);
    for (uint32_t i = 0; i < 100; i++) {
        add_stream(&calls, &account, 2 * i + 1, 1000 + i);
        add_stream(&calls, &account, 2 * i + 2, NP_TIME_NEVER);
    }
    assert_int_equal(np_calls_deadline(calls), 1000);
    assert_false(np_calls_expire(&calls, &account, 1, 999, &out));
    while (np_calls_expire(&calls, &account, 1, 1049, &out)) {
        assert_true(out.deadline_ms <= 1049);
        assert_int_equal(out.stream & 1, 1);
        expired++;
    }
    assert_int_equal(expired, 50);
    assert_int_equal(np_calls_deadline(calls), 1050);
    np_calls_cancel(calls, np_calls_find(calls, 2), 1010);
    assert_int_equal(np_calls_deadline(calls), 1010);
    while (np_calls_expire(&calls, &account, 1, NP_TIME_NEVER, &out)) {
        expired++;
    }
    assert_int_equal(expired, 100);
    assert_int_equal(np_calls_count(calls, 0), 100);
    assert_int_equal(np_calls_deadline(calls), 1010);
    while (np_calls_expire(&calls, &account, 0, NP_TIME_NEVER, &out)) {
        expired++;
    }
    assert_int_equal(expired, 200);
    assert_int_equal(pool.live, 0);
    assert_false(np_calls_expire(&calls, &account, 0, NP_TIME_NEVER, &out));
    np_pool_fini(&pool);
}

/* A reservation of which nothing came. */
static void test_unreserve(void **state)
{
    np_calls *calls = NULL;
    np_account account;
    np_pool pool;
    (void)state;

    np_pool_init(&pool, NULL);
    np_account_init(&account, &pool.own);
    np_calls_unreserve(&calls, &account);
    assert_int_equal(np_calls_reserve(&calls, &account), NP_OK);
    assert_non_null(calls);
    np_calls_unreserve(&calls, &account);
    assert_null(calls);
    add_stream(&calls, &account, 1, NP_TIME_NEVER);
    np_calls_unreserve(&calls, &account);
    assert_non_null(np_calls_find(calls, 1));
    np_calls_clear(&calls, &account);
    np_pool_fini(&pool);
}

/* Of so many of each side's, those of one that are not given up stay, in a table of their size, and
 * behave as before; with no memory but what the table has. Where the table is cut, the others count
 * no longer, nor do those that wait to be refused. */
static void expect_kept(uint32_t theirs, uint32_t ours, uint32_t given_up, size_t most)
{
    np_pool_options options = {.live_max = 0};
    np_call_entry out;
    np_calls *calls = NULL;
    np_account account;
    np_pool pool;
    uint32_t expired = 0;
    uint32_t slot_count = 0;

    np_pool_init(&pool, &options);
    np_account_init(&account, &pool.own);
    for (uint32_t i = 0; i < theirs; i++) {
        add_stream(&calls, &account, 2 * i + 2, NP_TIME_NEVER);
    }
    for (uint32_t i = 0; i < theirs; i += 3) {
        np_calls_cancel(calls, np_calls_find(calls, 2 * i + 2), 500);
    }
    for (uint32_t i = 0; i < theirs; i += 7) {
        np_call_entry refused = {.stream = 2 * (theirs + i) + 2, .state = NP_CALL_REFUSED};
        assert_int_equal(np_calls_reserve(&calls, &account), NP_OK);
        np_calls_add(calls, &refused);
    }
    for (uint32_t i = 0; i < ours + given_up; i++) {
        add_stream(&calls, &account, 2 * i + 1, 1000 + i);
    }
    for (uint32_t i = ours; i < ours + given_up; i++) {
        np_calls_give_up(np_calls_find(calls, 2 * i + 1));
    }
    pool.options.live_max = pool.live;
    slot_count = calls != NULL ? calls->slot_count : 0;
    np_calls_keep(&calls, &account, 1);
    if (calls == NULL || calls->slot_count < slot_count) {
        assert_int_equal(np_calls_count(calls, 0), 0);
        assert_int_equal(np_calls_count(calls, 1), ours);
        assert_int_equal(np_calls_refused(calls), 0);
    }
    assert_int_equal(account.live, calls != NULL ? calls->block_cap : 0);
    assert_true(account.live <= most);
    pool.options.live_max = 0;
    for (uint32_t i = 0; i < ours; i++) {
        assert_non_null(np_calls_find(calls, 2 * i + 1));
    }
    while (np_calls_expire(&calls, &account, 1, 1000 + ours, &out)) {
        assert_int_equal(out.stream & 1, 1);
        expired++;
    }
    assert_int_equal(expired, ours);
    np_calls_clear(&calls, &account);
    assert_int_equal(pool.live, 0);
    np_pool_fini(&pool);
}

static void test_keep(void **state)
{
    (void)state;
    expect_kept(0, 0, 0, 0);
    expect_kept(2000, 0, 0, 0);
    expect_kept(2000, 0, 5, 0);
    expect_kept(0, 1, 0, 1024);
    expect_kept(2000, 1, 0, 1024);
    expect_kept(2000, 1, 50, 1024);
    expect_kept(2000, 12, 0, 1024);
    expect_kept(2000, 13, 0, 2048);
    expect_kept(1000, 24, 3, 2048);
    expect_kept(1000, 300, 3, (size_t)32 * 1024);
    expect_kept(13, 12, 0, 1024);
    expect_kept(10, 700, 0, (size_t)68 * 1024);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_keys_against_a_model),
        cmocka_unit_test(test_serials_that_come_round),
        cmocka_unit_test(test_collisions),
        cmocka_unit_test(test_in_order),
        cmocka_unit_test(test_deadlines),
        cmocka_unit_test(test_unreserve),
        cmocka_unit_test(test_keep),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
