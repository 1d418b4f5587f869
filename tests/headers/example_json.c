/* A message becomes the text that stands beside it, and that text the message again. */
#include "chat.h"
#include "example.h"

#include <netproto/json.h>

#include <string.h>

/* Whether the example has this text beside the line that prints it. */
static bool is_told(np_str text)
{
    static char header[65536];
    FILE *file = fopen("include/netproto/json.h", "rb");

    MUST(file != NULL && text.len > 0);
    size_t len = fread(header, 1, sizeof header, file);
    (void)fclose(file);
    return memmem(header, len, text.data, text.len) != NULL;
}

int main(void)
{
    const chat_say say = {.text = np_str_from("hi"), .name = np_str_from("bob")};
    uint8_t packet[CHAT_SAY_MAX_LEN];
    size_t len = 0;
    np_fault fault;
    np_str text = {NULL, 0};
    np_bytes payload = {NULL, 0};
    np_json_error error;
    np_err err;

    MUST(chat_say_encode(&say, packet, sizeof packet, &len, &fault) == NP_OK);
#define np_json_free(json)                                                                         \
    MUST(err == NP_OK && is_told(text));                                                           \
    MUST(payload.len == len && memcmp(payload.data, packet, len) == 0);                            \
    np_json_free(json)
#include "example_json.inc"
    return 0;
}
