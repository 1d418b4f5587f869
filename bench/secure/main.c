/* main.c - what records and handshakes cost beyond the cryptography that they are made of.
 *
 * Records against libsodium's own XChaCha20-Poly1305 over the same bytes, with a nonce of 24 bytes
 * that is new for each, and against its AES-256-GCM with the key expanded once for all; sixteen
 * messages of 64 bytes in one record against one record each; a handshake, both sides, against the
 * X25519 operations that it cannot do without.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include <trade.h>

#include "common/bench.h"
#include "protocol/entry.h"
#include "protocol/handshake.h"

#define ROUNDS 101
#define TURN_US 400
#define BODY_MAX 16384
#define BATCH 16
#define SMALL 64
#define LIMIT_SMALL 1.0
#define LIMIT_LARGE 1.0
#define LIMIT_BATCH 0.25
#define LIMIT_HANDSHAKE 1.3
#define OPERATIONS 8 /* of X25519 in XX, both sides: two keys made, three products each */

static const uint8_t key[32] = {1, 2, 3};

/* Records --------------------------------------------------------------------------------------
 */

typedef struct sealing {
    np_record_side side;
    size_t len;
    uint8_t frame[BODY_MAX + NP_RECORD_OVERHEAD];
    uint8_t out[BODY_MAX + NP_RECORD_OVERHEAD];
} sealing;

static void seal_record(void *context, size_t passes)
{
    sealing *s = context;

    for (size_t i = 0; i < passes; i++) {
        if (np_record_is_due(&s->side, 0)) {
            np_record_next_epoch(&s->side, 0);
        }
        np_record_seal(&s->side, s->frame, s->len);
        bench_consume(s->frame);
    }
}

static void seal_sodium_aes(void *context, size_t passes)
{
    sealing *s = context;
    uint8_t nonce[12] = {0};
    crypto_aead_aes256gcm_state state;

    crypto_aead_aes256gcm_beforenm(&state, key);
    for (size_t i = 0; i < passes; i++) {
        sodium_increment(nonce, sizeof nonce);
        crypto_aead_aes256gcm_encrypt_afternm(s->out, NULL, s->frame, s->len, s->frame, 10, NULL,
                                              nonce, &state);
        bench_consume(s->out);
    }
}

static void seal_sodium(void *context, size_t passes)
{
    sealing *s = context;
    uint8_t nonce[24] = {0};
    unsigned long long len = 0;

    for (size_t i = 0; i < passes; i++) {
        sodium_increment(nonce, sizeof nonce);
        crypto_aead_xchacha20poly1305_ietf_encrypt(s->out, &len, s->frame, s->len, s->frame, 10,
                                                   NULL, nonce, key);
        bench_consume(s->out);
    }
}

static void start_sealing(sealing *s, uint8_t cipher, size_t len)
{
    memset(s, 7, sizeof *s);
    s->len = len;
    bench_require(np_record_init(&s->side, cipher, key, key, 0) == NP_OK, "records start");
}

static void measure_records(uint8_t cipher, size_t len)
{
    bool aes = cipher == NP_CIPHER_AES_256_GCM;
    static sealing ours;
    static sealing theirs;
    bench_task tasks[] = {
        {"record", seal_record, &ours, 0, NULL},
        {"libsodium", aes ? seal_sodium_aes : seal_sodium, &theirs, 0, NULL},
    };
    char what[64];
    char note[96];

    start_sealing(&ours, cipher, len);
    start_sealing(&theirs, cipher, len);
    bench_rounds(tasks, 2, ROUNDS, TURN_US);
    snprintf(what, sizeof what, "record of %zu bytes", len);
    snprintf(note, sizeof note, "%.0f ns against %.0f ns", bench_time(&tasks[0], ROUNDS),
             bench_time(&tasks[1], ROUNDS));
    bench_row(what, aes ? "libsodium's AES-256-GCM" : "libsodium's XChaCha20-Poly1305",
              bench_ratio(&tasks[0], &tasks[1], ROUNDS),
              aes            ? 0
              : len <= SMALL ? LIMIT_SMALL
                             : LIMIT_LARGE,
              note);
    free(tasks[0].times);
    free(tasks[1].times);
}

/* Sixteen messages, in one record or in sixteen. */
static void seal_batch(void *context, size_t passes)
{
    sealing *s = context;

    s->len = BATCH * (NP_ENTRY_HEADER_LEN + SMALL);
    seal_record(s, passes);
}

static void seal_singly(void *context, size_t passes)
{
    sealing *s = context;

    s->len = NP_ENTRY_HEADER_LEN + SMALL;
    seal_record(s, passes * BATCH);
}

static void measure_batch(uint8_t cipher)
{
    static sealing together;
    static sealing singly;
    bench_task tasks[] = {
        {"together", seal_batch, &together, 0, NULL},
        {"singly", seal_singly, &singly, 0, NULL},
    };
    char note[96];

    start_sealing(&together, cipher, SMALL);
    start_sealing(&singly, cipher, SMALL);
    bench_rounds(tasks, 2, ROUNDS, TURN_US);
    snprintf(note, sizeof note, "%.0f ns a message against %.0f ns",
             bench_time(&tasks[0], ROUNDS) / BATCH, bench_time(&tasks[1], ROUNDS) / BATCH);
    bench_row("16 messages of 64 bytes in a record", "a record each",
              bench_ratio(&tasks[0], &tasks[1], ROUNDS), LIMIT_BATCH, note);
    free(tasks[0].times);
    free(tasks[1].times);
}

/* Handshakes -----------------------------------------------------------------------------------
 */

static void fill_random(void *user, uint8_t *out, size_t len)
{
    uint64_t *state = user;

    for (size_t i = 0; i < len; i++) {
        out[i] = (uint8_t)bench_random(state);
    }
}

typedef struct meeting {
    np_keypair keys[2];
    np_handshake_side sides[2];
    uint64_t random;
    np_rng rng;
} meeting;

static void shake_hands(void *context, size_t passes)
{
    meeting *m = context;
    const np_time now = {1, 1700000000000u};
    uint8_t bytes[NP_HANDSHAKE_MESSAGE_MAX];
    uint8_t scratch[NP_NOISE_MESSAGE_MAX];
    np_record_side records[4];
    np_handshake ends[2];
    np_bytes rest;
    base_offer theirs;
    bool known;
    size_t len = 0;

    for (size_t i = 0; i < passes; i++) {
        bool good =
            np_handshake_init(&ends[0], &m->sides[0], true, NULL) == NP_OK &&
            np_handshake_init(&ends[1], &m->sides[1], false, NULL) == NP_OK &&
            np_handshake_write_init(&ends[0], &m->rng, now, bytes, &len) == NP_OK &&
            np_handshake_read_init(&ends[1], (np_bytes){bytes, len}, now, NULL) == NP_OK &&
            np_handshake_write_response(&ends[1], &m->rng, bytes, &len) == NP_OK &&
            np_handshake_read_response(&ends[0], (np_bytes){bytes, len}, scratch, &theirs, &known,
                                       NULL) == NP_OK &&
            np_handshake_write_confirm(&ends[0], &m->rng, bytes, &len) == NP_OK &&
            np_handshake_read_confirm_key(&ends[1], (np_bytes){bytes, len}, &rest, NULL) == NP_OK &&
            np_handshake_read_confirm(&ends[1], rest, NULL, NULL) == NP_OK &&
            np_handshake_finish(&ends[0], now, &records[0], &records[1]) == NP_OK &&
            np_handshake_finish(&ends[1], now, &records[2], &records[3]) == NP_OK;
        bench_require(good, "both sides come to keys");
        bench_consume(records);
        np_handshake_fini(&ends[0]);
        np_handshake_fini(&ends[1]);
    }
}

static void multiply(void *context, size_t passes)
{
    const meeting *m = context;
    uint8_t out[32];

    for (size_t i = 0; i < passes; i++) {
        bool good = true;
        for (size_t n = 0; n < OPERATIONS; n++) {
            good = good && (n < 2 ? crypto_scalarmult_base(out, m->keys[0].secret_key)
                                  : crypto_scalarmult(out, m->keys[0].secret_key,
                                                      m->keys[1].public_key)) == 0;
            bench_consume(out);
        }
        bench_require(good, "X25519");
    }
}

static void measure_handshake(void)
{
    static const uint8_t ciphers[] = {NP_CIPHER_XCHACHA20_POLY1305};
    static meeting m;
    bench_task tasks[] = {
        {"handshake", shake_hands, &m, 0, NULL},
        {"X25519", multiply, &m, 0, NULL},
    };
    char note[96];

    m.rng = (np_rng){fill_random, &m.random};
    for (size_t i = 0; i < 2; i++) {
        bench_require(np_keypair_make(&m.keys[i], &m.rng) == NP_OK &&
                          np_negotiate_side_make(&m.sides[i].speaks, &trade_protocol, 0, 0) ==
                              NP_OK,
                      "keys are made");
        m.sides[i].speaks.ciphers = ciphers;
        m.sides[i].speaks.cipher_count = 1;
        m.sides[i].identity = &m.keys[i];
        m.sides[i].skew_ms = 5000;
    }
    bench_rounds(tasks, 2, ROUNDS, 2 * TURN_US);
    snprintf(note, sizeof note, "%.0f us, both sides, against %.0f us",
             bench_time(&tasks[0], ROUNDS) / 1000, bench_time(&tasks[1], ROUNDS) / 1000);
    bench_row("handshake", "its 8 operations of X25519", bench_ratio(&tasks[0], &tasks[1], ROUNDS),
              LIMIT_HANDSHAKE, note);
    free(tasks[0].times);
    free(tasks[1].times);
}

int main(void)
{
    bench_require(sodium_init() >= 0, "libsodium");
    for (uint8_t cipher = 0; cipher < (np_crypto_has_aes() ? NP_CIPHERS : 1); cipher++) {
        measure_records(cipher, SMALL);
        measure_records(cipher, 1024);
        measure_records(cipher, BODY_MAX);
    }
    measure_batch(NP_CIPHER_XCHACHA20_POLY1305);
    measure_handshake();
    return 0;
}
