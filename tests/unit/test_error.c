/* Names, texts and classes of errors; faults as lines. */
#include <setjmp.h>
#include <stdarg.h>
#include <limits.h>
#include <string.h>

#include <locale.h>

#include <cmocka.h>

#include <netproto/error.h>

static void test_every_error_has_its_row(void **state)
{
    (void)state;
#define CHECK(name, number, class, text)                                                           \
    assert_int_equal(NP_ERR_##name, number);                                                       \
    assert_string_equal(np_err_name((np_err)(number)), (number) == 0 ? "NP_OK" : "NP_ERR_" #name); \
    assert_string_equal(np_err_text((np_err)(number)), text);                                      \
    assert_int_equal(np_err_class_of((np_err)(number)), NP_CLASS_##class);
    NP_ERR_MAP(CHECK)
#undef CHECK
}

static void test_numbers_that_are_no_errors(void **state)
{
    static const int numbers[] = {1, 1000, -1000, INT_MAX, INT_MIN};
    (void)state;

    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        if ((int)(np_err)numbers[i] != numbers[i]) {
            continue; /* enums are short, and this number is another error there, or none */
        }
        assert_string_equal(np_err_name((np_err)numbers[i]), "NP_ERR_?");
        assert_string_equal(np_err_text((np_err)numbers[i]), "unknown error");
        assert_int_equal(np_err_class_of((np_err)numbers[i]), NP_CLASS_USAGE);
    }
}

static void test_fault_lines(void **state)
{
    char text[160];
    np_fault fault;
    double number = 1.5;
    (void)state;

    assert_int_equal(np_fault_set(&fault, NP_ERR_TOO_LONG, "chat.Say.text", "max 4096", 12, 70000),
                     NP_ERR_TOO_LONG);
    assert_string_equal(np_fault_format(&fault, text, sizeof text),
                        "chat.Say.text: length 70000 exceeds max 4096 at byte 12");
    np_fault_set(&fault, NP_ERR_TOO_SHORT, "chat.Say.text", "min 1", 4, 0);
    assert_string_equal(np_fault_format(&fault, text, sizeof text),
                        "chat.Say.text: length 0 is below min 1 at byte 4");
    np_fault_set(&fault, NP_ERR_RANGE, "chat.Person.age", "range 0..150", 20, 200);
    assert_string_equal(np_fault_format(&fault, text, sizeof text),
                        "chat.Person.age: 200 is not in range 0..150 at byte 20");
    fault.got_kind = NP_GOT_SIGNED;
    fault.got = (uint64_t)-7;
    assert_string_equal(np_fault_format(&fault, text, sizeof text),
                        "chat.Person.age: -7 is not in range 0..150 at byte 20");
    fault.got_kind = NP_GOT_FLOAT;
    memcpy(&fault.got, &number, sizeof number);
    assert_string_equal(np_fault_format(&fault, text, sizeof text),
                        "chat.Person.age: 1.5 is not in range 0..150 at byte 20");
    np_fault_set(&fault, NP_ERR_BOOL, "chat.Say.loud", NULL, 3, 2);
    assert_string_equal(np_fault_format(&fault, text, sizeof text),
                        "chat.Say.loud: a bool must be 0 or 1, got 2 at byte 3");
    np_fault_set(&fault, NP_ERR_CONST, "base.frame.magic", "= 0xDEADBEEF", 0, 1);
    assert_string_equal(
        np_fault_format(&fault, text, sizeof text),
        "base.frame.magic: a constant has the wrong value, got 1, rule: = 0xDEADBEEF at byte 0");
    /* What is about no byte names none. */
    np_fault_at(&fault, NP_ERR_UNEXPECTED, "chat.Say", "from the client in state a; allowed: B", 0);
    assert_string_equal(np_fault_format(&fault, text, sizeof text),
                        "chat.Say is not allowed from the client in state a; allowed: B");
    np_fault_at(&fault, NP_ERR_NO_HANDLER, "chat.Say", "set .on_say in chat_handlers", 0);
    assert_string_equal(np_fault_format(&fault, text, sizeof text),
                        "chat.Say: this side has no handler for the message: set .on_say in "
                        "chat_handlers");
    np_fault_set(&fault, NP_ERR_DEADLINE, "hello_timeout_ms", NULL, 0, 5000);
    assert_string_equal(np_fault_format(&fault, text, sizeof text),
                        "hello_timeout_ms: the deadline has passed after 5000 ms");
    np_fault_set(&fault, NP_ERR_DEADLINE, "chat.session", "greet", 0, 500);
    assert_string_equal(np_fault_format(&fault, text, sizeof text),
                        "chat.session: the deadline has passed after 500 ms in state greet");
    memset(&fault, 0, sizeof fault);
    assert_string_equal(np_fault_format(&fault, text, sizeof text), "no error");
    fault.err = NP_ERR_TRUNCATED;
    assert_string_equal(np_fault_format(&fault, text, sizeof text), "the input ends too early");
    assert_int_equal(np_fault_set(NULL, NP_ERR_BOOL, "x", NULL, 0, 0), NP_ERR_BOOL);
}

/* A locale whose decimal point is a comma changes nothing. */
static void test_fault_lines_have_points(void **state)
{
    char text[64];
    np_fault fault;
    double value = 1.5;
    uint64_t bits = 0;
    (void)state;

    if (setlocale(LC_NUMERIC, "de_DE.UTF-8") == NULL && setlocale(LC_NUMERIC, "de_DE") == NULL &&
        setlocale(LC_NUMERIC, "fr_FR.UTF-8") == NULL) {
        skip();
    }
    memcpy(&bits, &value, sizeof bits);
    np_fault_set(&fault, NP_ERR_RANGE, "map.Pin.x", "range 0..1", 4, bits);
    fault.got_kind = NP_GOT_FLOAT;
    np_fault_format(&fault, text, sizeof text);
    setlocale(LC_NUMERIC, "C");
    assert_string_equal(text, "map.Pin.x: 1.5 is not in range 0..1 at byte 4");
}

static void test_fault_lines_are_cut(void **state)
{
    char text[10];
    np_fault fault;
    (void)state;

    np_fault_set(&fault, NP_ERR_TOO_LONG, "chat.Say.text", "max 4096", 12, 70000);
    assert_string_equal(np_fault_format(&fault, text, sizeof text), "chat.Say.");
    assert_string_equal(np_fault_format(&fault, text, 1), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_error_has_its_row),
        cmocka_unit_test(test_numbers_that_are_no_errors),
        cmocka_unit_test(test_fault_lines),
        cmocka_unit_test(test_fault_lines_have_points),
        cmocka_unit_test(test_fault_lines_are_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
