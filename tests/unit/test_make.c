/* Payloads made up of descriptors (src/selftest/make.c): for types that leave little to make up. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

#include "selftest/make.h"

#define ROUNDS 200

/* A type that no value has before version 2. */
static const np_variant late_variants[] = {
    {.name = "a", .index = 0, .since = 2},
    {.name = "b", .index = 7, .since = 3},
};
static const np_type late = {
    .kind = NP_KIND_ENUM, .name = "t.Late", .variants = late_variants, .variant_count = 2};
static const np_field holder_fields[] = {
    {.name = "e", .where = "t.Holder.e", .type = &late, .since = 1}};
static const np_type holder = {
    .kind = NP_KIND_STRUCT, .name = "t.Holder", .fields = holder_fields, .field_count = 1};

/* Whether all payloads of a message with one field of the type are made at a version. */
static bool can_make(const np_type *type, uint32_t version)
{
    const np_field field = {.name = "f", .where = "t.M.f", .type = type, .since = 1};
    const np_type fields = {
        .kind = NP_KIND_STRUCT, .name = "t.M", .fields = &field, .field_count = 1};
    const np_message message = {.id = 1, .since = 1, .name = "t.M", .type = &fields};
    bool all = true;

    alarm(60); /* what would go on for ever is a failure */
    for (uint64_t seed = 0; seed < ROUNDS && all; seed++) {
        np__make_rng rng = {seed};
        np__make_payload payload = {0};
        all = np__make_valid(&payload, &rng, &message, version, false, 400);
        np__make_free(&payload);
    }
    alarm(0);
    return all;
}

static void enums_without_a_variant_yet(void **state)
{
    (void)state;
    const np_type option = {.kind = NP_KIND_OPTION, .item = &holder};
    const np_type list = {.kind = NP_KIND_LIST, .item = &late, .max = 3};
    const np_type map = {.kind = NP_KIND_MAP, .key = &late, .item = &np_type_u8, .max = 5};

    assert_false(can_make(&late, 1));
    assert_false(can_make(&holder, 1));
    assert_true(can_make(&late, 2));
    assert_true(can_make(&option, 1));
    assert_true(can_make(&list, 1));
    assert_true(can_make(&map, 1));
}

/* A map that must hold so many of its key's values. */
static void check_full(const char *what, const np_type *key, size_t count)
{
    const np_type map = {
        .kind = NP_KIND_MAP, .key = key, .item = &np_type_unit, .min = count, .max = count + 9};
    if (!can_make(&map, 3)) {
        fail_msg("no map of %zu keys: %s", count, what);
    }
}

static void maps_of_all_keys(void **state)
{
    (void)state;
    static const np_range hundreds = {{.i = {(uint64_t)-100, -1}}, {.i = {100, 0}}};
    static const np_range around = {{.u = {0xD7F0, 0}}, {.u = {0xE00F, 0}}}; /* the surrogates */
    const np_type narrow = {.kind = NP_KIND_I16, .range = &hundreds};
    const np_type chars = {.kind = NP_KIND_CHAR, .range = &around};
    const np_type bytes = {.kind = NP_KIND_BYTES, .max = 1};
    const np_type string = {.kind = NP_KIND_STR, .max = 1};
    const np_type nonul = {.kind = NP_KIND_STR, .min = 1, .max = 1, .nonul = true};
    const np_type array = {.kind = NP_KIND_ARRAY, .min = 1, .max = 1, .item = &np_type_u8};

    check_full("bool", &np_type_bool, 2);
    check_full("u8", &np_type_u8, 256);
    check_full("i8", &np_type_i8, 256);
    check_full("i16 range -100..100", &narrow, 201);
    check_full("char", &chars, 32);
    check_full("bytes", &bytes, 257);
    check_full("string", &string, 129);
    check_full("string nonul", &nonul, 127);
    check_full("u8[1]", &array, 256);
    check_full("an enum", &late, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(enums_without_a_variant_yet),
        cmocka_unit_test(maps_of_all_keys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
