/* vectors.h - payloads of tests/vectors/everything, by the names of their cases. */
#ifndef NP_TESTS_VECTORS_H
#define NP_TESTS_VECTORS_H

#include <stddef.h>
#include <stdint.h>

/* The payload of a case, from malloc. Fails the test if there is no such case. */
uint8_t *vectors_payload(const char *name, size_t *len);

#endif
