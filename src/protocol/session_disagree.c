/* session_disagree.c - what each side offered, where nothing is in common; see session.h. */
#include <string.h>

#include "protocol/session_private.h"

static np_negotiate_side np_session_speaks(const np_session *s)
{
    np_negotiate_side mine;

    if (s->secure != NULL) {
        return s->secure->side.speaks;
    }
    np_err err = np__session_side_make(&mine, s->options);
    (void)err; /* np_session_init has checked it */
    return mine;
}

/* The version that was agreed on before the digests turned out to differ; 0: there was none. */
static uint32_t np_session_agreed_version(const np_session *s)
{
    return s->secure != NULL && s->secure->handshake != NULL ? s->secure->handshake->version
                                                             : s->version;
}

/* In place of the peer's words, which have less to say. */
static void np_session_disagree(np_session *s, np_disagreement disagreement, const char *line,
                                size_t len)
{
    if (s->end != NULL) { /* else there was no memory */
        s->end->disagreement = disagreement;
        s->end->text_len = np__session_cut(line, len, NP_SESSION_TEXT_MAX);
        memcpy(s->end->text, line, s->end->text_len);
    }
}

void np__session_disagree_offer(np_session *s, const base_offer *theirs, bool hearsay)
{
    np_negotiate_side mine = np_session_speaks(s);
    np_disagreement disagreement = np_disagree_judge(&mine, theirs);
    uint32_t version = np_session_agreed_version(s);
    char line[NP_DISAGREE_TEXT_MAX];
    size_t len = disagreement == NP_DISAGREE_SCHEMA && version != 0
                     ? np_disagree_digests(line, &mine, version, NULL, hearsay)
                     : np_disagree_offers(line, disagreement, &mine, theirs);

    np_session_disagree(s, disagreement, line, len);
}

void np__session_disagree_digest(np_session *s, uint32_t version, const uint8_t *digest)
{
    np_negotiate_side mine = np_session_speaks(s);
    char line[NP_DISAGREE_TEXT_MAX];
    size_t len = np_disagree_digests(line, &mine, version, digest, false);

    np_session_disagree(s, NP_DISAGREE_SCHEMA, line, len);
}

void np__session_disagree_kept(np_session *s, bool hearsay)
{
    const np_handshake *handshake = s->secure != NULL ? s->secure->handshake : NULL;

    if (s->role == NP_SESSION_SERVER && handshake != NULL && handshake->offered) {
        base_offer theirs = np_disagree_kept(&handshake->theirs.offer);
        np__session_disagree_offer(s, &theirs, hearsay);
    }
}
