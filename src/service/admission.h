/* admission.h - whether a daemon has room and time for one more stranger, and who gives way.
 *
 * A connection counts from when it is accepted, since from then on it costs a place. A handshake
 * counts when its first message has come and is well formed: a stranger can then ask for key
 * agreements without having proved anything. Who is refused costs one small write.
 *
 * Where all places are taken, somebody of the site that has most makes room, if it has at least
 * twice as much as the newcomer's with the newcomer; else a stranger who has had time enough.
 */
#ifndef NP_SERVICE_ADMISSION_H
#define NP_SERVICE_ADMISSION_H

#include <netproto/daemon.h>

#include "service/conn_private.h"
#include "transport/sources.h"

typedef struct np_admission {
    np_sources sources;
    uint32_t connections_max;
    uint32_t half_open_max;
} np_admission;

void np__admission_init(np_admission *admission, const np_daemon_options *options, np_pool *pool,
                        uint64_t seed);
void np__admission_fini(np_admission *admission);

/* Counts one more. Errors: NP_ERR_LIMIT with the option's name in *limit; NP_ERR_MEMORY. */
NP_MUST_CHECK np_err np__admission_enter(np_admission *admission, const np_origin *origin,
                                         np_time now, np_source **source, const char **limit);

/* Its handshake begins. Errors: NP_ERR_LIMIT with the option's name in *limit. */
NP_MUST_CHECK np_err np__admission_begin(np_admission *admission, np_source *source, np_time now,
                                         const char **limit);

/* The option that speaks against one more stranger, unless somebody makes room; or NULL. */
const char *np__admission_full(const np_admission *admission, const np_group *group);

/* Who makes room for a newcomer of this source (NULL: of none), which has been counted already;
 * NULL: nobody. */
np_conn *np__admission_yields(np_admission *admission, np_group *group, np_source *source,
                              np_time now);

#endif
