/* copy.c - values that outlive the packet they came in. */
#include <netproto/arena.h>
#include <netproto/schema.h>

/* The wire form is one block that holds all that a value points to, so a copy is what one encodes
 * into the arena and decodes there. */
np_err np_codec_copy(const np_codec *codec, void *out, const void *value, uint32_t version,
                     np_arena *arena)
{
    np_meter m = {0, version, 0, NULL};
    void *block = NULL;
    np_err err = codec->measure(&m, value);

    if (err == NP_OK) {
        err = np_arena_alloc(arena, m.len, 1, &block);
    }
    if (err != NP_OK) {
        return err;
    }
    codec->put(block, value, version);
    np_reader r = np_reader_start(block, m.len, version, NULL);
    return codec->read(&r, out);
}
