/* replay.c - the files of a corpus, one after the other, through a fuzz target. */
#include <netproto/selftest.h>

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

typedef int target(const uint8_t *data, size_t len);

static void fail(const char *what, const char *path)
{
    fprintf(stderr, "replay: cannot %s %s\n", what, path);
    exit(EXIT_FAILURE);
}

/* The input lies in a block of exactly its size, so that a sanitizer sees the first byte too many.
 */
static void replay_file(const char *path, size_t len, target *run)
{
    uint8_t *data = malloc(len > 0 ? len : 1);
    FILE *file = fopen(path, "rb");

    if (data == NULL || file == NULL || fread(data, 1, len, file) != len) {
        fail("read", path);
    }
    fclose(file);
    printf("%s\n", path);
    fflush(stdout);
    (void)run(data, len);
    free(data);
}

static int visible(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

/* Replays a file, or a folder's files in the order of their names; returns how many. */
static size_t replay(const char *path, target *run)
{
    struct stat info;
    struct dirent **entries = NULL;
    size_t count = 0;

    if (stat(path, &info) != 0) {
        return 0;
    }
    if (!S_ISDIR(info.st_mode)) {
        replay_file(path, (size_t)info.st_size, run);
        return 1;
    }

    int entry_count = scandir(path, &entries, visible, alphasort);
    if (entry_count < 0) {
        fail("list", path);
    }
    for (int i = 0; i < entry_count; i++) {
        size_t len = strlen(path) + strlen(entries[i]->d_name) + 2;
        char *child = malloc(len);
        if (child == NULL) {
            fail("name a file of", path);
        }
        snprintf(child, len, "%s/%s", path, entries[i]->d_name);
        count += replay(child, run);
        free(child);
        free(entries[i]);
    }
    free(entries);
    return count;
}

int np_selftest_replay(int argc, char **argv, target *run)
{
    size_t count = 0;

    for (int i = 1; i < argc; i++) {
        count += replay(argv[i], run);
    }
    printf("replay: %zu inputs\n", count);
    return count > 0 ? EXIT_SUCCESS : 77;
}
