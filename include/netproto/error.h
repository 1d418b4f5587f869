/* netproto/error.h - one error type for everything, and the detail for people.
 *
 * Every function that can fail returns np_err and is marked NP_MUST_CHECK; results leave through
 * out parameters only. There is no errno-like global. "Need more bytes" is not an error.
 *
 * Numbers are append-only: a released number keeps its meaning for good.
 *
 * Threads: everything here is pure and may be called from any thread.
 */
#ifndef NETPROTO_ERROR_H
#define NETPROTO_ERROR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <netproto/export.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What kind of trouble an error is; decides whom to tell. */
typedef enum np_err_class {
    NP_CLASS_OK,
    NP_CLASS_USAGE,  /* the caller's mistake: fix the program */
    NP_CLASS_LIMIT,  /* a configured bound was reached: wait, or raise it */
    NP_CLASS_PROTO,  /* the peer's bytes break the protocol: the connection ends */
    NP_CLASS_CRYPTO, /* authentication or decryption failed: the connection ends */
    NP_CLASS_IO,     /* the network or a file: try again later */
    NP_CLASS_PEER,   /* the peer answered, with a refusal */
    NP_CLASS_CLOSED, /* the connection, call or object is gone */
    NP_CLASS_SYSTEM  /* this machine is out of something */
} np_err_class;

/* X(name, number, class, text) */
#define NP_ERR_MAP(X)                                                                              \
    X(OK, 0, OK, "no error")                                                                       \
    X(ARG, -1, USAGE, "invalid argument")                                                          \
    X(STATE, -2, USAGE, "not possible in this state")                                              \
    X(SPACE, -3, USAGE, "the buffer is too small")                                                 \
    X(NEWER, -4, USAGE, "the value is newer than the version agreed on")                           \
    X(ADDRESS, -5, USAGE, "malformed address")                                                     \
    X(FULL, -6, LIMIT, "the queue is full")                                                        \
    X(LIMIT, -7, LIMIT, "a configured limit is reached")                                           \
    X(TRUNCATED, -8, PROTO, "the input ends too early")                                            \
    X(TRAILING, -9, PROTO, "bytes follow the end of the value")                                    \
    X(TOO_LONG, -10, PROTO, "longer than allowed")                                                 \
    X(TOO_SHORT, -11, PROTO, "shorter than allowed")                                               \
    X(RANGE, -12, PROTO, "value out of range")                                                     \
    X(BOOL, -13, PROTO, "a bool must be 0 or 1")                                                   \
    X(OPTION, -14, PROTO, "an option's tag must be 0 or 1")                                        \
    X(VARIANT, -15, PROTO, "unknown variant")                                                      \
    X(CHAR, -16, PROTO, "not a Unicode scalar value in UTF-8")                                     \
    X(UTF8, -17, PROTO, "invalid UTF-8")                                                           \
    X(NUL, -18, PROTO, "a NUL where none is allowed")                                              \
    X(FINITE, -19, PROTO, "not a finite number")                                                   \
    X(ORDER, -20, PROTO, "map keys must strictly ascend")                                          \
    X(DEPTH, -21, PROTO, "nested too deeply")                                                      \
    X(CONST, -22, PROTO, "a constant has the wrong value")                                         \
    X(UNKNOWN_MESSAGE, -23, PROTO, "unknown message")                                              \
    X(UNEXPECTED, -24, PROTO, "the conversation does not allow this message now")                  \
    X(FRAME, -25, PROTO, "malformed frame")                                                        \
    X(STREAM, -26, PROTO, "malformed stream header")                                               \
    X(FRAGMENT, -27, PROTO, "malformed fragment")                                                  \
    X(VERSION, -28, PROTO, "no protocol version in common")                                        \
    X(DEADLINE, -29, IO, "the deadline has passed")                                                \
    X(RESOLVE, -30, IO, "the name could not be resolved")                                          \
    X(CONNECT, -31, IO, "the connection could not be made")                                        \
    X(RESET, -32, IO, "the connection was lost")                                                   \
    X(EOF, -33, IO, "the peer ended the connection in the middle of something")                    \
    X(IO, -34, IO, "input or output failed")                                                       \
    X(REFUSED, -35, PEER, "the peer refused")                                                      \
    X(FAILED, -36, PEER, "the peer answered with an error")                                        \
    X(BUSY, -37, PEER, "the peer is busy")                                                         \
    X(CLOSED, -38, CLOSED, "closed")                                                               \
    X(CANCELED, -39, CLOSED, "canceled")                                                           \
    X(MEMORY, -40, SYSTEM, "out of memory")                                                        \
    X(FILES, -41, SYSTEM, "out of file descriptors")                                               \
    X(SYSTEM, -42, SYSTEM, "the operating system refused")                                         \
    X(IN_USE, -43, SYSTEM, "the address is in use")                                                \
    X(JSON, -44, USAGE, "malformed JSON")                                                          \
    X(NO_HANDLER, -45, USAGE, "this side has no handler for the message")                          \
    X(KEY, -46, CRYPTO, "a key that is no key")                                                    \
    X(SEAL, -47, CRYPTO, "authentication failed")                                                  \
    X(CLOCK, -48, PEER, "the clocks of the two sides differ too much")                             \
    X(UNSAFE, -49, USAGE, "a file that others could read or change")                               \
    X(COMPRESSION, -50, PROTO, "malformed compressed data")

typedef enum np_err {
#define NP_ERR_ENUM_(name, number, class, text) NP_ERR_##name = (number),
    NP_ERR_MAP(NP_ERR_ENUM_)
#undef NP_ERR_ENUM_
        NP_OK = 0
} np_err;

/* The name of an error, e.g. "NP_ERR_UTF8"; "NP_ERR_?" for a number that is none. Static. */
NP_API const char *np_err_name(np_err err);

/* One sentence without a full stop, e.g. "invalid UTF-8". Static; never NULL. */
NP_API const char *np_err_text(np_err err);

/* The class of an error; NP_CLASS_USAGE for a number that is none. */
NP_API np_err_class np_err_class_of(np_err err);

/* What np_fault.got means. */
typedef enum np_got {
    NP_GOT_NOTHING,  /* there is no value to tell */
    NP_GOT_UNSIGNED, /* got is a uint64_t */
    NP_GOT_SIGNED,   /* got is an int64_t, stored as its two's complement */
    NP_GOT_FLOAT     /* got holds the bits of a double */
} np_got;

/* What two peers do not have in common, where the error is NP_ERR_VERSION. */
typedef enum np_disagreement {
    NP_DISAGREE_NONE,     /* they agree, or it was not said */
    NP_DISAGREE_PROTOCOL, /* they speak different protocols */
    NP_DISAGREE_VERSION,  /* their ranges of versions do not meet */
    NP_DISAGREE_CIPHER,   /* none of a secure session's ciphers is taken by both */
    NP_DISAGREE_SCHEMA    /* a version of both means two things: the schemas' digests differ */
} np_disagreement;

/* The detail of a refused value: which field, where, by which rule.
 *
 * `where` and `rule` point to static text of the generated code or the runtime and live as long
 * as the code does. A fault owns nothing. Codec functions fill it in when they fail and leave it
 * alone when they succeed; every parameter of this type may be NULL. */
typedef struct np_fault {
    np_err err;
    np_got got_kind;
    const char *where; /* "chat.Say.text", "base.frame.length" */
    const char *rule;  /* the schema's words, e.g. "max 4096", or what to do about it; NULL if the
                        * error says it all */
    uint64_t offset;   /* bytes from the start of the payload (or frame) to the refused item */
    uint64_t got;      /* the refused value, length or count; see got_kind */
} np_fault;

/* Writes a line for people, e.g. "chat.Say.text: length 70000 exceeds max 4096 at byte 12".
 *
 * text: at least 1 byte; receives at most cap bytes, always NUL-terminated, cut where too long.
 * Returns text. 256 bytes are enough for every fault with a `where` of up to 80 bytes; 160 for
 * those about a field. */
NP_API char *np_fault_format(const np_fault *fault, char *text, size_t cap);

/* Fills in a fault (which may be NULL) and returns err, so that callers can write
 * `return np_fault_set(fault, NP_ERR_RANGE, "chat.Person.age", "range 0..150", at, age);`
 * got is taken as unsigned. */
NP_API np_err np_fault_set(np_fault *fault, np_err err, const char *where, const char *rule,
                           uint64_t offset, uint64_t got);

/* The same for a value that has a sign. */
NP_API np_err np_fault_set_signed(np_fault *fault, np_err err, const char *where, const char *rule,
                                  uint64_t offset, int64_t got);

/* The same without a value to tell. */
NP_API np_err np_fault_at(np_fault *fault, np_err err, const char *where, const char *rule,
                          uint64_t offset);

#ifdef __cplusplus
}
#endif

#endif
