/* A line is written, with its name and fields. */
#include "example.h"

#include <netproto/log.h>

#include <string.h>

static unsigned lines;

static void write_line(void *user, const np_log_event *event)
{
    char line[NP_LOG_LINE_MAX];

    np_log_format(event, NP_LOG_LOGFMT, line, sizeof line);
    fprintf(user, "%s\n", line);
    lines += strstr(line, "event=conn.closed peer=") != NULL;
}

int main(void)
{
    const np_time now = {0};
    const np_log_field fields[] = {np_log_text("peer", "ann"), np_log_unsigned("bytes", 1)};
#include "example_log.inc"
    MUST(lines == 1);
    return 0;
}
