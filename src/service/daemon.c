/* daemon.c - listening, and serving who connects. See netproto/daemon.h. */
#define _GNU_SOURCE
#include "core/framing.h"
#include "service/admission.h"
#include "service/conn_private.h"
#include "service/daemon_private.h"
#include "service/keyring.h"
#include "service/options.h"
#include "transport/files.h"
#include "transport/listener.h"

#include <base.h>

#include <stdlib.h>
#include <unistd.h>

/* Room for the Error that turns a newcomer away. */
#define BUSY_LEN 128

/* Of the descriptors that are left when it starts, a daemon leaves one in so many to others, but no
 * more than this. */
#define FILES_KEPT_OF 16u
#define FILES_KEPT_MAX 64u

typedef struct listening {
    np_listener *listener;
    char text[NP_ADDRESS_TEXT_LEN];
} listening;

struct np_daemon {
    np_group group;
    listening *listeners;
    size_t listener_count;
    np_admission admission;
    np_keyring keyring;
    bool stopping;
    bool freeing;
    bool stop_told;  /* or about to be: once, whatever ends meanwhile */
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
    return daemon->group.half_open_count + daemon->group.open_count;
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
    if (daemon->stopping && !daemon->freeing && !daemon->stop_told &&
        np_daemon_connections(daemon) == 0) {
        daemon->stop_told = true;
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
    /* Apart, since the log bounds the events of each name: who never came in cannot use up what
     * tells of those who are. */
    np_log_write(log, np_loop_now(group->loop), level, conn->opened ? "conn.closed" : "conn.failed",
                 fields, 5);
}

static void on_end(np_group *group, np_conn *conn, const np_failure *failure)
{
    log_end(group, conn, failure);
}

/* Whom the application knows by its key has its memory from that, and never has to give way. */
static bool on_opened(np_group *group, np_conn *conn)
{
    np_daemon *daemon = np_container_of(group, np_daemon, group);
    np_source *source = np__conn_source(conn);
    np_holder *holder = NULL;

    if (conn->listed) {
        holder = np__keyring_get(&daemon->keyring, np_session_peer_key(&conn->link.session));
    }
    if (holder != NULL) { /* else, without memory, it goes on being counted as a stranger's */
        np_account_move(&conn->link.session.account, holder);
        conn->keyed = true;
    }
    if (source != NULL) {
        np_sources_opened(&daemon->admission.sources, source, &conn->member, !conn->listed);
    }
    return source != NULL && !conn->listed;
}

static void on_gone(np_group *group, np_conn *conn)
{
    np_daemon *daemon = np_container_of(group, np_daemon, group);
    np_source *source = np__conn_source(conn);

    if (conn->keyed) {
        np__keyring_put(&daemon->keyring, np_account_holder(&conn->link.session.account));
    }
    if (source != NULL) {
        np_sources_leave(&daemon->admission.sources, source, &conn->member, !conn->opened,
                         conn->opened && !conn->listed, np_loop_now(group->loop).mono_ms * 1000);
    }
    check_stopped(daemon);
}

/* Newcomers -------------------------------------------------------------------------------- */

/* limit: the option that spoke against them, or NULL; then err tells more. */
static void log_refused(np_daemon *daemon, np_err err, const char *limit, const char *peer)
{
    np_log *log = np__loop_log(daemon->group.loop);
    np_log_field fields[3];

    if (np_log_wants(log, NP_LOG_WARN)) {
        fields[0] = np_log_text("peer", peer);
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

/* Gives up somebody's place for a newcomer. */
static void make_room(np_daemon *daemon, np_conn *conn, const char *limit)
{
    np_fault fault;

    log_evicted(daemon, conn, limit);
    (void)np_fault_set(&fault, NP_ERR_BUSY, limit,
                       "who has most gives way when all places are taken", 0,
                       np_daemon_connections(daemon));
    np_link_dismiss(&conn->link, NP_ERR_BUSY, &fault);
}

/* A place for somebody who has been counted; at_last: and a descriptor. *full: which limit is met,
 * or NULL; *yields: who would have to go then. Errors: NP_ERR_BUSY. */
static np_err find_place(np_daemon *daemon, np_source *source, bool at_last, const char **full,
                         np_conn **yields)
{
    np_time now = np_loop_now(daemon->group.loop);

    *yields = NULL;
    *full = np__admission_full(&daemon->admission, &daemon->group);
    if (*full == NULL && at_last) {
        *full = "descriptors";
    }
    if (*full != NULL) {
        *yields = np__admission_yields(&daemon->admission, &daemon->group, source, now);
    }
    return *full == NULL || *yields != NULL ? NP_OK : NP_ERR_BUSY;
}

/* The heap has nothing: it gets what is held back, or what somebody gives who holds much. */
static bool find_memory(np_daemon *daemon)
{
    if (np__loop_relieve(daemon->group.loop)) {
        return true;
    }
    if (!np__loop_headroom(daemon->group.loop, true)) {
        return false;
    }
    (void)np__loop_relieve(daemon->group.loop); /* what can be held again is for this */
    return true;
}

static np_err adopt(np_daemon *daemon, const np_stream *stream, const struct sockaddr *sa,
                    bool at_last, const char **limit)
{
    np_conn *conn = NULL;
    np_conn *yields = NULL;
    np_source *source = NULL;
    np_time now = np_loop_now(daemon->group.loop);
    bool roomy = np__loop_headroom(daemon->group.loop, false);
    np_err err = NP_OK;

    *limit = NULL;
    if (sa != NULL) {
        np_origin origin = np__conn_origin(stream, sa);
        err = np__admission_enter(&daemon->admission, &origin, now, &source, limit);
        if (err == NP_ERR_MEMORY && find_memory(daemon)) {
            err = np__admission_enter(&daemon->admission, &origin, now, &source, limit);
        }
    }
    if (err != NP_OK) {
        return err; /* who does not come in takes nobody's place */
    }
    err = find_place(daemon, source, at_last, limit, &yields);
    /* Nobody gives way before it is certain that the newcomer would come in otherwise. */
    if (err == NP_OK && !roomy && !np__loop_headroom(daemon->group.loop, true)) {
        err = NP_ERR_MEMORY;
        *limit = NULL;
    }
    if (err == NP_OK && yields != NULL) {
        make_room(daemon, yields, *limit); /* runs its on_close */
        err = daemon->stopping ? NP_ERR_BUSY : NP_OK;
        *limit = NULL;
    }
    if (err == NP_OK) {
        err = np__conn_new(&conn, &daemon->group, stream, NP_SESSION_SERVER, sa, source);
        if (err == NP_ERR_MEMORY && find_memory(daemon)) {
            err = np__conn_new(&conn, &daemon->group, stream, NP_SESSION_SERVER, sa, source);
        }
        *limit = err == NP_ERR_LIMIT ? "memory_max" : NULL;
    }
    if (err != NP_OK && source != NULL) {
        np_sources_leave(&daemon->admission.sources, source, NULL, true, false, now.mono_ms * 1000);
    }
    return err;
}

np_err np__daemon_adopt(np_daemon *daemon, const np_stream *stream, const struct sockaddr *sa,
                        const char **limit)
{
    return adopt(daemon, stream, sa, false, limit);
}

/* A stranger asks for a handshake. */
static np_err on_greeting(np_group *group, np_conn *conn)
{
    np_daemon *daemon = np_container_of(group, np_daemon, group);
    np_source *source = np__conn_source(conn);
    const char *limit = NULL;
    np_peer peer;

    if (source == NULL || np__admission_begin(&daemon->admission, source, np_loop_now(group->loop),
                                              &limit) == NP_OK) {
        return NP_OK;
    }
    np_conn_peer(conn, &peer);
    log_refused(daemon, NP_ERR_BUSY, limit, peer.text);
    return NP_ERR_BUSY;
}

static bool on_accept(np_listener *listener, int fd, const struct sockaddr *sa, socklen_t len,
                      void *user)
{
    np_daemon *daemon = user;
    char text[NP_ADDRESS_TEXT_LEN];
    np_stream stream;
    const char *limit = NULL;
    np_err err = NP_OK;

    if (np_listener_address(listener)->kind == NP_ADDRESS_UNIX) {
        np_unix_stream_init(&stream, fd);
    } else {
        np_tcp_stream_init(&stream, fd);
    }
    err = adopt(daemon, &stream, sa, np_listener_is_at_last(listener), &limit);
    if (err != NP_OK) {
        turn_away(daemon, fd);
        log_refused(daemon, err, limit, np_address_format_socket(sa, len, text));
    }
    return err == NP_OK;
}

/* Starting and stopping -------------------------------------------------------------------- */

/* Whether it is the daemon itself that is in its own way. */
static const char *why_in_use(const np_daemon *daemon, const np_address *address, const char *why)
{
    for (size_t i = 0; i < daemon->listener_count; i++) {
        if (np_address_overlaps(np_listener_address(daemon->listeners[i].listener), address)) {
            return "this daemon listens there already, by another of its addresses ([::] and * "
                   "take IPv4, too)";
        }
    }
    return why;
}

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
    if (err == NP_ERR_IN_USE) {
        why = why_in_use(daemon, &address, why);
    }
    if (err != NP_OK) {
        return np__failure_set(failure, NP_STAGE_LISTEN, err, os_error, text, why);
    }
    (void)np_address_format(np_listener_address(l->listener), l->text);
    daemon->listener_count++;
    return NP_OK;
}

/* More places than descriptors would be no places: where the last descriptor is taken, the rest of
 * the application cannot open a file. */
static void fit_places(np_daemon *daemon)
{
    uint32_t wanted = daemon->admission.connections_max;
    uint32_t left = np__files_left();
    uint32_t kept = left / FILES_KEPT_OF < FILES_KEPT_MAX ? left / FILES_KEPT_OF : FILES_KEPT_MAX;
    uint32_t places = left > kept ? left - kept : 1;
    np_log_field fields[2];

    if (places >= wanted) {
        return;
    }
    daemon->admission.connections_max = places;
    fields[0] = np_log_unsigned("connections_max", places);
    fields[1] = np_log_unsigned("wanted", wanted);
    np_log_write(np__loop_log(daemon->group.loop), np_loop_now(daemon->group.loop), NP_LOG_INFO,
                 "daemon.files", fields, 2);
}

static np_err set_up(np_daemon *daemon, np_loop *loop, const np_daemon_options *options,
                     np_failure *failure)
{
    uint64_t seed = 0;
    np_err err = np__group_init(&daemon->group, loop, &options->service, &options->base,
                                &options->handlers, &options->conn);

    if (err != NP_OK) {
        return np__failure_set(failure, NP_STAGE_LISTEN, err, 0, NULL, NULL);
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
    np__admission_init(&daemon->admission, options, np__loop_pool(loop), seed);
    np__keyring_init(&daemon->keyring, np__loop_pool(loop), options->conn.memory_max, seed);
    daemon->group.on_opened = on_opened;
    daemon->group.on_greeting = on_greeting;
    daemon->group.on_end = on_end;
    daemon->group.on_gone = on_gone;
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
    const char *why = np__daemon_options_wrong(options);

    why = why != NULL ? why : np__daemon_addresses_wrong(options);
    if (why != NULL) {
        *out = NULL;
        return np__failure_set(failure, NP_STAGE_LISTEN, NP_ERR_ARG, 0, NULL, why);
    }
    return np__daemon_start(out, loop, options, failure);
}

np_err np__daemon_start(np_daemon **out, np_loop *loop, const np_daemon_options *options,
                        np_failure *failure)
{
    np_daemon *daemon = NULL;
    np_err err = NP_OK;

    *out = NULL;
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
    if (options->address_count > 0) { /* what is adopted has its descriptors, if any, already */
        fit_places(daemon);
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

/* All connections --------------------------------------------------------------------------- */

/* The lists that connections of one kind are in: the group's, then each site's. */
static np_members *next_list(np_daemon *daemon, bool open, np_site **site, bool *begun)
{
    if (!*begun) {
        *begun = true;
        *site = NULL;
        return open ? &daemon->group.open : &daemon->group.half_open;
    }
    *site = np_sources_next(&daemon->admission.sources, *site);
    if (*site == NULL) {
        return NULL;
    }
    return open ? &(*site)->open : &(*site)->half_open;
}

/* Calls fn for each; it may send and close, which take effect later, so the lists stay as they are
 * meanwhile. */
static void for_each(np_daemon *daemon, bool open, bool (*fn)(np_conn *conn, void *user),
                     void *user)
{
    np_members *list = NULL;
    np_site *site = NULL;
    bool begun = false;

    while ((list = next_list(daemon, open, &site, &begun)) != NULL) {
        np_member *next = NULL;
        for (np_member *member = list->first; member != NULL; member = next) {
            np_conn *conn = np__conn_of_member(member);
            next = member->next;
            if (!conn->ended && !fn(conn, user)) {
                return;
            }
        }
    }
}

static bool abort_it(np_conn *conn, void *user)
{
    (void)user;
    np_link_abort(&conn->link);
    return true;
}

static bool close_it(np_conn *conn, void *user)
{
    const np_str *text = user;

    np_link_close(&conn->link, NP_SESSION_NO_REASON, *text);
    return true;
}

void np_daemon_each(np_daemon *daemon, bool (*fn)(np_conn *conn, void *user), void *user)
{
    for_each(daemon, true, fn, user);
}

/* Ends all that are in the sites' lists. */
static void destroy_all(np_daemon *daemon)
{
    np_site *next = NULL;

    for (np_site *site = np_sources_next(&daemon->admission.sources, NULL); site != NULL;
         site = next) {
        bool last = false;
        next = np_sources_next(&daemon->admission.sources, site);
        while (!last && (site->half_open.first != NULL || site->open.first != NULL)) {
            np_members *list = site->half_open.first != NULL ? &site->half_open : &site->open;
            last = site->source.count == 1; /* the site may go with it */
            np_link_destroy(&np__conn_of_member(list->first)->link);
        }
    }
}

/* Starting and stopping -------------------------------------------------------------------- */

void np_daemon_stop(np_daemon *daemon)
{
    np_str text = np_str_from("going away");

    if (daemon->stopping) {
        return;
    }
    daemon->stopping = true;
    close_listeners(daemon);
    /* Nothing of these runs a callback: connections leave the lists in their own turns. */
    for_each(daemon, false, abort_it, NULL);
    for_each(daemon, true, close_it, &text);
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
    destroy_all(daemon);
    np__group_fini(&daemon->group);
    np__task_cancel(daemon->group.loop, &daemon->stopped);
    np__admission_fini(&daemon->admission);
    np__keyring_fini(&daemon->keyring);
    free(daemon->listeners);
    free(daemon);
}

const char *np_daemon_address(const np_daemon *daemon, size_t index)
{
    return index < daemon->listener_count ? daemon->listeners[index].text : NULL;
}
