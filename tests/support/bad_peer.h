/* bad_peer.h - a process that listens, and then is no server: for tests of what clients say about
 * it, of how long they take, and of what travels. */
#ifndef NP_TEST_BAD_PEER_H
#define NP_TEST_BAD_PEER_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

typedef enum bad_peer_kind {
    BAD_PEER_SILENT,    /* takes connections and what comes on them, and says nothing */
    BAD_PEER_GARBAGE,   /* says what is no frame, and stays */
    BAD_PEER_DRIPPING,  /* the beginning of a frame, a byte every 20 ms, and never its end */
    BAD_PEER_CLOSING,   /* ends every connection at once */
    BAD_PEER_FLIPPING,  /* passes everything on to and from the server at `target`, which listens on
                         * 127.0.0.1, but for one bit of its first answer */
    BAD_PEER_WEIGHING,  /* passes everything on as it is, and counts it: bad_peer_weight */
    BAD_PEER_LEAVING,   /* passes everything on for half a second, says goodbye for a server that
                         * speaks in the clear, and stays */
    BAD_PEER_ANSWERING, /* passes on the opening, a request and its answer, with a goodbye in the
                         * same piece as that, in the clear, and stays */
    BAD_PEER_REFUSING   /* passes the first message on, and the server's answer; the next it keeps,
                         * and says instead, in the clear, that the client is refused */
} bad_peer_kind;

/* Starts one on a port of 127.0.0.1 and gives its address. target: the server of those that
 * pass on, or NULL. */
pid_t bad_peer_start(bad_peer_kind kind, const char *target, char *address, size_t cap);

/* Bytes that WEIGHING has passed on, both ways together, since it was last asked. */
uint64_t bad_peer_weight(void);

/* Ends it. */
void bad_peer_stop(pid_t pid);

#endif
