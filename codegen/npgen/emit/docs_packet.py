"""Packets for people: the diagram that RFCs have, and a table.

A row of the diagram is 32 bits. Bytes stand in the order in which they travel, and in each the most
significant bit is the first; so the parts of a little-endian field may stand in pieces.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Iterator, Optional

from ..model import Packet, PacketBytes, PacketField, PacketInt
from ..spell import packet_bounds, packet_type, size
from .docs_text import cell, code, prose, table

ROW = 32

MAX_BYTES = 24
"""Bytes of a fixed field that are drawn; of a longer one the middle is left out."""


@dataclass(frozen=True)
class Cell:
    """A run of bits. ``labels`` are tried in turn until one fits."""

    name: str
    bits: int
    labels: tuple[str, ...]
    elided: bool = False


def packet_section(packet: Packet) -> list[str]:
    """The section of a packet, without its heading."""
    drawing, legend = diagram(packet)
    lines = [*prose(packet.doc), "```", *drawing, "```", ""]
    if legend:
        lines += [", ".join(f"{key}: {code(name)}" for key, name in legend.items()) + ".", ""]
    body = _variable(packet)
    text = f"It has {size(packet.header_len)}"
    if body is not None:
        text += f" and then those of {code(body.name)}"
    lines += [f"{text}.", ""]
    return [*lines, *table(["offset", "field", "type", "value", "description"], _rows(packet))]


# --------------------------------------------------------------------------------------------
# Table
# --------------------------------------------------------------------------------------------


def _variable(packet: Packet) -> Optional[PacketBytes]:
    last = packet.fields[-1] if packet.fields else None
    return last if isinstance(last, PacketBytes) and last.count is None else None


def _rows(packet: Packet) -> Iterator[list[str]]:
    at = 0
    for field in packet.fields:
        if isinstance(field, PacketBytes):
            count = code(field.length_field or "") if field.count is None else str(field.count)
            yield [str(at), code(field.name), f"{count} bytes", "", cell(field.doc)]
            at += field.count or 0
            continue
        yield [str(at), code(field.name), _type(field), _value(field), cell(field.doc)]
        for part in field.parts:
            mask = ((1 << part.bits) - 1) << part.shift
            last = part.shift + part.bits - 1
            bits = f"bit {last}" if part.bits == 1 else f"bits {last} to {part.shift}"
            yield [
                "", code(f"{field.name}.{part.name}"), f"{bits}, mask {code(f'0x{mask:02X}')}",
                _const(part.const), cell(part.doc),
            ]  # fmt: skip
        at += field.bits // 8


def _type(field: PacketInt) -> str:
    sign = "signed" if field.signed else "unsigned"
    order = ", big-endian" if field.big_endian else ", little-endian"
    what = f"{field.bits} bits" if field.parts else f"{field.bits} bits, {sign}"
    return code(packet_type(field)) + f": {what}{order if field.bits > 8 else ''}"


def _value(field: PacketInt) -> str:
    if field.const is not None:
        return _const(field.const)
    text = code(packet_bounds(field)) if packet_bounds(field) else ""
    if field.length_of is not None:
        text += f"{'; ' if text else ''}length of {code(field.length_of)}"
    return text


def _const(value: Optional[int]) -> str:
    if value is None:
        return ""
    return f"always {code(hex_or_decimal(value))}"


def hex_or_decimal(value: int) -> str:
    """Small numbers as people count, others as they look in a dump."""
    return str(value) if value < 256 else f"0x{value:X}"


# --------------------------------------------------------------------------------------------
# Diagram
# --------------------------------------------------------------------------------------------


def diagram(packet: Packet) -> tuple[list[str], dict[str, str]]:
    """The lines, and what the keys stand for that had to replace names."""
    cells = [c for field in packet.fields for c in _cells(field)]
    rows: list[list[int]] = [[]]
    for index, c in enumerate(cells):
        bits = c.bits
        if bits == 0:  # to the end of the row, and one more
            bits = (ROW - len(rows[-1])) % ROW + ROW
        for _ in range(bits):
            if len(rows[-1]) == ROW:
                rows.append([])
            rows[-1].append(index)
    labels, legend = _labels(cells, rows)
    lines = _numbers(min(ROW, max(len(row) for row in rows)))
    for number, row in enumerate(rows):
        above = rows[number - 1] if number else []
        lines.append(_separator(above, row))
        lines.append(_row(number, row, cells, labels))
    return [*lines, _separator(rows[-1], [])], legend


def _cells(field: PacketField) -> Iterator[Cell]:
    name = field.name
    if isinstance(field, PacketBytes):
        if field.count is None:
            yield Cell(name, 0, (f"{name} ({field.length_field} bytes)", name), True)
            return
        cut = field.count > MAX_BYTES
        shown = MAX_BYTES // 2 + field.count % 4 if cut else field.count
        yield Cell(name, 8 * shown, (f"{name} ({field.count} bytes)", name), cut)
    elif not field.parts:
        const = () if field.const is None else (f"{name} = {hex_or_decimal(field.const)}",)
        yield Cell(name, field.bits, (*const, name))
    else:
        yield from _parts(field)


def _parts(field: PacketInt) -> Iterator[Cell]:
    """Parts in the order in which their bits travel."""
    count = field.bits // 8
    order = range(count - 1, -1, -1) if field.big_endian else range(count)
    bits = [8 * byte + bit for byte in order for bit in range(7, -1, -1)]
    found: list[tuple[str, int]] = []
    last: Optional[int] = None
    for bit in bits:
        part = next(p for p in field.parts if p.shift <= bit < p.shift + p.bits)
        if found and found[-1][0] == part.name and last == bit + 1:
            found[-1] = (part.name, found[-1][1] + 1)
        else:
            found.append((part.name, 1))
        last = bit
    for name, width in found:
        yield Cell(name, width, (name,))


def _labels(
    cells: list[Cell], rows: list[list[int]]
) -> tuple[dict[int, tuple[int, str]], dict[str, str]]:
    """The row and text of each cell's label, and the legend."""
    labels: dict[int, tuple[int, str]] = {}
    legend: dict[str, str] = {}
    for index, c in enumerate(cells):
        places = [(row.count(index), number) for number, row in enumerate(rows) if index in row]
        widest = max(width for width, _ in places)
        candidates = [number for width, number in places if width == widest]
        room = 2 * widest - 1
        text = next((label for label in c.labels if len(label) <= room), None)
        if text is None:
            text = _key(c.name, room, legend)
            legend[text] = c.name
        labels[index] = (candidates[len(candidates) // 2], text)
    return labels, legend


def _key(name: str, room: int, legend: dict[str, str]) -> str:
    """A short key: the same for the same name, its first letters if nobody has them."""
    for key, other in legend.items():
        if other == name and len(key) <= room:
            return key
    letters = name.upper().replace("_", "")
    tries = [letters[:1], *letters[1:], *"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"]
    return next((key for key in tries if key not in legend), "?")


def _numbers(width: int) -> list[str]:
    tens = "".join(f" {n // 10 if n % 10 == 0 else ' '}" for n in range(width)).rstrip()
    return [tens, "".join(f" {n % 10}" for n in range(width))]


def _separator(above: list[int], below: list[int]) -> str:
    width = max(len(above), len(below))

    def at(row: list[int], column: int) -> Optional[int]:
        return row[column] if 0 <= column < len(row) else None

    dashes = [at(above, c) is None or at(above, c) != at(below, c) for c in range(width)]
    line = "+"
    for column, dash in enumerate(dashes):
        after = dashes[column + 1] if column + 1 < width else True
        line += "-" if dash else " "
        line += "+" if dash or after else " "
    return line


def _row(
    number: int, row: list[int], cells: list[Cell], labels: dict[int, tuple[int, str]]
) -> str:
    line, start = "", 0
    while start < len(row):
        index = row[start]
        end = start
        while end < len(row) and row[end] == index:
            end += 1
        place, text = labels[index]
        cut = cells[index].elided and number == place and end - start == ROW
        if not line:
            line = "~" if cut else "|"
        line += (text if place == number else "").center(2 * (end - start) - 1)
        line += "~" if cut else "|"
        start = end
    return line
