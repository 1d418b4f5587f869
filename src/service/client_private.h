/* client_private.h - what tests and other files use of a client beyond netproto/client.h. */
#ifndef NP_SERVICE_CLIENT_PRIVATE_H
#define NP_SERVICE_CLIENT_PRIVATE_H

#include <netproto/client.h>

#include "transport/stream.h"

/* Talks over a connected stream instead of connecting; takes it over on success. Errors:
 * NP_ERR_STATE, NP_ERR_MEMORY. */
NP_MUST_CHECK np_err np__client_adopt(np_client *client, const np_stream *stream);

#endif
