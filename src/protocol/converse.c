/* converse.c - see converse.h. */
#include "protocol/converse.h"

#include "protocol/session_private.h"

const np_conversation_state *np__session_converse_state(const np_session *s)
{
    const np_conversation *conversation = s->options->conversation;

    return conversation != NULL ? np_conversation_state_at(conversation, s->conversation_place)
                                : NULL;
}

void np__session_converse_start(np_session *s)
{
    const np_conversation *conversation = s->options->conversation;

    if (conversation != NULL) {
        s->conversation_place = conversation->start;
        s->phase_deadline = np__session_after(s, np__session_converse_state(s)->within_ms);
    }
}

/* A message's position in the alphabet: the protocol's own first, base's behind them. */
static size_t position_of(const np_session *s, const np_message *message)
{
    const np_protocol *protocol = s->options->protocol;
    const np_message *end = protocol->messages + protocol->message_count;

    if (message >= protocol->messages && message < end) {
        return (size_t)(message - protocol->messages);
    }
    return protocol->message_count + (size_t)(message - base_protocol.messages);
}

np_err np__session_converse_ask(const np_session *s, const np_message *message, bool incoming,
                                int *place, np_fault *fault)
{
    const np_conversation *conversation = s->options->conversation;
    size_t position = position_of(s, message);
    bool by_server = (s->role == NP_SESSION_SERVER) != incoming;
    int token = np_conversation_token(position, NP_CONVERSATION_SAID, by_server);

    *place = s->conversation_place;
    if (conversation->step(place, token) || position >= s->options->protocol->message_count) {
        return NP_OK;
    }
    return np_fault_set(fault, NP_ERR_UNEXPECTED, message->name,
                        np_conversation_place_at(conversation, *place)->refusal[by_server], 0,
                        message->id);
}

void np__session_converse_enter(np_session *s, int place)
{
    const np_conversation_state *before = np__session_converse_state(s);
    const np_conversation_state *after = NULL;

    s->conversation_place = place;
    after = np__session_converse_state(s);
    if (after != before) {
        s->phase_deadline = np__session_after(s, after->within_ms);
    }
}
