#!/usr/bin/env python3
"""Our Noise machine and another implementation talk to each other, in both roles.

    check_noise.py OUR_PROGRAM go|node BUILD_FOLDER

Each talk is two programs, and this one in between, which may flip a bit. README.md tells what is
said; each program compares all that it reads with what it should be, the handshake's hash too.
"""

import sys
from dataclasses import dataclass, replace
from pathlib import Path

import tools
from ends import FINE, GONE, REFUSED, End, Tally
from keys import ALICE, BOB, OTHER_PSK, PSK

XX = "Noise_XX_25519_ChaChaPoly_SHA256"
XX_PSK3 = "Noise_XXpsk3_25519_ChaChaPoly_SHA256"
PATTERNS = {"go": [XX, XX_PSK3], "node": [XX]}  # noise-c.wasm knows no psk3

# Who writes each message: 0 the initiator, 1 the responder; three of the handshake, then transport.
WRITERS = [0, 1, 0, 0, 1, 0, 1, 0, 1]
PROLOGUE = b"netproto/1\0\xde\xad\xbe\xef\x01\0"

# Payloads of the three messages: none, some, and what makes our greatest messages (400 bytes).
LENGTHS = {XX: [(0, 0, 0), (13, 100, 200), (368, 304, 336)],
           XX_PSK3: [(0, 0, 0), (13, 100, 200), (352, 304, 336)]}


@dataclass(frozen=True)
class Side:
    """What one of the two programs is told."""

    prologue: bytes = PROLOGUE
    psk: bytes = PSK


@dataclass(frozen=True)
class Talk:
    protocol: str
    lengths: tuple[int, int, int]
    initiator: Side = Side()
    responder: Side = Side()


def read_message(end: End) -> bytes:
    """With its two bytes of length; empty where the program has ended."""
    head = end.output.read(2)
    if len(head) < 2:
        return b""
    return head + end.output.read(int.from_bytes(head, "little"))


def relay(ends: list[End], flip: tuple[int, int]) -> None:
    """Hands on all messages. flip: the number of one, and the byte of it that changes."""
    for number, writer in enumerate(WRITERS):
        message = bytearray(read_message(ends[writer]))
        if not message:
            return
        if number == flip[0]:
            message[flip[1] + 2 if flip[1] >= 0 else flip[1]] ^= 1
        try:
            ends[1 - writer].input.write(message)
            ends[1 - writer].input.flush()
        except BrokenPipeError:
            return


def run(talk: Talk, programs: list[list[str]], flip: tuple[int, int] = (-1, 0)) -> list[tuple[int, str]]:
    """The initiator's end, and the responder's."""
    ends = []
    for program, role, side, ours, peer in [
        (programs[0], "initiator", talk.initiator, ALICE, BOB),
        (programs[1], "responder", talk.responder, BOB, ALICE),
    ]:
        lengths = ",".join(map(str, talk.lengths))
        ends.append(End([*program, role, talk.protocol, ours.secret.hex(), peer.public.hex(),
                         side.prologue.hex(), side.psk.hex(), lengths]))
    relay(ends, flip)
    for end in ends:
        end.hang_up()
    return [end.finish() for end in ends]


def refused_by(protocol: str, message: int) -> list[set[int]]:
    """How both end where a message was changed: its reader refuses it, and the writer waits in vain.

    The first message of XX has nothing that is sealed: there the next message is refused."""
    if protocol == XX and message == 0:
        message = 1
    ends = [{GONE}, {GONE}]
    ends[1 - WRITERS[message]] = {REFUSED}
    if message == len(WRITERS) - 1:
        ends[WRITERS[message]] = {FINE}  # it had nothing to wait for
    return ends


def flips(protocol: str) -> list[tuple[int, int]]:
    """Every message, at its first byte and its last. The first payload of XX is in the clear, so there
    the last byte of the key."""
    return [(number, byte) for number in range(len(WRITERS))
            for byte in (0, 31 if protocol == XX and number == 0 else -1)]


def check(protocol: str, programs: list[list[str]], names: str, tally: Tally) -> None:
    for lengths in LENGTHS[protocol]:
        tally.compare(f"{names} {protocol} {lengths}", [{FINE}, {FINE}],
                      run(Talk(protocol, lengths), programs))
    talk = Talk(protocol, (13, 100, 200))
    for flip in flips(protocol):
        tally.compare(f"{names} {protocol}, message {flip[0]} changed at byte {flip[1]}",
                      refused_by(protocol, flip[0]), run(talk, programs, flip))
    tally.compare(f"{names} {protocol}, prologues differ", refused_by(protocol, 0),
                  run(replace(talk, responder=Side(prologue=b"other")), programs))
    if protocol == XX_PSK3:
        tally.compare(f"{names} {protocol}, pre-shared keys differ", refused_by(protocol, 2),
                      run(replace(talk, initiator=Side(psk=OTHER_PSK)), programs))


def main() -> int:
    ours, kind, build = sys.argv[1], sys.argv[2], Path(sys.argv[3]).resolve()
    theirs = {"go": tools.go, "node": tools.node}[kind]("noise", build)
    tally = Tally()
    for protocol in PATTERNS[kind]:
        check(protocol, [[ours], theirs], f"ours to {kind}:", tally)
        check(protocol, [theirs, [ours]], f"{kind} to ours:", tally)
    return tally.status()


if __name__ == "__main__":
    sys.exit(main())
