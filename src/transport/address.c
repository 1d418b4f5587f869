/* address.c - addresses as people type them. See address.h. */
#define _GNU_SOURCE
#include "transport/address.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/un.h>

static np_err refuse(const char **why, const char *text)
{
    if (why != NULL) {
        *why = text;
    }
    return NP_ERR_ADDRESS;
}

static np_err parse_port(const char *text, uint16_t *out, const char **why)
{
    uint32_t port = 0;

    if (*text == '\0') {
        return refuse(why, "the port is missing");
    }
    for (const char *p = text; *p != '\0'; p++) {
        if (*p < '0' || *p > '9') {
            return refuse(why, "the port is not a number");
        }
        port = port * 10 + (uint32_t)(*p - '0');
        if (port > 65535) {
            return refuse(why, "the port is above 65535");
        }
    }
    *out = (uint16_t)port;
    return NP_OK;
}

/* Letters, digits, '-', '.' and '_': what names and IPv4 addresses are made of. Anything else
 * would be a mistake, or an attempt on the logs. */
static bool is_host_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_';
}

static np_err parse_name(const char *host, size_t len, np_address *out, const char **why)
{
    bool numeric = true;
    struct in_addr v4;

    if (len > 253) {
        return refuse(why, "the host name is longer than 253 bytes");
    }
    for (size_t i = 0; i < len; i++) {
        if (!is_host_char(host[i])) {
            return refuse(why, memchr(host, ':', len) != NULL
                                   ? "an IPv6 address needs brackets: tcp://[::1]:port"
                                   : "the host name holds a character that no name may have");
        }
        numeric = numeric && ((host[i] >= '0' && host[i] <= '9') || host[i] == '.');
    }
    memcpy(out->host, host, len);
    out->host[len] = '\0';
    if (numeric && inet_pton(AF_INET, out->host, &v4) != 1) {
        return refuse(why, "the host is not a valid IPv4 address");
    }
    return NP_OK;
}

static np_err parse_bracketed(const char *host, size_t len, np_address *out, const char **why)
{
    char *zone = NULL;
    struct in6_addr v6;
    bool ok = false;

    if (len >= INET6_ADDRSTRLEN + IF_NAMESIZE) {
        return refuse(why, "what stands in brackets is not an IPv6 address");
    }
    memcpy(out->host, host, len);
    out->host[len] = '\0';
    zone = strchr(out->host, '%');
    if (zone != NULL) {
        *zone = '\0';
        for (const char *p = zone + 1; *p != '\0'; p++) {
            if (!is_host_char(*p)) {
                return refuse(why, "the zone holds a character that no interface may have");
            }
        }
        if (zone[1] == '\0') {
            return refuse(why, "the zone behind '%' is empty");
        }
    }
    ok = inet_pton(AF_INET6, out->host, &v6) == 1;
    if (zone != NULL) {
        *zone = '%';
    }
    return ok ? NP_OK : refuse(why, "what stands in brackets is not an IPv6 address");
}

static np_err parse_tcp(const char *text, np_address *out, const char **why)
{
    const char *port = NULL;
    np_err err = NP_OK;

    out->kind = NP_ADDRESS_TCP;
    if (text[0] == '[') {
        const char *end = strchr(text, ']');
        if (end == NULL) {
            return refuse(why, "the closing bracket is missing");
        }
        err = parse_bracketed(text + 1, (size_t)(end - text - 1), out, why);
        port = end + 1;
    } else {
        port = strrchr(text, ':');
        if (port == NULL) {
            return refuse(why, "the port is missing; write tcp://host:port");
        }
        if (port == text || (port == text + 1 && text[0] == '*')) {
            out->wildcard = true;
        } else {
            err = parse_name(text, (size_t)(port - text), out, why);
        }
    }
    if (err != NP_OK) {
        return err;
    }
    if (*port != ':') {
        return refuse(why, "the port is missing; write tcp://[::1]:port");
    }
    return parse_port(port + 1, &out->port, why);
}

static np_err parse_unix(const char *text, np_address *out, const char **why)
{
    /* The kernel's field must also hold the NUL of a path, or the one before an abstract name. */
    const size_t max = sizeof(((struct sockaddr_un *)0)->sun_path) - 1;
    size_t len = 0;

    out->kind = NP_ADDRESS_UNIX;
    if (text[0] == '@') {
        out->abstract = true;
        text++;
        if (*text == '\0') {
            return refuse(why, "the abstract name behind '@' is empty");
        }
    } else if (text[0] != '/') {
        return refuse(why, "a socket's path must be absolute: unix:///run/x.sock");
    }
    len = strlen(text);
    if (len > max) {
        return refuse(why, "a socket's path has at most 107 bytes");
    }
    if (!out->abstract && text[len - 1] == '/') {
        return refuse(why, "the path names a directory");
    }
    for (size_t i = 0; i < len; i++) {
        if ((unsigned char)text[i] < 0x20 || text[i] == 0x7F) {
            return refuse(why, "the path holds a control character");
        }
    }
    memcpy(out->host, text, len + 1);
    return NP_OK;
}

/* Why a text without a scheme is refused; who wrote "tcp:host:80" believes that there is one. */
static const char *why_no_scheme(const char *text)
{
    if (strstr(text, "://") != NULL) {
        return "the scheme is neither tcp:// nor unix://";
    }
    if (strncmp(text, "tcp:", 4) == 0) {
        return "'//' is missing behind the scheme; write tcp://host:port";
    }
    if (strncmp(text, "unix:", 5) == 0) {
        return "'//' is missing behind the scheme; write unix:///path or unix://@name";
    }
    return "the scheme is missing; write tcp://host:port or unix:///path";
}

np_err np_address_parse(const char *text, np_address *out, const char **why)
{
    memset(out, 0, sizeof *out);
    if (text == NULL) {
        return refuse(why, "there is no address");
    }
    if (*text == '\0') {
        return refuse(why, "the address is empty");
    }
    if (strncmp(text, "tcp://", 6) == 0) {
        return parse_tcp(text + 6, out, why);
    }
    if (strncmp(text, "unix://", 7) == 0) {
        return parse_unix(text + 7, out, why);
    }
    return refuse(why, why_no_scheme(text));
}

char *np_address_format(const np_address *address, char *text)
{
    const char *host = address->host;

    if (address->kind == NP_ADDRESS_UNIX) {
        (void)snprintf(text, NP_ADDRESS_TEXT_LEN, "unix://%s%s", address->abstract ? "@" : "",
                       host);
    } else if (address->wildcard) {
        (void)snprintf(text, NP_ADDRESS_TEXT_LEN, "tcp://*:%u", (unsigned)address->port);
    } else {
        bool v6 = strchr(host, ':') != NULL;
        (void)snprintf(text, NP_ADDRESS_TEXT_LEN, "tcp://%s%s%s:%u", v6 ? "[" : "", host,
                       v6 ? "]" : "", (unsigned)address->port);
    }
    return text;
}

static socklen_t unix_socket(const np_address *address, struct sockaddr_storage *out)
{
    struct sockaddr_un *un = (struct sockaddr_un *)(void *)out;
    size_t len = strlen(address->host);

    un->sun_family = AF_UNIX;
    if (address->abstract) {
        memcpy(un->sun_path + 1, address->host, len);
    } else {
        memcpy(un->sun_path, address->host, len);
    }
    return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len + 1);
}

static socklen_t tcp6_socket(const np_address *address, struct sockaddr_in6 *out)
{
    char host[sizeof address->host];
    char *zone = NULL;

    memcpy(host, address->host, sizeof host);
    zone = strchr(host, '%');
    if (zone != NULL) {
        *zone = '\0';
        out->sin6_scope_id = if_nametoindex(zone + 1);
        if (out->sin6_scope_id == 0) {
            return 0;
        }
    }
    if (inet_pton(AF_INET6, host, &out->sin6_addr) != 1) {
        return 0;
    }
    out->sin6_family = AF_INET6;
    out->sin6_port = htons(address->port);
    return sizeof *out;
}

socklen_t np_address_numeric(const np_address *address, struct sockaddr_storage *out)
{
    struct sockaddr_in *in = (struct sockaddr_in *)(void *)out;
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)(void *)out;

    memset(out, 0, sizeof *out);
    if (address->kind == NP_ADDRESS_UNIX) {
        return unix_socket(address, out);
    }
    if (address->wildcard) {
        in6->sin6_family = AF_INET6;
        in6->sin6_addr = in6addr_any;
        in6->sin6_port = htons(address->port);
        return sizeof *in6;
    }
    if (strchr(address->host, ':') != NULL) {
        return tcp6_socket(address, in6);
    }
    if (inet_pton(AF_INET, address->host, &in->sin_addr) != 1) {
        return 0;
    }
    in->sin_family = AF_INET;
    in->sin_port = htons(address->port);
    return sizeof *in;
}

bool np_address_lacks_interface(const np_address *address)
{
    struct sockaddr_storage sa;

    /* Parsing has seen to the rest of it. */
    return address->kind == NP_ADDRESS_TCP && strchr(address->host, '%') != NULL &&
           np_address_numeric(address, &sa) == 0;
}

static bool is_everywhere(const np_address *address)
{
    struct sockaddr_storage sa;
    const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)&sa;
    const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)(const void *)&sa;

    if (np_address_numeric(address, &sa) == 0) {
        return false;
    }
    return sa.ss_family == AF_INET6 ? IN6_IS_ADDR_UNSPECIFIED(&in6->sin6_addr)
                                    : in->sin_addr.s_addr == htonl(INADDR_ANY);
}

/* What listening makes of it, too. */
static const char *listening_host(const np_address *address)
{
    return strcasecmp(address->host, "localhost") == 0 ? "127.0.0.1" : address->host;
}

bool np_address_overlaps(const np_address *a, const np_address *b)
{
    if (a->kind != b->kind || a->abstract != b->abstract || a->port != b->port) {
        return false;
    }
    if (a->kind == NP_ADDRESS_TCP && (is_everywhere(a) || is_everywhere(b))) {
        return true;
    }
    return strcmp(listening_host(a), listening_host(b)) == 0;
}

static void format_unix(const struct sockaddr_un *un, socklen_t len, char *text)
{
    size_t path = len > offsetof(struct sockaddr_un, sun_path)
                      ? len - offsetof(struct sockaddr_un, sun_path)
                      : 0;

    if (path == 0) {
        (void)snprintf(text, NP_ADDRESS_TEXT_LEN, "unix://");
    } else if (un->sun_path[0] == '\0') {
        (void)snprintf(text, NP_ADDRESS_TEXT_LEN, "unix://@%.*s", (int)(path - 1),
                       un->sun_path + 1);
    } else {
        (void)snprintf(text, NP_ADDRESS_TEXT_LEN, "unix://%.*s", (int)path, un->sun_path);
    }
}

char *np_address_format_socket(const struct sockaddr *sa, socklen_t len, char *text)
{
    char host[INET6_ADDRSTRLEN] = "?";

    if (sa->sa_family == AF_UNIX) {
        format_unix((const struct sockaddr_un *)(const void *)sa, len, text);
    } else if (sa->sa_family == AF_INET) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)sa;
        (void)inet_ntop(AF_INET, &in->sin_addr, host, sizeof host);
        (void)snprintf(text, NP_ADDRESS_TEXT_LEN, "tcp://%s:%u", host, ntohs(in->sin_port));
    } else if (sa->sa_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)(const void *)sa;
        if (IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr)) {
            (void)inet_ntop(AF_INET, in6->sin6_addr.s6_addr + 12, host, sizeof host);
            (void)snprintf(text, NP_ADDRESS_TEXT_LEN, "tcp://%s:%u", host, ntohs(in6->sin6_port));
        } else {
            (void)inet_ntop(AF_INET6, &in6->sin6_addr, host, sizeof host);
            (void)snprintf(text, NP_ADDRESS_TEXT_LEN, "tcp://[%s]:%u", host, ntohs(in6->sin6_port));
        }
    } else {
        (void)snprintf(text, NP_ADDRESS_TEXT_LEN, "?://");
    }
    return text;
}
