/* admission.h - whether a daemon has room and time for one more stranger.
 *
 * Everything here is counted when a connection is accepted, since from then on a stranger costs: a
 * place until it says hello, and in a secure daemon the key agreements of a handshake, which it can
 * ask for without proving anything. Who is refused costs one small write.
 */
#ifndef NP_SERVICE_ADMISSION_H
#define NP_SERVICE_ADMISSION_H

#include <netproto/daemon.h>

#include "transport/sources.h"

typedef struct np_admission {
    np_sources sources;
    np_source_limits per_source;
    np_rate begins;
    np_rate_bucket begun;
} np_admission;

void np__admission_init(np_admission *admission, const np_daemon_options *options, uint64_t seed);
void np__admission_fini(np_admission *admission);

/* Counts one more. source: as np__conn_source says, or NULL: it is on this machine, and counts only
 * in all. Errors: NP_ERR_LIMIT with the option's name in *limit; NP_ERR_MEMORY. */
NP_MUST_CHECK np_err np__admission_begin(np_admission *admission, const uint8_t *source,
                                         np_time now, const char **limit);

#endif
