#!/usr/bin/env python3
"""Writes npgen/c_names.txt: the names that the headers of C libraries take.

usage: collect_c_names.py [--add VERSION FOLDER [FOLDER]...]...

What a schema names must not meet these, or a program that includes such a header does not compile.
The list is under version control, so that npgen says the same on every machine; run this when a C
library has a new release, and read the difference. Names that are there stay there: an older or newer
release may still have them.

Without arguments the headers are those of this machine's glibc (Debian: libc6-dev) and musl
(musl-dev). --add takes those of another library instead: what to call it in the list, the folder of
its headers, and folders that it needs besides, such as the kernel's.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Iterable, Iterator, Optional

OUTPUT = Path(__file__).resolve().parent / "npgen" / "c_names.txt"

GLIBC = Path("/usr/include")
MUSL = Path("/usr/include/x86_64-linux-musl")

MODES: tuple[tuple[str, ...], ...] = (
    ("-xc", "-std=c11"),
    ("-xc", "-std=gnu17"),
    ("-xc", "-std=gnu17", "-D_GNU_SOURCE", "-D_LARGEFILE64_SOURCE"),
    ("-xc", "-std=gnu17", "-D_GNU_SOURCE", "-O2", "-D_FILE_OFFSET_BITS=64", "-D_REENTRANT"),
    ("-xc", "-std=c11", "-D_POSIX_C_SOURCE=200809L", "-D_XOPEN_SOURCE=700"),
    ("-xc++", "-std=gnu++20"),
)
"""Headers define different names by the standard and the extensions that a program asks for."""

COMPILERS = "float iso646 limits stdalign stdarg stdatomic stdbool stddef stdint stdnoreturn tgmath"
"""Headers of C that the compiler brings, beside those of the library or in their place."""

INTERNAL = ("bits", "gnu", "asm", "asm-generic", "linux", "c++")
"""Folders that programs do not include from, or that are no C library's."""

POSIX = frozenset(
    f"{name}.h"
    for name in """
    aio arpa/inet assert complex cpio ctype dirent dlfcn errno fcntl fenv float fmtmsg fnmatch ftw glob
    grp iconv inttypes iso646 langinfo libgen limits locale math monetary mqueue ndbm netdb net/if
    netinet/in netinet/tcp nl_types poll pthread pwd regex sched search semaphore setjmp signal spawn
    stdarg stdbool stddef stdint stdio stdlib string strings stropts sys/ipc sys/mman sys/msg
    sys/resource sys/select sys/sem sys/shm sys/socket sys/stat sys/statvfs sys/time sys/times sys/types
    sys/uio sys/un sys/utsname sys/wait syslog tar termios tgmath time trace ulimit unistd utime utmpx
    wchar wctype wordexp stdalign stdatomic stdnoreturn threads uchar
    """.split()
)
"""Headers whose whole names count. Others (kernel interfaces, old services) are seldom included, and
take words that schemas want: ``TALK_VERSION``, ``SOUND_VERSION``, ``PACKET_VERSION``."""

_DEFINE = re.compile(r"#define ([A-Za-z][A-Za-z0-9_]*)(\(?)[^ ]* ?(.*)")
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[A-Za-z_][A-Za-z0-9_]*|[(){};*]')
_MEMBER = re.compile(r"[a-z][a-z0-9]*(?:_[a-z0-9]+)*")
_WHOLE = re.compile(r"[a-z][a-z0-9]*(?:_[a-z0-9]+)+|[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+")
_HEADER = re.compile(r"[a-z][a-z0-9]*(?:_[a-z0-9]+)*\.h")


@dataclass
class Names:
    """What the list says, by section."""

    versions: set[str] = field(default_factory=set)
    headers: set[str] = field(default_factory=set)
    members: set[str] = field(default_factory=set)
    whole: set[str] = field(default_factory=set)


@dataclass(frozen=True)
class Library:
    """A C library: what to call it, its headers, and how to make the compiler take those."""

    version: str
    headers: tuple[str, ...]
    flags: tuple[str, ...]


def included_as(parts: tuple[str, ...]) -> Optional[str]:
    """A header's path as programs write it; None for what they do not include."""
    parts = parts[1:] if parts[0].endswith("-linux-gnu") else parts
    return None if parts[0] in INTERNAL or "bits" in parts else "/".join(parts)


def headers_below(folder: Path) -> Iterator[str]:
    """The headers of a folder as programs include them."""
    for path in sorted(folder.rglob("*.h")):
        name = included_as(path.relative_to(folder).parts)
        if name is not None:
            yield name


def packaged(package: str) -> tuple[str, tuple[Path, ...]]:
    """The version and the files of a package of Debian's."""
    shown = subprocess.run(
        ["dpkg-query", "-W", "-f", "${Version}", package], check=True, capture_output=True, text=True
    )
    listed = subprocess.run(["dpkg", "-L", package], check=True, capture_output=True, text=True)
    return shown.stdout, tuple(Path(line) for line in listed.stdout.splitlines())


def glibc() -> Library:
    """The C library of this machine; its folder holds other packages' headers, too."""
    version, files = packaged("libc6-dev")
    names = set()
    for path in files:
        if path.suffix == ".h" and GLIBC in path.parents:
            name = included_as(path.relative_to(GLIBC).parts)
            if name is not None:
                names.add(name)
    return Library(f"glibc {version}", tuple(sorted(names)), ())


def compiler() -> Library:
    """What the compiler has by itself."""
    version = subprocess.run(
        ["gcc", "-dumpfullversion"], check=True, capture_output=True, text=True
    ).stdout.strip()
    return Library(f"gcc {version}", tuple(f"{name}.h" for name in COMPILERS.split()), ())


def isolated(version: str, folders: Iterable[Path]) -> Library:
    """A C library in a folder of its own."""
    folders = tuple(folders)
    compilers = subprocess.run(
        ["gcc", "-print-file-name=include"], check=True, capture_output=True, text=True
    )
    own = [path for folder in folders for path in (*folder.glob("*-linux-gnu"), folder)]
    flags = ["-nostdinc"]
    for folder in (*own, Path(compilers.stdout.strip()), GLIBC / "x86_64-linux-gnu", GLIBC):
        # The system's own come last: for the headers of the kernel, which no C library has.
        flags += ["-idirafter", str(folder)]
    return Library(version, tuple(headers_below(folders[0])), tuple(flags))


def preprocessed(library: Library, header: str, mode: tuple[str, ...], *flags: str) -> str:
    """A header as the preprocessor leaves it; empty where the library refuses it in this mode."""
    result = subprocess.run(
        ["gcc", *mode, *library.flags, "-E", *flags, "-"],
        input=f"#include <{header}>\n", capture_output=True, text=True, errors="replace",
    )  # fmt: skip
    return result.stdout if result.returncode == 0 else ""


def add_macros(text: str, whole: bool, names: Names) -> None:
    """What ``gcc -dM -E`` has printed; whether names that are put together count, too."""
    for match in _DEFINE.finditer(text):
        name, is_function, body = match.groups()
        if body == name:
            continue  # it stands for itself, and is declared besides
        if not is_function and _MEMBER.fullmatch(name):
            names.members.add(name)  # one with arguments leaves a member alone
        if whole and _WHOLE.fullmatch(name):
            names.whole.add(name)


def add_declarations(text: str, names: Names) -> None:
    """Functions, types, variables and enumerators: all that stands outside of parameters and structs."""
    braces: list[bool] = []  # for each that is open: whether it is an enum's
    parens, is_enum, before = 0, False, ""
    for token in _TOKEN.findall(text):
        if token == "{":
            braces.append(is_enum)
        elif token == "}":
            braces = braces[:-1]
        elif token == "(":
            parens += 1
        elif token == ")":
            parens = max(0, parens - 1)
        elif token == ";" and not braces:
            parens, is_enum = 0, False
        elif token == "enum":
            is_enum = True
        elif token in ("struct", "union", "typedef", "extern"):
            is_enum = False
        outside = not parens and all(braces)
        if _WHOLE.fullmatch(token) and (outside or (before == "(*" and not braces)):
            names.whole.add(token)
        before = "(*" if (before, token) == ("(", "*") else token


def collect(library: Library, names: Names) -> None:
    """All names of a library."""
    names.versions.add(library.version)
    for header in library.headers:
        if _HEADER.fullmatch(header):
            names.headers.add(header.removesuffix(".h"))
        found = False
        for mode in MODES:
            macros = preprocessed(library, header, mode, "-dM")
            add_macros(macros, header in POSIX, names)
            found = found or macros != ""
            if mode[0] == "-xc" and header in POSIX:  # in C++ they are the same, and what C++ has of its own
                add_declarations(preprocessed(library, header, mode, "-P"), names)
        if not found:
            print(f"{library.version}: <{header}> cannot be included by itself", file=sys.stderr)


def read(path: Path) -> Names:
    """The list as it is; empty if there is none."""
    names = Names()
    section: set[str] = set()
    for line in path.read_text(encoding="ascii").splitlines() if path.exists() else ():
        if line.startswith("# From "):
            names.versions |= set(line.removeprefix("# From ").split(", "))
        elif line.startswith("["):
            section = {"[headers]": names.headers, "[members]": names.members,
                       "[whole]": names.whole}[line]  # fmt: skip
        elif line and not line.startswith("#"):
            section.add(line)
    return names


def write(path: Path, names: Names) -> None:
    """The list, sorted, so that a difference is short."""
    lines = [
        "# Names that C libraries take. Made by codegen/collect_c_names.py; do not edit.",
        f"# From {', '.join(sorted(names.versions))}",
        "",
        "# Headers that stand in no folder: a protocol of that name would hide them.",
        "[headers]",
        *sorted(names.headers),
        "",
        "# Macros without arguments: a member of that name would be rewritten.",
        "[members]",
        *sorted(names.members),
        "",
        "# What the headers of C and POSIX declare or define with a '_' inside: a protocol's name and",
        "# one of its names, put together, would be declared again.",
        "[whole]",
        *sorted(names.whole),
    ]
    path.write_text("\n".join(lines) + "\n", encoding="ascii")


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description="Writes npgen/c_names.txt.")
    parser.add_argument("--add", nargs="+", action="append", metavar="WHAT", default=[])
    args = parser.parse_args()
    libraries = [isolated(version, map(Path, folders)) for version, *folders in args.add]
    if not libraries:
        libraries = [compiler(), glibc(), isolated(f"musl {packaged('musl-dev')[0]}", [MUSL])]
    names = read(OUTPUT)
    for library in libraries:
        collect(library, names)
    write(OUTPUT, names)
    print(f"{OUTPUT}: {len(names.headers)} headers, {len(names.members)} members,"
          f" {len(names.whole)} whole names")  # fmt: skip
    return 0


if __name__ == "__main__":
    sys.exit(main())
