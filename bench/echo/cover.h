/* cover.h - the client's side of what secure servers speak; see common/load.h.
 *
 * Neither judges who the server is: what is compared is what follows the handshake.
 */
#ifndef BENCH_COVER_H
#define BENCH_COVER_H

#include "common/load.h"

/* netproto's secure sessions. The bytes under it are frames in the clear. */
extern const load_cover cover_netproto;

#ifdef BENCH_TLS
/* TLS 1.3 by OpenSSL; the server chooses the cipher suite. */
extern const load_cover cover_tls;
#endif

#endif
