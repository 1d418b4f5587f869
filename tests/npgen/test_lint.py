"""``npgen lint``: each warning has a schema that earns it; and good schemas earn none."""

from __future__ import annotations

import random
import tempfile
import unittest
from pathlib import Path

from support import inside

from npgen.lint import lint
from npgen.load import load_result
from npgen.rules import LINTS

HEADER = "protocol demo version 2;\n"

CASES = {
    "bytes-as-list": "/// D.\nmessage M = 1 { a: list<u8> max 9; b: option<list<u8> max 3>[2]; }",
    "doc-missing": "message M = 1 {}\npacket p { a: u8; }",
    "unused": "const A = 1;\n/// D.\nstruct S {}\n/// D.\nmessage M = 1 {}",
    "unmentioned": "/// D.\nmessage M = 1 {}\n/// D.\nmessage N = 2 {}\n"
    "conversation c { start s; state s { client M; } }",
    "state-stuck": "/// D.\nmessage M = 1 {}\n"
    "conversation c { start s; state s { client M -> t; } state t {} }",
    "messages-cross": "/// D.\nmessage M = 1 {}\n/// D.\nmessage N = 2 {}\n"
    "conversation c { start s; state s { client M; server N -> t; } state t { server M; } }",
    "waits-without-end": "/// D.\nstruct R {}\n/// D.\nrequest M = 1 {} -> R timeout 2s;\n"
    "conversation c { start s; state s { client M -> t; within 1999ms; } final t; }",
    "id-order": "/// D.\nmessage M = 2 {}\n/// D.\nmessage N = 1 {}",
    "redundant-name": "/// D.\nmessage User = 1 { user_name: u8; }",
    "negative-name": "/// D.\nmessage M = 1 { not_ready: bool; disable_cache: bool; }",
    "unit-missing": "/// D.\nmessage M = 1 { timeout: u32; retry_delay: u64; }",
    "large-bound": "/// D.\nmessage M = 1 { a: bytes max 2MiB; }",
    "float-rounded": "/// D.\nmessage M = 1 { a: f32 max 16777217; }",
    "deprecated-reason": "/// D.\nmessage M = 1 { a: u8 deprecated; }",
}

CLEAN = """
/// Greatest length, for users of the header.
const MAX = 5;
/// D.
struct Point { x: f64; }
/// D.
enum Kind { plain = 0; data = 1 { notes: list<u8 max 3> max 4; } }
/// D.
message Say = 1 { at: list<Point> max 4; kind: Kind; timeout_ms: u32; ready: bool; }
/// D.
message Send = 2 stream { body: bytes max 8MiB; }
conversation talk { start open; state open { client Say, Send; } }
"""


def warnings_of(text: str) -> list[str]:
    with tempfile.TemporaryDirectory() as folder, inside(Path(folder)):
        Path("demo.np").write_text(HEADER + text, encoding="utf-8")
        result = load_result(Path("demo.np"))
        assert result.protocol is not None and result.unit is not None, result.reporter.diagnostics
        lint(result.protocol, result.unit, result.reporter)
        return [d.rule for d in result.reporter.in_order()]


class Lint(unittest.TestCase):
    def test_cases(self) -> None:
        for rule, text in CASES.items():
            with self.subTest(rule):
                self.assertEqual(set(warnings_of(text)), {rule})

    def test_every_warning_has_a_case(self) -> None:
        self.assertEqual(set(CASES), set(LINTS))

    def test_clean(self) -> None:
        self.assertEqual(warnings_of(CLEAN), [])


class Waiting(unittest.TestCase):
    """How long an answer may be waited for."""

    def texts(self, states: str, timeout: str = "timeout 2s") -> list[str]:
        text = f"/// D.\nstruct R {{}}\n/// D.\nrequest M = 1 {{}} -> R {timeout};\n"
        text += "/// D.\nmessage N = 2 {}\n"
        text = f"{HEADER}{text}conversation talk {{ start s; {states} }}"
        with tempfile.TemporaryDirectory() as folder, inside(Path(folder)):
            Path("demo.np").write_text(text, encoding="utf-8")
            result = load_result(Path("demo.np"))
            assert result.protocol is not None and result.unit is not None, result.reporter
            lint(result.protocol, result.unit, result.reporter)
            return [d.text for d in result.reporter.in_order() if d.rule == "waits-without-end"]

    def test_as_long_as_the_request_at_least(self) -> None:
        states = "state s {{ client M -> t else s; server N; {} }} final t;"
        ever = "in state 's' 'M' may wait for its answer for ever; write 'within {};' or more"
        self.assertEqual(self.texts(states.format("")), [ever.format("2s")])
        self.assertEqual(self.texts(states.format(""), ""), [ever.format("30s")])
        longer = "in state 's' 'M' may wait for its answer longer than 'within' allows;"
        found = self.texts(states.format("within 1s;"))
        self.assertEqual(found, [f"{longer} write 'within 2s;' or more"])
        self.assertEqual(self.texts(states.format("within 2s;")), [])
        self.assertEqual(self.texts(states.format("within 30s;"), ""), [])
        # A request without a timeout of its own is given up after the client's, 30 s by default.
        self.assertEqual(
            self.texts(states.format("within 29s;"), ""), [f"{longer} write 'within 30s;' or more"]
        )

    def test_wherever_it_may_wait(self) -> None:
        states = "state s { client M -> t; server N -> u; within 9s; }"
        states += " state u { client M -> t; server N; } final t;"
        (text,) = self.texts(states)
        self.assertIn("in state 'u' 'M' may wait", text)

    def test_what_moves_nowhere_waits_nowhere(self) -> None:
        self.assertEqual(self.texts("state s { client M; server N -> t; } final t;"), [])


TWO = "/// D.\nmessage X = 1 {}\n/// D.\nmessage Y = 2 {}\n/// D.\nrequest Z = 3 {} -> R;\n"
TWO += "/// D.\nstruct R {}\n"


class Crossing(unittest.TestCase):
    """Messages that both sides may send at once."""

    def texts(self, states: str, header: str = "") -> list[str]:
        messages = TWO.replace("= 1", "= 256").replace("= 2 ", "= 257 ").replace("= 3", "= 258")
        text = f"{header}{messages}conversation talk {{ start s; {states} }}"
        with tempfile.TemporaryDirectory() as folder, inside(Path(folder)):
            Path("demo.np").write_text(HEADER + text, encoding="utf-8")
            result = load_result(Path("demo.np"))
            assert result.protocol is not None and result.unit is not None, result.reporter
            lint(result.protocol, result.unit, result.reporter)
            return [d.text for d in result.reporter.in_order() if d.rule == "messages-cross"]

    def test_the_states_part(self) -> None:
        states = "state s { client X -> a; server Y -> b; } state a { server Y; } state b { client X; }"
        self.assertEqual(
            self.texts(states),
            [
                "in state 's' the client's 'X' and the server's 'Y' may cross; then the client is in"
                " 'a', and the server is in 'b': let both orders lead to one state, or let only one"
                " side speak in 's'"
            ],
        )

    def test_one_is_refused(self) -> None:
        states = "state s { client X; server Y -> b; } state b { client Z; }"
        self.assertEqual(
            self.texts(states),
            [
                "in state 's' the client's 'X' and the server's 'Y' may cross; then the client is in"
                " 'b', and the server refuses 'X' in 'b': let state 'b' still take 'X' from the"
                " client, or let only one side speak in 's'"
            ],
        )
        states = "state s { client X -> d; server Y; } final d;"
        self.assertEqual(
            self.texts(states),
            [
                "in state 's' the client's 'X' and the server's 'Y' may cross; then the client"
                " refuses 'Y' in 'd', and the server is in 'd': go to 'd' by a state that still"
                " takes 'Y' from the server until that side answers, or let only one side speak in"
                " 's'"
            ],
        )

    def test_both_are_refused(self) -> None:
        (text,) = self.texts("state s { either X -> b; } state b { client Y; }")
        self.assertIn("the client refuses 'X' in 'b', and the server refuses 'X' in 'b'", text)

    def test_far_from_the_start_and_by_wildcards(self) -> None:
        states = "state s { client X -> a; } state a { either *; server X -> b; } state b { client Z; }"
        (text,) = self.texts(states)
        self.assertIn("in state 'a' the client's 'X' and the server's 'X' may cross", text)
        states = "state s { client X -> a; } state a { either *; server X -> a; } "
        self.assertEqual(self.texts(states), [])

    def test_an_imported_message_that_leads_somewhere(self) -> None:
        base = 'import "netproto/base.np";\n'
        states = "state s { client X; server Custom -> b; } state b { client Y; }"
        (text,) = self.texts(states, base)
        self.assertIn("'X' and the server's 'Custom' may cross; then the client is in 'b'", text)
        states = "state s { either *; either Disconnect -> d; } final d;"
        self.assertEqual(self.texts(states, base), [], "nobody judges what comes after parting")

        states = "state s { client X; server Disconnect, Echo -> b; } state b { client Y; }"
        (text,) = self.texts(states, base)
        self.assertIn("'X' and the server's 'Echo' may cross", text)

    def test_thousands_of_messages(self) -> None:
        """Those that the rules do not tell apart are looked at once."""
        many = "".join(f"message M{i} = {300 + i} {{}}\n" for i in range(5000))
        self.assertEqual(self.texts("state s { either *; }", many), [])

    def test_what_cannot_cross(self) -> None:
        for states in (
            "state s { client X -> a; } state a { server Y -> s; }",  # by turns
            "state s { either X, Y, Z; }",  # nothing changes
            "state s { client X -> a; server Y; } state a { server Y; client Z; }",  # still taken
            "state s { client X -> a; server Y -> b; } state a { server Y -> c; }"
            " state b { client X -> c; } state c { either Z; }",  # both orders, one state
            "state s { either X -> a; } state a { either X, Y; }",  # whoever is first
        ):
            with self.subTest(states):
                self.assertEqual(self.texts(states), [])

    def test_the_condition_is_exact(self) -> None:
        """Against a search: whether any words of both, however they cross, part two machines."""
        rng = random.Random(7)
        verdicts = {True: 0, False: 0}
        for _ in range(300):
            names = "sabc"[: rng.randint(2, 4)]
            rules = {
                (state, side, message): rng.choice(names)
                for state in names
                for side in ("client", "server")
                for message in "XY"
                if rng.random() < 0.3
            }
            bodies = {
                state: "".join(
                    f"{side} {m} -> {to}; " for (at, side, m), to in rules.items() if at == state
                )
                for state in names
            }
            reached = {"s"}
            for _ in names:
                reached |= {to for (at, _, _), to in rules.items() if at in reached}
            states = " ".join(f"state {n} {{ {bodies[n]} }}" for n in names if n in reached)
            parted = any(parts(rules, state) for state in reached)
            self.assertEqual(bool(self.texts(states)), parted, states)
            verdicts[parted] += 1
        self.assertGreater(min(verdicts.values()), 30)


Rules = dict[tuple[str, str, str], str]


def parts(rules: Rules, state: str) -> bool:
    """Whether up to three messages of each side, all under way at once, part the machines."""
    words: dict[str, list[tuple[str, tuple[str, ...]]]] = {}
    for side in ("client", "server"):
        found = [(state, ())]
        for at, word in found:
            if len(word) < 3:
                for m in "XY":
                    if (at, side, m) in rules:
                        found.append((rules[at, side, m], (*word, m)))
        words[side] = found
    for client_at, said in words["client"]:
        for server_at, answered in words["server"]:
            ends = [
                heard(rules, client_at, "server", answered),
                heard(rules, server_at, "client", said),
            ]
            if None in ends or ends[0] != ends[1]:
                return True
    return False


def heard(rules: Rules, state: str, side: str, word: tuple[str, ...]) -> str | None:
    """Where a machine is after what it hears; None if it refuses."""
    at: str | None = state
    for m in word:
        at = None if at is None else rules.get((at, side, m))
    return at


if __name__ == "__main__":
    unittest.main()
