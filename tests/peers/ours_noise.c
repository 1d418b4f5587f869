/* ours_noise.c - our Noise machine as one end of a talk; README.md tells what is said.
 *
 *     ours_noise ROLE PROTOCOL SECRET PEER PROLOGUE PSK LENGTHS
 */
#include <signal.h>

#include <netproto/loop.h>

#include "arguments.h"
#include "protocol/noise.h"

#define BULK_LEN 1000u
#define MESSAGE_MAX (BULK_LEN + NP_CRYPTO_TAG_LEN)

typedef struct talk {
    np_noise noise;
    bool initiator;
    size_t lengths[3]; /* of the payloads */
    uint8_t peer[NP_CRYPTO_KEY_LEN];
    uint8_t secrets[2][NP_CRYPTO_KEY_LEN]; /* of the initiator's direction, and of the other */
    uint64_t counts[2];
    uint8_t hash[NP_CRYPTO_HASH_LEN];
} talk;

static void must(np_err err, const char *where)
{
    if (err == NP_ERR_SEAL) {
        talk_end(TALK_REFUSED, "refused", where);
    }
    if (err != NP_OK) {
        talk_end(TALK_WRONG, np_err_name(err), where);
    }
}

/* Messages on standard input and output: their length, 2 bytes little endian, then themselves. */
static void send_message(const uint8_t *message, size_t len)
{
    const uint8_t head[2] = {(uint8_t)len, (uint8_t)(len >> 8)};

    if (fwrite(head, 1, 2, stdout) != 2 || fwrite(message, 1, len, stdout) != len ||
        fflush(stdout) != 0) {
        talk_end(TALK_GONE, "gone", "writing");
    }
}

static size_t receive_message(uint8_t message[MESSAGE_MAX])
{
    uint8_t head[2];
    size_t len = 0;

    if (fread(head, 1, 2, stdin) != 2) {
        talk_end(TALK_GONE, "gone", "reading");
    }
    len = head[0] | (size_t)head[1] << 8;
    if (len > MESSAGE_MAX || fread(message, 1, len, stdin) != len) {
        talk_end(TALK_WRONG, "wrong", "a message's length");
    }
    return len;
}

static void fill(uint8_t *out, size_t len, size_t first)
{
    for (size_t i = 0; i < len; i++) {
        out[i] = (uint8_t)(i + first);
    }
}

static void compare(const uint8_t *got, size_t got_len, const uint8_t *want, size_t want_len,
                    const char *where)
{
    if (got_len != want_len || memcmp(got, want, want_len) != 0) {
        talk_end(TALK_WRONG, "wrong", where);
    }
}

static void handshake(talk *t)
{
    static const char *const names[] = {"message 0", "message 1", "message 2"};
    const np_rng rng = np_loop_rng();

    for (size_t k = 0; k < 3; k++) {
        uint8_t payload[MESSAGE_MAX];
        uint8_t message[MESSAGE_MAX];
        size_t len = 0;

        fill(payload, t->lengths[k], k);
        if ((k % 2 == 0) == t->initiator) {
            must(np_noise_write(&t->noise, &rng, (np_bytes){payload, t->lengths[k]}, message,
                                sizeof message, &len),
                 names[k]);
            send_message(message, len);
        } else {
            uint8_t got[MESSAGE_MAX];
            len = receive_message(message);
            must(np_noise_read(&t->noise, (np_bytes){message, len}, got, &len), names[k]);
            compare(got, len, payload, t->lengths[k], names[k]);
        }
    }
    compare(t->noise.remote_static, NP_CRYPTO_KEY_LEN, t->peer, NP_CRYPTO_KEY_LEN,
            "the peer's key");
    must(np_noise_split(&t->noise, t->secrets[0], t->secrets[1], t->hash), "split");
}

/* A transport message of the initiator's, or of the responder's (Noise, section 5.1). */
static void transport(talk *t, bool by_initiator, const uint8_t *plain, size_t len)
{
    size_t direction = by_initiator ? 0 : 1;
    const uint8_t *key = t->secrets[direction];
    const np_bytes nothing = {NULL, 0};
    uint8_t nonce[NP_CRYPTO_NONCE_LEN];
    uint8_t message[MESSAGE_MAX];

    np_crypto_count(nonce, t->counts[direction]++);
    if (by_initiator == t->initiator) {
        np_crypto_seal(message, plain, len, nothing, nonce, key);
        send_message(message, len + NP_CRYPTO_TAG_LEN);
    } else {
        size_t got = receive_message(message);
        must(np_crypto_open(message, message, got, nothing, nonce, key), "transport");
        compare(message, got - NP_CRYPTO_TAG_LEN, plain, len, "transport");
    }
}

static void exchange(talk *t)
{
    uint8_t bulk[BULK_LEN];

    fill(bulk, sizeof bulk, 0);
    for (int i = 0; i < 2; i++) {
        transport(t, i == 0, t->hash, sizeof t->hash);
    }
    for (int i = 0; i < 2; i++) {
        transport(t, i == 0, bulk, 0);
    }
    for (int i = 0; i < 2; i++) {
        transport(t, i == 0, bulk, sizeof bulk);
    }
}

static void set_up(talk *t, char **argv)
{
    uint8_t prologue[64];
    uint8_t secret[NP_CRYPTO_KEY_LEN];
    uint8_t psk[NP_CRYPTO_KEY_LEN];
    np_keypair ours;
    size_t prologue_len = argument_hex(argv[5], prologue, 0, sizeof prologue);
    bool with_psk = strstr(argv[2], "psk3") != NULL;

    t->initiator = strcmp(argv[1], "initiator") == 0;
    (void)argument_hex(argv[3], secret, sizeof secret, sizeof secret);
    must(np_keypair_from(&ours, secret), "our key");
    (void)argument_hex(argv[4], t->peer, sizeof t->peer, sizeof t->peer);
    must(np_noise_init(&t->noise, with_psk ? NP_NOISE_XXPSK3 : NP_NOISE_XX, t->initiator,
                       (np_bytes){prologue, prologue_len}, &ours),
         "init");
    if (with_psk) {
        (void)argument_hex(argv[6], psk, sizeof psk, sizeof psk);
        np_noise_set_psk(&t->noise, psk);
    }
    if (sscanf(argv[7], "%3zu,%3zu,%3zu", &t->lengths[0], &t->lengths[1], &t->lengths[2]) != 3) {
        talk_end(TALK_USAGE, "not three lengths", argv[7]);
    }
}

int main(int argc, char **argv)
{
    talk t = {.initiator = false};

    if (argc != 8) {
        talk_end(TALK_USAGE, "usage", "ours_noise ROLE PROTOCOL SECRET PEER PROLOGUE PSK LENGTHS");
    }
    (void)signal(SIGPIPE, SIG_IGN);
    set_up(&t, argv);
    handshake(&t);
    exchange(&t);
    np_noise_fini(&t.noise);
    return 0;
}
