/* resolve.c - c-ares on the loop. See resolve.h. */
#define _GNU_SOURCE
#include "transport/resolve.h"

#include <ares.h>
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/time.h>

/* One DNS server gets this long for each of so many tries; the caller's deadline holds anyway. */
#define TRY_MS 2000
#define TRIES 3

/* c-ares reads resolv.conf once; a resolver that is older and not in use is made anew. */
#define RESOLVER_AGE_MS 30000

/* A descriptor of c-ares. */
typedef struct socket_watch {
    np_watch watch;
    np_resolver *resolver;
    int fd;
    struct socket_watch *next;
} socket_watch;

struct np_resolver {
    np_loop *loop;
    ares_channel channel;
    np_timer timer;
    socket_watch *watches;
    uint64_t made_ms;
    size_t asked; /* queries without an answer yet */
};

/* What c-ares holds until it answers, which cannot be taken back. */
typedef struct query {
    np_resolve *resolve; /* NULL: nobody waits any more */
    np_resolver *resolver;
    int which;
} query;

struct np_resolve {
    np_loop *loop;
    np_resolve_fn *fn;
    void *user;
    np_timer deadline;
    np_task task;
    query *queries[2]; /* NULL when answered */
    bool delivered[2];
    bool delivering;
    bool freed; /* while delivering */
    np_resolved results[2];
};

/* The resolver of a loop ------------------------------------------------------------------- */

static void arm_timer(np_resolver *resolver)
{
    struct timeval tv;

    if (ares_timeout(resolver->channel, NULL, &tv) == NULL) {
        np_timer_stop(resolver->loop, &resolver->timer);
    } else {
        np_timer_start(resolver->loop, &resolver->timer,
                       (uint64_t)tv.tv_sec * 1000 + (uint64_t)tv.tv_usec / 1000);
    }
}

static void on_timer(np_loop *loop, np_timer *timer)
{
    np_resolver *resolver = np_container_of(timer, np_resolver, timer);

    (void)loop;
    ares_process_fd(resolver->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
    arm_timer(resolver);
}

static void on_socket(np_watch *watch, unsigned events)
{
    socket_watch *w = np_container_of(watch, socket_watch, watch);
    np_resolver *resolver = w->resolver; /* w may be freed by what follows */
    int fd = w->fd;

    ares_process_fd(resolver->channel, (events & NP_WATCH_READ) != 0 ? fd : ARES_SOCKET_BAD,
                    (events & NP_WATCH_WRITE) != 0 ? fd : ARES_SOCKET_BAD);
    arm_timer(resolver);
}

/* c-ares tells what it wants of a descriptor; nothing means that it closes it. */
static void on_socket_state(void *user, ares_socket_t fd, int readable, int writable)
{
    np_resolver *resolver = user;
    socket_watch **link = &resolver->watches;
    unsigned events = (readable ? NP_WATCH_READ : 0U) | (writable ? NP_WATCH_WRITE : 0U);
    socket_watch *w = NULL;

    while (*link != NULL && (*link)->fd != fd) {
        link = &(*link)->next;
    }
    w = *link;
    if (events == NP_WATCH_NONE) {
        if (w != NULL) {
            np__watch_set(resolver->loop, &w->watch, NP_WATCH_NONE);
            *link = w->next;
            free(w);
        }
        return;
    }
    if (w == NULL) {
        w = calloc(1, sizeof *w);
        if (w == NULL) {
            return; /* the query will time out */
        }
        w->resolver = resolver;
        w->fd = fd;
        np__watch_init(&w->watch, fd, on_socket);
        w->next = resolver->watches;
        resolver->watches = w;
    }
    np__watch_set(resolver->loop, &w->watch, events);
}

static np_err make_resolver(np_loop *loop, np_resolver **out)
{
    struct ares_options options;
    int mask = ARES_OPT_SOCK_STATE_CB | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_LOOKUPS;
    char lookups[] = "fb"; /* files, then DNS */
    const char *server = np__loop_dns_server(loop);
    np_resolver *resolver = calloc(1, sizeof *resolver);

    if (resolver == NULL) {
        return NP_ERR_MEMORY;
    }
    resolver->loop = loop;
    resolver->made_ms = np_loop_now(loop).mono_ms;
    np_timer_init(&resolver->timer, on_timer);
    memset(&options, 0, sizeof options);
    options.sock_state_cb = on_socket_state;
    options.sock_state_cb_data = resolver;
    options.timeout = TRY_MS;
    options.tries = TRIES;
    options.lookups = lookups;
    if (ares_init_options(&resolver->channel, &options, mask) != ARES_SUCCESS) {
        free(resolver);
        return NP_ERR_RESOLVE;
    }
    if (server != NULL && ares_set_servers_ports_csv(resolver->channel, server) != ARES_SUCCESS) {
        ares_destroy(resolver->channel);
        free(resolver);
        return NP_ERR_RESOLVE;
    }
    *out = resolver;
    return NP_OK;
}

void np__resolver_free(np_resolver *resolver)
{
    if (resolver == NULL) {
        return;
    }
    ares_destroy(resolver->channel);
    np_timer_stop(resolver->loop, &resolver->timer);
    free(resolver);
}

/* One look-up ------------------------------------------------------------------------------ */

/* Hands out what has arrived. Frees the look-up if its owner did so meanwhile. */
static void deliver(np_resolve *resolve)
{
    resolve->delivering = true;
    for (int i = 0; i < 2 && !resolve->freed; i++) {
        if (resolve->queries[i] == NULL && !resolve->delivered[i]) {
            resolve->delivered[i] = true;
            resolve->fn(resolve, &resolve->results[i], resolve->user);
        }
    }
    resolve->delivering = false;
    if (resolve->freed) {
        free(resolve);
    }
}

static void on_task(np_loop *loop, np_task *task)
{
    (void)loop;
    deliver(np_container_of(task, np_resolve, task));
}

static void on_deadline(np_loop *loop, np_timer *timer)
{
    np_resolve *resolve = np_container_of(timer, np_resolve, deadline);

    (void)loop;
    for (int i = 0; i < 2; i++) {
        if (resolve->queries[i] != NULL) {
            resolve->queries[i]->resolve = NULL;
            resolve->queries[i] = NULL;
            resolve->results[i].err = NP_ERR_DEADLINE;
            resolve->results[i].why = "no DNS server answered in time";
        }
    }
    np__task_cancel(resolve->loop, &resolve->task);
    deliver(resolve);
}

static void take_answer(np_resolved *result, const struct ares_addrinfo *info)
{
    for (const struct ares_addrinfo_node *n = info->nodes; n != NULL; n = n->ai_next) {
        if (result->count < NP_RESOLVE_MAX && n->ai_family == result->family &&
            (size_t)n->ai_addrlen <= sizeof result->addresses[0]) {
            memcpy(&result->addresses[result->count++], n->ai_addr, (size_t)n->ai_addrlen);
        }
    }
}

static void on_answer(void *user, int status, int timeouts, struct ares_addrinfo *info)
{
    query *q = user;
    np_resolve *resolve = q->resolve;

    (void)timeouts;
    q->resolver->asked--;
    if (resolve != NULL) {
        np_resolved *result = &resolve->results[q->which];
        if (status == ARES_SUCCESS && info != NULL) {
            take_answer(result, info);
        }
        result->err = result->count > 0 ? NP_OK : NP_ERR_RESOLVE;
        result->why = status != ARES_SUCCESS ? ares_strerror(status)
                      : result->count == 0   ? "the name has no address"
                                             : NULL;
        resolve->queries[q->which] = NULL;
        np__loop_defer(resolve->loop, &resolve->task);
    }
    if (info != NULL) {
        ares_freeaddrinfo(info);
    }
    free(q);
}

static void ask(np_resolver *resolver, query *q, const char *host, uint16_t port)
{
    struct ares_addrinfo_hints hints;
    char service[8];
    char *p = service + sizeof service;

    *--p = '\0';
    do {
        *--p = (char)('0' + port % 10);
        port = (uint16_t)(port / 10);
    } while (port > 0);
    memset(&hints, 0, sizeof hints);
    hints.ai_family = q->resolve->results[q->which].family;
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = ARES_AI_NUMERICSERV;
    resolver->asked++;
    ares_getaddrinfo(resolver->channel, host, p, &hints, on_answer, q);
}

/* RFC 6761, section 6.3: "localhost" is always the loopback interface and asks nobody. (c-ares
 * 1.18.1 would also leak memory for the family that the hosts file has no line for.) */
static void answer_localhost(np_resolve *resolve, uint16_t port)
{
    np_sockaddr *v6 = &resolve->results[0].addresses[0];
    np_sockaddr *v4 = &resolve->results[1].addresses[0];

    v6->v6.sin6_family = AF_INET6;
    v6->v6.sin6_addr = in6addr_loopback;
    v6->v6.sin6_port = htons(port);
    v4->v4.sin_family = AF_INET;
    v4->v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    v4->v4.sin_port = htons(port);
    for (int i = 0; i < 2; i++) {
        resolve->results[i].count = 1;
        free(resolve->queries[i]);
        resolve->queries[i] = NULL;
    }
    np__loop_defer(resolve->loop, &resolve->task);
}

np_err np_resolve_start(np_resolve **out, np_loop *loop, const char *host, uint16_t port,
                        uint32_t timeout_ms, np_resolve_fn *fn, void *user)
{
    np_resolver **resolver = np__loop_resolver(loop);
    np_resolve *resolve = NULL;
    np_err err = NP_OK;

    if (*resolver != NULL && (*resolver)->asked == 0 &&
        np_loop_now(loop).mono_ms - (*resolver)->made_ms > RESOLVER_AGE_MS) {
        np__resolver_free(*resolver);
        *resolver = NULL;
    }
    if (*resolver == NULL) {
        err = make_resolver(loop, resolver);
    }
    if (err != NP_OK) {
        return err;
    }
    resolve = calloc(1, sizeof *resolve);
    if (resolve == NULL) {
        return NP_ERR_MEMORY;
    }
    for (int i = 0; i < 2; i++) {
        resolve->queries[i] = calloc(1, sizeof *resolve->queries[i]);
        if (resolve->queries[i] == NULL) {
            free(resolve->queries[0]);
            free(resolve);
            return NP_ERR_MEMORY;
        }
        *resolve->queries[i] = (query){resolve, *resolver, i};
        resolve->results[i].family = i == 0 ? AF_INET6 : AF_INET;
    }
    resolve->loop = loop;
    resolve->fn = fn;
    resolve->user = user;
    np__task_init(&resolve->task, on_task);
    np_timer_init(&resolve->deadline, on_deadline);
    np_timer_start(loop, &resolve->deadline, timeout_ms);
    *out = resolve;
    if (strcasecmp(host, "localhost") == 0 || strcasecmp(host, "localhost.") == 0) {
        answer_localhost(resolve, port);
        return NP_OK;
    }
    for (int i = 0; i < 2; i++) {
        ask(*resolver, resolve->queries[i], host, port); /* may answer at once, into the task */
    }
    arm_timer(*resolver);
    return NP_OK;
}

void np_resolve_free(np_resolve *resolve)
{
    if (resolve == NULL || resolve->freed) {
        return;
    }
    for (int i = 0; i < 2; i++) {
        if (resolve->queries[i] != NULL) {
            resolve->queries[i]->resolve = NULL;
            resolve->queries[i] = NULL;
        }
    }
    np_timer_stop(resolve->loop, &resolve->deadline);
    np__task_cancel(resolve->loop, &resolve->task);
    resolve->freed = true;
    if (!resolve->delivering) {
        free(resolve);
    }
}
