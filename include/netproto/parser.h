/* netproto/parser.h - the incremental parser: payloads that arrive in pieces.
 *
 * Whole payloads take the contiguous decoder (X_decode). This parser is for those who have only
 * pieces: it is fed bytes, of any number at a time, and hands out events as values complete. It
 * needs no more memory than what its protocol's nesting demands, whatever the input says.
 *
 * It gives the same verdict as the contiguous decoder, with the same error, field and offset, for
 * every input and every way to cut it.
 *
 * How it is made: a generated Ragel machine knows the order of things (its alphabet is np_token: a
 * value is complete, a list has another item, a list ends, ...); this runtime gathers the bytes of
 * one value at a time, checks it by its descriptor, and feeds the machine. Variable-size bytes are
 * never grammar: strings and bytes are handed out as chunks, where they lie in the input.
 *
 * Ownership: np_parser_new allocates once; nothing is allocated later. Chunks in events point into
 * the data passed in and are valid until it is. Threads: one thread at a time per parser.
 */
#ifndef NETPROTO_PARSER_H
#define NETPROTO_PARSER_H

#include <netproto/schema.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum np_event_kind {
    NP_EVENT_MESSAGE, /* message is set: which one it is */
    NP_EVENT_VALUE,   /* a scalar or unit is complete: bits */
    NP_EVENT_CHUNK,   /* bytes of a string, bytes or u8[n]; at least one per value, last is set */
    NP_EVENT_OPEN,    /* a list, map or array begins: count */
    NP_EVENT_CLOSE,   /* it ends */
    NP_EVENT_OPTION,  /* an option: count is 0 or 1 */
    NP_EVENT_VARIANT  /* an enum that carries data: variant is set */
} np_event_kind;

typedef struct np_event {
    np_event_kind kind;
    const char *where; /* "chat.Person.tags[]" */
    const np_type *type;
    uint64_t offset; /* of the value's first byte, from the start of the payload */
    const np_message *message;
    const np_variant *variant;
    np_u128 bits;        /* VALUE: as on the wire, zero-extended; chars as code points */
    uint64_t count;      /* OPEN: items; OPTION: 0 or 1; CHUNK: bytes of the whole value */
    const uint8_t *data; /* CHUNK */
    size_t len;
    bool last; /* CHUNK: the value is complete */
} np_event;

typedef enum np_parse {
    NP_PARSE_MORE,  /* all input is taken; more is needed */
    NP_PARSE_EVENT, /* *event is filled in; call again */
    NP_PARSE_DONE,  /* the payload is complete */
    NP_PARSE_BAD    /* refused; np_parser_fault tells why. Sticky */
} np_parse;

/* A parser for the messages of a protocol, or, with `reply`, for the answers of its requests.
 * Returns NULL if memory is out. */
NP_API np_parser *np_parser_new(const np_protocol *protocol, uint32_t version, bool reply);

/* NULL is fine. */
NP_API void np_parser_free(np_parser *parser);

/* Makes a parser ready for the next payload. */
NP_API void np_parser_reset(np_parser *parser, uint32_t version, bool reply);

/* Takes bytes from the front of *data, moving *data and *len on, until there is something to tell.
 * Input behind the end of a payload (NP_PARSE_DONE) is refused as NP_ERR_TRAILING. */
NP_API np_parse np_parser_next(np_parser *parser, const uint8_t **data, size_t *len,
                               np_event *event);

/* Says that no more input comes. NP_OK if the payload was complete; else the error, with fault (may
 * be NULL) filled in: NP_ERR_TRUNCATED at the end of the input, or what was refused before. */
NP_API NP_MUST_CHECK np_err np_parser_end(np_parser *parser, np_fault *fault);

/* What was refused; valid after NP_PARSE_BAD. */
NP_API const np_fault *np_parser_fault(const np_parser *parser);

/* Bytes taken so far. */
NP_API uint64_t np_parser_offset(const np_parser *parser);

/* For generated machines only ----------------------------------------------------------------- */

/* The alphabet of the generated machines. */
typedef enum np_token {
    NP_TOKEN_VALUE = 1,  /* a value is complete */
    NP_TOKEN_OPEN,       /* a container's count is known */
    NP_TOKEN_ITEM,       /* it has another item */
    NP_TOKEN_END,        /* it has none */
    NP_TOKEN_NONE,       /* an option is empty, or a field is newer than the version */
    NP_TOKEN_SOME,       /* an option has a value, or the version has the field */
    NP_TOKEN_CALL,       /* a type begins that is a machine of its own */
    NP_TOKEN_RETURN,     /* its value is complete */
    NP_TOKEN_BACK,       /* behind it, in the calling state */
    NP_TOKEN_CHOICE = 16 /* + position of the variant in its enum, or message in its protocol */
} np_token;

/* What the machine shares with the runtime; the first member of a parser. */
typedef struct np_parser_machine {
    int cs;
    int top;
    int *stack;
} np_parser_machine;

/* The parser begins with it, so that Ragel's `access` finds its variables. */
static inline np_parser_machine *np_parser_machine_of(np_parser *parser)
{
    return (np_parser_machine *)(void *)parser;
}

/* Called from to-state actions: what comes next. */
NP_API void np_parser_due(np_parser *parser, const np_type *type, const char *where);
NP_API void np_parser_due_key(np_parser *parser, const np_type *type, const char *where);
NP_API void np_parser_due_more(np_parser *parser);
NP_API void np_parser_due_since(np_parser *parser, uint32_t version);

/* A type begins that is a machine of its own: the outermost value of a recursion; one within a
 * container of its own recursion (a level deeper); one that changes no depth, as it is held by
 * value or is no recursion but large and shared. */
typedef enum np_call_kind { NP_CALL_WHOLE, NP_CALL_DEEPER, NP_CALL_INSIDE } np_call_kind;
NP_API void np_parser_due_call(np_parser *parser, const np_type *type, np_call_kind kind);
NP_API void np_parser_due_return(np_parser *parser);

#ifdef __cplusplus
}
#endif

#endif
