/* Log events: escaping, cutting, rates, and both kinds of lines. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <netproto/log.h>

static const char *escape(const char *text, size_t len, bool json, size_t cap)
{
    static char out[1024];
    np_str str = {text, len};
    size_t written = np_log_escape(str, json, out, cap);

    assert_int_equal(written, strlen(out));
    assert_true(written < cap);
    return out;
}

static void test_escapes(void **state)
{
    (void)state;
#define ESCAPED(literal) escape(literal, sizeof(literal) - 1, false, 1024)
    assert_string_equal(ESCAPED("plain text"), "plain text");
    assert_string_equal(ESCAPED("gr\xc3\xbc\xc3\x9f dich \xe2\x82\xac \xf0\x9f\x98\x80"),
                        "gr\xc3\xbc\xc3\x9f dich \xe2\x82\xac \xf0\x9f\x98\x80");
    assert_string_equal(ESCAPED("a\nlevel=error b\r\t"), "a\\u000alevel=error b\\u000d\\u0009");
    assert_string_equal(ESCAPED("\x1b[31mred\x7f"), "\\u001b[31mred\\u007f");
    assert_string_equal(ESCAPED("nul\0nul"), "nul\\u0000nul");
    assert_string_equal(ESCAPED("say \"hi\" \\"), "say \\\"hi\\\" \\\\");
    assert_string_equal(ESCAPED("\xff\xc3\xc3\xa4\xc0\xaf\xed\xa0\x80\xf4\x90\x80\x80\xe2\x82"),
                        "\\xff\\xc3\xc3\xa4\\xc0\\xaf\\xed\\xa0\\x80"
                        "\\xf4\\x90\\x80\\x80\\xe2\\x82");
    /* Overlong: what takes fewer bytes, in two, three and four; beside it the least that is not. */
    assert_string_equal(
        ESCAPED("\xc1\xbf\xe0\x9f\xbf\xe0\x82\x80\xf0\x8f\xbf\xbf\xf0\x82\x82\xac"),
        "\\xc1\\xbf\\xe0\\x9f\\xbf\\xe0\\x82\\x80\\xf0\\x8f\\xbf\\xbf\\xf0\\x82\\x82\\xac");
    assert_string_equal(ESCAPED("\xc2\xa0\xe0\xa0\x80\xf0\x90\x80\x80\xed\x9f\xbf\xee\x80\x80"),
                        "\xc2\xa0\xe0\xa0\x80\xf0\x90\x80\x80\xed\x9f\xbf\xee\x80\x80");
    assert_string_equal(ESCAPED("\xf4\x8f\xbf\xbf\xf5\x80\x80\x80\xed\xbf\xbf"),
                        "\xf4\x8f\xbf\xbf\\xf5\\x80\\x80\\x80\\xed\\xbf\\xbf");
    assert_string_equal(ESCAPED("\xc2\x9b\xe2\x80\xae\xe2\x80\xa8\xef\xbb\xbf"),
                        "\\u009b\\u202e\\u2028\\ufeff");
    assert_string_equal(escape("\xff\x80", 2, true, 100), "\\ufffd\\ufffd");
    assert_string_equal(escape(NULL, 0, false, 1), "");
#undef ESCAPED
}

static void test_escapes_are_cut(void **state)
{
    (void)state;
    assert_string_equal(escape("abcdefgh", 8, false, 9), "abcdefgh");
    assert_string_equal(escape("abcdefghi", 9, false, 9), "abcde...");
    assert_string_equal(escape("ab\n\n\n", 5, false, 9), "ab...");
    assert_string_equal(escape("abc", 3, false, 3), "ab");
    assert_string_equal(escape("abc", 3, false, 1), "");
    assert_string_equal(escape("abcde", 5, false, 4), "...");
    char none = 'x';
    assert_int_equal(np_log_escape((np_str){"abc", 3}, false, &none, 0), 0);
    assert_int_equal(none, 'x');
    assert_string_equal(escape("\xc3\xa4\xc3\xa4\xc3\xa4", 6, false, 6), "\xc3\xa4...");
}

/* The lead bytes that no sequence has, and a sequence that ends where the text does, whatever lies
 * behind it. */
static void test_escapes_of_no_sequences(void **state)
{
    (void)state;
    for (unsigned lead = 0xF5; lead <= 0xFF; lead++) {
        char text[4] = {(char)lead, (char)0x80, (char)0x80, (char)0x80};
        char expected[20];
        (void)snprintf(expected, sizeof expected, "\\x%02x\\x80\\x80\\x80", lead);
        assert_string_equal(escape(text, 4, false, 100), expected);
    }
    assert_string_equal(escape("\xe2\x82\xac", 2, false, 100), "\\xe2\\x82");
    assert_string_equal(escape("\xf0\x9f\x98\x80", 3, false, 100), "\\xf0\\x9f\\x98");
    assert_string_equal(escape("\xc3\xa4", 1, false, 100), "\\xc3");
}

/* Puts a character below U+10000 into UTF-8. */
static size_t put_character(uint32_t code, char *text)
{
    if (code < 0x80) {
        text[0] = (char)code;
        return 1;
    }
    if (code < 0x800) {
        text[0] = (char)(0xC0 | code >> 6);
        text[1] = (char)(0x80 | (code & 0x3F));
        return 2;
    }
    text[0] = (char)(0xE0 | code >> 12);
    text[1] = (char)(0x80 | (code >> 6 & 0x3F));
    text[2] = (char)(0x80 | (code & 0x3F));
    return 3;
}

/* Of all characters below U+10000 these are not shown, and no others. */
static void test_hidden_characters(void **state)
{
    static const struct {
        uint32_t first, last;
    } hidden[] = {{0x00, 0x1F},     {0x7F, 0x9F},     {0x61C, 0x61C},   {0x200B, 0x200F},
                  {0x2028, 0x202E}, {0x2060, 0x206F}, {0xFEFF, 0xFEFF}, {0xFFF9, 0xFFFB}};
    char text[4];
    char expected[16];
    (void)state;

    for (uint32_t code = 0; code < 0x10000; code++) {
        bool is_hidden = false;
        size_t len = put_character(code, text);
        if (code == '"' || code == '\\' || (code >= 0xD800 && code < 0xE000)) {
            continue;
        }
        for (size_t i = 0; i < sizeof hidden / sizeof hidden[0]; i++) {
            is_hidden = is_hidden || (code >= hidden[i].first && code <= hidden[i].last);
        }
        text[len] = '\0';
        (void)snprintf(expected, sizeof expected, "\\u%04x", (unsigned)code);
        assert_string_equal(escape(text, len, false, 100), is_hidden ? expected : text);
    }
}

/* No byte of any input leaves as a control byte, a quote that ends the value, or broken UTF-8. */
static void test_escapes_of_garbage(void **state)
{
    uint32_t seed = 99;
    (void)state;

    for (int round = 0; round < 20000; round++) {
        char text[40];
        char out[100];
        char again[700];
        np_str str = {text, 0};
        np_str printed = {out, 0};

        for (size_t i = 0; i < sizeof text; i++) {
            seed = seed * 1664525u + 1013904223u;
            text[i] = (char)(seed >> (round % 2 == 0 ? 24 : 25));
        }
        str.len = seed % (sizeof text + 1);
        printed.len = np_log_escape(str, round % 3 == 0, out, sizeof out);
        for (size_t i = 0; i < printed.len; i++) {
            assert_true((uint8_t)out[i] >= ' ' && out[i] != 0x7f);
        }
        /* Escaping once more doubles backslashes and quotes and leaves all else: nothing in there
         * is hidden or broken. */
        size_t marks = 0;
        for (size_t i = 0; i < printed.len; i++) {
            marks += out[i] == '\\' || out[i] == '"';
        }
        assert_int_equal(np_log_escape(printed, false, again, sizeof again), printed.len + marks);
    }
}

typedef struct catcher {
    size_t count;
    uint32_t suppressed;
    const char *name;
} catcher;

static void catch (void *user, const np_log_event *event)
{
    catcher *c = user;
    c->count++;
    c->suppressed = event->suppressed;
    c->name = event->name;
}

static void test_rate(void **state)
{
    catcher c = {0, 0, NULL};
    np_log_sink sink = {catch, &c};
    np_time now = {5000, 0};
    np_log log;
    (void)state;

    np_log_init(&log, &sink, NULL);
    for (int i = 0; i < 1000; i++) {
        np_log_write(&log, now, NP_LOG_WARN, "conn.refused", NULL, 0);
    }
    assert_int_equal(c.count, 100);
    np_log_write(&log, now, NP_LOG_WARN, "conn.opened", NULL, 0);
    assert_int_equal(c.count, 101);
    assert_string_equal(c.name, "conn.opened");
    now.mono_ms += 1000;
    np_log_write(&log, now, NP_LOG_WARN, "conn.refused", NULL, 0);
    assert_int_equal(c.count, 102);
    assert_int_equal(c.suppressed, 900);
    np_log_write(&log, now, NP_LOG_WARN, "conn.refused", NULL, 0);
    assert_int_equal(c.suppressed, 0);
}

/* A clock that goes back opens a new window; and what is counted stays at its greatest. */
static void test_rate_at_its_ends(void **state)
{
    catcher c = {0, 0, NULL};
    np_log_sink sink = {catch, &c};
    np_time now = {500000, 0};
    np_log log;
    (void)state;

    np_log_init(&log, &sink, NULL);
    for (int i = 0; i < 150; i++) {
        np_log_write(&log, now, NP_LOG_WARN, "x", NULL, 0);
    }
    assert_int_equal(c.count, 100);
    for (size_t i = 0; i < NP_LOG_SLOTS; i++) {
        log.slots[i].suppressed = log.slots[i].suppressed == 50 ? UINT32_MAX - 1 : 0;
    }
    np_log_write(&log, now, NP_LOG_WARN, "x", NULL, 0);
    np_log_write(&log, now, NP_LOG_WARN, "x", NULL, 0);
    now.mono_ms = 1000;
    np_log_write(&log, now, NP_LOG_WARN, "x", NULL, 0);
    assert_int_equal(c.count, 101);
    assert_int_equal(c.suppressed, UINT32_MAX);
}

static void test_rate_options(void **state)
{
    catcher c = {0, 0, NULL};
    np_log_sink sink = {catch, &c};
    np_log_options options = np_log_options_default();
    np_time now = {5000, 0};
    np_log log;
    (void)state;

    options.rate_max = 7;
    options.rate_window_ms = 300;
    np_log_init(&log, &sink, &options);
    for (int i = 0; i < 3000; i++) { /* ten windows */
        np_log_write(&log, now, NP_LOG_WARN, "conn.refused", NULL, 0);
        now.mono_ms++;
    }
    assert_int_equal(c.count, 70);

    c.count = 0;
    options.rate_max = 0; /* no bound */
    np_log_init(&log, &sink, &options);
    for (int i = 0; i < 3000; i++) {
        np_log_write(&log, now, NP_LOG_WARN, "conn.refused", NULL, 0);
    }
    assert_int_equal(c.count, 3000);
}

/* As many names as there are slots: each has a rate of its own, whatever their hashes are. */
static void test_names_are_counted_apart(void **state)
{
    static char names[NP_LOG_SLOTS + 1][16];
    catcher c = {0, 0, NULL};
    np_log_sink sink = {catch, &c};
    np_log_options options = np_log_options_default();
    np_time now = {5000, 0};
    np_log log;
    (void)state;

    options.rate_max = 5;
    np_log_init(&log, &sink, &options);
    for (int i = 0; i <= NP_LOG_SLOTS; i++) {
        (void)snprintf(names[i], sizeof names[i], "event.%d", i);
    }
    for (int i = 0; i < NP_LOG_SLOTS; i++) {
        char same[16]; /* the rate is kept by the text, wherever it lies */
        memcpy(same, names[i], sizeof same);
        np_log_write(&log, now, NP_LOG_WARN, names[i], NULL, 0);
        for (int k = 0; k < 10; k++) {
            np_log_write(&log, now, NP_LOG_WARN, same, NULL, 0);
        }
        assert_int_equal(c.count, 5 * (i + 1));
    }
    /* One more shares the rate of another: it is bounded as well. */
    for (int k = 0; k < 10; k++) {
        np_log_write(&log, now, NP_LOG_WARN, names[NP_LOG_SLOTS], NULL, 0);
    }
    assert_int_equal(c.count, 5 * NP_LOG_SLOTS);
    now.mono_ms += options.rate_window_ms;
    for (int k = 0; k < 10; k++) {
        np_log_write(&log, now, NP_LOG_WARN, names[NP_LOG_SLOTS], NULL, 0);
    }
    assert_int_equal(c.count, 5 * NP_LOG_SLOTS + 5);
}

static void test_levels(void **state)
{
    catcher c = {0, 0, NULL};
    np_log_sink sink = {catch, &c};
    np_log_options options = np_log_options_default();
    np_time now = {0, 0};
    np_log log;
    (void)state;

    options.level = NP_LOG_WARN;
    options.rate_max = 0;
    np_log_init(&log, &sink, &options);
    for (int i = 0; i < 1000; i++) {
        np_log_write(&log, now, NP_LOG_INFO, "x", NULL, 0);
        np_log_write(&log, now, NP_LOG_ERROR, "x", NULL, 0);
    }
    assert_int_equal(c.count, 1000);
    assert_string_equal(np_log_level_name(NP_LOG_ERROR), "error");
    assert_string_equal(np_log_level_name((np_log_level)4), "?");
    assert_false(np_log_wants(NULL, NP_LOG_ERROR));
    np_log_write(NULL, now, NP_LOG_ERROR, "x", NULL, 0);
    np_log_init(&log, NULL, NULL);
    np_log_write(&log, now, NP_LOG_ERROR, "x", NULL, 0);
}

static void test_lines(void **state)
{
    np_log_field fields[] = {
        np_log_text("peer", "tcp://192.0.2.1:80"),
        np_log_text("text", "two words\n"),
        np_log_unsigned("bytes", UINT64_MAX),
        np_log_signed("diff", -5),
        np_log_bool("open", true),
        np_log_err("cause", NP_ERR_EOF),
        np_log_bytes("id", "\x01\xfe", 2),
        np_log_text("none", NULL),
    };
    np_log_event event = {{0, 1767323045678u}, NP_LOG_INFO, "conn.closed", fields, 8, 3};
    char line[NP_LOG_LINE_MAX];
    size_t len;
    (void)state;

    len = np_log_format(&event, NP_LOG_LOGFMT, line, sizeof line);
    assert_string_equal(line,
                        "time=2026-01-02T03:04:05.678Z level=info event=conn.closed suppressed=3 "
                        "peer=tcp://192.0.2.1:80 text=\"two words\\u000a\" "
                        "bytes=18446744073709551615 diff=-5 open=true cause=NP_ERR_EOF id=01fe "
                        "none=\"\"");
    assert_int_equal(len, strlen(line));
    len = np_log_format(&event, NP_LOG_JSON, line, sizeof line);
    assert_string_equal(
        line, "{\"time\":\"2026-01-02T03:04:05.678Z\",\"level\":\"info\",\"event\":\"conn.closed\","
              "\"suppressed\":3,\"peer\":\"tcp://192.0.2.1:80\",\"text\":\"two words\\u000a\","
              "\"bytes\":18446744073709551615,\"diff\":-5,\"open\":true,\"cause\":\"NP_ERR_EOF\","
              "\"id\":\"01fe\",\"none\":\"\"}");
    assert_int_equal(len, strlen(line));
}

/* What needs quotes in logfmt has them, each for its own sake; what does not has none. */
static void test_quotes(void **state)
{
    static const struct {
        const char *text, *value;
    } rows[] = {
        {"bare", "a=bare\n"},         {"a b", "a=\"a b\"\n"},     {"a=b", "a=\"a=b\"\n"},
        {"a\"b", "a=\"a\\\"b\"\n"},   {"a\\b", "a=\"a\\\\b\"\n"}, {"", "a=\"\"\n"},
        {"\xc3\xa4", "a=\xc3\xa4\n"},
    };
    (void)state;

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        np_log_field field = np_log_text("a", rows[i].text);
        np_log_event event = {{0, 0}, NP_LOG_INFO, "x", &field, 1, 0};
        char line[200], expected[200];
        (void)np_log_format(&event, NP_LOG_LOGFMT, line, sizeof line - 1);
        (void)snprintf(expected, sizeof expected,
                       "time=1970-01-01T00:00:00.000Z level=info event=x %s", rows[i].value);
        assert_string_equal(strcat(line, "\n"), expected);
    }
}

/* Bytes are cut where a field is full, and it shows. */
static void test_long_bytes(void **state)
{
    char bytes[NP_LOG_FIELD_MAX] = {0};
    (void)state;

    for (size_t len = 120; len < 135; len++) {
        np_log_field field = np_log_bytes("b", bytes, len);
        np_log_event event = {{0, 0}, NP_LOG_INFO, "x", &field, 1, 0};
        char line[1000];
        size_t most = (NP_LOG_FIELD_MAX - 3) / 2;
        size_t end = np_log_format(&event, NP_LOG_LOGFMT, line, sizeof line);
        const char *value = strstr(line, " b=") + 3;
        assert_int_equal(line + end - value, len <= most ? 2 * len : 2 * most + 3);
        assert_string_equal(line + end - 3, len <= most ? "000" : "...");
    }
}

static void test_dates(void **state)
{
    static const struct {
        uint64_t ms;
        const char *text;
    } rows[] = {
        {0, "time=1970-01-01T00:00:00.000Z"},
        {951782399999u, "time=2000-02-28T23:59:59.999Z"},
        {951782400000u, "time=2000-02-29T00:00:00.000Z"},
        {951868800000u, "time=2000-03-01T00:00:00.000Z"},
        {2147483648000u, "time=2038-01-19T03:14:08.000Z"},
        {4107542400000u, "time=2100-03-01T00:00:00.000Z"},
    };
    (void)state;

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        np_log_event event = {{0, rows[i].ms}, NP_LOG_INFO, "x", NULL, 0, 0};
        char line[200];
        np_log_format(&event, NP_LOG_LOGFMT, line, sizeof line);
        assert_memory_equal(line, rows[i].text, strlen(rows[i].text));
    }
}

/* Short buffers: fewer fields, but never half a one, and JSON stays closed. */
static void test_short_lines(void **state)
{
    char big[2000];
    np_log_field fields[] = {np_log_str("a", (np_str){big, sizeof big}), np_log_text("b", "x"),
                             np_log_bytes("c", big, sizeof big)};
    np_log_event event = {{0, UINT64_MAX}, NP_LOG_INFO, "x", fields, 3, 0};
    (void)state;

    memset(big, 'A', sizeof big);
    for (size_t cap = 1; cap < 900; cap++) {
        char *line = malloc(cap);
        size_t len;
        assert_non_null(line);
        len = np_log_format(&event, NP_LOG_LOGFMT, line, cap);
        assert_int_equal(len, strlen(line));
        assert_true(len < cap);
        len = np_log_format(&event, NP_LOG_JSON, line, cap);
        assert_int_equal(len, strlen(line));
        assert_true(len < cap);
        assert_true(cap < 4 || (line[0] == '{' && line[len - 1] == '}'));
        free(line);
    }
}

/* A line that is too short for all fields has a beginning of them, whole. */
static void test_fields_are_whole(void **state)
{
    static const np_log_format_kind formats[] = {NP_LOG_LOGFMT, NP_LOG_JSON};
    np_log_field fields[] = {np_log_text("first", "one two"), np_log_unsigned("second", 22222),
                             np_log_text("third", "3")};
    (void)state;

    for (size_t f = 0; f < 2; f++) {
        char whole[7][300] = {""}; /* the lines of the first n fields; those of its own count */
        char line[300];
        for (size_t n = 0; n <= 3; n++) {
            np_log_event event = {{0, 0}, NP_LOG_WARN, "x", fields, n, 0};
            (void)np_log_format(&event, formats[f], whole[n], sizeof whole[n]);
        }
        for (size_t cap = strlen(whole[0]) + 2; cap < sizeof line; cap++) {
            np_log_event event = {{0, 0}, NP_LOG_WARN, "x", fields, 3, 0};
            size_t n = 0;
            size_t len = np_log_format(&event, formats[f], line, cap);
            assert_int_equal(len, strlen(line));
            /* Later fields that fit may stand where an earlier one does not. */
            for (size_t i = 0; i < 3; i++) {
                n += strstr(line, fields[i].name) != NULL;
            }
            assert_true(strstr(line, "first") == NULL || strstr(line, "\"one two\"") != NULL);
            assert_true(strstr(line, "second") == NULL || strstr(line, "22222") != NULL);
            assert_true(n < 3 || strcmp(line, whole[3]) == 0);
            assert_true(n > 0 || strcmp(line, whole[0]) == 0);
            assert_true(cap < strlen(whole[3]) + 3 || n == 3);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_escapes),
        cmocka_unit_test(test_escapes_are_cut),
        cmocka_unit_test(test_escapes_of_garbage),
        cmocka_unit_test(test_escapes_of_no_sequences),
        cmocka_unit_test(test_hidden_characters),
        cmocka_unit_test(test_rate),
        cmocka_unit_test(test_rate_at_its_ends),
        cmocka_unit_test(test_quotes),
        cmocka_unit_test(test_long_bytes),
        cmocka_unit_test(test_fields_are_whole),
        cmocka_unit_test(test_rate_options),
        cmocka_unit_test(test_names_are_counted_apart),
        cmocka_unit_test(test_levels),
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_dates),
        cmocka_unit_test(test_short_lines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
