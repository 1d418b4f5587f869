/* demo_service.h - a dispatcher for the demo protocol, as generated code would have it, and small
 * helpers for tests over real sockets. */
#ifndef TEST_DEMO_SERVICE_H
#define TEST_DEMO_SERVICE_H

#include "support/demo_protocol.h"

#include <netproto/client.h>
#include <netproto/daemon.h>

typedef struct demo_handlers {
    np_err (*on_say)(np_conn *conn, const demo_say *msg, void *user);
    np_err (*on_find)(np_conn *conn, np_call call, const demo_find *msg, void *user);
    void *user;
} demo_handlers;

np_err demo_dispatch(const void *handlers, np_conn *conn, const np_incoming *in, np_fault *fault);

/* Sends every Say back, and answers Find(n) with n bytes of value (uint8_t)n. */
extern const demo_handlers demo_echo;

/* Set in the environment: daemons and clients of tests trust each other by keys. */
#define DEMO_SECURE "TEST_DEMO_SECURE"

/* What the options say then; else plaintext. */
np_security demo_security(bool daemon);

/* Options whose service is the demo protocol with these handlers. */
np_daemon_options demo_daemon_options(const demo_handlers *handlers, const char *const *addresses,
                                      size_t count);
np_client_options demo_client_options(const demo_handlers *handlers, const char *address);

/* Decodes a Find's answer. */
np_err demo_read_found(const void *payload, size_t len, uint32_t version, demo_say *out,
                       np_fault *fault);

/* Fails the program with the failure's text if err is not NP_OK. */
void demo_must(np_err err, const np_failure *failure);

/* Runs the loop until *done, at most 10 s; fails the program at the deadline. */
void demo_run(np_loop *loop, const bool *done);

/* Runs the loop for a while. */
void demo_rest(np_loop *loop, uint32_t ms);

/* A blocking TCP or unix socket connected to a daemon's address; receives time out after 10 s. */
int demo_raw_connect(const char *address);

/* Bytes of the frames that a raw client needs. Returns the length. */
size_t demo_raw_hello(uint8_t *out, size_t cap);
size_t demo_raw_say(uint8_t *out, size_t cap, const void *data, size_t len);

#endif
