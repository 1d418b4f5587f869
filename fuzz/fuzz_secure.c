/* Two secure sessions and a wire that the input makes lie; support/liar.h says what must hold. The
 * first byte picks whether they have met already, whether the wire delays, and whether the script,
 * which is the rest, begins with what they offer each other. */
#include "support/liar.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > 0 && size <= 2048) {
        (void)liar_run(data + 1, size - 1, data[0] & (LIAR_HANDSHAKE | LIAR_DELAY | LIAR_CHOICES));
    }
    return 0;
}
