/* parser.c - the runtime under the generated machines of the incremental parser.
 *
 * Data flows one way: gather (bytes of one value) -> check (by its descriptor) -> tell (an event)
 * -> step (a token to the machine, whose to-state actions say what is due next).
 */
#include "core/parser_head.h"
#include "core/parser_private.h"

#include <stdlib.h>
#include <string.h>

/* Life ----------------------------------------------------------------------------------------- */

size_t np__parser_size(const np_protocol *protocol)
{
    return sizeof(np_parser) + protocol->parser_levels * sizeof(np_level) +
           protocol->parser_calls * (sizeof(np_open_call) + sizeof(int)) + protocol->parser_keys;
}

np_parser *np__parser_place(void *memory, const np_protocol *protocol, uint32_t version, bool reply)
{
    np_parser *parser = memory;
    size_t levels = protocol->parser_levels * sizeof(np_level);
    size_t calls = protocol->parser_calls * sizeof(np_open_call);
    size_t stack = protocol->parser_calls * sizeof(int);

    parser->protocol = protocol;
    parser->levels = (np_level *)(void *)(parser + 1);
    parser->calls = (np_open_call *)(void *)((uint8_t *)(parser + 1) + levels);
    parser->machine.stack = (int *)(void *)((uint8_t *)(parser + 1) + levels + calls);
    parser->keys = (uint8_t *)(parser + 1) + levels + calls + stack;
    np_parser_reset(parser, version, reply);
    return parser;
}

np_parser *np_parser_new(const np_protocol *protocol, uint32_t version, bool reply)
{
    void *memory = calloc(1, np__parser_size(protocol));

    return memory != NULL ? np__parser_place(memory, protocol, version, reply) : NULL;
}

void np_parser_free(np_parser *parser)
{
    free(parser);
}

void np_parser_reset(np_parser *parser, uint32_t version, bool reply)
{
    const np_protocol *protocol = parser->protocol;

    parser->machine.cs = protocol->parser_state(reply ? NP_PARSER_REPLY : NP_PARSER_MESSAGE);
    parser->machine.top = 0;
    parser->message = NULL;
    parser->version = version;
    parser->reply = reply;
    parser->done = false;
    parser->is_key = false;
    parser->due = DUE_ID;
    parser->type = NULL;
    parser->where = protocol->name;
    parser->offset = 0;
    parser->begin = 0;
    parser->have = 0;
    parser->need = 4;
    parser->depth = 0;
    parser->level_count = 0;
    parser->call_count = 0;
    parser->key_used = 0;
    parser->key_taken = 0;
    memset(&parser->fault, 0, sizeof parser->fault);
}

const np_fault *np_parser_fault(const np_parser *parser)
{
    return &parser->fault;
}

uint64_t np_parser_offset(const np_parser *parser)
{
    return parser->offset;
}

static void wait_for(np_parser *parser, np_due due, uint32_t need)
{
    parser->due = due;
    parser->need = need;
    parser->have = 0;
    parser->begin = parser->offset;
}

/* What the machine asks for -------------------------------------------------------------------- */

/* u8[n] and i8[n] are handed out as chunks, like bytes of a known length. */
static bool is_raw_bytes(const np_type *type)
{
    return type->kind == NP_KIND_ARRAY && type->item->range == NULL &&
           (type->item->kind == NP_KIND_U8 || type->item->kind == NP_KIND_I8);
}

static void begin_text(np_parser *parser, uint64_t len)
{
    parser->due = DUE_TEXT;
    parser->text_left = len;
    parser->text_len = len;
    memset(&parser->scan, 0, sizeof parser->scan);
}

void np_parser_due(np_parser *parser, const np_type *type, const char *where)
{
    parser->type = type;
    parser->where = where;
    parser->is_key = false;
    wait_for(parser, DUE_FIXED, np__parser_width(type->kind));
    if (is_raw_bytes(type)) {
        begin_text(parser, type->max);
    } else if (type->kind == NP_KIND_ARRAY) {
        parser->due = DUE_ARRAY;
    } else if (type->kind == NP_KIND_UNIT) {
        parser->due = DUE_VALUE;
    } else if (type->kind == NP_KIND_CHAR) {
        parser->due = DUE_CHAR;
        memset(&parser->scan, 0, sizeof parser->scan);
    }
}

void np_parser_due_key(np_parser *parser, const np_type *type, const char *where)
{
    np_parser_due(parser, type, where);
    parser->is_key = true;
    parser->key_taken = 0;
    parser->key_order = parser->levels[parser->level_count - 1].has_key ? 0 : 1;
}

void np_parser_due_more(np_parser *parser)
{
    parser->due = DUE_MORE;
}

void np_parser_due_since(np_parser *parser, uint32_t version)
{
    parser->due = DUE_SINCE;
    parser->since = version;
}

void np_parser_due_call(np_parser *parser, const np_type *type, np_call_kind kind)
{
    parser->type = type;
    parser->where = type->name;
    parser->call_kind = kind;
    wait_for(parser, DUE_CALL, 0);
}

void np_parser_due_return(np_parser *parser)
{
    parser->due = DUE_RETURN;
}

/* Steps ---------------------------------------------------------------------------------------- */

/* Tells the machine that something is complete. Its to-state actions set what is due next. */
static void step(np_parser *parser, int token)
{
    parser->due = DUE_NOTHING;
    parser->protocol->parser_step(parser, token);
    if (parser->machine.cs >= parser->protocol->parser_state(NP_PARSER_FINAL)) {
        parser->done = true;
    }
}

static void tell(const np_parser *parser, np_event *event, np_event_kind kind)
{
    memset(event, 0, sizeof *event);
    event->kind = kind;
    event->where = parser->where;
    event->type = parser->type;
    event->offset = parser->begin;
    event->message = parser->message;
}

/* Gathers up to `need` bytes; false if the input does not suffice. */
static bool gather(np_parser *parser, const uint8_t **data, size_t *len)
{
    size_t take = parser->need - parser->have;

    if (take > *len) {
        take = *len;
    }
    if (take > 0) {
        memcpy(parser->bytes + parser->have, *data, take);
    }
    parser->have += (uint32_t)take;
    parser->offset += take;
    *data += take;
    *len -= take;
    return parser->have == parser->need;
}

static np_u128 gathered(const np_parser *parser)
{
    uint8_t bytes[16] = {0};

    memcpy(bytes, parser->bytes, parser->have);
    return np_get_u128(bytes);
}

/* The message's id decides which message it is. */
static np_parse take_id(np_parser *parser, np_event *event)
{
    uint32_t id = np_get_u32(parser->bytes);
    const np_message *message = np_protocol_message(parser->protocol, id);

    if (message == NULL || message->since > parser->version ||
        (parser->reply && message->reply == NULL)) {
        np__parser_refuse(parser, NP_ERR_UNKNOWN_MESSAGE, NULL, 0, NP_GOT_UNSIGNED, id);
        return NP_PARSE_BAD;
    }
    parser->message = message;
    parser->type = parser->reply ? message->reply : message->type;
    parser->where = message->name;
    tell(parser, event, NP_EVENT_MESSAGE);
    step(parser, NP_TOKEN_CHOICE + (int)(message - parser->protocol->messages));
    return NP_PARSE_EVENT;
}

static np_parse take_option(np_parser *parser, np_event *event)
{
    uint8_t tag = parser->bytes[0];

    if (tag > 1) {
        np__parser_refuse(parser, NP_ERR_OPTION, NULL, parser->begin, NP_GOT_UNSIGNED, tag);
        return NP_PARSE_BAD;
    }
    tell(parser, event, NP_EVENT_OPTION);
    event->count = tag;
    step(parser, tag == 1 ? NP_TOKEN_SOME : NP_TOKEN_NONE);
    return NP_PARSE_EVENT;
}

static np_parse take_enum(np_parser *parser, np_event *event, np_u128 bits)
{
    const np_type *type = parser->type;
    const np_variant *variant = np_type_variant(type, bits.lo, parser->version);

    tell(parser, event, NP_EVENT_VARIANT);
    event->variant = variant;
    event->bits = bits;
    step(parser, NP_TOKEN_CHOICE + (int)(variant - type->variants));
    return NP_PARSE_EVENT;
}

static np_parse take_container(np_parser *parser, np_event *event, uint64_t count)
{
    if (!np__parser_open(parser, count)) {
        return NP_PARSE_BAD;
    }
    tell(parser, event, NP_EVENT_OPEN);
    event->count = count;
    step(parser, NP_TOKEN_OPEN);
    return NP_PARSE_EVENT;
}

static np_parse take_value(np_parser *parser, np_event *event, np_u128 bits)
{
    if (parser->is_key && !np__parser_scalar_key(parser, bits)) {
        return NP_PARSE_BAD;
    }
    tell(parser, event, NP_EVENT_VALUE);
    event->bits = bits;
    step(parser, NP_TOKEN_VALUE);
    return NP_PARSE_EVENT;
}

/* A value of fixed size, or the prefix of another, has been gathered. */
static np_parse take_fixed(np_parser *parser, np_event *event, bool *again)
{
    np_u128 bits = gathered(parser);

    switch (parser->type->kind) {
    case NP_KIND_STR:
    case NP_KIND_BYTES:
        if (!np__parser_check_length(parser, bits.lo)) {
            return NP_PARSE_BAD;
        }
        begin_text(parser, bits.lo);
        *again = true;
        return NP_PARSE_MORE;
    case NP_KIND_LIST:
    case NP_KIND_MAP:
        if (!np__parser_check_length(parser, bits.lo)) {
            return NP_PARSE_BAD;
        }
        return take_container(parser, event, bits.lo);
    case NP_KIND_OPTION:
        return take_option(parser, event);
    case NP_KIND_ENUM:
        if (!np__parser_check_scalar(parser, bits)) {
            return NP_PARSE_BAD;
        }
        if (!np_type_is_plain_enum(parser->type)) {
            return take_enum(parser, event, bits);
        }
        return take_value(parser, event, bits);
    default:
        if (!np__parser_check_scalar(parser, bits)) {
            return NP_PARSE_BAD;
        }
        return take_value(parser, event, bits);
    }
}

/* A char comes byte by byte, since its first byte tells how many there are. */
static np_parse take_char(np_parser *parser, np_event *event, const uint8_t **data, size_t *len)
{
    ptrdiff_t bad = 0;

    do {
        if (*len == 0) {
            return NP_PARSE_MORE;
        }
        if (np_text_scan_piece(&parser->scan, (const char *)*data, 1, false, &bad) != NP_OK) {
            np__parser_refuse(parser, NP_ERR_CHAR, NULL, parser->begin, NP_GOT_NOTHING, 0);
            return NP_PARSE_BAD;
        }
        parser->bytes[parser->have++] = **data;
        parser->offset++;
        ++*data;
        --*len;
    } while (parser->scan.need > 0);

    np_reader r = np_reader_start(parser->bytes, parser->have, parser->version, NULL);
    np_char c = 0;
    if (np_read_char(&r, &c, parser->where) != NP_OK ||
        !np__parser_check_scalar(parser, (np_u128){c, 0})) {
        return NP_PARSE_BAD;
    }
    return take_value(parser, event, (np_u128){c, 0});
}

/* Hands out a piece of a string, bytes or u8[n], where it lies in the input. */
static np_parse take_text(np_parser *parser, np_event *event, const uint8_t **data, size_t *len)
{
    const np_type *type = parser->type;
    size_t take = parser->text_left < *len ? (size_t)parser->text_left : *len;
    ptrdiff_t bad = 0;

    if (take == 0 && parser->text_left > 0) {
        return NP_PARSE_MORE;
    }
    if (type->kind == NP_KIND_STR) {
        np_err err =
            np_text_scan_piece(&parser->scan, (const char *)*data, take, type->nonul, &bad);
        if (err == NP_OK && take == parser->text_left) {
            err = np_text_scan_end(&parser->scan);
            bad = (ptrdiff_t)take - parser->scan.taken;
        }
        if (err != NP_OK) {
            uint64_t at =
                bad < 0 ? parser->offset - (uint64_t)-bad : parser->offset + (uint64_t)bad;
            np__parser_refuse(parser, err, type->rule, at, NP_GOT_NOTHING, 0);
            return NP_PARSE_BAD;
        }
    }
    if (parser->is_key) {
        np__parser_take_key(parser, *data, take);
    }
    parser->offset += take;
    parser->text_left -= take;
    tell(parser, event, NP_EVENT_CHUNK);
    event->count = parser->text_len;
    event->data = *data;
    event->len = take;
    event->last = parser->text_left == 0;
    *data += take;
    *len -= take;
    if (event->last) {
        if (parser->is_key && !np__parser_end_key(parser)) {
            return NP_PARSE_BAD;
        }
        step(parser, NP_TOKEN_VALUE);
    }
    return NP_PARSE_EVENT;
}

/* Steps that need no input ----------------------------------------------------------------------
 */

static np_parse take_call(np_parser *parser)
{
    const np_type *type = parser->type;

    if (parser->call_kind == NP_CALL_DEEPER && parser->depth + 1 >= type->depth) {
        np__parser_refuse(parser, NP_ERR_DEPTH, NULL, parser->offset, NP_GOT_NOTHING, 0);
        return NP_PARSE_BAD;
    }
    if (parser->call_count == parser->protocol->parser_calls) {
        np__parser_refuse(parser, NP_ERR_STATE, NULL, parser->offset, NP_GOT_NOTHING, 0);
        return NP_PARSE_BAD; /* the generator counted wrong: better no message than no stack */
    }
    parser->calls[parser->call_count] =
        (np_open_call){type, parser->offset, parser->depth, parser->call_kind};
    if (parser->call_kind == NP_CALL_WHOLE) {
        parser->depth = 0;
    } else if (parser->call_kind == NP_CALL_DEEPER) {
        parser->depth++;
    }
    parser->call_count++;
    step(parser, NP_TOKEN_CALL);
    return NP_PARSE_MORE;
}

static np_parse take_return(np_parser *parser)
{
    const np_open_call *call = &parser->calls[--parser->call_count];
    uint64_t len = parser->offset - call->begin;

    parser->depth = call->outer_depth;
    if (call->kind == NP_CALL_WHOLE && len > call->type->max_len) {
        parser->where = call->type->name;
        np__parser_refuse(parser, NP_ERR_TOO_LONG, call->type->rule, call->begin, NP_GOT_UNSIGNED,
                          len);
        return NP_PARSE_BAD;
    }
    step(parser, NP_TOKEN_RETURN);
    if (!parser->done) {
        parser->due = DUE_BACK; /* the machine is in the calling state, where no action runs */
    }
    return NP_PARSE_MORE;
}

static np_parse take_more(np_parser *parser, np_event *event)
{
    np_level *level = &parser->levels[parser->level_count - 1];

    if (level->left > 0) {
        level->left--;
        step(parser, NP_TOKEN_ITEM);
        return NP_PARSE_MORE;
    }
    parser->type = level->type;
    parser->where = level->where;
    parser->begin = parser->offset;
    tell(parser, event, NP_EVENT_CLOSE);
    np__parser_close(parser);
    step(parser, NP_TOKEN_END);
    return NP_PARSE_EVENT;
}

/* The loop --------------------------------------------------------------------------------------
 */

/* One thing that is due; *again asks for the next although there is nothing to tell. */
static np_parse advance(np_parser *parser, const uint8_t **data, size_t *len, np_event *event,
                        bool *again)
{
    switch (parser->due) {
    case DUE_ID:
        return gather(parser, data, len) ? take_id(parser, event) : NP_PARSE_MORE;
    case DUE_FIXED:
        return gather(parser, data, len) ? take_fixed(parser, event, again) : NP_PARSE_MORE;
    case DUE_CHAR:
        return take_char(parser, event, data, len);
    case DUE_TEXT:
        return take_text(parser, event, data, len);
    case DUE_ARRAY:
        return take_container(parser, event, parser->type->max);
    case DUE_VALUE:
        return take_value(parser, event, (np_u128){0, 0});
    case DUE_MORE:
        *again = true;
        return take_more(parser, event);
    case DUE_SINCE:
        *again = true;
        step(parser, parser->version >= parser->since ? NP_TOKEN_SOME : NP_TOKEN_NONE);
        return NP_PARSE_MORE;
    case DUE_CALL:
        *again = true;
        return take_call(parser);
    case DUE_RETURN:
        *again = true;
        return take_return(parser);
    case DUE_BACK:
        *again = true;
        step(parser, NP_TOKEN_BACK);
        return NP_PARSE_MORE;
    case DUE_NOTHING:
        break;
    }
    /* The machine accepts every token that it asks for. */
    np__parser_refuse(parser, NP_ERR_STATE, NULL, parser->offset, NP_GOT_NOTHING, 0);
    return NP_PARSE_BAD;
}

np_parse np_parser_next(np_parser *parser, const uint8_t **data, size_t *len, np_event *event)
{
    np_parse result = NP_PARSE_MORE;
    bool again = true;

    if (parser->fault.err != NP_OK) {
        return NP_PARSE_BAD;
    }
    while (again && result == NP_PARSE_MORE && !parser->done) {
        again = false;
        result = advance(parser, data, len, event, &again);
    }
    if (result != NP_PARSE_MORE || !parser->done) {
        return result;
    }
    if (*len > 0) {
        parser->where = parser->message->name;
        np__parser_refuse(parser, NP_ERR_TRAILING, NULL, parser->offset, NP_GOT_NOTHING, 0);
        return NP_PARSE_BAD;
    }
    return NP_PARSE_DONE;
}

np_err np_parser_end(np_parser *parser, np_fault *fault)
{
    if (parser->fault.err == NP_OK && !parser->done) {
        np__parser_refuse(parser, NP_ERR_TRUNCATED, NULL, parser->offset, NP_GOT_NOTHING, 0);
    }
    if (parser->fault.err != NP_OK && fault != NULL) {
        *fault = parser->fault;
    }
    return parser->fault.err;
}
