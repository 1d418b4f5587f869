/* Whether keys lie about: all memory of the process is searched for the secrets of two sessions, at
 * every halt of their life and after it. While it lasts a secret may be in the session's own block
 * and nowhere else; what has done its work may be nowhere at all. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <sodium.h>

#include "protocol/session_private.h"
#include "support/memory_search.h"
#include "support/session_talk.h"
#include "support/session_wire.h"

typedef enum ending {
    IN_ORDER,
    CLIENT_SAYS_NO,
    SERVER_SAYS_NO,
    OTHER_PSK,
    RESPONSE_CHANGED,
    CONFIRM_CHANGED,
    RECORD_CHANGED,
    LEFT_ALONE,
    ENDINGS
} ending;

static const char *const ending_names[ENDINGS] = {
    "in order",         "the client says no", "the server says no", "another pre-shared key",
    "Response changed", "Confirm changed",    "a record changed",   "left in the middle"};

typedef struct story {
    wire w;
    ending ending;
    uint8_t psks[2][32];
    size_t found;
    size_t halts;
    bool keyed;  /* tests of this test: secrets were seen, */
    bool closed; /* and both came to an end before they were freed */
} story;

/* PEER_KEY has no user pointer. */
static story *telling;

/* All is done with each. */
static uint8_t cipher;

/* What there is to hide ----------------------------------------------------------------------- */

static void forbid_dh(const char *name, const uint8_t *secret, const uint8_t *public)
{
    uint8_t shared[32];

    if (!sodium_is_zero(secret, 32) && !sodium_is_zero(public, 32) &&
        np_crypto_dh(shared, secret, public) == NP_OK) {
        memory_search_forbid(name, shared);
    }
    sodium_memzero(shared, sizeof shared);
}

/* What a Noise handshake holds, and what it must have forgotten at once. */
static void note_noise(const np_noise *noise)
{
    uint8_t made[3][32];

    memory_search_note("an ephemeral key", noise->ephemeral.secret_key);
    memory_search_note("Noise's k", noise->key);
    memory_search_note("Noise's ck", noise->chaining_key);
    memory_search_note("Noise's copy of s", noise->local_static.secret_key);
    memory_search_note("Noise's copy of a psk", noise->psk);
    forbid_dh("a DH of e and e", noise->ephemeral.secret_key, noise->remote_ephemeral);
    forbid_dh("a DH of e and s", noise->ephemeral.secret_key, noise->remote_static);
    forbid_dh("a DH of s and e", noise->local_static.secret_key, noise->remote_ephemeral);
    if (noise->halfway) { /* a psk comes next */
        for (int i = 0; i < 2; i++) {
            np_crypto_derive(noise->chaining_key, (np_bytes){telling->psks[i], 32}, made[0],
                             made[1], made[2]);
            memory_search_forbid("what a psk adds to h", made[1]);
        }
        sodium_memzero(made, sizeof made);
    }
}

/* AES's key schedule, from which the key can be computed, and what GHASH has of it. */
static void forbid_schedule(const uint8_t key[32])
{
    static crypto_aead_aes256gcm_state schedule;
    uint8_t bytes[sizeof schedule];

    sodium_memzero(&schedule, sizeof schedule);
    crypto_aead_aes256gcm_beforenm(&schedule, key);
    memcpy(bytes, &schedule, sizeof bytes);
    sodium_memzero(&schedule, sizeof schedule);
    for (size_t at = 32; at < sizeof bytes; at += 32) { /* the key itself is the first */
        if (!sodium_is_zero(bytes + at, 32)) {
            memory_search_forbid("AES's key schedule", bytes + at);
        }
    }
    sodium_memzero(bytes, sizeof bytes);
}

/* XChaCha20's key before its subkey, which is a key as well. */
static void forbid_long_key(const np_record_side *side)
{
    static const char label[] = "netproto/1 key";
    uint8_t info[sizeof label + 1 + 32] = {0};
    uint8_t key[32];

    memcpy(info, label, sizeof label);
    info[sizeof label] = side->cipher;
    memcpy(info + sizeof label + 1, side->hash, 32);
    np_crypto_expand(key, sizeof key, side->secret, (np_bytes){info, sizeof info});
    memory_search_forbid("X(\"key\")", key);
    sodium_memzero(key, sizeof key);
}

static void note_side(const np_record_side *side)
{
    memory_search_note("an epoch's secret", side->secret);
    memory_search_note("a record key", side->key);
    if (side->cipher == NP_CIPHER_AES_256_GCM) {
        forbid_schedule(side->key);
    } else {
        forbid_long_key(side);
    }
}

static void note_session(story *st, const np_session *s)
{
    const np_session_secure *secure = s->secure;

    if (secure == NULL || s->phase == NP_PHASE_CLOSED) {
        return;
    }
    if (secure->handshake != NULL) {
        note_noise(&secure->handshake->noise);
    }
    if (secure->step == NP_SECURE_KEYED) {
        st->keyed = true;
        note_side(&secure->sends);
        note_side(&secure->receives);
    }
}

/* A session that is closed keeps no keys. */
static memory_place place_of(const np_session *s)
{
    memory_place place = {s->phase != NP_PHASE_CLOSED ? s->secure : NULL, sizeof *s->secure};

    return place;
}

/* And one that is open none of its handshake. */
static memory_place handshake_of(const np_session *s)
{
    bool there = s->phase != NP_PHASE_CLOSED && s->secure != NULL;
    memory_place place = {there ? s->secure->handshake : NULL, sizeof *s->secure->handshake};

    return place;
}

static void look(const char *when, void *user)
{
    story *st = user;
    const memory_place places[] = {
        place_of(&st->w.client.s),
        place_of(&st->w.server.s),
        handshake_of(&st->w.client.s),
        handshake_of(&st->w.server.s),
        {&st->w.client.identity, sizeof st->w.client.identity},
        {&st->w.server.identity, sizeof st->w.server.identity},
        {st->psks, sizeof st->psks},
    };

    st->halts++;
    memory_search_age();
    memory_search_note("the client's s", st->w.client.identity.secret_key);
    memory_search_note("the server's s", st->w.server.identity.secret_key);
    memory_search_note("a psk", st->psks[0]);
    memory_search_note("another psk", st->psks[1]);
    note_session(st, &st->w.client.s);
    note_session(st, &st->w.server.s);
    st->found += memory_search_run(when, places, sizeof places / sizeof places[0]);
}

/* What happens -------------------------------------------------------------------------------- */

static void answer(wire_end *end, const np_session_event *event)
{
    ending e = telling->ending;
    bool client = end == &telling->w.client;

    if (event->kind == NP_SESSION_EVENT_PEER_KEY) {
        memory_search_pause(client ? "the client is asked" : "the server is asked");
        np_session_trust(&end->s, e != (client ? CLIENT_SAYS_NO : SERVER_SAYS_NO),
                         client ? NULL : telling->psks[e == OTHER_PSK]);
        memory_search_pause(client ? "the client has answered" : "the server has answered");
    }
}

static void pass(wire *w, wire_end *from, wire_end *to, bool change)
{
    wire_write(w, from);
    memory_search_pause("written");
    if (change) {
        to->bytes[to->byte_count - 1] ^= 1;
    }
    while (wire_read(w, to)) {
    }
    memory_search_pause("read");
}

static void talk(wire *w, bool change)
{
    for (int i = 0; i < 3; i++) {
        if (np_session_is_open(&w->client.s) && np_session_is_open(&w->server.s)) {
            w->client.s.secure->sends.bytes = NP_RECORD_EPOCH_BYTES; /* an update is due */
            w->server.s.secure->sends.bytes = i == 1 ? NP_RECORD_EPOCH_BYTES : 0;
            (void)talk_say(&w->client.s, "abc", 3);
            (void)talk_say(&w->server.s, "def", 3);
        }
        pass(w, &w->client, &w->server, change && i == 2);
        pass(w, &w->server, &w->client, false);
    }
}

static void live(void *user)
{
    story *st = user;
    wire *w = &st->w;
    np_rng rng;

    wire_init(w);
    wire_secure(w);
    rng = w->client.security.rng;
    np_rng_fill(&rng, st->psks, sizeof st->psks);
    w->client.security.psk = st->psks[0];
    w->client.security.ciphers[0] = w->server.security.ciphers[0] = cipher;
    w->client.security.cipher_count = w->server.security.cipher_count = 1;
    w->client.show_key = w->server.show_key = true;
    w->client.on_event = w->server.on_event = answer;
    wire_start(w);
    memory_search_pause("begun");
    pass(w, &w->client, &w->server, false);
    pass(w, &w->server, &w->client, st->ending == RESPONSE_CHANGED);
    pass(w, &w->client, &w->server, st->ending == CONFIRM_CHANGED);
    pass(w, &w->server, &w->client, false);
    talk(w, st->ending == RECORD_CHANGED);
    if (st->ending == IN_ORDER) {
        np_session_close(&w->client.s, BASE_REASON_BUSY, np_str_from("bye"), w->now);
        pass(w, &w->client, &w->server, false);
        pass(w, &w->server, &w->client, false);
        pass(w, &w->client, &w->server, false);
        st->closed = w->client.s.phase == NP_PHASE_CLOSED && w->server.s.phase == NP_PHASE_CLOSED &&
                     np_session_peer_key(&w->client.s) != NULL;
    }
    np_session_fini(&w->client.s);
    memory_search_pause("the client is gone");
    np_session_fini(&w->server.s);
    memory_search_pause("the server is gone");
    wire_fini(w);
    np_keypair_wipe(&w->client.identity);
    np_keypair_wipe(&w->server.identity);
    sodium_memzero(st->psks, sizeof st->psks);
}

static void tell_stories(void)
{
    static story st;

    for (int e = 0; e < ENDINGS; e++) {
        memset(&st, 0, sizeof st);
        st.ending = (ending)e;
        telling = &st;
        memory_search_begin();
        memory_search_watch(live, look, &st);
        if (st.found > 0) {
            fail_msg("%s: %zu secrets lie about", ending_names[e], st.found);
        }
        assert_true(st.halts > 10);
        assert_true(st.closed == (e == IN_ORDER));
        assert_int_equal(st.keyed, e != CLIENT_SAYS_NO && e != RESPONSE_CHANGED);
    }
}

/* Whether there is code for this processor: libsodium's portable one leaves keys on the stack. */
static bool is_clean(void)
{
    return memory_search_works() && sodium_runtime_has_ssse3();
}

static void with_each_cipher(void (*run)(void))
{
    if (!is_clean()) {
        skip();
    }
    cipher = NP_CIPHER_XCHACHA20_POLY1305;
    run();
    if (np_crypto_has_aes()) {
        cipher = NP_CIPHER_AES_256_GCM;
        run();
    }
}

static void test_sessions(void **state)
{
    (void)state;
    with_each_cipher(tell_stories);
}

/* One function at a time -------------------------------------------------------------------- */

/* In a session the next call often writes over what the last one has left. Here there is none. */
typedef enum deed {
    DERIVE,
    EXPAND,
    MAKE_PAIR,
    DH,
    RECORD,
    NEXT_EPOCH,
    SEAL,
    OPEN,
    MIX_PSK,
    FINISH,
    DEEDS
} deed;

static const char *const deed_names[DEEDS] = {"derive",      "expand",     "make a pair", "DH",
                                              "record_init", "next_epoch", "seal",        "open",
                                              "mix a psk",   "finish"};

/* All of it is a place for secrets. */
typedef struct bench {
    uint8_t key[32];
    uint8_t material[32];
    uint8_t out[3][32];
    np_keypair pair;
    np_record_side sides[2];
    uint8_t frame[64];
    np_noise noise;
    np_handshake handshake;
} bench;

static bench desk;
static deed doing;
static size_t left_behind;

static void fill_desk(void *user, uint8_t *out, size_t len)
{
    (void)user;
    memcpy(out, desk.key, len < 32 ? len : 32);
}

static void prepare(void)
{
    sodium_memzero(&desk, sizeof desk);
    for (size_t i = 0; i < 32; i++) {
        desk.key[i] = (uint8_t)(i * i + 7 * doing + 3);
        desk.material[i] = (uint8_t)(i * 3 + 11 * doing + 5);
    }
    if (doing == NEXT_EPOCH || doing == SEAL || doing == OPEN) {
        np_record_side *sides = desk.sides;
        assert_int_equal(np_record_init(&sides[0], cipher, desk.key, desk.material, 0), NP_OK);
        assert_int_equal(np_record_init(&sides[1], cipher, desk.key, desk.material, 0), NP_OK);
        (void)np_record_seal(&sides[1], desk.frame, 8);
    } else if (doing == MIX_PSK) { /* as if Confirm were read, but for its payload */
        desk.noise.pattern = NP_NOISE_XXPSK3;
        desk.noise.message = 2;
        desk.noise.halfway = true;
        memcpy(desk.noise.chaining_key, desk.key, 32);
        np_noise_set_psk(&desk.noise, desk.material);
    } else if (doing == FINISH) {
        desk.handshake.noise.message = 3;
        memcpy(desk.handshake.noise.chaining_key, desk.key, 32);
        memcpy(desk.handshake.noise.hash, desk.material, 32);
    }
}

static void act(void *user)
{
    const np_bytes material = {desk.material, sizeof desk.material};
    const np_rng rng = {fill_desk, NULL};
    const np_time now = {0, 0};
    size_t len = 0;
    np_err err = NP_OK;
    (void)user;

    switch (doing) {
    case DERIVE:
        np_crypto_derive(desk.key, material, desk.out[0], desk.out[1], desk.out[2]);
        break;
    case EXPAND:
        np_crypto_expand(desk.out[0], 32, desk.key, material);
        break;
    case MAKE_PAIR:
        err = np_keypair_make(&desk.pair, &rng);
        break;
    case DH:
        err = np_crypto_dh(desk.out[0], desk.key, desk.material);
        break;
    case RECORD:
        err = np_record_init(&desk.sides[0], cipher, desk.key, desk.material, 0);
        break;
    case NEXT_EPOCH:
        np_record_next_epoch(&desk.sides[0], 0);
        break;
    case SEAL:
        len = np_record_seal(&desk.sides[0], desk.frame, 8);
        break;
    case OPEN:
        err = np_record_open(&desk.sides[0], desk.frame, NP_RECORD_OVERHEAD + 8, &len);
        break;
    case MIX_PSK: /* nothing comes behind the psk: what is left is cut */
        err = np_noise_read_payload(&desk.noise, (np_bytes){desk.key, 3}, desk.out[0], &len);
        err = err == NP_ERR_TRUNCATED ? NP_OK : NP_ERR_STATE;
        break;
    default:
        err = np_handshake_finish(&desk.handshake, now, &desk.sides[0], &desk.sides[1]);
        break;
    }
    if (err != NP_OK) {
        abort();
    }
}

static void forbid_derived(const uint8_t *key, np_bytes material)
{
    crypto_auth_hmacsha256_state state;
    uint8_t made[4][32];

    np_crypto_derive(key, material, made[0], made[1], made[2]);
    crypto_auth_hmacsha256_init(&state, key, 32);
    crypto_auth_hmacsha256_update(&state, material.data, material.len);
    crypto_auth_hmacsha256_final(&state, made[3]);
    memory_search_note("HKDF's first", made[0]);
    memory_search_note("HKDF's second", made[1]);
    memory_search_note("HKDF's third", made[2]);
    memory_search_forbid("HKDF's own key", made[3]);
    sodium_memzero(made, sizeof made);
    sodium_memzero(&state, sizeof state);
}

static void look_at_desk(const char *when, void *user)
{
    const memory_place place = {&desk, sizeof desk};
    uint8_t made[32];
    (void)user;

    memory_search_note("a key", desk.key);
    if (doing == DERIVE || doing == EXPAND || doing == MIX_PSK) {
        memory_search_note("material", desk.material); /* elsewhere it is a hash of what all hear */
    }
    memory_search_note("what came out", desk.out[0]);
    memory_search_note("a secret key", desk.pair.secret_key);
    for (int i = 0; i < 2; i++) {
        if (!sodium_is_zero(desk.sides[i].secret, 32)) {
            note_side(&desk.sides[i]);
        }
    }
    if (doing == DERIVE || doing == MIX_PSK) {
        forbid_derived(desk.key, (np_bytes){desk.material, 32});
    } else if (doing == FINISH) {
        forbid_derived(desk.key, (np_bytes){NULL, 0});
    } else if (doing == EXPAND) {
        np_crypto_expand(made, 32, desk.key, (np_bytes){desk.material, 32});
        memory_search_note("what comes out", made);
        sodium_memzero(made, sizeof made);
    }
    left_behind = memory_search_run(when, &place, 1);
}

static void do_all(void)
{
    for (int i = 0; i < DEEDS; i++) {
        doing = (deed)i;
        prepare();
        memory_search_begin();
        memory_search_watch(act, look_at_desk, NULL);
        if (left_behind > 0) {
            fail_msg("%s leaves %zu secrets behind", deed_names[i], left_behind);
        }
    }
    sodium_memzero(&desk, sizeof desk);
}

static void test_functions(void **state)
{
    (void)state;
    with_each_cipher(do_all);
}

/* Whether the search finds anything --------------------------------------------------------- */

static uint8_t left_in_data[64];

static __attribute__((noinline)) void leave_on_the_stack(uint8_t first)
{
    volatile uint8_t left[200];

    for (size_t i = 0; i < sizeof left; i++) {
        left[i] = (uint8_t)(first + i);
    }
}

static void litter(void *user)
{
    (void)user;
    leave_on_the_stack(31);
}

static void count(const char *when, void *user)
{
    uint8_t secret[MEMORY_SECRET_LEN];

    for (size_t i = 0; i < sizeof secret; i++) {
        secret[i] = (uint8_t)(61 + i);
    }
    memory_search_note("what was left", secret);
    sodium_memzero(secret, sizeof secret);
    *(size_t *)user = memory_search_run(when, NULL, 0);
}

/* On a stack that has been left, and in the program's data, unless that is its place. */
static void test_it_finds_what_is_there(void **state)
{
    const memory_place place = {left_in_data, sizeof left_in_data};
    size_t found = 0;
    (void)state;

    if (!memory_search_works()) {
        skip();
    }
    memory_search_begin();
    memory_search_watch(litter, count, &found);
    assert_int_equal(found, 1);
    assert_int_equal(memory_search_run("later", NULL, 0), 0);
    for (size_t i = 0; i < sizeof left_in_data; i++) {
        left_in_data[i] = (uint8_t)(61 - 7 + i);
    }
    assert_int_equal(memory_search_run("in data", NULL, 0), 1);
    assert_int_equal(memory_search_run("in its place", &place, 1), 0);
    memory_search_age();
    assert_int_equal(memory_search_run("too old", &place, 1), 1);
    sodium_memzero(left_in_data, sizeof left_in_data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_it_finds_what_is_there),
        cmocka_unit_test(test_functions),
        cmocka_unit_test(test_sessions),
    };

    /* As every loop does, so that libsodium knows the processor. */
    if (sodium_init() < 0) {
        return 1;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
