/* key.c - keys as text. See netproto/key.h. */
#include <netproto/key.h>

#include <string.h>

#include <sodium.h>

#include "util/crypto.h"

#define PUBLIC_PREFIX "np1:"
#define PSK_PREFIX "npsk1:"
#define SECRET_PREFIX "npsecret1:"

#define BASE64_LEN 43 /* characters for 32 bytes without padding */
#define BASE64_KIND sodium_base64_VARIANT_URLSAFE_NO_PADDING

_Static_assert(sizeof PUBLIC_PREFIX + BASE64_LEN == NP_KEY_TEXT_LEN, "the text fits exactly");
_Static_assert(sizeof PSK_PREFIX + BASE64_LEN == NP_PSK_TEXT_LEN, "likewise");
_Static_assert(sizeof SECRET_PREFIX + BASE64_LEN == NP_SECRET_KEY_TEXT_LEN, "likewise");
_Static_assert(sodium_base64_ENCODED_LEN(NP_KEY_LEN, BASE64_KIND) == BASE64_LEN + 1, "likewise");

/* libsodium's coding has no branch or table look-up that depends on the secret. */
static char *format(const uint8_t key[NP_KEY_LEN], const char *prefix, char *text)
{
    size_t len = strlen(prefix);

    memcpy(text, prefix, len);
    (void)sodium_bin2base64(text + len, BASE64_LEN + 1, key, NP_KEY_LEN, BASE64_KIND);
    return text;
}

/* Whether all bytes are ASCII; looks at every byte, so that time tells nothing of a secret. */
static bool is_ascii(const char *text, size_t len)
{
    unsigned all = 0;

    for (size_t i = 0; i < len; i++) {
        all |= (unsigned char)text[i];
    }
    return all < 0x80;
}

/* libsodium refuses stray bits behind the last byte and characters of another alphabet; but 1.0.18
 * takes the byte 0x80 for '_'. */
static np_err parse(uint8_t key[NP_KEY_LEN], const char *prefix, const char *text, size_t len)
{
    size_t prefix_len = strlen(prefix);
    size_t key_len = 0;

    if (len == prefix_len + BASE64_LEN && memcmp(text, prefix, prefix_len) == 0 &&
        is_ascii(text, len) &&
        sodium_base642bin(key, NP_KEY_LEN, text + prefix_len, BASE64_LEN, NULL, &key_len, NULL,
                          BASE64_KIND) == 0 &&
        key_len == NP_KEY_LEN) {
        return NP_OK;
    }
    np_crypto_wipe(key, NP_KEY_LEN);
    return NP_ERR_KEY;
}

char *np_key_format(const uint8_t key[NP_KEY_LEN], char text[NP_KEY_TEXT_LEN])
{
    return format(key, PUBLIC_PREFIX, text);
}

np_err np_key_parse(uint8_t key[NP_KEY_LEN], const char *text, size_t len)
{
    return parse(key, PUBLIC_PREFIX, text, len);
}

char *np_psk_format(const uint8_t psk[NP_KEY_LEN], char text[NP_PSK_TEXT_LEN])
{
    return format(psk, PSK_PREFIX, text);
}

np_err np_psk_parse(uint8_t psk[NP_KEY_LEN], const char *text, size_t len)
{
    np_err err = parse(psk, PSK_PREFIX, text, len);

    return err == NP_OK && sodium_is_zero(psk, NP_KEY_LEN) ? NP_ERR_KEY : err;
}

char *np_secret_key_format(const uint8_t key[NP_KEY_LEN], char text[NP_SECRET_KEY_TEXT_LEN])
{
    return format(key, SECRET_PREFIX, text);
}

np_err np_secret_key_parse(uint8_t key[NP_KEY_LEN], const char *text, size_t len)
{
    return parse(key, SECRET_PREFIX, text, len);
}

void np_keypair_wipe(np_keypair *pair)
{
    np_crypto_wipe(pair, sizeof *pair);
}

void np_secret_wipe(void *secret, size_t len)
{
    np_crypto_wipe(secret, len);
}
