/* descriptors.c - standard input, output and error are there, come what may. */
#include "tool/tool.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

bool tool_hold_descriptors(void)
{
    for (int fd = 0; fd <= 2; fd++) {
        if (fcntl(fd, F_GETFD) >= 0 || errno != EBADF) {
            continue;
        }
        /* The lowest that is free is this one. It is open the wrong way round, so that whoever
         * reads or writes gets the error of a closed one, and not a success that is none. */
        if (open("/dev/null", fd == 0 ? O_WRONLY : O_RDONLY) != fd) {
            return false;
        }
    }
    return true;
}
