/* secrets.c - whether time tells of secrets: keys are marked as undefined for valgrind, which then
 * reports every branch and every address that depends on one, wherever what was computed from it
 * went. So "undefined" means "secret" here; what goes out on the wire is declared public. The idea
 * is ctgrind's, by Adam Langley (2010).
 *
 *     valgrind --error-exitcode=1 --suppressions=tests/timing/verdicts.supp secrets [WHAT]
 *
 * WHAT is one of the rows of the table below, and `leak` does what must be found. Without it all
 * but that are done. What it costs to read a key from a file is not looked at: nobody far away can
 * have that done.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>
#include <valgrind/memcheck.h>

#include <netproto/key.h>

#include "protocol/noise.h"
#include "protocol/record.h"

static void must(bool holds, const char *what)
{
    if (!holds) {
        fprintf(stderr, "secrets: this does not hold: %s\n", what);
        exit(2);
    }
}

static void hide(void *data, size_t len)
{
    (void)VALGRIND_MAKE_MEM_UNDEFINED(data, len);
}

static void publish(void *data, size_t len)
{
    (void)VALGRIND_MAKE_MEM_DEFINED(data, len);
}

/* Verdicts: everybody gets to know whether a key was good, or a seal. The linker puts these in the
 * place of the functions that they call (--wrap); what the functions do inside is in
 * verdicts.supp. */
#define VERDICT(name, parameters, arguments)                                                       \
    np_err __real_##name parameters;                                                               \
    np_err __wrap_##name parameters;                                                               \
    np_err __wrap_##name parameters                                                                \
    {                                                                                              \
        np_err err = __real_##name arguments;                                                      \
        publish(&err, sizeof err);                                                                 \
        return err;                                                                                \
    }

VERDICT(np_keypair_make, (np_keypair * out, const np_rng *rng), (out, rng))
VERDICT(np_crypto_dh, (uint8_t * out, const uint8_t *secret, const uint8_t *public),
        (out, secret, public))
VERDICT(np_crypto_open,
        (uint8_t * out, const uint8_t *in, size_t len, np_bytes associated, const uint8_t *nonce,
         const uint8_t *key),
        (out, in, len, associated, nonce, key))
VERDICT(np_crypto_open_aes,
        (uint8_t * out, const uint8_t *in, size_t len, np_bytes associated, const uint8_t *nonce,
         const uint8_t *key),
        (out, in, len, associated, nonce, key))

static void fill_secret(void *user, uint8_t *out, size_t len)
{
    uint8_t *next = user;

    for (size_t i = 0; i < len; i++) {
        out[i] = (uint8_t)(++*next * 167u);
    }
    hide(out, len);
}

/* The deeds ----------------------------------------------------------------------------------- */

static void compare(void)
{
    uint8_t a[32] = {1};
    uint8_t b[32] = {1};
    bool equal;

    hide(a, sizeof a);
    hide(b, sizeof b);
    equal = np_crypto_equal(a, b, sizeof a);
    publish(&equal, sizeof equal);
    must(equal, "the same is equal");
}

static void derive(void)
{
    uint8_t key[32] = {2};
    uint8_t out[3][32];

    hide(key, sizeof key);
    np_crypto_derive(key, (np_bytes){key, sizeof key}, out[0], out[1], out[2]);
    np_crypto_expand(out[0], 32, out[1], (np_bytes){out[2], 32});
    np_crypto_subkey(out[1], out[0], out[2]);
    np_crypto_wipe(out, sizeof out);
}

static void show_keys(void)
{
    uint8_t next = 3;
    const np_rng rng = {fill_secret, &next};
    char text[NP_SECRET_KEY_TEXT_LEN];
    np_keypair pair;
    uint8_t shared[32];

    must(np_keypair_make(&pair, &rng) == NP_OK, "a pair is made");
    publish(pair.public_key, sizeof pair.public_key);
    must(np_crypto_dh(shared, pair.secret_key, pair.public_key) == NP_OK, "a product is made");
    (void)np_secret_key_format(pair.secret_key, text);
    np_keypair_wipe(&pair);
}

/* One direction with two epochs; what is said is as secret as the keys. */
static void speak(uint8_t cipher)
{
    uint8_t secret[32] = {4};
    uint8_t hash[32] = {5};
    np_record_side sends, receives;

    hide(secret, sizeof secret);
    must(np_record_init(&sends, cipher, secret, hash, 0) == NP_OK, "records start");
    must(np_record_init(&receives, cipher, secret, hash, 0) == NP_OK, "records start");
    for (int i = 0; i < 2; i++) {
        uint8_t frame[100 + NP_RECORD_OVERHEAD] = {6};
        size_t len = 0;
        hide(frame + NP_FRAMING_HEADER_LEN, 100);
        len = np_record_seal(&sends, frame, 100);
        publish(frame, len);
        must(np_record_open(&receives, frame, len, &len) == NP_OK, "a record opens");
        frame[len - 1] ^= 1;
        must(np_record_open(&receives, frame, sizeof frame, &len) == NP_ERR_SEAL, "no other does");
        np_record_next_epoch(&sends, 0);
        must(np_record_take_update(&receives, 0) == NP_OK, "the next epoch begins");
    }
    np_record_fini(&sends);
    np_record_fini(&receives);
}

static void records(void)
{
    speak(NP_CIPHER_XCHACHA20_POLY1305);
    if (np_crypto_has_aes()) {
        speak(NP_CIPHER_AES_256_GCM);
    }
}

/* The next message of a handshake, with a secret payload. */
static void pass(np_noise *from, np_noise *to, const np_rng *rng)
{
    uint8_t message[NP_NOISE_MESSAGE_MAX];
    uint8_t payload[NP_NOISE_MESSAGE_MAX] = {7};
    bool clear = !from->has_key; /* who hears the first message reads its payload */
    size_t len = 0;

    if (!clear) {
        hide(payload, 20);
    }
    must(np_noise_write(from, rng, (np_bytes){payload, 20}, message, sizeof message, &len) == NP_OK,
         "a message is written");
    publish(message, len);
    must(np_noise_read(to, (np_bytes){message, len}, payload, &len) == NP_OK, "and read");
    must(len == 20, "in whole");
}

static void shake_hands(void)
{
    uint8_t next = 8;
    const np_rng rng = {fill_secret, &next};
    np_keypair pairs[2];
    np_noise ends[2];
    uint8_t psk[32];
    uint8_t keys[2][3][32];

    fill_secret(&next, psk, sizeof psk);
    for (int i = 0; i < 2; i++) {
        must(np_keypair_make(&pairs[i], &rng) == NP_OK, "a pair is made");
        publish(pairs[i].public_key, sizeof pairs[i].public_key);
        must(np_noise_init(&ends[i], NP_NOISE_XXPSK3, i == 0, (np_bytes){NULL, 0}, &pairs[i]) ==
                 NP_OK,
             "a handshake starts");
        np_noise_set_psk(&ends[i], psk);
    }
    pass(&ends[0], &ends[1], &rng);
    pass(&ends[1], &ends[0], &rng);
    pass(&ends[0], &ends[1], &rng);
    for (int i = 0; i < 2; i++) {
        must(np_noise_split(&ends[i], keys[i][0], keys[i][1], keys[i][2]) == NP_OK, "it ends");
        np_noise_fini(&ends[i]);
    }
    publish(keys, sizeof keys);
    must(memcmp(keys[0], keys[1], sizeof keys[0]) == 0, "both have the same keys");
}

/* As it must not be. */
static void leak(void)
{
    uint8_t a[32] = {9};
    uint8_t b[32] = {9};

    hide(a, sizeof a);
    for (size_t i = 0; i < sizeof a; i++) {
        if (a[i] != b[i]) {
            printf("they differ\n");
            return;
        }
    }
}

static const struct {
    const char *name;
    void (*run)(void);
    bool asked; /* not done by itself */
} deeds[] = {
    {"compare", compare, false}, {"derive", derive, false},         {"keys", show_keys, false},
    {"records", records, false}, {"handshake", shake_hands, false}, {"leak", leak, true},
};

int main(int argc, char **argv)
{
    size_t done = 0;

    if (RUNNING_ON_VALGRIND == 0) {
        fprintf(stderr, "secrets: this tells something under valgrind only\n");
        return 2;
    }
    must(sodium_init() >= 0, "libsodium");
    for (size_t i = 0; i < sizeof deeds / sizeof deeds[0]; i++) {
        if (argc > 1 ? strcmp(argv[1], deeds[i].name) == 0 : !deeds[i].asked) {
            deeds[i].run();
            printf("done: %s\n", deeds[i].name);
            done++;
        }
    }
    return done > 0 ? 0 : 2;
}
