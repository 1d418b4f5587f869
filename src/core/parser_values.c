/* parser_values.c - the judgements of the incremental parser: ranges, lengths, the order of keys.
 *
 * They are made from descriptors, while the contiguous decoder has them as straight code; both come
 * from one model and must agree on every input.
 */
#include "parser_private.h"

#include <string.h>

uint32_t np__parser_width(np_kind kind)
{
    static const uint8_t widths[] = {
        [NP_KIND_U8] = 1,     [NP_KIND_U16] = 2,    [NP_KIND_U32] = 4,  [NP_KIND_U64] = 8,
        [NP_KIND_U128] = 16,  [NP_KIND_I8] = 1,     [NP_KIND_I16] = 2,  [NP_KIND_I32] = 4,
        [NP_KIND_I64] = 8,    [NP_KIND_I128] = 16,  [NP_KIND_F32] = 4,  [NP_KIND_F64] = 8,
        [NP_KIND_BOOL] = 1,   [NP_KIND_CHAR] = 1,   [NP_KIND_STR] = 8,  [NP_KIND_BYTES] = 8,
        [NP_KIND_UNIT] = 0,   [NP_KIND_ARRAY] = 0,  [NP_KIND_LIST] = 8, [NP_KIND_MAP] = 8,
        [NP_KIND_OPTION] = 1, [NP_KIND_STRUCT] = 0, [NP_KIND_ENUM] = 4,
    };
    return widths[kind];
}

bool np__parser_refuse(np_parser *parser, np_err err, const char *rule, uint64_t offset,
                       np_got kind, uint64_t got)
{
    parser->fault = (np_fault){err, kind, parser->where, rule, offset, got};
    return false;
}

/* Checks of scalars ---------------------------------------------------------------------------- */

static bool is_signed(np_kind kind)
{
    return kind >= NP_KIND_I8 && kind <= NP_KIND_I128;
}

static np_i128 sign_extend(np_u128 bits, uint32_t width)
{
    np_i128 value = {bits.lo, (int64_t)bits.hi};

    if (width < 16) {
        if (width < 8 && (bits.lo >> (8 * width - 1) & 1) != 0) {
            value.lo |= ~(uint64_t)0 << (8 * width);
        }
        value.hi = (value.lo >> 63) != 0 ? -1 : 0;
    }
    return value;
}

static double float_of(const np_type *type, np_u128 bits)
{
    uint8_t bytes[8];

    np_put_u64(bytes, bits.lo);
    return type->kind == NP_KIND_F32 ? (double)np_get_f32(bytes) : np_get_f64(bytes);
}

/* Refuses floats out of range, as the contiguous decoder does: NaN is out of every range. */
static bool check_float(np_parser *parser, np_u128 bits)
{
    const np_type *type = parser->type;
    double value = float_of(type, bits);
    uint64_t got = type->kind == NP_KIND_F32 ? np_float_bits(value) : bits.lo;

    if (type->range != NULL && !(value >= type->range->lo.f && value <= type->range->hi.f)) {
        return np__parser_refuse(parser, NP_ERR_RANGE, type->rule, parser->begin, NP_GOT_FLOAT,
                                 got);
    }
    if (type->finite && !(value - value == 0)) {
        return np__parser_refuse(parser, NP_ERR_FINITE, type->rule, parser->begin, NP_GOT_FLOAT,
                                 got);
    }
    return true;
}

static bool check_range(np_parser *parser, np_u128 bits)
{
    const np_type *type = parser->type;
    const np_range *range = type->range;
    bool wide = type->kind == NP_KIND_U128 || type->kind == NP_KIND_I128;
    bool inside;

    if (range == NULL) {
        return true;
    }
    if (is_signed(type->kind)) {
        np_i128 value = sign_extend(bits, np__parser_width(type->kind));
        inside =
            np_i128_compare(value, range->lo.i) >= 0 && np_i128_compare(value, range->hi.i) <= 0;
        bits.lo = value.lo;
    } else {
        inside = np_u128_compare(bits, range->lo.u) >= 0 && np_u128_compare(bits, range->hi.u) <= 0;
    }
    if (inside) {
        return true;
    }
    np_got kind = wide ? NP_GOT_NOTHING : is_signed(type->kind) ? NP_GOT_SIGNED : NP_GOT_UNSIGNED;
    return np__parser_refuse(parser, NP_ERR_RANGE, type->rule, parser->begin, kind,
                             wide ? 0 : bits.lo);
}

bool np__parser_check_scalar(np_parser *parser, np_u128 bits)
{
    switch (parser->type->kind) {
    case NP_KIND_BOOL:
        if (bits.lo > 1) {
            return np__parser_refuse(parser, NP_ERR_BOOL, NULL, parser->begin, NP_GOT_UNSIGNED,
                                     bits.lo);
        }
        return true;
    case NP_KIND_ENUM:
        if (np_type_variant(parser->type, bits.lo, parser->version) == NULL) {
            return np__parser_refuse(parser, NP_ERR_VARIANT, NULL, parser->begin, NP_GOT_UNSIGNED,
                                     bits.lo);
        }
        return true;
    case NP_KIND_F32:
    case NP_KIND_F64:
        return check_float(parser, bits);
    default:
        return check_range(parser, bits);
    }
}

bool np__parser_check_length(np_parser *parser, uint64_t len)
{
    const np_type *type = parser->type;

    if (len > type->max) {
        return np__parser_refuse(parser, NP_ERR_TOO_LONG, type->rule, parser->begin,
                                 NP_GOT_UNSIGNED, len);
    }
    if (len < type->min) {
        return np__parser_refuse(parser, NP_ERR_TOO_SHORT, type->rule, parser->begin,
                                 NP_GOT_UNSIGNED, len);
    }
    return true;
}

/* Containers ----------------------------------------------------------------------------------- */

/* Bytes to remember of a container's last key. */
static uint32_t key_room(const np_type *type)
{
    if (type->kind != NP_KIND_MAP) {
        return 0;
    }
    np_kind key = type->key->kind;
    bool sized = key == NP_KIND_STR || key == NP_KIND_BYTES || key == NP_KIND_ARRAY;
    return sized ? (uint32_t)type->key->max : 16;
}

bool np__parser_open(np_parser *parser, uint64_t count)
{
    const np_protocol *protocol = parser->protocol;
    uint32_t room = key_room(parser->type);

    if (parser->level_count == protocol->parser_levels ||
        room > protocol->parser_keys - parser->key_used) {
        /* The generator counted wrong. */
        return np__parser_refuse(parser, NP_ERR_STATE, NULL, parser->begin, NP_GOT_NOTHING, 0);
    }
    parser->levels[parser->level_count++] =
        (np_level){count, parser->type, parser->where, parser->key_used, 0, false};
    parser->key_used += room;
    return true;
}

void np__parser_close(np_parser *parser)
{
    parser->key_used = parser->levels[--parser->level_count].key_at;
}

/* Order of a scalar key against the last one, both as they stand on the wire. */
static int compare_scalar_key(const np_type *type, const uint8_t *a, const uint8_t *b)
{
    np_u128 x = np_get_u128(a), y = np_get_u128(b);

    if (is_signed(type->kind)) {
        uint32_t width = np__parser_width(type->kind);
        return np_i128_compare(sign_extend(x, width), sign_extend(y, width));
    }
    return np_u128_compare(x, y);
}

bool np__parser_scalar_key(np_parser *parser, np_u128 bits)
{
    np_level *level = &parser->levels[parser->level_count - 1];
    uint8_t *last = parser->keys + level->key_at;
    uint8_t key[16];

    np_put_u128(key, bits);
    if (level->has_key && compare_scalar_key(parser->type, last, key) >= 0) {
        return np__parser_refuse(parser, NP_ERR_ORDER, NULL, parser->begin, NP_GOT_NOTHING, 0);
    }
    memcpy(last, key, sizeof key);
    level->has_key = true;
    return true;
}

/* A key that comes in pieces is compared with the last one as it comes, and takes its place. */
void np__parser_take_key(np_parser *parser, const uint8_t *data, size_t len)
{
    np_level *level = &parser->levels[parser->level_count - 1];
    uint8_t *last = parser->keys + level->key_at;

    for (size_t i = 0; i < len; i++) {
        uint32_t at = parser->key_taken++;
        if (parser->key_order == 0) {
            parser->key_order =
                at >= level->key_len ? 1 : (data[i] > last[at]) - (data[i] < last[at]);
        }
        last[at] = data[i];
    }
}

/* A key that is a prefix of the last one comes before it. */
bool np__parser_end_key(np_parser *parser)
{
    np_level *level = &parser->levels[parser->level_count - 1];

    if (level->has_key && parser->key_order <= 0) {
        return np__parser_refuse(parser, NP_ERR_ORDER, NULL, parser->begin, NP_GOT_NOTHING, 0);
    }
    level->key_len = parser->key_taken;
    level->has_key = true;
    return true;
}
