/* hosts.h - names in a hosts file.
 *
 * c-ares reads that file, too, but its release 1.18.1 leaks memory for names that it finds there
 * with one family only, and then asks DNS for the other. So the file is read here.
 *
 * Threads: pure, but for the file.
 */
#ifndef NP_TRANSPORT_HOSTS_H
#define NP_TRANSPORT_HOSTS_H

#include <netproto/error.h>

#include <sys/socket.h>

/* Runs for each line that gives the name an address, in the file's order. The port is 0. */
typedef void np_hosts_fn(const struct sockaddr *address, socklen_t len, void *user);

/* Looks a name up, whatever its case; a dot at its end says nothing. A file that cannot be read has
 * no names, and a line that makes no sense is passed over. Takes no memory, and blocks no longer
 * than the reading of a file does. */
void np_hosts_find(const char *path, const char *name, np_hosts_fn *fn, void *user);

#endif
