/* poison.h - messages that go bad when their handler returns, so that tests find who keeps a view.
 *
 * What a handler is given points into a buffer that the next read writes over: a program that keeps
 * such a pointer mostly works, until it does not. With np_conn_options.poison each payload is
 * handed out as a copy of its own, exactly as long as it is; when the handler has returned, the
 * copy is filled with 0xA5, and kept for a while so that nothing else takes its place. In a program
 * that is built with AddressSanitizer the copy is poisoned too: reading it, or behind its end, is
 * reported with the line that did.
 *
 * Threads: one, the loop's.
 */
#ifndef NP_SERVICE_POISON_H
#define NP_SERVICE_POISON_H

#include <netproto/error.h>

/* What a spoilt byte looks like. */
#define NP_POISON_BYTE 0xA5

/* Copies that are kept after their end: the last so many, and at most so many bytes. */
#define NP_POISON_KEPT_MAX 64
#define NP_POISON_KEPT_LEN ((size_t)1 << 20)

typedef struct np_poison np_poison;

/* NULL: out of memory. */
np_poison *np__poison_new(void);

/* Frees what is kept. NULL is allowed. */
void np__poison_free(np_poison *poison);

/* A copy to hand out instead of `data`; NULL without memory, or for len 0: hand out data itself. */
uint8_t *np__poison_lend(const void *data, size_t len);

/* The handler has returned: spoils the copy, which is the poison's from here on. NULL is allowed.
 */
void np__poison_spoil(np_poison *poison, uint8_t *copy, size_t len);

#endif
