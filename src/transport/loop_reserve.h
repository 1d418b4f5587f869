/* loop_reserve.h - memory that libev gets when the heap has none.
 *
 * libev ends the process when its allocator fails. A reserve holds, outside of the heap where it
 * can, a block for each of libev's arrays, as large as that array may become for the descriptors
 * that the loop has been asked to watch. So the question whether there is memory comes up where it
 * can be answered, when a descriptor is new, and not where libev finds that it needs some.
 *
 * The blocks are address space: nothing is in them before libev writes there, so they cost a
 * process nothing but what `prlimit --as` counts, some 160 bytes per descriptor. Where the system
 * has none left, they are the heap's.
 *
 * Threads: the loop's; the allocator finds the reserve of the loop that runs in its thread.
 */
#ifndef NP_TRANSPORT_LOOP_RESERVE_H
#define NP_TRANSPORT_LOOP_RESERVE_H

#include <netproto/error.h>

/* Blocks for what does not grow with descriptors, and for arrays that do. */
#define NP_RESERVE_SMALL 16
#define NP_RESERVE_GROWING 4
#define NP_RESERVE_BLOCKS (2 * (NP_RESERVE_SMALL + NP_RESERVE_GROWING))

typedef struct np_reserve_block {
    void *memory; /* NULL: no block */
    size_t size;
    bool used;    /* libev has it */
    bool of_heap; /* the system had no address space */
} np_reserve_block;

typedef struct np_reserve {
    np_reserve_block blocks[NP_RESERVE_BLOCKS];
    int room;  /* for descriptors below this number */
    bool full; /* nothing was taken since it was filled for that many */
} np_reserve;

/* An empty reserve is all zero. */

/* Has a block for everything that libev may need to watch descriptors up to fd. Costs nothing where
 * that is so already. Errors: NP_ERR_MEMORY; what was there stays. */
NP_MUST_CHECK np_err np__reserve_fill(np_reserve *reserve, int fd);

/* Gives all blocks back; libev's loop must be gone. */
void np__reserve_fini(np_reserve *reserve);

/* Which reserve the allocator takes from in this thread, from now on; NULL: none. Returns the one
 * before, to be put back. */
np_reserve *np__reserve_use(np_reserve *reserve);

/* libev's allocator: realloc and free, and the reserve when those fail. */
void *np__reserve_realloc(void *block, long size);

#endif
