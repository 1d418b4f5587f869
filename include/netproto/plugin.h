/* netproto/plugin.h - a protocol's descriptors as a module that programs load at run time.
 *
 * One C file beside the generated ones makes a plugin:
 *
 *     #include "chat.h"
 *     #include <netproto/plugin.h>
 *     NP_PLUGIN(chat_protocol)
 *
 * and `netproto --protocol ./chat.so call ...` speaks chat. netproto_generate(... PLUGIN) of the
 * CMake package does all of this.
 *
 * A plugin is code of whoever wrote it: loading one runs it.
 *
 * Threads: constant data.
 */
#ifndef NETPROTO_PLUGIN_H
#define NETPROTO_PLUGIN_H

#include <netproto/schema.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What its code was compiled for: NP_GEN_ABI, and whether enums are short (-fshort-enums), which
 * moves what stands behind them in the descriptors. */
#define NP_PLUGIN_ABI (NP_GEN_ABI + (sizeof(np_kind) < sizeof(int) ? 1000u : 0u))

/* What a plugin exports. The number is looked at before anything else of it is touched. */
NP_API extern const uint32_t np_plugin_abi; /* NP_PLUGIN_ABI at the time it was compiled */
NP_API const np_protocol *np_plugin_protocol(void);

#define NP_PLUGIN(protocol)                                                                        \
    const uint32_t np_plugin_abi = NP_PLUGIN_ABI;                                                  \
    const np_protocol *np_plugin_protocol(void)                                                    \
    {                                                                                              \
        return &(protocol);                                                                        \
    }

#ifdef __cplusplus
}
#endif

#endif
