/* tool.h - what the subcommands of the command `netproto` share.
 *
 *   main.c      the table of subcommands, global options
 *   exits.c     exit codes
 *   input.c     arguments, standard input, hexadecimal
 *   output.c    standard output, and whether it took everything
 *   protocol.c  the protocol spoken: base, or a plugin's
 *   show.c      messages for people: errors with the bytes around them
 *   log.c       time, and logs on standard error
 *   answers.c   the answers that `serve` gives; answers.h
 *   cmd_X.c     one subcommand each
 *
 * and for those that talk:
 *
 *   compression.c  the options of compression; compression.h
 *   security.c  the options of secure sessions, and the files that both sides load; security.h
 *   trust.c     a client's side: which server it trusts; trust.h
 *   known.c     what a client says and asks about a server's key
 *   ask.c       a question to the person at the terminal; ask.h
 *   admit.c     a server's side: whom it lets in; admit.h
 *   dial.c      connecting, within a deadline for the whole run; dial.h
 *   link.c      one client whose messages all go to one function; link.h
 */
#ifndef NP_TOOL_TOOL_H
#define NP_TOOL_TOOL_H

#include <netproto/client.h>
#include <netproto/json.h>

#include <stdio.h>

/* Exit codes: which stage failed. docs/man/netproto.1 has the same table. */
typedef enum tool_exit {
    EXIT_CODE_OK = 0,
    EXIT_CODE_GENERIC = 1,      /* this machine: memory, files, output, a handler */
    EXIT_CODE_USAGE = 2,        /* options, arguments, addresses */
    EXIT_CODE_RESOLVE = 3,      /* the name has no address */
    EXIT_CODE_CONNECT = 4,      /* nobody answers there */
    EXIT_CODE_NEGOTIATE = 5,    /* no protocol or version in common, or one side is plain */
    EXIT_CODE_DECODE = 6,       /* a frame or message breaks its rules */
    EXIT_CODE_CONVERSATION = 7, /* a message at the wrong point of the conversation */
    EXIT_CODE_DEADLINE = 8,     /* connected, and then it took too long */
    EXIT_CODE_REFUSED = 9,      /* the peer refused, is busy, or answered with a failure */
    EXIT_CODE_CLOSED = 10,      /* the connection ended too early */
    EXIT_CODE_LISTEN = 11,      /* an address cannot be listened on */
    EXIT_CODE_JSON = 12,        /* JSON that is none, or no such message */
    EXIT_CODE_PLUGIN = 13,      /* a protocol cannot be loaded */
    EXIT_CODE_KEYS = 14,        /* our own key, or whom we trust: missing, unsafe, malformed */
    EXIT_CODE_TRUST = 15,       /* the server's key is not the one expected, or is not known */
    EXIT_CODE_SEAL = 16         /* the peer's bytes are not authentic: somebody changed them */
} tool_exit;

/* The table of them, for --help. */
void tool_print_exits(FILE *out);

/* What one means, as the table has it. Static. */
const char *tool_exit_text(tool_exit code);

/* The code for an error, or for a failure with its stage. */
tool_exit tool_exit_of(np_err err);
tool_exit tool_exit_of_failure(const np_failure *failure);

/* Complains about a failure, and gives its exit code. */
tool_exit tool_failed(const np_failure *failure);

/* Whoever started us may have closed descriptors 0 to 2. The next sockets and files would get their
 * numbers, and what is printed or complained would go to a peer, in the clear, or into a key file.
 * So they are held by /dev/null; reading and writing fails as before. To be called first of all.
 * false: there is no /dev/null, and nothing may be opened. */
bool tool_hold_descriptors(void);

/* One subcommand. argv[0] is its name; the return value is the exit code. */
typedef struct tool_command {
    const char *name;
    const char *synopsis; /* what stands behind the name */
    const char *summary;  /* one line */
    const char *help;     /* options and examples */
    /* NULL for a command that takes --protocol; else why it takes none, for who gives one. */
    const char *without_protocol;
    tool_exit (*run)(const struct tool_command *self, int argc, char **argv);
} tool_command;

extern const tool_command tool_encode, tool_decode, tool_serve, tool_call, tool_ping, tool_bench,
    tool_handshake, tool_keygen, tool_key;

/* Prints a subcommand's help. */
void tool_print_help(const tool_command *command, FILE *out);

/* "netproto: text" on standard error. What peers or files said must be escaped by the caller. */
void tool_complain(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Complains, points to --help, and returns EXIT_CODE_USAGE. */
tool_exit tool_usage(const tool_command *command, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* A decimal number within bounds; complains and returns false otherwise. */
bool tool_number(const tool_command *command, const char *option, const char *text, uint64_t min,
                 uint64_t max, uint64_t *out);

/* Output ---------------------------------------------------------------------------------------
 */

/* Writes out what was printed; false where that has failed, now or before. */
bool tool_flush(void);

/* Whether that was because there is no output: it was closed when the program started. */
bool tool_output_is_closed(void);

/* The same at the end of a run: a full disk or a closed pipe is no success, and is complained of
 * unless something else was. Returns the exit code. */
tool_exit tool_output_end(tool_exit code);

/* Input ---------------------------------------------------------------------------------------- */

/* Most that a subcommand reads at once, and the longest line. */
#define TOOL_INPUT_MAX ((size_t)256 << 20)
#define TOOL_LINE_MAX ((size_t)64 << 20)

/* Bytes from malloc. */
typedef struct tool_bytes {
    uint8_t *data;
    size_t len, cap;
} tool_bytes;

/* Whether an argument is a message's name, "Join" or "chat.Join", and no JSON. */
bool tool_is_name(const char *text);

/* Appends; complains and returns false where memory or max is out. */
bool tool_bytes_add(tool_bytes *bytes, const void *data, size_t len, size_t max);
void tool_bytes_free(tool_bytes *bytes);

/* Reads a stream to its end. */
tool_exit tool_read_all(FILE *in, tool_bytes *out);

/* Reads the next line without its end into *line, skipping empty ones. *end: there was none left.
 */
tool_exit tool_read_line(FILE *in, tool_bytes *line, bool *end);

/* Appends the bytes that a text tells in hexadecimal; white space, ':' and "0x" between bytes are
 * fine. Returns false, with *bad the offending character's position, if it is something else. */
bool tool_hex_read(np_str text, tool_bytes *out, size_t *bad);

/* Writes bytes in hexadecimal and a line end. */
void tool_hex_write(FILE *out, const uint8_t *data, size_t len);

/* Protocol --------------------------------------------------------------------------------------
 */

/* What is spoken. Ids below 256 are base's, unless the protocol has them itself. */
typedef struct tool_protocol {
    const np_protocol *protocol;
    uint32_t version; /* what is assumed of payloads that no connection has agreed on */
    np_json *json, *base_json;
} tool_protocol;

/* path: a plugin, or NULL for base. version: 0 for the newest. Complains on failure. */
tool_exit tool_protocol_open(tool_protocol *p, const char *path, uint32_t version);
void tool_protocol_close(tool_protocol *p);

/* A message by its name; NULL, with a complaint that lists what there is. */
const np_message *tool_protocol_message(const tool_protocol *p, const char *name);

/* The translator for an id, and the version that goes with it. */
np_json *tool_protocol_json(const tool_protocol *p, uint32_t id, uint32_t version,
                            uint32_t *its_version);

/* Prints a payload as one line of JSON, from the u32 id on; complains with the bytes around the
 * fault. */
tool_exit tool_print_payload(const tool_protocol *p, uint32_t version, np_json_what what,
                             const uint8_t *data, size_t len);

/* The same without the line end, and without complaining. */
np_err tool_payload_text(const tool_protocol *p, uint32_t version, np_json_what what,
                         const uint8_t *data, size_t len, np_str *text, np_json_error *error);

/* Turns JSON into a payload. message NULL: the JSON says which, {"Say": {...}}. Complains on
 * failure. The payload is borrowed from the translator. */
tool_exit tool_build_payload(const tool_protocol *p, uint32_t version, const np_message *message,
                             np_str json, np_bytes *payload);

/* Show ------------------------------------------------------------------------------------------
 */

/* Some lines of a hex dump around the byte at `offset`, with a caret under it. */
void tool_show_bytes(FILE *out, const uint8_t *data, size_t len, uint64_t offset);

/* Room for a text of `max` bytes behind np_log_escape, which makes six of one at most. */
#define TOOL_ESCAPED(max) (6 * (max) + 1)

/* Time and logs ---------------------------------------------------------------------------------
 */

/* The log on standard error; verbose: everything. */
void tool_log_init(np_log *log, bool verbose);

/* Nanoseconds of a clock that only goes forward. */
uint64_t tool_now_ns(void);

#endif
