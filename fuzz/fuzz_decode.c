/* Payloads of messages, read by both decoders: they must agree on everything, however the input is
 * cut, and what they accept must encode to the same bytes again.
 *
 * The input: which protocol (1 byte), at which version and whether as the answer of a request (1
 * byte: the version, and bit 7), then the payload. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base.h"
#include "borrower.h"
#include "chain.h"
#include "everything.h"
#include "odd.h"
#include "oracle.h"
#include "parcel.h"
#include "rust_message.h"
#include "shared.h"
#include "talk.h"
#include "selftest/twin.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* Cuts depend on the input, so that a finding is one file and replays by itself. */
static uint64_t seed_of(const uint8_t *data, size_t len)
{
    uint64_t hash = 0xCBF29CE484222325u; /* FNV-1a, 64 bits */

    for (size_t i = 0; i < len; i++) {
        hash = (hash ^ data[i]) * 0x100000001B3u;
    }
    return hash;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static const np_protocol *const protocols[] = {
        &everything_protocol, &oracle_protocol,  &base_protocol, &rust_message_protocol,
        &odd_protocol,        &parcel_protocol,  &talk_protocol, &chain_protocol,
        &shared_protocol,     &borrower_protocol};
    if (len < 2) {
        return 0;
    }
    const np_protocol *protocol = protocols[data[0] % (sizeof protocols / sizeof *protocols)];
    uint32_t version = 1 + (data[1] & 0x7Fu) % protocol->version;
    bool reply = (data[1] & 0x80) != 0;

    /* A block of its own, where a sanitizer sees a byte read before or behind it. */
    uint8_t *payload = malloc(len - 2 > 0 ? len - 2 : 1);
    if (payload == NULL) {
        abort();
    }
    memcpy(payload, data + 2, len - 2);
    np__twin_effort effort = {len <= 40, 0, 4, seed_of(data, len)};
    (void)np__twin_check(protocol, version, reply, payload, len - 2, effort);
    free(payload);
    return 0;
}
