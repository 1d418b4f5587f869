/* error.c - names, texts and classes of errors, and faults as lines for people. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <netproto/error.h>

typedef struct np_err_row {
    const char *name;
    const char *text;
    np_err_class class_of;
} np_err_row;

/* Numbers are 0, -1, -2, ... without gaps, so the negated number is the index. */
static const np_err_row np_err_rows[] = {
#define NP_ERR_ROW_(name, number, class, text)                                                     \
    [-(number)] = {"NP_ERR_" #name, text, NP_CLASS_##class},
    NP_ERR_MAP(NP_ERR_ROW_)
#undef NP_ERR_ROW_
};

#define NP_ERR_ROWS (sizeof np_err_rows / sizeof np_err_rows[0])

static const np_err_row *np_err_find(np_err err)
{
    /* By way of int64_t, since negating the least int would overflow. */
    int64_t index = -(int64_t)err;

    if (index < 0 || (uint64_t)index >= NP_ERR_ROWS || np_err_rows[index].name == NULL) {
        return NULL;
    }
    return &np_err_rows[index];
}

const char *np_err_name(np_err err)
{
    const np_err_row *row = np_err_find(err);

    if (err == NP_OK) {
        return "NP_OK";
    }
    return row != NULL ? row->name : "NP_ERR_?";
}

const char *np_err_text(np_err err)
{
    const np_err_row *row = np_err_find(err);
    return row != NULL ? row->text : "unknown error";
}

np_err_class np_err_class_of(np_err err)
{
    const np_err_row *row = np_err_find(err);
    return row != NULL ? row->class_of : NP_CLASS_USAGE;
}

np_err np_fault_set(np_fault *fault, np_err err, const char *where, const char *rule,
                    uint64_t offset, uint64_t got)
{
    if (fault != NULL) {
        fault->err = err;
        fault->got_kind = NP_GOT_UNSIGNED;
        fault->where = where;
        fault->rule = rule;
        fault->offset = offset;
        fault->got = got;
    }
    return err;
}

np_err np_fault_set_signed(np_fault *fault, np_err err, const char *where, const char *rule,
                           uint64_t offset, int64_t got)
{
    if (fault != NULL) {
        *fault = (np_fault){err, NP_GOT_SIGNED, where, rule, offset, (uint64_t)got};
    }
    return err;
}

np_err np_fault_at(np_fault *fault, np_err err, const char *where, const char *rule,
                   uint64_t offset)
{
    if (fault != NULL) {
        *fault = (np_fault){err, NP_GOT_NOTHING, where, rule, offset, 0};
    }
    return err;
}

/* The refused value as text; empty if there is none. */
static void np_fault_got(const np_fault *fault, char *text, size_t cap)
{
    double number;

    text[0] = '\0';
    switch (fault->got_kind) {
    case NP_GOT_UNSIGNED:
        snprintf(text, cap, "%" PRIu64, fault->got);
        break;
    case NP_GOT_SIGNED:
        snprintf(text, cap, "%" PRId64, (int64_t)fault->got);
        break;
    case NP_GOT_FLOAT:
        memcpy(&number, &fault->got, sizeof number);
        snprintf(text, cap, "%.9g", number);
        for (char *p = text; *p != '\0'; p++) { /* a locale may have another decimal point */
            *p = (char)(strchr("+-0123456789einfa", *p) != NULL ? *p : '.');
        }
        break;
    case NP_GOT_NOTHING:
        break;
    }
}

/* Whether it is about what a program did, not about a value's bytes; ARG is an encoder's. */
static bool np_fault_is_usage(const np_fault *fault)
{
    return fault->got_kind == NP_GOT_NOTHING && fault->rule != NULL && fault->err != NP_ERR_ARG &&
           np_err_class_of(fault->err) != NP_CLASS_PROTO;
}

char *np_fault_format(const np_fault *fault, char *text, size_t cap)
{
    const char *where = fault->where != NULL ? fault->where : "";
    const char *colon = fault->where != NULL ? ": " : "";
    /* Bytes that are no text have nothing to do with how long it may be. */
    const char *rule = fault->err != NP_ERR_UTF8 ? fault->rule : NULL;
    char got[32];

    np_fault_got(fault, got, sizeof got);
    if (fault->err == NP_OK || fault->where == NULL) { /* it speaks of no bytes */
        snprintf(text, cap, "%s%s%s", where, colon, np_err_text(fault->err));
    } else if (np_fault_is_usage(fault)) {
        snprintf(text, cap, "%s%s%s: %s", where, colon, np_err_text(fault->err), rule);
    } else if (fault->err == NP_ERR_UNEXPECTED && rule != NULL) {
        snprintf(text, cap, "%s is not allowed %s", where, rule);
    } else if (fault->err == NP_ERR_DEADLINE && got[0] != '\0') {
        snprintf(text, cap, "%s%s%s after %s ms%s%s", where, colon, np_err_text(fault->err), got,
                 rule != NULL ? " in state " : "", rule != NULL ? rule : "");
    } else if (fault->err == NP_ERR_TOO_LONG && got[0] != '\0' && rule != NULL) {
        snprintf(text, cap, "%s%slength %s exceeds %s at byte %" PRIu64, where, colon, got, rule,
                 fault->offset);
    } else if (fault->err == NP_ERR_TOO_SHORT && got[0] != '\0' && rule != NULL) {
        snprintf(text, cap, "%s%slength %s is below %s at byte %" PRIu64, where, colon, got, rule,
                 fault->offset);
    } else if (fault->err == NP_ERR_RANGE && got[0] != '\0' && rule != NULL) {
        snprintf(text, cap, "%s%s%s is not in %s at byte %" PRIu64, where, colon, got, rule,
                 fault->offset);
    } else {
        snprintf(text, cap, "%s%s%s%s%s%s%s at byte %" PRIu64, where, colon,
                 np_err_text(fault->err), got[0] != '\0' ? ", got " : "", got,
                 rule != NULL ? ", rule: " : "", rule != NULL ? rule : "", fault->offset);
    }
    return text;
}
