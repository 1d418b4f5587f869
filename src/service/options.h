/* options.h - what is wrong with the options of daemons and clients, in words. */
#ifndef NP_SERVICE_OPTIONS_H
#define NP_SERVICE_OPTIONS_H

#include <netproto/client.h>
#include <netproto/daemon.h>

/* Most addresses that a daemon listens on. */
#define NP_DAEMON_ADDRESSES_MAX 64

/* Static text, or NULL: nothing is wrong with what they look at. Addresses are left to who parses
 * them, security and compression to their own files. */
const char *np__daemon_options_wrong(const np_daemon_options *options);
const char *np__client_options_wrong(const np_client_options *options);

/* Whether a daemon would listen nowhere. */
const char *np__daemon_addresses_wrong(const np_daemon_options *options);

#endif
