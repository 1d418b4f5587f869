/* daemon.c - listening, and serving who connects. See netproto/daemon.h. */
#define _GNU_SOURCE
#include "core/framing.h"
#include "service/admission.h"
#include "service/conn_private.h"
#include "service/daemon_private.h"
#include "transport/listener.h"

#include <base.h>

#include <stdlib.h>
#include <unistd.h>

/* Half-open connections younger than this are not given up for a newcomer. */
#define EVICT_AGE_MS 1000

#define ADDRESSES_MAX 64

/* Room for the Error that turns a newcomer away. */
#define BUSY_LEN 128

typedef struct listening {
    np_listener *listener;
    char text[NP_ADDRESS_TEXT_LEN];
} listening;

struct np_daemon {
    np_group group;
    listening *listeners;
    size_t listener_count;
    np_admission admission;
    uint32_t connections_max;
    uint32_t half_open_max;
    bool stopping;
    bool freeing;
    np_task stopped; /* tells on_stopped outside of every connection's callbacks */
    void (*on_stopped)(np_daemon *daemon, void *user);
    void *user;
    uint8_t busy[BUSY_LEN]; /* the frame that says so */
    size_t busy_len;
};

np_daemon_options np_daemon_options_default(void)
{
    np_daemon_options options = {
        .connections_max = 10000,
        .connections_per_source_max = 1024,
        .half_open_max = 4096,
        .half_open_per_source_max = 256,
        .handshake_rate_max = 2000,
        .handshake_rate_per_source_max = 200,
        .backlog = 1024,
        .unix_mode = 0600,
    };

    options.security = np_security_default();
    options.conn = np_conn_options_default();
    return options;
}

size_t np_daemon_connections(const np_daemon *daemon)
{
    return daemon->group.half_open.count + daemon->group.open.count;
}

/* The end ---------------------------------------------------------------------------------- */

static void on_stopped(np_loop *loop, np_task *task)
{
    np_daemon *daemon = np_container_of(task, np_daemon, stopped);

    (void)loop;
    if (daemon->on_stopped != NULL) {
        daemon->on_stopped(daemon, daemon->user);
    }
}

static void check_stopped(np_daemon *daemon)
{
    if (daemon->stopping && !daemon->freeing && np_daemon_connections(daemon) == 0) {
        np__loop_defer(daemon->group.loop, &daemon->stopped);
    }
}

static void log_end(np_group *group, np_conn *conn, const np_failure *failure)
{
    np_log *log = np__loop_log(group->loop);
    np_log_level level = failure->err == NP_OK ? NP_LOG_INFO : NP_LOG_WARN;
    np_log_field fields[5];
    np_peer peer;

    if (!np_log_wants(log, level)) {
        return;
    }
    np_conn_peer(conn, &peer);
    fields[0] = np_log_unsigned("conn", conn->id);
    fields[1] = np_log_text("peer", peer.text);
    fields[2] = np_log_text("stage", np_stage_name(failure->stage));
    fields[3] = np_log_err("err", failure->err);
    fields[4] = np_log_text("text", failure->text);
    np_log_write(log, np_loop_now(group->loop), level, "conn.closed", fields, 5);
}

static void on_end(np_group *group, np_conn *conn, const np_failure *failure)
{
    log_end(group, conn, failure);
}

static void on_opened(np_group *group, np_conn *conn)
{
    np_daemon *daemon = np_container_of(group, np_daemon, group);

    if (conn->counted) {
        np_sources_opened(&daemon->admission.sources, conn->peer.ip);
    }
}

static void on_gone(np_group *group, np_conn *conn)
{
    np_daemon *daemon = np_container_of(group, np_daemon, group);

    if (conn->counted) {
        np_sources_remove(&daemon->admission.sources, conn->peer.ip, !conn->opened,
                          np_loop_now(group->loop).mono_ms * 1000);
    }
    check_stopped(daemon);
}

/* Newcomers -------------------------------------------------------------------------------- */

/* limit: the option that spoke against them, or NULL; then err tells more. */
static void log_refused(np_daemon *daemon, np_err err, const char *limit, const struct sockaddr *sa,
                        socklen_t len)
{
    np_log *log = np__loop_log(daemon->group.loop);
    char text[NP_ADDRESS_TEXT_LEN];
    np_log_field fields[3];

    if (np_log_wants(log, NP_LOG_WARN)) {
        fields[0] = np_log_text("peer", np_address_format_socket(sa, len, text));
        fields[1] = np_log_err("err", err);
        fields[2] = np_log_text("limit", limit);
        np_log_write(log, np_loop_now(daemon->group.loop), NP_LOG_WARN, "daemon.refused", fields,
                     limit != NULL ? 3 : 2);
    }
}

/* Says "busy" as far as that costs nothing, and hangs up. */
static void turn_away(np_daemon *daemon, int fd)
{
    (void)send(fd, daemon->busy, daemon->busy_len, MSG_NOSIGNAL | MSG_DONTWAIT);
    (void)close(fd);
}

static void log_evicted(np_daemon *daemon, np_conn *conn, const char *limit)
{
    np_log *log = np__loop_log(daemon->group.loop);
    np_log_field fields[3];
    np_peer peer;

    if (np_log_wants(log, NP_LOG_WARN)) {
        np_conn_peer(conn, &peer);
        fields[0] = np_log_unsigned("conn", conn->id);
        fields[1] = np_log_text("peer", peer.text);
        fields[2] = np_log_text("limit", limit);
        np_log_write(log, np_loop_now(daemon->group.loop), NP_LOG_WARN, "daemon.evicted", fields,
                     3);
    }
}

static np_err make_busy(np_daemon *daemon)
{
    base_error error;
    np_framing_head head;
    uint8_t *body = daemon->busy + NP_FRAMING_HEADER_LEN;
    size_t len = 0;
    np_err err = NP_OK;

    memset(&error, 0, sizeof error);
    error.reason = BASE_REASON_BUSY;
    error.text = np_str_from("too many connections");
    err = base_error_encode(&error, body, BUSY_LEN - NP_FRAMING_HEADER_LEN, &len, NULL);
    if (err == NP_OK) {
        head = np_framing_make(NP_FRAMING_NO_STREAM, 0, len, false);
        (void)np_framing_put(daemon->busy, &head);
        daemon->busy_len = NP_FRAMING_HEADER_LEN + len;
    }
    return err;
}

/* All places are taken: the oldest of those who have not even said hello, if it has had time to;
 * NULL: there is none. */
static np_conn *who_gives_way(const np_daemon *daemon)
{
    np_conn *oldest = daemon->group.half_open.first;
    const np_session_options *options = &daemon->group.session;
    uint64_t now = np_loop_now(daemon->group.loop).mono_ms;

    if (oldest == NULL || options->hello_ms <= EVICT_AGE_MS || oldest->link.in_turn) {
        return NULL;
    }
    /* Its hello deadline tells its age. */
    if (oldest->link.session.phase_deadline == NP_TIME_NEVER ||
        oldest->link.session.phase_deadline - options->hello_ms + EVICT_AGE_MS > now) {
        return NULL;
    }
    return oldest;
}

/* The option that speaks against one more stranger, unless somebody makes room; or NULL. */
static const char *places_taken(const np_daemon *daemon)
{
    if (np_daemon_connections(daemon) >= daemon->connections_max) {
        return "connections_max";
    }
    return daemon->half_open_max > 0 && daemon->group.half_open.count >= daemon->half_open_max
               ? "half_open_max"
               : NULL;
}

np_err np__daemon_adopt(np_daemon *daemon, const np_stream *stream, const struct sockaddr *sa,
                        const char **limit)
{
    np_conn *conn = NULL;
    uint8_t source[16];
    bool counted = sa != NULL && sa->sa_family != AF_UNIX;
    np_time now = np_loop_now(daemon->group.loop);
    const char *taken = places_taken(daemon);
    np_conn *oldest = taken != NULL ? who_gives_way(daemon) : NULL;
    np_err err = NP_OK;

    *limit = taken;
    if (taken != NULL && oldest == NULL) {
        return NP_ERR_BUSY;
    }
    if (!np__loop_headroom(daemon->group.loop)) {
        *limit = NULL;
        return NP_ERR_MEMORY;
    }
    if (sa != NULL) {
        np__conn_source(sa, source);
        err = np__admission_begin(&daemon->admission, counted ? source : NULL, now, limit);
        if (err != NP_OK) {
            return err;
        }
    }
    if (oldest != NULL) { /* not before: who does not come in takes nobody's place */
        log_evicted(daemon, oldest, taken);
        np_link_destroy(&oldest->link);
    }
    err = np__conn_new(&conn, &daemon->group, stream, NP_SESSION_SERVER, sa);
    if (err != NP_OK) {
        *limit = err == NP_ERR_LIMIT ? "memory_max" : NULL;
        if (counted) {
            np_sources_remove(&daemon->admission.sources, source, true, now.mono_ms * 1000);
        }
        return err;
    }
    conn->counted = counted;
    return NP_OK;
}

static void on_accept(np_listener *listener, int fd, const struct sockaddr *sa, socklen_t len,
                      void *user)
{
    np_daemon *daemon = user;
    np_stream stream;
    const char *limit = NULL;
    np_err err = NP_OK;

    if (np_listener_address(listener)->kind == NP_ADDRESS_UNIX) {
        np_unix_stream_init(&stream, fd);
    } else {
        np_tcp_stream_init(&stream, fd);
    }
    err = np__daemon_adopt(daemon, &stream, sa, &limit);
    if (err != NP_OK) {
        turn_away(daemon, fd);
        log_refused(daemon, err, limit, sa, len);
    }
}

/* Starting and stopping -------------------------------------------------------------------- */

static np_err listen_on(np_daemon *daemon, const char *text, const np_daemon_options *options,
                        np_failure *failure)
{
    listening *l = &daemon->listeners[daemon->listener_count];
    np_listener_options listener_options = {.backlog = options->backlog,
                                            .unix_mode = options->unix_mode,
                                            .reuse_port = options->reuse_port};
    np_address address;
    const char *why = NULL;
    int os_error = 0;
    np_err err = np_address_parse(text, &address, &why);

    if (err != NP_OK) {
        return np__failure_set(failure, NP_STAGE_ADDRESS, err, 0, text, why);
    }
    err = np_listener_open(&l->listener, daemon->group.loop, &address, &listener_options, on_accept,
                           daemon, &os_error, &why);
    if (err != NP_OK) {
        return np__failure_set(failure, NP_STAGE_LISTEN, err, os_error, text, why);
    }
    (void)np_address_format(np_listener_address(l->listener), l->text);
    daemon->listener_count++;
    return NP_OK;
}

static np_err set_up(np_daemon *daemon, np_loop *loop, const np_daemon_options *options,
                     np_failure *failure)
{
    uint64_t seed = 0;
    np_err err = np__group_init(&daemon->group, loop, &options->service, &options->base,
                                &options->handlers, &options->conn);

    if (err != NP_OK) {
        return np__failure_set(failure, NP_STAGE_LISTEN, err, 0, NULL, "no protocol, or no queue");
    }
    err = np__group_compress(&daemon->group, &options->conn.compression, NULL, failure);
    if (err == NP_OK) {
        err = np__group_secure(&daemon->group, &options->security, NULL, failure);
    }
    if (err != NP_OK) {
        return err;
    }
    err = np_loop_random(&seed, sizeof seed);
    if (err == NP_OK) {
        err = make_busy(daemon);
    }
    if (err != NP_OK) {
        return np__failure_set(failure, NP_STAGE_LISTEN, err, 0, NULL, NULL);
    }
    np__admission_init(&daemon->admission, options, seed);
    daemon->group.on_opened = on_opened;
    daemon->group.on_end = on_end;
    daemon->group.on_gone = on_gone;
    daemon->connections_max = options->connections_max;
    daemon->half_open_max = options->half_open_max;
    daemon->on_stopped = options->on_stopped;
    daemon->user = options->user;
    np__task_init(&daemon->stopped, on_stopped);
    daemon->listeners = calloc(options->address_count + 1, sizeof *daemon->listeners);
    if (daemon->listeners == NULL) {
        return np__failure_set(failure, NP_STAGE_LISTEN, NP_ERR_MEMORY, 0, NULL, NULL);
    }
    return NP_OK;
}

np_err np_daemon_start(np_daemon **out, np_loop *loop, const np_daemon_options *options,
                       np_failure *failure)
{
    np_daemon *daemon = NULL;
    np_err err = NP_OK;

    *out = NULL;
    if (options->address_count > ADDRESSES_MAX || options->connections_max == 0) {
        return np__failure_set(failure, NP_STAGE_LISTEN, NP_ERR_ARG, 0, NULL,
                               "more than 64 addresses, or no connections allowed");
    }
    daemon = calloc(1, sizeof *daemon);
    if (daemon == NULL) {
        return np__failure_set(failure, NP_STAGE_LISTEN, NP_ERR_MEMORY, 0, NULL, NULL);
    }
    err = set_up(daemon, loop, options, failure);
    if (err != NP_OK) {
        np__group_fini(&daemon->group);
        free(daemon->listeners);
        free(daemon);
        return err;
    }
    for (size_t i = 0; i < options->address_count; i++) {
        err = listen_on(daemon, options->addresses[i], options, failure);
        if (err != NP_OK) {
            np_daemon_free(daemon);
            return err;
        }
    }
    *out = daemon;
    return NP_OK;
}

static void close_listeners(np_daemon *daemon)
{
    for (size_t i = 0; i < daemon->listener_count; i++) {
        np_listener_close(daemon->listeners[i].listener);
    }
    daemon->listener_count = 0;
}

void np_daemon_stop(np_daemon *daemon)
{
    np_str text = np_str_from("going away");

    if (daemon->stopping) {
        return;
    }
    daemon->stopping = true;
    close_listeners(daemon);
    /* Nothing of these runs a callback: connections leave the lists in their own turns. */
    for (np_conn *c = daemon->group.half_open.first; c != NULL; c = c->next) {
        np_link_abort(&c->link);
    }
    for (np_conn *c = daemon->group.open.first; c != NULL; c = c->next) {
        np_link_close(&c->link, NP_SESSION_NO_REASON, text);
    }
    check_stopped(daemon);
}

void np_daemon_free(np_daemon *daemon)
{
    if (daemon == NULL) {
        return;
    }
    daemon->stopping = true;
    daemon->freeing = true;
    close_listeners(daemon);
    np__group_fini(&daemon->group);
    np__task_cancel(daemon->group.loop, &daemon->stopped);
    np__admission_fini(&daemon->admission);
    free(daemon->listeners);
    free(daemon);
}

const char *np_daemon_address(const np_daemon *daemon, size_t index)
{
    return index < daemon->listener_count ? daemon->listeners[index].text : NULL;
}

void np_daemon_each(np_daemon *daemon, bool (*fn)(np_conn *conn, void *user), void *user)
{
    np_conn *next = NULL;

    /* fn may send and close, which take effect later, so the list stays as it is meanwhile. */
    for (np_conn *c = daemon->group.open.first; c != NULL; c = next) {
        next = c->next;
        if (!c->ended && !fn(c, user)) {
            return;
        }
    }
}
