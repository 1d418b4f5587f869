"""What the tables of a conversation say about a message that may not come: who, where, what may."""

from __future__ import annotations

import re
import unittest

from support import protocol_of

from npgen.emit.conversation import REFUSAL_MAX, emit_conversations


def refusals(text: str) -> list[str]:
    """Two for each state, the client's first, as the C table has them."""
    return re.findall(r'^ *"(from the .*)",$', emit_conversations(protocol_of(text)), re.M)


class Refusals(unittest.TestCase):
    def test_both_sides_of_every_state(self) -> None:
        found = refusals(
            """
            message Join = 1 {}
            message Say = 2 {}
            struct Person { age: u8; }
            request Find = 3 {} -> Person;
            conversation session {
                start greet;
                state greet { client Join -> open; }
                state open { either Say; client Find; server Join -> done; }
                final done;
            }
            """
        )
        self.assertEqual(
            found,
            [
                "from the client in state greet; allowed: Join",
                "from the server in state greet; allowed: nothing",
                "from the client in state open; allowed: Say, Find",
                "from the server in state open; allowed: Say, Join",
                "from the client in state done; allowed: nothing",
                "from the server in state done; allowed: nothing",
            ],
        )

    def test_a_request_that_waits_is_named(self) -> None:
        text = """
            struct R {}
            request Login = 1 {} -> R;
            message Say = 2 {}
            message Quit = 3 {}
            conversation c {
                start s;
                state s { client Login -> t; client Say; client Quit -> u; }
                state t { client Quit -> u; }
                final u;
            }
            """
        self.assertEqual(
            refusals(text)[:4],
            [
                "from the client in state s; allowed: Login, Say, Quit",
                "from the server in state s; allowed: nothing",
                "from the client in state s until Login is answered; allowed: Quit",
                "from the server in state s; allowed: nothing",
            ],
        )
        state, request = "s" * 64, "M" * 64
        rules = f"start {state}; state {state} {{ client {request} -> t; }} final t;"
        text = f"struct R {{}} request {request} = 1 {{}} -> R;\nconversation c {{ {rules} }}"
        found = f"from the client until {request} is answered; allowed: nothing"
        self.assertEqual(refusals(text)[2], found)

    def test_a_wildcard_is_spelled_out(self) -> None:
        found = refusals(
            """
            message Join = 1 {}
            message Say = 2 {}
            conversation session {
                start greet;
                state greet { client Join -> open; }
                state open { either *; }
            }
            """
        )
        self.assertIn("from the server in state open; allowed: Join, Say", found)

    def test_many_names_are_cut_at_a_name(self) -> None:
        names = [f"RatherLongMessageName{i}" for i in range(40)]
        found = refusals(
            "".join(f"message {name} = {i} {{}}\n" for i, name in enumerate(names))
            + f"conversation s {{ start a; state a {{ either {', '.join(names)}; }} }}"
        )
        for text in found:
            self.assertLessEqual(len(text), REFUSAL_MAX)
            self.assertRegex(text, r"RatherLongMessageName\d+, and \d+ more$")
            shown = text.count("RatherLongMessageName")
            self.assertTrue(text.endswith(f"and {40 - shown} more"))

    def test_the_longest_names(self) -> None:
        state, message = "s" * 64, "M" * 64
        rules = f"start {state}; state {state} {{ client {message}; }}"
        client = refusals(f"message {message} = 1 {{}}\nconversation c {{ {rules} }}")[0]
        self.assertEqual(client, f"from the client in state {state}; allowed: 1 of them")


if __name__ == "__main__":
    unittest.main()
