/* Keys as text, and the texts of files that hold keys: what is read is what was written, and
 * nothing else is. Files themselves are the matter of integration/test_key_file.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "transport/key_text.h"
#include "util/crypto.h"

/* Alice's pair of RFC 7748, section 6.1. */
static const uint8_t alice_secret[32] = {
    0x77, 0x07, 0x6d, 0x0a, 0x73, 0x18, 0xa5, 0x7d, 0x3c, 0x16, 0xc1, 0x72, 0x51, 0xb2, 0x66, 0x45,
    0xdf, 0x4c, 0x2f, 0x87, 0xeb, 0xc0, 0x99, 0x2a, 0xb1, 0x77, 0xfb, 0xa5, 0x1d, 0xb9, 0x2c, 0x2a,
};
#define ALICE "np1:hSDwCYkwp1R0i33ctD73Wg2_Og0mOBr066SpjqqbTmo"
#define ALICE_SECRET "npsecret1:dwdtCnMYpX08FsFyUbJmRd9ML4frwJkqsXf7pR25LCo"
#define BOB "np1:3p7bfXt9wbTTW2HC7OQ1Nz-DQ8hbeGdNrfx-FG-IK08"
#define PSK "npsk1:AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA"

/* Forms of one key --------------------------------------------------------------------------- */

typedef np_err parse_fn(uint8_t key[32], const char *text, size_t len);

/* Every prefix, every longer text and every text with one byte changed is refused; or it is
 * another key, whose one text it is. */
static void check_form(parse_fn *parse, char *(*format)(const uint8_t *key, char *text),
                       const char *text)
{
    static const uint8_t zero[32] = {0};
    size_t len = strlen(text);
    size_t accepted = 0;
    uint8_t key[32], other[32];
    char changed[64], again[64];

    assert_int_equal(parse(key, text, len), NP_OK);
    assert_string_equal(format(key, again), text);
    for (size_t cut = 0; cut < len; cut++) {
        memset(other, 1, sizeof other);
        assert_int_equal(parse(other, text, cut), NP_ERR_KEY);
        assert_memory_equal(other, zero, sizeof zero);
    }
    strcpy(changed, text);
    for (size_t at = 0; at < len; at++) {
        for (unsigned byte = 0; byte < 256; byte++) {
            changed[at] = (char)byte;
            if (byte == (unsigned char)text[at] || parse(other, changed, len) != NP_OK) {
                continue;
            }
            assert_string_equal(format(other, again), changed);
            assert_memory_not_equal(other, key, sizeof key);
            accepted++;
        }
        changed[at] = text[at];
    }
    /* 63 other characters of the alphabet at 42 places, 15 where two bits have to be zero. */
    assert_int_equal(accepted, 42 * 63 + 15);
    for (unsigned byte = 0; byte < 256; byte++) {
        snprintf(changed, sizeof changed, "%s ", text);
        changed[len] = (char)byte;
        assert_int_equal(parse(other, changed, len + 1), NP_ERR_KEY);
        memmove(changed + 1, text, len);
        changed[0] = (char)byte;
        assert_int_equal(parse(other, changed, len + 1), NP_ERR_KEY);
    }
}

static void test_forms(void **state)
{
    np_keypair pair;
    char text[64];
    (void)state;

    assert_int_equal(np_keypair_from(&pair, alice_secret), NP_OK);
    assert_string_equal(np_key_format(pair.public_key, text), ALICE);
    assert_string_equal(np_secret_key_format(pair.secret_key, text), ALICE_SECRET);
    check_form(np_key_parse, np_key_format, ALICE);
    check_form(np_psk_parse, np_psk_format, PSK);
    check_form(np_secret_key_parse, np_secret_key_format, ALICE_SECRET);
}

static void test_forms_are_not_mixed_up(void **state)
{
    static const char *const texts[] = {ALICE, PSK, ALICE_SECRET};
    static parse_fn *const parsers[] = {np_key_parse, np_psk_parse, np_secret_key_parse};
    static const char zero[] = "npsk1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    uint8_t key[32];
    (void)state;

    for (size_t i = 0; i < 3; i++) {
        for (size_t j = 0; j < 3; j++) {
            assert_int_equal(parsers[i](key, texts[j], strlen(texts[j])),
                             i == j ? NP_OK : NP_ERR_KEY);
        }
    }
    assert_int_equal(np_psk_parse(key, zero, sizeof zero - 1), NP_ERR_KEY);
}

static void test_generate_and_wipe(void **state)
{
    static const uint8_t zero[sizeof(np_keypair)] = {0};
    np_keypair a, b, again;
    uint8_t psk[32], other[32];
    (void)state;

    assert_int_equal(np_keypair_generate(&a), NP_OK);
    assert_int_equal(np_keypair_generate(&b), NP_OK);
    assert_memory_not_equal(a.secret_key, b.secret_key, 32);
    assert_int_equal(np_keypair_from(&again, a.secret_key), NP_OK);
    assert_memory_equal(again.public_key, a.public_key, 32);
    np_keypair_wipe(&a);
    assert_memory_equal(&a, zero, sizeof zero);
    assert_int_equal(np_psk_generate(psk), NP_OK);
    assert_int_equal(np_psk_generate(other), NP_OK);
    assert_memory_not_equal(psk, other, 32);
    np_secret_wipe(psk, sizeof psk);
    assert_memory_equal(psk, zero, sizeof psk);
}

/* Texts of files ------------------------------------------------------------------------------- */

/* One of the readers of key_text.h; frees what it reads. */
typedef np_err read_fn(np_str text, np__key_refusal *refusal);

static np_err read_keypair(np_str text, np__key_refusal *refusal)
{
    static const uint8_t zero[sizeof(np_keypair)] = {0};
    np_keypair pair;
    np_err err = np__keypair_read(&pair, text, refusal);

    if (err == NP_OK) {
        assert_memory_equal(pair.secret_key, alice_secret, 32);
    } else {
        assert_memory_equal(&pair, zero, sizeof zero);
    }
    return err;
}

static np_err read_list(np_str text, np__key_refusal *refusal)
{
    np_key_list *list = NULL;
    np_err err = np__key_list_read(&list, text, refusal);

    assert_true((err == NP_OK) == (list != NULL));
    np_key_list_free(list);
    return err;
}

static np_err read_psks(np_str text, np__key_refusal *refusal)
{
    np_psk_list *list = NULL;
    np_err err = np__psk_list_read(&list, text, refusal);

    assert_true((err == NP_OK) == (list != NULL));
    np_psk_list_free(list);
    return err;
}

static np_err read_hosts(np_str text, np__key_refusal *refusal)
{
    static const uint8_t key[32] = {1};
    np_known_key known;
    size_t from = 0, to = 0;

    return np__known_hosts_find(&known, &from, &to, text, np_str_from("tcp://a:1"), key, refusal);
}

/* The text is copied to a block of its size, so that a sanitizer sees a byte read behind it. */
static void expect_len(read_fn *read, const char *text, size_t len, np_err err, size_t line,
                       const char *words)
{
    np__key_refusal refusal = {NP_OK, 0, ""};
    char *copy = malloc(len > 0 ? len : 1);

    assert_non_null(copy);
    memcpy(copy, text, len);
    np_err got = read((np_str){copy, len}, &refusal);
    if (got != err || (err != NP_OK && (refusal.err != err || refusal.line != line ||
                                        strstr(refusal.rule, words) == NULL))) {
        fail_msg("%s, line %zu: %s\nfor: %s", np_err_name(got), refusal.line, refusal.rule, text);
    }
    free(copy);
}

static void expect(read_fn *read, const char *text, np_err err, size_t line, const char *words)
{
    expect_len(read, text, strlen(text), err, line, words);
}

/* A NUL, control characters, endless lines and torn ends are refused by all of them. */
static void test_what_is_no_text(void **state)
{
    static read_fn *const readers[] = {read_keypair, read_list, read_psks, read_hosts};
    static char huge[100000];
    (void)state;

    memset(huge, 'x', sizeof huge);
    for (size_t i = 0; i < 4; i++) {
        expect_len(readers[i], "# a\0b\n", 6, NP_ERR_KEY, 1, "control character");
        expect(readers[i], "\n#\x1b[2J\n", NP_ERR_KEY, 2, "control character");
        expect(readers[i], "#\x7f\n", NP_ERR_KEY, 1, "control character");
        expect(readers[i], "# a\rb\n", NP_ERR_KEY, 1, "control character");
        expect_len(readers[i], huge, sizeof huge, NP_ERR_TOO_LONG, 1, "max 1024 bytes");
        expect_len(readers[i], huge, 1025, NP_ERR_TOO_LONG, 1, "max 1024 bytes");
        expect_len(readers[i], huge, 1024, NP_ERR_KEY, 1, "the line has no end");
        expect(readers[i], "\n\n# the end", NP_ERR_KEY, 3, "the line has no end");
    }
    huge[0] = '#';
    huge[1024] = '\n';
    expect_len(read_list, huge, 1025, NP_OK, 0, "");
    huge[1024] = 'x';
    huge[1025] = '\n';
    expect_len(read_list, huge, 1026, NP_ERR_TOO_LONG, 1, "max 1024 bytes");
}

/* What editors make of a good file, each told by its name, in whichever file it is. */
static void test_what_editors_do(void **state)
{
    static const struct {
        read_fn *read;
        const char *good; /* one line */
    } files[] = {
        {read_keypair, "public " ALICE},
        {read_list, ALICE " of the office"},
        {read_psks, ALICE " npsk1:AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA"},
        {read_hosts, "tcp://a:1 " ALICE},
    };
    char text[400];
    (void)state;

    for (size_t i = 0; i < 4; i++) {
        read_fn *read = files[i].read;
        const char *good = files[i].good;

        (void)snprintf(text, sizeof text, "# first\r\n%s\r\n", good);
        expect(read, text, NP_ERR_KEY, 1, "the line ends in CR LF");
        (void)snprintf(text, sizeof text, "# first\n%s\r\n", good);
        expect(read, text, NP_ERR_KEY, 2, "the line ends in CR LF");
        (void)snprintf(text, sizeof text, "\xEF\xBB\xBF%s\n", good);
        expect(read, text, NP_ERR_KEY, 1, "byte order mark: save the file as UTF-8 without one");
        (void)snprintf(text, sizeof text, "\xEF\xBB\xBF# first\n%s\n", good);
        expect(read, text, NP_ERR_KEY, 1, "byte order mark");
        (void)snprintf(text, sizeof text, "# first\n\xEF\xBB\xBF%s\n", good);
        expect(read, text, NP_ERR_KEY, 2, "byte order mark");
        expect_len(read, "\xFF\xFE#\0\n\0", 6, NP_ERR_KEY, 1, "it is UTF-16: save it as UTF-8");
        expect_len(read, "\xFE\xFF\0#\0\n", 6, NP_ERR_KEY, 1, "it is UTF-16: save it as UTF-8");
        (void)snprintf(text, sizeof text, "# first\n %s\n", good);
        expect(read, text, NP_ERR_KEY, 2, "the line begins with a blank: remove it");
        (void)snprintf(text, sizeof text, "\t# first\n%s\n", good);
        expect(read, text, NP_ERR_KEY, 1, "the line begins with a blank: remove it");
    }
    expect(read_keypair, "public  " ALICE "\n", NP_ERR_KEY, 1, "one space");
    expect(read_keypair, "public " ALICE " \n", NP_ERR_KEY, 1, "one space");
    expect(read_keypair, "public " ALICE "\nsecret  " ALICE_SECRET "\n", NP_ERR_KEY, 2,
           "one space");
    expect(read_keypair, "public " ALICE "\nsecret " ALICE_SECRET "\t\n", NP_ERR_KEY, 2,
           "one space");
    expect(read_hosts, "tcp://a:1  " ALICE "\n", NP_ERR_KEY, 1, "one space");
    expect(read_hosts, "tcp://a:1 " ALICE " \n", NP_ERR_KEY, 1, "one space");
}

#define PUBLIC_LINE "public " ALICE "\n"
#define SECRET_LINE "secret " ALICE_SECRET "\n"

static void test_key_file_text(void **state)
{
    np_keypair pair;
    char text[NP__KEYPAIR_TEXT_LEN];
    (void)state;

    assert_int_equal(np_keypair_from(&pair, alice_secret), NP_OK);
    size_t len = np__keypair_write(&pair, text);
    assert_int_equal(len, strlen(text));
    assert_int_equal(text[0], '#');
    assert_non_null(strstr(text, "\n" PUBLIC_LINE SECRET_LINE));
    expect(read_keypair, text, NP_OK, 0, "");
    expect(read_keypair, PUBLIC_LINE "\n \t\n# x\n" SECRET_LINE "# end\n", NP_OK, 0, "");

    expect(read_keypair, "", NP_ERR_KEY, 0, "the first line has to be");
    expect(read_keypair, SECRET_LINE PUBLIC_LINE, NP_ERR_KEY, 1, "the first line has to be");
    expect(read_keypair, PUBLIC_LINE, NP_ERR_KEY, 0, "the second line has to be");
    expect(read_keypair, PUBLIC_LINE PUBLIC_LINE, NP_ERR_KEY, 2, "the second line has to be");
    expect(read_keypair, PUBLIC_LINE SECRET_LINE SECRET_LINE, NP_ERR_KEY, 3, "nothing but");
    expect(read_keypair, "public x" ALICE "\n" SECRET_LINE, NP_ERR_KEY, 1, "no public key");
    expect(read_keypair, "x" PUBLIC_LINE SECRET_LINE, NP_ERR_KEY, 1, "the first line has to be");
    expect(read_keypair, PUBLIC_LINE "secret " ALICE "\n", NP_ERR_KEY, 2, "no secret key");
    expect(read_keypair, "public " BOB "\n" SECRET_LINE, NP_ERR_KEY, 2, "does not belong");
}

/* A torn key file gives no key, and one with a changed byte none or the same: X25519 ignores five
 * bits of a secret (RFC 7748, section 5), but then the bytes are not those that were written. */
static void test_key_file_damaged(void **state)
{
    static const char text[] = "# c\n" PUBLIC_LINE SECRET_LINE;
    const size_t len = sizeof text - 1;
    char changed[sizeof text];
    np_keypair pair;
    np__key_refusal refusal;
    (void)state;

    for (size_t cut = 0; cut < len; cut++) {
        assert_int_not_equal(read_keypair((np_str){text, cut}, &refusal), NP_OK);
    }
    memcpy(changed, text, sizeof text);
    for (size_t at = 0; at < len; at++) {
        for (unsigned byte = 0; byte < 256; byte++) {
            if (byte == (unsigned char)text[at]) {
                continue;
            }
            changed[at] = (char)byte;
            if (np__keypair_read(&pair, (np_str){changed, len}, &refusal) == NP_OK) {
                np_keypair again;
                assert_int_equal(np_keypair_from(&again, pair.secret_key), NP_OK);
                assert_memory_equal(again.public_key, pair.public_key, 32);
            }
        }
        changed[at] = text[at];
    }
}

static void test_list_text(void **state)
{
    np_key_list *list = NULL;
    np__key_refusal refusal;
    uint8_t alice[32], bob[32], other[32] = {9};
    (void)state;

    assert_int_equal(np_key_parse(alice, ALICE, strlen(ALICE)), NP_OK);
    assert_int_equal(np_key_parse(bob, BOB, strlen(BOB)), NP_OK);
    assert_int_equal(np__key_list_read(&list,
                                       np_str_from("# who may come in\n\n" BOB
                                                   " bob, office\n" ALICE "\t Al\xc3\xads np1:x\n"),
                                       &refusal),
                     NP_OK);
    assert_int_equal(np_key_list_count(list), 2);
    assert_true(np_key_list_contains(list, alice));
    assert_true(np_key_list_contains(list, bob));
    assert_false(np_key_list_contains(list, other));
    np_key_list_free(list);
    assert_false(np_key_list_contains(NULL, alice));
    assert_int_equal(np_key_list_count(NULL), 0);
    np_key_list_free(NULL);

    expect(read_list, "", NP_OK, 0, "");
    expect(read_list, "x\n", NP_ERR_KEY, 1, "has to begin with a public key");
    expect(read_list, ALICE "\nx\n", NP_ERR_KEY, 2, "has to begin with a public key");
    expect(read_list, ALICE ",\n", NP_ERR_KEY, 1, "has to begin with a public key");
    expect(read_list, ALICE "\n" ALICE_SECRET "\n", NP_ERR_KEY, 2, "a secret stands");
    expect(read_list, PSK "\n", NP_ERR_KEY, 1, "a secret stands");
    expect(read_list, ALICE " a\n" BOB "\n" ALICE " b\n", NP_ERR_KEY, 3, "has a line already");
}

static void test_psk_text(void **state)
{
    np_psk_list *list = NULL;
    np__key_refusal refusal;
    uint8_t alice[32], bob[32];
    (void)state;

    assert_int_equal(np_key_parse(alice, ALICE, strlen(ALICE)), NP_OK);
    assert_int_equal(np_key_parse(bob, BOB, strlen(BOB)), NP_OK);
    assert_int_equal(np__psk_list_read(&list, np_str_from("# x\n" BOB " \t" PSK " \n"), &refusal),
                     NP_OK);
    assert_int_equal(np_psk_list_count(list), 1);
    const uint8_t *psk = np_psk_list_find(list, bob);
    assert_non_null(psk);
    for (uint8_t i = 0; i < 32; i++) {
        assert_int_equal(psk[i], i + 1);
    }
    assert_null(np_psk_list_find(list, alice));
    np_psk_list_free(list);
    assert_null(np_psk_list_find(NULL, bob));
    assert_int_equal(np_psk_list_count(NULL), 0);
    np_psk_list_free(NULL);

    expect(read_psks, "", NP_OK, 0, "");
    expect(read_psks, ALICE "\n", NP_ERR_KEY, 1, "a pre-shared key, npsk1:..., has to follow");
    expect(read_psks, ALICE " " BOB "\n", NP_ERR_KEY, 1, "a pre-shared key");
    expect(read_psks, ALICE " " PSK " comment\n", NP_ERR_KEY, 1, "and nothing else");
    expect(read_psks, PSK " " ALICE "\n", NP_ERR_KEY, 1, "a secret stands");
    expect(read_psks, ALICE " npsk1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n", NP_ERR_KEY, 1,
           "a pre-shared key");
    expect(read_psks, ALICE " " PSK "\n" BOB " " PSK "\n" ALICE " " PSK "\n", NP_ERR_KEY, 3,
           "has a line already");
}

/* Many keys, in any order: all are found, with the secrets that were theirs. */
static void test_many(void **state)
{
    enum { COUNT = 5000 };
    char *text = malloc(COUNT * 100), key_text[NP_KEY_TEXT_LEN], psk_text[NP_PSK_TEXT_LEN];
    np_psk_list *list = NULL;
    np__key_refusal refusal;
    uint8_t key[32] = {0}, psk[32] = {1};
    size_t len = 0;
    (void)state;

    assert_non_null(text);
    for (uint32_t i = 0; i < COUNT; i++) {
        np_put_u32(key + 4, i * 2654435761u);
        np_put_u32(psk + 4, i);
        len += (size_t)snprintf(text + len, 100, "%s %s\n", np_key_format(key, key_text),
                                np_psk_format(psk, psk_text));
    }
    assert_int_equal(np__psk_list_read(&list, (np_str){text, len}, &refusal), NP_OK);
    assert_int_equal(np_psk_list_count(list), COUNT);
    for (uint32_t i = 0; i < COUNT; i++) {
        np_put_u32(key + 4, i * 2654435761u);
        const uint8_t *found = np_psk_list_find(list, key);
        assert_non_null(found);
        assert_int_equal(np_get_u32(found + 4), i);
    }
    np_psk_list_free(list);
    free(text);
}

/* One key more than a list may hold. */
static void test_too_many(void **state)
{
    char *text = malloc((NP_KEY_LIST_MAX + 1) * (size_t)NP_KEY_TEXT_LEN), key_text[48];
    np_key_list *list = NULL;
    np__key_refusal refusal;
    uint8_t key[32] = {0};
    size_t len = 0;
    (void)state;

    assert_non_null(text);
    for (uint32_t i = 0; i <= NP_KEY_LIST_MAX; i++) {
        np_put_u32(key, i);
        memcpy(text + len, np_key_format(key, key_text), NP_KEY_TEXT_LEN - 1);
        len += NP_KEY_TEXT_LEN;
        text[len - 1] = '\n';
    }
    assert_int_equal(np__key_list_read(&list, (np_str){text, len}, &refusal), NP_ERR_TOO_LONG);
    assert_int_equal(refusal.line, NP_KEY_LIST_MAX + 1);
    assert_int_equal(np__key_list_read(&list, (np_str){text, len - NP_KEY_TEXT_LEN}, &refusal),
                     NP_OK);
    assert_int_equal(np_key_list_count(list), NP_KEY_LIST_MAX);
    np_key_list_free(list);
    free(text);
}

static void test_hosts_text(void **state)
{
    static const char text[] = "# met\ntcp://a:1 " ALICE "\nunix:///my dir/x " BOB "\n";
    np_known_key known;
    np__key_refusal refusal;
    uint8_t alice[32], bob[32];
    size_t from = 0, to = 0;
    np_str all = np_str_from(text);
    (void)state;

    assert_int_equal(np_key_parse(alice, ALICE, strlen(ALICE)), NP_OK);
    assert_int_equal(np_key_parse(bob, BOB, strlen(BOB)), NP_OK);
#define FIND(address, key)                                                                         \
    assert_int_equal(                                                                              \
        np__known_hosts_find(&known, &from, &to, all, np_str_from(address), key, &refusal), NP_OK)
    FIND("tcp://a:1", alice);
    assert_int_equal(known.verdict, NP_HOST_KNOWN);
    assert_int_equal(known.line, 2);
    FIND("unix:///my dir/x", alice);
    assert_int_equal(known.verdict, NP_HOST_CHANGED);
    assert_int_equal(known.line, 3);
    assert_memory_equal(known.key, bob, 32);
    assert_memory_equal(text + from, "unix:", 5);
    assert_int_equal(to, sizeof text - 1);
    FIND("tcp://A:1", alice);
    assert_int_equal(known.verdict, NP_HOST_UNKNOWN);
    FIND("unix:///my", bob);
    assert_int_equal(known.verdict, NP_HOST_UNKNOWN);
#undef FIND

    expect(read_hosts, "", NP_OK, 0, "");
    expect(read_hosts, "tcp://a:1\n", NP_ERR_KEY, 1, "a line is ADDRESS KEY");
    expect(read_hosts, " " ALICE "\n", NP_ERR_KEY, 1, "begins with a blank");
    expect(read_hosts, "tcp://a:1 " ALICE " \n", NP_ERR_KEY, 1, "one space");
    expect(read_hosts, "tcp://a:1\t" ALICE "\n", NP_ERR_KEY, 1, "a line is ADDRESS KEY");
    expect(read_hosts, "tcp://b:1 x\n", NP_ERR_KEY, 1, "a line is ADDRESS KEY");
    /* Also behind the one that was looked for. */
    expect(read_hosts, "tcp://a:1 " ALICE "\nx\n", NP_ERR_KEY, 2, "a line is ADDRESS KEY");
    expect(read_hosts, "tcp://a:1 " ALICE "\n\ntcp://a:1 " BOB "\n", NP_ERR_KEY, 3,
           "has a line already");
}

/* Every cut of the lists: whole lines are read, torn ones refused. */
static void test_cuts(void **state)
{
    static const char list[] = ALICE " a\n# c\n" BOB "\n";
    static const char psks[] = ALICE " " PSK "\n" BOB " " PSK "\n";
    static const char hosts[] = "tcp://a:1 " ALICE "\ntcp://b:1 " BOB "\n";
    static const struct {
        read_fn *read;
        const char *text;
    } rows[] = {{read_list, list}, {read_psks, psks}, {read_hosts, hosts}};
    np__key_refusal refusal;
    (void)state;

    for (size_t i = 0; i < 3; i++) {
        for (size_t cut = 0; cut <= strlen(rows[i].text); cut++) {
            bool whole = cut == 0 || rows[i].text[cut - 1] == '\n';
            assert_int_equal(rows[i].read((np_str){rows[i].text, cut}, &refusal),
                             whole ? NP_OK : NP_ERR_KEY);
        }
    }
}

/* The files in docs/security.md are files that are read, and the key file is the one we write. */
static void test_document(void **state)
{
    static char text[65536];
    char key_file[NP__KEYPAIR_TEXT_LEN], indented[NP__KEYPAIR_TEXT_LEN + 64] = "";
    FILE *file = fopen("docs/security.md", "rb");
    np_keypair pair;
    (void)state;

    assert_non_null(file);
    assert_true(fread(text, 1, sizeof text - 1, file) > 0);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(np_keypair_from(&pair, alice_secret), NP_OK);
    (void)np__keypair_write(&pair, key_file);
    for (char *line = strtok(key_file, "\n"); line != NULL; line = strtok(NULL, "\n")) {
        size_t len = strlen(indented);
        snprintf(indented + len, sizeof indented - len, "    %s\n", line);
    }
    assert_non_null(strstr(text, indented));
    assert_non_null(strstr(text, "    # who may come in\n    " ALICE " alice, laptop\n"));
    assert_non_null(strstr(text, "\n    " BOB " " PSK "\n"));
    assert_non_null(strstr(text, "\n    tcp://host:7000 " BOB "\n"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_forms),
        cmocka_unit_test(test_forms_are_not_mixed_up),
        cmocka_unit_test(test_generate_and_wipe),
        cmocka_unit_test(test_what_is_no_text),
        cmocka_unit_test(test_what_editors_do),
        cmocka_unit_test(test_key_file_text),
        cmocka_unit_test(test_key_file_damaged),
        cmocka_unit_test(test_list_text),
        cmocka_unit_test(test_psk_text),
        cmocka_unit_test(test_many),
        cmocka_unit_test(test_too_many),
        cmocka_unit_test(test_hosts_text),
        cmocka_unit_test(test_cuts),
        cmocka_unit_test(test_document),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
