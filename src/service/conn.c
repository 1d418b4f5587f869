/* conn.c - one connection. See netproto/conn.h. */
#define _GNU_SOURCE
#include "service/conn_private.h"
#include "transport/address.h"
#include "transport/unix.h"

#include <base.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>

static np_conn *conn_of(np_link *link)
{
    return np_container_of(link, np_conn, link);
}

/* Messages for the handlers ---------------------------------------------------------------- */

/* Whose message it is: ids of the base protocol go to its own handlers, unless the service speaks
 * the base protocol itself. */
static const np_service *service_for(const np_group *group, uint32_t id)
{
    const np_protocol *protocol = group->service.protocol;
    bool base_itself = protocol->message_count > 0 && protocol->messages[0].id < 256;

    return id < 256 && !base_itself ? &group->base : &group->service;
}

static np_err no_dispatcher(const np_group *group, const np_service *service, np_fault *fault)
{
    const char *rule = service == &group->base ? "set base in the options, base_service(&handlers)"
                                               : "the service was made without handlers";

    return np_fault_at(fault, NP_ERR_NO_HANDLER, NULL, rule, 0);
}

/* The same on a copy of the payload, which is spoilt afterwards. */
static np_err dispatch_poisoned(np_conn *conn, const np_service *service, const np_incoming *in,
                                np_fault *fault)
{
    np_incoming lent = *in;
    uint8_t *copy = np__poison_lend(in->payload, in->len);
    np_err err = NP_OK;

    if (copy != NULL) {
        lent.payload = copy;
    }
    err = service->dispatch(service->handlers, conn, &lent, fault);
    np__poison_spoil(np__conn_group(conn)->poison, copy, in->len);
    return err;
}

np_err np__conn_dispatch(np_conn *conn, const np_incoming *in, np_fault *fault)
{
    const np_service *service = service_for(np__conn_group(conn), in->id);
    np_err err = NP_OK;

    if (np_unlikely(service->dispatch == NULL)) {
        return no_dispatcher(np__conn_group(conn), service, fault);
    }
    conn->dispatching = true;
    err = np_unlikely(np__conn_group(conn)->poison != NULL)
              ? dispatch_poisoned(conn, service, in, fault)
              : service->dispatch(service->handlers, conn, in, fault);
    conn->dispatching = false;
    return err;
}

/* A whole message. Member by member: clearing it first would cost as much as all the rest. */
static void fill_incoming(np_incoming *in, const np_session_event *event)
{
    in->id = event->id;
    in->payload = event->payload;
    in->len = event->len;
    in->version = event->version;
    in->call.loop = NULL;
    in->call.conn = 0;
    in->call.message = NULL;
    in->call.stream = 0;
    in->call.serial = 0;
    in->kind = NP_INCOMING_MESSAGE;
    in->body.loop = NULL;
    in->body.conn = 0;
    in->body.serial = 0;
    in->total = 0;
    in->err = NP_OK;
    in->whole = NULL;
}

/* The body of a message that came whole has a handle, too, for as long as the message is
 * dispatched: its handlers are those of one that comes in pieces. */
static np_err dispatch_whole(np_conn *conn, np_incoming *in, np_fault *fault)
{
    np_group *group = np__conn_group(conn);
    np_err err = NP_OK;

    in->body = (np_body){group->loop, conn->id, np_session_next_serial(&conn->link.session)};
    group->whole_body = in->body;
    group->whole_user = NULL;
    err = np__conn_dispatch(conn, in, fault);
    group->whole_body = (np_body){NULL, 0, 0};
    return err;
}

static void on_message(np_conn *conn, const np_session_event *event)
{
    np_incoming in;
    np_fault fault;
    np_err err = NP_OK;

    fault.err = NP_OK;
    fill_incoming(&in, event);
    if (event->kind == NP_SESSION_EVENT_REQUEST) {
        in.call = np__conn_call_of(conn, event);
    }
    err = np_unlikely(event->message->kind == NP_MESSAGE_STREAM)
              ? dispatch_whole(conn, &in, &fault)
              : np__conn_dispatch(conn, &in, &fault);
    if (np_unlikely(err != NP_OK)) {
        np__conn_dispatch_failed(conn, event, err, &fault);
    }
}

static void on_open(np_conn *conn)
{
    np_group *group = np__conn_group(conn);

    if (!np__guard_is_fresh(&group->guard, &conn->link.session)) {
        np_link_fail(&conn->link, NP_ERR_REFUSED, NP_SESSION_STAGE_NEGOTIATE, NULL);
        return;
    }
    if (!conn->sourced) {
        np_members_remove(&group->half_open, &conn->member);
    }
    group->half_open_count--;
    group->open_count++;
    conn->opened = true;
    conn->user = NULL;
    if (group->on_opened == NULL || !group->on_opened(group, conn)) {
        np_members_add(&group->open, &conn->member);
    }
    if (group->handlers.on_open != NULL) {
        group->handlers.on_open(conn, group->handlers.user);
    }
}

static void on_writable(np_conn *conn)
{
    np_group *group = np__conn_group(conn);

    conn->want_writable = false;
    if (group->handlers.on_writable != NULL) {
        group->handlers.on_writable(conn, group->handlers.user);
    }
}

static void on_event(np_link *link, const np_session_event *event)
{
    np_conn *conn = conn_of(link);

    switch (event->kind) {
    case NP_SESSION_EVENT_PEER_KEY:
        if (np__conn_group(conn)->on_peer_key != NULL) {
            np__conn_group(conn)->on_peer_key(np__conn_group(conn));
        }
        conn->listed =
            np__guard_judge(&np__conn_group(conn)->guard, &link->session, event->payload);
        break;
    case NP_SESSION_EVENT_OPEN:
        on_open(conn);
        break;
    case NP_SESSION_EVENT_MESSAGE:
    case NP_SESSION_EVENT_REQUEST:
        on_message(conn, event);
        break;
    case NP_SESSION_EVENT_BODY_BEGIN:
    case NP_SESSION_EVENT_BODY_DATA:
    case NP_SESSION_EVENT_BODY_END:
        np__conn_on_body(conn, event);
        break;
    case NP_SESSION_EVENT_RESPONSE:
    case NP_SESSION_EVENT_FAILURE:
        conn->dispatching = true;
        np__conn_answered(conn, event);
        conn->dispatching = false;
        break;
    case NP_SESSION_EVENT_UNKNOWN:
        np__conn_unknown(conn, event);
        break;
    case NP_SESSION_EVENT_WRITABLE:
        on_writable(conn);
        break;
    case NP_SESSION_EVENT_CANCEL:
        np__conn_on_cancel(conn, event);
        break;
    case NP_SESSION_EVENT_CLOSED: /* told by on_closed */
        break;
    }
}

/* Sends from outside of handlers were refused at half of the bound; a quarter is the sign. */
static void on_drained(np_link *link)
{
    np_conn *conn = conn_of(link);
    size_t low = np__conn_group(conn)->links.session.queue_max / 4;

    if (conn->want_writable && np_session_queued(&link->session) <= low) {
        on_writable(conn);
    }
}

static void on_closed(np_link *link, const np_session_event *event)
{
    np_conn *conn = conn_of(link);
    np_group *group = np__conn_group(conn);
    np_failure failure;

    np__failure_from_event(&failure, conn, event);
    conn->ended = true;
    if (conn->opened && group->handlers.on_close != NULL) {
        group->handlers.on_close(conn, &failure, group->handlers.user);
    }
    group->on_end(group, conn, &failure);
}

static void release(np_link *link)
{
    np_conn *conn = conn_of(link);
    np_group *group = np__conn_group(conn);

    *(conn->opened ? &group->open_count : &group->half_open_count) -= 1;
    if (!conn->sourced || (conn->opened && conn->listed)) { /* else its site's owner sees to it */
        np_members_remove(conn->opened ? &group->open : &group->half_open, &conn->member);
    }
    np__loop_unregister(group->loop, conn->id);
    group->on_gone(group, conn);
    free(conn);
}

/* A daemon's: its peer begins a handshake. */
static np_err admit(np_session *session)
{
    np_conn *conn = np_container_of(session, np_conn, link.session);
    np_group *group = np__conn_group(conn);

    return group->on_greeting != NULL ? group->on_greeting(group, conn) : NP_OK;
}

/* Of all groups; but for the loop. */
static const np_link_ops link_ops = {
    .on_event = on_event,
    .on_drained = on_drained,
    .on_closed = on_closed,
    .release = release,
};

/* Groups ----------------------------------------------------------------------------------- */

np_conn_options np_conn_options_default(void)
{
    np_conn_options options = {
        .queue_max = (size_t)1 << 20,
        .message_max = (size_t)16 << 20,
        .calls_max = 1024,
        .serve_max = 1024,
        .bodies_max = 16,
        .hello_timeout_ms = 5000,
        .frame_timeout_ms = 30000,
        .stall_timeout_ms = 30000,
        .close_timeout_ms = 5000,
        .fail_timeout_ms = 5000,
        .idle_timeout_ms = 60000,
        .call_timeout_ms = 30000,
        .memory_max = (size_t)64 << 20,
    };

    options.compression = np_compression_options_default();
    return options;
}

np_err np__group_init(np_group *group, np_loop *loop, const np_service *service,
                      const np_service *base, const np_conn_handlers *handlers,
                      const np_conn_options *options)
{
    if (service->protocol == NULL || options->queue_max == 0 || options->message_max == 0) {
        return NP_ERR_ARG;
    }
    memset(group, 0, sizeof *group);
    group->loop = loop;
    group->links.ops = link_ops;
    group->links.ops.loop = loop;
    group->service = *service;
    group->base = *base;
    group->handlers = *handlers;
    group->call_timeout_ms = options->call_timeout_ms;
    group->links.session = np_session_options_default(service->protocol);
    group->links.session.conversation = options->conversation;
    if (options->conversation == NULL && service->protocol->conversation_count > 0 &&
        !options->any_order) {
        group->links.session.conversation = &service->protocol->conversations[0];
    }
    group->links.session.version_min = options->version_min;
    group->links.session.version_max = options->version_max;
    group->links.session.queue_max = options->queue_max;
    group->links.session.message_max = options->message_max;
    group->links.session.calls_max = options->calls_max;
    group->links.session.serve_max = options->serve_max;
    group->links.session.bodies_max = options->bodies_max;
    group->links.session.hello_ms = options->hello_timeout_ms;
    group->links.session.frame_ms = options->frame_timeout_ms;
    group->links.session.stall_ms = options->stall_timeout_ms;
    group->links.session.close_ms = options->close_timeout_ms;
    group->links.session.fail_ms = options->fail_timeout_ms;
    group->links.session.idle_ms = options->idle_timeout_ms;
    group->links.session.admit = admit;
    np_members_init(&group->half_open);
    np_members_init(&group->open);
    np_holder_init(&group->holder, np__loop_pool(loop), options->memory_max);
    if (options->poison) {
        group->poison = np__poison_new();
        return group->poison != NULL ? NP_OK : NP_ERR_MEMORY;
    }
    return NP_OK;
}

/* What is wrong with the options, in words; NULL: nothing. */
static const char *wrong_compression(const np_compression_options *options)
{
    const np_compression first = options->preferred[0];
    const np_compression second = options->preferred[1];

    if ((unsigned)first > NP_COMPRESSION_ZSTD || (unsigned)second > NP_COMPRESSION_ZSTD) {
        return "compression: preferred holds a kind that there is not";
    }
    if (second != NP_COMPRESSION_NONE && (first == second || first == NP_COMPRESSION_NONE)) {
        return "compression: preferred names each kind once, and NONE only behind them";
    }
    return first != NP_COMPRESSION_NONE &&
                   (options->zstd_level < 1 || options->zstd_level > NP_COMPRESSION_LEVEL_MAX)
               ? "compression: zstd_level is 1 to 19"
               : NULL;
}

np_err np__group_compress(np_group *group, const np_compression_options *options,
                          const char *address, np_failure *failure)
{
    np_session_compression *compression = &group->compression;
    const char *why = wrong_compression(options);

    if (why != NULL) {
        return np__failure_set(failure, address != NULL ? NP_STAGE_CONNECT : NP_STAGE_LISTEN,
                               NP_ERR_ARG, 0, address, why);
    }
    for (size_t i = 0; i < NP_COMPRESSION_KINDS && options->preferred[i] != NP_COMPRESSION_NONE;
         i++) {
        compression->kinds[compression->kind_count++] = (uint8_t)options->preferred[i];
    }
    compression->threshold = options->threshold;
    compression->zstd_level = options->zstd_level;
    compression->unpack_rate = options->unpack_rate;
    compression->contexts = np__loop_compress(group->loop);
    group->links.session.compression = compression->kind_count > 0 ? compression : NULL;
    return NP_OK;
}

np_err np__group_secure(np_group *group, const np_security *security, const char *address,
                        np_failure *failure)
{
    np_err err = np__guard_init(&group->guard, security, address, failure);

    group->links.session.security = np__guard_session(&group->guard);
    return err;
}

void np__group_fini(np_group *group)
{
    while (group->half_open.first != NULL) {
        np_link_destroy(&np__conn_of_member(group->half_open.first)->link);
    }
    while (group->open.first != NULL) {
        np_link_destroy(&np__conn_of_member(group->open.first)->link);
    }
    if (group->holder.pool != NULL) { /* else it was never made */
        np_holder_fini(&group->holder);
    }
    np__group_free_pending(group);
    np__poison_free(group->poison);
    np__guard_fini(&group->guard);
}

/* Making one ------------------------------------------------------------------------------- */

/* The address of a TCP peer, IPv4 in its mapped form. */
static void address_of(const struct sockaddr *sa, uint8_t address[16])
{
    static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};

    memset(address, 0, 16);
    if (sa->sa_family == AF_INET) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)sa;
        memcpy(address, mapped, sizeof mapped);
        memcpy(address + 12, &in->sin_addr, 4);
    } else if (sa->sa_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)(const void *)sa;
        memcpy(address, &in6->sin6_addr, 16);
    }
}

np_origin np__conn_origin(const np_stream *stream, const struct sockaddr *sa)
{
    np_origin origin = {.kind = NP_ORIGIN_USER, .uid = UINT32_MAX};
    np_credentials credentials;
    uint8_t address[16];

    if (sa->sa_family != AF_UNIX) {
        address_of(sa, address);
        return np_origin_of(address);
    }
    if (np_unix_peer(stream->fd, &credentials) == NP_OK) {
        origin.uid = credentials.uid;
    }
    return origin; /* those whom the kernel does not know are one user */
}

static void note_peer(np_conn *conn, const np_stream *stream, const struct sockaddr *sa)
{
    np_credentials credentials;
    uint8_t address[16];

    if (sa == NULL) {
        conn->peer_kind = NP_PEER_PAIR;
        return;
    }
    if (sa->sa_family != AF_UNIX) {
        /* The port lies at the same place in both families. */
        conn->peer_kind = NP_PEER_TCP;
        conn->port = ntohs(((const struct sockaddr_in *)(const void *)sa)->sin_port);
        address_of(sa, address);
        if (conn->sourced) {
            memcpy(conn->peer.known.low, address + 8, 8);
        } else {
            memcpy(conn->peer.ip, address, 16);
        }
        return;
    }
    conn->peer_kind = NP_PEER_UNIX;
    if (np_unix_peer(stream->fd, &credentials) == NP_OK) {
        conn->has_credentials = true;
        *(conn->sourced ? &conn->peer.known.pid : &conn->peer.process.pid) = credentials.pid;
        *(conn->sourced ? &conn->peer.known.gid : &conn->peer.process.gid) = credentials.gid;
        if (!conn->sourced) {
            conn->peer.process.uid = credentials.uid;
        }
    }
}

np_err np__conn_new(np_conn **out, np_group *group, const np_stream *stream, np_session_role role,
                    const struct sockaddr *sa, np_source *source)
{
    np_conn *conn = calloc(1, sizeof *conn);
    np_err err = NP_OK;

    if (conn == NULL) {
        return NP_ERR_MEMORY;
    }
    if (source != NULL) {
        conn->sourced = true;
        conn->peer.known.source = source;
    }
    note_peer(conn, stream, sa);
    conn->since_ms = np_loop_now(group->loop).mono_ms;
    conn->id = np__loop_register(group->loop, conn);
    if (conn->id == 0) {
        free(conn);
        return NP_ERR_MEMORY;
    }
    err = np_link_start(&conn->link, &group->links, stream, role,
                        source != NULL ? &np_source_site(source)->holder : &group->holder);
    if (err != NP_OK) {
        np__loop_unregister(group->loop, conn->id);
        free(conn);
        return err;
    }
    if (source != NULL) {
        np_sources_add(source, &conn->member);
    } else {
        np_members_add(&group->half_open, &conn->member);
    }
    group->half_open_count++;
    *out = conn;
    return NP_OK;
}

/* What users call -------------------------------------------------------------------------- */

np_err np__conn_room(np_conn *conn)
{
    if (!conn->dispatching &&
        np_session_queued(&conn->link.session) >=
            np__conn_group(conn)->links.session.queue_max / 2 &&
        np_session_is_open(&conn->link.session)) {
        conn->want_writable = true;
        return NP_ERR_FULL;
    }
    return NP_OK;
}

/* What to do about an error that is not about the value. */
static const char *advice(const np_conn *conn, const np_message *message, np_err err)
{
    switch (err) {
    case NP_ERR_STATE:
        return conn == NULL ? "there is no open connection; connect, and wait for on_open"
                            : "not connected yet; wait for on_open";
    case NP_ERR_CLOSED:
        return "the connection is closing or has ended; on_close tells why";
    case NP_ERR_FULL:
        return "send again after on_writable";
    case NP_ERR_NEWER:
        return message->since > np_conn_version(conn) ? "the peer's version lacks the message"
                                                      : NULL;
    default:
        return NULL;
    }
}

np_err np__conn_refused(const np_conn *conn, const np_message *message, np_err err, np_fault *fault)
{
    const char *rule = advice(conn, message, err);

    return rule != NULL ? np_fault_at(fault, err, message->name, rule, 0) : err;
}

np_err np__conn_sent(np_conn *conn, np_err err)
{
    if (err == NP_OK) {
        np_link_touch(&conn->link);
    } else if (err == NP_ERR_FULL) {
        conn->want_writable = true;
    }
    return err;
}

np_err np_conn_send(np_conn *conn, const np_message *message, const void *value, np_fault *fault)
{
    np_err err = conn != NULL ? np__conn_room(conn) : NP_ERR_STATE;

    if (np_likely(err == NP_OK)) {
        err = np__conn_sent(conn, np_session_send(&conn->link.session, message, value, fault));
    }
    return np_likely(err == NP_OK) ? NP_OK : np__conn_refused(conn, message, err, fault);
}

np_err np_conn_ping(np_conn *conn)
{
    return conn != NULL ? np__conn_sent(conn, np_session_ping(&conn->link.session, conn->id))
                        : NP_ERR_STATE;
}

void np_conn_hold(np_conn *conn, bool hold)
{
    if (conn != NULL) {
        np_link_hold(&conn->link, hold);
    }
}

void np_conn_close(np_conn *conn, uint32_t reason, const char *text)
{
    if (conn != NULL) {
        np_link_close(&conn->link, reason, np_str_from(text));
    }
}

void np_conn_abort(np_conn *conn)
{
    if (conn != NULL) {
        np_link_abort(&conn->link);
    }
}

uint64_t np_conn_id(const np_conn *conn)
{
    return conn != NULL ? conn->id : 0;
}

np_conn *np_conn_find(np_loop *loop, uint64_t id)
{
    np_conn *conn = np__loop_lookup(loop, id);

    return conn != NULL && conn->opened && !conn->ended ? conn : NULL;
}

void *np_conn_user(const np_conn *conn)
{
    return conn != NULL && conn->opened ? conn->user : NULL;
}

void np_conn_set_user(np_conn *conn, void *user)
{
    if (conn != NULL) {
        conn->user = user;
    }
}

np_loop *np_conn_loop(const np_conn *conn)
{
    return conn != NULL ? np__conn_group(conn)->loop : NULL;
}

np_client *np_conn_client(const np_conn *conn)
{
    return conn != NULL ? np__conn_group(conn)->client : NULL;
}

size_t np_conn_queued(const np_conn *conn)
{
    return conn != NULL ? np_session_queued(&conn->link.session) : 0;
}

uint32_t np_conn_version(const np_conn *conn)
{
    return conn != NULL ? conn->link.session.version : 0;
}

bool np_conn_is_open(const np_conn *conn)
{
    return conn != NULL && conn->opened && !conn->ended && np_session_is_open(&conn->link.session);
}

void np_conn_peer(const np_conn *conn, np_peer *peer)
{
    const uint8_t *key = conn != NULL ? np_session_peer_key(&conn->link.session) : NULL;

    memset(peer, 0, sizeof *peer);
    if (conn == NULL) {
        return;
    }
    peer->kind = (np_peer_kind)conn->peer_kind;
    if (key != NULL) {
        peer->has_key = true;
        memcpy(peer->key, key, sizeof peer->key);
    }
    if (conn->peer_kind == NP_PEER_TCP) {
        struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(conn->port)};
        char text[NP_ADDRESS_TEXT_LEN];
        if (conn->sourced) {
            memcpy(peer->address, conn->peer.known.source->key, 8);
            memcpy(peer->address + 8, conn->peer.known.low, 8);
        } else {
            memcpy(peer->address, conn->peer.ip, 16);
        }
        memcpy(&in6.sin6_addr, peer->address, 16);
        peer->port = conn->port;
        (void)np_address_format_socket((const struct sockaddr *)(const void *)&in6, sizeof in6,
                                       text);
        (void)snprintf(peer->text, sizeof peer->text, "%.*s", (int)sizeof peer->text - 1, text);
    } else if (conn->peer_kind == NP_PEER_UNIX) {
        peer->has_credentials = conn->has_credentials;
        peer->pid = conn->sourced ? conn->peer.known.pid : conn->peer.process.pid;
        peer->gid = conn->sourced ? conn->peer.known.gid : conn->peer.process.gid;
        peer->uid =
            conn->sourced ? (uint32_t)conn->peer.known.source->key[0] : conn->peer.process.uid;
        (void)snprintf(peer->text, sizeof peer->text, "unix:pid=%u,uid=%u,gid=%u",
                       (unsigned)peer->pid, (unsigned)peer->uid, (unsigned)peer->gid);
    } else {
        (void)snprintf(peer->text, sizeof peer->text, "pair:");
    }
}
