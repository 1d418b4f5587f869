/* files.h - how many descriptors a process may have.
 *
 * Threads: any.
 */
#ifndef NP_TRANSPORT_FILES_H
#define NP_TRANSPORT_FILES_H

#include <netproto/error.h>

/* How many more it may open, as far as its own limit goes (RLIMIT_NOFILE, which may be set anew at
 * any time); UINT32_MAX: as many or more, or nobody knows. */
uint32_t np__files_left(void);

#endif
