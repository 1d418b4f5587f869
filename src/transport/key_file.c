/* key_file.c - one's own key: drawn, written to a file of one's own, read back. */
#define _GNU_SOURCE
#include "transport/key_text.h"
#include "util/crypto.h"

#include <netproto/loop.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

np_err np_keypair_generate(np_keypair *out)
{
    uint8_t secret[NP_KEY_LEN];
    np_err err = np_loop_random(secret, sizeof secret);

    if (err == NP_OK) {
        err = np_keypair_from(out, secret);
    }
    np_crypto_wipe(secret, sizeof secret);
    if (err != NP_OK) {
        np_keypair_wipe(out);
    }
    return err;
}

np_err np_psk_generate(uint8_t psk[NP_KEY_LEN])
{
    np_err err = np_loop_random(psk, NP_KEY_LEN);

    if (err != NP_OK) {
        np_crypto_wipe(psk, NP_KEY_LEN);
    }
    return err;
}

/* A new file that holds a secret; nothing is left behind if it fails. */
static np_err create(const char *path, const char *text, size_t len, np_key_failure *failure)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    int os_error = 0;

    if (fd < 0 && errno == EEXIST) {
        return np__key_fail(failure, NP_ERR_IO, EEXIST, path, 0,
                            "it is there already and is not overwritten: move it away, or choose "
                            "another place");
    }
    if (fd < 0) {
        return np__key_fail_open(failure, errno, path);
    }
    /* The umask has taken bits at most; a default ACL of the folder may have given some. */
    if (fchmod(fd, 0600) != 0) {
        os_error = errno;
    }
    if (os_error == 0) {
        os_error = np__key_write(fd, text, len);
    }
    if (os_error == 0 && fsync(fd) != 0) {
        os_error = errno;
    }
    if (close(fd) != 0 && os_error == 0) {
        os_error = errno;
    }
    if (os_error == 0) {
        os_error = np__key_sync_folder(path);
    }
    if (os_error != 0) {
        (void)unlink(path); /* half a key is none */
        return np__key_fail(failure, NP_ERR_IO, os_error, path, 0, "it cannot be written");
    }
    return NP_OK;
}

np_err np_keypair_save(const np_keypair *pair, const char *path, np_key_failure *failure)
{
    char text[NP__KEYPAIR_TEXT_LEN];
    size_t len = np__keypair_write(pair, text);
    np_err err = create(path, text, len, failure);

    np_crypto_wipe(text, sizeof text);
    return err;
}

np_err np_psk_save(const uint8_t key[NP_KEY_LEN], const uint8_t psk[NP_KEY_LEN], const char *path,
                   np_key_failure *failure)
{
    char key_text[NP_KEY_TEXT_LEN];
    char psk_text[NP_PSK_TEXT_LEN];
    char text[256];
    int len =
        snprintf(text, sizeof text,
                 "# Pre-shared keys of netproto: who shares which secret with us. Show them to "
                 "nobody else.\n%s %s\n",
                 np_key_format(key, key_text), np_psk_format(psk, psk_text));
    np_err err = create(path, text, (size_t)len, failure);

    np_crypto_wipe(text, sizeof text);
    np_crypto_wipe(psk_text, sizeof psk_text);
    return err;
}

np_err np_keypair_load(np_keypair *out, const char *path, np_key_failure *failure)
{
    np__key_text text;
    np__key_refusal refusal;
    np_err err = np__key_load(path, NP__KEY_SECRET, NP_KEY_FILE_MAX, &text, failure);

    if (err == NP_OK) {
        err = np__keypair_read(out, (np_str){text.data, text.len}, &refusal);
        err = err == NP_OK ? NP_OK : np__key_fail_refused(failure, path, &refusal);
    }
    np__key_text_free(&text);
    if (err != NP_OK) {
        np_keypair_wipe(out);
    }
    return err;
}
