/* converse.c - see converse.h. */
#include "protocol/converse.h"

#include "protocol/session_private.h"

const np_conversation_state *np__session_converse_state(const np_session *s)
{
    const np_conversation *conversation = s->options->conversation;

    return conversation != NULL ? np_conversation_state_at(conversation, s->conversation_place)
                                : NULL;
}

/* The time of a state begins when it is entered, or where it rests then, afterwards. */
static void start_time(np_session *s)
{
    uint32_t within_ms = np__session_converse_state(s)->within_ms;

    if (np__session_phase_rests(s)) {
        s->phase_deadline = within_ms > 0 ? within_ms : NP_TIME_NEVER;
    } else {
        s->phase_deadline = np__session_after(s, within_ms);
    }
}

void np__session_converse_start(np_session *s)
{
    const np_conversation *conversation = s->options->conversation;

    if (conversation != NULL) {
        s->conversation_place = conversation->start;
        start_time(s);
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

static bool said_by_server(const np_session *s, bool incoming)
{
    return (s->role == NP_SESSION_SERVER) != incoming;
}

np_err np__session_converse_ask(np_session *s, const np_message *message, bool incoming, int *place,
                                np_fault *fault)
{
    const np_conversation *conversation = s->options->conversation;
    const np_conversation_place *before =
        np_conversation_place_at(conversation, s->conversation_place);
    size_t position = position_of(s, message);
    bool by_server = said_by_server(s, incoming);
    int token = np_conversation_token(position, NP_CONVERSATION_SAID, by_server);

    *place = s->conversation_place;
    if (conversation->step(place, token) || position >= s->options->protocol->message_count) {
        return NP_OK;
    }
    s->answer_wanted = s->answer_wanted || (!incoming && before->waiting[by_server] != 0);
    return np_fault_set(fault, NP_ERR_UNEXPECTED, message->name, before->refusal[by_server], 0,
                        message->id);
}

bool np__session_converse_waits(const np_session *s, const np_message *message, bool incoming)
{
    const np_conversation *conversation = s->options->conversation;

    return conversation != NULL &&
           np_conversation_place_at(conversation, s->conversation_place)
                   ->waiting[said_by_server(s, incoming)] == position_of(s, message) + 1;
}

void np__session_converse_answer(np_session *s, const np_message *message, bool incoming,
                                 np_conversation_letter letter)
{
    bool by_server = said_by_server(s, incoming);
    int place = s->conversation_place;

    if (s->options->conversation->step(
            &place, np_conversation_token(position_of(s, message), letter, by_server))) {
        np__session_converse_enter(s, place);
    }
    s->answer_came = s->answer_came || (incoming && s->answer_wanted);
    s->answer_wanted = s->answer_wanted && !incoming;
}

void np__session_converse_enter(np_session *s, int place)
{
    const np_conversation_state *before = np__session_converse_state(s);
    const np_conversation_state *after = NULL;

    s->conversation_place = place;
    after = np__session_converse_state(s);
    if (after != before) {
        start_time(s);
    }
}
