/* cmd_key.c - show the public key of a key file. */
#include "tool/security.h"
#include "tool/tool.h"

#include <netproto/key_file.h>

#include <getopt.h>

/* 1: go on; 0: done (--help); -1: wrong. */
static int read_options(const tool_command *self, int argc, char **argv, np_key_place *place)
{
    static const struct option longs[] = {
        {"server", no_argument, NULL, 's'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    int c;

    while ((c = getopt_long(argc, argv, "sh", longs, NULL)) != -1) {
        switch (c) {
        case 's':
            *place = NP_KEY_PLACE_SERVER;
            break;
        case 'h':
            tool_print_help(self, stdout);
            return 0;
        default:
            (void)tool_usage(self, "see above");
            return -1;
        }
    }
    return 1;
}

static tool_exit show(const char *path, const char *advice)
{
    char text[NP_KEY_TEXT_LEN];
    np_key_failure failure;
    np_keypair pair;

    tool_leave_no_core();
    if (np_keypair_load(&pair, path, &failure) != NP_OK) {
        tool_complain("%s%s", failure.text, tool_key_file_is_missing(&failure) ? advice : "");
        return EXIT_CODE_KEYS;
    }
    printf("%s\n", np_key_format(pair.public_key, text));
    np_keypair_wipe(&pair);
    return EXIT_CODE_OK;
}

static tool_exit run(const tool_command *self, int argc, char **argv)
{
    char path[NP_KEY_PATH_LEN];
    np_key_place place = NP_KEY_PLACE_CLIENT;
    np_key_failure failure;
    int go = read_options(self, argc, argv, &place);

    if (go <= 0) {
        return go == 0 ? EXIT_CODE_OK : EXIT_CODE_USAGE;
    }
    int count = argc - optind;
    if (count > 1 || (count == 1 && place == NP_KEY_PLACE_SERVER)) {
        return tool_usage(self, "it takes one file, or --server, or nothing");
    }
    if (count == 1) {
        return show(argv[optind], "; netproto keygen --out FILE makes one");
    }
    if (np_key_path(place, path, &failure) != NP_OK) {
        tool_complain("%s", failure.text);
        return EXIT_CODE_KEYS;
    }
    return show(path, place == NP_KEY_PLACE_SERVER ? "; netproto keygen --server makes one"
                                                   : "; netproto keygen makes one");
}

const tool_command tool_key = {
    .name = "key",
    .synopsis = "[OPTION...] [FILE]",
    .summary = "show the public key of a key file",
    .help = "Prints one line, np1:..., which others need to recognize the holder of the key: a\n"
            "server's administrator adds it to the authorized keys. The file is checked as a\n"
            "session would check it.\n\n"
            "  -s, --server         of the server's default file; without: the client's\n\n"
            "Examples:\n\n"
            "  netproto key\n"
            "  echo \"$(netproto key) ann, laptop\" | ssh host 'cat >> authorized_keys'\n"
            "  netproto key backup.key\n",
    .without_protocol = "keys are the same for all protocols",
    .run = run,
};
