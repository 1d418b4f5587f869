/* failing_heap.h - an allocator in front of glibc's that fails when a test wants it to. What other
 * libraries allocate fails as well. A test that includes this is one file, compiled with
 * -fno-builtin (see CMakeLists.txt), and runs in one thread; a sanitizer stands there already. */
#ifndef TEST_FAILING_HEAP_H
#define TEST_FAILING_HEAP_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *block, size_t size);
extern void __libc_free(void *block);

static struct {
    size_t asked; /* allocations since it was armed */
    size_t from;  /* the first that fails; 0: none */
    bool all;     /* all that follow as well */
    long blocks;  /* that were not freed */
} failing_heap;

/* From now on the allocation `from` fails, and all after it where `all` is set; 0: none fails. */
static inline void failing_heap_arm(size_t from, bool all)
{
    failing_heap.asked = 0;
    failing_heap.from = from;
    failing_heap.all = all;
}

/* Nothing fails any more. Returns how many were asked for meanwhile. */
static inline size_t failing_heap_disarm(void)
{
    failing_heap.from = 0;
    return failing_heap.asked;
}

static inline long failing_heap_blocks(void)
{
    return failing_heap.blocks;
}

static bool failing_heap_fails(void)
{
    size_t from = failing_heap.from;

    failing_heap.asked++;
    if (from == 0 || failing_heap.asked < from ||
        (failing_heap.asked > from && !failing_heap.all)) {
        return false;
    }
    errno = ENOMEM;
    return true;
}

static void *failing_heap_counted(void *block)
{
    failing_heap.blocks += block != NULL;
    return block;
}

/* Not hidden: the libraries' own calls are to come here too. */
#pragma GCC visibility push(default)

void *malloc(size_t size)
{
    return failing_heap_fails() ? NULL : failing_heap_counted(__libc_malloc(size));
}

void *calloc(size_t count, size_t size)
{
    return failing_heap_fails() ? NULL : failing_heap_counted(__libc_calloc(count, size));
}

void *realloc(void *block, size_t size)
{
    if (block == NULL) {
        return malloc(size);
    }
    return failing_heap_fails() ? NULL : __libc_realloc(block, size);
}

void free(void *block)
{
    failing_heap.blocks -= block != NULL;
    __libc_free(block);
}

#pragma GCC visibility pop

#endif
