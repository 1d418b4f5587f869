/* random.c - payloads made up from descriptors, as many as one likes; and the fuzz target. */
#include "selftest/selftest_private.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "selftest/make.h"
#include "selftest/same.h"

/* A tenth of the payloads are long; the rest are short, where more ways to cut them fit in. */
static size_t pick_budget(np__make_rng *rng)
{
    static const size_t budgets[] = {8, 20, 40, 40, 60, 60, 90, 120, 200, 1200};
    return budgets[np__make_below(rng, sizeof budgets / sizeof *budgets)];
}

/* Both decoders agree on a payload; a valid one is accepted. */
static void check(np_selftest *t, const np__make_payload *payload, bool valid, uint64_t seed)
{
    uint8_t *data = np__selftest_dup(payload->data, payload->len);
    np__twin_effort effort = {payload->len <= 24, 0, 2, seed};
    np__twin_log trouble = {0};
    np_err err =
        np__twin_compare(t->protocol, t->version, t->reply, data, payload->len, effort, &trouble);

    if (trouble.text != NULL) {
        np__selftest_fail(t, "--seed %" PRIu64 ": %s", seed, trouble.text);
    } else if (valid && err != NP_OK) {
        np__selftest_fail(t, "--seed %" PRIu64 ": a valid payload is refused: %s", seed,
                          np_err_name(err));
    } else if (err == NP_OK &&
               np_get_u32(data) == t->message->id) { /* a mutant may be of another */
        np__same_decoded(t, payload->data, payload->len);
    }
    np__twin_log_free(&trouble);
    free(data);
}

/* False if no valid payload could be made, which would be so with other seeds, too. */
static bool run_case(np_selftest *t, uint64_t seed)
{
    np__make_rng rng = {seed};
    np__make_payload valid = {0}, other = {0}, mutant = {0};
    size_t budget = pick_budget(&rng);
    bool made = np__make_valid(&valid, &rng, t->message, t->version, t->reply, budget) &&
                np__make_valid(&other, &rng, t->message, t->version, t->reply, 40);

    if (made) {
        check(t, &valid, true, seed);
    }
    for (int i = 0; i < 8 && made; i++) {
        np__make_mutant(&mutant, &rng, &valid, &other);
        check(t, &mutant, false, seed);
    }
    np__make_free(&valid);
    np__make_free(&other);
    np__make_free(&mutant);
    return made;
}

void np__selftest_random(np_selftest *t)
{
    t->example = NULL;
    for (t->version = t->message->since; t->version <= t->protocol->version; t->version++) {
        for (uint64_t i = 0; i < t->rounds && run_case(t, t->seed + i); i++) {
        }
    }
}

/* Cuts depend on the input, so that a finding is one file and replays by itself. */
static uint64_t seed_of(const uint8_t *data, size_t len)
{
    uint64_t hash = 0xCBF29CE484222325u; /* FNV-1a, 64 bits */

    for (size_t i = 0; i < len; i++) {
        hash = (hash ^ data[i]) * 0x100000001B3u;
    }
    return hash;
}

int np_selftest_fuzz(const np_protocol *protocol, const uint8_t *data, size_t len)
{
    if (len < 1) {
        return 0;
    }
    uint32_t version = ((data[0] & 0x7Fu) + protocol->version - 1) % protocol->version + 1;
    bool reply = (data[0] & 0x80) != 0;
    np__twin_effort effort = {len <= 40, 0, 4, seed_of(data, len)};

    /* A block of its own, where a sanitizer sees a byte read before or behind it. */
    uint8_t *payload = np__selftest_dup(data + 1, len - 1);
    (void)np__twin_check(protocol, version, reply, payload, len - 1, effort);
    free(payload);
    return 0;
}
