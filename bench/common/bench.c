/* bench.c - see bench.h. */
#include "bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

uint64_t bench_cpu_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

uint64_t bench_random(uint64_t *state)
{
    uint64_t z = *state += 0x9E3779B97F4A7C15u;

    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return z ^ z >> 31;
}

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;

    return (x > y) - (x < y);
}

double bench_median(double *values, size_t count)
{
    qsort(values, count, sizeof *values, compare_doubles);
    return count % 2 == 1 ? values[count / 2] : (values[count / 2 - 1] + values[count / 2]) / 2;
}

static double *numbers(size_t count)
{
    double *values = malloc(count * sizeof *values);

    bench_require(values != NULL, "memory");
    return values;
}

static uint64_t time_of(bench_task *task, size_t passes)
{
    uint64_t start = bench_cpu_ns();

    task->run(task->context, passes);
    return bench_cpu_ns() - start;
}

/* How many passes take about turn_us. */
static size_t calibrate(bench_task *task, uint64_t turn_us)
{
    size_t passes = 1;

    while (time_of(task, passes) < turn_us * 1000 / 2) {
        passes *= 2;
    }
    return passes;
}

void bench_rounds(bench_task *tasks, size_t count, size_t rounds, uint64_t turn_us)
{
    for (size_t i = 0; i < count; i++) {
        tasks[i].times = numbers(rounds);
        tasks[i].passes = calibrate(&tasks[i], turn_us);
    }
    for (size_t round = 0; round < rounds; round++) {
        for (size_t i = 0; i < count; i++) {
            bench_task *task = &tasks[(round + i) % count];
            task->times[round] = (double)time_of(task, task->passes) / (double)task->passes;
        }
    }
}

double bench_ratio(const bench_task *a, const bench_task *b, size_t rounds)
{
    double *ratios = numbers(rounds);
    double ratio;

    for (size_t i = 0; i < rounds; i++) {
        ratios[i] = a->times[i] / b->times[i];
    }
    ratio = bench_median(ratios, rounds);
    free(ratios);
    return ratio;
}

double bench_time(const bench_task *task, size_t rounds)
{
    double *times = numbers(rounds);
    double time;

    for (size_t i = 0; i < rounds; i++) {
        times[i] = task->times[i];
    }
    time = bench_median(times, rounds);
    free(times);
    return time;
}

void bench_row(const char *what, const char *against, double ratio, double limit, const char *note)
{
    if (limit > 0) {
        printf("| %s | %s | %.2f | %.2f | %s | %s |\n", what, against, ratio, limit,
               ratio <= limit ? "met" : "**missed**", note);
    } else {
        printf("| %s | %s | %.2f | | | %s |\n", what, against, ratio, note);
    }
    fflush(stdout);
}

void bench_count_row(const char *what, const char *against, double number, double limit,
                     const char *note)
{
    printf("| %s | %s | %.4g | %.4g | %s | %s |\n", what, against, number, limit,
           number <= limit ? "met" : "**missed**", note);
    fflush(stdout);
}

void bench_row_missing(const char *what, const char *against, const char *package)
{
    printf("| %s | %s | not installed | | | apt-get install %s |\n", what, against, package);
    fflush(stdout);
}

void bench_require(bool holds, const char *what)
{
    if (!holds) {
        fprintf(stderr, "bench: this does not hold: %s\n", what);
        exit(1);
    }
}

bool bench_allow_files(size_t count)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) {
        return false;
    }
    if (limit.rlim_cur < count && (limit.rlim_max >= count || geteuid() == 0)) {
        limit.rlim_cur = count;
        limit.rlim_max = limit.rlim_max < count ? count : limit.rlim_max;
        return setrlimit(RLIMIT_NOFILE, &limit) == 0;
    }
    return limit.rlim_cur >= count;
}
