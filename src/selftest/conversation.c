/* conversation.c - a conversation, walked place by place. */
#include "selftest/selftest_private.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

/* How places are reached: what the machine keeps, by their numbers; -1: not yet. */
typedef struct np__selftest_walk {
    const np_selftest_conversation *schema;
    const np_conversation *conversation;
    int *reached;
    bool *tried;
    size_t place_count;
    uint32_t *targets; /* of the place at hand, by token; UINT32_MAX: refused */
} np__selftest_walk;

static size_t places_of(const np_selftest_conversation *schema)
{
    uint32_t most = schema->start;

    for (size_t i = 0; i < schema->move_count; i++) {
        most = schema->moves[i].to > most ? schema->moves[i].to : most;
    }
    return (size_t)most + 1;
}

/* A token in words: the message, what becomes of it, and who says so. */
static const char *token_text(const np_selftest *t, uint32_t token, char *text, size_t cap)
{
    static const char *const words[] = {"said", "answered", "refused"};
    size_t position = token / 6;
    const char *name = position < t->protocol->message_count ? t->protocol->messages[position].name
                                                             : "a message of an import";

    snprintf(text, cap, "%s, %s by the %s", name, words[token / 2 % 3],
             token % 2 != 0 ? "server" : "client");
    return text;
}

/* A token in a place: moves as the schema says, or not at all. */
static void try_token(np_selftest *t, np__selftest_walk *walk, uint32_t from, uint32_t token)
{
    uint32_t target = walk->targets[token];
    int place = walk->reached[from];
    bool moved = walk->conversation->step(&place, (int)token);
    uint32_t to = (uint32_t)(place >> NP_CONVERSATION_SHIFT);
    char text[160];

    token_text(t, token, text, sizeof text);
    if (moved != (target != UINT32_MAX)) {
        np__selftest_fail(t, "place %" PRIu32 ": %s: is %s, against the schema", from, text,
                          moved ? "allowed" : "refused");
    } else if (!moved && place != walk->reached[from]) {
        np__selftest_fail(t, "place %" PRIu32 ": %s: refused, and moves", from, text);
    } else if (moved && to != target) {
        np__selftest_fail(t, "place %" PRIu32 ": %s: leads to %" PRIu32 " instead of %" PRIu32,
                          from, text, to, target);
    } else if (moved && walk->reached[target] < 0) {
        walk->reached[target] = place;
    }
}

static void try_place(np_selftest *t, np__selftest_walk *walk, const np_selftest_move *moves,
                      size_t count, uint32_t from)
{
    const np_conversation *conversation = walk->conversation;

    for (uint32_t token = 0; token < walk->schema->token_count; token++) {
        walk->targets[token] = UINT32_MAX;
    }
    for (size_t i = 0; i < count; i++) {
        walk->targets[moves[i].token] = moves[i].to;
    }
    t->example = np_conversation_state_at(conversation, walk->reached[from])->name;
    t->examples++;
    for (uint32_t token = 0; token < walk->schema->token_count; token++) {
        try_token(t, walk, from, token);
    }
}

void np_selftest_converse(np_selftest *t, const np_selftest_conversation *schema)
{
    np__selftest_walk walk = {.schema = schema,
                              .conversation = &t->protocol->conversations[schema->conversation],
                              .place_count = places_of(schema)};
    size_t used = 0;

    np__selftest_begin(t, NULL, NULL, false);
    t->conversation = walk.conversation;
    walk.reached = np__selftest_alloc(walk.place_count * sizeof *walk.reached);
    walk.tried = np__selftest_alloc(walk.place_count * sizeof *walk.tried);
    walk.targets = np__selftest_alloc(schema->token_count * sizeof *walk.targets);
    for (size_t i = 0; i < walk.place_count; i++) {
        walk.reached[i] = -1;
        walk.tried[i] = false;
    }
    walk.reached[schema->start] = walk.conversation->start;
    while (used < schema->move_count) {
        uint32_t from = schema->moves[used].from;
        size_t end = used;
        while (end < schema->move_count && schema->moves[end].from == from) {
            end++;
        }
        if (walk.reached[from] < 0) {
            np__selftest_fail(t, "place %" PRIu32 " is never reached", from);
            break;
        }
        try_place(t, &walk, &schema->moves[used], end - used, from);
        walk.tried[from] = true;
        used = end;
    }
    for (uint32_t i = 0; i < walk.place_count; i++) {
        if (!walk.tried[i] && walk.reached[i] >= 0) { /* nothing leads away from it */
            try_place(t, &walk, NULL, 0, i);
        }
    }
    free(walk.reached);
    free(walk.tried);
    free(walk.targets);
}
