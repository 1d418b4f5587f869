/* admission.c - whether a daemon has room and time for one more stranger. See admission.h. */
#include "service/admission.h"

/* A burst of what two seconds allow. */
#define BURST_S 2u

static np_rate rate_of(uint32_t per_second)
{
    return (np_rate){per_second, per_second > 0 ? (uint64_t)per_second * BURST_S : 1};
}

void np__admission_init(np_admission *admission, const np_daemon_options *options, uint64_t seed)
{
    bool secure = !options->security.plaintext;

    np_sources_init(&admission->sources, seed);
    admission->per_source = (np_source_limits){
        .connections = options->connections_per_source_max,
        .half_open = options->half_open_per_source_max,
        .begins = rate_of(secure ? options->handshake_rate_per_source_max : 0),
    };
    admission->begins = rate_of(secure ? options->handshake_rate_max : 0);
    admission->begun = (np_rate_bucket){0};
}

void np__admission_fini(np_admission *admission)
{
    np_sources_fini(&admission->sources);
}

np_err np__admission_begin(np_admission *admission, const uint8_t *source, np_time now,
                           const char **limit)
{
    static const char *const names[] = {
        [NP_SOURCE_NONE] = NULL,
        [NP_SOURCE_CONNECTIONS] = "connections_per_source_max",
        [NP_SOURCE_HALF_OPEN] = "half_open_per_source_max",
        [NP_SOURCE_BEGINS] = "handshake_rate_per_source_max",
    };
    uint64_t now_us = now.mono_ms * 1000;
    np_source_limit which = NP_SOURCE_NONE;
    np_err err = NP_OK;

    if (!np_rate_has(&admission->begun, &admission->begins, now_us)) {
        *limit = "handshake_rate_max";
        return NP_ERR_LIMIT;
    }
    if (source != NULL) {
        err = np_sources_add(&admission->sources, source, &admission->per_source, now_us, &which);
    }
    if (err == NP_OK) {
        np_rate_take(&admission->begun, &admission->begins, now_us);
    }
    *limit = names[which];
    return err;
}
