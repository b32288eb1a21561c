"""Generations, and how two of them compare, as tables for people."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from sigvault.cli.tables import ruled_table
from sigvault.domain.comparison import Rate
from sigvault.evaluation.generation_comparison import (
    DECISIONS,
    WORDS,
    Change,
    GenerationComparison,
    Verdict,
)

if TYPE_CHECKING:
    from sigvault.services.generations import Activation, GenerationSummary
    from sigvault.services.reindexing import Reindexing

_SHOWN = 10
"""Signers that fare worse are named up to so many; the JSON document has them all."""


def generations_table(generations: Sequence[GenerationSummary]) -> Table:
    """The generations, a line each."""
    table = ruled_table(
        ">Number",
        "Status",
        "Model",
        "Preprocessing",
        ">Vectors",
        ">Missing",
        "Thresholds",
        "Decides since",
    )
    for one in generations:
        table.add_row(
            str(one.id),
            Text(one.status, style="bold green" if one.status == "active" else ""),
            one.model,
            one.preprocessing,
            str(one.vectors),
            str(one.missing),
            ", ".join(map(str, one.thresholds)) or "none",
            f"{one.activated_at:%Y-%m-%d %H:%M}" if one.activated_at else "never",
        )
    return table


def comparison_tables(comparison: GenerationComparison, on: str) -> list[Table | Text]:
    """What two generations make of the same comparisons."""
    counts = ", ".join(f"{count} {kind}" for kind, count in comparison.comparisons.items() if count)
    title = Text(
        f"Generation {comparison.new} beside {comparison.old} on {on}: {comparison.signers} "
        f"signers; comparisons: {counts or 'none'}"
    )
    if not comparison.changes:
        return [title, *map(Text, comparison.reasons)]
    table = ruled_table("", ">Old", ">New", ">Difference", ">At most", "")
    for change in comparison.changes:
        table.add_row(*_cells(change))
    flips = [line for kind, rows in comparison.flips.items() for line in _flips(kind, rows)]
    return [title, table, *flips, *_worse(comparison)]


def reindexing_tables(done: Reindexing, *, asked: bool) -> list[Text]:
    """What became of a re-index, in lines."""
    lines = [
        Text(
            f"Generation {done.generation} ({done.model}): {done.embedded.embedded} references "
            f"embedded just now, {done.embedded.references} there are"
        )
    ]
    lines += [
        Text(f"reference {one.reference} can't be embedded: {one.message}")
        for one in done.embedded.unusable[:_SHOWN]
    ]
    if done.activation is not None:
        return [*lines, *activation_lines(done.activation)]
    lines += [Text(f"against it: {reason}", style="bold red") for reason in done.reasons]
    if asked:
        lines.append(
            Text(
                f"It does NOT decide. `sigvault generation activate {done.generation} --force` "
                f"lets it all the same, `sigvault generation drop {done.generation}` removes it."
            )
        )
    else:
        lines.append(Text(f"`sigvault generation activate {done.generation}` lets it decide."))
    return lines


def activation_lines(done: Activation) -> list[Text]:
    """Which generation decides from now on."""
    lines = [
        Text(
            f"Generation {done.generation} ({done.model}) decides now, instead of {done.before}; "
            f"audit event {done.event}. `sigvault generation rollback` goes back."
        )
    ]
    if done.embedded:
        lines.append(Text(f"{done.embedded} references that it lacked were embedded first."))
    lines += [Text(f"forced, although: {reason}", style="bold red") for reason in done.forced]
    return lines


def _cells(change: Change) -> list[str | Text]:
    factor, unit = (1.0, " bits") if change.measure == "cllr" else (100.0, " %")

    def shown(rate: Rate, sign: str = "") -> str:
        value, low, high = (factor * part for part in (rate.value, rate.low, rate.high))
        return f"{value:{sign}.2f}{unit} ({low:{sign}.2f} to {high:{sign}.2f})"

    verdict = Text("worse", style="bold red") if change.worse else Text("fit", style="green")
    return [
        WORDS[change.measure],
        shown(change.old),
        shown(change.new),
        shown(change.difference, "+"),
        f"{factor * change.margin:.2f}{unit}",
        verdict,
    ]


def _flips(kind: str, rows: Sequence[Sequence[int]]) -> list[Text]:
    flips = [
        f"{rows[old][new]} from {DECISIONS[old]} to {DECISIONS[new]}"
        for old in range(len(DECISIONS))
        for new in range(len(DECISIONS))
        if old != new and rows[old][new]
    ]
    total = sum(sum(row) for row in rows)
    if not total:
        return []
    return [Text(f"{kind}: of {total} decisions {', '.join(flips) or 'none'} would flip")]


def _worse(comparison: GenerationComparison) -> list[Text]:
    found = comparison.worse_signers
    named = ", ".join(
        f"{one.signer} ({one.accepted[0]} to {one.accepted[1]} of {one.probes} accepted)"
        for one in found[:_SHOWN]
    )
    more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    lines = [Text(f"signers who fare worse: {named}{more}")] if found else []
    if comparison.verdict is Verdict.UNKNOWN:
        lines += [Text(reason) for reason in comparison.reasons]
    return lines
