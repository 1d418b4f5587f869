/* utc.h - the time on the wall as text: "2026-01-02T03:04:05.678Z" (RFC 3339).
 *
 * NP_API: the runtime library calls it too, though no user includes this.
 */
#ifndef NP_UTIL_UTC_H
#define NP_UTIL_UTC_H

#include <netproto/export.h>

#include <stdint.h>

/* Room for any time, and a NUL. */
#define NP_UTC_LEN 48

/* Milliseconds since 1970-01-01T00:00:00Z. Years go round after 9999. Returns text. */
NP_API char *np_utc_format(uint64_t wall_ms, char text[NP_UTC_LEN]);

#endif
