/* listener.c - accepting connections. See listener.h. */
#define _GNU_SOURCE
#include "transport/listener.h"
#include "transport/tcp.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

struct np_listener {
    np_loop *loop;
    np_watch watch;
    np_timer pause;
    np_address address;
    np_unix_listen un; /* un.fd is the socket of either kind */
    np_listener_fn *fn;
    void *user;
    int spare;    /* a descriptor to give up when there are no more */
    bool held;    /* by np_listener_pause */
    bool at_last; /* the callback has the last descriptor there was */
    bool accepting;
    bool closed; /* inside its own callback */
    uint64_t logged_ms;
    uint64_t refused; /* connections that were turned away for want of descriptors */
};

np_listener_options np_listener_options_default(void)
{
    np_listener_options options = {.backlog = 1024, .unix_mode = 0600};

    return options;
}

static void rearm(np_listener *listener)
{
    bool on = !listener->held && !np_timer_active(&listener->pause);

    np__watch_set(listener->loop, &listener->watch, on ? NP_WATCH_READ : NP_WATCH_NONE);
}

/* What keeps us from accepting is announced as readable again and again. */
static void rest(np_listener *listener)
{
    np_timer_start(listener->loop, &listener->pause, NP_LISTENER_PAUSE_MS);
    rearm(listener);
}

static int open_spare(void)
{
    return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static void log_exhaustion(np_listener *listener, int os_error)
{
    np_time now = np_loop_now(listener->loop);
    char text[NP_ADDRESS_TEXT_LEN];
    np_log_field fields[3];

    if (listener->logged_ms != 0 && now.mono_ms - listener->logged_ms < NP_LISTENER_LOG_MS) {
        return;
    }
    listener->logged_ms = now.mono_ms;
    fields[0] = np_log_text("address", np_address_format(&listener->address, text));
    fields[1] = np_log_text("cause", os_error == ENFILE ? "ENFILE" : "EMFILE");
    fields[2] = np_log_unsigned("refused", listener->refused);
    np_log_write(np__loop_log(listener->loop), now, NP_LOG_ERROR, "listener.files", fields, 3);
}

static void refill_spare(np_listener *listener)
{
    if (listener->spare < 0) {
        listener->spare = open_spare();
    }
}

static void on_pause_end(np_loop *loop, np_timer *timer)
{
    np_listener *listener = np_container_of(timer, np_listener, pause);

    (void)loop;
    refill_spare(listener);
    rearm(listener);
}

typedef enum outcome { ACCEPTED, ABORTED, NO_MORE } outcome;

/* Takes the next connection. Returns 0, or why there is none. */
static int take_next(np_listener *listener)
{
    struct sockaddr_storage peer;
    socklen_t len = sizeof peer;
    int fd = accept4(listener->un.fd, (struct sockaddr *)&peer, &len, SOCK_CLOEXEC | SOCK_NONBLOCK);

    if (fd < 0) {
        return errno;
    }
    if (!listener->fn(listener, fd, (const struct sockaddr *)&peer, len, listener->user)) {
        listener->refused += listener->at_last;
    }
    return 0;
}

/* Descriptors are out. With the spare one a waiting connection is taken all the same: its owner has
 * another one closed for it, or turns it away, so that there is a spare one again. */
static outcome on_exhaustion(np_listener *listener, int os_error)
{
    int error = os_error;

    if (listener->spare >= 0) {
        (void)close(listener->spare);
        listener->spare = -1;
        listener->at_last = true;
        error = take_next(listener);
        listener->at_last = false;
    }
    if (listener->closed) {
        return NO_MORE;
    }
    refill_spare(listener);
    if (error == EAGAIN && listener->spare >= 0) {
        return NO_MORE; /* nobody waits: the want of a descriptor is found out before that */
    }
    log_exhaustion(listener, os_error);
    if (error == 0 && listener->spare >= 0) {
        return ACCEPTED;
    }
    rest(listener);
    return NO_MORE;
}

static outcome accept_one(np_listener *listener)
{
    int error = take_next(listener);

    switch (error) {
    case 0:
        return ACCEPTED;
    case EAGAIN:
        return NO_MORE;
    case EMFILE:
    case ENFILE:
        return on_exhaustion(listener, error);
    case ENOBUFS:
    case ENOMEM:
        rest(listener);
        return NO_MORE;
    default:
        /* accept(2): errors of the new connection (ECONNABORTED, EPERM by a firewall, network
         * errors) come this way too and say nothing about the next one. */
        return ABORTED;
    }
}

static void on_readable(np_watch *watch, unsigned events)
{
    np_listener *listener = np_container_of(watch, np_listener, watch);
    outcome last = ACCEPTED;
    int aborted = 0;

    (void)events;
    refill_spare(listener); /* before a newcomer has the descriptor that it would get */
    listener->accepting = true;
    for (int i = 0; i < NP_LISTENER_BUDGET && last != NO_MORE; i++) {
        if (listener->closed || listener->held) {
            break;
        }
        last = accept_one(listener);
        aborted += last == ABORTED;
    }
    listener->accepting = false;
    if (listener->closed) {
        free(listener);
    } else if (aborted == NP_LISTENER_BUDGET) {
        rest(listener); /* nothing but errors: it is not the connections */
    }
}

/* Reads back which port the system chose. */
static void note_port(np_listener *listener)
{
    struct sockaddr_storage sa;
    socklen_t len = sizeof sa;

    if (getsockname(listener->un.fd, (struct sockaddr *)&sa, &len) == 0) {
        /* The port lies at the same place in both families. */
        const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)&sa;
        listener->address.port = ntohs(in->sin_port);
    }
}

static np_err open_tcp(np_listener *listener, const np_listener_options *options, int *os_error,
                       const char **why)
{
    struct sockaddr_storage sa;
    socklen_t len = 0;
    np_err err = NP_OK;

    if (strcasecmp(listener->address.host, "localhost") == 0) {
        memcpy(listener->address.host, "127.0.0.1", sizeof "127.0.0.1");
    }
    len = np_address_numeric(&listener->address, &sa);
    if (np_address_lacks_interface(&listener->address)) {
        *os_error = ENODEV;
        *why = NP_ADDRESS_NO_INTERFACE;
        return NP_ERR_SYSTEM;
    }
    if (len == 0) {
        *why = "a listener's host must be numeric, or * for all addresses";
        return NP_ERR_ADDRESS;
    }
    err = np_tcp_listen((const struct sockaddr *)&sa, len, options->backlog, options->reuse_port,
                        &listener->un.fd, os_error);
    if (err == NP_ERR_SYSTEM && *os_error == EAFNOSUPPORT && listener->address.wildcard) {
        /* A machine without IPv6: all addresses are those of IPv4. */
        struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(listener->address.port)};
        err = np_tcp_listen((const struct sockaddr *)(const void *)&in, sizeof in, options->backlog,
                            options->reuse_port, &listener->un.fd, os_error);
    }
    if (err == NP_OK) {
        note_port(listener);
    }
    return err;
}

static void shut(np_listener *listener)
{
    if (listener->address.kind == NP_ADDRESS_UNIX) {
        np_unix_shut(&listener->un, &listener->address);
    } else {
        (void)close(listener->un.fd);
    }
}

np_err np_listener_open(np_listener **out, np_loop *loop, const np_address *address,
                        const np_listener_options *options, np_listener_fn *fn, void *user,
                        int *os_error, const char **why)
{
    np_listener *listener = calloc(1, sizeof *listener);
    np_err err = NP_OK;

    *os_error = 0;
    *why = NULL;
    if (listener == NULL) {
        return NP_ERR_MEMORY;
    }
    listener->loop = loop;
    listener->address = *address;
    listener->fn = fn;
    listener->user = user;
    if (address->kind == NP_ADDRESS_UNIX) {
        err = np_unix_open(address, options->unix_mode, options->backlog, &listener->un, os_error,
                           why);
    } else {
        err = open_tcp(listener, options, os_error, why);
    }
    if (err == NP_OK) {
        err = np__watch_room(loop, listener->un.fd);
        if (err != NP_OK) {
            shut(listener);
        }
    }
    if (err != NP_OK) {
        free(listener);
        return err;
    }
    listener->spare = open_spare();
    np_timer_init(&listener->pause, on_pause_end);
    np__watch_init(&listener->watch, listener->un.fd, on_readable);
    rearm(listener);
    *out = listener;
    return NP_OK;
}

void np_listener_close(np_listener *listener)
{
    if (listener == NULL || listener->closed) {
        return;
    }
    np_timer_stop(listener->loop, &listener->pause);
    np__watch_set(listener->loop, &listener->watch, NP_WATCH_NONE);
    shut(listener);
    if (listener->spare >= 0) {
        (void)close(listener->spare);
    }
    listener->closed = true;
    if (!listener->accepting) {
        free(listener);
    }
}

void np_listener_pause(np_listener *listener, bool pause)
{
    listener->held = pause;
    rearm(listener);
}

bool np_listener_is_at_last(const np_listener *listener)
{
    return listener->at_last;
}

const np_address *np_listener_address(const np_listener *listener)
{
    return &listener->address;
}
