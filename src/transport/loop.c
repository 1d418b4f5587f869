/* loop.c - the loop as a whole: making, running and freeing it. */
#include "transport/loop_state.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define POST_MAX_LIMIT ((size_t)1 << 20)

/* Making and freeing ----------------------------------------------------------------------- */

np_loop_options np_loop_options_default(void)
{
    np_loop_options options = {.post_max = 1024, .memory_max = (size_t)1 << 30};
    return options;
}

static np_err set_up(np_loop *loop, const np_loop_options *options)
{
    np_pool_options pool_options = np_pool_options_default();
    np_err err = NP_OK;

    pool_options.live_max = options->memory_max;
    pool_options.relieve = np__loop_relieve;
    pool_options.relieve_user = loop;
    np_pool_init(&loop->pool, &pool_options);
    np_compress_init(&loop->compress);
    np__loop_tasks_init(&loop->deferred);
    np__loop_tasks_init(&loop->flushes);
    loop->posts.fd = -1;
    loop->log = options->log;
    memcpy(loop->names.hosts, "/etc/hosts", sizeof "/etc/hosts");
    memcpy(loop->names.resolv_conf, "/etc/resolv.conf", sizeof "/etc/resolv.conf");
    loop->buffer = malloc(NP_LOOP_BUFFER_LEN);
    if (loop->buffer == NULL) {
        return NP_ERR_MEMORY;
    }
    if (options->dns_server != NULL) {
        loop->names.dns_server = strdup(options->dns_server);
        if (loop->names.dns_server == NULL) {
            return NP_ERR_MEMORY;
        }
    }
    err = np__loop_ev_open(loop, options->ev);
    return err == NP_OK ? np__loop_posts_init(loop, options->post_max) : err;
}

static void release(np_loop *loop)
{
    np__loop_timers_fini(loop);
    np__loop_signals_fini(loop);
    np__loop_posts_fini(loop);
    np__loop_ev_close(loop);
    np__loop_registry_fini(loop);
    np_pool_fini(&loop->pool);
    (void)np__loop_relieve(loop);
    np_compress_fini(&loop->compress);
    free(loop->names.dns_server);
    free(loop->buffer);
    free(loop);
}

np_err np_loop_new(np_loop **out, const np_loop_options *options)
{
    np_loop_options defaults = np_loop_options_default();
    np_loop *loop = NULL;
    np_err err = NP_OK;

    if (options == NULL) {
        options = &defaults;
    }
    if (options->post_max == 0 || options->post_max > POST_MAX_LIMIT) {
        return NP_ERR_ARG;
    }
    err = np__loop_crypto_init();
    if (err != NP_OK) {
        return err;
    }
    loop = calloc(1, sizeof *loop);
    if (loop == NULL) {
        return NP_ERR_MEMORY;
    }
    err = set_up(loop, options);
    if (err != NP_OK) {
        release(loop);
        return err;
    }
    *out = loop;
    return NP_OK;
}

void np_loop_free(np_loop *loop)
{
    if (loop == NULL) {
        return;
    }
    assert(!np__loop_running(loop));
    release(loop);
}

/* Running ---------------------------------------------------------------------------------- */

/* Runs until np_loop_stop or until *until; tells which. */
static bool run(np_loop *loop, const bool *until)
{
    bool stopped = false;

    loop->running = true;
    loop->until = until;
    while (!loop->stop && (until == NULL || !*until)) {
        np__loop_ev_run(loop);
    }
    stopped = loop->stop;
    loop->stop = false;
    loop->until = NULL;
    loop->running = false;
    loop->now_valid = false;
    return stopped;
}

np_err np_loop_run(np_loop *loop)
{
    if (np__loop_running(loop)) {
        return NP_ERR_STATE;
    }
    (void)run(loop, NULL);
    return NP_OK;
}

typedef struct run_timeout {
    np_timer timer;
    bool passed;
} run_timeout;

static void on_run_timeout(np_loop *loop, np_timer *timer)
{
    run_timeout *timeout = np_container_of(timer, run_timeout, timer);

    timeout->passed = true;
    np_loop_stop(loop);
}

np_err np_loop_run_until(np_loop *loop, const bool *done, uint32_t timeout_ms)
{
    run_timeout timeout = {.passed = false};
    bool stopped = false;

    if (np__loop_running(loop)) {
        return NP_ERR_STATE;
    }
    np_timer_init(&timeout.timer, on_run_timeout);
    np_timer_start(loop, &timeout.timer, timeout_ms);
    stopped = run(loop, done);
    np_timer_stop(loop, &timeout.timer);
    if (*done) {
        return NP_OK;
    }
    return stopped && !timeout.passed ? NP_ERR_CANCELED : NP_ERR_DEADLINE;
}

void np_loop_stop(np_loop *loop)
{
    loop->stop = true;
}

/* What others ask of it -------------------------------------------------------------------- */

uint8_t *np__loop_buffer(np_loop *loop)
{
    return loop->buffer;
}

np_name_sources *np__loop_names(np_loop *loop)
{
    return &loop->names;
}

np_pool *np__loop_pool(np_loop *loop)
{
    return &loop->pool;
}

np_compress *np__loop_compress(np_loop *loop)
{
    return &loop->compress;
}

np_log *np__loop_log(const np_loop *loop)
{
    return loop->log;
}
