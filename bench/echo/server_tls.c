/* server_tls.c - the least that an echo over TLS 1.3 costs with OpenSSL:
 * server_tls PORT PATH CIPHERSUITE.
 *
 * As server_epoll: level-triggered epoll, one read and one write for each turn, no look at what the
 * bytes say. OpenSSL reads ahead, since it would otherwise read each record's header by itself; all
 * that has come goes back by one SSL_write. Buffers of sessions that rest are given back, as ours
 * are. Its key and certificate are made at the start.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include "door.h"

#define EVENTS 64
#define DAY_SECONDS 86400L

/* A connection; without ssl, where connections come in. */
typedef struct peer {
    int fd;
    SSL *ssl;
} peer;

static void need(bool good, const char *what)
{
    if (!good) {
        fprintf(stderr, "server_tls: %s\n", what);
        ERR_print_errors_fp(stderr);
        exit(1);
    }
}

static X509 *sign_certificate(EVP_PKEY *key)
{
    X509 *certificate = X509_new();

    need(certificate != NULL && X509_set_version(certificate, X509_VERSION_3) == 1 &&
             ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1) == 1 &&
             X509_gmtime_adj(X509_getm_notBefore(certificate), 0) != NULL &&
             X509_gmtime_adj(X509_getm_notAfter(certificate), DAY_SECONDS) != NULL &&
             X509_set_pubkey(certificate, key) == 1,
         "a certificate");
    X509_NAME *name = X509_get_subject_name(certificate);
    need(X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const uint8_t *)"localhost", -1, -1,
                                    0) == 1 &&
             X509_set_issuer_name(certificate, name) == 1 &&
             X509_sign(certificate, key, EVP_sha256()) > 0,
         "a signature");
    return certificate;
}

static SSL_CTX *make_context(const char *suite)
{
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());
    EVP_PKEY *key = EVP_EC_gen("P-256");

    need(context != NULL && key != NULL, "a context and a key");
    X509 *certificate = sign_certificate(key);
    need(SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION) == 1 &&
             SSL_CTX_set_ciphersuites(context, suite) == 1 &&
             SSL_CTX_use_certificate(context, certificate) == 1 &&
             SSL_CTX_use_PrivateKey(context, key) == 1 && SSL_CTX_set_num_tickets(context, 0) == 1,
         "the context takes what it is given");
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_read_ahead(context, 1);
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
    X509_free(certificate);
    EVP_PKEY_free(key);
    return context;
}

static peer *make_peer(int fd)
{
    peer *p = malloc(sizeof *p);

    need(p != NULL, "memory");
    *p = (peer){.fd = fd};
    return p;
}

static void drop(peer *p)
{
    SSL_free(p->ssl);
    close(p->fd);
    free(p);
    /* What is left there would be taken for another connection's. */
    ERR_clear_error();
}

static void echo(peer *p)
{
    static uint8_t buffer[65536];
    size_t len = 0;
    int n;

    do {
        n = SSL_read(p->ssl, buffer + len, (int)(sizeof buffer - len));
        if (n <= 0) {
            break;
        }
        len += (size_t)n;
    } while (len < sizeof buffer && SSL_has_pending(p->ssl) == 1);
    if (n <= 0 && SSL_get_error(p->ssl, n) != SSL_ERROR_WANT_READ) {
        drop(p);
        return;
    }
    /* So little is under way that a write takes all of it. */
    if (len > 0 && SSL_write(p->ssl, buffer, (int)len) != (int)len) {
        drop(p);
    }
}

static void let_in(int epoll, const peer *door, SSL_CTX *context)
{
    int fd = door_accept(door->fd);

    if (fd < 0) {
        return;
    }
    peer *p = make_peer(fd);
    p->ssl = SSL_new(context);
    need(p->ssl != NULL && SSL_set_fd(p->ssl, fd) == 1, "a session");
    SSL_set_accept_state(p->ssl);
    door_watch(epoll, fd, (epoll_data_t){.ptr = p});
}

int main(int argc, char **argv)
{
    struct epoll_event events[EVENTS];

    if (argc != 4) {
        fprintf(stderr, "usage: server_tls PORT PATH CIPHERSUITE\n");
        return 2;
    }
    SSL_CTX *context = make_context(argv[3]);
    peer doors[] = {{.fd = door_tcp(atoi(argv[1]))}, {.fd = door_unix(argv[2])}};
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    door_watch(epoll, doors[0].fd, (epoll_data_t){.ptr = &doors[0]});
    door_watch(epoll, doors[1].fd, (epoll_data_t){.ptr = &doors[1]});
    for (;;) {
        int ready = epoll_wait(epoll, events, EVENTS, -1);
        for (int i = 0; i < ready; i++) {
            peer *p = events[i].data.ptr;
            if (p->ssl == NULL) {
                let_in(epoll, p, context);
            } else {
                echo(p);
            }
        }
    }
}
