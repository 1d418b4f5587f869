/* codec.c - the parts of the codec that are too cold or too large to be inline. */
#include <netproto/codec.h>

np_err np__meter_fail(np_meter m, np_err err, const char *where, const char *rule, np_got kind,
                      uint64_t got)
{
    if (m.fault != NULL) {
        *m.fault = (np_fault){err, kind, where, rule, m.len, got};
    }
    return err;
}

np_err np__meter_bad_text(np_meter m, np_str str, bool nonul, const char *where, const char *rule)
{
    size_t bad = 0;
    np_err err = np_text_check_slow(str.data, str.len, nonul, &bad);

    if (err != NP_OK) {
        m.len += 8 + bad;
        return np_meter_fail(&m, err, where, rule, NP_GOT_NOTHING, 0);
    }
    return NP_OK;
}

np_err np__read_fail(np_reader r, np_err err, const char *where, const char *rule,
                     const uint8_t *at, np_got kind, uint64_t got)
{
    if (r.fault != NULL) {
        *r.fault = (np_fault){err, kind, where, rule, (uint64_t)(at - r.start), got};
    }
    return err;
}

np_err np__read_short(np_reader r, const char *where)
{
    return np_read_fail(&r, NP_ERR_TRUNCATED, where, NULL, r.end, NP_GOT_NOTHING, 0);
}

np_err np__read_cut(np_reader r, const np_run *run)
{
    size_t left = np_left(&r);

    while (run->end <= left) {
        run++;
    }
    return np_read_short(&r, run->where);
}

np_err np__read_bad_text(np_reader r, size_t len, bool nonul, const char *where, const char *rule)
{
    const char *data = (const char *)r.p;
    size_t there = np_left(&r) < len ? np_left(&r) : len;
    np_text_scan scan = {0};
    ptrdiff_t bad = 0;
    np_err err = np_text_scan_piece(&scan, data, there, nonul, &bad);

    if (err == NP_OK && there < len) {
        return np_read_short(&r, where);
    }
    if (err == NP_OK) {
        err = np_text_scan_end(&scan);
        bad = (ptrdiff_t)len - scan.taken;
    }
    if (err != NP_OK) {
        return np_read_fail(&r, err, where, rule, r.p + bad, NP_GOT_NOTHING, 0);
    }
    return NP_OK;
}

np_err np__read_char(np_reader r, np_char *out, size_t *len, const char *where)
{
    static const uint8_t lead_mask[] = {0x7F, 0x1F, 0x0F, 0x07};
    np_text_scan scan = {0};
    ptrdiff_t bad = 0;
    size_t n = 0;

    do {
        if (r.p + n == r.end) {
            return np_read_short(&r, where);
        }
        if (np_text_scan_piece(&scan, (const char *)r.p + n, 1, false, &bad) != NP_OK) {
            return np_read_fail(&r, NP_ERR_CHAR, where, NULL, r.p, NP_GOT_NOTHING, 0);
        }
        n++;
    } while (scan.need > 0);

    np_char value = r.p[0] & lead_mask[n - 1];
    for (size_t i = 1; i < n; i++) {
        value = value << 6 | (r.p[i] & 0x3Fu);
    }
    *out = value;
    *len = n;
    return NP_OK;
}

uint8_t *np_put_char(uint8_t *p, np_char c)
{
    switch (np_char_len(c)) {
    case 1:
        *p++ = (uint8_t)c;
        break;
    case 2:
        *p++ = (uint8_t)(0xC0 | c >> 6);
        *p++ = (uint8_t)(0x80 | (c & 0x3F));
        break;
    case 3:
        *p++ = (uint8_t)(0xE0 | c >> 12);
        *p++ = (uint8_t)(0x80 | (c >> 6 & 0x3F));
        *p++ = (uint8_t)(0x80 | (c & 0x3F));
        break;
    default:
        *p++ = (uint8_t)(0xF0 | c >> 18);
        *p++ = (uint8_t)(0x80 | (c >> 12 & 0x3F));
        *p++ = (uint8_t)(0x80 | (c >> 6 & 0x3F));
        *p++ = (uint8_t)(0x80 | (c & 0x3F));
        break;
    }
    return p;
}

/* The accessors below walk wire bytes that were checked when they came in; a reader that fails all
 * the same (a wire the program made up) ends the walk. */

bool np_list_char_next(const np_list_char *list, np_iter *it, np_char *item)
{
    if (it->index >= list->count) {
        return false;
    }
    if (list->items != NULL) {
        *item = list->items[it->index++];
        return true;
    }
    np_reader r = np_wire_reader(&list->wire, it);
    if (np_read_char(&r, item, "") != NP_OK) {
        return false;
    }
    it->offset = (size_t)(r.p - r.start);
    it->index++;
    return true;
}

bool np_list_bytes_next(const np_list_bytes *list, np_iter *it, np_bytes *item)
{
    if (it->index >= list->count) {
        return false;
    }
    if (list->items != NULL) {
        *item = list->items[it->index++];
        return true;
    }
    np_reader r = np_wire_reader(&list->wire, it);
    if (np_left(&r) < 8 || np_read_bytes(&r, item, 0, SIZE_MAX, "", NULL) != NP_OK) {
        return false;
    }
    it->offset = (size_t)(r.p - r.start);
    it->index++;
    return true;
}

bool np_list_str_next(const np_list_str *list, np_iter *it, np_str *item)
{
    if (it->index >= list->count) {
        return false;
    }
    if (list->items != NULL) {
        *item = list->items[it->index++];
        return true;
    }
    np_list_bytes same = {NULL, list->count, list->wire};
    np_bytes bytes = {NULL, 0};
    if (!np_list_bytes_next(&same, it, &bytes)) {
        return false;
    }
    *item = (np_str){(const char *)bytes.data, bytes.len};
    return true;
}
