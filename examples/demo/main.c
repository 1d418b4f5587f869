/* main.c - the demo: daemons, clients, and what goes between them.
 *
 *     demo            everything, in a few seconds
 *     demo --quick    the same with short measurements, for tests
 *
 * Ends with status 0 if all went as it should. */
#include "demo_program.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* The whole program ends within this, come what may. */
#define LAST_RESORT_S 20

static const struct {
    const char *path, *holds;
} generated[] = {
    {"examples/demo/generated/demo.h", "types, constants, codecs"},
    {"examples/demo/generated/demo.c", "encoding, decoding, checking"},
    {"examples/demo/generated/demo_service.h", "handlers, typed sends and calls"},
    {"examples/demo/generated/demo_service.c", "the dispatcher"},
    {"examples/demo/generated/demo_schema.c", "descriptors, for JSON, tools and logs"},
    {"examples/demo/generated/demo_parse.rl", "the incremental parser, for Ragel"},
    {"examples/demo/generated/demo_parse.c", "the same, as Ragel writes it"},
};

/* Lines of a file; -1 where it cannot be read, as outside of the source tree. */
static int count_lines(const char *path)
{
    FILE *file = fopen(path, "re");
    int lines = 0;
    int c = 0;

    if (file == NULL) {
        return -1;
    }
    while ((c = getc(file)) != EOF) {
        lines += c == '\n';
    }
    (void)fclose(file);
    return lines;
}

static void show_generated(void)
{
    demo_heading("Generated from examples/demo/demo.np");
    for (size_t i = 0; i < sizeof generated / sizeof generated[0]; i++) {
        int lines = count_lines(generated[i].path);
        printf("  %-42s %-40s", generated[i].path, generated[i].holds);
        if (lines >= 0) {
            printf(" %5d lines", lines);
        }
        printf("\n");
    }
}

static const char *const modes[] = {"in the clear", "secure"};

static void show_mode(demo_server *server, demo_mode mode)
{
    char text[192];

    for (size_t i = 0; i < 2; i++) {
        const char *address = demo_server_address(server, mode, i);
        (void)snprintf(text, sizeof text, "Messages, %s, over %s", modes[mode], address);
        demo_heading(text);
        demo_messages(mode, address);
        if (mode == DEMO_SECURE) {
            (void)snprintf(text, sizeof text, "Who is kept out of %s", address);
            demo_heading(text);
            demo_strangers(address);
        } else {
            (void)snprintf(text, sizeof text, "Bad packets over %s", address);
            demo_heading(text);
            demo_refused(server, address);
        }
    }
}

static void show_speed(demo_server *server, unsigned measure_ms)
{
    static const char *const transports[] = {"TCP", "unix"};
    static const unsigned depths[] = {1, 32};

    demo_heading("Round trips of 64-byte messages; depth: how many are on their way at a time");
    printf("  %-10s %-13s %6s %16s %10s %9s %9s\n", "transport", "", "depth", "round trips/s",
           "p50 us", "p90 us", "p99 us");
    for (size_t i = 0; i < 2; i++) {
        for (int mode = 0; mode < DEMO_MODES; mode++) {
            for (size_t j = 0; j < 2; j++) {
                demo_measure((demo_mode)mode, transports[i],
                             demo_server_address(server, (demo_mode)mode, i), depths[j],
                             measure_ms);
            }
        }
    }
}

/* Where whoever started us has closed descriptors 0 to 2, sockets would get their numbers, and what
 * is printed would go to a peer. So /dev/null holds them, open the wrong way round: printing fails,
 * as it should. */
static bool hold_descriptors(void)
{
    for (int fd = 0; fd <= 2; fd++) {
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", fd == 0 ? O_WRONLY : O_RDONLY) != fd) {
            return false;
        }
    }
    return true;
}

int main(int argc, char **argv)
{
    bool quick = argc == 2 && strcmp(argv[1], "--quick") == 0;
    demo_server *server = NULL;

    if (!hold_descriptors()) {
        return 1;
    }
    if (argc > 1 && !quick) {
        (void)fprintf(stderr, "usage: demo [--quick]\n");
        return 2;
    }
    (void)alarm(LAST_RESORT_S);
    show_generated();
    if (demo_make_keys() != NP_OK) {
        (void)fprintf(stderr, "demo: no randomness for keys\n");
        return 1;
    }
    server = demo_server_start();
    if (server == NULL) {
        return 1;
    }
    for (int mode = 0; mode < DEMO_MODES; mode++) {
        show_mode(server, (demo_mode)mode);
    }
    show_speed(server, quick ? 50 : 400);
    if (!demo_server_stop(server)) {
        demo_row(false, "stop", -1, "the daemons did not stop in order");
    }
    if (demo_failures > 0) {
        printf("\n%d FAILED\n", demo_failures);
        return 1;
    }
    printf("\nAll went as it should. The daemons have stopped in order.\n");
    return 0;
}
