#include "support/everything_values.h"

#include <math.h>

#define NO_FOREST                                                                                  \
    {                                                                                              \
        .end = true                                                                                \
    }

/* Bounds and persons -----------------------------------------------------------------------------
 */

everything_bounds everything_values_bounds(void)
{
    static const int16_t i[] = {-3, 0, 3};
    static const double k[] = {1.25, -0.0};
    static const np_char l[] = {'a', 0xE9, 0x1F600};

    return (everything_bounds){
        .a = 10,
        .b = -1,
        .c = {5, 0},
        .d = {(uint64_t)-7, -1},
        .e = 'a',
        .f = 0.5f,
        .g = -1.5f,
        .h = BYTES("\0\xFF"),
        .i = ITEMS(i),
        .j = TEXT("gr\xC3\xBCn"),
        .k = ITEMS(k),
        .l = ITEMS(l),
        .m = 0,
    };
}

everything_person everything_values_ada(void)
{
    static const np_str tags[] = {{"x", 1}, {"", 0}, {"yz", 2}};
    static const uint32_t friends[] = {1, UINT32_MAX};

    return (everything_person){
        .name = TEXT("Ada"),
        .age = 36,
        .tags = ITEMS(tags),
        .mood = -5,
        .nick = {true, TEXT("Countess")},
        .friends = ITEMS(friends),
    };
}

everything_versions everything_values_versions(void)
{
    static everything_person people[2];

    people[0] = (everything_person){.mood = 5};
    people[1] = everything_values_ada();
    return (everything_versions){
        .person = everything_values_ada(),
        .people = ITEMS(people),
        .color = EVERYTHING_COLOR_BLUE,
        .extra = UINT64_MAX,
        .more = TEXT("more"),
        .last = EVERYTHING_COLOR_PINK,
    };
}

/* Nests ------------------------------------------------------------------------------------------
 */

static everything_shape polygon(void)
{
    static const everything_shape_polygon_corners_item corners[] = {
        {1, -2}, {INT32_MIN, INT32_MAX}, {5, 6}};

    return (everything_shape){.tag = EVERYTHING_SHAPE_POLYGON, .polygon = {ITEMS(corners)}};
}

static void set_lists(everything_nests *v)
{
    static const uint8_t a0[] = {1, 2, 3}, a2[] = {4};
    static const np_list_u8 a[] = {ITEMS(a0), {0}, ITEMS(a2)};
    static const everything_nests_f_item f[] = {{{10, 11}}, {{12, 13}}};
    static const everything_empty m[3];
    static const np_str q[] = {{"abc", 3}, {"", 0}};
    static const everything_color s[] = {EVERYTHING_COLOR_BLUE, EVERYTHING_COLOR_RED,
                                         EVERYTHING_COLOR_BLUE};
    static everything_nests_r_item r[] = {{'z', 1.5f}, {0x800, 0}};

    r[1].f1 = -INFINITY;
    v->a = (everything_nests_a)ITEMS(a);
    v->f = (everything_nests_f)ITEMS(f);
    v->m = (everything_empty_list)ITEMS(m);
    v->q = (everything_nests_q){true, ITEMS(q)};
    v->r = (everything_nests_r)ITEMS(r);
    v->s = (everything_color_list)ITEMS(s);
}

static void set_maps(everything_nests *v)
{
    static const np_option_bool b0[] = {{true, true}, {false, false}};
    static const everything_nests_b_entry b[] = {{1, ITEMS(b0)}, {200, {0}}};
    static const everything_nests_g_1_entry g[] = {{0, {0}}, {0xE9, {0}}, {0x10FFFF, {0}}};
    static everything_nests_j_entry j[2];
    static const everything_nests_k_item_entry k0[] = {{false, 1}, {true, 2}};
    static const everything_nests_k_item k[] = {ITEMS(k0), {0}};
    static const everything_nests_l_entry l[] = {{{0, 1}, -1}, {{0, 2}, -128}, {{1, 0}, 127}};
    static const everything_nests_o_entry o[] = {
        {{NULL, 0}, 1}, {{(const uint8_t *)"", 1}, 2}, {{(const uint8_t *)"\0", 2}, 3}};
    static const everything_nests_p_entry p[] = {{{0, INT64_MIN}, 1}, {{UINT64_MAX, INT64_MAX}, 2}};

    j[0] = (everything_nests_j_entry){EVERYTHING_COLOR_RED, {.mood = 5}};
    j[1] = (everything_nests_j_entry){EVERYTHING_COLOR_BLUE, everything_values_ada()};
    v->b = (everything_nests_b)ITEMS(b);
    v->g.f0 = (everything_nests_g_0){true, {7, TEXT("tup")}};
    v->g.f1 = (everything_nests_g_1)ITEMS(g);
    v->j = (everything_nests_j)ITEMS(j);
    v->k = (everything_nests_k)ITEMS(k);
    v->l = (everything_nests_l)ITEMS(l);
    v->o = (everything_nests_o)ITEMS(o);
    v->p = (everything_nests_p)ITEMS(p);
}

everything_nests everything_values_nests(void)
{
    everything_nests v = {
        .c = {true, {true, {true, 9}}},
        .d = {{{1, 2}}, {{3, 4}}, {{5, 6}}},
        .e = {{{0x0102, 0x0304}}, {{0x0506, 0x0708}}},
        .h = {true, polygon()},
        .i = {{.tag = EVERYTHING_SHAPE_CIRCLE, .circle = {1000.0, EVERYTHING_COLOR_GREEN}},
              {.tag = EVERYTHING_SHAPE_NAMED, .named = {TEXT("n")}}},
        .n = {true, {0}},
        .t = {true, EVERYTHING_COLOR_GREEN},
        .u = {0, 1, 0},
    };

    set_lists(&v);
    set_maps(&v);
    return v;
}

/* Woods ------------------------------------------------------------------------------------------
 */

/* An option of a recursive type is a list of none or one. */
everything_woods everything_values_woods(void)
{
    static const everything_tree three = {.label = 3}, four = {.label = 4};
    static const everything_tree two = {.label = 2, .left = {&three, 1, {0}}};
    static const everything_forest_by_name_entry f[] = {{{"f", 1}, NO_FOREST}};
    static const everything_forest inner = {.trees = {&four, 1, {0}}, .by_name = ITEMS(f)};

    static const everything_forest_by_name_entry level4[] = {{{"in", 2}, {.end = false}}};
    static const everything_forest_by_name_entry level3[] = {
        {{"in", 2}, {.by_name = ITEMS(level4)}}};
    static const everything_forest_by_name_entry level2[] = {
        {{"in", 2}, {.by_name = ITEMS(level3)}}};
    static const everything_forest forests[] = {NO_FOREST, {.by_name = ITEMS(level2)}};

    static const everything_tree chain1 = {.label = 1};
    static const everything_tree chain2 = {.label = 2, .left = {&chain1, 1, {0}}};
    static const everything_tree chain3 = {.label = 3, .left = {&chain2, 1, {0}}};
    static const everything_tree pair[] = {{.label = 5}, {.label = 6}};

    return (everything_woods){
        .tree = {.label = 1, .left = {&two, 1, {0}}, .forest = {&inner, 1, {0}}},
        .forests = ITEMS(forests),
        .maybe = {true, {.label = 4, .left = {&chain3, 1, {0}}}},
        .one = {NO_FOREST, {.trees = ITEMS(pair)}},
    };
}
