/* descriptors.h - standard input, output and error are there, come what may. */
#ifndef CHAT_DESCRIPTORS_H
#define CHAT_DESCRIPTORS_H

#include <fcntl.h>
#include <stdbool.h>

/* Where whoever started us has closed descriptors 0 to 2, the next sockets would get their numbers,
 * and a line of the log would go to a peer, in the clear. So /dev/null holds them, open the wrong
 * way round: reading and writing fails as on a closed one. To be called before anything is opened.
 */
static inline bool chat_hold_descriptors(void)
{
    for (int fd = 0; fd <= 2; fd++) {
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", fd == 0 ? O_WRONLY : O_RDONLY) != fd) {
            return false;
        }
    }
    return true;
}

#endif
