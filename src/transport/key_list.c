/* key_list.c - authorized keys and pre-shared keys: lines, sorted by public key. */
#define _GNU_SOURCE
#include "transport/key_text.h"

#include <stdlib.h>
#include <string.h>

/* The order of secrets must not be found out by sorting them (and qsort may leave copies of what it
 * sorts behind): entries point to theirs by index. */
typedef struct entry {
    uint8_t key[NP_KEY_LEN];
    uint32_t line;
    uint32_t index; /* of the secret */
} entry;

struct np_key_list {
    size_t count;
    entry entries[];
};

struct np_psk_list {
    np_key_list *peers;
    uint8_t (*psks)[NP_KEY_LEN];
};

_Static_assert(NP_KEY_LIST_MAX == 65536, "as a refusal below says");

/* What is wrong with a word that should be a public key. */
static np_err refuse_key(np_str word, size_t line, np__key_refusal *refusal)
{
    bool secret = (word.len >= 9 && memcmp(word.data, "npsecret1", 9) == 0) ||
                  (word.len >= 5 && memcmp(word.data, "npsk1", 5) == 0);

    return np__key_refuse(refusal, NP_ERR_KEY, line,
                          secret ? "a secret stands where a public key belongs: others may have "
                                   "seen it, so make a new one"
                                 : "the line has to begin with a public key, np1:...");
}

/* psks: where to put the secrets, one a line, or NULL if lines have none. */
static np_err read_entry(entry *out, np_str line, uint8_t (*psks)[NP_KEY_LEN], size_t number,
                         np__key_refusal *refusal)
{
    np_str word = np__key_take_word(&line);

    out->line = (uint32_t)number;
    if (np_key_parse(out->key, word.data, word.len) != NP_OK) {
        return refuse_key(word, number, refusal);
    }
    if (psks == NULL) {
        return NP_OK; /* the rest is a comment */
    }
    word = np__key_take_word(&line);
    if (line.len > 0 || np_psk_parse(psks[out->index], word.data, word.len) != NP_OK) {
        return np__key_refuse(refusal, NP_ERR_KEY, number,
                              "a pre-shared key, npsk1:..., has to follow the public key, and "
                              "nothing else");
    }
    return NP_OK;
}

static int compare_entries(const void *a, const void *b)
{
    return memcmp(((const entry *)a)->key, ((const entry *)b)->key, NP_KEY_LEN);
}

static int compare_key(const void *key, const void *element)
{
    return memcmp(key, ((const entry *)element)->key, NP_KEY_LEN);
}

static np_err sort(np_key_list *list, np__key_refusal *refusal)
{
    qsort(list->entries, list->count, sizeof *list->entries, compare_entries);
    for (size_t i = 1; i < list->count; i++) {
        const entry *a = &list->entries[i - 1];
        const entry *b = &list->entries[i];
        if (memcmp(a->key, b->key, NP_KEY_LEN) == 0) {
            return np__key_refuse(refusal, NP_ERR_KEY, a->line > b->line ? a->line : b->line,
                                  "the key has a line already, above: remove one of them");
        }
    }
    return NP_OK;
}

/* The most entries that a text of this length can hold: a line has a key and its end. */
static size_t most_entries(size_t len)
{
    size_t most = len / NP_KEY_TEXT_LEN;

    return most < NP_KEY_LIST_MAX ? most : NP_KEY_LIST_MAX;
}

static np_err read_entries(np_key_list **out, np_str text, uint8_t (*psks)[NP_KEY_LEN],
                           np__key_refusal *refusal)
{
    size_t most = most_entries(text.len);
    np_key_list *list = malloc(sizeof *list + most * sizeof *list->entries);
    np__key_lines lines = {text, 0, 0};
    np_str line;
    bool end = false;

    *out = NULL;
    if (list == NULL) {
        return np__key_refuse(refusal, NP_ERR_MEMORY, 0, np_err_text(NP_ERR_MEMORY));
    }
    list->count = 0;
    np_err err = np__key_next_line(&lines, &line, &end, refusal);
    while (err == NP_OK && !end) {
        if (list->count == NP_KEY_LIST_MAX) {
            err = np__key_refuse(refusal, NP_ERR_TOO_LONG, lines.number,
                                 "more than 65536 keys: split the file");
        } else if (list->count == most) {
            /* A line too short for a key: there is room for all that are long enough. */
            err = refuse_key(line, lines.number, refusal);
        } else {
            entry *next = &list->entries[list->count];
            next->index = (uint32_t)list->count++;
            err = read_entry(next, line, psks, lines.number, refusal);
        }
        if (err == NP_OK) {
            err = np__key_next_line(&lines, &line, &end, refusal);
        }
    }
    if (err == NP_OK) {
        err = sort(list, refusal);
    }
    if (err != NP_OK) {
        free(list);
        return err;
    }
    *out = list;
    return NP_OK;
}

static const entry *find(const np_key_list *list, const uint8_t key[NP_KEY_LEN])
{
    return list == NULL
               ? NULL
               : bsearch(key, list->entries, list->count, sizeof *list->entries, compare_key);
}

/* Authorized keys ------------------------------------------------------------------------------ */

np_err np__key_list_read(np_key_list **out, np_str text, np__key_refusal *refusal)
{
    return read_entries(out, text, NULL, refusal);
}

np_err np_key_list_load(np_key_list **out, const char *path, np_key_failure *failure)
{
    np__key_text text;
    np__key_refusal refusal;
    np_err err = np__key_load(path, NP__KEY_PUBLIC, NP_KEY_LIST_FILE_MAX, &text, failure);

    *out = NULL;
    if (err == NP_OK) {
        err = np__key_list_read(out, (np_str){text.data, text.len}, &refusal);
        err = err == NP_OK ? NP_OK : np__key_fail_refused(failure, path, &refusal);
    }
    np__key_text_free(&text);
    return err;
}

bool np_key_list_contains(const np_key_list *list, const uint8_t key[NP_KEY_LEN])
{
    return find(list, key) != NULL;
}

size_t np_key_list_count(const np_key_list *list)
{
    return list == NULL ? 0 : list->count;
}

void np_key_list_free(np_key_list *list)
{
    free(list);
}

/* Pre-shared keys ------------------------------------------------------------------------------ */

np_err np__psk_list_read(np_psk_list **out, np_str text, np__key_refusal *refusal)
{
    size_t most = most_entries(text.len) + 1;
    np_psk_list *list = malloc(sizeof *list);
    uint8_t(*psks)[NP_KEY_LEN] = calloc(most, sizeof *psks);
    np_key_list *peers = NULL;
    np_err err = NP_OK;

    *out = NULL;
    if (list == NULL || psks == NULL) {
        err = np__key_refuse(refusal, NP_ERR_MEMORY, 0, np_err_text(NP_ERR_MEMORY));
    } else {
        err = read_entries(&peers, text, psks, refusal);
    }
    if (err != NP_OK) {
        if (psks != NULL) {
            np_secret_wipe(psks, most * sizeof *psks);
        }
        free(psks);
        free(list);
        return err;
    }
    *list = (np_psk_list){peers, psks};
    *out = list;
    return NP_OK;
}

np_err np_psk_list_load(np_psk_list **out, const char *path, np_key_failure *failure)
{
    np__key_text text;
    np__key_refusal refusal;
    np_err err = np__key_load(path, NP__KEY_SECRET, NP_KEY_LIST_FILE_MAX, &text, failure);

    *out = NULL;
    if (err == NP_OK) {
        err = np__psk_list_read(out, (np_str){text.data, text.len}, &refusal);
        err = err == NP_OK ? NP_OK : np__key_fail_refused(failure, path, &refusal);
    }
    np__key_text_free(&text);
    return err;
}

const uint8_t *np_psk_list_find(const np_psk_list *list, const uint8_t key[NP_KEY_LEN])
{
    const entry *found = list == NULL ? NULL : find(list->peers, key);

    return found == NULL ? NULL : list->psks[found->index];
}

size_t np_psk_list_count(const np_psk_list *list)
{
    return list == NULL ? 0 : list->peers->count;
}

void np_psk_list_free(np_psk_list *list)
{
    if (list != NULL) {
        np_secret_wipe(list->psks, list->peers->count * sizeof *list->psks);
        free(list->psks);
        free(list->peers);
        free(list);
    }
}
