/* samples.h - bytes of several kinds, to compress. The same for the same seed, everywhere. */
#ifndef NP_TESTS_SAMPLES_H
#define NP_TESTS_SAMPLES_H

#include <stddef.h>
#include <stdint.h>

/* English words, as people would write them. */
void samples_text(uint8_t *out, size_t len, uint64_t seed);

/* Records as programs write them: the same names again and again, numbers in between. */
void samples_json(uint8_t *out, size_t len, uint64_t seed);

/* Nothing to be found. */
void samples_random(uint8_t *out, size_t len, uint64_t seed);

#endif
