/* A folder for files of keys: made anew for a test, removed with all that is in it. */
#ifndef NP_TEST_KEY_FOLDER_H
#define NP_TEST_KEY_FOLDER_H

#include <netproto/key_file.h>

#include <sys/types.h>

/* setup and teardown of a cmocka group. */
int key_folder_make(void **state);
int key_folder_remove(void **state);

/* The path of a file in it; lives as long as the folder. */
const char *key_folder_path(const char *name);

/* Writes a file anew, with this mode whatever the umask is. */
void key_folder_write(const char *name, mode_t mode, const void *data, size_t len);

/* Reads a file whole, with a NUL behind it; free it. */
char *key_folder_read(const char *name, size_t *len);

/* Asserts the permissions of a file or folder. */
void key_folder_expect_mode(const char *path, mode_t mode);

/* Asserts what a failure says: its error, its line, and that these words stand in its text. */
void key_expect_failure(const np_key_failure *failure, np_err err, size_t line, const char *words);

#endif
