/* conn_private.h - connections as daemons and clients see them. */
#ifndef NP_SERVICE_CONN_PRIVATE_H
#define NP_SERVICE_CONN_PRIVATE_H

#include <netproto/client.h>
#include <netproto/conn.h>

#include "service/poison.h"
#include "service/security.h"
#include "transport/pump.h"
#include "transport/sources.h"

#include <sys/socket.h>

/* A request of ours that waits for its answer. At most one of its functions is set. */
typedef struct np_pending np_pending;
struct np_pending {
    np_conn_call_done_fn *conn_done;
    np_call_done_fn *client_done;
    np_conn_take_fn *take;
    np_any_fn *done; /* take's */
    void *user;
    np_pending *next; /* in the group's list of spare ones */
};

/* Messages that the log has heard of as unknown or unhandled, the last ones of all connections, and
 * how many of one connection it hears of at most; unhandled.c. */
#define NP_TOLD_LAST 32u
#define NP_TOLD_MAX 31u
typedef struct np_told {
    uint64_t conn;
    uint32_t id;
} np_told;

/* What the connections of one daemon or client share. */
typedef struct np_group np_group;
struct np_group {
    np_loop *loop;
    np_links links;
    np_client *client;   /* NULL: a daemon's */
    const char *address; /* a client's: where it connects to, in words; NULL: a daemon's */
    np_service service;
    np_service base;
    np_session_compression compression; /* pointed to by links.session, unless it is off */
    np_guard guard;
    np_conn_handlers handlers;
    uint32_t call_timeout_ms;
    size_t half_open_count;
    size_t open_count;
    np_members half_open; /* connections without a source; the others are in their site's lists */
    np_members open;      /* those, and who never has to give way */
    np_holder holder;     /* memory of connections without a source */
    np_told told[NP_TOLD_LAST];
    uint32_t told_count; /* ever */
    np_pending *spare;
    np_poison *poison;                   /* NULL: payloads are handed out where they lie */
    const np_call_failure *call_failure; /* while a done function runs */
    unsigned telling;                    /* done functions that run: how deep */
    /* Of the whole `stream` message that is being dispatched: its body's handle, all zero else, and
     * the user's pointer. */
    np_body whole_body;
    void *whole_user;
    /* It is open, and in no list yet: true, it was put into one. NULL: it goes into the group's. */
    bool (*on_opened)(np_group *group, np_conn *conn);
    /* The peer begins a handshake: whether it may. NULL: it may. */
    np_err (*on_greeting)(np_group *group, np_conn *conn);
    /* The connection has ended; opened tells whether on_open ran. */
    void (*on_end)(np_group *group, np_conn *conn, const np_failure *failure);
    /* It is about to be freed and in no list any more. */
    void (*on_gone)(np_group *group, np_conn *conn);
    /* NULL, or: the peer has proved its key, which is judged next. */
    void (*on_peer_key)(np_group *group);
};

struct np_conn {
    np_link link;
    np_member member; /* in a list of the group's, or of its site's */
    uint64_t id;
    union {
        void *user;        /* the application's; NULL until it is open */
        uint64_t since_ms; /* until then: when it came */
    };
    union {
        uint8_t ip[16]; /* of a server that a client talks to */
        struct {
            uint32_t pid, uid, gid;
        } process; /* the same on a unix socket */
        struct {
            np_source *source;
            union {
                uint8_t low[8]; /* of an IPv6 address; its source has the rest */
                struct {
                    uint32_t pid, gid;
                };
            };
        } known; /* where `sourced` */
    } peer;
    uint16_t port;
    uint8_t peer_kind;
    bool opened : 1;
    bool ended : 1;       /* on_close has run */
    bool dispatching : 1; /* a message handler of this connection runs */
    bool want_writable : 1;
    bool has_credentials : 1;
    bool sourced : 1;   /* a daemon's, that knows where it comes from */
    bool listed : 1;    /* its key is one that the daemon has been told to trust */
    bool keyed : 1;     /* that key's holder has its memory; see keyring.h */
    uint8_t told_count; /* lines of the log about messages nobody knew or handled */
};

static inline np_group *np__conn_group(const np_conn *conn)
{
    return np_container_of(conn->link.session.options, np_group, links.session);
}

/* Fills in what both kinds of owner share. Errors: NP_ERR_ARG, NP_ERR_MEMORY; there is nothing to
 * fini then. */
NP_MUST_CHECK np_err np__group_init(np_group *group, np_loop *loop, const np_service *service,
                                    const np_service *base, const np_conn_handlers *handlers,
                                    const np_conn_options *options);

/* Who may be at the other end: right after np__group_init. address: a client's, as it was given,
 * copied; NULL: a daemon's. Errors: NP_ERR_ARG, NP_ERR_MEMORY, with *failure; np__group_fini cleans
 * up. */
NP_MUST_CHECK np_err np__group_secure(np_group *group, const np_security *security,
                                      const char *address, np_failure *failure);

/* What it compresses with; address and failure as in np__group_secure. Errors: NP_ERR_ARG. */
NP_MUST_CHECK np_err np__group_compress(np_group *group, const np_compression_options *options,
                                        const char *address, np_failure *failure);

/* Ends all connections at once and frees what the group holds. */
void np__group_fini(np_group *group);

static inline np_conn *np__conn_of_member(np_member *member)
{
    return np_container_of(member, np_conn, member);
}

/* NULL: it has none. */
static inline np_source *np__conn_source(const np_conn *conn)
{
    return conn->sourced ? conn->peer.known.source : NULL;
}

/* How a link tells what happens to its connection, but for the loop; and what a daemon's session
 * asks when its peer begins a handshake. conn_event.c. */
extern const np_link_ops np__conn_link_ops;
np_err np__conn_admit(np_session *session);

/* Makes a connection of a stream, which it takes over on success. sa: who is at the other end, or
 * NULL; source: a daemon's, as it was entered, or NULL. Errors: NP_ERR_MEMORY, NP_ERR_ARG,
 * NP_ERR_LIMIT. */
NP_MUST_CHECK np_err np__conn_new(np_conn **out, np_group *group, const np_stream *stream,
                                  np_session_role role, const struct sockaddr *sa,
                                  np_source *source);

/* Where a stream comes from. sa: who is at its other end. */
np_origin np__conn_origin(const np_stream *stream, const struct sockaddr *sa);

/* Requests; call.c. */
NP_MUST_CHECK np_err np__conn_call(np_conn *conn, const np_message *message, const void *value,
                                   uint32_t timeout_ms, const np_pending *pending, np_fault *fault);
void np__conn_answered(np_conn *conn, const np_session_event *event);
void np__conn_on_cancel(np_conn *conn, const np_session_event *event);

/* The handle of a request of the peer's. */
static inline np_call np__conn_call_of(const np_conn *conn, const np_session_event *event)
{
    return (np_call){np__conn_group(conn)->loop, conn->id, event->message, event->stream,
                     (uint32_t)event->serial};
}
void np__group_free_pending(np_group *group);

/* Whether a send from here finds room: half of the queue is kept for message handlers. */
NP_MUST_CHECK np_err np__conn_room(np_conn *conn);

/* After a session's sending function: notes NP_ERR_FULL, or has the output written. */
np_err np__conn_sent(np_conn *conn, np_err err);

/* A part of a body has come; body.c. */
void np__conn_on_body(np_conn *conn, const np_session_event *event);

/* Hands something to the dispatcher whose message it is. Returns what that returned. dispatch.c. */
NP_MUST_CHECK np_err np__conn_dispatch(np_conn *conn, const np_incoming *in, np_fault *fault);

/* A message did not decode, has no handler, or its handler failed; unhandled.c. */
void np__conn_dispatch_failed(np_conn *conn, const np_session_event *event, np_err err,
                              const np_fault *fault);

/* The schema has no such message: a line in the log. */
void np__conn_unknown(np_conn *conn, const np_session_event *event);

/* An error of sending or calling, returned as it is: where it is not about the value, *fault (may
 * be NULL) tells what to do about it. conn NULL: there is none. */
np_err np__conn_refused(const np_conn *conn, const np_message *message, np_err err,
                        np_fault *fault);

/* Failures; failure.c. Each fills in *failure (may be NULL) and returns err. */
np_err np__failure_set(np_failure *failure, np_stage stage, np_err err, int os_error,
                       const char *what, const char *why);
void np__failure_from_event(np_failure *failure, const np_conn *conn,
                            const np_session_event *event);

#endif
