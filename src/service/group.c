/* group.c - what the connections of one daemon or client share: options, and who may be there. */
#include "service/conn_private.h"

#include <string.h>

np_conn_options np_conn_options_default(void)
{
    np_conn_options options = {
        .queue_max = (size_t)1 << 20,
        .message_max = (size_t)16 << 20,
        .calls_max = 1024,
        .serve_max = 1024,
        .bodies_max = 16,
        .hello_timeout_ms = 5000,
        .frame_timeout_ms = 30000,
        .stall_timeout_ms = 30000,
        .close_timeout_ms = 5000,
        .fail_timeout_ms = 5000,
        .idle_timeout_ms = 60000,
        .call_timeout_ms = 30000,
        .memory_max = (size_t)64 << 20,
    };

    options.compression = np_compression_options_default();
    return options;
}

np_err np__group_init(np_group *group, np_loop *loop, const np_service *service,
                      const np_service *base, const np_conn_handlers *handlers,
                      const np_conn_options *options)
{
    if (service->protocol == NULL || options->queue_max == 0 || options->message_max == 0) {
        return NP_ERR_ARG;
    }
    memset(group, 0, sizeof *group);
    group->loop = loop;
    group->links.ops = np__conn_link_ops;
    group->links.ops.loop = loop;
    group->service = *service;
    group->base = *base;
    group->handlers = *handlers;
    group->call_timeout_ms = options->call_timeout_ms;
    group->links.session = np_session_options_default(service->protocol);
    group->links.session.conversation = options->conversation;
    if (options->conversation == NULL && service->protocol->conversation_count > 0 &&
        !options->any_order) {
        group->links.session.conversation = &service->protocol->conversations[0];
    }
    group->links.session.version_min = options->version_min;
    group->links.session.version_max = options->version_max;
    group->links.session.queue_max = options->queue_max;
    group->links.session.message_max = options->message_max;
    group->links.session.calls_max = options->calls_max;
    group->links.session.serve_max = options->serve_max;
    group->links.session.bodies_max = options->bodies_max;
    group->links.session.hello_ms = options->hello_timeout_ms;
    group->links.session.frame_ms = options->frame_timeout_ms;
    group->links.session.stall_ms = options->stall_timeout_ms;
    group->links.session.close_ms = options->close_timeout_ms;
    group->links.session.fail_ms = options->fail_timeout_ms;
    group->links.session.idle_ms = options->idle_timeout_ms;
    group->links.session.admit = np__conn_admit;
    np_members_init(&group->half_open);
    np_members_init(&group->open);
    np_holder_init(&group->holder, np__loop_pool(loop), options->memory_max);
    if (options->poison) {
        group->poison = np__poison_new();
        return group->poison != NULL ? NP_OK : NP_ERR_MEMORY;
    }
    return NP_OK;
}

/* What is wrong with the options, in words; NULL: nothing. */
static const char *wrong_compression(const np_compression_options *options)
{
    const np_compression first = options->preferred[0];
    const np_compression second = options->preferred[1];

    if ((unsigned)first > NP_COMPRESSION_ZSTD || (unsigned)second > NP_COMPRESSION_ZSTD) {
        return "compression: preferred holds a kind that there is not";
    }
    if (second != NP_COMPRESSION_NONE && (first == second || first == NP_COMPRESSION_NONE)) {
        return "compression: preferred names each kind once, and NONE only behind them";
    }
    return first != NP_COMPRESSION_NONE &&
                   (options->zstd_level < 1 || options->zstd_level > NP_COMPRESSION_LEVEL_MAX)
               ? "compression: zstd_level is 1 to 19"
               : NULL;
}

np_err np__group_compress(np_group *group, const np_compression_options *options,
                          const char *address, np_failure *failure)
{
    np_session_compression *compression = &group->compression;
    const char *why = wrong_compression(options);

    if (why != NULL) {
        return np__failure_set(failure, address != NULL ? NP_STAGE_CONNECT : NP_STAGE_LISTEN,
                               NP_ERR_ARG, 0, address, why);
    }
    for (size_t i = 0; i < NP_COMPRESSION_KINDS && options->preferred[i] != NP_COMPRESSION_NONE;
         i++) {
        compression->kinds[compression->kind_count++] = (uint8_t)options->preferred[i];
    }
    compression->threshold = options->threshold;
    compression->zstd_level = options->zstd_level;
    compression->unpack_rate = options->unpack_rate;
    compression->contexts = np__loop_compress(group->loop);
    group->links.session.compression = compression->kind_count > 0 ? compression : NULL;
    return NP_OK;
}

np_err np__group_secure(np_group *group, const np_security *security, const char *address,
                        np_failure *failure)
{
    np_err err = np__guard_init(&group->guard, security, address, failure);

    group->links.session.security = np__guard_session(&group->guard);
    return err;
}

void np__group_fini(np_group *group)
{
    while (group->half_open.first != NULL) {
        np_link_destroy(&np__conn_of_member(group->half_open.first)->link);
    }
    while (group->open.first != NULL) {
        np_link_destroy(&np__conn_of_member(group->open.first)->link);
    }
    if (group->holder.pool != NULL) { /* else it was never made */
        np_holder_fini(&group->holder);
    }
    np__group_free_pending(group);
    np__poison_free(group->poison);
    np__guard_fini(&group->guard);
}
