#!/usr/bin/env python3
"""Compares table.txt with the public option structs and with the tests it names.

An option that nobody tests is easily one that does nothing. So every field has a line, and the
test function of that line, or what it calls, sets the field. That the test fails when the field is
ignored is for who writes the line to see to.
"""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TABLE = Path(__file__).with_name("table.txt")

STRUCT = re.compile(r"typedef struct (np_\w+) \{(.*?)^\} \1;", re.DOTALL | re.MULTILINE)
COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
# A function, or a table with an initialiser, at the outermost level; clang-format sees to the form.
FUNCTION = re.compile(r"^[a-z][^\n;{}#]*?\b(\w+)\([^;{}]*\)\n\{\n(.*?)^\}", re.DOTALL | re.MULTILINE)
INITIALISER = re.compile(r"^[a-z][^\n;{}()#]*?\b(\w+)(?:\[\])? = (\{.*?\});", re.DOTALL | re.MULTILINE)


def is_option_struct(name: str) -> bool:
    return name.endswith("_options") or name == "np_security"


def field_name(declaration: str) -> str:
    """The name that is declared by "void (*on_stopped)(np_daemon *daemon, void *user)" and such."""
    pointer = re.search(r"\(\*(\w+)\)\(", declaration)
    if pointer:
        return str(pointer[1])
    words: list[str] = re.findall(r"\w+", re.sub(r"\[[^\]]*\]", "", declaration))
    return words[-1]


def public_fields() -> set[str]:
    fields = set()
    for header in sorted((ROOT / "include/netproto").glob("*.h")):
        for name, body in STRUCT.findall(header.read_text()):
            if is_option_struct(name):
                for declaration in COMMENT.sub("", body).split(";"):
                    if declaration.strip():
                        fields.add(f"{name}.{field_name(declaration)}")
    return fields


def blocks(*sources: Path) -> dict[str, str]:
    """What is defined at the outermost level of these files, by name."""
    found: dict[str, str] = {}
    for source in sources:
        text = COMMENT.sub("", source.read_text())
        found.update(FUNCTION.findall(text))
        found.update(INITIALISER.findall(text))
    return found


def reached(start: str, defined: dict[str, str]) -> str:
    """The text of a block and of all that it names, directly or not."""
    seen: set[str] = set()
    queue = [start]
    while queue:
        name = queue.pop()
        if name in defined and name not in seen:
            seen.add(name)
            queue.extend(re.findall(r"\w+", defined[name]))
    return "\n".join(defined[name] for name in seen)


def complaint(field: str, test: str, function: str) -> str | None:
    kind, _, name = test.partition(".")
    source = ROOT / f"tests/{kind}/test_{name}.c"
    if not source.is_file():
        return f"there is no {source.relative_to(ROOT)}"
    if not re.search(rf"cmocka_unit_test(_setup_teardown)?\({function}\b", source.read_text()):
        return f"{source.relative_to(ROOT)} does not run {function}"
    defined = blocks(*sorted((ROOT / "tests/support").glob("*.c")), source)
    short = field.partition(".")[2]
    if not re.search(rf"(\.|->){short}\b", reached(function, defined)):
        return f"{function} and what it calls never name .{short}"
    return None


def main() -> int:
    complaints = []
    listed: set[str] = set()
    for number, line in enumerate(TABLE.read_text().splitlines(), 1):
        words = line.split()
        if not words or line.startswith("#"):
            continue
        where = f"{TABLE.relative_to(ROOT)}:{number}"
        if len(words) != 3:
            complaints.append(f"{where}: not three words")
            continue
        if words[0] in listed:
            complaints.append(f"{where}: {words[0]} has a line already")
        listed.add(words[0])
        why = complaint(*words)
        if why:
            complaints.append(f"{where}: {words[0]}: {why}")

    public = public_fields()
    if len(public) < 50:
        complaints.append(f"only {len(public)} fields found in include/netproto: look at STRUCT")
    for field in sorted(public - listed):
        complaints.append(f"{field}: no test shows what it does; write one, and a line for it in "
                          f"{TABLE.relative_to(ROOT)}")
    for field in sorted(listed - public):
        complaints.append(f"{field}: there is no such field any more")
    for text in complaints:
        print(text)
    print(f"{len(public)} fields, {len(complaints)} complaints")
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
