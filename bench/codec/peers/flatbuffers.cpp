// flatbuffers.cpp - flatbuffers: a builder that is used again; decoding is the verifier and then a
// read of every field. It does not check text.
#include <cstring>

#include "order_generated.h"

#include "codec/contestant.h"

namespace
{

struct Decoded {
    uint64_t id, account;
    int64_t placed_ms;
    double price;
    uint32_t venue, quantity;
    uint16_t flags;
    bool buy;
    const flatbuffers::String *symbol, *note;
};

const bench_values *values;
size_t symbol_lens[BENCH_ORDERS];
size_t note_lens[BENCH_ORDERS];
alignas(16) uint8_t wire[BENCH_ORDERS][BENCH_ROOM];
size_t lens[BENCH_ORDERS];

void build(flatbuffers::FlatBufferBuilder &builder, size_t i)
{
    const bench_values &o = values[i];

    builder.Clear();
    auto symbol = builder.CreateString(o.symbol, symbol_lens[i]);
    auto note = builder.CreateString(o.note, note_lens[i]);
    builder.Finish(peer::CreateOrder(builder, o.id, o.account, o.placed_ms, o.price, o.venue,
                                     o.flags, o.quantity, o.buy, symbol, note));
}

void prepare(const bench_values *orders)
{
    flatbuffers::FlatBufferBuilder builder(1024);

    values = orders;
    for (size_t i = 0; i < BENCH_ORDERS; i++) {
        symbol_lens[i] = std::strlen(orders[i].symbol);
        note_lens[i] = std::strlen(orders[i].note);
        build(builder, i);
        lens[i] = builder.GetSize();
        bench_require(lens[i] <= BENCH_ROOM, "flatbuffers encodes");
        std::memcpy(wire[i], builder.GetBufferPointer(), lens[i]);
    }
}

void encode(void *, size_t passes)
{
    flatbuffers::FlatBufferBuilder builder(1024);

    for (size_t n = 0; n < passes; n++) {
        for (size_t i = 0; i < BENCH_ORDERS; i++) {
            build(builder, i);
            bench_consume(builder.GetBufferPointer());
        }
    }
}

bool read(Decoded &out, size_t i)
{
    flatbuffers::Verifier verifier(wire[i], lens[i]);

    if (!peer::VerifyOrderBuffer(verifier)) {
        return false;
    }
    const peer::Order *o = peer::GetOrder(wire[i]);
    out = {o->id(),       o->account(), o->placed_ms(), o->price(),  o->venue(),
           o->quantity(), o->flags(),   o->buy(),       o->symbol(), o->note()};
    return out.quantity >= 1 && out.quantity <= BENCH_QUANTITY_MAX &&
           out.symbol->size() <= BENCH_SYMBOL_MAX && out.note->size() <= BENCH_NOTE_MAX;
}

void decode(void *, size_t passes)
{
    Decoded out;

    for (size_t n = 0; n < passes; n++) {
        for (size_t i = 0; i < BENCH_ORDERS; i++) {
            if (!read(out, i)) {
                bench_require(false, "flatbuffers decodes");
            }
            bench_consume(&out);
        }
    }
}

bool check(size_t i, bench_values *out)
{
    Decoded o;

    if (!read(o, i)) {
        return false;
    }
    out->id = o.id;
    out->account = o.account;
    out->placed_ms = o.placed_ms;
    out->price = o.price;
    out->venue = o.venue;
    out->flags = o.flags;
    out->quantity = o.quantity;
    out->buy = o.buy;
    return bench_copy_text(out->symbol, BENCH_SYMBOL_MAX, o.symbol->data(), o.symbol->size()) &&
           bench_copy_text(out->note, BENCH_NOTE_MAX, o.note->data(), o.note->size());
}

size_t encoded_len(size_t i)
{
    return lens[i];
}

} // namespace

extern "C" const bench_contestant bench_flatbuffers = {
    "flatbuffers", prepare, encode, decode, nullptr, nullptr, check, encoded_len,
};
