/* The loop: what is posted to it, from its own thread and from others. */
#include "support/new_loop.h"
#include "transport/loop_state.h"
#include "transport/timer.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <unistd.h>

#include <cmocka.h>

typedef struct counter {
    unsigned count;
    bool done;
    unsigned want;
} counter;

static void count_up(np_loop *loop, void *user)
{
    counter *c = user;

    (void)loop;
    c->count++;
    c->done = c->count == c->want;
}

typedef struct poster {
    np_loop *loop;
    counter *counter;
    unsigned times;
} poster;

static void *post_many(void *user)
{
    poster *p = user;

    for (unsigned i = 0; i < p->times;) {
        if (np_loop_post(p->loop, count_up, p->counter) == NP_OK) {
            i++;
        } else {
            (void)usleep(10);
        }
    }
    return NULL;
}

static void test_posts_from_threads(void **state)
{
    enum { THREADS = 4, TIMES = 5000 };
    np_loop *loop = new_loop();
    counter c = {.want = THREADS * TIMES};
    poster p = {loop, &c, TIMES};
    pthread_t threads[THREADS];

    (void)state;
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, post_many, &p), 0);
    }
    assert_int_equal(np_loop_run_until(loop, &c.done, 30000), NP_OK);
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
    np_loop_free(loop);
}

static void test_posts_are_bounded(void **state)
{
    np_loop_options options = np_loop_options_default();
    np_loop *loop = NULL;
    counter c = {.want = 3};

    (void)state;
    options.post_max = 3;
    assert_int_equal(np_loop_new(&loop, &options), NP_OK);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(np_loop_post(loop, count_up, &c), NP_OK);
    }
    assert_int_equal(np_loop_post(loop, count_up, &c), NP_ERR_FULL);
    assert_int_equal(np_loop_run_until(loop, &c.done, 5000), NP_OK);
    assert_int_equal(np_loop_post(loop, count_up, &c), NP_OK);
    np_loop_free(loop); /* with one waiting */
    options.post_max = 0;
    assert_int_equal(np_loop_new(&loop, &options), NP_ERR_ARG);
}

typedef struct chain {
    np_timer timer;
    bool done;
} chain;

static void post_again(np_loop *loop, void *user)
{
    assert_int_equal(np_loop_post(loop, post_again, user), NP_OK);
}

static void on_beside(np_loop *loop, np_timer *timer)
{
    (void)loop;
    np_container_of(timer, chain, timer)->done = true;
}

/* Who posts from a post, without end, does not keep timers waiting. */
static void test_posts_from_posts(void **state)
{
    np_loop *loop = new_loop();
    chain c = {.done = false};

    (void)state;
    np_timer_init(&c.timer, on_beside);
    np_timer_start(loop, &c.timer, 5);
    assert_int_equal(np_loop_post(loop, post_again, &c), NP_OK);
    assert_int_equal(np_loop_run_until(loop, &c.done, 5000), NP_OK);
    np_loop_free(loop); /* with one waiting */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_posts_from_threads),
        cmocka_unit_test(test_posts_are_bounded),
        cmocka_unit_test(test_posts_from_posts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
