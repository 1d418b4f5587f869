/* session_share.c - a session's share of what all sessions have: memory, and time for a message;
 * see session.h.
 *
 * Time: a message has a deadline from its first byte, however it is cut. It moves by a second for
 * each 64 KiB that the peer announces in the head of a frame, so it is bounded as the message is;
 * that bytes come does not move it. While it is we who do not read, it rests: then frame_deadline
 * and those of the bodies hold how long is left instead of when that is over.
 */
#include "protocol/session_private.h"

/* A queue of up to this stays, and the peer is told why the session ends. */
#define NP_SESSION_SHED_QUEUE_MAX ((size_t)64 * 1024)

/* Memory ------------------------------------------------------------------------------------ */

void np__session_memory_fault(const np_session *s, np_fault *fault)
{
    const np_holder *holder = np_account_holder(&s->account);

    if (holder->pool->refused_share) {
        (void)np_fault_set(fault, NP_ERR_LIMIT, "conn.memory_max", NULL, 0,
                           holder->each_max > 0 ? holder->each_max : NP_ACCOUNT_MAX);
    } else {
        (void)np_fault_set(fault, NP_ERR_LIMIT, "loop.memory_max", NULL, 0,
                           holder->pool->options.live_max);
    }
}

/* What the last words may take: the cause, and a block for the Error, of a record's size where it
 * is the first, and as large as the queue's blocks for short messages become where it is not. */
static size_t np_session_last_words(const np_session *s)
{
    return s->out.queued > 0 ? NP_POOL_MIN + NP_OUTQ_STEP_MAX : 4 * NP_POOL_MIN;
}

/* Whether the queue may stay, to tell the peer why: what was given back beside it is enough. Else
 * it goes at once, so that one gives all that it has, and not many a little each. */
static bool np_session_may_speak(const np_session *s, size_t freed, size_t need)
{
    return s->phase < NP_PHASE_CLOSING && !s->output_lost &&
           s->out.queued <= NP_SESSION_SHED_QUEUE_MAX &&
           (need == 0 || (freed >= need && freed - need >= np_session_last_words(s)));
}

bool np_session_shed_output(np_session *s)
{
    bool some = s->out.queued > 0;

    np_outq_clear(&s->out, &s->account);
    s->output_lost = s->output_lost || some;
    return some;
}

void np_session_shed(np_session *s, size_t need, np_time now)
{
    size_t held = s->account.live;
    np_str none = {NULL, 0};
    np_fault fault;

    np__session_tell_time(s, now);
    /* Requests of the peer's get no answer any more; those of ours must hear of the end. */
    np_calls_keep(&s->calls, &s->account, np__session_parity(s));
    s->refusals = false;
    if (s->phase == NP_PHASE_CLOSED) {
        return;
    }
    (void)np_fault_set(&fault, NP_ERR_LIMIT, "loop.memory_max",
                       "who holds most gives way when others need memory", 0, held);
    s->parting = false;
    np__session_drop_input(s);
    if (np_session_may_speak(s, held - s->account.live, need)) {
        np__session_fail(s, NP_ERR_LIMIT, NP_SESSION_STAGE_LOCAL, &fault);
    } else {
        /* Nothing can be said behind a queue that is thrown away. */
        (void)np_session_shed_output(s);
        np__session_cause(s, NP_ERR_LIMIT, NP_SESSION_STAGE_LOCAL, false, NP_SESSION_NO_REASON,
                          &fault, none);
        np__session_cut_short(s, NP_ERR_LIMIT, NP_SESSION_STAGE_LOCAL, &fault);
    }
}

/* Time -------------------------------------------------------------------------------------- */

uint64_t np__session_allowance(uint64_t len)
{
    return len * 1000 / ((uint64_t)64 * 1024);
}

void np__session_announced(np_session *s, size_t len)
{
    if (s->options->frame_ms == 0) {
        return;
    }
    if (s->frame_deadline == NP_TIME_NEVER) {
        s->frame_deadline = np__session_after(s, s->options->frame_ms);
    }
    s->frame_deadline = np_time_after(s->frame_deadline, np__session_allowance(len));
}

void np__session_rest(np_session *s, bool rest)
{
    if (s->resting == rest) {
        return;
    }
    s->resting = rest;
    if (s->frame_deadline != NP_TIME_NEVER) {
        s->frame_deadline = rest ? np_time_left(s->frame_deadline, s->now_ms)
                                 : np_time_after(s->now_ms, s->frame_deadline);
    }
    if (s->bodies != NULL) {
        np_bodies_rest(s->bodies, s->now_ms, rest);
    }
}
