/* The service is the one that the generated function makes of the same handlers. */
#include "chat_service.h"
#include "example.h"

static np_err on_find(np_conn *conn, np_call call, const chat_find *msg, void *user)
{
    (void)conn;
    (void)call;
    (void)msg;
    (void)user;
    return NP_OK;
}

static np_err on_say(np_conn *conn, const chat_say *msg, void *user)
{
    (void)conn;
    (void)msg;
    (void)user;
    return NP_OK;
}

static int room;

int main(void)
{
#include "example_service.inc"
    const np_service same = chat_service(&handlers);
    MUST(service.protocol == same.protocol && service.dispatch == same.dispatch);
    MUST(service.handlers == same.handlers && handlers.user == &room);
    return 0;
}
