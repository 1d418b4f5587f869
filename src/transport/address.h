/* address.h - addresses as people type them.
 *
 *     tcp://host:port      a name, or an IPv4 address
 *     tcp://[::1]:port     an IPv6 address, with a zone where needed: [fe80::1%eth0]
 *     tcp://:port          every address of this machine, also tcp://\*:port (listening only)
 *     unix:///run/x.sock   a socket file; the path is absolute
 *     unix://@name         a name in Linux's abstract namespace
 *
 * Port 0 lets the system choose (listening only).
 *
 * Threads: pure.
 */
#ifndef NP_TRANSPORT_ADDRESS_H
#define NP_TRANSPORT_ADDRESS_H

#include <netproto/error.h>

#include <sys/socket.h>

/* Longest text of an address, with its NUL. */
#define NP_ADDRESS_TEXT_LEN 280

typedef enum np_address_kind { NP_ADDRESS_TCP, NP_ADDRESS_UNIX } np_address_kind;

typedef struct np_address {
    np_address_kind kind;
    bool abstract;  /* UNIX: the name lies in the abstract namespace */
    bool wildcard;  /* TCP: host was "*" or missing */
    uint16_t port;  /* TCP */
    char host[256]; /* TCP: without brackets; UNIX: the path, or the name without '@' */
} np_address;

/* Reads an address. On failure (NP_ERR_ADDRESS) *why, which may be NULL, says in one clause what
 * is wrong; static text. */
NP_MUST_CHECK np_err np_address_parse(const char *text, np_address *out, const char **why);

/* Writes it back in the form above; text holds NP_ADDRESS_TEXT_LEN bytes. Returns text. */
char *np_address_format(const np_address *address, char *text);

/* The socket address of a UNIX one, or of a TCP one whose host is numeric (the wildcard gives
 * [::]). Returns its length, or 0 if the host is a name that must be resolved, or lacks its
 * interface. */
socklen_t np_address_numeric(const np_address *address, struct sockaddr_storage *out);

/* Why an IPv6 address with a zone has no socket address: np_address_numeric gives 0 for it. */
#define NP_ADDRESS_NO_INTERFACE "this machine has no interface of the name behind '%'"
bool np_address_lacks_interface(const np_address *address);

/* Whether who listens on one of them cannot listen on the other, too: it is the same, or one of
 * them is every address. [::] is so of IPv4 as well. */
bool np_address_overlaps(const np_address *a, const np_address *b);

/* Writes "tcp://192.0.2.1:80" for a socket address of the system's. Returns text. */
char *np_address_format_socket(const struct sockaddr *sa, socklen_t len, char *text);

#endif
