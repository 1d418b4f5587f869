/* demo_protocol.h - a small protocol for tests of the session, written by hand so that the tests
 * of the runtime do not hang on the generator's. */
#ifndef TEST_DEMO_PROTOCOL_H
#define TEST_DEMO_PROTOCOL_H

#include <netproto/schema.h>

#define DEMO_SAY_ID 256u   /* message Say = 256 { data: bytes max 12MiB; } */
#define DEMO_FIND_ID 257u  /* request Find = 257 { key: u32 max 1000; } -> Found { data: bytes } */
#define DEMO_LATER_ID 258u /* message Later = 258 since 2 { } */
#define DEMO_COUNT_ID 259u /* request Count = 259 { key: u32 max 1000; } -> { key: u32 } */
#define DEMO_DATA_MAX ((size_t)12 * 1024 * 1024)

typedef struct demo_say {
    np_bytes data;
} demo_say;

typedef struct demo_find {
    uint32_t key;
} demo_find;

/* Version 2, which still speaks 1. */
extern const np_protocol demo_protocol;

extern const np_message *const demo_message_say;
extern const np_message *const demo_message_find;
extern const np_message *const demo_message_later;
extern const np_message *const demo_message_count; /* its answer's C struct is a demo_find */

#endif
