/* hex.h - bytes from and to hexadecimal, for vectors and messages of failing tests. */
#ifndef NP_TESTS_HEX_H
#define NP_TESTS_HEX_H

#include <stddef.h>
#include <stdint.h>

/* Decodes into a buffer from malloc; *len is its size. Fails the test on anything but hex. */
uint8_t *hex_decode(const char *text, size_t *len);

/* Encodes into a string from malloc. */
char *hex_encode(const uint8_t *data, size_t len);

#endif
