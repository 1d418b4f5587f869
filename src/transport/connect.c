/* connect.c - Happy Eyeballs. See connect.h. */
#define _GNU_SOURCE
#include "transport/connect.h"
#include "transport/resolve.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* How long to wait when a unix listener's backlog is full, of which there is no announcement. */
#define UNIX_RETRY_MS 20

/* The resolver gives up by itself after this; the connector does so at its deadline. */
#define RESOLVE_MS (24 * 60 * 60 * 1000)

/* One under way. */
typedef struct attempt {
    struct attempt *next;
    np_watch watch;
    np_connector *connector;
    int fd;
    struct sockaddr_storage peer;
    socklen_t peer_len;
} attempt;

/* The addresses of one family that were not tried yet; they lie in the look-up. */
typedef struct candidates {
    const np_sockaddr *list;
    size_t next, count;
} candidates;

struct np_connector {
    np_loop *loop;
    np_connector_fn *fn;
    np_connector_resolved_fn *resolved; /* NULL: nobody wants to know, or it was told */
    void *user;
    np_address address;
    np_resolve *resolve;
    unsigned unresolved; /* families without an answer yet */
    np_resolved unknown; /* why there is no address, of the family that tells more */
    np_timer deadline;
    np_timer delay;    /* until the next attempt, or for the other family's answer */
    np_timer late;     /* all have failed: how long the other family's answer is still hoped for */
    uint64_t begun_ms; /* the look-up */
    np_task task;      /* ends it: the callback never runs inside start */
    bool started;      /* attempts are being made */
    bool prefer_v4;    /* whose turn it is */
    candidates v6, v4;
    struct sockaddr_storage single; /* instead: a unix or numeric address */
    socklen_t single_len;
    attempt *attempts;
    np_connected result;
};

/* Ends an attempt, and closes its descriptor unless that is -1. */
static void drop(np_connector *c, attempt *a)
{
    attempt **link = &c->attempts;

    while (*link != a) {
        link = &(*link)->next;
    }
    *link = a->next;
    np__watch_set(c->loop, &a->watch, NP_WATCH_NONE);
    if (a->fd >= 0) {
        (void)close(a->fd);
    }
    free(a);
}

static void release(np_connector *c)
{
    np_timer_stop(c->loop, &c->deadline);
    np_timer_stop(c->loop, &c->delay);
    np_timer_stop(c->loop, &c->late);
    np__task_cancel(c->loop, &c->task);
    np_resolve_free(c->resolve);
    c->resolve = NULL;
    while (c->attempts != NULL) {
        drop(c, c->attempts);
    }
}

/* The outcome is in c->result; tells it in this turn's tasks. */
static void finish(np_connector *c)
{
    release(c);
    np__loop_defer(c->loop, &c->task);
}

static void on_task(np_loop *loop, np_task *task)
{
    np_connector *c = np_container_of(task, np_connector, task);

    (void)loop;
    c->fn(&c->result, c->user);
    free(c);
}

static void fail(np_connector *c, np_err err, const char *why)
{
    c->result.err = err;
    c->result.fd = -1;
    if (why != NULL) {
        c->result.why = why;
    }
    finish(c);
}

static void give_up(np_connector *c)
{
    int os_error = c->result.os_error;

    if (c->result.tried == 0) {
        c->result.resolving = true;
        fail(c, c->unknown.err, c->unknown.why);
    } else if (os_error == EMFILE || os_error == ENFILE) {
        fail(c, NP_ERR_FILES, NULL);
    } else {
        fail(c, os_error == ENOMEM || os_error == ENOBUFS ? NP_ERR_MEMORY : NP_ERR_CONNECT, NULL);
    }
}

static void on_deadline(np_loop *loop, np_timer *timer)
{
    np_connector *c = np_container_of(timer, np_connector, deadline);

    (void)loop;
    if (!c->started) {
        c->result.resolving = true;
        fail(c, NP_ERR_DEADLINE, "the name was not resolved in time");
    } else if (c->attempts != NULL || c->single_len > 0) {
        fail(c, NP_ERR_DEADLINE,
             c->result.os_error == 0 || c->result.tried < 2
                 ? "no address answered in time"
                 : "some addresses gave no answer in time, and one gave this error");
    } else {
        give_up(c); /* only a family's addresses were waited for, and all others have failed */
    }
}

/* A socket connected to itself: TCP's simultaneous open with an ephemeral port of our own, which
 * happens when nobody listens on a local port. */
static bool is_self(int fd)
{
    struct sockaddr_storage a;
    struct sockaddr_storage b;
    socklen_t a_len = sizeof a;
    socklen_t b_len = sizeof b;

    memset(&a, 0, sizeof a);
    memset(&b, 0, sizeof b);
    return getsockname(fd, (struct sockaddr *)&a, &a_len) == 0 &&
           getpeername(fd, (struct sockaddr *)&b, &b_len) == 0 && a.ss_family != AF_UNIX &&
           a_len == b_len && memcmp(&a, &b, a_len) == 0;
}

/* Whether an error says only that this machine has no way there, as one without IPv6 has none. */
static bool is_no_way(int os_error)
{
    return os_error == ENETUNREACH || os_error == EAFNOSUPPORT || os_error == EADDRNOTAVAIL;
}

/* The last error is the one to tell, but not in place of one that tells more. */
static void note_error(np_connector *c, const attempt *a, int os_error)
{
    if (c->result.os_error == 0 || !is_no_way(os_error)) {
        c->result.os_error = os_error;
        c->result.peer = a->peer;
        c->result.peer_len = a->peer_len;
    }
}

static void win(np_connector *c, attempt *a)
{
    np__watch_set(c->loop, &a->watch, NP_WATCH_NONE);
    c->result.err = NP_OK;
    c->result.os_error = 0;
    c->result.why = NULL;
    c->result.fd = a->fd;
    c->result.peer = a->peer;
    c->result.peer_len = a->peer_len;
    a->fd = -1;
    finish(c);
}

static void take(candidates *list, attempt *a)
{
    const np_sockaddr *from = &list->list[list->next++];

    a->peer_len = from->any.sa_family == AF_INET ? sizeof from->v4 : sizeof from->v6;
    memcpy(&a->peer, from, a->peer_len);
}

/* Whether there is an address to try (already). */
static bool any_candidate(const np_connector *c)
{
    return c->single_len > 0 || c->v6.next < c->v6.count || c->v4.next < c->v4.count;
}

/* An attempt at the next address, families in turn; NULL: out of memory. */
static attempt *new_attempt(np_connector *c)
{
    candidates *first = c->prefer_v4 ? &c->v4 : &c->v6;
    candidates *second = c->prefer_v4 ? &c->v6 : &c->v4;
    attempt *a = calloc(1, sizeof *a);

    if (a == NULL) {
        return NULL;
    }
    if (c->single_len > 0) {
        a->peer = c->single;
        a->peer_len = c->single_len;
        c->single_len = 0;
    } else {
        take(first->next < first->count ? first : second, a);
        c->prefer_v4 = a->peer.ss_family == AF_INET6;
    }
    a->connector = c;
    a->fd = -1;
    np__watch_init(&a->watch, -1, NULL);
    a->next = c->attempts;
    c->attempts = a;
    return a;
}

typedef enum outcome { MADE, UNDER_WAY, FAILED, LATER } outcome;

static void on_writable(np_watch *watch, unsigned events);

static outcome try_connect(np_connector *c, attempt *a)
{
    int domain = a->peer.ss_family;

    a->fd = socket(domain, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (a->fd < 0) {
        note_error(c, a, errno);
        return FAILED;
    }
    if (np__watch_room(c->loop, a->fd) != NP_OK) {
        note_error(c, a, ENOMEM);
        return FAILED;
    }
    np__watch_init(&a->watch, a->fd, on_writable);
    if (connect(a->fd, (const struct sockaddr *)&a->peer, a->peer_len) == 0) {
        return MADE;
    }
    /* An interrupted connect goes on like one in progress. */
    if (errno == EINPROGRESS || errno == EINTR) {
        np__watch_set(c->loop, &a->watch, NP_WATCH_WRITE);
        return UNDER_WAY;
    }
    note_error(c, a, errno);
    return domain == AF_UNIX && c->result.os_error == EAGAIN ? LATER : FAILED;
}

static void tell_resolved(np_connector *c)
{
    np_connector_resolved_fn *fn = c->resolved;

    if (fn != NULL && (c->single_len > 0 || c->result.tried > 0 || c->v6.count + c->v4.count > 0)) {
        c->resolved = NULL;
        fn(c->user);
    }
}

/* All that is known has failed. A family without an answer may still have an address, but who waits
 * for c-ares to give up, 14 s, hides a refusal that is known. */
static void hope(np_connector *c)
{
    uint64_t until = c->begun_ms + NP_CONNECT_LATE_MS;

    if (c->unresolved == 0 || np_loop_now(c->loop).mono_ms >= until) {
        give_up(c);
    } else {
        np_timer_start_at(c->loop, &c->late, until);
    }
}

static void on_late(np_loop *loop, np_timer *timer)
{
    (void)loop;
    give_up(np_container_of(timer, np_connector, late));
}

/* Starts attempts until one is under way, or there is nothing left to try. */
static void next_attempt(np_connector *c)
{
    c->started = true;
    tell_resolved(c);
    np_timer_stop(c->loop, &c->delay);
    np_timer_stop(c->loop, &c->late);
    while (any_candidate(c)) {
        attempt *a = new_attempt(c);
        if (a == NULL) {
            c->result.os_error = ENOMEM;
            c->result.tried++;
            give_up(c);
            return;
        }
        c->result.tried++;
        switch (try_connect(c, a)) {
        case MADE:
            win(c, a);
            return;
        case UNDER_WAY:
            np_timer_start(c->loop, &c->delay, NP_CONNECT_ATTEMPT_DELAY_MS);
            return;
        case LATER:
            c->single = a->peer;
            c->single_len = a->peer_len;
            c->result.tried--;
            drop(c, a);
            np_timer_start(c->loop, &c->delay, UNIX_RETRY_MS);
            return;
        case FAILED:
            drop(c, a);
            break;
        }
    }
    if (c->attempts == NULL) {
        hope(c);
    }
}

static void on_writable(np_watch *watch, unsigned events)
{
    attempt *a = np_container_of(watch, attempt, watch);
    np_connector *c = a->connector;
    int os_error = 0;
    socklen_t len = sizeof os_error;

    (void)events;
    if (getsockopt(a->fd, SOL_SOCKET, SO_ERROR, &os_error, &len) != 0) {
        os_error = errno;
    }
    if (os_error == 0 && is_self(a->fd)) {
        os_error = ECONNREFUSED;
    }
    if (os_error == 0) {
        win(c, a);
        return;
    }
    note_error(c, a, os_error);
    drop(c, a);
    next_attempt(c); /* RFC 8305, section 5: a failure does not wait for the delay */
}

static void on_delay(np_loop *loop, np_timer *timer)
{
    (void)loop;
    next_attempt(np_container_of(timer, np_connector, delay));
}

static void on_resolved(np_resolve *resolve, const np_resolved *result, void *user)
{
    np_connector *c = user;
    candidates *list = result->family == AF_INET6 ? &c->v6 : &c->v4;

    (void)resolve;
    c->unresolved--;
    if (result->err == NP_OK) {
        list->list = result->addresses;
        list->count = result->count;
    } else if (c->unknown.err == NP_OK || c->unknown.absent) {
        c->unknown = *result; /* that no answer came tells more than that there is no address */
    }
    if (c->started) {
        /* An address that comes late waits for its turn, unless there is nothing else to do. */
        if (!np_timer_active(&c->delay)) {
            next_attempt(c);
        }
    } else if (c->unresolved == 0 || (result->family == AF_INET6 && result->err == NP_OK)) {
        next_attempt(c);
    } else if (result->err == NP_OK) {
        np_timer_start(c->loop, &c->delay, NP_CONNECT_RESOLUTION_DELAY_MS);
    }
}

np_err np_connector_start(np_connector **out, np_loop *loop, const np_address *address,
                          uint32_t timeout_ms, np_connector_fn *fn, void *user)
{
    np_connector *c = NULL;
    np_err err = NP_OK;

    if (address->kind == NP_ADDRESS_TCP && (address->wildcard || address->port == 0)) {
        return NP_ERR_ADDRESS;
    }
    c = calloc(1, sizeof *c);
    if (c == NULL) {
        return NP_ERR_MEMORY;
    }
    c->loop = loop;
    c->fn = fn;
    c->user = user;
    c->address = *address;
    c->result.fd = -1;
    np_timer_init(&c->deadline, on_deadline);
    np_timer_init(&c->delay, on_delay);
    np_timer_init(&c->late, on_late);
    np__task_init(&c->task, on_task);
    c->single_len = np_address_numeric(address, &c->single);
    if (c->single_len == 0 && strchr(address->host, ':') != NULL) {
        err = NP_ERR_CONNECT; /* its interface is not there, or not yet */
    } else if (c->single_len == 0) {
        c->unresolved = 2;
        c->begun_ms = np_loop_now(loop).mono_ms;
        /* Our own deadline comes first, and says more. */
        err = np_resolve_start(&c->resolve, loop, address->host, address->port, RESOLVE_MS,
                               on_resolved, c);
    }
    if (err != NP_OK) {
        free(c);
        return err;
    }
    if (timeout_ms > 0) {
        np_timer_start(loop, &c->deadline, timeout_ms);
    }
    if (c->single_len > 0) {
        next_attempt(c);
    }
    *out = c;
    return NP_OK;
}

void np_connector_when_resolved(np_connector *connector, np_connector_resolved_fn *fn)
{
    connector->resolved = fn;
    tell_resolved(connector);
}

void np_connector_cancel(np_connector *connector)
{
    if (connector == NULL) {
        return;
    }
    release(connector);
    if (connector->result.err == NP_OK && connector->result.fd >= 0) {
        (void)close(connector->result.fd); /* it was made, and not told yet */
    }
    free(connector);
}
