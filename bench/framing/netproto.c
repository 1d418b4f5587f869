/* netproto.c - frames by np_framing_read, messages by the generated dispatcher. */
#include <trade_service.h>

#include "core/framing.h"

#include "receiver.h"

uint64_t bench_netproto_handled;

static np_err on_order(np_conn *conn, const trade_order *msg, void *user)
{
    (void)conn;
    bench_consume(msg);
    ++*(uint64_t *)user;
    return NP_OK;
}

static np_err on_tick(np_conn *conn, const trade_tick *msg, void *user)
{
    (void)conn;
    bench_consume(msg);
    ++*(uint64_t *)user;
    return NP_OK;
}

static const trade_handlers handlers = {
    .on_order = on_order,
    .on_tick = on_tick,
    .user = &bench_netproto_handled,
};

size_t bench_receive_netproto(const uint8_t *data, size_t len)
{
    static const np_framing_rules rules = {
        .payload_max = NP_FRAMING_PAYLOAD_MAX,
        .compressions = 1,
    };
    np_incoming in = {.version = TRADE_VERSION};
    np_framing_head head;
    size_t at = 0;
    size_t need = 0;
    bool done = false;

    while (at < len) {
        if (np_framing_read(&head, data + at, len - at, &rules, &done, &need, NULL) != NP_OK) {
            return BENCH_REFUSED;
        }
        if (!done || len - at - head.head_len < head.body_len) {
            break;
        }
        in.payload = data + at + head.head_len;
        in.len = head.body_len;
        if (in.len < 4) {
            return BENCH_REFUSED;
        }
        in.id = np_get_u32(in.payload);
        if (trade_dispatch(&handlers, NULL, &in, NULL) != NP_OK) {
            return BENCH_REFUSED;
        }
        at += head.head_len + head.body_len;
    }
    return at;
}
