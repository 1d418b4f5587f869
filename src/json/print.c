/* print.c - the way out: events of the parser become text.
 *
 * The parser tells values, not structure that bytes do not show: a struct, or the last item of a
 * list, makes no event of its own. So the printer walks the descriptors by itself, on a stack of
 * what is open, and takes an event whenever it stands before something that has bytes.
 */
#include "json_private.h"

#include <stdlib.h>
#include <string.h>

/* What the walk stands before. */
enum {
    STATE_START, /* the message's id */
    STATE_DUE,   /* a value of the type `due` */
    STATE_DONE,  /* a value is complete: on with what it stands in */
    STATE_CLOSE, /* the event that closes a container */
    STATE_END    /* the payload is complete */
};

typedef enum frame_kind {
    FRAME_MESSAGE,
    FRAME_FIELDS, /* struct, tuple, variant */
    FRAME_ITEMS,  /* array, list */
    FRAME_PAIRS,  /* map */
    FRAME_SOME    /* {"some": */
} frame_kind;

struct np_json_frame {
    frame_kind kind;
    const np_type *type;       /* ITEMS, PAIRS */
    const np_message *message; /* MESSAGE */
    const np_variant *variant; /* FIELDS of a variant, else NULL */
    const np_field *fields;    /* FIELDS */
    size_t field_count;
    size_t at;      /* FIELDS: the field that is due */
    uint64_t index; /* ITEMS, PAIRS: the item that is due */
    uint64_t count;
    bool tuple;
    bool value; /* PAIRS: the key is done */
};

void np__json_printer_start(np_json_printer *printer, np_json_buffer *out,
                            const np_json_options *options, uint32_t version)
{
    printer->out = out;
    printer->options = options;
    printer->version = version;
    printer->frame_count = 0;
    printer->depth = 0;
    printer->state = STATE_START;
    printer->due = NULL;
    printer->err = NP_OK;
}

void np__json_printer_free(np_json_printer *printer)
{
    free(printer->frames);
    *printer = (np_json_printer){0};
}

static void put(np_json_printer *printer, const char *text)
{
    np__json_buffer_text(printer->out, text);
}

static void put_name(np_json_printer *printer, const char *name)
{
    np__json_buffer_string(printer->out, np_str_from(name));
    put(printer, ":");
}

static void fail(np_json_printer *printer, np_err err)
{
    printer->err = printer->err != NP_OK ? printer->err : err;
}

/* Frames --------------------------------------------------------------------------------------- */

static np_json_frame *top(np_json_printer *printer)
{
    return &printer->frames[printer->frame_count - 1];
}

/* Counts arrays and objects that open; false if that is too deep. */
static bool enter(np_json_printer *printer, uint32_t levels)
{
    if (printer->depth + levels > printer->options->depth_max) {
        fail(printer, NP_ERR_DEPTH);
        return false;
    }
    printer->depth += levels;
    return true;
}

/* Opens something that takes so many arrays and objects; NULL if that is too deep. */
static np_json_frame *push(np_json_printer *printer, frame_kind kind, uint32_t levels)
{
    if (!enter(printer, levels)) {
        return NULL;
    }
    if (printer->frame_count == printer->frame_cap) {
        size_t cap = printer->frame_cap == 0 ? 16 : 2 * printer->frame_cap;
        np_json_frame *frames = realloc(printer->frames, cap * sizeof *frames);
        if (frames == NULL) {
            fail(printer, NP_ERR_MEMORY);
            return NULL;
        }
        printer->frames = frames;
        printer->frame_cap = cap;
    }
    np_json_frame *frame = &printer->frames[printer->frame_count++];
    *frame = (np_json_frame){.kind = kind};
    return frame;
}

static void pop(np_json_printer *printer, const char *close)
{
    printer->depth -= (uint32_t)strlen(close);
    printer->frame_count--;
    put(printer, close);
    printer->state = STATE_DONE;
}

static void want(np_json_printer *printer, const np_type *type)
{
    printer->due = type;
    printer->state = STATE_DUE;
}

/* Goes to the first field from `at` on that the version has, or closes. */
static void next_field(np_json_printer *printer, size_t at, bool first)
{
    np_json_frame *frame = top(printer);

    frame->at = np__json_field_next(frame->fields, frame->field_count, at, printer->version);
    if (frame->at == frame->field_count) {
        pop(printer, frame->tuple ? "]" : frame->variant != NULL ? "}}" : "}");
        return;
    }
    if (!first) {
        put(printer, ",");
    }
    if (!frame->tuple) {
        put_name(printer, frame->fields[frame->at].name);
    }
    want(printer, frame->fields[frame->at].type);
}

static void open_struct(np_json_printer *printer, const np_type *type)
{
    np_json_frame *frame = push(printer, FRAME_FIELDS, 1);

    if (frame == NULL) {
        return;
    }
    frame->fields = type->fields;
    frame->field_count = type->field_count;
    frame->tuple = type->name == NULL;
    put(printer, frame->tuple ? "[" : "{");
    next_field(printer, 0, true);
}

static void open_variant(np_json_printer *printer, const np_variant *variant)
{
    if (variant->field_count == 0) {
        np__json_buffer_string(printer->out, np_str_from(variant->name));
        printer->state = STATE_DONE;
        return;
    }
    np_json_frame *frame = push(printer, FRAME_FIELDS, 2);
    if (frame == NULL) {
        return;
    }
    frame->variant = variant;
    frame->fields = variant->fields;
    frame->field_count = variant->field_count;
    put(printer, "{");
    put_name(printer, variant->name);
    put(printer, "{");
    next_field(printer, 0, true);
}

/* The item that is due, or the end of the container. */
static void next_item(np_json_printer *printer)
{
    np_json_frame *frame = top(printer);

    if (frame->index == frame->count) {
        printer->state = STATE_CLOSE;
        return;
    }
    if (frame->index > 0) {
        put(printer, ",");
    }
    if (frame->kind == FRAME_ITEMS) {
        want(printer, frame->type->item);
    } else if (enter(printer, 1)) {
        put(printer, "[");
        frame->value = false;
        want(printer, frame->type->key);
    }
}

static void open_container(np_json_printer *printer, const np_type *type, uint64_t count)
{
    bool pairs = type->kind == NP_KIND_MAP;
    np_json_frame *frame = push(printer, pairs ? FRAME_PAIRS : FRAME_ITEMS, 1);

    if (frame == NULL) {
        return;
    }
    frame->type = type;
    frame->count = count;
    put(printer, "[");
    next_item(printer);
}

static void close_container(np_json_printer *printer)
{
    pop(printer, "]");
}

/* A value is complete: what it stands in goes on. */
static void go_on(np_json_printer *printer)
{
    np_json_frame *frame = top(printer);

    switch (frame->kind) {
    case FRAME_MESSAGE:
        put(printer, "}");
        printer->state = STATE_END;
        break;
    case FRAME_FIELDS:
        next_field(printer, frame->at + 1, false);
        break;
    case FRAME_PAIRS:
        if (!frame->value) {
            frame->value = true;
            put(printer, ",");
            want(printer, frame->type->item);
            break;
        }
        put(printer, "]");
        printer->depth--;
        frame->index++;
        next_item(printer);
        break;
    case FRAME_ITEMS:
        frame->index++;
        next_item(printer);
        break;
    case FRAME_SOME:
        pop(printer, "}");
        break;
    }
}

/* Events --------------------------------------------------------------------------------------- */

static void take_message(np_json_printer *printer, const np_event *event)
{
    np_json_frame *frame = push(printer, FRAME_MESSAGE, 1);

    if (frame == NULL) {
        return;
    }
    frame->message = event->message;
    put(printer, "{");
    put_name(printer, np__json_message_name(event->message));
    want(printer, event->type);
}

static void put_empty(np_json_printer *printer)
{
    if (enter(printer, 1)) {
        put(printer, "[]");
        printer->depth--;
    }
}

static void put_char(np_json_printer *printer, np_char c)
{
    uint8_t bytes[4];
    np_str text = {(const char *)bytes, 0};

    text.len = (size_t)(np_put_char(bytes, c) - bytes);
    np__json_buffer_string(printer->out, text);
}

static void take_value(np_json_printer *printer, const np_event *event)
{
    const np_type *type = printer->due;
    char text[NP__JSON_NUMBER_MAX];

    printer->state = STATE_DONE;
    switch (type->kind) {
    case NP_KIND_BOOL:
        put(printer, event->bits.lo != 0 ? "true" : "false");
        break;
    case NP_KIND_CHAR:
        put_char(printer, (np_char)event->bits.lo);
        break;
    case NP_KIND_UNIT:
        put_empty(printer);
        break;
    case NP_KIND_ENUM: {
        const np_variant *variant = np_type_variant(type, event->bits.lo, printer->version);
        if (variant == NULL) {
            fail(printer, NP_ERR_STATE);
            break;
        }
        open_variant(printer, variant);
        break;
    }
    default:
        np__json_number_print(type->kind, event->bits, text);
        put(printer, text);
        break;
    }
}

/* i8[n], which the parser hands out as bytes. */
static void put_signed_bytes(np_json_printer *printer, const uint8_t *data, size_t len)
{
    char text[NP__JSON_NUMBER_MAX];

    if (!enter(printer, 1)) {
        return;
    }
    put(printer, "[");
    for (size_t i = 0; i < len; i++) {
        np__json_number_print(NP_KIND_I8, (np_u128){data[i], 0}, text);
        put(printer, i > 0 ? "," : "");
        put(printer, text);
    }
    put(printer, "]");
    printer->depth--;
}

/* The payload is there as a whole, so a value that is not is cut off, which the parser will say. */
static void take_chunk(np_json_printer *printer, const np_event *event)
{
    const np_type *type = printer->due;

    if (!event->last || event->len != event->count) {
        return;
    }
    if (type->kind == NP_KIND_STR) {
        np__json_buffer_string(printer->out, (np_str){(const char *)event->data, event->len});
    } else if (type->kind == NP_KIND_ARRAY && type->item->kind == NP_KIND_I8) {
        put_signed_bytes(printer, event->data, event->len);
    } else {
        np__json_buffer_base64(printer->out, event->data, event->len);
    }
    printer->state = STATE_DONE;
}

static void take_option(np_json_printer *printer, const np_event *event)
{
    const np_type *type = printer->due;

    if (event->count == 0) {
        put(printer, "null");
        printer->state = STATE_DONE;
        return;
    }
    if (np__json_option_wraps(type)) {
        if (push(printer, FRAME_SOME, 1) == NULL) {
            return;
        }
        put(printer, "{\"some\":");
    }
    want(printer, type->item);
}

/* Whether an event may come now: it is about what is due. */
static bool is_due(const np_json_printer *printer, const np_event *event)
{
    np_kind kind = printer->due != NULL ? printer->due->kind : NP_KIND_UNIT;
    bool container = kind == NP_KIND_LIST || kind == NP_KIND_MAP || kind == NP_KIND_ARRAY;

    if (event->kind == NP_EVENT_MESSAGE) {
        return printer->state == STATE_START;
    }
    if (event->kind == NP_EVENT_CLOSE) {
        return printer->state == STATE_CLOSE;
    }
    if (printer->state != STATE_DUE) {
        return false;
    }
    switch (event->kind) {
    case NP_EVENT_CHUNK:
        return kind == NP_KIND_STR || kind == NP_KIND_BYTES || kind == NP_KIND_ARRAY;
    case NP_EVENT_OPEN:
        return container;
    case NP_EVENT_OPTION:
        return kind == NP_KIND_OPTION;
    case NP_EVENT_VARIANT:
        return kind == NP_KIND_ENUM;
    default:
        return !container && kind != NP_KIND_OPTION && kind != NP_KIND_STR && kind != NP_KIND_BYTES;
    }
}

static void take(np_json_printer *printer, const np_event *event)
{
    switch (event->kind) {
    case NP_EVENT_MESSAGE:
        take_message(printer, event);
        break;
    case NP_EVENT_VALUE:
        take_value(printer, event);
        break;
    case NP_EVENT_CHUNK:
        take_chunk(printer, event);
        break;
    case NP_EVENT_OPEN:
        open_container(printer, printer->due, event->count);
        break;
    case NP_EVENT_CLOSE:
        close_container(printer);
        break;
    case NP_EVENT_OPTION:
        take_option(printer, event);
        break;
    case NP_EVENT_VARIANT:
        open_variant(printer, event->variant);
        break;
    }
}

np_err np__json_printer_take(np_json_printer *printer, const np_event *event)
{
    if (!is_due(printer, event)) {
        fail(printer, NP_ERR_STATE);
    } else {
        take(printer, event);
    }
    /* On to the next thing that has bytes of its own. */
    while (printer->err == NP_OK && printer->out->err == NP_OK) {
        if (printer->state == STATE_DONE) {
            go_on(printer);
        } else if (printer->state == STATE_DUE && printer->due->kind == NP_KIND_STRUCT) {
            open_struct(printer, printer->due);
        } else {
            break;
        }
    }
    fail(printer, printer->out->err);
    return printer->err;
}

void np__json_printer_path(const np_json_printer *printer, char *text, size_t cap)
{
    np_json_path path = np__json_path_start(text, cap);

    for (size_t i = 0; i < printer->frame_count; i++) {
        const np_json_frame *frame = &printer->frames[i];
        switch (frame->kind) {
        case FRAME_MESSAGE:
            np__json_path_name(&path, np__json_message_name(frame->message));
            break;
        case FRAME_FIELDS:
            if (frame->variant != NULL) {
                np__json_path_name(&path, frame->variant->name);
            }
            if (frame->at < frame->field_count && frame->tuple) {
                np__json_path_index(&path, frame->at);
            } else if (frame->at < frame->field_count) {
                np__json_path_name(&path, frame->fields[frame->at].name);
            }
            break;
        case FRAME_ITEMS:
            np__json_path_index(&path, frame->index);
            break;
        case FRAME_PAIRS:
            np__json_path_index(&path, frame->index);
            np__json_path_index(&path, frame->value ? 1 : 0);
            break;
        case FRAME_SOME:
            np__json_path_name(&path, "some");
            break;
        }
    }
}
