/* Choosing a version: every pair of small ranges, and the choices a client refuses. */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "protocol/negotiate.h"
#include "support/demo_protocol.h"

static np_negotiate_side side(const np_protocol *protocol, uint32_t min, uint32_t max)
{
    np_negotiate_side made = {.protocol = protocol, .version_min = min, .version_max = max};
    return made;
}

static void test_every_pair_of_ranges(void **state)
{
    static const uint8_t digests[6][32] = {{1}, {2}, {3}, {4}, {5}, {6}};
    np_protocol protocol = demo_protocol;
    (void)state;

    protocol.version = 6;
    protocol.digests = digests;

    for (uint32_t code = 0; code < 6 * 6 * 6 * 6; code++) {
        uint32_t a_min = code % 6 + 1, a_max = code / 6 % 6 + 1;
        uint32_t b_min = code / 36 % 6 + 1, b_max = code / 216 + 1;
        uint32_t best = 0;
        np_negotiate_side a = side(&protocol, a_min, a_max);
        np_negotiate_side b = side(&protocol, b_min, b_max);
        base_offer offer = np_negotiate_offer(&a);
        base_choice choice;
        np_fault fault;
        np_err err;

        for (uint32_t v = 1; v <= 6; v++) {
            if (v >= a_min && v <= a_max && v >= b_min && v <= b_max) {
                best = v;
            }
        }
        err = np_negotiate_choose(&choice, &b, &offer, &fault);
        assert_int_equal(err, best > 0 ? NP_OK : NP_ERR_VERSION);
        if (best > 0) {
            assert_int_equal(choice.version, best);
            assert_memory_equal(choice.digest, digests[best - 1], 32);
            assert_int_equal(np_negotiate_check(&a, &choice, &fault), NP_OK);
        } else {
            assert_string_equal(fault.where, "base.Hello.offer.version_max");
        }
    }
}

static void test_own_range(void **state)
{
    np_protocol later = demo_protocol;
    np_negotiate_side made;
    base_offer offer;
    base_choice choice;
    (void)state;

    later.min_version = 2;

    assert_int_equal(np_negotiate_side_make(&made, &demo_protocol, 0, 0), NP_OK);
    assert_int_equal(made.version_min, 1);
    assert_int_equal(made.version_max, 2);
    assert_int_equal(np_negotiate_side_make(&made, &demo_protocol, 2, 99), NP_OK);
    assert_int_equal(made.version_min, 2);
    assert_int_equal(made.version_max, 2);
    assert_int_equal(np_negotiate_side_make(&made, &demo_protocol, 3, 0), NP_ERR_ARG);
    assert_int_equal(np_negotiate_side_make(&made, &demo_protocol, 2, 1), NP_ERR_ARG);

    /* Where the oldest version is not 1, the digests begin with it. */
    assert_int_equal(np_negotiate_side_make(&made, &later, 0, 0), NP_OK);
    assert_int_equal(made.version_min, 2);
    offer = np_negotiate_offer(&made);
    assert_int_equal(np_negotiate_choose(&choice, &made, &offer, NULL), NP_OK);
    assert_memory_equal(choice.digest, later.digests[0], 32);
    assert_int_equal(np_negotiate_check(&made, &choice, NULL), NP_OK);
    later.digests = NULL;
    assert_int_equal(np_negotiate_side_make(&made, &later, 0, 0), NP_ERR_ARG);
}

/* At every version the digest is compared, and there is none that stands for "not known". */
static void test_digests(void **state)
{
    np_negotiate_side mine = side(&demo_protocol, 1, 2);
    base_offer offer = np_negotiate_offer(&mine);
    base_choice choice;
    np_fault fault;
    char text[160];
    (void)state;

    for (uint32_t version = 1; version <= 2; version++) {
        offer.version_max = version;
        assert_int_equal(np_negotiate_choose(&choice, &mine, &offer, &fault), NP_OK);
        assert_memory_equal(choice.digest, demo_protocol.digests[version - 1], 32);
        assert_int_equal(np_negotiate_check(&mine, &choice, &fault), NP_OK);
        choice.version = 3 - version;
        assert_int_equal(np_negotiate_check(&mine, &choice, &fault), NP_ERR_VERSION);
        choice.version = version;
        choice.digest[31] ^= 1;
        assert_int_equal(np_negotiate_check(&mine, &choice, &fault), NP_ERR_VERSION);
        assert_string_equal(fault.where, "base.Welcome.choice.digest");
        memset(choice.digest, 0, 32);
        assert_int_equal(np_negotiate_check(&mine, &choice, &fault), NP_ERR_VERSION);
    }
    /* It says what to do, and is not cut. */
    assert_string_equal(
        np_fault_format(&fault, text, sizeof text),
        "base.Welcome.choice.digest: no protocol version in common, rule: the same "
        "schema at this version; a changed one takes a new version (npgen breaking) "
        "at byte 8");
}

static void test_choices_that_were_not_offered(void **state)
{
    np_negotiate_side mine = side(&demo_protocol, 1, 2);
    base_offer offer = np_negotiate_offer(&mine);
    base_choice good;
    base_choice choice;
    np_fault fault;
    (void)state;

    assert_int_equal(np_negotiate_choose(&good, &mine, &offer, &fault), NP_OK);
    choice = good;
    choice.version = 3;
    assert_int_equal(np_negotiate_check(&mine, &choice, &fault), NP_ERR_VERSION);
    mine.version_min = 2;
    choice.version = 1;
    assert_int_equal(np_negotiate_check(&mine, &choice, &fault), NP_ERR_VERSION);
    choice = good;
    choice.cipher = 1;
    assert_int_equal(np_negotiate_check(&mine, &choice, &fault), NP_ERR_VERSION);
    choice = good;
    choice.compression = 1;
    assert_int_equal(np_negotiate_check(&mine, &choice, &fault), NP_ERR_VERSION);
    choice = good;
    choice.features = 1;
    assert_int_equal(np_negotiate_check(&mine, &choice, &fault), NP_ERR_VERSION);
    assert_int_equal(np_negotiate_check(&mine, &good, NULL), NP_OK);
}

/* The accepting side's first that is offered; none in common is no reason to part. */
static void test_compressions(void **state)
{
    static const uint8_t lists[][3] = {{1, 2}, {2, 1}, {1}, {2}, {9, 2}, {0}};
    static const size_t counts[] = {2, 2, 1, 1, 2, 0};
    static const uint8_t chosen[][6] = {
        /* of each offer, in the order of the lists, by what the accepting side has */
        {1, 1, 1, 2, 2, 0}, {2, 2, 1, 2, 2, 0}, {1, 1, 1, 0, 0, 0},
        {2, 2, 0, 2, 2, 0}, {2, 2, 0, 2, 9, 0}, {0, 0, 0, 0, 0, 0},
    };
    (void)state;

    for (size_t a = 0; a < 6; a++) {
        for (size_t b = 0; b < 6; b++) {
            np_negotiate_side accepts = side(&demo_protocol, 1, 2);
            np_negotiate_side offers = side(&demo_protocol, 1, 2);
            base_offer offer;
            base_choice choice;
            np_fault fault;
            accepts.compressions = lists[a];
            accepts.compression_count = counts[a];
            offers.compressions = lists[b];
            offers.compression_count = counts[b];
            offer = np_negotiate_offer(&offers);
            assert_int_equal(np_negotiate_choose(&choice, &accepts, &offer, &fault), NP_OK);
            assert_int_equal(choice.compression, chosen[a][b]);
            assert_int_equal(np_negotiate_check(&offers, &choice, &fault), NP_OK);
            choice.compression = 3;
            assert_int_equal(np_negotiate_check(&offers, &choice, &fault), NP_ERR_VERSION);
            assert_string_equal(fault.where, "base.Welcome.choice.compression");
        }
    }
}

static void test_another_protocol(void **state)
{
    np_negotiate_side mine = side(&demo_protocol, 1, 2);
    base_offer offer = np_negotiate_offer(&mine);
    base_choice choice;
    np_fault fault;
    (void)state;

    offer.protocol = np_str_from("demo2");
    assert_int_equal(np_negotiate_choose(&choice, &mine, &offer, &fault), NP_ERR_VERSION);
    assert_string_equal(fault.where, "base.Hello.offer.protocol");
    assert_int_equal(np_negotiate_choose(&choice, &mine, &offer, NULL), NP_ERR_VERSION);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_pair_of_ranges),
        cmocka_unit_test(test_own_range),
        cmocka_unit_test(test_digests),
        cmocka_unit_test(test_choices_that_were_not_offered),
        cmocka_unit_test(test_compressions),
        cmocka_unit_test(test_another_protocol),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
