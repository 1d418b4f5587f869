/* link.c - see link.h. */
#include "tool/link.h"

#include <base.h>

static void on_close(np_conn *conn, const np_failure *failure, void *user)
{
    tool_link *link = user;

    (void)conn;
    link->failure = *failure;
    link->ended = true;
}

tool_exit tool_link_open(tool_link *link, const tool_dial_options *options, const char *protocol,
                         np_dispatch_fn *incoming, const void *user)
{
    np_client_options client_options = np_client_options_default();

    *link = (tool_link){.client = NULL};
    tool_exit code = tool_protocol_open(&link->p, protocol, 0);
    if (code == EXIT_CODE_OK) {
        code = tool_dial_open(&link->dial, options);
    }
    if (code != EXIT_CODE_OK) {
        return code;
    }
    client_options.service = (np_service){link->p.protocol, incoming, user};
    client_options.base = (np_service){&base_protocol, incoming, user};
    client_options.handlers.on_close = on_close;
    client_options.handlers.user = link;
    client_options.conn.queue_max = (size_t)40 << 20; /* twice the greatest message, and more */
    code = tool_dial_connect(&link->dial, &link->client, &client_options);
    if (link->dial.failure.disagreement == NP_DISAGREE_PROTOCOL && protocol == NULL) {
        tool_complain("without --protocol this side speaks base: give --protocol ./NAME.so, the "
                      "plugin built from the server's schema");
    }
    return code;
}

tool_exit tool_link_wait(tool_link *link, const bool *done, const char *what)
{
    while (!*done && !link->ended && !link->dial.late) {
        np_err err = np_loop_run_until(link->dial.loop, done, 20);
        if (err != NP_OK && err != NP_ERR_DEADLINE && err != NP_ERR_CANCELED) {
            tool_complain("%s", np_err_text(err));
            return tool_exit_of(err);
        }
    }
    if (*done) {
        return EXIT_CODE_OK;
    }
    return link->ended ? tool_failed(&link->failure) : tool_dial_late(&link->dial, what);
}

tool_exit tool_link_close(tool_link *link, tool_exit code)
{
    code = tool_dial_goodbye(&link->dial, &link->client, 1, code);
    np_client_free(link->client);
    tool_dial_close(&link->dial);
    tool_protocol_close(&link->p);
    return code;
}
