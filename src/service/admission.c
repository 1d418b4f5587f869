/* admission.c - whether a daemon has room and time for one more stranger. See admission.h. */
#include "service/admission.h"

/* A burst of what two seconds allow. */
#define BURST_S 2u

/* A stranger that is younger gives way only to a source that has much less. */
#define PATIENCE_MS 1000u

/* So many are looked at for who gives way, so that a crowd costs no more than a few. */
#define LOOKED_AT 8

static np_rate rate_of(uint32_t per_second)
{
    return (np_rate){per_second, per_second > 0 ? (uint64_t)per_second * BURST_S : 1};
}

void np__admission_init(np_admission *admission, const np_daemon_options *options, np_pool *pool,
                        uint64_t seed)
{
    bool secure = !options->security.plaintext; /* in the clear, a hello costs no agreement */
    const np_source_limits limits = {
        .connections = options->connections_per_source_max,
        .half_open = options->half_open_per_source_max,
        .begins = rate_of(secure ? options->handshake_rate_per_source_max : 0),
        .all_begins = rate_of(secure ? options->handshake_rate_max : 0),
    };

    np_sources_init(&admission->sources, &limits, pool, options->conn.memory_max, seed);
    admission->connections_max = options->connections_max;
    admission->half_open_max = options->half_open_max;
}

void np__admission_fini(np_admission *admission)
{
    np_sources_fini(&admission->sources);
}

static const char *name_of(np_source_limit which)
{
    static const char *const names[] = {
        [NP_SOURCE_NONE] = NULL,
        [NP_SOURCE_CONNECTIONS] = "connections_per_source_max",
        [NP_SOURCE_HALF_OPEN] = "half_open_per_source_max",
        [NP_SOURCE_BEGINS] = "handshake_rate_per_source_max",
        [NP_SOURCE_ALL_BEGINS] = "handshake_rate_max",
    };

    return names[which];
}

np_err np__admission_enter(np_admission *admission, const np_origin *origin, np_time now,
                           np_source **source, const char **limit)
{
    np_source_limit which = NP_SOURCE_NONE;
    np_err err = np_sources_enter(&admission->sources, origin, now.mono_ms * 1000, source, &which);

    *limit = name_of(which);
    return err;
}

np_err np__admission_begin(np_admission *admission, np_source *source, np_time now,
                           const char **limit)
{
    np_source_limit which = NP_SOURCE_NONE;
    np_err err = np_sources_begin(&admission->sources, source, now.mono_ms * 1000, &which);

    *limit = name_of(which);
    return err;
}

/* All places of strangers are taken. */
static bool is_crowded(const np_admission *admission, const np_group *group)
{
    return admission->half_open_max > 0 && group->half_open_count >= admission->half_open_max;
}

const char *np__admission_full(const np_admission *admission, const np_group *group)
{
    if (is_crowded(admission, group)) {
        return "half_open_max";
    }
    return group->half_open_count + group->open_count >= admission->connections_max
               ? "connections_max"
               : NULL;
}

/* Who gives way ----------------------------------------------------------------------------- */

/* The oldest in a list of strangers that no callback of which is running, if it is old enough. */
static np_conn *oldest_of(const np_members *list, uint64_t until_ms)
{
    np_member *member = list->first;

    for (int i = 0; i < LOOKED_AT && member != NULL; i++, member = member->next) {
        np_conn *conn = np__conn_of_member(member);
        if (conn->since_ms > until_ms) {
            return NULL; /* those behind are younger */
        }
        if (!conn->link.in_turn) {
            return conn;
        }
    }
    return NULL;
}

/* When something last came, about. Who was asked for a sign of life was silent before that, too. */
static uint64_t last_heard_ms(const np_conn *conn)
{
    const np_session *session = &conn->link.session;
    uint64_t silent_ms = session->pinged ? session->options->idle_ms : 0;

    if (session->idle_from == NP_TIME_NEVER) {
        return session->now_ms; /* it is about to end by itself */
    }
    return session->idle_from >= silent_ms ? session->idle_from - silent_ms : 0;
}

/* Of a few open connections of a site, the one that has been silent longest. Those that were looked
 * at go to the end of the list, so that all have their turn. */
static np_conn *most_idle_of(np_members *list)
{
    np_conn *best = NULL;

    for (int i = 0; i < LOOKED_AT && list->first != NULL; i++) {
        np_conn *conn = np__conn_of_member(list->first);
        if (conn == best) {
            break; /* all have been looked at */
        }
        if (!conn->link.in_turn && (best == NULL || last_heard_ms(conn) < last_heard_ms(best))) {
            best = conn;
        }
        np_members_remove(list, &conn->member);
        np_members_add(list, &conn->member);
    }
    return best;
}

/* Whether a site has much where another, with its newcomer, has little. */
static bool has_more(const np_share *most, const np_share *newcomers)
{
    return newcomers == NULL || most->held >= 2 * newcomers->held;
}

/* Of strangers only. */
static np_conn *stranger_yields(np_admission *admission, const np_site *newcomers)
{
    np_site *most = np_sources_most_strangers(&admission->sources);

    if (most == NULL || most == newcomers ||
        !has_more(&most->strangers, newcomers != NULL ? &newcomers->strangers : NULL)) {
        return NULL;
    }
    return oldest_of(&most->half_open, UINT64_MAX);
}

/* Strangers come before those who are in. */
static np_conn *anybody_yields(np_admission *admission, const np_site *newcomers)
{
    np_site *most = np_sources_most_strangers(&admission->sources);
    const np_share *theirs = newcomers != NULL ? &newcomers->all : NULL;
    np_conn *conn = NULL;

    if (most != NULL && most != newcomers && has_more(&most->strangers, theirs)) {
        conn = oldest_of(&most->half_open, UINT64_MAX);
    }
    most = np_sources_most(&admission->sources);
    if (conn == NULL && most != NULL && most != newcomers && has_more(&most->all, theirs)) {
        conn = oldest_of(&most->half_open, UINT64_MAX);
        if (conn == NULL) {
            conn = most_idle_of(&most->open);
        }
    }
    return conn;
}

/* A stranger who has had time enough: of the newcomer's own site, of the one that has most, or of
 * some others; of none that has fewer strangers than the newcomer's. */
static np_conn *dawdler(np_admission *admission, np_group *group, np_site *newcomers,
                        uint64_t until_ms)
{
    np_site *most = np_sources_most_strangers(&admission->sources);
    np_site *site = NULL;
    np_conn *conn = newcomers != NULL ? oldest_of(&newcomers->half_open, until_ms) : NULL;

    if (conn == NULL) {
        conn = oldest_of(&group->half_open, until_ms);
    }
    if (conn == NULL && most != NULL) {
        conn = oldest_of(&most->half_open, until_ms);
    }
    /* Sites stand in the order in which they came. */
    for (int i = 0; i < LOOKED_AT && conn == NULL; i++) {
        site = np_sources_next(&admission->sources, site);
        if (site == NULL) {
            break;
        }
        if (newcomers == NULL || site->strangers.held >= newcomers->strangers.held) {
            conn = oldest_of(&site->half_open, until_ms);
        }
    }
    return conn;
}

np_conn *np__admission_yields(np_admission *admission, np_group *group, np_source *source,
                              np_time now)
{
    np_site *newcomers = source != NULL ? np_source_site(source) : NULL;
    /* Strangers who are too many may not take places of others: one of them goes, which makes room
     * whatever else is full. */
    np_conn *conn = is_crowded(admission, group) ? stranger_yields(admission, newcomers)
                                                 : anybody_yields(admission, newcomers);

    if (conn == NULL && now.mono_ms >= PATIENCE_MS) {
        conn = dawdler(admission, group, newcomers, now.mono_ms - PATIENCE_MS);
    }
    return conn;
}
