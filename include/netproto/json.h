/* netproto/json.h - payloads as JSON and back, through the descriptors of their protocol.
 *
 * Works for every protocol that has descriptors, also one that was loaded at run time. JSON goes
 * out by running the incremental parser over the payload, and comes in by building wire bytes that
 * the same parser then judges: there is one place where a schema's rules are checked.
 *
 *     np_json *json = NULL;
 *     err = np_json_new(&json, &chat_protocol, NULL);
 *     if (err == NP_OK) {
 *         err = np_json_print(json, 2, NP_JSON_MESSAGE, packet, len, &text, &error);
 *         // text: {"Say":{"text":"hi","name":"bob","at":null,"mood":0}}
 *     }
 *     if (err == NP_OK) {
 *         err = np_json_parse(json, 2, NP_JSON_MESSAGE, text, &payload, &error);
 *         // payload: what packet holds
 *     }
 *     np_json_free(json);
 *
 * How values look in JSON (docs/json.md has examples):
 *
 *   u8..u32, i8..i32    integer
 *   u64, u128, ...      decimal string; in: also an integer. -0 is no integer
 *   f32, f64            number, the shortest that reads back the same (9 or 17 digits at most); in:
 *                       rounded once, to the nearest; -0 keeps its sign.
 *                       "NaN", "Infinity", "-Infinity". The bits of a NaN are not kept
 *   bool                true, false
 *   char, string        string
 *   bytes, u8[n]        base64 (RFC 4648, section 4), padded; in: nothing else is taken
 *   ()                  []
 *   T[n], list<T>       array; i8[n] and u8[n] with a range too
 *   map<K,V>            array of [key, value], in the order of the wire (keys strictly ascend)
 *   tuple               array
 *   struct              object; every field is there, but for those that the version does not have
 *   option<T>           null, or the value. Where T is an option itself: null, or {"some": value},
 *                       so that null and {"some": null} tell None and Some(None) apart
 *   enum                the variant's name; with fields: {"variant": {fields}}
 *   message             {"Say": {fields}}; the answer of a request: {"Find": answer}
 *
 * In: members in any order; unknown and duplicate members are refused, and members that the version
 * does not have; options may be left out, which means null. A message or variant without fields may
 * be given as its name.
 *
 * Printing what was parsed gives the same text but for spelling; parsing what was printed gives the
 * same bytes, NaNs excepted.
 *
 * Output is printable: control characters and those that turn the direction of text are escaped, so
 * that it can be shown on a terminal whoever the payload came from.
 *
 * Ownership: results are borrowed from the np_json until its next call. Memory: bounded by the
 * options, whatever the input says. jansson, which reads the JSON, takes a lack of memory for a
 * wrong text or drops a byte, so the first parse puts a function before jansson's allocator, of
 * which a process has one, that notes when it fails. A program that gives jansson functions of its
 * own (json_set_alloc_funcs) does so before. Threads: one thread at a time per np_json.
 */
#ifndef NETPROTO_JSON_H
#define NETPROTO_JSON_H

#include <netproto/schema.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct np_json np_json;

/* One budget for both directions. The defaults are in brackets. */
typedef struct np_json_options {
    size_t text_max;    /* [64 MiB] bytes of JSON, taken or made */
    size_t memory_max;  /* [256 MiB] bytes of heap for one text that is read, about */
    uint32_t depth_max; /* [256; at most 1,000] arrays and objects open at once */
} np_json_options;

NP_API np_json_options np_json_options_default(void);

/* What a payload is. */
typedef enum np_json_what {
    NP_JSON_MESSAGE, /* a message or request */
    NP_JSON_REPLY    /* the answer of a request */
} np_json_what;

/* What was refused, in every way that can be told. A value; the fault's pointers are static text,
 * or text of the protocol's descriptors. */
typedef struct np_json_error {
    np_fault fault;  /* error, field and rule. Printing: offset is the byte of the payload.
                      * Parsing: the byte it would have had on the wire */
    size_t line;     /* of malformed JSON, from 1; 0 where the JSON is well-formed */
    size_t column;   /* bytes, from 1 */
    size_t position; /* bytes from the start of the text */
    char path[192];  /* "Say.tags[3]": the JSON value; "" if there is none; "..." where it is cut */
    char text[640];  /* one printable line for people */
} np_json_error;

/* Makes a translator for a protocol, which must outlive it. options: NULL for the defaults.
 * Errors: NP_ERR_ARG (depth_max), NP_ERR_MEMORY. */
NP_API NP_MUST_CHECK np_err np_json_new(np_json **out, const np_protocol *protocol,
                                        const np_json_options *options);

/* NULL is allowed. */
NP_API void np_json_free(np_json *json);

/* Turns a payload, from its u32 id on, into one line of JSON without a line end. text->data has a
 * NUL behind it that its length does not count.
 *
 * Errors: of class PROTO where the payload is refused; NP_ERR_LIMIT, NP_ERR_DEPTH (the budget),
 * NP_ERR_MEMORY. error may be NULL. */
NP_API NP_MUST_CHECK np_err np_json_print(np_json *json, uint32_t version, np_json_what what,
                                          const void *payload, size_t len, np_str *text,
                                          np_json_error *error);

/* Turns JSON into a payload, its u32 id included: {"Say": {...}}. Options and fields with a default
 * may be left out.
 *
 * Errors: NP_ERR_JSON (not JSON, or not of the shape that the field has), NP_ERR_NEWER (a member
 * that the version does not have), NP_ERR_UNKNOWN_MESSAGE, of class PROTO where a value breaks its
 * schema; NP_ERR_LIMIT, NP_ERR_DEPTH (the budget), NP_ERR_MEMORY. error may be NULL. */
NP_API NP_MUST_CHECK np_err np_json_parse(np_json *json, uint32_t version, np_json_what what,
                                          np_str text, np_bytes *payload, np_json_error *error);

/* The same for a message that is known: {"to": "bob", ...} (or, as an answer, its value). */
NP_API NP_MUST_CHECK np_err np_json_parse_as(np_json *json, uint32_t version, np_json_what what,
                                             const np_message *message, np_str text,
                                             np_bytes *payload, np_json_error *error);

#ifdef __cplusplus
}
#endif

#endif
