#include "support/vectors.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "support/hex.h"

uint8_t *vectors_payload(const char *name, size_t *len)
{
    json_t *root = json_load_file("tests/vectors/everything/vectors.json", 0, NULL);
    uint8_t *payload = NULL;
    size_t i;
    json_t *c;

    assert_non_null(root);
    json_array_foreach(json_object_get(root, "cases"), i, c)
    {
        if (strcmp(json_string_value(json_object_get(c, "name")), name) == 0) {
            payload = hex_decode(json_string_value(json_object_get(c, "hex")), len);
            break;
        }
    }
    json_decref(root);
    if (payload == NULL) {
        fail_msg("no vector named %s", name);
    }
    return payload;
}
