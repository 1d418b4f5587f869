/* A connection that its application holds for long is not ended by what tells its peer that it
 * lives. */
#include "service/client_private.h"
#include "service/conn_private.h"
#include "service/daemon_private.h"
#include "support/demo_service.h"
#include "transport/stream.h"

#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

typedef struct world {
    np_loop *loop;
    np_conn *served;
    bool closed;
} world;

static void on_server_open(np_conn *conn, void *user)
{
    ((world *)user)->served = conn;
}

static void on_server_close(np_conn *conn, const np_failure *failure, void *user)
{
    (void)conn;
    ((world *)user)->closed = true;
    (void)failure;
}

static void test_one_holds(void **state)
{
    static const char *const addresses[] = {"tcp://127.0.0.1:0"};
    static world w;
    demo_handlers none = {.on_say = NULL};
    np_daemon_options options = demo_daemon_options(&none, addresses, 1);
    np_client_options client_options;
    struct sockaddr_in sa = {.sin_family = AF_INET, .sin_port = 1};
    np_stream near_end, far_end;
    np_client *client = NULL;
    np_daemon *daemon = NULL;
    const char *limit = NULL;

    (void)state;
    memset(&w, 0, sizeof w);
    options.conn.idle_timeout_ms = 10;
    options.conn.stall_timeout_ms = 300;
    options.handlers.on_open = on_server_open;
    options.handlers.on_close = on_server_close;
    options.handlers.user = &w;
    demo_must(np_loop_new(&w.loop, NULL), NULL);
    demo_must(np_daemon_start(&daemon, w.loop, &options, NULL), NULL);
    client_options = demo_client_options(&none, np_daemon_address(daemon, 0));
    client_options.conn.idle_timeout_ms = 0;
    client_options.conn.stall_timeout_ms = 300;
    demo_must(np_client_new(&client, w.loop, &client_options, NULL), NULL);
    demo_must(np_pair_open(w.loop, 4096, &near_end, &far_end), NULL);
    sa.sin_addr.s_addr = htonl(0x0A000001);
    demo_must(np__daemon_adopt(daemon, &near_end, (struct sockaddr *)&sa, &limit), NULL);
    demo_must(np__client_adopt(client, &far_end), NULL);
    demo_rest(w.loop, 5);
    assert_non_null(w.served);
    np_conn_hold(w.served, true);
    demo_rest(w.loop, 3000);
    assert_false(w.closed);
    np_client_free(client);
    np_daemon_free(daemon);
    np_loop_free(w.loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_holds),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
