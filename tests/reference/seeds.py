"""Writes the seeds of fuzz/fuzz_decode.c and fuzz/fuzz_frame_parse.c: fuzz/corpus/decode/ from the
vectors of this folder and of the bincode crate and from examples of schemas,
fuzz/corpus/frame_parse/ by hand.
    python3 tests/reference/seeds.py
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
VECTORS = ROOT / "tests" / "vectors"
CORPUS = ROOT / "fuzz" / "corpus"
sys.path.insert(0, str(ROOT / "codegen"))

from npgen.emit.shapes import own_messages, place_of  # noqa: E402
from npgen.load import load  # noqa: E402
from npgen.model import Struct  # noqa: E402
from npgen.selftest.cases import Cases  # noqa: E402
from npgen.selftest.wire import encode  # noqa: E402

EVERYTHING, ORACLE, BASE, RUST = range(4)  # the order in fuzz_decode.c
CHAIN, SHARED, BORROWER = 7, 8, 9
LARGEST = 700
MOST = 3  # seeds of a type


def write(folder: str, name: str, data: bytes) -> None:
    slug = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")
    path = CORPUS / folder / slug
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def everything() -> None:
    vectors = json.loads((VECTORS / "everything" / "vectors.json").read_text(encoding="utf-8"))
    for case in vectors["cases"]:
        head = bytes([EVERYTHING, case["version"] - 1 | (0x80 if case["reply"] else 0)])
        data = head + bytes.fromhex(case["hex"])
        if len(data) <= LARGEST:
            verdict = case.get("error", "NP_ERR_OK")[7:]
            write("decode", f"everything {verdict} {case['name']}", data)


def oracle_ids() -> dict[str, int]:
    """The ids of messages by their names."""
    schema = (ROOT / "tests" / "schema" / "oracle.np").read_text(encoding="utf-8")
    return {m[1]: int(m[2]) for m in re.finditer(r"^message (\w+) = (\d+)", schema, re.M)}


RUST_NAMES = {
    "u128": "U128", "char": "Char", "f64": "F64", "String": "String", "Vec<u8>": "VecU8",
    "Vec<String>": "VecString", "Vec<Vec<u8>>": "VecVecU8", "Vec<Option<u16>>": "VecOptionU16",
    "Option<Option<u8>>": "OptionOptionU8", "(String,bool,f32)": "Tuple3", "[u32;8]": "ArrayU32x8",
    "[String;2]": "ArrayStringx2", "[Option<u8>;2]": "ArrayOptionU8x2",
    "BTreeMap<String,u32>": "MapStringU32", "BTreeMap<u16,Vec<u8>>": "MapU16Bytes",
    "BTreeSet<i64>": "SetI64", "BTreeMap<u8,BTreeMap<u8,bool>>": "MapU8MapU8Bool",
    "enum Msg": "MsgValue", "struct Nested": "NestedValue", "struct Packet": "Packet",
}  # fmt: skip


def bincode() -> None:
    ids = oracle_ids()
    cases = json.loads((VECTORS / "bincode" / "encode.json").read_text(encoding="utf-8"))["cases"]
    written: dict[str, int] = {}
    for case in cases:
        value = bytes.fromhex(case["hex"])
        rust = case["type"]
        named = (rust, " ".join(rust.split("{")[0].split()[:2]))
        of = next((RUST_NAMES[r] for r in named if r in RUST_NAMES), None)
        if rust.startswith("enum Message"):
            head = bytes([RUST, 0])
            name = "rust message"
        elif of is not None:
            head = bytes([ORACLE, 0]) + ids[of].to_bytes(4, "little")
            name = f"oracle {of}"
        else:
            continue
        written[name] = written.get(name, 0) + 1
        if len(value) <= LARGEST and written[name] <= MOST:
            write("decode", f"{name} {written[name]}", head + value)


def examples(number: int, name: str) -> None:
    """What the schema's tests are made of: the typical value of each message and reply, and values
    that differ from it by a variant."""
    path = ROOT / "tests" / "schema" / f"{name}.np"
    protocol, _ = load(path, [], str(path))
    assert protocol is not None
    cases = Cases(protocol)
    for m in own_messages(protocol):
        values = [(0, m.name, cases.of(cases.typical(m), place_of(m)))]
        if m.reply is not None:
            reply = protocol.types[m.reply]
            assert isinstance(reply, Struct)
            found = cases.of(cases.typical_struct(reply), place_of(reply))
            values.append((0x80, f"{m.name} reply", found))
        for bit, label, made in values:
            for case in made:
                last = case.name.rsplit(".", 1)[-1]
                if case.refusal is None and (last in ("typical", "least") or "in_" in last):
                    data = u32(m.id) + encode(case.value, protocol.version)
                    head = bytes([number, bit | protocol.version - 1])
                    if len(data) <= LARGEST:
                        write("decode", f"{name} {label} {case.name}", head + data)


def u32(number: int) -> bytes:
    return number.to_bytes(4, "little")


def u64(number: int) -> bytes:
    return number.to_bytes(8, "little")


def text(value: str) -> bytes:
    return u64(len(value)) + value.encode()


def base() -> None:
    offer = text("chat") + u32(1) + u32(2) + u64(2) + b"\0\1" + u64(1) + b"\2" + u64(0)
    offer += u64(1) + b"\7\0" + u64(2) + b"ab"
    choice = u32(2) + bytes(range(32)) + b"\0\2" + u64(0) + u64(0)
    for name, data in {
        "ping": u32(0) + u64(7),
        "pong": u32(1) + u64(7),
        "handshake init": u32(2) + b"\0" + u64(3) + b"abc",
        "echo": u32(5) + text("hello"),
        "disconnect": u32(6) + b"\1" + u32(3) + text("why"),
        "custom": u32(7) + text("cmd") + u64(2) + b"xy",
        "data": u32(8) + text("file") + u64(4) + b"body",
        "hello": u32(9) + offer,
        "welcome": u32(10) + choice,
        "error": u32(11) + u32(0) + text("f") + u64(9) + text("t") + b"\1" + offer + b"\1" + u64(5),
    }.items():
        write("decode", f"base {name}", bytes([BASE, 0]) + data)


def frames() -> None:
    magic = bytes.fromhex("deadbeef01")
    for name, data in {
        "empty": magic + bytes(5),
        "all flags": magic + b"\x1f\0\0\0\x05hello",
        "greatest length": magic + b"\0\1\0\0\0",
        "length one too large": magic + b"\0\1\0\0\1",
        "length in the first byte": magic + b"\0\2\0\0\0",
        "reserved flag": magic + b"\x20\0\0\0\0",
        "wrong version": magic[:4] + b"\2\0\0\0\0\0",
        "wrong magic in the last byte": bytes.fromhex("deadbeee010000000000"),
        "half a header": magic + b"\0\0",
        "nothing": b"",
    }.items():
        write("frame_parse", f"frame {name}", b"\0" + data)
    for name, data in {
        "request": bytes.fromhex("0100000000000000"),
        "greatest kind": bytes.fromhex("ffffffff05ff0000"),
        "kind too large": bytes.fromhex("0100000006000000"),
        "reserved": bytes.fromhex("0100000000000100"),
        "reserved in the last byte": bytes.fromhex("0100000000000001"),
        "cut": bytes.fromhex("010000"),
    }.items():
        write("frame_parse", f"stream {name}", b"\1" + data)


def main() -> None:
    everything()
    bincode()
    base()
    examples(CHAIN, "chain")
    examples(SHARED, "shared")
    examples(BORROWER, "borrower")
    frames()
    print({folder.name: len(list(folder.iterdir())) for folder in CORPUS.iterdir()})


if __name__ == "__main__":
    main()
