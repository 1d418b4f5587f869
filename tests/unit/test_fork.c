/* What a test starts ends with the test, however that ends: support/fork.c. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <poll.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define PATIENCE_MS 30000

typedef enum way { WAY_EXIT, WAY_ABORT, WAY_KILLED, WAYS } way;

/* A test that has started a server, which holds `fd` and would go on for ever. */
static void be_a_test(way how, int fd, int told)
{
    if (fork() == 0) {
        (void)!write(told, "x", 1);
        for (;;) {
            pause();
        }
    }
    (void)close(fd);
    if (how == WAY_ABORT) {
        const struct rlimit none = {0, 0};
        (void)setrlimit(RLIMIT_CORE, &none);
        (void)signal(SIGABRT, SIG_DFL); /* cmocka has a handler */
        abort();
    }
    if (how == WAY_EXIT) {
        _exit(1);
    }
    for (;;) {
        pause();
    }
}

static void test_children_end(void **state)
{
    (void)state;

    for (way how = 0; how < WAYS; how++) {
        int held[2], told[2];
        char byte = 0;
        assert_int_equal(pipe(held), 0);
        assert_int_equal(pipe(told), 0);
        pid_t pid = fork();
        if (pid == 0) {
            be_a_test(how, held[1], told[1]);
        }
        (void)close(held[1]);
        if (how == WAY_KILLED) { /* as ctest does when time is up */
            assert_int_equal(read(told[0], &byte, 1), 1);
            assert_int_equal(kill(pid, SIGKILL), 0);
        }
        assert_int_equal(waitpid(pid, NULL, 0), pid);
        /* The pipe ends when the last who holds it does. */
        struct pollfd end = {.fd = held[0], .events = POLLIN};
        assert_int_equal(poll(&end, 1, PATIENCE_MS), 1);
        assert_int_equal(read(held[0], &byte, 1), 0);
        (void)close(held[0]);
        (void)close(told[0]);
        (void)close(told[1]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_children_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
