/* protocol.c - the protocol spoken: base, or one from a plugin. */
#include "tool/tool.h"

#include <netproto/plugin.h>

#include <base.h>

#include <dlfcn.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

/* Plugins ----------------------------------------------------------------------------------------
 */

/* dlopen searches the system's folders for a name without a slash; people mean a file. */
static void *open_module(const char *path)
{
    char local[PATH_MAX];

    if (strchr(path, '/') == NULL && strlen(path) + 3 <= sizeof local) {
        (void)snprintf(local, sizeof local, "./%s", path);
        path = local;
    }
    return dlopen(path, RTLD_NOW | RTLD_LOCAL);
}

/* Enough to keep a module that is something else from taking the program down. */
static bool is_sound(const np_protocol *protocol)
{
    if (protocol == NULL || protocol->name == NULL || protocol->messages == NULL ||
        protocol->message_count == 0 || protocol->parser_step == NULL ||
        protocol->parser_state == NULL || protocol->digests == NULL || protocol->min_version == 0 ||
        protocol->min_version > protocol->version) {
        return false;
    }
    for (size_t i = 0; i < protocol->message_count; i++) {
        const np_message *message = &protocol->messages[i];
        if (message->name == NULL || message->type == NULL || message->codec == NULL ||
            (i > 0 && message->id <= message[-1].id)) {
            return false;
        }
    }
    return true;
}

/* The module stays loaded until the program ends: its descriptors are in use until then. */
static const np_protocol *load(const char *path)
{
    void *module = open_module(path);

    if (module == NULL) {
        tool_complain("cannot load the protocol: %s", dlerror());
        tool_complain(
            "--protocol takes the module that netproto_generate(... PLUGIN) builds from a "
            "schema: ./chat.so for chat.np; see netproto/plugin.h");
        return NULL;
    }
    const uint32_t *abi = dlsym(module, "np_plugin_abi");
    void *symbol = dlsym(module, "np_plugin_protocol");
    if (abi == NULL || symbol == NULL) {
        tool_complain("%s is no plugin of netproto: it lacks np_plugin_abi or np_plugin_protocol "
                      "(see netproto/plugin.h)",
                      path);
        return NULL;
    }
    if (*abi != NP_PLUGIN_ABI && *abi % 1000 == NP_GEN_ABI) {
        tool_complain("%s was compiled with other enums than this program: -fshort-enums goes for "
                      "both or for none",
                      path);
        return NULL;
    }
    if (*abi != NP_PLUGIN_ABI) {
        tool_complain("%s was generated for ABI %" PRIu32 ", this is ABI %d: regenerate it", path,
                      *abi, NP_GEN_ABI);
        return NULL;
    }
    const np_protocol *(*get)(void);
    memcpy(&get, &symbol, sizeof get); /* ISO C has no cast from data to function pointers */
    const np_protocol *protocol = get();
    if (!is_sound(protocol)) {
        tool_complain("%s has no descriptors of a protocol", path);
        return NULL;
    }
    return protocol;
}

tool_exit tool_protocol_open(tool_protocol *p, const char *path, uint32_t version)
{
    *p = (tool_protocol){.protocol = &base_protocol};
    if (path != NULL) {
        p->protocol = load(path);
        if (p->protocol == NULL) {
            return EXIT_CODE_PLUGIN;
        }
    }
    p->version = version != 0 ? version : p->protocol->version;
    if (p->version > p->protocol->version || p->version < p->protocol->min_version) {
        tool_complain("%s has versions %" PRIu32 " to %" PRIu32, p->protocol->name,
                      p->protocol->min_version, p->protocol->version);
        return EXIT_CODE_USAGE;
    }
    if (np_json_new(&p->json, p->protocol, NULL) != NP_OK ||
        np_json_new(&p->base_json, &base_protocol, NULL) != NP_OK) {
        tool_complain("%s", np_err_text(NP_ERR_MEMORY));
        return EXIT_CODE_GENERIC;
    }
    return EXIT_CODE_OK;
}

void tool_protocol_close(tool_protocol *p)
{
    np_json_free(p->json);
    np_json_free(p->base_json);
    p->json = NULL;
    p->base_json = NULL;
}

/* Messages ---------------------------------------------------------------------------------------
 */

/* Whether ids below 256 mean base's messages. */
static bool has_base(const tool_protocol *p)
{
    return p->protocol == &base_protocol || p->protocol->messages[0].id >= 256;
}

static void list_messages(const np_protocol *protocol)
{
    for (size_t i = 0; i < protocol->message_count; i++) {
        (void)fprintf(stderr, "  %s\n", protocol->messages[i].name);
    }
}

const np_message *tool_protocol_message(const tool_protocol *p, const char *name)
{
    const np_message *message = np_protocol_message_named(p->protocol, name);
    char shown[128];

    if (message == NULL && has_base(p)) {
        message = np_protocol_message_named(&base_protocol, name);
    }
    if (message == NULL) {
        (void)np_log_escape(np_str_from(name), false, shown, sizeof shown);
        tool_complain("there is no message \"%s\"; there are:", shown);
        list_messages(p->protocol);
        if (has_base(p) && p->protocol != &base_protocol) {
            list_messages(&base_protocol);
        }
    }
    return message;
}

np_json *tool_protocol_json(const tool_protocol *p, uint32_t id, uint32_t version,
                            uint32_t *its_version)
{
    bool base = id < 256 && has_base(p);

    *its_version = base ? BASE_VERSION : version;
    return base ? p->base_json : p->json;
}

/* JSON -------------------------------------------------------------------------------------------
 */

np_err tool_payload_text(const tool_protocol *p, uint32_t version, np_json_what what,
                         const uint8_t *data, size_t len, np_str *text, np_json_error *error)
{
    uint32_t its_version = 0;
    /* Without an id there is nothing to print; the protocol's own translator says so. */
    uint32_t id = len >= 4 ? np_get_u32(data) : UINT32_MAX;
    np_json *json = tool_protocol_json(p, id, version, &its_version);

    return np_json_print(json, its_version, what, data, len, text, error);
}

tool_exit tool_print_payload(const tool_protocol *p, uint32_t version, np_json_what what,
                             const uint8_t *data, size_t len)
{
    np_str text = {NULL, 0};
    np_json_error error;
    np_err err = tool_payload_text(p, version, what, data, len, &text, &error);

    if (err != NP_OK) {
        tool_complain("%s", error.text);
        tool_show_bytes(stderr, data, len, error.fault.offset);
        return tool_exit_of(err);
    }
    (void)fwrite(text.data, 1, text.len, stdout);
    (void)fputc('\n', stdout);
    return EXIT_CODE_OK;
}

/* JSON that names no message: says how one looks. The fields of a message that was named need no
 * such hint. */
static void show_form(const tool_protocol *p, np_err err, np_str json)
{
    const char *name = p->protocol->messages[0].name;
    const char *dot = strrchr(name, '.');
    size_t at = 0;

    while (at < json.len && strchr(" \t\r\n", json.data[at]) != NULL && json.data[at] != '\0') {
        at++;
    }
    if (err == NP_ERR_UNKNOWN_MESSAGE || at == json.len || json.data[at] != '{') {
        tool_complain("a line is {\"%s\": {...}}", dot != NULL ? dot + 1 : name);
    }
}

tool_exit tool_build_payload(const tool_protocol *p, uint32_t version, const np_message *message,
                             np_str json, np_bytes *payload)
{
    uint32_t its_version = 0;
    uint32_t id = message != NULL ? message->id : UINT32_MAX;
    np_json *translator = tool_protocol_json(p, id, version, &its_version);
    np_json_error error, second;
    np_err err =
        np_json_parse_as(translator, its_version, NP_JSON_MESSAGE, message, json, payload, &error);

    if (err == NP_ERR_UNKNOWN_MESSAGE && message == NULL && has_base(p)) {
        err = np_json_parse(p->base_json, BASE_VERSION, NP_JSON_MESSAGE, json, payload, &second);
        error = err != NP_OK && err != NP_ERR_UNKNOWN_MESSAGE ? second : error;
    }
    if (err == NP_OK) {
        return EXIT_CODE_OK;
    }
    tool_complain("%s", error.text);
    if (message == NULL) {
        show_form(p, err, json);
    }
    return np_err_class_of(err) == NP_CLASS_SYSTEM ? EXIT_CODE_GENERIC : EXIT_CODE_JSON;
}
