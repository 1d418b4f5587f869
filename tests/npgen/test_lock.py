"""``npgen lock``: the file, reading it back, and the commands."""

from __future__ import annotations

import io
import tempfile
import unittest
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

from support import ROOT, TESTS, inside, protocol_of
from test_breaking import CASES, FINE

from npgen.cli import main
from npgen.diagnostics import Reporter
from npgen.evolution.compare import compare
from npgen.evolution.lock_read import read_lock
from npgen.evolution.lock_write import body_digest, lock_text
from npgen.load import load
from npgen.model import Protocol

CHAT = """protocol chat version 2;
import "netproto/base.np";

/// Documented.
struct Person {
    name: string max 64 nonempty;
    initial: char max 'z';
}
message Say = 257 { text: string max 4KiB nonul; mood: u8 since 2 = 3; }
request Find = 256 { name: string max 64; } -> Person timeout 2s;
message Leave = 258 stream secret { why: option<Reason>; body: bytes max 9; }
reserved 300..310, 400, "Old";
const MAX = 9;
packet head { a: u8 = 7; f: flags16le { x: 3; y: 13 = 0; }; n: u16be max 99; b: bytes[n]; }
conversation session {
    start open;
    state open {
        either Say; client * -> closing; client Find; server Leave; either Disconnect -> done; within 5s;
    }
    state closing { client Leave -> done; }
    final done;
}
"""

LOCK = """# A release of the protocol, recorded by 'npgen lock' for 'npgen breaking'.
lock 1
digest {digest}
protocol chat version 2

const MAX = 9

reserved 300..310
reserved 400
reserved "Old"

struct Person
    field name: string min 1 max 64
    field initial: char max 'z'

enum Reason
    variant 0 version
    variant 1 clock
    variant 2 busy
    variant 3 refused
    variant 4 malformed
    variant 5 unexpected
    variant 6 unknown_message
    variant 7 limit
    variant 8 timeout
    variant 9 internal

request 256 Find -> Person
    field name: string max 64

message 257 Say
    field text: string max 4096 nonul
    field mood: u8 since 2 = 3

message 258 Leave stream secret
    field why: option<Reason>
    field body: bytes max 9

packet head
    field a: u8 = 7
    field f: flags16le
        part x: 3
        part y: 13 = 0
    field n: u16be max 99
    field b: bytes[n]

conversation session start open
    state closing
        client Leave -> done
    final done
    state open within 5000ms
        client * -> closing
        client Find
        server Leave
        either Disconnect -> done
        either Say
"""


def locked(text: str) -> str:
    """A lock file with this body."""
    body = text.split("\n", 3)[3]
    return text.replace("{digest}", body_digest(body))


def read(text: str) -> tuple[Protocol | None, list[str]]:
    with tempfile.TemporaryDirectory() as folder, inside(Path(folder)):
        Path("x.lock").write_text(text, encoding="utf-8")
        reporter = Reporter()
        return read_lock(Path("x.lock"), "x.lock", reporter), [
            d.headline for d in reporter.in_order()
        ]


class Text(unittest.TestCase):
    maxDiff = None

    def test_golden(self) -> None:
        with tempfile.TemporaryDirectory() as folder, inside(Path(folder)):
            Path("chat.np").write_text(CHAT, encoding="utf-8")
            protocol, found = load(Path("chat.np"))
        assert protocol is not None, found
        self.assertEqual(lock_text(protocol), locked(LOCK))

    def test_what_is_read_is_what_was_written(self) -> None:
        schemas = [ROOT / "schema" / "base.np", *sorted((ROOT / "tests" / "schema").glob("*.np"))]
        schemas += sorted((TESTS / "good").glob("*.np"))
        protocols = [load(path)[0] for path in schemas]
        for cases in CASES.values():
            protocols += [protocol_of(text) for c in cases for text in (c.before,)]
        self.assertGreater(len(protocols), 100)
        for protocol in protocols:
            assert protocol is not None
            text = lock_text(protocol)
            again, found = read(text)
            assert again is not None, found
            self.assertEqual(lock_text(again), text)
            self.assertEqual(compare(again, protocol), [])
            self.assertEqual(compare(protocol, again), [])

    def test_a_lock_tells_the_same_breaks_as_the_old_schema(self) -> None:
        pairs = [(c.before, c.after) for cases in CASES.values() for c in cases]
        for before, after in [*pairs, *FINE.values()]:
            old = protocol_of(before)
            new = protocol_of(after, "protocol demo version 4;\n")
            again, found = read(lock_text(old))
            assert again is not None, found
            with self.subTest(before=before, after=after):
                by_lock = [(b.rule, b.text, b.hurts) for b in compare(again, new)]
                by_schema = [(b.rule, b.text, b.hurts) for b in compare(old, new)]
                self.assertEqual(by_lock, by_schema)

    def test_spelling_does_not_matter(self) -> None:
        before, after = FINE["comments, order, spelling"]
        self.assertEqual(lock_text(protocol_of(before)), lock_text(protocol_of(after)))


MOVING = """struct R {} request Login = 1 {} -> R; request Find = 2 {} -> R; message Say = 3 {}
conversation c {
    start s;
    state s { client Login -> t else u; }
    state t { client Say; either Find; client * -> t; }
    state u { client Login; server Find; within 5s; }
}
"""

MOVING_LOCK = """
conversation c start s
    state s
        client Login answered -> t refused -> u
    state t
        client * -> t
        client Say
        either Find
    state u within 5000ms
        client Login answered -> u refused -> u
        server Find
"""


class Moving(unittest.TestCase):
    """Requests that move the conversation when they are answered."""

    def test_golden(self) -> None:
        text = lock_text(protocol_of(MOVING))
        self.assertIn("\nlock 2\n", text)
        self.assertTrue(text.endswith(MOVING_LOCK), text)
        again, found = read(text)
        assert again is not None, found
        self.assertEqual(lock_text(again), text)
        self.assertEqual(compare(again, protocol_of(MOVING)), [])
        still = "struct R {} request Q = 1 {} -> R; conversation c { start s; state s { client Q; } }"
        self.assertIn("\nlock 1\n", lock_text(protocol_of(still)))

    def test_a_release_of_before_moved_when_the_request_was_said(self) -> None:
        text = "struct R {} request Login = 1 {} -> R;\n"
        text += "conversation c { start s; state s { client Login -> t; } final t; }"
        now = protocol_of(text)
        body = lock_text(now).split("\n", 3)[3]
        self.assertIn("client Login answered -> t refused -> s", body)
        body = body.replace("Login answered -> t refused -> s", "Login -> t")
        before, found = read(f"#\nlock 1\ndigest {body_digest(body)}\n{body}")
        assert before is not None, found
        self.assertEqual([b.rule for b in compare(before, now)], ["request-moves"])

    def test_damaged(self) -> None:
        good = lock_text(protocol_of(MOVING))
        for old, new, text in (
            (" refused -> u", "", "expected 'refused', found the end"),
            ("refused -> u", "refused u", "expected '->', found u"),
            ("refused -> u", "refused -> v", "there is no state 'v'"),
            ("answered -> t refused", "refused", "'refused' is too much"),
        ):
            body = good.split("\n", 3)[3].replace(old, new, 1)
            protocol, found = read(f"#\nlock 2\ndigest {body_digest(body)}\n{body}")
            self.assertIsNone(protocol)
            self.assertIn(text, found[0])


class Damaged(unittest.TestCase):
    def check(self, text: str, expected: str) -> None:
        protocol, found = read(text)
        self.assertIsNone(protocol)
        self.assertEqual(len(found), 1)
        self.assertIn(expected, found[0])

    def test_headers(self) -> None:
        good = locked(LOCK)
        self.check("", "x.lock:1:1: lock-format: this is no lock file")
        self.check(CHAT, "lock-format: this is no lock file")
        self.check(good.replace("lock 1", "lock 3"), "x.lock:2:1: lock-format: a newer npgen")
        self.check(good.replace("4096", "4097"), "x.lock:3:1: lock-format: the digest is not")

    def test_lines(self) -> None:
        self.assertIsNotNone(read(locked(LOCK))[0])
        for old, new, expected in (
            ("protocol chat", "protocole chat", "x.lock:4:1: lock-format: expected 'protocol'"),
            ("version 2\n", "version 2 3\n", "'3' is too much"),
            ("const MAX = 9", "thing MAX = 9", "x.lock:6:1: lock-format: 'thing' is nothing"),
            ("    field name: string min 1", "  field name: string min 1", "x.lock:13:3: "),
            ("    field name: string min 1", "        field name: string min 1", "indented"),
            ("option<Reason>", "option<Reasons>", "there is no type 'Reasons'"),
            ("-> Person", "-> Reason", "there is no struct 'Reason'"),
            ("max 'z'", "max 'zz'", "one character"),
            ("max 'z'", "max '\\u{D800}'", "there is no character D800"),
            ("max 4096 nonul", "nonul", "expected 'max', found nonul"),
            ("max 4096 nonul", "max 4.5", "expected a whole number"),
            ("u16be max", "u17be max", "no type 'u17be'"),
            ("client Leave -> done", "client Leave -> gone", "there is no state 'gone'"),
            ("client Leave -> done", "nobody Leave -> done", "'nobody' is no side"),
            ("message 257 Say", "message 257 S?y", "'?y' is not understood"),
            ("option<Reason>", "list<" * 99 + "Reason", "nested too deeply"),
            ("option<Reason>", "u8" + "[1]" * 99, "nested too deeply"),
        ):
            with self.subTest(new):
                self.assertIn(old, LOCK)
                self.check(locked(LOCK.replace(old, new)), expected)

    def test_cut_anywhere(self) -> None:
        lines = LOCK.split("\n")
        for count in range(4, len(lines)):
            read(locked("\n".join(lines[:count])))  # no exception, whatever the verdict


class Commands(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        context = inside(Path(folder.name))
        context.__enter__()
        self.addCleanup(context.__exit__, None, None, None)
        Path("chat.np").write_text(CHAT, encoding="utf-8")

    def run_cli(self, *arguments: str) -> tuple[int, str, str]:
        out, err = io.StringIO(), io.StringIO()
        with redirect_stdout(out), redirect_stderr(err):
            try:
                status = main(arguments)
            except SystemExit as exit_:
                status = int(exit_.code or 0)
        return status, out.getvalue(), err.getvalue()

    def change(self, old: str, new: str) -> None:
        text = Path("chat.np").read_text(encoding="utf-8")
        self.assertIn(old, text)
        Path("chat.np").write_text(text.replace(old, new), encoding="utf-8")

    def test_lock(self) -> None:
        self.assertEqual(self.run_cli("lock", "chat.np"), (0, "chat.lock\n", ""))
        self.assertEqual(Path("chat.lock").read_text(encoding="utf-8"), locked(LOCK))
        self.assertEqual(self.run_cli("lock", "chat.np")[0], 0)
        self.assertEqual(self.run_cli("lock", "--check", "chat.np"), (0, "", ""))
        self.assertEqual(self.run_cli("breaking", "chat.np"), (0, "", ""))

    def test_no_release(self) -> None:
        for command in (["breaking"], ["lock", "--check"]):
            status, out, err = self.run_cli(*command, "chat.np")
            self.assertEqual((status, out), (1, ""))
            self.assertIn("chat.np:1:1: lock-missing: there is no chat.lock; record a release", err)
        self.assertIn("lock-missing", self.run_cli("breaking", "chat.np", "--against", "x.lock")[2])
        self.assertIn("unreadable", self.run_cli("breaking", "chat.np", "--against", "x.np")[2])

    def test_a_break_is_not_released_by_accident(self) -> None:
        self.run_cli("lock", "chat.np")
        released = Path("chat.lock").read_bytes()
        self.change("max 4KiB", "max 1KiB")
        status, out, err = self.run_cli("lock", "chat.np")
        self.assertEqual((status, out), (1, ""))
        self.assertIn("chat.np:9:21: bound-tightened: field 'text' of 'Say'", err)
        self.assertIn("(chat.lock:32)", err)
        self.assertIn("chat.lock is left as it is", err)
        self.assertEqual(Path("chat.lock").read_bytes(), released)
        self.assertEqual(self.run_cli("lock", "--check", "chat.np")[0], 1)
        self.assertEqual(self.run_cli("lock", "--force", "chat.np")[0], 0)
        self.assertEqual(self.run_cli("lock", "--check", "chat.np")[0], 0)

    def test_breaking(self) -> None:
        Path("old.np").write_text(CHAT, encoding="utf-8")
        self.run_cli("lock", "old.np")
        self.change("initial", "letter")
        for old in ("old.np", "old.lock"):
            status, _, err = self.run_cli("breaking", "chat.np", "--against", old)
            self.assertEqual(status, 1)
            self.assertIn("field-renamed: field 'initial' of 'Person' is named 'letter' now;"
                          " breaks the opening with peers of the release, and programs", err)
        against = ("breaking", "chat.np", "--against", "old.np")
        self.assertEqual(self.run_cli(*against, "--wire")[0], 1)
        self.assertEqual(self.run_cli(*against, "--allow", "field-renamed"), (0, "", ""))
        self.assertEqual(self.run_cli(*against, "--allow", "nonsense")[0], 2)
        self.change("letter", "initial")
        self.change("const MAX", "const MOST")
        self.assertEqual(self.run_cli(*against)[0], 1)
        self.assertEqual(self.run_cli(*against, "--wire"), (0, "", ""))
        self.assertEqual(self.run_cli(*against, "chat.np")[0], 2)

    def test_errors_of_either_schema_are_shown(self) -> None:
        Path("wrong.np").write_text("protocol wrong version 1;\nstruct S { a: string; }\n")
        self.assertIn("wrong.np:2:15: unbounded", self.run_cli("lock", "wrong.np")[2])
        self.assertFalse(Path("wrong.lock").exists())
        err = self.run_cli("breaking", "chat.np", "--against", "wrong.np")[2]
        self.assertIn("wrong.np:2:15: unbounded", err)

    def test_generating_never_writes_it(self) -> None:
        self.run_cli("check", "chat.np")
        self.run_cli("gen", "chat.np", "--out", "out", "--list-outputs")
        self.assertEqual([p.name for p in Path(".").iterdir()], ["chat.np"])


if __name__ == "__main__":
    unittest.main()
