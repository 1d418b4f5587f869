"""Requests that move: npgen's verdict about random conversations against a search of what can happen.

The search knows nothing of npgen. It plays two machines that keep to the rules as schema/README.md
tells them, with what each has said and the other has not heard yet in a queue each way, through all
orders of speaking and hearing. What must not happen: a side hears what its machine refuses, or both
have heard all and are in different places.
"""

from __future__ import annotations

import random
import time
import unittest
from typing import Iterator, NamedTuple, Optional


import support  # noqa: F401  (finds npgen)

from npgen.load import load_text
from npgen.machine import SIDES
from npgen.model import Side
from npgen.places import Kind, Letter, Place, places_of

SECONDS = 60.0
"""Of all searches of one test together; where a machine is slow, fewer schemas are tried."""

LEAST = 60
"""Schemas that are tried even so."""

MESSAGES = ("Aa", "Bb", "Cc")
REQUESTS = ("Xx", "Yy", "Zz")

# --------------------------------------------------------------------------------------------
# A conversation as plain data, made at random
# --------------------------------------------------------------------------------------------

Rules = dict[tuple[str, str, str], tuple[str, str]]
"""(state, side, name) -> where it leads, and where a refusal does (for messages the same)."""


def flip(side: str) -> str:
    return "server" if side == "client" else "client"


class Talk:
    """Rules, and the questions that both sides ask of them."""

    def __init__(self, rules: Rules) -> None:
        self.rules = rules
        self.moving = {
            (side, name)
            for (state, side, name), ends in rules.items()
            if name in REQUESTS and ends != (state, state)
        }

    def text(self, rng: random.Random) -> str:
        """The schema; some of its rules by ``*`` and ``either``, where these mean the same."""
        lines = [f"message {m} = {300 + i} {{}}" for i, m in enumerate(MESSAGES)]
        lines += ["struct Reply {}"]
        lines += [f"request {m} = {310 + i} {{}} -> Reply;" for i, m in enumerate(REQUESTS)]
        lines += ["conversation talk {", "start s;"]
        for state in sorted({"s"} | {ends[i] for ends in self.rules.values() for i in (0, 1)}):
            lines.append(f"state {state} {{ {' '.join(self._state(state, rng))} }}")
        return "\n".join([*lines, "}"])

    def _state(self, state: str, rng: random.Random) -> Iterator[str]:
        mine = {key[1:]: ends for key, ends in self.rules.items() if key[0] == state}
        for (side, name), ends in list(mine.items()):
            both = mine.get((flip(side), name)) == ends
            if (side, name) not in mine:
                continue
            who = side
            if both and rng.random() < 0.8:
                who = "either"
                del mine[flip(side), name]
            del mine[side, name]
            where = "" if ends[0] == state and rng.random() < 0.5 else f" -> {ends[0]}"
            if name in REQUESTS and ends[1] != state:
                where = f" -> {ends[0]} else {ends[1]}"
            yield f"{who} {name}{where};"


def random_talk(rng: random.Random) -> Talk:
    names = "sabc"[: rng.choice((2, 3, 3, 3, 4))]
    said = [("client", "Aa"), ("client", "Bb"), ("server", "Aa"), ("server", "Cc")]
    said = said[: rng.choice((2, 3, 4))]
    said += [("client", "Xx")]
    said += [(side, name) for side, name in (("server", "Yy"), ("client", "Zz"), ("server", "Xx"))
             if rng.random() < 0.35]  # fmt: skip
    rules: Rules = {}
    for state in names:
        for side, name in said:
            if rng.random() < (0.4 if name in REQUESTS else 0.3):
                continue
            ok = rng.choice(names) if rng.random() < (0.8 if name in REQUESTS else 0.25) else state
            no = rng.choice(names) if rng.random() < 0.3 else state
            rules[state, side, name] = (ok, no if name in REQUESTS else ok)
    reached = {"s"}
    for _ in names:
        reached |= {t for (at, _, _), ends in rules.items() if at in reached for t in ends}
    return Talk({key: ends for key, ends in rules.items() if key[0] in reached})


# --------------------------------------------------------------------------------------------
# What may happen
# --------------------------------------------------------------------------------------------


class Said(NamedTuple):
    """A letter: ``of`` is the side whose message it is."""

    what: str  # "message", "yes", "no"
    of: str
    name: str


class At(NamedTuple):
    state: str
    client: Optional[str] = None
    server: Optional[str] = None


def hear(talk: Talk, at: At, said: Said) -> Optional[At]:
    """Where a machine is after a letter; None where it refuses it."""
    rule = talk.rules.get((at.state, said.of, said.name))
    waits: Optional[str] = getattr(at, said.of)
    if said.what == "message":
        if rule is None:
            return None
        if (said.of, said.name) not in talk.moving:
            return at._replace(state=rule[0])
        return None if waits else at._replace(**{said.of: said.name})
    if waits != said.name:
        return None
    state = at.state if rule is None else rule[0 if said.what == "yes" else 1]
    return at._replace(state=state)._replace(**{said.of: None})


def may(talk: Talk, at: At, said: Said) -> Optional[At]:
    """The same for what a side says: while its request waits, it says what answers do not mind."""
    end = hear(talk, at, said)
    waits: Optional[str] = getattr(at, said.of)
    if end is None or said.what != "message" or waits is None:
        return end
    for answer in (Said("yes", said.of, waits), Said("no", said.of, waits)):
        answered = hear(talk, at, answer)
        assert answered is not None
        late = hear(talk, answered, said)
        if late is None or late != hear(talk, end, answer):
            return None
    return end


def sayable(talk: Talk, side: str) -> list[Said]:
    names = sorted({(who, name) for _, who, name in talk.rules})
    result = [Said("message", who, name) for who, name in names if who == side]
    return result + [
        Said(what, who, name) for who, name in sorted(talk.moving) if who != side
        for what in ("yes", "no")
    ]  # fmt: skip


Scene = tuple[At, At, tuple[Said, ...], tuple[Said, ...]]
"""Where the client is, where the server is, and what is under way from either."""


def search(talk: Talk, under_way: int, most: int) -> Optional[str]:
    """What goes wrong, "too many" where the search ends before it is through, or None."""
    start: Scene = (At("s"), At("s"), (), ())
    seen = {start}
    todo = [start]
    letters = {side: sayable(talk, side) for side in ("client", "server")}
    while todo:
        client, server, up, down = todo.pop()
        if not up and not down and client != server:
            return f"the client is in {client}, the server in {server}"
        after: list[Scene] = []
        for said in letters["client"] if len(up) < under_way else ():
            end = may(talk, client, said)
            if end is not None:
                after.append((end, server, (*up, said), down))
        for said in letters["server"] if len(down) < under_way else ():
            end = may(talk, server, said)
            if end is not None:
                after.append((client, end, up, (*down, said)))
        if up:
            end = hear(talk, server, up[0])
            if end is None:
                return f"the server refuses {up[0]} in {server}"
            after.append((client, end, up[1:], down))
        if down:
            end = hear(talk, client, down[0])
            if end is None:
                return f"the client refuses {down[0]} in {client}"
            after.append((end, server, up, down[1:]))
        for scene in after:
            if scene not in seen:
                seen.add(scene)
                todo.append(scene)
        if len(seen) > most:
            return "too many"
    return None


class Searched(unittest.TestCase):
    def verdicts(self, seed: int, count: int, under_way: int, most: int) -> dict[object, int]:
        """How many schemas npgen accepts and refuses; it may do neither wrongly."""
        rng = random.Random(seed)
        found: dict[object, int] = {}
        until = time.monotonic() + SECONDS
        tried = 0
        while tried < count and (tried < LEAST or time.monotonic() < until):
            talk = random_talk(rng)
            if not talk.moving:
                continue
            tried += 1
            text = "protocol demo version 1;\n" + talk.text(rng)
            protocol, errors = load_text(text, "demo.np")
            self.assertLessEqual({d.rule for d in errors}, {"request-crosses"}, text)
            wrong = search(talk, under_way, most)
            key = ("accepted" if protocol else "refused", "too many" if wrong == "too many" else "")
            found[key] = found.get(key, 0) + 1
            if protocol is not None and wrong != "too many":
                self.assertIsNone(wrong, text)
            elif protocol is None:
                self.assertIsNotNone(wrong, f"{errors[0]}\n{text}")
        return found

    def test_two_under_way_each_way(self) -> None:
        found = self.verdicts(seed=1, count=300, under_way=2, most=40_000)
        self.assertGreater(found["accepted", ""], 10)
        self.assertGreater(found["refused", ""], 10)

    def test_three_under_way(self) -> None:
        found = self.verdicts(seed=2, count=60, under_way=3, most=40_000)
        self.assertGreater(found["accepted", ""], 5)


class SameMachine(unittest.TestCase):
    """The machine that npgen generates from is the one that was searched."""

    def test_letter_by_letter(self) -> None:
        rng = random.Random(3)
        for _ in range(60):
            talk = random_talk(rng)
            protocol, _ = load_text("protocol demo version 1;\n" + talk.text(rng), "demo.np")
            if protocol is None:
                continue
            places = places_of(protocol, protocol.conversations[0])
            for place in places.reached():
                at = At(*place)
                for said in [*sayable(talk, "client"), *sayable(talk, "server")]:
                    kind = {"message": Kind.SAID, "yes": Kind.ANSWERED, "no": Kind.REFUSED}
                    letter = Letter(kind[said.what], Side(said.of), said.name)
                    self.assertEqual(places.step(place, letter), may(talk, at, said))

    def test_many_letters_at_once_are_each_letter(self) -> None:
        rng = random.Random(4)
        for _ in range(60):
            talk = random_talk(rng)
            protocol, _ = load_text("protocol demo version 1;\n" + talk.text(rng), "demo.np")
            if protocol is None:
                continue
            places = places_of(protocol, protocol.conversations[0])
            for place in places.reached():
                for side in SIDES:
                    ends: dict[Place, int] = {}
                    for i, letter in enumerate(places.letters[side]):
                        end = places.step(place, letter)
                        if end is not None:
                            ends[end] = ends.get(end, 0) | 1 << i
                    self.assertEqual(places.destinations(place, side), ends)


if __name__ == "__main__":
    unittest.main()
