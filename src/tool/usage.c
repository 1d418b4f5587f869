/* usage.c - how a command is used: its help, and options that are used in another way. */
#include "tool/tool.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>

tool_exit tool_usage(const tool_command *command, const char *format, ...)
{
    va_list args;

    (void)fprintf(stderr, "netproto %s: ", command->name);
    va_start(args, format);
    (void)vfprintf(stderr, format, args);
    va_end(args);
    (void)fprintf(stderr, "\nusage: netproto %s %s\nTry: netproto %s --help\n", command->name,
                  command->synopsis, command->name);
    return EXIT_CODE_USAGE;
}

bool tool_number(const tool_command *command, const char *option, const char *text, uint64_t min,
                 uint64_t max, uint64_t *out)
{
    char *end = NULL;

    errno = 0;
    unsigned long long value = text[0] >= '0' && text[0] <= '9' ? strtoull(text, &end, 10) : 0;
    if (end == NULL || *end != '\0' || errno != 0 || value < min || value > max) {
        (void)tool_usage(command, "%s takes a number from %llu to %llu", option,
                         (unsigned long long)min, (unsigned long long)max);
        return false;
    }
    *out = value;
    return true;
}

void tool_print_help(const tool_command *command, FILE *out)
{
    fprintf(out, "usage: netproto %s %s\n\n%s\n\n%s", command->name, command->synopsis,
            command->summary, command->help);
}
