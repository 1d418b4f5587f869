/* compression.c - see compression.h. */
#include "tool/compression.h"

#include <string.h>
#include <strings.h>

/* By np_compression. */
static const char *const names[] = {"none", "LZ4", "zstd"};

const char *tool_compression_name(np_compression kind)
{
    return names[kind];
}

bool tool_compression_take(tool_compression *c, int option, const char *argument)
{
    switch (option) {
    case TOOL_OPTION_COMPRESS:
        c->wanted = true;
        c->kinds = argument;
        return true;
    case TOOL_OPTION_COMPRESS_LEVEL:
        c->level = argument;
        return true;
    case TOOL_OPTION_COMPRESS_THRESHOLD:
        c->threshold = argument;
        return true;
    default:
        return false;
    }
}

/* One kind's name of `len` characters; NONE: there is no such kind. */
static np_compression find_kind(const char *name, size_t len)
{
    for (int kind = NP_COMPRESSION_LZ4; kind <= NP_COMPRESSION_ZSTD; kind++) {
        if (strlen(names[kind]) == len && strncasecmp(names[kind], name, len) == 0) {
            return (np_compression)kind;
        }
    }
    return NP_COMPRESSION_NONE;
}

/* "zstd", "lz4,zstd": each once at most. */
static bool read_kinds(np_compression preferred[NP_COMPRESSION_KINDS], const char *text)
{
    size_t count = 0;

    for (;;) {
        size_t len = strcspn(text, ",");
        np_compression kind = find_kind(text, len);
        if (kind == NP_COMPRESSION_NONE || count == NP_COMPRESSION_KINDS ||
            (count == 1 && preferred[0] == kind)) {
            return false;
        }
        preferred[count++] = kind;
        if (text[len] == '\0') {
            return true;
        }
        text += len + 1;
    }
}

/* A level is zstd's alone: who gives it for LZ4 expects what will not happen. */
static bool read_level(const tool_command *command, tool_compression *c)
{
    uint64_t level = 0;

    if (c->options.preferred[0] != NP_COMPRESSION_ZSTD &&
        c->options.preferred[1] != NP_COMPRESSION_ZSTD) {
        (void)tool_usage(command, "--compress-level is zstd's; lz4 has none");
        return false;
    }
    if (!tool_number(command, "--compress-level", c->level, 1, NP_COMPRESSION_LEVEL_MAX, &level)) {
        return false;
    }
    c->options.zstd_level = (int)level;
    return true;
}

static bool read_threshold(const tool_command *command, tool_compression *c)
{
    uint64_t threshold = 0;

    if (!tool_number(command, "--compress-threshold", c->threshold, 1, UINT32_MAX, &threshold)) {
        return false;
    }
    c->options.threshold = (uint32_t)threshold;
    return true;
}

/* "--compress zstd": getopt takes a word behind a space for an operand. None that means one, be it
 * an address, a message or JSON, reads as kinds. */
static const char *find_kinds(char *const *operands)
{
    np_compression kinds[NP_COMPRESSION_KINDS];

    while (*operands != NULL && !read_kinds(kinds, *operands)) {
        operands++;
    }
    return *operands;
}

bool tool_compression_check(const tool_command *command, tool_compression *c, char *const *operands)
{
    const char *apart = c->wanted && c->kinds == NULL ? find_kinds(operands) : NULL;

    c->options = np_compression_options_default();
    if (!c->wanted) {
        if (c->level == NULL && c->threshold == NULL) {
            return true;
        }
        (void)tool_usage(command, "--compress-%s goes with --compress, which switches it on",
                         c->level != NULL ? "level" : "threshold");
        return false;
    }
    if (apart != NULL) {
        (void)tool_usage(command,
                         "between --compress and its kinds belongs =, not a space: "
                         "--compress=%s",
                         apart);
        return false;
    }
    if (!read_kinds(c->options.preferred, c->kinds != NULL ? c->kinds : "zstd,lz4")) {
        (void)tool_usage(command, "--compress takes =zstd, =lz4, or both with a comma between");
        return false;
    }
    return (c->level == NULL || read_level(command, c)) &&
           (c->threshold == NULL || read_threshold(command, c));
}
