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
cuts: list[dict[str, Any]] = []


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


def raw(
    name: str, digits: str, error: str, where: str, version: int = 3, reply: bool = False
) -> None:
    case(name, bytes.fromhex(digits), version, reply, (error, where))


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
NOTHING: tuple[str, Value] = ("nothing", {})

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


def large_forest(key: str, last: int) -> Value:
    """A forest of 505 bytes, its key and 3 for each of the last trees: as deep as can be."""
    low = [
        ("aaaa", NO_FOREST | {"trees": [tree(1)] * 2}),
        ("bbbb", NO_FOREST | {"trees": [tree(1)] * last}),
    ]
    full = tree(2, tree(3), NO_FOREST)
    names = [("aaaa", NO_FOREST), ("aaab", NO_FOREST)]
    big = tree(1, full, NO_FOREST | {"trees": [tree(3)] * 3, "by_name": names})
    mid = {"trees": [full] * 3, "by_name": low, "end": True}
    return {"trees": [big] * 3, "by_name": [(key, mid)], "end": True}


WOODS: Value = {
    "tree": tree(1, tree(2, tree(3)),
                 {"trees": [tree(4)], "by_name": [("f", NO_FOREST)], "end": False}),
    "forests": [NO_FOREST, forest(4)],
    "maybe": (chain(4),),
    "one": [NO_FOREST, {"trees": [tree(5), tree(6)], "by_name": [], "end": False}],
}  # fmt: skip

TINY_WOODS: Value = {"tree": tree(0), "forests": [], "maybe": (), "one": [NO_FOREST, NO_FOREST]}


def write_good() -> None:
    good("bounds, lowest", "Bounds", BOUNDS)
    top: Value = {
        "a": 20, "b": 1, "c": 2**128 - 1, "d": 7, "e": "z", "f": -3.4028234663852886e38, "g": 1.5,
        "h": b"four", "i": [], "j": "12345678", "k": [], "l": [], "m": 2**32 - 1,
    }  # fmt: skip
    good("bounds, highest", "Bounds", top)
    good("bounds, characters of one to four bytes at their edges", "Bounds",
         BOUNDS | {"l": ["\x7f", "\x80", "\u07ff"]})  # fmt: skip
    good("bounds, edges of the surrogates", "Bounds",
         BOUNDS | {"l": ["\ud7ff", "\ue000", "\uffff"]})  # fmt: skip
    good("bounds, edges of the planes", "Bounds",
         BOUNDS | {"l": ["\U00010000", "\U0010ffff", "\0"]})  # fmt: skip
    for version in (1, 2, 3):
        value = VERSIONS if version > 1 else VERSIONS | {"last": ("green", {})}
        good(f"versions at {version}", "Versions", value, version)
        good(f"find's reply at {version}", "Find", ADA, version, reply=True)
    good("a person as large as can be", "Find",
         ADA | {"name": "n" * 16, "age": 150, "tags": ["1234"] * 3, "nick": ("12345678",),
                "friends": [1, 2, 3, 4]}, reply=True)  # fmt: skip
    good("nests, full", "Nests", NESTS)
    good("nests, empty", "Nests", EMPTY_NESTS)
    good("nests, options in options: some none", "Nests", NESTS | {"c": ((),)})
    good("nests, options in options: some some none", "Nests", NESTS | {"c": (((),),)})
    good("nests, an empty list in an option", "Nests", NESTS | {"q": ([],)})
    good("nests, dotted shapes", "Nests", NESTS | {"h": (DOTTED,), "i": [DOTTED, DOTTED]})
    good("nests, NaN where floats are free", "Nests", NESTS | {"r": [("a", math.nan)]})
    good("nests at 1", "Nests", NESTS, version=1)
    good("nests, pink at 2", "Nests", NESTS | {"t": (("pink", {}),)}, version=2)
    good("woods", "Woods", WOODS)
    good("woods, tiny", "Woods", TINY_WOODS)
    good("woods, a forest of 512 bytes", "Woods",
         TINY_WOODS | {"forests": [large_forest("abcd", 1)]})  # fmt: skip
    good("nothing", "Nothing", {})
    good("added at 2", "Added", {"value": -(2**31)}, version=2)
    good("added at 3", "Added", {"value": 2**31 - 1})
    good("hidden", "Hidden", {"password": "pass\0word"})
    good("find", "Find", {"name": "sixteen letters!"})
    good("root", "Root", {"unit": None})
    good("root's reply, four levels", "Root", chain(4), reply=True)
    good("poke", "Poke", {})
    good("poke's reply", "Poke", {}, reply=True)
    good("file", "File", {"name": "f" * 255, "body": b"body"})
    good("file, empty", "File", {"name": "", "body": b""})


def write_bad_bounds() -> None:
    def b(name: str, field: str, value: object, error: str, where: str = "") -> None:
        of = f"Bounds.{where or field}"
        bad(f"bounds.{field}: {name}", "Bounds", BOUNDS | {field: value}, error, of)

    b("below", "a", 9, "RANGE")
    b("above", "a", 21, "RANGE")
    b("below", "b", -2, "RANGE")
    b("above", "b", 2, "RANGE")
    b("below", "c", 4, "RANGE")
    b("below", "d", -8, "RANGE")
    b("above", "d", 8, "RANGE")
    b("above in the upper half", "d", 2**64 + 1, "RANGE")
    b("below", "e", "`", "RANGE")
    b("above", "e", "{", "RANGE")
    b("two bytes", "e", "\u00e4", "RANGE")
    b("infinite", "f", math.inf, "FINITE")
    b("infinite, negative", "f", -math.inf, "FINITE")
    b("NaN", "f", math.nan, "FINITE")
    b("below", "g", -1.5000001, "RANGE")
    b("above", "g", 1.5000001, "RANGE")
    b("NaN", "g", math.nan, "RANGE")
    b("infinite", "g", math.inf, "RANGE")
    b("too short", "h", b"1", "TOO_SHORT")
    b("empty", "h", b"", "TOO_SHORT")
    b("too long", "h", b"12345", "TOO_LONG")
    b("too long by 2^32", "h", length(2**32 + 2), "TOO_LONG")
    b("longest length there is", "h", length(2**64 - 1), "TOO_LONG")
    b("too many", "i", [0, 0, 0, 0], "TOO_LONG")
    b("an item below", "i", [0, -4], "RANGE", "i[]")
    b("an item above", "i", [4], "RANGE", "i[]")
    b("too long", "j", "123456789", "TOO_LONG")
    b("too long in bytes, not in characters", "j", "1234567\u00e4", "TOO_LONG")
    b("NUL", "j", "ab\0c", "NUL")
    b("NUL before bad text", "j", text(b"\0\xff"), "NUL")
    b("bad text before NUL", "j", text(b"\xff\0"), "UTF8")
    for name, data in (
        ("a continuation byte alone", b"a\x80b"),
        ("overlong in two bytes", b"\xc1\xbf"),
        ("overlong in three bytes", b"\xe0\x9f\xbf"),
        ("overlong in four bytes", b"\xf0\x8f\xbf\xbf"),
        ("a surrogate", b"ab\xed\xa0\x80"),
        ("above U+10FFFF", b"\xf4\x90\x80\x80"),
        ("a byte that never is", b"ok\xf5"),
        ("cut behind one of two", b"abc\xc3"),
        ("cut behind two of three", b"abc\xe2\x82"),
        ("cut behind three of four", b"\xf0\x9f\x98"),
        ("a letter within a sequence", b"\xe2\x82a"),
    ):
        b(name, "j", text(data), "UTF8")
    b("an infinite item", "k", [0.0, math.inf], "FINITE", "k[]")
    b("a NaN item", "k", [math.nan], "FINITE", "k[]")
    b("an overlong character", "l", Raw(b"\2" + b"\0" * 7 + b"a\xc0\x80"), "CHAR", "l[]")
    b("a surrogate", "l", Raw(b"\1" + b"\0" * 7 + b"\xed\xa0\x80"), "CHAR", "l[]")


def write_bad_nests() -> None:
    def n(
        name: str, field: str, value: object, error: str, where: str = "", version: int = 3
    ) -> None:
        of = where if where[:1].isupper() else f"Nests.{where or field}"
        bad(f"nests.{field}: {name}", "Nests", NESTS | {field: value}, error, of, version)

    n("an inner list too long", "a", [[], [1, 2, 3, 4]], "TOO_LONG", "a[]")
    n("too long", "a", [[], [], [], []], "TOO_LONG")
    n("keys descend", "b", [(2, []), (1, [])], "ORDER", "b.key")
    n("the same key twice", "b", [(2, []), (2, [])], "ORDER", "b.key")
    n("an option's tag in a list", "b", [(2, [Raw(b"\2")])], "OPTION", "b.value[]")
    n("a bool in an option", "b", [(2, [Raw(b"\1\2")])], "BOOL", "b.value[]")
    n("the outer tag", "c", Raw(b"\2"), "OPTION")
    n("the middle tag", "c", Raw(b"\1\xff"), "OPTION")
    n("the inner tag", "c", Raw(b"\1\1\x80"), "OPTION")
    n("too many", "f", [[1, 2]] * 3, "TOO_LONG")
    n("a tuple in an option", "g", (Raw(b"\3"), []), "OPTION", "g.0")
    n("text in a tuple in an option", "g", (((7, "12345"),), []), "TOO_LONG", "g.0.1")
    n("characters descend", "g", ((), [("b", None), ("a", None)]), "ORDER", "g.1.key")
    n("characters of different lengths descend", "g", ((), [("\u0800", None), ("\u00e9", None)]),
      "ORDER", "g.1.key")  # fmt: skip
    n("a character that is none", "g", ((), [(Raw(b"\xff"), None)]), "CHAR", "g.1.key")
    n("unknown variant", "h", (Raw(b"\3\0\0\0"),), "VARIANT", "Shape")
    n("a variant that is newer", "h", (DOTTED,), "VARIANT", "Shape", 2)
    n("radius infinite", "i", [("circle", {"radius": math.inf, "color": ("red", {})}), NOTHING],
      "RANGE", "Shape.circle.radius")  # fmt: skip
    n("radius NaN", "i", [NOTHING, ("circle", {"radius": math.nan, "color": ("red", {})})],
      "RANGE", "Shape.circle.radius")  # fmt: skip
    n("two corners", "i", [NOTHING, ("polygon", {"corners": [(1, 1), (2, 2)]})],
      "TOO_SHORT", "Shape.polygon.corners")  # fmt: skip
    n("nine corners", "i", [NOTHING, ("polygon", {"corners": [(1, 1)] * 9})],
      "TOO_LONG", "Shape.polygon.corners")  # fmt: skip
    n("empty name", "i", [NOTHING, ("named", {"name": ""})], "TOO_SHORT", "Shape.named.name")
    n("NUL in a name", "i", [NOTHING, ("named", {"name": "\0"})], "NUL", "Shape.named.name")
    n("colors descend", "j", [(("blue", {}), BOB), (("green", {}), BOB)], "ORDER", "Color")
    n("a key that is no color", "j", [(Raw(b"\2\0\0\0"), BOB)], "VARIANT", "Color")
    n("false twice", "k", [[(False, 1), (False, 1)]], "ORDER", "k[].key")
    n("a key that is no bool", "k", [[], [(Raw(b"\2"), 1)]], "BOOL", "k[].key")
    n("an inner map too large", "k", [[(False, 1), (True, 1), (Raw(b"\2"), 1)]], "TOO_LONG", "k[]")
    n("keys of bytes descend", "l", [([1, 0], 0), ([0, 255], 0)], "ORDER", "l.key")
    n("too many of nothing", "m", [{}] * 6, "TOO_LONG")
    n("very many of nothing", "m", length(2**63), "TOO_LONG")
    n("an option of nothing", "n", Raw(b"\2"), "OPTION")
    n("a prefix behind the longer one", "o", [(b"ab", 1), (b"a", 1)], "ORDER", "o.key")
    n("a key too long", "o", [(b"abcd", 1)], "TOO_LONG", "o.key")
    n("negative behind positive", "p", [(1, 1), (-1, 1)], "ORDER", "p.key")
    n("text in a list in an option", "q", (["abcd"],), "TOO_LONG", "q[]")
    n("a list in an option", "q", (["", "", ""],), "TOO_LONG", "q")
    n("bad text in a list in an option", "q", ([text(b"a\xe2\x28")],), "UTF8", "q[]")
    n("a cut character", "r", Raw(b"\1" + b"\0" * 7 + b"\xc3\x28"), "CHAR", "r[].0")
    n("unknown color in a list", "s", [("red", {}), Raw(b"\4\0\0\0")], "VARIANT", "Color")
    n("pink at 1", "s", [("pink", {})], "VARIANT", "Color", 1)
    n("unknown color in an option", "t", (Raw(b"\xff\xff\xff\xff"),), "VARIANT", "Color")
    n("an item above", "u", [1, 1, 2], "RANGE", "u[]")


def write_bad_woods() -> None:
    def w(name: str, field: str, value: object, error: str, where: str) -> None:
        bad(f"woods.{field}: {name}", "Woods", TINY_WOODS | {field: value}, error, where)

    w("five trees deep", "tree", chain(5), "DEPTH", "Tree")
    w("five forests deep", "forests", [forest(5)], "DEPTH", "Forest")
    w("a tree in four forests", "one", [NO_FOREST, {
        "trees": [], "by_name": [("", {"trees": [], "by_name": [("", {
            "trees": [tree(0, tree(1))], "by_name": [], "end": True})], "end": True})],
        "end": True}],
      "DEPTH", "Tree")  # fmt: skip
    w("a forest in trees and forests by turns", "maybe",
      (tree(1, tree(2), NO_FOREST | {"trees": [tree(3, None, forest(2))]}),),
      "DEPTH", "Forest")  # fmt: skip
    w("a forest of 513 bytes", "forests", [large_forest("ab", 2)], "TOO_LONG", "Forest")
    w("a second forest of 514 bytes", "forests", [large_forest("", 2), large_forest("abc", 2)],
      "TOO_LONG", "Forest")  # fmt: skip
    w("the last forest of 515 bytes", "one", [NO_FOREST, large_forest("abcd", 2)],
      "TOO_LONG", "Forest")  # fmt: skip
    w("too many trees", "one", [NO_FOREST | {"trees": [tree(0)] * 4}, NO_FOREST],
      "TOO_LONG", "Forest.trees")  # fmt: skip
    w("names descend", "one",
      [NO_FOREST | {"by_name": [("b", NO_FOREST), ("a", NO_FOREST)]}, NO_FOREST],
      "ORDER", "Forest.by_name.key")  # fmt: skip
    w("a name that is no text", "one",
      [NO_FOREST | {"by_name": [(text(b"\xff"), NO_FOREST)]}, NO_FOREST],
      "UTF8", "Forest.by_name.key")  # fmt: skip
    w("a bool behind trees", "one", [NO_FOREST | {"end": Raw(b"\2")}, NO_FOREST],
      "BOOL", "Forest.end")  # fmt: skip
    bad("root's reply: five levels", "Root", chain(5), "DEPTH", "Tree", reply=True)


def write_bad_ends() -> None:
    """Every place where a payload can end too early, by what is missing there."""
    raw("no bytes at all", "", "TRUNCATED", "everything")
    raw("half an id", "0400", "TRUNCATED", "everything")
    raw("unknown message", "0b000000", "UNKNOWN_MESSAGE", "everything")
    raw("unknown message, and more", "ffffffff00", "UNKNOWN_MESSAGE", "everything")
    raw("added at 1", "0500000001000000", "UNKNOWN_MESSAGE", "everything", version=1)
    raw("a reply to what is no request", "04000000", "UNKNOWN_MESSAGE", "everything", reply=True)
    raw("a byte behind nothing", "0400000000", "TRAILING", "everything.Nothing")
    raw("a byte behind poke's reply", "0900000000", "TRAILING", "everything.Poke", reply=True)
    raw("bytes behind a number", "050000000100000000ff", "TRAILING", "everything.Added")
    full = PROTOCOL.encode("Versions", VERSIONS, 3)
    case("a person of 3 read at 2", full, 2, False, ("TOO_LONG", "everything.Person.name"))


def write_cuts() -> None:
    """Every cut of a payload is TRUNCATED, and its offset the cut; the field missing is the
    reference's word alone. It is listed with the first cut from which on it is missing."""
    whole = {"Bounds": BOUNDS, "Versions": VERSIONS, "Nests": NESTS, "Woods": WOODS}
    for message, value in whole.items():
        data = PROTOCOL.encode(message, value, 3)
        missing: list[tuple[int, str]] = []
        for end in range(len(data)):
            try:
                PROTOCOL.decode(data[:end], 3)
                raise SystemExit(f"{message} cut at {end} is accepted")
            except Refused as e:
                if e.error != "TRUNCATED" or e.offset != end:
                    raise SystemExit(f"{message} cut at {end}: {e}") from e
                if not missing or missing[-1][1] != e.where:
                    missing.append((end, e.where))
        entry = {"name": f"{message}, cut", "version": 3, "hex": data.hex(), "missing": missing}
        cuts.append(entry)


def main() -> None:
    write_good()
    write_bad_bounds()
    write_bad_nests()
    write_bad_woods()
    write_bad_ends()
    write_cuts()
    lines = [",\n".join(json.dumps(c) for c in kind) for kind in (cases, cuts)]
    content = '{"cases": [\n' + lines[0] + '\n], "cuts": [\n' + lines[1] + "\n]}\n"
    if "--check" in sys.argv[1:]:
        if FILE.read_text(encoding="utf-8") != content:
            raise SystemExit(f"{FILE} is not what the reference writes; run it without --check")
        return
    FILE.parent.mkdir(parents=True, exist_ok=True)
    FILE.write_text(content, encoding="utf-8")
    print(f"{FILE}: {len(cases)} cases")


if __name__ == "__main__":
    main()
