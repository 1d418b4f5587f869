/* Packets of fixed layout, read whole and in pieces: the frame's header, the stream header, and
 * those of the test schemas. Both ways must give the same fields or the same refusal, and the
 * machine must take exactly the header and not a byte behind it.
 *
 * The input: which packet (1 byte; 0 is the frame, 1 the stream header), then its bytes and what
 * follows. */
#include "support/packet_twin.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    if (len > 0) {
        (void)packet_twin_check(&packet_kinds[data[0] % packet_kind_count], data + 1, len - 1);
    }
    return 0;
}
