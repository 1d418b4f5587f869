/* agreed.c - what two peers have agreed on; np_conn_agreed. */
#include "service/conn_private.h"

bool np_conn_agreed(const np_conn *conn, np_agreed *out)
{
    const np_session *session = conn != NULL ? &conn->link.session : NULL;
    const np_protocol *protocol = NULL;

    memset(out, 0, sizeof *out);
    if (conn == NULL || !conn->opened) {
        return false;
    }
    protocol = np__conn_group(conn)->service.protocol;
    /* No feature: negotiation refuses what was not offered, and there is none to offer. */
    out->protocol = protocol->name;
    out->version = session->version;
    out->digest = protocol->digests[session->version - protocol->min_version];
    out->compression = (np_compression)session->compression;
    out->cipher = np_session_is_secure(session)
                      ? np_cipher_name((np_cipher)np_session_cipher(session))
                      : NULL;
    return true;
}
