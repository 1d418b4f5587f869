/* dispatch.c - hands a message to the dispatcher whose it is. */
#include "service/conn_private.h"

/* Whose message it is: ids of the base protocol go to its own handlers, unless the service speaks
 * the base protocol itself. */
static const np_service *service_for(const np_group *group, uint32_t id)
{
    const np_protocol *protocol = group->service.protocol;
    bool base_itself = protocol->message_count > 0 && protocol->messages[0].id < 256;

    return id < 256 && !base_itself ? &group->base : &group->service;
}

static np_err no_dispatcher(const np_group *group, const np_service *service, np_fault *fault)
{
    const char *rule = service == &group->base ? "set base in the options, base_service(&handlers)"
                                               : "the service was made without handlers";

    return np_fault_at(fault, NP_ERR_NO_HANDLER, NULL, rule, 0);
}

/* The same on a copy of the payload, which is spoilt afterwards. */
static np_err dispatch_poisoned(np_conn *conn, const np_service *service, const np_incoming *in,
                                np_fault *fault)
{
    np_incoming lent = *in;
    uint8_t *copy = np__poison_lend(in->payload, in->len);
    np_err err = NP_OK;

    if (copy != NULL) {
        lent.payload = copy;
    }
    err = service->dispatch(service->handlers, conn, &lent, fault);
    np__poison_spoil(np__conn_group(conn)->poison, copy, in->len);
    return err;
}

np_err np__conn_dispatch(np_conn *conn, const np_incoming *in, np_fault *fault)
{
    const np_service *service = service_for(np__conn_group(conn), in->id);
    np_err err = NP_OK;

    if (np_unlikely(service->dispatch == NULL)) {
        return no_dispatcher(np__conn_group(conn), service, fault);
    }
    conn->dispatching = true;
    err = np_unlikely(np__conn_group(conn)->poison != NULL)
              ? dispatch_poisoned(conn, service, in, fault)
              : service->dispatch(service->handlers, conn, in, fault);
    conn->dispatching = false;
    return err;
}
