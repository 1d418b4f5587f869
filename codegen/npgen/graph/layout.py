"""A message's layout: a table of its fields, and of each type that they contain."""

from __future__ import annotations

from typing import Iterator, Sequence

from ..evolution.release import names_in
from ..model import TAG_SIZE, Enum, Field, Message, Protocol, Struct
from ..recursion import fields_of
from ..sizes import max_len, message_max_len, message_min_len, min_len
from ..spell import size, spell
from .dot import HEAD, PAPER, Dot, html

MAX_TYPE = 44
"""Characters of a type that are shown."""

TITLE = "(title)"
"""The cell of a table's title, as graphviz knows it."""


def layout_graph(p: Protocol, messages: Sequence[Message]) -> str:
    """Messages and all types that they contain."""
    dot = Dot(messages[0].name if len(messages) == 1 else p.name, "LR")
    reached: dict[str, None] = {}
    for message in messages:
        _message(p, dot, message)
        for name in [*names_in(message.fields), *([message.reply] if message.reply else [])]:
            _reach(p, name, reached)
    for name in reached:
        decl = p.types[name]
        if isinstance(decl, Struct):
            _table(dot, name, f"struct {name}", list(_rows(p, decl.fields, 0)))
            _edges(dot, name, decl.fields)
            continue
        _table(dot, name, f"enum {name}", [("0", "index", "u32", ""), *_variants(p, decl)])
        for v in decl.variants:
            _edges(dot, name, v.fields, f"{v.name}.")
    return dot.text()


def _reach(p: Protocol, name: str, reached: dict[str, None]) -> None:
    waiting = [name]
    while waiting:
        name = waiting.pop(0)
        if name not in reached:
            reached[name] = None
            waiting += names_in(fields_of(p.types[name]))


def _message(p: Protocol, dot: Dot, message: Message) -> None:
    kind = "message" if message.reply is None else "request"
    least, most = message_min_len(p, message), message_max_len(p, message)
    about = size(most) if least == most else f"{least} to {size(most)}"
    rows = [("0", "id", f"u32 = {message.id}", "")]
    rows += _rows(p, message.fields, TAG_SIZE)
    node = f"{kind} {message.name}"
    _table(dot, node, f"{kind} {message.name}, {about}", rows)
    _edges(dot, node, message.fields)
    if message.reply is not None:
        dot.edge(node, message.reply, tail=TITLE, head=TITLE, style="dashed", label="reply")


def _rows(p: Protocol, fields: Sequence[Field], start: int) -> Iterator[tuple[str, str, str, str]]:
    at: int | None = start
    for f in fields:
        text = spell(f.type)
        text = text if len(text) <= MAX_TYPE else text[: MAX_TYPE - 3] + "..."
        since = f"  since {f.since}" if f.since > 1 else ""
        yield "" if at is None else str(at), f.name, text + since, f.name
        if at is not None:
            least, most = min_len(p, f.type), max_len(p, f.type)
            at = at + most if least == most else None


def _variants(p: Protocol, decl: Enum) -> Iterator[tuple[str, str, str, str]]:
    for v in decl.variants:
        since = f"since {v.since}" if v.since > 1 else ""
        yield f"= {v.index}", v.name, since, ""
        for at, name, text, port in _rows(p, v.fields, TAG_SIZE):
            yield at, f"  {v.name}.{name}", text, f"{v.name}.{port}"


def _table(dot: Dot, node: str, title: str, rows: list[tuple[str, str, str, str]]) -> None:
    cells = [f'<tr><td colspan="3" port="{TITLE}" bgcolor="{HEAD}"><b>{html(title)}</b></td></tr>']
    for at, name, text, port in rows:
        anchor = f' port="{html(port)}"' if port else ""
        cells.append(
            f'<tr><td align="right">{html(at) or " "}</td><td align="left">{html(name)}</td>'
            f'<td align="left"{anchor}>{html(text) or " "}</td></tr>'
        )
    label = (
        f'<<table border="0" cellborder="1" cellspacing="0" cellpadding="4" bgcolor="{PAPER}">'
        f"{''.join(cells)}</table>>"
    )
    dot.node(node, label=label, shape="plain", style="solid")


def _edges(dot: Dot, node: str, fields: Sequence[Field], prefix: str = "") -> None:
    for f in fields:
        for name in dict.fromkeys(names_in([f])):
            dot.edge(node, name, tail=prefix + f.name, head=TITLE)
