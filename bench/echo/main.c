/* main.c - what a message of 64 bytes costs a server that echoes it, in CPU time of its process.
 *
 *     bench_echo DIRECTORY [tcp] [unix] [crowd] [secure]
 *
 * The directory is where the servers' programs are; without a word behind it, all is measured.
 * Contests in the clear, encrypted, and of a crowd of connections. All servers of one run at once,
 * and the same client asks one after another, round for round.
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
#include "cover.h"

#define ROUNDS_MAX 15
#define CROWD_ROUNDS 7 /* each takes longer there */
#define FILES_BESIDES 64
#define MESSAGES_MIN 500
#define BATCHES_MIN 4
#define TURN_NS 40000000

typedef struct server {
    const char *name;
    const char *program;  /* NULL: in the PATH, or nowhere */
    const char *argument; /* of the program, besides port and path; NULL: none */
    const char *package;  /* that brings it */
    load_kind kind;
    const load_cover *cover;
    bool present;
    double limit; /* of our cost divided by this one's; 0: none */
    pid_t pid;
    clockid_t clock;
    int port;
    char path[96];
    load load;
    load_talk talk;
    size_t messages; /* of one turn */
    double costs[ROUNDS_MAX];
} server;

static server netproto = {
    .name = "netproto in the clear",
    .program = "server_netproto",
    .kind = LOAD_NETPROTO,
    .present = true,
};

static server raw_epoll = {
    .name = "raw epoll",
    .program = "server_epoll",
    .limit = 1.1,
    .kind = LOAD_RAW,
    .present = true,
};

static server redis = {
    .name = "redis",
    .package = "redis-server",
    .limit = 1.0,
    .kind = LOAD_REDIS,
};

static server nng = {
    .name = "nng",
    .program = "server_nng",
    .package = "libnng-dev",
    .limit = 1.0,
    .kind = LOAD_NNG,
#ifdef BENCH_NNG
    .present = true,
#endif
};

static server zmq = {
    .name = "ZeroMQ",
    .program = "server_zmq",
    .package = "libzmq3-dev",
    .limit = 1.0,
    .kind = LOAD_ZMQ,
#ifdef BENCH_ZMQ
    .present = true,
#endif
};

static server netproto_secure = {
    .name = "netproto, secure",
    .program = "server_netproto",
    .argument = "secure",
    .kind = LOAD_RAW, /* a cover has no greeting */
    .cover = &cover_netproto,
    .present = true,
};

static server netproto_xchacha = {
    .name = "netproto, XChaCha20-Poly1305",
    .program = "server_netproto",
    .argument = "xchacha",
    .kind = LOAD_RAW,
    .cover = &cover_netproto,
    .present = true,
};

static server tls_chacha = {
    .name = "OpenSSL, ChaCha20-Poly1305",
    .program = "server_tls",
    .argument = "TLS_CHACHA20_POLY1305_SHA256",
    .package = "libssl-dev",
    .limit = 1.0,
    .kind = LOAD_RAW,
#ifdef BENCH_TLS
    .cover = &cover_tls,
    .present = true,
#endif
};

static server tls_aes = {
    .name = "OpenSSL, AES-256-GCM",
    .program = "server_tls",
    .argument = "TLS_AES_256_GCM_SHA384",
    .package = "libssl-dev",
    .limit = 1.0,
    .kind = LOAD_RAW,
#ifdef BENCH_TLS
    .cover = &cover_tls,
    .present = true,
#endif
};

#define SERVERS_MAX 5

/* Servers that take turns. */
typedef struct contest {
    const char *what;
    server *servers[SERVERS_MAX]; /* the first is ours, which the others are compared with */
    size_t count;
    size_t rounds;
} contest;

/* A row's load, over TCP or unix sockets. */
typedef struct crowd {
    bool over_unix;
    size_t connections;
    size_t depth;
    double limit; /* against raw epoll, instead of what stands there; 0: that one */
} crowd;

static const contest plain = {
    .what = "echo",
    .servers = {&netproto, &raw_epoll, &redis, &nng, &zmq},
    .count = 5,
    .rounds = ROUNDS_MAX,
};

/* More connections than the others take: what a message costs must not grow with their number. */
static const contest crowded = {
    .what = "echo",
    .servers = {&netproto, &raw_epoll},
    .count = 2,
    .rounds = CROWD_ROUNDS,
};

static const contest secure = {
    .what = "secure echo",
    .servers = {&netproto_secure, &netproto, &netproto_xchacha, &tls_chacha, &tls_aes},
    .count = 5,
    .rounds = ROUNDS_MAX,
};

/* Whose servers run, for whom the program ends. */
static const contest *current = &plain;

static char folder[64] = "/tmp/netproto-bench-XXXXXX";

static void stop_all(void)
{
    for (size_t i = 0; i < current->count; i++) {
        server *s = current->servers[i];
        if (s->pid > 0) {
            kill(s->pid, SIGKILL);
            waitpid(s->pid, NULL, 0);
            unlink(s->path);
            s->pid = 0;
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
        execl(program, s->program, port, s->path, s->argument, (char *)NULL);
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
    snprintf(s->path, sizeof s->path, "%s/%d", folder, s->port);
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

/* How many messages make a turn, whether they are cheap or dear. All connections have all of them
 * under way several times over, so that a turn's ends, where there are fewer, weigh little. */
static void calibrate(server *s, size_t connections, size_t depth)
{
    size_t batch = connections * depth;
    size_t batches = MESSAGES_MIN / batch;
    double took;

    batches = batches < BATCHES_MIN ? BATCHES_MIN : batches;
    for (s->messages = batches * batch;; s->messages *= 2) {
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

static void row(const char *what, const server *ours, const server *theirs, double limit)
{
    size_t rounds = current->rounds;
    double ratios[ROUNDS_MAX];
    double our_costs[ROUNDS_MAX];
    double their_costs[ROUNDS_MAX];
    char note[96];

    for (size_t i = 0; i < rounds; i++) {
        our_costs[i] = ours->costs[i];
        their_costs[i] = theirs->costs[i];
        ratios[i] = our_costs[i] / their_costs[i];
    }
    snprintf(note, sizeof note, "%.0f ns of CPU a message against %.0f ns",
             bench_median(our_costs, rounds), bench_median(their_costs, rounds));
    bench_row(what, theirs->name, bench_median(ratios, rounds), limit, note);
}

/* With fresh servers: nng 1.5 may take nothing any more after many connections have gone. */
static void run_turns(const char *directory, const crowd *size)
{
    const contest *c = current;

    for (size_t i = 0; i < c->count; i++) {
        server *s = c->servers[i];
        if (s->present) {
            start(s, directory);
            s->talk = load_talk_to(s->kind, size->over_unix);
            s->talk.cover = s->cover;
            load_open(&s->load, &s->talk, s->port, size->over_unix ? s->path : NULL,
                      size->connections);
            calibrate(s, size->connections, size->depth);
        }
    }
    for (size_t round = 0; round < c->rounds; round++) {
        for (size_t i = 0; i < c->count; i++) {
            server *s = c->servers[(round + i) % c->count];
            if (s->present) {
                turn(s, size->depth, round);
            }
        }
    }
    for (size_t i = 0; i < c->count; i++) {
        if (c->servers[i]->present) {
            load_close(&c->servers[i]->load);
        }
    }
    stop_all();
}

static void measure_crowd(const char *directory, const contest *c, const crowd *size)
{
    size_t files = c->count * size->connections + FILES_BESIDES;
    char what[96];

    current = c;
    snprintf(what, sizeof what, "%s, %s, %zu connection%s, depth %zu", c->what,
             size->over_unix ? "unix socket" : "TCP", size->connections,
             size->connections > 1 ? "s" : "", size->depth);
    if (!bench_allow_files(files)) {
        printf("| %s | | not measured | | | needs `ulimit -n %zu` |\n", what, files);
        return;
    }
    run_turns(directory, size);
    for (size_t i = 1; i < c->count; i++) {
        const server *s = c->servers[i];
        if (s->present) {
            row(what, c->servers[0], s, size->limit > 0 ? size->limit : s->limit);
        } else {
            bench_row_missing(what, s->name, s->package);
        }
    }
}

static void measure(const char *directory, const contest *c, bool over_unix)
{
    static const size_t connections[] = {1, 100};
    static const size_t depths[] = {1, LOAD_DEPTH_MAX};

    for (size_t i = 0; i < 4; i++) {
        const crowd size = {over_unix, connections[i / 2], depths[i % 2], 0};
        measure_crowd(directory, c, &size);
    }
}

static void measure_crowds(const char *directory)
{
    static const crowd crowds[] = {
        {false, 1000, 1, 1.15},
        {false, 5000, 1, 1.15},
        {false, 1000, LOAD_DEPTH_MAX, 1.3},
    };

    for (size_t i = 0; i < sizeof crowds / sizeof *crowds; i++) {
        measure_crowd(directory, &crowded, &crowds[i]);
    }
}

static bool chosen(int argc, char **argv, const char *part)
{
    bool found = argc == 2;

    for (int i = 2; i < argc; i++) {
        found = found || strcmp(argv[i], part) == 0;
    }
    return found;
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr, "usage: bench_echo DIRECTORY [tcp] [unix] [crowd] [secure]\n");
        return 2;
    }
    bench_require(mkdtemp(folder) != NULL, "a folder for sockets");
    atexit(leave);
    share_processor();
    redis.present = in_path("redis-server");
    if (chosen(argc, argv, "tcp")) {
        measure(argv[1], &plain, false);
    }
    if (chosen(argc, argv, "unix")) {
        measure(argv[1], &plain, true);
    }
    if (chosen(argc, argv, "crowd")) {
        measure_crowds(argv[1]);
    }
    if (chosen(argc, argv, "secure")) {
        measure(argv[1], &secure, false);
    }
    return 0;
}
