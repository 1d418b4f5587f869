/* The loop: running and stopping, what it does without descriptors, tasks, the registry. Timers,
 * posts and signals have tests of their own, test_loop_*.c. */
#include "support/new_loop.h"
#include "transport/loop_state.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <sodium.h>

/* Else it runs its portable code: slow, and with keys left on the stack. */
static void test_libsodium_knows_the_processor(void **state)
{
    np_loop *loop = new_loop();
    (void)state;

    assert_int_equal(sodium_init(), 1); /* somebody has called it before */
    np_loop_free(loop);
}

/* Running ---------------------------------------------------------------------------------- */

static void post_stop(np_loop *loop, void *user)
{
    bool done = true;

    /* A handler must not run the loop. */
    assert_int_equal(np_loop_run(loop), NP_ERR_STATE);
    assert_int_equal(np_loop_run_until(loop, &done, 1), NP_ERR_STATE);
    *(int *)user += 1;
    np_loop_stop(loop);
}

static void test_run_and_stop(void **state)
{
    np_loop *loop = new_loop();
    const bool never = false;
    int ran = 0;

    (void)state;
    assert_int_equal(np_loop_post(loop, post_stop, &ran), NP_OK);
    assert_int_equal(np_loop_run(loop), NP_OK);
    assert_int_equal(ran, 1);
    assert_int_equal(np_loop_post(loop, post_stop, &ran), NP_OK);
    assert_int_equal(np_loop_run_until(loop, &never, 5000), NP_ERR_CANCELED);
    assert_int_equal(np_loop_run_until(loop, &never, 5), NP_ERR_DEADLINE);
    np_loop_stop(loop);
    assert_int_equal(np_loop_run(loop), NP_OK);
    np_loop_free(loop);
}

/* Descriptors ------------------------------------------------------------------------------ */

/* What the child of test_no_descriptors does; returns its exit code. */
static int try_without_descriptors(void)
{
    struct rlimit limit = {64, 64};
    np_loop *loop = NULL;
    np_loop *second = NULL;
    np_err err = np_loop_new(&loop, NULL);

    if (err != NP_OK || setrlimit(RLIMIT_NOFILE, &limit) != 0) {
        return 1;
    }
    while (open("/dev/null", O_RDONLY | O_CLOEXEC) >= 0) {
    }
    if (np_loop_new(&second, NULL) != NP_ERR_FILES) {
        return 2;
    }
    (void)close(63); /* one is not enough for a loop of its own */
    err = np_loop_new(&second, NULL);
    np_loop_free(loop);
    return err == NP_ERR_FILES ? 0 : 3;
}

/* libev would end the process. */
static void test_no_descriptors(void **state)
{
    int status = 0;
    pid_t child = fork();

    (void)state;
    if (child == 0) {
        _exit(try_without_descriptors());
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

/* Tasks ------------------------------------------------------------------------------------ */

typedef struct job {
    np_task task;
    int runs;
    int again;
    bool done;
    np_task *victim;
} job;

static void on_job(np_loop *loop, np_task *task)
{
    job *j = np_container_of(task, job, task);

    j->runs++;
    if (j->victim != NULL) {
        np__task_cancel(loop, j->victim);
    }
    if (j->again-- > 0) {
        np__loop_defer(loop, task);
    } else {
        j->done = true;
    }
}

static void test_tasks(void **state)
{
    np_loop *loop = new_loop();
    job jobs[3];

    (void)state;
    memset(jobs, 0, sizeof jobs);
    for (int i = 0; i < 3; i++) {
        np__task_init(&jobs[i].task, on_job);
        np__loop_defer(loop, &jobs[i].task);
        np__loop_defer(loop, &jobs[i].task); /* where it is */
        np__loop_flush(loop, &jobs[i].task);
    }
    jobs[0].again = 100;
    jobs[0].victim = &jobs[2].task; /* the last in the queue */
    assert_int_equal(np_loop_run_until(loop, &jobs[0].done, 5000), NP_OK);
    assert_int_equal(jobs[0].runs, 101);
    assert_int_equal(jobs[1].runs, 1);
    assert_int_equal(jobs[2].runs, 0);
    assert_false(np__task_queued(&jobs[2].task));
    np__loop_flush(loop, &jobs[2].task);
    assert_int_equal(np_loop_run_until(loop, &jobs[2].done, 5000), NP_OK);
    np_loop_free(loop);
}

static void on_suicide(np_loop *loop, np_task *task)
{
    job *j = np_container_of(task, job, task);

    np__task_cancel(loop, task); /* it is in no queue any more */
    np__loop_defer(loop, task);
    np__task_cancel(loop, task); /* it is in one again */
    np__task_cancel(loop, j->victim);
    free(j);
}

/* A task may cancel itself and its neighbour and free both. */
static void test_task_ends_within_its_run(void **state)
{
    np_loop *loop = new_loop();
    job *jobs[2];
    job last;

    (void)state;
    memset(&last, 0, sizeof last);
    np__task_init(&last.task, on_job);
    for (int i = 0; i < 2; i++) {
        jobs[i] = calloc(1, sizeof *jobs[i]);
        assert_non_null(jobs[i]);
    }
    np__task_init(&jobs[0]->task, on_suicide);
    np__task_init(&jobs[1]->task, on_job);
    jobs[0]->victim = &jobs[1]->task;
    np__loop_defer(loop, &jobs[0]->task);
    np__loop_defer(loop, &jobs[1]->task);
    np__loop_defer(loop, &last.task);
    assert_int_equal(np_loop_run_until(loop, &last.done, 5000), NP_OK);
    assert_int_equal(last.runs, 1);
    assert_int_equal(jobs[1]->runs, 0);
    assert_false(np__task_queued(&jobs[1]->task));
    free(jobs[1]);
    np_loop_free(loop);
}

/* The registry ----------------------------------------------------------------------------- */

static void test_names_are_never_used_twice(void **state)
{
    enum { COUNT = 100 };
    np_loop *loop = new_loop();
    int objects[COUNT];
    uint64_t ids[COUNT];
    uint64_t old = 0;

    (void)state;
    assert_null(np__loop_lookup(loop, 0));
    assert_null(np__loop_lookup(loop, UINT64_MAX));
    for (int i = 0; i < COUNT; i++) {
        ids[i] = np__loop_register(loop, &objects[i]);
        assert_true(ids[i] != 0);
    }
    for (int i = 0; i < COUNT; i++) {
        assert_ptr_equal(np__loop_lookup(loop, ids[i]), &objects[i]);
    }
    old = ids[50];
    np__loop_unregister(loop, old);
    np__loop_unregister(loop, old);
    assert_null(np__loop_lookup(loop, old));
    ids[50] = np__loop_register(loop, &objects[0]);
    assert_true(ids[50] != old);
    assert_null(np__loop_lookup(loop, old));
    assert_ptr_equal(np__loop_lookup(loop, ids[50]), &objects[0]);
    np_loop_free(loop);
}

/* When the generations of a slot are used up, it is left alone. */
static void test_generations_do_not_wrap(void **state)
{
    np_loop *loop = new_loop();
    int object = 0;
    uint64_t first = np__loop_register(loop, &object);
    uint64_t last = 0;
    uint64_t other = 0;

    (void)state;
    np__loop_unregister(loop, first);
    loop->registry.slots[first & UINT32_MAX].generation = UINT32_MAX;
    last = np__loop_register(loop, &object);
    assert_int_equal(last & UINT32_MAX, first & UINT32_MAX);
    assert_ptr_equal(np__loop_lookup(loop, last), &object);
    np__loop_unregister(loop, last);
    assert_null(np__loop_lookup(loop, last));
    assert_null(np__loop_lookup(loop, first & UINT32_MAX)); /* generation 0 names nothing */
    for (int i = 0; i < 100; i++) {
        other = np__loop_register(loop, &object);
        assert_true((other & UINT32_MAX) != (first & UINT32_MAX));
    }
    np_loop_free(loop);
}

static void test_randomness(void **state)
{
    uint8_t a[32] = {0};
    uint8_t b[32] = {0};
    np_rng rng = np_loop_rng();

    (void)state;
    assert_int_equal(np_loop_random(a, sizeof a), NP_OK);
    np_rng_fill(&rng, b, sizeof b);
    assert_memory_not_equal(a, b, sizeof a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_libsodium_knows_the_processor),
        cmocka_unit_test(test_run_and_stop),
        cmocka_unit_test(test_no_descriptors),
        cmocka_unit_test(test_tasks),
        cmocka_unit_test(test_task_ends_within_its_run),
        cmocka_unit_test(test_names_are_never_used_twice),
        cmocka_unit_test(test_generations_do_not_wrap),
        cmocka_unit_test(test_randomness),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
