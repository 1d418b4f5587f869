/* What must hold for every message of every schema at every version, tried on made-up payloads:
 *
 *   a valid payload is accepted by both decoders, however it is cut, and encode(decode(b)) == b;
 *   a broken one gets the same verdict from both, at the same place, for the same reason.
 *
 * A case is its seed. A failure prints it, and NP_SEED=<seed> runs that case alone. NP_ROUNDS=<n>
 * runs more cases than usual. */
#include <inttypes.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base.h"
#include "borrower.h"
#include "chain.h"
#include "everything.h"
#include "odd.h"
#include "oracle.h"
#include "parcel.h"
#include "rust_message.h"
#include "shared.h"
#include "talk.h"
#include "selftest/make.h"
#include "selftest/twin.h"

/* What a payload can be -------------------------------------------------------------------------
 */

typedef struct target {
    const np_protocol *protocol;
    const np_message *message;
    uint32_t version;
    bool reply;
} target;

static target targets[512];
static size_t target_count;

static void add_targets(const np_protocol *protocol)
{
    for (size_t i = 0; i < protocol->message_count; i++) {
        const np_message *message = &protocol->messages[i];
        for (uint32_t version = message->since; version <= protocol->version; version++) {
            for (int reply = 0; reply <= (message->reply != NULL); reply++) {
                assert_true(target_count < sizeof targets / sizeof *targets);
                targets[target_count++] = (target){protocol, message, version, reply == 1};
            }
        }
    }
}

/* Which case is running ---------------------------------------------------------------------------
 */

static char running[256];

static void tell_case(void)
{
    /* A sanitizer may have ended the program anywhere, so nothing but write() is safe here. */
    if (running[0] != '\0' && write(STDERR_FILENO, running, strlen(running)) < 0) {
        return;
    }
}

static void on_abort(int number)
{
    tell_case();
    signal(number, SIG_DFL);
    raise(number);
}

/* Sanitizers call it before they end the program; without them it does not exist. */
__attribute__((weak)) void __sanitizer_set_death_callback(void (*callback)(void));

static const target *target_of(uint64_t seed)
{
    const target *t = &targets[seed % target_count];

    snprintf(running, sizeof running,
             "replay with NP_SEED=%" PRIu64 " (%s, version %" PRIu32 "%s)\n", seed,
             t->message->name, t->version, t->reply ? ", reply" : "");
    return t;
}

/* The properties ----------------------------------------------------------------------------------
 */

/* A block of exactly its size, so that a sanitizer sees the first byte too many. */
static np_err check(const target *t, const np__make_payload *payload, np__twin_effort effort)
{
    uint8_t *data = malloc(payload->len > 0 ? payload->len : 1);

    assert_non_null(data);
    memcpy(data, payload->data, payload->len);
    np_err err = np__twin_check(t->protocol, t->version, t->reply, data, payload->len, effort);
    free(data);
    return err;
}

static void check_valid(const target *t, const np__make_payload *payload, uint64_t seed, bool pairs)
{
    size_t max_len = t->reply ? t->message->reply_max_len : t->message->max_len;
    np__twin_effort effort = {payload->len <= 700, pairs ? 256 : 24, pairs ? 1000 : 20, seed};
    np_err err = check(t, payload, effort);

    if (err != NP_OK) {
        tell_case();
        fail_msg("a valid payload is refused: %s", np_err_name(err));
    }
    if (payload->len > max_len) {
        tell_case();
        fail_msg("%zu bytes, but at most %zu are announced", payload->len, max_len);
    }
}

/* Whatever is accepted at one version must be what that version has, and no more; the others only
 * have to agree on what they say. */
static void check_other_versions(const target *t, const np__make_payload *payload, uint64_t seed)
{
    for (uint32_t version = 1; version <= t->protocol->version; version++) {
        target other = *t;
        other.version = version;
        (void)check(&other, payload, (np__twin_effort){false, 0, 2, seed});
    }
}

/* Encodes a value at a version; free the result. */
static uint8_t *encode(const np_message *message, const np_codec *codec, const void *value,
                       uint32_t version, size_t *len)
{
    np_fault fault = {0};
    np_meter m = {4, version, 0, &fault};

    if (codec->measure(&m, value) != NP_OK) {
        char text[256];
        tell_case();
        fail_msg("does not encode: %s", np_fault_format(&fault, text, sizeof text));
    }
    uint8_t *data = malloc(m.len);
    assert_non_null(data);
    *len = (size_t)(codec->put(np_put_u32(data, message->id), value, version) - data);
    assert_int_equal(*len, m.len);
    return data;
}

/* What an old peer sent has defaults for what is newer: it encodes at the newest version, and comes
 * back from there as it was. */
static void check_defaults(const target *t, const np__make_payload *payload)
{
    const np_codec *codec = t->reply ? t->message->reply_codec : t->message->codec;
    uint32_t newest = t->protocol->version;
    void *value = malloc(codec->c_size), *newer = malloc(codec->c_size);
    size_t len = 0, again_len = 0;

    assert_non_null(value);
    assert_non_null(newer);
    memset(value, 0xA5, codec->c_size);
    memset(newer, 0xA5, codec->c_size);
    np_reader r = np_reader_start(payload->data + 4, payload->len - 4, t->version, NULL);
    assert_int_equal(codec->read(&r, value), NP_OK);
    uint8_t *data = encode(t->message, codec, value, newest, &len);
    r = np_reader_start(data + 4, len - 4, newest, NULL);
    assert_int_equal(codec->read(&r, newer), NP_OK);
    uint8_t *again = encode(t->message, codec, newer, t->version, &again_len);
    assert_int_equal(again_len, payload->len);
    assert_memory_equal(again, payload->data, again_len);
    free(again);
    free(data);
    free(newer);
    free(value);
}

/* A tenth of the payloads are long; the rest are short, where more ways to cut them fit in. */
static size_t pick_budget(np__make_rng *rng)
{
    static const size_t budgets[] = {8, 20, 40, 40, 60, 60, 90, 120, 200, 1200};
    return budgets[np__make_below(rng, sizeof budgets / sizeof *budgets)];
}

static void run_case(uint64_t seed, bool pairs, size_t mutants)
{
    const target *t = target_of(seed);
    np__make_rng rng = {seed};
    np__make_payload valid = {0}, other = {0}, mutant = {0};
    size_t budget = pick_budget(&rng);

    assert_true(np__make_valid(&valid, &rng, t->message, t->version, t->reply, budget));
    assert_true(np__make_valid(&other, &rng, t->message, t->version, t->reply, 40));
    check_valid(t, &valid, seed, pairs);
    check_defaults(t, &valid);
    check_other_versions(t, &valid, seed);
    for (size_t i = 0; i < mutants; i++) {
        np__make_mutant(&mutant, &rng, &valid, &other);
        (void)check(t, &mutant, (np__twin_effort){mutant.len <= 24, 0, 2, seed + i});
    }
    np__make_free(&valid);
    np__make_free(&other);
    np__make_free(&mutant);
}

static const size_t mutants_per_case = 12;

static uint64_t number_from(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);
    return text != NULL ? strtoull(text, NULL, 0) : otherwise;
}

static void test_made_up_payloads(void **state)
{
    uint64_t rounds = number_from("NP_ROUNDS", 40);

    (void)state;
    if (getenv("NP_SEED") != NULL) {
        run_case(number_from("NP_SEED", 0), true, mutants_per_case);
        return;
    }
    for (uint64_t seed = 0; seed < rounds * target_count; seed++) {
        run_case(seed, false, mutants_per_case);
    }
}

/* All pairs of cuts are dear, so a few payloads of each kind have to do. */
static void test_all_pairs_of_cuts(void **state)
{
    (void)state;
    if (getenv("NP_SEED") != NULL) {
        skip();
    }
    for (uint64_t seed = 0; seed < target_count; seed++) {
        run_case(seed + 1000 * target_count, true, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_made_up_payloads),
        cmocka_unit_test(test_all_pairs_of_cuts),
    };

    add_targets(&base_protocol);
    add_targets(&oracle_protocol);
    add_targets(&rust_message_protocol);
    add_targets(&everything_protocol);
    add_targets(&odd_protocol);
    add_targets(&parcel_protocol);
    add_targets(&talk_protocol);
    add_targets(&chain_protocol);
    add_targets(&shared_protocol);
    add_targets(&borrower_protocol);
    signal(SIGABRT, on_abort);
    if (__sanitizer_set_death_callback != NULL) {
        __sanitizer_set_death_callback(tell_case);
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
