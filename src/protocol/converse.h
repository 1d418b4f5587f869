/* converse.h - the conversation that a session keeps: who may say what, and when.
 *
 * A message is asked about before it goes out or is handed on, and the conversation moves only
 * when that has succeeded: a send that meets a full queue leaves everything as it was.
 *
 * Messages of the base protocol are legal in every state, whether the schema names them or not;
 * answers to requests are too.
 *
 * Threads: one, the session's.
 */
#ifndef NP_PROTOCOL_CONVERSE_H
#define NP_PROTOCOL_CONVERSE_H

#include "protocol/session.h"

/* Enters the first state. Without a conversation there is nothing to do. */
void np__session_converse_start(np_session *s);

/* The two below, for a session that has a conversation. */
NP_MUST_CHECK np_err np__session_converse_ask(const np_session *s, const np_message *message,
                                              bool incoming, int *place, np_fault *fault);
void np__session_converse_enter(np_session *s, int place);

/* Whether a message may come in, or go out, now. *place is where it leads, for
 * np__session_converse_move. Errors: NP_ERR_UNEXPECTED, with fault (may be NULL) telling the
 * conversation, its state and the message's id. */
static inline NP_MUST_CHECK np_err np__session_converse(const np_session *s,
                                                        const np_message *message, bool incoming,
                                                        int *place, np_fault *fault)
{
    if (s->options->conversation == NULL) {
        *place = 0;
        return NP_OK;
    }
    return np__session_converse_ask(s, message, incoming, place, fault);
}

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
