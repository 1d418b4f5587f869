/* make_types.c - what the makers of payloads have to know about types. Written for clarity, apart
 * from the library's own code, which it helps to judge. */
#include "selftest/make_private.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

size_t np__make_width(np_kind kind)
{
    switch (kind) {
    case NP_KIND_U8:
    case NP_KIND_I8:
    case NP_KIND_BOOL:
    case NP_KIND_OPTION:
        return 1;
    case NP_KIND_U16:
    case NP_KIND_I16:
        return 2;
    case NP_KIND_U32:
    case NP_KIND_I32:
    case NP_KIND_F32:
    case NP_KIND_ENUM:
        return 4;
    case NP_KIND_U64:
    case NP_KIND_I64:
    case NP_KIND_F64:
    case NP_KIND_STR:
    case NP_KIND_BYTES:
    case NP_KIND_LIST:
    case NP_KIND_MAP:
        return 8;
    case NP_KIND_U128:
    case NP_KIND_I128:
        return 16;
    default:
        return 0;
    }
}

bool np__make_float_allowed(const np_type *type, double value)
{
    if (type->range != NULL &&
        (isnan(value) || value < type->range->lo.f || value > type->range->hi.f)) {
        return false;
    }
    return !type->finite || isfinite(value);
}

/* Types seen on the way, so that a search through recursive types ends. */
typedef struct seen {
    const np_type **types;
    size_t count, cap;
} seen;

static bool find(const np_type *type, const np_type *target, seen *been);

static bool find_in_fields(const np_field *fields, size_t count, const np_type *target, seen *been)
{
    for (size_t i = 0; i < count; i++) {
        if (find(fields[i].type, target, been)) {
            return true;
        }
    }
    return false;
}

/* Whether a type was there already; if not, it is from now on. */
static bool is_seen(const np_type *type, seen *been)
{
    for (size_t i = 0; i < been->count; i++) {
        if (been->types[i] == type) {
            return true;
        }
    }
    if (been->count == been->cap) {
        been->cap = 2 * been->cap + 64;
        been->types = realloc(been->types, been->cap * sizeof *been->types);
        if (been->types == NULL) {
            abort();
        }
    }
    been->types[been->count++] = type;
    return false;
}

static bool find(const np_type *type, const np_type *target, seen *been)
{
    if (type == target) {
        return true;
    }
    if (is_seen(type, been)) {
        return false;
    }
    for (size_t i = 0; i < type->variant_count; i++) {
        if (find_in_fields(type->variants[i].fields, type->variants[i].field_count, target, been)) {
            return true;
        }
    }
    return (type->item != NULL && find(type->item, target, been)) ||
           find_in_fields(type->fields, type->field_count, target, been);
}

bool np__make_reaches(const np_type *type, const np_type *target)
{
    seen been = {NULL, 0, 0};
    bool found = find(type, target, &been);

    free(been.types);
    return found;
}

/* A key as a number that orders as the key does: signed ones are moved up by half the range. */
static np_u128 key_number(const np_type *type, const uint8_t *data, size_t len)
{
    uint8_t bytes[16] = {0};

    memcpy(bytes, data, len);
    if (type->kind >= NP_KIND_I8 && type->kind <= NP_KIND_I128) {
        bytes[len - 1] ^= 0x80;
    }
    return np_get_u128(bytes);
}

int np__make_key_compare(const np_type *type, const uint8_t *a, size_t a_len, const uint8_t *b,
                         size_t b_len)
{
    bool text = type->kind == NP_KIND_STR || type->kind == NP_KIND_BYTES;

    /* UTF-8 orders as its code points do, so a char is compared like text. */
    if (text || type->kind == NP_KIND_CHAR || type->kind == NP_KIND_ARRAY) {
        size_t prefix = text ? 8 : 0;
        for (size_t i = prefix; i < a_len && i < b_len; i++) {
            if (a[i] != b[i]) {
                return a[i] < b[i] ? -1 : 1;
            }
        }
        return (a_len > b_len) - (a_len < b_len);
    }
    return np_u128_compare(key_number(type, a, a_len), key_number(type, b, b_len));
}
