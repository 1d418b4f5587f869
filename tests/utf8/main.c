/* usage: main vector|portable
 *
 * The checks of support/utf8_check.h without a test library, for a processor that is emulated,
 * which must or must not have the vector code. Fewer inputs than the test unit.utf8, since that is
 * slow.
 */
#include <stdio.h>
#include <string.h>

#include "core/utf8.h"
#include "support/utf8_check.h"

int main(int argc, char **argv)
{
    utf8_check check = {0, ""};
    const char *has = np__utf8_has_vector() ? "vector" : "portable";

    if (argc != 2 || strcmp(argv[1], has) != 0) {
        fprintf(stderr, "this processor takes the way \"%s\"\n", has);
        return 2;
    }
    if (!utf8_check_all(&check, 1, 0, 16) || !utf8_check_all(&check, 2, 0, 16) ||
        !utf8_check_all(&check, 3, 14, 1) || !utf8_check_edges(&check, 5) ||
        !utf8_check_random(&check, 1, 2000) || !utf8_check_errors(&check, 2, 1)) {
        fprintf(stderr, "%s\n", check.fault);
        return 1;
    }
    printf("%s: %llu inputs\n", has, (unsigned long long)check.inputs);
    return 0;
}
