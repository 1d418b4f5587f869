"""NAME_service.h and NAME_service.c: handlers, the dispatcher, and typed sending and calling."""

from __future__ import annotations

from ..model import Message, Protocol, Ref
from ..names import snake, upper
from .banner import banner
from .code import Code, quote
from .deprecation import mark, note, silence
from .shapes import own_messages, place_of, ref_name

INTRO = """
Typed handlers and sends for the runtime (netproto/service.h, conn.h, client.h).

Fill in the handlers that you care about and give them to a daemon or client:

    static const X_handlers handlers = {.on_... = ..., .user = ...};
    options.service = X_service(&handlers);

A handler gets the decoded message, whose strings, bytes and lists live until it returns. What it
returns other than NP_OK closes the connection with that error, at stage "handler"; the peer is
told no more than that this side failed. A message without a handler closes it too, and a request
without one is answered with a failure; the log names the handler to set. A request is answered, now
or later, by np_call_fail or its own function: REPLY

A `stream` message has two ways to be taken; its sender's way does not matter. With on_Y it comes
whole, in memory that grows with it. Without on_Y and with on_Y_begin it comes in pieces, as they
arrive: on_Y_begin gets the fields before the body and the number of bytes to come, on_Y_data the
bytes, of any number at a time, and on_Y_end the end, exactly once for each on_Y_begin that returned
NP_OK: err is NP_OK if all has come, NP_ERR_CANCELED if the sender gave up, else the error that
ended the connection. np_body_set_user keeps a pointer with the body meanwhile.
""".strip()


def emit_service_header(p: Protocol) -> str:
    c = Code()
    guard = f"{upper(p.name)}_SERVICE_GENERATED_H"
    c("/*")
    for line in _intro(p).split("\n"):
        c(f" * {line}".rstrip())
    c(" */")
    c(f"#ifndef {guard}")
    c(f"#define {guard}")
    c()
    c(f'#include "{p.name}.h"')
    c()
    c("#include <netproto/client.h>")
    c("#include <netproto/conn.h>")
    c("#include <netproto/service.h>")
    c()
    c("#ifdef __cplusplus")
    c('extern "C" {')
    c("#endif")
    c()
    messages = own_messages(p)
    _handlers(p, c, messages)
    for i, m in enumerate(messages):
        _message(p, c, m, i)
    c("#ifdef __cplusplus")
    c("}")
    c("#endif")
    c()
    c("#endif")
    return banner(p, f"{p.name}_service.h - handlers of the {p.name} protocol.") + c.text()


def _intro(p: Protocol) -> str:
    requests = [place_of(m).path for m in own_messages(p) if m.reply is not None]
    reply = f"for example {requests[0]}_reply." if requests else "NAME_reply (here is none)."
    return INTRO.replace("X_", f"{p.name}_").replace("REPLY", reply)


def _handlers(p: Protocol, c: Code, messages: list[Message]) -> None:
    c("/* What to do with the messages that come in; each may be NULL. */")
    with c.block(f"typedef struct {p.name}_handlers {{", f"}} {p.name}_handlers;"):
        for m in messages:
            c.call(f"np_err (*on_{snake(m.name)})", _handler_args(m))
            if m.stream:
                _piece_handlers(c, m)
        c("void *user; /* handed to every handler */")
    c()
    c("/* Decodes one message and calls its handler; see np_dispatch_fn. */")
    c.call(f"NP_API np_err {p.name}_dispatch", _dispatch_args())
    c()
    c("/* The protocol with these handlers, for the options of a daemon or client. NULL: for a client")
    c(" * that only calls: it has no handler for what else its peer sends. */")
    c(f"static inline np_service {p.name}_service(const {p.name}_handlers *handlers)")
    with c.block("{"):
        values = [f"&{p.name}_protocol", f"handlers != NULL ? {p.name}_dispatch : NULL", "handlers"]
        c(f"np_service service = {{{', '.join(values)}}};")
        c("return service;")
    c()


def _piece_handlers(c: Code, m: Message) -> None:
    handler = f"on_{snake(m.name)}"
    msg = f"const {place_of(m).path} *msg"
    first = ["np_conn *conn", "np_body body"]
    c("/* Or, without the one above, in pieces: */")
    c.call(f"np_err (*{handler}_begin)", [*first, msg, "uint64_t total", "void *user"])
    c.call(f"np_err (*{handler}_data)", [*first, "np_bytes piece", "void *user"])
    c.call(f"np_err (*{handler}_end)", [*first, "np_err err", "void *user"])


def _dispatch_args() -> list[str]:
    return ["const void *handlers", "np_conn *conn", "const np_incoming *in", "np_fault *fault"]


def _handler_args(m: Message) -> list[str]:
    name = place_of(m).path
    call = ["np_call call"] if m.reply is not None else []
    return ["np_conn *conn", *call, f"const {name} *msg", "void *user"]


def _message(p: Protocol, c: Code, m: Message, position: int) -> None:
    at = place_of(m)
    c.doc((at.where, *note(m.deprecated)))
    c(f"#define {upper(at.path)}_MESSAGE (&{p.name}_protocol.messages[{position}])")
    c()
    if m.reply is not None:
        _request(p, c, m)
        return
    c("/* Queues the message; errors as np_conn_send. conn NULL, no open connection: NP_ERR_STATE. */")
    args = ["np_conn *conn", f"const {at.path} *msg", "np_fault *fault"]
    _mark(c, m)
    c.call(f"static inline NP_MUST_CHECK np_err {at.path}_send", args, "")
    with c.block("{"):
        c(f"return np_conn_send(conn, {upper(at.path)}_MESSAGE, msg, fault);")
    c()
    if m.stream:
        _stream(c, m)


def _mark(c: Code, m: Message) -> None:
    """Sending what is deprecated gives a warning; taking it does not."""
    if m.deprecated is not None:
        c(mark(m.deprecated).strip())


def _stream(c: Code, m: Message) -> None:
    at = place_of(m)
    body = m.fields[-1].name
    c(f"/* Sends it with its `{body}` in pieces: np_conn_body_write, np_conn_body_end follow. `msg`")
    c(f" * holds the other fields; its {body} is left empty. Errors as np_conn_body_begin. */")
    args = [
        "np_conn *conn",
        f"const {at.path} *msg",
        "uint64_t total",
        "np_body *body",
        "np_fault *fault",
    ]
    _mark(c, m)
    c.call(f"static inline NP_MUST_CHECK np_err {at.path}_begin", args, "")
    with c.block("{"):
        passed = ["conn", f"{upper(at.path)}_MESSAGE", "msg", "total", "body", "fault"]
        c.call("return np_conn_body_begin", passed)
    c()


def _request(p: Protocol, c: Code, m: Message) -> None:
    at = place_of(m)
    assert m.reply is not None
    reply = ref_name(p, Ref(m.reply))
    c("/* Answers the request, now or later; errors as np_call_reply. */")
    args = ["np_call call", f"const {reply} *answer", "np_fault *fault"]
    c.call(f"static inline NP_MUST_CHECK np_err {at.path}_reply", args, "")
    with c.block("{"):
        c("return np_call_reply(call, answer, fault);")
    c()
    c("/* Runs exactly once per call: with the answer, or with an error and NULL. The answer lives")
    c(" * until it returns. */")
    done_args = [
        "np_conn *conn",
        "np_err err",
        f"const {reply} *answer",
        "void *user",
        "const np_fault *fault",
    ]
    c.call(f"typedef void {at.path}_done", done_args)
    c()
    c("/* Sends the request; errors as np_conn_call, and then done does not run. */")
    call_args = _call_args(m)
    _mark(c, m)
    c.call(f"NP_API NP_MUST_CHECK np_err {at.path}_call", call_args)
    c()
    c("/* The same, and runs the loop until the answer has come, connecting first if need be. The")
    c(" * answer is copied into the arena. Errors: those of the call, and the connection's; from within")
    c(f" * a handler NP_ERR_STATE, and nothing is done: use {at.path}_call there. */")
    _mark(c, m)
    c.call(f"NP_API NP_MUST_CHECK np_err {at.path}_call_wait", _wait_args(p, m))
    c()


def _call_args(m: Message) -> list[str]:
    name = place_of(m).path
    return [
        "np_conn *conn",
        f"const {name} *msg",
        f"{name}_done *done",
        "void *user",
        "np_fault *fault",
    ]


def _wait_args(p: Protocol, m: Message) -> list[str]:
    assert m.reply is not None
    return [
        "np_client *client",
        f"const {place_of(m).path} *msg",
        "np_arena *arena",
        f"{ref_name(p, Ref(m.reply))} *answer",
        "np_fault *fault",
    ]


# --------------------------------------------------------------------------------------------
# The dispatcher
# --------------------------------------------------------------------------------------------


def emit_service(p: Protocol) -> str:
    c = Code()
    silence(p, c)
    c(f'#include "{p.name}_service.h"')
    c()
    messages = own_messages(p)
    for m in messages:
        _run(p, c, m)
    _table(p, c, messages)
    for m in messages:
        if m.reply is not None:
            _call(p, c, m)
    return banner(p, f"{p.name}_service.c - the dispatcher of the {p.name} protocol.") + c.text()


def _run(p: Protocol, c: Code, m: Message) -> None:
    at = place_of(m)
    handler = f"h->on_{snake(m.name)}"
    args = [f"const {p.name}_handlers *h", *_dispatch_args()[1:]]
    if m.stream:
        _run_pieces(p, c, m, args)
    with c.function(f"static np_err {at.path}_run", args):
        c(f"{at.path} msg;")
        c()
        if m.stream:
            with c.block(f"if ({handler} == NULL) {{"):
                c(f"return {at.path}_run_pieces(h, conn, in, fault);")
            with c.block("if (in->kind == NP_INCOMING_BODY_BEGIN) {"):
                c("*in->whole = true;")
                c("return NP_OK;")
        else:
            with c.block(f"if ({handler} == NULL) {{"):
                _no_handler(c, p, m)
        c.call(
            f"np_err err = {at.path}_decode_at",
            ["&msg", "in->version", "in->payload", "in->len", "fault"],
        )
        c.bail()
        passed = ["conn", *(["in->call"] if m.reply is not None else []), "&msg", "h->user"]
        c(f"return {handler}({', '.join(passed)});")


def _no_handler(c: Code, p: Protocol, m: Message) -> None:
    name = f".on_{snake(m.name)}"
    either = f"{name} or {name}_begin" if m.stream else name
    what = [quote(place_of(m).where), quote(f"set {either} in {p.name}_handlers")]
    c.call("return np_fault_at", ["fault", "NP_ERR_NO_HANDLER", *what, "0"])


def _run_pieces(p: Protocol, c: Code, m: Message, args: list[str]) -> None:
    """For who takes the body in pieces, whether it came so or whole."""
    at = place_of(m)
    handler = f"h->on_{snake(m.name)}"
    decode = ["&msg", "in->version", "in->payload", "in->len", "fault"]
    rest = ["conn", "in", "piece", f"{handler}_data", f"{handler}_end", "h->user"]
    body = f"msg.{m.fields[-1].name}"
    with c.function(f"static np_err {at.path}_run_pieces", args):
        c(f"{at.path} msg;")
        c("np_bytes piece = {NULL, 0};")
        c("np_err err = NP_OK;")
        c()
        with c.block(f"if ({handler}_begin == NULL) {{"):
            _no_handler(c, p, m)
        with c.block("if (in->kind == NP_INCOMING_BODY_BEGIN) {"):
            c.call("err = np_message_decode_head", [f"{upper(at.path)}_MESSAGE", *decode])
            begin = ["conn", "in->body", "&msg", "in->total", "h->user"]
            c(f"return err != NP_OK ? err : {handler}_begin({', '.join(begin)});")
        with c.block("if (in->kind == NP_INCOMING_MESSAGE) {"):
            c.call(f"err = {at.path}_decode_at", decode)
            c.bail()
            c(f"piece = {body};")
            c(f"{body} = (np_bytes){{NULL, 0}};")
            begin = ["conn", "in->body", "&msg", "piece.len", "h->user"]
            c(f"err = {handler}_begin({', '.join(begin)});")
            c.bail()
        c.call("return np_body_deliver", rest)


def _table(p: Protocol, c: Code, messages: list[Message]) -> None:
    if not messages:
        with c.function(f"np_err {p.name}_dispatch", _dispatch_args()):
            c("return NP_ERR_UNKNOWN_MESSAGE;")
        return
    first, last = messages[0].id, messages[-1].id
    dense = last - first + 1 <= 2 * len(messages) + 16
    args = [f"const {p.name}_handlers *h", *_dispatch_args()[1:]]
    c.call(f"typedef np_err {p.name}_run_fn", args)
    c()
    if dense:
        c("/* By id; the gaps are NULL. */")
    else:
        c("/* By the message's position in the protocol. */")
    with c.block(f"static {p.name}_run_fn *const {p.name}_dispatch_table[] = {{", "};"):
        for i, m in enumerate(messages):
            id_ = f"{upper(place_of(m).path)}_ID"
            place = (f"{id_} - {first}u" if first else id_) if dense else str(i)
            c(f"[{place}] = {place_of(m).path}_run,")
    c()
    with c.function(f"np_err {p.name}_dispatch", _dispatch_args()):
        count = f"sizeof {p.name}_dispatch_table / sizeof {p.name}_dispatch_table[0]"
        if dense:
            c(f"uint32_t at = in->id - {first}u;" if first else "uint32_t at = in->id;")
            c()
            condition = f"at >= {count} || {p.name}_dispatch_table[at] == NULL"
            with c.block(f"if ({condition}) {{"):
                _unknown(c, p)
        else:
            c(f"const np_message *message = np_protocol_message(&{p.name}_protocol, in->id);")
            c()
            with c.block("if (message == NULL) {"):
                _unknown(c, p)
            c(f"size_t at = (size_t)(message - {p.name}_protocol.messages);")
        c(f"return {p.name}_dispatch_table[at](handlers, conn, in, fault);")


def _unknown(c: Code, p: Protocol) -> None:
    c.call(
        "return np_fault_set",
        ["fault", "NP_ERR_UNKNOWN_MESSAGE", quote(p.name), "NULL", "0", "in->id"],
    )


def _call(p: Protocol, c: Code, m: Message) -> None:
    at = place_of(m)
    assert m.reply is not None
    reply = ref_name(p, Ref(m.reply))
    message = f"{upper(at.path)}_MESSAGE"
    args = [
        "np_conn *conn",
        "np_err err",
        "const np_incoming *in",
        "np_any_fn *done",
        "void *user",
        "np_fault *fault",
    ]
    with c.function(f"static np_err {at.path}_take", args):
        c(f"{reply} answer;")
        c()
        with c.block("if (err == NP_OK) {"):
            c.call(
                "err = np_message_decode_reply",
                [message, "&answer", "in->version", "in->payload", "in->len", "fault"],
            )
        with c.block("if (done != NULL) {"):
            c(f"(({at.path}_done *)done)(conn, err, err == NP_OK ? &answer : NULL, user, fault);")
        c("return err;")
    with c.function(f"np_err {at.path}_call", _call_args(m)):
        c.call(
            "return np_conn_call_typed",
            ["conn", message, "msg", f"{at.path}_take", "(np_any_fn *)done", "user", "fault"],
        )
    with c.function(f"np_err {at.path}_call_wait", _wait_args(p, m)):
        c.call("return np_client_call_typed_wait", ["client", message, "msg", "arena", "answer", "fault"])
