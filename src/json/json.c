/* json.c - life of a translator, and the way of a text through the parts of it. */
#include "json_private.h"

#include <netproto/log.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Deeper trees would take more stack than a thread may have: jansson and build.c recurse. */
#define DEPTH_LIMIT 1000u

struct np_json {
    const np_protocol *protocol;
    np_json_options options;
    np_parser *parser;
    np_json_printer printer;
    np_json_buffer text;
    np_json_buffer payload;
};

np_json_options np_json_options_default(void)
{
    return (np_json_options){
        .text_max = (size_t)64 << 20, .memory_max = (size_t)256 << 20, .depth_max = 256};
}

np_err np_json_new(np_json **out, const np_protocol *protocol, const np_json_options *options)
{
    np_json_options chosen = options != NULL ? *options : np_json_options_default();

    *out = NULL;
    if (chosen.depth_max > DEPTH_LIMIT) {
        return NP_ERR_ARG;
    }
    np_json *json = calloc(1, sizeof *json);
    if (json == NULL) {
        return NP_ERR_MEMORY;
    }
    json->protocol = protocol;
    json->options = chosen;
    json->parser = np_parser_new(protocol, protocol->version, false);
    if (json->parser == NULL) {
        free(json);
        return NP_ERR_MEMORY;
    }
    *out = json;
    return NP_OK;
}

void np_json_free(np_json *json)
{
    if (json == NULL) {
        return;
    }
    np_parser_free(json->parser);
    np__json_printer_free(&json->printer);
    np__json_buffer_free(&json->text);
    np__json_buffer_free(&json->payload);
    free(json);
}

/* Errors --------------------------------------------------------------------------------------- */

void np__json_error_say(np_json_error *error, const char *detail)
{
    const np_fault *fault = &error->fault;
    char shown[160] = "", line[224];

    if (detail != NULL) {
        (void)np_log_escape(np_str_from(detail), false, shown, sizeof shown);
    }
    const char *comma = shown[0] != '\0' ? ": " : "";
    if (error->line > 0) {
        snprintf(error->text, sizeof error->text, "JSON line %zu, column %zu: %s%s%s", error->line,
                 error->column, fault->rule != NULL ? fault->rule : np_err_text(fault->err), comma,
                 shown);
        return;
    }
    if (fault->rule != NULL && (fault->err == NP_ERR_JSON || fault->err == NP_ERR_VARIANT ||
                                fault->err == NP_ERR_UNKNOWN_MESSAGE)) {
        snprintf(line, sizeof line, "%s: %s", fault->where != NULL ? fault->where : "JSON",
                 fault->rule);
    } else {
        np_fault_format(fault, line, sizeof line);
    }
    snprintf(error->text, sizeof error->text, "%s%s%s%s%s%s", line, comma, shown,
             error->path[0] != '\0' ? " (JSON: " : "", error->path,
             error->path[0] != '\0' ? ")" : "");
}

/* An error that has nothing to do with what the input says. */
static np_err plain_error(np_json_error *error, np_err err, const char *rule)
{
    error->fault = (np_fault){err, NP_GOT_NOTHING, NULL, rule, 0, 0};
    np__json_error_say(error, NULL);
    return err;
}

/* Out ------------------------------------------------------------------------------------------ */

/* Why the printer stopped: its budget, at the value that is due. */
static np_err printer_error(const np_json *json, np_err err, const np_event *event,
                            np_json_error *error)
{
    const char *rule = err == NP_ERR_LIMIT   ? "text_max of the JSON options"
                       : err == NP_ERR_DEPTH ? "depth_max of the JSON options"
                                             : NULL;

    error->fault = (np_fault){err, NP_GOT_NOTHING, event->where, rule, event->offset, 0};
    np__json_printer_path(&json->printer, error->path, sizeof error->path);
    np__json_error_say(error, NULL);
    return err;
}

static np_err print(np_json *json, uint32_t version, np_json_what what, const uint8_t *data,
                    size_t len, np_json_error *error)
{
    np_event event = {0};

    np_parser_reset(json->parser, version, what == NP_JSON_REPLY);
    np__json_buffer_start(&json->text, json->options.text_max);
    np__json_printer_start(&json->printer, &json->text, &json->options, version);
    while (np_parser_next(json->parser, &data, &len, &event) == NP_PARSE_EVENT) {
        np_err err = np__json_printer_take(&json->printer, &event);
        if (err != NP_OK) {
            return printer_error(json, err, &event, error);
        }
    }
    np_err err = np_parser_end(json->parser, &error->fault);
    if (err != NP_OK) {
        np__json_printer_path(&json->printer, error->path, sizeof error->path);
        np__json_error_say(error, NULL);
        return err;
    }
    json->text.max = SIZE_MAX; /* a NUL beyond the bound is no JSON */
    np__json_buffer_add(&json->text, "", 1);
    return json->text.err == NP_OK ? NP_OK : plain_error(error, json->text.err, NULL);
}

np_err np_json_print(np_json *json, uint32_t version, np_json_what what, const void *payload,
                     size_t len, np_str *text, np_json_error *error)
{
    np_json_error local = {0};
    const uint8_t *data = payload != NULL ? payload : (const uint8_t *)"";
    np_err err = print(json, version, what, data, len, &local);

    if (err == NP_OK) {
        *text = (np_str){(const char *)json->text.data, json->text.len - 1};
    } else if (error != NULL) {
        *error = local;
    }
    return err;
}

/* In ------------------------------------------------------------------------------------------- */

/* The parser's verdict on what was built; NP_OK also for the unfinished start of a payload. */
static np_err judge(np_json *json, const np_json_builder *b, bool whole, np_fault *fault)
{
    const uint8_t *data = b->out->data;
    size_t len = b->out->len;
    np_event event;
    np_parse result;

    np_parser_reset(json->parser, b->version, b->what == NP_JSON_REPLY);
    do {
        result = np_parser_next(json->parser, &data, &len, &event);
    } while (result == NP_PARSE_EVENT);
    if (result == NP_PARSE_BAD) {
        *fault = *np_parser_fault(json->parser);
        return fault->err;
    }
    return whole ? np_parser_end(json->parser, fault) : NP_OK;
}

/* A value broke its schema: finds out which one in the JSON it was. */
static void find_place(np_json_builder *b, const np_message *message, json_t *tree)
{
    np_fault fault = b->error->fault;

    b->seek = true;
    b->seek_to = fault.offset;
    np_err err = np__json_build(b, message, tree);
    (void)err; /* it ends as it did before; what counts is error->path */
    b->error->fault = fault;
    b->detail = NULL;
}

static np_err build(np_json *json, uint32_t version, np_json_what what, const np_message *message,
                    np_str text, json_t *tree, np_json_error *error)
{
    np_json_builder b = {.out = &json->payload,
                         .protocol = json->protocol,
                         .text = text,
                         .version = version,
                         .what = what,
                         .error = error};

    np__json_buffer_start(&json->payload, 0);
    np_err err = np__json_build(&b, message, tree);
    if (err == NP_ERR_MEMORY) {
        return plain_error(error, err, NULL);
    }
    if (err != NP_OK && err != NP_ERR_LIMIT) {
        np__json_error_say(error, b.detail);
        return err;
    }
    /* What is longer than the message may ever be breaks a rule in the bytes that fitted. */
    bool whole = err == NP_OK;
    err = judge(json, &b, whole, &error->fault);
    if (err == NP_OK && !whole) {
        err = NP_ERR_TOO_LONG;
        error->fault = (np_fault){err, NP_GOT_NOTHING, b.message->name, NULL, b.out->len, 0};
    }
    if (err != NP_OK) {
        find_place(&b, message, tree);
        np__json_error_say(error, NULL);
    }
    return err;
}

/* jansson's refusal. Its text quotes the input. */
static np_err syntax_error(np_str text, const json_error_t *from, np_json_error *error)
{
    size_t position = from->position > 0 ? (size_t)from->position : 0;

    if (json_error_code(from) == json_error_out_of_memory) {
        return plain_error(error, NP_ERR_MEMORY, NULL);
    }
    np__json_locate(text, position < text.len ? position : text.len, error);
    error->fault = (np_fault){NP_ERR_JSON, NP_GOT_NOTHING, NULL, NULL, 0, 0};
    np__json_error_say(error, from->text);
    return NP_ERR_JSON;
}

static np_err parse(np_json *json, uint32_t version, np_json_what what, const np_message *message,
                    np_str text, np_json_error *error)
{
    json_error_t why;
    np_err err = np__json_scan(&json->options, text, error);

    if (err != NP_OK) {
        np__json_error_say(error, NULL);
        return err;
    }
    np__json_memory_watch();
    json_t *tree = np__json_load(text, &why);
    if (np__json_memory_failed()) {
        json_decref(tree);
        return plain_error(error, NP_ERR_MEMORY, NULL);
    }
    if (tree == NULL) {
        return syntax_error(text, &why, error);
    }
    err = build(json, version, what, message, text, tree, error);
    json_decref(tree);
    return err;
}

np_err np_json_parse_as(np_json *json, uint32_t version, np_json_what what,
                        const np_message *message, np_str text, np_bytes *payload,
                        np_json_error *error)
{
    np_json_error local = {0};
    np_err err = parse(json, version, what, message, text, &local);

    if (err == NP_OK) {
        *payload = (np_bytes){json->payload.data, json->payload.len};
    } else if (error != NULL) {
        *error = local;
    }
    return err;
}

np_err np_json_parse(np_json *json, uint32_t version, np_json_what what, np_str text,
                     np_bytes *payload, np_json_error *error)
{
    return np_json_parse_as(json, version, what, NULL, text, payload, error);
}
