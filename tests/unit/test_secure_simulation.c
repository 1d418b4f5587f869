/* Thousands of scripts for a wire that lies, each from a seed; see support/liar.h for what must
 * hold. TEST_SEED=n runs that one alone, so a failure that was printed can be looked at. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include <netproto/security.h>

#include "support/liar.h"

#define SEEDS 10000
#define DELAYED_SEEDS 3000
#define SCRIPT_MAX 400

static liar_story run_seed(uint64_t seed, unsigned how)
{
    uint8_t script[SCRIPT_MAX];
    uint64_t state = seed;
    size_t len = 20 + seed % (SCRIPT_MAX - 20);

    for (size_t i = 0; i < len; i++) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        script[i] = (uint8_t)(state >> 56);
    }
    /* Where a script breaks a rule the program ends, and the last line is its seed. */
    fprintf(stderr, "\rseed %llu", (unsigned long long)seed);
    return liar_run(script, len, LIAR_CHOICES | how | (seed % 3 == 0 ? LIAR_HANDSHAKE : 0));
}

/* Seeds from the first on, or the one that TEST_SEED names. */
static liar_story run_seeds(uint64_t count, unsigned how, size_t *honest)
{
    const char *one = getenv("TEST_SEED");
    uint64_t first = one != NULL ? strtoull(one, NULL, 10) : 0;
    liar_story sum = {0};

    for (uint64_t seed = first; seed < (one != NULL ? first + 1 : count); seed++) {
        liar_story story = run_seed(seed, how);
        sum.said += story.said;
        sum.told += story.told;
        sum.lies += story.lies;
        sum.refused += story.refused;
        sum.updates += story.updates;
        sum.late += story.late;
        sum.byes += story.byes;
        sum.bodies += story.bodies;
        sum.compressing += story.compressing;
        sum.aes += story.aes;
        sum.strangers += story.strangers;
        sum.saved += story.saved;
        sum.trailing += story.trailing;
        *honest += story.lies == 0;
    }
    fprintf(stderr,
            "\n%zu said, %zu told, %zu bodies, %zu lies, %zu refused, %zu key updates, %zu honest, "
            "%zu late, %zu byes, %zu trailing, %zu compressing, %zu KiB saved, %zu with AES, %zu "
            "without a common cipher\n",
            sum.said, sum.told, sum.bodies, sum.lies, sum.refused, sum.updates, *honest, sum.late,
            sum.byes, sum.trailing, sum.compressing, sum.saved / 1024, sum.aes, sum.strangers);
    return sum;
}

/* They were scripts worth running: much was said, lied about and refused, and every choice met
 * every other. */
static void expect_variety(const liar_story *sum, size_t count, size_t honest)
{
    bool has_aes = np_cipher_is_available(NP_CIPHER_AES_256_GCM);

    assert_true(sum->told > 2 * count && sum->bodies > count);
    assert_true(sum->lies > count / 4 && honest > count / 10);
    assert_true(sum->refused > count / 4 && sum->updates > count / 10);
    assert_true(sum->byes > count / 10 && sum->trailing > count / 20);
    assert_true(sum->compressing > count / 2 && sum->saved > count * 4096);
    assert_true(has_aes ? sum->aes > count / 2 && sum->strangers > count / 20
                        : sum->aes == 0 && sum->strangers == 0);
}

static void test_ten_thousand_seeds(void **state)
{
    size_t honest = 0;
    liar_story sum = run_seeds(SEEDS, 0, &honest);
    (void)state;

    if (getenv("TEST_SEED") == NULL) {
        expect_variety(&sum, SEEDS, honest);
    }
}

/* The same where each direction takes its time. */
static void test_delays(void **state)
{
    size_t honest = 0;
    liar_story sum = run_seeds(DELAYED_SEEDS, LIAR_DELAY, &honest);
    (void)state;

    if (getenv("TEST_SEED") == NULL) {
        expect_variety(&sum, DELAYED_SEEDS, honest);
        assert_true(sum.late > 2 * DELAYED_SEEDS);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_ten_thousand_seeds),
                                       cmocka_unit_test(test_delays)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
