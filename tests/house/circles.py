"""Circles in a graph."""

from __future__ import annotations

from typing import Mapping


def _reached(edges: Mapping[str, set[str]], start: str) -> set[str]:
    seen: set[str] = set()
    waiting = list(edges.get(start, ()))
    while waiting:
        node = waiting.pop()
        if node not in seen:
            seen.add(node)
            waiting += edges.get(node, ())
    return seen


def circles(edges: Mapping[str, set[str]]) -> set[tuple[str, ...]]:
    """The largest sets of nodes that all reach each other."""
    reached = {node: _reached(edges, node) for node in edges}
    found = set()
    for node in edges:
        if node in reached[node]:
            others = {n for n in reached[node] if node in reached.get(n, ())}
            found.add(tuple(sorted(others)))
    return found
