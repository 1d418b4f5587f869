/* output.c - what is printed, and whether it has arrived; and what is said about errors. */
#include "tool/tool.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

/* The error of the first write that failed: what comes after it changes errno, and a later write
 * may work again, on a disk that is full for a moment. */
static int first_error;

bool tool_flush(void)
{
    errno = 0; /* the buffer may have failed before, when it was full */
    if (first_error == 0 && (fflush(stdout) != 0 || ferror(stdout))) {
        first_error = errno != 0 ? errno : EIO;
    }
    return first_error == 0;
}

bool tool_output_is_closed(void)
{
    return first_error == EBADF;
}

tool_exit tool_output_end(tool_exit code)
{
    if (tool_flush() || code != EXIT_CODE_OK) {
        return code;
    }
    tool_complain("cannot write to standard output: %s",
                  first_error == EBADF ? "it is closed" : strerror(first_error));
    return EXIT_CODE_GENERIC;
}

void tool_complain(const char *format, ...)
{
    va_list args;

    (void)tool_flush(); /* what was printed before stands before it on a terminal */
    (void)fputs("netproto: ", stderr);
    va_start(args, format);
    (void)vfprintf(stderr, format, args);
    va_end(args);
    (void)fputc('\n', stderr);
}
