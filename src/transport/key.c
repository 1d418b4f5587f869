/* key.c - keys by the kernel's randomness; see netproto/key.h. */
#include <netproto/key.h>
#include <netproto/loop.h>

#include "util/crypto.h"

np_err np_keypair_generate(np_keypair *out)
{
    uint8_t secret[NP_KEY_LEN];
    np_err err = np_loop_random(secret, sizeof secret);

    if (err == NP_OK) {
        err = np_keypair_from(out, secret);
    }
    np_crypto_wipe(secret, sizeof secret);
    return err;
}
