#include "support/blocking_peer.h"

#include "support/demo_protocol.h"

#include <netproto/loop.h>

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

uint16_t blocking_port(const char *address)
{
    return (uint16_t)strtoul(strrchr(address, ':') + 1, NULL, 10);
}

static np_time now(void)
{
    struct timespec mono;
    struct timespec wall;

    (void)clock_gettime(CLOCK_MONOTONIC, &mono);
    (void)clock_gettime(CLOCK_REALTIME, &wall);
    return (np_time){(uint64_t)mono.tv_sec * 1000 + (uint64_t)mono.tv_nsec / 1000000,
                     (uint64_t)wall.tv_sec * 1000};
}

static void handle(blocking_peer *peer)
{
    np_session_event event;

    while (!peer->closed && np_session_next_event(&peer->s, &event)) {
        switch (event.kind) {
        case NP_SESSION_EVENT_PEER_KEY:
            np_session_trust(&peer->s, true, NULL);
            break;
        case NP_SESSION_EVENT_OPEN:
            peer->open = true;
            break;
        case NP_SESSION_EVENT_MESSAGE:
        case NP_SESSION_EVENT_RESPONSE:
            peer->messages++;
            peer->bytes += event.len;
            break;
        case NP_SESSION_EVENT_CLOSED:
            peer->closed = true;
            peer->err = event.err;
            peer->reason = event.reason;
            break;
        default:
            break;
        }
    }
    if (!peer->closed) {
        np_session_park(&peer->s);
    }
}

bool blocking_write(blocking_peer *peer, size_t withheld)
{
    while (!peer->closed && np_session_queued(&peer->s) > withheld) {
        struct iovec iov[64];
        size_t count = np_session_output(&peer->s, iov, 64, now());
        size_t left = np_session_queued(&peer->s) - withheld;
        ssize_t put = 0;
        size_t n = 0;
        if (count == 0) {
            break;
        }
        n = iov[0].iov_len < left ? iov[0].iov_len : left;
        put = send(peer->fd, iov[0].iov_base, n, MSG_NOSIGNAL);
        if (put <= 0) {
            (void)blocking_poll(peer); /* it may have said why */
            if (!peer->closed) {
                np_session_lost(&peer->s, NP_ERR_RESET, now());
                handle(peer);
            }
            return false;
        }
        np_session_output_done(&peer->s, (size_t)put, now());
    }
    return !peer->closed;
}

/* One read. */
static bool read_some(blocking_peer *peer, int flags)
{
    static uint8_t shared[65536];
    uint8_t *place = shared;
    size_t room = sizeof shared;
    ssize_t got = 0;

    switch (np_session_want(&peer->s, &place, &room)) {
    case NP_WANT_NOTHING:
        return false;
    case NP_WANT_SHARED:
        place = shared;
        room = sizeof shared;
        break;
    case NP_WANT_PLACE:
        break;
    }
    got = recv(peer->fd, place, room, flags);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
        return false;
    }
    if (got > 0) {
        np_session_recv(&peer->s, place, (size_t)got, now());
    } else if (got == 0) {
        np_session_recv_end(&peer->s, now());
    } else {
        np_session_lost(&peer->s, NP_ERR_RESET, now());
    }
    handle(peer);
    return true;
}

bool blocking_poll(blocking_peer *peer)
{
    while (!peer->closed && read_some(peer, MSG_DONTWAIT)) {
    }
    return !peer->closed;
}

bool blocking_read(blocking_peer *peer, size_t messages)
{
    while (!peer->closed && peer->messages < messages) {
        if (!blocking_write(peer, 0) || !read_some(peer, 0)) {
            return peer->messages >= messages;
        }
    }
    return peer->messages >= messages;
}

bool blocking_open(blocking_peer *peer, uint16_t port, uint32_t source, const np_keypair *keys,
                   np_compression compression)
{
    const struct timeval patience = {20, 0};
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(source)};
    np_err err = NP_OK;

    memset(peer, 0, sizeof *peer);
    np_pool_init(&peer->pool, NULL);
    peer->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (peer->fd < 0 || bind(peer->fd, (struct sockaddr *)&at, sizeof at) != 0) {
        abort();
    }
    (void)setsockopt(peer->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    (void)setsockopt(peer->fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    at.sin_port = htons(port);
    if (connect(peer->fd, (struct sockaddr *)&at, sizeof at) != 0) {
        return false;
    }
    peer->options = np_session_options_default(&demo_protocol);
    peer->options.queue_max = (size_t)64 << 20;
    if (keys != NULL) {
        peer->keys = *keys;
        peer->security = (np_session_security){.identity = &peer->keys, .rng = np_loop_rng()};
        peer->options.security = &peer->security;
    }
    np_compress_init(&peer->contexts);
    if (compression != NP_COMPRESSION_NONE) {
        peer->compression = (np_session_compression){.kinds = {(uint8_t)compression},
                                                     .kind_count = 1,
                                                     .threshold = 512,
                                                     .zstd_level = 1,
                                                     .contexts = &peer->contexts};
        peer->options.compression = &peer->compression;
    }
    err = np_session_init(&peer->s, &peer->options, &peer->pool, NP_SESSION_CLIENT, now());
    if (err != NP_OK) {
        abort();
    }
    while (!peer->open && !peer->closed) {
        if (!blocking_write(peer, 0) || !read_some(peer, 0)) {
            break;
        }
    }
    return peer->open && !peer->closed && blocking_write(peer, 0);
}

void blocking_fini(blocking_peer *peer)
{
    if (peer->fd >= 0) {
        (void)close(peer->fd);
        peer->fd = -1;
        if (peer->s.options != NULL) {
            np_session_fini(&peer->s);
        }
        np_pool_fini(&peer->pool);
        np_compress_fini(&peer->contexts);
    }
}
