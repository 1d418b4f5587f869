/* histogram.c - see histogram.h. */
#include "tool/histogram.h"

/* Values below 32 have a slot each; above, the five bits behind the highest one choose it. */
static uint32_t slot_of(uint64_t value)
{
    if (value < TOOL_HISTOGRAM_STEPS) {
        return (uint32_t)value;
    }
    uint32_t high = 63u - (uint32_t)__builtin_clzll(value);
    uint32_t step = (uint32_t)(value >> (high - 5)) & (TOOL_HISTOGRAM_STEPS - 1);

    return (high - 4) * TOOL_HISTOGRAM_STEPS + step;
}

/* The greatest value of a slot. */
static uint64_t value_of(uint32_t slot)
{
    if (slot < TOOL_HISTOGRAM_STEPS) {
        return slot;
    }
    uint32_t high = slot / TOOL_HISTOGRAM_STEPS + 4, step = slot % TOOL_HISTOGRAM_STEPS;

    return (((uint64_t)TOOL_HISTOGRAM_STEPS + step + 1) << (high - 5)) - 1;
}

void tool_histogram_add(tool_histogram *histogram, uint64_t value)
{
    histogram->slots[slot_of(value)]++;
    histogram->count++;
    histogram->most = value > histogram->most ? value : histogram->most;
}

uint64_t tool_histogram_quantile(const tool_histogram *histogram, uint64_t ppm)
{
    uint64_t rank = histogram->count * ppm / 1000000u, seen = 0;

    for (uint32_t i = 0; i < TOOL_HISTOGRAM_SLOTS; i++) {
        seen += histogram->slots[i];
        if (seen > rank) {
            return value_of(i) < histogram->most ? value_of(i) : histogram->most;
        }
    }
    return histogram->most;
}
