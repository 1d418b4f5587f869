/* poison.c - see poison.h. */
#include "service/poison.h"

#include <stdlib.h>
#include <string.h>

typedef struct spoilt {
    uint8_t *data;
    size_t len;
} spoilt;

struct np_poison {
    spoilt kept[NP_POISON_KEPT_MAX]; /* a ring, the oldest at `first` */
    size_t first, count;
    size_t len; /* bytes of all of them */
};

/* AddressSanitizer's, where the program has it: not this library, but who links it, decides. */
extern void __asan_poison_memory_region(const volatile void *address, size_t len)
    __attribute__((weak));
extern void __asan_unpoison_memory_region(const volatile void *address, size_t len)
    __attribute__((weak));

np_poison *np__poison_new(void)
{
    return calloc(1, sizeof(np_poison));
}

static void drop_oldest(np_poison *poison)
{
    spoilt *oldest = &poison->kept[poison->first];

    if (__asan_unpoison_memory_region != NULL) {
        __asan_unpoison_memory_region(oldest->data, oldest->len);
    }
    free(oldest->data);
    poison->len -= oldest->len;
    poison->first = (poison->first + 1) % NP_POISON_KEPT_MAX;
    poison->count--;
}

void np__poison_free(np_poison *poison)
{
    while (poison != NULL && poison->count > 0) {
        drop_oldest(poison);
    }
    free(poison);
}

uint8_t *np__poison_lend(const void *data, size_t len)
{
    uint8_t *copy = len > 0 ? malloc(len) : NULL;

    if (copy != NULL) {
        memcpy(copy, data, len);
    }
    return copy;
}

void np__poison_spoil(np_poison *poison, uint8_t *copy, size_t len)
{
    if (copy == NULL) {
        return;
    }
    memset(copy, NP_POISON_BYTE, len);
    while (poison->count > 0 &&
           (poison->count == NP_POISON_KEPT_MAX || poison->len + len > NP_POISON_KEPT_LEN)) {
        drop_oldest(poison);
    }
    if (__asan_poison_memory_region != NULL) {
        __asan_poison_memory_region(copy, len);
    }
    poison->kept[(poison->first + poison->count) % NP_POISON_KEPT_MAX] = (spoilt){copy, len};
    poison->count++;
    poison->len += len;
}
