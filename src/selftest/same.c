/* same.c - whether decoding says what is in every member of a struct, whatever was there before.
 *
 * What C cannot name, the padding between members, may be anything. */
#include "selftest/same.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "selftest/selftest_private.h"

/* Items of one list that are looked at; those of lists within lists multiply. */
#define MOST_ITEMS 24

/* The member that is looked at, as C spells it: "corners.items[2].f0". */
typedef struct path {
    char text[200];
    size_t len;
} path;

static void add(path *p, const char *dot, const char *name)
{
    int len = snprintf(p->text + p->len, sizeof p->text - p->len, "%s%s", dot, name);

    p->len = len > 0 && (size_t)len < sizeof p->text - p->len ? p->len + (size_t)len : p->len;
}

static void add_index(path *p, size_t i)
{
    char text[32];

    snprintf(text, sizeof text, "[%zu]", i);
    add(p, "", text);
}

static void cut(path *p, size_t len)
{
    p->len = len;
    p->text[len] = '\0';
}

static bool same_value(path *p, size_t size, const np_selftest_member *members,
                       const np_selftest_items *items, const uint8_t *a, const uint8_t *b,
                       bool there);

/* A tag, which has as many bytes as this compiler gives to an enum. */
static uint32_t tag_of(const np_selftest_member *member, const uint8_t *value)
{
    uint8_t one;
    uint16_t two;
    uint32_t four;

    switch (member->size) {
    case sizeof one:
        memcpy(&one, value + member->offset, sizeof one);
        return one;
    case sizeof two:
        memcpy(&two, value + member->offset, sizeof two);
        return two;
    default:
        memcpy(&four, value + member->offset, sizeof four);
        return four;
    }
}

static bool same_members(path *p, const np_selftest_member *members, const uint8_t *a,
                         const uint8_t *b, bool there)
{
    size_t len = p->len;

    for (const np_selftest_member *m = members; m->name != NULL; m++) {
        /* In what holds variants the first member is the tag. */
        bool chosen = !m->chosen || tag_of(members, a) == m->tag;
        add(p, len > 0 ? "." : "", m->name);
        if (m->members == NULL && m->items == NULL) {
            if (memcmp(a + m->offset, b + m->offset, m->size * m->count) != 0) {
                return false;
            }
            cut(p, len);
            continue;
        }
        for (size_t i = 0; i < m->count; i++) {
            size_t at = m->offset + i * m->size, name_len = p->len;
            if (m->count > 1) {
                add_index(p, i);
            }
            if (!same_value(p, m->size, m->members, m->items, a + at, b + at, there && chosen)) {
                return false;
            }
            cut(p, name_len);
        }
        cut(p, len);
    }
    return true;
}

static bool same_items(path *p, const np_selftest_items *items, const uint8_t *a, const uint8_t *b)
{
    void *one = np__selftest_alloc(items->size), *two = np__selftest_alloc(items->size);
    np_iter from = {0}, to = {0};
    size_t len = p->len;
    bool same = true;

    for (size_t i = 0; i < MOST_ITEMS && same; i++) {
        memset(one, 0x00, items->size);
        memset(two, 0xA5, items->size);
        bool more = items->next(a, &from, one);
        if (items->next(b, &to, two) != more) {
            same = false;
        } else if (!more) {
            break;
        } else {
            add_index(p, i);
            same = same_value(p, items->size, items->members, items->items, one, two, true);
        }
        if (same) {
            cut(p, len);
        }
    }
    free(one);
    free(two);
    return same;
}

/* there: a value that was decoded, and not what is left of another, so that its lists are lists. */
static bool same_value(path *p, size_t size, const np_selftest_member *members,
                       const np_selftest_items *items, const uint8_t *a, const uint8_t *b,
                       bool there)
{
    bool same = members != NULL ? same_members(p, members, a, b, there) : memcmp(a, b, size) == 0;

    return same && (items == NULL || !there || same_items(p, items, a, b));
}

/* What a struct is filled from. */
typedef struct source {
    const uint8_t *data;
    size_t len;
    const void *value;
    np_arena arena;
} source;

/* A function that fills a struct. */
typedef np_err (*filler)(np_selftest *t, void *out, source *from);

static np_err fill_decoded(np_selftest *t, void *out, source *from)
{
    if (t->reply) {
        return np_message_decode_reply(t->message, out, t->version, from->data, from->len, NULL);
    }
    return t->codec->decode(out, t->version, from->data, from->len, NULL);
}

static np_err fill_head(np_selftest *t, void *out, source *from)
{
    return np_message_decode_head(t->message, out, t->version, from->data, from->len, NULL);
}

/* An arena that was reset gives out the same memory again, so that what points into it compares. */
static np_err fill_copied(np_selftest *t, void *out, source *from)
{
    np_arena_reset(&from->arena);
    return t->codec->copy(out, from->value, &from->arena);
}

/* Fills two structs that were not alike before, and compares them. */
static void check(np_selftest *t, const char *what, filler fill, source *from)
{
    size_t size = t->codec->c_size;
    uint8_t *one = np__selftest_alloc(size), *two = np__selftest_alloc(size);
    path p = {.len = 0};

    memset(one, 0x00, size);
    memset(two, 0xA5, size);
    np_err err = fill(t, one, from), other = fill(t, two, from);
    if (err != NP_OK || other != NP_OK) {
        np__selftest_fail(t, "%s twice says %s, and then %s", what, np_err_name(err),
                          np_err_name(other));
    } else if (!same_members(&p, t->codec->members, one, two, true)) {
        np__selftest_fail(t, "%s leaves in the member %s what was there before", what, p.text);
    }
    free(one);
    free(two);
}

/* Bytes of a `stream` message before its body. */
static size_t head_len(np_selftest *t, const uint8_t *data, size_t len)
{
    const np_type *type = t->message->type;
    const char *body = type->fields[type->field_count - 1].where;
    np_parser *parser = np_parser_new(t->protocol, t->version, false);
    size_t head = len;
    np_event event;

    if (parser == NULL) {
        abort();
    }
    while (np_parser_next(parser, &data, &len, &event) == NP_PARSE_EVENT) {
        if (event.kind == NP_EVENT_CHUNK && strcmp(event.where, body) == 0) {
            head = (size_t)event.offset + 8;
            break;
        }
    }
    np_parser_free(parser);
    return head;
}

void np__same_decoded(np_selftest *t, const uint8_t *data, size_t len)
{
    uint8_t *copy = np__selftest_dup(data, len);
    source from = {.data = copy, .len = len};

    check(t, "decoding", fill_decoded, &from);
    if (t->message != NULL && t->message->kind == NP_MESSAGE_STREAM && !t->reply) {
        from.len = head_len(t, copy, len);
        check(t, "decoding the head", fill_head, &from);
    }
    free(copy);
}

void np__same_copied(np_selftest *t, const void *value)
{
    source from = {.value = value, .arena = np_arena_make(0)};

    check(t, "copying", fill_copied, &from);
    np_arena_fini(&from.arena);
}
