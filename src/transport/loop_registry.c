/* loop_registry.c - names for objects that may be gone when somebody uses the name.
 *
 * A name is the index of a slot and the slot's generation, which grows with every use of it. So no
 * name is ever used twice, and a stale one finds nothing.
 */
#include "transport/loop_state.h"

#include <stdlib.h>

#define SLOTS_AT_FIRST 16

static bool grow(np_registry *registry)
{
    size_t count = registry->count == 0 ? SLOTS_AT_FIRST : registry->count * 2;
    np_registry_slot *slots = NULL;

    if (count > UINT32_MAX) {
        return false;
    }
    slots = realloc(registry->slots, count * sizeof *slots);
    if (slots == NULL) {
        return false;
    }
    for (size_t i = count; i-- > registry->count;) {
        slots[i] = (np_registry_slot){NULL, 1, registry->free};
        registry->free = (uint32_t)i + 1;
    }
    registry->slots = slots;
    registry->count = count;
    return true;
}

uint64_t np__loop_register(np_loop *loop, void *object)
{
    np_registry *registry = &loop->registry;
    np_registry_slot *slot = NULL;
    uint32_t index = 0;

    if (registry->free == 0 && !grow(registry)) {
        return 0;
    }
    index = registry->free - 1;
    slot = &registry->slots[index];
    registry->free = slot->next_free;
    slot->object = object;
    slot->next_free = 0;
    registry->used++;
    return (uint64_t)slot->generation << 32 | index;
}

static np_registry_slot *find(const np_registry *registry, uint64_t id)
{
    size_t index = (size_t)(id & UINT32_MAX);
    np_registry_slot *slot = index < registry->count ? &registry->slots[index] : NULL;

    return slot != NULL && slot->object != NULL && slot->generation == id >> 32 ? slot : NULL;
}

void np__loop_unregister(np_loop *loop, uint64_t id)
{
    np_registry *registry = &loop->registry;
    np_registry_slot *slot = find(registry, id);

    if (slot == NULL) {
        return;
    }
    slot->object = NULL;
    slot->generation++;
    registry->used--;
    /* A slot whose generations are used up is never handed out again. */
    if (slot->generation != 0) {
        slot->next_free = registry->free;
        registry->free = (uint32_t)(slot - registry->slots) + 1;
    }
}

void *np__loop_lookup(const np_loop *loop, uint64_t id)
{
    const np_registry_slot *slot = find(&loop->registry, id);

    return slot != NULL ? slot->object : NULL;
}

void np__loop_registry_fini(np_loop *loop)
{
    free(loop->registry.slots);
}
