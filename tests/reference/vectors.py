"""Writes tests/vectors/everything/vectors.json: payloads of tests/schema/everything.np, and what a
decoder must say of each. The values are picked by hand; so are, where a payload is to be refused,
the error and the field. The bytes and the offset come from the reference, which must agree with
the rest.

    python3 tests/reference/vectors.py [--check]
"""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import Any, Optional

from bincode import Raw, Refused
from everything import PROTOCOL

FILE = Path(__file__).parent.parent / "vectors" / "everything" / "vectors.json"

Value = dict[str, Any]
cases: list[dict[str, Any]] = []


def case(
    name: str, data: bytes, version: int, reply: bool, refused: Optional[tuple[str, str]]
) -> None:
    offset = 0
    try:
        message, _ = PROTOCOL.decode(data, version, reply)
        verdict = None
    except Refused as e:
        message, verdict, offset = "", (e.error, e.where), e.offset
    if verdict != refused:
        raise SystemExit(f"{name}: picked {refused}, but the reference says {verdict} @{offset}")
    entry: dict[str, Any] = {"name": name, "version": version, "reply": reply, "hex": data.hex()}
    if refused is None:
        entry["message"] = message
    else:
        entry |= {"error": f"NP_ERR_{refused[0]}", "where": refused[1], "offset": offset}
    cases.append(entry)


def good(name: str, message: str, value: Value, version: int = 3, reply: bool = False) -> None:
    case(name, PROTOCOL.encode(message, value, version, reply), version, reply, None)


def bad(
    name: str,
    message: str,
    value: Value,
    error: str,
    where: str,
    version: int = 3,
    reply: bool = False,
) -> None:
    """Of what is made with a bad value: the error, and the field without the protocol's name."""
    data = PROTOCOL.encode(message, value, version, reply)
    case(name, data, version, reply, (error, f"everything.{where}"))


def raw(name: str, text: str, error: str, where: str, version: int = 3, reply: bool = False) -> None:
    case(name, bytes.fromhex(text), version, reply, (error, where))


def length(count: int) -> Raw:
    """A length or count alone."""
    return Raw(count.to_bytes(8, "little"))


def text(data: bytes) -> Raw:
    """A string of bytes that are no text."""
    return Raw(len(data).to_bytes(8, "little") + data)


BOUNDS: Value = {
    "a": 10, "b": -1, "c": 5, "d": -7, "e": "a", "f": 0.5, "g": -1.5, "h": b"\0\xff",
    "i": [-3, 0, 3], "j": "grün", "k": [1.25, -0.0], "l": ["a", "é", "😀"], "m": 0,
}  # fmt: skip

ADA: Value = {
    "name": "Ada", "age": 36, "tags": ["x", "", "yz"], "mood": -5, "nick": ("Countess",),
    "friends": [1, 2**32 - 1],
}  # fmt: skip

BOB: Value = {"name": "", "age": 0, "tags": [], "mood": 5, "nick": (), "friends": []}

VERSIONS: Value = {
    "person": ADA, "people": [BOB, ADA], "color": ("blue", {}), "extra": 2**64 - 1, "more": "more",
    "last": ("pink", {}),
}  # fmt: skip

CIRCLE = ("circle", {"radius": 1000.0, "color": ("green", {})})
POLYGON = ("polygon", {"corners": [(1, -2), (-(2**31), 2**31 - 1), (5, 6)]})
NAMED = ("named", {"name": "n"})
DOTTED = ("dotted", {"dots": [1, 2, 0xFFFE]})
NOTHING = ("nothing", {})

NESTS: Value = {
    "a": [[1, 2, 3], [], [4]],
    "b": [(1, [(True,), ()]), (200, [])],
    "c": (((9,),),),
    "d": [[1, 2], [3, 4], [5, 6]],
    "e": [[0x0102, 0x0304], [0x0506, 0x0708]],
    "f": [[10, 11], [12, 13]],
    "g": (((7, "tup"),), [("\0", None), ("é", None), ("\U0010ffff", None)]),
    "h": (POLYGON,),
    "i": [CIRCLE, NAMED],
    "j": [(("red", {}), BOB), (("blue", {}), ADA)],
    "k": [[(False, 1), (True, 2)], []],
    "l": [([0, 1], -1), ([0, 2], -128), ([1, 0], 127)],
    "m": [{}, {}, {}],
    "n": (None,),
    "o": [(b"", 1), (b"\0", 2), (b"\0\0", 3)],
    "p": [(-(2**127), 1), (2**127 - 1, 2)],
    "q": (["abc", ""],),
    "r": [("z", 1.5), ("\u0800", -math.inf)],
    "s": [("blue", {}), ("red", {}), ("blue", {})],
    "t": (("green", {}),),
    "u": [0, 1, 0],
}

EMPTY_NESTS: Value = NESTS | {
    "a": [], "b": [], "c": (), "f": [], "g": ((), []), "h": (), "i": [NOTHING, NOTHING], "j": [],
    "k": [], "l": [], "m": [], "n": (), "o": [], "p": [], "q": (), "r": [], "s": [], "t": (),
}  # fmt: skip

NO_FOREST: Value = {"trees": [], "by_name": [], "end": True}


def tree(label: int, left: Optional[Value] = None, forest: Optional[Value] = None) -> Value:
    return {
        "label": label,
        "left": () if left is None else (left,),
        "forest": () if forest is None else (forest,),
    }


def chain(levels: int) -> Value:
    """A tree of so many levels, by way of its left."""
    return tree(levels, chain(levels - 1) if levels > 1 else None)


def forest(levels: int) -> Value:
    """A forest of so many levels, by way of its map."""
    inner = [("in", forest(levels - 1))] if levels > 1 else []
    return {"trees": [], "by_name": inner, "end": False}


def wide_forest(trees: int, inner: list[Value]) -> Value:
    return {"trees": [tree(i) for i in range(trees)], "by_name": named(inner), "end": False}


def named(forests: list[Value]) -> list[tuple[str, Value]]:
    return [(f"key{i}", f) for i, f in enumerate(forests)]


def large_tree(long_keys: bool) -> Value:
    """As large a value as its depth allows: 512 bytes are within reach."""
    leaf = wide_forest(3, [])
    low = {"trees": [tree(9)] * 3, "by_name": named([leaf, leaf]), "end": True}
    low_trees = [tree(1, None, leaf), tree(2, tree(3), leaf), tree(4, tree(5), leaf)]
    top = {"trees": low_trees, "by_name": named([low, low]), "end": True}
    if not long_keys:
        top = {"trees": low_trees, "by_name": named([low]), "end": True}
    return tree(0, tree(1, tree(2), leaf), top)


WOODS: Value = {
    "tree": tree(1, tree(2, tree(3)), {"trees": [tree(4)], "by_name": [("f", NO_FOREST)], "end": False}),
    "forests": [NO_FOREST, forest(4)],
    "maybe": (chain(4),),
    "one": [NO_FOREST, {"trees": [tree(5), tree(6)], "by_name": [], "end": False}],
}  # fmt: skip

TINY_WOODS: Value = {"tree": tree(0), "forests": [], "maybe": (), "one": [NO_FOREST, NO_FOREST]}
