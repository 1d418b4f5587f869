/* compression.h - the options of compression that the subcommands share. */
#ifndef NP_TOOL_COMPRESSION_H
#define NP_TOOL_COMPRESSION_H

#include "tool/tool.h"

#include <netproto/compression.h>

#include <getopt.h>

/* What the command line said, and what tool_compression_check made of it. */
typedef struct tool_compression {
    bool wanted;
    const char *kinds; /* NULL: all, the best first */
    const char *level;
    const char *threshold;
    np_compression_options options; /* off, unless wanted */
} tool_compression;

/* Long options without a letter; security.h has those from 256 on. */
enum tool_compression_option {
    TOOL_OPTION_COMPRESS = 320,
    TOOL_OPTION_COMPRESS_LEVEL,
    TOOL_OPTION_COMPRESS_THRESHOLD
};

/* Rows for the tables of getopt_long. */
#define TOOL_COMPRESSION                                                                           \
    {"compress", optional_argument, NULL, TOOL_OPTION_COMPRESS},                                   \
        {"compress-level", required_argument, NULL, TOOL_OPTION_COMPRESS_LEVEL},                   \
    {                                                                                              \
        "compress-threshold", required_argument, NULL, TOOL_OPTION_COMPRESS_THRESHOLD              \
    }

/* The same for people. */
#define TOOL_COMPRESSION_HELP                                                                      \
    "      --compress[=KINDS]\n"                                                                   \
    "                       compress what makes that worth while, if the other side is told to,\n" \
    "                       too: zstd, lz4, or both with the best first; without KINDS:\n"         \
    "                       zstd,lz4, of which the server chooses. Never where a secret travels\n" \
    "                       beside what a stranger chose: the lengths tell it (CRIME)\n"           \
    "      --compress-level N\n"                                                                   \
    "                       zstd's, 1 (fast; without it) to 19 (small)\n"                          \
    "      --compress-threshold BYTES\n"                                                           \
    "                       leave smaller messages as they are; without: 512\n"

/* Takes an option of the table above; false if it is none of them. */
bool tool_compression_take(tool_compression *c, int option, const char *argument);

/* Fills in `options`; complains as tool_usage does. operands: what getopt has left, up to a NULL.
 */
bool tool_compression_check(const tool_command *command, tool_compression *c,
                            char *const *operands);

/* "none", "LZ4" or "zstd". Static. */
const char *tool_compression_name(np_compression kind);

#endif
