/* netproto/detail/scalars.h - little-endian access, and lists and options of plain values.
 *
 * Included by <netproto/types.h>; not meant to be included by itself. Loads and stores go through
 * memcpy, so no address needs alignment; compilers turn each into one instruction.
 */
#ifndef NETPROTO_DETAIL_SCALARS_H
#define NETPROTO_DETAIL_SCALARS_H

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
#define NP_LE16_(x) __builtin_bswap16(x)
#define NP_LE32_(x) __builtin_bswap32(x)
#define NP_LE64_(x) __builtin_bswap64(x)
#else
#define NP_LE16_(x) (x)
#define NP_LE32_(x) (x)
#define NP_LE64_(x) (x)
#endif

/* np_get_T(p): the value at p. np_put_T(p, v): writes v, returns the address behind it. */

static inline uint8_t np_get_u8(const uint8_t *p)
{
    return *p;
}

static inline uint8_t *np_put_u8(uint8_t *p, uint8_t value)
{
    *p = value;
    return p + 1;
}

#define NP_DEFINE_UNSIGNED_(name, bits)                                                            \
    static inline uint##bits##_t np_get_##name(const uint8_t *p)                                   \
    {                                                                                              \
        uint##bits##_t value;                                                                      \
        memcpy(&value, p, sizeof value);                                                           \
        return NP_LE##bits##_(value);                                                              \
    }                                                                                              \
    static inline uint8_t *np_put_##name(uint8_t *p, uint##bits##_t value)                         \
    {                                                                                              \
        value = NP_LE##bits##_(value);                                                             \
        memcpy(p, &value, sizeof value);                                                           \
        return p + sizeof value;                                                                   \
    }

NP_DEFINE_UNSIGNED_(u16, 16)
NP_DEFINE_UNSIGNED_(u32, 32)
NP_DEFINE_UNSIGNED_(u64, 64)
#undef NP_DEFINE_UNSIGNED_

#define NP_DEFINE_SIGNED_(bits)                                                                    \
    static inline int##bits##_t np_get_i##bits(const uint8_t *p)                                   \
    {                                                                                              \
        return (int##bits##_t)np_get_u##bits(p);                                                   \
    }                                                                                              \
    static inline uint8_t *np_put_i##bits(uint8_t *p, int##bits##_t value)                         \
    {                                                                                              \
        return np_put_u##bits(p, (uint##bits##_t)value);                                           \
    }

NP_DEFINE_SIGNED_(8)
NP_DEFINE_SIGNED_(16)
NP_DEFINE_SIGNED_(32)
NP_DEFINE_SIGNED_(64)
#undef NP_DEFINE_SIGNED_

static inline np_u128 np_get_u128(const uint8_t *p)
{
    np_u128 value = {np_get_u64(p), np_get_u64(p + 8)};
    return value;
}

static inline uint8_t *np_put_u128(uint8_t *p, np_u128 value)
{
    return np_put_u64(np_put_u64(p, value.lo), value.hi);
}

static inline np_i128 np_get_i128(const uint8_t *p)
{
    np_i128 value = {np_get_u64(p), np_get_i64(p + 8)};
    return value;
}

static inline uint8_t *np_put_i128(uint8_t *p, np_i128 value)
{
    return np_put_i64(np_put_u64(p, value.lo), value.hi);
}

/* Floats travel as their bits, so that those of a NaN survive. Codecs move them from memory to
 * memory by np_load_T and np_store_T: a float that is handed over as a number (np_get_T, np_put_T,
 * np_list_T_at) passes through a register of the x87 on 32-bit x86, which makes a signalling NaN
 * quiet. */

#define NP_DEFINE_FLOAT_(name, type, bits)                                                         \
    static inline void np_load_##name(type *out, const uint8_t *p)                                 \
    {                                                                                              \
        uint##bits##_t value = np_get_u##bits(p);                                                  \
        memcpy(out, &value, sizeof value);                                                         \
    }                                                                                              \
    static inline uint8_t *np_store_##name(uint8_t *p, const type *from)                           \
    {                                                                                              \
        uint##bits##_t value;                                                                      \
        memcpy(&value, from, sizeof value);                                                        \
        return np_put_u##bits(p, value);                                                           \
    }                                                                                              \
    static inline type np_get_##name(const uint8_t *p)                                             \
    {                                                                                              \
        type value;                                                                                \
        np_load_##name(&value, p);                                                                 \
        return value;                                                                              \
    }                                                                                              \
    static inline uint8_t *np_put_##name(uint8_t *p, type value)                                   \
    {                                                                                              \
        return np_store_##name(p, &value);                                                         \
    }

NP_DEFINE_FLOAT_(f32, float, 32)
NP_DEFINE_FLOAT_(f64, double, 64)
#undef NP_DEFINE_FLOAT_

/* A bool that has been checked to be 0 or 1. */
static inline bool np_get_bool(const uint8_t *p)
{
    return *p != 0;
}

static inline uint8_t *np_put_bool(uint8_t *p, bool value)
{
    return np_put_u8(p, value ? 1 : 0);
}

/* np_option_T: `value` counts only where `has` is true; decoding makes it zero elsewhere.
 * np_list_T: see the top of types.h.
 *
 * `name` is only ever pasted, never handed to another macro: <stdbool.h> makes `bool` a macro, and
 * it would arrive there as _Bool. */
#define NP_DEFINE_LIST_(name, type)                                                                \
    typedef struct np_option_##name {                                                              \
        bool has;                                                                                  \
        type value;                                                                                \
    } np_option_##name;                                                                            \
    typedef struct np_list_##name {                                                                \
        const type *items;                                                                         \
        size_t count;                                                                              \
        np_wire wire;                                                                              \
    } np_list_##name;

/* np_list_T_at(list, i): item i, which must be below count. */
#define NP_DEFINE_AT_(name, type, size)                                                            \
    static inline type np_list_##name##_at(const np_list_##name *list, size_t i)                   \
    {                                                                                              \
        return list->items != NULL ? list->items[i] : np_get_##name(list->wire.data + (size)*i);   \
    }

NP_DEFINE_LIST_(u8, uint8_t)
NP_DEFINE_LIST_(u16, uint16_t)
NP_DEFINE_LIST_(u32, uint32_t)
NP_DEFINE_LIST_(u64, uint64_t)
NP_DEFINE_LIST_(u128, np_u128)
NP_DEFINE_LIST_(i8, int8_t)
NP_DEFINE_LIST_(i16, int16_t)
NP_DEFINE_LIST_(i32, int32_t)
NP_DEFINE_LIST_(i64, int64_t)
NP_DEFINE_LIST_(i128, np_i128)
NP_DEFINE_LIST_(f32, float)
NP_DEFINE_LIST_(f64, double)
NP_DEFINE_LIST_(bool, bool)
NP_DEFINE_LIST_(char, np_char)
NP_DEFINE_LIST_(str, np_str)
NP_DEFINE_LIST_(bytes, np_bytes)

NP_DEFINE_AT_(u8, uint8_t, 1)
NP_DEFINE_AT_(u16, uint16_t, 2)
NP_DEFINE_AT_(u32, uint32_t, 4)
NP_DEFINE_AT_(u64, uint64_t, 8)
NP_DEFINE_AT_(u128, np_u128, 16)
NP_DEFINE_AT_(i8, int8_t, 1)
NP_DEFINE_AT_(i16, int16_t, 2)
NP_DEFINE_AT_(i32, int32_t, 4)
NP_DEFINE_AT_(i64, int64_t, 8)
NP_DEFINE_AT_(i128, np_i128, 16)
NP_DEFINE_AT_(f32, float, 4)
NP_DEFINE_AT_(f64, double, 8)
NP_DEFINE_AT_(bool, bool, 1)

#undef NP_DEFINE_AT_
#undef NP_DEFINE_LIST_

/* `()`: no bytes on the wire. C has no empty struct, so it is one byte that means nothing. */
typedef struct np_unit {
    uint8_t nothing;
} np_unit;

typedef struct np_option_unit {
    bool has;
    np_unit value;
} np_option_unit;

typedef struct np_list_unit {
    const np_unit *items; /* may be NULL whatever count says */
    size_t count;
    np_wire wire;
} np_list_unit;

/* np_list_T_next(list, it, item): the next item, false at the end. */

NP_API bool np_list_char_next(const np_list_char *list, np_iter *it, np_char *item);
NP_API bool np_list_str_next(const np_list_str *list, np_iter *it, np_str *item);
NP_API bool np_list_bytes_next(const np_list_bytes *list, np_iter *it, np_bytes *item);

#endif
