/* new_loop.h - a loop with default options, for tests that must have one. */
#ifndef TEST_NEW_LOOP_H
#define TEST_NEW_LOOP_H

#include <netproto/loop.h>

/* Fails the test where there is none. The test frees it. */
np_loop *new_loop(void);

#endif
