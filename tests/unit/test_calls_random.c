/* The table of calls against a list that is searched from its beginning, with random ids near
 * each other and near the ends of the table. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "protocol/calls.h"

#define MOST 200

typedef struct model {
    np_call_entry e[MOST + 8];
    size_t n;
} model;

static uint32_t rnd_state = 1;

static uint32_t rnd(uint32_t n)
{
    rnd_state = rnd_state * 1664525u + 1013904223u;
    return (rnd_state >> 8) % n;
}

static np_message messages[2];

static void check(np_calls *c, const model *m)
{
    uint32_t count[2] = {0, 0};
    uint32_t refused = 0;
    uint64_t deadline = NP_TIME_NEVER;

    for (size_t i = 0; i < m->n; i++) {
        const np_call_entry *e = &m->e[i];
        np_call_key key = {e->message, e->stream, e->serial};
        np_call_entry *found = np_calls_find_key(c, &key);

        count[e->stream & 1]++;
        refused += e->state == NP_CALL_REFUSED;
        deadline = np_time_earlier(deadline, e->deadline_ms);
        assert_non_null(found);
        assert_int_equal(found->stream, e->stream);
        assert_int_equal(found->serial, e->serial);
        assert_int_equal(found->state, e->state);
        if (e->state != NP_CALL_CANCELED) {
            assert_ptr_equal(np_calls_find(c, e->stream), found);
        }
    }
    for (uint32_t p = 0; p < 2; p++) {
        assert_int_equal(np_calls_count(c, p), count[p]);
    }
    assert_int_equal(np_calls_refused(c), refused);
    assert_true(np_calls_deadline(c) <= deadline);
    if (c != NULL) {
        uint32_t used = 0;
        for (uint32_t i = 0; i < c->slot_count; i++) {
            used += c->slots[i].stream != 0;
        }
        assert_int_equal(used, m->n);
        assert_true(used < c->slot_count);
    } else {
        assert_int_equal(m->n, 0);
    }
}

static bool in_use(const model *m, uint32_t stream)
{
    for (size_t i = 0; i < m->n; i++) {
        if (m->e[i].stream == stream && m->e[i].state != NP_CALL_CANCELED) {
            return true;
        }
    }
    return false;
}

static void drop(model *m, size_t i)
{
    m->e[i] = m->e[--m->n];
}

static void drop_same(model *m, const np_call_entry *e)
{
    for (size_t i = 0; i < m->n; i++) {
        if (m->e[i].serial == e->serial && m->e[i].stream == e->stream) {
            drop(m, i);
            return;
        }
    }
    fail();
}

/* Whether who is not found is not there. */
static void check_absent(np_calls *c, const model *m)
{
    for (int i = 0; i < 20; i++) {
        uint32_t stream = 1 + rnd(300);
        if (!in_use(m, stream)) {
            assert_null(np_calls_find(c, stream));
        }
    }
}

static void run(uint32_t seed, uint32_t most, uint32_t stride, uint32_t spread)
{
    np_pool pool;
    np_account account;
    np_calls *c = NULL;
    static model m;
    uint32_t serial = 1;
    uint64_t now = 1000;

    rnd_state = seed;
    m.n = 0;
    np_pool_init(&pool, NULL);
    np_account_init(&account, &pool.own);
    for (int step = 0; step < 6000; step++) {
        uint32_t what = rnd(100);
        now++;
        if (what < 45 && m.n < most) {
            np_call_entry e = {.stream = 1 + rnd(spread) * stride + rnd(2), .serial = serial++};
            e.message = &messages[0];
            e.deadline_ms = NP_TIME_NEVER;
            if (in_use(&m, e.stream)) {
                continue;
            }
            if ((e.stream & 1) == 0) { /* the peer's */
                e.state = rnd(5) == 0 ? NP_CALL_REFUSED : NP_CALL_WAITS;
            } else {
                e.deadline_ms = rnd(3) > 0 ? now + rnd(200) : NP_TIME_NEVER;
                e.moves = rnd(8) == 0;
            }
            assert_int_equal(np_calls_reserve(&c, &account), NP_OK);
            np_calls_add(c, &e);
            m.e[m.n++] = e;
        } else if (what < 60 && m.n > 0) {
            size_t i = rnd((uint32_t)m.n);
            np_call_key key = {m.e[i].message, m.e[i].stream, m.e[i].serial};
            np_calls_remove(&c, &account, np_calls_find_key(c, &key));
            drop(&m, i);
        } else if (what < 80 && m.n > 0) {
            size_t i = rnd((uint32_t)m.n);
            if (m.e[i].state == NP_CALL_WAITS && (m.e[i].stream & 1) == 0) {
                uint64_t until = now + rnd(100);
                np_calls_cancel(c, np_calls_find(c, m.e[i].stream), until);
                m.e[i].state = NP_CALL_CANCELED;
                m.e[i].deadline_ms = until;
            }
        } else if (what < 86) {
            np_calls_forget(&c, &account, now);
            for (size_t i = m.n; i > 0; i--) {
                if (m.e[i - 1].state == NP_CALL_CANCELED && m.e[i - 1].deadline_ms <= now) {
                    drop(&m, i - 1);
                }
            }
        } else if (what < 92) {
            np_call_entry out;
            uint32_t from = 0;
            while (np_calls_take_refused(&c, &account, &from, &out)) {
                assert_int_equal(out.state, NP_CALL_REFUSED);
                drop_same(&m, &out);
            }
            for (size_t i = 0; i < m.n; i++) {
                assert_int_not_equal(m.e[i].state, NP_CALL_REFUSED);
            }
        } else if (what < 99) {
            np_call_entry out;
            while (np_calls_expire(&c, &account, 1, now, &out)) {
                assert_true(out.deadline_ms <= now);
                drop_same(&m, &out);
                if (out.moves) {
                    np_calls_give_up(&out);
                    m.e[m.n++] = out;
                }
            }
            for (size_t i = 0; i < m.n; i++) {
                assert_true((m.e[i].stream & 1) == 0 || m.e[i].deadline_ms > now);
            }
        } else if (rnd(4) == 0) {
            np_calls_keep(&c, &account, 1);
            /* Where the table would not get smaller all stay. */
            if (c == NULL || np_calls_count(c, 0) == 0) {
                for (size_t i = m.n; i > 0; i--) {
                    if ((m.e[i - 1].stream & 1) == 0 || m.e[i - 1].state == NP_CALL_GIVEN_UP) {
                        np_call_key key = {m.e[i - 1].message, m.e[i - 1].stream,
                                           m.e[i - 1].serial};
                        if (np_calls_find_key(c, &key) == NULL) {
                            drop(&m, i - 1);
                        }
                    }
                }
            }
        }
        check(c, &m);
        check_absent(c, &m);
    }
    np_calls_clear(&c, &account);
    np_pool_fini(&pool);
}

static void test_random(void **state)
{
    (void)state;
    for (uint32_t seed = 1; seed <= 8; seed++) {
        run(seed, 12, 2, 40);       /* in the smallest table */
        run(seed, 48, 64, 100);     /* homes that are all the same */
        run(seed, MOST, 2, 400);    /* dense */
        run(seed, MOST, 1022, 300); /* about the ends */
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_random)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
