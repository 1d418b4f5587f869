/* answers.h - what `netproto serve --protocol` answers requests with: one value for each, from the
 * command line. */
#ifndef NP_TOOL_ANSWERS_H
#define NP_TOOL_ANSWERS_H

#include "tool/tool.h"

/* One answer, checked and decoded. */
typedef struct tool_answer {
    const np_message *message;
    uint8_t *payload; /* what value points into */
    void *value;      /* the C struct of the message's reply */
} tool_answer;

typedef struct tool_answers {
    tool_answer *items;
    size_t count;
} tool_answers;

/* Takes texts like "Find={\"name\":\"bob\"}", at the newest version of the protocol; complains
 * about the first that is wrong. tool_answers_free in any case. */
tool_exit tool_answers_read(tool_answers *answers, const tool_protocol *p, const char *const *texts,
                            size_t count);
void tool_answers_free(tool_answers *answers);

/* The answer to a request, or NULL. */
const tool_answer *tool_answers_find(const tool_answers *answers, const np_message *message);

#endif
