#!/usr/bin/env python3
"""What our shared libraries promise to programs that are linked with them.

Three things tell which versions of netproto go together: the SONAME, by which the system picks a
library for a program that was built before; CMake's package version, by which find_package picks
one for a program that will be; and the exact version in the .pc files. They have to agree.

What a library exports is its ABI, whether it was meant to be or not. So a library exports what the
public headers declare, all of it, and beyond that only what another library of ours calls.

What a library links brings its licence along. So it links what docs/licensing.md says, no more; and
no less, counting what a static library passes on.
"""

import argparse
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
# A function or variables that a header exports; inline functions are not marked.
DECLARATION = re.compile(r"\bNP_API\b([^;{]*);")


def output(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def dynamic(library: Path, tag: str) -> list[str]:
    """The values of one tag of the dynamic section."""
    return re.findall(rf"\({tag}\).*\[(.*)\]", output("readelf", "--dynamic", "--wide", str(library)))


def symbols(library: Path, which: str) -> set[str]:
    lines = output("nm", "--dynamic", which, "--format=posix", str(library)).splitlines()
    return {line.split()[0].partition("@")[0] for line in lines}


def declared_names(declaration: str) -> Iterable[str]:
    """The names in "extern const np_type np_type_u8, np_type_u16" and "np_err np_x(int a)"."""
    declaration = re.sub(r"__attribute__\(\(.*?\)\)", "", declaration)
    if "(" in declaration:
        yield re.findall(r"\w+", declaration.partition("(")[0])[-1]
        return
    for part in declaration.split(","):
        yield re.findall(r"\w+", re.sub(r"\[.*?\]", "", part))[-1]


def public_names(headers: Iterable[Path]) -> set[str]:
    names: set[str] = set()
    for header in headers:
        for declaration in DECLARATION.findall(COMMENT.sub("", header.read_text())):
            if not declaration.lstrip().startswith("__attribute__"):
                names.update(declared_names(declaration))
    return names


def cmake_accepts(version_file: Path, wanted: str) -> bool:
    """Whether find_package(netproto WANTED) would take this installation."""
    numbers = wanted.split(".")
    script = "\n".join([
        f'set(PACKAGE_FIND_VERSION "{wanted}")',
        *(f'set(PACKAGE_FIND_VERSION_{part} "{number}")'
          for part, number in zip(("MAJOR", "MINOR", "PATCH"), numbers)),
        f"set(PACKAGE_FIND_VERSION_COUNT {len(numbers)})",
        "set(CMAKE_SIZEOF_VOID_P 8)",
        f'include("{version_file}")',
        'if(PACKAGE_VERSION_COMPATIBLE)\n  message("yes")\nendif()'])
    with tempfile.NamedTemporaryFile("w", suffix=".cmake") as file:
        file.write(script)
        file.flush()
        done = subprocess.run(["cmake", "-P", file.name], check=True, capture_output=True, text=True)
    return "yes" in done.stderr


def soversion(version: str) -> str:
    """The versions that stay compatible share it; docs/building.md says why."""
    major, minor, _ = version.split(".")
    return f"0.{minor}" if major == "0" else major


def other_versions(version: str) -> Iterable[str]:
    major, minor, patch = (int(number) for number in version.split("."))
    yield version
    yield f"{major}.{minor}.{patch + 1}"
    yield f"{major}.{minor}"
    yield f"{major}.{minor + 1}.0"
    yield f"{major + 1}.0.0"
    if patch > 0:
        yield f"{major}.{minor}.{patch - 1}"
    if minor > 0:
        yield f"{major}.{minor - 1}.0"
    if major > 0:
        yield f"{major - 1}.{minor}.0"


def version_complaints(args: argparse.Namespace) -> Iterable[str]:
    wanted = soversion(args.version)
    ours = {library.name.partition(".so")[0] for library in args.libraries}
    for library in args.libraries:
        stem = library.name.partition(".so")[0]
        if dynamic(library, "SONAME") != [f"{stem}.so.{wanted}"]:
            yield f"{stem}: SONAME is {dynamic(library, 'SONAME')}, not {stem}.so.{wanted}"
        if library.resolve().name != f"{stem}.so.{args.version}":
            yield f"{stem}: the file is {library.resolve().name}, not {stem}.so.{args.version}"
        pc = (args.pkgconfig / f"{stem.removeprefix('lib')}.pc").read_text()
        if f"\nVersion: {args.version}\n" not in pc:
            yield f"{stem}: its .pc file tells another version than {args.version}"
    for binary in args.libraries + args.users:
        for needed in dynamic(binary, "NEEDED"):
            stem, _, version = needed.partition(".so.")
            if stem in ours and version != wanted:
                yield f"{binary.name} asks for {needed}"

    # find_package takes an installation exactly where the system would take its libraries; beside
    # that it wants none that is older than what was asked for.
    for asked in other_versions(args.version):
        same = soversion(asked if asked.count(".") == 2 else asked + ".0") == wanted
        older = [int(n) for n in args.version.split(".")] < [int(n) for n in asked.split(".")]
        if cmake_accepts(args.version_file, asked) != (same and not older):
            yield (f"CMake's package of {args.version} {'refuses' if same else 'takes'} "
                   f"{asked}, the SONAME says otherwise")


def symbol_complaints(args: argparse.Namespace) -> Iterable[str]:
    # Of generated/ only the base protocol's headers are installed; a plugin, and no library of
    # ours, exports what plugin.h declares.
    headers = [header for folder in args.headers for header in sorted(folder.rglob("*.h"))
               if header.name != "plugin.h" and
               (folder.name != "generated" or header.name in ("base.h", "base_service.h"))]
    public = public_names(headers)
    if len(public) < 200:
        yield f"only {len(public)} public names found: look at DECLARATION"
    called = set().union(*(symbols(b, "--undefined-only") for b in args.libraries + args.users))
    exported: set[str] = set()
    for library in args.libraries:
        mine = symbols(library, "--defined-only")
        stem = library.name.partition(".so")[0]
        for name in sorted(mine & exported):
            yield f"{stem}: {name} is exported by another library as well"
        for name in sorted(mine - public - called):
            yield f"{stem}: {name} is exported, but no public header has it and no library calls it"
        for name in sorted(mine - public):
            if not name.startswith("np_"):
                yield f"{stem}: {name} is exported: a library within ours, or a name without np_"
        exported |= mine
    for name in sorted(public - exported):
        yield f"{name} is in a public header, but no library exports it"


def stated_links(licensing: Path) -> dict[str, set[str]]:
    """The table in docs/licensing.md: library, what it links."""
    rows = re.findall(r"^\| (netproto[\w-]*) \| ([^|]*) \|", licensing.read_text(), re.MULTILINE)
    return {name: set(re.findall(r"[\w-]+", links)) for name, links in rows}


def required(pc: Path) -> set[str]:
    """What a .pc file asks for when its library is linked statically, as the table names it."""
    private = re.search(r"^Requires\.private: (.*)$", pc.read_text(), re.MULTILINE)
    names = re.findall(r"[\w-]+", private[1]) if private else []
    return {name if name.startswith("lib") else f"lib{name}" for name in names}


def licensing_complaints(args: argparse.Namespace) -> Iterable[str]:
    stated = stated_links(args.licensing)
    where = args.licensing.name
    for library in args.libraries:
        name = library.name.partition(".so")[0].removeprefix("lib")
        links = {needed.partition(".so")[0] for needed in dynamic(library, "NEEDED")}
        # The loader, which gives threads their variables, is a part of the C library.
        links = {link.removeprefix("lib") if link.startswith("libnetproto") else link
                 for link in links if link not in ("libc", "libm") and not link.startswith("ld-")}
        for link in sorted(links - stated.get(name, set())):
            yield f"{name} links {link}; {where} does not say so"
        passed_on = links | required(args.pkgconfig / f"{name}.pc")
        for link in sorted(stated.get(name, set()) - passed_on):
            yield f"{name} does not link {link}; {where} says so"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--version", required=True)
    parser.add_argument("--version-file", type=Path, required=True)
    parser.add_argument("--pkgconfig", type=Path, required=True, help="the folder of the .pc files")
    parser.add_argument("--licensing", type=Path, required=True)
    parser.add_argument("--headers", type=Path, nargs="+", required=True)
    parser.add_argument("--libraries", type=Path, nargs="+", required=True)
    parser.add_argument("--users", type=Path, nargs="*", default=[],
                        help="programs of ours that may call what is private")
    args = parser.parse_args()
    complaints = [*version_complaints(args), *symbol_complaints(args), *licensing_complaints(args)]
    for text in complaints:
        print(text)
    print(f"{len(args.libraries)} libraries, {len(complaints)} complaints")
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
