/* scan.c - what a text would cost, before jansson spends memory on it.
 *
 * A text of a few bytes per value becomes a tree of some hundred bytes per value. One pass that
 * only tells strings from the rest counts what opens and what is separated; whether it is JSON at
 * all is for jansson to say.
 */
#include "json_private.h"

/* Upper bounds of what jansson takes per array or object (its table included), and per other value,
 * with its place in the parent. */
#define CONTAINER_COST 320u
#define VALUE_COST 160u

void np__json_locate(np_str text, size_t position, np_json_error *error)
{
    size_t start = 0;

    error->line = 1;
    error->position = position;
    for (size_t i = 0; i < position && i < text.len; i++) {
        if (text.data[i] == '\n') {
            error->line++;
            start = i + 1;
        }
    }
    error->column = position - start + 1;
}

static np_err refuse(np_json_error *error, np_str text, size_t position, np_err err,
                     const char *rule)
{
    np__json_locate(text, position, error);
    error->fault = (np_fault){err, NP_GOT_NOTHING, NULL, rule, 0, 0};
    return err;
}

size_t np__json_string_end(np_str text, size_t at)
{
    for (at++; at < text.len && text.data[at] != '"'; at++) {
        at += text.data[at] == '\\' ? 1 : 0;
    }
    return at;
}

np_err np__json_scan(const np_json_options *options, np_str text, np_json_error *error)
{
    size_t cost = 0;
    uint32_t depth = 0;

    if (text.len > options->text_max) {
        return refuse(error, text, 0, NP_ERR_LIMIT, "text_max of the JSON options");
    }
    if (text.len > options->memory_max / 3) { /* keys, values, and jansson's copy of a token */
        return refuse(error, text, 0, NP_ERR_LIMIT, "memory_max of the JSON options");
    }
    cost = 3 * text.len;
    for (size_t at = 0; at < text.len; at++) {
        switch (text.data[at]) {
        case '"':
            at = np__json_string_end(text, at);
            break;
        case '[':
        case '{':
            cost += CONTAINER_COST;
            if (++depth > options->depth_max) {
                return refuse(error, text, at, NP_ERR_DEPTH, "depth_max of the JSON options");
            }
            break;
        case ']':
        case '}':
            depth -= depth > 0 ? 1 : 0;
            break;
        case ',':
        case ':':
            cost += VALUE_COST;
            break;
        default:
            break;
        }
        if (cost > options->memory_max) {
            return refuse(error, text, at, NP_ERR_LIMIT, "memory_max of the JSON options");
        }
    }
    return NP_OK;
}
