"""tests/schema/everything.np, transcribed by hand into the reference's types."""

from __future__ import annotations

from bincode import (
    Array,
    Bool,
    Bytes,
    Char,
    Enum,
    Field,
    Float,
    Int,
    Later,
    List,
    Map,
    Message,
    Option,
    Protocol,
    Recursion,
    Str,
    Struct,
    Tuple,
    Unit,
    Variant,
)

U8, U16, U32, U64 = Int("u8"), Int("u16"), Int("u32"), Int("u64")
I8, I32 = Int("i8"), Int("i32")
MAX_NAME = 16

COLOR = Enum(
    "everything.Color",
    [Variant("red", 0), Variant("green", 1), Variant("blue", 5), Variant("pink", 6, since=2)],
)

SHAPE = Enum(
    "everything.Shape",
    [
        Variant("nothing", 0),
        Variant(
            "circle",
            1,
            [Field("radius", Float("f64", 0.0, 1000.0, finite=True)), Field("color", COLOR)],
        ),
        Variant("polygon", 2, [Field("corners", List(Tuple([I32, I32]), min=3, max=8))]),
        Variant("named", 7, [Field("name", Str(MAX_NAME, min=1, nonul=True))]),
        Variant("dotted", 9, [Field("dots", Array(U16, 3))], since=3),
    ],
)

EMPTY = Struct("everything.Empty", [])

PERSON = Struct(
    "everything.Person",
    [
        Field("name", Str(MAX_NAME)),
        Field("age", Int("u8", 0, 150)),
        Field("tags", List(Str(4), max=3)),
        Field("mood", Int("i8", -5, 5), since=2, default=1),
        Field("nick", Option(Str(8)), since=2, default=()),
        Field("friends", List(U32, max=4), since=3, default=[]),
    ],
)

WOODS_GROUP = frozenset({"everything.Tree", "everything.Forest"})


TREE_LATER, FOREST_LATER = Later(), Later()

TREE = Struct(
    "everything.Tree",
    [
        Field("label", U8),
        Field("left", Option(TREE_LATER)),
        Field("forest", Option(FOREST_LATER)),
    ],
    recursion=Recursion(4, 512, WOODS_GROUP),
)

FOREST = Struct(
    "everything.Forest",
    [
        Field("trees", List(TREE_LATER, max=3)),
        Field("by_name", Map(Str(4), FOREST_LATER, max=2)),
        Field("end", Bool()),
    ],
    recursion=Recursion(4, 512, WOODS_GROUP),
)

TREE_LATER.type, FOREST_LATER.type = TREE, FOREST

BOUNDS = Struct(
    "everything.Bounds",
    [
        Field("a", Int("u16", 10, 20)),
        Field("b", Int("i64", -1, 1)),
        Field("c", Int("u128", 5, 2**128 - 1)),
        Field("d", Int("i128", -7, 7)),
        Field("e", Char(97, 122)),
        Field("f", Float("f32", finite=True)),
        Field("g", Float("f32", -1.5, 1.5)),
        Field("h", Bytes(4, min=2)),
        Field("i", List(Int("i16", -3, 3), max=3)),
        Field("j", Str(8, nonul=True)),
        Field("k", List(Float("f64", finite=True), max=2)),
        Field("l", List(Char(), max=3)),
        Field("m", U32),
    ],
)

VERSIONS = Struct(
    "everything.Versions",
    [
        Field("person", PERSON),
        Field("people", List(PERSON, max=3)),
        Field("color", COLOR),
        Field("extra", U64, since=2, default=7),
        Field("more", Str(4), since=3, default="hi"),
        Field("last", COLOR, since=3, default=("green", {})),
    ],
)

NESTS = Struct(
    "everything.Nests",
    [
        Field("a", List(List(U8, max=3), max=3)),
        Field("b", Map(U8, List(Option(Bool()), max=2), max=2)),
        Field("c", Option(Option(Option(U8)))),
        Field("d", Array(Array(U8, 2), 3)),
        Field("e", Array(Array(U16, 2), 2)),
        Field("f", List(Array(U16, 2), max=2)),
        Field("g", Tuple([Option(Tuple([U8, Str(4)])), Map(Char(), Unit(), max=3)])),
        Field("h", Option(SHAPE)),
        Field("i", Array(SHAPE, 2)),
        Field("j", Map(COLOR, PERSON, max=2)),
        Field("k", List(Map(Bool(), U8, max=2), max=2)),
        Field("l", Map(Array(U8, 2), I8, max=3)),
        Field("m", List(EMPTY, max=5)),
        Field("n", Option(Unit())),
        Field("o", Map(Bytes(3), U8, max=3)),
        Field("p", Map(Int("i128"), U8, max=2)),
        Field("q", Option(List(Str(3), max=2))),
        Field("r", List(Tuple([Char(), Float("f32")]), max=2)),
        Field("s", List(COLOR, max=3)),
        Field("t", Option(COLOR)),
        Field("u", Array(Int("u8", 0, 1), 3)),
    ],
)

WOODS = Struct(
    "everything.Woods",
    [
        Field("tree", TREE),
        Field("forests", List(FOREST, max=2)),
        Field("maybe", Option(TREE)),
        Field("one", Array(FOREST, 2)),
    ],
)

PROTOCOL = Protocol(
    "everything",
    3,
    [
        Message(0, BOUNDS),
        Message(1, VERSIONS),
        Message(2, NESTS),
        Message(3, WOODS),
        Message(4, Struct("everything.Nothing", [])),
        Message(5, Struct("everything.Added", [Field("value", I32)]), since=2),
        Message(6, Struct("everything.Hidden", [Field("password", Str(32))])),
        Message(7, Struct("everything.Find", [Field("name", Str(MAX_NAME))]), PERSON),
        Message(8, Struct("everything.Root", [Field("unit", Unit())]), TREE),
        Message(9, Struct("everything.Poke", []), EMPTY),
        Message(
            10, Struct("everything.File", [Field("name", Str(255)), Field("body", Bytes(2**20))])
        ),
    ],
)
