/* ciphers.c - which ciphers there are, and which of them np_security lets be agreed on; see
 * security.h and netproto/security.h. */
#include "service/security.h"

#include "transport/loop_state.h"

/* What is offered where nothing else was asked for: the faster one first. */
static const np_cipher by_default[NP_CIPHERS] = {NP_CIPHER_AES_256_GCM,
                                                 NP_CIPHER_XCHACHA20_POLY1305};

static bool exists(np_cipher cipher)
{
    return cipher == NP_CIPHER_XCHACHA20_POLY1305 || cipher == NP_CIPHER_AES_256_GCM;
}

bool np_cipher_is_available(np_cipher cipher)
{
    return cipher == NP_CIPHER_XCHACHA20_POLY1305 ||
           (cipher == NP_CIPHER_AES_256_GCM && np__loop_crypto_init() == NP_OK &&
            np_crypto_has_aes());
}

const char *np__ciphers_wrong(const np_security *security)
{
    if (security->cipher_count > NP_CIPHERS) {
        return "security: cipher_count is more than there are ciphers";
    }
    for (uint32_t i = 0; i < security->cipher_count; i++) {
        if (!exists(security->ciphers[i])) {
            return "security: ciphers has a number that is no np_cipher";
        }
        if (i > 0 && security->ciphers[i] == security->ciphers[0]) {
            return "security: ciphers has the same one twice";
        }
    }
    if (security->cipher_count == 1 && !np_cipher_is_available(security->ciphers[0])) {
        return "security: this processor has no instructions for AES-256-GCM; add "
               "NP_CIPHER_XCHACHA20_POLY1305 to ciphers";
    }
    return NULL;
}

void np__ciphers_offer(np_session_security *out, const np_security *security)
{
    const np_cipher *list = security->cipher_count > 0 ? security->ciphers : by_default;
    uint32_t count = security->cipher_count > 0 ? security->cipher_count : NP_CIPHERS;

    out->cipher_count = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (np_cipher_is_available(list[i])) {
            out->ciphers[out->cipher_count++] = (uint8_t)list[i];
        }
    }
}
