/* liar_choice.h - what the two sides of a simulation offer each other, what they must agree on, and
 * what they say; see liar.h. */
#ifndef TEST_LIAR_CHOICE_H
#define TEST_LIAR_CHOICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "protocol/session.h"

/* Bytes of a script that choose for one side. */
#define LIAR_CHOICE_LEN 2

/* Where the session's functions point to: must outlive it. */
typedef struct liar_choice {
    np_session_compression compression;
    bool compresses;
    uint8_t ciphers[NP_CIPHERS]; /* np_cipher, the best first; those that this processor can do */
    uint8_t cipher_count;        /* 0: the session's own default, XChaCha20-Poly1305 */
} liar_choice;

/* What these bytes of a script choose; all zero is a side that compresses nothing and says nothing
 * of ciphers. */
void liar_choose(liar_choice *choice, const uint8_t bytes[LIAR_CHOICE_LEN]);

/* The np_compression that a client and a server with these choices agree on. */
uint8_t liar_agreed_compression(const liar_choice *client, const liar_choice *server);

/* The np_cipher; false where they have none in common. */
bool liar_agreed_cipher(uint8_t *cipher, const liar_choice *client, const liar_choice *server);

/* What is said in a message: a text of its number and kind, which both sides know. */
typedef enum liar_kind {
    LIAR_PATTERN, /* compresses well from 512 bytes on */
    LIAR_NOISE,   /* does not compress */
    LIAR_MIXED    /* 1,000 bytes of either in turns */
} liar_kind;

#define LIAR_KINDS 3
#define LIAR_CONTENT_MAX 70000

/* LIAR_CONTENT_MAX bytes; good for as long as the program runs. */
const uint8_t *liar_content(liar_kind kind, uint32_t number);

#endif
