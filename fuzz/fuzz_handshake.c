/* The handshake's three messages, as a hostile peer or wire would have them: nothing that was not
 * written by the other side of this very handshake leads to keys.
 *
 * The first byte picks the side that is fed and how far the handshake has gone before; then, up to
 * a length, comes what it is fed. Where the input is a few bytes only, they are a change to the
 * genuine message: position (2 bytes) and what is XORed there. */
#include <assert.h>
#include <string.h>

#include "protocol/handshake.h"
#include "support/demo_protocol.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void fill_seeded(void *user, uint8_t *out, size_t len)
{
    uint64_t *seed = user;

    for (size_t i = 0; i < len; i++) {
        *seed = *seed * 6364136223846793005u + 1442695040888963407u;
        out[i] = (uint8_t)(*seed >> 56);
    }
}

typedef struct message {
    uint8_t bytes[NP_HANDSHAKE_MESSAGE_MAX];
    size_t len;
} message;

/* What the input makes of a genuine message. Returns whether it is another one. */
static bool spoil(message *m, const uint8_t *data, size_t size)
{
    message was = *m;

    if (size < 4) {
        return false;
    }
    if (size < 16) {
        size_t at = ((size_t)data[0] << 8 | data[1]) % m->len;
        for (size_t i = 2; i < size && at < m->len; i++) {
            m->bytes[at++] ^= data[i];
        }
    } else {
        m->len = size < sizeof m->bytes ? size : sizeof m->bytes;
        memcpy(m->bytes, data, m->len);
    }
    return m->len != was.len || memcmp(m->bytes, was.bytes, m->len) != 0;
}

static np_bytes bytes_of(const message *m)
{
    return (np_bytes){m->bytes, m->len};
}

/* Init, Response, Confirm, of which number `which` is spoiled. Returns whether keys came of it. */
static bool shake(np_handshake ends[2], const np_rng *rng, int which, const uint8_t *data,
                  size_t size, bool *changed)
{
    const np_time now = {.mono_ms = 1, .wall_ms = 1700000000000u};
    uint8_t scratch[NP_NOISE_MESSAGE_MAX];
    np_bytes rest = {NULL, 0};
    base_offer theirs;
    bool known = false;
    np_fault fault;
    message m;
    np_err err = np_handshake_write_init(&ends[0], rng, now, m.bytes, &m.len);

    assert(err == NP_OK);
    *changed = which == 0 && spoil(&m, data, size);
    if (np_handshake_read_init(&ends[1], bytes_of(&m), now, &fault) != NP_OK) {
        return false;
    }
    err = np_handshake_write_response(&ends[1], rng, m.bytes, &m.len);
    if (err != NP_OK) {
        assert(err == NP_ERR_KEY && *changed); /* an ephemeral key of small order */
        return false;
    }
    *changed = (which == 1 && spoil(&m, data, size)) || *changed;
    if (np_handshake_read_response(&ends[0], bytes_of(&m), scratch, &theirs, &known, &fault) !=
        NP_OK) {
        return false;
    }
    err = np_handshake_write_confirm(&ends[0], rng, m.bytes, &m.len);
    assert(err == NP_OK);
    *changed = (which == 2 && spoil(&m, data, size)) || *changed;
    return np_handshake_read_confirm_key(&ends[1], bytes_of(&m), &rest, &fault) == NP_OK &&
           np_handshake_read_confirm(&ends[1], rest, NULL, &fault) == NP_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint64_t seed = 5;
    const np_rng rng = {fill_seeded, &seed};
    np_handshake_side sides[2];
    np_keypair keys[2];
    np_handshake ends[2];
    bool changed = false;
    bool keyed;

    if (size == 0) {
        return 0;
    }
    for (int i = 0; i < 2; i++) {
        np_err err = np_keypair_make(&keys[i], &rng);
        assert(err == NP_OK);
        sides[i] = (np_handshake_side){.identity = &keys[i], .skew_ms = 5000};
        err = np_negotiate_side_make(&sides[i].speaks, &demo_protocol, 0, 0);
        assert(err == NP_OK);
        err = np_handshake_init(&ends[i], &sides[i], i == 0, NULL);
        assert(err == NP_OK);
    }
    keyed = shake(ends, &rng, data[0] % 3, data + 1, size - 1, &changed);
    assert(keyed == !changed);
    np_handshake_fini(&ends[0]);
    np_handshake_fini(&ends[1]);
    return 0;
}
