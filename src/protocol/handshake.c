/* handshake.c - see handshake.h. */
#include "protocol/handshake.h"

#include <string.h>

#include <netproto/codec.h>

/* Bound into every handshake: who speaks, and the constant part of every handshake frame's header
 * (magic, version 1, flags 0). */
static const uint8_t prologue[] = {'n', 'e', 't',  'p',  'r',  'o',  't',  'o', '/',
                                   '1', 0,   0xDE, 0xAD, 0xBE, 0xEF, 0x01, 0};

static np_bytes prologue_bytes(void)
{
    return (np_bytes){prologue, sizeof prologue};
}

np_err np_handshake_init(np_handshake *h, const np_handshake_side *side, bool initiator,
                         const uint8_t *psk)
{
    np_err err;

    memset(h, 0, sizeof *h);
    h->side = side;
    if (!initiator) {
        return NP_OK; /* Init tells the pattern */
    }
    err = np_noise_init(&h->noise, psk != NULL ? NP_NOISE_XXPSK3 : NP_NOISE_XX, true,
                        prologue_bytes(), side->identity);
    if (err == NP_OK && psk != NULL) {
        np_noise_set_psk(&h->noise, psk);
    }
    return err;
}

void np_handshake_fini(np_handshake *h)
{
    np_crypto_wipe(h, sizeof *h);
}

void np_handshake_tell(const np_handshake *h, np_handshake_outcome *out)
{
    memcpy(out->peer_key, h->noise.remote_static, sizeof out->peer_key);
    memcpy(out->peer_nonce, h->nonce, sizeof out->peer_nonce);
    out->version = h->version;
    out->cipher = h->cipher;
    out->compression = h->compression;
}

/* Wipes what is secret in it. */
static void np_handshake_forget(np_handshake *h)
{
    uint8_t remote[NP_CRYPTO_KEY_LEN];

    memcpy(remote, h->noise.remote_static, sizeof remote);
    np_noise_fini(&h->noise);
    memcpy(h->noise.remote_static, remote, sizeof remote);
}

/* Ids of extensions ascend, so that there is one way to write them and none comes twice. */
static np_err check_extensions(const base_extension_list *list, const char *where, np_fault *fault)
{
    base_extension extension;
    np_iter it = {0};
    uint32_t least = 0;

    while (base_extension_list_next(list, &it, &extension)) {
        if (extension.id < least) {
            return np_fault_set(fault, NP_ERR_ORDER, where, "ids ascend", 0, extension.id);
        }
        least = extension.id + 1u;
    }
    return NP_OK;
}

/* The noise message `m` with `payload` inside. */
static np_err write_noise(np_handshake *h, const np_rng *rng, const uint8_t *payload, size_t len,
                          uint8_t noise[NP_NOISE_MESSAGE_MAX], np_bytes *out)
{
    np_err err = np_noise_write(&h->noise, rng, (np_bytes){payload, len}, noise,
                                NP_NOISE_MESSAGE_MAX, &out->len);

    out->data = noise;
    return err;
}

/* Init -------------------------------------------------------------------------------------- */

np_err np_handshake_write_init(np_handshake *h, const np_rng *rng, np_time now, uint8_t *out,
                               size_t *len)
{
    base_secure_handshake_init message = {.pattern = h->noise.pattern};
    base_init_payload payload = {.timestamp_ms = now.wall_ms};
    uint8_t plain[NP_NOISE_MESSAGE_MAX];
    uint8_t noise[NP_NOISE_MESSAGE_MAX];
    size_t plain_len = 0;
    np_err err;

    np_rng_fill(rng, h->nonce, sizeof h->nonce);
    h->timestamp_ms = now.wall_ms;
    memcpy(payload.nonce, h->nonce, sizeof payload.nonce);
    payload.offer = np_negotiate_offer(&h->side->speaks);
    err = base_init_payload_encode(&payload, plain, sizeof plain, &plain_len, NULL);
    if (err == NP_OK) {
        err = write_noise(h, rng, plain, plain_len, noise, &message.noise);
    }
    return err != NP_OK ? err
                        : base_secure_handshake_init_encode(&message, out, NP_HANDSHAKE_MESSAGE_MAX,
                                                            len, NULL);
}

static np_err check_clock(const np_handshake *h, uint64_t theirs, np_time now, np_fault *fault)
{
    uint64_t apart = theirs > now.wall_ms ? theirs - now.wall_ms : now.wall_ms - theirs;

    return h->side->skew_ms == 0 || apart <= h->side->skew_ms
               ? NP_OK
               : np_fault_set(fault, NP_ERR_CLOCK, "base.InitPayload.timestamp_ms",
                              "the responder's clock, more or less", 0, theirs);
}

np_err np_handshake_read_init(np_handshake *h, np_bytes message, np_time now, np_fault *fault)
{
    base_secure_handshake_init init;
    base_init_payload payload;
    base_choice choice;
    uint8_t plain[NP_NOISE_MESSAGE_MAX];
    size_t len = 0;
    np_err err = base_secure_handshake_init_decode(&init, message.data, message.len, fault);

    if (err == NP_OK) {
        err = np_noise_init(&h->noise, (np_noise_pattern)init.pattern, false, prologue_bytes(),
                            h->side->identity);
    }
    if (err == NP_OK) {
        err = np_noise_read(&h->noise, init.noise, plain, &len);
    }
    if (err == NP_OK) {
        err = base_init_payload_decode(&payload, plain, len, fault);
    }
    if (err == NP_OK) {
        err = check_clock(h, payload.timestamp_ms, now, fault);
    }
    if (err == NP_OK) {
        err = check_extensions(&payload.offer.extensions, "base.Offer.extensions", fault);
    }
    if (err != NP_OK) {
        return err;
    }
    h->timestamp_ms = payload.timestamp_ms;
    memcpy(h->nonce, payload.nonce, sizeof h->nonce);
    np_disagree_keep(&h->theirs.offer, &payload.offer);
    h->offered = true;
    h->agreed = np_negotiate_choose(&choice, &h->side->speaks, &payload.offer, fault) == NP_OK;
    h->version = h->agreed ? choice.version : 0;
    h->cipher = h->agreed ? choice.cipher : 0;
    h->compression = h->agreed ? choice.compression : 0;
    return NP_OK;
}

/* Response ---------------------------------------------------------------------------------- */

np_err np_handshake_write_response(np_handshake *h, const np_rng *rng, uint8_t *out, size_t *len)
{
    base_secure_handshake_response message;
    base_response_payload payload;
    uint8_t plain[NP_NOISE_MESSAGE_MAX];
    uint8_t noise[NP_NOISE_MESSAGE_MAX];
    size_t plain_len = 0;
    np_err err;

    memset(&payload, 0, sizeof payload);
    np_rng_fill(rng, h->challenge, sizeof h->challenge);
    memcpy(payload.challenge, h->challenge, sizeof payload.challenge);
    if (h->agreed) {
        payload.answer.tag = BASE_ANSWER_CHOSEN;
        np_negotiate_choice(&payload.answer.chosen.choice, &h->side->speaks, h->version, h->cipher,
                            h->compression);
    } else {
        payload.answer.tag = BASE_ANSWER_NOTHING;
        payload.answer.nothing.offer = np_negotiate_offer(&h->side->speaks);
    }
    err = base_response_payload_encode(&payload, plain, sizeof plain, &plain_len, NULL);
    if (err == NP_OK) {
        err = write_noise(h, rng, plain, plain_len, noise, &message.noise);
    }
    return err != NP_OK ? err
                        : base_secure_handshake_response_encode(
                              &message, out, NP_HANDSHAKE_MESSAGE_MAX, len, NULL);
}

/* Our own key from the other side: somebody sends back to us what we say. */
static np_err check_reflection(const np_handshake *h)
{
    return np_crypto_equal(h->noise.remote_static, h->side->identity->public_key, NP_CRYPTO_KEY_LEN)
               ? NP_ERR_REFUSED
               : NP_OK;
}

np_err np_handshake_read_response(np_handshake *h, np_bytes message, uint8_t *scratch,
                                  base_offer *theirs, bool *offer_known, np_fault *fault)
{
    base_secure_handshake_response response;
    base_response_payload payload;
    const base_choice *choice;
    size_t len = 0;
    np_err err = base_secure_handshake_response_decode(&response, message.data, message.len, fault);

    *offer_known = false;
    if (err == NP_OK) {
        err = np_noise_read(&h->noise, response.noise, scratch, &len);
    }
    if (err == NP_OK) {
        err = check_reflection(h);
    }
    if (err == NP_OK) {
        err = base_response_payload_decode(&payload, scratch, len, fault);
    }
    if (err != NP_OK) {
        return err;
    }
    if (payload.answer.tag == BASE_ANSWER_NOTHING) {
        *theirs = payload.answer.nothing.offer;
        *offer_known = true;
        return np_fault_at(fault, NP_ERR_VERSION, "base.ResponsePayload.answer", NULL, 0);
    }
    choice = &payload.answer.chosen.choice;
    err = check_extensions(&choice->extensions, "base.Choice.extensions", fault);
    if (err == NP_OK) {
        err = np_negotiate_check(&h->side->speaks, choice, fault);
    }
    h->version = choice->version;
    memcpy(h->theirs.digest, choice->digest, sizeof h->theirs.digest);
    if (err != NP_OK) {
        return err;
    }
    memcpy(h->challenge, payload.challenge, sizeof h->challenge);
    h->cipher = choice->cipher;
    h->compression = choice->compression;
    h->agreed = true;
    return NP_OK;
}

/* Confirm ----------------------------------------------------------------------------------- */

np_err np_handshake_write_confirm(np_handshake *h, const np_rng *rng, uint8_t *out, size_t *len)
{
    base_secure_handshake_confirm message;
    base_confirm_payload payload;
    uint8_t plain[NP_NOISE_MESSAGE_MAX];
    uint8_t noise[NP_NOISE_MESSAGE_MAX];
    size_t plain_len = 0;
    np_err err = h->agreed ? NP_OK : NP_ERR_STATE;

    memset(&payload, 0, sizeof payload);
    memcpy(payload.challenge, h->challenge, sizeof payload.challenge);
    memcpy(payload.nonce, h->nonce, sizeof payload.nonce);
    payload.timestamp_ms = h->timestamp_ms;
    if (err == NP_OK) {
        err = base_confirm_payload_encode(&payload, plain, sizeof plain, &plain_len, NULL);
    }
    if (err == NP_OK) {
        err = write_noise(h, rng, plain, plain_len, noise, &message.noise);
    }
    return err != NP_OK ? err
                        : base_secure_handshake_confirm_encode(&message, out,
                                                               NP_HANDSHAKE_MESSAGE_MAX, len, NULL);
}

np_err np_handshake_read_confirm_key(np_handshake *h, np_bytes message, np_bytes *rest,
                                     np_fault *fault)
{
    base_secure_handshake_confirm confirm;
    size_t used = 0;
    np_err err = base_secure_handshake_confirm_decode(&confirm, message.data, message.len, fault);

    if (err == NP_OK) {
        err = np_noise_read_keys(&h->noise, confirm.noise, &used);
    }
    if (err == NP_OK) {
        err = check_reflection(h);
    }
    if (err == NP_OK) {
        *rest = (np_bytes){confirm.noise.data + used, confirm.noise.len - used};
    }
    return err;
}

np_err np_handshake_read_confirm(np_handshake *h, np_bytes rest, const uint8_t *psk,
                                 np_fault *fault)
{
    base_confirm_payload payload;
    uint8_t plain[NP_NOISE_MESSAGE_MAX];
    size_t len = 0;
    np_err err = NP_OK;

    if ((psk != NULL) != (h->noise.pattern == NP_NOISE_XXPSK3)) {
        return np_fault_at(fault, NP_ERR_REFUSED, "base.SecureHandshakeInit.pattern",
                           psk != NULL ? "no pre-shared key, though there is one for the client"
                                       : "a pre-shared key, though there is none for the client",
                           4);
    }
    if (psk != NULL) {
        np_noise_set_psk(&h->noise, psk);
    }
    err = np_noise_read_payload(&h->noise, rest, plain, &len);
    if (err == NP_OK) {
        err = base_confirm_payload_decode(&payload, plain, len, fault);
    }
    if (err == NP_OK) {
        err = check_extensions(&payload.extensions, "base.ConfirmPayload.extensions", fault);
    }
    if (err != NP_OK) {
        return err;
    }
    if (!np_crypto_equal(payload.challenge, h->challenge, sizeof h->challenge)) {
        return np_fault_at(fault, NP_ERR_CONST, "base.ConfirmPayload.challenge", "that of Response",
                           0);
    }
    if (payload.timestamp_ms != h->timestamp_ms) {
        return np_fault_set(fault, NP_ERR_CONST, "base.ConfirmPayload.timestamp_ms", "that of Init",
                            NP_HANDSHAKE_CHALLENGE_LEN, payload.timestamp_ms);
    }
    if (memcmp(payload.nonce, h->nonce, sizeof h->nonce) != 0) {
        return np_fault_at(fault, NP_ERR_CONST, "base.ConfirmPayload.nonce", "that of Init",
                           NP_HANDSHAKE_CHALLENGE_LEN + 8);
    }
    return h->agreed ? NP_OK : NP_ERR_VERSION;
}

/* Keys -------------------------------------------------------------------------------------- */

np_err np_handshake_finish(np_handshake *h, np_time now, np_record_side *sends,
                           np_record_side *receives)
{
    uint8_t secrets[2][NP_CRYPTO_KEY_LEN]; /* of the initiator's direction, and of the other */
    uint8_t hash[NP_CRYPTO_HASH_LEN];
    bool initiator = h->noise.initiator;
    np_err err = np_noise_split(&h->noise, secrets[0], secrets[1], hash);

    if (err == NP_OK) {
        err = np_record_init(sends, h->cipher, secrets[initiator ? 0 : 1], hash, now.mono_ms);
    }
    if (err == NP_OK) {
        err = np_record_init(receives, h->cipher, secrets[initiator ? 1 : 0], hash, now.mono_ms);
    }
    np_handshake_forget(h);
    np_crypto_wipe(secrets, sizeof secrets);
    np_crypto_wipe(hash, sizeof hash);
    return err;
}
