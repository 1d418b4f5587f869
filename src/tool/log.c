/* log.c - time, and logs on standard error. */
#include "tool/tool.h"

#include <time.h>

uint64_t tool_now_ns(void)
{
    struct timespec now = {0, 0};

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void write_event(void *user, const np_log_event *event)
{
    char line[NP_LOG_LINE_MAX];

    (void)user;
    (void)np_log_format(event, NP_LOG_LOGFMT, line, sizeof line);
    (void)fprintf(stderr, "%s\n", line);
}

void tool_log_init(np_log *log, bool verbose)
{
    np_log_options options = np_log_options_default();
    np_log_sink sink = {write_event, NULL};

    options.level = verbose ? NP_LOG_DEBUG : NP_LOG_WARN;
    np_log_init(log, &sink, &options);
}
