/* conn.c - what an application may do with a connection. See netproto/conn.h. */
#define _GNU_SOURCE
#include "service/conn_private.h"
#include "transport/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>

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
