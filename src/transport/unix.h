/* unix.h - unix sockets: socket files and who is at the other end. The stream is in stream.h. */
#ifndef NP_TRANSPORT_UNIX_H
#define NP_TRANSPORT_UNIX_H

#include "transport/address.h"
#include "transport/stream.h"

#include <sys/types.h>

/* A listening socket, and which file to remove at the end. */
typedef struct np_unix_listen {
    int fd;
    bool has_file; /* false for the abstract namespace */
    dev_t device;  /* of the file we made */
    ino_t inode;
} np_unix_listen;

/* Listens with file mode `mode` (0600 lets only the same user in). The file is never more open
 * than that, whatever the umask, which is left alone.
 *
 * A file in the way is replaced only if it is a socket, owned by us, and nobody listens on it;
 * otherwise NP_ERR_IN_USE with *why saying which of these failed. Other errors: NP_ERR_FILES,
 * NP_ERR_SYSTEM, with *os_error.
 *
 * Daemons of one user that start at the same place take turns by a lock file beside the socket,
 * NAME.lock (lock_file.h has its rules), which no other user may open. It is locked until the
 * socket listens, lives as long as the socket file does, and goes with it; after a crash both stay,
 * and the next daemon takes both over. Where it cannot be made or locked (for 100 ms) a free place
 * is taken all the same, but no stale socket is replaced: NP_ERR_IN_USE. */
NP_MUST_CHECK np_err np_unix_open(const np_address *address, unsigned mode, int backlog,
                                  np_unix_listen *out, int *os_error, const char **why);

/* Closes it and removes its file, if the file is still the one we made, and the lock file. */
void np_unix_shut(np_unix_listen *listen, const np_address *address);

/* Credentials of the process that connected, as the kernel noted them then. */
typedef struct np_credentials {
    uint32_t pid, uid, gid;
} np_credentials;

NP_MUST_CHECK np_err np_unix_peer(int fd, np_credentials *out);

#endif
