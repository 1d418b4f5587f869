/* The texts that hold keys. The first byte of the input picks one: 0 key, pre-shared key and secret
 * key, 1 key file, 2 authorized keys, 3 pre-shared keys, 4 known hosts. What is accepted is written
 * back as it came, or holds what its lines say; what is refused leaves nothing behind and tells a
 * line that exists.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "transport/key_text.h"
#include "util/crypto.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

#define ADDRESS "tcp://host:7000"

static const uint8_t zero[64];

static size_t count_lines(np_str text)
{
    size_t count = text.len > 0 && text.data[text.len - 1] != '\n' ? 1 : 0;

    for (size_t i = 0; i < text.len; i++) {
        count += text.data[i] == '\n';
    }
    return count;
}

static void check_refusal(np_err err, np_str text, const np__key_refusal *refusal)
{
    assert(err == NP_ERR_KEY || err == NP_ERR_TOO_LONG);
    assert(refusal->err == err && refusal->rule != NULL && refusal->rule[0] != '\0');
    assert(refusal->line <= count_lines(text));
}

static void check_forms(np_str text)
{
    char again[NP_SECRET_KEY_TEXT_LEN];
    uint8_t key[NP_KEY_LEN];
    int accepted = 0;

    if (np_key_parse(key, text.data, text.len) == NP_OK) {
        assert(strlen(np_key_format(key, again)) == text.len);
        assert(memcmp(again, text.data, text.len) == 0);
        accepted++;
    }
    if (np_psk_parse(key, text.data, text.len) == NP_OK) {
        assert(strlen(np_psk_format(key, again)) == text.len);
        assert(memcmp(again, text.data, text.len) == 0);
        assert(memcmp(key, zero, sizeof key) != 0);
        accepted++;
    }
    if (np_secret_key_parse(key, text.data, text.len) == NP_OK) {
        assert(strlen(np_secret_key_format(key, again)) == text.len);
        assert(memcmp(again, text.data, text.len) == 0);
        accepted++;
    }
    assert(accepted <= 1);
}

static void check_key_file(np_str text)
{
    char written[NP__KEYPAIR_TEXT_LEN];
    np_keypair pair, again;
    np__key_refusal refusal;
    np_err err = np__keypair_read(&pair, text, &refusal);

    if (err != NP_OK) {
        check_refusal(err, text, &refusal);
        assert(memcmp(&pair, zero, sizeof pair) == 0);
        return;
    }
    size_t len = np__keypair_write(&pair, written);
    err = np__keypair_read(&again, (np_str){written, len}, &refusal);
    assert(err == NP_OK);
    assert(memcmp(&pair, &again, sizeof pair) == 0);
}

/* Every line that begins with a key is in the list, and the list holds no more than those. */
static void check_authorized(np_str text)
{
    np_key_list *list = NULL;
    np__key_refusal refusal;
    uint8_t key[NP_KEY_LEN];
    size_t keys = 0;
    np_err err = np__key_list_read(&list, text, &refusal);

    if (err != NP_OK) {
        assert(list == NULL);
        check_refusal(err, text, &refusal);
        return;
    }
    for (size_t at = 0; at < text.len;) {
        const char *end = memchr(text.data + at, '\n', text.len - at);
        assert(end != NULL);
        size_t line_len = (size_t)(end - text.data) - at;
        if (line_len >= NP_KEY_TEXT_LEN - 1 &&
            np_key_parse(key, text.data + at, NP_KEY_TEXT_LEN - 1) == NP_OK) {
            assert(np_key_list_contains(list, key));
            keys++;
        }
        at += line_len + 1;
    }
    assert(np_key_list_count(list) == keys);
    np_key_list_free(list);
}

static void check_psks(np_str text)
{
    np_psk_list *list = NULL;
    np__key_refusal refusal;
    uint8_t key[NP_KEY_LEN];
    size_t found = 0;
    np_err err = np__psk_list_read(&list, text, &refusal);

    if (err != NP_OK) {
        assert(list == NULL);
        check_refusal(err, text, &refusal);
        return;
    }
    for (size_t at = 0; at < text.len;) {
        const char *end = memchr(text.data + at, '\n', text.len - at);
        assert(end != NULL);
        if (end - (text.data + at) > NP_KEY_TEXT_LEN &&
            np_key_parse(key, text.data + at, NP_KEY_TEXT_LEN - 1) == NP_OK) {
            const uint8_t *psk = np_psk_list_find(list, key);
            assert(psk != NULL && memcmp(psk, zero, NP_KEY_LEN) != 0);
            found++;
        }
        at = (size_t)(end - text.data) + 1;
    }
    assert(np_psk_list_count(list) == found);
    np_psk_list_free(list);
}

static void check_known_hosts(np_str text)
{
    static const uint8_t key[NP_KEY_LEN] = {1};
    np_str address = np_str_from(ADDRESS);
    np_known_key known;
    np__key_refusal refusal;
    size_t from = 0, to = 0;
    np_err err = np__known_hosts_find(&known, &from, &to, text, address, key, &refusal);

    if (err != NP_OK) {
        check_refusal(err, text, &refusal);
        assert(known.verdict == NP_HOST_UNKNOWN);
        return;
    }
    if (known.verdict == NP_HOST_UNKNOWN) {
        assert(known.line == 0 && from == to);
        return;
    }
    char line[sizeof ADDRESS + NP_KEY_TEXT_LEN] = ADDRESS " ";
    (void)np_key_format(known.key, line + sizeof ADDRESS);
    assert(to - from == strlen(line) + 1 && to <= text.len && text.data[to - 1] == '\n');
    assert(memcmp(text.data + from, line, strlen(line)) == 0);
    assert(count_lines((np_str){text.data, to}) == known.line);
    assert((known.verdict == NP_HOST_KNOWN) == (memcmp(known.key, key, sizeof key) == 0));

    /* Without that line the address is unknown, and the rest still good. */
    char *rest = malloc(text.len);
    if (rest == NULL) {
        abort();
    }
    memcpy(rest, text.data, from);
    memcpy(rest + from, text.data + to, text.len - to);
    err = np__known_hosts_find(&known, &from, &to, (np_str){rest, text.len - (to - from)}, address,
                               key, &refusal);
    assert(err == NP_OK && known.verdict == NP_HOST_UNKNOWN);
    free(rest);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static void (*const checks[])(np_str text) = {
        check_forms, check_key_file, check_authorized, check_psks, check_known_hosts,
    };

    if (len > 0) {
        checks[data[0] % 5]((np_str){(const char *)data + 1, len - 1});
    }
    return 0;
}
