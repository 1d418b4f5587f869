/* same.h - decoding and copying leave nothing in a struct that was in its memory before.
 *
 * Each is done twice, into memory that differs in every byte; then all members must be alike, those
 * of absent options and of variants that were not chosen, too, and the items that lists give out.
 * Failures are told by the np_selftest.
 *
 * Threads: one. Memory: nothing is kept.
 */
#ifndef NP_SELFTEST_SAME_H
#define NP_SELFTEST_SAME_H

#include <netproto/selftest.h>

/* `data` is a payload of what is tried now, which is known to be valid. */
void np__same_decoded(np_selftest *t, const uint8_t *data, size_t len);

/* `value` is known to encode at the newest version. */
void np__same_copied(np_selftest *t, const void *value);

#endif
