/* Ten thousand scripts for a wire that lies, each from a seed; see support/liar.h for what must
 * hold. TEST_SEED=n runs that one alone, so a failure that was printed can be looked at. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "support/liar.h"

#define SEEDS 10000
#define SCRIPT_MAX 400

static liar_story run_seed(uint64_t seed)
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
    return liar_run(script, len, seed % 3 == 0);
}

static void test_ten_thousand_seeds(void **state)
{
    const char *one = getenv("TEST_SEED");
    liar_story sum = {0};
    size_t honest = 0;
    (void)state;

    if (one != NULL) {
        (void)run_seed(strtoull(one, NULL, 10));
        return;
    }
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        liar_story story = run_seed(seed);
        sum.said += story.said;
        sum.told += story.told;
        sum.lies += story.lies;
        sum.refused += story.refused;
        sum.updates += story.updates;
        honest += story.lies == 0;
    }
    fprintf(stderr, "\n%zu said, %zu told, %zu lies, %zu refused, %zu key updates, %zu honest\n",
            sum.said, sum.told, sum.lies, sum.refused, sum.updates, honest);
    /* They were scripts worth running. */
    assert_true(sum.told > 2 * SEEDS);
    assert_true(sum.lies > SEEDS / 4 && honest > SEEDS / 10);
    assert_true(sum.refused > SEEDS / 4 && sum.updates > SEEDS / 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_ten_thousand_seeds)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
