"""Fields, structs and enums of two releases, and the types of their values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Sequence

from ..model import (
    Array,
    Decl,
    Enum,
    Field,
    List,
    Map,
    Option,
    Protocol,
    Ref,
    Scalar,
    Span,
    Struct,
    Text,
    Tuple,
    Type,
    Variant,
)
from ..spell import constraints, spell, value
from .align import align
from ..bounds import Bounded, narrower
from .meaning import plain
from .release import released_types
from .report import Hurts, Report

Spans = tuple[Span, Span]
"""A place in the release and in the new schema."""


@dataclass(frozen=True)
class Where:
    """What fields belong to: its new name, and since when it exists in either release."""

    name: str
    old_since: int
    new_since: int
    spans: Spans


class TypeComparison:
    """Compares types, each pair of declarations once."""

    def __init__(self, old: Protocol, new: Protocol, report: Report) -> None:
        self.old = old
        self.new = new
        self.report = report
        self.old_types = released_types(old)
        self.new_types = released_types(new)
        self.version = old.version
        self._seen: set[tuple[str, str]] = set()

    # -- versions -----------------------------------------------------------------------------

    def since(self, old: int, new: int, spans: Spans, what: str) -> None:
        """Something that was released since one version and now claims another."""
        if old != new:
            text = f"{what} was released with 'since {old}', not 'since {new}'"
            if new == 1:
                text = f"{what} was released with 'since {old}'; keep that"
            elif old == 1:
                text = f"{what} has always been there; remove 'since {new}'"
            self.report.add("since-changed", Hurts.BOTH, spans, text)

    def added(self, rule: str, hurts: Hurts, since: int, spans: Spans, what: str) -> None:
        """Something new that is no newer than the release."""
        later = self.version + 1
        hint = f"write 'since {later}'"
        if self.new.version <= self.version:
            hint = f"raise the protocol's version to {later} and {hint}"
        if since > 1:
            text = f"{what} is new, and version {since} is released; {hint}"
            self.report.add("version-not-raised", hurts, spans, text)
            return
        self.report.add(rule, hurts, spans, f"{what} is new; {hint}")

    # -- declarations -------------------------------------------------------------------------

    def compare_declared(self) -> None:
        """All types that no message has led to: programs may use them by themselves."""
        for name, decl in self.old_types.items():
            if name in self.new_types:
                self._decls(name, name)
            elif not any(name == seen for seen, _ in self._seen):
                what = "struct" if isinstance(decl, Struct) else "enum"
                spans = (decl.span, self.new.span)
                self.report.add("type-removed", Hurts.SOURCE, spans, f"{what} '{name}' is gone")

    def _decls(self, old_name: str, new_name: str) -> None:
        if (old_name, new_name) in self._seen:
            return
        self._seen.add((old_name, new_name))
        old, new = self.old_types[old_name], self.new_types[new_name]
        spans = (old.span, new.span)
        if old_name != new_name:
            text = f"'{old_name}' is named '{new_name}' now"
            self.report.add("type-renamed", Hurts.OPENING, spans, text)
        if isinstance(old, Struct) and isinstance(new, Struct):
            self._recursion(old, new, spans)
            self.fields(old.fields, new.fields, Where(new_name, 1, 1, spans))
        elif isinstance(old, Enum) and isinstance(new, Enum):
            self._recursion(old, new, spans)
            self._variants(old, new, spans)
        else:
            now, before = ("struct", "enum") if isinstance(new, Struct) else ("enum", "struct")
            text = f"'{new_name}' is {'an' if now == 'enum' else 'a'} {now}, and was released as"
            text += f" {'an' if before == 'enum' else 'a'} {before}"
            self.report.add("type-changed", Hurts.BOTH, spans, text)

    def _recursion(self, old: Decl, new: Decl, spans: Spans) -> None:
        pairs = (("depth", old.depth, new.depth), ("max", old.max_len, new.max_len))
        for word, before, now in pairs:
            if before is None or now is None or before == now:
                continue  # it became recursive, or is no more: then its fields tell
            hurts = Hurts.NEW_READERS if now < before else Hurts.OLD_READERS
            text = f"'{new.name}' has '{word} {now}', and '{word} {before}' as released"
            self.report.add("recursion-changed", hurts, spans, text)

    def _variants(self, old: Enum, new: Enum, spans: Spans) -> None:
        now = {v.index: v for v in new.variants if v.since <= self.version}
        by_name = {v.name: v for v in new.variants}
        old_names = {v.name for v in old.variants}
        used: set[int] = set()
        for variant in old.variants:
            successor = by_name.get(variant.name)
            what = f"variant '{variant.name}' of '{new.name}'"
            if successor is not None and successor.index != variant.index:
                text = f"{what} has index {successor.index}, not {variant.index} as released"
                places = (variant.span, successor.span)
                self.report.add("variant-index", Hurts.BOTH, places, text)
            if successor is None:
                successor = now.get(variant.index)
                if successor is not None and successor.name not in old_names:
                    text = f"{what} is named '{successor.name}' now; if it means something else,"
                    text += " give it an index of its own"
                    places = (variant.span, successor.span)
                    self.report.add("variant-renamed", Hurts.OPENING, places, text)
                else:
                    places = (variant.span, new.span)
                    self.report.add("variant-removed", Hurts.NEW_READERS, places, f"{what} is gone")
                    continue
            used.add(successor.index)
            self._variant(variant, successor, new.name)
        for variant in new.variants:
            if variant.index not in used and variant.since <= self.version:
                self.added(
                    "variant-added", Hurts.OLD_READERS, variant.since, (spans[0], variant.span),
                    f"variant '{variant.name}' of '{new.name}'",
                )  # fmt: skip

    def _variant(self, old: Variant, new: Variant, enum: str) -> None:
        spans = (old.span, new.span)
        self.since(old.since, new.since, spans, f"variant '{new.name}' of '{enum}'")
        where = Where(f"{enum}.{new.name}", old.since, new.since, spans)
        self.fields(old.fields, new.fields, where)

    # -- fields -------------------------------------------------------------------------------

    def fields(self, old: Sequence[Field], new: Sequence[Field], where: Where) -> None:
        """The fields of one owner in both releases."""
        old_names = {f.name for f in old}
        # What is later than the release is of no concern, unless it was released earlier.
        now = [f for f in new if f.since <= self.version or f.name in old_names]
        found = align(
            [f.name for f in old],
            [f.name for f in now],
            lambda i, j: spell(old[i].type) == spell(now[j].type),
        )
        for i in found.removed:
            text = f"field '{old[i].name}' of '{where.name}' is gone"
            self.report.add("field-removed", Hurts.BOTH, (old[i].span, where.spans[1]), text)
        for i, j in found.moved:
            text = f"field '{now[j].name}' of '{where.name}' was released in another place"
            self.report.add("field-reordered", Hurts.BOTH, (old[i].span, now[j].span), text)
        last = max((j for _, j in (*found.same, *found.moved)), default=-1)
        for j in found.added:
            what = f"field '{now[j].name}' of '{where.name}'"
            spans = (where.spans[0], now[j].span)
            if j > last:
                self.added("field-added", Hurts.BOTH, now[j].since, spans, what)
            else:
                text = f"{what} is new and stands before others; add fields at the end"
                self.report.add("field-inserted", Hurts.BOTH, spans, text)
        for i, j in (*found.same, *found.moved):
            self._field(old[i], now[j], where)

    def _field(self, old: Field, new: Field, where: Where) -> None:
        spans = (old.span, new.span)
        what = f"field '{new.name}' of '{where.name}'"
        if old.name != new.name:
            text = f"field '{old.name}' of '{where.name}' is named '{new.name}' now"
            self.report.add("field-renamed", Hurts.OPENING, spans, text)
        before, now = max(old.since, where.old_since), max(new.since, where.new_since)
        if old.since != new.since and before != now:
            self.since(before, now, spans, what)
        elif old.since > 1 and new.since > 1:
            was, is_ = value(old.type, old.default), value(new.type, new.default)
            if was != is_:
                text = f"{what} is {is_} for peers without it, and {was} as released"
                self.report.add("default-changed", Hurts.NEW_READERS, spans, text)
        self.types(old.type, new.type, spans, what)

    # -- types of values ----------------------------------------------------------------------

    def types(self, old: Type, new: Type, spans: Spans, what: str) -> None:
        """The types of one value in both releases."""
        if isinstance(old, Ref) and isinstance(new, Ref):
            self.reference("field-retyped", old, new, spans, what)
        elif isinstance(old, Array) and isinstance(new, Array) and old.count == new.count:
            self.types(old.item, new.item, spans, what)
        elif isinstance(old, List) and isinstance(new, List):
            self._bounds(old, new, "list", spans, what)
            self.types(old.item, new.item, spans, what)
        elif isinstance(old, Map) and isinstance(new, Map):
            self._bounds(old, new, "map", spans, what)
            self.types(old.key, new.key, spans, what)
            self.types(old.value, new.value, spans, what)
        elif isinstance(old, Option) and isinstance(new, Option):
            self.types(old.item, new.item, spans, what)
        elif isinstance(old, Tuple) and isinstance(new, Tuple) and len(old.items) == len(new.items):
            for before, now in zip(old.items, new.items):
                self.types(before, now, spans, what)
        elif isinstance(old, Scalar) and isinstance(new, Scalar) and old.kind == new.kind:
            self._bounds(old, new, old.kind, spans, what)
        elif isinstance(old, Text) and isinstance(new, Text) and old.kind == new.kind:
            self._bounds(old, new, old.kind, spans, what)
        elif type(old) is not type(new) or spell(old) != spell(new):
            self._retyped(old, new, spans, what)

    def _retyped(self, old: Type, new: Type, spans: Spans, what: str) -> None:
        same = _wire(old, self.old_types) == _wire(new, self.new_types)
        hurts = Hurts.OPENING if same else Hurts.BOTH
        text = f"{what} is '{spell(new)}', and '{spell(old)}' as released"
        text += f"; {self._instead(spell(old), spell(new), hurts)}"
        self.report.add("field-retyped", hurts, spans, text)

    def _instead(self, old: str, new: str, hurts: Hurts) -> str:
        """What to write in place of another type for something released."""
        if hurts is Hurts.OPENING:  # the same bytes: nothing is gained that a program could not do
            return f"keep '{old}', which travels as the same bytes"
        return f"keep it, and add a field with '{new}' and 'since {self.version + 1}' at the end"

    def _bounds(self, old: Bounded, new: Bounded, word: str, spans: Spans, what: str) -> None:
        now = f"{word} {constraints(new)}".rstrip()
        before = f"{word} {constraints(old)}".rstrip()
        text = f"{what} is '{now}', and '{before}' as released"
        if narrower(new, old):
            self.report.add("bound-tightened", Hurts.NEW_READERS, spans, text)
        if narrower(old, new):
            self.report.add("bound-widened", Hurts.OLD_READERS, spans, text)
        same = not narrower(new, old) and not narrower(old, new)
        if same and isinstance(old, Scalar) and spell(plain(old)) != spell(plain(new)):
            # Floats have several spellings for one set of values, and digests are of spellings.
            text += f"; {self._instead(spell(old), spell(new), Hurts.OPENING)}"
            self.report.add("field-retyped", Hurts.OPENING, spans, text)

    def reference(self, rule: str, old: Ref, new: Ref, spans: Spans, what: str) -> None:
        """A value of a named type, or the reply of a request."""
        if old.name == new.name or old.name not in self.new_types:
            self._decls(old.name, new.name)
            return
        # Another type, while the old one is still there: only whether it travels alike counts.
        trial = TypeComparison(self.old, self.new, Report())
        trial._decls(old.name, new.name)
        hurts = Hurts.BOTH if trial.report.hurts_peers else Hurts.OPENING
        text = f"{what} is '{new.name}', and '{old.name}' as released"
        if rule == "field-retyped":
            text += f"; {self._instead(old.name, new.name, hurts)}"
        self.report.add(rule, hurts, spans, text)


def _wire(type_: Type, types: dict[str, Decl]) -> tuple[str, ...]:
    """What a value is on the wire, the same for types that only programs tell apart."""
    if isinstance(type_, Tuple):
        return tuple(part for item in type_.items for part in _wire(item, types))
    if isinstance(type_, List) and type_.item == Scalar("u8"):
        return (spell(Text("bytes", type_.max, type_.min)),)
    if isinstance(type_, Ref):
        decl = types[type_.name]
        always = isinstance(decl, Struct) and all(f.since == 1 for f in decl.fields)
        if isinstance(decl, Struct) and always and decl.depth is None:
            return tuple(part for f in decl.fields for part in _wire(f.type, types))
    return () if spell(type_) == "()" else (spell(type_),)
