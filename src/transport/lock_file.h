/* lock_file.h - by which processes of one user take turns at a file: a file of their own beside it.
 *
 * Whoever may open a file may lock it with flock, even to read only. So a lock on a folder, or on a
 * file that others may read, is everybody's: another user holds it and keeps ours out for good. The
 * lock is on a file of our own instead, which nobody else may open:
 *
 *   name      that of the file that is guarded, and ".lock" behind it, in the same folder
 *   mode      0600 whatever the umask is, owned by the effective user; made where there is none
 *   believed  only if it is a regular file, no link, owned by the effective user, and shut to group
 *             and others: who put something else there is told of, and nothing is done to it
 *   lock      flock, exclusive, for as long as the guarded file is being changed
 *   life      the caller's: it stays, or is removed while the lock is held. Whoever waited for a
 *             removed one finds that out, and takes the one that has the name now
 *
 * In a folder where others may make files somebody may take the name first. Where the guarded file
 * cannot be taken (it is there, and the folder is sticky, as /tmp is), a lock file that lives as
 * long as it does cannot either.
 *
 * Threads: any; two threads of a process exclude each other as two processes do.
 */
#ifndef NP_TRANSPORT_LOCK_FILE_H
#define NP_TRANSPORT_LOCK_FILE_H

#include <netproto/error.h>

#include <stdbool.h>

/* What is added to a name. */
#define NP__LOCK_SUFFIX ".lock"

/* Locks the lock file of `path`, and waits for whoever has it, wait_ms at most (0: not at all).
 * *fd holds the lock. Errors, with *fd -1:
 *   NP_ERR_DEADLINE  a process of ours has it still
 *   NP_ERR_UNSAFE    what has its name is not a file of our own, see above
 *   NP_ERR_IO        it cannot be made, opened or locked; *os_error says why */
NP_MUST_CHECK np_err np__lock_file_take(const char *path, unsigned wait_ms, int *fd, int *os_error);

/* Gives it back; with `remove`, removes the file before. fd -1: nothing was taken, nothing is done.
 */
void np__lock_file_release(const char *path, int fd, bool remove);

#endif
