/* loop_signals.c - signals that come to the loop's thread. */
#define _GNU_SOURCE
#include "transport/loop_state.h"

#include <signal.h>
#include <stdlib.h>

/* What a signal does belongs to the process: one loop at a time asks and changes. */
static pthread_mutex_t process_mutex = PTHREAD_MUTEX_INITIALIZER;

/* Where the watch of a signal is linked, or would be. */
static np_signal_watch **find(np_loop *loop, int number)
{
    np_signal_watch **link = &loop->signals;

    while (*link != NULL && (*link)->number != number) {
        link = &(*link)->next;
    }
    return link;
}

static void remove_watch(np_loop *loop, np_signal_watch **link)
{
    np_signal_watch *watch = *link;

    *link = watch->next;
    (void)pthread_mutex_lock(&process_mutex);
    np__loop_ev_signal_stop(loop, watch); /* the default action again */
    (void)pthread_mutex_unlock(&process_mutex);
    free(watch);
}

/* A signal can be taken if nobody has a handler for it: libev would replace a stranger's, and stop
 * the process where it is another libev loop's. */
static np_err check_signal(int number)
{
    struct sigaction now;

    if (number == SIGKILL || number == SIGSTOP || number == SIGSEGV || number == SIGBUS ||
        number == SIGFPE || number == SIGILL || sigaction(number, NULL, &now) != 0) {
        return NP_ERR_ARG;
    }
    return (now.sa_flags & SA_SIGINFO) == 0 &&
                   (now.sa_handler == SIG_DFL || now.sa_handler == SIG_IGN)
               ? NP_OK
               : NP_ERR_STATE;
}

static np_err add_watch(np_loop *loop, int number, np_signal_fn *fn, void *user)
{
    np_signal_watch *watch = calloc(1, sizeof *watch);
    np_err err = NP_OK;

    if (watch == NULL) {
        return NP_ERR_MEMORY;
    }
    watch->loop = loop;
    watch->number = number;
    watch->fn = fn;
    watch->user = user;
    (void)pthread_mutex_lock(&process_mutex);
    err = check_signal(number);
    if (err == NP_OK) {
        err = np__loop_ev_signal_start(loop, watch);
    }
    (void)pthread_mutex_unlock(&process_mutex);
    if (err != NP_OK) {
        free(watch);
        return err;
    }
    watch->next = loop->signals;
    loop->signals = watch;
    return NP_OK;
}

np_err np_loop_on_signal(np_loop *loop, int number, np_signal_fn *fn, void *user)
{
    np_signal_watch **link = find(loop, number);

    if (*link == NULL) {
        return fn != NULL ? add_watch(loop, number, fn, user) : NP_OK;
    }
    if (fn == NULL) {
        remove_watch(loop, link);
    } else {
        (*link)->fn = fn;
        (*link)->user = user;
    }
    return NP_OK;
}

void np__loop_signals_fini(np_loop *loop)
{
    while (loop->signals != NULL) {
        remove_watch(loop, &loop->signals);
    }
}
