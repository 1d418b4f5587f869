/* ask.c - see ask.h. */
#define _GNU_SOURCE
#include "tool/ask.h"

#include <fcntl.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#define TRIES 3

/* Both ways of a terminal; closing them leaves standard input open. */
typedef struct terminal {
    FILE *in, *out;
} terminal;

static FILE *stream_of(int fd, const char *mode)
{
    FILE *stream = fd >= 0 ? fdopen(fd, mode) : NULL;

    if (stream == NULL && fd >= 0) {
        (void)close(fd);
    }
    return stream;
}

static void hang_up(terminal *t)
{
    if (t->in != NULL) {
        (void)fclose(t->in);
    }
    if (t->out != NULL) {
        (void)fclose(t->out);
    }
}

/* Messages may come on standard input while a person sits at the terminal, so that is asked first.
 */
static int find_terminal(void)
{
    int fd = open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC);

    return fd < 0 && isatty(STDIN_FILENO) ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0) : fd;
}

static int open_terminal(terminal *t)
{
    int fd = find_terminal();

    t->in = stream_of(fd, "r");
    t->out = t->in != NULL ? stream_of(fcntl(fd, F_DUPFD_CLOEXEC, 0), "w") : NULL;
    if (t->out == NULL) {
        hang_up(t);
        return -1;
    }
    return 0;
}

static tool_answer_given judge(const char *line, const char *expected)
{
    if (strcasecmp(line, "yes") == 0 || strcmp(line, expected) == 0) {
        return TOOL_ASK_YES;
    }
    if (strcasecmp(line, "no") == 0 || strlen(line) == strlen(expected)) {
        return TOOL_ASK_NO;
    }
    return TOOL_ASK_NOBODY; /* unclear */
}

static tool_answer_given read_answer(terminal *t, const char *expected)
{
    char line[128];

    for (int i = 0; i < TRIES; i++) {
        (void)fflush(t->out);
        if (fgets(line, sizeof line, t->in) == NULL) {
            return TOOL_ASK_NO;
        }
        line[strcspn(line, "\r\n")] = '\0';
        tool_answer_given given = judge(line, expected);
        if (given != TOOL_ASK_NOBODY) {
            return given;
        }
        (void)fputs("Type yes or no, or paste the key that you expect: ", t->out);
    }
    return TOOL_ASK_NO;
}

tool_answer_given tool_ask(const char *question, const char *expected)
{
    terminal t = {NULL, NULL};
    tool_answer_given given;

    if (open_terminal(&t) != 0) {
        return TOOL_ASK_NOBODY;
    }
    (void)fputs(question, t.out);
    given = read_answer(&t, expected);
    hang_up(&t);
    return given;
}
