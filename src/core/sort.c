/* sort.c - sorting where the items lie: by a heap, so that neither memory nor an unlucky order
 * costs more than another. */
#include <netproto/codec.h>

static void swap(uint8_t *a, uint8_t *b, size_t size)
{
    uint8_t kept[64];

    for (size_t done = 0; done < size; done += sizeof kept) {
        size_t piece = size - done < sizeof kept ? size - done : sizeof kept;
        memcpy(kept, a + done, piece);
        memcpy(a + done, b + done, piece);
        memcpy(b + done, kept, piece);
    }
}

/* The heap's greatest is its first. Lets the item at `at` sink to where nothing under it is
 * greater; everything else is in order. */
static void sink(uint8_t *items, size_t at, size_t count, size_t size, np_ascends_fn *ascends)
{
    size_t child = 0;

    while ((child = 2 * at + 1) < count) {
        if (child + 1 < count && ascends(items + child * size, items + (child + 1) * size)) {
            child++;
        }
        if (!ascends(items + at * size, items + child * size)) {
            return;
        }
        swap(items + at * size, items + child * size, size);
        at = child;
    }
}

void np_sort(void *items, size_t count, size_t size, np_ascends_fn *ascends)
{
    uint8_t *bytes = items;

    for (size_t at = count / 2; at > 0; at--) {
        sink(bytes, at - 1, count, size, ascends);
    }
    while (count > 1) {
        count--;
        swap(bytes, bytes + count * size, size);
        sink(bytes, 0, count, size, ascends);
    }
}
