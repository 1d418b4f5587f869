/* parser_private.h - what the two halves of the incremental parser share: parser.c drives,
 * parser_values.c judges. */
#ifndef NP_CORE_PARSER_PRIVATE_H
#define NP_CORE_PARSER_PRIVATE_H

#include <netproto/parser.h>

/* What the parser waits for. The ones from DUE_MORE on need no input. */
typedef enum np_due {
    DUE_ID,
    DUE_FIXED, /* `need` bytes */
    DUE_CHAR,
    DUE_TEXT, /* text_left bytes of the current value */
    DUE_MORE,
    DUE_VALUE, /* a unit: nothing to gather */
    DUE_SINCE,
    DUE_ARRAY,
    DUE_CALL,
    DUE_RETURN,
    DUE_BACK,
    DUE_NOTHING
} np_due;

/* One open list, map or array. */
typedef struct np_level {
    uint64_t left;
    const np_type *type;
    const char *where;
    uint32_t key_at; /* where its last key stands in keys */
    uint32_t key_len;
    bool has_key;
} np_level;

/* One type that is being read and is a machine of its own. */
typedef struct np_open_call {
    const np_type *type;
    uint64_t begin;
    uint32_t outer_depth;
    np_call_kind kind;
} np_open_call;

struct np_parser {
    np_parser_machine machine; /* first: see np_parser_machine_of */
    const np_protocol *protocol;
    const np_message *message;
    uint32_t version;
    bool reply;
    bool done;
    bool is_key; /* the value that is due is a map's key */
    np_due due;
    const np_type *type; /* of what is due */
    const char *where;
    uint64_t offset; /* bytes taken */
    uint64_t begin;  /* offset of the value that is due */
    uint8_t bytes[16];
    uint32_t have, need;
    uint64_t text_left, text_len;
    np_text_scan scan;
    uint32_t since;
    np_call_kind call_kind;
    uint32_t depth;
    uint32_t level_count, call_count;
    uint32_t key_used;  /* bytes of keys that belong to open maps */
    uint32_t key_taken; /* bytes of the key that is coming in */
    int key_order;      /* how they compare with the last key so far: -1, 0, 1 */
    np_level *levels;
    np_open_call *calls;
    uint8_t *keys;
    np_fault fault;
};

/* Bytes of a scalar, or of the prefix that a value begins with. */
uint32_t np__parser_width(np_kind kind);

/* Records a fault in the field that is due; false, so that checks can return it. */
bool np__parser_refuse(np_parser *parser, np_err err, const char *rule, uint64_t offset,
                       np_got kind, uint64_t got);

/* Checks of what has been gathered; false if refused. */
bool np__parser_check_scalar(np_parser *parser, np_u128 bits);
bool np__parser_check_length(np_parser *parser, uint64_t len);

/* Open containers, and the order of a map's keys. Opening fails with NP_ERR_STATE if the protocol
 * left no room for it, which a generated one never does. */
bool np__parser_open(np_parser *parser, uint64_t count);
void np__parser_close(np_parser *parser);
void np__parser_take_key(np_parser *parser, const uint8_t *data, size_t len);
bool np__parser_end_key(np_parser *parser);
bool np__parser_scalar_key(np_parser *parser, np_u128 bits);

#endif
