"""dot -> SVG, by way of graphviz, in colours that follow the reader's screen."""

from __future__ import annotations

import re
import subprocess

from .dot import CLIENT, EITHER, HEAD, INK, LINE, PAPER, SERVER

DARK = {
    INK: "#f9fafb", LINE: "#9ca3af", PAPER: "#1f2937", HEAD: "#374151", CLIENT: "#60a5fa",
    SERVER: "#fb923c", EITHER: "#a78bfa",
}  # fmt: skip
"""What each colour is on a dark screen."""


class GraphvizMissing(Exception):
    """Graphviz is not installed, or refused what we wrote (which is a bug of ours)."""


def svg(dot: str) -> str:
    """The picture of a graph."""
    try:
        done = subprocess.run(
            ["dot", "-Tsvg"], input=dot.encode("utf-8"), capture_output=True, check=False
        )
    except FileNotFoundError as error:
        raise GraphvizMissing(
            "svg takes graphviz, whose program 'dot' was not found; on Debian: apt-get install"
            " graphviz (or use --format dot)"
        ) from error
    errors = done.stderr.decode("utf-8", "replace")
    if done.returncode != 0:
        raise GraphvizMissing(f"graphviz failed:\n{errors}")
    # Comments tell graphviz's version, and names that stand in the titles anyway.
    text = re.sub(r"<!--.*?-->\n?", "", done.stdout.decode("utf-8"), flags=re.DOTALL)
    return re.sub(r"(<svg\b[^>]*>\n?)", lambda match: match[1] + _style(), text, count=1)


def _style() -> str:
    rules = "".join(
        f'[{what}="{light}"]{{{what}:{dark}}}'
        for light, dark in DARK.items()
        for what in ("fill", "stroke")
    )
    rules += f"text:not([fill]){{fill:{DARK[INK]}}}"
    return f"<style>@media (prefers-color-scheme:dark){{{rules}}}</style>\n"
