/* answers.c - see answers.h. */
#include "tool/answers.h"

#include <stdlib.h>
#include <string.h>

/* Longest name of a message, the protocol's included. */
#define NAME_MAX_LEN 256

static tool_exit out_of_memory(void)
{
    tool_complain("%s", np_err_text(NP_ERR_MEMORY));
    return EXIT_CODE_GENERIC;
}

/* The request in front of the '='; *json is what stands behind it. */
static tool_exit find_request(const tool_protocol *p, const char *text, const np_message **message,
                              const char **json)
{
    const char *equals = strchr(text, '=');
    char name[NAME_MAX_LEN];

    if (equals == NULL || equals == text || (size_t)(equals - text) >= sizeof name) {
        tool_complain("--answer takes REQUEST=JSON, for example 'Find={\"name\":\"bob\"}'");
        return EXIT_CODE_USAGE;
    }
    (void)snprintf(name, sizeof name, "%.*s", (int)(equals - text), text);
    *message = tool_protocol_message(p, name);
    if (*message == NULL) {
        return EXIT_CODE_JSON;
    }
    if ((*message)->kind != NP_MESSAGE_REQUEST) {
        tool_complain("--answer %s: that is a message, not a request; nothing answers it",
                      (*message)->name);
        return EXIT_CODE_JSON;
    }
    *json = equals + 1;
    return EXIT_CODE_OK;
}

/* The value is decoded once, at the newest version; each connection encodes it at its own. */
static tool_exit read_value(tool_answer *answer, const tool_protocol *p, const char *json)
{
    const np_message *message = answer->message;
    uint32_t version = p->protocol->version;
    np_bytes payload = {NULL, 0};
    np_json_error error;
    np_fault fault = {.err = NP_OK};
    np_err err = np_json_parse_as(p->json, version, NP_JSON_REPLY, message, np_str_from(json),
                                  &payload, &error);

    if (err != NP_OK) {
        tool_complain("--answer %s: %s", message->name, error.text);
        return np_err_class_of(err) == NP_CLASS_SYSTEM ? EXIT_CODE_GENERIC : EXIT_CODE_JSON;
    }
    answer->payload = malloc(payload.len);
    answer->value = calloc(1, message->reply_codec->c_size);
    if (answer->payload == NULL || answer->value == NULL) {
        return out_of_memory();
    }
    memcpy(answer->payload, payload.data, payload.len);
    err = np_message_decode_reply(message, answer->value, version, answer->payload, payload.len,
                                  &fault);
    if (err != NP_OK) {
        char line[256];
        tool_complain("--answer %s: %s", message->name, np_fault_format(&fault, line, sizeof line));
        return EXIT_CODE_JSON;
    }
    return EXIT_CODE_OK;
}

tool_exit tool_answers_read(tool_answers *answers, const tool_protocol *p, const char *const *texts,
                            size_t count)
{
    tool_exit code = EXIT_CODE_OK;

    *answers = (tool_answers){0};
    if (count == 0) {
        return code;
    }
    answers->items = calloc(count, sizeof *answers->items);
    if (answers->items == NULL) {
        return out_of_memory();
    }
    for (size_t i = 0; i < count && code == EXIT_CODE_OK; i++) {
        const np_message *message = NULL;
        const char *json = NULL;
        code = find_request(p, texts[i], &message, &json);
        if (code == EXIT_CODE_OK && tool_answers_find(answers, message) != NULL) {
            tool_complain("--answer %s stands there twice", message->name);
            code = EXIT_CODE_USAGE;
        }
        if (code == EXIT_CODE_OK) {
            tool_answer *answer = &answers->items[answers->count++];
            answer->message = message;
            code = read_value(answer, p, json);
        }
    }
    return code;
}

void tool_answers_free(tool_answers *answers)
{
    for (size_t i = 0; i < answers->count; i++) {
        free(answers->items[i].payload);
        free(answers->items[i].value);
    }
    free(answers->items);
    *answers = (tool_answers){0};
}

const tool_answer *tool_answers_find(const tool_answers *answers, const np_message *message)
{
    for (size_t i = 0; i < answers->count; i++) {
        if (answers->items[i].message == message) {
            return &answers->items[i];
        }
    }
    return NULL;
}
