/* ask.h - a question to the person at the terminal. */
#ifndef NP_TOOL_ASK_H
#define NP_TOOL_ASK_H

#include <stdio.h>

typedef enum tool_answer_given { TOOL_ASK_NOBODY, TOOL_ASK_NO, TOOL_ASK_YES } tool_answer_given;

/* Asks until the answer is yes, no, or `expected` itself, pasted, which means yes; another paste,
 * no answer, and a third unclear one mean no. The terminal is the controlling one, or standard
 * input where that is one; NOBODY if neither is, and nothing has been written then. */
tool_answer_given tool_ask(const char *question, const char *expected);

#endif
