"""Which types contain themselves, and an order in which C can declare all of them.

The types and their references form a graph. A strongly connected component of it is a group of
types that contain each other. Within one, a reference that is directly the item of a list, map or
option is *lazy*: the decoder leaves the inner value on the wire. What remains without the lazy
references must be free of cycles, or a C struct would contain itself.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Iterable, Iterator, Mapping, Sequence

from .diagnostics import Reporter
from .model import Array, Decl, Enum, Field, List, Map, Option, Ref, Struct, Tuple, Type

Graph = Mapping[str, Sequence[str]]


@dataclass(frozen=True)
class Edge:
    """A reference: from which field, to which type, and through what."""

    field: Field
    target: str
    direct: bool  # it is itself the item of a list, map or option
    within: bool  # it is somewhere inside of one


def fields_of(decl: Decl) -> tuple[Field, ...]:
    """All fields of a struct, or of all variants of an enum."""
    if isinstance(decl, Struct):
        return decl.fields
    return tuple(f for variant in decl.variants for f in variant.fields)


def _edges(field: Field, type_: Type, direct: bool, within: bool) -> Iterator[Edge]:
    if isinstance(type_, Ref):
        yield Edge(field, type_.name, direct, within)
    elif isinstance(type_, (List, Option)):
        yield from _edges(field, type_.item, True, True)
    elif isinstance(type_, Map):
        yield from _edges(field, type_.value, True, True)
    elif isinstance(type_, Array):
        yield from _edges(field, type_.item, False, within)
    elif isinstance(type_, Tuple):
        for item in type_.items:
            yield from _edges(field, item, False, within)


def edges_of(decl: Decl) -> list[Edge]:
    """All references that a declaration contains, in the order of its fields."""
    return edges_of_fields(fields_of(decl))


def edges_of_fields(fields: Iterable[Field]) -> list[Edge]:
    """The same for fields, those of a message."""
    return [e for f in fields for e in _edges(f, f.type, False, False)]


def mark_recursion(types: dict[str, Decl], reporter: Reporter) -> dict[str, Decl]:
    """Judge all recursion; the types with lazy references marked, each after what it contains."""
    edges = {name: edges_of(decl) for name, decl in types.items()}
    graph = {name: [e.target for e in es if e.target in types] for name, es in edges.items()}
    group: dict[str, int] = {}
    recursive: set[str] = set()
    for number, component in enumerate(components(graph)):
        group.update((name, number) for name in component)
        if len(component) > 1 or component[0] in graph[component[0]]:
            recursive.update(component)
    for decl in types.values():
        _check_bounds(decl, decl.name in recursive, reporter)
    by_value = {
        name: [e.target for e in es if e.target in types and not _lazy(e, group, name)]
        for name, es in edges.items()
    }
    order: list[str] = []
    for component in components(by_value):
        order.extend(component)
        if len(component) > 1 or component[0] in by_value[component[0]]:
            _report_cycle(component, edges, group, types, reporter)
    return {name: _mark(types[name], group) for name in order}


def _lazy(edge: Edge, group: Mapping[str, int], owner: str) -> bool:
    return edge.direct and group[edge.target] == group[owner]


def _check_bounds(decl: Decl, recursive: bool, reporter: Reporter) -> None:
    missing = [w for w, v in (("depth", decl.depth), ("max", decl.max_len)) if v is None]
    if recursive and missing:
        word = "struct" if isinstance(decl, Struct) else "enum"
        words = " and no ".join(f"'{w}'" for w in missing)
        depth = decl.depth or 8
        size = f"{decl.max_len}" if decl.max_len is not None else "4KiB"
        text = (
            f"'{decl.name}' contains itself and has no {words};"
            f" write for example '{word} {decl.name} depth {depth} max {size}'"
        )
        reporter.error(decl.span, "recursion-unbounded", text)
    if not recursive and len(missing) < 2:
        text = f"'{decl.name}' does not contain itself: remove 'depth' and 'max'"
        reporter.error(decl.span, "recursion-none", text)


def _report_cycle(
    component: Sequence[str],
    edges: Mapping[str, Sequence[Edge]],
    group: Mapping[str, int],
    types: Mapping[str, Decl],
    reporter: Reporter,
) -> None:
    """One report for a group of types that contain each other by value."""
    members = set(component)
    cycle = [
        (name, edge)
        for name in types
        if name in members
        for edge in edges[name]
        if edge.target in members and not _lazy(edge, group, name)
    ]
    deep = next(((name, edge) for name, edge in cycle if edge.within), None)
    name, edge = deep or cycle[0]
    what = f"field '{edge.field.name}' of '{name}'"
    if deep:
        text = (
            f"{what} contains '{edge.target}' again, but not directly as the item of a list, map"
            " or option; name a struct for what stands around it"
        )
        reporter.error(edge.field.span, "recursion-shape", text)
    else:
        text = f"{what} contains '{edge.target}' again without end"
        hint = f"use 'option<{edge.target}>' or 'list<{edge.target}> max N'"
        reporter.error(edge.field.span, "recursion-endless", f"{text}; {hint}")


# --------------------------------------------------------------------------------------------
# Marking
# --------------------------------------------------------------------------------------------


def _mark(decl: Decl, group: Mapping[str, int]) -> Decl:
    """The declaration with its lazy references marked."""
    own = group[decl.name]

    def fields(old: tuple[Field, ...]) -> tuple[Field, ...]:
        return tuple(replace(f, type=_mark_type(f.type, False, own, group)) for f in old)

    if isinstance(decl, Enum):
        variants = tuple(replace(v, fields=fields(v.fields)) for v in decl.variants)
        return replace(decl, variants=variants)
    return replace(decl, fields=fields(decl.fields))


def _mark_type(type_: Type, direct: bool, own: int, group: Mapping[str, int]) -> Type:
    if isinstance(type_, Ref):
        return replace(type_, lazy=direct and group.get(type_.name) == own)
    if isinstance(type_, (List, Option)):
        return replace(type_, item=_mark_type(type_.item, True, own, group))
    if isinstance(type_, Map):
        return replace(type_, value=_mark_type(type_.value, True, own, group))
    if isinstance(type_, Array):
        return replace(type_, item=_mark_type(type_.item, False, own, group))
    if isinstance(type_, Tuple):
        return Tuple(tuple(_mark_type(item, False, own, group) for item in type_.items))
    return type_


# --------------------------------------------------------------------------------------------
# Graphs
# --------------------------------------------------------------------------------------------


def components(graph: Graph) -> list[list[str]]:
    """The strongly connected components, each after all it leads to.

    Tarjan's algorithm (SIAM J. Comput. 1972), with a stack of its own: a schema may chain more
    types than Python nests calls. The order follows the schema where the graph leaves a choice.
    """
    result: list[list[str]] = []
    number: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    on_stack: set[str] = set()
    for root in graph:
        if root in number:
            continue
        calls: list[tuple[str, Iterator[str]]] = []

        def enter(node: str) -> None:
            number[node] = low[node] = len(number)
            stack.append(node)
            on_stack.add(node)
            calls.append((node, iter(graph[node])))

        enter(root)
        while calls:
            node, successors = calls[-1]
            for successor in successors:
                if successor not in number:
                    enter(successor)
                    break
                if successor in on_stack:
                    low[node] = min(low[node], number[successor])
            else:
                calls.pop()
                if calls:
                    caller = calls[-1][0]
                    low[caller] = min(low[caller], low[node])
                if low[node] == number[node]:
                    cut = _last_index(stack, node)
                    component = stack[cut:]
                    del stack[cut:]
                    on_stack.difference_update(component)
                    result.append(component)
    return result


def _last_index(stack: Sequence[str], node: str) -> int:
    """The place of a node that is near the top of the stack."""
    return len(stack) - 1 - next(i for i, n in enumerate(reversed(stack)) if n == node)
