/* session_secure.c - the handshake of a secure session, as a session goes through it; see
 * session.h.
 *
 *     client: RESPONSE - TRUST - KEYED, and open when the server's first record has come
 *     server: INIT - CONFIRM - TRUST - KEYED, and open
 *
 * The server's first record is its Welcome, so a client that has seen it knows that the server has
 * accepted it; who is refused is told so in a record as well.
 */
#include <assert.h>
#include <string.h>

#include <netproto/codec.h>

#include "protocol/session_private.h"

/* Each in a smallest block of the pool: 1 KiB for a stranger, what the heap adds included. */
_Static_assert(sizeof(np_session_secure) <= NP_POOL_MIN, "what a secure session costs");
_Static_assert(sizeof(np_handshake) <= NP_POOL_MIN, "what a stranger costs besides");
_Static_assert(NP_FRAMING_HEADER_LEN + NP_HANDSHAKE_MESSAGE_MAX <= NP_HANDSHAKE_FRAME_MAX,
               "every handshake has room");
_Static_assert(NP_FRAMING_HEADER_LEN + NP_HANDSHAKE_MESSAGE_MAX <= NP_POOL_MIN,
               "what has come of one fits a smallest block, too");

/* The cipher of who says nothing of ciphers: the one that every processor can do. */
static const uint8_t everywhere[] = {NP_CIPHER_XCHACHA20_POLY1305};

/* Both blocks, or none. */
static np_err np_session_secure_alloc(np_session *s)
{
    void *blocks[2] = {NULL, NULL};
    size_t caps[2] = {0, 0};
    np_err err = np_pool_take(&s->account, sizeof *s->secure, &blocks[0], &caps[0]);

    if (err == NP_OK) {
        err = np_pool_take(&s->account, sizeof *s->secure->handshake, &blocks[1], &caps[1]);
    }
    if (err != NP_OK) {
        np_pool_give(&s->account, blocks[0], caps[0]);
        return err;
    }
    memset(blocks[0], 0, sizeof *s->secure);
    s->secure = blocks[0];
    s->secure->cap = (uint16_t)caps[0];
    s->secure->handshake = blocks[1];
    s->secure->handshake_cap = (uint16_t)caps[1];
    return NP_OK;
}

/* The handshake is over. What is asked about it later stays. */
static void np_session_end_handshake(np_session *s)
{
    np_session_secure *secure = s->secure;

    if (secure->handshake != NULL) {
        np_handshake_tell(secure->handshake, &secure->outcome);
        np_handshake_fini(secure->handshake);
        np_pool_give(&s->account, secure->handshake, secure->handshake_cap);
        secure->handshake = NULL;
    }
}

np_err np__session_secure_init(np_session *s, np_time now)
{
    const np_session_security *security = s->options->security;
    bool client = s->role == NP_SESSION_CLIENT;
    np_err err = np_session_secure_alloc(s);

    if (err != NP_OK) {
        return err;
    }
    s->secured = true;
    s->secure->now = now;
    s->secure->step = client ? NP_SECURE_RESPONSE : NP_SECURE_INIT;
    s->secure->side.identity = security->identity;
    s->secure->side.skew_ms = security->skew_ms;
    err = np__session_side_make(&s->secure->side.speaks, s->options);
    s->secure->side.speaks.ciphers = security->cipher_count > 0 ? security->ciphers : everywhere;
    s->secure->side.speaks.cipher_count = security->cipher_count > 0 ? security->cipher_count : 1;
    if (err == NP_OK) {
        err = np_handshake_init(s->secure->handshake, &s->secure->side, client,
                                client ? security->psk : NULL);
    }
    if (err == NP_OK && client) {
        uint8_t message[NP_HANDSHAKE_MESSAGE_MAX];
        np__session_outgoing out = {
            .kind = NP_FRAMING_NO_STREAM, .urgent = true, .encoded = message};
        err = np_handshake_write_init(s->secure->handshake, &security->rng, s->secure->now, message,
                                      &out.encoded_len);
        if (err == NP_OK) {
            err = np__session_emit(s, &out, NULL);
        }
    }
    return err;
}

void np__session_secure_fini(np_session *s)
{
    if (s->secure != NULL) {
        size_t cap = s->secure->cap;
        np_session_end_handshake(s);
        np_crypto_wipe(s->secure, sizeof *s->secure);
        np_pool_give(&s->account, s->secure, cap);
        s->secure = NULL;
    }
}

void np__session_secure_refused(np_session *s)
{
    if (s->secure != NULL && !np__session_is_keyed(s)) {
        np_session_end_handshake(s);
    }
}

void np__session_secure_forget(np_session *s)
{
    if (s->secure != NULL) {
        np_session_end_handshake(s);
        np_record_fini(&s->secure->sends);
        np_record_fini(&s->secure->receives);
    }
}

bool np__session_secure_expects(const np_session *s, uint32_t id)
{
    if (s->secure == NULL) {
        return false;
    }
    switch (s->secure->step) {
    case NP_SECURE_INIT:
        return id == BASE_SECURE_HANDSHAKE_INIT_ID;
    case NP_SECURE_RESPONSE:
        return id == BASE_SECURE_HANDSHAKE_RESPONSE_ID;
    case NP_SECURE_CONFIRM:
        return id == BASE_SECURE_HANDSHAKE_CONFIRM_ID;
    default:
        return false;
    }
}

static np__session_step np_session_secure_failed(np_session *s, np_err err, const np_fault *fault)
{
    np__session_fail(s, err, NP_SESSION_STAGE_NEGOTIATE, fault->err == err ? fault : NULL);
    return NP_STEP_ENDED;
}

/* The peer's key is proved, or about to be: whoever owns the session has to say something. */
static np__session_step np_session_ask(np_session *s, np_session_event *event)
{
    np_session_secure *secure = s->secure;

    secure->step = NP_SECURE_TRUST;
    secure->asked = true;
    secure->key_known = true;
    event->kind = NP_SESSION_EVENT_PEER_KEY;
    event->payload = secure->handshake->noise.remote_static;
    event->len = NP_CRYPTO_KEY_LEN;
    return NP_STEP_EVENT;
}

static np__session_step np_session_take_init(np_session *s, np_bytes message, np_fault *fault)
{
    np_handshake *handshake = s->secure->handshake;
    uint8_t answer[NP_HANDSHAKE_MESSAGE_MAX];
    np__session_outgoing out = {.kind = NP_FRAMING_NO_STREAM, .urgent = true, .encoded = answer};
    np_err err = np_handshake_read_init(handshake, message, s->secure->now, fault);

    if (err == NP_OK && s->options->admit != NULL) {
        err = s->options->admit(s);
    }
    if (err == NP_OK) {
        err = np_handshake_write_response(handshake, &s->options->security->rng, answer,
                                          &out.encoded_len);
    }
    if (err == NP_OK) {
        err = np__session_emit(s, &out, NULL);
    }
    if (err != NP_OK) {
        return np_session_secure_failed(s, err, fault);
    }
    s->secure->disagreed = *fault;
    s->secure->step = NP_SECURE_CONFIRM;
    return NP_STEP_AGAIN;
}

/* The server can do something else than we: what it said is authentic, so it can be told. */
static np__session_step np_session_nothing_in_common(np_session *s, const base_offer *theirs)
{
    np_str none = {NULL, 0};

    np__session_cause(s, NP_ERR_VERSION, NP_SESSION_STAGE_NEGOTIATE, true, BASE_REASON_VERSION,
                      NULL, none);
    np__session_disagree_offer(s, theirs, false);
    np__session_closing(s);
    return NP_STEP_ENDED;
}

/* The server means something else by the version that it chose. */
static np__session_step np_session_other_schema(np_session *s, const np_fault *fault)
{
    uint32_t version = s->secure->handshake->version;
    uint8_t digest[32];

    memcpy(digest, s->secure->handshake->theirs.digest, sizeof digest);
    (void)np_session_secure_failed(s, NP_ERR_VERSION, fault); /* may free the handshake */
    np__session_disagree_digest(s, version, digest);
    return NP_STEP_ENDED;
}

static np__session_step np_session_take_response(np_session *s, np_bytes message,
                                                 np_session_event *event, np_fault *fault)
{
    uint8_t scratch[NP_NOISE_MESSAGE_MAX];
    base_offer theirs;
    bool offer_known = false;
    np_err err = np_handshake_read_response(s->secure->handshake, message, scratch, &theirs,
                                            &offer_known, fault);

    if (offer_known) {
        return np_session_nothing_in_common(s, &theirs);
    }
    if (err == NP_ERR_VERSION && strcmp(fault->where, NP_NEGOTIATE_DIGEST) == 0) {
        return np_session_other_schema(s, fault);
    }
    return err != NP_OK ? np_session_secure_failed(s, err, fault) : np_session_ask(s, event);
}

np__session_step np__session_secure_take(np_session *s, const uint8_t *payload, size_t len,
                                         np_session_event *event)
{
    np_session_secure *secure = s->secure;
    np_bytes message = {payload, len};
    np_fault fault = {.err = NP_OK};
    np_err err;

    switch (secure->step) {
    case NP_SECURE_INIT:
        return np_session_take_init(s, message, &fault);
    case NP_SECURE_RESPONSE:
        return np_session_take_response(s, message, event, &fault);
    default: /* CONFIRM */
        err = np_handshake_read_confirm_key(secure->handshake, message, &secure->confirm_rest,
                                            &fault);
        return err != NP_OK ? np_session_secure_failed(s, err, &fault) : np_session_ask(s, event);
    }
}

/* Trust ------------------------------------------------------------------------------------- */

static np_err np_session_keyed(np_session *s)
{
    np_session_secure *secure = s->secure;
    np_err err =
        np_handshake_finish(secure->handshake, s->secure->now, &secure->sends, &secure->receives);

    if (err == NP_OK) {
        secure->step = NP_SECURE_KEYED;
    }
    return err;
}

/* The rest of Confirm is read whether the client is trusted or not: who is refused is told so by
 * somebody whom it knows. */
static np_err np_session_trust_client(np_session *s, const uint8_t *psk, np_fault *fault)
{
    np_err err =
        np_handshake_read_confirm(s->secure->handshake, s->secure->confirm_rest, psk, fault);

    return err == NP_OK ? np_session_keyed(s) : err;
}

static np_err np_session_trust_server(np_session *s)
{
    uint8_t message[NP_HANDSHAKE_MESSAGE_MAX];
    np__session_outgoing out = {.kind = NP_FRAMING_NO_STREAM, .urgent = true, .encoded = message};
    np_err err = np_handshake_write_confirm(s->secure->handshake, &s->options->security->rng,
                                            message, &out.encoded_len);

    if (err == NP_OK) {
        err = np__session_emit(s, &out, NULL);
    }
    return err == NP_OK ? np_session_keyed(s) : err;
}

void np_session_trust(np_session *s, bool trusted, const uint8_t *psk)
{
    np_session_secure *secure = s->secure;
    np_fault fault = {.err = NP_OK};
    np_err err = NP_OK;

    assert(secure != NULL && secure->step == NP_SECURE_TRUST && secure->asked);
    secure->asked = false;
    if (s->phase >= NP_PHASE_CLOSING) {
        return; /* it was closed over the question */
    }
    if (s->role == NP_SESSION_SERVER) {
        err = np_session_trust_client(s, psk, &fault);
    } else if (trusted) {
        err = np_session_trust_server(s);
    }
    secure->confirm_rest = (np_bytes){NULL, 0}; /* its bytes go back to the reader */
    if (err == NP_OK && !trusted) {
        err = NP_ERR_REFUSED;
    }
    if (err != NP_OK) {
        (void)np_session_secure_failed(s, err, &fault);
    }
    secure->answered = true;
}

np__session_step np__session_secure_resume(np_session *s, np_session_event *event)
{
    np_session_secure *secure = s->secure;
    base_welcome welcome;
    np_err err;

    if (secure->asked) {
        np_session_trust(s, false, NULL); /* nobody answered */
        return NP_STEP_ENDED;
    }
    secure->answered = false;
    if (s->role == NP_SESSION_CLIENT) {
        return NP_STEP_AGAIN;
    }
    np_negotiate_choice(&welcome.choice, &secure->side.speaks, secure->handshake->version,
                        secure->handshake->cipher, secure->handshake->compression);
    err = np__session_emit_base(s, BASE_WELCOME_ID, &welcome);
    if (err != NP_OK) {
        np__session_fail(s, err, NP_SESSION_STAGE_LOCAL, NULL);
        return NP_STEP_ENDED;
    }
    return np__session_secure_opened(s, event);
}

np__session_step np__session_secure_opened(np_session *s, np_session_event *event)
{
    np_session_end_handshake(s);
    return np__session_opened(s, s->secure->outcome.version, s->secure->outcome.compression, event);
}

const uint8_t *np_session_peer_key(const np_session *s)
{
    const np_session_secure *secure = s->secure;

    if (secure == NULL || !secure->key_known) {
        return NULL;
    }
    return secure->handshake != NULL ? secure->handshake->noise.remote_static
                                     : secure->outcome.peer_key;
}

const uint8_t *np_session_peer_nonce(const np_session *s)
{
    const np_session_secure *secure = s->secure;

    if (secure == NULL || !secure->key_known) {
        return NULL;
    }
    return secure->handshake != NULL ? secure->handshake->nonce : secure->outcome.peer_nonce;
}

uint8_t np_session_cipher(const np_session *s)
{
    return s->secure->handshake != NULL ? s->secure->handshake->cipher : s->secure->outcome.cipher;
}
