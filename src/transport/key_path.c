/* key_path.c - where keys lie if nobody says otherwise, after the XDG Base Directory Specification.
 */
#define _GNU_SOURCE
#include "transport/key_io.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static const char *const names[] = {
    [NP_KEY_PLACE_CLIENT] = "client.key",
    [NP_KEY_PLACE_SERVER] = "server.key",
    [NP_KEY_PLACE_AUTHORIZED_KEYS] = "authorized_keys",
    [NP_KEY_PLACE_PRE_SHARED_KEYS] = "pre_shared_keys",
    [NP_KEY_PLACE_KNOWN_HOSTS] = "known_hosts",
};

/* A variable that holds an absolute path, else NULL. A program with more rights than its caller
 * gets none: the caller would choose whose keys it uses. */
static const char *absolute(const char *variable)
{
    const char *value = secure_getenv(variable);

    return value != NULL && value[0] == '/' ? value : NULL;
}

np_err np_key_path(np_key_place place, char path[NP_KEY_PATH_LEN], np_key_failure *failure)
{
    const char *config = absolute("XDG_CONFIG_HOME");
    const char *home = absolute("HOME");

    assert((size_t)place < sizeof names / sizeof names[0]);
    path[0] = '\0';
    if (config == NULL && home == NULL) {
        return np__key_fail(failure, NP_ERR_STATE, 0, names[place], 0,
                            "neither XDG_CONFIG_HOME nor HOME is an absolute path: set one, or "
                            "name the file");
    }
    int len = snprintf(path, NP_KEY_PATH_LEN, "%s%s/netproto/%s", config != NULL ? config : home,
                       config != NULL ? "" : "/.config", names[place]);
    if (len < 0 || len >= NP_KEY_PATH_LEN) {
        path[0] = '\0';
        return np__key_fail(failure, NP_ERR_TOO_LONG, 0, names[place], 0,
                            "%s is too long: name the file",
                            config != NULL ? "XDG_CONFIG_HOME" : "HOME");
    }
    return NP_OK;
}

np_err np_key_make_folders(const char *path, np_key_failure *failure)
{
    char folder[PATH_MAX];
    size_t len = strlen(path);

    if (len == 0 || len >= sizeof folder) {
        return np__key_fail(failure, NP_ERR_TOO_LONG, 0, path, 0,
                            "the path has to have 1 to %d "
                            "bytes",
                            PATH_MAX - 1);
    }
    memcpy(folder, path, len + 1);
    for (size_t i = 1; i < len; i++) {
        if (folder[i] != '/') {
            continue;
        }
        folder[i] = '\0';
        if (mkdir(folder, 0700) != 0 && errno != EEXIST) {
            return np__key_fail(failure, NP_ERR_IO, errno, folder, 0, "the folder cannot be made");
        }
        folder[i] = '/';
    }
    return NP_OK;
}
