/* fork() of all tests (the linker's --wrap, see tests/CMakeLists.txt): a child ends with the test
 * that began it, also where that fails, crashes or is killed for taking too long. What a test has
 * to stop by itself it stops; this is for all the ways by which it does not get there. Programs
 * that the child becomes by exec keep this. */
#include <signal.h>

#include <sys/prctl.h>
#include <unistd.h>

pid_t __real_fork(void);
pid_t __wrap_fork(void);

pid_t __wrap_fork(void)
{
    pid_t parent = getpid();
    pid_t pid = __real_fork();

    if (pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent) { /* it has ended already, and no signal will come */
            _exit(125);
        }
    }
    return pid;
}
