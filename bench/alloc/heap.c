/* heap.c - stands before glibc's allocator.
 *
 * A program's own malloc takes the place of the library's in everything that is linked to it, and
 * glibc gives the originals under names of their own. The bench runs one thread at a time.
 */
#include "heap.h"

#include <errno.h>
#include <malloc.h>
#include <stdlib.h>

/* Shared libraries find them here, too, or libev's memory would not be counted. */
#pragma GCC visibility push(default)

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *block, size_t size);
extern void *__libc_memalign(size_t alignment, size_t size);
extern void __libc_free(void *block);

static uint64_t allocations;
static uint64_t live;

uint64_t heap_allocations(void)
{
    return allocations;
}

uint64_t heap_bytes(void)
{
    return live;
}

static void *count(void *block)
{
    allocations++;
    live += malloc_usable_size(block);
    return block;
}

void *malloc(size_t size)
{
    return count(__libc_malloc(size));
}

void *calloc(size_t items, size_t size)
{
    return count(__libc_calloc(items, size));
}

void *realloc(void *block, size_t size)
{
    size_t old = malloc_usable_size(block);
    void *moved = __libc_realloc(block, size);

    if (moved != NULL || size == 0) {
        live -= old;
    }
    return count(moved);
}

void *memalign(size_t alignment, size_t size)
{
    return count(__libc_memalign(alignment, size));
}

void *aligned_alloc(size_t alignment, size_t size)
{
    return memalign(alignment, size);
}

int posix_memalign(void **out, size_t alignment, size_t size)
{
    void *block = memalign(alignment, size);

    if (block == NULL) {
        return ENOMEM;
    }
    *out = block;
    return 0;
}

void free(void *block)
{
    live -= malloc_usable_size(block);
    __libc_free(block);
}

#pragma GCC visibility pop
