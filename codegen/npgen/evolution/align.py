"""Which element of a new sequence is which of the old one, told by name and order."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from typing import Callable, Sequence


@dataclass(frozen=True)
class Alignment:
    """Positions in the old and new sequence."""

    same: tuple[tuple[int, int], ...]  # same name, or a new name for the same thing
    moved: tuple[tuple[int, int], ...]  # same name, but no more in the order of the others
    removed: tuple[int, ...]
    added: tuple[int, ...]


def align(
    old: Sequence[str], new: Sequence[str], alike: Callable[[int, int], bool]
) -> Alignment:
    """Pair two sequences of unique names.

    What has the same name is the same; the longest part of it that keeps its order stays, the rest
    moved. Between two that stay, an old name and a new one are the same thing renamed if they are
    alike; what is left then is gone, or new.
    """
    places = {name: j for j, name in enumerate(new)}
    common = [(i, places[name]) for i, name in enumerate(old) if name in places]
    staying = _longest_ascending(common)
    moved = [pair for pair in common if pair not in staying]
    gone = [i for i, name in enumerate(old) if name not in places]
    fresh = [j for j, name in enumerate(new) if name not in set(old)]
    renamed: list[tuple[int, int]] = []
    bounds = [(-1, -1), *staying, (len(old), len(new))]
    for (i0, j0), (i1, j1) in zip(bounds, bounds[1:]):
        here = [j for j in fresh if j0 < j < j1]
        for i in [i for i in gone if i0 < i < i1]:
            match = next((j for j in here if alike(i, j)), None)
            if match is not None:
                renamed.append((i, match))
                here = [j for j in here if j > match]
    same = sorted([*staying, *renamed])
    left = {i for i, _ in renamed}
    right = {j for _, j in renamed}
    return Alignment(
        tuple(same),
        tuple(moved),
        tuple(i for i in gone if i not in left),
        tuple(j for j in fresh if j not in right),
    )


def _longest_ascending(pairs: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """The longest run of pairs (ascending in the first) that also ascends in the second."""
    tails: list[int] = []  # second members that end the best runs of each length
    ends: list[int] = []  # and where in `pairs` they stand
    before: list[int] = []
    for k, (_, j) in enumerate(pairs):
        length = bisect_left(tails, j)
        tails[length : length + 1] = [j]
        ends[length : length + 1] = [k]
        before.append(ends[length - 1] if length else -1)
    result: list[tuple[int, int]] = []
    k = ends[-1] if ends else -1
    while k >= 0:
        result.append(pairs[k])
        k = before[k]
    return result[::-1]
