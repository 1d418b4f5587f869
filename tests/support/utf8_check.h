/* utf8_check.h - whether text is judged as RFC 3629 says, by the portable scanner, by the vector
 * code of this processor and by both together, whole and in pieces.
 *
 * It needs nothing but C, so that it runs under an emulator of another processor, too. Every
 * function returns true where all is well; else `fault` says what is not.
 */
#ifndef TEST_UTF8_CHECK_H
#define TEST_UTF8_CHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct utf8_check {
    uint64_t inputs; /* looked at so far */
    char fault[512];
} utf8_check;

/* One text, with NUL allowed and not. */
bool utf8_check_text(utf8_check *check, const uint8_t *text, size_t len);

/* All sequences of `len` bytes (1 to 4), each at `positions` places from the middle of a block on,
 * within ASCII: through the vector code alone, which must stop for those that are wrong and must
 * not stop for those that are right. */
bool utf8_check_all(utf8_check *check, size_t len, size_t first_place, size_t places);

/* All sequences of four bytes from the edges of the classes of bytes: at each place of a block and
 * around the end of 64 bytes (or at one place of `stride`, another one for each), and as the end of
 * texts of many lengths; and through the scanner, in short text. */
bool utf8_check_edges(utf8_check *check, size_t stride);

/* Valid text of up to 3 KiB, then the same with a few bytes changed. */
bool utf8_check_random(utf8_check *check, uint64_t seed, size_t texts);

/* Valid text of some hundred bytes with each of its bytes replaced by each that is likely to hurt.
 */
bool utf8_check_errors(utf8_check *check, uint64_t seed, size_t texts);

#endif
