"""The digest of what a protocol means: what changes it, what does not, and how others compute it."""

from __future__ import annotations

import hashlib
import io
import random
import re
import tempfile
import unittest
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

from support import ROOT, inside, protocol_of
from test_breaking import FINE

from npgen.cli import main
from npgen.evolution.compare import compare
from npgen.evolution.meaning import digests, meaning
from npgen.load import load, load_text
from npgen.model import Protocol

IMPORTED = """protocol part version 1;
struct Used { a: u8; }
struct Unused { a: u8; }
message Elsewhere = 9000 { a: Unused; }
"""

SCHEMA = """protocol talk version 2;
import "netproto/base.np";
import "part.np";
const MAX = 64;
/// Someone.
struct Person { name: string max MAX nonempty; age: u8 range 0..150; tags: map<u8, bytes max 3> max 8; }
enum Mood { calm = 0; angry = 1 { why: string max 9; level: u8; }; }
struct Alone { a: u8; }
message Say = 256 { text: string max 4KiB; mood: Mood; used: Used; at: option<u64>; }
request Find = 257 { name: string max 64; code: char max 'z'; } -> Person timeout 2s;
message Blob = 258 stream secret { size: f64 range 0.5..2.0 finite; when: (u8, u16)[3]; body: bytes max 9; }
message Tint = 259 since 2 { shade: u8; }
message Join = 260 { name: string max 64; shout: bool since 2 = true; }
packet head { a: u8; }
conversation session {
    start greet;
    state greet { client Join -> open; within 5s; }
    state open { either Say, Find, Tint; client Blob; either Disconnect -> done; }
    final done;
}
"""

SAME = (
    ("/// Someone.", "// Something else.\n\n"),
    ("struct Person", "/// More.\nstruct Person"),
    ("const MAX = 64;", "const MOST = 64; const MAX = MOST;"),
    ("string max MAX nonempty", "string min 1 max 0x40"),
    ("struct Alone { a: u8; }\n", ""),
    ("struct Alone { a: u8; }\n", "struct Alone { a: u8; b: u8; }\n"),
    ("level: u8;", "level: u8 max 255;"),
    ("age: u8 range 0..150", "age: u8 max 150"),
    ("timeout 2s", "timeout 3s"),
    ("message Join", 'reserved 700, "Old";\nmessage Join'),
    ("message Join = 260 {", 'message Join = 260 deprecated "x" {'),
    ("packet head { a: u8; }\n", "packet tail { b: u16be; }\n"),
    ("either Say, Find, Tint;", "either Say; either Find, Tint -> open;"),
    ("client Join -> open;", "client Join -> open; either Disconnect;"),
    ("start greet;\n    state greet { client Join -> open; within 5s; }\n",
     "state greet { within 5000ms; client Join -> open; }\n    start greet;\n"),
)  # fmt: skip
"""Another way to write the same, or what no peer sees."""

OTHER = (
    ("protocol talk", "protocol chat"),
    ("name: string max MAX", "title: string max MAX"),
    ("age: u8 range 0..150", "age: u8 range 0..151"),
    ("age: u8 range 0..150", "age: u8 range 1..150"),
    ("age: u8 range 0..150", "age: i8 range 0..100"),
    ("string max MAX nonempty", "string max MAX"),
    ("string max MAX nonempty", "string max MAX nonempty nonul"),
    ("map<u8, bytes max 3> max 8", "map<u16, bytes max 3> max 8"),
    ("map<u8, bytes max 3> max 8", "map<u8, bytes max 4> max 8"),
    ("why: string max 9; level: u8;", "level: u8; why: string max 9;"),
    ("calm = 0;", "quiet = 0;"),
    ("angry = 1", "angry = 2"),
    ("calm = 0;", "calm = 0 { a: u8; };"),
    ("Say = 256", "Say = 300"),
    ("Say", "Tell"),
    ("Person", "Human"),
    ("-> Person", "-> Used"),
    ("stream secret", "stream"),
    ("range 0.5..2.0", "range 0.5..2.5"),
    ("(u8, u16)[3]", "(u8, u16)[2]"),
    ("(u8, u16)[3]", "(u16, u8)[3]"),
    ("char max 'z'", "char max 'y'"),
    ("at: option<u64>; }", "at: option<u64>; more: u8; }"),
    ("within 5s", "within 6s"),
    ("client Join -> open", "either Join -> open"),
    ("client Blob;", "client Blob -> greet;"),
    ("start greet;", "start more; state more { client Join -> greet; }"),
    ("final done;", "state done { client Join; }"),
    ("conversation session", "conversation meeting"),
    ("either Disconnect -> done", "client Disconnect -> done"),
)
"""Each means something else, at both versions."""

NEWER = (
    ("= true", "= false"),
    ("shade: u8", "shade: u16"),
    ("shout: bool", "loud: bool"),
    ("Tint = 259 since 2", "Tint = 261 since 2"),
    ("either Say, Find, Tint", "either Say, Find; client Tint"),
)
"""Each means something else at version 2 only."""

ADDED = (
    ("at: option<u64>;", "at: option<u64>; more: string max 9 since 3 = \"x\";"),
    ("calm = 0; angry = 1 { why: string max 9; level: u8; };",
     "calm = 0; angry = 1 { why: string max 9; level: u8; }; odd = 7 { a: Alone; } since 3;"),
    ("message Join", "message Whisper = 270 since 3 { a: Alone; }\nmessage Join"),
    ("either Say, Find, Tint;", "either Say, Find, Tint; client Whisper -> apart;"),
    ("final done;", "state apart { client Find; client * -> open; within 3s; }\n    final done;"),
    ("version 2;", "version 3;"),
)  # fmt: skip
"""Everything that a version 3 may add, step by step."""


FLOAT_BOUNDS = ("", "finite", "min {0}", "max {1}", "range {0}..{1}", "min {0} finite",
                "max {1} finite", "range {0}..{1} finite")  # fmt: skip
GREATEST = {"f32": "3.4028235e38", "f64": "1.7976931348623157e308"}

Parts = dict[str, list[str]]
"""A schema's fields, and its conversations as one line a state, the name in front."""


def random_float(rng: random.Random) -> str:
    kind = rng.choice(tuple(GREATEST))
    least, most = f"-{GREATEST[kind]}", GREATEST[kind]
    bounds = rng.choice(("-0.0", "0.0", least, least)), rng.choice(("0.0", "1", most, most))
    return f"{kind} {rng.choice(FLOAT_BOUNDS).format(*bounds)}"


def random_state(rng: random.Random, name: str) -> str:
    if rng.random() < 0.3:
        return rng.choice((f"final {name};", f"state {name} {{}}"))
    rules = rng.sample(("client A", "server A", "either A", "client B", "server *"), 2)
    text = " ".join(f"{rule}{rng.choice(('', ' -> s', ' -> t'))};" for rule in rules)
    return f"state {name} {{ {text} {rng.choice(('', '', 'within 2s;'))} }}"


def random_parts(rng: random.Random) -> Parts:
    parts = {"": [random_float(rng) for _ in range(2)]}
    for name in rng.sample(("c", "d", "e"), rng.choice((0, 1, 2, 2))):
        # A way to every state, whatever the others do.
        first = "state s { client C -> t; server *; }"
        parts[name] = [first, random_state(rng, "t")]
    return parts


def changed_parts(parts: Parts, rng: random.Random) -> Parts:
    """The same with one thing other; sometimes that means the same."""
    now = {name: list(lines) for name, lines in parts.items()}
    fields, names = now.pop(""), list(now)
    kind = rng.random()
    if kind < 0.5:
        fields[rng.randrange(2)] = random_float(rng)
    elif kind < 0.75 and names:
        now[rng.choice(names)][1] = random_state(rng, "t")
    elif kind < 0.85:
        rng.shuffle(names)
    elif kind < 0.9:
        names.insert(rng.randrange(len(names) + 1), "f")
        now["f"] = ["state s { client C -> t; }", random_state(rng, "t")]
    elif names:
        old = rng.choice(names)
        names[names.index(old)] = "f"
        now["f"] = now[old]
    return {"": fields, **{name: now[name] for name in names}}


def schema_of(parts: Parts) -> str:
    fields = "".join(f" f{i}: {type_};" for i, type_ in enumerate(parts[""]))
    text = f"protocol demo version 1;\nmessage A = 1 {{{fields} }} message B = 2 {{}} message C = 3 {{}}\n"
    for name, lines in parts.items():
        if name:
            text += f"conversation {name} {{ start s; {' '.join(lines)} }}\n"
    return text


def talk(text: str = SCHEMA, imported: str = IMPORTED) -> Protocol:
    with tempfile.TemporaryDirectory() as folder, inside(Path(folder)):
        Path("talk.np").write_text(text, encoding="utf-8")
        Path("part.np").write_text(imported, encoding="utf-8")
        protocol, found = load(Path("talk.np"))
    assert protocol is not None, "\n".join(str(d) for d in found)
    return protocol


def changed(old: str, new: str, text: str = SCHEMA) -> str:
    assert old in text, old
    return text.replace(old, new)


class Digest(unittest.TestCase):
    maxDiff = None

    def test_what_does_not_change_it(self) -> None:
        before = digests(talk())
        self.assertEqual(len(before), 2)
        for old, new in SAME:
            with self.subTest(new=new):
                self.assertEqual(digests(talk(changed(old, new))), before)
        self.assertEqual(digests(talk(SCHEMA.replace("\n", "\r\n"))), before)

    def test_what_changes_it(self) -> None:
        before = digests(talk())
        seen = {*before}
        for old, new in OTHER:
            with self.subTest(new=new):
                now = digests(talk(changed(old, new)))
                self.assertFalse(seen & {*now}, "no two meanings have one digest")
                seen |= {*now}

    def test_what_is_since_two_counts_at_two(self) -> None:
        before = digests(talk())
        for old, new in NEWER:
            with self.subTest(new=new):
                now = digests(talk(changed(old, new)))
                self.assertEqual(now[0], before[0])
                self.assertNotEqual(now[1], before[1])

    def test_what_is_added_later_leaves_older_versions_alone(self) -> None:
        before = digests(talk())
        text = SCHEMA
        for old, new in ADDED:
            text = changed(old, new, text)
        now = digests(talk(text))
        self.assertEqual(now[:2], before)
        self.assertNotIn(now[2], before)

    def test_what_breaking_is_silent_about_leaves_it_alone(self) -> None:
        for name, (before, after) in FINE.items():
            with self.subTest(name):
                now = digests(protocol_of(after, "protocol demo version 4;\n"))
                self.assertEqual(now[:3], digests(protocol_of(before)))

    def test_what_breaking_is_silent_about_at_random(self) -> None:
        rng = random.Random(11)
        silent = 0
        for _ in range(1000):
            was = random_parts(rng)
            now = changed_parts(was, rng)
            old, new = (load_text(schema_of(parts), "demo.np")[0] for parts in (was, now))
            if old is None or new is None or compare(old, new):
                continue
            silent += 1
            self.assertEqual(digests(old), digests(new), f"{schema_of(was)}\n{schema_of(now)}")
        self.assertGreater(silent, 60)

    def test_imports_count_as_far_as_they_are_used(self) -> None:
        before = digests(talk())
        for old, new in (("Unused { a: u8", "Unused { a: u16"), ("version 1", "version 7")):
            self.assertEqual(digests(talk(imported=changed(old, new, IMPORTED))), before)
        now = digests(talk(imported=changed("Used { a: u8", "Used { a: u16", IMPORTED)))
        self.assertFalse({*now} & {*before})

    def test_a_wildcard_is_what_it_stands_for(self) -> None:
        text = "message A = 1 {} message B = 2 {} message C = 3 since 2 {}\n"
        text += "conversation talk { start s; state s { %s client A -> t; } state t { %s } }"
        spelled = text % ("client B, C; server A, B, C;", "client A, B, C -> s;")
        one = digests(protocol_of(spelled))
        self.assertEqual(digests(protocol_of(text % ("either *;", "client * -> s;"))), one)
        less = digests(protocol_of(text % ("client B; server A, B, C;", "client * -> s;")))
        self.assertEqual(less[0], one[0])
        self.assertNotEqual(less[1], one[1])

    def test_a_request_that_moves_is_told_at_every_version(self) -> None:
        text = "struct R {} request Login = 1 {} -> R; message A = 2 since 2 {} %s\n"
        text += "conversation talk { start s; state s { client Login%s; client A -> t; }"
        text += " state t { client Login%s; } %s }"
        still = protocol_of(text % ("", "", "", ""))
        self.assertIn("        client Login -> s\n", meaning(still, 1))
        moving = protocol_of(text % ("", " -> t else s", "", ""))
        self.assertIn("        client Login answered -> t refused -> s\n", meaning(moving, 1))
        # In a state of version 2 only: at version 1 it stays where it is, but its side waits.
        later = protocol_of(text % ("", "", " -> s", ""))
        self.assertIn("        client Login answered -> s refused -> s\n", meaning(later, 1))
        self.assertNotIn("state t", meaning(later, 1))
        # Where only a refusal leads to belongs to it.
        refused = protocol_of(text % ("", " -> s else u", "", "final u;"))
        self.assertIn("    final u\n", meaning(refused, 1))
        found = [digests(p)[0] for p in (still, moving, later, refused)]
        self.assertEqual(len({*found}), 4)

    def test_the_digest_of_before_stays_where_nothing_waits(self) -> None:
        """Recorded with the npgen before requests waited for their answers."""
        text = "struct R {} request Find = 1 {} -> R; message A = 2 {}\n"
        text += "conversation talk { start s; state s { client Find; either A -> t; }"
        text += " state t { server Find -> t; client *; } }"
        known = "0bedb87138347a92c7fad5e9e20d873a1250ec211238a8f2c88a2410d87e175a"
        self.assertEqual(digests(protocol_of(text, "protocol demo version 1;\n")), [known])

    def test_many_versions(self) -> None:
        """Each has a digest of its own, and it does not take for ever."""
        p = protocol_of("message M = 1 { a: u8; b: u8 since 9 = 1; }", "protocol demo version 65535;\n")
        found = digests(p)
        self.assertEqual((len(found), len({*found})), (65535, 65535))
        for version in (1, 8, 9, 10, 65535):
            text = meaning(p, version)
            self.assertEqual(hashlib.sha256(text.encode()).hexdigest(), found[version - 1])


class Computed(unittest.TestCase):
    """What schema/README.md says, done by its words alone: the example's text and hashlib."""

    def test_the_example_of_the_reference(self) -> None:
        page = (ROOT / "schema" / "README.md").read_text(encoding="utf-8")
        section = page[page.index("### The digest") :]
        blocks = re.findall(r"```\n(.*?)```\n", section, re.DOTALL)[:3]
        schema, first, second = blocks
        with tempfile.TemporaryDirectory() as folder, inside(Path(folder)):
            Path("door.np").write_text(schema, encoding="utf-8")
            protocol, found = load(Path("door.np"))
        assert protocol is not None, found
        told = re.findall(r"^    door (\d) ([0-9a-f]{64})$", section, re.MULTILINE)
        self.assertEqual([v for v, _ in told], ["1", "2"])
        for (version, digest), text in zip(told, (first, second)):
            self.assertEqual(hashlib.sha256(text.encode("utf-8")).hexdigest(), digest)
            self.assertEqual(meaning(protocol, int(version)), text)
        self.assertEqual(digests(protocol), [digest for _, digest in told])


    def test_the_text_is_ascii_whatever_edition_of_unicode(self) -> None:
        text = """message M = 0 { a: char max '\u00e9'; d: f64 range 0.0..1.0 finite; e: f32 finite;
            b: string max 9 since 2 = "\u00e9\\x7f\\n\\""; }"""
        protocol = protocol_of(text, "protocol p version 2;\n")
        self.assertEqual(
            meaning(protocol, 2),
            "protocol p version 2\n\nmessage 0 M\n    field a: char max '\\u{E9}'\n"
            "    field d: f64 range 0.0..1.0\n    field e: f32 finite\n"
            '    field b: string max 9 = "\\u{E9}\\x7F\\n\\""\n',
        )


class Command(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        context = inside(Path(folder.name))
        context.__enter__()
        self.addCleanup(context.__exit__, None, None, None)
        Path("talk.np").write_text(SCHEMA, encoding="utf-8")
        Path("part.np").write_text(IMPORTED, encoding="utf-8")

    def run_cli(self, *arguments: str) -> tuple[int, str, str]:
        out, err = io.StringIO(), io.StringIO()
        with redirect_stdout(out), redirect_stderr(err):
            status = main(arguments)
        return status, out.getvalue(), err.getvalue()

    def test_digests(self) -> None:
        status, out, err = self.run_cli("digest", "talk.np", "part.np")
        self.assertEqual((status, err), (0, ""))
        lines = [line.split(" ") for line in out.splitlines()]
        self.assertEqual([line[:2] for line in lines], [["talk", "1"], ["talk", "2"], ["part", "1"]])
        for name, version, digest in lines:
            text = self.run_cli("digest", f"{name}.np", "--at", version, "--text")[1]
            self.assertEqual(hashlib.sha256(text.encode("utf-8")).hexdigest(), digest)
            self.assertTrue(text.startswith(f"protocol {name} version {version}\n"))
        self.assertEqual(self.run_cli("digest", "talk.np", "--at", "2")[1], " ".join(lines[1]) + "\n")
        newest = self.run_cli("digest", "talk.np", "--text")[1]
        self.assertTrue(newest.startswith("protocol talk version 2\n"))

    def test_refusals(self) -> None:
        status, out, err = self.run_cli("digest", "talk.np", "--at", "3")
        self.assertEqual((status, out), (1, ""))
        self.assertEqual(err, "npgen: protocol 'talk' has versions 1 to 2, not 3\n")
        self.assertEqual(self.run_cli("digest", "none.np")[0], 1)
        self.assertEqual(self.run_cli("digest", "talk.np", "part.np", "--text")[0], 2)


class Generated(unittest.TestCase):
    def test_checked_in_tables_have_what_the_command_prints(self) -> None:
        folders = [("schema", "generated"), ("tests/schema", "tests/golden")]
        folders += [(f"examples/{name}", f"examples/{name}/generated") for name in ("chat", "demo")]
        found = 0
        for schemas, generated in folders:
            for tables in sorted((ROOT / generated).glob("*_schema.c")):
                name = tables.stem.removesuffix("_schema")
                protocol, errors = load(ROOT / schemas / f"{name}.np")
                assert protocol is not None, errors
                text = tables.read_text(encoding="utf-8")
                table = text[text.index(f"{name}_digests[][32] = {{") :].split("};")[0]
                bytes_ = "".join(re.findall(r"0x([0-9a-f]{2})", table))
                self.assertEqual(bytes_, "".join(digests(protocol)))
                found += 1
        self.assertEqual(found, len(folders))


if __name__ == "__main__":
    unittest.main()
