/* agreed.c - what two peers have agreed on; np_conn_agreed. */
#include "service/conn_private.h"

/* By their numbers in an offer. */
static const char *const ciphers[] = {"XChaCha20-Poly1305", "AES-256-GCM"};

bool np_conn_agreed(const np_conn *conn, np_agreed *out)
{
    const np_session *session = &conn->link.session;
    const np_protocol *protocol = conn->group->service.protocol;
    bool secure = np_session_is_secure(session);
    uint8_t cipher = secure ? np_session_cipher(session) : 0;

    memset(out, 0, sizeof *out);
    if (!conn->opened || cipher >= sizeof ciphers / sizeof ciphers[0]) {
        return false;
    }
    /* No feature: negotiation refuses what was not offered, and there is none to offer. */
    out->protocol = protocol->name;
    out->version = session->version;
    out->digest = protocol->digests[session->version - protocol->min_version];
    out->compression = (np_compression)session->compression;
    out->cipher = secure ? ciphers[cipher] : NULL;
    return true;
}
