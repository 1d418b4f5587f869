/* everything_values.h - values of the everything schema as a program would write them, the same as
 * those that tests/reference/vectors.py picked for its vectors. */
#ifndef NP_TESTS_EVERYTHING_VALUES_H
#define NP_TESTS_EVERYTHING_VALUES_H

#include "everything.h"

/* A string from a literal, which may hold NUL. */
#define TEXT(literal) ((np_str){(literal), sizeof(literal) - 1})
#define BYTES(literal) ((np_bytes){(const uint8_t *)(literal), sizeof(literal) - 1})

/* The members of a list in items form, from an array. */
#define ITEMS(array)                                                                               \
    {                                                                                              \
        .items = (array), .count = sizeof(array) / sizeof *(array)                                 \
    }

/* What they point to is constant and lives as long as the program. */
everything_bounds everything_values_bounds(void);     /* "bounds, lowest" */
everything_person everything_values_ada(void);        /* "find's reply at 3" */
everything_versions everything_values_versions(void); /* "versions at 3" */
everything_nests everything_values_nests(void);       /* "nests, full" */
everything_woods everything_values_woods(void);       /* "woods" */

#endif
