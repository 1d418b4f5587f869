/* The heads of frames: the byte-by-byte verdict and the contiguous one agree, and a head that was
 * accepted is written back as it came. The first byte picks the rules. */
#include <assert.h>
#include <string.h>

#include "core/framing.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    np_framing_rules rules = {.payload_max = NP_FRAMING_PAYLOAD_MAX, .compressions = 1};
    np_framing_head head;
    np_framing_head part_head;
    np_fault fault;
    np_fault part_fault;
    size_t need = 0;
    bool done = false;
    np_err err;

    if (size < 1 + NP_FRAMING_HEAD_MAX) {
        return 0;
    }
    rules.encrypted = (data[0] & 1) != 0;
    rules.bare = (data[0] & 2) != 0;
    rules.compressions = (data[0] & 4) != 0 ? 7 : 1;
    rules.payload_max = (data[0] & 8) != 0 ? 2000 : NP_FRAMING_PAYLOAD_MAX;
    data++;
    err = np_framing_read(&head, data, NP_FRAMING_HEAD_MAX, &rules, &done, &need, &fault);
    assert(done == (err == NP_OK));
    assert(err == NP_OK ||
           (fault.err == err && fault.where != NULL && fault.offset < NP_FRAMING_HEAD_MAX));
    for (size_t len = 0; len < NP_FRAMING_HEAD_MAX; len++) {
        size_t part_need = 0;
        bool part_done = false;
        np_err part =
            np_framing_read(&part_head, data, len, &rules, &part_done, &part_need, &part_fault);
        if (part != NP_OK) {
            assert(part == err && part_fault.offset == fault.offset);
            assert(strcmp(part_fault.where, fault.where) == 0);
        } else {
            assert(part_done ? err == NP_OK && part_head.head_len <= len : part_need > len);
        }
    }
    if (done) {
        uint8_t again[NP_FRAMING_HEAD_MAX];
        size_t len = (size_t)(np_framing_put(again, &head) - again);
        assert(len == head.head_len && memcmp(again, data, len) == 0);
    }
    return 0;
}
