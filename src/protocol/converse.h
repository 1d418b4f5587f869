/* converse.h - the conversation that a session keeps: who may say what, and when.
 *
 * A message is asked about before it goes out or is handed on, and the conversation moves only
 * when that has succeeded: a send that meets a full queue leaves everything as it was.
 *
 * Messages of the base protocol are legal in every state, whether the schema names them or not;
 * answers to requests are too.
 *
 * A request that leads to another state anywhere in the schema moves nothing when it is said, but
 * when it is answered or refused: schema/README.md, "Requests that move". Until then its side holds
 * back what the other one could judge differently. That is why its answer counts wherever it is
 * made and however late it is heard, why it is never canceled, and why each such request gets
 * exactly one answer: both sides' machines take the same letters.
 *
 * Threads: one, the session's.
 */
#ifndef NP_PROTOCOL_CONVERSE_H
#define NP_PROTOCOL_CONVERSE_H

#include "protocol/session.h"

/* Enters the first state. Without a conversation there is nothing to do. */
void np__session_converse_start(np_session *s);

/* The two below, for a session that has a conversation. */
NP_MUST_CHECK np_err np__session_converse_ask(np_session *s, const np_message *message,
                                              bool incoming, int *place, np_fault *fault);
void np__session_converse_enter(np_session *s, int place);

/* Whether a message may come in, or go out, now. *place is where it leads, for
 * np__session_converse_move. Errors: NP_ERR_UNEXPECTED, with fault (may be NULL) telling the
 * conversation, its state or what is waited for, and the message's id; where an answer to us is
 * waited for, WRITABLE comes when it has. */
static inline NP_MUST_CHECK np_err np__session_converse(np_session *s, const np_message *message,
                                                        bool incoming, int *place, np_fault *fault)
{
    if (s->options->conversation == NULL) {
        *place = 0;
        return NP_OK;
    }
    return np__session_converse_ask(s, message, incoming, place, fault);
}

/* Whether the place just entered waits for the answer to this request of the side that says it,
 * which then moves. */
bool np__session_converse_waits(const np_session *s, const np_message *message, bool incoming);

/* The answer to a request that moves is said (incoming: heard): it is never refused. */
void np__session_converse_answer(np_session *s, const np_message *message, bool incoming,
                                 np_conversation_letter letter);

/* Moves the conversation on. A state that the schema bounds in time starts its deadline when it
 * is entered from another. */
static inline void np__session_converse_move(np_session *s, int place)
{
    if (s->options->conversation != NULL && place != s->conversation_place) {
        np__session_converse_enter(s, place);
    }
}

/* The state the conversation is in; NULL without a conversation. */
const np_conversation_state *np__session_converse_state(const np_session *s);

#endif
