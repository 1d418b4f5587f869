/* shares.c - a pairing heap of holders. See shares.h. */
#include "util/shares.h"

/* Joins two heaps; either may be NULL. The result's link is the caller's to set. */
static np_share *join(np_share *a, np_share *b)
{
    np_share *swap = a;

    if (a == NULL) {
        return b;
    }
    if (b == NULL) {
        return a;
    }
    if (b->ceiling > a->ceiling) {
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
static np_share *join_siblings(np_share *first)
{
    np_share *pairs = NULL; /* joined pairs, the last in front, chained by next */
    np_share *root = NULL;

    while (first != NULL) {
        np_share *a = first;
        np_share *b = a->next;
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
        np_share *rest = pairs->next;
        pairs->next = NULL;
        root = join(root, pairs);
        pairs = rest;
    }
    return root;
}

static void set_root(np_shares *shares, np_share *root)
{
    shares->root = root;
    if (root != NULL) {
        root->next = NULL;
        root->link = &shares->root;
    }
}

static void insert(np_shares *shares, np_share *share)
{
    share->child = NULL;
    share->next = NULL;
    set_root(shares, join(shares->root, share));
}

static void take_out(np_shares *shares, np_share *share)
{
    np_share *children = join_siblings(share->child);

    *share->link = share->next;
    if (share->next != NULL) {
        share->next->link = share->link;
    }
    share->child = NULL;
    share->next = NULL;
    share->link = NULL;
    set_root(shares, join(shares->root, children));
}

/* The amount rounded up to four significant bits. */
static uint64_t round_up(uint64_t amount)
{
    unsigned shift = 0;

    while (amount >> shift >= 16) {
        shift++;
    }
    /* Never over the top: amounts are bytes and connections. */
    return (amount + ((uint64_t)1 << shift) - 1) >> shift << shift;
}

void np__share_raise(np_shares *shares, np_share *share)
{
    if (share->link != NULL) {
        take_out(shares, share);
    }
    share->ceiling = round_up(share->held);
    insert(shares, share);
}

void np_share_leave(np_shares *shares, np_share *share)
{
    if (share->link != NULL) {
        take_out(shares, share);
    }
    share->ceiling = shares->least;
}

np_share *np_shares_top(np_shares *shares)
{
    np_share *root = shares->root;

    /* Each turn lowers a ceiling that an addition has raised, so that one has paid for it. */
    while (root != NULL && round_up(root->held) < root->ceiling) {
        np_share_leave(shares, root);
        if (root->held > shares->least) {
            np__share_raise(shares, root);
        }
        root = shares->root;
    }
    return root;
}
