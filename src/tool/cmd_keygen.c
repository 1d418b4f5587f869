/* cmd_keygen.c - make a key pair, or a pre-shared key. */
#include "tool/security.h"
#include "tool/tool.h"

#include <netproto/key_file.h>
#include <netproto/log.h>

#include <getopt.h>
#include <string.h>
#include <unistd.h>

typedef struct keygen_options {
    const char *out;   /* file, or NULL for the default */
    const char *other; /* file for the peer's line of a pre-shared key, or NULL */
    bool server, psk;
} keygen_options;

/* 1: go on; 0: done (--help); -1: wrong. */
static int read_options(const tool_command *self, int argc, char **argv, keygen_options *options)
{
    static const struct option longs[] = {
        {"out", required_argument, NULL, 'o'}, {"other", required_argument, NULL, 'O'},
        {"server", no_argument, NULL, 's'},    {"psk", no_argument, NULL, 'k'},
        {"help", no_argument, NULL, 'h'},      {NULL, 0, NULL, 0},
    };
    int c;

    while ((c = getopt_long(argc, argv, "o:O:skh", longs, NULL)) != -1) {
        switch (c) {
        case 'o':
            options->out = optarg;
            break;
        case 'O':
            options->other = optarg;
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

/* A pre-shared key, and the public keys of the two who hold it: each one's line names the other. */
typedef struct psk_lines {
    uint8_t psk[NP_KEY_LEN];
    uint8_t keys[2][NP_KEY_LEN]; /* the peer's, for our file; ours, for the peer's */
    const char *files[2];        /* of these lines; NULL: standard output */
    int count;                   /* of keys */
} psk_lines;

/* Reads what was typed; EXIT_CODE_USAGE with a complaint if it does not fit together. */
static tool_exit read_peers(const tool_command *self, const keygen_options *options, char **keys,
                            psk_lines *lines)
{
    for (int i = 0; i < lines->count; i++) {
        if (np_key_parse(lines->keys[i], keys[i], strlen(keys[i])) != NP_OK) {
            return tool_usage(self, "%s public key is no np1:... with 43 characters behind it",
                              i == 0 ? "the peer's" : "our own");
        }
    }
    if (lines->count == 0 && options->out != NULL) {
        return tool_usage(self, "--psk --out takes the peer's public key: a line holds both");
    }
    if (lines->count == 2 && memcmp(lines->keys[0], lines->keys[1], NP_KEY_LEN) == 0) {
        return tool_usage(self, "the peer's public key is our own: each side has its own");
    }
    if (lines->count == 2 && (options->out == NULL) != (options->other == NULL)) {
        return tool_usage(self,
                          "two lines go to two files, --out and --other, or are both printed");
    }
    if (lines->count < 2 && options->other != NULL) {
        return tool_usage(self, "--other takes our own public key behind the peer's: the other "
                                "side's line holds it");
    }
    return EXIT_CODE_OK;
}

static void print_psk(const psk_lines *lines)
{
    static const char *const whose[] = {"# for our file of pre-shared keys", "# for the peer's"};
    char text[NP_PSK_TEXT_LEN], key[NP_KEY_TEXT_LEN];

    (void)np_psk_format(lines->psk, text);
    if (lines->count == 0) {
        printf("%s\n", text);
    }
    for (int i = 0; i < lines->count; i++) {
        if (lines->count == 2) {
            printf("%s\n", whose[i]);
        }
        printf("%s %s\n", np_key_format(lines->keys[i], key), text);
    }
    np_secret_wipe(text, sizeof text);
}

/* Both files or none: a line that only one side has shuts the other out. */
static tool_exit save_psk(const psk_lines *lines)
{
    char shown[NP_KEY_PATH_LEN];
    np_key_failure failure;

    if (np_psk_save(lines->keys[0], lines->psk, lines->files[0], &failure) != NP_OK) {
        return complain(&failure);
    }
    if (lines->count == 2) {
        if (np_psk_save(lines->keys[1], lines->psk, lines->files[1], &failure) != NP_OK) {
            (void)unlink(lines->files[0]);
            return complain(&failure);
        }
        (void)np_log_escape(np_str_from(lines->files[1]), false, shown, sizeof shown);
        printf("the peer's line: in %s, bring it there by a secret way and remove it here\n",
               shown);
    }
    return EXIT_CODE_OK;
}

/* A pre-shared key goes to new files of its own, or to standard output, and nowhere else. */
static tool_exit make_psk(const tool_command *self, const keygen_options *options, char **keys,
                          int count)
{
    psk_lines lines = {.files = {options->out, options->other}, .count = count};
    tool_exit code = read_peers(self, options, keys, &lines);

    if (code != EXIT_CODE_OK) {
        return code;
    }
    if (np_psk_generate(lines.psk) != NP_OK) {
        tool_complain("the system has no randomness");
        return EXIT_CODE_GENERIC;
    }
    if (options->out != NULL) {
        code = save_psk(&lines);
    } else {
        print_psk(&lines);
    }
    np_secret_wipe(lines.psk, sizeof lines.psk);
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
        return count > 2 ? tool_usage(self, "--psk takes two public keys at most: the peer's, ours")
                         : make_psk(self, &options, argv + optind, count);
    }
    if (options.other != NULL) {
        return tool_usage(self, "--other goes with --psk: it is for the peer's line");
    }
    return count > 0 ? tool_usage(self, "it takes no argument; name the file with --out")
                     : make_pair(&options);
}

const tool_command tool_keygen = {
    .name = "keygen",
    .synopsis = "[OPTION...] [KEY [OUR-KEY]]",
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
        "                       pre-shared keys. A secret: printed, unless --out names a file\n"
        "  -O, --other FILE     with --psk --out: new file for the peer's line, which has OUR-KEY\n"
        "                       and the same secret; bring it there by a secret way\n\n"
        "Examples:\n\n"
        "  netproto keygen                                # once for each user\n"
        "  netproto keygen --server                       # once for each daemon\n"
        "  netproto keygen --out backup.key\n"
        "  netproto keygen --psk --out psks np1:hSDwCYkwp1R0i33ctD73Wg2_Og0mOBr066SpjqqbTmo\n"
        "  netproto keygen --psk --out psks --other for-alice \\\n"
        "      np1:hSDwCYkwp1R0i33ctD73Wg2_Og0mOBr066SpjqqbTmo \"$(netproto key)\"\n",
    .without_protocol = "keys are the same for all protocols",
    .run = run,
};
