/* link.c - a client on a loop, for the subcommands that talk. */
#include "tool/tool.h"

#include <base.h>

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

static void on_close(np_conn *conn, const np_failure *failure, void *user)
{
    tool_link *link = user;

    (void)conn;
    link->failure = *failure;
    link->ended = true;
}

tool_exit tool_link_failed(const np_failure *failure)
{
    tool_complain("%s", failure->text);
    return tool_exit_of_failure(failure);
}

tool_exit tool_link_open(tool_link *link, const tool_link_options *options,
                         np_dispatch_fn *incoming, const void *user)
{
    np_loop_options loop_options = np_loop_options_default();
    np_client_options client_options = np_client_options_default();
    np_failure failure;

    client_options.security.plaintext = true;
    *link = (tool_link){0};
    tool_exit code = tool_protocol_open(&link->p, options->protocol, 0);
    if (code != EXIT_CODE_OK) {
        return code;
    }
    tool_log_init(&link->log, options->verbose);
    loop_options.log = &link->log;
    np_err err = np_loop_new(&link->loop, &loop_options);
    if (err != NP_OK) {
        tool_complain("%s", np_err_text(err));
        return EXIT_CODE_GENERIC;
    }
    client_options.address = options->address;
    client_options.service = (np_service){link->p.protocol, incoming, user};
    client_options.base = (np_service){&base_protocol, incoming, user};
    client_options.handlers.on_close = on_close;
    client_options.handlers.user = link;
    client_options.connect_timeout_ms = options->timeout_ms;
    client_options.conn.hello_timeout_ms = options->timeout_ms;
    client_options.conn.queue_max = (size_t)40 << 20; /* twice the greatest message, and more */
    err = np_client_new(&link->client, link->loop, &client_options, &failure);
    if (err == NP_OK) {
        err = np_client_connect_wait(link->client, &failure);
    }
    if (err == NP_OK) {
        return EXIT_CODE_OK;
    }
    code = tool_link_failed(&failure);
    if (failure.err == NP_ERR_VERSION && options->protocol == NULL) {
        tool_complain("give --protocol, the plugin of the protocol that is spoken there");
    }
    return code;
}

tool_exit tool_link_close(tool_link *link, tool_exit code)
{
    if (link->client != NULL && np_client_conn(link->client) != NULL) {
        np_err err = np_client_close_wait(link->client);
        if (err != NP_OK && code == EXIT_CODE_OK) {
            code = tool_link_failed(np_client_failure(link->client));
        }
    }
    np_client_free(link->client);
    np_loop_free(link->loop);
    tool_protocol_close(&link->p);
    return code;
}
