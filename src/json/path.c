/* path.c - where in the JSON: "Say.tags[3]". */
#include "json_private.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

np_json_path np__json_path_start(char *text, size_t cap)
{
    np_json_path path = {text, 0, cap, false};

    text[0] = '\0';
    return path;
}

/* Adds a piece as a whole, or "..." once and nothing more. */
static void add(np_json_path *path, const char *piece)
{
    size_t len = strlen(piece);

    if (path->cut) {
        return;
    }
    if (len + 4 > path->cap - path->len) {
        piece = "...";
        len = 3;
        path->cut = true;
    }
    memcpy(path->text + path->len, piece, len + 1);
    path->len += len;
}

void np__json_path_name(np_json_path *path, const char *name)
{
    char piece[128];

    snprintf(piece, sizeof piece, "%s%s", path->len > 0 ? "." : "", name);
    add(path, piece);
}

void np__json_path_index(np_json_path *path, uint64_t index)
{
    char piece[32];

    snprintf(piece, sizeof piece, "[%" PRIu64 "]", index);
    add(path, piece);
}

/* Places are linked from the end to the start, so the array turns them round; of a way that is
 * deeper, only the start is told. */
void np__json_path_of(const np_json_place *place, char *text, size_t cap)
{
    const np_json_place *places[96];
    const size_t max = sizeof places / sizeof places[0];
    np_json_path path = np__json_path_start(text, cap);
    size_t count = 0;

    for (const np_json_place *p = place; p != NULL; p = p->up) {
        count++;
    }
    size_t i = count;
    for (const np_json_place *p = place; p != NULL; p = p->up) {
        i--;
        if (i < max) {
            places[i] = p;
        }
    }
    for (i = 0; i < count && i < max; i++) {
        if (places[i]->name != NULL) {
            np__json_path_name(&path, places[i]->name);
        } else {
            np__json_path_index(&path, places[i]->index);
        }
    }
    if (count > max) {
        add(&path, "...");
    }
}

const char *np__json_message_name(const np_message *message)
{
    const char *dot = strchr(message->name, '.');
    return dot != NULL ? dot + 1 : message->name;
}

size_t np__json_field_next(const np_field *fields, size_t count, size_t from, uint32_t version)
{
    while (from < count && fields[from].since > version) {
        from++;
    }
    return from;
}
