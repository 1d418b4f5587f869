// capnp.cpp - Cap'n Proto: built in scratch memory and written, unpacked, into a buffer; decoding
// is a read of every field, which checks each pointer. It does not check text.
#include <cstring>

#include <capnp/message.h>
#include <capnp/serialize.h>
#include <kj/io.h>

#include "order.capnp.h"

#include "codec/contestant.h"

namespace
{

constexpr size_t scratch_words = 64;

struct Decoded {
    uint64_t id, account;
    int64_t placed_ms;
    double price;
    uint32_t venue, quantity;
    uint16_t flags;
    bool buy;
    const char *symbol;
    size_t symbol_len;
    const char *note;
    size_t note_len;
};

const bench_values *values;
size_t symbol_lens[BENCH_ORDERS];
size_t note_lens[BENCH_ORDERS];
alignas(16) uint8_t wire[BENCH_ORDERS][BENCH_ROOM];
size_t lens[BENCH_ORDERS];

// Returns the bytes written. The scratch must be zero, and is again afterwards.
size_t write(capnp::word *scratch, uint8_t *buf, size_t i)
{
    const bench_values &o = values[i];
    capnp::MallocMessageBuilder message(kj::arrayPtr(scratch, scratch_words));
    peer::Order::Builder order = message.initRoot<peer::Order>();

    order.setId(o.id);
    order.setAccount(o.account);
    order.setPlacedMs(o.placed_ms);
    order.setPrice(o.price);
    order.setVenue(o.venue);
    order.setFlags(o.flags);
    order.setQuantity(o.quantity);
    order.setBuy(o.buy);
    order.setSymbol(capnp::Text::Reader(o.symbol, symbol_lens[i]));
    order.setNote(capnp::Text::Reader(o.note, note_lens[i]));
    kj::ArrayOutputStream out(kj::arrayPtr(buf, BENCH_ROOM));
    capnp::writeMessage(out, message);
    return out.getArray().size();
}

void prepare(const bench_values *orders)
{
    capnp::word scratch[scratch_words];

    std::memset(scratch, 0, sizeof scratch);
    values = orders;
    for (size_t i = 0; i < BENCH_ORDERS; i++) {
        symbol_lens[i] = std::strlen(orders[i].symbol);
        note_lens[i] = std::strlen(orders[i].note);
        lens[i] = write(scratch, wire[i], i);
    }
}

void encode(void *, size_t passes)
{
    capnp::word scratch[scratch_words];
    uint8_t buf[BENCH_ROOM];

    std::memset(scratch, 0, sizeof scratch);
    for (size_t n = 0; n < passes; n++) {
        for (size_t i = 0; i < BENCH_ORDERS; i++) {
            write(scratch, buf, i);
            bench_consume(buf);
        }
    }
}

bool read(Decoded &out, size_t i)
{
    const auto *words = reinterpret_cast<const capnp::word *>(wire[i]);
    capnp::FlatArrayMessageReader reader(kj::arrayPtr(words, lens[i] / sizeof(capnp::word)));
    peer::Order::Reader o = reader.getRoot<peer::Order>();
    capnp::Text::Reader symbol = o.getSymbol();
    capnp::Text::Reader note = o.getNote();

    out = {o.getId(),      o.getAccount(),  o.getPlacedMs(), o.getPrice(),
           o.getVenue(),   o.getQuantity(), o.getFlags(),    o.getBuy(),
           symbol.begin(), symbol.size(),   note.begin(),    note.size()};
    return out.quantity >= 1 && out.quantity <= BENCH_QUANTITY_MAX &&
           out.symbol_len <= BENCH_SYMBOL_MAX && out.note_len <= BENCH_NOTE_MAX;
}

void decode(void *, size_t passes)
{
    Decoded out;

    for (size_t n = 0; n < passes; n++) {
        for (size_t i = 0; i < BENCH_ORDERS; i++) {
            if (!read(out, i)) {
                bench_require(false, "Cap'n Proto decodes");
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
    return bench_copy_text(out->symbol, BENCH_SYMBOL_MAX, o.symbol, o.symbol_len) &&
           bench_copy_text(out->note, BENCH_NOTE_MAX, o.note, o.note_len);
}

size_t encoded_len(size_t i)
{
    return lens[i];
}

} // namespace

extern "C" const bench_contestant bench_capnp = {
    "Cap'n Proto", prepare, encode, decode, nullptr, nullptr, check, encoded_len,
};
