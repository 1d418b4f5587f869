/* liar_choice.c - see liar_choice.h. */
#include "support/liar_choice.h"

/* How many contents of a kind there are: they begin at so many places of one long text. */
#define LIAR_CONTENTS 2048

/* Those of a list that this processor can do, and one at least. */
static void liar_choose_ciphers(liar_choice *choice, uint8_t which)
{
    enum { X = NP_CIPHER_XCHACHA20_POLY1305, A = NP_CIPHER_AES_256_GCM };
    static const struct {
        uint8_t count;
        uint8_t ciphers[NP_CIPHERS];
    } lists[8] = {{0, {0}},    {1, {X}},    {1, {A}},    {1, {A}},
                  {2, {X, A}}, {2, {X, A}}, {2, {A, X}}, {2, {A, X}}};

    for (size_t i = 0; i < lists[which].count; i++) {
        uint8_t cipher = lists[which].ciphers[i];
        if (np_cipher_is_available((np_cipher)cipher)) {
            choice->ciphers[choice->cipher_count++] = cipher;
        }
    }
}

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
    liar_choose_ciphers(choice, bytes[1] & 7);
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

bool liar_agreed_cipher(uint8_t *cipher, const liar_choice *client, const liar_choice *server)
{
    static const uint8_t by_default[] = {NP_CIPHER_XCHACHA20_POLY1305};

    return liar_first_common(cipher, client->cipher_count > 0 ? client->ciphers : by_default,
                             client->cipher_count > 0 ? client->cipher_count : 1,
                             server->cipher_count > 0 ? server->ciphers : by_default,
                             server->cipher_count > 0 ? server->cipher_count : 1);
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
