/* main.c - what a message of 64 bytes costs a server that echoes it, in CPU time of its process.
 *
 *     bench_echo DIRECTORY     where the servers' programs are
 *
 * All servers run at once, and the same client asks one after another, round for round.
 */
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/load.h"

#define ROUNDS 15
#define MESSAGES_MIN 500
#define TURN_NS 40000000

typedef struct server {
    const char *name;
    const char *program; /* NULL: in the PATH, or nowhere */
    const char *package; /* that brings it */
    load_kind kind;
    bool present;
    double limit; /* of netproto's cost divided by this one's; 0: none */
    pid_t pid;
    clockid_t clock;
    int port;
    char path[96];
    load load;
    load_talk talk;
    size_t messages; /* of one turn */
    double costs[ROUNDS];
} server;

static server servers[] = {
    {.name = "netproto", .program = "server_netproto", .kind = LOAD_NETPROTO, .present = true},
    {.name = "raw epoll",
     .program = "server_epoll",
     .limit = 1.1,
     .kind = LOAD_RAW,
     .present = true},
    {.name = "redis", .package = "redis-server", .limit = 1.0, .kind = LOAD_REDIS},
    {.name = "nng",
     .program = "server_nng",
     .package = "libnng-dev",
     .limit = 1.0,
     .kind = LOAD_NNG,
#ifdef BENCH_NNG
     .present = true
#endif
    },
    {.name = "ZeroMQ",
     .program = "server_zmq",
     .package = "libzmq3-dev",
     .limit = 1.0,
     .kind = LOAD_ZMQ,
#ifdef BENCH_ZMQ
     .present = true
#endif
    },
};

#define SERVERS (sizeof servers / sizeof servers[0])

static char folder[64] = "/tmp/netproto-bench-XXXXXX";

static void stop_all(void)
{
    for (size_t i = 0; i < SERVERS; i++) {
        if (servers[i].pid > 0) {
            kill(servers[i].pid, SIGKILL);
            waitpid(servers[i].pid, NULL, 0);
            unlink(servers[i].path);
            servers[i].pid = 0;
        }
    }
}

static void leave(void)
{
    stop_all();
    rmdir(folder);
}

/* A port that was free a moment ago. */
static int free_port(void)
{
    struct sockaddr_in in = {.sin_family = AF_INET};
    socklen_t len = sizeof in;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    bench_require(fd >= 0 && bind(fd, (struct sockaddr *)&in, sizeof in) == 0 &&
                      getsockname(fd, (struct sockaddr *)&in, &len) == 0,
                  "a free port");
    close(fd);
    return ntohs(in.sin_port);
}

/* All keep to one processor. Otherwise most of what a message costs would be to wake a processor
 * that sleeps, at the mercy of the scheduler, and the servers would look alike. */
static void share_processor(void)
{
    cpu_set_t set;
    size_t first = 0;

    if (sched_getaffinity(0, sizeof set, &set) != 0) {
        return;
    }
    while (!CPU_ISSET(first, &set)) {
        first++;
    }
    CPU_ZERO(&set);
    CPU_SET(first, &set);
    /* Where that is not allowed, the numbers are only noisier. */
    (void)sched_setaffinity(0, sizeof set, &set);
}

static void run_program(const server *s, const char *directory)
{
    char program[512];
    char port[16];

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    snprintf(port, sizeof port, "%d", s->port);
    if (s->program != NULL) {
        snprintf(program, sizeof program, "%s/%s", directory, s->program);
        execl(program, s->program, port, s->path, (char *)NULL);
    } else if (freopen("/dev/null", "w", stdout) != NULL) {
        execlp("redis-server", "redis-server", "--port", port, "--bind", "127.0.0.1",
               "--unixsocket", s->path, "--save", "", "--appendonly", "no", (char *)NULL);
    }
    _exit(127);
}

static bool in_path(const char *program)
{
    char command[128];

    snprintf(command, sizeof command, "command -v %s >/dev/null 2>&1", program);
    return system(command) == 0;
}

static void start(server *s, const char *directory)
{
    s->port = free_port();
    snprintf(s->path, sizeof s->path, "%s/%d", folder, (int)(s - servers));
    s->pid = fork();
    bench_require(s->pid >= 0, "fork");
    if (s->pid == 0) {
        run_program(s, directory);
    }
    bench_require(clock_getcpuclockid(s->pid, &s->clock) == 0, "the server's CPU clock");
}

static double cpu_ns(const server *s)
{
    struct timespec now;

    bench_require(clock_gettime(s->clock, &now) == 0, "the server lives");
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static double wall_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

/* How many messages make a turn, whether they are cheap or dear. */
static void calibrate(server *s, size_t depth)
{
    double took;

    for (s->messages = MESSAGES_MIN;; s->messages *= 2) {
        took = wall_ns();
        load_run(&s->load, s->messages, depth);
        took = wall_ns() - took;
        if (took > TURN_NS / 2.0) {
            return;
        }
    }
}

static void turn(server *s, size_t depth, size_t round)
{
    double before = cpu_ns(s);
    size_t count = load_run(&s->load, s->messages, depth);

    s->costs[round] = (cpu_ns(s) - before) / (double)count;
}

static void row(const char *what, const server *s)
{
    double ratios[ROUNDS];
    double ours[ROUNDS];
    double theirs[ROUNDS];
    char note[96];

    for (size_t i = 0; i < ROUNDS; i++) {
        ours[i] = servers[0].costs[i];
        theirs[i] = s->costs[i];
        ratios[i] = ours[i] / theirs[i];
    }
    snprintf(note, sizeof note, "%.0f ns of CPU a message against %.0f ns",
             bench_median(ours, ROUNDS), bench_median(theirs, ROUNDS));
    bench_row(what, s->name, bench_median(ratios, ROUNDS), s->limit, note);
}

/* With fresh servers: nng 1.5 may take nothing any more after many connections have gone. */
static void measure(const char *directory, bool over_unix, size_t connections, size_t depth)
{
    char what[96];

    for (size_t i = 0; i < SERVERS; i++) {
        server *s = &servers[i];
        if (s->present) {
            start(s, directory);
            s->talk = load_talk_to(s->kind, over_unix);
            load_open(&s->load, &s->talk, s->port, over_unix ? s->path : NULL, connections);
            calibrate(s, depth);
        }
    }
    for (size_t round = 0; round < ROUNDS; round++) {
        for (size_t i = 0; i < SERVERS; i++) {
            server *s = &servers[(round + i) % SERVERS];
            if (s->present) {
                turn(s, depth, round);
            }
        }
    }
    snprintf(what, sizeof what, "echo, %s, %zu connection%s, depth %zu",
             over_unix ? "unix socket" : "TCP", connections, connections > 1 ? "s" : "", depth);
    for (size_t i = 0; i < SERVERS; i++) {
        if (servers[i].present) {
            load_close(&servers[i].load);
        }
    }
    stop_all();
    for (size_t i = 1; i < SERVERS; i++) {
        if (servers[i].present) {
            row(what, &servers[i]);
        } else {
            bench_row_missing(what, servers[i].name, servers[i].package);
        }
    }
}

int main(int argc, char **argv)
{
    static const size_t connections[] = {1, 100};
    static const size_t depths[] = {1, LOAD_DEPTH_MAX};

    if (argc != 2) {
        fprintf(stderr, "usage: bench_echo DIRECTORY\n");
        return 2;
    }
    bench_require(mkdtemp(folder) != NULL, "a folder for sockets");
    atexit(leave);
    share_processor();
    for (size_t i = 0; i < SERVERS; i++) {
        if (servers[i].kind == LOAD_REDIS) {
            servers[i].present = in_path("redis-server");
        }
    }
    for (size_t i = 0; i < 2; i++) {
        for (size_t c = 0; c < 2; c++) {
            for (size_t d = 0; d < 2; d++) {
                measure(argv[1], i == 1, connections[c], depths[d]);
            }
        }
    }
    return 0;
}
