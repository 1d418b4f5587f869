/* options.c - see options.h. Options that hold zeroes throughout were never filled in: each of
 * their zeroes means something else, so what is said is where to begin. */
#include "service/options.h"

/* Nothing works with either of them. */
static bool is_conn_zero(const np_conn_options *conn)
{
    return conn->queue_max == 0 && conn->message_max == 0;
}

static const char *conn_wrong(const np_service *service, const np_conn_options *conn)
{
    if (is_conn_zero(conn)) {
        return "conn is zero; begin with np_conn_options_default()";
    }
    if (conn->queue_max == 0) {
        return "conn.queue_max is 0, so nothing could be sent; leave it as it is by default";
    }
    if (conn->message_max == 0) {
        return "conn.message_max is 0, so nothing could be received; leave it as it is by default";
    }
    return service->protocol == NULL
               ? "service has no protocol; set it to X_service(&handlers) of the generated code"
               : NULL;
}

const char *np__daemon_options_wrong(const np_daemon_options *options)
{
    if (options->connections_max == 0 && is_conn_zero(&options->conn)) {
        return "the options are zero; begin with np_daemon_options_default()";
    }
    if (options->connections_max == 0) {
        return "connections_max is 0, so nobody could come in";
    }
    if (options->address_count > NP_DAEMON_ADDRESSES_MAX) {
        return "addresses: more than 64";
    }
    return conn_wrong(&options->service, &options->conn);
}

const char *np__client_options_wrong(const np_client_options *options)
{
    if (options->connect_timeout_ms == 0 && is_conn_zero(&options->conn)) {
        return "the options are zero; begin with np_client_options_default()";
    }
    return conn_wrong(&options->service, &options->conn);
}

const char *np__daemon_addresses_wrong(const np_daemon_options *options)
{
    return options->address_count == 0 || options->addresses == NULL
               ? "addresses: there is none; set addresses and address_count"
               : NULL;
}
