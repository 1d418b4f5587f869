/* cmd_keygen.c - make a key pair, or a pre-shared key. */
#include "tool/security.h"
#include "tool/tool.h"

#include <netproto/key_file.h>
#include <netproto/log.h>

#include <getopt.h>
#include <string.h>

typedef struct keygen_options {
    const char *out; /* file, or NULL for the default */
    bool server, psk;
} keygen_options;

/* 1: go on; 0: done (--help); -1: wrong. */
static int read_options(const tool_command *self, int argc, char **argv, keygen_options *options)
{
    static const struct option longs[] = {
        {"out", required_argument, NULL, 'o'},
        {"server", no_argument, NULL, 's'},
        {"psk", no_argument, NULL, 'k'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    int c;

    while ((c = getopt_long(argc, argv, "o:skh", longs, NULL)) != -1) {
        switch (c) {
        case 'o':
            options->out = optarg;
            break;
        case 's':
            options->server = true;
            break;
        case 'k':
            options->psk = true;
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

static tool_exit complain(const np_key_failure *failure)
{
    tool_complain("%s", failure->text);
    return EXIT_CODE_GENERIC;
}

/* A pre-shared key goes to its own new file, or to standard output, and nowhere else. */
static tool_exit make_psk(const tool_command *self, const keygen_options *options, const char *peer)
{
    uint8_t key[NP_KEY_LEN], psk[NP_KEY_LEN];
    char text[NP_PSK_TEXT_LEN];
    np_key_failure failure;
    tool_exit code = EXIT_CODE_OK;

    if (peer != NULL && np_key_parse(key, peer, strlen(peer)) != NP_OK) {
        return tool_usage(self, "the peer's public key is no np1:... with 43 characters behind it");
    }
    if (peer == NULL && options->out != NULL) {
        return tool_usage(self, "--psk --out takes the peer's public key: a line holds both");
    }
    if (np_psk_generate(psk) != NP_OK) {
        tool_complain("the system has no randomness");
        return EXIT_CODE_GENERIC;
    }
    if (options->out != NULL) {
        code = np_psk_save(key, psk, options->out, &failure) == NP_OK ? EXIT_CODE_OK
                                                                      : complain(&failure);
    } else {
        printf("%s%s%s\n", peer != NULL ? peer : "", peer != NULL ? " " : "",
               np_psk_format(psk, text));
    }
    np_secret_wipe(psk, sizeof psk);
    np_secret_wipe(text, sizeof text);
    return code;
}

/* Where the pair goes; makes the folder if that is the default. */
static np_err choose_path(const keygen_options *options, char path[NP_KEY_PATH_LEN],
                          const char **chosen, np_key_failure *failure)
{
    np_key_place place = options->server ? NP_KEY_PLACE_SERVER : NP_KEY_PLACE_CLIENT;

    *chosen = options->out;
    if (options->out != NULL) {
        return NP_OK;
    }
    *chosen = path;
    np_err err = np_key_path(place, path, failure);
    return err == NP_OK ? np_key_make_folders(path, failure) : err;
}

static tool_exit make_pair(const keygen_options *options)
{
    char path[NP_KEY_PATH_LEN], text[NP_KEY_TEXT_LEN], shown[NP_KEY_PATH_LEN];
    const char *chosen = NULL;
    np_key_failure failure;
    np_keypair pair;

    if (choose_path(options, path, &chosen, &failure) != NP_OK) {
        return complain(&failure);
    }
    if (np_keypair_generate(&pair) != NP_OK) {
        tool_complain("the system has no randomness");
        return EXIT_CODE_GENERIC;
    }
    np_err err = np_keypair_save(&pair, chosen, &failure);
    (void)np_key_format(pair.public_key, text);
    np_keypair_wipe(&pair);
    if (err != NP_OK) {
        return complain(&failure);
    }
    (void)np_log_escape(np_str_from(chosen), false, shown, sizeof shown);
    printf("public key: %s\nsecret key: in %s, show it to nobody\n", text, shown);
    return EXIT_CODE_OK;
}

static tool_exit run(const tool_command *self, int argc, char **argv)
{
    keygen_options options = {0};
    int go = read_options(self, argc, argv, &options);

    if (go <= 0) {
        return go == 0 ? EXIT_CODE_OK : EXIT_CODE_USAGE;
    }
    int count = argc - optind;
    tool_leave_no_core();
    if (options.psk && options.server) {
        return tool_usage(self, "--psk is for both sides: it goes without --server");
    }
    if (options.psk) {
        return count > 1 ? tool_usage(self, "--psk takes one public key at most")
                         : make_psk(self, &options, count == 1 ? argv[optind] : NULL);
    }
    return count > 0 ? tool_usage(self, "it takes no argument; name the file with --out")
                     : make_pair(&options);
}

const tool_command tool_keygen = {
    .name = "keygen",
    .synopsis = "[OPTION...] [KEY]",
    .summary = "make a key pair, or a pre-shared key",
    .help =
        "A peer is known by its public key, np1:..., which may be shown to anybody. The secret "
        "key\n"
        "stays in its file, which only you may read; nothing is ever overwritten. A client and a\n"
        "server have a key each, even on one machine.\n\n"
        "  -s, --server         the server's key; without: the client's\n"
        "  -o, --out FILE       new file; without: ~/.config/netproto/client.key or server.key\n"
        "                       ($XDG_CONFIG_HOME/netproto, where that is set)\n"
        "  -k, --psk            a pre-shared key instead, npsk1:..., which two peers hold besides\n"
        "                       their pairs; with the peer's public KEY a line for the file of\n"
        "                       pre-shared keys. A secret: printed, unless --out names a file\n\n"
        "Examples:\n\n"
        "  netproto keygen                                # once for each user\n"
        "  netproto keygen --server                       # once for each daemon\n"
        "  netproto keygen --out backup.key\n"
        "  netproto keygen --psk --out psks np1:hSDwCYkwp1R0i33ctD73Wg2_Og0mOBr066SpjqqbTmo\n",
    .run = run,
};
