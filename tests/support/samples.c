/* samples.c - see samples.h. */
#include "support/samples.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* splitmix64 (Steele, Lea, Flood, 2014). */
static uint64_t next(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9E3779B97F4A7C15);

    z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
    return z ^ z >> 31;
}

/* Fills `out` from a writer of short lines. */
static void fill(uint8_t *out, size_t len, uint64_t seed,
                 size_t (*write)(char *line, size_t cap, uint64_t *state))
{
    char line[256];

    while (len > 0) {
        size_t n = write(line, sizeof line, &seed);
        n = n < len ? n : len;
        memcpy(out, line, n);
        out += n;
        len -= n;
    }
}

/* Frequent words come first, and are taken more often. */
static size_t write_words(char *line, size_t cap, uint64_t *state)
{
    static const char *const words[] = {
        "the ",      "of ",      "and ",      "to ",       "in ",      "a ",       "that ",
        "it ",       "was ",     "he ",       "for ",      "on ",      "with ",    "she ",
        "as ",       "at ",      "by ",       "harbour ",  "morning ", "letter ",  "window ",
        "slowly, ",  "never ",   "between ",  "mountain ", "answer ",  "weather ", "thought ",
        "gardener ", "evening ", "question ", "brought ",  "narrow ",  "street ",  "lantern. ",
        "voices ",   "through ", "silence ",  "old ",      "country ", "bridge. ",
    };
    const size_t count = sizeof words / sizeof words[0];
    size_t a = (size_t)(next(state) % count);
    size_t b = (size_t)(next(state) % count);
    int n = snprintf(line, cap, "%s", words[a < b ? a : b]);

    return (size_t)n;
}

static size_t write_record(char *line, size_t cap, uint64_t *state)
{
    static const char *const rooms[] = {"garden", "kitchen", "attic", "library"};
    uint64_t r = next(state);
    int n = snprintf(line, cap,
                     "{\"id\":%" PRIu64 ",\"name\":\"user%u\",\"room\":\"%s\",\"at\":%" PRIu64
                     ",\"temperature\":%u.%u,\"online\":%s},\n",
                     r >> 40, (unsigned)(r & 1023), rooms[r >> 10 & 3],
                     UINT64_C(1700000000000) + (r >> 12 & 0xFFFFFFF), (unsigned)(r >> 20 & 31),
                     (unsigned)(r >> 25 & 7), (r >> 30 & 1) != 0 ? "true" : "false");

    return (size_t)n;
}

static size_t write_noise(char *line, size_t cap, uint64_t *state)
{
    uint64_t r = next(state);

    (void)cap;
    memcpy(line, &r, sizeof r);
    return sizeof r;
}

void samples_text(uint8_t *out, size_t len, uint64_t seed)
{
    fill(out, len, seed, write_words);
}

void samples_json(uint8_t *out, size_t len, uint64_t seed)
{
    fill(out, len, seed, write_record);
}

void samples_random(uint8_t *out, size_t len, uint64_t seed)
{
    fill(out, len, seed, write_noise);
}
