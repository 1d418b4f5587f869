/* The plain text of records: entries, one behind the other, of which each is written back as it
 * came, and which the short way for those without flags sees as the long one does. The first byte
 * picks the compressions that were agreed on. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/entry.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool is_bare(const np_entry *entry)
{
    return entry->type == NP_ENTRY_MESSAGE && entry->head.kind == NP_FRAMING_NO_STREAM &&
           !entry->head.more && entry->head.compression == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t len = size > 0 ? size - 1 : 0;
    uint8_t compressions = size > 0 && (data[0] & 1) != 0 ? 7 : 1;
    uint8_t *plain = malloc(len + 1);
    size_t at = 0;

    assert(plain != NULL);
    memcpy(plain, data + (size > 0), len);
    while (at < len) {
        uint8_t head[NP_ENTRY_HEAD_MAX];
        np_entry entry;
        np_fault fault;
        uint32_t body_len = 0;
        bool bare = np_entry_is_plain(plain + at, len - at, &body_len);
        np_err err = np_entry_read(&entry, plain + at, len - at, compressions, &fault);
        if (err != NP_OK) {
            assert(!bare);
            assert(fault.err == err && fault.where != NULL && fault.offset <= len - at);
            break;
        }
        assert((size_t)entry.head.head_len + entry.head.body_len <= len - at);
        assert(np_entry_put(head, &entry) == head + entry.head.head_len);
        assert(memcmp(head, plain + at, entry.head.head_len) == 0);
        assert(bare == is_bare(&entry) && (!bare || body_len == entry.head.body_len));
        at += (size_t)entry.head.head_len + entry.head.body_len;
        assert(entry.type == NP_ENTRY_MESSAGE || at == len);
    }
    free(plain);
    return 0;
}
