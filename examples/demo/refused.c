/* refused.c - bad packets from a raw socket: what the daemon reports, and what its peer receives.
 *
 * The packets are made by hand, since the library does not send what it would refuse. */
#include "demo_program.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

/* Connects to "tcp://127.0.0.1:PORT" or "unix://@NAME"; returns a socket or -1. */
static int raw_connect(const char *address)
{
    const struct timeval patience = {DEMO_PATIENCE_MS / 1000, 0};
    struct sockaddr_in in = {.sin_family = AF_INET};
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    const char *port = strrchr(address, ':');
    bool tcp = strncmp(address, "tcp:", 4) == 0;
    const char *name = address + strlen("unix://@");
    size_t un_len = offsetof(struct sockaddr_un, sun_path) + 1 + strlen(name);
    int fd = socket(tcp ? AF_INET : AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int status = 0;

    if (fd < 0) {
        return -1;
    }
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    if (tcp) {
        in.sin_port = htons((uint16_t)strtoul(port + 1, NULL, 10));
        in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        status = connect(fd, (const struct sockaddr *)&in, sizeof in);
    } else {
        (void)snprintf(un.sun_path + 1, sizeof un.sun_path - 1, "%s", name);
        status = connect(fd, (const struct sockaddr *)&un, (socklen_t)un_len);
    }
    if (status != 0) {
        (void)close(fd);
        return -1;
    }
    return fd;
}

/* Writes the frame's header before a payload of `len` bytes that stands behind it. */
static size_t put_frame(uint8_t *frame, size_t len)
{
    base_frame head = {.length = (uint32_t)len};

    return (size_t)(base_frame_put(frame, &head) - frame) + len;
}

/* A frame with a Hello, as a client sends it. */
static size_t put_hello(uint8_t *frame, size_t cap)
{
    base_hello hello = {.offer = {.protocol = np_str_from("demo"),
                                  .version_min = DEMO_VERSION,
                                  .version_max = DEMO_VERSION}};
    size_t len = 0;

    if (base_hello_encode(&hello, frame + BASE_FRAME_HEADER_LEN, cap - BASE_FRAME_HEADER_LEN, &len,
                          NULL) != NP_OK) {
        return 0;
    }
    return put_frame(frame, len);
}

/* A frame with a Note, one byte of whose title is wrong. */
static size_t put_broken_note(uint8_t *frame, size_t cap)
{
    demo_note note = {.title = np_str_from("lunch")};
    uint8_t *payload = frame + BASE_FRAME_HEADER_LEN;
    size_t len = 0;

    if (demo_note_encode(&note, payload, cap - BASE_FRAME_HEADER_LEN, &len, NULL) != NP_OK) {
        return 0;
    }
    payload[4 + 8 + 2] = 0xFF; /* behind the id and the length of the title: its third letter */
    return put_frame(frame, len);
}

/* Reads until the daemon hangs up and decodes the Error among what came. */
static bool read_error(int fd, base_error *error, uint8_t *bytes, size_t cap)
{
    size_t len = 0;
    ssize_t got = 0;
    size_t at = 0;

    while (len < cap && (got = recv(fd, bytes + len, cap - len, 0)) > 0) {
        len += (size_t)got;
    }
    while (len - at >= BASE_FRAME_HEADER_LEN + 4) {
        base_frame frame;
        const uint8_t *payload = bytes + at + BASE_FRAME_HEADER_LEN;
        if (base_frame_read(&frame, bytes + at, NULL) != NP_OK ||
            frame.length > len - at - BASE_FRAME_HEADER_LEN) {
            return false;
        }
        if (np_get_u32(payload) == BASE_ERROR_ID) {
            return base_error_decode(error, payload, frame.length, NULL) == NP_OK;
        }
        at += BASE_FRAME_HEADER_LEN + frame.length;
    }
    return false;
}

/* Sends bytes and shows what both sides are told. `where` and `offset` are what they should be. */
static void show(demo_server *server, const char *address, const char *name, const void *bytes,
                 size_t len, const char *where, uint64_t offset)
{
    unsigned index = demo_server_reports(server);
    int fd = raw_connect(address);
    base_error error;
    uint8_t answer[4096];
    char line[1024];
    const char *stage = NULL;
    bool ok = fd >= 0 && send(fd, bytes, len, MSG_NOSIGNAL) == (ssize_t)len &&
              read_error(fd, &error, answer, sizeof answer);

    if (fd >= 0) {
        (void)close(fd);
    }
    if (!ok) {
        demo_row(false, name, -1, "no Error came back");
        return;
    }
    ok = error.reason == BASE_REASON_MALFORMED && error.offset == offset &&
         np_str_equal(error.where, np_str_from(where));
    demo_row(ok, name, -1, "the peer receives  Error {where: \"%.*s\", offset: %llu,",
             (int)error.where.len, error.where.data, (unsigned long long)error.offset);
    printf("%54s text: \"%.*s\"}\n", "", (int)error.text.len, error.text.data);
    ok = demo_server_report(server, index, line, sizeof line);
    /* Time, connection and peer are left out, to keep it to the point. */
    stage = ok ? strstr(line, "stage=") : NULL;
    demo_row(stage != NULL, "", -1, "the daemon logs    %s", stage != NULL ? stage : "nothing");
}

void demo_refused(demo_server *server, const char *address)
{
    static const char http[] = "GET / HTTP/1.1\r\n\r\n";
    uint8_t bytes[1024];
    size_t len = put_hello(bytes, sizeof bytes);

    show(server, address, "HTTP request", http, sizeof http - 1, "base.frame.magic", 0);
    len += put_broken_note(bytes + len, sizeof bytes - len);
    show(server, address, "byte turned over", bytes, len, "demo.Note.title", 4 + 8 + 2);
}
