/* cover_tls.c - a client's TLS sessions, between two BIOs in memory; see cover.h. */
#include <openssl/ssl.h>

#include "cover.h"

static SSL_CTX *get_context(void)
{
    static SSL_CTX *context;

    if (context == NULL) {
        context = SSL_CTX_new(TLS_client_method());
        bench_require(context != NULL &&
                          SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION) == 1,
                      "OpenSSL's TLS 1.3");
    }
    return context;
}

static void *open_session(void)
{
    SSL *ssl = SSL_new(get_context());
    BIO *in = BIO_new(BIO_s_mem());
    BIO *out = BIO_new(BIO_s_mem());

    bench_require(ssl != NULL && in != NULL && out != NULL, "memory");
    SSL_set_bio(ssl, in, out);
    SSL_set_connect_state(ssl);
    return ssl;
}

static void close_session(void *session)
{
    SSL_free(session);
}

static bool is_ready(const void *session)
{
    return SSL_is_init_finished(session) == 1;
}

/* Whether there is only more to be read. */
static bool waits(const SSL *ssl, int result)
{
    return SSL_get_error(ssl, result) == SSL_ERROR_WANT_READ;
}

static size_t wrap(void *session, const uint8_t *plain, size_t len, uint8_t *wire)
{
    SSL *ssl = session;
    int n = SSL_do_handshake(ssl);

    bench_require(n == 1 || waits(ssl, n), "the handshake goes on");
    bench_require(len == 0 || SSL_write(ssl, plain, (int)len) == (int)len, "TLS takes a write");
    bench_require(BIO_ctrl_pending(SSL_get_wbio(ssl)) <= LOAD_WIRE_MAX, "room for what is sent");
    n = BIO_read(SSL_get_wbio(ssl), wire, LOAD_WIRE_MAX);
    return n > 0 ? (size_t)n : 0;
}

static size_t unwrap(void *session, uint8_t *wire, size_t len, uint8_t *plain)
{
    SSL *ssl = session;
    size_t got = 0;
    int n = BIO_write(SSL_get_rbio(ssl), wire, (int)len);

    bench_require(n == (int)len, "memory");
    for (;;) {
        n = SSL_read(ssl, plain + got, (int)(LOAD_WIRE_MAX - got));
        if (n <= 0) {
            break;
        }
        got += (size_t)n;
    }
    bench_require(waits(ssl, n), "the session lives");
    return got;
}

const load_cover cover_tls = {open_session, close_session, is_ready, wrap, unwrap};
