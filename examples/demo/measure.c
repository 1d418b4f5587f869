/* measure.c - round trips of 64-byte messages: how many a second, and how long each takes.
 *
 * `depth` messages are on their way at any time: the handler of each answer sends the next. The
 * client runs on the main thread, the daemon on its own. */
#include "demo_program.h"

#include <stdio.h>
#include <stdlib.h>

#define DEPTH_MAX 64
#define SAMPLES_MAX 2000000
/* What part of the time is not counted: it brings caches and buffers to their usual state. */
#define WARM_UP_PART 5

typedef struct probing {
    demo_probe probe;            /* the message that is sent, again and again */
    uint64_t sent_ns[DEPTH_MAX]; /* when the message with that sequence % DEPTH_MAX was sent */
    uint32_t *samples;           /* round-trip times in ns */
    size_t count;
    uint64_t begin_ns, end_ns; /* of what is counted; end_ns: the last answer */
    uint64_t until_ns;         /* when to stop sending */
    uint64_t expected;         /* sequence of the next answer: they come in order */
    unsigned outstanding;
    np_err err;
    bool done;
} probing;

static np_err send_next(probing *p, np_conn *conn, uint64_t now)
{
    np_err err = NP_OK;

    p->sent_ns[p->probe.sequence % DEPTH_MAX] = now;
    err = demo_probe_send(conn, &p->probe, NULL);
    p->probe.sequence++;
    p->outstanding++;
    return err;
}

static np_err on_probe(np_conn *conn, const demo_probe *msg, void *user)
{
    probing *p = user;
    uint64_t now = demo_now_ns();

    if (msg->sequence != p->expected++ ||
        memcmp(msg->filling, p->probe.filling, sizeof msg->filling) != 0) {
        return NP_ERR_ARG; /* which ends the connection, and the measurement with it */
    }
    p->outstanding--;
    if (p->sent_ns[msg->sequence % DEPTH_MAX] >= p->begin_ns && p->count < SAMPLES_MAX) {
        p->samples[p->count++] = (uint32_t)(now - p->sent_ns[msg->sequence % DEPTH_MAX]);
        p->end_ns = now;
    }
    /* A machine that is busy with other things gets the time for one sample at least. */
    if ((now < p->until_ns || p->count == 0) && p->count < SAMPLES_MAX) {
        return send_next(p, conn, now);
    }
    p->done = p->outstanding == 0;
    return NP_OK;
}

static void on_close(np_conn *conn, const np_failure *failure, void *user)
{
    probing *p = user;

    (void)conn;
    if (!p->done) {
        p->err = failure->err != NP_OK ? failure->err : NP_ERR_CLOSED;
    }
    p->done = true;
}

static int by_size(const void *a, const void *b)
{
    uint32_t left = *(const uint32_t *)a;
    uint32_t right = *(const uint32_t *)b;

    return (left > right) - (left < right);
}

static double percentile_us(const probing *p, size_t percent)
{
    return p->samples[(p->count - 1) * percent / 100] / 1e3;
}

static np_err probe(probing *p, np_loop *loop, np_client *client, unsigned depth, unsigned ms)
{
    np_failure failure;
    uint64_t now = 0;
    np_err err = np_client_connect_wait(client, &failure);

    now = demo_now_ns();
    p->until_ns = now + ms * UINT64_C(1000000);
    p->begin_ns = now + ms * UINT64_C(1000000) / WARM_UP_PART;
    for (unsigned i = 0; i < depth && err == NP_OK; i++) {
        err = send_next(p, np_client_conn(client), now);
    }
    if (err == NP_OK) {
        err = np_loop_run_until(loop, &p->done, ms + DEMO_PATIENCE_MS);
    }
    if (err == NP_OK) {
        err = p->err;
    }
    return err == NP_OK ? np_client_close_wait(client) : err;
}

static void report(probing *p, demo_mode mode, const char *transport, unsigned depth)
{
    double seconds = (double)(p->end_ns - p->begin_ns) / 1e9;

    qsort(p->samples, p->count, sizeof p->samples[0], by_size);
    printf("  %-10s %-13s %6u %16.0f %10.1f %9.1f %9.1f\n", transport,
           mode == DEMO_SECURE ? "secure" : "in the clear", depth, (double)p->count / seconds,
           percentile_us(p, 50), percentile_us(p, 90), percentile_us(p, 99));
    (void)fflush(stdout);
}

void demo_measure(demo_mode mode, const char *transport, const char *address, unsigned depth,
                  unsigned ms)
{
    probing p = {.err = NP_OK};
    demo_handlers handlers = {.on_probe = on_probe, .user = &p};
    np_client_options options = np_client_options_default();
    np_loop *loop = NULL;
    np_client *client = NULL;
    np_err err = np_loop_new(&loop, NULL);

    options.security = demo_client_security(mode);
    memset(p.probe.filling, 0x5A, sizeof p.probe.filling);
    p.samples = malloc(SAMPLES_MAX * sizeof p.samples[0]);
    if (p.samples == NULL) {
        err = NP_ERR_MEMORY;
    }
    options.address = address;
    options.service = demo_service(&handlers);
    options.handlers = (np_conn_handlers){.on_close = on_close, .user = &p};
    if (err == NP_OK) {
        err = np_client_new(&client, loop, &options, NULL);
    }
    if (err == NP_OK) {
        err = probe(&p, loop, client, depth, ms);
    }
    if (err == NP_OK && p.count > 0) {
        report(&p, mode, transport, depth);
    } else {
        demo_row(false, transport, -1, "depth %u: %s", depth,
                 err == NP_OK ? "too slow to measure" : np_err_text(err));
    }
    np_client_free(client);
    np_loop_free(loop);
    free(p.samples);
}
