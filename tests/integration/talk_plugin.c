/* The plugin that test_tool.c hands to the command. */
#include "talk.h"

#include <netproto/plugin.h>

NP_PLUGIN(talk_protocol)
