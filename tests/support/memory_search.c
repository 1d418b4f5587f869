/* memory_search.c - see memory_search.h. */
#include "support/memory_search.h"
#include "support/sanitized.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#define MASK 0xA5
#define SECRETS_MAX 256
#define CHUNK ((size_t)64 * 1024)
#define STACK ((size_t)512 * 1024)

/* Greater mappings are the program's own only under a sanitizer. */
#define MAPPING_MAX ((uint64_t)256 << 20)

typedef struct secret {
    uint8_t masked[MEMORY_SECRET_LEN];
    const char *name;
    bool has_places;
} secret;

static secret secrets[SECRETS_MAX];
static size_t secret_count;
static uint8_t chunk[CHUNK];

static ucontext_t outside;
static ucontext_t inside;
static const char *paused_at;
static void (*work_now)(void *user);
static void *work_user;

bool memory_search_works(void)
{
    return !TEST_SANITIZED && access("/proc/self/mem", R_OK) == 0;
}

static void require(bool condition, const char *what)
{
    if (!condition) {
        fprintf(stderr, "memory_search.c: %s\n", what);
        abort();
    }
}

void memory_search_begin(void)
{
    secret_count = 0;
}

void memory_search_age(void)
{
    for (size_t i = 0; i < secret_count; i++) {
        secrets[i].has_places = false;
    }
}

static void add(const char *name, const uint8_t *bytes, bool has_places)
{
    secret made = {.name = name, .has_places = has_places};
    uint8_t any = 0;

    for (size_t i = 0; i < MEMORY_SECRET_LEN; i++) {
        made.masked[i] = bytes[i] ^ MASK;
        any |= bytes[i];
    }
    for (size_t i = 0; i < secret_count; i++) {
        if (memcmp(secrets[i].masked, made.masked, MEMORY_SECRET_LEN) == 0) {
            secrets[i].has_places = has_places;
            return;
        }
    }
    if (any != 0) { /* what is wiped, or not there yet, is no secret */
        require(secret_count < SECRETS_MAX, "too many secrets");
        secrets[secret_count++] = made;
    }
}

void memory_search_note(const char *name, const uint8_t bytes[MEMORY_SECRET_LEN])
{
    add(name, bytes, true);
}

void memory_search_forbid(const char *name, const uint8_t bytes[MEMORY_SECRET_LEN])
{
    add(name, bytes, false);
}

/* Searching --------------------------------------------------------------------------------- */

static bool is_within(uint64_t at, const memory_place *places, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        uint64_t begin = (uint64_t)(uintptr_t)places[i].at;
        if (places[i].at != NULL && at >= begin &&
            at + MEMORY_SECRET_LEN <= begin + places[i].len) {
            return true;
        }
    }
    return false;
}

static size_t judge(uint64_t at, const uint8_t *bytes, const char *when, const memory_place *places,
                    size_t count)
{
    size_t found = 0;

    for (size_t i = 0; i < secret_count; i++) {
        size_t same = 0;
        while (same < MEMORY_SECRET_LEN && (bytes[same] ^ MASK) == secrets[i].masked[same]) {
            same++;
        }
        if (same == MEMORY_SECRET_LEN && !(secrets[i].has_places && is_within(at, places, count))) {
            fprintf(stderr, "%s: %s at 0x%" PRIx64 "%s\n", when, secrets[i].name, at,
                    secrets[i].has_places ? "" : ", where nobody needs it");
            found++;
        }
    }
    return found;
}

/* One mapping, in chunks that overlap. */
static size_t search(int mem, uint64_t begin, uint64_t end, const bool *first, const char *when,
                     const memory_place *places, size_t count)
{
    const uint64_t own = (uint64_t)(uintptr_t)chunk;
    size_t found = 0;

    for (uint64_t at = begin; at < end; at += CHUNK - MEMORY_SECRET_LEN + 1) {
        size_t want = end - at < CHUNK ? (size_t)(end - at) : CHUNK;
        ssize_t n = pread(mem, chunk, want, (off_t)at);
        for (ssize_t i = 0; i + MEMORY_SECRET_LEN <= n; i++) {
            uint64_t address = at + (uint64_t)i;
            if (first[chunk[i]] && (address + MEMORY_SECRET_LEN <= own || address >= own + CHUNK)) {
                found += judge(address, chunk + i, when, places, count);
            }
        }
    }
    return found;
}

size_t memory_search_run(const char *when, const memory_place *places, size_t count)
{
    FILE *maps = fopen("/proc/self/maps", "re");
    int mem = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
    bool first[256] = {false};
    char line[512];
    size_t found = 0;
    uint64_t searched = 0;

    require(maps != NULL && mem >= 0, "no /proc/self");
    for (size_t i = 0; i < secret_count; i++) {
        first[secrets[i].masked[0] ^ MASK] = true;
    }
    while (fgets(line, sizeof line, maps) != NULL) {
        uint64_t begin = 0;
        uint64_t end = 0;
        char rights[5] = "";
        if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %4s", &begin, &end, rights) == 3 &&
            rights[0] == 'r' && rights[1] == 'w' && end - begin <= MAPPING_MAX) {
            found += search(mem, begin, end, first, when, places, count);
            searched += end - begin;
        }
    }
    require(searched > CHUNK, "there is more memory than that");
    memset(chunk, 0, sizeof chunk);
    close(mem);
    fclose(maps);
    return found;
}

/* A stack of its own ------------------------------------------------------------------------ */

static void enter(void)
{
    work_now(work_user);
    paused_at = NULL;
}

void memory_search_pause(const char *when)
{
    paused_at = when;
    swapcontext(&inside, &outside);
}

void memory_search_watch(void (*work)(void *user), void (*look)(const char *when, void *user),
                         void *user)
{
    void *stack = mmap(NULL, STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    require(stack != MAP_FAILED && getcontext(&inside) == 0, "no stack");
    inside.uc_stack.ss_sp = stack;
    inside.uc_stack.ss_size = STACK;
    inside.uc_link = &outside;
    work_now = work;
    work_user = user;
    makecontext(&inside, enter, 0);
    do {
        swapcontext(&outside, &inside);
        look(paused_at != NULL ? paused_at : "at the end", user);
    } while (paused_at != NULL);
    munmap(stack, STACK);
}
