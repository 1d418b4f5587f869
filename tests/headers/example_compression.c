/* The options are there, and name what they say. */
#include "example.h"

#include <netproto/daemon.h>

int main(void)
{
    np_daemon_options options = np_daemon_options_default();
#include "example_compression.inc"
    MUST(options.conn.compression.preferred[0] == NP_COMPRESSION_ZSTD);
    MUST(options.conn.compression.preferred[1] == NP_COMPRESSION_LZ4);
    return 0;
}
