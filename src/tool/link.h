/* link.h - one client whose messages all go to one function, for call, ping and handshake. */
#ifndef NP_TOOL_LINK_H
#define NP_TOOL_LINK_H

#include "tool/dial.h"

typedef struct tool_link {
    tool_dial dial;
    tool_protocol p;
    np_client *client;
    np_failure failure; /* why it ended; stage NONE and NP_OK before */
    bool ended;
} tool_link;

/* Connects and waits until the connection is open. protocol: a plugin, or NULL. incoming gets every
 * message, undecoded, with `user` as its handlers; may be NULL. Complains on failure;
 * tool_link_close in any case. */
tool_exit tool_link_open(tool_link *link, const tool_dial_options *options, const char *protocol,
                         np_dispatch_fn *incoming, const void *user);

/* Runs the loop until *done, the end of the connection, or the deadline. OK: done. Else complains,
 * naming what was waited for. */
tool_exit tool_link_wait(tool_link *link, const bool *done, const char *what);

/* Says goodbye and frees everything. Returns `code`, or the failure to say goodbye if it was OK. */
tool_exit tool_link_close(tool_link *link, tool_exit code);

#endif
