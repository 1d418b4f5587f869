/* netproto/log.h - structured log events, handed to a sink of the user's.
 *
 * An event is a name ("conn.closed") and typed fields. The library never writes to a file or a
 * terminal by itself: a sink does, and np_log_format turns an event into one line for it.
 *
 *     np_log log;
 *     np_log_init(&log, &(np_log_sink){write_line, stderr}, NULL);
 *     np_log_write(&log, now, NP_LOG_INFO, "conn.closed", fields, 2);
 *
 * What peers send may stand in a field. So a line never holds a byte of it that is not printable:
 * control bytes, line ends, escape sequences and invalid UTF-8 are escaped, also the invisible
 * ones that turn a line's direction; long fields are cut; and events of one name beyond a rate are
 * counted instead of written.
 *
 * Ownership: a log is the caller's storage and allocates nothing. Fields and strings are borrowed
 * for the call. Event and field names are constants of the code and are written as they are.
 * Threads: a log belongs to one thread, so loops in different threads take one each; a sink behind
 * several of them must bear several threads. np_log_format and np_log_escape are pure.
 */
#ifndef NETPROTO_LOG_H
#define NETPROTO_LOG_H

#include <netproto/error.h>
#include <netproto/time.h>
#include <netproto/types.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum np_log_level {
    NP_LOG_DEBUG, /* for who hunts a bug */
    NP_LOG_INFO,  /* what happens: opened, closed */
    NP_LOG_WARN,  /* a peer misbehaves, a limit was reached */
    NP_LOG_ERROR  /* this side fails */
} np_log_level;

/* "debug", "info", "warn", "error". Static. */
NP_API const char *np_log_level_name(np_log_level level);

typedef enum np_log_kind {
    NP_LOG_STR,
    NP_LOG_UNSIGNED,
    NP_LOG_SIGNED,
    NP_LOG_BOOL,
    NP_LOG_ERR,  /* an np_err, written as its name */
    NP_LOG_BYTES /* written as hexadecimal digits */
} np_log_kind;

typedef struct np_log_field {
    const char *name;
    np_log_kind kind;
    np_str text; /* STR, BYTES */
    union {
        uint64_t u;
        int64_t i;
        bool b;
        np_err err;
    } as;
} np_log_field;

NP_API np_log_field np_log_str(const char *name, np_str text);
NP_API np_log_field np_log_text(const char *name, const char *text); /* NULL: empty */
NP_API np_log_field np_log_unsigned(const char *name, uint64_t value);
NP_API np_log_field np_log_signed(const char *name, int64_t value);
NP_API np_log_field np_log_bool(const char *name, bool value);
NP_API np_log_field np_log_err(const char *name, np_err err);
NP_API np_log_field np_log_bytes(const char *name, const void *data, size_t len);

typedef struct np_log_event {
    np_time time;
    np_log_level level;
    const char *name;
    const np_log_field *fields;
    size_t field_count;
    uint32_t suppressed; /* events of this name that were not written since the last one was */
} np_log_event;

/* Where events go. write must not call back into what logged. */
typedef struct np_log_sink {
    void (*write)(void *user, const np_log_event *event);
    void *user;
} np_log_sink;

typedef struct np_log_options {
    np_log_level level;      /* events below are dropped; default NP_LOG_INFO */
    uint32_t rate_max;       /* events of one name per rate_window_ms; default 100; 0: no bound. A
                              * flood of strangers makes that many lines, for days if it lasts: 100
                              * a second are 2 GB a day. Less, or rotation, where disks are small.
                              * It silences strangers only: what they can make happen has names of
                              * its own, see below */
    uint32_t rate_window_ms; /* default 1,000 */
} np_log_options;

NP_API np_log_options np_log_options_default(void);

/* The names of the library's own events on connections:
 *
 *   conn.closed     a connection that was open has ended
 *   conn.failed     one has ended before it was open: a stranger's, or of who was not let in
 *   daemon.refused  a stranger was turned away when it came
 *   daemon.evicted  one had to make room
 *
 * The last three are what anybody can cause who reaches the address; they share no rate with the
 * first, nor with other names. */

/* So many names are counted apart, each by itself; those that come later share a slot with one. */
#define NP_LOG_SLOTS 32

/* The members are the library's. */
typedef struct np_log {
    np_log_sink sink;
    np_log_options options;
    struct {
        const char *name; /* NULL: the slot is free */
        uint64_t window_ms;
        uint32_t count;
        uint32_t suppressed;
    } slots[NP_LOG_SLOTS];
} np_log;

/* sink: copied; NULL or a NULL write drops everything. options: NULL for the defaults. */
NP_API void np_log_init(np_log *log, const np_log_sink *sink, const np_log_options *options);

/* Whether an event of that level would go anywhere; to spare making fields. log may be NULL. */
static inline bool np_log_wants(const np_log *log, np_log_level level)
{
    return log != NULL && log->sink.write != NULL && level >= log->options.level;
}

/* Hands an event to the sink, unless its level or its rate speaks against it. name is a constant
 * of the code: the rate is kept by its text. log may be NULL. */
NP_API void np_log_write(np_log *log, np_time now, np_log_level level, const char *name,
                         const np_log_field *fields, size_t field_count);

typedef enum np_log_format_kind {
    NP_LOG_LOGFMT, /* time=2026-01-02T03:04:05.678Z level=info event=conn.closed peer="a b" */
    NP_LOG_JSON    /* {"time":"2026-01-02T03:04:05.678Z","level":"info","event":"conn.closed",... */
} np_log_format_kind;

/* Bytes that one field's text takes at most, quotes not counted. */
#define NP_LOG_FIELD_MAX 256
/* A line buffer that holds any event of up to 16 fields. */
#define NP_LOG_LINE_MAX 8192

/* Writes an event as one line without a line end, NUL-terminated; returns its length, at most
 * cap - 1 (cap at least 1). Whole fields are left out at the end where cap is too small, so that
 * the line stays well-formed; with less than 256 bytes it may be empty. */
NP_API size_t np_log_format(const np_log_event *event, np_log_format_kind kind, char *line,
                            size_t cap);

/* Writes text of any origin as printable UTF-8, for terminals and logs: backslash and double quote
 * get a backslash, control characters, DEL, U+0080..U+009F, U+2028, U+2029 and the characters that
 * turn the direction of text are written as \u00XX, bytes that are no UTF-8 as \xXX (json: as
 * \ufffd, since JSON knows no bytes). Cuts between characters where cap is too small, and writes
 * "..." where it had to. NUL-terminated; returns the length without it. */
NP_API size_t np_log_escape(np_str text, bool json, char *out, size_t cap);

#ifdef __cplusplus
}
#endif

#endif
