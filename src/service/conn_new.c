/* conn_new.c - makes a connection of a stream, and notes who is at the other end. */
#define _GNU_SOURCE
#include "service/conn_private.h"
#include "transport/unix.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

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
