/* known.c - servers that were met before, and the question about one that was not. See trust.h. */
#include "tool/ask.h"
#include "tool/trust.h"

#include <string.h>

tool_exit tool_known_look_up(tool_trust *t)
{
    static const uint8_t no_key[NP_KEY_LEN]; /* nobody has it: what is on file differs */
    np_known_key known;
    np_key_failure failure;

    if (np_known_hosts_check(&known, t->hosts, t->address, no_key, &failure) != NP_OK) {
        return tool_key_file_failed(&failure, "");
    }
    t->expects = known.verdict != NP_HOST_UNKNOWN;
    t->line = known.line;
    memcpy(t->expected, known.key, sizeof t->expected);
    return EXIT_CODE_OK;
}

static tool_exit keep(tool_trust *t)
{
    np_key_failure failure;
    np_err err = np_key_make_folders(t->hosts, &failure);

    if (err == NP_OK) {
        err = np_known_hosts_add(t->hosts, t->address, t->shown, &failure);
    }
    return err == NP_OK ? tool_known_look_up(t) : tool_key_file_failed(&failure, "");
}

tool_exit tool_known_ask(tool_trust *t)
{
    char key[NP_KEY_TEXT_LEN], address[NP_KEY_PATH_LEN], path[NP_KEY_PATH_LEN];
    char question[3 * NP_KEY_PATH_LEN];

    (void)np_key_format(t->shown, key);
    (void)np_log_escape(np_str_from(t->address), false, address, sizeof address);
    (void)np_log_escape(np_str_from(t->hosts), false, path, sizeof path);
    (void)snprintf(question, sizeof question,
                   "%s is not known yet. The key that it shows is\n\n  %s\n\n"
                   "Compare it with what netproto key --server prints on the server's machine: who "
                   "says yes\nwithout that trusts whoever answered. Yes writes it to %s.\n"
                   "Trust it? (yes, no, or paste the key that you expect) ",
                   address, key, path);
    switch (tool_ask(question, key)) {
    case TOOL_ASK_YES:
        return keep(t);
    case TOOL_ASK_NO:
        tool_complain("handshake: %s is not trusted, and nothing was sent to it", address);
        return EXIT_CODE_TRUST;
    case TOOL_ASK_NOBODY:
        break;
    }
    tool_complain("handshake: %s is not in %s, and there is no terminal to ask at. It shows the "
                  "key %s: compare that with what netproto key --server prints on the server's "
                  "machine, and if it is the same, add --peer %s",
                  address, path, key, key);
    return EXIT_CODE_TRUST;
}
