/* key_folder.c - see key_folder.h. */
#include "support/key_folder.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <fcntl.h>
#include <ftw.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define MOST_PATHS 256

static char folder[] = "/tmp/np-keys-XXXXXX";
static char *paths[MOST_PATHS]; /* each once */

int key_folder_make(void **state)
{
    (void)state;
    return mkdtemp(folder) == NULL ? -1 : 0;
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
    (void)st;
    (void)kind;
    (void)at;
    return remove(path);
}

int key_folder_remove(void **state)
{
    (void)state;
    for (size_t i = 0; i < MOST_PATHS; i++) {
        free(paths[i]);
    }
    return nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

const char *key_folder_path(const char *name)
{
    char *path = NULL;
    size_t i = 0;

    assert_true(asprintf(&path, "%s/%s", folder, name) > 0);
    while (i < MOST_PATHS && paths[i] != NULL && strcmp(paths[i], path) != 0) {
        i++;
    }
    assert_true(i < MOST_PATHS);
    if (paths[i] != NULL) {
        free(path);
    } else {
        paths[i] = path;
    }
    return paths[i];
}

void key_folder_write(const char *name, mode_t mode, const void *data, size_t len)
{
    const char *path = key_folder_path(name);

    (void)unlink(path);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, data, len), len);
    assert_int_equal(fchmod(fd, mode), 0);
    assert_int_equal(close(fd), 0);
}

char *key_folder_read(const char *name, size_t *len)
{
    FILE *file = fopen(key_folder_path(name), "rb");
    struct stat st;

    assert_non_null(file);
    assert_int_equal(fstat(fileno(file), &st), 0);
    char *text = calloc(1, (size_t)st.st_size + 1);
    assert_non_null(text);
    *len = fread(text, 1, (size_t)st.st_size, file);
    assert_int_equal(*len, st.st_size);
    assert_int_equal(fclose(file), 0);
    return text;
}

void key_folder_expect_mode(const char *path, mode_t mode)
{
    struct stat st;

    assert_int_equal(lstat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, mode);
}

void key_expect_failure(const np_key_failure *failure, np_err err, size_t line, const char *words)
{
    if (failure->err != err || failure->line != line || strstr(failure->text, words) == NULL) {
        fail_msg("%s, line %zu, \"%s\"; expected %s, line %zu, \"%s\"", np_err_name(failure->err),
                 failure->line, failure->text, np_err_name(err), line, words);
    }
}
