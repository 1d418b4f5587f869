/* parser_head.c - see parser_head.h. */
#include "core/parser_head.h"

#include <string.h>

#include "core/parser_private.h"

/* Whether `where` names the body of the message that is being read. */
static bool is_body(const np_parser *parser, const char *where)
{
    const np_type *type = parser->message->type;

    return strcmp(where, type->fields[type->field_count - 1].where) == 0;
}

np_parse np__parser_head(np_parser *parser, const uint8_t *data, size_t len, size_t *taken,
                         uint64_t *total)
{
    uint64_t begin = np_parser_offset(parser);
    np_parse result = NP_PARSE_MORE;
    np_event event;

    *taken = len;
    do {
        result = np_parser_next(parser, &data, &len, &event);
        if (result == NP_PARSE_EVENT && event.kind == NP_EVENT_CHUNK &&
            is_body(parser, event.where)) {
            /* The event's offset is that of the length, whose eight bytes end the head. What was
             * taken of the body itself is looked at again by who counts it. */
            *taken = (size_t)(event.offset + 8 - begin);
            *total = event.count;
            return NP_PARSE_DONE;
        }
    } while (result == NP_PARSE_EVENT);
    if (result == NP_PARSE_MORE && parser->due == DUE_TEXT && is_body(parser, parser->where)) {
        *total = parser->text_len; /* the input ends exactly where the body begins */
        return NP_PARSE_DONE;
    }
    return result;
}
