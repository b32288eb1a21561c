"""What a replica of somebody else's protocol found, or the stress table: plain data as tables."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sigvault.domain.comparison import Rate
from sigvault.reporting.evaluation.pieces import Cell, Section, Table, figure, rate

_CAVEAT, _REMARKS = "caveat", "remarks"
_SAID_FIRST = frozenset({_CAVEAT, _REMARKS, "replica"})

_NO_SHARES = frozenset(
    {"auc", "cllr", "cost", "difference", "distance", "llr", "loss", "margin", "score", "threshold"}
)
"""Words in a figure's name that say it is no share in per cent."""

_INTERVAL = frozenset({"value", "low", "high"})
_SHORT = {"cllr": "Cllr"} | {
    word: word.upper() for word in ("auc", "eer", "fmr", "fnmr", "fta", "fte")
}
"""Abbreviations as they are written."""

_MANY = 24
"""Longer lists are shortened."""


def replica_sections(replica: Mapping[str, Any]) -> tuple[Section, ...]:
    """One section a result; its caveats are said before, see `caveats`."""
    parts = {
        name: part
        for name, part in replica.items()
        if isinstance(part, Mapping) and _CAVEAT in part
    }
    if parts and len(parts) == len(replica):
        return tuple(
            _section(f"replica-{number}", _label(name), part)
            for number, (name, part) in enumerate(parts.items(), 1)
        )
    return (_section("replica", "Figures", replica),)


def caveats(replica: Mapping[str, Any]) -> tuple[str, ...]:
    """What must be said wherever the figures are shown, each sentence once."""
    parts = [replica, *(part for part in replica.values() if isinstance(part, Mapping))]
    found = [
        str(sentence)
        for part in parts
        for sentence in (part.get(_CAVEAT), *part.get(_REMARKS, ()))
        if sentence
    ]
    return tuple(dict.fromkeys(found))


def _section(anchor: str, title: str, content: Mapping[str, Any]) -> Section:
    rows = tuple(_rows(content))
    tables = [Table("Figures", ("Figure", "Value"), rows, rates=True)] if rows else []
    return Section(anchor, title, tables=(*tables, *_lists(content)))


def _rows(content: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[Cell, ...]]:
    """Every figure that is not in a list of results, a row each."""
    for name, value in content.items():
        if name in _SAID_FIRST or _is_table(value):
            continue
        label = f"{prefix}{name}"
        if isinstance(value, Mapping) and set(value) != _INTERVAL:
            yield from _rows(value, f"{label}: ")
        else:
            yield Cell(_label(label)), to_cell(label, value)


def _lists(content: Mapping[str, Any], prefix: str = "") -> Iterator[Table]:
    """Every list of results, a table each."""
    for name, value in content.items():
        label = f"{prefix}{name}"
        if _is_table(value):
            yield _table(label, value)
        elif isinstance(value, Mapping):
            yield from _lists(value, f"{label}: ")


def _table(name: str, values: Sequence[Mapping[str, Any]]) -> Table:
    flat = [dict(_flatten(value)) for value in values]
    keys = tuple(dict.fromkeys(key for one in flat for key in one))
    rows = tuple(tuple(to_cell(key, one.get(key)) for key in keys) for one in flat)
    return Table(_label(name), tuple(map(_label, keys)), rows, rates=True)


def _flatten(value: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, part in value.items():
        if isinstance(part, Mapping) and set(part) != _INTERVAL:
            yield from _flatten(part, f"{prefix}{name}: ")
        else:
            yield f"{prefix}{name}", part


def _is_table(value: object) -> bool:
    return (
        isinstance(value, Sequence)
        and not isinstance(value, str)
        and len(value) > 0
        and all(isinstance(one, Mapping) for one in value)
    )


def to_cell(name: str, value: object) -> Cell:
    """A plain value, read by its name: rates in per cent, all else as it is."""
    if isinstance(value, Mapping):
        found = Rate(value["value"], value["low"], value["high"])
        return figure(found, 4) if _NO_SHARES & _words(name) else rate(found)
    if isinstance(value, Sequence) and not isinstance(value, str):
        return Cell(_join(value))
    return Cell(_text(value))


def _join(values: Sequence[object]) -> str:
    shown = ", ".join(map(_text, values[:_MANY]))
    if len(values) > _MANY:
        shown += f" and {len(values) - _MANY} more"
    return shown or "none"


def _text(value: object) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4g}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def _words(name: str) -> frozenset[str]:
    return frozenset(name.replace(":", " ").replace("_", " ").split())


def _label(name: str) -> str:
    """``skilled_eer: rate`` as ``Skilled EER``."""
    words = name.removesuffix(": rate").replace("_", " ")
    label = re.sub(r"\w+", lambda word: _SHORT.get(word[0], word[0]), words)
    return label[:1].upper() + label[1:]
