/* load.c - a text becomes jansson's tree, whose numbers are places in the text.
 *
 * jansson turns a number into a double or 64 bits and forgets how it was written. What is lost
 * matters: "-0" has a sign, a double that is rounded to f32 has been rounded twice, and what some
 * writers print for 1e20 is an integer that 64 bits do not hold. So numbers that jansson would
 * refuse for their size are hidden from it, and in the finished tree each number's value is
 * replaced by where it stands.
 */
#include "json_private.h"

#include <string.h>

#if JANSSON_VERSION_HEX < 0x020800
#error "objects must keep the order of their members: jansson 2.8 or later"
#endif

/* Digits that every 64-bit integer has room for, and every double. */
#define SHORT_NUMBER 18
#define SHORT_EXPONENT 2

typedef struct place {
    size_t start, end;
} place;

static bool is_digit(np_str text, size_t at)
{
    return at < text.len && text.data[at] >= '0' && text.data[at] <= '9';
}

static bool is_one_of(np_str text, size_t at, const char *chars)
{
    return at < text.len && text.data[at] != '\0' && strchr(chars, text.data[at]) != NULL;
}

static size_t skip_digits(np_str text, size_t at)
{
    while (is_digit(text, at)) {
        at++;
    }
    return at;
}

/* The next number from `at` on, which is not within a string; text.len if there is none. */
static place next_number(np_str text, size_t at)
{
    for (; at < text.len; at++) {
        if (text.data[at] == '"') {
            at = np__json_string_end(text, at);
        } else if (text.data[at] == '-' || is_digit(text, at)) {
            size_t start = at;
            while (is_digit(text, at) || is_one_of(text, at, "+-.eE")) {
                at++;
            }
            return (place){start, at};
        }
    }
    return (place){text.len, text.len};
}

/* Whether jansson might refuse a number for its size alone; what is no number it must see. */
static bool is_long(np_str text, place number)
{
    size_t at = number.start + (text.data[number.start] == '-' ? 1 : 0);
    size_t exponent = 0;

    text.len = number.end;
    if (!is_digit(text, at) || (text.data[at] == '0' && is_digit(text, at + 1))) {
        return false;
    }
    at = skip_digits(text, at);
    if (is_one_of(text, at, ".")) {
        if (!is_digit(text, ++at)) {
            return false;
        }
        at = skip_digits(text, at);
    }
    if (is_one_of(text, at, "eE")) {
        at += is_one_of(text, at + 1, "+-") ? 2 : 1;
        if (!is_digit(text, at)) {
            return false;
        }
        exponent = skip_digits(text, at) - at;
        at += exponent;
    }
    return at == number.end &&
           (number.end - number.start > SHORT_NUMBER || exponent > SHORT_EXPONENT);
}

/* What jansson reads: the text, in pieces, with a small number of the same kind and length in the
 * place of every long one. */
typedef struct feed {
    np_str text;
    size_t at;
    place number; /* the next one that ends behind `at` */
    bool hides;   /* it is a long one */
    bool real;    /* and no integer */
} feed;

/* Looks at each number once, however many pieces it is read in. */
static void find_number(feed *f, size_t at)
{
    f->number = next_number(f->text, at);
    f->hides = f->number.start < f->text.len && is_long(f->text, f->number);
    f->real = false;
    for (size_t i = f->number.start; f->hides && !f->real && i < f->number.end; i++) {
        f->real = is_one_of(f->text, i, ".eE");
    }
}

/* What of the number lies in this piece. */
static void hide(const feed *f, uint8_t *piece, size_t len)
{
    size_t from = f->number.start > f->at ? f->number.start : f->at;
    size_t to = f->number.end < f->at + len ? f->number.end : f->at + len;

    for (; from < to; from++) {
        size_t i = from - f->number.start;
        piece[from - f->at] = (uint8_t)(i < 3 && f->real ? "0.0"[i] : i == 0 ? '0' : ' ');
    }
}

static size_t give(void *buffer, size_t cap, void *context)
{
    feed *f = context;
    size_t len = f->text.len - f->at < cap ? f->text.len - f->at : cap;

    if (len == 0) {
        return 0;
    }
    memcpy(buffer, f->text.data + f->at, len);
    while (f->number.start < f->at + len) {
        if (f->hides) {
            hide(f, buffer, len);
        }
        if (f->number.end > f->at + len) { /* its rest is in the next piece */
            break;
        }
        find_number(f, f->number.end);
    }
    f->at += len;
    return len;
}

/* Gives each number of the tree its place: members and items stand in the order of the text. The
 * depth of the recursion is that of the text, which scan.c has bounded. */
static void place_numbers(json_t *tree, np_str text, size_t *at)
{
    place number;
    const char *key;
    json_t *value;
    size_t i;

    switch (json_typeof(tree)) {
    case JSON_OBJECT:
        json_object_foreach(tree, key, value)
        {
            place_numbers(value, text, at);
        }
        break;
    case JSON_ARRAY:
        json_array_foreach(tree, i, value)
        {
            place_numbers(value, text, at);
        }
        break;
    case JSON_INTEGER:
    case JSON_REAL:
        number = next_number(text, *at);
        *at = number.end;
        if (json_is_integer(tree)) {
            (void)json_integer_set(tree, (json_int_t)number.start);
        } else {
            (void)json_real_set(tree, (double)number.start);
        }
        break;
    default:
        break;
    }
}

json_t *np__json_load(np_str text, json_error_t *why)
{
    feed f = {.text = text};
    size_t at = 0;
    json_t *tree = NULL;

    find_number(&f, 0);
    tree = json_load_callback(give, &f, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL | JSON_DECODE_ANY,
                              why);
    if (tree != NULL) {
        place_numbers(tree, text, &at);
    }
    return tree;
}

np_str np__json_number_text(np_str text, const json_t *number)
{
    size_t start = json_is_integer(number) ? (size_t)json_integer_value(number)
                                           : (size_t)json_real_value(number);
    place found = next_number(text, start);

    return (np_str){text.data + found.start, found.end - found.start};
}
