/* example.h - what the programs around the headers' examples need: an assertion that stays in every
 * build. An example's own words are in example_NAME.inc, taken from include/netproto/NAME.h. */
#ifndef TEST_HEADERS_EXAMPLE_H
#define TEST_HEADERS_EXAMPLE_H

#include <stdio.h>
#include <stdlib.h>

#define MUST(condition)                                                                            \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);                \
            exit(1);                                                                               \
        }                                                                                          \
    } while (0)

#endif
