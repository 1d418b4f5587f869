/* Replays a corpus through a fuzz target without libFuzzer, so that every build runs the seeds.
 *
 *   fuzz_frame fuzz/corpus/frame...     files, or folders whose files are all taken
 *
 * A finding is a crash, an abort or a sanitizer's report, all of which end the program; the last
 * name printed tells the input. Exit status 77 (ctest: skipped) if there is no input at all.
 */
#include <netproto/selftest.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* libFuzzer calls it once where a target defines it. */
__attribute__((weak)) int LLVMFuzzerInitialize(int *argc, char ***argv);

int main(int argc, char **argv)
{
    if (LLVMFuzzerInitialize != NULL) {
        LLVMFuzzerInitialize(&argc, &argv);
    }
    return np_selftest_replay(argc, argv, LLVMFuzzerTestOneInput);
}
