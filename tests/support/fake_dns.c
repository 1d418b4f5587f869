#include "support/fake_dns.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define PENDING_MAX 64

typedef struct pending {
    uint64_t at_ms;
    size_t len;
    struct sockaddr_in to;
    uint8_t packet[512];
} pending;

struct fake_dns {
    int fd;
    pthread_t thread;
    sem_t serves;
    atomic_bool stop;
    fake_dns_answer v4, v6;
    char address[32];
    pending queue[PENDING_MAX];
    size_t queued;
    uint16_t port;
    atomic_uint asked;
};

static uint64_t now_ms(void)
{
    struct timespec ts;

    (void)clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

/* RFC 1035, section 4: the question comes back, with one record per address behind it. */
static size_t write_answer(uint8_t *packet, size_t len, const fake_dns_answer *a, bool v6)
{
    uint8_t *p = packet + len;
    size_t size = v6 ? 16 : 4;

    packet[2] = (uint8_t)(packet[2] | 0x84);
    packet[3] = (uint8_t)(0x80 | (a->missing ? 3 : 0));
    memset(packet + 6, 0, 6);
    packet[7] = (uint8_t)(a->missing ? 0 : a->count);
    for (unsigned i = 0; i < packet[7]; i++) {
        const uint8_t head[] = {0xC0, 12, 0, v6 ? 28 : 1, 0, 1, 0, 0, 0, 60, 0, (uint8_t)size};
        memcpy(p, head, sizeof head);
        memcpy(p + sizeof head, a->addresses[i], size);
        p += sizeof head + size;
    }
    return (size_t)(p - packet);
}

static void take_query(fake_dns *dns)
{
    pending *q = &dns->queue[dns->queued];
    socklen_t to_len = sizeof q->to;
    ssize_t got = recvfrom(dns->fd, q->packet, 300, 0, (struct sockaddr *)&q->to, &to_len);
    size_t at = 12;
    bool v6 = false;
    const fake_dns_answer *a = NULL;

    if (got < 17 || dns->queued == PENDING_MAX - 1) {
        return;
    }
    while (at < (size_t)got && q->packet[at] != 0) {
        at += q->packet[at] + 1u;
    }
    if (at + 5 > (size_t)got) {
        return;
    }
    atomic_fetch_add(&dns->asked, 1);
    v6 = q->packet[at + 2] == 28;
    a = v6 ? &dns->v6 : &dns->v4;
    if (!a->silent) {
        q->len = write_answer(q->packet, at + 5, a, v6);
        q->at_ms = now_ms() + a->delay_ms;
        dns->queued++;
    }
}

static void *serve(void *user)
{
    fake_dns *dns = user;

    (void)sem_post(&dns->serves);
    while (!atomic_load(&dns->stop)) {
        struct pollfd pfd = {dns->fd, POLLIN, 0};
        if (poll(&pfd, 1, 2) > 0) {
            take_query(dns);
        }
        for (size_t i = 0; i < dns->queued;) {
            pending *q = &dns->queue[i];
            if (q->at_ms > now_ms()) {
                i++;
                continue;
            }
            (void)sendto(dns->fd, q->packet, q->len, 0, (const struct sockaddr *)&q->to,
                         sizeof q->to);
            *q = dns->queue[--dns->queued];
        }
    }
    return NULL;
}

fake_dns *fake_dns_start(const fake_dns_answer *v4, const fake_dns_answer *v6)
{
    return fake_dns_start_at("127.0.0.1", 0, v4, v6);
}

fake_dns *fake_dns_start_at(const char *address, uint16_t port, const fake_dns_answer *v4,
                            const fake_dns_answer *v6)
{
    fake_dns *dns = calloc(1, sizeof *dns);
    struct sockaddr_in sa = {.sin_family = AF_INET};
    socklen_t len = sizeof sa;

    sa.sin_port = htons(port);
    if (dns == NULL || inet_pton(AF_INET, address, &sa.sin_addr) != 1) {
        abort();
    }
    dns->v4 = *v4;
    dns->v6 = *v6;
    dns->fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (dns->fd < 0 || bind(dns->fd, (const struct sockaddr *)&sa, sizeof sa) != 0 ||
        getsockname(dns->fd, (struct sockaddr *)&sa, &len) != 0) {
        abort();
    }
    dns->port = ntohs(sa.sin_port);
    (void)snprintf(dns->address, sizeof dns->address, "%s:%u", address, dns->port);
    if (sem_init(&dns->serves, 0, 0) != 0 || pthread_create(&dns->thread, NULL, serve, dns) != 0) {
        abort();
    }
    /* A sanitizer allocates and frees while a thread begins: a test that counts what is allocated
     * must not have that happen meanwhile. */
    while (sem_wait(&dns->serves) != 0) {
    }
    return dns;
}

const char *fake_dns_address(const fake_dns *dns)
{
    return dns->address;
}

uint16_t fake_dns_port(const fake_dns *dns)
{
    return dns->port;
}

unsigned fake_dns_asked(const fake_dns *dns)
{
    return atomic_load(&dns->asked);
}

void fake_dns_stop(fake_dns *dns)
{
    atomic_store(&dns->stop, true);
    (void)pthread_join(dns->thread, NULL);
    (void)sem_destroy(&dns->serves);
    (void)close(dns->fd);
    free(dns);
}
