/* loop_posts.c - functions that other threads have run on the loop's.
 *
 * A ring under a mutex, and an eventfd that is readable exactly while `awake` is set. It stays so
 * until the ring was found empty, so a thread that posts to a busy loop makes no system call, and
 * posts beyond a turn's share are announced again by the same readiness.
 */
#define _GNU_SOURCE
#include "transport/loop_state.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* Neither can fail: the counter goes from 0 to 1 and back. */
static void wake(np_posts *posts)
{
    const uint64_t one = 1;
    ssize_t put = write(posts->fd, &one, sizeof one);

    (void)put;
    posts->awake = true;
}

static void rest(np_posts *posts)
{
    uint64_t value = 0;
    ssize_t got = read(posts->fd, &value, sizeof value);

    (void)got;
    posts->awake = false;
}

np_err np_loop_post(np_loop *loop, np_loop_post_fn *fn, void *user)
{
    np_posts *posts = &loop->posts;
    np_err err = NP_ERR_FULL;

    /* All of it under the mutex: the post may end the loop's life as soon as it can be taken, and
     * nothing of the loop may be touched after that. */
    (void)pthread_mutex_lock(&posts->mutex);
    if (posts->count < posts->max) {
        posts->ring[(posts->first + posts->count) % posts->max] = (np_post){fn, user};
        posts->count++;
        err = NP_OK;
        if (!posts->awake) {
            wake(posts);
        }
    }
    (void)pthread_mutex_unlock(&posts->mutex);
    return err;
}

static bool take(np_posts *posts, np_post *out)
{
    bool any = false;

    (void)pthread_mutex_lock(&posts->mutex);
    if (posts->count > 0) {
        *out = posts->ring[posts->first];
        posts->first = (posts->first + 1) % posts->max;
        posts->count--;
        any = true;
    } else {
        rest(posts);
    }
    (void)pthread_mutex_unlock(&posts->mutex);
    return any;
}

static void on_readable(np_watch *watch, unsigned events)
{
    np_posts *posts = np_container_of(watch, np_posts, watch);
    np_loop *loop = np_container_of(posts, np_loop, posts);
    np_post next;

    (void)events;
    /* A turn's share: who posts from a post must not starve the connections. */
    for (size_t budget = posts->max; budget > 0 && take(posts, &next); budget--) {
        next.fn(loop, next.user);
    }
}

np_err np__loop_posts_init(np_loop *loop, size_t max)
{
    np_posts *posts = &loop->posts;
    np_err err = NP_OK;

    posts->ring = calloc(max, sizeof *posts->ring);
    if (posts->ring == NULL) {
        return NP_ERR_MEMORY;
    }
    posts->max = max;
    posts->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (posts->fd < 0) {
        return errno == EMFILE || errno == ENFILE ? NP_ERR_FILES : NP_ERR_SYSTEM;
    }
    err = np__watch_room(loop, posts->fd);
    if (err != NP_OK) {
        (void)close(posts->fd);
        posts->fd = -1;
        return err;
    }
    (void)pthread_mutex_init(&posts->mutex, NULL);
    np__watch_init(&posts->watch, posts->fd, on_readable);
    np__watch_set(loop, &posts->watch, NP_WATCH_READ);
    np__loop_ev_background(loop, true);
    return NP_OK;
}

void np__loop_posts_fini(np_loop *loop)
{
    np_posts *posts = &loop->posts;

    if (posts->fd >= 0) {
        np__loop_ev_background(loop, false);
        np__watch_set(loop, &posts->watch, NP_WATCH_NONE);
        /* The thread whose post ended the loop may still be leaving np_loop_post. */
        (void)pthread_mutex_lock(&posts->mutex);
        (void)pthread_mutex_unlock(&posts->mutex);
        (void)pthread_mutex_destroy(&posts->mutex);
        (void)close(posts->fd);
    }
    free(posts->ring);
}
