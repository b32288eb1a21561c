"""Generations, and how two of them compare, as tables for people."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from sigvault.cli.ruled_table import ruled_table
from sigvault.cli.tables import short_time
from sigvault.evaluation.generation_changes import Verdict
from sigvault.evaluation.generation_comparison import GenerationComparison
from sigvault.evaluation.generation_page import (
    COLUMNS,
    cells_of,
    describe_flip,
    describe_probes,
    describe_signer,
    flips_of,
    notes_of,
    title_of,
)

if TYPE_CHECKING:
    from sigvault.services.generations import Activation, GenerationSummary
    from sigvault.services.reindexing import Reindexing

_SHOWN = 10
"""Signers that fare worse are named up to so many; the JSON document has them all."""

_STYLES = {Verdict.FIT: "green", Verdict.WORSE: "bold red", Verdict.UNKNOWN: "bold yellow"}


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
        "Decides since (UTC)",
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
            short_time(one.activated_at) if one.activated_at else "never",
        )
    return table


def comparison_tables(comparison: GenerationComparison, on: str) -> list[Table | Text]:
    """What two generations make of the same comparisons."""
    title = Text(title_of(comparison, on))
    if not comparison.changes:
        return [title, *map(Text, comparison.reasons)]
    table = ruled_table("", *(f">{name}" for name in COLUMNS[1:-1]), "")
    for change in comparison.changes:
        *cells, verdict = cells_of(change)
        table.add_row(*cells, Text(verdict, style=_STYLES[change.verdict]))
    notes = map(Text, [*flips_of(comparison), *notes_of(comparison)])
    return [title, table, *notes, *_worse(comparison)]


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
    if done.probes is not None:
        lines.append(Text(describe_probes(done.probes)))
        lines += [Text(describe_flip(flip)) for flip in done.probes.flips[:_SHOWN]]
    if done.activation is not None:
        return [*lines, *activation_lines(done.activation)]
    lines += [Text(f"against it: {reason}", style="bold red") for reason in done.reasons]
    if asked or done.reasons:
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


def _worse(comparison: GenerationComparison) -> list[Text]:
    found = comparison.worse_signers
    named = ", ".join(describe_signer(one) for one in found[:_SHOWN])
    more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    lines = [Text(f"signers who fare worse: {named}{more}")] if found else []
    if comparison.verdict is Verdict.UNKNOWN:
        lines += [Text(reason) for reason in comparison.reasons]
    return lines
