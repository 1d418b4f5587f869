/* make_private.h - what make.c and make_mutant.c share. */
#ifndef NP_SELFTEST_MAKE_PRIVATE_H
#define NP_SELFTEST_MAKE_PRIVATE_H

#include "selftest/make.h"

/* Appends bytes that the caller fills in. */
uint8_t *np__make_grow(np__make_payload *payload, size_t len);

/* Bytes of a scalar, or of a length, count or tag; 0 for what has none of its own. */
size_t np__make_width(np_kind kind);

bool np__make_float_allowed(const np_type *type, double value);

/* Whether a value of the type may contain one of the target type. */
bool np__make_reaches(const np_type *type, const np_type *target);

/* Order of two encoded keys. */
int np__make_key_compare(const np_type *type, const uint8_t *a, size_t a_len, const uint8_t *b,
                         size_t b_len);

#endif
