/* build.c - the way in: a tree of JSON becomes wire bytes.
 *
 * Here only the shape is judged: that a field's value is of the right kind and can be written at
 * all. Bounds, UTF-8, the order of keys and the depth of recursion are the parser's business, which
 * reads what was built. Recursion is bounded by the depth of the tree, which scan.c has bounded:
 * types go at most two steps (an option, and what it holds) without entering an array or object.
 */
#include "json_private.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static np_err build_value(np_json_builder *b, const np_type *type, const char *where, json_t *tree,
                          const np_json_place *place);

/* Failing -------------------------------------------------------------------------------------- */

static np_err refuse(np_json_builder *b, np_err err, const char *where, const char *rule,
                     const np_json_place *place)
{
    b->error->fault = (np_fault){err, NP_GOT_NOTHING, where, rule, b->out->len, 0};
    np__json_path_of(place, b->error->path, sizeof b->error->path);
    return err;
}

static const char *kind_of(const json_t *tree)
{
    switch (json_typeof(tree)) {
    case JSON_OBJECT:
        return "got an object";
    case JSON_ARRAY:
        return "got an array";
    case JSON_STRING:
        return "got a string";
    case JSON_INTEGER:
        return "got an integer";
    case JSON_REAL:
        return "got a number that is not an integer";
    case JSON_NULL:
        return "got null";
    default:
        return "got a bool";
    }
}

/* The tree is of another kind than the field. */
static np_err mismatch(np_json_builder *b, const char *where, const char *expects, json_t *tree,
                       const np_json_place *place)
{
    b->detail = kind_of(tree);
    return refuse(b, NP_ERR_JSON, where, expects, place);
}

/* Writing -------------------------------------------------------------------------------------- */

/* Room for len bytes that stand for the value at a place; NULL, with b->out->err, if there is none.
 * When a byte is sought, notes whose it is. */
static uint8_t *take(np_json_builder *b, size_t len, const np_json_place *place)
{
    if (b->seek && !b->found && b->seek_to < b->out->len + len) {
        np__json_path_of(place, b->error->path, sizeof b->error->path);
        b->found = true;
    }
    return np__json_buffer_take(b->out, len);
}

static np_err put_u32(np_json_builder *b, uint32_t value, const np_json_place *place)
{
    uint8_t *p = take(b, 4, place);

    if (p != NULL) {
        np_put_u32(p, value);
    }
    return b->out->err;
}

static np_err put_u64(np_json_builder *b, uint64_t value, const np_json_place *place)
{
    uint8_t *p = take(b, 8, place);

    if (p != NULL) {
        np_put_u64(p, value);
    }
    return b->out->err;
}

static np_err put_byte(np_json_builder *b, uint8_t value, const np_json_place *place)
{
    uint8_t *p = take(b, 1, place);

    if (p != NULL) {
        *p = value;
    }
    return b->out->err;
}

/* The low bytes of a scalar. */
static np_err put_bits(np_json_builder *b, np_kind kind, np_u128 bits, const np_json_place *place)
{
    uint8_t bytes[16];
    size_t len = np__json_kind_bits(kind) / 8;
    uint8_t *p = take(b, len, place);

    np_put_u128(bytes, bits);
    if (p != NULL) {
        memcpy(p, bytes, len);
    }
    return b->out->err;
}

static np_str text_of(json_t *tree)
{
    return (np_str){json_string_value(tree), json_string_length(tree)};
}

/* Scalars -------------------------------------------------------------------------------------- */

static const char *expected_integer(np_kind kind)
{
    static const char *const texts[] = {
        [NP_KIND_U8] = "expects an integer from 0 to 255",
        [NP_KIND_U16] = "expects an integer from 0 to 65535",
        [NP_KIND_U32] = "expects an integer from 0 to 4294967295",
        [NP_KIND_U64] = "expects a u64 as a decimal string or an integer",
        [NP_KIND_U128] = "expects a u128 as a decimal string or an integer",
        [NP_KIND_I8] = "expects an integer from -128 to 127",
        [NP_KIND_I16] = "expects an integer from -32768 to 32767",
        [NP_KIND_I32] = "expects an integer from -2147483648 to 2147483647",
        [NP_KIND_I64] = "expects an i64 as a decimal string or an integer",
        [NP_KIND_I128] = "expects an i128 as a decimal string or an integer",
    };
    return texts[kind];
}

static np_err build_integer(np_json_builder *b, np_kind kind, const char *where, json_t *tree,
                            const np_json_place *place)
{
    np_u128 bits = {0, 0};
    np_str text;

    if (json_is_integer(tree)) {
        text = np__json_number_text(b->text, tree);
    } else if (json_is_string(tree) && np__json_kind_bits(kind) > 32) {
        text = text_of(tree);
    } else {
        return mismatch(b, where, expected_integer(kind), tree, place);
    }
    np_err err = np__json_integer_read(kind, text, &bits);
    if (err != NP_OK) {
        b->detail =
            np_str_equal(text, np_str_from("-0")) ? "got -0, which only a float can be" : NULL;
        return refuse(b, err, where, expected_integer(kind), place);
    }
    return put_bits(b, kind, bits, place);
}

static np_err build_float(np_json_builder *b, np_kind kind, const char *where, json_t *tree,
                          const np_json_place *place)
{
    static const char expects[] = "expects a number, \"NaN\", \"Infinity\" or \"-Infinity\"";
    const char *holds = kind == NP_KIND_F32 ? "expects a number that an f32 can hold"
                                            : "expects a number that an f64 can hold";
    np_u128 bits = {0, 0};

    if (json_is_string(tree)) {
        if (!np__json_float_named(kind, text_of(tree), &bits)) {
            return refuse(b, NP_ERR_JSON, where, expects, place);
        }
    } else if (!json_is_number(tree)) {
        return mismatch(b, where, expects, tree, place);
    } else if (np__json_float_read(kind, np__json_number_text(b->text, tree), &bits) != NP_OK) {
        return refuse(b, NP_ERR_RANGE, where, holds, place);
    }
    return put_bits(b, kind, bits, place);
}

static np_err build_char(np_json_builder *b, const char *where, json_t *tree,
                         const np_json_place *place)
{
    static const char expects[] = "expects a string of exactly one character";
    np_char c = 0;

    if (!json_is_string(tree)) {
        return mismatch(b, where, expects, tree, place);
    }
    np_str text = text_of(tree);
    np_reader r = np_reader_start((const uint8_t *)text.data, text.len, b->version, NULL);
    if (text.len == 0 || np_read_char(&r, &c, where) != NP_OK || np_left(&r) > 0) {
        return refuse(b, NP_ERR_JSON, where, expects, place);
    }
    uint8_t *p = take(b, text.len, place);
    if (p != NULL) {
        memcpy(p, text.data, text.len);
    }
    return b->out->err;
}

static np_err build_string(np_json_builder *b, const char *where, json_t *tree,
                           const np_json_place *place)
{
    if (!json_is_string(tree)) {
        return mismatch(b, where, "expects a string", tree, place);
    }
    np_str text = text_of(tree);
    np_err err = put_u64(b, text.len, place);
    if (err != NP_OK) {
        return err;
    }
    uint8_t *p = take(b, text.len, place);
    if (p != NULL && text.len > 0) {
        memcpy(p, text.data, text.len);
    }
    return b->out->err;
}

/* bytes, or u8[n], whose length is the type's. */
static np_err build_bytes(np_json_builder *b, const np_type *type, const char *where, json_t *tree,
                          const np_json_place *place)
{
    static const char expects[] = "expects bytes as base64 (RFC 4648) with padding";

    if (!json_is_string(tree)) {
        return mismatch(b, where, expects, tree, place);
    }
    np_str text = text_of(tree);
    size_t len = np__json_base64_len(text);
    if (type->kind == NP_KIND_ARRAY && len != type->max) {
        return refuse(b, NP_ERR_JSON, where, "expects another number of bytes", place);
    }
    if (type->kind == NP_KIND_BYTES && put_u64(b, len, place) != NP_OK) {
        return b->out->err;
    }
    uint8_t *p = take(b, len, place);
    if (p != NULL && !np__json_base64_decode(text, p)) {
        return refuse(b, NP_ERR_JSON, where, expects, place);
    }
    return b->out->err;
}

/* Fields --------------------------------------------------------------------------------------- */

/* A member that there is not, and those that there are, as far as they fit. */
static void tell_members(np_json_builder *b, const np_field *fields, size_t count, const char *key)
{
    const char *before = "; there are: ";
    size_t cap = sizeof b->members;
    size_t len = (size_t)snprintf(b->members, cap, "%.40s", key);

    for (size_t i = 0; i < count && len < cap; i++) {
        if (fields[i].since <= b->version) {
            len += (size_t)snprintf(b->members + len, cap - len, "%s%s", before, fields[i].name);
            before = ", ";
        }
    }
    b->detail = b->members;
}

/* Refuses what came later than the version that is spoken; both are told. */
static np_err refuse_newer(np_json_builder *b, uint32_t since, const char *where,
                           const np_json_place *place)
{
    snprintf(b->members, sizeof b->members,
             "it came with version %" PRIu32 ", and version %" PRIu32 " is spoken", since,
             b->version);
    b->detail = b->members;
    return refuse(b, NP_ERR_NEWER, where, NULL, place);
}

/* Refuses members that are no fields, or fields that the version does not have. */
static np_err check_members(np_json_builder *b, const np_field *fields, size_t count,
                            const char *where, json_t *tree, const np_json_place *place)
{
    void *it = json_object_iter(tree);

    while (it != NULL) {
        const char *key = json_object_iter_key(it);
        size_t i = 0;
        while (i < count && strcmp(fields[i].name, key) != 0) {
            i++;
        }
        if (i == count) {
            tell_members(b, fields, count, key);
            return refuse(b, NP_ERR_JSON, where, "has no such member", place);
        }
        if (fields[i].since > b->version) {
            np_json_place member = {place, fields[i].name, 0};
            return refuse_newer(b, fields[i].since, fields[i].where, &member);
        }
        it = json_object_iter_next(tree, it);
    }
    return NP_OK;
}

/* What the schema has a reader assume of a peer too old to send the field, which is what somebody
 * means who has never heard of it. */
static np_err put_default(np_json_builder *b, const np_bytes *bytes, const np_json_place *place)
{
    uint8_t *p = take(b, bytes->len, place);

    if (p != NULL) {
        memcpy(p, bytes->data, bytes->len);
    }
    return b->out->err;
}

static np_err build_fields(np_json_builder *b, const np_field *fields, size_t count,
                           const char *where, json_t *tree, const np_json_place *place)
{
    if (!json_is_object(tree)) {
        return mismatch(b, where, "expects an object", tree, place);
    }
    np_err err = check_members(b, fields, count, where, tree, place);
    for (size_t i = 0; err == NP_OK && i < count; i++) {
        json_t *value = json_object_get(tree, fields[i].name);
        np_json_place member = {place, fields[i].name, 0};
        if (fields[i].since > b->version) {
            continue;
        }
        if (value == NULL && fields[i].missing != NULL) {
            err = put_default(b, fields[i].missing, &member);
        } else if (value == NULL && fields[i].type->kind == NP_KIND_OPTION) {
            err = put_byte(b, 0, &member);
        } else if (value == NULL) {
            err = refuse(b, NP_ERR_JSON, fields[i].where, "is missing", &member);
        } else {
            err = build_value(b, fields[i].type, fields[i].where, value, &member);
        }
    }
    return err;
}

static np_err build_tuple(np_json_builder *b, const np_type *type, const char *where, json_t *tree,
                          const np_json_place *place)
{
    np_err err = NP_OK;

    if (!json_is_array(tree)) {
        return mismatch(b, where, "expects an array, one item for each of the tuple", tree, place);
    }
    if (json_array_size(tree) != type->field_count) {
        return refuse(b, NP_ERR_JSON, where, "expects another number of items", place);
    }
    for (size_t i = 0; err == NP_OK && i < type->field_count; i++) {
        np_json_place item = {place, NULL, i};
        const np_field *field = &type->fields[i];
        err = build_value(b, field->type, field->where, json_array_get(tree, i), &item);
    }
    return err;
}

/* "name", or {"name": content}: which it is, and the content or NULL. */
static np_err read_tag(np_json_builder *b, const char *where, const char *expects, json_t *tree,
                       const np_json_place *place, const char **name, json_t **content)
{
    void *it = NULL;

    *content = NULL;
    if (json_is_string(tree)) {
        *name = json_string_value(tree);
        if (strlen(*name) != json_string_length(tree)) {
            *name = "";
        }
        return NP_OK;
    }
    if (json_is_object(tree) && json_object_size(tree) == 1) {
        it = json_object_iter(tree);
    }
    if (it == NULL) {
        return mismatch(b, where, expects, tree, place);
    }
    *name = json_object_iter_key(it);
    *content = json_object_iter_value(it);
    return NP_OK;
}

/* The content of something without fields: none, or {}. */
static bool is_nothing(json_t *content)
{
    return content == NULL || (json_is_object(content) && json_object_size(content) == 0);
}

static np_err build_enum(np_json_builder *b, const np_type *type, const char *where, json_t *tree,
                         const np_json_place *place)
{
    const char *name = NULL;
    json_t *content = NULL;
    size_t i = 0;
    np_err err = read_tag(b, where, "expects a variant: \"name\" or {\"name\": {fields}}", tree,
                          place, &name, &content);

    if (err != NP_OK) {
        return err;
    }
    while (i < type->variant_count && strcmp(type->variants[i].name, name) != 0) {
        i++;
    }
    if (i == type->variant_count) {
        b->detail = name;
        return refuse(b, NP_ERR_VARIANT, where, "has no such variant", place);
    }
    const np_variant *variant = &type->variants[i];
    np_json_place in = {place, variant->name, 0};
    if (variant->since > b->version) {
        return refuse_newer(b, variant->since, where, &in);
    }
    if (put_u32(b, variant->index, place) != NP_OK) {
        return b->out->err;
    }
    if (variant->field_count == 0 && is_nothing(content)) {
        return NP_OK;
    }
    if (content == NULL) {
        return mismatch(b, where, "this variant has fields: {\"name\": {fields}}", tree, place);
    }
    return build_fields(b, variant->fields, variant->field_count, where, content, &in);
}

/* Containers ----------------------------------------------------------------------------------- */

static np_err build_items(np_json_builder *b, const np_type *type, const char *where, json_t *tree,
                          const np_json_place *place)
{
    np_err err = NP_OK;

    if (!json_is_array(tree)) {
        return mismatch(b, where, "expects an array", tree, place);
    }
    size_t count = json_array_size(tree);
    if (type->kind == NP_KIND_ARRAY && count != type->max) {
        return refuse(b, NP_ERR_JSON, where, "expects another number of items", place);
    }
    if (type->kind == NP_KIND_LIST) {
        err = put_u64(b, count, place);
    }
    for (size_t i = 0; err == NP_OK && i < count; i++) {
        np_json_place item = {place, NULL, i};
        err = build_value(b, type->item, where, json_array_get(tree, i), &item);
    }
    return err;
}

static np_err build_pair(np_json_builder *b, const np_type *type, const char *where, json_t *tree,
                         const np_json_place *place)
{
    np_json_place key = {place, NULL, 0}, value = {place, NULL, 1};

    if (!json_is_array(tree) || json_array_size(tree) != 2) {
        return mismatch(b, where, "expects [key, value]", tree, place);
    }
    np_err err = build_value(b, type->key, where, json_array_get(tree, 0), &key);
    if (err == NP_OK) {
        err = build_value(b, type->item, where, json_array_get(tree, 1), &value);
    }
    return err;
}

static np_err build_map(np_json_builder *b, const np_type *type, const char *where, json_t *tree,
                        const np_json_place *place)
{
    if (!json_is_array(tree)) {
        return mismatch(b, where, "expects an array of [key, value]", tree, place);
    }
    size_t count = json_array_size(tree);
    np_err err = put_u64(b, count, place);
    for (size_t i = 0; err == NP_OK && i < count; i++) {
        np_json_place pair = {place, NULL, i};
        err = build_pair(b, type, where, json_array_get(tree, i), &pair);
    }
    return err;
}

static np_err build_option(np_json_builder *b, const np_type *type, const char *where, json_t *tree,
                           const np_json_place *place)
{
    if (json_is_null(tree)) {
        return put_byte(b, 0, place);
    }
    if (put_byte(b, 1, place) != NP_OK) {
        return b->out->err;
    }
    if (!np__json_option_wraps(type)) {
        return build_value(b, type->item, where, tree, place);
    }
    json_t *some = json_object_get(tree, "some"); /* NULL for what is no object, too */
    np_json_place in = {place, "some", 0};
    if (some == NULL || json_object_size(tree) != 1) {
        return mismatch(b, where, "expects null or {\"some\": value}", tree, place);
    }
    return build_value(b, type->item, where, some, &in);
}

/* Any value ------------------------------------------------------------------------------------ */

static bool is_base64(const np_type *type)
{
    return type->kind == NP_KIND_BYTES ||
           (type->kind == NP_KIND_ARRAY && type->item->kind == NP_KIND_U8 &&
            type->item->range == NULL);
}

static np_err build_value(np_json_builder *b, const np_type *type, const char *where, json_t *tree,
                          const np_json_place *place)
{
    if (is_base64(type)) {
        return build_bytes(b, type, where, tree, place);
    }
    switch (type->kind) {
    case NP_KIND_F32:
    case NP_KIND_F64:
        return build_float(b, type->kind, where, tree, place);
    case NP_KIND_BOOL:
        if (!json_is_boolean(tree)) {
            return mismatch(b, where, "expects true or false", tree, place);
        }
        return put_byte(b, json_is_true(tree) ? 1 : 0, place);
    case NP_KIND_CHAR:
        return build_char(b, where, tree, place);
    case NP_KIND_STR:
        return build_string(b, where, tree, place);
    case NP_KIND_UNIT:
        if (!json_is_array(tree) || json_array_size(tree) != 0) {
            return mismatch(b, where, "expects []", tree, place);
        }
        return NP_OK;
    case NP_KIND_ARRAY:
    case NP_KIND_LIST:
        return build_items(b, type, where, tree, place);
    case NP_KIND_MAP:
        return build_map(b, type, where, tree, place);
    case NP_KIND_OPTION:
        return build_option(b, type, where, tree, place);
    case NP_KIND_STRUCT:
        if (type->name == NULL) {
            return build_tuple(b, type, where, tree, place);
        }
        return build_fields(b, type->fields, type->field_count, where, tree, place);
    case NP_KIND_ENUM:
        return build_enum(b, type, where, tree, place);
    default:
        return build_integer(b, type->kind, where, tree, place);
    }
}

/* Messages ------------------------------------------------------------------------------------- */

/* Which message the tree is about, and its content (NULL: given by its name alone). */
static np_err find_message(np_json_builder *b, json_t *tree, json_t **content)
{
    const char *name = NULL;
    np_err err = read_tag(b, b->protocol->name, "expects a message: {\"Name\": {fields}}", tree,
                          NULL, &name, content);

    if (err != NP_OK) {
        return err;
    }
    b->message = np_protocol_message_named(b->protocol, name);
    if (b->message == NULL) {
        b->detail = name;
        return refuse(b, NP_ERR_UNKNOWN_MESSAGE, b->protocol->name, "has no such message", NULL);
    }
    if (*content == NULL && (b->what == NP_JSON_REPLY || b->message->type->field_count > 0)) {
        return mismatch(b, b->message->name, "this message has fields: {\"Name\": {fields}}", tree,
                        NULL);
    }
    return NP_OK;
}

np_err np__json_build(np_json_builder *b, const np_message *message, json_t *tree)
{
    json_t *content = tree;
    np_err err = NP_OK;

    b->message = message;
    b->detail = NULL;
    if (message == NULL) {
        err = find_message(b, tree, &content);
    }
    if (err != NP_OK) {
        return err;
    }
    np_json_place place = {NULL, np__json_message_name(b->message), 0};
    bool reply = b->what == NP_JSON_REPLY;
    if (b->message->since > b->version) {
        return refuse_newer(b, b->message->since, b->message->name, &place);
    }
    if (reply && b->message->reply == NULL) {
        return refuse(b, NP_ERR_UNKNOWN_MESSAGE, b->message->name, "has no answer", &place);
    }
    np__json_buffer_start(b->out, reply ? b->message->reply_max_len : b->message->max_len);
    err = put_u32(b, b->message->id, &place);
    if (err != NP_OK || content == NULL) {
        return err;
    }
    return build_value(b, reply ? b->message->reply : b->message->type, b->message->name, content,
                       &place);
}
