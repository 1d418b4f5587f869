/* JSON out and in: what the decoder accepts prints and parses back to the same bytes, what it
 * refuses is refused by printing with the same fault, and any text is refused or gives a payload
 * that checks. See tests/support/json_check.h.
 *
 * The first byte of the input chooses: bit 0 payload (else text), bit 1 reply, bits 2 and 3 the
 * version, bit 4 oracle.np (else everything.np).
 */
#include "everything.h"
#include "oracle.h"
#include "support/json_check.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    np_json_options options = {1 << 20, 16 << 20, 256};
    np_json *json = NULL;

    if (len == 0) {
        return 0;
    }
    bool payload = (data[0] & 1) != 0;
    np_json_what what = (data[0] & 2) != 0 ? NP_JSON_REPLY : NP_JSON_MESSAGE;
    const np_protocol *protocol = (data[0] & 16) != 0 ? &oracle_protocol : &everything_protocol;
    uint32_t version = 1 + (data[0] >> 2 & 3u);
    version = version > protocol->version ? protocol->version : version;

    /* A printed value may be far longer than its payload; the payload's bound keeps it within. */
    if (payload && len > 4096) {
        return 0;
    }
    if (np_json_new(&json, protocol, &options) != NP_OK) {
        abort();
    }
    if (payload) {
        (void)json_check_payload(json, protocol, version, what, data + 1, len - 1);
    } else {
        np_str text = {(const char *)data + 1, len - 1};
        (void)json_check_text(json, protocol, version, what, text);
    }
    np_json_free(json);
    return 0;
}
