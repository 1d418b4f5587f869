#!/usr/bin/env python3
"""Our daemon and our client talk in secure sessions to a netproto of another hand, over TCP.

    check_chat.py OUR_PROGRAM BUILD_FOLDER

Each talk is a server and a client, and this one in between, which may flip a bit of a frame, or say
something more when a side has ended.
"""

import contextlib
import socket
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path

import tools
from ends import FINE, GONE, REFUSED, TIMEOUT_S, TOLD, End, Tally
from keys import ALICE, BOB, OTHER_PSK, PSK

ROOT = Path(__file__).resolve().parents[2]
HEAD_LEN = 10
CLIENT, SERVER = 0, 1


@dataclass(frozen=True)
class Flip:
    """One bit on the way: the side that sends it, the number of its frame, the byte of the payload. Or
    what is put behind the last frame of that side."""

    sender: int = CLIENT
    frame: int = -1
    byte: int = 0
    behind: bytes = b""


@dataclass(frozen=True)
class Kind:
    """One implementation: how it is started."""

    name: str
    command: list[str]
    scheme: str  # before an address
    extra: list[str]  # behind the other arguments


def read_fully(sock: socket.socket, length: int) -> bytes:
    out = b""
    while len(out) < length:
        piece = sock.recv(length - len(out))
        if not piece:
            break
        out += piece
    return out


def relay(source: socket.socket, target: socket.socket, flip: Flip) -> None:
    """Hands on all frames, until one of the two has gone, but for what is changed."""
    number = 0
    with contextlib.suppress(OSError):  # the programs tell how they ended
        while head := read_fully(source, HEAD_LEN):
            payload = bytearray(read_fully(source, int.from_bytes(head[6:], "big")))
            if number == flip.frame:
                payload[flip.byte] ^= 1
            number += 1
            target.sendall(head + payload)
        target.sendall(flip.behind)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)  # also when the source was reset: nobody waits in vain


@dataclass(frozen=True)
class Keys:
    """What each of the two is told beside its own pair: the client is Bob, the server Alice."""

    client_psk: str = "-"
    server_psk: str = "-"
    client_trusts: bytes = ALICE.public
    server_trusts: bytes = BOB.public


def run(server: Kind, client: Kind, keys: Keys, flip: Flip) -> list[tuple[int, str]]:
    """Returns the client's end, and the server's."""
    serving = End([*server.command, "server", f"{server.scheme}127.0.0.1:0", ALICE.secret.hex(),
                   keys.server_trusts.hex(), keys.server_psk, *server.extra])
    listens = serving.output.readline().strip().rpartition(b":")[2]
    if not listens:
        return [(GONE, "there was no server"), serving.finish()]
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(TIMEOUT_S)
        address = f"{client.scheme}127.0.0.1:{listener.getsockname()[1]}"
        talking = End([*client.command, "client", address, BOB.secret.hex(),
                       keys.client_trusts.hex(), keys.client_psk, *client.extra])
        near, _ = listener.accept()
    far = socket.create_connection(("127.0.0.1", int(listens)), TIMEOUT_S)
    near.settimeout(TIMEOUT_S)
    with near, far:
        ways = [
            threading.Thread(target=relay, args=(
                source, target, flip if flip.sender == sender else Flip()))
            for sender, source, target in [(CLIENT, near, far), (SERVER, far, near)]
        ]
        for way in ways:
            way.start()
        ends = [talking.finish(), serving.finish()]
        for way in ways:
            way.join()
    return ends


def digest_of_chat() -> str:
    """Of version 2."""
    said = subprocess.run(
        [sys.executable, "-m", "npgen", "digest", str(ROOT / "examples/chat/chat.np")],
        env={"PYTHONPATH": str(ROOT / "codegen"), "PYTHONDONTWRITEBYTECODE": "1"},
        check=True, timeout=60, stdout=subprocess.PIPE, text=True,
    )
    return dict((version, digest) for _, version, digest in map(str.split, said.stdout.splitlines()))["2"]


# Frames of the handshake: the id, in Init the pattern, the length of the Noise message, then that. Its
# first 32 bytes are a key, in Confirm an encrypted one; Init's payload begins with clock and nonce.
INIT_KEY, INIT_NONCE, NOISE, LAST = 4 + 1 + 8, 4 + 1 + 8 + 32 + 8, 4 + 8, -1


def flips(psk: bool) -> list[tuple[int, Flip]]:
    """Who has to refuse it, and what is changed. XX has nothing sealed in Init, so what is changed
    there shows in the Response."""
    init = SERVER if psk else CLIENT
    return [
        (init, Flip(CLIENT, 0, INIT_KEY)),
        (init, Flip(CLIENT, 0, INIT_NONCE)),
        (CLIENT, Flip(SERVER, 0, NOISE)),
        (CLIENT, Flip(SERVER, 0, LAST)),
        (SERVER, Flip(CLIENT, 1, NOISE)),
        (SERVER, Flip(CLIENT, 1, LAST)),
        (CLIENT, Flip(SERVER, 1, 0)),  # the Welcome: the first record
        (CLIENT, Flip(SERVER, 2, LAST)),
        (SERVER, Flip(CLIENT, 2, 0)),  # the client's first record
        (SERVER, Flip(CLIENT, 3, LAST)),
    ]


def refused_by(side: int) -> list[set[int]]:
    """It says so with an Error before it closes, which is lost where the other one still sends."""
    ends = [{TOLD, GONE}, {TOLD, GONE}]
    ends[side] = {REFUSED}
    return ends


# Our daemon's log tells that a client was refused, but not by a number who refused whom: that shows at
# the client, which was told so.
NOT_LET_IN = [{TOLD}, {REFUSED, TOLD}]


def check(server: Kind, client: Kind, tally: Tally) -> None:
    names = f"{client.name} to {server.name}"

    def talk(what: str, wanted: list[set[int]], keys: Keys, flip: Flip = Flip()) -> None:
        tally.compare(f"{names}, {what}", wanted, run(server, client, keys, flip))

    psk, other_psk, nobody = PSK.hex(), OTHER_PSK.hex(), bytes(range(32))
    for what, keys in [("XX", Keys()), ("XXpsk3", Keys(psk, psk))]:
        talk(what, [{FINE}, {FINE}], keys)
        for side, flip in flips(keys != Keys()):
            talk(f"{what}, {flip}", refused_by(side), keys, flip)
    # Who finds something behind a Close has said its own last word, or is about to: the other side,
    # which has closed as well, is not told.
    for behind in [b"\xde", b"GET / HTTP/1.1\r\n\r\n", bytes.fromhex("deadbeef010400000011") + bytes(17)]:
        for sender in [CLIENT, SERVER]:
            ends = [{FINE}, {FINE}]
            ends[1 - sender] = {REFUSED}
            talk(f"{behind!r} behind {sender}", ends, Keys(), Flip(sender, behind=behind))
    talk("pre-shared keys differ", refused_by(SERVER), Keys(other_psk, psk))
    talk("only the client has a pre-shared key", NOT_LET_IN, Keys(client_psk=psk))
    talk("only the server has a pre-shared key", NOT_LET_IN, Keys(server_psk=psk))
    talk("the server does not know the client", NOT_LET_IN, Keys(server_trusts=nobody))
    talk("the client does not know the server", refused_by(CLIENT), Keys(client_trusts=nobody))


def ciphers() -> list[str]:
    """The other hand speaks one at a time, and ours goes along, where this processor can do it."""
    flags = Path("/proc/cpuinfo").read_text().split()
    if {"aes", "pclmulqdq"} <= set(flags):
        return ["xchacha", "aes"]
    print("skipped: AES-256-GCM, for which this processor has no instructions")
    return ["xchacha"]


def main() -> int:
    program, build = sys.argv[1], Path(sys.argv[2]).resolve()
    ours = Kind("ours", [program], "tcp://", [])
    tally = Tally()
    for cipher in ciphers():
        theirs = Kind(f"go with {cipher}", tools.go("chat", build), "", [digest_of_chat(), cipher])
        check(ours, theirs, tally)
        check(theirs, ours, tally)
    return tally.status()


if __name__ == "__main__":
    sys.exit(main())
