/* memory_search.h - looks for secrets in all memory of the process that it can write to: heap,
 * stacks and what was freed.
 *
 * What is looked for is kept under a mask, so that the search does not find itself. The code under
 * test runs on a stack of its own and is left by memory_search_pause, which touches next to nothing
 * of that stack; so what calls that have returned left behind is still there to be found.
 *
 * Linux only, and of no use under a sanitizer, whose shadows and quarantine are not the program's.
 */
#ifndef TEST_MEMORY_SEARCH_H
#define TEST_MEMORY_SEARCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MEMORY_SECRET_LEN 32

/* Whether it makes sense in this build. */
bool memory_search_works(void);

/* Forgets all secrets. */
void memory_search_begin(void);

/* From here on only secrets that are noted again may lie anywhere; those noted before are still
 * looked for. */
void memory_search_age(void);

/* A secret that may lie in the places that memory_search_run is given, until memory_search_age: a
 * key is at home in its session as long as the session uses it, and nowhere afterwards. */
void memory_search_note(const char *name, const uint8_t secret[MEMORY_SECRET_LEN]);

/* One that no memory may hold when nobody is at work with it. */
void memory_search_forbid(const char *name, const uint8_t secret[MEMORY_SECRET_LEN]);

/* Where noted secrets may be. */
typedef struct memory_place {
    const void *at; /* NULL: none */
    size_t len;
} memory_place;

/* Searches; prints what is found elsewhere, or is forbidden or old, and returns how often. */
size_t memory_search_run(const char *when, const memory_place *places, size_t count);

/* Runs `work` on a stack of its own, which the search covers, up to its end; whenever work pauses,
 * `look` is called from outside. */
void memory_search_watch(void (*work)(void *user), void (*look)(const char *when, void *user),
                         void *user);
void memory_search_pause(const char *when);

#endif
