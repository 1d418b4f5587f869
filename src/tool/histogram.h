/* histogram.h - many durations in little memory: 32 steps for each power of two, so that what is
 * read from it is wrong by at most 3 %. */
#ifndef NP_TOOL_HISTOGRAM_H
#define NP_TOOL_HISTOGRAM_H

#include <stdint.h>

#define TOOL_HISTOGRAM_STEPS 32u
#define TOOL_HISTOGRAM_SLOTS (60u * TOOL_HISTOGRAM_STEPS)

typedef struct tool_histogram {
    uint64_t slots[TOOL_HISTOGRAM_SLOTS];
    uint64_t count;
    uint64_t most;
} tool_histogram;

void tool_histogram_add(tool_histogram *histogram, uint64_t value);

/* The value that so many of 1,000,000 do not exceed; 0 if there is none. */
uint64_t tool_histogram_quantile(const tool_histogram *histogram, uint64_t ppm);

#endif
