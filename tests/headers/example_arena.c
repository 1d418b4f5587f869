/* A copy in the arena outlives the message that it was made from. */
#include "chat.h"
#include "example.h"

#include <netproto/arena.h>

#include <string.h>

int main(void)
{
    char text[] = "hello";
    const chat_say said = {.text = {text, 5}, .name = np_str_from("ann")};
    const chat_say *msg = &said;
#define np_arena_fini(arena)                                                                       \
    memset(text, 0xA5, sizeof text);                                                               \
    MUST(err == NP_OK && np_str_equal(copy.text, np_str_from("hello")));                           \
    np_arena_fini(arena)
#include "example_arena.inc"
    return 0;
}
