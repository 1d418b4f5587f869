/* heap.h - counts what the whole process allocates, its libraries included. */
#ifndef BENCH_HEAP_H
#define BENCH_HEAP_H

#include <stdint.h>

/* Calls of malloc, calloc, realloc and their like so far. */
uint64_t heap_allocations(void);

/* Bytes allocated and not freed, as large as the blocks really are. */
uint64_t heap_bytes(void);

#endif
