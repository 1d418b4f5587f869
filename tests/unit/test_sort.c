/* Entries of maps, gathered in any order, are put into the one that encoding wants. */
#include "support/everything_values.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* A xorshift, so that a failure comes again. */
static uint32_t next_random(uint32_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 17;
    *seed ^= *seed << 5;
    return *seed;
}

/* The order of items whose first byte is the key. */
static bool first_ascends(const void *a, const void *b)
{
    return *(const uint8_t *)a < *(const uint8_t *)b;
}

/* Items of every size around those of the pieces that are swapped; of many keys and of few. The
 * rest of an item follows from its key, so that one that was torn shows. */
static void test_sizes_and_orders(void **state)
{
    static const size_t sizes[] = {1, 2, 7, 8, 24, 63, 64, 65, 128, 200};
    static uint8_t items[300 * 200];
    uint32_t seed = 20261201;

    (void)state;
    for (int round = 0; round < 400; round++) {
        size_t size = sizes[next_random(&seed) % (sizeof sizes / sizeof sizes[0])];
        size_t count = next_random(&seed) % 300;
        uint32_t keys = 1 + next_random(&seed) % 256;
        uint32_t order = next_random(&seed) % 3;
        size_t before[256] = {0};

        for (size_t i = 0; i < count; i++) {
            uint32_t key = order == 0   ? next_random(&seed) % keys
                           : order == 1 ? (uint32_t)i % keys
                                        : (uint32_t)(count - i) % keys;
            before[key]++;
            for (size_t at = 0; at < size; at++) {
                items[i * size + at] = (uint8_t)(key + at);
            }
        }
        np_sort(items, count, size, first_ascends);
        for (size_t i = 0; i < count; i++) {
            uint8_t key = items[i * size];
            assert_true(i == 0 || items[(i - 1) * size] <= key);
            assert_true(before[key]-- > 0);
            for (size_t at = 0; at < size; at++) {
                assert_int_equal(items[i * size + at], (uint8_t)(key + at));
            }
        }
    }
    np_sort(NULL, 0, 8, first_ascends);
}

/* The sample's bytes are those of the order. */
static uint8_t *encoded(const everything_nests *v, size_t *len)
{
    uint8_t *bytes = malloc(4096);

    assert_non_null(bytes);
    assert_int_equal(everything_nests_encode(v, bytes, 4096, len, NULL), NP_OK);
    return bytes;
}

/* Reverses what a map holds: then it cannot be sent, and sorted it is sent as before. Equal keys
 * are no map, sorted or not. */
#define CHECK_MAP(entry_type, map, sort)                                                           \
    do {                                                                                           \
        entry_type entries[4];                                                                     \
        size_t count = (map).count;                                                                \
        uint8_t *again = NULL;                                                                     \
        assert_in_range(count, 2, 4);                                                              \
        for (size_t i = 0; i < count; i++) {                                                       \
            entries[i] = (map).items[count - 1 - i];                                               \
        }                                                                                          \
        (map).items = entries;                                                                     \
        assert_int_equal(everything_nests_encoded_len(&v, &len, NULL), NP_ERR_ORDER);              \
        sort(entries, count);                                                                      \
        again = encoded(&v, &len);                                                                 \
        assert_int_equal(len, sample_len);                                                         \
        assert_memory_equal(again, sample, len);                                                   \
        free(again);                                                                               \
        entries[1] = entries[0];                                                                   \
        sort(entries, count);                                                                      \
        assert_int_equal(everything_nests_encoded_len(&v, &len, NULL), NP_ERR_ORDER);              \
        v = everything_values_nests();                                                             \
    } while (0)

/* Keys of every kind: integers, char, an enum, bool, u8[n], bytes, i128. */
static void test_keys_of_every_kind(void **state)
{
    everything_nests v = everything_values_nests();
    everything_nests_k_item inner[2];
    size_t sample_len = 0;
    size_t len = 0;
    uint8_t *sample = encoded(&v, &sample_len);

    (void)state;
    CHECK_MAP(everything_nests_b_entry, v.b, everything_nests_b_sort);
    CHECK_MAP(everything_nests_g_1_entry, v.g.f1, everything_nests_g_1_sort);
    CHECK_MAP(everything_nests_j_entry, v.j, everything_nests_j_sort);
    CHECK_MAP(everything_nests_l_entry, v.l, everything_nests_l_sort);
    CHECK_MAP(everything_nests_o_entry, v.o, everything_nests_o_sort);
    CHECK_MAP(everything_nests_p_entry, v.p, everything_nests_p_sort);
    inner[0] = v.k.items[0];
    inner[1] = v.k.items[1];
    v.k.items = inner;
    CHECK_MAP(everything_nests_k_item_entry, inner[0], everything_nests_k_item_sort);
    free(sample);
}

/* Text by its bytes: a longer one behind its beginning, and what is above ASCII behind it. */
static void test_text(void **state)
{
    everything_forest_by_name_entry names[] = {{.key = TEXT("\xC3\xA4")},
                                               {.key = TEXT("ab")},
                                               {.key = TEXT("a")},
                                               {.key = TEXT("")},
                                               {.key = TEXT("Z")}};
    static const char *const sorted[] = {"", "Z", "a", "ab", "\xC3\xA4"};

    (void)state;
    everything_forest_by_name_sort(names, 5);
    for (size_t i = 0; i < 5; i++) {
        assert_true(np_str_equal(names[i].key, np_str_from(sorted[i])));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sizes_and_orders),
        cmocka_unit_test(test_keys_of_every_kind),
        cmocka_unit_test(test_text),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
