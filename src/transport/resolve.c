/* resolve.c - the hosts file, then c-ares. See resolve.h.
 *
 * Each look-up has a channel of c-ares of its own. A channel keeps the servers that it has read
 * when it was made, and questions that nobody waits for any more until they time out: one that was
 * shared would have to live as long as somebody asks, with servers that may be gone.
 */
#define _GNU_SOURCE
#include "transport/resolve.h"
#include "transport/hosts.h"

#include <ares.h>
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/time.h>

/* One DNS server gets this long for the first of so many tries, and twice as long for each further
 * one; the caller's deadline holds anyway. */
#define TRY_MS 2000
#define TRIES 3

/* c-ares 1.34.6, see keep_connections. */
#define FIRST_TO_LOSE_ANSWERS 0x012206

/* A descriptor of c-ares. */
typedef struct socket_watch {
    np_watch watch;
    np_resolve *resolve;
    int fd;
    struct socket_watch *next;
} socket_watch;

/* One family's. */
typedef struct query {
    np_resolve *resolve;
    np_resolved result;
    bool answered;
    bool delivered;
} query;

struct np_resolve {
    np_loop *loop;
    np_resolve_fn *fn;
    void *user;
    uint16_t port;
    np_timer deadline;
    np_timer timer; /* c-ares's */
    np_task task;   /* hands out what has arrived */
    ares_channel channel;
    bool has_channel;
    bool closing; /* the channel is: its answers say so, and nothing else */
    bool delivering;
    bool freed; /* while delivering */
    socket_watch *watches;
    query queries[2];
};

/* Results ---------------------------------------------------------------------------------- */

static void settle(query *q, np_err err, const char *why)
{
    q->answered = true;
    q->result.err = err;
    q->result.why = why;
    np__loop_defer(q->resolve->loop, &q->resolve->task);
}

static np_err add_address(query *q, const struct sockaddr *sa)
{
    np_resolved *result = &q->result;
    np_sockaddr *grown = NULL;

    if (result->count == NP_RESOLVE_MAX) {
        return NP_OK;
    }
    grown = realloc(result->addresses, (result->count + 1) * sizeof *grown);
    if (grown == NULL) {
        return NP_ERR_MEMORY;
    }
    result->addresses = grown;
    grown += result->count++;
    memset(grown, 0, sizeof *grown);
    if (result->family == AF_INET6) {
        memcpy(&grown->v6, sa, sizeof grown->v6);
        grown->v6.sin6_port = htons(q->resolve->port);
    } else {
        memcpy(&grown->v4, sa, sizeof grown->v4);
        grown->v4.sin_port = htons(q->resolve->port);
    }
    return NP_OK;
}

/* The loop and c-ares ---------------------------------------------------------------------- */

/* An answer that could not be heard: the look-up ends for want of memory, and not by timing out. */
static void run_short(np_resolve *resolve)
{
    for (int i = 0; i < 2; i++) {
        if (!resolve->queries[i].answered) {
            settle(&resolve->queries[i], NP_ERR_MEMORY, NULL);
        }
    }
}

/* A question that c-ares has asked has a timeout until it is answered. Where none is left, c-ares
 * has lost what came of the others: 1.34 drops an answer that it has no memory to put into its list
 * of answers to tell, and tells nobody. */
static void arm_timer(np_resolve *resolve)
{
    struct timeval tv;

    if (ares_timeout(resolve->channel, NULL, &tv) == NULL) {
        np_timer_stop(resolve->loop, &resolve->timer);
        run_short(resolve);
    } else {
        np_timer_start(resolve->loop, &resolve->timer,
                       (uint64_t)tv.tv_sec * 1000 + (uint64_t)tv.tv_usec / 1000);
    }
}

static void on_timer(np_loop *loop, np_timer *timer)
{
    np_resolve *resolve = np_container_of(timer, np_resolve, timer);

    (void)loop;
    ares_process_fd(resolve->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
    arm_timer(resolve);
}

static void on_socket(np_watch *watch, unsigned events)
{
    socket_watch *w = np_container_of(watch, socket_watch, watch);
    np_resolve *resolve = w->resolve; /* w may be freed by what follows */
    int fd = w->fd;

    ares_process_fd(resolve->channel, (events & NP_WATCH_READ) != 0 ? fd : ARES_SOCKET_BAD,
                    (events & NP_WATCH_WRITE) != 0 ? fd : ARES_SOCKET_BAD);
    arm_timer(resolve);
}

static socket_watch *new_watch(np_resolve *resolve, int fd)
{
    socket_watch *w = np__watch_room(resolve->loop, fd) == NP_OK ? calloc(1, sizeof *w) : NULL;

    if (w == NULL) {
        return NULL;
    }
    w->resolve = resolve;
    w->fd = fd;
    np__watch_init(&w->watch, fd, on_socket);
    w->next = resolve->watches;
    resolve->watches = w;
    return w;
}

static void drop_watch(np_resolve *resolve, socket_watch **link)
{
    socket_watch *w = *link;

    np__watch_set(resolve->loop, &w->watch, NP_WATCH_NONE);
    *link = w->next;
    free(w);
}

/* c-ares tells what it wants of a descriptor; nothing means that it closes it. */
static void on_socket_state(void *user, ares_socket_t fd, int readable, int writable)
{
    np_resolve *resolve = user;
    socket_watch **link = &resolve->watches;
    unsigned events = (readable ? NP_WATCH_READ : 0U) | (writable ? NP_WATCH_WRITE : 0U);
    socket_watch *w = NULL;

    if (resolve->closing) {
        return;
    }
    while (*link != NULL && (*link)->fd != fd) {
        link = &(*link)->next;
    }
    w = *link;
    if (events == NP_WATCH_NONE) {
        if (w != NULL) {
            drop_watch(resolve, link);
        }
        return;
    }
    if (w == NULL) {
        w = new_watch(resolve, fd);
    }
    if (w == NULL) {
        run_short(resolve);
        return;
    }
    np__watch_set(resolve->loop, &w->watch, events);
}

/* The watches go first: c-ares 1.34.9 needs memory to tell of a descriptor that it closes, and
 * without it closes it untold. */
static void close_channel(np_resolve *resolve)
{
    if (resolve->has_channel) {
        resolve->has_channel = false;
        resolve->closing = true;
        while (resolve->watches != NULL) {
            drop_watch(resolve, &resolve->watches);
        }
        ares_destroy(resolve->channel);
        np_timer_stop(resolve->loop, &resolve->timer);
    }
}

static np_err ares_err(int status)
{
    return status == ARES_ENOMEM ? NP_ERR_MEMORY : NP_ERR_RESOLVE;
}

/* c-ares since 1.34.6 keeps the connection of an answer that it has no memory to tell of in a
 * question, whose timeout then uses it. It closes a connection that nobody waits for, and that is
 * freed memory, unless connections are to stay open: they do as long as the look-up. Flags that are
 * set leave nothing of the default, which is EDNS there; older ones are left alone. */
static void keep_connections(struct ares_options *options, int *mask)
{
    int version = 0;

    (void)ares_version(&version);
    if (version >= FIRST_TO_LOSE_ANSWERS) {
        options->flags = ARES_FLAG_STAYOPEN | ARES_FLAG_EDNS;
        *mask |= ARES_OPT_FLAGS;
    }
}

static np_err open_channel(np_resolve *resolve)
{
    struct ares_options options;
    int mask = ARES_OPT_SOCK_STATE_CB | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_LOOKUPS |
               ARES_OPT_RESOLVCONF | ARES_OPT_UDP_PORT | ARES_OPT_TCP_PORT;
    char lookups[] = "b"; /* DNS alone: the hosts file was read before */
    np_name_sources *names = np__loop_names(resolve->loop);
    int status = ARES_SUCCESS;

    memset(&options, 0, sizeof options);
    options.sock_state_cb = on_socket_state;
    options.sock_state_cb_data = resolve;
    options.timeout = TRY_MS;
    options.tries = TRIES;
    options.lookups = lookups;
    options.resolvconf_path = names->resolv_conf;
    options.udp_port = names->dns_port; /* 0 is the usual one, here and for TCP */
    options.tcp_port = names->dns_port;
    keep_connections(&options, &mask);
    status = ares_init_options(&resolve->channel, &options, mask);
    if (status != ARES_SUCCESS) {
        return ares_err(status);
    }
    resolve->has_channel = true;
    if (names->dns_server != NULL) {
        status = ares_set_servers_ports_csv(resolve->channel, names->dns_server);
    }
    return status == ARES_SUCCESS ? NP_OK : ares_err(status);
}

/* One look-up ------------------------------------------------------------------------------ */

static void destroy(np_resolve *resolve)
{
    free(resolve->queries[0].result.addresses);
    free(resolve->queries[1].result.addresses);
    free(resolve);
}

/* Hands out what has arrived. Frees the look-up if its owner did so meanwhile. */
static void deliver(np_resolve *resolve)
{
    resolve->delivering = true;
    for (int i = 0; i < 2 && !resolve->freed; i++) {
        query *q = &resolve->queries[i];
        if (q->answered && !q->delivered) {
            q->delivered = true;
            resolve->fn(resolve, &q->result, resolve->user);
        }
    }
    resolve->delivering = false;
    if (resolve->freed) {
        destroy(resolve);
    } else if (resolve->queries[0].delivered && resolve->queries[1].delivered) {
        np_timer_stop(resolve->loop, &resolve->deadline);
        close_channel(resolve); /* nothing is asked any more; the addresses stay */
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
        if (!resolve->queries[i].answered) {
            settle(&resolve->queries[i], NP_ERR_DEADLINE, "no DNS server answered in time");
        }
    }
    np__task_cancel(resolve->loop, &resolve->task);
    deliver(resolve);
}

static np_err take_answer(query *q, const struct ares_addrinfo *info)
{
    np_err err = NP_OK;

    for (const struct ares_addrinfo_node *n = info->nodes; n != NULL && err == NP_OK;
         n = n->ai_next) {
        if (n->ai_family == q->result.family &&
            (size_t)n->ai_addrlen <= sizeof q->result.addresses[0]) {
            err = add_address(q, n->ai_addr);
        }
    }
    return err;
}

static void on_answer(void *user, int status, int timeouts, struct ares_addrinfo *info)
{
    query *q = user;
    np_err err = NP_OK;

    (void)timeouts;
    if (!q->answered && !q->resolve->closing) {
        if (status == ARES_SUCCESS && info != NULL) {
            err = take_answer(q, info);
        } else if (status != ARES_SUCCESS) {
            err = ares_err(status);
        }
        if (err != NP_OK) {
            q->result.absent = status == ARES_ENODATA || status == ARES_ENOTFOUND;
            settle(q, err, err == NP_ERR_RESOLVE ? ares_strerror(status) : NULL);
        } else if (q->result.count == 0) {
            q->result.absent = true;
            settle(q, NP_ERR_RESOLVE, "the name has no address");
        } else {
            settle(q, NP_OK, NULL);
        }
    }
    if (info != NULL) {
        ares_freeaddrinfo(info);
    }
}

static void ask(np_resolve *resolve, query *q, const char *host)
{
    struct ares_addrinfo_hints hints;

    memset(&hints, 0, sizeof hints);
    hints.ai_family = q->result.family;
    hints.ai_socktype = SOCK_STREAM;
    ares_getaddrinfo(resolve->channel, host, NULL, &hints, on_answer, q);
}

/* RFC 6761, section 6.3: "localhost", and what ends in ".localhost". */
static bool is_localhost(const char *host)
{
    static const char name[] = "localhost";
    const size_t name_len = sizeof name - 1;
    size_t len = strlen(host);

    if (len > 0 && host[len - 1] == '.') {
        len--;
    }
    return len >= name_len && strncasecmp(host + len - name_len, name, name_len) == 0 &&
           (len == name_len || host[len - name_len - 1] == '.');
}

/* What the hosts file has, on its way into a look-up. */
typedef struct hosts_lines {
    np_resolve *resolve;
    np_err err;
} hosts_lines;

static void on_host_line(const struct sockaddr *address, socklen_t len, void *user)
{
    hosts_lines *lines = user;

    (void)len;
    if (lines->err == NP_OK) {
        lines->err =
            add_address(&lines->resolve->queries[address->sa_family == AF_INET6 ? 0 : 1], address);
    }
}

/* What needs no DNS server; *found tells whether that was all. */
static np_err answer_here(np_resolve *resolve, const char *host, bool *found)
{
    const struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    const struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    hosts_lines lines = {resolve, NP_OK};

    if (is_localhost(host)) {
        on_host_line((const struct sockaddr *)(const void *)&v6, sizeof v6, &lines);
        on_host_line((const struct sockaddr *)(const void *)&v4, sizeof v4, &lines);
    } else {
        np_hosts_find(np__loop_names(resolve->loop)->hosts, host, on_host_line, &lines);
    }
    *found = resolve->queries[0].result.count + resolve->queries[1].result.count > 0;
    for (int i = 0; i < 2 && *found && lines.err == NP_OK; i++) {
        query *q = &resolve->queries[i];
        q->result.absent = q->result.count == 0;
        settle(q, q->result.absent ? NP_ERR_RESOLVE : NP_OK,
               q->result.absent ? "the hosts file has no such address for it" : NULL);
    }
    return lines.err;
}

np_err np_resolve_start(np_resolve **out, np_loop *loop, const char *host, uint16_t port,
                        uint32_t timeout_ms, np_resolve_fn *fn, void *user)
{
    np_resolve *resolve = calloc(1, sizeof *resolve);
    bool found = false;
    np_err err = NP_OK;

    if (resolve == NULL) {
        return NP_ERR_MEMORY;
    }
    resolve->loop = loop;
    resolve->fn = fn;
    resolve->user = user;
    resolve->port = port;
    for (int i = 0; i < 2; i++) {
        resolve->queries[i].resolve = resolve;
        resolve->queries[i].result.family = i == 0 ? AF_INET6 : AF_INET;
    }
    np__task_init(&resolve->task, on_task);
    np_timer_init(&resolve->deadline, on_deadline);
    np_timer_init(&resolve->timer, on_timer);
    err = answer_here(resolve, host, &found);
    if (err == NP_OK && !found) {
        err = open_channel(resolve);
    }
    if (err != NP_OK) {
        np_resolve_free(resolve);
        return err;
    }
    np_timer_start(loop, &resolve->deadline, timeout_ms);
    if (!found) {
        ask(resolve, &resolve->queries[0], host); /* may answer at once, into the task */
        ask(resolve, &resolve->queries[1], host);
        arm_timer(resolve);
    }
    *out = resolve;
    return NP_OK;
}

void np_resolve_free(np_resolve *resolve)
{
    if (resolve == NULL || resolve->freed) {
        return;
    }
    close_channel(resolve);
    np_timer_stop(resolve->loop, &resolve->deadline);
    np__task_cancel(resolve->loop, &resolve->task);
    resolve->freed = true;
    if (!resolve->delivering) {
        destroy(resolve);
    }
}
