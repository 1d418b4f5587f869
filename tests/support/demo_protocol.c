#include "support/demo_protocol.h"

static np_err say_measure(np_meter *m, const void *value)
{
    const demo_say *say = value;
    return np_meter_bytes(m, say->data, 0, DEMO_DATA_MAX, "demo.Say.data", "max 12MiB");
}

static uint8_t *say_put(uint8_t *p, const void *value, uint32_t version)
{
    const demo_say *say = value;
    (void)version;
    return np_put_bytes(p, say->data);
}

static np_err say_read(np_reader *r, void *value)
{
    demo_say *say = value;
    if (np_left(r) < 8) {
        return np_read_short(r, "demo.Say.data");
    }
    return np_read_bytes(r, &say->data, 0, DEMO_DATA_MAX, "demo.Say.data", "max 12MiB");
}

static np_err find_measure(np_meter *m, const void *value)
{
    const demo_find *find = value;
    if (find->key > 1000) {
        return np_meter_fail(m, NP_ERR_RANGE, "demo.Find.key", "range 0..1000", NP_GOT_UNSIGNED,
                             find->key);
    }
    m->len += 4;
    return NP_OK;
}

static uint8_t *find_put(uint8_t *p, const void *value, uint32_t version)
{
    const demo_find *find = value;
    (void)version;
    return np_put_u32(p, find->key);
}

static np_err find_read(np_reader *r, void *value)
{
    demo_find *find = value;
    if (np_left(r) < 4) {
        return np_read_short(r, "demo.Find.key");
    }
    find->key = np_get_u32(r->p);
    r->p += 4;
    return NP_OK;
}

static np_err later_measure(np_meter *m, const void *value)
{
    (void)m;
    (void)value;
    return NP_OK;
}

static uint8_t *later_put(uint8_t *p, const void *value, uint32_t version)
{
    (void)value;
    (void)version;
    return p;
}

static np_err later_read(np_reader *r, void *value)
{
    (void)r;
    (void)value;
    return NP_OK;
}

static const np_codec say_codec = {say_measure, say_put, say_read, sizeof(demo_say)};
static const np_codec find_codec = {find_measure, find_put, find_read, sizeof(demo_find)};
static const np_codec later_codec = {later_measure, later_put, later_read, 1};

static const np_message messages[] = {
    {
        .id = DEMO_SAY_ID,
        .kind = NP_MESSAGE_PLAIN,
        .since = 1,
        .name = "demo.Say",
        .codec = &say_codec,
        .max_len = 4 + 8 + DEMO_DATA_MAX,
    },
    {
        .id = DEMO_FIND_ID,
        .kind = NP_MESSAGE_REQUEST,
        .since = 1,
        .name = "demo.Find",
        .codec = &find_codec,
        .max_len = 8,
        .reply_codec = &say_codec,
        .reply_max_len = 4 + 8 + DEMO_DATA_MAX,
    },
    {
        .id = DEMO_LATER_ID,
        .kind = NP_MESSAGE_PLAIN,
        .since = 2,
        .name = "demo.Later",
        .codec = &later_codec,
        .max_len = 4,
    },
    {
        .id = DEMO_COUNT_ID,
        .kind = NP_MESSAGE_REQUEST,
        .since = 1,
        .name = "demo.Count",
        .codec = &find_codec,
        .max_len = 8,
        .reply_codec = &find_codec,
        .reply_max_len = 8,
    },
};

const np_message *const demo_message_say = &messages[0];
const np_message *const demo_message_find = &messages[1];
const np_message *const demo_message_later = &messages[2];
const np_message *const demo_message_count = &messages[3];

static const uint8_t digests[][32] = {{1, 2, 3}, {4, 5, 6}};

const np_protocol demo_protocol = {
    .name = "demo",
    .version = 2,
    .min_version = 1,
    .digests = digests,
    .messages = messages,
    .message_count = 4,
};
