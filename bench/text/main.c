/* main.c - reading strings: what it costs to see that they are UTF-8.
 *
 * Long ones of several scripts, and short ones as most are, through the codec's np_read_str against
 * C by hand; the long ones against a mere copy, too.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <netproto/codec.h>

#include "common/bench.h"
#include "common/straight_utf8.h"

#define ROUNDS 101
#define TURN_US 400
#define LONG ((size_t)64 * 1024)
#define SHORT_MIN 5
#define SHORT_MAX 30
#define STRINGS 256

/* ASCII may not be slower for what is done to the rest. */
#define LIMIT_ASCII 1.0
/* Where most is ASCII, C by hand is fast, too. */
#define LIMIT_LATIN 0.5
#define LIMIT_LONG 0.25
#define LIMIT_SHORT_ASCII 1.1
#define LIMIT_SHORT 1.0

typedef struct strings {
    size_t count;
    size_t len; /* of all, with their lengths */
    uint8_t wire[LONG + 8];
    /* Loads wait for stores to addresses with the same lower twelve bits, a little before. */
    uint8_t apart[2048];
    uint8_t copy[LONG + 8];
} strings;

static const struct {
    const char *name;
    const char *text; /* repeated */
    double limit;
} scripts[] = {
    {"ASCII", "Whoever reads this has a good deal of patience. ", LIMIT_ASCII},
    {"Latin, a letter in 60", "He left the caf\u00E9 at the usual time, and nobody saw him again. ",
     LIMIT_LATIN},
    {"Cyrillic",
     "\u041A\u0442\u043E \u044D\u0442\u043E \u0447\u0438\u0442\u0430\u0435\u0442, "
     "\u0442\u043E\u0442 \u0442\u0435\u0440\u043F\u0435\u043B\u0438\u0432. ",
     LIMIT_LONG},
    {"CJK", "\u8AAD\u3080\u4EBA\u306F\u6C17\u304C\u9577\u3044\u3002", LIMIT_LONG},
    {"emoji", "\U0001F600\U0001F680\U0001F389\U0001F44D", LIMIT_LONG},
};

static void read_ours(void *context, size_t passes)
{
    strings *s = context;

    for (size_t pass = 0; pass < passes; pass++) {
        np_reader r = np_reader_start(s->wire, s->len, 1, NULL);
        for (size_t i = 0; i < s->count; i++) {
            np_str str = {NULL, 0};
            np_err err = np_read_str(&r, &str, 0, LONG, false, "text", "max 65536");
            bench_require(err == NP_OK, "the text is read");
            bench_consume(str.data);
        }
    }
}

static void read_straight(void *context, size_t passes)
{
    strings *s = context;

    for (size_t pass = 0; pass < passes; pass++) {
        const uint8_t *p = s->wire;
        const uint8_t *end = s->wire + s->len;
        for (size_t i = 0; i < s->count; i++) {
            uint64_t len = 0;
            memcpy(&len, p, 8);
            p += 8;
            bench_require(len <= LONG && len <= (size_t)(end - p) &&
                              straight_is_utf8((const char *)p, len),
                          "the text is read");
            bench_consume(p);
            p += len;
        }
    }
}

static void copy(void *context, size_t passes)
{
    strings *s = context;

    for (size_t pass = 0; pass < passes; pass++) {
        memcpy(s->copy, s->wire, s->len);
        bench_consume(s->copy);
    }
}

/* As many whole characters of the script as fit. */
static void add(strings *s, const char *text, size_t len)
{
    size_t text_len = strlen(text);
    uint8_t *at = s->wire + s->len + 8;

    for (size_t i = 0; i < len; i++) {
        at[i] = (uint8_t)text[i % text_len];
    }
    while ((uint8_t)text[len % text_len] >> 6 == 2) {
        len--;
    }
    np_put_u64(s->wire + s->len, len);
    s->len += 8 + len;
    s->count++;
}

static void measure_long(strings *s, size_t script)
{
    bench_task tasks[] = {
        {"netproto", read_ours, s, 0, NULL},
        {"straight C", read_straight, s, 0, NULL},
        {"memcpy", copy, s, 0, NULL},
    };
    char row[80];
    double speed[3];

    s->count = s->len = 0;
    add(s, scripts[script].text, LONG);
    bench_rounds(tasks, 3, ROUNDS, TURN_US);
    snprintf(row, sizeof row, "text of 64 KiB, %s", scripts[script].name);
    for (size_t i = 0; i < 3; i++) {
        speed[i] = (double)s->len / bench_time(&tasks[i], ROUNDS);
    }
    for (size_t i = 1; i < 3; i++) {
        char note[80];
        snprintf(note, sizeof note, "%.1f GB/s against %.1f GB/s", speed[0], speed[i]);
        bench_row(row, tasks[i].name, bench_ratio(&tasks[0], &tasks[i], ROUNDS),
                  i == 1 ? scripts[script].limit : 0, note);
    }
    for (size_t i = 0; i < 3; i++) {
        free(tasks[i].times);
    }
}

static void measure_short(strings *s, size_t script)
{
    bench_task tasks[] = {
        {"netproto", read_ours, s, 0, NULL},
        {"straight C", read_straight, s, 0, NULL},
    };
    uint64_t seed = 1;
    char row[80];
    char note[80];

    s->count = s->len = 0;
    while (s->count < STRINGS) {
        add(s, scripts[script].text, SHORT_MIN + bench_random(&seed) % (SHORT_MAX - SHORT_MIN + 1));
    }
    bench_rounds(tasks, 2, ROUNDS, TURN_US);
    snprintf(row, sizeof row, "text of %d to %d bytes, %s", SHORT_MIN, SHORT_MAX,
             scripts[script].name);
    snprintf(note, sizeof note, "%.1f ns against %.1f ns", bench_time(&tasks[0], ROUNDS) / STRINGS,
             bench_time(&tasks[1], ROUNDS) / STRINGS);
    bench_row(row, tasks[1].name, bench_ratio(&tasks[0], &tasks[1], ROUNDS),
              script == 0 ? LIMIT_SHORT_ASCII : LIMIT_SHORT, note);
    free(tasks[0].times);
    free(tasks[1].times);
}

int main(void)
{
    static strings s;
    const size_t count = sizeof scripts / sizeof scripts[0];

    for (size_t i = 0; i < count; i++) {
        measure_long(&s, i);
    }
    for (size_t i = 0; i < count; i++) {
        measure_short(&s, i);
    }
    return 0;
}
