/* key_text.c - lines, words, and the text of a key file. See key_text.h. */
#define _GNU_SOURCE
#include "transport/key_text.h"
#include "util/crypto.h"

#include <stdio.h>
#include <string.h>

_Static_assert(NP_KEY_LINE_MAX == 1024, "as a refusal below says");

static bool is_space(char c)
{
    return c == ' ' || c == '\t';
}

static bool is_control(char c)
{
    return ((unsigned char)c < 0x20 && c != '\t') || c == 0x7F;
}

static bool begins_with(np_str text, const char *bytes, size_t len)
{
    return text.len >= len && memcmp(text.data, bytes, len) == 0;
}

/* What editors put in front of a text: people see nothing of it. */
static const char *wrong_encoding(np_str text)
{
    if (begins_with(text, "\xEF\xBB\xBF", 3)) {
        return "the line begins with a byte order mark: save the file as UTF-8 without one";
    }
    return begins_with(text, "\xFF\xFE", 2) || begins_with(text, "\xFE\xFF", 2)
               ? "it is UTF-16: save it as UTF-8, without a byte order mark"
               : NULL;
}

/* What is said about a control character; end: where the line ends, or NULL. */
static const char *wrong_character(const char *at, const char *end)
{
    return *at == '\r' && at + 1 == end
               ? "the line ends in CR LF, as on Windows: let all lines end in LF alone, as sed -i "
                 "'s/\\r$//' makes them"
               : "a control character stands in it: is it the right file?";
}

/* One line as it stands. Looks at no more than a line may have. */
static np_err take_line(np__key_lines *lines, np_str *line, np__key_refusal *refusal)
{
    const char *start = lines->text.data + lines->at;
    size_t left = lines->text.len - lines->at;
    size_t most = left < NP_KEY_LINE_MAX + 1 ? left : NP_KEY_LINE_MAX + 1;
    const char *end = memchr(start, '\n', most);
    size_t len = end != NULL ? (size_t)(end - start) : most;

    lines->number++;
    if (wrong_encoding((np_str){start, left}) !=
        NULL) { /* of a later line, where files were joined */
        return np__key_refuse(refusal, NP_ERR_KEY, lines->number,
                              wrong_encoding((np_str){start, left}));
    }
    for (size_t i = 0; i < len; i++) {
        if (is_control(start[i])) {
            return np__key_refuse(refusal, NP_ERR_KEY, lines->number,
                                  wrong_character(start + i, end));
        }
    }
    if (end == NULL && left > NP_KEY_LINE_MAX) {
        return np__key_refuse(refusal, NP_ERR_TOO_LONG, lines->number,
                              "the line exceeds max 1024 bytes: is it the right file?");
    }
    if (end == NULL) {
        return np__key_refuse(refusal, NP_ERR_KEY, lines->number,
                              "the line has no end, so part of it may be missing: check it and add "
                              "a line end");
    }
    *line = (np_str){start, len};
    lines->at += len + 1;
    return NP_OK;
}

np_err np__key_next_line(np__key_lines *lines, np_str *line, bool *end, np__key_refusal *refusal)
{
    *end = false;
    while (lines->at < lines->text.len) {
        size_t blank = 0;
        np_err err = take_line(lines, line, refusal);
        if (err != NP_OK) {
            return err;
        }
        while (blank < line->len && is_space(line->data[blank])) {
            blank++;
        }
        if (blank < line->len && blank > 0) {
            return np__key_refuse(refusal, NP_ERR_KEY, lines->number,
                                  "the line begins with a blank: remove it");
        }
        if (blank < line->len && line->data[0] != '#') {
            return NP_OK;
        }
    }
    *end = true;
    return NP_OK;
}

np_str np__key_take_word(np_str *line)
{
    np_str word = {line->data, 0};
    size_t behind = 0;

    while (word.len < line->len && !is_space(line->data[word.len])) {
        word.len++;
    }
    behind = word.len;
    while (behind < line->len && is_space(line->data[behind])) {
        behind++;
    }
    line->data += behind;
    line->len -= behind;
    return word;
}

size_t np__keypair_write(const np_keypair *pair, char text[NP__KEYPAIR_TEXT_LEN])
{
    char public[NP_KEY_TEXT_LEN];
    char secret[NP_SECRET_KEY_TEXT_LEN];

    int len = snprintf(text, NP__KEYPAIR_TEXT_LEN,
                       "# A secret key of netproto. Who has this file can pass for its owner: show "
                       "it to nobody.\n"
                       "# Others need the public key only; netproto key FILE prints it.\n"
                       "public %s\n"
                       "secret %s\n",
                       np_key_format(pair->public_key, public),
                       np_secret_key_format(pair->secret_key, secret));
    np_crypto_wipe(secret, sizeof secret);
    return (size_t)len;
}

/* The line "NAME VALUE", one space between them. */
static np_err read_named(np__key_lines *lines, const char *name, np_str *value, const char *rule,
                         np__key_refusal *refusal)
{
    size_t name_len = strlen(name);
    bool end = false;
    np_err err = np__key_next_line(lines, value, &end, refusal);

    if (err != NP_OK) {
        return err;
    }
    if (end || value->len <= name_len || memcmp(value->data, name, name_len) != 0 ||
        value->data[name_len] != ' ') {
        return np__key_refuse(refusal, NP_ERR_KEY, end ? 0 : lines->number, rule);
    }
    value->data += name_len + 1;
    value->len -= name_len + 1;
    if (value->len > 0 && (is_space(value->data[0]) || is_space(value->data[value->len - 1]))) {
        return np__key_refuse(refusal, NP_ERR_KEY, lines->number,
                              "one space stands between the two words, and nothing behind them: "
                              "remove the other blanks");
    }
    return NP_OK;
}

static np_err read_pair(np_keypair *out, np_str text, np__key_refusal *refusal)
{
    uint8_t public[NP_KEY_LEN];
    uint8_t secret[NP_KEY_LEN];
    np__key_lines lines = {text, 0, 0};
    np_str value;
    bool end = false;
    np_err err =
        read_named(&lines, "public", &value,
                   "the first line has to be \"public np1:...\": is it a key file?", refusal);

    if (err == NP_OK && np_key_parse(public, value.data, value.len) != NP_OK) {
        err = np__key_refuse(refusal, NP_ERR_KEY, lines.number,
                             "this is no public key: restore the file, or make a new key");
    }
    if (err == NP_OK) {
        err = read_named(&lines, "secret", &value,
                         "the second line has to be \"secret npsecret1:...\": restore the file, or "
                         "make a new key",
                         refusal);
    }
    if (err == NP_OK && np_secret_key_parse(secret, value.data, value.len) != NP_OK) {
        err = np__key_refuse(refusal, NP_ERR_KEY, lines.number,
                             "this is no secret key: restore the file, or make a new key");
    }
    if (err == NP_OK &&
        (np_keypair_from(out, secret) != NP_OK || !np_crypto_equal(out->public_key, public, 32))) {
        err = np__key_refuse(refusal, NP_ERR_KEY, lines.number,
                             "the public key does not belong to the secret key: restore the file, "
                             "or make a new key");
    }
    np_crypto_wipe(secret, sizeof secret);
    if (err == NP_OK) {
        err = np__key_next_line(&lines, &value, &end, refusal);
    }
    if (err == NP_OK && !end) {
        err = np__key_refuse(refusal, NP_ERR_KEY, lines.number,
                             "nothing but comments may follow the two keys: remove the line");
    }
    return err;
}

np_err np__keypair_read(np_keypair *out, np_str text, np__key_refusal *refusal)
{
    np_err err = read_pair(out, text, refusal);

    if (err != NP_OK) {
        np_keypair_wipe(out);
    }
    return err;
}
