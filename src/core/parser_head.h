/* parser_head.h - the incremental parser for the part of a `stream` message before its body.
 *
 * The body's bytes follow no rule but their number, so who takes a message in pieces needs the
 * parser only until that number is known, and counts from there.
 *
 * Memory: the caller's, so that it can come from a pool. Nothing is allocated, nothing to free.
 * Threads: one.
 */
#ifndef NP_CORE_PARSER_HEAD_H
#define NP_CORE_PARSER_HEAD_H

#include <netproto/parser.h>

/* Bytes that a parser of this protocol needs. */
size_t np__parser_size(const np_protocol *protocol);

/* Makes a parser in zeroed memory of that size, aligned for any type; ready for a payload. */
np_parser *np__parser_place(void *memory, const np_protocol *protocol, uint32_t version,
                            bool reply);

/* Takes the next bytes of a `stream` message, from its u32 id on.
 *
 * NP_PARSE_MORE: all are taken, and more of the head is to come. NP_PARSE_DONE: *taken of them
 * belong to the head, which ends with the body's u64 length; *total is that, within the schema's
 * bounds. The parser is of no further use then. NP_PARSE_BAD: np_parser_fault tells why. */
np_parse np__parser_head(np_parser *parser, const uint8_t *data, size_t len, size_t *taken,
                         uint64_t *total);

#endif
