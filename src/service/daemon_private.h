/* daemon_private.h - what tests and other transports use of a daemon beyond netproto/daemon.h. */
#ifndef NP_SERVICE_DAEMON_PRIVATE_H
#define NP_SERVICE_DAEMON_PRIVATE_H

#include <netproto/daemon.h>

#include "transport/stream.h"

#include <sys/socket.h>

/* np_daemon_start for options that need not have an address: what is served is adopted. */
NP_MUST_CHECK np_err np__daemon_start(np_daemon **out, np_loop *loop,
                                      const np_daemon_options *options, np_failure *failure);

/* Serves a connected stream, which it takes over on success. sa: who is at the other end, or NULL.
 * Errors: NP_ERR_BUSY (all places are taken) and NP_ERR_LIMIT (the source's, or memory) with the
 * option's name in *limit, which is NULL otherwise; NP_ERR_MEMORY. */
NP_MUST_CHECK np_err np__daemon_adopt(np_daemon *daemon, const np_stream *stream,
                                      const struct sockaddr *sa, const char **limit);

#endif
