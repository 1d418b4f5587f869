/* netproto/schema.h - descriptors: what a schema says, as constant tables.
 *
 * Generated code defines one np_protocol per schema. The incremental parser takes its checks from
 * these tables, JSON in and out works by them (netproto/json.h), and the tool speaks any protocol
 * whose descriptors it can load. Everything is constant and lives as long as the code.
 *
 * Threads: constant data.
 */
#ifndef NETPROTO_SCHEMA_H
#define NETPROTO_SCHEMA_H

#include <netproto/codec.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum np_kind {
    NP_KIND_U8,
    NP_KIND_U16,
    NP_KIND_U32,
    NP_KIND_U64,
    NP_KIND_U128,
    NP_KIND_I8,
    NP_KIND_I16,
    NP_KIND_I32,
    NP_KIND_I64,
    NP_KIND_I128,
    NP_KIND_F32,
    NP_KIND_F64,
    NP_KIND_BOOL,
    NP_KIND_CHAR,
    NP_KIND_STR,
    NP_KIND_BYTES,
    NP_KIND_UNIT,
    NP_KIND_ARRAY,
    NP_KIND_LIST,
    NP_KIND_MAP,
    NP_KIND_OPTION,
    NP_KIND_STRUCT, /* also tuples, whose fields are named "0", "1", ... */
    NP_KIND_ENUM
} np_kind;

typedef struct np_type np_type;
typedef struct np_field np_field;

/* A bound of a range; which member counts follows from the kind (u: unsigned and char). */
typedef union np_bound {
    np_u128 u;
    np_i128 i;
    double f;
} np_bound;

typedef struct np_range {
    np_bound lo, hi; /* both inclusive */
} np_range;

/* A field of a struct, message, tuple or variant. */
struct np_field {
    const char *name;  /* as in the schema */
    const char *where; /* "chat.Say.text" */
    const np_type *type;
    uint32_t since;          /* protocol version it came with */
    const np_bytes *missing; /* its default's bytes on the wire; NULL: it was always there */
};

/* A value for np_field.missing, of the bytes given; for generated C (C++ has no such literals). */
#define NP_DEFAULT(...)                                                                            \
    (&(const np_bytes){(const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__})})

/* One variant of an enum. */
typedef struct np_variant {
    const char *name;
    uint32_t index; /* on the wire */
    uint32_t since;
    const np_field *fields;
    size_t field_count;
} np_variant;

/* A type with its bounds. Members that mean nothing for a kind are zero. */
struct np_type {
    np_kind kind;
    bool nonul;            /* STR: no NUL inside */
    bool finite;           /* F32, F64: neither NaN nor infinite */
    const char *name;      /* STRUCT, ENUM: "chat.Person"; NULL for tuples */
    const char *rule;      /* the bounds in the schema's words, or NULL */
    const np_range *range; /* scalars: or NULL */
    size_t min, max;       /* STR, BYTES: bytes; LIST, MAP: items; ARRAY: both the count */
    const np_type *key;    /* MAP */
    const np_type *item;   /* ARRAY, LIST, OPTION; MAP: the value */
    const np_field *fields;
    size_t field_count; /* STRUCT */
    const np_variant *variants;
    size_t variant_count; /* ENUM: in ascending order of index */
    uint32_t depth;       /* recursive STRUCT, ENUM: levels allowed; else 0 */
    uint32_t max_len;     /* recursive STRUCT, ENUM: greatest size of one outermost value */
};

/* The descriptors of types without bounds, shared by all protocols. */
NP_API extern const np_type np_type_u8, np_type_u16, np_type_u32, np_type_u64, np_type_u128;
NP_API extern const np_type np_type_i8, np_type_i16, np_type_i32, np_type_i64, np_type_i128;
NP_API extern const np_type np_type_f32, np_type_f64, np_type_bool, np_type_char, np_type_unit;

/* Finds a variant by its index; NULL if there is none at that version. */
NP_API const np_variant *np_type_variant(const np_type *type, uint64_t index, uint32_t version);

/* Whether no variant of an enum carries data. */
NP_API bool np_type_is_plain_enum(const np_type *type);

typedef struct np_arena np_arena;

typedef enum np_message_kind {
    NP_MESSAGE_PLAIN,
    NP_MESSAGE_REQUEST,
    NP_MESSAGE_STREAM /* the last field is a body that travels in chunks */
} np_message_kind;

/* The codec of one message body or reply, without the id; what the typed functions are made of. */
typedef struct np_codec {
    np_err (*measure)(np_meter *m, const void *value);
    uint8_t *(*put)(uint8_t *p, const void *value, uint32_t version);
    np_err (*read)(np_reader *r, void *value); /* writes every member; see schema/README.md */
    size_t c_size;                             /* sizeof the C struct */
} np_codec;

/* One message or request. */
typedef struct np_message {
    uint32_t id;
    np_message_kind kind;
    uint32_t since;
    bool secret;         /* never compressed */
    const char *name;    /* "chat.Say" */
    const np_type *type; /* its fields, as a STRUCT */
    const np_codec *codec;
    size_t max_len;       /* greatest encoded size, id included */
    const np_type *reply; /* REQUEST: its answer's type; else NULL */
    const np_codec *reply_codec;
    size_t reply_max_len; /* id included */
    uint32_t timeout_ms;  /* REQUEST: default deadline; 0 for the runtime's default */
} np_message;

/* One state of a conversation. */
typedef struct np_conversation_state {
    const char *name;
    uint32_t within_ms; /* how long it may last; 0: for ever */
    bool final;         /* nothing of the protocol's own may be said any more */
} np_conversation_state;

/* Where a conversation can be: in a state, while requests that lead to others wait for their
 * answers. Entering or ending the waiting alone stays in the state, and its time goes on. */
typedef struct np_conversation_place {
    uint32_t state; /* position in `states` */
    /* The request of the client's [0] and of the server's [1] that waits, as its position in the
     * protocol's messages, + 1; 0: none does. */
    uint32_t waiting[2];
    /* What to say about a message that may not come from the client [0] or the server [1]: "from
     * the client in state greet; allowed: Join", and where its own request waits, "from the client
     * in state greet until Join is answered; allowed: nothing". At most NP_CONVERSATION_REFUSAL_MAX
     * bytes. */
    const char *refusal[2];
} np_conversation_place;

#define NP_CONVERSATION_REFUSAL_MAX 140

/* Who may say what, and when: a machine over tokens. A place in it is one int, whose upper part is
 * a position in `places`. */
#define NP_CONVERSATION_SHIFT 16
#define NP_CONVERSATION_MASK 0xFFFF

typedef struct np_conversation {
    const char *name; /* "chat.session" */
    int start;
    /* Moves *place on; false, and *place stays, if the token is not allowed there. */
    bool (*step)(int *place, int token);
    const np_conversation_state *states;
    size_t state_count;
    const np_conversation_place *places;
} np_conversation;

/* What becomes of a message. Only a request that leads to another state anywhere has the last two,
 * and those are said by the side that answers. */
typedef enum np_conversation_letter {
    NP_CONVERSATION_SAID,
    NP_CONVERSATION_ANSWERED,
    NP_CONVERSATION_REFUSED
} np_conversation_letter;

/* The token of a letter: `position` is that of the message in its protocol's, those of the base
 * protocol counted on behind the protocol's own; by_server tells who says the letter. */
static inline int np_conversation_token(size_t position, np_conversation_letter letter,
                                        bool by_server)
{
    return 2 * (3 * (int)position + (int)letter) + (by_server ? 1 : 0);
}

static inline const np_conversation_place *
np_conversation_place_at(const np_conversation *conversation, int place)
{
    return &conversation->places[place >> NP_CONVERSATION_SHIFT];
}

static inline const np_conversation_state *
np_conversation_state_at(const np_conversation *conversation, int place)
{
    return &conversation->states[np_conversation_place_at(conversation, place)->state];
}

typedef struct np_parser np_parser;

/* States of the incremental parser's machine. */
typedef enum np_parser_state {
    NP_PARSER_MESSAGE, /* where messages start */
    NP_PARSER_REPLY,   /* where answers of requests start */
    NP_PARSER_FINAL    /* the first final one; those above it are final too */
} np_parser_state;

/* A whole schema. */
typedef struct np_protocol {
    const char *name;
    uint32_t version;     /* the newest */
    uint32_t min_version; /* the oldest that is still spoken; at least 1 */
    /* SHA-256 of what the schema means at each version from min_version to version, in order. Peers
     * compare that of the version they choose; 'npgen digest' prints it, and from what. */
    const uint8_t (*digests)[32];
    const np_message *messages;
    size_t message_count; /* in ascending order of id; the protocol's own only, not base's */
    const np_conversation *conversations;
    size_t conversation_count;
    /* The incremental parser's machine; see parser.h. */
    void (*parser_step)(np_parser *parser, int token);
    int (*parser_state)(np_parser_state state);
    uint32_t parser_levels; /* containers open at once, at most */
    uint32_t parser_calls;  /* machines called at once, at most */
    uint32_t parser_keys;   /* bytes of map keys to remember at once, at most */
} np_protocol;

/* Copies a value with all it points to into an arena (arena.h), at the given version. What X_copy
 * calls. Errors: those of encoding the value, NP_ERR_LIMIT and NP_ERR_MEMORY of the arena. */
NP_API NP_MUST_CHECK np_err np_codec_copy(const np_codec *codec, void *out, const void *value,
                                          uint32_t version, np_arena *arena);

/* Decodes the answer to a request: the request's id, then the struct of its reply. `out` is the C
 * struct; its strings, bytes and lists point into data. Errors as X_decode; NP_ERR_ARG if the
 * message is no request. */
NP_API NP_MUST_CHECK np_err np_message_decode_reply(const np_message *message, void *out,
                                                    uint32_t version, const uint8_t *data,
                                                    size_t len, np_fault *fault);

/* Decodes what stands before the body of a `stream` message: its id, the fields, and the body's u64
 * length, as np_incoming brings them when a body begins. `out` is the C struct; its body is left
 * empty, the rest points into data. Errors as X_decode; NP_ERR_ARG if the message is no `stream`
 * one. */
NP_API NP_MUST_CHECK np_err np_message_decode_head(const np_message *message, void *out,
                                                   uint32_t version, const uint8_t *data,
                                                   size_t len, np_fault *fault);

/* Finds a message by id, or by name with or without the protocol's ("Say", "chat.Say"). */
NP_API const np_message *np_protocol_message(const np_protocol *protocol, uint32_t id);
NP_API const np_message *np_protocol_message_named(const np_protocol *protocol, const char *name);

#ifdef __cplusplus
}
#endif

#endif
