/* log.c - see netproto/log.h. */
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <netproto/log.h>

#include "util/utc.h"

const char *np_log_level_name(np_log_level level)
{
    static const char *const names[] = {"debug", "info", "warn", "error"};
    return (unsigned)level < sizeof names / sizeof names[0] ? names[level] : "?";
}

np_log_field np_log_str(const char *name, np_str text)
{
    np_log_field field = {.name = name, .kind = NP_LOG_STR, .text = text};
    return field;
}

np_log_field np_log_text(const char *name, const char *text)
{
    return np_log_str(name, np_str_from(text));
}

np_log_field np_log_unsigned(const char *name, uint64_t value)
{
    np_log_field field = {.name = name, .kind = NP_LOG_UNSIGNED, .as.u = value};
    return field;
}

np_log_field np_log_signed(const char *name, int64_t value)
{
    np_log_field field = {.name = name, .kind = NP_LOG_SIGNED, .as.i = value};
    return field;
}

np_log_field np_log_bool(const char *name, bool value)
{
    np_log_field field = {.name = name, .kind = NP_LOG_BOOL, .as.b = value};
    return field;
}

np_log_field np_log_err(const char *name, np_err err)
{
    np_log_field field = {.name = name, .kind = NP_LOG_ERR, .as.err = err};
    return field;
}

np_log_field np_log_bytes(const char *name, const void *data, size_t len)
{
    np_log_field field = {.name = name, .kind = NP_LOG_BYTES, .text = {data, len}};
    return field;
}

/* The log itself --------------------------------------------------------------------------- */

np_log_options np_log_options_default(void)
{
    np_log_options options = {.level = NP_LOG_INFO, .rate_max = 100, .rate_window_ms = 1000};
    return options;
}

void np_log_init(np_log *log, const np_log_sink *sink, const np_log_options *options)
{
    memset(log, 0, sizeof *log);
    log->options = options != NULL ? *options : np_log_options_default();
    if (sink != NULL) {
        log->sink = *sink;
    }
}

/* FNV-1a over the name's text, so that the slot does not depend on addresses. */
static size_t np_log_home(const char *name)
{
    uint32_t hash = 2166136261u;

    for (; *name != '\0'; name++) {
        hash = (hash ^ (uint8_t)*name) * 16777619u;
    }
    return (hash ^ hash >> 16) % NP_LOG_SLOTS;
}

/* The name's own slot, or where all belong to others the one that it would have had. Two names with
 * one hash must not share: a stranger's event would silence another. */
static size_t np_log_slot(np_log *log, const char *name)
{
    size_t home = np_log_home(name);

    for (size_t i = 0; i < NP_LOG_SLOTS; i++) {
        size_t at = (home + i) % NP_LOG_SLOTS;
        if (log->slots[at].name == NULL) {
            log->slots[at].name = name;
        }
        if (strcmp(log->slots[at].name, name) == 0) {
            return at;
        }
    }
    return home;
}

void np_log_write(np_log *log, np_time now, np_log_level level, const char *name,
                  const np_log_field *fields, size_t field_count)
{
    np_log_event event = {now, level, name, fields, field_count, 0};
    size_t slot;

    if (!np_log_wants(log, level)) {
        return;
    }
    if (log->options.rate_max > 0) {
        slot = np_log_slot(log, name);
        /* The subtraction also opens a new window should the time ever be an earlier one. */
        if (now.mono_ms - log->slots[slot].window_ms >= log->options.rate_window_ms) {
            log->slots[slot].window_ms = now.mono_ms;
            log->slots[slot].count = 0;
        }
        if (log->slots[slot].count >= log->options.rate_max) {
            log->slots[slot].suppressed += log->slots[slot].suppressed < UINT32_MAX;
            return;
        }
        log->slots[slot].count++;
        event.suppressed = log->slots[slot].suppressed;
        log->slots[slot].suppressed = 0;
    }
    log->sink.write(log->sink.user, &event);
}

/* Escaping --------------------------------------------------------------------------------- */

/* Length of the UTF-8 sequence at p and its code point; 0 if there is none (RFC 3629). */
static size_t np_log_sequence(const uint8_t *p, size_t len, uint32_t *code)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t need = p[0] < 0x80 ? 1 : p[0] < 0xC2 ? 0 : p[0] < 0xE0 ? 2 : p[0] < 0xF0 ? 3 : 4;

    if (need == 0 || need > len || p[0] > 0xF4) {
        return 0;
    }
    *code = need == 1 ? p[0] : p[0] & (0x7Fu >> need);
    for (size_t i = 1; i < need; i++) {
        if ((p[i] & 0xC0) != 0x80) {
            return 0;
        }
        *code = *code << 6 | (p[i] & 0x3F);
    }
    if (*code < least[need] || *code > 0x10FFFF || (*code >= 0xD800 && *code < 0xE000)) {
        return 0;
    }
    return need;
}

/* Characters that a terminal or viewer acts upon instead of showing them. */
static bool np_log_hidden(uint32_t code)
{
    return code < 0x20 || (code >= 0x7F && code < 0xA0) || code == 0x61C || code == 0xFEFF ||
           (code >= 0x200B && code <= 0x200F) || (code >= 0x2028 && code <= 0x202E) ||
           (code >= 0x2060 && code <= 0x206F) || (code >= 0xFFF9 && code <= 0xFFFB);
}

/* One unit of the text as it will be written, at most 12 bytes; returns its length, and in *taken
 * the bytes of text it stands for. */
static size_t np_log_unit(const uint8_t *p, size_t len, bool json, char unit[16], size_t *taken)
{
    uint32_t code = 0;
    size_t sequence = np_log_sequence(p, len, &code);

    *taken = sequence > 0 ? sequence : 1;
    if (sequence == 0) {
        return (size_t)(json ? snprintf(unit, 16, "\\ufffd") : snprintf(unit, 16, "\\x%02x", *p));
    }
    if (code == '"' || code == '\\') {
        unit[0] = '\\';
        unit[1] = (char)code;
        return 2;
    }
    if (np_log_hidden(code)) {
        return (size_t)snprintf(unit, 16, "\\u%04" PRIx32, code);
    }
    memcpy(unit, p, sequence);
    return sequence;
}

size_t np_log_escape(np_str text, bool json, char *out, size_t cap)
{
    const uint8_t *p = (const uint8_t *)text.data;
    size_t left = text.len;
    size_t len = 0;
    size_t cut = 0; /* the last place where "..." would still fit behind */

    if (cap == 0) {
        return 0;
    }
    while (left > 0) {
        char unit[16];
        size_t taken = 0;
        size_t unit_len = np_log_unit(p, left, json, unit, &taken);

        if (unit_len > cap - 1 - len) {
            break;
        }
        memcpy(out + len, unit, unit_len);
        len += unit_len;
        cut = len + 3 <= cap - 1 ? len : cut;
        p += taken;
        left -= taken;
    }
    if (left > 0 && cap > 3) {
        memcpy(out + cut, "...", 3);
        len = cut + 3;
    }
    out[len] = '\0';
    return len;
}

/* Lines ------------------------------------------------------------------------------------ */

typedef struct np_log_line {
    char *text;
    size_t len;
    size_t cap; /* room for the NUL and the closing brace not counted */
    bool json;
} np_log_line;

/* Appends len bytes, or nothing at all if they do not fit. */
static bool np_log_append(np_log_line *line, const char *text, size_t len)
{
    if (len > line->cap - line->len) {
        return false;
    }
    memcpy(line->text + line->len, text, len);
    line->len += len;
    return true;
}

/* Whether a logfmt value can stand without quotes. */
static bool np_log_bare(const char *text, size_t len)
{
    if (len == 0) {
        return false;
    }
    for (size_t i = 0; i < len; i++) {
        if ((uint8_t)text[i] <= ' ' || text[i] == '"' || text[i] == '=' || text[i] == '\\') {
            return false;
        }
    }
    return true;
}

/* The field's value as it shall stand in the line; true if it is text. */
static bool np_log_value(const np_log_field *field, bool json, char *out, size_t *len)
{
    static const char hex[] = "0123456789abcdef";
    const size_t cap = NP_LOG_FIELD_MAX + 1;
    const uint8_t *bytes = (const uint8_t *)field->text.data;
    size_t count = 0;

    switch (field->kind) {
    case NP_LOG_STR:
        *len = np_log_escape(field->text, json, out, cap);
        return true;
    case NP_LOG_UNSIGNED:
        *len = (size_t)snprintf(out, cap, "%" PRIu64, field->as.u);
        return false;
    case NP_LOG_SIGNED:
        *len = (size_t)snprintf(out, cap, "%" PRId64, field->as.i);
        return false;
    case NP_LOG_BOOL:
        *len = (size_t)snprintf(out, cap, "%s", field->as.b ? "true" : "false");
        return false;
    case NP_LOG_ERR:
        *len = (size_t)snprintf(out, cap, "%s", np_err_name(field->as.err));
        return true;
    case NP_LOG_BYTES:
        count = field->text.len;
        if (count > (NP_LOG_FIELD_MAX - 3) / 2) {
            count = (NP_LOG_FIELD_MAX - 3) / 2;
        }
        for (size_t i = 0; i < count; i++) {
            out[2 * i] = hex[bytes[i] >> 4];
            out[2 * i + 1] = hex[bytes[i] & 15];
        }
        *len = 2 * count;
        if (count < field->text.len) {
            memcpy(out + *len, "...", 3);
            *len += 3;
        }
        return true;
    }
    *len = 0;
    return true;
}

static void np_log_add(np_log_line *line, const np_log_field *field)
{
    char value[NP_LOG_FIELD_MAX + 1];
    size_t len = 0;
    size_t before = line->len;
    bool text = np_log_value(field, line->json, value, &len);
    bool quoted = text && (line->json || !np_log_bare(value, len));
    bool fits = true;

    if (line->json) {
        fits = np_log_append(line, line->len > 1 ? ",\"" : "\"", line->len > 1 ? 2 : 1);
    } else if (line->len > 0) {
        fits = np_log_append(line, " ", 1);
    }
    fits = fits && np_log_append(line, field->name, strlen(field->name)) &&
           np_log_append(line, line->json ? "\":" : "=", line->json ? 2 : 1) &&
           (!quoted || np_log_append(line, "\"", 1)) && np_log_append(line, value, len) &&
           (!quoted || np_log_append(line, "\"", 1));
    if (!fits) {
        line->len = before;
    }
}

size_t np_log_format(const np_log_event *event, np_log_format_kind kind, char *text, size_t cap)
{
    np_log_line line = {text, 0, 0, kind == NP_LOG_JSON};
    char clock[NP_UTC_LEN];
    np_log_field field;

    assert(cap > 0);
    text[0] = '\0';
    if (cap < 4) {
        return 0;
    }
    line.cap = cap - 2;
    if (line.json) {
        np_log_append(&line, "{", 1);
    }
    np_utc_format(event->time.wall_ms, clock);
    field = np_log_text("time", clock);
    np_log_add(&line, &field);
    field = np_log_text("level", np_log_level_name(event->level));
    np_log_add(&line, &field);
    field = np_log_text("event", event->name);
    np_log_add(&line, &field);
    if (event->suppressed > 0) {
        field = np_log_unsigned("suppressed", event->suppressed);
        np_log_add(&line, &field);
    }
    for (size_t i = 0; i < event->field_count; i++) {
        np_log_add(&line, &event->fields[i]);
    }
    if (line.json) {
        text[line.len++] = '}';
    }
    text[line.len] = '\0';
    return line.len;
}
