/* faults.c - see faults.h. */
#include "faults.h"

#include <string.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

#define START_S 1000000

static struct {
    bool on;
    uint64_t ms;
    uint64_t random;
    unsigned skip, count;
} faults;

void faults_begin(void)
{
    memset(&faults, 0, sizeof faults);
    faults.on = true;
}

void faults_end(void)
{
    memset(&faults, 0, sizeof faults);
}

void faults_move_time(uint64_t ms)
{
    faults.ms += ms;
}

uint64_t faults_time(void)
{
    return faults.ms;
}

void faults_arm(unsigned skip, unsigned count)
{
    faults.skip = skip;
    faults.count = count;
}

static bool fails(void)
{
    if (!faults.on || faults.count == 0) {
        return false;
    }
    if (faults.skip > 0) {
        faults.skip--;
        return false;
    }
    faults.count--;
    return true;
}

/* Not hidden: libev's calls are to come here too. */
#pragma GCC visibility push(default)

int clock_gettime(clockid_t id, struct timespec *ts)
{
    /* libFuzzer measures how long an input takes by the real-time clock, which our library and
     * libev's timers do not use. */
    if (!faults.on || id == CLOCK_REALTIME) {
        return (int)syscall(SYS_clock_gettime, id, ts);
    }
    ts->tv_sec = (time_t)(START_S + faults.ms / 1000);
    ts->tv_nsec = (long)(faults.ms % 1000) * 1000000;
    return 0;
}

#pragma GCC visibility pop

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *block, size_t size);
ssize_t __real_getrandom(void *out, size_t len, unsigned flags);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *block, size_t size);
ssize_t __wrap_getrandom(void *out, size_t len, unsigned flags);

void *__wrap_malloc(size_t size)
{
    return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return fails() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *block, size_t size)
{
    return fails() ? NULL : __real_realloc(block, size);
}

ssize_t __wrap_getrandom(void *out, size_t len, unsigned flags)
{
    uint8_t *p = out;

    if (!faults.on) {
        return __real_getrandom(out, len, flags);
    }
    for (size_t i = 0; i < len; i++) {
        faults.random = faults.random * 6364136223846793005u + 1442695040888963407u;
        p[i] = (uint8_t)(faults.random >> 56);
    }
    return (ssize_t)len;
}
