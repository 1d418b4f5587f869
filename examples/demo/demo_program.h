/* demo_program.h - what the parts of the demo share.
 *
 *   main.c      runs the parts, over TCP and over a unix socket, secure and in the clear
 *   server.c    the daemons, on a loop and a thread of their own
 *   keys.c      who trusts whom
 *   messages.c  one message of each kind, there and back
 *   refused.c   bad packets from a raw socket, and what is said about them
 *   strangers.c who is kept out of a secure connection
 *   measure.c   round trips per second and latencies
 *   table.c     what is printed, and the count of failures
 */
#ifndef DEMO_PROGRAM_H
#define DEMO_PROGRAM_H

#include "demo_service.h"

#include <netproto/base.h>
#include <netproto/base_service.h>
#include <netproto/security.h>

/* Longest wait for anything; a demo that waits longer has failed. */
#define DEMO_PATIENCE_MS 2000

/* table.c ---------------------------------------------------------------------------------- */

/* Failures so far. */
extern int demo_failures;

/* Prints a heading with an empty line before it. */
void demo_heading(const char *text);

/* Prints one row: what was tried, what came of it, and how long it took (negative: left out). */
__attribute__((format(printf, 4, 5))) void demo_row(bool ok, const char *name, double us,
                                                    const char *format, ...);

/* Monotonic time. */
uint64_t demo_now_ns(void);

/* A sum over bytes that notices any change of them, as they come in pieces; begin with 0. Pieces
 * but the last are multiples of 8 bytes. */
uint64_t demo_checksum(uint64_t sum, const uint8_t *data, size_t len);

/* keys.c ----------------------------------------------------------------------------------- */

/* How the two sides are to talk. */
typedef enum demo_mode { DEMO_PLAINTEXT, DEMO_SECURE, DEMO_MODES } demo_mode;

/* Makes the key pairs of both sides, and of a stranger. */
np_err demo_make_keys(void);

/* What the daemon's and the client's options say of security. */
np_security demo_daemon_security(demo_mode mode);
np_security demo_client_security(demo_mode mode);

/* A client with the keys of somebody else, and one that expects another server. */
np_security demo_stranger(void);
np_security demo_mistaken(void);

/* server.c --------------------------------------------------------------------------------- */

typedef struct demo_server demo_server;

/* Starts a daemon of each mode on TCP and on a unix socket. Prints why and returns NULL if it
 * cannot. */
demo_server *demo_server_start(void);

/* 0: TCP, 1: unix. */
const char *demo_server_address(const demo_server *server, demo_mode mode, size_t index);

/* How many connections the daemon has reported as ended with an error. */
unsigned demo_server_reports(demo_server *server);

/* Waits for report number `index` (from 0) and copies its line; false if it does not come. */
bool demo_server_report(demo_server *server, unsigned index, char *line, size_t cap);

/* Stops in order and frees everything; false if that did not go well. */
bool demo_server_stop(demo_server *server);

/* The parts ---------------------------------------------------------------------------------- */

/* Each prints its rows and counts its failures. */
void demo_messages(demo_mode mode, const char *address);
void demo_refused(demo_server *server, const char *address);
void demo_strangers(const char *address);
void demo_measure(demo_mode mode, const char *transport, const char *address, unsigned depth,
                  unsigned ms);

#endif
