/* Every packet of every schema: read in straight C and by its machine, at every cut; what is
 * accepted is written as the same bytes again.
 *
 * A case is its seed. A failure prints the packet, and NP_ROUNDS=<n> runs more cases than usual. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "odd.h"
#include "selftest/make.h"
#include "support/packet_twin.h"

enum { ROOM = PACKET_TWIN_LEN_MAX + 4 };

/* A header that is likely valid: it has all constants, and where a value is refused another is
 * tried. */
static void make_header(uint8_t *data, np__make_rng *rng, const packet_kind *kind)
{
    static const uint8_t favourites[] = {0, 0, 0, 0, 1, 3, 0x7F, 0x80, 0xFE, 0xFF, 0xFF, 0xFF};
    _Alignas(max_align_t) uint8_t packet[PACKET_TWIN_SIZE_MAX];
    uint8_t constants[PACKET_TWIN_LEN_MAX];
    np_fault fault = {0};

    for (size_t i = 0; i < kind->size; i++) {
        packet[i] = (uint8_t)np__make_random(rng);
    }
    assert_ptr_equal(kind->put(constants, packet), constants + kind->len);
    memcpy(data, constants, kind->len);
    for (size_t tries = 0; tries < 100 && kind->read(packet, data, &fault) != NP_OK; tries++) {
        size_t at = (size_t)fault.offset, end = at + 1 + np__make_below(rng, 8);
        for (size_t i = at; i < kind->len && i < at + 8 && fault.err == NP_ERR_CONST; i++) {
            data[i] = constants[i]; /* another try has run into it */
        }
        uint8_t same = favourites[np__make_below(rng, sizeof favourites)];
        for (size_t i = at; i < kind->len && i < end && fault.err != NP_ERR_CONST; i++) {
            data[i] = np__make_below(rng, 8) == 0 ? (uint8_t)np__make_random(rng) : same;
        }
    }
}

static void mutate(uint8_t *data, np__make_rng *rng, size_t len)
{
    for (size_t n = 1 + np__make_below(rng, 3); n > 0; n--) {
        size_t at = np__make_below(rng, len);
        switch (np__make_below(rng, 3)) {
        case 0:
            data[at] ^= (uint8_t)(1u << np__make_below(rng, 8));
            break;
        case 1:
            data[at] = (uint8_t)np__make_random(rng);
            break;
        default:
            data[at] = (uint8_t)(data[at] + (np__make_below(rng, 2) == 0 ? 1 : -1));
            break;
        }
    }
}

static void test_made_up_headers(void **state)
{
    const char *text = getenv("NP_ROUNDS");
    size_t rounds = text != NULL ? (size_t)strtoull(text, NULL, 0) : 1500;
    (void)state;

    for (size_t k = 0; k < packet_kind_count; k++) {
        const packet_kind *kind = &packet_kinds[k];
        np__make_rng rng = {k};
        size_t accepted = 0, refused = 0;

        for (size_t round = 0; round < rounds; round++) {
            uint8_t data[ROOM];
            for (size_t i = 0; i < sizeof data; i++) {
                data[i] = (uint8_t)np__make_random(&rng);
            }
            if (round % 4 != 0) { /* else noise */
                make_header(data, &rng, kind);
            }
            if (round % 4 == 3) {
                mutate(data, &rng, kind->len);
            }
            if (packet_twin_check(kind, data, kind->len + np__make_below(&rng, 4)) == NP_OK) {
                accepted++;
            } else {
                refused++;
            }
            (void)packet_twin_check(kind, data, np__make_below(&rng, kind->len));
        }
        print_message("%s: %zu accepted, %zu refused\n", kind->name, accepted, refused);
        /* Neither must be rare, or little is tried. odd.free refuses nothing. */
        assert_true(accepted > rounds / 10);
        assert_true(refused > rounds / 10 || strcmp(kind->name, "odd_free") == 0);
    }
}

static np_fault refusal(const odd_odd_head *head)
{
    uint8_t data[ODD_ODD_HEAD_HEADER_LEN];
    np_fault fault = {0};
    odd_odd_head out;

    odd_odd_head_put(data, head);
    assert_int_not_equal(odd_odd_head_read(&out, data, &fault), NP_OK);
    return fault;
}

static void test_a_signed_value_is_told_with_its_sign(void **state)
{
    char text[160];
    (void)state;

    np_fault fault = refusal(&(odd_odd_head){.main = -3});
    assert_string_equal(np_fault_format(&fault, text, sizeof text),
                        "odd.odd_head.main: -3 is not in range -1..0 at byte 18");
    fault = refusal(&(odd_odd_head){.when = -8});
    assert_string_equal(np_fault_format(&fault, text, sizeof text),
                        "odd.odd_head.when: -8 is not in min -7 at byte 20");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_made_up_headers),
        cmocka_unit_test(test_a_signed_value_is_told_with_its_sign),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
