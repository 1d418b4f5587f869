/* twin.h - the two decoders of a protocol as each other's judges.
 *
 * The contiguous decoder and the incremental parser come from one model and must agree on every
 * input, however it is cut: the verdict, the field, the offset and the rule of an error, and the
 * values. Used by tests and by fuzz targets alike.
 */
#ifndef NP_SELFTEST_TWIN_H
#define NP_SELFTEST_TWIN_H

#include <netproto/parser.h>

/* Everything that one way of reading a payload had to say: a line per event, then the verdict.
 * Two ways agree exactly if their texts are equal. */
typedef struct np__twin_log {
    char *text; /* from malloc; NUL-terminated */
    size_t len, cap;
} np__twin_log;

void np__twin_log_free(np__twin_log *log);

/* Feeds the parser the payload cut at the ascending offsets cuts[0..count). */
np__twin_log np__twin_parse(np_parser *parser, const uint8_t *data, size_t len, const size_t *cuts,
                            size_t count, np_fault *fault);

/* Reads a payload with the contiguous decoder. On success *again is what the value encodes to, from
 * malloc. reply: the payload answers a request. */
np_err np__twin_decode(const np_protocol *protocol, uint32_t version, bool reply,
                       const uint8_t *data, size_t len, np_fault *fault, uint8_t **again,
                       size_t *again_len);

/* How thoroughly to cut. */
typedef struct np__twin_effort {
    bool every_cut;         /* at every single place */
    size_t all_pairs_up_to; /* bytes: every pair of cuts */
    size_t random_pairs;    /* beyond that: so many pairs, from the seed */
    uint64_t seed;
} np__twin_effort;

/* Compares both decoders on a payload: whole, byte by byte, at every cut and at pairs of cuts.
 * *trouble stays empty (text is NULL) if they agree, and if what they accept encodes to the same
 * bytes; else it tells the first difference, without a newline at its end. Returns the verdict. */
np_err np__twin_compare(const np_protocol *protocol, uint32_t version, bool reply,
                        const uint8_t *data, size_t len, np__twin_effort effort,
                        np__twin_log *trouble);

/* The same, but aborts with a message on any difference. */
np_err np__twin_check(const np_protocol *protocol, uint32_t version, bool reply,
                      const uint8_t *data, size_t len, np__twin_effort effort);

#endif
