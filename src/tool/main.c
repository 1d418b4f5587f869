/* main.c - the command `netproto`: encode, decode, serve, call, ping, bench, handshake, keygen
 * and key. */
#include "tool/tool.h"

#include <base.h>

#include <string.h>

#ifndef NP_TOOL_VERSION
#define NP_TOOL_VERSION "0.1.0"
#endif

static const tool_command *const commands[] = {
    &tool_encode, &tool_decode,    &tool_serve,  &tool_call, &tool_ping,
    &tool_bench,  &tool_handshake, &tool_keygen, &tool_key,
};

#define COMMAND_COUNT (sizeof commands / sizeof commands[0])

static void print_usage(FILE *out)
{
    fputs(
        "usage: netproto COMMAND [OPTION...] [ARGUMENT...]\n\n"
        "Speaks, encodes and decodes protocols that npgen generated: the built-in base protocol,\n"
        "or with --protocol ./chat.so your own, which netproto_generate(... PLUGIN) builds.\n\n",
        out);
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        fprintf(out, "  %-9s %s\n", commands[i]->name, commands[i]->summary);
    }
    fputs("\nA first try, in two terminals:\n\n"
          "  netproto keygen; netproto keygen --server\n"
          "  netproto serve --anyone tcp://127.0.0.1:7000\n"
          "  netproto call tcp://127.0.0.1:7000 Echo '{\"text\":\"hello\"}'\n\n"
          "And without a network:\n\n"
          "  netproto encode Echo '{\"text\":\"hello\"}' | netproto decode\n\n"
          "netproto COMMAND --help explains each with examples.\n\n"
          "Exit codes:\n",
          out);
    tool_print_exits(out);
}

static void print_version(void)
{
    printf("netproto %s\nbase protocol %d, ABI of generated code %d\n", NP_TOOL_VERSION,
           BASE_VERSION, NP_GEN_ABI);
}

static const tool_command *find(const char *name)
{
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        if (strcmp(commands[i]->name, name) == 0) {
            return commands[i];
        }
    }
    return NULL;
}

/* `netproto --protocol ./chat.so call ...`: the option may stand before the command, too; this
 * moves it behind the command's name. */
static void move_protocol(int argc, char **argv)
{
    int at = 1;

    if (argc > 1 && (strncmp(argv[1], "--protocol=", 11) == 0 ||
                     (strncmp(argv[1], "-p", 2) == 0 && argv[1][2] != '\0'))) {
        at = 2;
    } else if (argc > 2 && (strcmp(argv[1], "--protocol") == 0 || strcmp(argv[1], "-p") == 0)) {
        at = 3;
    }
    if (at > 1 && at < argc) {
        char *name = argv[at];
        memmove(&argv[2], &argv[1], (size_t)(at - 1) * sizeof *argv);
        argv[1] = name;
    }
}

/* --protocol FILE, --protocol=FILE, -p FILE or -pFILE among the options; NULL if there is none. */
static const char *protocol_option(int argc, char **argv)
{
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
        if (strcmp(argv[i], "--protocol") == 0 || strncmp(argv[i], "--protocol=", 11) == 0 ||
            strncmp(argv[i], "-p", 2) == 0) {
            return argv[i][1] == '-' ? "--protocol" : "-p";
        }
    }
    return NULL;
}

static tool_exit no_command(const char *name)
{
    if (strncmp(name, "--protocol", 10) == 0 || strncmp(name, "-p", 2) == 0) {
        tool_complain("a command is missing behind --protocol FILE");
    } else if (name[0] == '-') {
        tool_complain("options other than --protocol stand behind the command");
    } else {
        tool_complain("there is no command \"%s\"", name);
    }
    (void)fputs("Try: netproto --help\n", stderr);
    return EXIT_CODE_USAGE;
}

/* A full disk or a closed pipe is no success. */
static int finish(tool_exit code)
{
    return (int)tool_output_end(code);
}

int main(int argc, char **argv)
{
    if (!tool_hold_descriptors()) {
        return EXIT_CODE_GENERIC; /* with nobody to tell */
    }
    move_protocol(argc, argv);
    const char *name = argc > 1 ? argv[1] : NULL;

    if (name == NULL) {
        print_usage(stderr);
        return EXIT_CODE_USAGE;
    }
    if (strcmp(name, "--version") == 0 || strcmp(name, "version") == 0) {
        print_version();
        return finish(EXIT_CODE_OK);
    }
    if (strcmp(name, "help") == 0 && argc > 2 && find(argv[2]) != NULL) {
        tool_print_help(find(argv[2]), stdout);
        return finish(EXIT_CODE_OK);
    }
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0 || strcmp(name, "help") == 0) {
        print_usage(stdout);
        return finish(EXIT_CODE_OK);
    }
    const tool_command *command = find(name);
    if (command == NULL) {
        return (int)no_command(name);
    }
    const char *option = protocol_option(argc - 1, argv + 1);
    if (option != NULL && command->without_protocol != NULL) {
        return (int)tool_usage(command, "it takes no %s: %s", option, command->without_protocol);
    }
    return finish(command->run(command, argc - 1, argv + 1));
}
