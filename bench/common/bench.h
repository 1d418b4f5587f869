/* bench.h - measuring by comparison.
 *
 * Contestants take turns: in every round each runs once, and the rounds' order rotates. What counts
 * is the median over the rounds of one contestant's time divided by another's in the same round.
 * So a machine that is busy, slow or changes its clock shifts both sides of the division. Time is
 * the thread's CPU time, which does not run while others use the processor.
 */
#ifndef BENCH_H
#define BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Whoever reads `data` afterwards could not tell what was written: the compiler must write it. */
static inline void bench_consume(const void *data)
{
    __asm__ volatile("" : : "r"(data) : "memory");
}

/* CPU time of this thread. */
uint64_t bench_cpu_ns(void);

/* The same numbers in every run, on every machine (splitmix64). */
uint64_t bench_random(uint64_t *state);

/* Sorts the values. */
double bench_median(double *values, size_t count);

/* One thing to measure: does its work `passes` times. */
typedef struct bench_task {
    const char *name;
    void (*run)(void *context, size_t passes);
    void *context;
    size_t passes; /* set by bench_rounds */
    double *times; /* ns a pass, one for each round; set by bench_rounds, the caller frees it */
} bench_task;

/* Runs all tasks in turns. Each takes about turn_us a round. */
void bench_rounds(bench_task *tasks, size_t count, size_t rounds, uint64_t turn_us);

/* Median of a's time divided by b's. */
double bench_ratio(const bench_task *a, const bench_task *b, size_t rounds);

/* Median time of a pass in ns. */
double bench_time(const bench_task *task, size_t rounds);

/* One row of the table: netproto's cost divided by the other's. limit 0: there is none. `note`
 * says more, such as absolute numbers, or "". */
void bench_row(const char *what, const char *against, double ratio, double limit, const char *note);

/* The row of a number that is no ratio, because what it may be at most is 0. */
void bench_count_row(const char *what, const char *against, double number, double limit,
                     const char *note);

/* The row of a peer that was not there when the benchmarks were built. */
void bench_row_missing(const char *what, const char *against, const char *package);

/* Ends the program with a message if a condition that the comparison stands on does not hold. */
void bench_require(bool holds, const char *what);

/* Raises the bound of open files to `count` if need be; false if that is not allowed. */
bool bench_allow_files(size_t count);

#ifdef __cplusplus
}
#endif

#endif
