/* hosts.c - see hosts.h.
 *
 * The file goes through word by word, so neither its length nor that of a line matters: the first
 * word of a line is an address, all others are names for it.
 */
#define _GNU_SOURCE
#include "transport/hosts.h"
#include "transport/address.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

typedef struct reader {
    const char *name; /* which is looked for, name_len bytes of it */
    size_t name_len;
    np_hosts_fn *fn;
    void *user;
    np_address address; /* the first word of the line */
    bool has_address;   /* that word has come */
    bool matched;       /* this line was told */
    bool comment;       /* what is left of the line is one */
    char word[256];     /* no name and no address is longer */
    size_t len;
    bool too_long;
} reader;

static size_t name_length(const char *name)
{
    size_t len = strlen(name);

    return len > 0 && name[len - 1] == '.' ? len - 1 : len;
}

static void tell(reader *r)
{
    struct sockaddr_storage sa;
    socklen_t len = np_address_numeric(&r->address, &sa);

    if (len > 0) {
        r->fn((const struct sockaddr *)&sa, len, r->user);
    }
}

static void end_of_word(reader *r)
{
    bool whole = !r->too_long;

    if (r->len == 0) {
        return;
    }
    r->word[r->len] = '\0';
    if (!r->has_address) {
        r->has_address = true;
        r->address.kind = NP_ADDRESS_TCP;
        r->address.host[0] = '\0'; /* no address, where the word is too long to be one */
        if (whole) {
            memcpy(r->address.host, r->word, r->len + 1);
        }
    } else if (whole && !r->matched && name_length(r->word) == r->name_len &&
               strncasecmp(r->word, r->name, r->name_len) == 0) {
        r->matched = true;
        tell(r);
    }
    r->len = 0;
    r->too_long = false;
}

static void take(reader *r, char c)
{
    if (c == '\n') {
        end_of_word(r);
        r->has_address = false;
        r->matched = false;
        r->comment = false;
    } else if (r->comment || c == '#') {
        end_of_word(r);
        r->comment = true;
    } else if (c == ' ' || c == '\t' || c == '\r' || c == '\v' || c == '\f') {
        end_of_word(r);
    } else if (r->len < sizeof r->word - 1) {
        r->word[r->len++] = c;
    } else {
        r->too_long = true;
    }
}

void np_hosts_find(const char *path, const char *name, np_hosts_fn *fn, void *user)
{
    reader r = {.name = name, .name_len = name_length(name), .fn = fn, .user = user};
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a pipe must not hold us up */
    char bytes[4096];
    ssize_t got = 0;

    if (fd < 0) {
        return;
    }
    do {
        got = read(fd, bytes, sizeof bytes);
        for (ssize_t i = 0; i < got; i++) {
            take(&r, bytes[i]);
        }
    } while (got > 0 || (got < 0 && errno == EINTR));
    take(&r, '\n');
    (void)close(fd);
}
