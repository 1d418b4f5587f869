/* json_private.h - what the files of the JSON library share.
 *
 *   json.c     life, and the way of a text in and out
 *   print.c    events of the parser -> text
 *   build.c    jansson's tree -> wire bytes
 *   scan.c     what a text would cost, before jansson reads it
 *   load.c     text -> jansson's tree, whose numbers are places in the text
 *   buffer.c   bytes that grow up to a bound; JSON's strings
 *   number.c   numbers to and from text
 *   base64.c
 *   path.c     where in the JSON
 */
#ifndef NP_JSON_PRIVATE_H
#define NP_JSON_PRIVATE_H

#include <netproto/json.h>
#include <netproto/parser.h>

#include <jansson.h>

/* Bytes that grow. An append that fails sets err, and later ones do nothing. */
typedef struct np_json_buffer {
    uint8_t *data;
    size_t len, cap;
    size_t max;
    np_err err; /* NP_OK, NP_ERR_LIMIT or NP_ERR_MEMORY; sticky until the next start */
} np_json_buffer;

void np__json_buffer_start(np_json_buffer *buffer, size_t max);
void np__json_buffer_free(np_json_buffer *buffer);

/* Room for len more bytes at data + len; NULL if there is none. Counts them as written. */
uint8_t *np__json_buffer_take(np_json_buffer *buffer, size_t len);
void np__json_buffer_add(np_json_buffer *buffer, const void *data, size_t len);
void np__json_buffer_text(np_json_buffer *buffer, const char *text);

/* UTF-8 that has been checked, as a JSON string with its quotes. */
void np__json_buffer_string(np_json_buffer *buffer, np_str text);

/* As base64 with its quotes. */
void np__json_buffer_base64(np_json_buffer *buffer, const uint8_t *data, size_t len);

/* Bytes that a base64 text stands for by its length and padding. */
size_t np__json_base64_len(np_str text);

/* Decodes into np__json_base64_len(text) bytes. Strict: false for anything but the one spelling
 * that those bytes have. */
bool np__json_base64_decode(np_str text, uint8_t *out);

/* Room for every number below, with its NUL. */
#define NP__JSON_NUMBER_MAX 48

/* A scalar of fixed width as JSON writes it, quotes included; `bits` as on the wire. */
void np__json_number_print(np_kind kind, np_u128 bits, char text[NP__JSON_NUMBER_MAX]);

/* Whether an integer kind is signed; how many bits it has. */
bool np__json_kind_signed(np_kind kind);
unsigned np__json_kind_bits(np_kind kind);

/* Reads a decimal integer: [-] digits, without leading zeros, "+" or "-0". NP_OK with *bits as
 * two's complement, NP_ERR_RANGE if the kind cannot hold it, NP_ERR_JSON if it is no integer. */
np_err np__json_integer_read(np_kind kind, np_str text, np_u128 *bits);

/* Reads a number of JSON as the bits of a float kind: rounded once, to the nearest, ties to even.
 * NP_ERR_RANGE if that is beyond the greatest one. -0 keeps its sign. */
np_err np__json_float_read(np_kind kind, np_str text, np_u128 *bits);

/* "NaN", "Infinity" or "-Infinity" as the bits of a float kind. */
bool np__json_float_named(np_kind kind, np_str text, np_u128 *bits);

/* Judges a text before jansson spends memory on it. NP_OK, NP_ERR_LIMIT or NP_ERR_DEPTH, with the
 * position in *error. */
np_err np__json_scan(const np_json_options *options, np_str text, np_json_error *error);

/* From here on, in this thread: whether jansson asks for memory in vain. */
void np__json_memory_watch(void);
bool np__json_memory_failed(void);

/* The end of the string whose opening quote is at `at`: its closing quote, or the text's end. */
size_t np__json_string_end(np_str text, size_t at);

/* Reads a text into jansson's tree. Each number in it stands for its place in the text instead of
 * its value (np__json_number_text): jansson keeps neither the sign of -0 nor more than a double or
 * 64 bits have. NULL with *why if it is no JSON, or memory runs out. */
json_t *np__json_load(np_str text, json_error_t *why);

/* The text of a number of such a tree. */
np_str np__json_number_text(np_str text, const json_t *number);

/* Where in a text a byte is. */
void np__json_locate(np_str text, size_t position, np_json_error *error);

/* A way into the JSON, from its end to its start: each value knows what it stands in. */
typedef struct np_json_place {
    const struct np_json_place *up; /* NULL at the start */
    const char *name;               /* member; NULL: an item */
    uint64_t index;                 /* of an item */
} np_json_place;

/* Puts a path together piece by piece, cut where it is too long. */
typedef struct np_json_path {
    char *text;
    size_t len, cap;
    bool cut;
} np_json_path;

np_json_path np__json_path_start(char *text, size_t cap);
void np__json_path_name(np_json_path *path, const char *name);
void np__json_path_index(np_json_path *path, uint64_t index);
void np__json_path_of(const np_json_place *place, char *text, size_t cap);

/* "Say" of "chat.Say". */
const char *np__json_message_name(const np_message *message);

/* Whether an option's value is wrapped as {"some": ...}. */
static inline bool np__json_option_wraps(const np_type *option)
{
    return option->item->kind == NP_KIND_OPTION;
}

/* The first field from `from` on that the version has; count if there is none. */
size_t np__json_field_next(const np_field *fields, size_t count, size_t from, uint32_t version);

/* Fills in error->text from the rest of it. detail: what more there is to say, or NULL; it need not
 * be printable. */
void np__json_error_say(np_json_error *error, const char *detail);

/* One open thing of the printer. */
typedef struct np_json_frame np_json_frame;

/* The way out: the parser's events drive a walk over the descriptors. */
typedef struct np_json_printer {
    np_json_buffer *out;
    const np_json_options *options;
    uint32_t version;
    np_json_frame *frames; /* kept from call to call */
    size_t frame_count, frame_cap;
    uint32_t depth; /* arrays and objects that are open */
    int state;
    const np_type *due; /* what the next event must be about */
    np_err err;         /* sticky */
} np_json_printer;

void np__json_printer_start(np_json_printer *printer, np_json_buffer *out,
                            const np_json_options *options, uint32_t version);
void np__json_printer_free(np_json_printer *printer);

/* Takes one event. NP_OK, NP_ERR_LIMIT, NP_ERR_DEPTH, NP_ERR_MEMORY, or NP_ERR_STATE if machine and
 * descriptors do not belong together. */
np_err np__json_printer_take(np_json_printer *printer, const np_event *event);

/* The path of the value that is due. */
void np__json_printer_path(const np_json_printer *printer, char *text, size_t cap);

/* The way in. */
typedef struct np_json_builder {
    np_json_buffer *out;
    const np_protocol *protocol;
    np_str text; /* what the tree was read from */
    uint32_t version;
    np_json_what what;
    const np_message *message; /* set once it is known */
    np_json_error *error;      /* filled in on failure; never NULL */
    const char *detail;        /* more about a failure: a member's name; of the tree, or NULL */
    char members[160];         /* what detail may point to instead */
    bool seek;                 /* only look where the byte `seek_to` comes from: error->path */
    bool found;
    uint64_t seek_to;
} np_json_builder;

/* Builds the payload of a tree. message: NULL if the tree tells it. Errors: NP_ERR_JSON and its
 * like with *error filled in but for its text; NP_ERR_LIMIT if out is full. */
np_err np__json_build(np_json_builder *builder, const np_message *message, json_t *tree);

#endif
