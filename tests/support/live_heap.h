/* live_heap.h - how much of the heap a loop's program holds, to the byte.
 *
 * Blocks are counted one by one: glibc's own figures take blocks in its caches for live ones, and a
 * small leak would drown in that. A test that includes this is linked with the bench's counter, see
 * CMakeLists.txt; sanitizers count by themselves. */
#ifndef NP_TEST_LIVE_HEAP_H
#define NP_TEST_LIVE_HEAP_H

#include "support/sanitized.h"
#include "transport/loop_private.h"

#if TEST_SANITIZED
/* What sanitizer/allocator_interface.h declares, which gcc's packages lack. */
extern size_t __sanitizer_get_current_allocated_bytes(void);
#else
#include "alloc/heap.h" /* of the bench */
#endif

/* Bytes in blocks that were not freed, without those that the loop's pool keeps for later. */
static inline size_t live_heap(np_loop *loop)
{
    np_pool_trim(np__loop_pool(loop));
#if TEST_SANITIZED
    return __sanitizer_get_current_allocated_bytes();
#else
    return (size_t)heap_bytes();
#endif
}

#endif
