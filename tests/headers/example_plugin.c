/* The file is a plugin: it has the two names by which a program that loads it finds the protocol.
 */
#include "example.h"
#include "example_plugin.inc"

int main(void)
{
    MUST(np_plugin_protocol() == &chat_protocol);
    return 0;
}
