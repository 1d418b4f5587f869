/* frames.h - a recorded stream of frames as JSON. */
#ifndef NP_TOOL_FRAMES_H
#define NP_TOOL_FRAMES_H

#include "tool/tool.h"

/* Prints a line for each message of what one side of a plain connection sent, and complains about
 * the first thing that breaks the protocol. */
tool_exit tool_decode_frames(const tool_protocol *p, const uint8_t *data, size_t len);

#endif
