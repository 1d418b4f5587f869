/* Two peers with nothing in common: each hears what both offered, on either side, plain and secure,
 * whichever of protocol, version, cipher and schema it is. */
#include "support/demo_protocol.h"
#include "support/session_wire.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "protocol/session_private.h"

/* What the client and the server of `w`, which is set up, are told; empties it. */
typedef struct told {
    np_disagreement disagreement[2];
    char offers[2][300];
    size_t text_len[2];
} told;

static void tell(wire *w, told *out)
{
    wire_end *ends[] = {&w->client, &w->server};

    wire_start(w);
    wire_run(w);
    for (size_t i = 0; i < 2; i++) {
        np_session_recv_end(&ends[i]->s, w->now);
        wire_drain(w, ends[i]);
        assert_true(ends[i]->closed);
        const wire_event *event = &ends[i]->events[ends[i]->event_count - 1];
        assert_int_equal(event->event.err, NP_ERR_VERSION);
        assert_int_equal(event->event.stage, NP_SESSION_STAGE_NEGOTIATE);
        out->disagreement[i] = event->event.disagreement;
        out->text_len[i] = event->event.text.len;
        snprintf(out->offers[i], sizeof out->offers[i], "%s", event->offers);
    }
    wire_fini(w);
}

static void expect_told(const told *t, np_disagreement disagreement, const char *client,
                        const char *server)
{
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(t->disagreement[i], disagreement);
        assert_int_equal(t->text_len[i], 0); /* none of these words are the peer's */
    }
    assert_string_equal(t->offers[0], client);
    assert_string_equal(t->offers[1], server);
}

static void begin(wire *w, bool secure)
{
    wire_init(w);
    if (secure) {
        wire_secure(w);
    }
}

static void test_protocol(void **state)
{
    np_protocol other = demo_protocol;
    told t;
    wire w;
    (void)state;

    other.name = "other";
    for (int secure = 0; secure < 2; secure++) {
        begin(&w, secure);
        w.server.options.protocol = &other;
        w.server.options.version_min = 2;
        tell(&w, &t);
        expect_told(&t, NP_DISAGREE_PROTOCOL,
                    "the peer offers other version 2, this side demo versions 1 to 2",
                    "the peer offers demo versions 1 to 2, this side other version 2");
    }
}

static void test_version(void **state)
{
    told t;
    wire w;
    (void)state;

    for (int secure = 0; secure < 2; secure++) {
        begin(&w, secure);
        w.client.options.version_min = 2;
        w.server.options.version_max = 1;
        tell(&w, &t);
        expect_told(&t, NP_DISAGREE_VERSION,
                    "the peer offers demo version 1, this side demo version 2",
                    "the peer offers demo version 2, this side demo version 1");
    }
}

static void test_cipher(void **state)
{
    told t;
    wire w;
    (void)state;

    begin(&w, true);
    w.client.security.ciphers[0] = NP_CIPHER_AES_256_GCM;
    w.client.security.ciphers[1] = 7;
    w.client.security.cipher_count = 2;
    w.server.security.ciphers[0] = NP_CIPHER_XCHACHA20_POLY1305;
    w.server.security.cipher_count = 1;
    tell(&w, &t);
    expect_told(&t, NP_DISAGREE_CIPHER,
                "the peer offers XChaCha20-Poly1305, this side AES-256-GCM and number 7",
                "the peer offers AES-256-GCM and number 7, this side XChaCha20-Poly1305");
}

/* Who accepts learns of another schema by an Error; before there are keys anybody may have sent
 * it. */
static void test_schema(void **state)
{
    static const uint8_t digests[][32] = {{1, 2, 3}, {0x63, 1, 0xFF, 3, 4, 5, 6, 7, 8}};
    np_protocol other = demo_protocol;
    char client[128];
    told t;
    wire w;
    (void)state;

    other.digests = digests;
    int len = snprintf(client, sizeof client, "demo version 2 has digest ");
    for (size_t i = 0; i < 8; i++) {
        len += snprintf(client + len, sizeof client - (size_t)len, "%02x",
                        demo_protocol.digests[1][i]);
    }
    snprintf(client + len, sizeof client - (size_t)len, " here, 6301ff0304050607 there");
    for (int secure = 0; secure < 2; secure++) {
        begin(&w, secure);
        w.server.options.protocol = &other;
        tell(&w, &t);
        expect_told(&t, NP_DISAGREE_SCHEMA, client,
                    secure ? "demo version 2 has digest 6301ff0304050607 here, another one there "
                             "(it says, in the clear)"
                           : "demo version 2 has digest 6301ff0304050607 here, another one there");
    }
}

/* What a peer calls its protocol reaches terminals and logs. */
static void test_names_are_escaped_and_cut(void **state)
{
    np_protocol other = demo_protocol;
    char name[65];
    told t;
    wire w;
    (void)state;

    memset(name, '\x1b', sizeof name - 1);
    name[64] = '\0';
    other.name = name;
    for (int secure = 0; secure < 2; secure++) {
        begin(&w, secure);
        w.server.options.protocol = &other;
        tell(&w, &t);
        assert_int_equal(t.disagreement[0], NP_DISAGREE_PROTOCOL);
        assert_memory_equal(t.offers[0], "the peer offers \\u001b\\u001b", 28);
        assert_non_null(strstr(t.offers[0], "... versions 1 to 2, this side demo versions 1 to 2"));
        for (const char *c = t.offers[0]; *c != '\0'; c++) {
            assert_in_range(*c, ' ', '~');
        }
    }
}

/* An Error that says nothing, or that nobody vouches for, gets no words of ours either. */
static void test_no_offer_no_words(void **state)
{
    base_error error = {.reason = BASE_REASON_VERSION};
    uint8_t bytes[256];
    size_t len = 0;
    wire w;
    (void)state;

    for (int secure = 0; secure < 2; secure++) {
        begin(&w, secure);
        wire_start(&w);
        w.client.byte_count = 0;
        error.offer.has = secure; /* in the clear it is not believed; plain, there is none */
        error.offer.value.protocol = np_str_from("liar");
        error.offer.value.version_min = error.offer.value.version_max = 1;
        error.text = np_str_from(secure ? "words" : "");
        assert_int_equal(base_error_encode(&error, bytes, sizeof bytes, &len, NULL), NP_OK);
        uint8_t header[NP_FRAMING_HEADER_LEN] = {0xDE, 0xAD, 0xBE, 0xEF, 1, 0, 0, 0, 0, 0};
        header[9] = (uint8_t)len;
        wire_inject(&w.client, header, sizeof header);
        wire_inject(&w.client, bytes, len);
        wire_read(&w, &w.client);
        assert_true(w.client.closed);
        const wire_event *event = &w.client.events[w.client.event_count - 1];
        assert_int_equal(event->event.err, NP_ERR_VERSION);
        assert_int_equal(event->event.disagreement, NP_DISAGREE_NONE);
        assert_string_equal(event->text, "");
        wire_fini(&w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_protocol),
        cmocka_unit_test(test_version),
        cmocka_unit_test(test_cipher),
        cmocka_unit_test(test_schema),
        cmocka_unit_test(test_names_are_escaped_and_cut),
        cmocka_unit_test(test_no_offer_no_words),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
