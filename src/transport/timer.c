/* timer.c - a pairing heap of timers. See timer.h. */
#include "transport/timer.h"

/* Joins two heaps; either may be NULL. The result's link is the caller's to set. */
static np_timer *join(np_timer *a, np_timer *b)
{
    np_timer *swap = a;

    if (a == NULL) {
        return b;
    }
    if (b == NULL) {
        return a;
    }
    if (b->at_ms < a->at_ms) {
        a = b;
        b = swap;
    }
    b->next = a->child;
    if (b->next != NULL) {
        b->next->link = &b->next;
    }
    b->link = &a->child;
    a->child = b;
    return a;
}

/* Joins a list of siblings in two passes: pairs from the left, then all from the right. */
static np_timer *join_siblings(np_timer *first)
{
    np_timer *pairs = NULL; /* joined pairs, the last in front, chained by next */
    np_timer *root = NULL;

    while (first != NULL) {
        np_timer *a = first;
        np_timer *b = a->next;
        first = b != NULL ? b->next : NULL;
        a->next = NULL;
        if (b != NULL) {
            b->next = NULL;
        }
        a = join(a, b);
        a->next = pairs;
        pairs = a;
    }
    while (pairs != NULL) {
        np_timer *rest = pairs->next;
        pairs->next = NULL;
        root = join(root, pairs);
        pairs = rest;
    }
    return root;
}

static void set_root(np_timer **root, np_timer *timer)
{
    *root = timer;
    if (timer != NULL) {
        timer->next = NULL;
        timer->link = root;
    }
}

void np__timers_insert(np_timer **root, np_timer *timer)
{
    timer->child = NULL;
    timer->next = NULL;
    set_root(root, join(*root, timer));
}

void np__timers_remove(np_timer **root, np_timer *timer)
{
    np_timer *children = join_siblings(timer->child);

    *timer->link = timer->next;
    if (timer->next != NULL) {
        timer->next->link = timer->link;
    }
    timer->child = NULL;
    timer->next = NULL;
    timer->link = NULL;
    set_root(root, join(*root, children));
}
