/* files.c - see files.h. */
#define _GNU_SOURCE
#include "transport/files.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

uint32_t np__files_left(void)
{
    struct rlimit limit;
    int fd = -1;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= UINT32_MAX) {
        return UINT32_MAX;
    }
    /* The system gives the lowest number that is free, so all below it are taken. */
    fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return 0;
    }
    (void)close(fd);
    return (uint32_t)limit.rlim_cur - (uint32_t)fd;
}
