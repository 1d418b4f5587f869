/* What compressing and bombs cost in memory: contexts at their first use, then nothing, whatever
 * comes. Every allocation of the process is counted, by an allocator in front of glibc's; where a
 * sanitizer stands there already, there is nothing to count with. */
#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <base.h>

#include "protocol/session.h"
#include "support/sanitized.h"
#include "support/samples.h"
#include "util/compress.h"

#if TEST_SANITIZED

int main(void)
{
    return 77; /* skipped */
}

#else

#define KIB ((size_t)1024)

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *block, size_t size);
extern void __libc_free(void *block);

static size_t allocations;
static size_t live;

static void *counted(void *block)
{
    allocations++;
    live += malloc_usable_size(block);
    return block;
}

/* Not hidden: the libraries' own calls are to come here too. */
#pragma GCC visibility push(default)

void *malloc(size_t size)
{
    return counted(__libc_malloc(size));
}

void *calloc(size_t count, size_t size)
{
    return counted(__libc_calloc(count, size));
}

void *realloc(void *block, size_t size)
{
    live -= malloc_usable_size(block);
    return counted(__libc_realloc(block, size));
}

void free(void *block)
{
    live -= malloc_usable_size(block);
    __libc_free(block);
}

#pragma GCC visibility pop

static uint8_t data[64 * 1024];
static uint8_t packed[64 * 1024];
static uint8_t back[64 * 1024];

/* One message of each kind there and back. */
static void use(np_compress *c, np_compression kind, int level, size_t len)
{
    np_fault fault;
    size_t size = 0;
    size_t n = np_compress_pack(c, kind, level, data, len, packed);

    if (n > 0) {
        assert_int_equal(np_compress_check(kind, packed, n, len, &size, &fault), NP_OK);
        assert_int_equal(np_compress_unpack(c, kind, packed, n, back, size, &fault), NP_OK);
        assert_memory_equal(back, data, len);
    }
}

/* Small and large in turn, in long runs of each: that is where zstd, left alone, gives its memory
 * back and takes it again. */
static void test_contexts_are_kept(void **state)
{
    np_compress c;
    size_t before = 0;
    (void)state;

    np_compress_init(&c);
    samples_json(data, sizeof data, 1);
    for (int k = NP_COMPRESSION_LZ4; k <= NP_COMPRESSION_ZSTD; k++) {
        use(&c, (np_compression)k, 3, sizeof data);
        before = allocations;
        for (size_t i = 0; i < 2000; i++) {
            use(&c, (np_compression)k, 3, i / 500 % 2 == 0 ? 600 : 600 + i * 32);
        }
        samples_random(data, sizeof data, 1);
        use(&c, (np_compression)k, 3, sizeof data);
        assert_int_equal(allocations, before);
        samples_json(data, sizeof data, 2);
    }
    np_compress_fini(&c);
}

/* What the header says contexts take. */
static void test_what_contexts_take(void **state)
{
    static const int levels[] = {1, 3, NP_COMPRESSION_LEVEL_MAX};
    static const size_t most[] = {512 * KIB, 1024 * KIB, 3072 * KIB};
    size_t before = live;
    np_compress c;
    (void)state;

    samples_text(data, sizeof data, 1);
    np_compress_init(&c);
    use(&c, NP_COMPRESSION_LZ4, 1, sizeof data);
    assert_in_range(live - before, 16 * KIB, 20 * KIB);
    for (size_t i = 0; i < 3; i++) {
        use(&c, NP_COMPRESSION_ZSTD, levels[i], sizeof data);
        print_message("level %d: %zu bytes\n", levels[i], live - before);
        assert_in_range(live - before, 200 * KIB, most[i]);
    }
    np_compress_fini(&c);
    assert_int_equal(live, before);
}

/* Judging takes no memory at all; decoding what is wrong no more than the contexts. */
static void test_bombs(void **state)
{
    static const struct {
        np_compression kind;
        uint8_t bytes[20];
        size_t len;
    } bombs[] = {
        /* 128 KiB in a block of four bytes. */
        {NP_COMPRESSION_ZSTD, {0x28, 0xB5, 0x2F, 0xFD, 0xA0, 0, 0, 2, 0, 3, 0, 0x10, 0}, 13},
        /* 2^40 bytes declared; a window of 2^27. */
        {NP_COMPRESSION_ZSTD, {0x28, 0xB5, 0x2F, 0xFD, 0xE0, 0, 0, 0, 0, 0, 1, 0, 0, 9, 0, 0}, 17},
        {NP_COMPRESSION_ZSTD, {0x28, 0xB5, 0x2F, 0xFD, 0x40, 0x88, 0, 0, 3, 8, 0, 120}, 12},
        /* 64 KiB declared, one byte there. */
        {NP_COMPRESSION_ZSTD, {0x28, 0xB5, 0x2F, 0xFD, 0xA0, 0, 0, 1, 0, 9, 0, 0, 120}, 13},
        {NP_COMPRESSION_LZ4, {0xFF, 0xFF, 0xFF, 0xFF, 0x1F, 0, 1, 0, 0xFF}, 9},
        {NP_COMPRESSION_LZ4, {0, 0, 1, 0, 0x1F, 0, 0, 0, 0, 0x50, 0, 0, 0, 0, 0}, 15},
    };
    size_t before = 0;
    size_t size = 0;
    np_compress c;
    np_fault fault;
    (void)state;

    np_compress_init(&c);
    samples_text(data, sizeof data, 1);
    use(&c, NP_COMPRESSION_ZSTD, 1, sizeof data);
    use(&c, NP_COMPRESSION_LZ4, 1, sizeof data);
    before = allocations;
    for (size_t i = 0; i < sizeof bombs / sizeof bombs[0]; i++) {
        np_err err = np_compress_check(bombs[i].kind, bombs[i].bytes, bombs[i].len, sizeof back,
                                       &size, &fault);
        if (err == NP_OK) {
            err = np_compress_unpack(&c, bombs[i].kind, bombs[i].bytes, bombs[i].len, back, size,
                                     &fault);
        }
        assert_int_not_equal(err, NP_OK);
    }
    assert_int_equal(allocations, before);
    np_compress_fini(&c);
}

/* Sessions ---------------------------------------------------------------------------------- */

static const np_time now = {1, UINT64_C(1700000000000)};

/* What one session has to say, to the other; returns whether that was something. */
static bool move(np_session *from, np_session *to, size_t *events)
{
    static uint8_t buffer[256 * 1024];
    struct iovec iov[16];
    np_session_event event;
    size_t count = np_session_output(from, iov, 16, now);
    size_t len = 0;

    for (size_t i = 0; i < count; i++) {
        assert_true(iov[i].iov_len <= sizeof buffer - len);
        memcpy(buffer + len, iov[i].iov_base, iov[i].iov_len);
        len += iov[i].iov_len;
    }
    np_session_output_done(from, len, now);
    if (len > 0) {
        np_session_recv(to, buffer, len, now);
    }
    while (np_session_next_event(to, &event)) {
        assert_int_not_equal(event.kind, NP_SESSION_EVENT_CLOSED);
        *events += event.kind == NP_SESSION_EVENT_MESSAGE;
    }
    np_session_park(to);
    return len > 0;
}

/* Once every size has been there, messages and fragments of all sizes allocate nothing, out or in:
 * contexts are kept, and the rest comes from the pool and goes back to it. */
static void test_sessions_in_a_steady_state(void **state)
{
    const np_message *custom = np_protocol_message(&base_protocol, BASE_CUSTOM_ID);
    np_compress contexts;
    np_session_compression compression = {.kinds = {NP_COMPRESSION_ZSTD},
                                          .kind_count = 1,
                                          .threshold = 512,
                                          .zstd_level = 1,
                                          .contexts = &contexts};
    np_session_options options = np_session_options_default(&base_protocol);
    np_session ends[2];
    np_pool pools[2];
    size_t before = 0;
    size_t events = 0;
    (void)state;

    np_compress_init(&contexts);
    options.compression = &compression;
    for (int i = 0; i < 2; i++) {
        np_pool_init(&pools[i], NULL);
        assert_int_equal(np_session_init(&ends[i], &options, &pools[i],
                                         i == 0 ? NP_SESSION_CLIENT : NP_SESSION_SERVER, now),
                         NP_OK);
    }
    while (move(&ends[0], &ends[1], &events) || move(&ends[1], &ends[0], &events)) {
    }
    samples_json(data, sizeof data, 1);
    for (size_t i = 0; i < 3000; i++) {
        size_t len = i % 3 == 0 ? 60000 : 600 + i * 7919 % 50000;
        base_custom value = {.payload = {data, len}};
        if (i == 1000) {
            before = allocations;
        }
        assert_int_equal(np_session_send(&ends[0], custom, &value, NULL), NP_OK);
        assert_true(np_session_queued(&ends[0]) < len / 2 + 200);
        (void)move(&ends[0], &ends[1], &events);
    }
    assert_int_equal(events, 3000);
    assert_int_equal(allocations, before);
    for (int i = 0; i < 2; i++) {
        np_session_fini(&ends[i]);
        np_pool_fini(&pools[i]);
    }
    np_compress_fini(&contexts);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_contexts_are_kept),
        cmocka_unit_test(test_what_contexts_take),
        cmocka_unit_test(test_bombs),
        cmocka_unit_test(test_sessions_in_a_steady_state),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#endif
