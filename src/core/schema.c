/* schema.c - look-ups in descriptors. */
#include <netproto/schema.h>

#include <string.h>

const np_type np_type_u8 = {.kind = NP_KIND_U8};
const np_type np_type_u16 = {.kind = NP_KIND_U16};
const np_type np_type_u32 = {.kind = NP_KIND_U32};
const np_type np_type_u64 = {.kind = NP_KIND_U64};
const np_type np_type_u128 = {.kind = NP_KIND_U128};
const np_type np_type_i8 = {.kind = NP_KIND_I8};
const np_type np_type_i16 = {.kind = NP_KIND_I16};
const np_type np_type_i32 = {.kind = NP_KIND_I32};
const np_type np_type_i64 = {.kind = NP_KIND_I64};
const np_type np_type_i128 = {.kind = NP_KIND_I128};
const np_type np_type_f32 = {.kind = NP_KIND_F32};
const np_type np_type_f64 = {.kind = NP_KIND_F64};
const np_type np_type_bool = {.kind = NP_KIND_BOOL};
const np_type np_type_char = {.kind = NP_KIND_CHAR};
const np_type np_type_unit = {.kind = NP_KIND_UNIT};

const np_variant *np_type_variant(const np_type *type, uint64_t index, uint32_t version)
{
    size_t lo = 0, hi = type->variant_count;

    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        const np_variant *variant = &type->variants[mid];
        if (variant->index == index) {
            return variant->since <= version ? variant : NULL;
        }
        if (variant->index < index) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }
    return NULL;
}

bool np_type_is_plain_enum(const np_type *type)
{
    for (size_t i = 0; i < type->variant_count; i++) {
        if (type->variants[i].field_count > 0) {
            return false;
        }
    }
    return true;
}

const np_message *np_protocol_message(const np_protocol *protocol, uint32_t id)
{
    size_t lo = 0, hi = protocol->message_count;

    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        const np_message *message = &protocol->messages[mid];
        if (message->id == id) {
            return message;
        }
        if (message->id < id) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }
    return NULL;
}

const np_message *np_protocol_message_named(const np_protocol *protocol, const char *name)
{
    for (size_t i = 0; i < protocol->message_count; i++) {
        const np_message *message = &protocol->messages[i];
        const char *dot = strchr(message->name, '.');
        if (strcmp(message->name, name) == 0 || (dot != NULL && strcmp(dot + 1, name) == 0)) {
            return message;
        }
    }
    return NULL;
}

np_err np_message_decode_reply(const np_message *message, void *out, uint32_t version,
                               const uint8_t *data, size_t len, np_fault *fault)
{
    if (message->reply_codec == NULL) {
        return NP_ERR_ARG;
    }
    np_reader r = np_reader_start(data, len, version, fault);
    np_err err = np_read_id(&r, message->id, message->name);
    if (err == NP_OK) {
        err = message->reply_codec->read(&r, out);
    }
    return err != NP_OK ? err : np_read_end(&r, message->name);
}

np_err np_message_decode_head(const np_message *message, void *out, uint32_t version,
                              const uint8_t *data, size_t len, np_fault *fault)
{
    const np_type *type = message->type;
    np_fault found = {.err = NP_OK};
    np_reader r = np_reader_start(data, len, version, &found);

    if (message->kind != NP_MESSAGE_STREAM) {
        return NP_ERR_ARG;
    }
    memset(out, 0, message->codec->c_size);
    np_err err = np_read_id(&r, message->id, message->name);
    if (err == NP_OK) {
        err = message->codec->read(&r, out);
    }
    /* The decoder reads in wire order, so where it misses nothing but the body, all else is there
     * and right. */
    if (err == NP_ERR_TRUNCATED &&
        strcmp(found.where, type->fields[type->field_count - 1].where) == 0) {
        return NP_OK;
    }
    if (err != NP_OK && fault != NULL) {
        *fault = found;
    }
    return err;
}
