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
    assert_string_equal(escape("\xc3\xa4\xc3\xa4\xc3\xa4", 6, false, 6), "\xc3\xa4...");
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_escapes),
        cmocka_unit_test(test_escapes_are_cut),
        cmocka_unit_test(test_escapes_of_garbage),
        cmocka_unit_test(test_rate),
        cmocka_unit_test(test_rate_options),
        cmocka_unit_test(test_names_are_counted_apart),
        cmocka_unit_test(test_levels),
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_dates),
        cmocka_unit_test(test_short_lines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
