/* liar_choice.c - see liar_choice.h. */
#include "support/liar_choice.h"

/* How many contents of a kind there are: they begin at so many places of one long text. */
#define LIAR_CONTENTS 2048

void liar_choose(liar_choice *choice, const uint8_t bytes[LIAR_CHOICE_LEN])
{
    static np_compress contexts; /* all zero is one that is not used yet */
    static const uint8_t kinds[8][NP_COMPRESSION_KINDS] = {
        {NP_COMPRESSION_NONE}, {NP_COMPRESSION_NONE},
        {NP_COMPRESSION_LZ4},  {NP_COMPRESSION_ZSTD},
        {NP_COMPRESSION_LZ4},  {NP_COMPRESSION_LZ4, NP_COMPRESSION_ZSTD},
        {NP_COMPRESSION_ZSTD}, {NP_COMPRESSION_ZSTD, NP_COMPRESSION_LZ4},
    };
    static const uint32_t thresholds[8] = {1, 16, 100, 512, 512, 1024, 4096, 65536};
    const uint8_t *preferred = kinds[bytes[0] & 7];

    *choice = (liar_choice){
        .compression =
            {
                .threshold = thresholds[bytes[0] >> 3 & 7],
                .zstd_level = 1 + (bytes[0] >> 6),
                .contexts = &contexts,
            },
    };
    for (size_t i = 0; i < NP_COMPRESSION_KINDS && preferred[i] != NP_COMPRESSION_NONE; i++) {
        choice->compression.kinds[choice->compression.kind_count++] = preferred[i];
    }
    choice->compresses = choice->compression.kind_count > 0;
}

/* The first of the accepting side's that the other one offers; 0: none. */
static bool liar_first_common(uint8_t *out, const uint8_t *client, size_t client_count,
                              const uint8_t *server, size_t server_count)
{
    *out = 0;
    for (size_t i = 0; i < server_count * client_count; i++) {
        if (server[i / client_count] == client[i % client_count]) {
            *out = server[i / client_count];
            return true;
        }
    }
    return false;
}

uint8_t liar_agreed_compression(const liar_choice *client, const liar_choice *server)
{
    const np_session_compression *ours = &client->compression;
    const np_session_compression *theirs = &server->compression;
    uint8_t agreed = NP_COMPRESSION_NONE;

    (void)liar_first_common(&agreed, ours->kinds, ours->kind_count, theirs->kinds,
                            theirs->kind_count);
    return agreed;
}

/* A text of each kind, filled in when it is first asked for. */
static void liar_fill(uint8_t texts[LIAR_KINDS][LIAR_CONTENT_MAX + LIAR_CONTENTS])
{
    uint64_t state = 1;

    for (size_t i = 0; i < LIAR_CONTENT_MAX + LIAR_CONTENTS; i++) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        texts[LIAR_PATTERN][i] = (uint8_t)i;
        texts[LIAR_NOISE][i] = (uint8_t)(state >> 56);
        texts[LIAR_MIXED][i] = texts[i / 1000 % 2][i];
    }
}

const uint8_t *liar_content(liar_kind kind, uint32_t number)
{
    static uint8_t texts[LIAR_KINDS][LIAR_CONTENT_MAX + LIAR_CONTENTS];

    if (texts[LIAR_PATTERN][1] == 0) {
        liar_fill(texts);
    }
    /* Neighbours begin far from each other, so that one is not taken for another that was moved. */
    return texts[kind] + (uint64_t)number * 997 % LIAR_CONTENTS;
}
