"""Whether generated files are up to date, told by their content and never by their time.

A banner's ``Inputs`` line is one digest over everything that decides about the output: the bytes of
the schema, of its imports, and of the generator. It is defined so simply that a build system can
compute it without Python (cmake/NetprotoGenerate.cmake does): the SHA-256 of the sorted, unique
SHA-256 digests of the files, each in lowercase hex and followed by a newline.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path
from typing import Iterable


def inputs_digest(schemas: Iterable[Path]) -> str:
    """The digest of these files and the generator, in lowercase hex."""
    digests = {_file_digest(path) for path in schemas} | _generator_digests()
    lines = "".join(digest + "\n" for digest in sorted(digests))
    return hashlib.sha256(lines.encode()).hexdigest()


def _file_digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@lru_cache(maxsize=1)
def _generator_digests() -> frozenset[str]:
    package = Path(__file__).resolve().parent
    paths = (*package.rglob("*.py"), *package.rglob("*.txt"))
    return frozenset(_file_digest(path) for path in paths)
