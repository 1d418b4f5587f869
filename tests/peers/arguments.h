/* arguments.h - keys and bytes on the command lines of the peers: hexadecimal digits. */
#ifndef NP_TESTS_PEERS_ARGUMENTS_H
#define NP_TESTS_PEERS_ARGUMENTS_H

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* How a program ends: what check.py looks at. */
enum { TALK_WRONG = 1, TALK_USAGE = 2, TALK_REFUSED = 3, TALK_GONE = 4, TALK_TOLD = 5 };

__attribute__((noreturn)) static inline void talk_end(int status, const char *what,
                                                      const char *where)
{
    (void)fprintf(stderr, "%s: %s\n", what, where);
    exit(status);
}

/* Decodes at least `min` and at most `max` bytes; returns how many, or ends the program. */
static inline size_t argument_hex(const char *text, uint8_t *out, size_t min, size_t max)
{
    size_t len = 0;

    if (sodium_hex2bin(out, max, text, strlen(text), NULL, &len, NULL) != 0 || len < min) {
        talk_end(TALK_USAGE, "not so many hexadecimal digits", text);
    }
    return len;
}

#endif
