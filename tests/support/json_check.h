/* json_check.h - JSON out and in as each other's judges.
 *
 * Used by tests and by the fuzz target alike, so it aborts rather than fails a test.
 */
#ifndef NP_TESTS_JSON_CHECK_H
#define NP_TESTS_JSON_CHECK_H

#include <netproto/json.h>

/* What the decoder refuses, np_json_print must refuse with the same fault; what it accepts must
 * print, and parse back to the same bytes (NaNs: to the same text). Returns the verdict. */
np_err json_check_payload(np_json *json, const np_protocol *protocol, uint32_t version,
                          np_json_what what, const uint8_t *data, size_t len);

/* What np_json_parse accepts must be a payload that checks as above. Returns the verdict. */
np_err json_check_text(np_json *json, const np_protocol *protocol, uint32_t version,
                       np_json_what what, np_str text);

#endif
