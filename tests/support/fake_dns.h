/* fake_dns.h - a DNS server on the loopback interface, in a thread of its own, that says what a
 * test wants. */
#ifndef TEST_FAKE_DNS_H
#define TEST_FAKE_DNS_H

#include <stdbool.h>
#include <stdint.h>

/* What to answer for one type of record. */
typedef struct fake_dns_answer {
    bool silent;       /* no answer at all */
    bool missing;      /* NXDOMAIN */
    unsigned delay_ms; /* before the answer */
    unsigned count;    /* addresses */
    uint8_t addresses[20][16];
} fake_dns_answer;

typedef struct fake_dns fake_dns;

/* For every name: v4 answers A, v6 answers AAAA. */
fake_dns *fake_dns_start(const fake_dns_answer *v4, const fake_dns_answer *v6);

/* The same at another address of the loopback interface, and a port that another one has. */
fake_dns *fake_dns_start_at(const char *address, uint16_t port, const fake_dns_answer *v4,
                            const fake_dns_answer *v6);

uint16_t fake_dns_port(const fake_dns *dns);

/* How many questions have come. */
unsigned fake_dns_asked(const fake_dns *dns);

/* "127.0.0.1:port", for np_loop_options.dns_server. */
const char *fake_dns_address(const fake_dns *dns);

void fake_dns_stop(fake_dns *dns);

#endif
